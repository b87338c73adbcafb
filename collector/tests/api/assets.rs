//! What browsers get without a key: the snippet under its names, our pages, and their headers.

use std::io::Read as _;

use collector::public_url::PublicUrl;
use reqwest::Method;
use sha2::{Digest, Sha256, Sha384};

use crate::support::{Answer, TestApp, spawn_app, spawn_app_known_as};

async fn get(app: &TestApp, path: &str, headers: &[(&'static str, &str)]) -> Answer {
    let mut ask = app.ask(Method::GET, path);
    for (name, value) in headers {
        ask = ask.header(name, value);
    }
    ask.send().await
}

/// What stands in a file once it is unpacked.
fn unpacked(coding: &str, bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    match coding {
        "br" => brotli::Decompressor::new(bytes, 4096).read_to_end(&mut plain),
        "gzip" => flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain),
        _ => {
            plain.extend_from_slice(bytes);
            Ok(plain.len())
        }
    }
    .unwrap();
    plain
}

#[tokio::test(flavor = "multi_thread")]
async fn the_snippet_names_the_public_url_and_is_open_to_every_site() {
    let url = PublicUrl::parse("https://track.example").unwrap();
    let app = spawn_app_known_as(url).await;
    let snippet = get(&app, "/mail/track.js", &[]).await;
    assert_eq!(snippet.status, 200);
    assert!(!snippet.text.contains("__MISAR_BASE__"));
    assert!(snippet.text.contains("https://track.example"));
    for (name, value) in [
        ("content-type", "application/javascript; charset=utf-8"),
        ("cache-control", "public, max-age=3600"),
        ("access-control-allow-origin", "*"),
        ("cross-origin-resource-policy", "cross-origin"),
        ("vary", "Accept-Encoding"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(snippet.header(name), value, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_a_file_unpacks_to_the_same_and_has_a_tag_of_its_own() {
    let app = spawn_app().await;
    for path in [
        "/mail/track.js",
        "/live",
        "/assets/style.css",
        "/assets/www_bg.wasm",
    ] {
        let plain = get(&app, path, &[]).await;
        let mut tags = vec![plain.header("etag").to_owned()];
        assert_eq!(plain.header("content-encoding"), "");
        for coding in ["br", "gzip"] {
            let packed = get(&app, path, &[("accept-encoding", coding)]).await;
            assert_eq!(packed.header("content-encoding"), coding, "{path}");
            assert_eq!(unpacked(coding, &packed.bytes), plain.bytes, "{path}");
            tags.push(packed.header("etag").to_owned());
            // Known under this tag, and not under another form's.
            let tag = packed.header("etag").to_owned();
            let known = [("accept-encoding", coding), ("if-none-match", &tag)];
            let again = get(&app, path, &known).await;
            assert_eq!((again.status, again.bytes.len()), (304, 0), "{path}");
            assert_eq!(again.header("etag"), tag);
            assert_eq!(again.header("vary"), "Accept-Encoding");
            let other = get(&app, path, &[("if-none-match", &tag)]).await;
            assert_eq!(other.status, 200);
        }
        for tag in &tags {
            assert!(tag.starts_with('"') && tag.len() > 32, "{tag}");
            assert_eq!(tags.iter().filter(|other| *other == tag).count(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_versioned_copy_is_what_its_name_and_its_integrity_say() {
    let app = spawn_app().await;
    let about = get(&app, "/mail/track.json", &[]).await;
    assert_eq!(about.status, 200);
    let url = about.text_of("url");
    let path = url
        .strip_prefix(&format!("http://{}", app.address))
        .unwrap();
    let copy = get(&app, path, &[]).await;
    assert_eq!(
        copy.header("cache-control"),
        "public, max-age=31536000, immutable"
    );
    assert_eq!(copy.header("access-control-allow-origin"), "*");
    let snippet = get(&app, "/mail/track.js", &[]).await;
    assert_eq!(copy.bytes, snippet.bytes);
    let digest = Sha256::digest(&copy.bytes);
    let start: String = digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(path, format!("/mail/track.{start}.js"));
    let digest = crate::support::base64(&Sha384::digest(&copy.bytes));
    assert_eq!(about.body["integrity"], format!("sha384-{digest}"));
    assert_eq!(about.body["bytes"]["raw"], copy.bytes.len());
    for (field, coding) in [("gzip", "gzip"), ("brotli", "br")] {
        let packed = get(&app, path, &[("accept-encoding", coding)]).await;
        assert_eq!(about.body["bytes"][field], packed.bytes.len());
    }
    for unknown in [
        "/mail/track.0123456789abcdef.js",
        "/mail/track",
        "/mail/stub.js",
        "/assets/track.js",
        "/assets/live.html",
    ] {
        get(&app, unknown, &[]).await.is_refused(404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_leads_to_the_live_page_and_no_page_may_load_anything_from_elsewhere() {
    let app = spawn_app().await;
    let answer = app
        .raw(b"GET / HTTP/1.1\r\nHost: misar\r\nConnection: close\r\n\r\n")
        .await
        .to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 303 "), "{answer}");
    assert!(answer.contains("\r\nlocation: /live\r\n"), "{answer}");
    for path in ["/live", "/contacts", "/segments"] {
        let page = get(&app, path, &[]).await;
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(page.header("referrer-policy"), "no-referrer");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(
            page.header("content-security-policy"),
            "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; \
             connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'"
        );
        assert!(!page.text.contains("__"), "{path}");
    }
    for (file, media) in [
        ("style.css", "text/css; charset=utf-8"),
        ("start.js", "application/javascript; charset=utf-8"),
        ("www.js", "application/javascript; charset=utf-8"),
        ("www_bg.wasm", "application/wasm"),
    ] {
        let answer = get(&app, &format!("/assets/{file}"), &[]).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, media));
        assert_eq!(answer.header("cache-control"), "no-cache");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_head_of_a_file_is_that_of_the_file() {
    let app = spawn_app().await;
    let snippet = get(&app, "/mail/track.js", &[]).await;
    let head = app.ask(Method::HEAD, "/mail/track.js").send().await;
    assert_eq!((head.status, head.bytes.len()), (200, 0));
    for name in ["content-length", "etag", "content-type", "cache-control"] {
        assert_eq!(head.header(name), snippet.header(name), "{name}");
    }
}
