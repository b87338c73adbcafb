//! What the service manager is told, in systemd's way (`sd_notify(3)`): datagrams to the socket that
//! `NOTIFY_SOCKET` names. Where it names none, nothing is told.
//!
//! Own lines rather than the crate `sd-notify`: that one knows no sockets in the abstract namespace,
//! which containers are given.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

/// A manager that takes nothing for so long is not told that the server is ready.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// The service manager that started this process, if one wants to be told.
#[derive(Debug, Default)]
pub(super) struct ServiceManager {
    socket: Option<UnixDatagram>,
    /// How often a sign of life is wanted.
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The one that `NOTIFY_SOCKET` names. That it cannot be reached stops no server.
    pub(super) fn of_environment() -> Self {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET") else {
            return Self::default();
        };
        let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
        let pid = number("WATCHDOG_PID");
        let watchdog = number("WATCHDOG_USEC")
            .filter(|micros| {
                *micros > 0 && pid.is_none_or(|pid| pid == u64::from(std::process::id()))
            })
            .map(Duration::from_micros);
        match connect(&name) {
            Ok(socket) => Self {
                socket: Some(socket),
                watchdog,
            },
            Err(error) => {
                tracing::warn!(%error, "the service manager (NOTIFY_SOCKET) cannot be reached, and is told nothing");
                Self::default()
            }
        }
    }

    pub(super) fn is_opening(&self, what: &str) {
        self.tell(&format!("STATUS=opening {what}"));
    }

    pub(super) fn is_ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    pub(super) fn is_stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=stopping: requests in flight finish");
    }

    /// Gives signs of life for as long as it is polled: twice as often as they are wanted.
    pub(super) async fn live(&self) {
        let Some(watchdog) = self.watchdog else {
            return std::future::pending().await;
        };
        if let Some(socket) = &self.socket {
            // From now on nobody is waited for: who reads nothing must not keep the server from stopping.
            warn_unless(socket.set_nonblocking(true));
        }
        let mut ticks = tokio::time::interval((watchdog / 2).max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match self.send("WATCHDOG=1") {
                // It has signs of life that it has not read.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => warn_unless(sent),
            }
        }
    }

    fn tell(&self, state: &str) {
        warn_unless(self.send(state));
    }

    /// One assignment a line.
    fn send(&self, state: &str) -> io::Result<()> {
        match &self.socket {
            Some(socket) => socket.send(state.as_bytes()).map(drop),
            None => Ok(()),
        }
    }
}

fn warn_unless(sent: io::Result<()>) {
    if let Err(error) = sent {
        tracing::warn!(%error, "the service manager could not be told");
    }
}

/// A path, or a name in Linux's abstract namespace behind an `@`.
fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    match name.as_bytes() {
        [b'/', ..] => socket.connect(name)?,
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => {
            use std::os::linux::net::SocketAddrExt as _;
            let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
            socket.connect_addr(&address)?;
        }
        _ => {
            let what = "it is neither a path from the root nor a name behind an @";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
    }
    socket.set_write_timeout(Some(SEND_TIMEOUT))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 200];
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[test]
    fn it_is_told_on_a_path_and_on_an_abstract_name() {
        use std::os::linux::net::SocketAddrExt as _;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let abstract_name = format!("misar-test-{}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&abstract_name).unwrap();
        for (manager, name) in [
            (UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap()),
            (
                UnixDatagram::bind_addr(&address).unwrap(),
                &format!("@{abstract_name}"),
            ),
        ] {
            let told = ServiceManager {
                socket: Some(connect(name.as_ref()).unwrap()),
                watchdog: None,
            };
            told.is_ready("taking events");
            assert_eq!(heard(&manager), "READY=1\nSTATUS=taking events");
            told.is_stopping();
            assert!(heard(&manager).starts_with("STOPPING=1\n"));
        }
    }

    #[test]
    fn other_addresses_are_refused() {
        for name in ["", "notify", "vsock:2:1234", "@"] {
            assert!(connect(name.as_ref()).is_err() || name == "@", "{name}");
        }
    }

    /// It once blocked the thread that was to hear of signals: a server with a manager that read nothing never stopped.
    #[tokio::test]
    async fn a_manager_that_reads_nothing_keeps_nobody_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let _manager = UnixDatagram::bind(&path).unwrap();
        let told = ServiceManager {
            socket: Some(connect(path.as_ref()).unwrap()),
            watchdog: Some(Duration::from_millis(1)),
        };
        tokio::select! {
            () = told.live() => unreachable!("it lives on"),
            () = tokio::time::sleep(Duration::from_millis(5)) => {}
        }
        // Linux holds ten datagrams for who does not read (net.unix.max_dgram_qlen), or what somebody has set.
        let is_full = (0..100_000).any(|_| told.send("WATCHDOG=1").is_err());
        assert!(is_full, "it waits for nobody");
        told.is_stopping();
    }

    #[tokio::test]
    async fn a_watchdog_gets_its_signs_of_life() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let told = ServiceManager {
            socket: Some(connect(path.as_ref()).unwrap()),
            watchdog: Some(Duration::from_millis(10)),
        };
        let listening = tokio::task::spawn_blocking(move || (heard(&manager), heard(&manager)));
        tokio::select! {
            () = told.live() => unreachable!("it lives on"),
            heard = listening => {
                let two = ("WATCHDOG=1".to_owned(), "WATCHDOG=1".to_owned());
                assert_eq!(heard.unwrap(), two);
            }
        }
    }
}
