//! `/control/relay-list`: the addresses of Apple's relays, as they lie in the data folder.

use axum::extract::State;
use axum::response::Json;

use super::super::admin::{Asked, Desk};
use crate::error::ApiError;
use crate::error::refusal::Refusal;
use store::classify::relay::Summary;

pub(super) async fn show(State(desk): State<Desk>, _: Asked) -> Json<Summary> {
    Json(desk.store.relay().summary())
}

/// The list on disk is new.
pub(super) async fn reload(State(desk): State<Desk>, _: Asked) -> Result<Json<Summary>, ApiError> {
    let reloaded = desk.at_disk(|store| store.relay().reload()).await?;
    Ok(Json(reloaded.map_err(Refusal::failed)?))
}
