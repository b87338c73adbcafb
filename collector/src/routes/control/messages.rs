//! `POST /control/messages`: what `POST /v1/messages` does, for a message of any workspace and also where no server
//! runs.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Json;
use shared::rejection::Rejection;
use shared::wire::{self, MessageBody};

use super::super::admin::{Asked, Desk, lines};
use crate::error::ApiError;
use crate::error::refusal::Refusal;
use crate::ingest::register::{Draft, MessageAnswer, OperatorsMessage, RegisterOutcome};
use crate::public_url::{PUBLIC_URL_MISSING, PublicUrl, Reach};
use crate::screen;
use crate::upkeep::Upkeep;
use store::meta::Workspace;

/// The query may name `workspace` and `publicUrl`, where mail clients reach the server; a running one knows it.
pub(super) async fn register(
    State(desk): State<Desk>,
    asked: Asked,
) -> Result<Json<MessageAnswer>, ApiError> {
    let workspace = asked.workspace(desk.store.meta())?;
    let public_url = asked.parameter("publicUrl").map(|url| url.into_owned());
    let text = asked.text;
    let registered = lines::apart(&desk, move |store| {
        let public_url = public_url_of(store, public_url.as_deref())?;
        instrument(store, &workspace, &public_url, &text)
    });
    Ok(Json(registered.await?.map_err(Refusal::failed)?))
}

fn public_url_of(store: &dyn Upkeep, asked: Option<&str>) -> Result<PublicUrl, String> {
    match (asked, store.public_url()) {
        (Some(asked), _) => PublicUrl::parse(asked),
        (None, Some(known)) if known.reach() == Reach::Guessed => {
            Err(PUBLIC_URL_MISSING.to_owned())
        }
        (None, Some(known)) => Ok(known.clone()),
        (None, None) => Err(
            "no server is running on this folder: give --public-url, where mail clients will reach it (such as \
             https://track.example)"
                .to_owned(),
        ),
    }
}

fn instrument(
    store: &dyn Upkeep,
    workspace: &Arc<Workspace>,
    public_url: &PublicUrl,
    text: &str,
) -> Result<MessageAnswer, String> {
    let now = store.meta().now();
    let masked = screen::message(store.meta(), text)?;
    let message = masked.as_deref().unwrap_or(text);
    let body: MessageBody<'_> = wire::body(message).map_err(|error| error.to_string())?;
    let refused = |rejection: Rejection| match rejection.field {
        Some(field) => format!("{field}: {}", rejection.message),
        None => rejection.message,
    };
    let draft = Draft::of(wire::parse_message(&body, now)).map_err(refused)?;
    let message = OperatorsMessage {
        workspace: workspace.id,
        public_url: public_url.to_string(),
        received_at: now,
        draft,
    };
    match store.register(message)? {
        RegisterOutcome::Registered { mut answer, .. } => {
            answer.warnings.extend(public_url.warning());
            Ok(*answer)
        }
        RegisterOutcome::Conflict { rejection, .. } | RegisterOutcome::Refused(rejection) => {
            Err(refused(rejection))
        }
    }
}
