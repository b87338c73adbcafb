//! Commands on keys that are made: how they name a key, and how one is changed and revoked.

use std::num::NonZeroU32;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shared::time::Timestamp;

use super::{ListedKey, sentence, workspace};
use crate::meta::{Key, KeyChange, KeyDigest, Meta, MetaError, OriginPattern};

/// How a command names a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyName {
    Id(String),
    /// Of the key's text, which itself goes no further than the command line.
    Digest(KeyDigest),
}

/// A key to be changed; texts are as they were typed, and what is not named stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeysUpdate {
    /// Only if the key is of this workspace.
    pub workspace: Option<String>,
    pub key: KeyName,
    pub add_origins: Vec<String>,
    pub remove_origins: Vec<String>,
    pub any_origin: bool,
    pub label: Option<String>,
    /// Takes the place of the one before.
    pub rate: Option<NonZeroU32>,
    /// Back to the default of the kind.
    pub no_rate: bool,
    /// RFC 3339.
    pub expires_at: Option<String>,
    pub never_expires: bool,
}

pub(super) fn update(meta: &Meta, asked: &KeysUpdate) -> Result<ListedKey, String> {
    let key = find(meta, asked.workspace.as_deref(), &asked.key)?;
    let origins = |texts: &[String]| {
        let parsed = texts.iter().map(|text| OriginPattern::parse(text));
        parsed.collect::<Result<Vec<_>, _>>().map_err(sentence)
    };
    let change = KeyChange {
        add_origins: origins(&asked.add_origins)?,
        remove_origins: origins(&asked.remove_origins)?,
        any_origin: asked.any_origin,
        label: asked.label.clone(),
        rate: if asked.no_rate {
            Some(None)
        } else {
            asked.rate.map(Some)
        },
        expires_at: if asked.never_expires {
            Some(None)
        } else {
            instant(asked.expires_at.as_deref())?.map(Some)
        },
    };
    let changed = meta.update_key(&key.id, &change).map_err(sentence)?;
    Ok(ListedKey::of(&changed))
}

pub(super) fn revoke(
    meta: &Meta,
    workspace: Option<&str>,
    name: &KeyName,
) -> Result<ListedKey, String> {
    let key = find(meta, workspace, name)?;
    let revoked = meta.revoke_key(key.workspace, &key.id).map_err(sentence)?;
    Ok(ListedKey::of(&revoked))
}

/// When a key is to expire.
pub(super) fn instant(text: Option<&str>) -> Result<Option<Timestamp>, String> {
    let parse = |text| Timestamp::parse_rfc3339(text).map_err(sentence);
    text.map(parse).transpose()
}

fn find(meta: &Meta, name: Option<&str>, key: &KeyName) -> Result<Arc<Key>, String> {
    let of = name.map(|name| workspace(meta, name)).transpose()?;
    match key {
        KeyName::Id(id) => meta.key(id),
        KeyName::Digest(digest) => meta.key_of_digest(digest),
    }
    .filter(|key| of.is_none_or(|workspace| workspace.id == key.workspace))
    .ok_or_else(|| MetaError::UnknownKey.to_string())
}
