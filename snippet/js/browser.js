// The browser calls that the engine imports; src/browser.rs says what each promises.

/** Filled in by `main.js` before the engine starts: host, debug, and the engine's `flush` and `answered`. */
export const page = {};

const prefix = 'misarmail.';
const queues = prefix + 'queue.';
// One name per page, so that no two tabs write over each other's queue.
const ownQueue = queues + Date.now().toString(36) + Math.random().toString(36).slice(2);

export const now = () => Date.now();
export const monotonic = () => performance.now();
export const random = () => Math.random();
// `crypto.randomUUID` is for secure contexts alone, and version 4.
export const uuid = () => {
  const chance = Array.from(crypto.getRandomValues(new Uint8Array(10)), byte => (byte + 256).toString(16).slice(1)).join('');
  return (Date.now().toString(16).padStart(12, '0') + chance).replace(/^(.{8})(....).(...).(...)(.{12}).*/,
    (all, a, b, c, d, e) => `${a}-${b}-7${c}-${'89ab'[random() * 4 | 0]}${d}-${e}`);
};

/** Storage may be full, or forbidden altogether: then nothing is kept, and nobody is disturbed. */
const withStorage = work => {
  try {
    return work(localStorage) || '';
  } catch {
    return '';
  }
};
const put = (name, text) => withStorage(storage => text ? storage.setItem(name, text) : storage.removeItem(name));

export const read = name => withStorage(storage => storage.getItem(prefix + name));
export const write = (name, text) => put(prefix + name, text);
export const keep_queue = text => put(ownQueue, text);
export const take_queues = () => withStorage(storage =>
  Object.keys(storage).filter(name => name.startsWith(queues) && name != ownQueue).map(name => {
    const text = storage.getItem(name);
    storage.removeItem(name);
    return text;
  }).join('\n'));

export const complain = text => console.error('MisarMail: ' + text);

let timer;
export const wake_in = milliseconds => {
  clearTimeout(timer);
  timer = setTimeout(page.flush, milliseconds);
};

const verdicts = ({ results = [], error }) => {
  for (const { message } of [error, ...results]) if (message) complain(message);
};

export const send = (number, body, keepalive) => {
  // What the engine counts, in bytes.
  const bytes = new TextEncoder().encode(body).length;
  if (page.debug) console.debug('MisarMail sends', JSON.parse(body).events);
  // A string is sent as text/plain: no preflight asks whether it may be.
  fetch(page.host + '/v1/track/batch', { method: 'POST', body, keepalive, credentials: 'omit' }).then(response => {
    const wait = response.headers.get('Retry-After');
    page.answered(number, bytes, response.status, wait ? (wait > 0 ? wait * 1e3 : Date.parse(wait) - Date.now()) : 0);
    return response.status < 429 && response.json().then(verdicts);
  }, () => page.answered(number, bytes, 0, 0)).catch(() => {});
};
