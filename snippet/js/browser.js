// The browser calls that the engine imports; src/browser.rs says what each promises. Pages replace what
// is built in: nothing here may break when they do.
import { get, put, putQueue } from './storage.js';

/** What wasm exports, and `url`, where batches go: `main.js` fills them in. */
export const engine = {};

const memory = (at, bytes) => new Uint8Array(engine.memory.buffer, at, bytes);
const text = (at, bytes) => new TextDecoder().decode(memory(at, bytes));
/** Leaves a text in the engine's inbox. */
export const give = text => {
  const bytes = new TextEncoder().encode(text);
  memory(engine.room(bytes.length), bytes.length).set(bytes);
};

// Not `Date.now`, which libraries replace by one that gives no number (datejs).
export const now = () => +new Date;
export const monotonic = () => performance.now();
export const random = () => Math.random();
export const keep_queue = (at, bytes) => putQueue(text(at, bytes));

export const say = text => console.error('MisarMail: ' + text);
// By `Problem` in src/browser.rs.
export const complain = problem => setTimeout(say, 0, [
  'no key: set window.MisarMail.key before this script',
  'this page shows a secret key: revoke it, and use a public one (msk_pub_...)',
  'the key has a typo or is not public (msk_pub_...)',
  'an event over 32 KB was not sent',
][problem]);

let timer;
export const wake_in = milliseconds => {
  clearTimeout(timer);
  timer = setTimeout(engine.flush, milliseconds);
};

// The collector has answered this page: no blocker, but an outage.
let reached;

export const send = (number, at, bytes, keepalive) => {
  const body = text(at, bytes);
  const abort = new AbortController();
  let wait = 0;
  /** Tells the engine once, whatever else comes. */
  let end = status => {
    end = () => {};
    clearTimeout(deadline);
    engine.answered(number, bytes, status, wait);
  };
  /** Nothing came, or something that a page or a network has put in the place of an answer. */
  const fail = () => {
    let misses = 0;
    // Who is offline is not blocked.
    if (!reached && navigator.onLine) put('misses', misses = +get('misses') + 1);
    // After five without any answer a page tries no more (`GIVE_UP` in src/retry.rs), and the next one once.
    end(misses > 4 ? 1 : 0);
  };
  const deadline = setTimeout(() => {
    abort.abort();
    fail();
  }, 2e4);
  (async () => {
    // A string is sent as text/plain: no preflight asks whether it may be.
    const response = await fetch(engine.url, { method: 'POST', body, keepalive: !!keepalive, credentials: 'omit', signal: abort.signal });
    // Behind a 301 the browser has asked with GET: the next try goes there at once.
    if (/\/v1\/track\/batch\/?$/.test(response.url)) engine.url = response.url;
    const after = response.headers.get('Retry-After');
    // NaN where there is none.
    wait = after * 1e3 || Date.parse(after) - now();
    // 0 where a page asks without CORS: nothing of the answer can be seen then.
    reached = response.status;
    const { events } = JSON.parse(body);
    const { results, error } = await response.json();
    // Any other is somebody else's. Behind a redirect the next try tells more.
    if (!(results ? results.length == events.length : error.code && !response.redirected)) throw 0;
    // A browser that was answered once is not given up as soon.
    put('misses', -5);
    end(response.status);
    for (const verdict of results || [error]) {
      const { event, type } = events.shift();
      if (verdict.message) say([results && (event || type), verdict.field, verdict.message].filter(part => part).join(': '));
    }
  })().catch(() => reached ? end(0) : fail());
};
