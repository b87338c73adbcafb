//! Cases of text parts, targets and time.

use super::*;

fn text(input: &str) -> Instrumented {
    run(input, LINKS, instrument_text)
}

#[test]
fn a_location_is_ascii_and_of_the_web() {
    let cases = [
        ("https://e.x/a?b|c'd#e", Some("https://e.x/a?b|c'd#e")),
        (
            "https://bücher.example/ä b?ö#ü",
            Some("https://xn--bcher-kva.example/%C3%A4%20b?%C3%B6#%C3%BC"),
        ),
        ("HTTP://E.X", Some("HTTP://E.X")),
        ("https:e.x/a", Some("https://e.x/a")),
        ("https://good.x\\@evil.x/", Some("https://good.x/@evil.x/")),
        ("https:////e.x/", Some("https://e.x/")),
        ("javascript:alert(1)", None),
        ("//e.x", None),
        ("https://", None),
        ("https://e.x/\r\nSet-Cookie: a=b", None),
        ("https://e.x/\u{7f}", None),
        ("mailto:a@e.x", None),
        ("", None),
    ];
    for (target, expected) in cases {
        assert_eq!(redirect_location(target).as_deref(), expected, "{target}");
    }
}

#[test]
fn urls_of_a_text_end_where_a_reader_would_end_them() {
    for (before, url, after) in [
        ("See ", "https://e.x/a", ". Next"),
        ("(", "http://e.x/a_(b)", ")"),
        ("<", "HTTPS://e.x/?a=1&b='2'", ">"),
        ("[x](", "https://e.x#part", "), *y*"),
        ("'", "https://e.x/it", "'"),
        ("**", "https://e.x/a|b$c*d@e!f,g", "**!"),
        ("見て", "https://例え.jp/パス", "。"),
        ("انظر ", "https://e.x/؃", "؟"),
        ("a:", "https://e.x/?u=https://f.x/", "\r\n"),
        ("[shop.example/x](", "https://e.x/a", ")"),
        ("url=", "https://e.x/a", ""),
        ("See shop.example/x. ", "https://e.x/a", ""),
        ("and/or/", "https://e.x/a", ""),
        ("", "http://localhost:3000", ","),
    ] {
        let done = text(&format!("{before}{url}{after}"));
        assert_eq!(done.body, format!("{before}{OWN}c/0{after}"));
        assert_eq!(targets(&done), [url]);
    }
    for untouched in [
        "myapp://open?url=https://shop.example/x",
        "mailto:help@shop.example?subject=Hi&body=https://shop.example/x",
        "shop.example/login?next=https://shop.example/x",
        "www.shop.example:8080/#https://shop.example/x",
        "/login?next=https://shop.example/x",
        "web.archive.example/web/2026/https://shop.example/x",
        "sms:+1?body=https://shop.example/x",
        "(myapp://open?url=https://shop.example/x)",
        "xhttps://e.x",
        "ftp://e.x",
        "https://",
        "https:// e.x",
        "a://b",
        "www.e.x",
        "https://|x",
    ] {
        assert_eq!(text(untouched).body, untouched);
    }
}

#[test]
fn a_text_has_the_same_skips_and_goes_on_counting() {
    let mut link = |index: u32, _: u32, _: &str| Some(format!("{OWN}c/{index}"));
    let mut plan = Plan {
        pixel_url: Some(PIXEL),
        unsubscribe_url: UNSUBSCRIBE,
        own_prefix: OWN,
        read: &|_, _| Held::Nothing,
        is_pixel_first: false,
        opted_out: HashSet::new(),
        utm: None,
        track_clicks: true,
        next_index: 0,
        targets: Targets::default(),
        links_left: u32::MAX,
        parts: 0,
        refused: None,
        link: &mut link,
    };
    instrument_html("<a href=https://e.x>", &mut plan);
    let input = "https://e.x https://t.example/mail/x https://e.x/unsubscribe {{unsubscribe_url}} {{{ unsubscribe_url }} {{a}}";
    let done = instrument_text(input, &mut plan);
    assert_eq!(
        done.body,
        format!(
            "{OWN}c/1 https://t.example/mail/x https://e.x/unsubscribe {UNSUBSCRIBE} {{{UNSUBSCRIBE} {{{{a}}}}"
        )
    );
    assert_eq!(plan.next_index, 2);
}

#[test]
fn campaign_parameters_are_added_where_they_are_missing() {
    let utm = Utm {
        source: Some("news letter".to_owned()),
        campaign: Some("a&b".to_owned()),
        term: Some(String::new()),
        ..Utm::default()
    };
    let cases = [
        (
            "https://e.x",
            "https://e.x?utm_source=news+letter&utm_campaign=a%26b",
        ),
        (
            "https://e.x/?#f?g",
            "https://e.x/?utm_source=news+letter&utm_campaign=a%26b#f?g",
        ),
        (
            "https://e.x/?a=%20+&#f",
            "https://e.x/?a=%20+&utm_source=news+letter&utm_campaign=a%26b#f",
        ),
        (
            "https://e.x/?UTM_Source=&b",
            "https://e.x/?UTM_Source=&b&utm_campaign=a%26b",
        ),
        (
            "https://e.x/?utm_campaign=1&utm_source=2",
            "https://e.x/?utm_campaign=1&utm_source=2",
        ),
    ];
    for (target, expected) in cases {
        assert_eq!(utm.add_to(target), expected);
    }
    let with = With {
        utm: Some(&utm),
        track_clicks: false,
        ..LINKS
    };
    let done = run("<a href='https://e.x'>", with, instrument_html);
    assert_eq!(
        done.body,
        "<a href='https://e.x?utm_source=news+letter&amp;utm_campaign=a%26b'>"
    );
    assert_eq!(done.links, []);
}

#[test]
fn a_megabyte_takes_no_time_that_grows_with_its_square() {
    let row = "<tr><td style='a:b'><a href=\"https://e.x/?a=1&amp;b=2\"><img src=x.png alt=y></a></td></tr>\n";
    let hostile = [
        "{{",
        "<!--[if mso]>",
        "<noscript>",
        "<a href=https://e.x ",
        "</body",
        "https://!'",
        "<a data-misar-notrack ",
    ];
    for part in [row].into_iter().chain(hostile) {
        let input = part.repeat((1 << 20) / part.len());
        let started = std::time::Instant::now();
        html(&input);
        let html_took = started.elapsed();
        text(&input);
        eprintln!(
            "{part:?}: html {html_took:?}, text {:?}",
            started.elapsed() - html_took
        );
        // Unoptimised and on a busy machine it takes seconds; by the square it would take an hour.
        assert!(started.elapsed().as_secs() < 120);
    }
}

#[test]
fn a_url_of_a_text_that_holds_a_merge_tag_is_left_alone_with_all_of_it() {
    for url in [
        "https://shop.example/?code=*|CODE|*",
        "https://{{ shop_host }}/cart",
        "https://app.example/verify/{{ token }}/now",
        "https://app.example/<%= token %>?x=1",
        "https://<%= host %>/a",
        "https://app.example/?t=%%token%%",
        "https://app.example/[[token]]",
        "https://app.example/${token}",
    ] {
        let input = format!("See {url}, or https://e.x/a");
        let done = text(&input);
        assert_eq!(done.body, format!("See {url}, or {OWN}c/0"));
        let skipped = SkippedLink {
            url: url.to_owned(),
            reason: SkipReason::Placeholder,
        };
        assert_eq!(done.skipped, [skipped]);
    }
}

#[test]
fn copies_of_a_link_share_a_target_also_across_parts_and_opting_out_reaches_the_text() {
    let mut numbers = Vec::new();
    let mut link = |index: u32, target_number: u32, _: &str| {
        numbers.push((index, target_number));
        Some(format!("{OWN}c/{index}"))
    };
    let mut plan = Plan {
        pixel_url: None,
        unsubscribe_url: UNSUBSCRIBE,
        own_prefix: OWN,
        read: &|_, _| Held::Nothing,
        is_pixel_first: false,
        opted_out: HashSet::new(),
        utm: None,
        track_clicks: true,
        next_index: 0,
        targets: Targets::default(),
        links_left: u32::MAX,
        parts: 0,
        refused: None,
        link: &mut link,
    };
    let html = "<a href='https://shop.example/p'><img></a><a href='https://shop.example/p'>Blue mug</a>\
                <a href='https://shop.example/q'>Q</a><a href='https://shop.example/p'>Buy</a>\
                <a data-misar-notrack href='https://app.example/reset?t=1&amp;u=2'>Reset</a>";
    instrument_html(html, &mut plan);
    let input = "Buy: https://shop.example/p Reset: https://APP.example/reset?t=1&u=2.";
    let done = instrument_text(input, &mut plan);
    assert_eq!(plan.targets.count(), 2);
    assert_eq!(
        done.body,
        format!("Buy: {OWN}c/4 Reset: https://APP.example/reset?t=1&u=2.")
    );
    let reasons: Vec<_> = done.skipped.iter().map(|link| link.reason).collect();
    assert_eq!(reasons, [SkipReason::Notrack]);
    assert_eq!(numbers, [(0, 0), (1, 0), (2, 1), (3, 0), (4, 0)]);
}
