//! The API's document: what utoipa collects from the routes, in the shape that generators and readers want.
//!
//! - `about`: title, tags and keys, which no route says
//! - `codes`: every code with which a request or an event is refused
//! - `shape`: what the annotations cannot say, and what generators stumble over
//! - `older`: the same document as OpenAPI 3.0
//! - `examples`: a request for each operation, to be pasted into a shell
//! - `page`: `/docs`
//! - `known`: what it says of the routes, for whoever asks beside them
//! - `rules`: what must hold of every route's annotations

mod about;
mod examples;
mod known;
mod older;
mod page;
#[cfg(test)]
mod rules;
mod shape;

use std::sync::OnceLock;

use serde_json::Value;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

use about::About;

use crate::public_url::PublicUrl;

pub(crate) use known::KnownRoutes;

/// What stands in the documents for the public URL.
const BASE: &str = "__MISAR_BASE__";

/// What is the same for every server, made once: each has the same routes.
static DRAFTS: OnceLock<Drafts> = OnceLock::new();

struct Drafts {
    current: String,
    older: String,
    page: String,
}

impl Drafts {
    fn new(collected: &Value) -> Self {
        let current = shape::of(collected.clone());
        let older = older::of(&current);
        Self {
            page: page::of(&current),
            current: current.to_string(),
            older: older.to_string(),
        }
    }
}

/// The document of all routes as OpenAPI 3.1, with [`BASE`] for the server.
#[cfg(test)]
fn document() -> Value {
    shape::of(serde_json::to_value(crate::router::described()).unwrap())
}

/// What the routes' annotations are merged into.
pub(crate) fn beginning() -> OpenApi {
    About::openapi()
}

/// The documents as this server gives them out.
pub(crate) struct Documents {
    /// OpenAPI 3.1, as JSON.
    pub(crate) current: String,
    /// OpenAPI 3.0, as JSON.
    pub(crate) older: String,
    /// `/docs`, as HTML.
    pub(crate) page: String,
}

impl Documents {
    /// `collected` is what the routes' annotations say.
    pub(crate) fn of(public_url: &PublicUrl, collected: &Value) -> Self {
        let drafts = DRAFTS.get_or_init(|| Drafts::new(collected));
        // A scheme, a host and a port: as they are in JSON, in HTML and in a quoted word of a shell.
        let filled = |draft: &str| draft.replace(BASE, public_url.as_str());
        Self {
            current: filled(&drafts.current),
            older: filled(&drafts.older),
            page: filled(&drafts.page),
        }
    }
}
