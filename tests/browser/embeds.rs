//! The three ways to embed the snippet, each loaded many times with a script that comes at once, soon, or
//! late. Every load has an origin of its own, so that none sends what another has kept.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tests::chromium::Browser;
use tests::collector::{Collector, PublicKey};
use tests::gate::Gate;
use tests::site::{SLOW_SCRIPT, Site, published_embed};
use tests::wait::until;

const LOADS: usize = 20;
const DELAYS: [u64; 3] = [0, 200, 2_000];
const FORMS: [Form; 3] = [Form::Stub, Form::PublishedAsync, Form::PublishedSync];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    /// What the collector hands out.
    Stub,
    /// What the documentation has always shown.
    PublishedAsync,
    PublishedSync,
}

/// Notes what the page says and throws, and tells the page around it.
const NOTE: &str = "<script>
  const report = { name: location.pathname.slice(1), loaded: false, said: [], thrown: [] };
  const tell = () => parent.postMessage(report, '*');
  for (const level of ['error', 'warn', 'info', 'log']) {
    console[level] = (...words) => { report.said.push(words.join(' ')); tell(); };
  }
  addEventListener('error', (event) => { report.thrown.push(event.message); tell(); });
  addEventListener('load', () => { report.loaded = true; tell(); });
</script>";

/// The page that holds all loads as frames.
const COLLECT: &str = "<script>
  window.reports = {};
  addEventListener('message', ({ data }) => { window.reports[data.name] = data; });
</script>";

#[tokio::test(flavor = "multi_thread")]
async fn each_embed_delivers_what_it_promises_however_late_the_script_comes() {
    let (collector, gate) = Collector::start_behind_a_gate().await;
    let site = Site::open().await;
    let key = collector.public_key(&[]);
    let frames = put_pages(&collector, &gate, &site, &key).await;
    let page = site.put("/", &format!("{COLLECT}{frames}"));
    let browser = Browser::open().await;
    browser.goto(&page).await;

    let reports = until("every load to be done", async || {
        let reports = browser.run("return window.reports").await;
        let reports = reports.as_object()?.clone();
        let done = reports.values().filter(|report| is_done(report)).count();
        (done == FORMS.len() * DELAYS.len() * LOADS).then_some(reports)
    })
    .await;
    let expected = reports.values().map(|report| calls(report).len()).sum();
    until("all that was called to be on record", async || {
        (collector.events().await.len() >= expected).then_some(())
    })
    .await;
    // What the pages may still hold, they send when they go.
    browser.goto("about:blank").await;
    gate.idle().await;

    let events = collector.events().await;
    let tracked = by_load(&events);
    for (name, report) in &reports {
        let tracked = tracked.get(name).cloned().unwrap_or_default();
        assert_eq!(tracked, calls(report), "{name}: {report}");
        if report["ran"] == false {
            let said = report["said"].to_string();
            assert!(said.contains("MisarMail"), "{name} says nothing: {said}");
        } else {
            assert_eq!(report["thrown"], serde_json::json!([]), "{name}");
        }
    }
    let late = reports.values().filter(|report| report["ran"] == false);
    let late = late.count();
    assert!(
        (LOADS..=LOADS * DELAYS.len()).contains(&late),
        "a script that takes 2 s comes too late, and one before the third block does not: {late} were late"
    );
}

/// Puts a page for every load, and returns frames for all of them.
async fn put_pages(collector: &Collector, gate: &Gate, site: &Site, key: &PublicKey) -> String {
    let generated = collector.embed(key).await;
    let mut frames = String::new();
    for form in FORMS {
        for delay in DELAYS {
            // A browser opens six connections to one host: these wait for nobody else's script.
            let script_gate = gate.beside(Duration::from_millis(delay)).await;
            for load in 0..LOADS {
                let name = format!("{form:?}-{delay}-{load}").to_lowercase();
                let embed = match form {
                    Form::Stub => generated.clone(),
                    Form::PublishedAsync => published_embed(&key.key, &gate.url, true),
                    Form::PublishedSync => published_embed(&key.key, &gate.url, false),
                };
                // An address of its own, so that no load gets the script of another from the cache.
                let embed = embed.replace(
                    &format!("{}/mail/track.js", gate.url),
                    &format!("{}/mail/track.js?{load}", script_gate.url),
                );
                // A page that takes its time lets a script with `async` run before the third block.
                let slow = match form == Form::PublishedAsync && load % 2 == 0 {
                    true => format!("<script src=\"{SLOW_SCRIPT}\"></script>"),
                    false => String::new(),
                };
                site.put(
                    &format!("/{name}"),
                    &format!(
                        "{NOTE}{embed}{slow}
                        <script>
                          report.ran = typeof MisarMail.track === 'function';
                          tell();
                          MisarMail.track('page_viewed', {{ url: window.location.href }});
                          MisarMail.identify('{name}@example.com', {{ plan: 'pro' }});
                        </script>"
                    ),
                );
                // One site, and so one process, for each form: wasm reserves 10 GB of addresses for
                // every page, and a process has no room for all of them.
                let origin = site.origin_named(&format!("{name}.{form:?}").to_lowercase());
                frames.push_str(&format!("<iframe src=\"{origin}/{name}\"></iframe>"));
            }
        }
    }
    frames
}

/// A page that called too early is done when it has been told how to mend it.
fn is_done(report: &Value) -> bool {
    report["loaded"] == true && (report["ran"] == true || report["said"] != serde_json::json!([]))
}

/// What is to be on record for a load.
fn calls(report: &Value) -> Vec<&'static str> {
    if report["ran"] == true {
        vec!["page_viewed", "identified"]
    } else {
        vec!["page_viewed"]
    }
}

/// The names of the events of each load, in the order of the record.
fn by_load(events: &[Value]) -> BTreeMap<String, Vec<&str>> {
    let mut loads: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for event in events {
        let name = event["name"].as_str().unwrap_or_default();
        let load = match name {
            "identified" => event["email"]
                .as_str()
                .and_then(|email| email.split('@').next()),
            _ => event["properties"]["url"]
                .as_str()
                .and_then(|url| url.rsplit('/').next()),
        };
        let load = load.unwrap_or_else(|| panic!("an event of no load: {event}"));
        loads.entry(load.to_owned()).or_default().push(name);
    }
    loads
}
