//! What a site may be written as, and which origins it admits.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(pattern: &str, matching: &[&str], others: &[&str]) {
    let pattern = OriginPattern::parse(pattern).unwrap();
    for origin in matching {
        assert!(pattern.matches(origin), "{pattern} {origin}");
    }
    for origin in others.iter().chain(&["", "null", "NULL", "https://", "*"]) {
        assert!(!pattern.matches(origin), "{pattern} {origin}");
    }
}

#[test]
fn an_exact_origin_matches_itself_and_no_look_alike() {
    check(
        "https://shop.example",
        &[
            "https://shop.example",
            "HTTPS://SHOP.example",
            "https://shop.example:443",
        ],
        &[
            "http://shop.example",
            "https://shop.example:8443",
            "https://shop.example.",
            "https://shop.example/",
            "https://shop.example/cart",
            "https://shop.example.evil.com",
            "https://evil-shop.example",
            "https://www.shop.example",
            "https://shop.example@evil.com",
            "https://evil.com#https://shop.example",
            "https://shop.example\\.evil.com",
            "https:shop.example",
            "shop.example",
            "https://shop.example https://evil.com",
        ],
    );
}

#[test]
fn a_port_that_is_not_the_schemes_own_counts() {
    check(
        "http://localhost:3000",
        &["http://localhost:3000"],
        &[
            "http://localhost",
            "https://localhost:3000",
            "http://localhost:30000",
        ],
    );
    check("http://shop.example:80", &["http://shop.example"], &[]);
    check(
        "http://[::1]:3000",
        &["http://[::1]:3000", "http://[0::1]:3000"],
        &["http://[::1]"],
    );
}

#[test]
fn a_star_means_every_subdomain_and_not_the_domain_itself() {
    check(
        "*.Example.com",
        &[
            "https://shop.example.com",
            "http://shop.example.com",
            "https://a.b.c.example.com:8443",
            "https://SHOP.EXAMPLE.COM",
        ],
        &[
            "https://example.com",
            "https://evil-example.com",
            "https://evilexample.com",
            "https://.example.com",
            "https://shop.example.com.evil.com",
            "https://shop.example.com.",
            "https://evil.com/.example.com",
            "ftp://shop.example.com",
            "shop.example.com",
        ],
    );
}

#[test]
fn apps_and_extensions_have_origins_of_their_own() {
    check(
        "capacitor://localhost",
        &["capacitor://localhost", "Capacitor://LOCALHOST"],
        &["http://localhost", "https://localhost", "ionic://localhost"],
    );
    for origin in [
        "ionic://localhost",
        "tauri://localhost",
        "app://bundle",
        "chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb",
        "moz-extension://0193b8a1-7c2e-4d3f-8a4b-5c6d7e8f9a0b",
        "safari-web-extension://0193b8a1-7c2e-4d3f-8a4b-5c6d7e8f9a0b",
    ] {
        check(origin, &[origin], &["https://localhost"]);
    }
    // A star stands for web sites alone.
    check(
        "*.localhost",
        &["http://tauri.localhost"],
        &["tauri://app.localhost"],
    );
    assert!(Origin::parse("tauri://localhost").is_err());
}

#[test]
fn a_pattern_is_kept_in_its_normal_spelling() {
    for (written, kept) in [
        ("HTTPS://Shop.Example/", "https://shop.example"),
        ("https://shop.example:443", "https://shop.example"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("*.EXAMPLE.com", "*.example.com"),
        ("*.localhost", "*.localhost"),
    ] {
        let pattern = OriginPattern::parse(written).unwrap();
        assert_eq!(pattern.to_string(), kept);
        assert_eq!(OriginPattern::parse(kept).unwrap(), pattern);
    }
}

#[test]
fn what_is_no_origin_is_refused_with_its_reason() {
    for (text, error) in [
        ("", OriginError::Scheme),
        ("null", OriginError::Scheme),
        ("shop.example", OriginError::Scheme),
        ("htps://shop.example", OriginError::Scheme),
        ("ftp://shop.example", OriginError::Scheme),
        ("capacitor://:8080", OriginError::Host),
        ("capacitor://localhost/index.html", OriginError::TooMuch),
        ("https://shop.example/cart", OriginError::TooMuch),
        ("https://shop.example//", OriginError::TooMuch),
        ("https://shop.example?a=1", OriginError::TooMuch),
        ("https://user@shop.example", OriginError::TooMuch),
        ("https://:80", OriginError::Host),
        ("https://shop..example", OriginError::Host),
        ("https://shop example", OriginError::Host),
        ("https://[::1", OriginError::Host),
        ("https://[::1]8080", OriginError::Host),
        ("https://shop.example.", OriginError::TrailingDot),
        ("https://münchen.example", OriginError::NotAscii),
        ("https://shop.example:", OriginError::Port),
        ("https://shop.example:0", OriginError::Port),
        ("https://shop.example:+80", OriginError::Port),
        ("https://shop.example:65536", OriginError::Port),
        ("*", OriginError::Star),
        ("https://*.example.com", OriginError::Star),
        ("*.*.example.com", OriginError::Star),
        ("*.example.com:8080", OriginError::Star),
        ("*.com", OriginError::TooWide),
    ] {
        assert_eq!(OriginPattern::parse(text), Err(error), "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,40}", tail in "[-a-zA-Z0-9.:*/\\[\\]@]{0,20}") {
        for text in [text, format!("https://{tail}"), format!("*.{tail}")] {
            if let Ok(pattern) = OriginPattern::parse(&text) {
                let again = OriginPattern::parse(&pattern.to_string());
                prop_assert_eq!(again, Ok(pattern));
            }
        }
    }
}
