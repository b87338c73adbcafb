//! The name that was meant by another: pure, for refusals that help.

use strsim::normalized_damerau_levenshtein as likeness;

/// Paths and names that are less alike than this are not what was meant.
pub(crate) const ALIKE: f64 = 0.6;
/// Longer paths and names are nobody's slip. In bytes.
pub(crate) const MAX_COMPARED: usize = 128;

/// The name among these that was meant by another.
pub(crate) fn nearest_name<'a>(
    sent: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if sent.len() > MAX_COMPARED {
        return None;
    }
    let plain = |name: &str| name.replace(['_', '-', '.', ' '], "").to_ascii_lowercase();
    let plain_sent = plain(sent);
    let scored = names
        .into_iter()
        .map(|name| (likeness(&plain_sent, &plain(name)), name));
    let best = scored.reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.filter(|(score, _)| *score >= ALIKE)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_whatever_its_spelling() {
        let names = ["messageId", "campaignId", "from", "groupBy", "limit"];
        for (sent, nearest) in [
            ("messageid", Some("messageId")),
            ("message_id", Some("messageId")),
            ("form", Some("from")),
            ("group_by", Some("groupBy")),
            ("limt", Some("limit")),
            ("page", None),
            ("", None),
        ] {
            assert_eq!(nearest_name(sent, names), nearest, "{sent}");
        }
    }
}
