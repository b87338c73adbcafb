//! Ingest routes take one slash at the end of their path, which some clients and proxies add: a POST
//! that was redirected for it would arrive as a GET, without its body. The pixel's address takes any
//! number of them before its token: it is always answered with the image.

use http::Uri;
use http::uri::PathAndQuery;

/// What the paths of the ingest routes begin with.
const INGEST: [&str; 3] = ["/v1/track/", "/v1/identify", "/v1/messages"];

const PIXEL: &str = "/mail/track/open/";

/// The address without the slash, where it is one of the ingest routes' with exactly one too many.
pub(super) fn without_slash(uri: &Uri) -> Option<Uri> {
    let path = uri.path().strip_suffix('/')?;
    if path.ends_with('/') || !INGEST.iter().any(|start| path.starts_with(start)) {
        return None;
    }
    with_path(uri, path)
}

/// The pixel's address with one slash before the token, where it has more.
pub(super) fn one_before_token(uri: &Uri) -> Option<Uri> {
    let token = uri.path().strip_prefix(PIXEL)?;
    token.starts_with('/').then(|| {
        let path = format!("{PIXEL}{}", token.trim_start_matches('/'));
        with_path(uri, &path)
    })?
}

fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let target = match uri.query() {
        Some(query) => format!("{path}?{query}").parse::<PathAndQuery>(),
        None => path.parse(),
    };
    let mut parts = uri.clone().into_parts();
    // A part of an address that was read is one too.
    parts.path_and_query = Some(target.ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_before_the_pixels_token_are_one() {
        for (sent, read) in [
            ("/mail/track/open//T", Some("/mail/track/open/T")),
            (
                "/mail/track/open////T//x?y=//z",
                Some("/mail/track/open/T//x?y=//z"),
            ),
            ("/mail/track/open//", Some("/mail/track/open/")),
            ("/mail/track/open/T//", None),
            ("/mail/track/click//T", None),
        ] {
            let found = one_before_token(&sent.parse().unwrap());
            assert_eq!(found.map(|uri| uri.to_string()).as_deref(), read, "{sent}");
        }
    }

    #[test]
    fn ingest_routes_lose_one_slash_and_no_more() {
        for (sent, read) in [
            ("/v1/track/event/", Some("/v1/track/event")),
            ("/v1/track/batch/?x=1/", Some("/v1/track/batch?x=1/")),
            ("/v1/identify/", Some("/v1/identify")),
            ("/v1/messages/", Some("/v1/messages")),
            ("/v1/messages/batch/", Some("/v1/messages/batch")),
            ("http://x:8/v1/identify/", Some("http://x:8/v1/identify")),
            ("/v1/track/event", None),
            ("/v1/track/event//", None),
            ("/v1/track/", None),
            ("/v1/events/", None),
            ("/", None),
            ("/live/", None),
            ("/mail/track/open/", None),
        ] {
            let found = without_slash(&sent.parse().unwrap());
            assert_eq!(found.map(|uri| uri.to_string()).as_deref(), read, "{sent}");
        }
    }
}
