//! The slash at the end of an address that proxies and frameworks add or redirect to: on the ingest routes
//! one is taken off before the route is chosen, whatever the method, so that a page may read every answer.

use axum::body::Body;
use axum::middleware::Next;
use axum::response::Response;
use http::uri::PathAndQuery;
use http::{Request, Uri};

/// Where the ingest routes begin.
const INGEST: [&str; 3] = ["/v1/track/", "/v1/identify", "/v1/messages"];

/// Takes the slash off.
pub(super) async fn take_off(mut request: Request<Body>, next: Next) -> Response {
    if let Some(uri) = without_slash(request.uri()) {
        *request.uri_mut() = uri;
    }
    next.run(request).await
}

/// The address without its slash, where it has just one and is one of ingest.
fn without_slash(uri: &Uri) -> Option<Uri> {
    let path = uri.path().strip_suffix('/')?;
    if path.ends_with('/') || !INGEST.iter().any(|start| path.starts_with(start)) {
        return None;
    }
    let path = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slash_is_taken_off_where_something_is_sent() {
        let of =
            |uri: &'static str| without_slash(&Uri::from_static(uri)).map(|uri| uri.to_string());
        for (uri, other) in [
            ("/v1/track/batch/", "/v1/track/batch"),
            ("/v1/identify/?a=b/", "/v1/identify?a=b/"),
            ("/v1/messages/batch/", "/v1/messages/batch"),
            (
                "http://track.example/v1/messages/",
                "http://track.example/v1/messages",
            ),
        ] {
            assert_eq!(of(uri).as_deref(), Some(other));
        }
        for uri in [
            "/v1/track/batch",
            "/v1/track/batch//",
            "/v1/track/",
            "/v1/events/",
            "/session/",
            "/",
        ] {
            assert_eq!(of(uri), None, "{uri}");
        }
    }
}
