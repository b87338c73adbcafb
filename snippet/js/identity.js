// Who is in front of the browser: the anonymousId, and the address of the last `identify`.
import { get, put } from './storage.js';

/** A new UUIDv7 (RFC 9562, section 5.7). `crypto.randomUUID` is version 4, and for secure contexts alone. */
export const uuid = () => {
  const chance = Array.from(crypto.getRandomValues(new Uint8Array(10)), byte => (byte + 256).toString(16).slice(1)).join('');
  return (Date.now().toString(16).padStart(12, '0') + chance).replace(/^(.{8})(....).(...).(...)(.{12}).*/,
    (all, a, b, c, d, e) => `${a}-${b}-7${c}-${'89ab'[Math.random() * 4 | 0]}${d}-${e}`);
};

/** The visitor, as an earlier page knew them where storage may be used. */
export const identityOf = persistent => {
  const keep = (name, text) => {
    identity[name] = text;
    if (persistent) put(name, text);
  };
  const identity = {
    anonymousId: persistent && get('anonymousId'),
    email: persistent && get('email'),
    identify: email => keep('email', email),
    /** Another person follows. */
    reset: () => {
      keep('email', '');
      keep('anonymousId', uuid());
    },
  };
  if (!identity.anonymousId) keep('anonymousId', uuid());
  return identity;
};
