//! People, machines, and what they leave in the reports.
//!
//! Two copies of one newsletter go to two people. Ada opens hers, follows a link and buys. Machines
//! fetch both copies, every address in them: hers must read as before but for the machine figures,
//! the other must show no person at all. Gmail's image proxy fetches the second copy alone: it acts
//! for a reader, so to load Ada's pixel once more would rightly be a second open of hers.

use serde_json::{Value, json};
use tests::chromium::Browser;
use tests::site::Site;
use url::Url;

use crate::mime::{self, Mail};
use crate::postfix::Postfix;
use crate::tracker::{BROWSER, Tracker};

const ADA: &str = "ada@reader.test";
const GRACE: &str = "grace@reader.test";

/// To the letter.
const APPLE: &str = "Mozilla/5.0";
const GMAIL: &str =
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";
/// Of Microsoft's filters: `collector/data/networks.txt`.
const SCANNER: &str = "40.107.4.2";
/// Nobody's: RFC 5737.
const ELSEWHERE: &str = "203.0.113.9";

/// Who loads the pixel: agent, address, and what that makes it.
const PREFETCHERS: [(&str, &str, &str, &str); 4] = [
    (APPLE, "17.58.98.1", "machine", "apple_prefetch"),
    (BROWSER, SCANNER, "bot", "scanner_network"),
    (
        "Mozilla/5.0 (compatible; Proofpoint/2.0)",
        ELSEWHERE,
        "bot",
        "security_vendor",
    ),
    ("", ELSEWHERE, "bot", "empty_agent"),
];
/// Who follows every link.
const CLICKERS: [(&str, &str, &str, &str); 2] = [
    (BROWSER, SCANNER, "bot", "scanner_network"),
    (
        "BarracudaCentral/1.0 LinkCheck",
        "209.222.82.7",
        "bot",
        "link_checker",
    ),
];

/// A newsletter with what is awkward on the way: lines longer than SMTP allows, lines of dots, spaces
/// and tabs at their ends, `=`, and letters beyond ASCII. Its links lead to these pages.
pub(crate) fn newsletter(links: &[String]) -> (String, String) {
    let links: String = links
        .iter()
        .enumerate()
        .map(|(number, url)| format!("<td><a id=\"offer-{number}\" href=\"{url}\">Öffnen</a></td>"))
        .collect();
    let long = "Grüße aus dem Frühling – 春 = 🌷. ".repeat(60);
    let html = format!(
        "<!doctype html>\n<html lang=\"de\"><head><meta charset=\"utf-8\"><title>Spring</title></head>\n<body>\n\
         <p>{long}</p>\n.\n..\n   \t \n<p>=3D =\t\n<table><tr>{links}</tr></table>\n\
         <p><a id=\"leave\" href=\"{{{{unsubscribe_url}}}}\">Abmelden</a></p>\n</body></html>\n"
    );
    let text = format!("Spring\n.\n{long}\n\nLeave: {{{{unsubscribe_url}}}}\n");
    (html, text)
}

/// A copy that arrived.
pub(crate) struct Copy {
    answer: Value,
    pub(crate) mail: Mail,
}

impl Copy {
    /// Registers a newsletter, sends it, and finds in the mailbox what was answered, to the byte.
    pub(crate) async fn send(
        tracker: &Tracker,
        postfix: &Postfix,
        message_id: &str,
        to: &str,
        (html, text): &(String, String),
    ) -> Self {
        let answer = tracker.register(message_id, to, html, text).await;
        postfix.send(to, &mime::write(to, &answer));
        let mail = mime::read(&postfix.delivered(to).await);
        assert_eq!(mail.html, answer["html"]);
        assert_eq!(mail.text, answer["text"]);
        let headers = &answer["headers"];
        assert_eq!(mail.list_unsubscribe, headers["List-Unsubscribe"]);
        assert_eq!(mail.list_unsubscribe_post, headers["List-Unsubscribe-Post"]);
        Self { answer, mail }
    }

    /// Opens it in a browser, from a file as mail programs do, until every image in it is there.
    pub(crate) async fn open(&self, browser: &Browser) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mail.html");
        std::fs::write(&file, &self.mail.html).unwrap();
        let url = Url::from_file_path(&file).unwrap();
        browser.goto(url.as_str()).await;
        browser
            .wait_for(
                "the pixel",
                "return document.images.length === 1 && document.images[0].complete \
                 && document.images[0].naturalWidth === 1",
            )
            .await;
    }

    /// Where its pixel is, as it stands in the mail.
    fn pixel(&self) -> &str {
        let html = self.mail.html.as_str();
        let start = html.find("/mail/track/open/").unwrap();
        let start = html[..start].rfind('"').unwrap() + 1;
        html[start..].split('"').next().unwrap()
    }

    /// Its tracked links, as they stand in the mail.
    fn links(&self) -> Vec<&str> {
        let quoted = self.mail.html.split('"');
        quoted
            .filter(|value| value.contains("/mail/track/click/"))
            .collect()
    }
}

/// A report without what machines may change in it.
fn of_people(report: &Value) -> Value {
    let mut report = report.clone();
    report.as_object_mut().unwrap().remove("meta");
    for name in ["opens", "clicks"] {
        keep_people(&mut report[name]);
    }
    let links = report["links"].as_array_mut().unwrap();
    links.retain(|link| link["clicks"]["genuine"]["total"] != 0);
    for link in links {
        keep_people(&mut link["clicks"]);
    }
    report
}

fn keep_people(figures: &mut Value) {
    let figures = figures.as_object_mut().unwrap();
    assert!(figures.remove("all").is_some());
    assert!(figures.remove("machine").is_some());
    let classes = figures["byClass"].as_object_mut().unwrap();
    assert!(classes.remove("machine").is_some());
    assert!(classes.remove("bot").is_some());
}

#[track_caller]
fn is_by(event: &Value, class: &str, reason: &str) {
    assert_eq!(
        (&event["class"], &event["reason"]),
        (&json!(class), &json!(reason)),
        "{event}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivered_mail_is_opened_and_clicked_by_a_person_and_earns_what_is_bought_after() {
    let tracker = Tracker::start(&["127.0.0.1/32"]).await;
    let site = Site::open().await;
    let pages: Vec<String> = (0..4)
        .map(|number| {
            site.put(
                &format!("/spring/{number}"),
                "<h1 id=\"offer\">An offer</h1>",
            )
        })
        .collect();
    let postfix = Postfix::start(&[ADA, GRACE]).await;
    let newsletter = newsletter(&pages);
    let adas = Copy::send(&tracker, &postfix, "spring-1", ADA, &newsletter).await;
    let graces = Copy::send(&tracker, &postfix, "spring-2", GRACE, &newsletter).await;
    drop(postfix);
    assert_eq!(adas.links().len(), pages.len());
    assert_eq!(adas.answer["links"][1]["url"], pages[1]);
    let report = tracker.report("spring-1").await;
    assert_eq!(
        (&report["sent"], &report["opens"]["all"]["total"]),
        (&json!(1), &json!(0))
    );

    // A person, after more than a minute.
    tracker.let_pass(61);
    let browser = Browser::open_as(BROWSER).await;
    adas.open(&browser).await;
    let opens = tracker.events("spring-1", "email_opened", 1).await;
    is_by(&opens[0], "human", "browser");
    tracker.let_pass(5);
    browser.click("#offer-1").await;
    browser.wait_for_element("h1#offer").await;
    assert_eq!(browser.run("return location.href").await, json!(pages[1]));
    let clicks = tracker.events("spring-1", "email_clicked", 1).await;
    is_by(&clicks[0], "human", "browser");
    let report = tracker.report("spring-1").await;
    for name in ["opens", "clicks"] {
        let figures = &report[name];
        let once = json!({ "total": 1, "unique": 1 });
        assert_eq!(
            (&figures["all"], &figures["genuine"]),
            (&once, &once),
            "{report}"
        );
        assert_eq!(
            figures["machine"],
            json!({ "total": 0, "unique": 0 }),
            "{report}"
        );
        assert_eq!(figures["byClass"]["human"], 1, "{report}");
    }

    // She buys.
    tracker.let_pass(600);
    let order = json!({ "email": ADA, "orderId": "order-1", "revenue": 42.5, "currency": "EUR" });
    tracker.post("/v1/track/purchase", &order).await;
    let report = tracker.report("spring-1").await;
    assert_eq!(report["orders"], 1, "{report}");
    assert_eq!(report["revenue"][0]["gross"], 42.5, "{report}");
    let models = &report["models"];
    assert_eq!(models["last_click"][0]["orders"], 1, "{report}");
    assert_eq!(models["explicit"], json!([]), "{report}");
    let revenue = tracker.get("/v1/reports/revenue?groupBy=message").await;
    assert_eq!(revenue["groups"][0]["key"], "spring-1", "{revenue}");
    assert_eq!(revenue["attributed"][0]["orders"], 1, "{revenue}");

    machines_change_machine_figures_alone(&tracker, &adas, &graces, &report).await;
}

/// Given the report on Ada's copy, which she has opened and clicked once.
async fn machines_change_machine_figures_alone(
    tracker: &Tracker,
    adas: &Copy,
    graces: &Copy,
    report: &Value,
) {
    let count = |of: &[(&str, &str, &str, &str)]| i64::try_from(of.len()).unwrap();
    let fetched_opens = count(&PREFETCHERS);
    let links = i64::try_from(adas.links().len()).unwrap();
    // And once more by who looks like a browser from anywhere, and is told by its haste.
    let fetched_clicks = links * (count(&CLICKERS) + 1);
    for (message_id, copy, own) in [("spring-1", adas, 1), ("spring-2", graces, 0)] {
        for (number, (agent, address, class, reason)) in (1..).zip(PREFETCHERS) {
            tracker.fetch(copy.pixel(), agent, address).await;
            let opens = tracker
                .events(message_id, "email_opened", own + number)
                .await;
            is_by(&opens[0], class, reason);
        }
        let mut clicks = own;
        for (agent, address, class, reason) in CLICKERS {
            for link in copy.links() {
                tracker.fetch(link, agent, address).await;
                clicks += 1;
                let events = tracker.events(message_id, "email_clicked", clicks).await;
                is_by(&events[0], class, reason);
            }
        }
        for link in copy.links() {
            tracker.fetch(link, BROWSER, ELSEWHERE).await;
        }
        let now = tracker.report(message_id).await;
        for (name, fetched) in [("opens", fetched_opens), ("clicks", fetched_clicks)] {
            let machine = &now[name]["machine"];
            assert_eq!(*machine, json!({ "total": fetched, "unique": 1 }), "{now}");
            assert_eq!(
                now[name]["genuine"],
                json!({ "total": own, "unique": own }),
                "{now}"
            );
        }
        assert_eq!(now["opens"]["byClass"]["machine"], 1, "{now}");
        if own == 1 {
            assert_eq!(of_people(&now), of_people(report));
        }
    }

    // Gmail's proxy fetches when somebody looks.
    tracker.fetch(graces.pixel(), GMAIL, "66.249.84.1").await;
    let events = tracker
        .events("spring-2", "email_opened", PREFETCHERS.len() + 1)
        .await;
    is_by(&events[0], "proxy_human", "mailbox_proxy");
    let graces_report = tracker.report("spring-2").await;
    let opens = &graces_report["opens"];
    assert_eq!(
        opens["genuine"],
        json!({ "total": 1, "unique": 1 }),
        "{graces_report}"
    );
    assert_eq!(opens["byClass"]["proxy_human"], 1, "{graces_report}");
    assert_eq!(
        of_people(&tracker.report("spring-1").await),
        of_people(report)
    );
    let campaign = tracker.get("/v1/reports/campaigns/spring").await;
    assert_eq!(campaign["sent"], 2, "{campaign}");
    assert_eq!(campaign["opens"]["genuine"]["unique"], 2, "{campaign}");
    assert_eq!(campaign["clicks"]["genuine"]["unique"], 1, "{campaign}");
    assert_eq!(campaign["orders"], 1, "{campaign}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_a_stranger_names_is_not_believed() {
    for (proxies, class, reason) in [
        (&["127.0.0.1/32"][..], "bot", "scanner_network"),
        (&[], "human", "browser"),
    ] {
        let tracker = Tracker::start(proxies).await;
        let html = "<p>Spring</p>";
        let answer = tracker.register("spring-1", ADA, html, "").await;
        let html = answer["html"].as_str().unwrap();
        let pixel = html
            .split('"')
            .find(|value| value.contains("/mail/track/open/"));
        tracker.let_pass(61);
        tracker.fetch(pixel.unwrap(), BROWSER, SCANNER).await;
        let opens = tracker.events("spring-1", "email_opened", 1).await;
        is_by(&opens[0], class, reason);
    }
}
