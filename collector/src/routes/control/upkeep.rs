//! What is done to the whole store: verify, rebuild, privacy, backup, doctor; and a link to the live page.

use axum::extract::State;
use axum::response::{Json, Response};
use serde::{Deserialize, Serialize};

use super::super::admin::{Asked, Desk, lines};
use crate::backup::BackupAsk;
use crate::doctor::Diagnosis;
use crate::error::ApiError;
use crate::error::refusal::Refusal;
use crate::privacy::Privacy;
use crate::upkeep::Progress;

/// A link to the live page. It lets one browser in, so it is shown to whoever asked and nobody else.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct LinkView {
    pub(crate) url: String,
}

/// Reads every event; the last line holds a [`LogReport`](store::ledger::verify::LogReport).
pub(super) async fn verify(State(desk): State<Desk>, asked: Asked) -> Result<Response, ApiError> {
    let permit = desk.begin(&asked)?;
    lines::tell(&desk, permit, |store, progress| {
        let report = store.verify(&mut |done| progress(Progress { done, total: 0 }));
        report.map_err(|error| error.to_string())
    })
}

/// Builds the views anew; the last line holds a [`RebuildReport`](crate::upkeep::RebuildReport).
pub(super) async fn rebuild(State(desk): State<Desk>, asked: Asked) -> Result<Response, ApiError> {
    let permit = desk.begin(&asked)?;
    lines::tell(&desk, permit, |store, progress| {
        store.rebuild(&mut |done, total| progress(Progress { done, total }))
    })
}

/// What is to be kept, where no server knows.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PrivacyAsk {
    pub(crate) privacy: Option<Privacy>,
}

/// Takes out what is not to be kept; the last line holds a [`PrivacyReport`](crate::upkeep::PrivacyReport).
pub(super) async fn apply_privacy(
    State(desk): State<Desk>,
    asked: Asked,
) -> Result<Response, ApiError> {
    let ask: PrivacyAsk = serde_json::from_str(&asked.text)
        .map_err(|error| Refusal::failed(format_args!("the mode is not described: {error}")))?;
    let permit = desk.begin(&asked)?;
    lines::tell(&desk, permit, move |store, progress| {
        store.apply_privacy(ask.privacy, &mut |done, total| {
            progress(Progress { done, total });
        })
    })
}

/// Makes a backup; the last line holds a [`BackupReport`](crate::backup::BackupReport).
pub(super) async fn backup(State(desk): State<Desk>, asked: Asked) -> Result<Response, ApiError> {
    let ask: BackupAsk = serde_json::from_str(&asked.text)
        .map_err(|error| Refusal::failed(format_args!("the backup is not described: {error}")))?;
    let permit = desk.begin(&asked)?;
    lines::tell(&desk, permit, move |store, progress| {
        store.backup(&ask, &mut |done, total| progress(Progress { done, total }))
    })
}

pub(super) async fn doctor(
    State(desk): State<Desk>,
    _: Asked,
) -> Result<Json<Diagnosis>, ApiError> {
    lines::apart(&desk, |store| store.doctor()).await.map(Json)
}

pub(super) async fn link(State(desk): State<Desk>, _: Asked) -> Result<Json<LinkView>, ApiError> {
    let made = desk.at_disk(|store| store.link()).await?;
    let url = made.map_err(Refusal::failed)?;
    Ok(Json(LinkView { url }))
}
