//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

/// How long a condition may take to come true. Generous: two cores may be busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(40);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Asks until there is an answer, or the time is over.
pub async fn within<T>(time: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + time;
    loop {
        if let Some(answer) = ask().await {
            return Some(answer);
        }
        if Instant::now() >= deadline {
            return None;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Asks until there is an answer.
///
/// # Panics
/// When there is none within [`PATIENCE`]; `what` completes the sentence "waited for …".
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(
            Instant::now() < deadline,
            "waited {PATIENCE:?} in vain for {what}"
        );
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
