//! `POST /control/contacts/…`: what the routes of contacts do, in any workspace. Erasing goes also where no server
//! runs; the rest asks views, which a server has.

use std::time::Duration;

use axum::extract::State;
use axum::response::Json;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use shared::email::Email;
use tokio::runtime::Handle;

use super::super::admin::{Asked, Desk, Fields, lines};
use super::super::contacts::export::{Held, Next};
use super::super::contacts::{ContactQuery, listed, one, timeline as timeline_of};
use super::super::query::{Query, Value as _, address};
use super::{json, served};
use crate::app::App;
use crate::error::ApiError;
use crate::error::refusal::Refusal;
use crate::export::Portions as _;
use crate::ingest::contacts::{change_one, import_file};
use crate::ingest::erasures::ErasedCounts;
use crate::upkeep::Upkeep;

/// So long views are waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whom to erase. In the body: a path would stand in more places.
#[derive(Serialize)]
pub(crate) struct EraseBody {
    pub(crate) email: String,
}

/// Hides whom it names.
impl std::fmt::Debug for EraseBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EraseBody(…)")
    }
}

/// Whom to show or to change, and how.
#[derive(Serialize)]
pub(crate) struct ContactAsk {
    pub(crate) email: String,
    /// What is to be said of them; `None` changes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) traits: Option<Value>,
    /// Behind which entry a list goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cursor: Option<String>,
}

/// Hides whom it names.
impl std::fmt::Debug for ContactAsk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ContactAsk(…)")
    }
}

/// A file, or a part of one.
#[derive(Serialize)]
pub(crate) struct ImportBody<'a> {
    pub(crate) csv: bool,
    pub(crate) text: &'a str,
}

/// What is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ErasedView {
    pub(crate) success: bool,
    pub(crate) erased: ErasedCounts,
}

pub(super) async fn erase(
    State(desk): State<Desk>,
    asked: Asked,
) -> Result<Json<ErasedView>, ApiError> {
    let workspace = asked.workspace(desk.store.meta())?.id;
    let email = named(&mut asked.fields(&["email"])?)?;
    let erased = lines::apart(&desk, move |store| store.erase(workspace, email)).await?;
    let erased = erased.map_err(Refusal::failed)?;
    Ok(Json(ErasedView {
        success: true,
        erased,
    }))
}

/// Shows a contact, having changed them where that is asked for.
pub(super) async fn show(State(desk): State<Desk>, asked: Asked) -> Result<Json<Value>, ApiError> {
    let workspace = asked.workspace(desk.store.meta())?.id;
    let mut fields = asked.fields(&["email", "traits"])?;
    let email = named(&mut fields)?;
    let traits: Option<Box<RawValue>> = fields.take("traits", "an object")?;
    let work = move |store: &dyn Upkeep| -> Result<Value, ApiError> {
        let app = served(store)?;
        if let Some(traits) = traits {
            Handle::current().block_on(change_one(app, workspace, &email, &traits))?;
        }
        caught_up(app)?;
        let found = one::detail(app, workspace, &email)?;
        json(&found.ok_or(ApiError::UnknownSubject("contact"))?)
    };
    lines::apart(&desk, work).await?.map(Json)
}

/// A page of the list, in the words of `GET /v1/contacts`.
pub(super) async fn list(
    State(desk): State<Desk>,
    query: Result<Query<ContactQuery>, ApiError>,
    asked: Asked,
) -> Result<Json<Value>, ApiError> {
    let workspace = asked.workspace(desk.store.meta())?.id;
    let Query(query) = query?;
    let work = move |store: &dyn Upkeep| -> Result<Value, ApiError> {
        let app = served(store)?;
        caught_up(app)?;
        json(&listed(app, workspace, query)?)
    };
    lines::apart(&desk, work).await?.map(Json)
}

/// A page of what happened with a contact.
pub(super) async fn timeline(
    State(desk): State<Desk>,
    asked: Asked,
) -> Result<Json<Value>, ApiError> {
    let workspace = asked.workspace(desk.store.meta())?.id;
    let mut fields = asked.fields(&["email", "cursor"])?;
    let email = named(&mut fields)?;
    let cursor: Option<String> = fields.take("cursor", "a text")?;
    let cursor = cursor.map(|cursor| timeline_of::SentPlace::parse(&cursor));
    let cursor = cursor.transpose().map_err(Refusal::failed)?;
    let work = move |store: &dyn Upkeep| -> Result<Value, ApiError> {
        let app = served(store)?;
        caught_up(app)?;
        let found = timeline_of::listed(app, workspace, &email, cursor)?;
        json(&found.ok_or(ApiError::UnknownSubject("contact"))?)
    };
    lines::apart(&desk, work).await?.map(Json)
}

/// Lines of what is held of a contact, and where it goes on.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct HeldLines {
    pub(crate) lines: String,
    pub(crate) next: Option<String>,
}

/// A part of everything that is held of a contact.
pub(super) async fn export(
    State(desk): State<Desk>,
    asked: Asked,
) -> Result<Json<HeldLines>, ApiError> {
    let workspace = asked.workspace(desk.store.meta())?.id;
    let mut fields = asked.fields(&["email", "cursor"])?;
    let email = named(&mut fields)?;
    let cursor: Option<String> = fields.take("cursor", "a text")?;
    let next = Next::parse(&cursor.unwrap_or_else(|| "contact".to_owned()));
    let next = next.ok_or(ApiError::UnknownSeq { name: "cursor" })?;
    let work = move |store: &dyn Upkeep| -> Result<HeldLines, ApiError> {
        let app = served(store)?;
        caught_up(app)?;
        if next == Next::Contact && one::detail(app, workspace, &email)?.is_none() {
            return Err(ApiError::UnknownSubject("contact"));
        }
        let mut held = Held {
            email,
            until: app.views.cursor(),
            next,
        };
        let lines = held.next(app, workspace)?.unwrap_or_default();
        Ok(HeldLines {
            lines: String::from_utf8(lines).map_err(|_| ApiError::Internal)?,
            next: held.next.to_text(),
        })
    };
    lines::apart(&desk, work).await?.map(Json)
}

/// Imports a file of contacts.
pub(super) async fn import(
    State(desk): State<Desk>,
    asked: Asked,
) -> Result<Json<Value>, ApiError> {
    let workspace = asked.workspace(desk.store.meta())?.id;
    let mut fields = asked.fields(&["csv", "text"])?;
    let is_csv: Option<bool> = fields.take("csv", "true or false")?;
    let text: Option<String> = fields.take("text", "a text")?;
    let work = move |store: &dyn Upkeep| -> Result<Value, ApiError> {
        let app = served(store)?;
        caught_up(app)?;
        let text = text.unwrap_or_default();
        json(&import_file(app, workspace, is_csv == Some(true), &text)?)
    };
    lines::apart(&desk, work).await?.map(Json)
}

/// Whom a body names.
fn named(fields: &mut Fields) -> Result<Email, ApiError> {
    let email: Option<String> = fields.take("email", "a text")?;
    address(&email.unwrap_or_default())
}

/// Waits until the views reflect what was acknowledged before, and the time.
fn caught_up(app: &App) -> Result<(), ApiError> {
    let end = *app.log.committed().borrow();
    let waiting = async {
        let built = app.projector.wait_until_built(PATIENCE).await;
        built.map_err(ApiError::ViewBuilding)?;
        let reached = app.projector.wait_for(end, PATIENCE).await;
        reached.map_err(|_| ApiError::ViewBehind)?;
        // What is due by now has happened.
        Ok(app.projector.reach_now().await?)
    };
    Handle::current().block_on(waiting)
}
