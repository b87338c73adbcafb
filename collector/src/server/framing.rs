//! What is refused of a request before anybody looks at it: a host that is missing or doubled, a body
//! in a form that would be taken for another. See RFC 9112, sections 3.2 and 6.1.
//!
//! hyper itself closes on a `Content-Length` that is none or differs from another, on
//! `Transfer-Encoding` that does not end in `chunked` or comes with HTTP/1.0, and goes by
//! `Transfer-Encoding` where both stand, closing behind the answer.

use http::header::{HOST, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Request, Version};

use crate::error::ApiError;

/// Looks at the head alone.
pub(super) fn check<B>(request: &Request<B>) -> Result<(), ApiError> {
    let headers = request.headers();
    if !has_good_host(request.version(), headers) {
        return Err(ApiError::InvalidHost);
    }
    let is_plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"chunked");
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if is_plain(coding) => Ok(()),
        // Anything beside it would reach the events undecoded.
        _ => Err(ApiError::UnsupportedTransferEncoding),
    }
}

fn has_good_host(version: Version, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        // Health checks of HTTP/1.0 send none.
        (None, _) => version < Version::HTTP_11,
        (Some(host), None) => is_host(host.as_bytes()),
        (Some(_), Some(_)) => false,
    }
}

/// A name or an address with or without a port; also nothing, which RFC 9112 allows. A comma, which a
/// name could hold, is where somebody has joined two.
fn is_host(host: &[u8]) -> bool {
    host.is_empty()
        || Authority::try_from(host).is_ok_and(|authority| !authority.as_str().contains(['@', ',']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(version: Version, pairs: &[(&'static str, &'static str)]) -> Result<(), String> {
        let mut request = Request::new(());
        *request.version_mut() = version;
        for (name, value) in pairs {
            let headers = request.headers_mut();
            headers.append(*name, HeaderValue::from_static(value));
        }
        super::check(&request).map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn one_host_is_wanted_and_http_1_0_may_do_without() {
        for host in ["x", "track.example:8080", "[::1]:80", "127.0.0.1", ""] {
            assert_eq!(check(Version::HTTP_11, &[("host", host)]), Ok(()), "{host}");
            assert_eq!(check(Version::HTTP_10, &[("host", host)]), Ok(()), "{host}");
        }
        assert_eq!(check(Version::HTTP_10, &[]), Ok(()));
        let refused = Err("InvalidHost".to_owned());
        assert_eq!(check(Version::HTTP_11, &[]), refused);
        for host in ["a b", "a,b", "a/b", "user@host", "http://x", "a:b:c"] {
            assert_eq!(
                check(Version::HTTP_11, &[("host", host)]),
                refused,
                "{host}"
            );
        }
        for version in [Version::HTTP_10, Version::HTTP_11] {
            let twice = [("host", "x"), ("host", "x")];
            assert_eq!(check(version, &twice), refused);
        }
    }

    #[test]
    fn a_body_is_chunked_or_of_known_length_and_nothing_else() {
        let check = |codings: &[&'static str]| {
            let codings = codings.iter().map(|coding| ("transfer-encoding", *coding));
            let pairs: Vec<_> = [("host", "x")].into_iter().chain(codings).collect();
            check(Version::HTTP_11, &pairs)
        };
        assert_eq!(check(&[]), Ok(()));
        assert_eq!(check(&["Chunked"]), Ok(()));
        for codings in [
            &["gzip, chunked"][..],
            &["gzip", "chunked"],
            &["chunked", "chunked"],
            &["chunked, chunked"],
            &["identity, chunked"],
            &["gzip"],
            &["chunked;q=1"],
            &[""],
        ] {
            let refused = Err("UnsupportedTransferEncoding".to_owned());
            assert_eq!(check(codings), refused, "{codings:?}");
        }
    }
}
