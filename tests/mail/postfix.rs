//! A Postfix of the test's own: configuration, queue and mailboxes in a temporary folder, on a free
//! port of this machine. How it is set up stands in `scripts/postfix-for-tests.sh`.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tests::collector::free_address;
use tests::wait::until;
use tokio::net::TcpStream;

/// A mail server. It ends, with all its processes, where it is dropped, or with this process.
pub(crate) struct Postfix {
    script: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Postfix {
    /// One that takes mail for these addresses and for nobody else.
    pub(crate) async fn start(addresses: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = free_address();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let path = root.join("scripts/postfix-for-tests.sh");
        let mut script = if rustix::process::geteuid().is_root() {
            Command::new(path)
        } else {
            // Postfix changes users, and so must be started by root.
            let mut sudo = Command::new("sudo");
            sudo.arg("-n").arg(path);
            sudo
        };
        let script = script
            .arg(folder.path())
            .arg(address.port().to_string())
            .args(addresses)
            .stdin(Stdio::piped())
            .spawn()
            .expect("who is not root needs sudo to start Postfix");
        let mut postfix = Self {
            script,
            address,
            folder,
        };
        until("Postfix to take mail", async || {
            if let Ok(Some(status)) = postfix.script.try_wait() {
                panic!(
                    "Postfix did not start ({status}): its message is above; a password that sudo asks for \
                     cannot be given here: say `sudo -v` first"
                );
            }
            TcpStream::connect(postfix.address).await.ok()
        })
        .await;
        postfix
    }

    /// Hands a mail in, as a sender's program does.
    pub(crate) fn send(&self, to: &str, mail: &str) {
        let mut swaks = Command::new("swaks")
            .args(["--server", "127.0.0.1", "--port"])
            .arg(self.address.port().to_string())
            .args(["--from", "news@shop.test", "--to", to])
            .args(["--data", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("swaks is there: ./dev test installs it");
        let mut stdin = swaks.stdin.take().unwrap();
        stdin.write_all(mail.as_bytes()).unwrap();
        drop(stdin);
        let output = swaks.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}{complained}");
    }

    /// Waits for the only mail in a mailbox.
    pub(crate) async fn delivered(&self, to: &str) -> Vec<u8> {
        let mailbox = self.folder.path().join("mail").join(to).join("new");
        until("a mail to be delivered", async || {
            let files = std::fs::read_dir(&mailbox).ok()?;
            let files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
            assert!(files.len() < 2, "{files:?}");
            std::fs::read(files.first()?).ok()
        })
        .await
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.path().join("log"));
            eprintln!("Postfix's log:\n{}", log.unwrap_or_default());
        }
        // The end of its standard input ends the script.
        drop(self.script.stdin.take());
        self.script.wait().ok();
    }
}
