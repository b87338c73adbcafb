//! `GET /control/identify-secret`: the secret under which a customer's server signs whom a page may name.

use axum::extract::State;
use axum::response::Json;
use serde::{Deserialize, Serialize};

use super::super::admin::{Asked, Desk};
use crate::error::ApiError;
use crate::ingest::signed::secret_of;
use store::ledger::decide::WorkspaceKeys as _;

/// The secret.
#[derive(Serialize, Deserialize)]
pub(crate) struct SecretView {
    /// 64 hexadecimal digits.
    pub(crate) secret: String,
}

/// Hides it.
impl std::fmt::Debug for SecretView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretView(…)")
    }
}

pub(super) async fn show(
    State(desk): State<Desk>,
    asked: Asked,
) -> Result<Json<SecretView>, ApiError> {
    let meta = desk.store.meta();
    let workspace = asked.workspace(meta)?.id;
    let key = meta.key_of(workspace).ok_or(ApiError::Internal)?;
    Ok(Json(SecretView {
        secret: secret_of(&key),
    }))
}
