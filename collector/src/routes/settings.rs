//! `/v1/settings`: how a workspace credits orders to messages. On the Unix socket, of any workspace.

use axum::extract::State;
use axum::response::{IntoResponse as _, Json, Response};
use serde::{Deserialize, Serialize};
use shared::wire::ErrorBody;
use utoipa::ToSchema;

use super::admin::{Asked, Desk, lines};
use super::keys::refused;
use crate::error::ApiError;
use crate::error::refusal::Refusal;
use store::ledger::decide::Attribution;
use store::meta::Workspace;

/// No window is longer: 365 days.
pub(crate) const LONGEST_WINDOW_MS: i64 = 365 * 24 * 60 * 60 * 1000;

/// The settings of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettingsView {
    pub workspace: String,
    pub attribution: AttributionView,
}

/// An order is credited to the message that it names, else to the last click of a person within the click window,
/// else to the last open of a person within the open window. Both windows begin at the open or click.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttributionView {
    /// Milliseconds, at most 365 days; 0 is never.
    #[schema(minimum = 0, example = 432_000_000)]
    pub click_window_ms: i64,
    /// Milliseconds, at most 365 days; 0 is never.
    #[schema(minimum = 0, example = 432_000_000)]
    pub open_window_ms: i64,
}

/// Settings to be changed; what is not named stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({"attribution": {"clickWindowMs": 432_000_000, "openWindowMs": 432_000_000}}))]
pub struct SettingsBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub attribution: Option<AttributionBody>,
}

/// Windows to be changed; what is not named stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AttributionBody {
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
    fn of(workspace: &Workspace, attribution: Attribution) -> Self {
        Self {
            workspace: workspace.name.clone(),
            attribution: AttributionView {
                click_window_ms: attribution.click_window_ms,
                open_window_ms: attribution.open_window_ms,
            },
        }
    }
}

/// Tell the settings of the workspace
///
/// How long opens and clicks are credited with orders.
#[utoipa::path(
    get, path = "/v1/settings", tag = "admin",
    responses(
        (status = 200, description = "As they are now", body = SettingsView),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "Not now: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub async fn get_settings(
    State(desk): State<Desk>,
    asked: Asked,
) -> Result<Json<SettingsView>, ApiError> {
    let workspace = asked.workspace(desk.store.meta())?;
    Ok(Json(SettingsView::of(&workspace, workspace.attribution)))
}

/// Change settings of the workspace
///
/// On disk with the answer. Where something has changed, orders are credited anew behind it; reads tell what was
/// before until all are. One such work goes on at a time (503 `busy`), and each workspace may begin six an hour.
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
pub async fn change_settings(State(desk): State<Desk>, asked: Asked) -> Result<Response, ApiError> {
    let workspace = asked.workspace(desk.store.meta())?;
    let wanted = parse(&asked)?;
    let before = workspace.attribution;
    let attribution = Attribution {
        click_window_ms: wanted.click_window_ms.unwrap_or(before.click_window_ms),
        open_window_ms: wanted.open_window_ms.unwrap_or(before.open_window_ms),
    };
    let view = SettingsView::of(&workspace, attribution);
    if attribution == before {
        return Ok(Json(view).into_response());
    }
    let permit = desk.begin(&asked)?;
    let set = desk
        .at_disk(move |store| store.meta().set_attribution(&workspace, attribution))
        .await?;
    set.map_err(|error| refused(error, &asked.by))?;
    let answer = view.clone();
    if asked.reads_lines {
        return lines::tell(&desk, permit, move |store, _| {
            store.credit_anew()?;
            Ok(answer)
        });
    }
    lines::begin(&desk, Some(permit), |store| {
        if let Err(error) = store.credit_anew() {
            tracing::error!(%error, "orders are not credited anew; the next start does it");
        }
    })?;
    Ok(Json(view).into_response())
}

fn parse(asked: &Asked) -> Result<AttributionBody, ApiError> {
    let mut fields = asked.fields(&["attribution"])?;
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
    Ok(windows)
}
