//! What all reads share: their parameters, waiting for `minSeq`, and what they tell of themselves.

use std::borrow::Cow;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use serde::Serialize;
use shared::email::Email;
use shared::time::Timestamp;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::ApiError;
use crate::log::Located;
use crate::log::public_seq::PublicSeq;
use crate::log::record::WorkspaceId;

/// How long a read waits for the view to reach `minSeq`.
const PATIENCE: Duration = Duration::from_secs(2);

/// What every read tells of itself.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// How far this view lies behind the log, in milliseconds.
    pub lag_ms: u64,
}

/// The parameters of a query; empty ones count as absent.
pub(super) fn parameters(uri: &Uri) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    form_urlencoded::parse(uri.query().unwrap_or("").as_bytes())
        .filter(|(_, value)| !value.is_empty())
}

/// Waits until the views reflect the workspace's event `min_seq`, then reads where blocking on disk
/// is allowed.
pub(super) async fn read<T: Send + 'static, E: Display + Send + 'static>(
    app: &Arc<App>,
    workspace: WorkspaceId,
    min_seq: Option<PublicSeq>,
    work: impl FnOnce(&App) -> Result<T, E> + Send + 'static,
) -> Result<(T, Meta), ApiError> {
    if let Some(min_seq) = min_seq {
        wait_for(app, workspace, min_seq).await?;
    }
    let lag_ms = app.projector.lag_ms();
    let reading = Arc::clone(app);
    let found = tokio::task::spawn_blocking(move || work(&reading))
        .await
        .map_err(|_| ApiError::Internal)?
        .map_err(|error| {
            tracing::error!(%error, "the views could not be read");
            ApiError::StorageFailing
        })?;
    Ok((found, Meta { lag_ms }))
}

async fn wait_for(
    app: &Arc<App>,
    workspace: WorkspaceId,
    min_seq: PublicSeq,
) -> Result<(), ApiError> {
    let looking = Arc::clone(app);
    let located = tokio::task::spawn_blocking(move || looking.log.locate(workspace, min_seq))
        .await
        .map_err(|_| ApiError::Internal)??;
    let Located::At(seq) = located else {
        return Err(ApiError::UnknownSeq { name: "minSeq" });
    };
    app.projector
        .wait_for(seq, PATIENCE)
        .await
        .map_err(|_| ApiError::ViewBehind)
}

pub(super) fn time(name: &'static str, value: &str) -> Result<Timestamp, ApiError> {
    // In a query an unescaped `+` reads as a space.
    let value = value.replace(' ', "+");
    Timestamp::parse_rfc3339(&value)
        .map_err(|_| invalid(name, "send a time such as 2026-11-23T10:00:00Z (RFC 3339)"))
}

/// The value of `minSeq`. What is no seq at all was never given either.
pub(super) fn min_seq(value: &str) -> Result<PublicSeq, ApiError> {
    value
        .parse()
        .map_err(|_| ApiError::UnknownSeq { name: "minSeq" })
}

/// The contact whom `email` names.
pub(super) fn address(value: &str) -> Result<Email, ApiError> {
    Email::parse(value).map_err(|error| invalid("email", &error.to_string()))
}

pub(super) fn invalid(name: &'static str, message: &str) -> ApiError {
    ApiError::InvalidParameter {
        name,
        message: message.to_owned(),
    }
}
