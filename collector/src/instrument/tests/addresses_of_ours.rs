//! What was made for this message, for another one, for another workspace, or is damaged.

use super::*;

const PIXEL: &str = "https://t.example/mail/track/open/ownOpen";
const UNSUBSCRIBE: &str = "https://t.example/mail/unsubscribe/ownBye";

/// `own…` is this message's, `ann…` another's, `far…` another workspace's.
fn read(kind: TokenKind, token: &str) -> Held {
    let is_click = kind == TokenKind::Click;
    let target = |target: &str| Held::Other {
        target: Some(target.to_owned()),
    };
    match token {
        "annClick" if is_click => target("https://shop.example/?a=1&b=2"),
        "annMail" if is_click => target("mailto:a@shop.example"),
        _ if is_click && token.starts_with("annClick_") => target("https://shop.example/?a=1&b=2"),
        "annAround" if is_click => target("https://t.example/mail/track/click/annClick"),
        "annOpen" if kind == TokenKind::Open => Held::Other { target: None },
        "annBye" if kind == TokenKind::Unsubscribe => Held::Other { target: None },
        "annOpen_0123456789abcdef" if kind == TokenKind::Open => Held::Other { target: None },
        "annBye_0123456789abcdef01" if kind == TokenKind::Unsubscribe => {
            Held::Other { target: None }
        }
        _ if token.starts_with("own") => Held::Own,
        _ if token.starts_with("far") => Held::Elsewhere,
        _ => Held::Nothing,
    }
}

fn plan_of<'a>(
    link: &'a mut dyn FnMut(u32, u32, &str) -> Option<String>,
    is_tracked: bool,
) -> Plan<'a> {
    Plan {
        pixel_url: is_tracked.then_some(PIXEL),
        unsubscribe_url: UNSUBSCRIBE,
        read: &read,
        track_clicks: is_tracked,
        ..plan(LINKS, link)
    }
}

type Instrument = fn(&str, &mut Plan<'_>) -> Instrumented;
type Done = Result<Instrumented, MailRefusal>;

fn made(
    input: &str,
    is_tracked: bool,
    instrument: fn(&str, &mut Plan<'_>) -> Instrumented,
) -> Done {
    let mut link = |index: u32, _: u32, _: &str| Some(format!("{OWN}track/click/own{index}"));
    let mut plan = plan_of(&mut link, is_tracked);
    let done = instrument(input, &mut plan);
    plan.refused.map_or(Ok(done), Err)
}

#[track_caller]
fn assert_html(input: &str, expected: &str) {
    let done = made(input, true, instrument_html).unwrap();
    assert_eq!(
        done.body.replace(&pixel_html(PIXEL), "PIXEL"),
        expected,
        "{input}"
    );
    let again = made(&done.body, true, instrument_html).unwrap();
    assert_eq!((again.body, again.links.len()), (done.body, 0), "{input}");
}

#[test]
fn links_of_another_message_are_made_anew_wherever_they_stand() {
    let own = "https://t.example/mail/track/click/own0";
    for input in [
        "https://t.example/mail/track/click/annClick",
        "HTTP://T.example/mail/track/click/annClick",
        "//t.example/mail/track/click/annClick",
        "https://old.example/base/mail/track/click/annClick",
        "https://t.example/mail/track/click/annClick?utm_source=x",
        "https://t.example/mail/track/click/annClick/&#39;",
        "https://t.example/mail/track/click/annAround",
    ] {
        assert_html(
            &format!("<a href=\"{input}\">x</a>"),
            &format!("<a href=\"{own}\">x</a>PIXEL"),
        );
    }
    assert_html(
        "<p>t.example/mail/track/click/annClick, https://t.example/mail/track/click/annClick</p><!--[if mso]>\
         <v:rect href='https://t.example/mail/track/click/annClick'/><![endif]-->",
        "<p>https://t.example/mail/track/click/own0, https://t.example/mail/track/click/own1</p><!--[if mso]>\
         <v:rect href='https://t.example/mail/track/click/own2'/><![endif]-->PIXEL",
    );
    assert_html(
        "<a href='https://t.example/mail/track/click/annMail'>",
        "<a href='mailto:a@shop.example'>PIXEL",
    );
    assert_html(
        "<a data-misar-notrack href='https://t.example/mail/track/click/annClick'>",
        "<a href='https://shop.example/?a=1&amp;b=2'>PIXEL",
    );
    let done = made(
        "<a href='https://t.example/mail/track/click/annClick'>",
        true,
        instrument_html,
    );
    assert_eq!(targets(&done.unwrap()), ["https://shop.example/?a=1&b=2"]);
    // Where nothing is to be tracked, nothing of the other's stays either.
    let done = made(
        "<a href='https://t.example/mail/track/click/annClick'>",
        false,
        instrument_html,
    );
    assert_eq!(
        done.unwrap().body,
        "<a href='https://shop.example/?a=1&amp;b=2'>"
    );
}

#[test]
fn a_pixel_of_another_message_goes_and_ours_comes() {
    let ann = "<img src=\"https://t.example/mail/track/open/annOpen\" width=1>";
    assert_html(
        &format!("<body>a{ann}b{ann}</body>"),
        "<body>abPIXEL</body>",
    );
    assert_html(&format!("a{ann}"), "aPIXEL");
    assert_html(
        &format!("<noscript>{ann}</noscript><!--[if mso]><p>{ann}</p><![endif]-->"),
        "<noscript></noscript><!--[if mso]><p></p><![endif]-->PIXEL",
    );
    assert_html(
        "<td background='https://t.example/mail/track/open/annOpen'>",
        &format!("<td background='{PIXEL}'>PIXEL"),
    );
    let own = pixel_html(PIXEL);
    assert_html(&format!("{ann}{own}"), "PIXEL");
    let done = made(ann, false, instrument_html).unwrap();
    assert_eq!((done.body.as_str(), done.has_new_pixel), ("", false));
}

#[test]
fn an_unsubscribe_link_of_another_message_becomes_ours() {
    let ann = "https://t.example/mail/unsubscribe/annBye";
    assert_html(
        &format!("<a href='{ann}'>Leave</a><form action={ann}></form> or {ann}."),
        &format!(
            "<a href='{UNSUBSCRIBE}'>Leave</a><form action={UNSUBSCRIBE}></form> or {UNSUBSCRIBE}.PIXEL"
        ),
    );
}

#[test]
fn what_is_this_messages_stays_and_another_workspaces_is_an_ordinary_link() {
    let own = "<a href='https://t.example/mail/track/click/own7'><a href='https://t.example/mail/unsubscribe/ownBye'>";
    assert_html(own, &format!("{own}PIXEL"));
    assert_html(
        "<a href='https://t.example/mail/track/click/farClick'><img src='https://t.example/mail/track/open/farOpen'>",
        "<a href='https://t.example/mail/track/click/own0'><img src='https://t.example/mail/track/open/farOpen'>PIXEL",
    );
    let far = "<a href='https://t.example/mail/unsubscribe/farBye'>";
    assert_html(far, &format!("{far}PIXEL"));
    assert_html(
        "<a href='https://other.example/mail/track/click/unknown'>",
        "<a href='https://t.example/mail/track/click/own0'>PIXEL",
    );
    for page in ["https://t.example/mail/track.js", "https://t.example/mail/"] {
        let input = format!("<a href='{page}'>");
        assert_html(&input, &format!("{input}PIXEL"));
    }
}

#[test]
fn what_cannot_be_read_or_made_anew_is_refused_with_its_place() {
    for (input, refusal) in [
        (
            "<a href='https://t.example/mail/track/click/damaged'>",
            MailRefusal::Damaged(9),
        ),
        (
            "<a href='http://t.example/mail/track/click/annOpen'>",
            MailRefusal::Damaged(9),
        ),
        (
            "<a href='https://t.example/mail/unsubscribe/'>",
            MailRefusal::Damaged(9),
        ),
        (
            "<p><img src='https://t.example/mail/track/open/damaged'>",
            MailRefusal::Damaged(3),
        ),
        (
            "<form action='https://t.example/mail/unsubscribe/damaged'>",
            MailRefusal::Damaged(31),
        ),
        (
            "<a href='https://s.example/?u=https%3A%2F%2Ft.example%2Fmail%2Ftrack%2Fclick%2FannClick'>",
            MailRefusal::Another(9),
        ),
        (
            "<a href='https://s.example/?u=https://t.example/mail/unsubscribe/annBye'>",
            MailRefusal::Another(9),
        ),
    ] {
        assert_eq!(
            made(input, true, instrument_html).map(|done| done.body),
            Err(refusal),
            "{input}"
        );
    }
    let text = "See https://t.example/mail/track/click/damaged";
    assert_eq!(
        made(text, true, instrument_text).unwrap_err(),
        MailRefusal::Damaged(4)
    );
    // What a sentence shows of an address is no link.
    let shown = "<p>https://t.example/mail/track/click/dama…</p>";
    assert_html(shown, &format!("{shown}PIXEL"));
    assert_eq!(line_and_column("a\nbé c", 5), (2, 3));
}

#[test]
fn a_text_part_is_made_anew_as_well() {
    let ann = "https://t.example/mail/track/click/annClick";
    for (input, expected) in [
        (
            format!("See {ann}."),
            "See https://t.example/mail/track/click/own0.".to_owned(),
        ),
        (
            format!("> <{ann}/>"),
            "> <https://t.example/mail/track/click/own0>".to_owned(),
        ),
        (
            "Or t.example/mail/track/click/annClick".to_owned(),
            "Or https://t.example/mail/track/click/own0".to_owned(),
        ),
        (
            "[https://t.example/mail/track/open/annOpen]".to_owned(),
            format!("[{PIXEL}]"),
        ),
        (
            "https://t.example/mail/unsubscribe/annBye!".to_owned(),
            format!("{UNSUBSCRIBE}!"),
        ),
        (
            format!("myapp://open?url={ann}"),
            "myapp://open?url=https://t.example/mail/track/click/own0".to_owned(),
        ),
        (
            "https://t.example/mail/unsubscribe/ownBye".to_owned(),
            UNSUBSCRIBE.to_owned(),
        ),
    ] {
        assert_eq!(made(&input, true, instrument_text).unwrap().body, expected);
        let again = made(&expected, true, instrument_text).unwrap();
        assert_eq!((again.body, again.links.len()), (expected, 0));
    }
    assert_eq!(
        made(ann, false, instrument_text).unwrap().body,
        "https://shop.example/?a=1&b=2"
    );
}

/// What stands for `/mail/` and the route in an address, and what a browser makes the same of.
const PATHS: [&str; 12] = [
    "http://t.example/mail/./ROUTE/",
    "http://t.example/mail/x/../ROUTE/",
    "http://t.example/mail/%2e/ROUTE/./",
    "http://t.example/mail/%2E%2e/mail/ROUTE/other/../",
    "http:\\\\t.example\\mail\\ROUTE\\",
    "\\\\t.example/mail/ROUTE\\",
    "//t.example/mail/./ROUTE/",
    "https:t.example/mail/ROUTE/",
    "HTTPS://user:word@T.example:443/mail/./ROUTE/",
    "https://t.exam\tple/ma\nil/./ROUTE/",
    "https&#58;//t.example/mail/&#46;/ROUTE/",
    "https://t.example/%6dail/./ROUTE/",
];

#[test]
fn an_address_that_a_browser_makes_ours_is_as_if_it_were_written_so() {
    for path in PATHS {
        for path in [path.to_owned(), path.replace("%6dail/./", "mail/./%2e/")] {
            let click = path.replace("ROUTE", "track/click");
            let open = path.replace("ROUTE", "track/open");
            let bye = path.replace("ROUTE", "unsubscribe");
            assert_html(
                &format!("<a href=\"{click}annClick\">x</a><area href=\"{click}annClick/'\">"),
                "<a href=\"https://t.example/mail/track/click/own0\">x</a><area href=\"https://t.example/mail/track/click/own1\">PIXEL",
            );
            assert_html(&format!("<p><img src=\"{open}annOpen\">x"), "<p>xPIXEL");
            assert_html(
                &format!("<a href=\"{bye}annBye\">"),
                &format!("<a href=\"{UNSUBSCRIBE}\">PIXEL"),
            );
            // An own one is written plainly.
            let done = made(&format!("<a href=\"{click}own7\">"), false, instrument_html).unwrap();
            assert!(
                done.body.ends_with("t.example/mail/track/click/own7\">"),
                "{}",
                done.body
            );
            let done = made(&format!("<img src=\"{open}own7\">"), true, instrument_html).unwrap();
            assert!(!done.has_new_pixel, "{path}");
            for damaged in [
                format!("<a href=\"{click}damaged\">"),
                format!("<img src=\"{open}damaged\">"),
            ] {
                let refused = made(&damaged, true, instrument_html).unwrap_err();
                assert!(matches!(refused, MailRefusal::Damaged(_)), "{damaged}");
            }
            let ordinary = format!("<img src=\"{open}farOpen\">");
            assert_html(&ordinary, &format!("{ordinary}PIXEL"));
        }
    }
    assert_html(
        "<a href='https://t.example/mail/track/click/annCl%69ck'><a href='https://t.example/mail/track/click/own7/../annClick'>",
        "<a href='https://t.example/mail/track/click/own0'><a href='https://t.example/mail/track/click/own1'>PIXEL",
    );
    // Dots elsewhere are the author's.
    assert_html(
        "<a href='https://shop.example/./a/../open'>",
        "<a href='https://t.example/mail/track/click/own0'>PIXEL",
    );
}

#[test]
fn the_base_of_the_document_counts() {
    for (base, relative) in [
        ("https://t.example/", "mail/track/click/annClick"),
        ("https://t.example/mail/", "./track/click/annClick"),
        ("//t.example/mail/track/click/", "annClick"),
        ("HTTPS://T.example/mail/track/x/", "..\\click\\annClick"),
        ("https://t.example/x", "/mail/./track/click/annClick"),
    ] {
        let start = format!("<head><base href=\"{base}\"></head>");
        assert_html(
            &format!("{start}<a href='{relative}'>x</a>"),
            &format!("{start}<a href='https://t.example/mail/track/click/own0'>x</a>PIXEL"),
        );
        let pixel = relative
            .replace("click", "open")
            .replace("annClick", "annOpen");
        let start = start.replace("click", "open");
        assert_html(
            &format!("{start}<p><img src='{pixel}'>"),
            &format!("{start}<p>PIXEL"),
        );
    }
    let other = "<base href='https://shop.example/'><a href='sale'><a href='mail/open'>";
    assert_html(other, &format!("{other}PIXEL"));
    let own = "<base href='https://t.example/mail/'><a href='track/click/own7'>";
    assert_html(
        own,
        "<base href='https://t.example/mail/'><a href='https://t.example/mail/track/click/own7'>PIXEL",
    );
    let refused = made(
        "<base href='https://t.example/mail/track/click/annClick'>",
        true,
        instrument_html,
    );
    assert!(matches!(refused, Err(MailRefusal::Another(_))));
}

#[test]
fn what_a_browser_makes_ours_outside_of_links_is_refused() {
    let ann = "annBye_0123456789abcdef01";
    for input in [
        format!("<form action='https://t.example/mail/./unsubscribe/{ann}'>"),
        format!("<form action='https:\\\\t.example\\mail\\unsubscribe\\{ann}'>"),
        format!("<form action='https://t.example/mail/unsubscribe/ownBye/../{ann}'>"),
        format!("<base href='https://t.example/mail/unsubscribe/'><form action='{ann}'>"),
        "<td background='https://t.example/mail/./track/open/annOpen_0123456789abcdef'>".to_owned(),
        "<p style='background:url(https://t.example/mail/track/./open/annOpen_0123456789abcdef)'>"
            .to_owned(),
        format!("<a href='https://s.example/?u=https://t.example/mail/./unsubscribe/{ann}'>"),
        format!(
            "<a href='https://s.example/?u=https%3A%2F%2Ft.example%2Fmail%2F.%2Funsubscribe%2F{ann}'>"
        ),
        format!("<a href='mail/./unsubscribe/{ann}'>"),
    ] {
        let refused = made(&input, true, instrument_html);
        assert!(matches!(refused, Err(MailRefusal::Another(_))), "{input}");
    }
    // Words of ours before a link are words.
    let click = "https://t.example/mail/track/click/annClick_0123456789abcdef";
    for (input, instrument) in [
        (
            format!("To open\nit, click\n{click}\nor unsubscribe"),
            instrument_text as Instrument,
        ),
        (
            format!("<a class=open\nhref={click}>click</a> open\n{click}"),
            instrument_html as Instrument,
        ),
    ] {
        let done = made(&input, true, instrument).unwrap();
        assert!(!done.body.contains("annClick"), "{}", done.body);
    }
    let text = "See https://t.example/mail/./track/click/annClick and HTTP://T.example/mail/x/../track/click/annClick.";
    let done = made(text, true, instrument_text).unwrap();
    assert_eq!(
        done.body,
        "See https://t.example/mail/track/click/own0 and https://t.example/mail/track/click/own1."
    );
    let text = format!("See http:\\\\t.example\\mail\\unsubscribe\\{ann}");
    let refused = made(&text, true, instrument_text);
    assert!(matches!(refused, Err(MailRefusal::Another(_))), "{text}");
}

/// Pieces with addresses of ours, between pieces that end or begin something.
const PIECES: [&str; 26] = [
    "<a href='https://t.example/mail/track/click/annClick'>",
    "<a href=\"//t.example/mail/track/click/annAround/\">",
    "<a data-misar-notrack href=https://t.example/mail/track/click/annMail>",
    "<img src='https://t.example/mail/track/open/annOpen'>",
    "<td background=https://t.example/mail/track/open/annOpen>",
    "<form action='https://t.example/mail/unsubscribe/annBye'>",
    "<v:rect href='https://t.example/mail/unsubscribe/annBye'/>",
    "https://t.example/mail/track/click/annClick",
    "t.example/mail/unsubscribe/annBye",
    "<a href='https://t.example/mail/track/click/own7'>",
    "<a href='https://t.example/mail/track/click/farClick'>",
    "<a href='{{unsubscribe_url}}'>",
    " {{ UNSUBSCRIBE_URL }} ",
    "<a href='https://e.x/'>",
    "</a>",
    "<noscript>",
    "</noscript>",
    "<style>",
    "</style>",
    "<select><xmp>",
    "</xmp></select>",
    "<head>",
    "</head><body>",
    "<p title=\"",
    "\">",
    "é ",
];

proptest::proptest! {
    #[test]
    fn nothing_of_another_message_is_left_whatever_stands_around_it(parts in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..16)) {
        let input = parts.concat();
        for instrument in [instrument_html, instrument_text] {
            // Glued together some cannot be decided, and are refused.
            let Ok(done) = made(&input, true, instrument) else { continue };
            let is_other = |spot: &Spot| {
                matches!(read(spot.kind, &done.body[spot.token.clone()]), Held::Other { .. })
            };
            proptest::prop_assert!(!held::spots(&done.body).any(|spot| is_other(&spot)), "{}", done.body);
            proptest::prop_assert!(placeholder::find(&done.body, Syntax::Html).next().is_none(), "{}", done.body);
            proptest::prop_assert_eq!(&made(&input, true, instrument).unwrap(), &done);
        }
    }
}
