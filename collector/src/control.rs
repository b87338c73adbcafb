//! Commands on a data folder, and the socket through which they reach the server that has it open.
//! What a command does stands here once, for both ways; how it is asked for and shown is `cli`'s.
//!
//! - `socket`: the socket in the folder
//! - [`serve`]: answers commands in the server
//! - [`call`]: has a command done, by the server or on the folder itself
//!
//! On the socket: one line of JSON with the [`Command`], then any number of lines
//! `{"progress":{"done":…,"total":…}}`, then one line `{"ok":…}` or `{"error":{"message":…}}`.

mod keys;
mod offline;
mod socket;
#[cfg(test)]
mod tests;

use std::io::{BufRead, BufReader, Read, Write};
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::api_key::{KeyKind, Scope};
use shared::rejection::Rejection;
use shared::time::Timestamp;
use shared::wire::{self, MessageBody};
use tokio::sync::{Mutex, Semaphore};

use crate::backup::{BackupAsk, BackupReport};
use crate::classify::relay::RelayList;
use crate::clock::Clock;
use crate::doctor;
use crate::embed::embed;
use crate::folder::{DataFolder, FolderError};
use crate::log::LogError;
use crate::log::decide::Attribution;
use crate::log::record::WorkspaceId;
use crate::log::verify::Report;
use crate::messages::{Draft, MessageAnswer, Outcome};
use crate::meta::{Key, Meta, NO_TOKEN_KEY, NewKey, OriginPattern, Workspace};
use crate::public_url::{PUBLIC_URL_MISSING, PublicUrl, Reach};
use crate::screen;
use crate::token::{TokenKey, TokenKeys};

pub use keys::{KeyName, KeysUpdate};
pub use offline::Offline;
pub use socket::ControlSocket;
use socket::Stream;

/// A request that is longer is refused: a message of 32 MB, whose quotes are escaped twice, fits.
pub(crate) const MAX_REQUEST_BYTES: u64 = 96 * 1024 * 1024;
/// Commands at once; more are refused. Each has a thread.
const MAX_CONNECTIONS: usize = 16;
/// A request has so long to arrive whole, and each answer to be taken.
const SOCKET_TIMEOUT: Duration = Duration::from_secs(10);
/// At a stop, commands in work get so long to finish.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long [`call`] waits for the process that has the folder: it may be starting or stopping.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);
/// Progress is told at most this often.
const PROGRESS_PAUSE: Duration = Duration::from_millis(100);

/// What can be asked of a data folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Command {
    /// Answered with a [`CreatedKey`].
    KeysCreate(KeysCreate),
    /// Of one workspace or of all. Answered with a list of [`ListedKey`].
    KeysList { workspace: Option<String> },
    /// Answered with a [`ListedKey`].
    KeysRevoke {
        workspace: Option<String>,
        key: KeyName,
    },
    /// Answered with a [`ListedKey`].
    KeysUpdate(KeysUpdate),
    /// Answered with a [`ListedWorkspace`].
    WorkspacesCreate { name: String },
    /// Answered with a list of [`ListedWorkspace`].
    WorkspacesList,
    /// Answered with the new [`ListedTokenKey`].
    TokensRotate,
    /// Answered with a list of [`ListedTokenKey`].
    TokensList,
    /// Answered with a [`Report`].
    LogVerify,
    /// Answered with a [`MessageAnswer`].
    Instrument(InstrumentMessage),
    /// Answered with [`Settings`].
    SettingsShow { workspace: String },
    /// Changes what is said, and builds the views anew where that changes anything. Answered with
    /// [`Settings`].
    SettingsSet {
        workspace: String,
        click_window_ms: Option<i64>,
        open_window_ms: Option<i64>,
    },
    /// Answered with a [`RebuildReport`].
    Rebuild,
    /// Answered with a [`BackupReport`].
    Backup(BackupAsk),
    /// Answered with a [`Report`](crate::doctor::Report) of `misar doctor`.
    Doctor,
    /// Answered with a [`Link`]; only a running server has one.
    Link,
    /// The relay list on disk is new. Answered with a [`Summary`](crate::classify::relay::Summary).
    RelayListReload,
    /// Answered with a [`Summary`](crate::classify::relay::Summary).
    RelayListShow,
    /// Answered with `null`: somebody is there.
    Ping,
}

impl Command {
    /// Whether there is any sense in it on a folder that holds nothing yet.
    fn may_make_a_store(&self) -> bool {
        match self {
            Self::KeysCreate(_)
            | Self::KeysList { .. }
            | Self::WorkspacesCreate { .. }
            | Self::WorkspacesList
            | Self::TokensList
            | Self::Instrument(_)
            | Self::RelayListReload
            | Self::Ping => true,
            Self::KeysRevoke { .. }
            | Self::KeysUpdate(_)
            | Self::TokensRotate
            | Self::LogVerify
            | Self::SettingsShow { .. }
            | Self::SettingsSet { .. }
            | Self::Rebuild
            | Self::Backup(_)
            | Self::Doctor
            | Self::RelayListShow
            | Self::Link => false,
        }
    }

    /// Whether a store that cannot be written can answer it.
    fn only_reads(&self) -> bool {
        match self {
            Self::KeysList { .. }
            | Self::WorkspacesList
            | Self::TokensList
            | Self::LogVerify
            | Self::SettingsShow { .. }
            | Self::RelayListShow => true,
            Self::KeysCreate(_)
            | Self::KeysRevoke { .. }
            | Self::KeysUpdate(_)
            | Self::WorkspacesCreate { .. }
            | Self::TokensRotate
            | Self::Instrument(_)
            | Self::SettingsSet { .. }
            | Self::Rebuild
            | Self::Backup(_)
            | Self::Doctor
            | Self::Link
            | Self::RelayListReload
            | Self::Ping => false,
        }
    }

    /// Whether a folder without a server cannot answer it.
    fn needs_server(&self) -> bool {
        matches!(self, Self::Link)
    }

    /// Whether it reads all of the log.
    fn is_heavy(&self) -> bool {
        matches!(
            self,
            Self::LogVerify | Self::Rebuild | Self::SettingsSet { .. } | Self::Backup(_)
        )
    }
}

/// A key to be made; texts are as they were typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeysCreate {
    pub workspace: String,
    pub public: bool,
    pub scopes: Vec<String>,
    pub origins: Vec<String>,
    pub allow_purchases: bool,
    pub rate: Option<NonZeroU32>,
    pub label: Option<String>,
    /// RFC 3339; `None` is never.
    #[serde(default)]
    pub expires_at: Option<String>,
    #[serde(default)]
    pub operator: bool,
}

/// A message to be registered and instrumented.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstrumentMessage {
    pub workspace: String,
    /// The body of `POST /v1/messages`.
    pub message: String,
    /// Where mail clients reach the server; a running one knows it.
    pub public_url: Option<String>,
}

/// Hides to whom it goes and what it says.
impl std::fmt::Debug for InstrumentMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InstrumentMessage")
            .field("workspace", &self.workspace)
            .finish_non_exhaustive()
    }
}

/// A key at its making: the only place where a secret one stands in plain.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreatedKey {
    pub id: String,
    pub key: String,
    pub public: bool,
    pub scopes: Vec<String>,
    pub origins: Vec<String>,
    pub label: Option<String>,
    pub created_at: String,
    pub workspace: String,
    pub allow_purchases: bool,
    pub rate: Option<NonZeroU32>,
    pub expires_at: Option<String>,
    /// Reads the metrics of the whole process; absent where it does not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub operator: bool,
    /// What to put into pages: of a public key that a running server has made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embed: Option<String>,
}

/// A key in a list; times are RFC 3339.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedKey {
    pub id: String,
    /// Of a public one.
    pub key: Option<String>,
    /// The last characters of the key's text; of a secret one from before they were kept nobody knows
    /// them.
    pub last_four: Option<String>,
    pub public: bool,
    pub scopes: Vec<String>,
    pub origins: Vec<String>,
    pub label: Option<String>,
    pub created_at: String,
    pub exposed_at: Option<String>,
    pub revoked_at: Option<String>,
    pub last_used_at: Option<String>,
    pub expires_at: Option<String>,
    pub allow_purchases: bool,
    /// Events per second, a request being one at the least.
    pub rate: Option<NonZeroU32>,
    pub workspace: String,
    /// Reads the metrics of the whole process; absent where it does not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub operator: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedWorkspace {
    pub id: u32,
    pub name: String,
    pub created_at: String,
}

/// A key of the tokens in mails, without what it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedTokenKey {
    pub id: u32,
    /// RFC 3339.
    pub created_at: String,
    /// New tokens are made with it.
    pub current: bool,
}

/// The settings of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    pub workspace: String,
    pub attribution: Attribution,
}

/// A link to the live page. It lets one browser in, so it is shown to whoever asked and nobody else.
#[derive(Clone, Serialize, Deserialize)]
pub struct Link {
    pub url: String,
}

/// What a rebuild did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RebuildReport {
    /// Events folded.
    pub events: u64,
    pub seconds: f64,
}

/// How far a long command has got, in events; a backup in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub done: u64,
    /// 0 where nobody knows.
    pub total: u64,
}

/// What commands act on: a running server, or a folder that nobody has open. Everything here may
/// block on disk.
pub trait Target: Send + Sync {
    fn meta(&self) -> &Meta;

    fn relay(&self) -> &RelayList;

    /// Where pages reach the server; `None` where none is running.
    fn public_url(&self) -> Option<&PublicUrl> {
        None
    }

    /// Reads all of the log; `progress` is told the events read.
    fn verify(&self, progress: &mut dyn FnMut(u64)) -> Result<Report, LogError>;

    /// Makes a one-time link to the live page; the error is a sentence.
    fn link(&self) -> Result<String, String>;

    /// Registers a message; the error is a sentence.
    fn register(
        &self,
        workspace: WorkspaceId,
        public_url: String,
        received_at: Timestamp,
        draft: Draft,
    ) -> Result<Outcome, String>;

    /// Builds the views anew; `progress` is told the events done and in all. The error is a
    /// sentence for whoever runs the command.
    fn rebuild(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<RebuildReport, String>;

    /// Makes a backup; `progress` is told the bytes done and in all. The error is a sentence.
    fn backup(
        &self,
        ask: &BackupAsk,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<BackupReport, String>;

    /// Looks at everything.
    fn doctor(&self) -> doctor::Report;
}

/// Does a command. The answer is the type that stands beside it in [`Command`].
///
/// # Errors
/// A sentence for whoever runs the command. It holds no key.
pub fn execute(
    command: Command,
    target: &dyn Target,
    progress: &mut dyn FnMut(Progress),
) -> Result<Value, String> {
    let meta = target.meta();
    match command {
        Command::KeysCreate(asked) => create_key(meta, asked, target.public_url()).and_then(answer),
        Command::KeysList { workspace } => {
            let listed = keys_of(meta, workspace.as_deref())?;
            answer(
                listed
                    .iter()
                    .map(|key| ListedKey::of(key))
                    .collect::<Vec<_>>(),
            )
        }
        Command::KeysRevoke { workspace, key } => {
            answer(keys::revoke(meta, workspace.as_deref(), &key)?)
        }
        Command::KeysUpdate(asked) => answer(keys::update(meta, &asked)?),
        Command::WorkspacesCreate { name } => {
            let workspace = meta.create_workspace(&name).map_err(sentence)?;
            answer(ListedWorkspace::of(&workspace))
        }
        Command::WorkspacesList => {
            let listed = meta.workspaces();
            answer(
                listed
                    .iter()
                    .map(|one| ListedWorkspace::of(one))
                    .collect::<Vec<_>>(),
            )
        }
        Command::TokensRotate => {
            let keys = meta.rotate_token_keys().map_err(sentence)?;
            answer(ListedTokenKey::of(keys.current(), &keys))
        }
        Command::TokensList => {
            let keys = meta.token_keys();
            answer(
                keys.all()
                    .filter(|key| key.id != NO_TOKEN_KEY)
                    .map(|key| ListedTokenKey::of(key, &keys))
                    .collect::<Vec<_>>(),
            )
        }
        Command::LogVerify => {
            let report = target.verify(&mut |done| progress(Progress { done, total: 0 }));
            answer(report.map_err(sentence)?)
        }
        Command::SettingsShow { workspace: name } => {
            let workspace = workspace(meta, &name)?;
            answer(Settings {
                attribution: workspace.attribution,
                workspace: name,
            })
        }
        Command::SettingsSet {
            workspace: name,
            click_window_ms,
            open_window_ms,
        } => {
            let workspace = workspace(meta, &name)?;
            let before = workspace.attribution;
            let attribution = Attribution {
                click_window_ms: click_window_ms.unwrap_or(before.click_window_ms),
                open_window_ms: open_window_ms.unwrap_or(before.open_window_ms),
            };
            if attribution != before {
                meta.set_attribution(&workspace, attribution)
                    .map_err(sentence)?;
                target.rebuild(&mut |done, total| progress(Progress { done, total }))?;
            }
            answer(Settings {
                workspace: name,
                attribution,
            })
        }
        Command::Instrument(asked) => answer(instrument(target, &asked)?),
        Command::Rebuild => {
            answer(target.rebuild(&mut |done, total| progress(Progress { done, total }))?)
        }
        Command::Backup(ask) => {
            answer(target.backup(&ask, &mut |done, total| progress(Progress { done, total }))?)
        }
        Command::Doctor => answer(target.doctor()),
        Command::Link => answer(Link {
            url: target.link()?,
        }),
        Command::RelayListReload => answer(target.relay().reload().map_err(sentence)?),
        Command::RelayListShow => answer(target.relay().summary()),
        Command::Ping => Ok(Value::Null),
    }
}

/// Has a command done: by the server that has the folder open, or else on the folder itself.
///
/// # Errors
/// A sentence for whoever runs the command.
pub fn call(
    data: &Path,
    command: Command,
    clock: Arc<dyn Clock>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Value, String> {
    let open = if command.may_make_a_store() {
        DataFolder::open
    } else {
        DataFolder::open_existing
    };
    let started = Instant::now();
    loop {
        let opened = match open(data) {
            Err(FolderError::Unwritable { .. }) if command.only_reads() => {
                DataFolder::open_to_read(data)
            }
            opened => opened,
        };
        match opened {
            Ok(_) | Err(FolderError::Absent(_)) if command.needs_server() => {
                return Err(offline::NO_SERVER.to_owned());
            }
            Ok(folder) => return execute(command, &Offline::open(folder, clock)?, progress),
            Err(FolderError::Held(_)) => {}
            Err(error) => return Err(sentence(error)),
        }
        if let Some(stream) = socket::connect(data) {
            return ask(stream, &command, progress);
        }
        if started.elapsed() >= PATIENCE {
            return Err(format!(
                "another process has {} open and takes no commands: it is starting, stopping or stuck. Try again, or \
                 stop it first",
                data.display()
            ));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Does what `POST /v1/messages` does.
fn instrument(target: &dyn Target, asked: &InstrumentMessage) -> Result<MessageAnswer, String> {
    let workspace = workspace(target.meta(), &asked.workspace)?;
    let public_url = match (&asked.public_url, target.public_url()) {
        (Some(asked), _) => PublicUrl::parse(asked)?,
        (None, Some(known)) if known.reach() == Reach::Guessed => {
            return Err(PUBLIC_URL_MISSING.to_owned());
        }
        (None, Some(known)) => known.clone(),
        (None, None) => {
            return Err("no server is running on this folder: give --public-url, where mail clients will reach it \
                        (such as https://track.example)"
                .to_owned());
        }
    };
    let now = target.meta().now();
    let masked = screen::message(target.meta(), &asked.message)?;
    let message = masked.as_ref().unwrap_or(&asked.message);
    let body: MessageBody<'_> = wire::body(message).map_err(sentence)?;
    let refused = |rejection: Rejection| match rejection.field {
        Some(field) => format!("{field}: {}", rejection.message),
        None => rejection.message,
    };
    let draft = Draft::of(wire::parse_message(&body, now)).map_err(refused)?;
    match target.register(workspace.id, public_url.to_string(), now, draft)? {
        Outcome::Registered { mut answer, .. } => {
            answer.warnings.extend(public_url.warning());
            Ok(*answer)
        }
        Outcome::Conflict { rejection, .. } | Outcome::Refused(rejection) => {
            Err(refused(rejection))
        }
    }
}

/// Answers commands until `shutdown`; then those in work get a moment to finish.
pub async fn serve(
    socket: ControlSocket,
    target: Arc<dyn Target>,
    shutdown: impl Future<Output = ()>,
) {
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // Reading all of the log slows the server down: once at a time. Only ever tried, never waited for.
    let heavy = Arc::new(Mutex::new(()));
    tokio::pin!(shutdown);
    loop {
        let stream = tokio::select! {
            stream = socket.accept() => stream,
            () = &mut shutdown => break,
        };
        let stream = match stream {
            Ok(Some(stream)) => stream,
            // Another user's.
            Ok(None) => continue,
            Err(error) => {
                tracing::warn!(%error, "a command could not be taken");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let permit = Arc::clone(&connections).try_acquire_owned();
        let target = Arc::clone(&target);
        let heavy = Arc::clone(&heavy);
        let Ok(permit) = permit else {
            let refusal = Reply::refusal("too many commands at once: try again");
            // So short a line fits into the socket's buffer: this does not wait.
            reply(&stream, &refusal).ok();
            continue;
        };
        // Commands block on disk. A thread of its own, because the runtime would wait for one of
        // its own at a stop, however long a verify takes.
        let started = std::thread::Builder::new()
            .name("control".into())
            .spawn(move || {
                if let Err(error) = take(&stream, &*target, &heavy) {
                    tracing::debug!(%error, "a command's caller went away");
                }
                // In this order: who waits for all permits may close what the target holds open.
                drop(target);
                drop(permit);
            });
        if let Err(error) = started {
            tracing::warn!(%error, "a command could not be started");
        }
    }
    drop(socket);
    let all = u32::try_from(MAX_CONNECTIONS).unwrap_or(u32::MAX);
    if tokio::time::timeout(DRAIN_TIMEOUT, connections.acquire_many(all))
        .await
        .is_err()
    {
        tracing::warn!("a command did not finish before the stop");
    }
}

/// One line from the server.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Reply {
    Progress(Progress),
    Ok(Value),
    Error { message: String },
}

impl Reply {
    fn refusal(message: &str) -> Self {
        Self::Error {
            message: message.to_owned(),
        }
    }
}

/// The server's half: reads a request, does it, answers.
fn take(stream: &Stream, target: &dyn Target, heavy: &Mutex<()>) -> std::io::Result<()> {
    let line = match read_request(stream)? {
        Some(line) => line,
        None => return reply(stream, &Reply::refusal("the command is too long")),
    };
    let Ok(command) = serde_json::from_slice::<Command>(&line) else {
        let message = "the server does not know this command: use the misar that runs it";
        return reply(stream, &Reply::refusal(message));
    };
    let _once = if command.is_heavy() {
        let Ok(once) = heavy.try_lock() else {
            let message = "a verify, a rebuild or a backup is under way already: wait for its end";
            return reply(stream, &Reply::refusal(message));
        };
        Some(once)
    } else {
        None
    };
    let mut told: Option<Instant> = None;
    let mut gone = false;
    let outcome = execute(command, target, &mut |progress| {
        let due = told.is_none_or(|told| told.elapsed() >= PROGRESS_PAUSE);
        // A caller that has gone away gets no more, but what it asked for is still done.
        if due && !gone {
            told = Some(Instant::now());
            gone = reply(stream, &Reply::Progress(progress)).is_err();
        }
    });
    let last = match outcome {
        Ok(value) => Reply::Ok(value),
        Err(message) => Reply::Error { message },
    };
    reply(stream, &last)
}

/// One line, without its end; `None` where it is too long.
fn read_request(mut stream: &Stream) -> std::io::Result<Option<Vec<u8>>> {
    let deadline = Instant::now() + SOCKET_TIMEOUT;
    let mut line = Vec::new();
    let mut part = [0; 65_536];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let count = match stream.read(&mut part) {
            Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = part[..count].iter().position(|byte| *byte == b'\n');
        let end = end.map(|end| line.len() + end);
        line.extend_from_slice(&part[..count]);
        if end.unwrap_or(line.len()) as u64 > MAX_REQUEST_BYTES {
            return Ok(None);
        }
        if let Some(end) = end {
            line.truncate(end);
            return Ok(Some(line));
        }
    }
}

fn reply(mut stream: &Stream, reply: &Reply) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    stream.set_write_timeout(Some(SOCKET_TIMEOUT))?;
    stream.write_all(&line)
}

/// The caller's half.
fn ask(
    stream: Stream,
    command: &Command,
    progress: &mut dyn FnMut(Progress),
) -> Result<Value, String> {
    let broken = || "the server went away before it had answered".to_owned();
    let mut line = serde_json::to_vec(command).map_err(sentence)?;
    line.push(b'\n');
    (&stream).write_all(&line).map_err(|_| broken())?;
    for line in BufReader::new(stream).lines() {
        let line = line.map_err(|_| broken())?;
        let reply = serde_json::from_str(&line)
            .map_err(|_| "the server's answer is not one that this misar knows".to_owned())?;
        match reply {
            Reply::Progress(told) => progress(told),
            Reply::Ok(value) => return Ok(value),
            Reply::Error { message } => return Err(message),
        }
    }
    Err(broken())
}

impl ListedKey {
    fn of(key: &Key) -> Self {
        let time = |time: Option<shared::time::Timestamp>| time.map(|time| time.to_string());
        Self {
            id: key.id.clone(),
            key: key.plain.clone(),
            last_four: key.last_four.clone(),
            public: key.kind == KeyKind::Public,
            scopes: scopes_of(key),
            origins: key.origins.iter().map(ToString::to_string).collect(),
            label: key.label.clone(),
            created_at: key.created_at.to_string(),
            exposed_at: time(key.exposed_at()),
            revoked_at: time(key.revoked_at()),
            last_used_at: time(key.last_used_at()),
            expires_at: time(key.expires_at()),
            allow_purchases: key.allow_purchases,
            rate: key.rate,
            workspace: key.workspace_name.clone(),
            operator: key.operator,
        }
    }
}

impl ListedWorkspace {
    fn of(workspace: &Workspace) -> Self {
        Self {
            id: workspace.id.0,
            name: workspace.name.clone(),
            created_at: workspace.created_at.to_string(),
        }
    }
}

impl ListedTokenKey {
    fn of(key: &TokenKey, among: &TokenKeys) -> Self {
        Self {
            id: key.id,
            created_at: key.created_at.to_string(),
            current: key.id == among.current().id,
        }
    }
}

fn create_key(
    meta: &Meta,
    asked: KeysCreate,
    public_url: Option<&PublicUrl>,
) -> Result<CreatedKey, String> {
    let scope = |text: &String| {
        Scope::parse(text).ok_or_else(|| {
            let known = Scope::ALL.map(Scope::as_str).join(", ");
            format!("there is no scope of that name: the scopes are {known}")
        })
    };
    let origin = |text: &String| OriginPattern::parse(text).map_err(sentence);
    let kind = if asked.public {
        KeyKind::Public
    } else {
        KeyKind::Secret
    };
    let (key, plain) = meta
        .create_key(NewKey {
            workspace: workspace(meta, &asked.workspace)?,
            kind,
            scopes: asked.scopes.iter().map(scope).collect::<Result<_, _>>()?,
            origins: asked.origins.iter().map(origin).collect::<Result<_, _>>()?,
            allow_purchases: asked.allow_purchases,
            rate: asked.rate,
            label: asked.label,
            expires_at: keys::instant(asked.expires_at.as_deref())?,
            operator: asked.operator,
        })
        .map_err(sentence)?;
    Ok(CreatedKey {
        id: key.id.clone(),
        key: plain.as_str().to_owned(),
        public: asked.public,
        scopes: scopes_of(&key),
        origins: key.origins.iter().map(ToString::to_string).collect(),
        label: key.label.clone(),
        created_at: key.created_at.to_string(),
        workspace: key.workspace_name.clone(),
        allow_purchases: key.allow_purchases,
        rate: key.rate,
        expires_at: key.expires_at().map(|time| time.to_string()),
        operator: key.operator,
        embed: public_url
            .filter(|_| asked.public)
            .map(|url| embed(&plain, url)),
    })
}

/// The keys of one workspace, or of all.
fn keys_of(meta: &Meta, name: Option<&str>) -> Result<Vec<Arc<Key>>, String> {
    let workspaces = match name {
        Some(name) => vec![workspace(meta, name)?],
        None => meta.workspaces(),
    };
    Ok(workspaces
        .iter()
        .flat_map(|one| meta.keys(one.id))
        .collect())
}

fn workspace(meta: &Meta, name: &str) -> Result<Arc<Workspace>, String> {
    meta.workspace(name)
        .ok_or_else(|| "there is no such workspace: `misar workspaces list` shows them".to_owned())
}

fn scopes_of(key: &Key) -> Vec<String> {
    key.scopes
        .iter()
        .map(|scope| scope.as_str().to_owned())
        .collect()
}

fn answer(value: impl Serialize) -> Result<Value, String> {
    serde_json::to_value(value).map_err(sentence)
}

fn sentence(error: impl std::fmt::Display) -> String {
    error.to_string()
}
