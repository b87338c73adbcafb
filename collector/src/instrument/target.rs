//! Where a link leads: what a browser makes of its attribute, and whether it may be tracked.

use std::borrow::Cow;

use serde::Serialize;
use url::Url;
use utoipa::ToSchema;

use super::merge_tags;

/// Why a link stayed as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SkipReason {
    /// A scheme other than http and https: `mailto:`, `tel:`, `javascript:` …
    OtherScheme,
    /// A place in the same message: `#top`.
    Fragment,
    /// No scheme, or no `//` after it: a message has no address that the rest could be taken from.
    /// `//host/path` is one of them.
    Relative,
    /// The unsubscribe link, or one that has `unsubscribe` in its path or query: a reader who wants to
    /// leave is not followed.
    Unsubscribe,
    /// Made for this very message, or a page of ours.
    Own,
    /// In a document that has been instrumented for this message before, and was not tracked then.
    Instrumented,
    /// The author asked for it with `data-misar-notrack`.
    Notrack,
    /// In `<head>`, where nothing can be clicked.
    InHead,
    /// In text of which programs disagree whether it is markup: `<xmp>`, `<noscript>` and the like
    /// inside `<select>` or after `<frameset>`.
    Ambiguous,
    /// No URL that could be redirected to: no host, a bad port, control characters …
    Invalid,
    /// The tracked URL would be too long.
    TooLong,
    /// It holds a merge tag, for another system to fill: `*|CODE|*`, `{{token}}` …
    Placeholder,
}

/// What a browser takes an attribute's text for: without the spaces and control characters around it,
/// and without tabs and line ends anywhere.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    let trimmed = text.trim_matches(|character| character <= ' ');
    if trimmed.contains(['\t', '\n', '\r']) {
        Cow::Owned(trimmed.replace(['\t', '\n', '\r'], ""))
    } else {
        Cow::Borrowed(trimmed)
    }
}

/// Why a cleaned target is not to be tracked, if so.
pub(super) fn objection(target: &str, unsubscribe_url: &str) -> Option<SkipReason> {
    if target.starts_with('#') {
        return Some(SkipReason::Fragment);
    }
    let has_tag = merge_tags::are_in(target);
    let Some(scheme) = scheme(target) else {
        return Some(if has_tag {
            SkipReason::Placeholder
        } else {
            SkipReason::Relative
        });
    };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Some(SkipReason::OtherScheme);
    }
    if !target[scheme.len()..].starts_with("://") {
        return Some(SkipReason::Relative);
    }
    if has_tag {
        return Some(SkipReason::Placeholder);
    }
    if target == unsubscribe_url || has_unsubscribe(&target[scheme.len() + "://".len()..]) {
        return Some(SkipReason::Unsubscribe);
    }
    if redirect_location(target).is_none() {
        return Some(SkipReason::Invalid);
    }
    None
}

/// An address as a browser writes it, so that two spellings of one are the same.
pub(super) fn normal(target: &str) -> String {
    Url::parse(target).map_or_else(|_| target.to_owned(), String::from)
}

/// Whether a URL lies below our prefix, whatever the case of its scheme and host. An empty prefix has
/// nothing below it.
pub(super) fn is_own(target: &str, own_prefix: &str) -> bool {
    !own_prefix.is_empty()
        && (target.starts_with(own_prefix)
            || Url::parse(target).is_ok_and(|url| url.as_str().starts_with(own_prefix)))
}

/// The `Location` of a redirect to a stored target, in visible ASCII; `None` for what must not be
/// redirected to: a scheme other than http and https, no host, control characters.
///
/// A target of visible ASCII is its own location, so that the site is asked for exactly what its
/// author wrote. Anything else (a host or path beyond ASCII, spaces) is written as browsers send it: in
/// Punycode and percent-encoded. So are forms on which programs disagree: `\` anywhere, and anything
/// but two slashes after the scheme.
pub(crate) fn redirect_location(target: &str) -> Option<String> {
    if target.chars().any(char::is_control) {
        return None;
    }
    let url = Url::parse(target).ok()?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return None;
    }
    let after_scheme = &target[target.find(':')? + 1..];
    let is_plain = target.bytes().all(|byte| byte.is_ascii_graphic())
        && !target.contains('\\')
        && after_scheme.starts_with("//")
        && !after_scheme.starts_with("///");
    Some(if is_plain {
        target.to_owned()
    } else {
        url.into()
    })
}

/// The scheme before the first `:`, if what stands there can be one.
fn scheme(target: &str) -> Option<&str> {
    let (scheme, _) = target.split_once(':')?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    is_scheme.then_some(scheme)
}

/// Whether `unsubscribe` stands in the path or the query, given what follows `://`.
fn has_unsubscribe(rest: &str) -> bool {
    const WORD: &[u8] = b"unsubscribe";
    let rest = rest.split('#').next().unwrap_or_default();
    let Some(path) = rest.find(['/', '?', '\\']) else {
        return false;
    };
    rest.as_bytes()[path..]
        .windows(WORD.len())
        .any(|window| window.eq_ignore_ascii_case(WORD))
}
