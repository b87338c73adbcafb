//! Cases, one rule each. Tracked URLs are `https://t.example/mail/c/<index>`.

use super::*;

mod addresses_of_ours;
mod placeholders;
mod text_and_targets;

const PIXEL: &str = "https://t.example/mail/o?a=1&b=2";
const OWN: &str = "https://t.example/mail/";
const UNSUBSCRIBE: &str = "https://t.example/mail/u?x=1&y=2";

/// What a test changes of the plan.
#[derive(Clone, Copy)]
struct With<'a> {
    pixel_url: Option<&'a str>,
    utm: Option<&'a Utm>,
    track_clicks: bool,
    longest: usize,
}

const LINKS: With<'static> = With {
    pixel_url: None,
    utm: None,
    track_clicks: true,
    longest: usize::MAX,
};
const PIXEL_ONLY: With<'static> = With {
    pixel_url: Some(PIXEL),
    track_clicks: false,
    ..LINKS
};

fn run(
    input: &str,
    with: With<'_>,
    instrument: fn(&str, &mut Plan<'_>) -> Instrumented,
) -> Instrumented {
    let mut link = |index: u32, _: u32, target: &str| {
        (target.len() <= with.longest).then(|| format!("{OWN}c/{index}"))
    };
    instrument(input, &mut plan(with, &mut link))
}

fn plan<'a>(with: With<'a>, link: &'a mut dyn FnMut(u32, u32, &str) -> Option<String>) -> Plan<'a> {
    Plan {
        pixel_url: with.pixel_url,
        unsubscribe_url: UNSUBSCRIBE,
        own_prefix: OWN,
        read: &|_, _| Held::Nothing,
        is_pixel_first: false,
        opted_out: HashSet::new(),
        utm: with.utm,
        track_clicks: with.track_clicks,
        next_index: 0,
        targets: Targets::default(),
        links_left: u32::MAX,
        parts: 0,
        refused: None,
        link,
    }
}

fn html(input: &str) -> Instrumented {
    run(input, LINKS, instrument_html)
}

fn targets(done: &Instrumented) -> Vec<&str> {
    done.links.iter().map(|link| link.url.as_str()).collect()
}

#[track_caller]
fn assert_target(input: &str, target: &str) {
    assert_eq!(targets(&html(input)), [target], "{input}");
}

#[track_caller]
fn assert_skipped(input: &str, reason: SkipReason) {
    let done = html(input);
    assert_eq!(done.body, input);
    assert_eq!(done.links, [], "{input}");
    let reasons: Vec<_> = done.skipped.iter().map(|link| link.reason).collect();
    assert_eq!(reasons, [reason], "{input}");
}

#[track_caller]
fn assert_untouched(input: &str) {
    let done = html(input);
    assert_eq!((done.body.as_str(), done.links.len()), (input, 0));
}

#[track_caller]
fn assert_pixel(before: &str, after: &str) {
    let input = format!("{before}{after}");
    let expected = format!("{before}{}{after}", pixel_html(PIXEL));
    assert_eq!(run(&input, PIXEL_ONLY, instrument_html).body, expected);
}

#[test]
fn only_the_value_changes_whatever_stands_around_it() {
    let cases = [
        (
            "<a href=\"https://e.x/?a=1&amp;b=2\">",
            "<a href=\"https://t.example/mail/c/0\">",
        ),
        (
            "<A\n  CLASS=x   HREF = 'https://e.x' ID=y >",
            "<A\n  CLASS=x   HREF = 'https://t.example/mail/c/0' ID=y >",
        ),
        (
            "<a href=https://e.x/>x",
            "<a href=https://t.example/mail/c/0>x",
        ),
        (
            "<area shape=rect href=https://e.x alt>",
            "<area shape=rect href=https://t.example/mail/c/0 alt>",
        ),
        (
            "<!--[if mso]><v:roundrect xmlns:v=\"urn:schemas-microsoft-com:vml\" href=\"https://e.x\"><center>x</center></v:roundrect><![endif]-->",
            "<!--[if mso]><v:roundrect xmlns:v=\"urn:schemas-microsoft-com:vml\" href=\"https://t.example/mail/c/0\"><center>x</center></v:roundrect><![endif]-->",
        ),
        (
            "<a href='https://e.x' href='https://f.x'>",
            "<a href='https://t.example/mail/c/0' href='https://f.x'>",
        ),
        (
            "<a title='href=\"https://no.x\"' href=\"\n https://e.x/a\n b \">",
            "<a title='href=\"https://no.x\"' href=\"https://t.example/mail/c/0\">",
        ),
        (
            "é<a href=https://e.x>ü\r\n",
            "é<a href=https://t.example/mail/c/0>ü\r\n",
        ),
    ];
    for (input, expected) in cases {
        assert_eq!(html(input).body, expected);
    }
}

#[test]
fn the_target_is_what_a_browser_makes_of_the_attribute() {
    assert_target(
        "<a href='https://e.x/?a=1&amp;b=2'>",
        "https://e.x/?a=1&b=2",
    );
    assert_target(
        "<a href='https://e.x/?a=1&copy=2'>",
        "https://e.x/?a=1&copy=2",
    );
    assert_target(
        "<a href='https://e.x/?a=1&copyx'>",
        "https://e.x/?a=1&copyx",
    );
    assert_target("<a href='https://e.x/?a=1&copy;'>", "https://e.x/?a=1©");
    assert_target(
        "<a href='https://e.x/&eacute;&#233;&#xE9;&#x80;'>",
        "https://e.x/ééé€",
    );
    assert_target("<a href='  https://e.x/a\n\tb\r\n '>", "https://e.x/ab");
    assert_target("<a href='&#32;https&colon;//e.x'>", "https://e.x");
    assert_target("<a href='HTTPS://E.x/'>", "HTTPS://E.x/");
    for odd in [
        "https://e.x/a,b",
        "https://e.x/@me",
        "https://e.x/!a!",
        "https://e.x/*",
        "https://e.x/$1|2",
        "https://e.x?q",
        "https://e.x/it's",
        "https://bücher.example/ä?ö#ü",
        "https://e.x/%7Bz%7D{y}[x]",
        "http://u:p@e.x:8080/",
        "https://[::1]/",
        "http://192.0.2.1/a;b",
        "https://e.x/a b",
    ] {
        assert_target(&format!("<a href=\"{odd}\">"), odd);
    }
    let long = format!("https://e.x/{}", "a".repeat(5000));
    assert_target(&format!("<a href={long}>"), &long);
}

#[test]
fn a_new_value_is_written_for_its_quotes() {
    let input = "<a href=\"{{unsubscribe_url}}\"><a href='{{ unsubscribe_url }}'><a href={{unsubscribe_url}}>";
    let new = "https://t.example/mail/u?x=1&amp;y=2";
    assert_eq!(
        html(input).body,
        format!("<a href=\"{new}\"><a href='{new}'><a href={new}>")
    );
    assert_eq!(
        encode("'\"<&> `", Quoting::Double),
        "'&quot;&lt;&amp;&gt; `"
    );
    assert_eq!(encode("'\"", Quoting::Single), "&#39;\"");
    assert_eq!(encode("'\" `", Quoting::Unquoted), "&#39;&quot;&#32;&#96;");
}

#[test]
fn what_is_no_web_link_stays() {
    for other in [
        "mailto:a@e.x",
        "tel:+1",
        "sms:1",
        "data:text/html,x",
        "JavaScript:alert(1)",
        "ftp://e.x/",
        "cid:1",
    ] {
        assert_skipped(&format!("<a href='{other}'>"), SkipReason::OtherScheme);
    }
    for relative in ["/a", "a.html", "//e.x/a", "?q", "", "www.e.x", "https:e.x"] {
        assert_skipped(&format!("<a href='{relative}'>"), SkipReason::Relative);
    }
    for filled_later in [
        "{{url}}",
        "*|URL|*",
        "https://shop.example/?code=*|CODE|*",
        "https://{{shop_host}}/cart",
        "https://app.example/verify/{{token}}",
        "https://app.example/verify/%7B%7Btoken%7D%7D",
        "https://app.example/<%= token %>",
        "https://app.example/%%token%%",
        "https://app.example/[[token]]",
        "https://app.example/${token}",
    ] {
        assert_skipped(
            &format!("<a href='{filled_later}'>"),
            SkipReason::Placeholder,
        );
    }
    assert_skipped("<a href>", SkipReason::Relative);
    assert_skipped("<a href='#top'>", SkipReason::Fragment);
    for invalid in [
        "https://",
        "https://e.x:99999/",
        "https://a\u{1}b.x/",
        "http:///?",
        "https://e x/",
    ] {
        assert_skipped(&format!("<a href='{invalid}'>"), SkipReason::Invalid);
    }
}

#[test]
fn a_reader_who_wants_to_leave_is_not_followed() {
    assert_skipped(
        "<a href='https://e.x/UnSubscribe/1'>",
        SkipReason::Unsubscribe,
    );
    assert_skipped(
        "<a href='https://e.x/?do=unsubscribe'>",
        SkipReason::Unsubscribe,
    );
    assert_skipped(
        "<a href='https://t.example/mail/u?x=1&amp;y=2'>",
        SkipReason::Own,
    );
    assert_skipped("<a href='HTTPS://T.Example/mail/c/9'>", SkipReason::Own);
    assert_target(
        "<a href='https://unsubscribe.example/help#unsubscribe'>",
        "https://unsubscribe.example/help#unsubscribe",
    );
}

#[test]
fn the_opt_out_attribute_goes_and_the_link_stays() {
    let cases = [
        (
            "<a data-misar-notrack href='https://e.x'>",
            "<a href='https://e.x'>",
        ),
        (
            "<a href='https://e.x'  data-misar-notrack=\"true\"  id=a>",
            "<a href='https://e.x'   id=a>",
        ),
        (
            "<a href=https://e.x\nDATA-MISAR-NOTRACK = 1>",
            "<a href=https://e.x>",
        ),
        (
            "<a href=https://e.x data-misar-notrack/>",
            "<a href=https://e.x />",
        ),
        (
            "<a href='https://e.x' data-misar-notrack=>",
            "<a href='https://e.x'>",
        ),
        (
            "<a href='https://e.x'data-misar-notrack>",
            "<a href='https://e.x'>",
        ),
        (
            "<a data-misar-notrack='' data-misar-notrack id=a>",
            "<a id=a>",
        ),
        (
            "<a data-misar-notrack href='{{unsubscribe_url}}'>",
            "<a href='https://t.example/mail/u?x=1&amp;y=2'>",
        ),
    ];
    for (input, expected) in cases {
        let done = html(input);
        assert_eq!((done.body.as_str(), done.links.len()), (expected, 0));
    }
}

#[test]
fn comments_and_raw_text_stay_but_outlooks_and_noscript() {
    for input in [
        "<!-- <a href='https://e.x'> -->",
        "<!-- [if mso]> no end --><!--[if mso]><a href='https://e.x'>-->",
        "<style><a href='https://e.x'></style><style></style>",
        "<script>'<a href=\"https://e.x\">'</script>",
        "<textarea><a href='https://e.x'></textarea>",
        "<title><a href='https://e.x'></title>",
        "<xmp><a href='https://e.x'></xmp>",
        "<plaintext><a href='https://e.x'>",
        "<!--[if mso]><v:fill href='https://e.x'><![endif]-->",
        "<svg><a xlink:href='https://e.x'></a></svg>",
        "<base href='https://e.x'><link href='https://e.x'>",
        "<a name=x>",
    ] {
        assert_untouched(input);
    }
    let input = "<a href=https://e.x/0><!--[if (gte mso 9)|(IE)]><a href=\"https://e.x/1\"><![endif]-->\
                 <!--[if !mso]><!--><a href='https://e.x/2'><!--<![endif]--><![if !mso]><a href=https://e.x/3><![endif]>\
                 <noscript><a href='https://e.x/4'><!--[IF MSO]><a href=https://e.x/5><![ENDIF] --></noscript>\
                 <style></style><a href=https://e.x/6><noscript></noscript><a href=https://e.x/7><noscript><a href=https://e.x/8>";
    let done = html(input);
    let mut expected = input.to_owned();
    for index in 0..9 {
        expected = expected.replace(&format!("https://e.x/{index}"), &format!("{OWN}c/{index}"));
    }
    assert_eq!(done.body, expected);
    assert_eq!(done.links.len(), 9);
}

#[test]
fn nothing_in_head_is_a_link_but_a_head_may_end_without_its_tag() {
    assert_skipped(
        "<head><a href='https://e.x'></a></head>",
        SkipReason::InHead,
    );
    assert_untouched(
        "<head><!--[if mso]><a href='https://e.x'><![endif]--><noscript><a href='https://e.x'></noscript></head>",
    );
    assert_target(
        "<head><title>x</title></head><a href='https://e.x'>",
        "https://e.x",
    );
    assert_target(
        "<head><title>x</title><p><a href='https://e.x'>",
        "https://e.x",
    );
    assert_target(
        "<head><title>x</title><body><a href='https://e.x'>",
        "https://e.x",
    );
    assert_target("<header><a href='https://e.x'>", "https://e.x");
}

#[test]
fn the_pixel_stands_before_the_last_real_end_of_body() {
    assert_pixel("<html><body><p>x", "</body></html>");
    assert_pixel("<BODY>x</Body><body>y", "</BODY\n></html><!-- </body> -->");
    assert_pixel("x", "</body><script>'</body>'</script>");
    assert_pixel("x<a title='</body>'>y", "");
    assert_pixel("", "");
    assert_pixel("<p>x", "<p title='</body>");
    assert_pixel("<p>x</p>", "<!-- open </body>");
    assert_pixel("<p>x", "<style>a{} </body>");
    assert_pixel("<p>x<style>a{}</style>", "");
    assert_pixel("<p>x</p><style></style>", "<a href='a>b");
    assert_pixel("<html>x</html>\r\n", "");
    assert_pixel("<!--[if mso]></body><![endif]--><bodyx>a</bodyx>", "");
}

#[test]
fn a_pixel_that_stands_first_stands_before_all_content_and_behind_the_head() {
    for (before, after) in [
        (
            "<!doctype html><html><head><title>x</title></head><body class=a>",
            "<p>x</body></html>",
        ),
        ("<html><head><style>a{}</style></head>", "<p>x</p></html>"),
        ("<HTML><Body\n>", "x<body>y"),
        ("<!-- a --><!doctype html><html>", "<p>x</html>"),
        ("<meta charset=utf-8><style></style>", "<p>x</p>"),
        ("", "<p>x</p>"),
        ("", "Hello <b>you</b>"),
        ("", "<!--[if mso]><p>x</p><![endif]--><p>y</p>"),
        ("", "<!-- open <body>"),
        ("", ""),
    ] {
        let input = format!("{before}{after}");
        let mut link = |_: u32, _: u32, _: &str| None;
        let mut plan = Plan {
            is_pixel_first: true,
            ..plan(PIXEL_ONLY, &mut link)
        };
        let done = instrument_html(&input, &mut plan);
        let expected = format!("{before}{}{after}", pixel_html(PIXEL));
        assert_eq!(done.body, expected);
        assert_eq!(instrument_html(&done.body, &mut plan).body, expected);
    }
}

#[test]
fn no_pixel_where_one_is_or_none_may_be() {
    for input in [
        "<html amp4email><body></body></html>",
        "<html ⚡4email data-css-strict><body></body></html>",
        "<body><IMG SRC=https://t.example/mail/o?a=1&amp;b=2></body>",
    ] {
        let done = run(input, PIXEL_ONLY, instrument_html);
        assert_eq!((done.body.as_str(), done.has_new_pixel), (input, false));
    }
    let pixel = pixel_html(PIXEL);
    assert!(pixel.contains("a=1&amp;b=2") && pixel.contains("alt=\"\"") && !pixel.contains("none"));
}

#[test]
fn what_is_ambiguous_is_taken_for_text_and_its_links_are_named() {
    let done = html(
        "<a href=https://e.x/0><select><xmp><a href=https://e.x/1></xmp></select><a href=https://e.x/2>\
         <xmp><a href=https://e.x/3></xmp>",
    );
    assert_eq!(targets(&done), ["https://e.x/0", "https://e.x/2"]);
    let skipped = SkippedLink {
        url: "https://e.x/1".to_owned(),
        reason: SkipReason::Ambiguous,
    };
    assert_eq!(done.skipped, [skipped]);
}

#[test]
fn a_link_too_long_to_track_keeps_its_place_and_takes_no_index() {
    let with = With {
        longest: 12,
        ..LINKS
    };
    let done = run(
        "<a href=https://e.x/long><a href=https://e.x>",
        with,
        instrument_html,
    );
    assert_eq!(
        done.body,
        format!("<a href=https://e.x/long><a href={OWN}c/0>")
    );
    assert_eq!(done.skipped[0].reason, SkipReason::TooLong);
}

#[test]
fn twice_is_once() {
    let input = "<body><a href='https://e.x'><a href='https://e.x'><a data-misar-notrack href='https://f.x'></body>";
    let with = With {
        pixel_url: Some(PIXEL),
        ..LINKS
    };
    let once = run(input, with, instrument_html);
    assert_eq!(targets(&once), ["https://e.x", "https://e.x"]);
    assert_eq!(run(input, with, instrument_html), once);
    let twice = run(&once.body, with, instrument_html);
    assert_eq!((twice.body, twice.links.len()), (once.body, 0));
    assert_eq!(twice.skipped[2].reason, SkipReason::Instrumented);
}
