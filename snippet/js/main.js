// The page's object: settings, the calls and their order, the moments that a page has. When and how
// events leave stands in the engine.
import { engine, give, say } from './browser.js';
import { identityOf, uuid } from './identity.js';
import { imports, named } from './imports.js';
import { takeQueues, useKey } from './storage.js';

// Set by the build: the module's bytes, as hexadecimal digits: ASCII in any charset, and smaller
// than base64 once compressed (measured: by 600 bytes).
const bytes = Uint8Array.from(WASM.match(/../g), digits => parseInt(digits, 16));

const script = document.currentScript;
const page = window.MisarMail = window.MisarMail || {};
const early = page.q;

const start = ({ exports }) => {
  // Only 1 says that the visitor objects.
  const objects = navigator.globalPrivacyControl && page.gpc != 'off' ? page.gpc || 'anonymous'
    : page.dnt && navigator.doNotTrack == 1 ? 'anonymous' : '';
  const persistent = !objects && page.persistence != 'memory';

  Object.assign(engine, named(exports), {
    host: page.host || (BASE.startsWith('http') ? BASE : script && script.src.replace(/\/mail\/[^/]*$|[^/]*$/, '')),
  });
  const key = page.key || '';
  useKey(key);
  give(key);
  const identity = objects != 'block' && engine.start(page.batchSize || 20, page.flushInterval ?? 1e3, persistent, !!objects, navigator.webdriver)
    // Without a key that may be used, nothing is kept either.
    && (objects ? {} : identityOf(persistent));

  let viewed;
  const record = (at, event) => {
    if (!identity) return;
    event = page.beforeSend ? page.beforeSend(event) : event;
    if (!event) return;
    if (page.debug) console.debug('MisarMail', event);
    viewed ||= event.event == 'page_viewed';
    const { anonymousId, email } = identity;
    give(JSON.stringify({ id: uuid(), anonymousId, email: email || undefined, ...event }).slice(1));
    engine.record(at);
  };
  const calls = {
    track: (at, event, properties) => record(at, { type: 'track', event, properties }),
    page: (at, properties) => calls.track(at, 'page_viewed', {
      url: location.href, title: document.title, referrer: document.referrer, ...properties,
    }),
    identify: (at, email, traits) => {
      if (objects) return say('identify is ignored: this visitor asked for privacy');
      // What is no address must not spoil what comes after it.
      if (identity && /.@./.test(email)) identity.identify(email);
      record(at, { type: 'identify', email, traits });
    },
    purchase: (at, { id, ...order }) => record(at, { type: 'purchase', ...order }),
    flush: () => engine.flush(),
    reset: () => identity.reset?.(),
    ready: (at, then) => then(page),
  };
  const call = ([name, given, at]) => {
    // The page's own mistakes (a circular object, say) must not stop what the page does.
    try {
      calls[name](at, ...given);
    } catch (error) {
      say(`${name} failed: ${error}`);
    }
  };
  if (persistent && identity) {
    // A line per event: when it happened, a space, its JSON.
    for (const line of takeQueues().split('\n')) {
      const space = line.indexOf(' ');
      if (space > 0) {
        give(line.slice(space + 1));
        engine.restore(+line.slice(0, space));
      }
    }
    engine.restored();
  }

  for (const name in calls) page[name] = (...given) => call([name, given, Date.now()]);
  // A stub's function that somebody kept still finds its way.
  page.q = { push: call };
  (early || []).forEach(call);

  addEventListener('pagehide', engine.hide);
  addEventListener('visibilitychange', () => document.hidden && engine.hide());
  addEventListener('online', engine.flush);

  if (page.autoPageViews ?? !early) {
    const once = () => {
      if (viewed) return;
      if (!early) console.warn('MisarMail: calls before track.js came were lost: use the embed code with its stub, or drop async');
      page.page();
    };
    if (document.readyState == 'complete') once();
    else addEventListener('load', once);
    addEventListener('pagehide', once, true);
  }
};

// A second copy of the script finds the first one's queue, and leaves it alone.
if (!early || early.length + 1) {
  let instance;
  try {
    instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), imports);
  } catch {
    // Chromium before 115 compiles no more than 4 KB in place.
  }
  if (instance) start(instance);
  else Promise.resolve().then(() => WebAssembly.instantiate(bytes, imports)).then(({ instance }) => start(instance)).catch(say);
}
