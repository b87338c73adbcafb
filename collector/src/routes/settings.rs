//! `/v1/settings`: how a workspace credits orders to messages, what events weigh in its contacts' scores, as whom it
//! shows itself, and by which days its segments go. On the Unix socket, of any workspace.
//!
//! - `scores`: what events weigh

pub(crate) mod scores;

use axum::extract::State;
use axum::response::{IntoResponse as _, Json, Response};
use serde::{Deserialize, Serialize};
use shared::wire::ErrorBody;
use utoipa::ToSchema;

use super::admin::{Asked, Desk, lines};
use super::keys::refused;
use crate::error::ApiError;
use crate::error::refusal::Refusal;
use scores::{ScoreBody, ScoreView};
use store::ledger::decide::{Attribution, Scoring};
use store::meta::Workspace;
use store::record::WorkspaceId;
use store::secrets;

/// No sender's name has more characters.
pub(crate) const LONGEST_SENDER_NAME: usize = 100;
/// No window is longer: 365 days.
pub(crate) const LONGEST_WINDOW_MS: i64 = 365 * 24 * 60 * 60 * 1000;

/// The settings of a workspace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SettingsView {
    pub workspace: String,
    pub attribution: AttributionView,
    pub score: ScoreView,
    /// As whom the workspace shows itself on the page that unsubscribes; absent where it does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Acme Newsletters")]
    pub sender_name: Option<String>,
    /// By which segments tell days (`today`, dates): IANA's name.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: String,
}

/// An order is credited to the message that it names, else to the last click of a person within the click window,
/// else to the last open of a person within the open window. Both windows begin at the open or click.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AttributionView {
    /// Milliseconds, at most 365 days; 0 is never.
    #[schema(minimum = 0, example = 432_000_000)]
    pub click_window_ms: i64,
    /// Milliseconds, at most 365 days; 0 is never.
    #[schema(minimum = 0, example = 432_000_000)]
    pub open_window_ms: i64,
}

/// Settings to be changed; what is not named stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"attribution": {"clickWindowMs": 432_000_000, "openWindowMs": 432_000_000}, "score": {"halfLifeDays": 30, "weights": {"purchase": 10}}, "senderName": "Acme Newsletters", "timeZone": "Europe/Berlin"}))]
pub(crate) struct SettingsBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub attribution: Option<AttributionBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub score: Option<ScoreBody>,
    /// As whom the workspace shows itself on the page that unsubscribes, 1 to 100 characters; null is nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = true, max_length = 100, example = "Acme Newsletters")]
    pub sender_name: Option<Option<String>>,
    /// By which segments tell days (`today`, dates): IANA's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Europe/Berlin")]
    pub time_zone: Option<String>,
}

/// Windows to be changed; what is not named stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AttributionBody {
    /// Milliseconds, at most 365 days; 0 is never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub click_window_ms: Option<i64>,
    /// Milliseconds, at most 365 days; 0 is never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub open_window_ms: Option<i64>,
}

impl SettingsView {
    fn of(workspace: &Workspace, wanted: &Wanted, time_zone: String) -> Self {
        let attribution = wanted.attribution;
        Self {
            time_zone,
            workspace: workspace.name.clone(),
            attribution: AttributionView {
                click_window_ms: attribution.click_window_ms,
                open_window_ms: attribution.open_window_ms,
            },
            score: ScoreView::of(&wanted.scoring),
            sender_name: wanted.sender_name.clone(),
        }
    }
}

/// Tell the settings of the workspace
///
/// How long opens and clicks are credited with orders, what events weigh in scores, as whom it shows itself, and the
/// time zone by which segments tell days.
#[utoipa::path(
    get, path = "/v1/settings", tag = "admin",
    responses(
        (status = 200, description = "As they are now", body = SettingsView),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "Not now: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn get_settings(
    State(desk): State<Desk>,
    asked: Asked,
) -> Result<Json<SettingsView>, ApiError> {
    let meta = desk.store.meta();
    let workspace = asked.workspace(meta)?;
    let time_zone = meta.time_zone(workspace.id);
    let view = SettingsView::of(&workspace, &Wanted::now(&workspace), time_zone);
    Ok(Json(view))
}

/// Change settings of the workspace
///
/// On disk with the answer. Where windows have changed, orders are credited anew behind it, and where weights have,
/// scores are; reads tell what was before until all are. Another half-life needs the views to be built anew from the
/// log, beside those that are read. One such work goes on at a time (503 `busy`), and each workspace may begin six an
/// hour.
#[utoipa::path(
    patch, path = "/v1/settings", tag = "admin",
    request_body(content = SettingsBody, content_type = "application/json"),
    responses(
        (status = 200, description = "As they are now", body = SettingsView),
        (status = "4XX", description = "Refused, and nothing has changed; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "Nothing has changed: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn change_settings(
    State(desk): State<Desk>,
    asked: Asked,
) -> Result<Response, ApiError> {
    let workspace = asked.workspace(desk.store.meta())?;
    let before = Wanted::now(&workspace);
    let wanted = parse(&asked, before.clone())?;
    let credits_anew = wanted.attribution != before.attribution;
    let scores_anew = wanted.scoring != before.scoring;
    let works = credits_anew || scores_anew;
    // Before anything is changed: where it cannot begin, nothing is.
    let permit = works.then(|| desk.begin(&asked)).transpose()?;
    if let Some(zone) = wanted.time_zone.clone() {
        set_time_zone(&desk, &asked, workspace.id, zone).await?;
    }
    let time_zone = desk.store.meta().time_zone(workspace.id);
    let view = SettingsView::of(&workspace, &wanted, time_zone);
    let Wanted {
        attribution,
        scoring,
        sender_name,
        ..
    } = wanted;
    let set = desk
        .at_disk(move |store| {
            if sender_name != before.sender_name {
                store.meta().set_sender_name(&workspace, sender_name)?;
            }
            if credits_anew {
                store.meta().set_attribution(&workspace, attribution)?;
            }
            if scores_anew {
                store.meta().set_scoring(workspace.id, scoring)?;
                if let Some(app) = store.served() {
                    app.projector.nudge();
                }
            }
            Ok(())
        })
        .await?;
    set.map_err(|error| refused(error, &asked.by))?;
    let Some(permit) = permit else {
        return Ok(Json(view).into_response());
    };
    let answer = view.clone();
    if asked.reads_lines {
        return lines::tell(&desk, permit, move |store, _| {
            store.apply_settings()?;
            Ok(answer)
        });
    }
    lines::begin(&desk, Some(permit), |store| {
        if let Err(error) = store.apply_settings() {
            tracing::error!(%error, "orders or scores do not go by the new settings; the next start does it");
        }
    })?;
    Ok(Json(view).into_response())
}

/// All settings of a workspace.
#[derive(Clone)]
struct Wanted {
    attribution: Attribution,
    scoring: Scoring,
    sender_name: Option<String>,
    /// To be set; `None` where it stays.
    time_zone: Option<String>,
}

impl Wanted {
    fn now(workspace: &Workspace) -> Self {
        Self {
            attribution: workspace.attribution,
            scoring: workspace.scoring,
            sender_name: workspace.sender_name.clone(),
            time_zone: None,
        }
    }
}

/// Sets the time zone; segments that tell days go by it from a moment later on.
async fn set_time_zone(
    desk: &Desk,
    asked: &Asked,
    workspace: WorkspaceId,
    zone: String,
) -> Result<(), ApiError> {
    let set = desk.at_disk(move |store| {
        let set = store.meta().set_time_zone(workspace, &zone);
        if let Some(app) = store.served() {
            app.projector.nudge();
        }
        set
    });
    let set = set.await?.map_err(|error| refused(error, &asked.by))?;
    let wanted = "send a time zone by its IANA name, such as Europe/Paris";
    set.ok_or_else(|| Refusal::of_field("timeZone", wanted).into())
}

/// What is wanted, where that is what was before save for what is named.
fn parse(asked: &Asked, before: Wanted) -> Result<Wanted, ApiError> {
    let mut fields = asked.fields(&["attribution", "score", "senderName", "timeZone"])?;
    let time_zone = fields.take(
        "timeZone",
        "a time zone by its IANA name, such as Europe/Paris,",
    )?;
    let wanted =
        "an object with `clickWindowMs` and `openWindowMs`, whole numbers of milliseconds,";
    let windows: AttributionBody = fields.take("attribution", wanted)?.unwrap_or_default();
    for window in [windows.click_window_ms, windows.open_window_ms] {
        if window.is_some_and(|window| !(0..=LONGEST_WINDOW_MS).contains(&window)) {
            let message = format!(
                "a window is from 0 to {LONGEST_WINDOW_MS} milliseconds, which are 365 days"
            );
            return Err(Refusal::of_field("attribution", message).into());
        }
    }
    let attribution = Attribution {
        click_window_ms: windows
            .click_window_ms
            .unwrap_or(before.attribution.click_window_ms),
        open_window_ms: windows
            .open_window_ms
            .unwrap_or(before.attribution.open_window_ms),
    };
    let score: ScoreBody = fields.take("score", scores::WANTED)?.unwrap_or_default();
    let scoring = score.over(before.scoring)?;
    let named: Option<Option<String>> = fields.take_nullable("senderName", "a text, or null,")?;
    let sender_name = match named {
        None => before.sender_name,
        Some(name) => name.map(|name| sender_name(&name)).transpose()?.flatten(),
    };
    Ok(Wanted {
        attribution,
        scoring,
        sender_name,
        time_zone,
    })
}

/// A name as it is shown; nothing of a blank one.
fn sender_name(text: &str) -> Result<Option<String>, ApiError> {
    let name = text.trim();
    let is_short = name.chars().count() <= LONGEST_SENDER_NAME;
    if !is_short || name.chars().any(char::is_control) || !secrets::find(name.as_bytes()).is_empty()
    {
        let message = format!(
            "a sender's name has 1 to {LONGEST_SENDER_NAME} characters, none of them a control character, and holds no secret key"
        );
        return Err(Refusal::of_field("senderName", message).into());
    }
    Ok((!name.is_empty()).then(|| name.to_owned()))
}
