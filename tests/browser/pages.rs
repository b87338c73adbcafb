//! What pages, libraries and networks do to the snippet, in the three engines: each row is a page of its
//! own, and all of them stand as frames in one, so that those that wait, wait together. The rows stand
//! in `pages/rows.rs`.

mod rows;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::collector::{Collector, PublicKey};
use tests::engines::Engine;
use tests::gate::Gate;
use tests::site::{Site, published_embed};
use tests::wait::{until, within};

use rows::{Embed, ROWS, Row};

/// How long the rows may take: requests have a deadline of 20 s, and two cores other work to do.
const PATIENCE: Duration = Duration::from_secs(90);

/// Notes what the page says and throws, and tells the page around it.
const NOTE: &str = "<script>
  const report = { name: '{name}', loaded: false, said: [] };
  const tell = () => parent.postMessage(report, '*');
  for (const level of ['error', 'warn']) {
    console[level] = (...words) => { report.said.push(words.join(' ')); tell(); };
  }
  addEventListener('error', event => { report.said.push('thrown: ' + event.message); tell(); });
  addEventListener('load', () => { report.loaded = true; tell(); });
</script>";

/// The page that holds all others as frames.
const COLLECT: &str = "<script>
  window.reports = {};
  addEventListener('message', ({ data }) => { if (data.name) window.reports[data.name] = data; });
</script>";

/// A row with its own site, way and key.
struct Put {
    row: &'static Row,
    /// Pages' origins differ by their ports, so that none finds what another has kept.
    _site: Site,
    gate: Gate,
    key: PublicKey,
    address: String,
}

impl Put {
    async fn new(collector: &Collector, row: &'static Row) -> Self {
        let site = Site::open().await;
        let gate = collector.gate().await;
        gate.obstruct(row.obstacle);
        let key = collector.public_key(&["--allow-purchases"]);
        let stub = collector.embed(&key).await;
        let (before_src, behind_src) = stub.split_once(" src=\"").expect("the script's address");
        let (_, behind_src) = behind_src.split_once('"').expect("and its end");
        let stub = format!(
            "{before_src} src=\"{}/mail/track.js\"{behind_src}",
            gate.url
        );
        let embed = match row.embed {
            Embed::Stub => stub,
            Embed::PublishedAsync => published_embed(&key.key, &gate.url, true),
            Embed::PublishedSync => published_embed(&key.key, &gate.url, false),
        };
        let settings = row.settings.replace("{gate}", &gate.url);
        let plain = gate.url.trim_start_matches("http://");
        let settings = settings.replace("{plain}", plain);
        let embed = embed.replace(
            &format!("{{ key: '{}' }}", key.key),
            &format!("{{ key: '{}'{settings} }}", key.key),
        );
        let page = |html: &str| {
            let html = html.replace("{embed}", &embed).replace("{gate}", &gate.url);
            format!("{}{html}", NOTE.replace("{name}", row.name))
        };
        if !row.next.is_empty() {
            site.put("/next", &page(row.next));
        }
        let address = site.put("/", &page(row.page));
        Self {
            row,
            _site: site,
            gate,
            key,
            address,
        }
    }

    /// The events that came with the row's key, in the order of the record.
    fn events(&self, all: &[Value]) -> Vec<Value> {
        let ours = all
            .iter()
            .filter(|event| event["keyId"] == self.key.id.as_str());
        ours.cloned().collect()
    }
}

fn names(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|event| event["name"].as_str())
        .collect()
}

/// Two requests of one page may pass each other.
fn sorted<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let mut names = names.to_vec();
    names.sort_unstable();
    names
}

fn said(reports: &Value, row: &Row) -> Vec<String> {
    let said = reports[row.name]["said"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    said.iter()
        .filter_map(|line| line.as_str().map(str::to_owned))
        .collect()
}

/// What is wrong with a row, where anything is.
fn fault(put: &Put, events: &[Value], reports: &Value) -> Option<String> {
    let Row {
        events: wanted,
        says,
        requests,
        ..
    } = put.row;
    let events = put.events(events);
    let said = said(reports, put.row);
    if reports[put.row.name]["loaded"] != true {
        return Some("the page has not been loaded".to_owned());
    }
    if sorted(&names(&events)) != sorted(wanted) {
        return Some(format!(
            "{:?} are on record, not {wanted:?}; it said {said:?}",
            names(&events)
        ));
    }
    let is_said = match *says {
        "" => said.is_empty(),
        words => said.iter().any(|line| line.contains(words)),
    };
    if !is_said {
        return Some(format!("it said {said:?}, not {says:?}"));
    }
    let passed = put.gate.passed_with_data().len();
    match requests {
        Some(requests) if passed != *requests => Some(format!("{passed} requests, not {requests}")),
        _ => (put.row.check)(&events).err(),
    }
}

async fn every_row_holds_in(engine: Engine) {
    let collector = Collector::start_without_public_url().await;
    let site = Site::open().await;
    let browser = engine.open().await;
    let mut puts = Vec::new();
    let mut frames = String::new();
    for row in ROWS {
        let put = Put::new(&collector, row).await;
        frames.push_str(&format!("<iframe src=\"{}\"></iframe>", put.address));
        puts.push(put);
    }
    browser
        .goto(&site.put("/", &format!("{COLLECT}{frames}")))
        .await;
    // For all together: they wait at the same time.
    let deadline = Instant::now() + PATIENCE;
    let mut faults = BTreeMap::new();
    for put in &puts {
        // Where a row never holds, the others are looked at all the same.
        let mut last = None;
        let held = within(
            deadline.saturating_duration_since(Instant::now()),
            async || {
                let events = collector.events().await;
                let reports = browser.run("return window.reports").await;
                last = fault(put, &events, &reports);
                last.is_none().then_some(())
            },
        );
        if held.await.is_none() {
            faults.insert(put.row.name, last);
        }
    }
    assert!(faults.is_empty(), "{engine:?}: {faults:#?}");
    // What a page may still hold it sends when it goes: nothing comes twice.
    browser.goto("about:blank").await;
    for put in &puts {
        if !put.row.is_stalled() {
            put.gate.idle().await;
        }
    }
    let events = until("the events", async || {
        let events = collector.events().await;
        (!events.is_empty()).then_some(events)
    })
    .await;
    for put in &puts {
        let events = put.events(&events);
        assert_eq!(
            sorted(&names(&events)),
            sorted(put.row.events),
            "{engine:?} {} at the end",
            put.row.name
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_holds_in_chromium() {
    every_row_holds_in(Engine::Chromium).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_holds_in_firefox() {
    every_row_holds_in(Engine::Firefox).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_holds_in_webkit() {
    every_row_holds_in(Engine::WebKit).await;
}
