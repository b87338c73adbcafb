//! Commands on a folder, and the same ones through the socket of a server that has it open.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::sync::Condvar;
use std::sync::Mutex as StdMutex;

use shared::email::Email;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::backup::{BackupAsk, BackupReport};
use crate::doctor;
use crate::ingest::erasures::ErasedCounts;
use crate::ingest::register::{OperatorsMessage, RegisterOutcome};
use crate::privacy::Privacy;
use crate::public_url::PublicUrl;
use crate::routes::control::workspaces::WorkspaceBody;
use crate::routes::keys::wire::{KeyBody, KeyName};
use crate::server::operators::{self, MAX_CONNECTIONS};
use crate::upkeep::{PrivacyReport, RebuildReport, Upkeep};
use store::classify::relay::RelayList;
use store::clock::SystemClock;
use store::ledger::LogError;
use store::ledger::verify::LogReport;
use store::meta::Meta;
use store::record::WorkspaceId;

/// A server of which only the commands are real.
struct FakeServer {
    meta: Meta,
    relay: RelayList,
    public_url: PublicUrl,
    /// Commands that read the log wait until this is true.
    may_go_on: StdMutex<bool>,
    changed: Condvar,
}

impl FakeServer {
    fn wait(&self) {
        let may = self.may_go_on.lock().unwrap();
        drop(self.changed.wait_while(may, |may| !*may).unwrap());
    }

    fn go_on(&self) {
        *self.may_go_on.lock().unwrap() = true;
        self.changed.notify_all();
    }
}

impl Upkeep for FakeServer {
    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn relay(&self) -> &RelayList {
        &self.relay
    }

    fn public_url(&self) -> Option<&PublicUrl> {
        Some(&self.public_url)
    }

    fn backup(&self, _: &BackupAsk, _: &mut dyn FnMut(u64, u64)) -> Result<BackupReport, String> {
        Err("there is no store".into())
    }

    fn doctor(&self) -> doctor::Diagnosis {
        doctor::Diagnosis::of_failure("log", "there is none".into(), "none")
    }

    fn verify(&self, progress: &mut dyn FnMut(u64)) -> Result<LogReport, LogError> {
        progress(5);
        self.wait();
        Ok(LogReport {
            ok: true,
            events: 5,
            ..LogReport::default()
        })
    }

    fn link(&self) -> Result<String, String> {
        Ok("http://127.0.0.1:8080/live#code=1".to_owned())
    }

    fn register(&self, _: OperatorsMessage) -> Result<RegisterOutcome, String> {
        Err("the disk is full".to_owned())
    }

    fn apply_settings(&self) -> Result<(), String> {
        Err("the disk is full".to_owned())
    }

    fn erase(&self, _: WorkspaceId, _: Email) -> Result<ErasedCounts, String> {
        Err("the disk is full".to_owned())
    }

    fn apply_privacy(
        &self,
        _: Option<Privacy>,
        _: &mut dyn FnMut(u64, u64),
    ) -> Result<PrivacyReport, String> {
        Err("the disk is full".to_owned())
    }

    fn rebuild(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<RebuildReport, String> {
        progress(1, 2);
        Err("the disk is full".to_owned())
    }
}

struct Running {
    server: Arc<FakeServer>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
    folder: DataFolder,
}

impl Running {
    fn start(data: &Path) -> Self {
        let folder = DataFolder::open(data).unwrap();
        let server = Arc::new(FakeServer {
            meta: Meta::open(data, Arc::new(SystemClock)).unwrap(),
            relay: RelayList::open(data),
            public_url: PublicUrl::parse("https://track.example").unwrap(),
            may_go_on: StdMutex::new(false),
            changed: Condvar::new(),
        });
        let (stop, stopped) = oneshot::channel();
        let socket = ControlSocket::bind(&folder).unwrap();
        let long_work = Arc::new(LongWork::default());
        let desk = Desk::of_operator(Arc::clone(&server) as _, Arc::clone(&long_work));
        let serving = tokio::spawn(async move {
            let stopped = async {
                stopped.await.ok();
            };
            operators::serve(socket, operators_router(desk), &long_work, stopped).await;
        });
        Self {
            server,
            stop,
            serving,
            folder,
        }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.serving.await.unwrap();
        drop((self.server, self.folder));
    }
}

fn ask<T: DeserializeOwned>(data: &Path, asked: &Call<T>) -> Result<T, String> {
    call(data, asked, Arc::new(SystemClock), &mut |_| {})
}

/// Has a call answered as the command line does, off the runtime.
async fn asked<T: DeserializeOwned + Send + 'static>(
    data: &Path,
    asked: Call<T>,
) -> Result<T, String> {
    let data = data.to_owned();
    tokio::task::spawn_blocking(move || ask(&data, &asked))
        .await
        .unwrap()
}

/// Why a call was refused.
async fn refused<T: DeserializeOwned + Send + 'static>(data: &Path, call: Call<T>) -> String {
    asked(data, call).await.err().unwrap()
}

/// Says something on the socket, and returns the first line that comes back.
async fn said(data: &Path, text: &'static [u8]) -> String {
    let path = data.join("control.sock");
    tokio::task::spawn_blocking(move || {
        let mut stream = UnixStream::connect(path).unwrap();
        // Refused before all of it is read, perhaps.
        stream.write_all(text).ok();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        answer
    })
    .await
    .unwrap()
}

/// A process that has the folder and says this to whoever connects, once something came.
fn stand_in(data: &Path, says: &'static [u8]) -> (DataFolder, std::thread::JoinHandle<()>) {
    let folder = DataFolder::open(data).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(data.join("control.sock")).unwrap();
    let standing = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut part = [0; 4096];
        assert!(stream.read(&mut part).unwrap() > 0);
        stream.write_all(says).unwrap();
    });
    (folder, standing)
}

fn create(name: &str) -> Call<crate::routes::control::workspaces::WorkspaceView> {
    calls::create_workspace(&WorkspaceBody {
        name: name.to_owned(),
    })
}

fn new_key() -> Call<crate::routes::keys::wire::CreatedKey> {
    let key = KeyBody {
        scopes: vec!["send".to_owned(), "read".to_owned()],
        ..KeyBody::default()
    };
    calls::create_key("default", &key)
}

#[tokio::test]
async fn token_keys_rotate_in_the_running_server_as_in_a_folder_without_one() {
    let data = TempDir::new().unwrap();
    let running = Running::start(data.path());
    let made = asked(data.path(), calls::rotate_token_keys())
        .await
        .unwrap();
    assert_eq!((made.id, made.current), (2, true));
    assert_eq!(running.server.meta.token_keys().current().id, 2);
    running.stop().await;
    let listed = asked(data.path(), calls::list_token_keys()).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[1].created_at, made.created_at);
}

#[test]
fn a_folder_without_a_server_is_worked_on_itself() {
    let data = TempDir::new().unwrap();
    let data = data.path();
    assert_eq!(ask(data, &create("shop")).unwrap().id, 2);
    assert_eq!(ask(data, &calls::list_workspaces()).unwrap().len(), 2);
    let key = ask(data, &new_key()).unwrap().key;
    assert_eq!(key.scopes, ["send", "read"]);
    let name = KeyName::Id(key.id.clone());
    let elsewhere = ask(data, &calls::revoke_key(Some("shop"), &name));
    assert!(elsewhere.err().unwrap().contains("no such key"));
    let revoked = ask(data, &calls::revoke_key(None, &name)).unwrap().key;
    assert!(revoked.revoked_at.is_some());
    let list = |workspace: Option<&str>| ask(data, &calls::list_keys(workspace));
    assert_eq!(list(None).unwrap().keys.len(), 1);
    assert!(list(Some("shop")).unwrap().keys.is_empty());
    assert!(
        list(Some("other"))
            .err()
            .unwrap()
            .contains("no such workspace")
    );
    assert!(ask(data, &calls::verify()).unwrap().ok);
    assert_eq!(ask(data, &calls::rebuild()).unwrap().events, 0);
    ask(data, &calls::hello()).unwrap();
    let error = ask(data, &calls::link()).err().unwrap();
    assert!(error.contains("start `misar serve`"), "{error}");
}

#[test]
fn nothing_is_verified_where_there_is_no_store() {
    let data = TempDir::new().unwrap();
    for error in [
        ask(data.path(), &calls::verify()).err(),
        ask(data.path(), &calls::rebuild()).err(),
    ] {
        let error = error.unwrap();
        assert!(error.contains("there is no misar store"), "{error}");
    }
}

#[tokio::test]
async fn a_servers_folder_is_worked_on_by_the_server() {
    let data = TempDir::new().unwrap();
    let running = Running::start(data.path());
    let socket = std::fs::metadata(data.path().join("control.sock")).unwrap();
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    let link = asked(data.path(), calls::link()).await.unwrap();
    assert_eq!(link.url, "http://127.0.0.1:8080/live#code=1");

    let made = asked(data.path(), new_key()).await.unwrap().key;
    let plain = shared::api_key::ApiKey::parse(&made.key).unwrap();
    assert!(running.server.meta.authenticate(&plain).is_some());

    let error = refused(data.path(), create("NO")).await;
    assert!(error.starts_with("the name of a workspace"), "{error}");

    running.stop().await;
    assert!(!data.path().join("control.sock").exists());
    asked(data.path(), calls::hello()).await.unwrap();
}

#[tokio::test]
async fn a_server_gives_the_embed_code_with_its_own_address() {
    let data = TempDir::new().unwrap();
    let running = Running::start(data.path());
    let secret = asked(data.path(), new_key()).await;
    assert!(secret.unwrap().key.embed.is_none());
    let public = KeyBody {
        public: true,
        ..KeyBody::default()
    };
    let made = asked(data.path(), calls::create_key("default", &public)).await;
    let html = made.unwrap().key.embed.unwrap();
    assert!(
        html.contains("src=\"https://track.example/mail/track.js\""),
        "{html}"
    );
    running.stop().await;
}

#[tokio::test]
async fn progress_comes_before_the_answer_and_the_error_as_a_sentence() {
    let data = TempDir::new().unwrap();
    let running = Running::start(data.path());
    let path = data.path().to_owned();
    let told = tokio::task::spawn_blocking(move || {
        let mut told = Vec::new();
        let outcome = call(
            &path,
            &calls::rebuild(),
            Arc::new(SystemClock),
            &mut |progress| {
                told.push(progress);
            },
        );
        (outcome, told)
    });
    let (outcome, told) = told.await.unwrap();
    assert_eq!(outcome, Err("the disk is full".to_owned()));
    assert_eq!(told, [Progress { done: 1, total: 2 }]);
    running.stop().await;
}

#[tokio::test]
async fn a_misar_that_spoke_lines_of_json_is_told_to_use_the_right_one() {
    let data = TempDir::new().unwrap();
    let running = Running::start(data.path());
    for command in [&b"\"ping\"\n"[..], b"{\"keysList\":{\"workspace\":null}}\n"] {
        let told = said(data.path(), command).await;
        assert!(told.starts_with("{\"error\":{\"message\":\""), "{told}");
        assert!(told.contains("use the misar that runs it"), "{told}");
    }
    running.stop().await;
}

#[test]
fn a_server_that_speaks_lines_of_json_or_knows_no_such_route_is_said_to_be_another_version() {
    for says in [
        &b"{\"error\":{\"message\":\"the server does not know this command\"}}\n"[..],
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 57\r\n\r\n{\"success\":false,\"error\":{\"code\":\"not_found\",\"message\":\"\"}}",
    ] {
        let data = TempDir::new().unwrap();
        let (_folder, standing) = stand_in(data.path(), says);
        let error = ask(data.path(), &calls::list_workspaces()).err().unwrap();
        assert!(error.contains("another version of misar"), "{error}");
        standing.join().unwrap();
    }
}

#[tokio::test]
async fn a_request_without_end_is_refused() {
    let data = TempDir::new().unwrap();
    let running = Running::start(data.path());
    let long = WorkspaceBody {
        name: "a".repeat(crate::routes::admin::asked::MAX_OPERATOR_BYTES + 1),
    };
    let error = refused(data.path(), calls::create_workspace(&long)).await;
    assert!(error.contains("too long"), "{error}");
    running.stop().await;
}

#[tokio::test]
async fn the_log_is_read_once_at_a_time_and_others_go_on_meanwhile() {
    let data = TempDir::new().unwrap();
    let running = Running::start(data.path());
    let (began, begun) = oneshot::channel();
    let mut began = Some(began);
    let path = data.path().to_owned();
    let first = tokio::task::spawn_blocking(move || {
        call(&path, &calls::verify(), Arc::new(SystemClock), &mut |_| {
            if let Some(began) = began.take() {
                began.send(()).unwrap();
            }
        })
    });
    begun.await.unwrap();
    let error = refused(data.path(), calls::verify()).await;
    assert!(error.contains("under way already"), "{error}");
    asked(data.path(), calls::list_workspaces()).await.unwrap();
    running.server.go_on();
    assert_eq!(first.await.unwrap().unwrap().events, 5);
    running.stop().await;
}

#[tokio::test]
async fn silent_callers_are_few_and_the_next_is_told() {
    let data = TempDir::new().unwrap();
    let running = Running::start(data.path());
    let path = data.path().join("control.sock");
    let silent: Vec<_> = (0..MAX_CONNECTIONS)
        .map(|_| UnixStream::connect(&path).unwrap())
        .collect();
    let error = refused(data.path(), calls::hello()).await;
    assert!(error.contains("too many commands at once"), "{error}");
    drop(silent);
    running.stop().await;
}

#[tokio::test]
async fn a_socket_that_a_crash_left_behind_makes_way() {
    let data = TempDir::new().unwrap();
    drop(std::os::unix::net::UnixListener::bind(data.path().join("control.sock")).unwrap());
    std::fs::write(data.path().join("FORMAT"), "misar-store 1\n").unwrap();
    let running = Running::start(data.path());
    asked(data.path(), calls::hello()).await.unwrap();
    running.stop().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_socket_of_a_folder_with_a_long_name_works() {
    let parent = TempDir::new().unwrap();
    let above = parent.path().join("a".repeat(120));
    std::fs::create_dir(&above).unwrap();
    let data = above.join("b".repeat(120));
    let running = Running::start(&data);
    asked(&data, create("shop")).await.unwrap();
    assert!(running.server.meta.workspace("shop").is_some());
    running.stop().await;
    assert!(!data.join("control.sock").exists());
}
