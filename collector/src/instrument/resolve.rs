//! What a browser makes of an address before it asks for it, so that one of ours is known however it is
//! written: dots and back slashes, what is encoded without need, the base of the document.

use std::borrow::Cow;

use memchr::memmem;
use url::Url;

use super::held::{self, Spot};

/// Bases of a document that are looked at: a browser takes the first alone, but those in conditional
/// comments are other programs'.
const MAX_BASES: usize = 4;
/// What an address without a host is taken from where a document has no base: it leads nowhere then.
const NOWHERE: &str = "https://nowhere.invalid/";
/// One of these words stands in every address of ours that a token follows.
pub(super) const WORDS: [&str; 3] = ["click", "open", "unsubscribe"];

/// What the relative addresses of a document may be taken from.
#[derive(Debug, Default)]
pub(super) struct Bases(Vec<Url>);

impl Bases {
    pub(super) fn of<'h>(hrefs: impl IntoIterator<Item = &'h str>) -> Self {
        let bases = hrefs.into_iter().filter_map(|href| {
            let base = nowhere()?.join(href).ok()?;
            let has_host = base.host_str() != nowhere()?.host_str();
            (is_web(&base) && has_host).then_some(base)
        });
        Self(bases.take(MAX_BASES).collect())
    }

    /// Whether a token alone may be an address below one of them.
    pub(super) fn are_ours(&self) -> bool {
        let mut bases = self.0.iter();
        bases.any(|base| WORDS.iter().any(|word| plain(base).contains(word)))
    }
}

fn nowhere() -> Option<Url> {
    Url::parse(NOWHERE).ok()
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

/// The address that a link leads to, if a token may stand there, with its place in it: as browsers write
/// it, or as it stands where they could make nothing of it.
pub(super) fn resolved<'t>(target: &'t str, bases: &Bases) -> Option<(Cow<'t, str>, Spot)> {
    // A base gives every link another meaning; else most are known by their words.
    if bases.0.is_empty() && !may_be_ours(target) {
        return None;
    }
    let joined = bases.0.iter().filter_map(|base| base.join(target).ok());
    let alone = Url::parse(target).ok().or_else(|| {
        let from_nowhere = nowhere()?.join(target).ok()?;
        (from_nowhere.host_str() != nowhere()?.host_str()).then_some(from_nowhere)
    });
    let mut addresses = joined.chain(alone).filter(is_web).map(|url| plain(&url));
    let found = addresses.find_map(|address| {
        let spot = held::spot_of(&address)?;
        Some((Cow::Owned(address), spot))
    });
    found.or_else(|| Some((Cow::Borrowed(target), held::spot_of(target)?)))
}

/// Whether an address has one of the words, however it is encoded.
fn may_be_ours(target: &str) -> bool {
    let decoded = if target.contains('%') {
        Cow::Owned(held::percent_decoded(target))
    } else {
        Cow::Borrowed(target)
    };
    WORDS
        .iter()
        .any(|word| memmem::find(decoded.as_bytes(), word.as_bytes()).is_some())
}

/// An address with nothing in its path encoded that need not be. The server itself decodes a token, but no
/// route (`/mail/tr%61ck/…` is 404 there); programs before it may decode both.
fn plain(url: &Url) -> String {
    let text = url.as_str();
    let end = text.find(['?', '#']).unwrap_or(text.len());
    let (path, rest) = text.split_at(end);
    let mut plain = String::with_capacity(text.len());
    let mut from = 0;
    for (at, _) in path.match_indices('%') {
        let meant = path.get(at + 1..at + 3).and_then(|digits| {
            let byte = u8::from_str_radix(digits, 16).ok()?;
            let is_plain =
                byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
            is_plain.then_some(char::from(byte))
        });
        if let Some(meant) = meant {
            plain.push_str(&path[from..at]);
            plain.push(meant);
            from = at + 3;
        }
    }
    plain.push_str(&path[from..]);
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(target: &str, base: Option<&str>) -> Option<String> {
        let (address, spot) = resolved(target, &Bases::of(base))?;
        Some(address[spot.token].to_owned())
    }

    #[test]
    fn an_address_leads_where_a_browser_says() {
        for target in [
            "http://t.example/mail/./track/click/T",
            "http://t.example/mail/x/../track/click/T",
            "http://t.example/mail/%2e/track/click/T",
            "http://t.example/a/%2E%2e/mail/track/x/.%2e/click/T",
            "http://t.example/mail/track/click/other/../T",
            "http:\\\\t.example\\mail\\track\\click\\T",
            "http:/\\t.example/mail\\track/click\\T",
            "http:t.example/mail/track/click/T",
            "http:///t.example/mail/track/click/T",
            "\\\\t.example\\mail\\track\\click\\T",
            "//t.example/mail/./track/click/T",
            "HTTP://T.EXAMPLE:80/mail/track/click/T?x#y",
            "http://user:word@t.example/mail/./track/click/T",
            "http://t.example/mail/tr%61ck/cl%69ck/%54",
            "http://t.example/mail/track/click/T%27)",
            "http://t.example:99999/mail/track/click/T",
        ] {
            assert_eq!(token(target, None).as_deref(), Some("T"), "{target}");
        }
        for (base, target) in [
            ("https://t.example/", "mail/track/click/T"),
            ("https://t.example/mail/", "track/click/T"),
            ("https://t.example/mail/track/click/", "T"),
            ("https://t.example/mail/track/click/x", "T"),
            ("//t.example/mail/x/", "../track/./click/T"),
            ("https://t.example/mail/track/click/T", "?x"),
            ("https://t.example/x/", "/mail/track/click/T"),
            ("https://t.example/x/", "https:/mail/track/click/T"),
        ] {
            let found = token(target, Some(base));
            assert_eq!(found.as_deref(), Some("T"), "{base} {target}");
        }
        for (base, target) in [
            (None, "mail/track/click/T"),
            (None, "/mail/track/click/T"),
            (
                None,
                "https://s.example/?u=https://t.example/mail/./track/click/T",
            ),
            (None, "https://s.example/#/mail/./track/click/T"),
            (None, "https://s.example/mail%2Ftrack%2Fclick%2FT"),
            (None, "mailto:mail/./track/click/T"),
            (Some("mailto:x"), "mail/track/click/T"),
            (Some("/mail/"), "track/click/T"),
            (
                Some("https://t.example/mail/track/click/"),
                "https://shop.example/T",
            ),
        ] {
            assert_eq!(token(target, base), None, "{base:?} {target}");
        }
    }
}
