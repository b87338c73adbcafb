//! Addresses of a mail with what mail programs leave behind them, as bytes on a connection: no client's
//! library would send most of it.

use std::time::{Duration, Instant};

use collector::limits::hits::BURST;
use store::token::Token;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::mail::{click_to, seal, sent};
use crate::support::{TestApp, spawn_app_at_rest, write_what_is_taken};

const TARGET: &str = "https://shop.example/spring";
const GIF: &[u8] = b"GIF89a";

/// What is put behind a token, besides each single byte.
const TAILS: [&[u8]; 26] = [
    b"",
    b"/",
    b"//",
    b"/x/y/",
    b"?",
    b"?utm_source=x",
    b"?<b>\"x\"</b>`{}|\\^",
    b"/?x",
    b">",
    b"/>",
    b">\">x</a>",
    b"<br",
    b"\"",
    b"'",
    b"`",
    b"{{",
    b"\\",
    b"\\n",
    b" and more",
    b" HTTP/1.1",
    b"%",
    b"%zz",
    b"%ff",
    b"%00",
    b"/%ff/%C3",
    "é>ü".as_bytes(),
];

/// The whole answer to a request of one line and a few headers.
async fn answer(app: &TestApp, method: &str, path: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let head = [
        method.as_bytes(),
        b" ",
        path,
        b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ];
    write_what_is_taken(&mut stream, &head.concat()).await;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}

fn status(answer: &[u8]) -> &str {
    let line = answer.strip_prefix(b"HTTP/1.1 ").unwrap_or_default();
    std::str::from_utf8(line.get(..3).unwrap_or_default()).unwrap_or_default()
}

fn is_pixel(answer: &[u8]) -> bool {
    status(answer) == "200" && answer.windows(GIF.len()).any(|part| part == GIF)
}

fn holds(answer: &[u8], text: &str) -> bool {
    answer
        .windows(text.len())
        .any(|part| part.eq_ignore_ascii_case(text.as_bytes()))
}

/// Every byte but the two that end a line.
fn every_byte() -> impl Iterator<Item = u8> {
    (0..=u8::MAX).filter(|byte| !b"\r\n".contains(byte))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pixel_is_answered_whatever_stands_behind_its_address() {
    let (app, _clock) = spawn_app_at_rest().await;
    let token = seal(&app, &Token::Open(sent()));
    for tail in TAILS {
        for start in ["", "/", "//", &token, "nothing"] {
            let path = [b"/mail/track/open/", start.as_bytes(), tail].concat();
            let shown = String::from_utf8_lossy(&path).into_owned();
            assert!(is_pixel(&answer(&app, "GET", &path).await), "{shown}");
        }
        let path = [b"/mail/track/open", tail].concat();
        if tail.is_empty() || matches!(tail[0], b'/' | b'?') {
            assert!(is_pixel(&answer(&app, "GET", &path).await), "{tail:?}");
        }
    }
    for byte in every_byte() {
        // What follows a byte of a token's own would be another token.
        let path = [
            b"/mail/track/open/",
            token.as_bytes(),
            b"/",
            &[byte],
            b"?",
            &[byte],
        ]
        .concat();
        let answer = answer(&app, "GET", &path).await;
        assert!(
            is_pixel(&answer),
            "{byte} {}",
            String::from_utf8_lossy(&answer)
        );
    }
    let path = format!("/mail/track/open//{token}>");
    assert!(is_pixel(&answer(&app, "GET", path.as_bytes()).await));
    let long = format!("/mail/track/open/{}", "A>".repeat(15_000));
    assert!(is_pixel(&answer(&app, "GET", long.as_bytes()).await));
    let head = answer(
        &app,
        "HEAD",
        format!("/mail/track/open/{token}>").as_bytes(),
    )
    .await;
    assert!(status(&head) == "200" && holds(&head, "content-type: image/gif"));
    // The reader has opened the mail each time, up to the token's budget.
    let deadline = Instant::now() + Duration::from_secs(20);
    while app.on_disk() < u64::from(BURST.get()) {
        assert!(Instant::now() < deadline, "{} opens", app.on_disk());
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_leads_on_whatever_raw_signs_stand_behind_it() {
    let (app, _clock) = spawn_app_at_rest().await;
    let click = seal(&app, &click_to(TARGET));
    let leave = seal(&app, &Token::Unsubscribe(sent()));
    let bytes: Vec<[u8; 1]> = every_byte()
        .filter(|byte| !(byte.is_ascii_alphanumeric() || b"-_%".contains(byte)))
        .map(|byte| [byte])
        .collect();
    let tails = TAILS
        .into_iter()
        .chain(bytes.iter().map(<[u8; 1]>::as_slice));
    for tail in tails {
        let shown = String::from_utf8_lossy(tail).into_owned();
        let path = [b"/mail/track/click/", click.as_bytes(), tail].concat();
        let led = answer(&app, "GET", &path).await;
        assert!(
            status(&led) == "302" && holds(&led, &format!("location: {TARGET}\r\n")),
            "{shown} {}",
            String::from_utf8_lossy(&led)
        );
        let path = [b"/mail/unsubscribe/", leave.as_bytes(), tail].concat();
        let page = answer(&app, "GET", &path).await;
        assert!(status(&page) == "200" && holds(&page, "<form"), "{shown}");
    }
    let path = format!("/mail/unsubscribe/{leave}> or so");
    let done = answer(&app, "POST", path.as_bytes()).await;
    assert!(status(&done) == "200" && holds(&done, "You are unsubscribed"));
    // Elsewhere such an address stays what it is: no sound HTTP.
    for path in ["/v1/events?x=>", "/healthz>", "/mail> x"] {
        let refused = answer(&app, "GET", path.as_bytes()).await;
        assert_eq!(status(&refused), "400", "{path}");
    }
}

/// Mail programs keep connections: what is behind an answer is a request line again, and a body is none.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_connection_that_is_kept_every_request_line_is_read_so_and_no_body() {
    let (app, _clock) = spawn_app_at_rest().await;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let body = "GET /mail/> HTTP/1.1\r\nList-Unsubscribe=One-Click";
    let leave = seal(&app, &Token::Unsubscribe(sent()));
    let requests = [
        "GET /mail/track/open/T> HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        format!(
            "POST /mail/unsubscribe/{leave}> HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
        "GET /mail/track/open/T<b> HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET /mail/track/click/T` HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
    ];
    for (request, expected) in requests.iter().zip(["200", "200", "200", "404"]) {
        // In pieces, so that the line is not whole at once.
        for piece in request.as_bytes().chunks(7) {
            write_what_is_taken(&mut stream, piece).await;
            tokio::task::yield_now().await;
        }
        let told = one_answer(&mut stream).await;
        assert_eq!(
            status(&told),
            expected,
            "{}",
            String::from_utf8_lossy(&told)
        );
    }
}

/// Reads one answer by its length.
async fn one_answer(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    loop {
        let end = answer.windows(4).position(|part| part == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
            let length = head.split("content-length: ").nth(1).unwrap();
            let length: usize = length.lines().next().unwrap().parse().unwrap();
            if answer.len() >= end + 4 + length {
                return answer;
            }
        }
        let mut piece = [0; 4_096];
        let read = stream.read(&mut piece).await.unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&piece[..read]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_method_is_told_those_that_each_form_of_an_address_takes() {
    let (app, _clock) = spawn_app_at_rest().await;
    for (path, methods) in [
        ("/mail/unsubscribe/T", "GET or POST"),
        ("/mail/unsubscribe/T/", "GET or POST"),
        ("/mail/unsubscribe/T/x/y", "GET or POST"),
        ("/mail/track/click/T/", "GET"),
        ("/mail/track/open/", "GET"),
    ] {
        let refused = answer(&app, "PUT", path.as_bytes()).await;
        assert_eq!(status(&refused), "405", "{path}");
        let text = String::from_utf8_lossy(&refused);
        assert!(text.contains(methods), "{text}");
        assert_eq!(
            text.contains("GET or POST"),
            methods == "GET or POST",
            "{text}"
        );
    }
}
