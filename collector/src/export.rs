//! Exports: everything of a kind as a table, row after row, for whoever takes it elsewhere. A stream that
//! reads on in bounded portions as fast as its reader takes them; nothing is held between them but where
//! it is. Not the routes.
//!
//! - `events`, `orders`, `contacts`: the rows of each kind
//! - `table`: how a row is written, as NDJSON or CSV

mod contacts;
mod events;
mod orders;
mod table;

use std::sync::Arc;

use axum::body::{Body, Bytes};
use tokio::sync::mpsc;

use crate::app::App;
use crate::auth::Reader;
use crate::channel::through;
use crate::limits::exports::ExportPermit;
use store::ledger::LogError;
use store::query::QueryError;
use store::record::WorkspaceId;

pub(crate) use contacts::{
    ContactRows, parse_id as parse_contact_id, rounded as rounded_score, shown as shown_contact_id,
};
pub(crate) use events::EventRows;
pub(crate) use orders::OrderRows;
pub(crate) use table::ExportFormat;
use table::Row;

/// Rows that are read at once.
const PORTION: usize = 200;
/// Portions that wait for the reader beside the one that is being made.
const WAITING: usize = 1;
/// Bytes that are handed on, and compressed, at once.
const PIECE: usize = 64 * 1024;

/// Where rows come from.
pub(crate) trait RowSource: Send + 'static {
    /// The names of the columns, the same in each row and in every export of its kind.
    fn columns(&self) -> &'static [&'static str];

    /// The next rows, at most some hundred; `None` where there are none left. Blocks on disk.
    ///
    fn next(&mut self, app: &App, workspace: WorkspaceId) -> Result<Option<Vec<Row>>, QueryError>;
}

/// What went wrong after the answer had begun: the connection ends without the body's end, so that
/// nobody takes a part for the whole.
#[derive(Debug, thiserror::Error)]
#[error("the export broke off")]
pub(crate) struct BrokenOff;

/// Begins an export. It ends early, broken off, where the reader's key is revoked or the node stops.
///
/// # Errors
/// Where not even the first rows can be read: nobody need be told of an export then.
pub(crate) async fn start(
    app: Arc<App>,
    reader: Reader,
    source: impl RowSource,
    format: ExportFormat,
    permit: ExportPermit,
) -> Result<Body, QueryError> {
    let (source, first) = portion(&app, reader.workspace, source, format).await?;
    let (sender, portions) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        run(app, reader, (source, first), format, sender).await;
        drop(permit);
    });
    Ok(Body::from_stream(through(portions)))
}

/// The next rows as they are written.
async fn portion<S: RowSource>(
    app: &Arc<App>,
    workspace: WorkspaceId,
    mut source: S,
    format: ExportFormat,
) -> Result<(S, Option<Bytes>), QueryError> {
    let app = Arc::clone(app);
    // No transaction outlives this, whatever the reader's pace.
    let read = tokio::task::spawn_blocking(move || {
        let rows = source.next(&app, workspace)?;
        let rows = rows.map(|rows| {
            let mut text = Vec::new();
            for row in &rows {
                format.write(source.columns(), row, &mut text);
            }
            Bytes::from(text)
        });
        Ok((source, rows))
    });
    read.await
        .unwrap_or_else(|_| Err(LogError::Storage("reading panicked".to_owned()).into()))
}

async fn run(
    app: Arc<App>,
    reader: Reader,
    (source, first): (impl RowSource, Option<Bytes>),
    format: ExportFormat,
    to: mpsc::Sender<Result<Bytes, BrokenOff>>,
) {
    let draining = app.draining();
    let head = format.head(source.columns());
    if !head.is_empty() && to.send(Ok(head.into())).await.is_err() {
        return;
    }
    let mut next = Ok((source, first));
    loop {
        if *draining.borrow() || !reader.is_still_good(&app) {
            break;
        }
        let (source, rows) = match next {
            Ok(next) => next,
            Err(error) => {
                tracing::error!(%error, "an export broke off");
                break;
            }
        };
        // All of it was told.
        let Some(mut text) = rows else { return };
        while !text.is_empty() {
            let piece = text.split_to(PIECE.min(text.len()));
            if to.send(Ok(piece)).await.is_err() {
                // The reader went away.
                return;
            }
        }
        next = portion(&app, reader.workspace, source, format).await;
    }
    to.send(Err(BrokenOff)).await.ok();
}
