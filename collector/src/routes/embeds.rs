//! `GET /v1/embeds`: the embed code of each public key, and whether pages use it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Json;
use http::Request;
use serde::Serialize;
use shared::api_key::{ApiKey, KeyKind, Scope};
use shared::wire::ErrorBody;
use utoipa::ToSchema;

use super::read::{ReadMeta, read};
use crate::app::App;
use crate::auth;
use crate::embed::embed;
use crate::error::ApiError;
use store::record::WorkspaceId;
use store::views::ViewError;

/// The public keys that may be used.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Embeds {
    /// The oldest first.
    pub embeds: Vec<Embed>,
    pub meta: ReadMeta,
}

/// A public key, ready to be put into pages.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Embed {
    #[schema(example = "key_4fTq0cMmZk9R2aXb")]
    pub key_id: String,
    /// The key itself: it stands in every page.
    pub key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub label: Option<String>,
    /// Whether pages may send purchases with it.
    pub allow_purchases: bool,
    /// The sites that may use it; none means every site.
    pub origins: Vec<String>,
    /// Whether an event that came with this key is on record.
    pub received: bool,
    /// What to put into every page.
    pub html: String,
}

/// List the embed code of every public key
///
/// Ready to be put into pages, and whether events have come with the key.
#[utoipa::path(
    get, path = "/v1/embeds", tag = "read",
    responses(
        (status = 200, description = "One for each public key that is not revoked", body = Embeds),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "The view is being built: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn list_embeds(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Json<Embeds>, ApiError> {
    let reader = auth::reader(&app, request.headers(), request.uri(), Scope::Read)?;
    let workspace = reader.workspace;
    let (embeds, meta) = read(&app, workspace, None, move |app| embeds(app, workspace)).await?;
    Ok(Json(Embeds { embeds, meta }))
}

fn embeds(app: &App, workspace: WorkspaceId) -> Result<Vec<Embed>, ViewError> {
    let mut embeds = Vec::new();
    for key in app.meta.keys(workspace) {
        if key.kind != KeyKind::Public || !key.is_good(app.clock.now()) {
            continue;
        }
        // Every public key is kept in plain.
        let Some(Ok(plain)) = key.plain.as_deref().map(ApiKey::parse) else {
            continue;
        };
        embeds.push(Embed {
            key: plain.as_str().to_owned(),
            html: embed(&plain, &app.public_url),
            label: key.label.clone(),
            allow_purchases: key.allow_purchases,
            origins: key.origins.iter().map(ToString::to_string).collect(),
            received: app.views.received(workspace, &key.id)?,
            key_id: key.id.clone(),
        });
    }
    Ok(embeds)
}
