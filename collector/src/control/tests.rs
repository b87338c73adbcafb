//! Commands on a folder, and the same ones through the socket of a server that has it open.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::sync::Condvar;
use std::sync::Mutex as StdMutex;

use serde_json::json;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::clock::SystemClock;

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

impl Target for FakeServer {
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

    fn doctor(&self) -> doctor::Report {
        doctor::Report::of_failure("log", "there is none".into(), "none")
    }

    fn verify(&self, progress: &mut dyn FnMut(u64)) -> Result<Report, LogError> {
        progress(5);
        self.wait();
        Ok(Report {
            ok: true,
            events: 5,
            ..Report::default()
        })
    }

    fn link(&self) -> Result<String, String> {
        Ok("http://127.0.0.1:8080/live#code=1".to_owned())
    }

    fn register(
        &self,
        _: WorkspaceId,
        _: String,
        _: Timestamp,
        _: Draft,
    ) -> Result<Outcome, String> {
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
        let target = Arc::clone(&server) as Arc<dyn Target>;
        let serving = tokio::spawn(serve(socket, target, async {
            stopped.await.ok();
        }));
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

/// Has a command done as the command line does, off the runtime.
async fn asked(data: &Path, command: Command) -> Result<Value, String> {
    let data = data.to_owned();
    tokio::task::spawn_blocking(move || call(&data, command, Arc::new(SystemClock), &mut |_| {}))
        .await
        .unwrap()
}

/// Says something on the socket, and returns what comes back.
async fn said(data: &Path, text: Vec<u8>) -> String {
    let path = data.join("control.sock");
    tokio::task::spawn_blocking(move || {
        let mut stream = UnixStream::connect(path).unwrap();
        // Refused before all of it is read, perhaps.
        stream.write_all(&text).ok();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        answer
    })
    .await
    .unwrap()
}

fn create(name: &str) -> Command {
    Command::WorkspacesCreate {
        name: name.to_owned(),
    }
}

fn new_key() -> KeysCreate {
    KeysCreate {
        workspace: "default".to_owned(),
        public: false,
        scopes: vec!["send".to_owned(), "read".to_owned()],
        origins: Vec::new(),
        allow_purchases: false,
        rate: None,
        label: None,
        expires_at: None,
        operator: false,
    }
}

#[tokio::test]
async fn token_keys_rotate_in_the_running_server_as_in_a_folder_without_one() {
    let data = TempDir::new().unwrap();
    let running = Running::start(data.path());
    let made = asked(data.path(), Command::TokensRotate).await.unwrap();
    assert_eq!((&made["id"], &made["current"]), (&2.into(), &true.into()));
    assert_eq!(running.server.meta.token_keys().current().id, 2);
    running.stop().await;
    let listed = asked(data.path(), Command::TokensList).await.unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(listed[1], made);
    assert!(!listed.to_string().contains("secret"), "{listed}");
}

#[test]
fn a_folder_without_a_server_is_worked_on_itself() {
    let data = TempDir::new().unwrap();
    let ask = |command| call(data.path(), command, Arc::new(SystemClock), &mut |_| {});
    assert_eq!(ask(create("shop")).unwrap()["id"], 2);
    assert_eq!(
        ask(Command::WorkspacesList)
            .unwrap()
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let key = ask(Command::KeysCreate(new_key())).unwrap();
    assert_eq!(key["scopes"], json!(["send", "read"]));
    let id = key["id"].as_str().unwrap().to_owned();
    let revoke = |workspace: Option<&str>| Command::KeysRevoke {
        workspace: workspace.map(str::to_owned),
        key: KeyName::Id(id.clone()),
    };
    assert!(
        ask(revoke(Some("shop")))
            .unwrap_err()
            .contains("no such key")
    );
    assert!(ask(revoke(None)).unwrap()["revokedAt"].is_string());
    let list = |workspace: Option<&str>| Command::KeysList {
        workspace: workspace.map(str::to_owned),
    };
    assert_eq!(ask(list(None)).unwrap().as_array().unwrap().len(), 1);
    assert_eq!(ask(list(Some("shop"))).unwrap(), json!([]));
    assert!(
        ask(list(Some("other")))
            .unwrap_err()
            .contains("no such workspace")
    );
    assert_eq!(ask(Command::LogVerify).unwrap()["ok"], true);
    assert_eq!(ask(Command::Rebuild).unwrap()["events"], 0);
    assert_eq!(ask(Command::Ping).unwrap(), Value::Null);
    assert!(
        ask(Command::Link)
            .unwrap_err()
            .contains("start `misar serve`")
    );
}

#[test]
fn nothing_is_verified_where_there_is_no_store() {
    let data = TempDir::new().unwrap();
    for command in [Command::LogVerify, Command::Rebuild] {
        let error = call(data.path(), command, Arc::new(SystemClock), &mut |_| {}).unwrap_err();
        assert!(error.contains("there is no misar store"), "{error}");
    }
}

#[tokio::test]
async fn a_servers_folder_is_worked_on_by_the_server() {
    let data = TempDir::new().unwrap();
    let running = Running::start(data.path());
    let socket = std::fs::metadata(data.path().join("control.sock")).unwrap();
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    let link = asked(data.path(), Command::Link).await.unwrap();
    assert_eq!(link["url"], "http://127.0.0.1:8080/live#code=1");

    let made = asked(data.path(), Command::KeysCreate(new_key()))
        .await
        .unwrap();
    let plain = made["key"].as_str().unwrap();
    let plain = shared::api_key::ApiKey::parse(plain).unwrap();
    assert!(running.server.meta.authenticate(&plain).is_some());

    let error = asked(data.path(), create("NO")).await.unwrap_err();
    assert!(error.starts_with("the name of a workspace"), "{error}");

    running.stop().await;
    assert!(!data.path().join("control.sock").exists());
    assert_eq!(asked(data.path(), Command::Ping).await, Ok(Value::Null));
}

#[tokio::test]
async fn a_server_gives_the_embed_code_with_its_own_address() {
    let data = TempDir::new().unwrap();
    let running = Running::start(data.path());
    let secret = asked(data.path(), Command::KeysCreate(new_key())).await;
    assert!(secret.unwrap().get("embed").is_none());
    let public = KeysCreate {
        public: true,
        scopes: Vec::new(),
        ..new_key()
    };
    let made = asked(data.path(), Command::KeysCreate(public)).await;
    let html = made.unwrap()["embed"].as_str().unwrap().to_owned();
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
            Command::Rebuild,
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
async fn the_lines_are_as_documented() {
    let data = TempDir::new().unwrap();
    let running = Running::start(data.path());
    assert_eq!(
        said(data.path(), b"\"ping\"\n".to_vec()).await,
        "{\"ok\":null}\n"
    );
    let refused = said(data.path(), b"{\"dance\":{}}\n".to_vec()).await;
    assert!(
        refused.starts_with("{\"error\":{\"message\":\"the server does not know"),
        "{refused}"
    );
    let progress = said(data.path(), b"\"rebuild\"\n".to_vec()).await;
    assert_eq!(progress, "{\"progress\":{\"done\":1,\"total\":2}}\n");
    running.stop().await;
}

#[tokio::test]
async fn a_request_without_end_is_refused() {
    let data = TempDir::new().unwrap();
    let running = Running::start(data.path());
    let refused = said(
        data.path(),
        vec![b'a'; usize::try_from(MAX_REQUEST_BYTES).unwrap() + 1],
    )
    .await;
    assert!(refused.contains("too long"), "{refused}");
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
        call(
            &path,
            Command::LogVerify,
            Arc::new(SystemClock),
            &mut |_| {
                if let Some(began) = began.take() {
                    began.send(()).unwrap();
                }
            },
        )
    });
    begun.await.unwrap();
    let error = asked(data.path(), Command::LogVerify).await.unwrap_err();
    assert!(error.contains("under way already"), "{error}");
    asked(data.path(), Command::WorkspacesList).await.unwrap();
    running.server.go_on();
    assert_eq!(first.await.unwrap().unwrap()["events"], 5);
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
    let refused = said(data.path(), b"\"ping\"\n".to_vec()).await;
    assert!(refused.contains("too many commands at once"), "{refused}");
    drop(silent);
    running.stop().await;
}

#[tokio::test]
async fn a_socket_that_a_crash_left_behind_makes_way() {
    let data = TempDir::new().unwrap();
    drop(std::os::unix::net::UnixListener::bind(data.path().join("control.sock")).unwrap());
    std::fs::write(data.path().join("FORMAT"), "misar-store 1\n").unwrap();
    let running = Running::start(data.path());
    assert_eq!(asked(data.path(), Command::Ping).await, Ok(Value::Null));
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
