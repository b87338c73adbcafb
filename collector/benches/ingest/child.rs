//! A child process that ends when this process does, however that ends: its stdin is a pipe that
//! nobody writes to, and its end tells it to go.

use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Failure;

/// How long a child may take to start or to stop.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Told to end, waited for and at last killed where it is dropped.
pub(crate) struct Tied(Child);

impl Tied {
    pub(crate) fn spawn(command: &mut Command) -> std::io::Result<Self> {
        command.stdin(Stdio::piped()).spawn().map(Self)
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(&mut self, within: Duration) -> Result<std::process::ExitStatus, Failure> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return Err(format!("a child process did not end within {within:?}").into());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}

impl Drop for Tied {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        if self.wait(DEADLINE).is_err() {
            self.0.kill().ok();
            self.0.wait().ok();
        }
    }
}

/// Waits until somebody listens.
pub(crate) fn wait_for_listener(address: SocketAddr) -> Result<(), Failure> {
    let deadline = Instant::now() + DEADLINE;
    while let Err(error) = TcpStream::connect(address) {
        if Instant::now() >= deadline {
            return Err(format!("nobody listens at {address}: {error}").into());
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    Ok(())
}
