//! What may change about a key that is made: where it is good, how much it may send, how it is called
//! and how long it lives. Never what it may do: a key in somebody's hands must not grow.

use std::num::NonZeroU32;
use std::sync::Arc;

use shared::api_key::KeyKind;
use shared::time::Timestamp;

use super::key::{Key, check_label, checked_origins};
use super::{Meta, MetaError, OriginPattern, put_key};

/// A change of a key; what is not named stays.
#[derive(Debug, Clone, Default)]
pub struct KeyChange {
    /// Those that are there already stay as they are.
    pub add_origins: Vec<OriginPattern>,
    /// Each must be there.
    pub remove_origins: Vec<OriginPattern>,
    /// Whether no origins at all may be left: then every site may use the key.
    pub any_origin: bool,
    pub label: Option<String>,
    /// `Some(None)` is the default of the kind.
    pub rate: Option<Option<NonZeroU32>>,
    /// `Some(None)` is never.
    pub expires_at: Option<Option<Timestamp>>,
}

impl KeyChange {
    /// The key as it will be, save when it expires.
    fn of(&self, key: &Key) -> Result<Key, MetaError> {
        let mut changed = key.clone();
        let names_origins =
            self.any_origin || !self.add_origins.is_empty() || !self.remove_origins.is_empty();
        if names_origins && key.kind == KeyKind::Secret {
            return Err(MetaError::SecretKeyOrigins);
        }
        for origin in &self.remove_origins {
            if !key.origins.contains(origin) {
                return Err(MetaError::UnknownOrigin {
                    origin: origin.clone(),
                    known: listed(&key.origins),
                });
            }
        }
        if self.any_origin {
            changed.origins.clear();
        }
        changed
            .origins
            .retain(|origin| !self.remove_origins.contains(origin));
        changed.origins.extend(self.add_origins.iter().cloned());
        changed.origins = checked_origins(changed.origins)?;
        if changed.origins.is_empty() && !key.origins.is_empty() && !self.any_origin {
            return Err(MetaError::LastOrigin);
        }
        if let Some(label) = &self.label {
            check_label(label)?;
            changed.label = Some(label.clone());
        }
        if let Some(rate) = self.rate {
            changed.rate = rate;
        }
        Ok(changed)
    }
}

impl Meta {
    /// Changes a key; requests that come from then on meet the changed one.
    ///
    /// # Errors
    /// When there is no such key, it is revoked, or no such key can be; nothing has changed then.
    pub fn update_key(&self, id: &str, change: &KeyChange) -> Result<Arc<Key>, MetaError> {
        let mut database = self.lock_database();
        let key = self.key(id).ok_or(MetaError::UnknownKey)?;
        if key.revoked_at().is_some() {
            return Err(MetaError::RevokedKey);
        }
        let changed = change.of(&key)?;
        let mut stored = changed.to_stored();
        if let Some(expires_at) = change.expires_at {
            self.check_expiry(expires_at)?;
            stored.expires_at = expires_at.map(Timestamp::as_millis);
        }
        self.write(&mut database, "changing a key", |transaction| {
            put_key(transaction, &key.id, &stored)
        })?;
        if let Some(expires_at) = change.expires_at {
            changed.course.expires_at.set(expires_at);
        }
        let changed = Arc::new(changed);
        let mut known = self.known_mut();
        known.by_digest.insert(key.digest, Arc::clone(&changed));
        for kept in &mut known.keys {
            if kept.id == changed.id {
                *kept = Arc::clone(&changed);
            }
        }
        Ok(changed)
    }

    /// Refuses an end that is past: a typo, of which nobody would hear before the key is used.
    pub(super) fn check_expiry(&self, expires_at: Option<Timestamp>) -> Result<(), MetaError> {
        let now = self.now();
        match expires_at {
            Some(end) if end <= now => Err(MetaError::ExpiryPast(now)),
            Some(_) | None => Ok(()),
        }
    }
}

fn listed(origins: &[OriginPattern]) -> String {
    if origins.is_empty() {
        return "none, it is good on every site".to_owned();
    }
    let origins: Vec<_> = origins.iter().map(ToString::to_string).collect();
    origins.join(", ")
}
