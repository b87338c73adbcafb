// What this site's storage holds for the next page and for other tabs, all under one prefix; in
// memory where nothing may be kept, or can be.

const prefix = 'misarmail.';

const memory = {};
let storage;
let queues;
let ownQueue;

/** A storage that is forbidden, or full, disturbs nobody. */
const attempt = work => {
  try {
    if (storage) return work();
  } catch {
    storage = 0;
  }
};

/** Says whether anything may be kept, and whose queues are meant: those of another key go to another workspace. */
export const useStorage = (key, mayKeep) => {
  storage = mayKeep;
  attempt(() => storage = localStorage);
  queues = prefix + 'queue.' + key.slice(-6) + '.';
  // One name per page, so that no two tabs write over each other's queue.
  ownQueue = queues + Math.random();
};

/** What is kept under a name, also by another tab meanwhile; empty where nothing is. */
export const get = name =>
  memory[name] = attempt(() => storage.getItem(prefix + name) || '') ?? (memory[name] || '');
/** Keeps a text under a name; an empty one removes it. */
export const put = (name, text) => {
  memory[name] = text;
  attempt(() => text ? storage.setItem(prefix + name, text) : storage.removeItem(prefix + name));
};
/** Keeps this page's queue, in place of what was kept of it: the youngest events that have room beside
 * what other pages and the site have stored. */
export const putQueue = text => attempt(() => {
  storage.removeItem(ownQueue);
  // So many characters may the queues of all pages of this site take.
  let room = 262_000;
  // No queue is kept where the site itself stores more: WebKit takes 2.6 million characters, the others
  // twice as many, and the site must find room for its own.
  let free = 15e5;
  for (const name of Object.keys(storage)) {
    const { length } = name + storage.getItem(name);
    if (name.startsWith(prefix)) room -= length;
    else free -= length;
  }
  let lost = 0;
  while (text && text.length > (free > 0 && room)) {
    text = text.slice(text.indexOf('\n') + 1);
    lost += 1;
  }
  // As the engine writes it where it has dropped some itself.
  if (text) storage.setItem(ownQueue, (lost ? lost + '+0 \n' : '') + text);
});
/** Takes the queues that other pages have left behind. */
export const takeQueues = () => attempt(() =>
  Object.keys(storage).filter(name => name.startsWith(queues) && name != ownQueue).map(name => {
    const text = storage.getItem(name);
    storage.removeItem(name);
    return text;
  }).join('')) || '';
