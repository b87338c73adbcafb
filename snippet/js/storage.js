// What this site's storage holds for the next page, all under one prefix.

const prefix = 'misarmail.';
const queues = prefix + 'queue.';
// One name per page, so that no two tabs write over each other's queue.
export const ownQueue = 'queue.' + Date.now().toString(36) + Math.random().toString(36).slice(2);

/** Storage may be full, or forbidden altogether: then nothing is kept, and nobody is disturbed. */
const withStorage = work => {
  try {
    return work(localStorage) || '';
  } catch {
    return '';
  }
};

/** What is kept under a name; empty where nothing is. */
export const get = name => withStorage(storage => storage.getItem(prefix + name));
/** Keeps a text under a name; an empty one removes it. */
export const put = (name, text) =>
  withStorage(storage => text ? storage.setItem(prefix + name, text) : storage.removeItem(prefix + name));
/** Takes the queues that other pages have left behind. */
export const takeQueues = () => withStorage(storage =>
  Object.keys(storage).filter(name => name.startsWith(queues) && name != prefix + ownQueue).map(name => {
    const text = storage.getItem(name);
    storage.removeItem(name);
    return text;
  }).join(''));
