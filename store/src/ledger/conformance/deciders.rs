//! Two ledgers over one journal: the stale one loses by the position that it expects, tells nobody what
//! is not so, and goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::ledger_over;
use super::subject::*;
use crate::journal::block::Packed;
use crate::journal::{AppendError, BlockChange, Journal, JournalError, Later, Visit, wait};
use crate::ledger::{Appended, Log, LogError, Submission};
use crate::locks::lock;
use crate::record::Seq;

/// Nobody loses so often unless the journal never lets them win.
const TRIES: usize = 100_000;

/// Sends until there is an answer, as clients do.
async fn insist(log: &dyn Log, submission: Submission) -> Appended {
    for _ in 0..TRIES {
        match log.append(vec![submission.clone()]).await {
            Ok(mut outcomes) => return places(std::mem::take(&mut outcomes)).remove(0),
            Err(LogError::Unavailable | LogError::Overloaded) => tokio::task::yield_now().await,
            Err(other) => panic!("{other}"),
        }
    }
    panic!("no answer after {TRIES} tries");
}

/// The same events are sent to both, at once.
pub(super) async fn each_event_once(journal: Arc<dyn Journal>) {
    const EVENTS: u32 = 60;
    let before = *journal.committed().borrow();
    let deciders: Vec<Arc<dyn Log>> = (0..2)
        .map(|_| Arc::new(ledger_over(Arc::clone(&journal))) as Arc<dyn Log>)
        .collect();
    let senders: Vec<_> = deciders
        .iter()
        .flat_map(|log| (0..2).map(move |_| Arc::clone(log)))
        .map(|log| {
            tokio::spawn(async move {
                let mut answers = Vec::new();
                for number in 0..EVENTS {
                    answers.push(insist(&*log, track(number)).await);
                    let order = purchase(1_000 + number, &format!("order {number}"), 100);
                    answers.push(insist(&*log, order).await);
                }
                answers
            })
        })
        .collect();
    let mut tracked: BTreeMap<Seq, usize> = BTreeMap::new();
    let mut duplicates = 0;
    for sender in senders {
        for answer in sender.await.unwrap() {
            match answer {
                Appended::Tracked { seq, .. } => *tracked.entry(seq).or_default() += 1,
                Appended::Duplicate { .. } => duplicates += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(
        (tracked.len(), duplicates),
        (2 * EVENTS as usize, 6 * EVENTS as usize)
    );
    assert!(
        tracked.values().all(|times| *times == 1),
        "one place was given twice"
    );
    // A third that was not there finds each of them once, at the place that was told.
    let third = ledger_over(journal);
    let records = third.read_from(before, usize::MAX).unwrap();
    let places: Vec<Seq> = records.iter().map(|record| record.seq).collect();
    assert_eq!(places, tracked.into_keys().collect::<Vec<_>>());
}

/// What another has decided meanwhile is known before the next decision, also where nothing would be
/// appended.
pub(super) async fn learns_first(journal: Arc<dyn Journal>) {
    let [first, second] = [0, 1].map(|_| ledger_over(Arc::clone(&journal)));
    let (first, second): (&dyn Log, &dyn Log) = (&first, &second);
    for round in 0..5 {
        let order = format!("order {round}");
        let Appended::Tracked { seq, .. } =
            insist(first, purchase(round * 10, &order, 1_000)).await
        else {
            panic!("the order is new");
        };
        let again = insist(second, purchase(round * 10 + 1, &order, 1_000)).await;
        let known = Appended::Duplicate {
            id: id(round * 10),
            seq,
        };
        assert_eq!(again, known);
        let refunded = insist(second, refund(round * 10 + 2, &order, &order, Some("4"))).await;
        assert!(matches!(refunded, Appended::Tracked { .. }), "{refunded:?}");
        let too_much = insist(first, refund(round * 10 + 3, &order, "more", Some("7"))).await;
        assert!(matches!(too_much, Appended::Refused(_)), "{too_much:?}");
        let renamed = insist(first, identify(round * 10 + 2)).await;
        assert_eq!(renamed, Appended::IdConflict);
    }
}

/// A journal as one decider sees it that is overtaken: between its decision and its append somebody
/// else does something.
struct Overtaken {
    inner: Arc<dyn Journal>,
    meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Journal for Overtaken {
    fn append(&self, end: Seq, blocks: Vec<Packed>) -> Later<'_, Result<Seq, AppendError>> {
        if let Some(meanwhile) = lock(&self.meanwhile).take() {
            meanwhile();
        }
        self.inner.append(end, blocks)
    }

    fn read(&self, from: Seq, visit: &mut Visit<'_>) -> Result<(), JournalError> {
        self.inner.read(from, visit)
    }

    fn committed(&self) -> watch::Receiver<Seq> {
        self.inner.committed()
    }

    fn floor(&self) -> Seq {
        self.inner.floor()
    }

    fn settle(&self) -> Later<'_, Result<Seq, JournalError>> {
        self.inner.settle()
    }

    fn rewrite(
        &self,
        places: &BTreeSet<Seq>,
        change: &mut BlockChange<'_>,
    ) -> Result<(), JournalError> {
        self.inner.rewrite(places, change)
    }

    fn drop_before(&self, seq: Seq) -> Result<Seq, JournalError> {
        self.inner.drop_before(seq)
    }

    fn is_sound(&self) -> bool {
        self.inner.is_sound()
    }

    fn close(&self) -> Later<'_, Result<(), JournalError>> {
        self.inner.close()
    }
}

/// One decides that an event is new; before it appends, the other has tracked the same.
pub(super) async fn stale_one_is_silent(journal: Arc<dyn Journal>) {
    let before = *journal.committed().borrow();
    let quick = Arc::new(ledger_over(Arc::clone(&journal)));
    let overtaken = Arc::new(Overtaken {
        inner: Arc::clone(&journal),
        meanwhile: Mutex::default(),
    });
    let slow = ledger_over(Arc::clone(&overtaken) as _);
    for number in 0..3 {
        let answer = Arc::new(Mutex::new(None));
        let (of_quick, quick) = (Arc::clone(&answer), Arc::clone(&quick));
        let meanwhile = move || {
            *lock(&of_quick) = Some(wait(quick.append(vec![track(number)])));
        };
        *lock(&overtaken.meanwhile) = Some(Box::new(meanwhile));
        let stale = slow.append(vec![track(number)]).await;
        assert!(matches!(stale, Err(LogError::Unavailable)), "{stale:?}");
        let tracked = lock(&answer).take().unwrap().unwrap().remove(0);
        let Appended::Tracked { seq, .. } = tracked else {
            panic!("{tracked:?}");
        };
        // It has read on, and knows.
        let known = Appended::Duplicate {
            id: id(number),
            seq,
        };
        assert_eq!(append(&slow, track(number)).await, known);
        let next = append(&slow, track(100 + number)).await;
        assert!(matches!(next, Appended::Tracked { .. }), "{next:?}");
    }
    let records = ledger_over(journal).read_from(before, usize::MAX).unwrap();
    let ids: Vec<_> = records.iter().map(|record| record.entry.id).collect();
    assert_eq!(ids, [0, 100, 1, 101, 2, 102].map(id));
}
