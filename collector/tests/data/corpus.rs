// The templates in `newsletters`, each in many variants, and what is asked of what is made of them.
// The unit tests of `instrument` and the API tests both include this file.

use std::path::Path;

use scraper::{Html, Node};

/// What stands for `VARIANT` in a template, always within a query.
pub(crate) const VARIANTS: [&str; 16] = [
    "plain", "a,b", "@me", "!", "it*s", "$1", "a|b", "a?b", "ü", "日本", "%20", "a+b", "(x)",
    "[y]", "~z;1", "{k}",
];

/// Every template with its name, in their order.
pub(crate) fn templates() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/newsletters");
    let mut templates: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    templates.sort();
    assert!(templates.len() >= 30);
    templates
}

/// A template with `%%REPEAT n%% … %%END%%` written out, `%%N%%` being the number of the repetition.
pub(crate) fn expanded(template: &str, variant: &str) -> String {
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

/// The targets that a browser, Outlook or a client without scripts offers, in document order: those
/// on the web that are wanted and not opted out.
pub(crate) fn links_of(document: &Html, is_wanted: &dyn Fn(&str) -> bool, links: &mut Vec<String>) {
    for node in document.tree.root().descendants() {
        match node.value() {
            Node::Element(element)
                if matches!(element.name(), "a" | "area" | "v:roundrect" | "v:rect") =>
            {
                let Some(href) = element.attr("href") else {
                    continue;
                };
                let href = href.replace(['\n', '\r', '\t'], "");
                let href = href.trim();
                let scheme = href.split("://").next().unwrap().to_ascii_lowercase();
                let is_link = href.contains("://")
                    && (scheme == "http" || scheme == "https")
                    && element.attr("data-misar-notrack").is_none();
                if is_link && is_wanted(href) {
                    links.push(href.to_owned());
                }
            }
            Node::Element(element) if element.name() == "noscript" => {
                for text in node.descendants().filter_map(|node| node.value().as_text()) {
                    links_of(&Html::parse_fragment(text), is_wanted, links);
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
                    links_of(&Html::parse_fragment(inner), is_wanted, links);
                }
            }
            _ => {}
        }
    }
}

/// Whether a link of a template is to be tracked where the tracker's own addresses begin with `own`.
pub(crate) fn is_tracked(own: &str, href: &str) -> bool {
    !href.starts_with(own) && !href.to_ascii_lowercase().contains("unsubscribe")
}

/// The attribute values of the input that stand where the output has the tracked URLs, in order; that
/// all the rest is the same byte for byte. Knows nothing of how the values were found.
pub(crate) fn replaced<'i>(input: &'i str, output: &str, tracked: &[String]) -> Vec<&'i str> {
    let (mut output, mut rest) = (output, input);
    let mut values = Vec::new();
    for url in tracked {
        let (before, after) = output
            .split_once(url.as_str())
            .expect("each tracked URL is there, in order");
        rest = rest
            .strip_prefix(before)
            .expect("what is before it is unchanged");
        let end = match before.chars().next_back() {
            Some(quote @ ('"' | '\'')) => rest.find(quote),
            _ => rest.find([' ', '\t', '\r', '\n', '\u{c}', '>']),
        };
        let (value, left) = rest.split_at(end.expect("an attribute value ends"));
        values.push(value);
        (output, rest) = (after, left);
    }
    assert_eq!(output, rest);
    values
}
