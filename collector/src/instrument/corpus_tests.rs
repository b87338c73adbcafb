//! The templates in `tests/data/newsletters`, each in many variants, against another HTML parser.

use std::collections::BTreeSet;
use std::path::Path;

use scraper::{Html, Node};

use super::property_tests::{OWN, PIXEL, UNSUBSCRIBE, assert_only_links_changed, instrument};
use super::*;

/// What stands for `VARIANT` in a template, always within a query.
const VARIANTS: [&str; 16] = [
    "plain", "a,b", "@me", "!", "it*s", "$1", "a|b", "a?b", "ü", "日本", "%20", "a+b", "(x)",
    "[y]", "~z;1", "{k}",
];

/// A template with `%%REPEAT n%% … %%END%%` written out, `%%N%%` being the number of the repetition.
fn expanded(template: &str, variant: &str) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("%%REPEAT ") {
        let (count, after) = after.split_once("%%").expect("a number ends");
        let (block, after) = after.split_once("%%END%%").expect("a repetition ends");
        text.push_str(before);
        for number in 0..count.parse().expect("a number") {
            let number: u32 = number;
            text.push_str(&block.replace("%%N%%", &number.to_string()));
        }
        rest = after;
    }
    text.push_str(rest);
    text.replace("VARIANT", variant)
}

/// The targets that a browser, Outlook or a client without scripts offers, in document order.
pub(super) fn links_of(document: &Html, links: &mut Vec<String>) {
    for node in document.tree.root().descendants() {
        match node.value() {
            Node::Element(element) if matches!(element.name(), "a" | "area") => {
                let Some(href) = element.attr("href") else {
                    continue;
                };
                let href = href.replace(['\n', '\r', '\t'], "");
                let href = href.trim();
                let scheme = href.split("://").next().unwrap().to_ascii_lowercase();
                let is_tracked = href.contains("://")
                    && (scheme == "http" || scheme == "https")
                    && element.attr("data-misar-notrack").is_none()
                    && !href.starts_with(OWN)
                    && !href.to_ascii_lowercase().contains("unsubscribe");
                if is_tracked {
                    links.push(href.to_owned());
                }
            }
            Node::Element(element) if element.name() == "noscript" => {
                for text in node.descendants().filter_map(|node| node.value().as_text()) {
                    links_of(&Html::parse_fragment(text), links);
                }
            }
            Node::Comment(comment) => {
                let is_in_head = node
                    .ancestors()
                    .filter_map(|ancestor| ancestor.value().as_element())
                    .any(|element| element.name() == "head");
                if is_in_head {
                    continue;
                }
                let inner = comment
                    .strip_prefix("[if")
                    .and_then(|rest| rest.split_once("]>"));
                if let Some((inner, _)) = inner.and_then(|(_, rest)| rest.rsplit_once("<![endif]"))
                {
                    links_of(&Html::parse_fragment(inner), links);
                }
            }
            _ => {}
        }
    }
}

#[test]
fn every_link_of_the_corpus_is_tracked_and_leads_where_it_led() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/newsletters");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 30);
    let mut count = 0;
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let template = std::fs::read_to_string(&file).unwrap();
        let mut found = 0;
        for variant in VARIANTS {
            let input = expanded(&template, variant);
            let done = instrument(&input, instrument_html);
            assert_eq!(done.has_new_pixel, !name.starts_with("amp"), "{name}");
            let kept = input
                .replace(" data-misar-notrack", "")
                .replace("{{unsubscribe_url}}", &encode(UNSUBSCRIBE, Quoting::Double));
            assert_only_links_changed(&kept, &done);

            let mut expected = Vec::new();
            links_of(&Html::parse_document(&input), &mut expected);
            let tracked: Vec<_> = done.links.iter().map(|link| link.url.clone()).collect();
            // Out of broken markup a parser makes elements that are not in it, in another order.
            if name.starts_with("broken") {
                let sorted = |links: Vec<String>| links.into_iter().collect::<BTreeSet<_>>();
                assert_eq!(sorted(tracked), sorted(expected), "{name}");
            } else {
                assert_eq!(tracked, expected, "{name}");
            }
            assert!(
                done.links
                    .iter()
                    .all(|link| redirect_location(&link.url).is_some())
            );

            let again = instrument(&done.body, instrument_html);
            assert_eq!((&again.body, again.links.len()), (&done.body, 0), "{name}");
            let mut shown = Vec::new();
            links_of(&Html::parse_document(&done.body), &mut shown);
            let opted_out: Vec<_> = done
                .skipped
                .iter()
                .filter(|link| link.reason == SkipReason::Notrack)
                .map(|link| link.url.clone())
                .collect();
            assert_eq!(shown, opted_out, "{name}");
            let pixel = done.body.matches(&pixel_html(PIXEL)).count();
            assert_eq!(pixel, usize::from(done.has_new_pixel));
            found += done.links.len();
        }
        assert!(found > 0, "{name}");
        count += found;
    }
    assert!(count >= 10_000, "{count} links");
}
