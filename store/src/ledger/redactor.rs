//! The thread behind the answers that finds what was erased and takes out of the journal what is hidden.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::inner::Inner;
use super::{LogError, spawn};
use crate::locks::lock;

/// Whether redactions have waited long enough is looked at so often.
const PAUSE: Duration = Duration::from_secs(5);

/// It runs from the first redaction or erasure on.
pub(super) struct Redactor {
    thread: Mutex<Option<JoinHandle<()>>>,
    state: Arc<(Mutex<Redacting>, Condvar)>,
    /// How long a redaction waits for others.
    gathering: Duration,
}

/// What the redactor waits for.
#[derive(Default)]
struct Redacting {
    is_closing: bool,
    /// An erasure has come.
    is_called: bool,
}

impl Redactor {
    pub(super) fn new(gathering: Duration) -> Self {
        Self {
            thread: Mutex::default(),
            state: Arc::default(),
            gathering,
        }
    }

    /// Starts the thread unless it runs.
    pub(super) fn start(&self, inner: &Arc<Inner>) -> Result<(), LogError> {
        let mut thread = lock(&self.thread);
        if thread.is_some() {
            return Ok(());
        }
        let (inner, state, gathering) =
            (Arc::clone(inner), Arc::clone(&self.state), self.gathering);
        *thread = Some(spawn("redactor", move || run(&inner, &state, gathering))?);
        Ok(())
    }

    /// An erasure is on record: what it is of is looked for now.
    pub(super) fn call(&self) {
        lock(&self.state.0).is_called = true;
        self.state.1.notify_all();
    }

    /// Hands out the thread, which ends by itself.
    pub(super) fn stop(&self) -> Option<JoinHandle<()>> {
        lock(&self.state.0).is_closing = true;
        self.state.1.notify_all();
        lock(&self.thread).take()
    }
}

fn run(inner: &Inner, (redacting, wake): &(Mutex<Redacting>, Condvar), gathering: Duration) {
    loop {
        // What a crash left is found at once.
        if let Err(error) = inner.find_erased() {
            tracing::error!(%error, "what was erased is hidden and has not been found in the log yet; it is tried again");
        }
        let pause = PAUSE.min(gathering);
        let is_idle = |state: &mut Redacting| !state.is_closing && !state.is_called;
        let waited = wake.wait_timeout_while(lock(redacting), pause, is_idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.is_closing {
            return;
        }
        if std::mem::take(&mut state.is_called) {
            continue;
        }
        drop(state);
        if inner.books.redactions.are_due(gathering)
            && let Err(error) = inner.purge()
        {
            tracing::error!(%error, "what was redacted is hidden and still on disk; it is tried again");
        }
    }
}
