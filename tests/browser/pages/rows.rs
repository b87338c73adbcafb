//! The rows of `pages`: what a page holds, what stands in its way, and what is to come of it.

use serde_json::Value;
use tests::gate::{MOVED, Obstacle};

/// A page, and what is to be on record of it.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) embed: Embed,
    /// More of `window.MisarMail`, from a comma on; `{gate}` is where the collector is reached, `{plain}`
    /// the same without its scheme.
    pub(super) settings: &'static str,
    /// Its HTML; `{embed}` stands for the embed.
    pub(super) page: &'static str,
    /// Of a second page, `/next`.
    pub(super) next: &'static str,
    pub(super) obstacle: Obstacle,
    /// The names on record.
    pub(super) events: &'static [&'static str],
    /// Words of the console; none where it is to stay silent.
    pub(super) says: &'static str,
    /// How many requests with events come by, where that is the point.
    pub(super) requests: Option<usize>,
    pub(super) check: fn(&[Value]) -> Result<(), String>,
}

#[derive(Clone, Copy)]
pub(super) enum Embed {
    /// What the collector hands out.
    Stub,
    /// What the documentation has always shown.
    PublishedAsync,
    PublishedSync,
}

impl Row {
    /// Whether a request of its never ends.
    pub(super) fn is_stalled(&self) -> bool {
        self.obstacle == Obstacle::StallsOnce
    }
}

const ROW: Row = Row {
    name: "",
    embed: Embed::Stub,
    settings: "",
    page: "{embed}<script>MisarMail.track('a'); MisarMail.flush();</script>",
    next: "",
    obstacle: Obstacle::Nothing,
    events: &["a"],
    says: "",
    requests: None,
    check: |_| Ok(()),
};

/// Fails with what differs.
fn same(what: &str, is: &Value, wanted: &Value) -> Result<(), String> {
    if is == wanted {
        Ok(())
    } else {
        Err(format!("{what} is {is}, not {wanted}"))
    }
}

/// Every event has this address.
fn all_of(events: &[Value], email: &str) -> Result<(), String> {
    events
        .iter()
        .try_for_each(|event| same("email", &event["email"], &email.into()))
}

/// No event has an address, and all have the same browser.
fn all_of_one_browser(events: &[Value]) -> Result<(), String> {
    events.iter().try_for_each(|event| {
        same("email", &event["email"], &Value::Null)?;
        same(
            "anonymousId",
            &event["anonymousId"],
            &events[0]["anonymousId"],
        )
    })
}

/// Milliseconds between an event and its arrival.
fn age(event: &Value) -> Result<i64, String> {
    let time = |name: &str| {
        let text = event[name].as_str().unwrap_or_default();
        shared::time::Timestamp::parse_rfc3339(text).map_err(|error| error.to_string())
    };
    Ok(time("receivedAt")?.millis_since(time("timestamp")?))
}

fn aged(events: &[Value], at_least: i64, at_most: i64) -> Result<(), String> {
    events.iter().try_for_each(|event| {
        let age = age(event)?;
        if (at_least..=at_most).contains(&age) {
            Ok(())
        } else {
            Err(format!("it is {age} ms old"))
        }
    })
}

pub(super) const ROWS: &[Row] = &[
    // One bad identify.
    Row {
        name: "bad-identify",
        page: "{embed}<script>
            MisarMail.identify('Ada <ada@example.com>');
            MisarMail.identify('a@b.c;d@e.f');
            MisarMail.identify(['ada@example.com']);
            MisarMail.identify('{{ user.email }}');
            MisarMail.track('here');
            MisarMail.flush();
            addEventListener('load', () => setTimeout(() => { location.href = '/next'; }, 1500));
        </script>",
        next: "{embed}<script>MisarMail.track('later'); MisarMail.flush();</script>",
        events: &["here", "later"],
        check: all_of_one_browser,
        ..ROW
    },
    Row {
        name: "bad-identify-is-named",
        page: "{embed}<script>MisarMail.identify('a@b.c;d@e.f');</script>",
        events: &[],
        says: "identify: email: Send",
        ..ROW
    },
    Row {
        name: "bad-address-of-an-older-snippet",
        page: "<script>localStorage['misarmail.email'] = 'a@b.c;d@e.f';</script>
            {embed}<script>MisarMail.track('a');</script>",
        check: all_of_one_browser,
        ..ROW
    },
    Row {
        name: "bad-address-of-a-call",
        page: "{embed}<script>
            MisarMail.purchase({ email: 'Ada <ada@example.com>', orderId: 'A-1', revenue: 5, currency: 'EUR' });
        </script>",
        events: &["purchase"],
        check: all_of_one_browser,
        ..ROW
    },
    Row {
        name: "a-good-one-stays",
        page: "{embed}<script>
            MisarMail.identify('ada@example.com');
            MisarMail.identify('nobody');
            MisarMail.track('a');
        </script>",
        events: &["identified", "a"],
        says: "identify: email: Send",
        check: |events| all_of(events, "ada@example.com"),
        ..ROW
    },
    Row {
        name: "addresses-of-the-world",
        page: "{embed}<script>
            for (const address of ['संपर्क@डाटामेल.भारत', 'ผู้ใช้@ตัวอย่าง.ไทย', 'தமிழ்@example.in', 'rene\\u0301@example.com']) {
                MisarMail.identify(address);
                MisarMail.track('a');
            }
        </script>",
        events: &["identified", "a", "identified", "a", "identified", "a", "identified", "a"],
        check: |events| {
            same("email", &events[1]["email"], &"संपर्क@डाटामेल.भारत".into())?;
            same("email", &events[7]["email"], &"rene\u{301}@example.com".into())
        },
        ..ROW
    },
    // Answers that are not the collector's.
    Row {
        name: "a-page-of-a-service-worker",
        obstacle: Obstacle::AnswersOnce(200, "text/html", "<html>offline</html>"),
        ..ROW
    },
    Row {
        name: "json-of-somebody-else",
        obstacle: Obstacle::AnswersOnce(200, "application/json", "{\"success\":true}"),
        ..ROW
    },
    Row {
        name: "a-roll-out",
        obstacle: Obstacle::AnswersOnce(404, "text/html", "not found"),
        ..ROW
    },
    Row {
        name: "a-firewall",
        obstacle: Obstacle::AnswersOnce(403, "text/html", "forbidden"),
        ..ROW
    },
    Row {
        name: "a-redirect-that-makes-get-of-post",
        obstacle: Obstacle::RedirectsTo(MOVED, 301),
        says: "",
        ..ROW
    },
    Row {
        name: "a-redirect-to-the-slash",
        obstacle: Obstacle::RedirectsToSlash(308),
        ..ROW
    },
    Row {
        name: "a-redirect-to-the-slash-that-makes-get",
        obstacle: Obstacle::RedirectsToSlash(301),
        ..ROW
    },
    Row {
        name: "a-request-that-never-ends",
        obstacle: Obstacle::StallsOnce,
        ..ROW
    },
    Row {
        name: "a-fetch-that-swallows-errors",
        page: "<script>{
            const own = fetch;
            let count = 0;
            window.fetch = (...given) => count++ < 2 ? Promise.reject(new Error('offline')).catch(() => {}) : own(...given);
        }</script>{embed}<script>MisarMail.track('a');</script>",
        ..ROW
    },
    Row {
        name: "a-fetch-that-never-ends",
        page: "<script>{
            const own = fetch;
            let count = 0;
            window.fetch = (...given) => count++ ? own(...given) : new Promise(() => {});
        }</script>{embed}<script>MisarMail.track('a');</script>",
        ..ROW
    },
    Row {
        name: "a-fetch-that-throws",
        page: "<script>{
            const own = fetch;
            let count = 0;
            window.fetch = (...given) => { if (count++) return own(...given); throw new Error('not now'); };
        }</script>{embed}<script>MisarMail.track('a');</script>",
        ..ROW
    },
    Row {
        name: "tracing-headers",
        page: "<script>{
            const own = fetch;
            const headers = { traceparent: '00-1-2-01', baggage: 'a=1', 'sentry-trace': '1-2', 'x-requested-with': 'fetch' };
            window.fetch = (to, options) => own(to, { ...options, headers });
        }</script>{embed}<script>MisarMail.track('a');</script>",
        ..ROW
    },
    Row {
        name: "a-fetch-with-credentials-tries-five-times",
        page: "<script>{
            const own = fetch;
            window.fetch = (to, options) => own(to, { ...options, credentials: 'include' });
        }</script>{embed}<script>MisarMail.track('a');</script>",
        requests: Some(5),
        ..ROW
    },
    Row {
        name: "a-blocked-visitor-tries-once-a-page",
        page: "<script>localStorage['misarmail.misses'] = 5;</script>{embed}<script>MisarMail.track('a');</script>",
        obstacle: Obstacle::Blocks,
        events: &[],
        requests: Some(1),
        ..ROW
    },
    // Where events go.
    Row {
        name: "a-host-with-a-slash",
        settings: ", host: '{gate}/'",
        ..ROW
    },
    Row {
        name: "a-host-without-a-scheme",
        settings: ", host: '{plain}'",
        ..ROW
    },
    Row {
        name: "a-host-that-is-none",
        settings: ", host: 'htps://track.example'",
        events: &[],
        says: "no host",
        requests: Some(0),
        ..ROW
    },
    // What libraries replace.
    Row {
        name: "datejs",
        page: "<script>Date.now = () => new Date();</script>{embed}<script>MisarMail.track('a');</script>",
        check: |events| aged(events, 0, 60_000),
        ..ROW
    },
    Row {
        name: "prototype",
        page: "<script>
            Array.from = list => [].slice.call(list);
            Array.prototype.toJSON = function () { return '[' + this.join(', ') + ']'; };
            String.prototype.toJSON = function () { return '\"' + this + '\"'; };
        </script>{embed}<script>
            MisarMail.purchase({ email: 'ada@example.com', orderId: 7, revenue: 5, currency: 'EUR', items: [{ id: 1, price: 5, quantity: 1 }] });
            MisarMail.track('a', { list: [1, 2] });
        </script>",
        events: &["purchase", "a"],
        check: |events| {
            same("orderId", &events[0]["properties"]["orderId"], &"7".into())?;
            same("items", &events[0]["properties"]["items"][0]["id"], &"1".into())?;
            same("list", &events[1]["properties"]["list"], &serde_json::json!([1, 2]))
        },
        ..ROW
    },
    Row {
        name: "half-an-emoji",
        page: "{embed}<script>
            MisarMail.track('a', { cut: 'so much 🐈'.slice(0, -1), whole: '🐈', slashes: '\\\\ud83d' });
        </script>",
        check: |events| {
            let is = &events[0]["properties"];
            same("cut", &is["cut"], &"so much \u{fffd}".into())?;
            same("whole", &is["whole"], &"🐈".into())?;
            same("slashes", &is["slashes"], &"\\ud83d".into())
        },
        ..ROW
    },
    Row {
        name: "clobbered",
        page: "<form name=\"title\"></form><img name=\"referrer\"><form name=\"scripts\"></form>
            <form name=\"readyState\"></form><form name=\"currentScript\"></form><form name=\"hidden\"></form>
            {embed}<script>MisarMail.page();</script>",
        events: &["page_viewed"],
        check: |events| {
            same("title", &events[0]["properties"]["title"], &"/".into())?;
            match events[0]["properties"]["referrer"].as_str() {
                Some(referrer) if referrer.starts_with("http://127.0.0.1:") => Ok(()),
                other => Err(format!("the referrer is {other:?}")),
            }
        },
        ..ROW
    },
    Row {
        name: "a-page-with-a-name",
        page: "{embed}<script>MisarMail.page('Home', { plan: 'pro' }); MisarMail.page({ plan: 'free' });</script>",
        events: &["page_viewed", "page_viewed"],
        check: |events| {
            let (named, plain) = (&events[0]["properties"], &events[1]["properties"]);
            same("name", &named["name"], &"Home".into())?;
            same("plan", &named["plan"], &"pro".into())?;
            same("letters", &named["0"], &Value::Null)?;
            same("plan", &plain["plan"], &"free".into())
        },
        ..ROW
    },
    Row {
        name: "lists-of-php",
        page: "{embed}<script>MisarMail.track('a', []); MisarMail.identify('ada@example.com', []);</script>",
        events: &["a", "identified"],
        check: |events| {
            events
                .iter()
                .try_for_each(|event| same("properties", &event["properties"], &serde_json::json!({})))
        },
        ..ROW
    },
    // Clocks.
    Row {
        name: "a-machine-that-slept",
        page: "<script>
            let slept = 0;
            const Own = Date;
            window.Date = class extends Own { constructor(...given) { given.length ? super(...given) : super(Own.now() + slept); } };
            performance.now = () => 5;
        </script>{embed}<script>
            MisarMail.ready(() => { MisarMail.track('a'); slept = 3600000; MisarMail.flush(); });
        </script>",
        check: |events| aged(events, 3_590_000, 3_660_000),
        ..ROW
    },
    Row {
        name: "a-clock-that-was-set-back",
        page: "<script>
            let set = 0;
            const Own = Date;
            window.Date = class extends Own { constructor(...given) { given.length ? super(...given) : super(Own.now() + set); } };
        </script>{embed}<script>
            MisarMail.ready(() => { MisarMail.track('a'); set = -3600000; });
        </script>",
        check: |events| aged(events, 900, 60_000),
        ..ROW
    },
    Row {
        name: "a-clock-that-leapt-by-a-year",
        page: "<script>
            let set = 0;
            const Own = Date;
            window.Date = class extends Own { constructor(...given) { given.length ? super(...given) : super(Own.now() + set); } };
        </script>{embed}<script>
            MisarMail.ready(() => { MisarMail.track('a'); set = 31536e6; });
        </script>",
        check: |events| aged(events, 900, 60_000),
        ..ROW
    },
    // Prerender, tabs, the embed twice.
    Row {
        name: "a-page-that-is-loaded-ahead",
        page: "<script>
            Object.defineProperty(Document.prototype, 'prerendering', { configurable: true, get: () => !window.shown });
            const own = fetch;
            window.fetch = (...given) => { if (!window.shown) console.error('sent too early'); return own(...given); };
            setTimeout(() => { window.shown = true; document.dispatchEvent(new Event('prerenderingchange')); }, 2500);
        </script>{embed}<script>MisarMail.page(); MisarMail.flush();</script>",
        events: &["page_viewed"],
        // It counts from when it was seen.
        check: |events| aged(events, 0, 2_000),
        ..ROW
    },
    Row {
        name: "a-page-that-is-loaded-ahead-and-never-seen",
        page: "<script>
            Object.defineProperty(Document.prototype, 'prerendering', { configurable: true, get: () => true });
        </script>{embed}<script>MisarMail.page(); MisarMail.flush();</script>",
        events: &[],
        requests: Some(0),
        ..ROW
    },
    Row {
        name: "another-tab-follows",
        page: "{embed}<script>
            MisarMail.identify('ada@example.com');
            const frame = document.body.appendChild(document.createElement('iframe'));
            frame.src = '/next';
            frame.onload = () => frame.contentWindow.MisarMail.ready(() => {
                const other = frame.contentWindow.MisarMail;
                other.track('before');
                MisarMail.reset();
                other.track('after');
                other.identify('bob@example.com');
                other.flush();
                setTimeout(() => { MisarMail.track('here'); }, 1200);
            });
        </script>",
        next: "{embed}",
        events: &["identified", "before", "after", "identified", "here"],
        check: |events| {
            let find = |name: &str| events.iter().find(|event| event["name"] == name);
            let (Some(before), Some(after), Some(here)) = (find("before"), find("after"), find("here")) else {
                return Err("an event is missing".to_owned());
            };
            same("email", &before["email"], &"ada@example.com".into())?;
            // What the new browser did before it was named belongs to whom it named.
            same("email", &after["email"], &"bob@example.com".into())?;
            same("email", &here["email"], &"bob@example.com".into())?;
            same("anonymousId", &here["anonymousId"], &after["anonymousId"])?;
            if before["anonymousId"] == after["anonymousId"] {
                return Err("the browser is the same after reset".to_owned());
            }
            Ok(())
        },
        ..ROW
    },
    Row {
        name: "the-embed-twice",
        page: "{embed}<script>MisarMail.track('first'); MisarMail.page();</script>
            {embed}<script>MisarMail.track('second'); MisarMail.page();</script>",
        events: &["first", "page_viewed", "second"],
        requests: Some(1),
        check: |events| same("the first", &events[0]["name"], &"first".into()),
        ..ROW
    },
    Row {
        name: "the-published-form-twice",
        embed: Embed::PublishedAsync,
        page: "{embed}{embed}",
        events: &["page_viewed"],
        requests: Some(1),
        ..ROW
    },
    Row {
        name: "the-published-form-twice-without-async",
        embed: Embed::PublishedSync,
        page: "{embed}<script>MisarMail.track('page_viewed', { url: location.href });</script>
            {embed}<script>MisarMail.track('page_viewed', { url: location.href }); MisarMail.track('a');</script>",
        events: &["page_viewed", "a"],
        requests: Some(1),
        ..ROW
    },
    // What is said.
    Row {
        name: "the-published-form-that-calls-from-functions",
        embed: Embed::PublishedAsync,
        page: "<script>addEventListener('click', function () { if (event) { MisarMail.track('x', { a: { b: 1 } }); } });</script>
            {embed}",
        events: &["page_viewed"],
        ..ROW
    },
    Row {
        name: "a-policy-without-wasm",
        page: "<script>
                const policy = document.createElement('meta');
                policy.httpEquiv = 'Content-Security-Policy';
                policy.content = \"script-src 'unsafe-inline' {gate}\";
                // Nowhere else does it count.
                document.head.append(policy);
            </script>
            {embed}<script>MisarMail.track('a');</script>",
        events: &[],
        says: "'wasm-unsafe-eval'",
        ..ROW
    },
    Row {
        name: "a-verdict",
        page: "{embed}<script>MisarMail.track('a'); MisarMail.track('b', ['no object']);</script>",
        says: "b: properties: Send",
        ..ROW
    },
];
