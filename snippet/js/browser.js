// The browser calls that the engine imports; src/browser.rs says what each promises.
import { putQueue } from './storage.js';

/** What wasm exports, and `host`: `main.js` fills it in. */
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
export const keep_queue = (at, bytes) => putQueue(text(at, bytes));

export const say = text => console.error('MisarMail: ' + text);
// By `Problem` in src/browser.rs.
export const complain = problem => setTimeout(say, 0, [
  "no key: set window.MisarMail = { key: 'msk_pub_...' } before this script",
  'this page shows a secret key: revoke it, and use a public one (msk_pub_...)',
  'the key has a typo or is not public (msk_pub_...): copy it again',
  'an event over 32 KB was not sent',
][problem]);

let timer;
export const wake_in = milliseconds => {
  clearTimeout(timer);
  timer = setTimeout(engine.flush, milliseconds);
};

const verdicts = ({ results = [], error }) => {
  for (const verdict of [error, ...results]) if (verdict?.message) say(verdict.message);
};

export const send = (number, at, bytes, keepalive) => {
  const body = text(at, bytes);
  // A string is sent as text/plain: no preflight asks whether it may be.
  // Nothing may throw into wasm, as a `fetch` that the page has replaced could: it would stop there.
  new Promise(done => done(fetch(engine.host + '/v1/track/batch', { method: 'POST', body, keepalive: !!keepalive, credentials: 'omit' }))).then(response => {
    const wait = response.headers.get('Retry-After');
    engine.answered(number, bytes, response.status, wait ? (wait > 0 ? wait * 1e3 : Date.parse(wait) - Date.now()) : 0);
    return response.status < 429 && response.json().then(verdicts);
  }, () => engine.answered(number, bytes, 0, 0)).catch(() => {});
};
