// What this site's storage holds for the next page, all under one prefix.

const prefix = 'misarmail.';
let queues;
let ownQueue;

/** Says whose queues are meant: those of another key go to another workspace. */
export const useKey = key => {
  queues = 'queue.' + key.slice(-6) + '.';
  // One name per page, so that no two tabs write over each other's queue.
  ownQueue = queues + Math.random();
};

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
/** Keeps this page's queue, in place of what was kept of it. */
export const putQueue = text => put(ownQueue, text);
/** Takes the queues that other pages have left behind. */
export const takeQueues = () => withStorage(storage =>
  Object.keys(storage).filter(name => name.startsWith(prefix + queues) && name != prefix + ownQueue).map(name => {
    const text = storage.getItem(name);
    storage.removeItem(name);
    return text;
  }).join(''));
