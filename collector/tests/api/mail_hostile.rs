//! Links of a mail under attack: nothing that a caller writes leads anywhere that we did not sign.

use store::token::Token;

use crate::mail::{click_to, seal, sent};
use crate::support::{TestApp, spawn_app_at_rest};

const TARGET: &str = "https://shop.example/spring";

/// What attackers write, to be put before, behind and into a token.
const PAYLOADS: [&str; 44] = [
    "//evil.example",
    "/%2fevil.example",
    "%2f%2fevil.example",
    "///evil.example",
    "\\\\evil.example",
    "%5c%5cevil.example",
    "/\\evil.example",
    "https://evil.example",
    "https:evil.example",
    "https:/evil.example",
    "hTTps://evil.example",
    "https%3A%2F%2Fevil.example",
    "https%253A%252F%252Fevil.example",
    "javascript:alert(1)",
    "javascript%3Aalert(1)",
    "data:text/html,x",
    "vbscript:x",
    "@evil.example",
    "%40evil.example",
    ":80@evil.example",
    ".evil.example",
    "?url=https://evil.example",
    "?target=https://evil.example&next=//evil.example",
    "?u=https://evil.example#",
    "#https://evil.example",
    "%23https://evil.example",
    "%3furl=https://evil.example",
    ";url=https://evil.example",
    "%0d%0aLocation:%20https://evil.example",
    "%0d%0a%0d%0a<script>alert(1)</script>",
    "%0aSet-Cookie:a=b",
    "%0dX:y",
    "%e5%98%8a%e5%98%8dLocation:https://evil.example",
    "%00",
    "%00https://evil.example",
    "%09//evil.example",
    "%20https://evil.example",
    "evil%E3%80%82example",
    "%EF%BC%8F%EF%BC%8Fevil.example",
    "%EF%BC%85%32%66",
    "..%2f..%2f..%2fevil",
    "../../evil",
    "=",
    "%3d%3d",
];

/// Answers of paths, as they come over one connection each; none of them is normalised on the way.
async fn answers(app: &TestApp, path: &str) -> (u16, Option<String>) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let answer = app.raw(request.as_bytes()).await;
    let head = answer.split("\r\n\r\n").next().unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        let is_one = ["location", "refresh", "set-cookie", "x"]
            .contains(&name.to_ascii_lowercase().as_str());
        is_one.then(|| value.trim().to_owned())
    };
    (status, head.lines().skip(1).find_map(header))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_hostile_input_is_led_anywhere_that_was_not_signed() {
    let (app, _clock) = spawn_app_at_rest().await;
    let good = seal(&app, &click_to(TARGET));
    let other = seal(&app, &click_to("https://shop.example/other"));
    let middle = good.len() / 2;
    let mut tokens: Vec<String> = Vec::new();
    for payload in PAYLOADS {
        tokens.push(payload.to_owned());
        tokens.push(format!("{good}{payload}"));
        tokens.push(format!("{payload}{good}"));
        tokens.push(format!("{}{payload}{}", &good[..middle], &good[middle..]));
    }
    // Cut, flipped, spliced, of another kind, too long, spelled otherwise.
    tokens.extend((0..good.len()).step_by(5).map(|end| good[..end].to_owned()));
    for at in (0..good.len()).step_by(3) {
        let flipped = if &good[at..=at] == "A" { "B" } else { "A" };
        tokens.push(format!("{}{flipped}{}", &good[..at], &good[at + 1..]));
        let spliced = format!("{}{}", &good[..at], &other[at.min(other.len())..]);
        tokens.push(spliced);
    }
    tokens.push(seal(&app, &Token::Open(sent())));
    tokens.push(seal(&app, &Token::Unsubscribe(sent())));
    tokens.push(good.repeat(40));
    tokens.push("A".repeat(20_000));
    tokens.push(good.to_lowercase());
    tokens.push(format!("{good}=="));
    assert!(tokens.len() > 200, "{}", tokens.len());
    let mut led = 0;
    for token in &tokens {
        let (status, location) = answers(&app, &format!("/mail/track/click/{token}")).await;
        let signed = ["https://shop.example/spring", "https://shop.example/other"];
        match location {
            None => assert!(matches!(status, 400 | 404 | 414), "{status} {token}"),
            Some(location) => {
                // The token itself is whole here: what is added to it is cut off.
                assert!(signed.contains(&location.as_str()), "{location} {token}");
                assert!(token.starts_with(&good) || token == &other, "{token}");
                led += 1;
            }
        }
    }
    assert!(led < 50, "{led} of {}", tokens.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_target_that_is_no_web_address_leads_nowhere() {
    let (app, _clock) = spawn_app_at_rest().await;
    for target in [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "file:///etc/passwd",
        "//evil.example",
        "/relative",
        "mailto:alice@person.example",
        "https://",
        "http://[::1",
        "",
        "\0",
        "ftp://files.example/",
    ] {
        let token = seal(&app, &click_to(target));
        let answer = answers(&app, &format!("/mail/track/click/{token}")).await;
        assert_eq!(answer, (404, None), "{target}");
    }
    assert_eq!(app.on_disk(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_target_cannot_end_its_header() {
    let (app, _clock) = spawn_app_at_rest().await;
    for target in [
        "https://shop.example/\r\nSet-Cookie: a=b",
        "https://shop.example/\nX: y",
        "https://shop.example/\r\n\r\n<script>",
    ] {
        let token = seal(&app, &click_to(target));
        let answer = answers(&app, &format!("/mail/track/click/{token}")).await;
        assert_eq!(answer, (404, None), "{target:?}");
    }
}
