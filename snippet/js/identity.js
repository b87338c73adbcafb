// Who is in front of the browser: the anonymousId, and the address of the last `identify`. Asked of
// storage for each event, so that all tabs follow when one of them learns of somebody else.
import { now } from './browser.js';
import { get, put } from './storage.js';

/** A new UUIDv7 (RFC 9562, section 5.7). `crypto.randomUUID` is version 4, and for secure contexts alone. */
export const uuid = () => {
  let digits = now().toString(16).padStart(12, '0');
  for (const byte of crypto.getRandomValues(new Uint8Array(10))) digits += (byte + 256).toString(16).slice(1);
  // Version 7, variant 0b10.
  return digits.replace(/(.{8})(....).(...).(...)/, '$1-$2-7$3-8$4-');
};

/** Another person follows. */
export const reset = () => {
  put('email', '');
  put('anonymousId', uuid());
};

// What is certainly no address of one person must not stand in later events: they would be nobody's.
// The collector judges the rest.
const address = email => /^[^\s<>,;@{}]+@[^\s<>,;@{}]+$/.test(email?.trim?.()) ? email : undefined;

/** Remembers whom `identify` has named, where it is somebody. */
export const remember = email => address(email) && put('email', email);

/** The visitor. An earlier version may have kept an address that is none. */
export const visitor = () => {
  get('anonymousId') || put('anonymousId', uuid());
  return { anonymousId: get('anonymousId'), email: address(get('email')) };
};
