//! `misar instrument`.

use crate::support::{BROWSER, Store};

const HTML: &str = "<!-- a --><P CLASS=x>Hi  Ada, <a  title='t' href=\"https://shop.example/?a=1&amp;b=2\" \
                    id=i>this</a> &copy; <a href='mailto:a@b.example'>mail</a>\r\n</P>";
const LINE: &str = "instrument --message-id spring-1 --email ada@example.com --campaign-id spring";
const OFFLINE: &str = "--public-url https://track.example";

/// What the output looks like with the tracked link and the pixel taken out again.
fn restored(out: &str, base: &str) -> String {
    let link = format!("{base}/mail/track/click/");
    let (before, rest) = out.split_once(&link).unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    let text = format!("{before}https://shop.example/?a=1&amp;b=2\"{after}");
    let (before, rest) = text
        .split_once(&format!("<img src=\"{base}/mail/track/open/"))
        .unwrap();
    let (_, after) = rest.split_once('>').unwrap();
    format!("{before}{after}")
}

/// The first address in the output that begins so.
fn address<'a>(out: &'a str, begins: &str) -> &'a str {
    let at = out.find(begins).unwrap();
    out[at..].split('"').next().unwrap()
}

#[test]
fn html_is_the_same_outside_of_links_and_pixel_and_the_same_again() {
    let store = Store::new();
    let line = format!("{LINE} {OFFLINE}");
    let out = store.fed(&line, HTML).good();
    assert_eq!(restored(&out, "https://track.example"), HTML);
    assert_eq!(store.fed(&line, HTML).good(), out);

    store.misar("tokens rotate").good();
    assert_eq!(
        store.fed(&line, HTML).good(),
        out,
        "mails that are out stay"
    );

    let refused = store.fed(&line, HTML.replace("Ada", "Eva")).refusal();
    assert!(refused.contains("another messageId"), "{refused}");
    let other = LINE.replace("ada@", "eva@");
    let refused = store.fed(&format!("{other} {OFFLINE}"), HTML).refusal();
    assert!(refused.starts_with("email: "), "{refused}");
    assert_eq!(store.misar("log verify --json").json()["events"], 1);
}

#[test]
fn without_a_server_the_public_url_is_asked_for() {
    let store = Store::new();
    let refused = store.fed(LINE, HTML).refusal();
    assert!(refused.contains("give --public-url"), "{refused}");
    let run = store.fed(&format!("{LINE} --public-url track.example"), HTML);
    run.misuse();
}

#[test]
fn a_text_part_and_the_headers_can_be_had() {
    let store = Store::new();
    let text = "See https://shop.example/x\r\nor not\r\n";
    let line = LINE.replace("spring-1", "text");
    let out = store.fed(&format!("{line} {OFFLINE} --text"), text).good();
    let (before, rest) = out
        .split_once("https://track.example/mail/track/click/")
        .unwrap();
    assert_eq!(before, "See ");
    assert!(rest.ends_with("\r\nor not\r\n"), "{rest}");

    let line = format!("{line} {OFFLINE} --text --json");
    let answer = store.fed(&line, text).json();
    assert_eq!(answer["text"], out);
    let headers = &answer["headers"];
    assert_eq!(
        headers["List-Unsubscribe-Post"],
        "List-Unsubscribe=One-Click"
    );
    let unsubscribe = headers["List-Unsubscribe"].as_str().unwrap();
    assert!(
        unsubscribe.starts_with("<https://track.example/mail/unsubscribe/"),
        "{unsubscribe}"
    );
    assert_eq!(answer["links"][0]["url"], "https://shop.example/x");

    let first = LINE.replace("spring-1", "first");
    let out = store
        .fed(&format!("{first} {OFFLINE} --pixel start"), HTML)
        .good();
    let pixel = "<img src=\"https://track.example/mail/track/open/";
    assert!(out.starts_with(pixel), "{out}");
    let refused = store
        .fed(
            &format!("{LINE} {OFFLINE}"),
            "<p>\n{{ unsubscribe_url | safe }}",
        )
        .refusal();
    assert!(
        refused.starts_with("html: `html`, line 2, column 4: "),
        "{refused}"
    );

    let plain = LINE.replace("spring-1", "plain");
    let line = format!("{plain} {OFFLINE} --no-opens --no-clicks");
    assert_eq!(store.fed(&line, HTML).good(), HTML);
}

#[test]
fn a_megabyte_goes_through_and_what_is_no_text_or_no_address_does_not() {
    let store = Store::new();
    let line = format!("{LINE} {OFFLINE}");
    let refused = store.fed(&line, b"<p>\xff</p>".to_vec()).refusal();
    assert!(refused.contains("not UTF-8"), "{refused}");
    for bad in ["ada", "Ada<ada@example.com>", "a@b@c"] {
        let line = line.replace("ada@example.com", bad);
        let refused = store.fed(&line, HTML).refusal();
        assert!(refused.starts_with("email: "), "{refused}");
    }
    let refused = store
        .fed(&format!("{line} --sent-at yesterday"), HTML)
        .refusal();
    assert!(refused.starts_with("sentAt: "), "{refused}");
    store.fed(&format!("{line} --type news"), HTML).misuse();
    // None of them took the messageId.
    let big = format!(
        "{HTML}{}",
        "<p>More &amp; more.</p>\n".repeat(1_048_576 / 23)
    );
    // Gmail would cut it off.
    let out = store.fed(&line, big.as_str()).warned();
    assert_eq!(restored(&out, "https://track.example"), big);
}

#[test]
fn a_running_server_registers_the_message_and_counts_what_its_output_leads_to() {
    let store = Store::new();
    let server = store.serve();
    let line = format!("{LINE} --sent-at 2025-01-01T00:00:00Z");
    let out = store.fed(&line, HTML).warned();
    assert_eq!(restored(&out, &server.base), HTML);
    let report = "/v1/reports/messages/spring-1";
    let sent = server.until(report, |status, _| status == 200);
    assert_eq!(
        (&sent["sent"], &sent["campaignId"]),
        (&1.into(), &"spring".into())
    );
    assert_eq!(sent["opens"]["all"]["total"], 0);

    let pixel = address(&out, &format!("{}/mail/track/open/", server.base));
    assert_eq!(server.visit(pixel, BROWSER, "198.51.100.7"), 200);
    let listed = server.until("/v1/events?limit=1", |_, page| {
        page["events"][0]["name"] == "email_opened"
    });
    let event = &listed["events"][0];
    assert_eq!(
        (&event["messageId"], &event["class"]),
        (&"spring-1".into(), &"human".into())
    );
    assert_eq!(event["email"], "ada@example.com");
    let link = address(&out, &format!("{}/mail/track/click/", server.base));
    assert_eq!(server.visit(link, BROWSER, "198.51.100.7"), 302);
    server.until(report, |_, report| {
        report["opens"]["genuine"]["total"] == 1 && report["clicks"]["genuine"]["total"] == 1
    });

    store.misar("tokens rotate").good();
    assert_eq!(store.fed(&line, HTML).warned(), out);
    let refused = store.fed(&line, "<p>Other</p>").refusal();
    assert!(refused.contains("another messageId"), "{refused}");
    let again = server.until(report, |status, _| status == 200);
    assert_eq!(again["sent"], 1);
}
