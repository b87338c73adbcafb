//! The templates in `tests/data/newsletters`, each in many variants, against another HTML parser.

use std::collections::BTreeSet;

use scraper::Html;

use super::corpus::{VARIANTS, expanded, templates};
use super::property_tests::{PIXEL, UNSUBSCRIBE, assert_only_links_changed, instrument, links_of};
use super::*;

#[test]
fn every_link_of_the_corpus_is_tracked_and_leads_where_it_led() {
    let mut count = 0;
    for (name, template) in templates() {
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
