//! Sessions of our own pages, as the meta store keeps them. Not the cookie that names one
//! (`crate::session`).

use std::collections::HashMap;
use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable, TableDefinition, TableError};
use serde::{Deserialize, Serialize};
use shared::api_key::Scope;
use shared::time::Timestamp;

use super::{Key, Known, Meta, MetaError, Workspace, json};
use crate::log::record::WorkspaceId;

/// Key: a [`TokenDigest`]. Value: JSON of [`StoredSession`].
pub(super) const SESSIONS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("sessions_v1");

/// Sessions that are kept; the oldest make room.
const MAX_SESSIONS: usize = 1_000;

/// SHA-256 of a session's token: all that is kept of it. A token has 256 random bits, so neither
/// salt nor a slow hash would add anything.
pub type TokenDigest = [u8; 32];

/// A row of the table as it lies in the file.
pub(super) type Row = (Vec<u8>, Vec<u8>);

/// What is asked of a new session.
pub struct NewSession {
    pub workspace: Arc<Workspace>,
    pub scopes: Vec<Scope>,
    /// The key that it was made with; none where a one-time code made it.
    pub key: Option<Arc<Key>>,
    pub expires_at: Timestamp,
}

/// A browser that has shown a key or a one-time code.
#[derive(Debug)]
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
        let gone = self.known().sessions_to_forget(now);
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

impl Known {
    /// Those that are over, and the oldest where one more would be too many.
    fn sessions_to_forget(&self, now: Timestamp) -> Vec<TokenDigest> {
        let (mut good, mut gone) = (Vec::new(), Vec::new());
        for (digest, session) in &self.sessions {
            if session.is_good(now) {
                good.push((session.created_at, *digest));
            } else {
                gone.push(*digest);
            }
        }
        good.sort_unstable();
        let surplus = (good.len() + 1).saturating_sub(MAX_SESSIONS);
        gone.extend(good.into_iter().take(surplus).map(|(_, digest)| digest));
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
    fn from_stored(stored: StoredSession, known: &Known) -> Option<Self> {
        let workspace = known.workspaces.get(&WorkspaceId(stored.workspace))?;
        let scopes = stored.scopes.iter().map(|scope| Scope::parse(scope));
        let key = match stored.key_id {
            Some(id) => Some(Arc::clone(known.keys.iter().find(|key| key.id == id)?)),
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
pub(super) fn rows(read: &ReadTransaction) -> Result<Vec<Row>, redb::Error> {
    let table = match read.open_table(SESSIONS) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
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
pub(super) fn known(rows: Vec<Row>, known: &Known) -> HashMap<TokenDigest, Arc<Session>> {
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
    use super::*;
    use crate::clock::{Clock as _, FixedClock};

    fn digest(number: usize) -> TokenDigest {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        digest
    }

    #[test]
    fn the_oldest_session_makes_room_and_what_is_over_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::new(Timestamp::from_millis(1_000)));
        let meta = Meta::open(folder.path(), Arc::clone(&clock) as _).unwrap();
        let create = |number: usize, lasts: i64| {
            let new = NewSession {
                workspace: meta.workspace("default").unwrap(),
                scopes: vec![Scope::Read],
                key: None,
                expires_at: Timestamp::from_millis(clock.now().as_millis() + lasts),
            };
            clock.advance_millis(1);
            meta.create_session(digest(number), new).unwrap()
        };
        let long = create(0, 1_000_000);
        create(1, 1_000_000);
        create(2, 1);
        // In memory alone, since each would wait for the disk.
        for number in 3..MAX_SESSIONS {
            let known = Session {
                created_at: clock.now(),
                scopes: long.scopes.clone(),
                workspace_name: long.workspace_name.clone(),
                key: None,
                ..*long
            };
            let mut all = meta.known_mut();
            all.sessions.insert(digest(number), Arc::new(known));
        }
        clock.advance_millis(1);
        // The one that is over has made room.
        create(MAX_SESSIONS + 1, 1_000_000);
        assert!(meta.session(&digest(0)).is_some());
        assert!(meta.session(&digest(2)).is_none());
        create(MAX_SESSIONS + 2, 1_000_000);
        assert!(meta.session(&digest(0)).is_none());
        assert!(meta.session(&digest(1)).is_some());
        assert_eq!(meta.known().sessions.len(), MAX_SESSIONS);
        drop(meta);
        let meta = Meta::open(folder.path(), clock).unwrap();
        assert!(meta.session(&digest(0)).is_none());
        assert!(meta.session(&digest(MAX_SESSIONS + 2)).is_some());
    }
}
