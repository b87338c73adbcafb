//! What is sent: the event of the published documentation, in many varieties, because equal ones
//! would compress to nothing.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

/// Files with one request body a line.
pub(crate) const SINGLES: &str = "singles";
pub(crate) const BATCHES: &str = "batches";
/// Events in a batch.
pub(crate) const BATCH: u32 = 100;

/// Bytes of one event as JSON, as measured in collectors of this kind.
const EVENT_BYTES: usize = 310;
const SINGLE_LINES: u64 = 1_000;
const BATCH_LINES: u64 = 50;

pub(crate) fn write(folder: &Path) -> io::Result<()> {
    let singles: String = (0..SINGLE_LINES)
        .map(|number| event("", number) + "\n")
        .collect();
    std::fs::write(folder.join(SINGLES), singles)?;
    let mut batches = String::new();
    for line in 0..BATCH_LINES {
        let events: Vec<String> = (0..u64::from(BATCH))
            .map(|number| event(r#""type":"track","#, line * u64::from(BATCH) + number))
            .collect();
        // Writing to a string cannot fail.
        writeln!(batches, r#"{{"events":[{}]}}"#, events.join(",")).ok();
    }
    std::fs::write(folder.join(BATCHES), batches)
}

fn event(start: &str, number: u64) -> String {
    let mut event = format!(
        r#"{{{start}"email":"reader{number}@example.com","event":"trial_started","timestamp":"2025-06-01T10:00:00Z","messageId":"msg_welcome_{}","properties":{{"plan":"pro","trialDays":14,"visit":""#,
        number % 7
    );
    let end = "\"}}";
    // Digits that do not repeat, as real ids do not.
    let mut digits = number;
    while event.len() + end.len() < EVENT_BYTES {
        digits = digits
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        write!(event, "{:08x}", digits >> 32).ok();
    }
    event.truncate(EVENT_BYTES - end.len());
    event + end
}
