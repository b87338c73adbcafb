//! What all reads share: waiting for views and `minSeq`, and what they tell of themselves.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::ApiError;
use store::ledger::Located;
use store::record::public_seq::PublicSeq;
use store::record::{Seq, WorkspaceId};

/// How long a read waits for views that are being built, and for them to reach `minSeq`.
const PATIENCE: Duration = Duration::from_secs(2);

/// What every read tells of itself.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Meta)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReadMeta {
    /// How far this view lies behind the log, in milliseconds.
    pub lag_ms: u64,
    /// From when on events are whole, by arrival: what came before was dropped (`misar serve --retention`), though what
    /// was counted of it stays. Absent where nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    pub since: Option<String>,
}

impl ReadMeta {
    /// Of a read that begins now. Blocks on disk once after something was dropped.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) fn of(app: &App) -> Result<Self, ApiError> {
        Ok(Self {
            lag_ms: app.projector.lag_ms(),
            since: app.log_begins()?.map(|since| since.to_string()),
        })
    }
}

/// Waits until the views may be read and reflect the workspace's event `min_seq`, then reads where
/// blocking on disk is allowed.
pub(super) async fn read<T: Send + 'static, E: Into<ApiError> + Send + 'static>(
    app: &Arc<App>,
    workspace: WorkspaceId,
    min_seq: Option<PublicSeq>,
    work: impl FnOnce(&App) -> Result<T, E> + Send + 'static,
) -> Result<(T, ReadMeta), ApiError> {
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
) -> Result<(T, ReadMeta), ApiError> {
    let reading = Arc::clone(app);
    let reads = move || {
        let meta = ReadMeta::of(&reading)?;
        let found = work(&reading).map_err(Into::into)?;
        Ok((found, meta))
    };
    let read = tokio::task::spawn_blocking(reads).await;
    read.map_err(|_| ApiError::Internal)?
}

/// Views that may be read.
pub(super) struct Whole {
    /// The last record that they reflect.
    pub reached: Seq,
    /// How far they lie behind the log, in milliseconds.
    pub lag_ms: u64,
    /// See [`ReadMeta::since`].
    pub since: Option<String>,
}

/// Waits until the views may be read, for what reads them bit by bit. Refused also where a single one of them
/// is being built: an answer that has begun can tell that no more.
pub(super) async fn whole(app: &Arc<App>) -> Result<Whole, ApiError> {
    whole_until(app, Instant::now() + PATIENCE).await?;
    if let Some(building) = app.views.building() {
        return Err(ApiError::ViewBuilding(building));
    }
    let looking = Arc::clone(app);
    let meta = tokio::task::spawn_blocking(move || ReadMeta::of(&looking)).await;
    let ReadMeta { lag_ms, since } = meta.map_err(|_| ApiError::Internal)??;
    Ok(Whole {
        lag_ms,
        since,
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
