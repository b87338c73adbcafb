//! A page of what happened with a contact: events from the log, and moves into segments and out of them from their
//! view, merged by the places in the log at which they happened.

use shared::email::Email;

use super::super::super::query::{PageLimit, Value};
use super::super::super::read::ReadMeta;
use super::super::known::Known;
use super::{Timeline, TimelineEntry, TimelineEvent, TimelineMove};
use crate::app::App;
use crate::error::ApiError;
use crate::export::rounded_score;
use crate::seal::Seal;
use crate::segment_moves::MoveView;
use store::ledger::Located;
use store::ledger::decide::Scoring;
use store::query::{self, EventFilter, EventView, Order};
use store::record::public_seq::PublicSeq;
use store::record::{ContactId, Seq, WorkspaceId};
use store::views::segments::{MoveKey, Moved};

/// Behind which entry a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// This event; moves behind it in the log have been told.
    Event(PublicSeq),
    /// This move; events behind it in the log have been told.
    Move(MoveKey),
}

impl Place {
    /// As it is told.
    fn to_cursor(self, seal: &Seal) -> String {
        match self {
            Self::Event(seq) => seq.to_string(),
            Self::Move(key) => seal.of_move(key),
        }
    }
}

/// A place as it was sent.
#[derive(Debug, Clone)]
pub(in crate::routes) struct SentPlace(String);

impl SentPlace {
    /// # Errors
    /// 422 `unknown_seq`.
    fn known(&self, seal: &Seal) -> Result<Place, ApiError> {
        let Self(text) = self;
        let found = match text.parse() {
            Ok(seq) => Some(Place::Event(seq)),
            Err(_) => seal.move_of(text).map(Place::Move),
        };
        found.ok_or(ApiError::UnknownSeq { name: "cursor" })
    }
}

impl Value for SentPlace {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }
}

/// The first page of what happened with a contact, or the one behind a cursor; `None` where nothing is known of them.
/// Blocks on disk.
pub(in crate::routes) fn listed(
    app: &App,
    workspace: WorkspaceId,
    email: &Email,
    cursor: Option<SentPlace>,
) -> Result<Option<Timeline>, ApiError> {
    let asked = Asked {
        email: email.clone(),
        behind: cursor,
        limit: PageLimit::default().get(),
        wanted: Wanted::All,
    };
    let page = asked.of(app, workspace)?;
    let meta = ReadMeta::of(app)?;
    Ok(page.map(|page| Timeline {
        entries: page.entries,
        score: page.score,
        next: page.next,
        meta,
    }))
}

/// A page as it is found.
pub(super) struct Page {
    pub(super) entries: Vec<TimelineEntry>,
    pub(super) score: f64,
    /// By which the score goes.
    pub(super) scoring: Scoring,
    /// As of when that is, in milliseconds since 1970.
    pub(super) at: i64,
    pub(super) next: Option<String>,
}

/// What of all that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    All,
    /// Events that count in the score.
    Counting,
}

pub(super) struct Asked {
    pub(super) email: Email,
    pub(super) behind: Option<SentPlace>,
    pub(super) limit: usize,
    pub(super) wanted: Wanted,
}

/// An entry with where it stands, the last first.
struct Placed {
    /// Of an event its own place in the log, of a move the last before it or its cause's.
    seq: Seq,
    place: Place,
    entry: TimelineEntry,
}

impl Asked {
    /// `None` where nothing is known of the contact. Blocks on disk.
    pub(super) fn of(&self, app: &App, workspace: WorkspaceId) -> Result<Option<Page>, ApiError> {
        let Some(known) = Known::by_address(app, workspace, &self.email)? else {
            return Ok(None);
        };
        let (id, contact) = (known.id, known.contact);
        let seal = Seal::of(&app.meta, workspace).ok_or(ApiError::Internal)?;
        let place = self.behind.as_ref().map(|sent| sent.known(&seal));
        let place = place.transpose()?;
        let behind = behind_in_log(app, workspace, place)?;
        let filter = EventFilter {
            email: Some(self.email.normalised().to_owned()),
            limit: self.limit,
            cursor: behind,
            ..EventFilter::default()
        };
        let at = app.clock.now().as_millis();
        let mut found = Vec::new();
        let mut each = |record: &store::record::Record, event: EventView| {
            let points = contact.points(&record.entry, event.class, at);
            if self.wanted == Wanted::All || points > 0.0 {
                found.push(Placed {
                    seq: record.seq,
                    place: Place::Event(record.public_seq),
                    entry: entry_of(event, rounded_score(points)),
                });
            }
        };
        let log = &*app.log;
        let passed = query::each_event(&app.views, log, workspace, &filter, &mut each)?;
        // Moves before the last event that was looked at come with those that follow it.
        let until = match passed {
            Some(passed) => app.log.locate(workspace, passed)?.seq(),
            None => Seq::START,
        };
        let is_behind = |key: MoveKey| match place {
            Some(Place::Move(last)) => key < last,
            _ => behind.is_none_or(|behind| key.seq() < behind),
        };
        let wanted = |key: MoveKey| is_behind(key) && key.seq() >= until;
        for moved in self.moves(app, workspace, id, wanted)? {
            found.push(Placed {
                seq: moved.of.key.seq(),
                place: Place::Move(moved.of.key),
                entry: TimelineEntry::Segment(Box::new(TimelineMove::of(moved))),
            });
        }
        // What an event brought about came behind it. Moves stand in their own order already.
        let is_event = |placed: &Placed| matches!(placed.place, Place::Event(_));
        found.sort_by_key(|placed| (std::cmp::Reverse(placed.seq), is_event(placed)));
        let next = match found.len() > self.limit {
            true => {
                found.truncate(self.limit);
                found.last().map(|last| last.place)
            }
            false => passed.map(Place::Event),
        };
        Ok(Some(Page {
            entries: found.into_iter().map(|placed| placed.entry).collect(),
            score: rounded_score(contact.score_at(at)),
            scoring: contact.scoring,
            at,
            next: next.map(|place| place.to_cursor(&seal)),
        }))
    }

    /// The moves that may be on the page, the newest first, one more than fits.
    fn moves(
        &self,
        app: &App,
        workspace: WorkspaceId,
        contact: ContactId,
        wanted: impl Fn(MoveKey) -> bool,
    ) -> Result<Vec<Moved>, ApiError> {
        let books = app.meta.segment_books();
        if self.wanted != Wanted::All || !books.of_workspace.contains_key(&workspace) {
            return Ok(Vec::new());
        }
        let (order, most) = (Order::NewestFirst, self.limit + 1);
        let moves = app
            .views
            .segment_moves_of(workspace, contact, order, wanted, most)?;
        Ok(moves)
    }
}

/// Before which place in the log the events of a page lie.
fn behind_in_log(
    app: &App,
    workspace: WorkspaceId,
    behind: Option<Place>,
) -> Result<Option<Seq>, ApiError> {
    Ok(match behind {
        None => None,
        Some(Place::Move(key)) => Some(key.seq().next()),
        Some(Place::Event(seq)) => Some(match app.log.locate(workspace, seq)? {
            Located::At(seq) => seq,
            // The page begins with what is left of those before it.
            Located::Behind(seq) => seq.next(),
        }),
    })
}

impl TimelineMove {
    fn of(moved: Moved) -> Self {
        let moved = MoveView::of(moved);
        Self {
            name: moved.r#type,
            timestamp: moved.time.clone(),
            moved,
        }
    }
}

fn entry_of(event: EventView, points: f64) -> TimelineEntry {
    use store::record::identity::FactKind as F;
    let kind = event.kind;
    let event = Box::new(TimelineEvent { event, points });
    match kind {
        F::Track | F::Identify | F::Purchase | F::Refund | F::Amend | F::Erase => {
            TimelineEntry::Event(event)
        }
        F::Send
        | F::Open
        | F::Click
        | F::Unsubscribe
        | F::Told
        | F::Delivery
        | F::Suppress
        | F::Lift => TimelineEntry::Mail(event),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::record::WorkspaceKey;

    #[test]
    fn a_cursor_leads_back_to_its_place() {
        let seal = Seal::with(WorkspaceKey([1; 32]));
        let seq: PublicSeq = "000000000000000000000007".parse().unwrap();
        let key = MoveKey::behind(shared::time::Timestamp::from_millis(7));
        for place in [Place::Event(seq), Place::Move(key)] {
            let sent = SentPlace::parse(&place.to_cursor(&seal)).unwrap();
            assert_eq!(sent.known(&seal).unwrap(), place);
        }
        // As it was told before.
        let sent = SentPlace(key.to_string());
        assert_eq!(sent.known(&seal).unwrap(), Place::Move(key));
        assert!(SentPlace("x".to_owned()).known(&seal).is_err());
    }
}
