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
use crate::log::record::Seq;

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

/// Waits until the views reflect `min_seq`, then reads where blocking on disk is allowed.
pub(super) async fn read<T: Send + 'static, E: Display + Send + 'static>(
    app: &Arc<App>,
    min_seq: Option<Seq>,
    work: impl FnOnce(&App) -> Result<T, E> + Send + 'static,
) -> Result<(T, Meta), ApiError> {
    if let Some(seq) = min_seq {
        app.projector
            .wait_for(seq, PATIENCE)
            .await
            .map_err(|_| ApiError::ViewBehind)?;
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

pub(super) fn time(name: &'static str, value: &str) -> Result<Timestamp, ApiError> {
    // In a query an unescaped `+` reads as a space.
    let value = value.replace(' ', "+");
    Timestamp::parse_rfc3339(&value)
        .map_err(|_| invalid(name, "send a time such as 2026-11-23T10:00:00Z (RFC 3339)"))
}

pub(super) fn seq(name: &'static str, value: &str) -> Result<Seq, ApiError> {
    value
        .parse()
        .map_err(|_| invalid(name, "send the value as it was answered"))
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
