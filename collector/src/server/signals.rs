//! What signals do to a server: TERM, INT and HUP end it in good order, USR1 and USR2 do nothing.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Has SIGUSR1 and SIGUSR2 do nothing from now on, rather than kill: other servers turn their logs over
/// on them, and scripts send them. Wants to be called on a runtime.
pub(super) fn ignore_user_signals() -> io::Result<()> {
    // Who listens once stays the one who gets them, also when nobody reads what came.
    drop(signal(SignalKind::user_defined1())?);
    drop(signal(SignalKind::user_defined2())?);
    Ok(())
}

/// The signals that end a server.
pub(super) struct Stop {
    terminate: Signal,
    interrupt: Signal,
    /// `None` where whoever started this process wanted it to outlive its terminal.
    hangup: Option<Signal>,
}

impl Stop {
    /// From now on they end the process only through [`Self::signalled`]. Wants to be called on a
    /// runtime.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: if hangup_is_ignored() {
                None
            } else {
                Some(signal(SignalKind::hangup())?)
            },
        })
    }

    /// Waits for the first of them.
    pub(super) async fn signalled(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = hangup => {}
        }
    }
}

/// Whether SIGHUP was ignored when this process began, as under `nohup`.
fn hangup_is_ignored() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hangup(&status))
}

/// Reads `SigIgn:` of `/proc/PID/status` (proc(5)): a mask in hexadecimal, SIGHUP (1) is its lowest bit.
fn ignores_hangup(status: &str) -> bool {
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_bit_of_the_ignored_signals_is_the_hangup() {
        for (status, ignored) in [
            (
                "Name:\tmisar\nSigIgn:\t0000000000000001\nSigCgt:\t0000000000000000\n",
                true,
            ),
            ("SigIgn:\t0000000000001001\n", true),
            (
                "SigIgn:\t0000000000001000\nSigCgt:\t0000000000000001\n",
                false,
            ),
            ("SigIgn:\tx\n", false),
            ("", false),
        ] {
            assert_eq!(ignores_hangup(status), ignored, "{status}");
        }
    }
}
