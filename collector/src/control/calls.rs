//! Every call that a command makes, with the type of its answer.

use std::marker::PhantomData;
use std::path::PathBuf;

use http::Method;
use serde::Serialize;
use serde_json::Value;

use crate::backup::{BackupAsk, BackupReport};
use crate::doctor;
use crate::privacy::Privacy;
use crate::routes::control::Hello;
use crate::routes::control::contacts::{ContactAsk, EraseBody, ErasedView, HeldLines, ImportBody};
use crate::routes::control::identify_secret::SecretView;
use crate::routes::control::segments::SegmentsAsk;
use crate::routes::control::token_keys::TokenKeyView;
use crate::routes::control::upkeep::{LinkView, PrivacyAsk};
use crate::routes::control::workspaces::{WorkspaceBody, WorkspaceView};
use crate::routes::keys::wire::{ChangedKey, CreatedKey, KeyBody, KeyChangeBody, KeyList, KeyName};
use crate::routes::settings::{SettingsBody, SettingsView};
use crate::upkeep::{PrivacyReport, RebuildReport};
use store::classify::relay::Summary;
use store::ledger::verify;

/// A request, and what is answered: `T`.
pub(crate) struct Call<T> {
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: String,
    /// JSON, or nothing; or why it is none.
    pub(super) body: Result<String, String>,
    pub(super) without: Without,
    /// Where no server runs: where it is noted who was erased, if that is not beside the folder.
    pub(super) erasures: Option<PathBuf>,
    answer: PhantomData<fn() -> T>,
}

/// What becomes of a call where no server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Without {
    /// There is sense in it on a folder that holds nothing yet.
    pub(super) makes_a_store: bool,
    /// A store that cannot be written can answer it.
    pub(super) only_reads: bool,
    /// Only a server can.
    pub(super) has_no_answer: bool,
}

const EXISTING: Without = Without {
    makes_a_store: false,
    only_reads: false,
    has_no_answer: false,
};
const ANY: Without = Without {
    makes_a_store: true,
    ..EXISTING
};
const READS_EXISTING: Without = Without {
    only_reads: true,
    ..EXISTING
};
const READS_ANY: Without = Without {
    only_reads: true,
    ..ANY
};
const SERVER: Without = Without {
    has_no_answer: true,
    ..EXISTING
};

impl<T> Call<T> {
    fn new(method: Method, target: impl Into<String>, without: Without) -> Self {
        Self {
            method,
            target: target.into(),
            body: Ok(String::new()),
            without,
            erasures: None,
            answer: PhantomData,
        }
    }

    fn get(target: impl Into<String>, without: Without) -> Self {
        Self::new(Method::GET, target, without)
    }

    fn post(target: impl Into<String>, without: Without) -> Self {
        Self::new(Method::POST, target, without)
    }

    fn with(mut self, body: &impl Serialize) -> Self {
        // A path need not be a text.
        self.body = serde_json::to_string(body).map_err(|error| error.to_string());
        self
    }
}

pub(crate) fn hello() -> Call<Hello> {
    Call::get("/control", ANY)
}

pub(crate) fn list_keys(workspace: Option<&str>) -> Call<KeyList> {
    Call::get(of_workspace("/v1/keys", workspace), READS_ANY)
}

pub(crate) fn create_key(workspace: &str, key: &KeyBody) -> Call<CreatedKey> {
    Call::post(of_workspace("/v1/keys", Some(workspace)), ANY).with(key)
}

pub(crate) fn change_key(
    workspace: Option<&str>,
    key: &KeyName,
    change: &KeyChangeBody,
) -> Call<ChangedKey> {
    Call::new(Method::PATCH, of_key(workspace, key), EXISTING).with(change)
}

pub(crate) fn revoke_key(workspace: Option<&str>, key: &KeyName) -> Call<ChangedKey> {
    Call::new(Method::DELETE, of_key(workspace, key), EXISTING)
}

pub(crate) fn show_settings(workspace: &str) -> Call<SettingsView> {
    Call::get(
        of_workspace("/v1/settings", Some(workspace)),
        READS_EXISTING,
    )
}

pub(crate) fn identify_secret(workspace: &str) -> Call<SecretView> {
    let target = of_workspace("/control/identify-secret", Some(workspace));
    Call::get(target, READS_EXISTING)
}

/// The views are built anew where anything changes.
pub(crate) fn change_settings(workspace: &str, change: &SettingsBody) -> Call<SettingsView> {
    let target = of_workspace("/v1/settings", Some(workspace));
    Call::new(Method::PATCH, target, EXISTING).with(change)
}

pub(crate) fn list_workspaces() -> Call<Vec<WorkspaceView>> {
    Call::get("/control/workspaces", READS_ANY)
}

pub(crate) fn create_workspace(workspace: &WorkspaceBody) -> Call<WorkspaceView> {
    Call::post("/control/workspaces", ANY).with(workspace)
}

pub(crate) fn list_token_keys() -> Call<Vec<TokenKeyView>> {
    Call::get("/control/token-keys", READS_ANY)
}

pub(crate) fn rotate_token_keys() -> Call<TokenKeyView> {
    Call::post("/control/token-keys", EXISTING)
}

pub(crate) fn verify() -> Call<verify::LogReport> {
    Call::post("/control/verify", READS_EXISTING)
}

pub(crate) fn rebuild() -> Call<RebuildReport> {
    Call::post("/control/rebuild", EXISTING)
}

pub(crate) fn apply_privacy(asked: Option<Privacy>) -> Call<PrivacyReport> {
    Call::post("/control/privacy", EXISTING).with(&PrivacyAsk { privacy: asked })
}

pub(crate) fn backup(ask: &BackupAsk) -> Call<BackupReport> {
    Call::post("/control/backup", EXISTING).with(ask)
}

pub(crate) fn doctor() -> Call<doctor::Diagnosis> {
    Call::get("/control/doctor", EXISTING)
}

pub(crate) fn link() -> Call<LinkView> {
    Call::post("/control/link", SERVER)
}

pub(crate) fn show_relay_list() -> Call<Summary> {
    Call::get("/control/relay-list", READS_EXISTING)
}

/// The relay list on disk is new.
pub(crate) fn reload_relay_list() -> Call<Summary> {
    Call::post("/control/relay-list", ANY)
}

/// A server notes it in the file that it was started with; `erasures` is for a folder at rest.
pub(crate) fn erase_contact(
    workspace: &str,
    contact: &EraseBody,
    erasures: Option<PathBuf>,
) -> Call<ErasedView> {
    let target = of_workspace("/control/contacts/erase", Some(workspace));
    Call {
        erasures,
        ..Call::post(target, EXISTING).with(contact)
    }
}

/// Shows a contact, having changed them where the body says what.
pub(crate) fn show_contact(workspace: &str, contact: &ContactAsk) -> Call<Value> {
    let target = of_workspace("/control/contacts/show", Some(workspace));
    Call::post(target, SERVER).with(contact)
}

/// The list that `GET /v1/contacts` gives for these parameters.
pub(crate) fn list_contacts(workspace: &str, asked: &[(&str, Option<&str>)]) -> Call<Value> {
    let mut target = of_workspace("/control/contacts", Some(workspace));
    for (name, value) in asked {
        if let Some(value) = value {
            target.push_str(&format!("&{name}={}", escaped(value)));
        }
    }
    Call::get(target, SERVER)
}

pub(crate) fn contact_timeline(workspace: &str, contact: &ContactAsk) -> Call<Value> {
    let target = of_workspace("/control/contacts/timeline", Some(workspace));
    Call::post(target, SERVER).with(contact)
}

pub(crate) fn export_contact(workspace: &str, contact: &ContactAsk) -> Call<HeldLines> {
    let target = of_workspace("/control/contacts/export", Some(workspace));
    Call::post(target, SERVER).with(contact)
}

pub(crate) fn import_contacts(workspace: &str, file: &ImportBody<'_>) -> Call<Value> {
    let target = of_workspace("/control/contacts/import", Some(workspace));
    Call::post(target, SERVER).with(file)
}

/// What the routes of segments answer; only a server can.
pub(crate) fn segments(workspace: &str, ask: &SegmentsAsk) -> Call<Value> {
    let target = of_workspace("/control/segments", Some(workspace));
    Call::post(target, SERVER).with(ask)
}

/// Registers a message; the body and the answer are those of `POST /v1/messages`.
pub(crate) fn register_message(
    workspace: &str,
    public_url: Option<&str>,
    message: &impl Serialize,
) -> Call<Value> {
    let mut target = of_workspace("/control/messages", Some(workspace));
    if let Some(url) = public_url {
        target.push_str("&publicUrl=");
        target.push_str(&escaped(url));
    }
    Call::post(target, ANY).with(message)
}

fn of_workspace(path: &str, workspace: Option<&str>) -> String {
    match workspace {
        Some(name) => format!("{path}?workspace={}", escaped(name)),
        None => path.to_owned(),
    }
}

fn of_key(workspace: Option<&str>, key: &KeyName) -> String {
    let name = key.to_string();
    // Without any, it would be the path of all keys.
    let name = if name.is_empty() { "-" } else { &name };
    of_workspace(&format!("/v1/keys/{}", escaped(name)), workspace)
}

/// One part of a path or a query.
fn escaped(text: &str) -> String {
    let escaped: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    escaped.replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_command_was_given_stays_one_part_of_the_address() {
        let id = KeyName::Id("../a b/c?d&e=é%".to_owned());
        assert_eq!(
            of_key(Some("x&y"), &id),
            "/v1/keys/..%2Fa%20b%2Fc%3Fd%26e%3D%C3%A9%25?workspace=x%26y"
        );
        assert_eq!(of_key(None, &KeyName::Id(String::new())), "/v1/keys/-");
    }
}
