//! What all reads share: their parameters, waiting for `minSeq`, and what they tell of themselves.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use jiff::civil::Date;
use serde::Serialize;
use shared::email::Email;
use shared::time::Timestamp;
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::ApiError;
use store::ledger::Located;
use store::query::report::Zone;
use store::record::public_seq::PublicSeq;
use store::record::{Seq, WorkspaceId};

/// How long a read waits for views that are being built, and for them to reach `minSeq`.
const PATIENCE: Duration = Duration::from_secs(2);

/// What every read tells of itself.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// How far this view lies behind the log, in milliseconds.
    pub lag_ms: u64,
}

/// The parameters of a query. Of a read under /v1/ none is unknown, empty or there twice: see
/// `router::parameters`.
pub(super) fn parameters(uri: &Uri) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    form_urlencoded::parse(uri.query().unwrap_or("").as_bytes())
        .filter(|(_, value)| !value.is_empty())
}

/// Waits until the views may be read and reflect the workspace's event `min_seq`, then reads where
/// blocking on disk is allowed.
pub(super) async fn read<T: Send + 'static, E: Into<ApiError> + Send + 'static>(
    app: &Arc<App>,
    workspace: WorkspaceId,
    min_seq: Option<PublicSeq>,
    work: impl FnOnce(&App) -> Result<T, E> + Send + 'static,
) -> Result<(T, Meta), ApiError> {
    let until = Instant::now() + PATIENCE;
    let wanted = match min_seq {
        Some(min_seq) => Some(place_of(app, workspace, min_seq).await?),
        None => None,
    };
    whole_until(app, until).await?;
    if let Some(seq) = wanted {
        let left = until.saturating_duration_since(Instant::now());
        let reached = app.projector.wait_for(seq, left).await;
        reached.map_err(|_| ApiError::ViewBehind)?;
    }
    read_elsewhere(app, work).await
}

/// The same of what lies in no view.
pub(super) async fn read_elsewhere<T: Send + 'static, E: Into<ApiError> + Send + 'static>(
    app: &Arc<App>,
    work: impl FnOnce(&App) -> Result<T, E> + Send + 'static,
) -> Result<(T, Meta), ApiError> {
    let lag_ms = app.projector.lag_ms();
    let reading = Arc::clone(app);
    let found = tokio::task::spawn_blocking(move || work(&reading))
        .await
        .map_err(|_| ApiError::Internal)?
        .map_err(Into::into)?;
    Ok((found, Meta { lag_ms }))
}

/// Views that may be read.
pub(super) struct Whole {
    /// The last record that they reflect.
    pub reached: Seq,
    /// How far they lie behind the log, in milliseconds.
    pub lag_ms: u64,
}

/// Waits until the views may be read, for what reads them bit by bit.
pub(super) async fn whole(app: &App) -> Result<Whole, ApiError> {
    whole_until(app, Instant::now() + PATIENCE).await?;
    Ok(Whole {
        lag_ms: app.projector.lag_ms(),
        reached: app.views.cursor(),
    })
}

async fn whole_until(app: &App, until: Instant) -> Result<(), ApiError> {
    let left = until.saturating_duration_since(Instant::now());
    let built = app.projector.wait_until_built(left).await;
    built.map_err(ApiError::ViewBuilding)
}

async fn place_of(
    app: &Arc<App>,
    workspace: WorkspaceId,
    min_seq: PublicSeq,
) -> Result<Seq, ApiError> {
    let looking = Arc::clone(app);
    let located = tokio::task::spawn_blocking(move || looking.log.locate(workspace, min_seq))
        .await
        .map_err(|_| ApiError::Internal)??;
    match located {
        Located::At(seq) => Ok(seq),
        Located::Behind(_) => Err(ApiError::UnknownSeq { name: "minSeq" }),
    }
}

/// The parameter `tz` of a query: the zone of its days; UTC without it. Also sees to it that each span
/// of the query begins before it ends, so that no route that reads one can forget to.
pub(super) fn zone(uri: &Uri) -> Result<Zone, ApiError> {
    let sent = parameters(uri).find(|(name, _)| name == "tz");
    let zone = match sent {
        None => Zone::default(),
        Some((_, value)) => Zone::parse(&value).ok_or_else(|| {
            invalid(
                "tz",
                "send a time zone by its IANA name, such as Europe/Paris",
            )
        })?,
    };
    check_spans(uri, &zone)?;
    Ok(zone)
}

/// Where a span of time begins: an instant (RFC 3339), or a day of the zone, from its first moment on.
pub(super) fn from(name: &'static str, value: &str, zone: &Zone) -> Result<Timestamp, ApiError> {
    bound(name, value, |day| zone.start_of(day))
}

/// Where a span of time ends, which it does not hold itself: an instant, or the end of a day, so that a
/// span from a day to the same day is that day.
pub(super) fn to(name: &'static str, value: &str, zone: &Zone) -> Result<Timestamp, ApiError> {
    bound(name, value, |day| zone.end_of(day))
}

/// Refuses spans that end before they begin: nothing could ever lie in them. One that ends where it begins
/// is empty, as a program's window may be.
fn check_spans(uri: &Uri, zone: &Zone) -> Result<(), ApiError> {
    for (from_name, to_name) in [("from", "to"), ("receivedFrom", "receivedTo")] {
        let sent = |wanted| parameters(uri).find(|(name, _)| name == wanted);
        let (Some((_, since)), Some((_, until))) = (sent(from_name), sent(to_name)) else {
            continue;
        };
        let (begins, ends) = (from(from_name, &since, zone)?, to(to_name, &until, zone)?);
        // A day ends where the next one begins, and lies before it.
        if begins > ends || (begins == ends && day(&until).is_some()) {
            let message = format!(
                "`{from_name}` lies after `{to_name}`: send the earlier time as `{from_name}`"
            );
            return Err(invalid(from_name, &message));
        }
    }
    Ok(())
}

/// The day that a bound names, where it does.
fn day(value: &str) -> Option<Date> {
    // `jiff` takes more forms of a date than this one.
    let is_date = value.len() == 10 && value.is_ascii();
    is_date.then(|| value.parse().ok()).flatten()
}

fn bound(
    name: &'static str,
    value: &str,
    of_day: impl FnOnce(Date) -> Timestamp,
) -> Result<Timestamp, ApiError> {
    if let Some(day) = day(value) {
        return Ok(of_day(day));
    }
    // In a query an unescaped `+` reads as a space.
    let value = value.replace(' ', "+");
    Timestamp::parse_rfc3339(&value).map_err(|_| {
        let wanted =
            "send a time such as 2026-11-23T10:00:00Z (RFC 3339), or a day such as 2026-11-23";
        invalid(name, wanted)
    })
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
        name: name.into(),
        message: message.to_owned(),
    }
}
