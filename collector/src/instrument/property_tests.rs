//! Properties over random concatenations of awkward fragments, and the check that nothing but links and
//! the pixel has changed, which the corpus uses too.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::corpus;
use super::entities::decode;
use super::*;

pub(super) const OWN: &str = "https://t.example/mail/";
pub(super) const PIXEL: &str = "https://t.example/mail/o?a=1&b=2";
pub(super) const UNSUBSCRIBE: &str = "https://t.example/mail/u?x=1&y=2";

/// Instruments with a pixel; tracked URLs are `OWN` + `c/<index>;`.
pub(super) fn instrument(
    input: &str,
    function: fn(&str, &mut Plan<'_>) -> Instrumented,
) -> Instrumented {
    let mut link = |index: u32, _: u32, _: &str| Some(format!("{OWN}c/{index};"));
    function(
        input,
        &mut Plan {
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
        },
    )
}

/// That the output is the input with each tracked URL in the place of one attribute value which means
/// its target, and with at most one pixel.
pub(super) fn assert_only_links_changed(input: &str, done: &Instrumented) {
    let body = if done.has_new_pixel {
        done.body.replacen(&pixel_html(PIXEL), "", 1)
    } else {
        done.body.clone()
    };
    let tracked: Vec<_> = done
        .links
        .iter()
        .map(|link| format!("{OWN}c/{};", link.index))
        .collect();
    let values = corpus::replaced(input, &body, &tracked);
    for (value, link) in values.into_iter().zip(&done.links) {
        let meant: String = decode(value).replace(['\n', '\r', '\t'], "");
        assert_eq!(meant.trim(), link.url);
    }
}

/// The targets that another parser finds to be tracked.
pub(super) fn links_of(document: &scraper::Html, links: &mut Vec<String>) {
    corpus::links_of(document, &|href| corpus::is_tracked(OWN, href), links);
}

/// Fragments that end or begin something, or look as if they did.
const FRAGMENTS: [&str; 57] = [
    "<a href=\"https://e.x/?a=1&amp;b=2\">",
    "<a href='https://e.x/\"q\"'>",
    "<a href=https://e.x/u>",
    "<A HREF = https://e.x/v id=1>",
    "<area href=\"\n https://e.x/w\n\">",
    "<a href=https://e.x/1 href=https://e.x/2>",
    "<a href>",
    "<a href=>",
    "<a href=\"\">",
    "<a>",
    "<a title='>' href='https://bücher.example/ü'>",
    "<a href='https://t.example/mail/z'>",
    "<a href='mailto:a@b'>",
    "</a>",
    "text",
    "é",
    "\r\n",
    "<!--[if mso]>",
    "<![endif]-->",
    "<!--[if !mso]><!-->",
    "<!--<![endif]-->",
    "<![if !vml]>",
    "<![endif]>",
    "<!--",
    "-->",
    "--!>",
    "<!>",
    "<!-->",
    "<?xml v?>",
    "<style>",
    "</style>",
    "<script>",
    "</script>",
    "<noscript>",
    "</noscript>",
    "<textarea>",
    "</textarea>",
    "<title>",
    "</title>",
    "<select>",
    "</select>",
    "<xmp>",
    "</xmp>",
    "<svg>",
    "</svg>",
    "<![CDATA[",
    "]]>",
    "<head>",
    "</head>",
    "<body>",
    "</body>",
    "</html>",
    "<table><tr><td>",
    "<p title=\"",
    "'>",
    "<",
    "<template>",
];

/// The same within a body, each link with a target of its own.
const BODY_FRAGMENTS: [&str; 40] = [
    "<a href=\"https://e.x/NUMBER?a=1&amp;b=2&copy=3\">",
    "<a href='https://e.x/NUMBER\"q\"'>",
    "<a href=https://e.x/NUMBER>",
    "<A\tHREF = https://e.x/NUMBER id=1>",
    "<area href=\"\n https://e.x/NUMBER\n\">",
    "<a href=https://e.x/NUMBER href=https://f.x/>",
    "<a/href=https://e.x/NUMBER/>",
    "<a x='>'href='https://e.x/NUMBER'>",
    "<a =href=https://e.x/NUMBER>",
    "<a href>",
    "</a>",
    "text",
    "é",
    "<!--[if mso]>",
    "<![endif]-->",
    "<!--[if !mso]><!-->",
    "<!--<![endif]-->",
    "<![if !vml]>",
    "<!--",
    "-->",
    "--!>",
    "<!>",
    "<!-->",
    "<?xml v?>",
    "<style>",
    "</style>",
    "<script>",
    "</script>",
    "<noscript>",
    "</noscript>",
    "<textarea>",
    "</textarea>",
    "<title>",
    "</title>",
    "<xmp>",
    "</xmp>",
    "<table><tr><td>",
    "<p title=\"",
    "'>",
    "<",
];

/// What moves the elements around it.
const TREE_FRAGMENTS: [&str; 8] = [
    "<select>",
    "</select>",
    "<head>",
    "</head>",
    "<body>",
    "</body>",
    "<p>",
    "</html>",
];

proptest! {
    #[test]
    fn nothing_but_links_and_the_pixel_changes(parts in prop::collection::vec(prop::sample::select(&FRAGMENTS[..]), 0..24)) {
        let input = parts.concat();
        let done = instrument(&input, instrument_html);
        assert_only_links_changed(&input, &done);
        prop_assert!(done.has_new_pixel);
        // The places are the same the second time, and none is rewritten again.
        let again = instrument(&done.body, instrument_html);
        prop_assert_eq!(&again.links, &[]);
    }

    // Without what a tree decides: `<select>`, foreign elements, comments and raw text inside `<head>`.
    #[test]
    fn another_parser_finds_the_same_links_and_the_pixel(parts in prop::collection::vec(prop::sample::select(&BODY_FRAGMENTS[..]), 0..24)) {
        let input: String = parts
            .iter()
            .enumerate()
            .map(|(number, part)| part.replace("NUMBER", &number.to_string()))
            .collect();
        let mut expected = Vec::new();
        links_of(&scraper::Html::parse_document(&format!("<body>{input}")), &mut expected);
        let done = instrument(&input, instrument_html);
        let document = scraper::Html::parse_document(&done.body);
        let pixels = document
            .tree
            .nodes()
            .filter_map(|node| node.value().as_element())
            .filter(|element| element.attr("src") == Some(PIXEL));
        prop_assert_eq!(pixels.count(), 1);
        let found: BTreeSet<_> = done.links.into_iter().map(|link| link.url).collect();
        prop_assert_eq!(found, BTreeSet::from_iter(expected));
    }

    #[test]
    fn no_link_that_another_parser_finds_goes_unnamed(parts in prop::collection::vec(prop_oneof![prop::sample::select(&BODY_FRAGMENTS[..]), prop::sample::select(&TREE_FRAGMENTS[..])], 0..24)) {
        let input = parts.concat();
        let mut expected = Vec::new();
        links_of(&scraper::Html::parse_document(&input), &mut expected);
        let done = instrument(&input, instrument_html);
        let tracked = done.links.into_iter().map(|link| link.url);
        let named: BTreeSet<_> = tracked.chain(done.skipped.into_iter().map(|link| link.url)).collect();
        prop_assert!(BTreeSet::from_iter(expected).is_subset(&named));
    }

    #[test]
    fn any_text_at_all_is_taken(input in "\\PC*", fragment in prop::sample::select(&FRAGMENTS[..]), at in 0..64_usize) {
        let at = input.char_indices().nth(at).map_or(input.len(), |(at, _)| at);
        let input = format!("{}{fragment}{}", &input[..at], &input[at..]);
        assert_only_links_changed(&input, &instrument(&input, instrument_html));
    }

    #[test]
    fn a_text_part_changes_in_its_urls_alone(parts in prop::collection::vec(prop::sample::select(&["https://e.x/a", "http://", "://", "(", ")", ". ", "'", "|", "é", "。", "#f", "\n", "{{", "https://t.example/mail/z "][..]), 0..24)) {
        let input = parts.concat();
        let done = instrument(&input, instrument_text);
        let mut restored = done.body.clone();
        for link in &done.links {
            restored = restored.replacen(&format!("{OWN}c/{};", link.index), &link.url, 1);
        }
        prop_assert_eq!(restored, input);
    }

    #[test]
    fn encoding_is_undone_by_decoding(text in ".*|[&;#xa-z0-9=<>'\"` \t\n]*") {
        for quoting in [Quoting::Double, Quoting::Single, Quoting::Unquoted] {
            let raw = encode(&text, quoting);
            prop_assert_eq!(decode(&raw), &text[..]);
            let ends = match quoting {
                Quoting::Double => &['"'][..],
                Quoting::Single => &['\''],
                Quoting::Unquoted => &['"', '\'', ' ', '\t', '\n', '\r', '\u{c}', '`'],
            };
            prop_assert!(!raw.contains(ends) && !raw.contains(['<', '>']));
        }
    }

    #[test]
    fn campaign_parameters_leave_the_rest_of_a_url(url in "https://[a-z]{1,4}(/[a-z%&=?;+]{0,6})?(\\?[a-z%&=?;+]{0,9})?(#[a-z?&=#]{0,6})?", value in ".{1,8}") {
        let utm = Utm { source: Some(value.clone()), medium: Some("m".to_owned()), ..Utm::default() };
        let tagged = utm.add_to(&url);
        prop_assert_eq!(utm.add_to(&tagged), tagged.clone());
        let (before, fragment) = url.split_at(url.find('#').unwrap_or(url.len()));
        prop_assert!(tagged.starts_with(before) && tagged.ends_with(fragment));
        let (_, query) = tagged[..tagged.len() - fragment.len()].split_once('?').unwrap();
        let values: Vec<_> = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "utm_source").map(|(_, value)| value.into_owned()).collect();
        prop_assert_eq!(values, [value]);
    }

    #[test]
    fn a_location_is_visible_ascii_and_leads_to_the_same_place(target in "(https?://|http:|//)?.{0,20}|https?://[a-zäö.\\\\/@:?#%-]{0,20}") {
        if let Some(location) = redirect_location(&target) {
            prop_assert!(location.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert_eq!(url::Url::parse(&location).unwrap(), url::Url::parse(&target).unwrap());
        }
    }
}
