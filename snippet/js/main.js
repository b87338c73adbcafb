// The page's object: settings, the calls and their order, the moments that a page has. When and how
// events leave stands in the engine.
import { engine, give, now, say } from './browser.js';
import { remember, reset, uuid, visitor } from './identity.js';
import { imports, named } from './imports.js';
import { json, object } from './json.js';
import { takeQueues, useStorage } from './storage.js';

// Set by the build (scripts/bundle-snippet.mjs): the module's bytes, as ASCII in any charset. Once
// compressed, smaller than as hexadecimal digits (measured: by 270 bytes) or base64 (by 900).
const bytes = Uint8Array.from(WASM.match(/[ !]?./g), ([first, second]) =>
  (second || first).charCodeAt() - 35 + (second ? first == '!' ? 182 : 91 : 0));

// A form or image named `title` takes the place of `document.title`, and not of its prototype's.
const own = name => Reflect.get(Document.prototype, name, document);

const script = own('currentScript');
const page = window.MisarMail = window.MisarMail || {};
const early = page.q;
// Calls wait here until the engine is there, and go straight to it from then on. The stub makes it too;
// it outlives a second embed, which puts another object in the place of the first.
const queue = window.MisarMailQueue = window.MisarMailQueue || [];

// Only 1 says that the visitor objects.
const objects = navigator.globalPrivacyControl && page.gpc != 'off' ? page.gpc || 'anonymous'
  : page.dnt && navigator.doNotTrack == 1 ? 'anonymous' : '';
let runs;
/** When the visitor saw a page that the browser had loaded ahead. */
let seen;
/** The last view: through which embed, of what. */
let viewed = {};

const record = (at, from, event) => {
  if (!runs) return;
  if (event.event == 'page_viewed') {
    const { embed, href } = viewed;
    viewed = { embed: from, href: location.href };
    // The same view through another embed.
    if (embed && embed != from && href == location.href) return;
  }
  event = page.beforeSend ? page.beforeSend(event) : event;
  if (!event) return;
  if (page.debug) console.debug('MisarMail', event);
  give(json({ id: uuid(), ...objects ? {} : visitor(), ...event }).slice(1));
  engine.record(at);
};
const calls = {
  track: (at, from, event, properties) => record(at, from, { type: 'track', event, properties: object(properties) }),
  page: (at, from, name, more) => calls.track(at, from, 'page_viewed', {
    url: location.href, title: own('title'), referrer: own('referrer'), ...typeof name == 'string' ? { name, ...more } : name,
  }),
  identify: (at, from, email, traits, signature) => {
    if (objects) return say('identify is ignored: this visitor asked for privacy');
    remember(email);
    record(at, from, { type: 'identify', email, traits: object(traits), signature });
  },
  purchase: (at, from, { id, ...order }) => {
    for (const name in order) if (/Id$/.test(name) && typeof order[name] == 'number') order[name] += '';
    record(at, from, { type: 'purchase', ...order });
  },
  flush: () => engine.flush(),
  reset,
  ready: (at, from, then) => then(page),
};
const call = ([name, given, at, from]) => {
  // The page's own mistakes (a circular object, say) must not stop what the page does.
  try {
    calls[name](seen || at, from, ...given);
  } catch (error) {
    say(`${name} failed: ${error}`);
  }
};

/** Gives an embed's object its calls. */
const adopt = page => {
  const { q } = page;
  for (const name in calls) {
    page[name] = (...given) => {
      queue.push([name, given, now(), page]);
    };
  }
  page.q = queue;
  // An older stub has one of its own.
  if (q && q != queue) q.map(call => queue.push(call));
};

const start = ({ exports }) => {
  const persistent = !objects && page.persistence != 'memory';
  // The setting, the address that the collector knows of itself, or where this script comes from. Without
  // a scheme: the page's.
  const [host, plain] = /^(?:https?:\/|)\/.+|^([\w.-]+(:\d+)?(\/.*)?)$/i.exec(page.host || (/^h/.test(BASE) ? BASE : script ? script.src.replace(/(\/mail)?\/[^/]*([?#].*)?$/, '') : '')) || [];
  if (!host) say('no host: set an address such as https://track.example.com');
  const key = page.key || '';
  Object.assign(engine, named(exports), {
    url: (plain ? location.protocol == 'http:' ? 'http://' : 'https://' : '') + (host || '').replace(/\/+$/, '') + '/v1/track/batch',
  });
  give(`{"key":"${key}","context":` + json({ library: 'track.js', automation: navigator.webdriver || undefined, anonymous: !!objects || undefined }).slice(0, -1));
  // Without a key that may be used, nothing is kept either.
  runs = host && objects != 'block' && engine.start(key.length, page.batchSize || 20, page.flushInterval ?? 1e3, persistent);
  useStorage(key, runs && persistent);

  // A line per event: when it happened, its age when it was kept, a space, its JSON.
  for (const line of takeQueues().split('\n')) {
    const [times] = line.split(' ', 1);
    if (times) {
      const [wall, age] = times.split('+');
      give(line.slice(times.length + 1));
      engine.restore(wall, age || 0);
    }
  }
  engine.restored();

  queue.push = call;
  queue.splice(0).map(call);
  seen = 0;

  addEventListener('pagehide', engine.hide);
  addEventListener('visibilitychange', () => own('hidden') && engine.hide());
  addEventListener('online', engine.flush);

  if (page.autoPageViews ?? !early) {
    const once = () => viewed.href || page.page();
    if (own('readyState') == 'complete') once();
    else addEventListener('load', once);
    addEventListener('pagehide', once, true);
  }
};

/** Nothing leaves, and nothing is kept, of a page that the browser loads ahead and may never show. */
const begin = ({ instance }) => {
  if (own('prerendering')) {
    document.addEventListener('prerenderingchange', () => {
      seen = now();
      start(instance);
    });
  } else start(instance);
};

if (queue.adopt) queue.adopt(page);
else {
  queue.adopt = adopt;
  adopt(page);
  // Scripts that stand before this one have run. What they called is lost, unless it stands in a function.
  if (!early && [...own('scripts')].some(({ text }) => {
    while (text != (text = text.replace(/{[^{}]*}/g, '')));
    return /MisarMail\.\w+\(/.test(text);
  })) say('calls before this script came were lost: use the embed with its stub, or drop async');

  let instance;
  try {
    instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), imports);
  } catch {
    // Chromium before 115 compiles no more than 4 KB in place.
  }
  if (instance) begin({ instance });
  else Promise.resolve().then(() => WebAssembly.instantiate(bytes, imports)).then(begin).catch(error => {
    say("nothing is sent: the page's Content-Security-Policy needs 'wasm-unsafe-eval' in script-src. " + error);
    queue.push = () => {};
  });
}
