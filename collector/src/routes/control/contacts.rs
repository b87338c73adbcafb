//! `POST /control/contacts/erase`: what `DELETE /v1/contacts/{email}` does, in any workspace and also where no
//! server runs.

use axum::extract::State;
use axum::response::Json;
use serde::{Deserialize, Serialize};

use super::super::admin::{Asked, Desk, lines};
use super::super::query::address;
use crate::error::ApiError;
use crate::error::refusal::Refusal;
use crate::ingest::erasures::ErasedCounts;

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
    let email: Option<String> = asked.fields(&["email"])?.take("email", "a text")?;
    let email = address(&email.unwrap_or_default())?;
    let erased = lines::apart(&desk, move |store| store.erase(workspace, email)).await?;
    let erased = erased.map_err(Refusal::failed)?;
    Ok(Json(ErasedView {
        success: true,
        erased,
    }))
}
