//! `/control/token-keys`: the keys of the tokens in mails, which belong to the store rather than to a workspace.

use axum::extract::State;
use axum::response::Json;
use serde::{Deserialize, Serialize};

use super::super::admin::{Asked, Desk};
use crate::error::ApiError;
use crate::error::refusal::Refusal;
use store::meta::NO_TOKEN_KEY;
use store::token::{TokenKey, TokenKeys};

/// A key of the tokens in mails, without what it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenKeyView {
    pub(crate) id: u32,
    /// RFC 3339.
    pub(crate) created_at: String,
    /// New tokens are made with it.
    pub(crate) current: bool,
}

impl TokenKeyView {
    fn of(key: &TokenKey, among: &TokenKeys) -> Self {
        Self {
            id: key.id,
            created_at: key.created_at.to_string(),
            current: key.id == among.current().id,
        }
    }
}

pub(super) async fn list(State(desk): State<Desk>, _: Asked) -> Json<Vec<TokenKeyView>> {
    let keys = desk.store.meta().token_keys();
    let listed = keys.all().filter(|key| key.id != NO_TOKEN_KEY);
    Json(listed.map(|key| TokenKeyView::of(key, &keys)).collect())
}

pub(super) async fn rotate(
    State(desk): State<Desk>,
    _: Asked,
) -> Result<Json<TokenKeyView>, ApiError> {
    let rotated = desk
        .at_disk(|store| store.meta().rotate_token_keys())
        .await?;
    let keys = rotated.map_err(Refusal::failed)?;
    Ok(Json(TokenKeyView::of(keys.current(), &keys)))
}
