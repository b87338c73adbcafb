//! `GET /v1/contacts/{email}/export`: everything that is held of a contact, for whoever asks what is known of them.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::Request;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde::Serialize;
use serde_json::value::RawValue;
use shared::api_key::Scope;
use shared::email::Email;
use shared::wire::ErrorBody;
use utoipa::ToSchema;

use super::super::events::rejected;
use super::super::query::{MinSeqQuery, Query, in_path};
use super::super::read::{read, whole};
use super::one::{ContactDetail, detail};
use crate::app::App;
use crate::auth;
use crate::erasing::is_about;
use crate::error::ApiError;
use crate::export::{self, Portions};
use crate::segment_moves::MoveView;
use store::ledger::Located;
use store::query::{self, EventFilter, EventView, Order};
use store::record::public_seq::PublicSeq;
use store::record::{Entry, Seq, WorkspaceId};
use store::rejected::{Rejected, RejectedCursor};
use store::views::segments::MoveKey;

/// Events that are read in one go.
const PORTION: usize = 200;

/// A line of the export.
#[derive(Serialize, ToSchema)]
#[serde(tag = "record", rename_all = "lowercase")]
pub(crate) enum HeldLine {
    /// What is known of them: the first line.
    Contact(Box<ContactDetail>),
    /// Each event of theirs, the oldest first.
    Event(Box<HeldEvent>),
    /// Each segment that they entered or left, the first first.
    Move(Box<MoveView>),
    /// Each rejected event whose body names them.
    Rejected(Box<EventView>),
}

/// An event with all that is kept of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct HeldEvent {
    #[serde(flatten)]
    pub event: EventView,
    /// The network address that it came from, of pages and mails.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub address: Option<String>,
    /// What the browser or mail program calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub agent: Option<String>,
    /// The context that came with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    pub context: Option<Box<RawValue>>,
}

/// Export a contact
///
/// Everything that is held of a person, a JSON object a line: what is known of them, every event of theirs (also in
/// browsers that are theirs) with the network address, agent and context that are kept of it, every segment that they
/// entered or left, and every rejected event that names them. An export that cannot go on breaks its connection off. Takes the scope `contacts`.
#[utoipa::path(
    get, path = "/v1/contacts/{email}/export", tag = "read",
    params(("email" = String, Path, format = Email, max_length = 254, description = "The contact's address, percent-encoded", example = "user@example.com"), MinSeqQuery),
    responses(
        (status = 200, description = "The lines", content((HeldLine = "application/x-ndjson"))),
        (status = 404, description = "Nothing is known of this contact", body = ErrorBody),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "Too many exports are running, or what they read is being built: come again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn export_contact(
    State(app): State<Arc<App>>,
    email: Result<Path<String>, PathRejection>,
    query: Result<Query<MinSeqQuery>, ApiError>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Contacts)?;
    let email = in_path(email)?;
    let (min_seq, workspace) = (query?.0.known()?, reader.workspace);
    let asked = email.clone();
    // A window that has run out has moved them.
    app.projector.reach_now().await?;
    let (found, _) = read(&app, workspace, min_seq, move |app| {
        detail(app, workspace, &asked)
    })
    .await?;
    found.ok_or(ApiError::UnknownSubject("contact"))?;
    let permit = app.exports.take(workspace);
    let permit = permit.ok_or(ApiError::TooManyExports)?;
    let held = Held {
        email,
        until: whole(&app).await?.reached,
        next: Next::Contact,
    };
    let lines = export::start(app, reader, held, permit).await?;
    let headers = [
        (CONTENT_TYPE, "application/x-ndjson"),
        (
            CONTENT_DISPOSITION,
            "attachment; filename=\"contact.ndjson\"",
        ),
    ];
    Ok((headers, lines).into_response())
}

/// What is left to be told.
pub(in crate::routes) struct Held {
    pub(in crate::routes) email: Email,
    /// The last record that is told of.
    pub(in crate::routes) until: Seq,
    pub(in crate::routes) next: Next,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::routes) enum Next {
    Contact,
    /// Events behind this one.
    Events(Option<PublicSeq>),
    /// Moves behind this one.
    Moves(Option<MoveKey>),
    /// Rejected ones before this one.
    Rejected(Option<RejectedCursor>),
    Nothing,
}

impl Next {
    /// As [`Self::parse`] reads it; `None` where nothing is left.
    pub(in crate::routes) fn to_text(self) -> Option<String> {
        Some(match self {
            Self::Contact => "contact".to_owned(),
            Self::Events(None) => "events".to_owned(),
            Self::Events(Some(seq)) => format!("events {seq}"),
            Self::Moves(None) => "moves".to_owned(),
            Self::Moves(Some(behind)) => format!("moves {behind}"),
            Self::Rejected(None) => "rejected".to_owned(),
            Self::Rejected(Some(before)) => format!("rejected {before}"),
            Self::Nothing => return None,
        })
    }

    pub(in crate::routes) fn parse(text: &str) -> Option<Self> {
        Some(match text.split_once(' ') {
            None => match text {
                "contact" => Self::Contact,
                "events" => Self::Events(None),
                "moves" => Self::Moves(None),
                "rejected" => Self::Rejected(None),
                _ => return None,
            },
            Some(("events", seq)) => Self::Events(Some(seq.parse().ok()?)),
            Some(("moves", behind)) => Self::Moves(Some(behind.parse().ok()?)),
            Some(("rejected", before)) => Self::Rejected(Some(before.parse().ok()?)),
            Some(_) => return None,
        })
    }
}

impl Portions for Held {
    fn next(&mut self, app: &App, workspace: WorkspaceId) -> Result<Option<Vec<u8>>, ApiError> {
        let mut lines = Vec::new();
        self.next = match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Contact => {
                if let Some(contact) = detail(app, workspace, &self.email)? {
                    write(&HeldLine::Contact(Box::new(contact)), &mut lines);
                }
                Next::Events(None)
            }
            Next::Events(behind) => match self.events(app, workspace, behind, &mut lines)? {
                Some(next) => Next::Events(Some(next)),
                None => Next::Moves(None),
            },
            Next::Moves(behind) => match self.moves(app, workspace, behind, &mut lines)? {
                Some(next) => Next::Moves(Some(next)),
                None => Next::Rejected(None),
            },
            Next::Rejected(before) => match self.rejected(app, workspace, before, &mut lines)? {
                Some(next) => Next::Rejected(Some(next)),
                None => Next::Nothing,
            },
            Next::Nothing => return Ok(None),
        };
        Ok(Some(lines))
    }
}

impl Held {
    fn events(
        &self,
        app: &App,
        workspace: WorkspaceId,
        behind: Option<PublicSeq>,
        lines: &mut Vec<u8>,
    ) -> Result<Option<PublicSeq>, ApiError> {
        let behind = behind
            .map(|seq| app.log.locate(workspace, seq))
            .transpose()?;
        let filter = EventFilter {
            email: Some(self.email.normalised().to_owned()),
            order: Order::OldestFirst,
            until: Some(self.until),
            limit: PORTION,
            cursor: behind.map(|located| match located {
                Located::At(seq) | Located::Behind(seq) => seq,
            }),
            ..EventFilter::default()
        };
        let mut each = |record: &store::record::Record, view: EventView| {
            let held = HeldEvent::of(&record.entry, view);
            write(&HeldLine::Event(Box::new(held)), lines);
        };
        Ok(query::each_event(
            &app.views, &*app.log, workspace, &filter, &mut each,
        )?)
    }

    fn moves(
        &self,
        app: &App,
        workspace: WorkspaceId,
        behind: Option<MoveKey>,
        lines: &mut Vec<u8>,
    ) -> Result<Option<MoveKey>, ApiError> {
        let books = app.meta.segment_books();
        let contact = app.views.contact_id(workspace, self.email.normalised());
        let Some(contact) = contact.filter(|_| books.of_workspace.contains_key(&workspace)) else {
            return Ok(None);
        };
        let wanted = |key| behind.is_none_or(|behind| key > behind);
        let (order, views) = (Order::OldestFirst, &app.views);
        let moves = views.segment_moves_of(workspace, contact, order, wanted, PORTION)?;
        let last = moves.last().map(|last| last.of.key);
        let next = last.filter(|_| moves.len() == PORTION);
        for moved in moves {
            write(&HeldLine::Move(Box::new(MoveView::of(moved))), lines);
        }
        Ok(next)
    }

    fn rejected(
        &self,
        app: &App,
        workspace: WorkspaceId,
        before: Option<RejectedCursor>,
        lines: &mut Vec<u8>,
    ) -> Result<Option<RejectedCursor>, ApiError> {
        let wanted = |rejected: &Rejected| {
            let body = rejected.body.as_ref();
            body.is_some_and(|body| is_about(&body.0, &self.email))
        };
        let listed = app.rejected.list(workspace, before, PORTION, &wanted);
        let listed = listed.map_err(|error| {
            tracing::error!(%error, "the rejected events could not be read");
            ApiError::StorageFailing
        })?;
        for one in listed.found {
            write(&HeldLine::Rejected(Box::new(rejected::view(one))), lines);
        }
        Ok(listed.next)
    }
}

impl HeldEvent {
    fn of(entry: &Entry, event: EventView) -> Self {
        let client = entry.told_by.client();
        let context = entry.told_by.context();
        Self {
            event,
            address: client.map(|client| client.address.0.clone()),
            agent: client.and_then(|client| Some(client.agent.as_ref()?.0.clone())),
            context: context.and_then(|context| RawValue::from_string(context.to_owned()).ok()),
        }
    }
}

fn write(line: &HeldLine, to: &mut Vec<u8>) {
    // Texts, numbers and JSON as it is: nothing of this can fail to serialise.
    to.extend(serde_json::to_vec(line).unwrap_or_default());
    to.push(b'\n');
}
