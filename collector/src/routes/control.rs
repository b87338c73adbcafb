//! `/control/…`: what belongs to the process or to the whole store, for the operator alone. Only the Unix socket of
//! the data folder and a command's own process serve these routes; the document does not know them, and their
//! bodies are those of one version of misar.
//!
//! - `workspaces`, `token_keys`: lists that grow
//! - `upkeep`: verify, rebuild, privacy, backup, doctor, a link to the live page
//! - `relay_list`: the addresses of Apple's relays
//! - `contacts`: lists, shows, changes, imports and erases those of any workspace
//! - `identify_secret`: under which customers' servers sign whom a page may name
//! - `messages`: registers a message of any workspace
//! - `segments`: what the routes of segments do, in any workspace

pub(crate) mod contacts;
pub(crate) mod identify_secret;
pub(crate) mod messages;
mod relay_list;
pub(crate) mod segments;
pub(crate) mod token_keys;
pub(crate) mod upkeep;
pub(crate) mod workspaces;

use axum::Router;
use axum::extract::State;
use axum::response::Json;
use axum::routing::{MethodRouter, get, post};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::admin::{Asked, Desk};
use crate::app::App;
use crate::error::ApiError;
use crate::error::refusal::Refusal;
use crate::upkeep::Upkeep;

/// Who answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// Of the program, as `misar --version` tells it.
    pub(crate) version: String,
}

/// The routes with their paths.
fn table() -> [(&'static str, MethodRouter<Desk>); 19] {
    [
        ("/control", get(say_hello)),
        (
            "/control/workspaces",
            get(workspaces::list).post(workspaces::create),
        ),
        (
            "/control/token-keys",
            get(token_keys::list).post(token_keys::rotate),
        ),
        ("/control/identify-secret", get(identify_secret::show)),
        ("/control/verify", post(upkeep::verify)),
        ("/control/rebuild", post(upkeep::rebuild)),
        ("/control/privacy", post(upkeep::apply_privacy)),
        ("/control/backup", post(upkeep::backup)),
        ("/control/doctor", get(upkeep::doctor)),
        ("/control/link", post(upkeep::link)),
        (
            "/control/relay-list",
            get(relay_list::show).post(relay_list::reload),
        ),
        ("/control/messages", post(messages::register)),
        ("/control/contacts", get(contacts::list)),
        ("/control/contacts/erase", post(contacts::erase)),
        ("/control/contacts/show", post(contacts::show)),
        ("/control/contacts/timeline", post(contacts::timeline)),
        ("/control/contacts/export", post(contacts::export)),
        ("/control/contacts/import", post(contacts::import)),
        ("/control/segments", post(segments::ask)),
    ]
}

pub(crate) fn routes() -> Router<Desk> {
    let add = |router: Router<Desk>, (path, route)| router.route(path, route);
    table().into_iter().fold(Router::new(), add)
}

/// Where they are, for tests that nobody else gets there.
pub(crate) fn paths() -> [&'static str; 19] {
    table().map(|(path, _)| path)
}

async fn say_hello(State(_): State<Desk>, _: Asked) -> Json<Hello> {
    Json(Hello {
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// The server that runs on the folder, where only one can answer.
fn served(store: &dyn Upkeep) -> Result<&App, ApiError> {
    let missing = || {
        let sentence = "no server is running on this folder: start one with `misar serve`";
        Refusal::failed(sentence).into()
    };
    store.served().ok_or_else(missing)
}

/// What a route of the API answers.
fn json<T: Serialize>(answer: &T) -> Result<Value, ApiError> {
    serde_json::to_value(answer).map_err(|_| ApiError::Internal)
}
