// The page's object: settings, the calls and their order, the moments that a page has. What happens
// to a call stands in the engine.
import * as glue from './snippet_bg.js';
import { complain, page as engine } from './browser.js';
import { imports, named } from './imports.js';

// Set by the build: the module's bytes, as hexadecimal digits: ASCII in any charset, and smaller
// than base64 once compressed (measured in the survey, toolchain.md).
const bytes = Uint8Array.from(WASM.match(/../g), digits => parseInt(digits, 16));

const script = document.currentScript;
const page = window.MisarMail = window.MisarMail || {};
const early = page.q;

const start = ({ exports }) => {
  glue.__wbg_set_wasm(named(exports));
  // '0' is what "no" looked like in old browsers; only '1' says that the visitor objects.
  const objects = navigator.globalPrivacyControl && page.gpc != 'off' ? page.gpc || 'anonymous'
    : page.dnt && navigator.doNotTrack == '1' ? 'anonymous' : '';
  if (objects == 'block') return complain('nothing is sent: this visitor asked not to be followed');

  let viewed;
  const record = (type, email, rest, at) => {
    const event = { type, email, ...rest };
    const wanted = page.beforeSend ? page.beforeSend(event) : event;
    if (!wanted) {
      if (page.debug) console.debug('MisarMail: beforeSend held back', event);
      return;
    }
    viewed ||= wanted.event == 'page_viewed';
    const { email: address, ...others } = wanted;
    glue.record(type == 'identify', address ? JSON.stringify(address) : '', JSON.stringify(others), at);
  };
  const calls = {
    track: (at, event, properties) => record('track', '', { event, properties }, at),
    page: (at, properties) => calls.track(at, 'page_viewed', {
      url: location.href, title: document.title, referrer: document.referrer, ...properties,
    }),
    identify: (at, email, traits) => record('identify', email, { traits }, at),
    // Ids are the engine's: whoever sends one means the order's.
    purchase: (at, { email, id, ...order }) => record('purchase', email, order, at),
    flush: glue.flush,
    reset: glue.reset,
    ready: (at, then) => then(page),
  };
  const call = ([name, given, at]) => {
    // The page's own mistakes (a circular object, say) must not stop what the page does.
    try {
      calls[name](at, ...given);
    } catch (error) {
      complain(`${name} failed: ${error}`);
    }
  };

  Object.assign(engine, {
    flush: glue.flush,
    answered: glue.answered,
    debug: page.debug,
    host: page.host || (BASE.startsWith('http') ? BASE : script && script.src.replace(/\/mail\/[^/]*$|[^/]*$/, '')),
  });
  glue.start(page.key || '', page.batchSize || 20, page.flushInterval ?? 1e3,
    page.persistence != 'memory' && objects == '', objects != '', !!navigator.webdriver);

  for (const name in calls) page[name] = (...given) => call([name, given, Date.now()]);
  // A stub's function that somebody kept still finds its way.
  page.q = { push: call };
  (early || []).forEach(call);

  addEventListener('pagehide', glue.hide);
  addEventListener('visibilitychange', () => document.hidden && glue.hide());
  addEventListener('online', glue.flush);

  if (page.autoPageViews ?? !early) {
    const once = () => {
      if (!viewed) {
        if (!early) console.warn('MisarMail: calls made before track.js had arrived were lost. Put the queue stub of the embed code into the first script, or take `async` from the script tag.');
        page.page();
      }
    };
    if (document.readyState == 'complete') once();
    else addEventListener('load', once);
    addEventListener('pagehide', once, { capture: true });
  }
};

// A second copy of the script finds the first one's queue, and leaves it alone.
if (!early || early.length + 1) {
  try {
    start(new WebAssembly.Instance(new WebAssembly.Module(bytes), imports));
  } catch (error) {
    // Chromium before 115 compiles no more than 4 KB in place.
    WebAssembly.instantiate(bytes, imports).then(({ instance }) => start(instance), complain);
  }
}
