//! What the addresses in a mail answer, and what is recorded of it.

use std::time::{Duration, Instant};

use reqwest::Method;
use shared::ids::CampaignId;
use shared::time::Timestamp;
use store::record::{Class, ContactId, Fact, MessageType, Record, Seq, Source, WorkspaceId};
use store::token::{Sent, Token};

use crate::support::{Answer, NOW, TestApp, spawn_app, spawn_app_at_rest};

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
pub(crate) const TARGET: &str = "https://shop.example/spring?utm_source=mail#sale";

pub(crate) fn sent() -> Sent {
    let sent_at = Timestamp::parse_rfc3339(NOW).unwrap().as_millis() - 3_600_000;
    Sent {
        workspace: WorkspaceId(1),
        message_id: "msg_1".to_owned(),
        contact: ContactId([7; 16]),
        campaign_id: Some("spring".to_owned()),
        message_type: MessageType::Campaign,
        sent_at: Timestamp::from_millis(sent_at),
    }
}

pub(crate) fn click_to(target: &str) -> Token {
    Token::Click {
        sent: sent(),
        link: 2,
        target_number: Some(1),
        target: target.to_owned(),
    }
}

pub(crate) fn seal(app: &TestApp, token: &Token) -> String {
    app.app.meta.token_keys().seal(None, token)
}

/// A client that follows no redirect, so that they can be looked at.
pub(crate) async fn ask(
    app: &TestApp,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let mut request = client.request(method, format!("http://{}{path}", app.address));
    if !headers.iter().any(|(name, _)| *name == "user-agent") {
        request = request.header("user-agent", BROWSER);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await.unwrap().to_vec();
    Answer::of(path, status, headers, bytes)
}

pub(crate) async fn get(app: &TestApp, path: &str) -> Answer {
    ask(app, Method::GET, path, &[]).await
}

/// Hits that were not recorded for this reason, as the metrics tell.
pub(crate) async fn dropped(app: &TestApp, reason: &str) -> u64 {
    let page = app.ask(Method::GET, "/metrics").send().await.text;
    let series = format!("misar_mail_hits_dropped_total{{reason=\"{reason}\"}} ");
    let line = page.lines().find_map(|line| line.strip_prefix(&series));
    line.unwrap_or_else(|| panic!("{page}")).parse().unwrap()
}

/// Waits until so many hits are either recorded or dropped.
pub(crate) async fn settled(app: &TestApp, hits: u64) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let mut seen = app.on_disk();
        for reason in ["budget", "busy", "overloaded", "storage", "bad_token"] {
            seen += dropped(app, reason).await;
        }
        if seen >= hits {
            assert_eq!(seen, hits);
            return;
        }
        assert!(Instant::now() < deadline, "{seen} of {hits}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn records(app: &TestApp) -> Vec<Record> {
    app.app.log.read_from(Seq::START, 2_000).unwrap()
}

#[track_caller]
pub(crate) fn is_private(answer: &Answer) {
    assert_eq!(answer.header("cache-control"), "no-store, private");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pixel_is_the_same_for_good_and_bad_tokens_and_only_good_ones_are_recorded() {
    let (app, _clock) = spawn_app_at_rest().await;
    let good = seal(&app, &Token::Open(sent()));
    let other_kind = seal(&app, &click_to(TARGET));
    let first = get(&app, &format!("/mail/track/open/{good}")).await;
    let mut bad: Vec<String> = [
        &good[..good.len() - 1],
        &good[..20],
        &other_kind,
        "x",
        "%00",
        "%ff%fe",
        "..%2f..",
        &"A".repeat(5_000),
    ]
    .map(|token| format!("/mail/track/open/{token}"))
    .to_vec();
    bad.push(format!("/mail/track/open/{good}A?x=1"));
    // And the one below that has a token's place.
    let counted = bad.len() as u64 + 1;
    for path in &bad {
        let answer = get(&app, path).await;
        assert_eq!(answer.bytes, first.bytes, "{path}");
        let without_date = |answer: &Answer| {
            let mut headers = answer.headers.clone();
            headers.remove("date");
            headers
        };
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(without_date(&answer), without_date(&first), "{path}");
    }
    for path in [
        "/mail/track/open",
        "/mail/track/open/",
        "/mail/track/open/a/b",
    ] {
        let answer = get(&app, path).await;
        assert_eq!((answer.status, answer.bytes), (200, first.bytes.clone()));
    }
    assert_eq!(first.header("content-type"), "image/gif");
    assert_eq!(first.bytes.len(), 43);
    assert!(first.bytes.starts_with(b"GIF89a") && first.bytes.ends_with(b";"));
    is_private(&first);
    settled(&app, counted + 1).await;
    assert_eq!(dropped(&app, "bad_token").await, counted);
    let records = records(&app);
    let [record] = records.as_slice() else {
        panic!("{records:?}");
    };
    let entry = &record.entry;
    assert_eq!(entry.source(), Source::Mail);
    assert!(!entry.is_verified());
    let send = entry.fact.send().unwrap();
    assert_eq!(send.message_id.as_str(), "msg_1");
    assert_eq!(send.contact, Some(ContactId([7; 16])));
    let campaign_id = send.campaign_id.as_ref();
    assert_eq!(campaign_id.map(CampaignId::as_str), Some("spring"));
    assert_eq!(send.sent_at, sent().sent_at);
    assert_eq!(entry.time, Timestamp::parse_rfc3339(NOW).unwrap());
    assert_eq!(
        entry.told_by.client().unwrap().agent.as_ref().unwrap().0,
        BROWSER
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_is_listed_with_source_class_and_reason() {
    let (app, _clock) = spawn_app_at_rest().await;
    let token = seal(&app, &Token::Open(sent()));
    get(&app, &format!("/mail/track/open/{token}")).await;
    settled(&app, 1).await;
    let event = app.all_events().await.remove(0);
    assert_eq!(event["type"], "open");
    assert_eq!(event["name"], "email_opened");
    assert_eq!(event["source"], "mail");
    assert_eq!(event["messageId"], "msg_1");
    assert!(
        event["class"].is_string() && event["reason"].is_string(),
        "{event}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_leads_to_its_target_and_copies_nothing_of_the_request() {
    let (app, _clock) = spawn_app_at_rest().await;
    let token = seal(&app, &click_to(TARGET));
    for query in [
        "",
        "?",
        "?url=https://evil.example",
        "?utm_source=evil#x",
        "?a=%0d%0aX:y",
    ] {
        let answer = get(&app, &format!("/mail/track/click/{token}{query}")).await;
        assert_eq!(answer.status, 302);
        assert_eq!(answer.header("location"), TARGET);
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("x-robots-tag"), "noindex");
        is_private(&answer);
    }
    settled(&app, 5).await;
    let records = records(&app);
    let Fact::Click {
        link,
        target,
        target_number,
        ..
    } = &records[0].entry.fact
    else {
        panic!("{records:?}");
    };
    assert_eq!((*link, target.as_ref().unwrap().0.as_str()), (2, TARGET));
    assert_eq!(*target_number, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_answered_alike_and_recorded_as_a_bot() {
    let (app, _clock) = spawn_app_at_rest().await;
    let open = seal(&app, &Token::Open(sent()));
    let click = seal(&app, &click_to(TARGET));
    let answer = ask(&app, Method::HEAD, &format!("/mail/track/open/{open}"), &[]).await;
    assert_eq!(
        (answer.status, answer.header("content-length")),
        (200, "43")
    );
    assert_eq!(answer.header("content-type"), "image/gif");
    is_private(&answer);
    let answer = ask(
        &app,
        Method::HEAD,
        &format!("/mail/track/click/{click}"),
        &[],
    )
    .await;
    assert_eq!((answer.status, answer.header("location")), (302, TARGET));
    settled(&app, 2).await;
    for record in records(&app) {
        assert_eq!(record.entry.told_by.class().unwrap().0, Class::Bot);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spoofed_forwarding_header_changes_neither_address_nor_class() {
    let (app, _clock) = spawn_app_at_rest().await;
    let token = seal(&app, &Token::Open(sent()));
    let path = format!("/mail/track/open/{token}");
    get(&app, &path).await;
    settled(&app, 1).await;
    for (number, (name, value)) in [
        ("x-forwarded-for", "66.249.93.1"),
        ("x-forwarded-for", "17.58.0.1, 127.0.0.1"),
        ("forwarded", "for=66.249.93.1;proto=https"),
        ("x-real-ip", "66.249.93.1"),
        ("cf-connecting-ip", "66.249.93.1"),
        ("true-client-ip", "66.249.93.1"),
    ]
    .into_iter()
    .enumerate()
    {
        ask(&app, Method::GET, &path, &[(name, value)]).await;
        settled(&app, number as u64 + 2).await;
    }
    let records = records(&app);
    for record in &records {
        let client = record.entry.told_by.client().unwrap();
        // The network alone is kept.
        assert_eq!(client.address.0, "127.0.0.0");
        assert_eq!(
            record.entry.told_by.class(),
            records[0].entry.told_by.class()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replaying_one_token_stores_its_budget_at_most_and_others_are_not_touched() {
    let (app, _clock) = spawn_app_at_rest().await;
    let token = seal(&app, &Token::Open(sent()));
    let path = format!("/mail/track/open/{token}");
    for _ in 0..1_000 {
        assert_eq!(app.ask(Method::GET, &path).send().await.status, 200);
    }
    settled(&app, 1_000).await;
    let kept = app.on_disk();
    assert!((100..=102).contains(&kept), "{kept}");
    assert_eq!(dropped(&app, "budget").await, 1_000 - kept);
    let other = seal(&app, &click_to(TARGET));
    get(&app, &format!("/mail/track/click/{other}")).await;
    settled(&app, 1_001).await;
    assert_eq!(app.on_disk(), kept + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_that_are_out_go_on_working_after_a_rotation_and_a_restart() {
    let app = spawn_app().await;
    let old = seal(&app, &click_to(TARGET));
    app.app.meta.rotate_token_keys().unwrap();
    let new = seal(&app, &click_to(TARGET));
    assert_ne!(old, new);
    for token in [&old, &new] {
        let answer = get(&app, &format!("/mail/track/click/{token}")).await;
        assert_eq!((answer.status, answer.header("location")), (302, TARGET));
    }
    let (app, _) = app.restart().await;
    // Those in flight were written before the log closed.
    assert_eq!(app.on_disk(), 2);
    for token in [&old, &new] {
        let answer = get(&app, &format!("/mail/track/click/{token}")).await;
        assert_eq!((answer.status, answer.header("location")), (302, TARGET));
    }
    assert_eq!(seal(&app, &click_to(TARGET)), new);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_routes_stand_in_the_document_and_the_versioned_snippet_still_answers() {
    let (app, _clock) = spawn_app_at_rest().await;
    let document = app.get("/openapi.json").await.body;
    let paths = &document["paths"];
    assert!(paths["/mail/track/open/{token}"]["get"].is_object());
    assert!(paths["/mail/track/click/{token}"]["get"].is_object());
    for method in ["get", "post"] {
        assert!(paths["/mail/unsubscribe/{token}"][method].is_object());
    }
    let about = app.get("/mail/track.json").await;
    let url = about.text_of("url");
    let path = url.strip_prefix(&app.origin()).unwrap();
    assert_eq!(app.get(path).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_is_classified_by_agent_and_headers() {
    let (app, _clock) = spawn_app_at_rest().await;
    let token = seal(&app, &Token::Open(sent()));
    let path = format!("/mail/track/open/{token}");
    for (number, (header, class)) in [
        (("user-agent", BROWSER), Class::Human),
        (("user-agent", "Mozilla/5.0"), Class::Machine),
        (("purpose", "prefetch"), Class::Machine),
        (("user-agent", ""), Class::Bot),
    ]
    .into_iter()
    .enumerate()
    {
        ask(&app, Method::GET, &path, &[header]).await;
        settled(&app, number as u64 + 1).await;
        let records = records(&app);
        let recorded = records[number].entry.told_by.class();
        assert_eq!(recorded.unwrap().0, class, "{header:?}");
    }
}
