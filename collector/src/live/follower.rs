//! One reader's way through a workspace's records and rejections. Blocks on disk; who waits for what
//! is the stream's affair.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::response::sse::Event;

use super::{Cursor, LiveMessage, LiveStart, MAX_RECENT, RejectedView, Skipped};
use crate::app::App;
use crate::seal::Seal;
use crate::segment_moves::MoveView;
use store::query::{self, EventView, QueryError};
use store::record::public_seq::PublicSeq;
use store::record::{Record, Seq, WorkspaceId};
use store::rejected::Rejected;
use store::views::{Beside, Views};

/// Records read at once, and rejections.
const PORTION: usize = 200;
/// A reader that is further behind than so many events is told that it misses some.
const MAX_BACKLOG: usize = 5_000;
/// With so many it goes on then.
const KEPT_OF_BACKLOG: usize = 500;

/// One reader's state.
pub(super) struct Follower {
    workspace: WorkspaceId,
    seal: Seal,
    began: Cursor,
    /// Of what is sent or passed over, as the reader is told it: by the workspace's own records.
    cursor: Cursor,
    /// How far the log is read: behind `cursor`, only other workspaces' records lie up to it.
    at: Seq,
    /// Records that the view has named, to be read before the log is read on.
    named: VecDeque<Seq>,
    /// How far `named` reaches: of the workspace, nothing else lies before.
    named_to: Seq,
}

/// What is sent next, before it is text.
enum Item {
    Tracked(Box<(Record, Beside)>),
    Rejected(u64, Arc<Rejected>),
}

impl Item {
    fn received_at(&self) -> i64 {
        match self {
            Self::Tracked(tracked) => tracked.0.entry.received_at.as_millis(),
            Self::Rejected(_, rejected) => rejected.received_at,
        }
    }
}

impl Follower {
    /// Begins, with the messages that come first.
    pub(super) fn open(
        app: &App,
        workspace: WorkspaceId,
        seal: Seal,
        start: LiveStart,
    ) -> Result<(Self, Vec<Event>), QueryError> {
        match start {
            LiveStart::Recent(count) => Self::open_before_end(app, workspace, seal, count),
            LiveStart::Behind(cursor) => {
                // What a log that was restored from a backup has lost counts as read: what comes
                // then is news.
                let at = app.log.locate(workspace, cursor.seq)?.seq();
                Ok((Self::behind(app, workspace, seal, cursor, at), Vec::new()))
            }
        }
    }

    fn behind(app: &App, workspace: WorkspaceId, seal: Seal, mut cursor: Cursor, at: Seq) -> Self {
        let recent = &app.rejected.recent;
        if cursor.process != recent.process {
            // Of another process: all rejections of this one are news.
            cursor.process = recent.process;
            cursor.rejected = 0;
        }
        // Moves are news from now on, save for who says how far they were told.
        let last = || app.views.last_move(workspace).ok();
        cursor.moves = cursor.moves.or_else(last);
        Self {
            workspace,
            seal,
            began: cursor,
            cursor,
            at,
            named: VecDeque::new(),
            named_to: Seq::START,
        }
    }

    fn open_before_end(
        app: &App,
        workspace: WorkspaceId,
        seal: Seal,
        count: usize,
    ) -> Result<(Self, Vec<Event>), QueryError> {
        let recent = &app.rejected.recent;
        let mut cursor = Cursor {
            seq: PublicSeq::START,
            process: recent.process,
            rejected: recent.last(workspace),
            moves: None,
        };
        // Taken before the seqs: of the workspace, all that lies before it and is not among them is
        // older than they are.
        let reached = app.views.cursor();
        // One more, behind which the stream begins.
        let mut seqs = query::newest_seqs(&app.views, workspace, count.min(MAX_RECENT) + 1)?;
        let before = (seqs.len() > count).then(|| seqs.remove(0));
        if let Some(seq) = before {
            cursor.seq = public_seq(app, seq)?.unwrap_or_default();
        }
        if count == 0 {
            // The view may be behind, and what it does not know yet is no news either.
            let end = *app.log.committed().borrow();
            let unfolded = app.log.read_from(reached, MAX_BACKLOG)?;
            let newest = unfolded
                .iter()
                .rfind(|record| record.seq <= end && record.entry.workspace == workspace);
            cursor.seq = newest.map_or(cursor.seq, |newest| cursor.seq.max(newest.public_seq));
            return Ok((Self::behind(app, workspace, seal, cursor, end), Vec::new()));
        }
        let records = query::records_at(&*app.log, workspace, &seqs)?;
        let rejected = recent.newest(workspace, count);
        let first = seqs.first().map_or(reached, |seq| Seq(seq.0 - 1));
        cursor.rejected = rejected
            .first()
            .map_or(cursor.rejected, |(number, _)| number - 1);
        let mut follower = Self::behind(app, workspace, seal, cursor, reached.min(first));
        let items = merged(&app.views, records, rejected);
        let surplus = items.len().saturating_sub(count);
        let mut events = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            if index < surplus {
                follower.pass(&item);
                follower.began = follower.cursor;
            } else {
                follower.write(&item, &mut events);
            }
        }
        let last = seqs.last().copied().unwrap_or(Seq::START);
        follower.at = follower.at.max(reached).max(last);
        Ok((follower, events))
    }

    /// The cursor before the first message, as the reader is told it.
    pub(super) fn began(&self) -> String {
        self.began.told(&self.seal)
    }

    /// Whether there may be something to send.
    pub(super) fn has_more(&self, app: &App) -> bool {
        !self.named.is_empty()
            || self.at < *app.log.committed().borrow()
            || self.cursor.rejected < app.rejected.recent.last(self.workspace)
            || self.awaits_moves(app) && self.has_moves(app)
    }

    /// Whether anybody may ever move.
    pub(super) fn awaits_moves(&self, app: &App) -> bool {
        let books = app.meta.segment_books();
        books.of_workspace.contains_key(&self.workspace)
    }

    fn has_moves(&self, app: &App) -> bool {
        let last = app.views.last_move(self.workspace);
        last.is_ok_and(|last| Some(last) > self.cursor.moves)
    }

    /// The next moves, as they are sent.
    fn moves(&mut self, app: &App, events: &mut Vec<Event>) {
        if !self.awaits_moves(app) {
            return;
        }
        // Views that cannot be read now keep no event from being shown.
        let behind = self.cursor.moves.unwrap_or_default();
        let moves = app.views.segment_moves(self.workspace, behind, PORTION);
        for moved in moves.unwrap_or_default() {
            self.cursor.moves = Some(moved.of.key);
            events.push(self.event(&LiveMessage::Moved(MoveView::of(moved))));
        }
    }

    /// Whether the view should be asked what there is, rather than the log be read through.
    pub(super) fn is_far_behind(&self, end: Seq) -> bool {
        self.named.is_empty() && end.0.saturating_sub(self.at.0) > MAX_BACKLOG as u64
    }

    /// The next messages, as they are sent.
    pub(super) fn round(&mut self, app: &App) -> Result<Vec<Event>, QueryError> {
        let mut events = Vec::new();
        let end = *app.log.committed().borrow();
        if self.is_far_behind(end) {
            self.ask_view(app, &mut events)?;
        }
        let (records, reached) = if self.named.is_empty() {
            self.read_on(app, end)?
        } else {
            self.read_named(app)?
        };
        let unseen = app
            .rejected
            .recent
            .behind(self.workspace, self.cursor.rejected, PORTION);
        if unseen.missed > 0 {
            self.cursor.rejected += unseen.missed;
            self.skip(unseen.missed, &mut events);
        }
        for item in merged(&app.views, records, unseen.rejected) {
            self.write(&item, &mut events);
        }
        self.at = self.at.max(reached);
        self.moves(app, &mut events);
        Ok(events)
    }

    /// Has the view name what is to be read next, and passes over what is too much.
    fn ask_view(&mut self, app: &App, events: &mut Vec<Event>) -> Result<(), QueryError> {
        let reached = app.views.cursor();
        if reached <= self.at {
            // The view is being built: the log is read through.
            return Ok(());
        }
        let (mut seqs, count) =
            query::seqs_behind(&app.views, self.workspace, self.at, MAX_BACKLOG)?;
        if count > MAX_BACKLOG as u64 {
            if let Some(skipped) = seqs.drain(..seqs.len() - KEPT_OF_BACKLOG).next_back() {
                self.cursor.seq = public_seq(app, skipped)?.unwrap_or(self.cursor.seq);
                self.at = skipped;
            }
            self.skip(count - seqs.len() as u64, events);
        }
        self.named_to = reached.max(seqs.last().copied().unwrap_or(Seq::START));
        self.named = seqs.into();
        if self.named.is_empty() {
            self.at = self.at.max(self.named_to);
        }
        Ok(())
    }

    /// The next records of those named, and how far the workspace is known with them.
    fn read_named(&mut self, app: &App) -> Result<(Vec<Record>, Seq), QueryError> {
        let count = self.named.len().min(PORTION);
        let seqs: Vec<Seq> = self.named.drain(..count).collect();
        let records = query::records_at(&*app.log, self.workspace, &seqs)?;
        let reached = if self.named.is_empty() {
            self.named_to
        } else {
            seqs.last().copied().unwrap_or(Seq::START)
        };
        Ok((records, reached))
    }

    /// The next records of the log, and how far it is read with them.
    fn read_on(&self, app: &App, end: Seq) -> Result<(Vec<Record>, Seq), QueryError> {
        let mut records = app.log.read_from(self.at, PORTION)?;
        // Where nothing comes, what was there was set aside.
        let reached = records.last().map_or(end, |record| record.seq);
        records.retain(|record| record.entry.workspace == self.workspace);
        Ok((records, reached))
    }

    fn skip(&self, count: u64, events: &mut Vec<Event>) {
        events.push(self.event(&LiveMessage::Skipped(Skipped { count })));
    }

    fn pass(&mut self, item: &Item) {
        match item {
            Item::Tracked(tracked) => {
                self.cursor.seq = tracked.0.public_seq;
                self.at = tracked.0.seq;
            }
            Item::Rejected(number, _) => self.cursor.rejected = *number,
        }
    }

    fn write(&mut self, item: &Item, events: &mut Vec<Event>) {
        self.pass(item);
        let message = match item {
            Item::Tracked(tracked) => {
                let (record, beside) = &**tracked;
                LiveMessage::Tracked(Box::new(EventView::of(record, beside.clone())))
            }
            Item::Rejected(_, rejected) => LiveMessage::Rejected(RejectedView::of(rejected)),
        };
        events.push(self.event(&message));
    }

    fn event(&self, message: &LiveMessage) -> Event {
        // Texts, numbers and JSON as it is: nothing of this can fail to serialise.
        let json = serde_json::to_string(message).unwrap_or_default();
        // Properties stand there as the caller wrote them, perhaps with line breaks between their parts, of
        // which each would begin another line of the message; within strings JSON has none.
        let line = json.replace(['\n', '\r'], " ");
        Event::default().id(self.cursor.told(&self.seal)).data(line)
    }
}

fn public_seq(app: &App, seq: Seq) -> Result<Option<PublicSeq>, QueryError> {
    Ok(app.log.public_seqs(&[seq])?.pop().flatten())
}

/// Both in the order of their arrival, and each in its own.
fn merged(views: &Views, records: Vec<Record>, rejected: Vec<(u64, Arc<Rejected>)>) -> Vec<Item> {
    let mut items = Vec::with_capacity(records.len() + rejected.len());
    let mut rejected = rejected
        .into_iter()
        .map(|(number, rejected)| Item::Rejected(number, rejected))
        .peekable();
    // Views that cannot be read now keep no event from being shown.
    let mut beside = views.beside(&records).unwrap_or_default();
    beside.resize_with(records.len(), Beside::default);
    for record in records
        .into_iter()
        .zip(beside)
        .map(|tracked| Item::Tracked(Box::new(tracked)))
    {
        let arrived = record.received_at();
        while let Some(earlier) = rejected.next_if(|item| item.received_at() < arrived) {
            items.push(earlier);
        }
        items.push(record);
    }
    items.extend(rejected);
    items
}
