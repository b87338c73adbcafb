//! Keys as they are asked for and answered, by the routes and by the commands that call them.

use std::fmt;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use shared::api_key::{ApiKey, KeyKind};
use shared::time::Timestamp;
use utoipa::ToSchema;

use crate::embed::embed;
use crate::public_url::PublicUrl;
use store::meta::{Key, KeyDigest};
use store::query::words::ScopeName;

/// How a key is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyName {
    Id(String),
    /// Of the key's text, which itself goes no further than who holds it.
    Digest(KeyDigest),
}

impl KeyName {
    pub(super) fn parse(text: &str) -> Self {
        KeyDigest::parse(text).map_or_else(|| Self::Id(text.to_owned()), Self::Digest)
    }
}

/// As it stands in an address, before it is escaped.
impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => f.write_str(id),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// A key to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"scopes": ["send", "read"], "label": "shop"}))]
pub(crate) struct KeyBody {
    /// What it may do; `send` alone without them, and of public keys.
    #[schema(value_type = Vec<ScopeName>, required = false)]
    pub scopes: Vec<String>,
    /// A key that may stand in every page.
    #[schema(required = false)]
    pub public: bool,
    /// The sites that may use a public key, as `https://shop.example` or `*.example.com`; every one without them.
    #[schema(required = false, max_items = 100)]
    pub origins: Vec<String>,
    /// Takes purchases with a public key, as unverified ones: they are kept out of revenue.
    #[schema(required = false)]
    pub allow_purchases: bool,
    /// Events per second, a request being one at the least; without it secret keys have no limit, and public
    /// keys 1,000 requests and 10,000 events.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1)]
    pub rate: Option<NonZeroU32>,
    /// A name for people, to tell keys apart: 1 to 100 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 100)]
    pub label: Option<String>,
    /// RFC 3339: it is refused from then on; never without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// Reads the metrics of the whole process. On the Unix socket alone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(ignore)]
    pub operator: bool,
}

/// A key to be changed; what is not named stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"addOrigins": ["https://shop.example"], "label": "web"}))]
pub(crate) struct KeyChangeBody {
    /// More sites that may use a public key.
    #[schema(required = false, max_items = 100)]
    pub add_origins: Vec<String>,
    /// Sites that may no longer use it; each must be one of its origins.
    #[schema(required = false, max_items = 100)]
    pub remove_origins: Vec<String>,
    /// Takes all origins away: then every site may use it.
    #[schema(required = false)]
    pub any_origin: bool,
    /// A name for people: 1 to 100 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 100)]
    pub label: Option<String>,
    /// Events per second; null is the default of its kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1)]
    pub rate: Option<Option<NonZeroU32>>,
    /// RFC 3339; null is never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Option<String>>,
}

/// A key at its making: the only place where a secret one stands in plain.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewKeyView {
    #[schema(example = "key_4fTq0cMmZk9R2aXb")]
    pub id: String,
    /// The key itself: of a secret one, this once.
    pub key: String,
    pub public: bool,
    #[schema(value_type = Vec<ScopeName>)]
    pub scopes: Vec<String>,
    pub origins: Vec<String>,
    #[schema(required)]
    pub label: Option<String>,
    #[schema(format = DateTime)]
    pub created_at: String,
    pub workspace: String,
    pub allow_purchases: bool,
    #[schema(required, value_type = Option<u32>, minimum = 1)]
    pub rate: Option<NonZeroU32>,
    #[schema(required, format = DateTime)]
    pub expires_at: Option<String>,
    /// Reads the metrics of the whole process; absent where it does not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub operator: bool,
    /// What to put into pages: of a public key that a running server has made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub embed: Option<String>,
}

/// The answer to who has made a key.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct CreatedKey {
    /// Always true.
    pub success: bool,
    #[serde(flatten)]
    pub key: NewKeyView,
}

/// A key in a list.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyView {
    #[schema(example = "key_4fTq0cMmZk9R2aXb")]
    pub id: String,
    /// The key itself, of a public one.
    #[schema(required)]
    pub key: Option<String>,
    /// The last characters of the key itself; of a secret one from before they were kept nobody knows them.
    #[schema(required)]
    pub last_four: Option<String>,
    pub public: bool,
    #[schema(value_type = Vec<ScopeName>)]
    pub scopes: Vec<String>,
    /// The sites that may use a public key; every one where there are none.
    pub origins: Vec<String>,
    #[schema(required)]
    pub label: Option<String>,
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When a secret key was first seen in a page, a body or an address.
    #[schema(required, format = DateTime)]
    pub exposed_at: Option<String>,
    #[schema(required, format = DateTime)]
    pub revoked_at: Option<String>,
    #[schema(required, format = DateTime)]
    pub last_used_at: Option<String>,
    #[schema(required, format = DateTime)]
    pub expires_at: Option<String>,
    pub allow_purchases: bool,
    /// Events per second, a request being one at the least.
    #[schema(required, value_type = Option<u32>, minimum = 1)]
    pub rate: Option<NonZeroU32>,
    pub workspace: String,
    /// Reads the metrics of the whole process; absent where it does not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub operator: bool,
}

/// The answer to who has changed a key.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct ChangedKey {
    /// Always true.
    pub success: bool,
    #[serde(flatten)]
    pub key: KeyView,
}

/// The keys of a workspace, the oldest first.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct KeyList {
    pub keys: Vec<KeyView>,
}

impl NewKeyView {
    pub(super) fn of(key: &Key, plain: &ApiKey, public_url: Option<&PublicUrl>) -> Self {
        let public = key.kind == KeyKind::Public;
        Self {
            id: key.id.clone(),
            key: plain.as_str().to_owned(),
            public,
            scopes: scopes_of(key),
            origins: key.origins.iter().map(ToString::to_string).collect(),
            label: key.label.clone(),
            created_at: key.created_at.to_string(),
            workspace: key.workspace_name.clone(),
            allow_purchases: key.allow_purchases,
            rate: key.rate,
            expires_at: key.expires_at().map(|time| time.to_string()),
            operator: key.operator,
            embed: public_url.filter(|_| public).map(|url| embed(plain, url)),
        }
    }
}

impl KeyView {
    pub(super) fn of(key: &Key) -> Self {
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
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

impl ChangedKey {
    pub(super) fn of(key: &Key) -> Self {
        Self {
            success: true,
            key: KeyView::of(key),
        }
    }
}

fn scopes_of(key: &Key) -> Vec<String> {
    let scopes = key.scopes.iter().map(|scope| scope.as_str().to_owned());
    scopes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_by_its_id_or_by_the_digest_of_its_text() {
        let mut byte = 0;
        let key = ApiKey::generate(KeyKind::Secret, &mut || {
            byte += 1;
            byte
        });
        let digest = KeyName::Digest(KeyDigest::of(&key));
        let text = digest.to_string();
        assert_eq!(text.len(), "sha256:".len() + 64);
        assert_eq!(KeyName::parse(&text), digest);
        for id in ["key_1", "sha256:", &text[..text.len() - 1], "sha256:é"] {
            assert_eq!(KeyName::parse(id), KeyName::Id(id.to_owned()));
        }
    }
}
