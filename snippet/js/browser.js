// The browser calls that the engine imports; src/browser.rs says what each promises.
import { ownQueue, put } from './storage.js';

/** What wasm exports, and `host` and `debug`: `main.js` fills it in. */
export const engine = {};

const memory = (at, bytes) => new Uint8Array(engine.memory.buffer, at, bytes);
const text = (at, bytes) => new TextDecoder().decode(memory(at, bytes));
/** Leaves a text in the engine's inbox. */
export const give = text => {
  const bytes = new TextEncoder().encode(text);
  memory(engine.room(bytes.length), bytes.length).set(bytes);
};

export const now = () => Date.now();
export const monotonic = () => performance.now();
export const random = () => Math.random();
export const keep_queue = (at, bytes) => put(ownQueue, text(at, bytes));

export const say = text => console.error('MisarMail: ' + text);
// By `Problem` in src/browser.rs.
export const complain = problem => say([
  "no key: set window.MisarMail = { key: 'msk_pub_...' } before this script",
  'this page shows a secret key: revoke it, and use a public one (msk_pub_...)',
  'the key has a typo or is not public: copy all of one that begins with msk_pub_',
  'an event over 32 KB was not sent',
][problem]);

let timer;
export const wake_in = milliseconds => {
  clearTimeout(timer);
  timer = setTimeout(engine.flush, milliseconds);
};

const verdicts = ({ results = [], error }) => {
  for (const { message } of [error, ...results]) if (message) say(message);
};

export const send = (number, at, bytes, keepalive) => {
  const body = text(at, bytes);
  if (engine.debug) console.debug('MisarMail sends', body);
  // A string is sent as text/plain: no preflight asks whether it may be.
  fetch(engine.host + '/v1/track/batch', { method: 'POST', body, keepalive: !!keepalive, credentials: 'omit' }).then(response => {
    const wait = response.headers.get('Retry-After');
    engine.answered(number, bytes, response.status, wait ? (wait > 0 ? wait * 1e3 : Date.parse(wait) - Date.now()) : 0);
    return response.status < 429 && response.json().then(verdicts);
  }, () => engine.answered(number, bytes, 0, 0)).catch(() => {});
};
