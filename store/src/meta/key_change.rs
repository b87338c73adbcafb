//! What may change about a key that is made: where it is good, how much it may send, how it is called
//! and how long it lives. Never what it may do: a key in somebody's hands must not grow.

use std::num::NonZeroU32;
use std::sync::Arc;

use shared::api_key::KeyKind;
use shared::time::Timestamp;

use super::key::{Key, check_label, checked_origins};
use super::keys::put_key;
use super::{Meta, MetaError, OriginPattern, Session};

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
        known.keys.put(Arc::clone(&changed));
        for session in known.sessions.values_mut() {
            if session.key.as_ref().is_some_and(|key| key.id == changed.id) {
                *session = Arc::new(Session {
                    key: Some(Arc::clone(&changed)),
                    ..Session::clone(session)
                });
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

#[cfg(test)]
mod tests {
    use redb::Database;
    use shared::api_key::{ApiKey, Scope};
    use tempfile::TempDir;

    use super::*;
    use crate::clock::FixedClock;
    use crate::meta::file::KEYS;
    use crate::meta::key::StoredKey;
    use crate::meta::{DEFAULT_WORKSPACE, META_FILE, NewKey, NewSession};

    fn open(folder: &TempDir) -> Meta {
        let clock = FixedClock::new(Timestamp::from_millis(1_000));
        Meta::open(folder.path(), Arc::new(clock)).unwrap()
    }

    fn origins(texts: &[&str]) -> Vec<OriginPattern> {
        let parse = |text: &&str| OriginPattern::parse(text).unwrap();
        texts.iter().map(parse).collect()
    }

    fn public(meta: &Meta, listed: &[&str]) -> (Arc<Key>, ApiKey) {
        let workspace = meta.workspace(DEFAULT_WORKSPACE).unwrap();
        meta.create_key(NewKey {
            origins: origins(listed),
            ..NewKey::of(workspace, KeyKind::Public)
        })
        .unwrap()
    }

    #[test]
    fn origins_are_added_and_taken_away() {
        let folder = TempDir::new().unwrap();
        let meta = open(&folder);
        let check = |before: &[&str], add: &[&str], remove: &[&str], after: Option<&[&str]>| {
            let (key, _) = public(&meta, before);
            let change = KeyChange {
                add_origins: origins(add),
                remove_origins: origins(remove),
                ..KeyChange::default()
            };
            let changed = meta.update_key(&key.id, &change);
            let changed = changed.map(|key| key.origins.clone()).ok();
            assert_eq!(
                changed,
                after.map(origins),
                "{before:?} +{add:?} -{remove:?}"
            );
        };
        let (a, b, c) = ("https://a.example", "*.b.example", "https://c.example");
        check(&[a], &[b], &[], Some(&[a, b]));
        check(&[a], &[a, b, b], &[], Some(&[a, b]));
        check(&[a, b], &[], &[a], Some(&[b]));
        check(&[a], &[b], &[a], Some(&[b]));
        check(&[a], &[a], &[a], Some(&[a]));
        check(&[], &[a], &[], Some(&[a]));
        check(&[a], &[], &[b], None);
        check(&[a, c], &[], &[a, c], None);
        check(&[], &[], &[a], None);
    }

    #[test]
    fn who_holds_a_key_from_before_a_change_sees_what_becomes_of_it_and_undoes_nothing() {
        let folder = TempDir::new().unwrap();
        let meta = open(&folder);
        let (before, plain) = public(&meta, &["https://a.example"]);
        let session = meta
            .create_session(
                [7; 32],
                NewSession {
                    workspace: meta.workspace(DEFAULT_WORKSPACE).unwrap(),
                    scopes: vec![Scope::Read],
                    key: Some(Arc::clone(&before)),
                    expires_at: Timestamp::from_millis(9_000),
                },
            )
            .unwrap();
        let change = KeyChange {
            label: Some("shop".to_owned()),
            expires_at: Some(Some(Timestamp::from_millis(5_000))),
            ..KeyChange::default()
        };
        meta.update_key(&before.id, &change).unwrap();
        assert!(meta.mark_exposed(&before).unwrap());
        meta.touch(&before, Timestamp::from_millis(2_000));
        let now = meta.authenticate(&plain).unwrap();
        assert_eq!(now.label.as_deref(), Some("shop"));
        assert_eq!(now.last_used_at(), Some(Timestamp::from_millis(2_000)));
        assert!(now.exposed_at().is_some());
        assert!(before.is_expired(Timestamp::from_millis(5_000)));
        assert!(!before.is_expired(Timestamp::from_millis(4_999)));
        assert!(meta.session(&[7; 32]).is_some());
        meta.revoke_key(before.workspace, &before.id).unwrap();
        assert!(before.revoked_at().is_some());
        assert!(session.key.as_ref().unwrap().revoked_at().is_some());
        assert!(meta.session(&[7; 32]).is_none());
        drop(meta);

        let kept = open(&folder).authenticate(&plain).unwrap();
        assert_eq!(kept.label.as_deref(), Some("shop"));
        assert_eq!(kept.expires_at(), Some(Timestamp::from_millis(5_000)));
        assert!(kept.exposed_at().is_some() && kept.revoked_at().is_some());
    }

    #[test]
    fn keys_of_an_older_store_live_on_without_what_nobody_kept_of_them() {
        let folder = TempDir::new().unwrap();
        let meta = open(&folder);
        let (public, public_plain) = public(&meta, &[]);
        let workspace = meta.workspace(DEFAULT_WORKSPACE).unwrap();
        let (secret, secret_plain) = meta
            .create_key(NewKey::of(workspace, KeyKind::Secret))
            .unwrap();
        drop(meta);
        // Rows as they were written before there were these fields.
        let database = Database::open(folder.path().join(META_FILE)).unwrap();
        let transaction = database.begin_write().unwrap();
        for key in [&public, &secret] {
            let mut row = serde_json::to_value(key.to_stored()).unwrap();
            let fields = row.as_object_mut().unwrap();
            for new in ["last_four", "expires_at"] {
                assert!(fields.remove(new).is_some(), "{new}");
            }
            let row = serde_json::to_vec(&row).unwrap();
            let stored: StoredKey = serde_json::from_slice(&row).unwrap();
            assert_eq!(stored.expires_at, None);
            let mut keys = transaction.open_table(KEYS).unwrap();
            keys.insert(key.id.as_str(), row.as_slice()).unwrap();
        }
        transaction.commit().unwrap();
        drop(database);

        let meta = open(&folder);
        let public = meta.authenticate(&public_plain).unwrap();
        let last = &public_plain.as_str()[34..];
        assert_eq!(public.last_four.as_deref(), Some(last));
        let secret = meta.authenticate(&secret_plain).unwrap();
        assert_eq!(
            (secret.last_four.as_deref(), secret.expires_at()),
            (None, None)
        );
    }
}
