//! What the document says of the routes, for whoever asks beside them: the nearest path, the methods
//! that a path takes, the parameters that a read knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{Method, Uri};
use serde_json::Value;
use strsim::normalized_damerau_levenshtein as likeness;

use crate::nearest::{ALIKE, MAX_COMPARED};

/// Of the end of a path more is asked: it is short.
const END_ALIKE: f64 = 0.75;

/// Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct KnownRoutes(Arc<BTreeMap<String, Route>>);

#[derive(Debug, Default)]
struct Route {
    /// In upper case.
    methods: Vec<String>,
    /// The query parameters of its GET.
    parameters: Vec<String>,
}

impl KnownRoutes {
    /// Reads the document; `pages` are the paths that it leaves out, each with the methods that it takes.
    pub(crate) fn of(
        document: &Value,
        pages: impl IntoIterator<Item = (&'static str, &'static [&'static str])>,
    ) -> Self {
        let mut routes: BTreeMap<String, Route> = BTreeMap::new();
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            let route = routes.entry(path.clone()).or_default();
            for (method, operation) in item.as_object().into_iter().flatten() {
                route.methods.push(method.to_ascii_uppercase());
                if method == "get" {
                    let parameters = operation["parameters"].as_array().into_iter().flatten();
                    let of_query = parameters.filter(|one| one["in"] == "query");
                    route.parameters = of_query
                        .filter_map(|one| Some(one["name"].as_str()?.to_owned()))
                        .collect();
                }
            }
        }
        for (path, methods) in pages {
            let route = routes.entry(path.to_owned()).or_default();
            let methods = methods.iter().map(|method| (*method).to_owned());
            route.methods.extend(methods);
        }
        Self(Arc::new(routes))
    }

    /// The methods that the route at this path of the table takes, such as `GET or POST`.
    pub(crate) fn methods(&self, path: &str) -> Option<String> {
        self.0.get(path).map(|route| route.methods.join(" or "))
    }

    /// The query parameters that a read knows.
    pub(crate) fn parameters(&self, path: &str) -> &[String] {
        self.0.get(path).map_or(&[], |route| &route.parameters)
    }

    /// Where a page lies that is asked for with one slash too many, such as `/docs`, with the query. Not
    /// for programs: `/v1/` says which route was meant, or takes the slash (`server::slash`).
    pub(crate) fn without_slash(&self, method: &Method, uri: &Uri) -> Option<String> {
        let path = uri.path().strip_suffix('/')?;
        let is_page = matches!(*method, Method::GET | Method::HEAD)
            && !path.starts_with("/v1/")
            && !path.contains('{');
        let route = self.0.get(path).filter(|_| is_page)?;
        let takes_get = route.methods.iter().any(|method| method == "GET");
        takes_get.then(|| match uri.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        })
    }

    /// The route that was meant by a path at which there is none, as `POST /v1/track/event`. Holds
    /// nothing of the path.
    pub(crate) fn nearest(&self, method: &str, path: &str) -> Option<String> {
        if path.len() > MAX_COMPARED {
            return None;
        }
        let sent = parts(path);
        let routes = self.0.iter().flat_map(|(path, route)| {
            let methods = route.methods.iter();
            methods.map(move |method| (method.as_str(), path.as_str()))
        });
        let scored = routes.filter_map(|(takes, path)| {
            let score = score(&sent, &parts(path))?;
            // Of routes that are as near, the one that takes this method.
            let score = if takes == method { score + 0.1 } else { score };
            Some((score, takes, path))
        });
        let best = scored.reduce(|best, next| if next.0 > best.0 { next } else { best });
        best.map(|(_, method, path)| format!("{method} {path}"))
    }
}

/// The parts of a path that say what it is: without the version, which is easily left out or wrong.
fn parts(path: &str) -> Vec<String> {
    let path = path.to_ascii_lowercase();
    let is_version = |part: &str| {
        part.strip_prefix('v')
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    path.split('/')
        .filter(|part| !part.is_empty() && *part != "api" && !is_version(part))
        .map(str::to_owned)
        .collect()
}

/// How near a route is to what was sent: above 1 is the same; `None` where it is not near.
fn score(sent: &[String], route: &[String]) -> Option<f64> {
    let (Some(sent_end), Some(route_end)) = (sent.last(), route.last()) else {
        return None;
    };
    // Whatever stands in the place of a parameter is right there.
    let filled: Vec<&str> = route
        .iter()
        .enumerate()
        .map(|(at, part)| match sent.get(at) {
            Some(value) if part.starts_with('{') && sent.len() == route.len() => value.as_str(),
            _ => part.as_str(),
        })
        .collect();
    let whole = likeness(&sent.join("/"), &filled.join("/"));
    let end = if route_end.starts_with('{') {
        0.0
    } else {
        likeness(sent_end, route_end)
    };
    // The right name in the wrong place is nearer than half of a path.
    let by_end = if end >= END_ALIKE { 0.9 * end } else { 0.0 };
    let score = whole.max(by_end);
    // Of two with the same end, the one whose beginning is nearer.
    (score >= ALIKE).then_some(score + whole / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn known() -> KnownRoutes {
        let post = json!({"post": {}});
        let get = json!({"get": {"parameters": [{"in": "query", "name": "limit"}, {"in": "path", "name": "id"}]}});
        let document = json!({"paths": {
            "/v1/track/event": post, "/v1/track/purchase": post, "/v1/track/refund": post,
            "/v1/track/batch": post, "/v1/identify": post, "/v1/messages": post,
            "/v1/messages/batch": post, "/v1/events": get, "/v1/receipts/{id}": get,
            "/v1/reports/revenue": get, "/v1/reports/messages/{id}": get, "/v1/contacts": get,
            "/session": {"get": {}, "post": {}},
        }});
        let get: &[&str] = &["GET"];
        KnownRoutes::of(&document, [("/live", get), ("/leave/", &["GET", "POST"])])
    }

    #[test]
    fn the_nearest_route_is_named() {
        let known = known();
        for (method, path, nearest) in [
            ("POST", "/v1/purchase", Some("POST /v1/track/purchase")),
            ("POST", "/track/event", Some("POST /v1/track/event")),
            ("POST", "/v1/track/events", Some("POST /v1/track/event")),
            ("POST", "/v1/track/event//", Some("POST /v1/track/event")),
            ("POST", "/V1/Track/Event", Some("POST /v1/track/event")),
            ("POST", "/api/v1/track/event", Some("POST /v1/track/event")),
            ("POST", "/v2/track/event", Some("POST /v1/track/event")),
            ("POST", "/v1/event", Some("POST /v1/track/event")),
            ("GET", "/v1/event", Some("GET /v1/events")),
            ("GET", "/events", Some("GET /v1/events")),
            ("POST", "/v1/track/identify", Some("POST /v1/identify")),
            ("POST", "/identify", Some("POST /v1/identify")),
            ("POST", "/v1/refunds", Some("POST /v1/track/refund")),
            ("POST", "/v1/batch", Some("POST /v1/track/batch")),
            ("POST", "/v1/message", Some("POST /v1/messages")),
            ("GET", "/v1/receipt/abc", Some("GET /v1/receipts/{id}")),
            ("GET", "/v1/report/revenue", Some("GET /v1/reports/revenue")),
            ("GET", "/v1/contact", Some("GET /v1/contacts")),
            ("GET", "/wp-login.php", None),
            ("GET", "/favicon.ico", None),
            ("GET", "/", None),
        ] {
            assert_eq!(known.nearest(method, path).as_deref(), nearest, "{path}");
        }
        let long = "/v1/track/event".repeat(100);
        assert_eq!(known.nearest("POST", &long), None);
    }

    #[test]
    fn a_page_is_found_without_a_slash_at_its_end_and_nothing_else_is() {
        let known = known();
        let found = |method: Method, uri: &str| known.without_slash(&method, &uri.parse().unwrap());
        assert_eq!(found(Method::GET, "/live/").as_deref(), Some("/live"));
        assert_eq!(
            found(Method::HEAD, "/session/?x=1/").as_deref(),
            Some("/session?x=1/")
        );
        for (method, uri) in [
            (Method::POST, "/session/"),
            (Method::GET, "/"),
            (Method::GET, "/live//"),
            (Method::GET, "//live/"),
            (Method::GET, "/lives/"),
            (Method::GET, "/v1/events/"),
            (Method::GET, "/v1/track/event/"),
        ] {
            assert_eq!(found(method, uri), None, "{uri}");
        }
    }

    #[test]
    fn the_document_tells_methods_and_parameters() {
        let known = known();
        let methods = known.methods("/session");
        assert_eq!(methods.as_deref(), Some("GET or POST"));
        assert_eq!(known.methods("/live").as_deref(), Some("GET"));
        assert_eq!(known.methods("/leave/").as_deref(), Some("GET or POST"));
        assert_eq!(known.parameters("/v1/events"), ["limit"]);
        assert!(known.parameters("/v1/track/event").is_empty());
    }
}
