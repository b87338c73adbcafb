//! The projector: follows the log and folds it into the views, a few milliseconds behind the
//! acknowledgement. What a fold writes stands in `views`.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shared::time::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::ledger::Log;
use crate::locks::lock;
use crate::record::{Seq, WorkspaceId};
use crate::views::{Building, FOLD_RECORDS, ViewError, Views, next_batch};

#[cfg(test)]
mod tests;

/// Folds follow each other no faster than this, so that under load a block of the log is read for many
/// events at once. The first fold after a pause starts at once.
const PACE: Duration = Duration::from_millis(20);
/// How long what has been folded stays unwritten, where no more than that makes a checkpoint due.
const WRITE_EVERY: Duration = Duration::from_secs(10);
/// The pause after a failed fold; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// What is due is looked for at least so often while something is waited for: clocks are set, and machines sleep.
const LONGEST_WAIT: Duration = Duration::from_millis(250);
/// So many portions of contacts are asked about what is new between two folds.
const HOLD_PORTIONS: usize = 4;
/// Of `behind_since`: nothing is known to wait.
const NOTHING_WAITS: i64 = i64::MIN;

/// The views have not reached what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the views have reached {cursor}")]
pub struct Behind {
    /// What they have reached.
    pub cursor: Seq,
}

/// Keeps the views up with the log. Dropped without [`Self::close`], it stops and writes nothing.
pub struct Projector {
    shared: Arc<SharedFold>,
    /// True stops the follower.
    stop: watch::Sender<bool>,
    /// `None` once closed.
    follower: Mutex<Option<JoinHandle<()>>>,
}

struct SharedFold {
    log: Arc<dyn Log>,
    views: Arc<Views>,
    clock: Arc<dyn Clock>,
    /// How far the views reflect the log.
    cursor: watch::Sender<Seq>,
    /// When the oldest record that waits was received, in milliseconds since 1970.
    behind_since: AtomicI64,
    /// Held while folding, so that no fold comes between a rebuild's last one and its swap.
    folding: Mutex<()>,
    /// Held while rebuilding: one at a time, and closing waits for it.
    rebuilding: Arc<tokio::sync::Mutex<()>>,
    stopping: AtomicBool,
    /// There is something to do that no record tells of.
    nudged: Notify,
    /// What the log has promised, and the record up to which the fold must come before the clock may move there.
    promised: Mutex<Option<(Timestamp, Seq)>>,
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    CaughtUp,
    Folded,
    /// More waits than one fold takes.
    Full,
}

impl Projector {
    /// Starts following the log, on the runtime that this is called on, and opens the views where that has been put
    /// off. Until they reflect what the log holds now, nobody reads them.
    pub fn start(log: Arc<dyn Log>, views: Arc<Views>, clock: Arc<dyn Clock>) -> Self {
        views.owe(*log.committed().borrow());
        let shared = Arc::new(SharedFold {
            cursor: watch::Sender::new(views.cursor()),
            log,
            views,
            clock,
            behind_since: AtomicI64::new(NOTHING_WAITS),
            folding: Mutex::new(()),
            rebuilding: Arc::default(),
            stopping: AtomicBool::new(false),
            nudged: Notify::new(),
            promised: Mutex::default(),
        });
        shared.nudged.notify_one();
        let (stop, stopped) = watch::channel(false);
        let follower = tokio::spawn(follow(Arc::clone(&shared), stopped));
        Self {
            shared,
            stop,
            follower: Mutex::new(Some(follower)),
        }
    }

    /// How far the views reflect the log, and a wake-up for whoever follows them.
    pub fn cursor(&self) -> watch::Receiver<Seq> {
        self.shared.cursor.subscribe()
    }

    /// How long the oldest committed record that the views do not reflect has waited since it was
    /// received, in milliseconds; 0 when they reflect all.
    pub fn lag_ms(&self) -> u64 {
        let behind = *self.shared.cursor.borrow() < *self.shared.log.committed().borrow();
        let since = self.shared.behind_since.load(Ordering::Acquire);
        if !behind || since == NOTHING_WAITS {
            return 0;
        }
        let lag = self.shared.clock.now().as_millis().saturating_sub(since);
        // Behind is never shown as caught up, whatever the clock does.
        u64::try_from(lag).unwrap_or(0).max(1)
    }

    /// Waits until the views reflect `seq`.
    ///
    /// # Errors
    /// [`Behind`] after `timeout`.
    pub async fn wait_for(&self, seq: Seq, timeout: Duration) -> Result<(), Behind> {
        let mut cursor = self.shared.cursor.subscribe();
        let reached = cursor.wait_for(|cursor| *cursor >= seq);
        match tokio::time::timeout(timeout, reached).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Behind {
                cursor: *self.shared.cursor.borrow(),
            }),
        }
    }

    /// Waits until the views may be read. Not for one that is built anew beside the others: that takes longer than
    /// anybody waits, and whoever reads it is told.
    ///
    /// # Errors
    /// How far they are, after `timeout`.
    pub async fn wait_until_built(&self, timeout: Duration) -> Result<(), Building> {
        let views = &self.shared.views;
        if views.building_abreast().is_none() {
            return Ok(());
        }
        let mut cursor = self.shared.cursor.subscribe();
        let built = cursor.wait_for(|_| views.building_abreast().is_none());
        drop(tokio::time::timeout(timeout, built).await);
        views.building_abreast().map_or(Ok(()), Err)
    }

    /// Builds the views anew beside those in use, then puts them in their place. Queries go on
    /// against the old ones until then. `progress` is told the seqs done and in all. Returns how
    /// many records were folded.
    ///
    /// # Errors
    /// [`ViewError::Busy`] while another rebuild runs, [`ViewError::Stopped`] when closing, and
    /// whatever makes a fold fail; the views in use stay then.
    pub async fn rebuild(
        &self,
        mut progress: impl FnMut(u64, u64) + Send + 'static,
    ) -> Result<u64, ViewError> {
        let turn = Arc::clone(&self.shared.rebuilding)
            .try_lock_owned()
            .map_err(|_| ViewError::Busy)?;
        let shared = Arc::clone(&self.shared);
        blocking("rebuilding", move || {
            // Held by the work rather than by the future: who drops that does not end the work.
            let _turn = turn;
            shared.rebuild(&mut progress)
        })
        .await
    }

    /// Brings the views to the settings of today; see [`Views::apply_settings`]. Where a half-life has changed, they
    /// are built anew beside those that are read.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn apply_settings(&self) -> Result<(), ViewError> {
        let views = Arc::clone(&self.shared.views);
        blocking("applying settings", move || views.apply_settings()).await?;
        self.shared.follow_half_lives().await
    }

    /// There is something to do that no record tells of: a definition that is to hold.
    pub fn nudge(&self) {
        self.shared.nudged.notify_one();
    }

    /// Waits until what was due by now has happened. Where nothing is waited for it comes back at once.
    ///
    /// # Errors
    /// [`ViewError`], where it could not be made to.
    pub async fn reach_now(&self) -> Result<(), ViewError> {
        let now = self.shared.clock.now();
        let next = self.shared.views.next_due();
        if next.is_none_or(|due| due > now.as_millis()) {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        blocking("passing time", move || shared.reach(now)).await
    }

    /// Waits until every definition that was asked for holds, or until the timeout; whether they do.
    pub async fn wait_until_held(&self, timeout: Duration) -> bool {
        self.nudge();
        let views = &self.shared.views;
        let mut cursor = self.shared.cursor.subscribe();
        let held = cursor.wait_for(|_| !views.is_segment_unsettled());
        drop(tokio::time::timeout(timeout, held).await);
        !views.is_segment_unsettled()
    }

    /// Waits until all facts are there of a workspace that has come to use segments, or until the timeout.
    pub async fn wait_until_filled(&self, workspace: WorkspaceId, timeout: Duration) {
        let views = &self.shared.views;
        let is_whole = || matches!(views.segments_filling(workspace), Ok(None));
        if is_whole() {
            return;
        }
        self.nudge();
        let mut cursor = self.shared.cursor.subscribe();
        let filled = cursor.wait_for(|_| is_whole());
        drop(tokio::time::timeout(timeout, filled).await);
    }

    /// Folds what is committed, writes and closes the views, and stops. The log must still be
    /// readable. A second call does nothing.
    ///
    /// # Errors
    /// [`ViewError`] where the last folds could not be made or written; the next start makes up for
    /// them. The views are closed all the same.
    pub async fn close(&self) -> Result<(), ViewError> {
        let follower = lock(&self.follower).take();
        let Some(follower) = follower else {
            return Ok(());
        };
        self.shared.stopping.store(true, Ordering::Release);
        self.stop.send_replace(true);
        // It ends by itself; a panic in it has been reported by then, and what matters follows.
        drop(follower.await);
        let _rebuilt = self.shared.rebuilding.lock().await;
        let shared = Arc::clone(&self.shared);
        blocking("closing", move || {
            if shared.views.is_unopened() {
                return Ok(());
            }
            let end = *shared.log.committed().borrow();
            let folded = loop {
                match shared.step() {
                    Ok(Step::Folded | Step::Full) if shared.views.cursor() < end => {}
                    step => break step.map(drop),
                }
            };
            // Closed in any case, then the first error told.
            let closed = shared.views.close();
            folded.and(closed)
        })
        .await
    }
}

/// Follows the log until it is told to stop, or nobody is left to tell it.
async fn follow(shared: Arc<SharedFold>, mut stop: watch::Receiver<bool>) {
    if !shared.open(&mut stop).await {
        return;
    }
    let outlived = Arc::clone(&shared);
    tokio::spawn(async move {
        // Where it changed shortly before a stop, or while no server ran.
        match outlived.follow_half_lives().await {
            Ok(()) | Err(ViewError::Stopped | ViewError::Closed) => {}
            Err(error) => tracing::error!(%error, "scores go by a half-life of before"),
        }
    });
    let mut committed = shared.log.committed();
    let mut next_fold = Instant::now();
    // When what has been folded must be written, and the checkpoint that is being written.
    let mut write_due = None;
    let mut writing: Option<JoinHandle<Result<(), ViewError>>> = None;
    let mut pause = FIRST_PAUSE;
    // What was committed when nothing was left to read: nothing waits until there is more.
    let mut exhausted = Seq::START;
    let mut was_building = false;
    // There is work that no record tells of.
    let mut is_nudged = false;
    loop {
        shared.tell_building(&mut was_building);
        let upto = *committed.borrow_and_update();
        let news_wait = upto > *shared.cursor.borrow() && upto != exhausted;
        let waits = news_wait || shared.views.cursor_beside().is_some();
        if news_wait {
            shared.note_waiting();
        }
        // Where folds run far ahead of what is written, they wait for it.
        let may_fold = writing.is_none() || !shared.views.is_checkpoint_overdue();
        let far = Instant::now() + LONGEST_PAUSE;
        let fold_at = match (may_fold, waits, is_nudged) {
            (false, ..) => far,
            (true, true, _) => next_fold,
            (true, false, true) => Instant::now(),
            (true, false, false) => shared.due_in().map_or(far, |wait| Instant::now() + wait),
        };
        let write_at = write_due.filter(|_| writing.is_none()).unwrap_or(far);
        let mut worked = Ok(());
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            written = ended(&mut writing) => {
                writing = None;
                worked = written;
            }
            () = shared.views.damaged() => {}
            () = shared.nudged.notified(), if !is_nudged => {
                is_nudged = true;
                continue;
            }
            () = tokio::time::sleep_until(fold_at.min(write_at)) => {}
            // While a fold waits for its turn, news changes nothing.
            news = committed.changed(), if !waits => match news {
                Ok(()) => continue,
                Err(_) => break,
            },
        }
        if worked.is_ok() && shared.views.is_spoilt() {
            let renewing = Arc::clone(&shared);
            worked = blocking("beginning anew", move || renewing.renew()).await;
        }
        let now = Instant::now();
        if worked.is_ok() && write_at <= now {
            let views = Arc::clone(&shared.views);
            let write = tokio::task::spawn_blocking(move || views.checkpoint());
            writing = Some(write);
            write_due = None;
        }
        if worked.is_ok() && fold_at <= now {
            let stepping = Arc::clone(&shared);
            worked = match blocking("folding", move || stepping.step()).await {
                Ok(Step::CaughtUp) => {
                    exhausted = upto;
                    is_nudged = false;
                    if shared.views.is_checkpoint_due() {
                        write_due.get_or_insert(now);
                    }
                    Ok(())
                }
                Ok(step) => {
                    is_nudged = step == Step::Full;
                    let due = write_due.get_or_insert(now + WRITE_EVERY);
                    if shared.views.is_checkpoint_due() {
                        *due = now;
                    }
                    // Far behind, time is better spent folding.
                    next_fold = if step == Step::Full { now } else { now + PACE };
                    pause = FIRST_PAUSE;
                    Ok(())
                }
                Err(error) => Err(error),
            };
        }
        if let Err(error) = worked {
            tracing::error!(%error, "the views could not be written; trying again");
            exhausted = Seq::START;
            next_fold = Instant::now() + pause;
            pause = (pause * 2).min(LONGEST_PAUSE);
            shared.recover(error).await;
        }
    }
    // Whoever closes the views waits for it by their lock; its outcome shows there.
    drop(writing);
}

/// The outcome of what is being written; never where nothing is.
async fn ended(writing: &mut Option<JoinHandle<Result<(), ViewError>>>) -> Result<(), ViewError> {
    match writing {
        Some(writing) => writing
            .await
            .unwrap_or_else(|error| Err(ViewError::Storage(format!("writing: {error}")))),
        None => std::future::pending().await,
    }
}

impl SharedFold {
    /// Builds the views anew for as long as scores go by a half-life of before.
    async fn follow_half_lives(self: &Arc<Self>) -> Result<(), ViewError> {
        while self.views.is_half_life_outlived()? {
            let turn = Arc::clone(&self.rebuilding).lock_owned().await;
            let shared = Arc::clone(self);
            let built = blocking("rebuilding", move || {
                let _turn = turn;
                // Another rebuild may have done it.
                if shared.views.is_half_life_outlived()? {
                    shared.rebuild(&mut |_, _| {})?;
                }
                Ok(())
            });
            match built.await {
                Ok(()) => {}
                // A workspace has come to use segments meanwhile.
                Err(ViewError::Busy) => tokio::time::sleep(LONGEST_PAUSE).await,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Opens the views where that has been put off, however often it takes; false where it is told to stop first.
    async fn open(&self, stop: &mut watch::Receiver<bool>) -> bool {
        let mut pause = FIRST_PAUSE;
        loop {
            let views = Arc::clone(&self.views);
            let Err(error) = blocking("opening", move || views.open_now()).await else {
                // What the clock was moved to before stays promised.
                let clock = Timestamp::from_millis(self.views.clock());
                self.log.promise(clock);
                self.publish(Seq::START);
                return true;
            };
            tracing::error!(%error, "the views could not be opened; trying again");
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return false,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Folds the next records, if any, then does what no record tells of.
    fn step(&self) -> Result<Step, ViewError> {
        let _folding = lock(&self.folding);
        let step = self.step_records()?;
        let more = self.step_time()?;
        Ok(if more { Step::Full } else { step })
    }

    fn step_records(&self) -> Result<Step, ViewError> {
        let committed = *self.log.committed().borrow();
        let cursor = self.views.cursor();
        let mut records = self.log.hand_over(cursor, FOLD_RECORDS);
        if records.is_empty() {
            records = next_batch(&*self.log, cursor)?;
        }
        let beside = self.step_beside()?;
        let Some(oldest) = records.first() else {
            // Nothing is there up to `committed` but what was set aside, so nobody need wait for it.
            self.behind_since.store(NOTHING_WAITS, Ordering::Release);
            self.views.owe_nothing();
            self.publish(committed);
            return Ok(if beside { Step::Full } else { Step::CaughtUp });
        };
        let received = oldest.entry.received_at.as_millis();
        self.behind_since.store(received, Ordering::Release);
        self.views.fold(&records)?;
        let last = records.last().unwrap_or(oldest);
        let received = last.entry.received_at.as_millis();
        let waiting = if last.seq >= committed {
            NOTHING_WAITS
        } else {
            // The next record came soon after this one; the next step knows better.
            received
        };
        self.behind_since.store(waiting, Ordering::Release);
        self.publish(Seq::START);
        Ok(if beside || records.len() >= FOLD_RECORDS {
            Step::Full
        } else {
            Step::Folded
        })
    }

    /// Does what is due by now, has definitions hold that were asked for, and takes in facts of before for who has
    /// come to use segments. Returns whether there is more to do at once.
    fn step_time(&self) -> Result<bool, ViewError> {
        let mut held = self.views.hold_some(HOLD_PORTIONS)?;
        if held.is_some() {
            self.wake();
        }
        if let Some(from) = self.views.fill_from()? {
            let records = next_batch(&*self.log, from)?;
            self.views.fill(&records, from)?;
            self.wake();
            return Ok(true);
        }
        let now = self.clock.now();
        let is_due = self
            .views
            .next_due()
            .is_some_and(|due| due <= now.as_millis());
        // One after the other, so that records need not wait for what is half done.
        let is_pending = self.views.is_segment_pending()
            && held != Some(true)
            && self.views.cursor_beside().is_none();
        if !is_due && !is_pending {
            return Ok(held == Some(true));
        }
        let Some(now) = self.promised(now) else {
            return Ok(true);
        };
        self.views.advance(now.as_millis())?;
        if is_pending {
            self.views.begin_to_hold(now.as_millis())?;
            // Begun before the next record comes, it does not keep that waiting.
            held = self.views.hold_some(HOLD_PORTIONS)?;
        }
        self.wake();
        Ok(held == Some(true))
    }

    /// The instant before which nothing arrives any more that is not folded: this one, or one that was asked for before
    /// and has waited for the fold. `None` while it waits.
    fn promised(&self, now: Timestamp) -> Option<Timestamp> {
        let mut waiting = lock(&self.promised);
        let (instant, last) = *waiting.get_or_insert_with(|| (now, self.log.promise(now)));
        let is_folded = *self.cursor.borrow() >= last;
        is_folded.then(|| {
            *waiting = None;
            instant
        })
    }

    /// Makes happen what was due by then.
    fn reach(&self, instant: Timestamp) -> Result<(), ViewError> {
        let _folding = lock(&self.folding);
        let last = self.log.promise(instant);
        while *self.cursor.borrow() < last {
            self.step_records()?;
        }
        // As far as it must be before time may pass.
        self.views.hold_some(1)?;
        self.views.advance(instant.as_millis())?;
        // Who follows moves is told of those too that somebody else's question has brought about.
        self.wake();
        Ok(())
    }

    /// How long it is until something is due; `None` where nothing is waited for.
    fn due_in(&self) -> Option<Duration> {
        let due = self.views.next_due()?;
        let wait = due.saturating_sub(self.clock.now().as_millis());
        let wait = Duration::from_millis(u64::try_from(wait).unwrap_or(0));
        Some(wait.min(LONGEST_WAIT))
    }

    /// Folds the next old records into views that are built anew beside the others; false where there are none.
    fn step_beside(&self) -> Result<bool, ViewError> {
        let Some(cursor) = self.views.cursor_beside() else {
            return Ok(false);
        };
        self.views.fold_beside(&next_batch(&*self.log, cursor)?)?;
        self.wake();
        Ok(true)
    }

    /// Begins views anew that were found damaged while they were read.
    fn renew(&self) -> Result<(), ViewError> {
        let _folding = lock(&self.folding);
        self.views.renew()?;
        self.wake();
        Ok(())
    }

    /// Tells everybody how far the views are: as far as their cursor, and at least `at_least`.
    fn publish(&self, at_least: Seq) {
        self.cursor.send_replace(self.views.cursor().max(at_least));
    }

    /// Whoever waits for something that no record tells of looks again.
    fn wake(&self) {
        // What is borrowed is locked, until the end of its statement.
        let reached = *self.cursor.borrow();
        self.publish(reached);
    }

    /// Says in the log when views are being built, and when they are built.
    fn tell_building(&self, was_building: &mut bool) {
        let building = self.views.building();
        match building {
            Some(building) if !*was_building => tracing::info!(
                percent = building.percent(),
                "the views are being built: reads of them are answered with 503 until that is done"
            ),
            None if *was_building => tracing::info!("the views are built"),
            _ => {}
        }
        *was_building = building.is_some();
    }

    /// Starts the lag's clock where it does not run yet.
    fn note_waiting(&self) {
        let now = self.clock.now().as_millis();
        // Where another time stands there, that one is older: leave it.
        let _ = self.behind_since.compare_exchange(
            NOTHING_WAITS,
            now,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
    }

    /// After a failure: opens the views again, because redb takes nothing more after an I/O error.
    async fn recover(self: &Arc<Self>, error: ViewError) {
        let start_over = match error {
            ViewError::Damaged(_) => !self.views.knows_what_is_spoilt(),
            ViewError::Storage(_) | ViewError::Closed => false,
            // The file is not at fault.
            ViewError::Log(_)
            | ViewError::NoKey(_)
            | ViewError::Building(_)
            | ViewError::Busy
            | ViewError::Stopped => return,
        };
        let shared = Arc::clone(self);
        let reopened = blocking("opening", move || {
            let _folding = lock(&shared.folding);
            // Readers have seen no more than that.
            let seen = *shared.log.committed().borrow();
            shared.views.reopen(start_over, seen)?;
            shared.publish(Seq::START);
            Ok(())
        })
        .await;
        if let Err(error) = reopened {
            tracing::error!(%error, "the views could not be opened again");
        }
    }

    fn rebuild(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<u64, ViewError> {
        let draft = self.views.draft()?;
        let stop = || self.stopping.load(Ordering::Acquire);
        let mut build = || {
            let mut folded = 0;
            loop {
                let end = *self.log.committed().borrow();
                let more = draft.catch_up(&*self.log, end, &stop, progress)?;
                folded += more;
                if more <= FOLD_RECORDS as u64 {
                    break;
                }
            }
            // Most of it now, so that what folding waits for is short.
            draft.checkpoint()?;
            let folding = lock(&self.folding);
            folded += draft.catch_up(&*self.log, self.views.cursor(), &stop, progress)?;
            if draft.fill_from()?.is_some() {
                // A workspace has come to use segments meanwhile: definitions must not hold without what was before.
                return Err(ViewError::Busy);
            }
            draft.hold()?;
            draft.advance(self.views.clock())?;
            // They may have changed since the draft was begun.
            draft.apply_settings()?;
            Ok((folded, folding))
        };
        match build() {
            Ok((folded, _folding)) => {
                self.views.adopt(draft)?;
                self.wake();
                Ok(folded)
            }
            Err(error) => {
                draft.discard();
                Err(error)
            }
        }
    }
}

/// Runs work that blocks on disk where it may block; a panic in it is an error like any other.
async fn blocking<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> Result<T, ViewError> + Send + 'static,
) -> Result<T, ViewError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(ViewError::Storage(format!("{doing}: {error}"))))
}
