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
use crate::error::ApiError;
use crate::limits::exports::ExportPermit;
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

/// What goes out as a stream, one portion after the other.
pub(crate) trait Portions: Send + 'static {
    /// The next bytes; `None` where there are none left. Blocks on disk.
    ///
    /// # Errors
    /// What whoever asks is told, where nothing has been told yet.
    fn next(&mut self, app: &App, workspace: WorkspaceId) -> Result<Option<Vec<u8>>, ApiError>;
}

/// Rows as a table.
pub(crate) struct Table<S> {
    source: S,
    format: ExportFormat,
    /// What stands above the rows, until it is told.
    head: Option<Vec<u8>>,
}

impl<S: RowSource> Table<S> {
    pub(crate) fn new(source: S, format: ExportFormat) -> Self {
        let head = format.head(source.columns());
        Self {
            source,
            format,
            head: (!head.is_empty()).then_some(head),
        }
    }
}

impl<S: RowSource> Portions for Table<S> {
    fn next(&mut self, app: &App, workspace: WorkspaceId) -> Result<Option<Vec<u8>>, ApiError> {
        let Some(rows) = self.source.next(app, workspace)? else {
            return Ok(self.head.take());
        };
        let mut text = self.head.take().unwrap_or_default();
        for row in &rows {
            self.format.write(self.source.columns(), row, &mut text);
        }
        Ok(Some(text))
    }
}

/// What went wrong after the answer had begun: the connection ends without the body's end, so that
/// nobody takes a part for the whole.
#[derive(Debug, thiserror::Error)]
#[error("the export broke off")]
pub(crate) struct BrokenOff;

/// Begins an export. It ends early, broken off, where the reader's key is revoked or the node stops.
///
/// # Errors
/// Where not even the first portion can be read: nobody need be told of an export then.
pub(crate) async fn start(
    app: Arc<App>,
    reader: Reader,
    source: impl Portions,
    permit: ExportPermit,
) -> Result<Body, ApiError> {
    let first = portion(&app, reader.workspace, source).await?;
    let (sender, portions) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        run(app, reader, first, sender).await;
        drop(permit);
    });
    Ok(Body::from_stream(through(portions)))
}

/// The next portion, and where the others come from.
async fn portion<P: Portions>(
    app: &Arc<App>,
    workspace: WorkspaceId,
    mut source: P,
) -> Result<(P, Option<Vec<u8>>), ApiError> {
    let app = Arc::clone(app);
    // No transaction outlives this, whatever the reader's pace.
    let read = tokio::task::spawn_blocking(move || {
        let bytes = source.next(&app, workspace);
        bytes.map(|bytes| (source, bytes))
    });
    read.await.unwrap_or(Err(ApiError::Internal))
}

async fn run(
    app: Arc<App>,
    reader: Reader,
    first: (impl Portions, Option<Vec<u8>>),
    to: mpsc::Sender<Result<Bytes, BrokenOff>>,
) {
    let draining = app.draining();
    let mut next = Ok::<_, ApiError>(first);
    loop {
        if *draining.borrow() || !reader.is_still_good(&app) {
            break;
        }
        let (source, bytes) = match next {
            Ok(next) => next,
            Err(error) => {
                tracing::error!(code = error.code(), "an export broke off");
                break;
            }
        };
        // All of it was told.
        let Some(bytes) = bytes else { return };
        let mut bytes = Bytes::from(bytes);
        while !bytes.is_empty() {
            let piece = bytes.split_to(PIECE.min(bytes.len()));
            if to.send(Ok(piece)).await.is_err() {
                // The reader went away.
                return;
            }
        }
        next = portion(&app, reader.workspace, source).await;
    }
    to.send(Err(BrokenOff)).await.ok();
}
