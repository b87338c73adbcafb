//! `POST /control/segments`: what the routes of segments do, in any workspace: one question, by its word.

use axum::extract::State;
use axum::response::Json;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::email::Email;
use shared::segment::refusal::INVALID_DEFINITION;
use tokio::runtime::Handle;

use super::super::admin::{Asked, Desk, lines};
use super::super::query::{address, invalid};
use super::super::segments::work::Segments;
use super::{json, served};
use crate::app::App;
use crate::error::ApiError;
use crate::error::refusal::Refusal;
use store::record::WorkspaceId;

/// What is asked; of the fields those that the word needs.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct SegmentsAsk {
    pub(crate) ask: Word,
    /// Of a segment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    /// Of a contact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    /// What the route takes as its body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<usize>,
}

/// The questions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Word {
    #[default]
    List,
    Show,
    Create,
    Change,
    Duplicate,
    Delete,
    History,
    Members,
    Explain,
    Moves,
    Preview,
    Diff,
    /// In which segments a contact is, and in which not.
    Of,
}

/// Hides whom it names.
impl std::fmt::Debug for SegmentsAsk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SegmentsAsk")
            .field("ask", &self.ask)
            .finish_non_exhaustive()
    }
}

/// Rows of a page at the most, and where nothing is said.
const MOST: usize = 1_000;
const SOME: usize = 100;

pub(super) async fn ask(State(desk): State<Desk>, asked: Asked) -> Result<Json<Value>, ApiError> {
    let workspace = asked.workspace(desk.store.meta())?.id;
    let ask: SegmentsAsk = serde_json::from_str(&asked.text).map_err(Refusal::failed)?;
    let answered = lines::apart(&desk, move |store| ask.answer(served(store)?, workspace));
    answered.await?.map(Json).map_err(with_place)
}

/// A command shows the message alone: the place within the definition goes before it.
fn with_place(error: ApiError) -> ApiError {
    match error {
        ApiError::Rejected(mut rejection) if rejection.code == INVALID_DEFINITION => {
            if let Some(place) = rejection.field.as_deref() {
                rejection.message = format!("{place}: {}", rejection.message);
            }
            ApiError::Rejected(rejection)
        }
        error => error,
    }
}

impl SegmentsAsk {
    fn answer(&self, app: &App, workspace: WorkspaceId) -> Result<Value, ApiError> {
        let segments = Segments { app, workspace };
        let runtime = Handle::current();
        runtime.block_on(segments.prepared())?;
        let id = self.id.as_deref().unwrap_or_default();
        let body = self.body.as_deref().unwrap_or_default();
        let limit = self.limit.unwrap_or(SOME).clamp(1, MOST);
        let cursor = self.cursor.as_deref();
        let answer = match self.ask {
            Word::List => {
                let number = cursor.map(str::parse).transpose();
                let number = number.map_err(|_| bad_cursor())?;
                json(&segments.list(number.unwrap_or(0), limit)?)?
            }
            Word::Show => json(&segments.show(id)?)?,
            Word::Create => json(&segments.create(body)?)?,
            Word::Change => json(&segments.change(id, body)?)?,
            Word::Duplicate => json(&segments.duplicate(id, body)?)?,
            Word::Delete => json(&segments.delete(id)?)?,
            Word::History => json(&segments.history(id)?)?,
            Word::Members => json(&segments.members(id, cursor, limit)?)?,
            Word::Explain => {
                let email: Email = address(self.email.as_deref().unwrap_or_default())?;
                let contact = app.views.contact_id(workspace, email.normalised());
                json(&segments.explain(id, contact)?)?
            }
            Word::Of => {
                let email: Email = address(self.email.as_deref().unwrap_or_default())?;
                let contact = app.views.contact_id(workspace, email.normalised());
                json(&segments.of_contact(contact)?)?
            }
            Word::Moves => json(&segments.moves(cursor, limit)?)?,
            Word::Preview => json(&segments.preview(body)?)?,
            Word::Diff => json(&segments.diff(id, body)?)?,
        };
        if matches!(self.ask, Word::Create | Word::Change | Word::Duplicate) {
            runtime.block_on(segments.held_soon());
            let made = answer["id"].as_str().unwrap_or_default();
            return match segments.show(made) {
                Ok(shown) => json(&shown),
                // It is made, whatever can be read of it now.
                Err(_) => Ok(answer),
            };
        }
        Ok(answer)
    }
}

fn bad_cursor() -> ApiError {
    invalid("cursor", "send the `next` of the page before as it was")
}
