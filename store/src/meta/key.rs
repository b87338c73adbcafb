//! An API key as the collector knows it: what it may do, and what has become of it.
//! Not how keys are stored and found (`meta`).

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared::api_key::{ApiKey, KeyKind, Scope};
use shared::time::Timestamp;

use super::{MetaError, OriginPattern, Workspace};
use crate::record::WorkspaceId;
use crate::secrets;

/// So many of a key's last characters are kept in plain, to tell keys apart: they are part of its
/// checksum, and the 24 random characters stay unknown.
const SHOWN_CHARACTERS: usize = 4;
/// Characters of a label at the most.
const MAX_LABEL: usize = 100;
/// Origins of a key at the most: each request of a page is compared with all of them.
const MAX_ORIGINS: usize = 100;

/// What is asked of a new key.
#[derive(Debug, Clone)]
pub struct NewKey {
    pub workspace: Arc<Workspace>,
    pub kind: KeyKind,
    /// Empty means `send` alone.
    pub scopes: Vec<Scope>,
    /// For public keys; empty means that every site may use the key.
    pub origins: Vec<OriginPattern>,
    /// For public keys: purchases from pages are taken, as unverified ones.
    pub allow_purchases: bool,
    /// Events per second, a request being one at the least; `None` is the default of the kind.
    pub rate: Option<NonZeroU32>,
    /// For people, to tell keys apart.
    pub label: Option<String>,
    /// From then on it is refused; `None` is never.
    pub expires_at: Option<Timestamp>,
    /// For secret keys: reads the metrics of the whole process, every workspace's among them.
    pub operator: bool,
}

impl NewKey {
    /// A key of this kind with every default.
    pub fn of(workspace: Arc<Workspace>, kind: KeyKind) -> Self {
        Self {
            workspace,
            kind,
            scopes: Vec::new(),
            origins: Vec::new(),
            allow_purchases: false,
            rate: None,
            label: None,
            expires_at: None,
            operator: false,
        }
    }

    /// Brings scopes and origins into order, and refuses what no key can be.
    pub(super) fn checked(mut self) -> Result<Self, MetaError> {
        if self.scopes.is_empty() {
            self.scopes.push(Scope::Send);
        }
        self.scopes.sort_unstable();
        self.scopes.dedup();
        match self.kind {
            KeyKind::Public if self.scopes != [Scope::Send] => {
                return Err(MetaError::PublicKeyScope);
            }
            KeyKind::Secret if !self.origins.is_empty() => {
                return Err(MetaError::SecretKeyOrigins);
            }
            KeyKind::Secret if self.allow_purchases => {
                return Err(MetaError::SecretKeyPurchases);
            }
            KeyKind::Public if self.operator => return Err(MetaError::PublicKeyOperator),
            KeyKind::Public | KeyKind::Secret => {}
        }
        self.origins = checked_origins(self.origins)?;
        if let Some(label) = &self.label {
            check_label(label)?;
        }
        Ok(self)
    }
}

/// Origins in the order in which they were written, each once.
pub(super) fn checked_origins(
    written: Vec<OriginPattern>,
) -> Result<Vec<OriginPattern>, MetaError> {
    let mut origins = Vec::with_capacity(written.len());
    for origin in written {
        if !origins.contains(&origin) {
            origins.push(origin);
        }
    }
    if origins.len() > MAX_ORIGINS {
        return Err(MetaError::TooManyOrigins(MAX_ORIGINS));
    }
    Ok(origins)
}

pub(super) fn check_label(label: &str) -> Result<(), MetaError> {
    let count = label.chars().count();
    // A control character could rewrite the terminal that lists the keys.
    if !(1..=MAX_LABEL).contains(&count) || label.chars().any(char::is_control) {
        return Err(MetaError::Label(MAX_LABEL));
    }
    if !secrets::find(label.as_bytes()).is_empty() {
        return Err(MetaError::SecretLabel);
    }
    Ok(())
}

/// A key, as it was when it was asked for: a change makes another version. What becomes of it is seen
/// by the holders of every version at once.
#[derive(Clone)]
pub struct Key {
    /// `key_` and 16 base62 characters: names the key where the key itself must not stand.
    pub id: String,
    pub workspace: WorkspaceId,
    pub workspace_name: String,
    pub kind: KeyKind,
    /// The key itself, of a public one.
    pub plain: Option<String>,
    /// The last characters of the key itself, to tell keys apart; not known of secret ones from before
    /// they were kept.
    pub last_four: Option<String>,
    /// In the order of [`Scope::ALL`], at least one.
    pub scopes: Vec<Scope>,
    pub origins: Vec<OriginPattern>,
    pub allow_purchases: bool,
    /// Events per second, a request being one at the least; `None` is the default of the kind.
    pub rate: Option<NonZeroU32>,
    pub label: Option<String>,
    /// Whether it reads the metrics of the whole process.
    pub operator: bool,
    pub created_at: Timestamp,
    pub(super) digest: KeyDigest,
    pub(super) course: Arc<Course>,
}

/// What becomes of a key.
pub(super) struct Course {
    pub(super) exposed_at: Moment,
    pub(super) revoked_at: Moment,
    pub(super) expires_at: Moment,
    pub(super) last_used_at: Moment,
    /// The last use that the file knows.
    pub(super) last_used_kept: Moment,
}

impl Key {
    /// Whether the key may do what needs `wanted`. Says nothing about revocation.
    pub fn allows(&self, wanted: Scope) -> bool {
        self.scopes.iter().any(|scope| scope.allows(wanted))
    }

    /// Whether a page of this origin may use the key; an empty list lets every one.
    pub fn allows_origin(&self, header: &str) -> bool {
        self.origins.is_empty() || self.origins.iter().any(|origin| origin.matches(header))
    }

    /// When the key was first seen in a page or an address, which a secret one must not be.
    pub fn exposed_at(&self) -> Option<Timestamp> {
        self.course.exposed_at.get()
    }

    /// When the key stopped being good.
    pub fn revoked_at(&self) -> Option<Timestamp> {
        self.course.revoked_at.get()
    }

    /// From when on the key is refused; `None` is never.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.course.expires_at.get()
    }

    /// Whether its time is over.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at().is_some_and(|end| end <= now)
    }

    /// Whether it is neither revoked nor expired.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.revoked_at().is_none() && !self.is_expired(now)
    }

    /// When a request last came with the key. A crash may lose the last minute of it.
    pub fn last_used_at(&self) -> Option<Timestamp> {
        self.course.last_used_at.get()
    }

    pub(super) fn new(id: String, plain: &ApiKey, new: NewKey, created_at: Timestamp) -> Self {
        Self {
            id,
            workspace: new.workspace.id,
            workspace_name: new.workspace.name.clone(),
            kind: new.kind,
            plain: (new.kind == KeyKind::Public).then(|| plain.as_str().to_owned()),
            last_four: Some(last_of(plain.as_str())),
            scopes: new.scopes,
            origins: new.origins,
            allow_purchases: new.allow_purchases,
            rate: new.rate,
            label: new.label,
            operator: new.operator,
            created_at,
            digest: KeyDigest::of(plain),
            course: Arc::new(Course {
                exposed_at: Moment::never(),
                revoked_at: Moment::never(),
                expires_at: Moment::of(new.expires_at.map(Timestamp::as_millis)),
                last_used_at: Moment::never(),
                last_used_kept: Moment::never(),
            }),
        }
    }

    pub(super) fn to_stored(&self) -> StoredKey {
        StoredKey {
            workspace: self.workspace.0,
            public: self.kind == KeyKind::Public,
            plain: self.plain.clone(),
            last_four: self.last_four.clone(),
            digest: self.digest.0,
            scopes: self
                .scopes
                .iter()
                .map(|scope| scope.as_str().to_owned())
                .collect(),
            origins: self.origins.iter().map(ToString::to_string).collect(),
            allow_purchases: self.allow_purchases,
            rate: self.rate,
            label: self.label.clone(),
            operator: self.operator,
            created_at: self.created_at.as_millis(),
            exposed_at: self.exposed_at().map(Timestamp::as_millis),
            revoked_at: self.revoked_at().map(Timestamp::as_millis),
            expires_at: self.expires_at().map(Timestamp::as_millis),
        }
    }

    /// `Err` says what is wrong with the row.
    pub(super) fn from_stored(
        id: &str,
        stored: StoredKey,
        workspace: &Workspace,
        last_used_at: Option<i64>,
    ) -> Result<Self, String> {
        let scopes = stored
            .scopes
            .iter()
            .map(|scope| Scope::parse(scope).ok_or_else(|| format!("it knows no scope {scope}")))
            .collect::<Result<_, _>>()?;
        let origins = stored
            .origins
            .iter()
            .map(|origin| OriginPattern::parse(origin).map_err(|error| error.to_string()))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            id: id.to_owned(),
            workspace: workspace.id,
            workspace_name: workspace.name.clone(),
            kind: if stored.public {
                KeyKind::Public
            } else {
                KeyKind::Secret
            },
            last_four: stored
                .last_four
                .or_else(|| stored.plain.as_deref().map(last_of)),
            plain: stored.plain,
            scopes,
            origins,
            allow_purchases: stored.allow_purchases,
            rate: stored.rate,
            label: stored.label,
            operator: stored.operator,
            created_at: Timestamp::from_millis(stored.created_at),
            digest: KeyDigest(stored.digest),
            course: Arc::new(Course {
                exposed_at: Moment::of(stored.exposed_at),
                revoked_at: Moment::of(stored.revoked_at),
                expires_at: Moment::of(stored.expires_at),
                last_used_at: Moment::of(last_used_at),
                last_used_kept: Moment::of(last_used_at),
            }),
        })
    }
}

/// Without the key itself: public ones are in every page, but a log is no place for them either.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("workspace", &self.workspace)
            .field("kind", &self.kind)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

fn last_of(plain: &str) -> String {
    // Keys are ASCII, so characters are bytes.
    plain[plain.len().saturating_sub(SHOWN_CHARACTERS)..].to_owned()
}

/// SHA-256 of a key's text: what is kept of a secret one, beside its last characters. A key has 142
/// random bits, so neither salt nor a slow hash would add anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyDigest(pub(super) [u8; 32]);

/// What a digest begins with where it stands for its key in a text.
const DIGEST_PREFIX: &str = "sha256:";

impl KeyDigest {
    pub fn of(key: &ApiKey) -> Self {
        Self(Sha256::digest(key.as_str().as_bytes()).into())
    }

    /// Reads `sha256:` and 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(DIGEST_PREFIX)?;
        if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let mut digest = [0; 32];
        for (byte, at) in digest.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(&digits[at..at + 2], 16).ok()?;
        }
        Some(Self(digest))
    }
}

/// As [`KeyDigest::parse`] reads it.
impl fmt::Display for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(DIGEST_PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A key's row in the file, as JSON, so that later fields can be added with a default.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredKey {
    pub(super) workspace: u32,
    public: bool,
    plain: Option<String>,
    #[serde(default)]
    last_four: Option<String>,
    digest: [u8; 32],
    scopes: Vec<String>,
    origins: Vec<String>,
    allow_purchases: bool,
    rate: Option<NonZeroU32>,
    label: Option<String>,
    #[serde(default)]
    operator: bool,
    /// Milliseconds since 1970, as the three below.
    created_at: i64,
    pub(super) exposed_at: Option<i64>,
    pub(super) revoked_at: Option<i64>,
    #[serde(default)]
    pub(super) expires_at: Option<i64>,
}

/// A moment that may not have come yet; read and moved without a lock.
pub(super) struct Moment(AtomicI64);

/// Before every [`Timestamp`].
const NEVER: i64 = i64::MIN;

impl Moment {
    fn never() -> Self {
        Self(AtomicI64::new(NEVER))
    }

    fn of(millis: Option<i64>) -> Self {
        Self(AtomicI64::new(millis.unwrap_or(NEVER)))
    }

    pub(super) fn get(&self) -> Option<Timestamp> {
        let millis = self.0.load(Ordering::Acquire);
        (millis != NEVER).then(|| Timestamp::from_millis(millis))
    }

    pub(super) fn set(&self, to: Option<Timestamp>) {
        let millis = to.map_or(NEVER, Timestamp::as_millis);
        self.0.store(millis, Ordering::Release);
    }

    /// Moves forward only, whichever thread comes first.
    pub(super) fn advance(&self, to: Timestamp) {
        // Most calls of one millisecond change nothing: reading first keeps the cache line shared.
        if self.0.load(Ordering::Relaxed) < to.as_millis() {
            self.0.fetch_max(to.as_millis(), Ordering::AcqRel);
        }
    }
}
