//! Sessions of our own pages, as the meta store keeps them. Not the cookie that names one
//! (`crate::session`).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};
use shared::api_key::Scope;
use shared::time::Timestamp;

use super::{Contents, Key, Meta, MetaError, Workspace, json};
use crate::files::database::table;
use crate::record::WorkspaceId;

/// Key: a [`TokenDigest`]. Value: JSON of [`StoredSession`].
pub(super) const SESSIONS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("sessions_v1");

/// Sessions that one key has, or all one-time codes of a workspace together; the oldest make room.
const MAX_OF_KEY: usize = 100;
/// Sessions of one workspace; the oldest of the key that has most make room. Workspaces are the
/// operator's to make, so these bound all of them, and no tenant ends another's.
const MAX_OF_WORKSPACE: usize = 1_000;

/// SHA-256 of a session's token: all that is kept of it. A token has 256 random bits, so neither
/// salt nor a slow hash would add anything.
pub type TokenDigest = [u8; 32];

/// A row of the table as it lies in the file.
pub(super) type SessionRow = (Vec<u8>, Vec<u8>);

/// What is asked of a new session.
pub struct NewSession {
    pub workspace: Arc<Workspace>,
    pub scopes: Vec<Scope>,
    /// The key that it was made with; none where a one-time code made it.
    pub key: Option<Arc<Key>>,
    pub expires_at: Timestamp,
}

/// A browser that has shown a key or a one-time code.
#[derive(Debug, Clone)]
pub struct Session {
    pub workspace: WorkspaceId,
    pub workspace_name: String,
    pub scopes: Vec<Scope>,
    pub key: Option<Arc<Key>>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

impl Session {
    /// Whether the session may do what needs `wanted`.
    pub fn allows(&self, wanted: Scope) -> bool {
        self.scopes.iter().any(|scope| scope.allows(wanted))
    }

    fn key_id(&self) -> Option<&str> {
        self.key.as_ref().map(|key| key.id.as_str())
    }

    /// Whether it still counts: it ends with its time and with its key.
    fn is_good(&self, now: Timestamp) -> bool {
        let has_key = self.key.as_ref().is_none_or(|key| key.is_good(now));
        has_key && now < self.expires_at
    }
}

/// A session's row in the file, as JSON, so that later fields can be added with a default.
#[derive(Serialize, Deserialize)]
struct StoredSession {
    workspace: u32,
    scopes: Vec<String>,
    key_id: Option<String>,
    /// Milliseconds since 1970, as below.
    created_at: i64,
    expires_at: i64,
}

impl Meta {
    /// Makes a session; those that have ended, and the oldest of too many, are forgotten with it.
    ///
    /// # Errors
    /// When that could not be made durable.
    pub fn create_session(
        &self,
        digest: TokenDigest,
        new: NewSession,
    ) -> Result<Arc<Session>, MetaError> {
        let now = self.clock.now();
        let session = Session {
            workspace: new.workspace.id,
            workspace_name: new.workspace.name.clone(),
            scopes: new.scopes,
            key: new.key,
            created_at: now,
            expires_at: new.expires_at,
        };
        let row = json(&session.to_stored());
        let mut database = self.lock_database();
        let gone = self.known().sessions_to_forget(&session, now);
        self.write(&mut database, "making a session", |transaction| {
            let mut sessions = transaction.open_table(SESSIONS)?;
            for old in &gone {
                sessions.remove(old.as_slice())?;
            }
            sessions.insert(digest.as_slice(), row.as_slice())?;
            Ok(())
        })?;
        let session = Arc::new(session);
        let mut known = self.known_mut();
        for old in &gone {
            known.sessions.remove(old);
        }
        known.sessions.insert(digest, Arc::clone(&session));
        Ok(session)
    }

    /// The session of a token, while it is good. Never touches the disk.
    pub fn session(&self, digest: &TokenDigest) -> Option<Arc<Session>> {
        // Looking the digest up takes a time that tells nothing about the token.
        let session = self.known().sessions.get(digest).cloned();
        session.filter(|session| session.is_good(self.clock.now()))
    }

    /// Ends a session, for good.
    ///
    /// # Errors
    /// When that could not be made durable; it goes on then.
    pub fn end_session(&self, digest: &TokenDigest) -> Result<(), MetaError> {
        let mut database = self.lock_database();
        self.write(&mut database, "ending a session", |transaction| {
            transaction
                .open_table(SESSIONS)?
                .remove(digest.as_slice())?;
            Ok(())
        })?;
        self.known_mut().sessions.remove(digest);
        Ok(())
    }
}

impl Contents {
    /// Those that are over, and the oldest of the workspace and key for which `new` would be one too
    /// many.
    fn sessions_to_forget(&self, new: &Session, now: Timestamp) -> Vec<TokenDigest> {
        let mut gone = Vec::new();
        // Of the workspace, by key; in the order of their making.
        let mut good: BTreeMap<Option<&str>, Vec<(Timestamp, TokenDigest)>> = BTreeMap::new();
        for (digest, session) in &self.sessions {
            if !session.is_good(now) {
                gone.push(*digest);
            } else if session.workspace == new.workspace {
                let of_key = good.entry(session.key_id()).or_default();
                of_key.push((session.created_at, *digest));
            }
        }
        for of_key in good.values_mut() {
            of_key.sort_unstable();
        }
        let of_key = good.entry(new.key_id()).or_default();
        let surplus = (of_key.len() + 1).saturating_sub(MAX_OF_KEY);
        gone.extend(of_key.drain(..surplus).map(|(_, digest)| digest));
        let mut all: usize = good.values().map(Vec::len).sum();
        while all >= MAX_OF_WORKSPACE
            && let Some(most) = good.values_mut().max_by_key(|of_key| of_key.len())
        {
            gone.push(most.remove(0).1);
            all -= 1;
        }
        gone
    }
}

impl Session {
    fn to_stored(&self) -> StoredSession {
        StoredSession {
            workspace: self.workspace.0,
            scopes: self
                .scopes
                .iter()
                .map(|scope| scope.as_str().to_owned())
                .collect(),
            key_id: self.key.as_ref().map(|key| key.id.clone()),
            created_at: self.created_at.as_millis(),
            expires_at: self.expires_at.as_millis(),
        }
    }

    /// `None` where it leans on something that is not there.
    fn from_stored(stored: StoredSession, known: &Contents) -> Option<Self> {
        let workspace = known.workspaces.get(&WorkspaceId(stored.workspace))?;
        let scopes = stored.scopes.iter().map(|scope| Scope::parse(scope));
        let key = match stored.key_id {
            Some(id) => Some(Arc::clone(known.keys.of_id(&id)?)),
            None => None,
        };
        Some(Self {
            workspace: workspace.id,
            workspace_name: workspace.name.clone(),
            scopes: scopes.collect::<Option<_>>()?,
            key,
            created_at: Timestamp::from_millis(stored.created_at),
            expires_at: Timestamp::from_millis(stored.expires_at),
        })
    }
}

/// Every row of the file, which has no such table until the first session.
pub(super) fn rows(read: &ReadTransaction) -> Result<Vec<SessionRow>, redb::Error> {
    let Some(table) = table(read, SESSIONS)? else {
        return Ok(Vec::new());
    };
    let mut rows = Vec::new();
    for row in table.iter()? {
        let (digest, value) = row?;
        rows.push((digest.value().to_vec(), value.value().to_vec()));
    }
    Ok(rows)
}

/// What the rows say. One that says nothing is left out: its browser is asked for a link again,
/// which is no reason not to start.
pub(super) fn known(rows: Vec<SessionRow>, known: &Contents) -> HashMap<TokenDigest, Arc<Session>> {
    rows.into_iter()
        .filter_map(|(digest, row)| {
            let stored = serde_json::from_slice(&row).ok()?;
            let session = Session::from_stored(stored, known)?;
            Some((digest.try_into().ok()?, Arc::new(session)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use shared::api_key::KeyKind;

    use super::*;
    use crate::clock::{Clock as _, FixedClock};
    use crate::meta::NewKey;

    /// A store and its clock, which goes on by a millisecond with each session.
    struct Store {
        meta: Meta,
        clock: Arc<FixedClock>,
        folder: tempfile::TempDir,
    }

    fn digest(number: usize) -> TokenDigest {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        digest
    }

    impl Store {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let clock = Arc::new(FixedClock::new(Timestamp::from_millis(1_000)));
            let meta = Meta::open(folder.path(), Arc::clone(&clock) as _).unwrap();
            Self {
                meta,
                clock,
                folder,
            }
        }

        fn session(&self, workspace: &str, key: Option<&Arc<Key>>, lasts: i64) -> NewSession {
            self.clock.advance_millis(1);
            NewSession {
                workspace: self.meta.workspace(workspace).unwrap(),
                scopes: vec![Scope::Read],
                key: key.cloned(),
                expires_at: Timestamp::from_millis(self.clock.now().as_millis() + lasts),
            }
        }

        fn create(&self, number: usize, new: NewSession) {
            self.meta.create_session(digest(number), new).unwrap();
        }

        /// In memory alone, since each would wait for the disk.
        fn pretend(&self, number: usize, new: NewSession) {
            let session = Session {
                workspace: new.workspace.id,
                workspace_name: new.workspace.name.clone(),
                scopes: new.scopes,
                key: new.key,
                created_at: self.clock.now(),
                expires_at: new.expires_at,
            };
            let mut known = self.meta.known_mut();
            known.sessions.insert(digest(number), Arc::new(session));
        }

        fn key(&self, workspace: &str) -> Arc<Key> {
            let workspace = self.meta.workspace(workspace).unwrap();
            let new = NewKey::of(workspace, KeyKind::Secret);
            self.meta.create_key(new).unwrap().0
        }

        fn is_there(&self, number: usize) -> bool {
            self.meta.session(&digest(number)).is_some()
        }
    }

    const LONG: i64 = 1_000_000;

    #[test]
    fn the_oldest_session_of_a_key_makes_room_and_what_is_over_goes_first() {
        let store = Store::new();
        store.create(0, store.session("default", None, LONG));
        store.create(1, store.session("default", None, LONG));
        store.create(2, store.session("default", None, 1));
        for number in 3..MAX_OF_KEY {
            store.pretend(number, store.session("default", None, LONG));
        }
        // The one that is over has made room.
        store.create(MAX_OF_KEY, store.session("default", None, LONG));
        assert!(store.is_there(0) && !store.is_there(2));
        store.create(MAX_OF_KEY + 1, store.session("default", None, LONG));
        assert!(!store.is_there(0) && store.is_there(1));
        assert_eq!(store.meta.known().sessions.len(), MAX_OF_KEY);
        let Store {
            meta,
            clock,
            folder,
        } = store;
        drop(meta);
        let meta = Meta::open(folder.path(), clock).unwrap();
        assert!(meta.session(&digest(0)).is_none());
        assert!(meta.session(&digest(MAX_OF_KEY + 1)).is_some());
    }

    #[test]
    fn a_flood_of_one_key_or_workspace_ends_no_others_session() {
        let store = Store::new();
        store.meta.create_workspace("theirs").unwrap();
        let ours = store.key("default");
        let neighbour = store.key("default");
        store.create(0, store.session("default", Some(&ours), LONG));
        store.create(1, store.session("default", None, LONG));
        // Another key of our workspace, and each of many keys of the other.
        for number in 0..MAX_OF_KEY {
            let session = store.session("default", Some(&neighbour), LONG);
            store.pretend(10_000 + number, session);
        }
        store.create(2, store.session("default", Some(&neighbour), LONG));
        for round in 0..=MAX_OF_WORKSPACE / MAX_OF_KEY {
            let key = store.key("theirs");
            for number in 0..MAX_OF_KEY {
                let session = store.session("theirs", Some(&key), LONG);
                store.pretend(20_000 + round * MAX_OF_KEY + number, session);
            }
        }
        let late = store.key("theirs");
        store.create(3, store.session("theirs", Some(&late), LONG));
        assert!((0..=3).all(|number| store.is_there(number)));
        assert!(!store.is_there(10_000) && store.is_there(10_001));
        // As many as may be, and the few that nobody ends but their workspace's own.
        let sessions = store.meta.known().sessions.len();
        assert_eq!(sessions, MAX_OF_WORKSPACE + MAX_OF_KEY + 2);
    }
}
