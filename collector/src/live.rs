//! The live stream: every accepted and rejected event of a workspace as it arrives, and every move into a segment or
//! out of it as it is due.
//!
//! Nothing is buffered for a reader. Each is a cursor that reads on from the log and from the newest
//! rejections, in bounded portions, as fast as its connection takes them. One that is too far behind
//! is told how many events it does not get, and goes on with the newest. Not the route.

mod follower;

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream, StreamExt as _};
use serde::Serialize;
use shared::time::Timestamp;
use tokio::sync::mpsc;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Reader;
use crate::channel::through;
use crate::limits::live::LivePermit;
use crate::seal::Seal;
use crate::segment_moves::MoveView;
use store::query::EventView;
use store::record::public_seq::PublicSeq;
use store::rejected::Rejected;
use store::views::segments::MoveKey;

use follower::Follower;

/// The most events that a stream may begin with.
pub(crate) const MAX_RECENT: usize = 200;
/// A silent stream says so often that it is there; then, too, it is looked whether its reader still
/// may read.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a reader waits before it comes again, once its stream has ended.
const RETRY: Duration = Duration::from_secs(1);
/// Reads of the log follow each other no faster than this, unless more is known to wait.
const PACE: Duration = Duration::from_millis(50);
/// How long the start and a long way behind wait for the view that tells what there is.
const PATIENCE: Duration = Duration::from_secs(2);

/// One message of the stream.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "status", rename_all = "lowercase")]
pub(crate) enum LiveMessage {
    /// An event that is on record.
    Tracked(Box<EventView>),
    Rejected(RejectedView),
    /// Somebody entered a segment or left it, by an event or by time alone.
    Moved(MoveView),
    Skipped(Skipped),
}

/// An event that was refused.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RejectedView {
    /// As sent, or as given.
    pub id: String,
    /// RFC 3339.
    #[schema(format = DateTime)]
    pub received_at: String,
    /// The event's name, as far as it could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// Why, for programs.
    pub code: String,
    /// Why, for people: what to do.
    pub message: String,
    /// The field that was wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub field: Option<String>,
    /// The id of the key that it came with.
    pub key_id: String,
    /// The event as sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub body: Option<String>,
}

/// Events that this reader does not get, because it was too far behind.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SkippedEvents)]
pub(crate) struct Skipped {
    pub count: u64,
}

impl RejectedView {
    fn of(rejected: &Rejected) -> Self {
        Self {
            id: rejected.id.clone(),
            received_at: Timestamp::from_millis(rejected.received_at).to_string(),
            name: rejected.name.clone(),
            code: rejected.code.clone(),
            message: rejected.message.clone(),
            field: rejected.field.clone(),
            key_id: rejected.key_id.clone(),
            body: rejected.body.as_ref().map(|body| body.0.clone()),
        }
    }
}

/// Hides what names a person.
impl fmt::Debug for RejectedView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RejectedView")
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}

/// Where a reader is: behind which record of its workspace, and behind which of its rejections in
/// which process. Nothing of other workspaces is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    seq: PublicSeq,
    process: u64,
    rejected: u64,
    /// Behind which move; `None` of a reader from before there were any.
    moves: Option<MoveKey>,
}

/// The text is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotACursor;

impl Cursor {
    /// As a reader is told it.
    fn told(&self, seal: &Seal) -> String {
        let Self {
            seq,
            process,
            rejected,
            moves,
        } = self;
        let told = format!("{seq}-{process:x}-{rejected}");
        match moves {
            Some(moves) => format!("{told}-{}", seal.of_move(*moves)),
            None => told,
        }
    }

    /// The same read.
    ///
    /// # Errors
    /// [`NotACursor`].
    pub(crate) fn read(text: &str, seal: &Seal) -> Result<Self, NotACursor> {
        let mut parts = text.splitn(4, '-');
        let mut part = || {
            parts
                .next()
                .filter(|part| !part.starts_with('+'))
                .ok_or(NotACursor)
        };
        Ok(Self {
            seq: part()?.parse().map_err(|_| NotACursor)?,
            process: u64::from_str_radix(part()?, 16).map_err(|_| NotACursor)?,
            rejected: part()?.parse().map_err(|_| NotACursor)?,
            moves: parts
                .next()
                .map(|moves| seal.move_of(moves).ok_or(NotACursor))
                .transpose()?,
        })
    }
}

/// Where a stream begins.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LiveStart {
    /// So many events before the end.
    Recent(usize),
    /// Behind the last message that was received.
    Behind(Cursor),
}

/// Starts a stream; it holds its permit until it ends. Dropping the answer's body ends it.
pub(crate) fn start(
    app: Arc<App>,
    reader: Reader,
    seal: Seal,
    start: LiveStart,
    permit: LivePermit,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    // One portion on its way is enough: what is not sent yet is still in the log.
    let (out, portions) = mpsc::channel(1);
    tokio::spawn(async move {
        tokio::select! {
            () = follow(&app, &reader, seal, start, &out) => {}
            () = permit.taken_away() => {}
        }
        drop(permit);
    });
    let events = through(portions).flat_map(stream::iter).map(Ok);
    // An event of its own, since no page is told of a comment. Without an id, so that the cursor stays.
    let heartbeat = Event::default().event("heartbeat").data("{}");
    Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT).event(heartbeat))
}

/// Sends until the reader goes away or may read no longer, the server stops, or the disk fails.
async fn follow(
    app: &Arc<App>,
    reader: &Reader,
    seal: Seal,
    start: LiveStart,
    out: &mpsc::Sender<Vec<Event>>,
) {
    let mut draining = app.draining();
    tokio::select! {
        biased;
        // An error means that the server is gone, which is an end too.
        _ = draining.wait_for(|draining| *draining) => {}
        () = out.closed() => {}
        () = send_on(app, reader, seal, start, out) => {}
    }
}

async fn send_on(
    app: &Arc<App>,
    reader: &Reader,
    seal: Seal,
    start: LiveStart,
    out: &mpsc::Sender<Vec<Event>>,
) {
    let mut committed = app.log.committed();
    let mut rejections = app.rejected.recent.count();
    let mut folded = app.projector.cursor();
    if matches!(start, LiveStart::Recent(1..)) {
        // A reader in a hurry may be faster than the view.
        let end = *committed.borrow();
        app.projector.wait_for(end, PATIENCE).await.ok();
    }
    let opened = blocking(Arc::clone(app), reader.clone(), move |app, reader| {
        Follower::open(app, reader.workspace, seal, start)
    });
    let Some((mut follower, first)) = opened.await else {
        return;
    };
    let head = Event::default().retry(RETRY).id(follower.began());
    let mut events = vec![head];
    events.extend(first);
    let mut has_waited = false;
    loop {
        // Also where there is nothing to send: a reader whose key is revoked meanwhile is no reader.
        if !reader.is_still_good(app) {
            return;
        }
        if !events.is_empty() && out.send(events).await.is_err() {
            return;
        }
        events = Vec::new();
        let end = *committed.borrow_and_update();
        rejections.borrow_and_update();
        folded.borrow_and_update();
        if !follower.has_more(app) {
            tokio::select! {
                Ok(()) = committed.changed() => {}
                Ok(()) = rejections.changed() => {}
                Ok(()) = folded.changed(), if follower.awaits_moves(app) => {}
                () = tokio::time::sleep(HEARTBEAT) => continue,
            }
            // What comes at the same moment is read at once.
            tokio::time::sleep(PACE).await;
        }
        // Once: where the view hangs, the log is read through.
        let is_far_behind = follower.is_far_behind(end);
        if is_far_behind && !has_waited {
            app.projector.wait_for(end, PATIENCE).await.ok();
        }
        has_waited = is_far_behind;
        let round = blocking(Arc::clone(app), reader.clone(), move |app, _| {
            let events = follower.round(app)?;
            Ok((follower, events))
        });
        let Some((same, more)) = round.await else {
            return;
        };
        follower = same;
        events = more;
    }
}

/// Reads where reading may block. After a failure the stream ends, and its reader comes again.
async fn blocking<T: Send + 'static>(
    app: Arc<App>,
    reader: Reader,
    read: impl FnOnce(&App, &Reader) -> Result<T, store::query::QueryError> + Send + 'static,
) -> Option<T> {
    let read = tokio::task::spawn_blocking(move || read(&app, &reader)).await;
    match read {
        Ok(Ok(value)) => Some(value),
        Ok(Err(error)) => {
            tracing::error!(%error, "a live stream could not be read");
            None
        }
        // A panic has been reported by itself.
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::record::WorkspaceKey;

    #[test]
    fn a_cursor_is_read_as_it_is_written_and_nothing_else_is() {
        let seal = Seal::with(WorkspaceKey([1; 32]));
        let read = |text: &str| Cursor::read(text, &seal);
        let cursor = Cursor {
            seq: "7".parse().unwrap(),
            process: 0xbeef,
            rejected: 9,
            moves: None,
        };
        let written = "000000000000000000000007-beef-9";
        assert_eq!(cursor.told(&seal), written);
        assert_eq!(read(written), Ok(cursor));
        // As it was written before.
        assert_eq!(read("7-beef-9"), Ok(cursor));
        let key = MoveKey::behind(Timestamp::from_millis(7));
        let cursor = Cursor {
            moves: Some(key),
            ..cursor
        };
        let told = cursor.told(&seal);
        assert!(!told.contains(&key.to_string()), "{told}");
        assert_eq!(read(&told), Ok(cursor));
        assert_eq!(read(&format!("{written}-{key}")), Ok(cursor));
        for text in [
            "",
            "7",
            "7-beef",
            "7-beef-",
            "-7-beef-9",
            "7-beef-9-1",
            "7-x-9",
            "7-beef-+9",
            "7-+beef-9",
            "+7-beef-9",
        ] {
            assert_eq!(read(text), Err(NotACursor), "{text}");
        }
    }
}
