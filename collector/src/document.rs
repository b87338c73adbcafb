//! The API's document: what utoipa collects from the routes, in the shape that generators and readers want.
//!
//! - `about`: title, tags and keys, which no route says
//! - `codes`: every code with which a request or an event is refused
//! - `shape`: what the annotations cannot say, and what generators stumble over
//! - `older`: the same document as OpenAPI 3.0
//! - `examples`: a request for each operation, to be pasted into a shell
//! - `page`: `/docs`
//! - `words`: closed sets of words, for annotations
//! - `rules`: what must hold of every route's annotations

mod about;
mod examples;
mod older;
mod page;
#[cfg(test)]
mod rules;
mod shape;
pub(crate) mod words;

use std::sync::LazyLock;

use serde_json::Value;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

use about::About;

use crate::public_url::PublicUrl;
use crate::router;

/// What stands in the documents for the public URL.
const BASE: &str = "__MISAR_BASE__";

/// What is the same for every server, made once.
static DRAFTS: LazyLock<Drafts> = LazyLock::new(Drafts::new);

struct Drafts {
    current: String,
    older: String,
    page: String,
}

impl Drafts {
    fn new() -> Self {
        let current = document();
        let older = older::of(&current);
        Self {
            page: page::of(&current),
            current: current.to_string(),
            older: older.to_string(),
        }
    }
}

/// The document of all routes as OpenAPI 3.1, with [`BASE`] for the server.
fn document() -> Value {
    // It holds nothing that could fail to serialise.
    let collected = serde_json::to_value(router::described()).unwrap_or_default();
    shape::of(collected)
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
    pub(crate) fn of(public_url: &PublicUrl) -> Self {
        // A scheme, a host and a port: as they are in JSON, in HTML and in a quoted word of a shell.
        let filled = |draft: &str| draft.replace(BASE, public_url.as_str());
        Self {
            current: filled(&DRAFTS.current),
            older: filled(&DRAFTS.older),
            page: filled(&DRAFTS.page),
        }
    }
}
