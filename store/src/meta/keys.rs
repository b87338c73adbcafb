//! The API keys of all workspaces: made, found, revoked, flagged, used. What may change about one is
//! `key_change`'s.

use std::collections::HashMap;
use std::sync::Arc;

use redb::WriteTransaction;
use shared::api_key::ApiKey;
use shared::time::Timestamp;

use super::file::{KEYS, LAST_USED, json};
use super::key::StoredKey;
use super::{Key, KeyDigest, Meta, MetaError, NewKey, RANDOM_BYTES, random};
use crate::record::WorkspaceId;

/// The keys, found by their ids and by the digests of their texts. None of them ever goes.
#[derive(Default)]
pub(super) struct KeyRing {
    /// In the order of their making.
    all: Vec<Arc<Key>>,
    /// The place in `all`.
    by_id: HashMap<String, usize>,
    /// The same.
    by_digest: HashMap<KeyDigest, usize>,
}

impl KeyRing {
    /// Adds a key, or puts it in the place of the one with its id, whose text is the same.
    pub(super) fn put(&mut self, key: Arc<Key>) {
        if let Some(at) = self.by_id.get(&key.id) {
            self.all[*at] = key;
            return;
        }
        let at = self.all.len();
        self.by_id.insert(key.id.clone(), at);
        self.by_digest.insert(key.digest, at);
        self.all.push(key);
    }

    pub(super) fn of_id(&self, id: &str) -> Option<&Arc<Key>> {
        self.by_id.get(id).map(|at| &self.all[*at])
    }

    fn of_digest(&self, digest: &KeyDigest) -> Option<&Arc<Key>> {
        self.by_digest.get(digest).map(|at| &self.all[*at])
    }

    fn of_workspace(&self, workspace: WorkspaceId) -> impl Iterator<Item = &Arc<Key>> {
        self.all
            .iter()
            .filter(move |key| key.workspace == workspace)
    }
}

impl Meta {
    /// Makes a key. The plain one is handed out here and, of a secret key, never again.
    ///
    /// # Errors
    /// When no such key can be.
    pub fn create_key(&self, new: NewKey) -> Result<(Arc<Key>, ApiKey), MetaError> {
        self.create_key_within(new, usize::MAX)
    }

    /// The same, where its workspace has fewer than `most` keys, revoked ones among them.
    ///
    /// # Errors
    /// [`MetaError::TooManyKeys`], or when no such key can be.
    pub fn create_key_within(
        &self,
        new: NewKey,
        most: usize,
    ) -> Result<(Arc<Key>, ApiKey), MetaError> {
        let new = new.checked()?;
        self.check_expiry(new.expires_at)?;
        let mut bytes = random::<RANDOM_BYTES>()?.into_iter();
        // See RANDOM_BYTES: they do not run out.
        let plain = ApiKey::generate(new.kind, &mut || bytes.next().unwrap_or(0));
        let key = Key::new(new_key_id()?, &plain, new, self.clock.now());
        let mut database = self.lock_database();
        // Only here do keys become more.
        if self.known().keys.of_workspace(key.workspace).count() >= most {
            return Err(MetaError::TooManyKeys(most));
        }
        self.write(&mut database, "making a key", |transaction| {
            put_key(transaction, &key.id, &key.to_stored())
        })?;
        let key = Arc::new(key);
        self.known_mut().keys.put(Arc::clone(&key));
        Ok((key, plain))
    }

    /// The keys of a workspace, revoked ones too, the oldest first.
    pub fn keys(&self, workspace: WorkspaceId) -> Vec<Arc<Key>> {
        self.known().keys.of_workspace(workspace).cloned().collect()
    }

    /// The key of this id, as it is now.
    pub fn key(&self, id: &str) -> Option<Arc<Key>> {
        self.known().keys.of_id(id).cloned()
    }

    /// Makes a key useless from now on; of a key that is revoked already the first time stands.
    ///
    /// # Errors
    /// When the workspace has no key of this id.
    pub fn revoke_key(&self, workspace: WorkspaceId, id: &str) -> Result<Arc<Key>, MetaError> {
        let mut database = self.lock_database();
        let key = self
            .key(id)
            .filter(|key| key.workspace == workspace)
            .ok_or(MetaError::UnknownKey)?;
        if key.revoked_at().is_none() {
            let now = self.clock.now();
            let mut stored = key.to_stored();
            stored.revoked_at = Some(now.as_millis());
            self.write(&mut database, "revoking a key", |transaction| {
                put_key(transaction, &key.id, &stored)
            })?;
            key.course.revoked_at.advance(now);
        }
        Ok(key)
    }

    /// The key with this text, also a revoked one. Never touches the disk.
    pub fn authenticate(&self, key: &ApiKey) -> Option<Arc<Key>> {
        self.key_of_digest(&KeyDigest::of(key))
    }

    /// The key whose text has this digest, also a revoked one. Never touches the disk.
    pub fn key_of_digest(&self, digest: &KeyDigest) -> Option<Arc<Key>> {
        // Looking the digest up takes a time that tells nothing about the key.
        self.known().keys.of_digest(digest).cloned()
    }

    /// Flags a key as seen where it must not be; true for the caller who is first to. Only then
    /// does it block on disk.
    ///
    /// # Errors
    /// When that could not be made durable; the next call tries again.
    pub fn mark_exposed(&self, key: &Key) -> Result<bool, MetaError> {
        if key.exposed_at().is_some() {
            return Ok(false);
        }
        let mut database = self.lock_database();
        if key.exposed_at().is_some() {
            return Ok(false);
        }
        let now = self.clock.now();
        // As it is now: the caller's may be from before a change.
        let key = self.key(&key.id).ok_or(MetaError::UnknownKey)?;
        let mut stored = key.to_stored();
        stored.exposed_at = Some(now.as_millis());
        self.write(&mut database, "flagging a key", |transaction| {
            put_key(transaction, &key.id, &stored)
        })?;
        key.course.exposed_at.advance(now);
        Ok(true)
    }

    /// Notes that a key was used: in memory, see [`Self::flush_last_used`].
    pub fn touch(&self, key: &Key, now: Timestamp) {
        key.course.last_used_at.advance(now);
    }

    /// Writes the last uses that the file does not know yet: about each minute, and at the end.
    ///
    /// # Errors
    /// When the disk fails; the next call writes them.
    pub fn flush_last_used(&self) -> Result<(), MetaError> {
        let mut database = self.lock_database();
        let used: Vec<(Arc<Key>, Timestamp)> = self
            .known()
            .keys
            .all
            .iter()
            .filter_map(|key| Some((Arc::clone(key), key.last_used_at()?)))
            .filter(|(key, used)| key.course.last_used_kept.get() != Some(*used))
            .collect();
        if used.is_empty() {
            return Ok(());
        }
        self.write(&mut database, "noting the use of keys", |transaction| {
            let mut table = transaction.open_table(LAST_USED)?;
            for (key, used) in &used {
                table.insert(key.id.as_str(), used.as_millis())?;
            }
            Ok(())
        })?;
        for (key, used) in used {
            key.course.last_used_kept.advance(used);
        }
        Ok(())
    }
}

pub(super) fn put_key(
    transaction: &WriteTransaction,
    id: &str,
    stored: &StoredKey,
) -> Result<(), redb::Error> {
    let mut keys = transaction.open_table(KEYS)?;
    keys.insert(id, json(stored).as_slice())?;
    Ok(())
}

/// `key_` and 16 base62 characters, every one equally likely: bytes from 248 = 4 × 62 up are thrown
/// away.
fn new_key_id() -> Result<String, MetaError> {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let characters = random::<RANDOM_BYTES>()?
        .into_iter()
        .filter(|byte| *byte < 248)
        .map(|byte| char::from(ALPHABET[usize::from(byte % 62)]))
        .take(16);
    Ok("key_".chars().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use shared::api_key::{KeyKind, Scope};
    use tempfile::TempDir;

    use super::*;
    use crate::clock::SystemClock;
    use crate::meta::DEFAULT_WORKSPACE;

    fn new(meta: &Meta) -> NewKey {
        NewKey {
            workspace: meta.workspace(DEFAULT_WORKSPACE).unwrap(),
            kind: KeyKind::Secret,
            scopes: vec![Scope::Send],
            origins: Vec::new(),
            allow_purchases: false,
            rate: None,
            label: None,
            expires_at: None,
            operator: false,
        }
    }

    #[test]
    fn a_workspace_has_no_more_keys_than_it_may_revoked_ones_among_them() {
        let folder = TempDir::new().unwrap();
        let meta = Meta::open(folder.path(), Arc::new(SystemClock)).unwrap();
        let (first, _) = meta.create_key_within(new(&meta), 2).unwrap();
        meta.revoke_key(first.workspace, &first.id).unwrap();
        meta.create_key_within(new(&meta), 2).unwrap();
        let refused = meta.create_key_within(new(&meta), 2);
        assert!(matches!(refused, Err(MetaError::TooManyKeys(2))));
        assert_eq!(meta.keys(first.workspace).len(), 2);
        // Those of another workspace are their own, and the operator may always make more.
        let elsewhere = meta.create_workspace("elsewhere").unwrap();
        let theirs = NewKey {
            workspace: elsewhere,
            ..new(&meta)
        };
        meta.create_key_within(theirs, 2).unwrap();
        meta.create_key(new(&meta)).unwrap();
    }

    #[test]
    fn every_key_is_found_by_its_id_and_its_text_also_after_a_start() {
        let folder = TempDir::new().unwrap();
        let meta = Meta::open(folder.path(), Arc::new(SystemClock)).unwrap();
        let made: Vec<_> = (0..20)
            .map(|_| meta.create_key(new(&meta)).unwrap())
            .collect();
        let check = |meta: &Meta| {
            for (key, plain) in &made {
                assert_eq!(meta.key(&key.id).unwrap().id, key.id);
                assert_eq!(meta.authenticate(plain).unwrap().id, key.id);
            }
            assert!(meta.key("key_0000000000000000").is_none());
        };
        check(&meta);
        drop(meta);
        check(&Meta::open(folder.path(), Arc::new(SystemClock)).unwrap());
    }
}
