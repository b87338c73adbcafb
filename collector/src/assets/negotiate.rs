//! What a browser takes and has: `Accept-Encoding` and `If-None-Match`.

use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, HeaderName, IF_NONE_MATCH};

/// The forms in which a file is kept, the smallest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Brotli,
    Gzip,
    Identity,
}

impl Coding {
    /// As `Content-Encoding` names it; the plain form is not named.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gzip"),
            Self::Identity => None,
        }
    }
}

/// The smallest form that is taken. What the caller prefers beyond that does not matter: the content
/// is the same.
pub(super) fn accepted(headers: &HeaderMap) -> Coding {
    let takes = |coding: &Coding| {
        coding.name().is_none_or(|name| {
            let mut taken = false;
            for (listed, weight) in entries(headers, &ACCEPT_ENCODING).map(weighed) {
                if listed.eq_ignore_ascii_case(name) {
                    return weight;
                }
                taken |= listed == "*" && weight;
            }
            taken
        })
    };
    let mut codings = [Coding::Brotli, Coding::Gzip].into_iter();
    codings.find(takes).unwrap_or(Coding::Identity)
}

/// Whether the caller has what this tag stands for.
pub(super) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    entries(headers, &IF_NONE_MATCH)
        // A proxy that compresses anew makes a tag weak.
        .map(|known| known.strip_prefix("W/").unwrap_or(known))
        .any(|known| known == tag || known == "*")
}

fn entries<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// `br;q=0.5`: the name, and whether the weight is more than nothing.
fn weighed(entry: &str) -> (&str, bool) {
    let (name, parameter) = entry.split_once(';').unwrap_or((entry, ""));
    let weight = parameter.trim().strip_prefix("q=").map(str::parse::<f32>);
    (
        name.trim(),
        weight.is_none_or(|weight| weight.is_ok_and(|weight| weight > 0.0)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        let values = values.iter().map(|value| value.parse().unwrap());
        values.map(|value| (name.clone(), value)).collect()
    }

    #[test]
    fn the_smallest_form_that_is_taken_is_sent() {
        for (values, coding) in [
            (&[][..], Coding::Identity),
            (&[""], Coding::Identity),
            (&["gzip, deflate, br, zstd"], Coding::Brotli),
            (&["gzip", "br"], Coding::Brotli),
            (&["BR;q=0.1, gzip;q=1"], Coding::Brotli),
            (&["br;q=0, gzip"], Coding::Gzip),
            (&["br;q=0.000,gzip;q=0"], Coding::Identity),
            (&["*"], Coding::Brotli),
            (&["*;q=0.5, br;q=0"], Coding::Gzip),
            (&["*;q=0"], Coding::Identity),
            (&["brotli, x-gzip"], Coding::Identity),
            (&["br;q=much"], Coding::Identity),
        ] {
            assert_eq!(
                accepted(&headers(ACCEPT_ENCODING, values)),
                coding,
                "{values:?}"
            );
        }
    }

    #[test]
    fn a_tag_is_known_wherever_it_stands_in_the_list() {
        for (values, known) in [
            (&[][..], false),
            (&["\"a\""], true),
            (&["W/\"a\""], true),
            (&["\"b\", \"a\""], true),
            (&["\"b\"", "\"a\""], true),
            (&["*"], true),
            (&["\"b\""], false),
            (&["a"], false),
        ] {
            assert_eq!(
                is_known(&headers(IF_NONE_MATCH, values), "\"a\""),
                known,
                "{values:?}"
            );
        }
    }
}
