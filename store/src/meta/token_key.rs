//! The keys of the tokens in mails, as the meta store keeps them: they stay for ever, because mails
//! do. Not what is made with them (`crate::token`).

use std::path::Path;
use std::sync::Arc;

use redb::WriteTransaction;
use redb::{Database, ReadableDatabase, ReadableTable as _, TableDefinition};
use serde::{Deserialize, Serialize};
use shared::time::Timestamp;

use super::{Meta, MetaError, guarded, json, random, storage};
use crate::files::database::table;
use crate::locks::{read, write};
use crate::token::{TokenForm, TokenKey, TokenKeys};

/// Key: a token key's id. Value: JSON of [`StoredTokenKey`].
pub(super) const TOKEN_KEYS: TableDefinition<'_, u32, &[u8]> =
    TableDefinition::new("token_keys_v1");

/// The id of the first one.
const FIRST: u32 = 1;
/// The id of a key that stands for none, see `load_or_pretend`.
pub const NO_TOKEN_KEY: u32 = 0;

/// A token key's row in the file, as JSON, so that later fields can be added with a default.
#[derive(Serialize, Deserialize)]
struct StoredTokenKey {
    /// Milliseconds since 1970.
    created_at: i64,
    /// 64 bytes.
    secret: Vec<u8>,
    /// Of the tokens that are made with it; absent of the first form.
    #[serde(default = "first_form")]
    form: u8,
}

/// The number of [`TokenForm::First`].
fn first_form() -> u8 {
    1
}

/// The number of [`TokenForm::Short`].
const SHORT_FORM: u8 = 2;

impl Meta {
    /// The keys of the tokens in mails. Never touches the disk.
    pub fn token_keys(&self) -> Arc<TokenKeys> {
        Arc::clone(&read(&self.token_keys))
    }

    /// Makes a key with which new tokens are made from now on; the earlier ones stay.
    ///
    /// # Errors
    /// When that could not be made durable; nothing has changed then.
    pub fn rotate_token_keys(&self) -> Result<Arc<TokenKeys>, MetaError> {
        let mut database = self.lock_database();
        let keys = self.token_keys();
        let id = keys.current().id.checked_add(1);
        let new = make(id.ok_or(MetaError::TokenKeysUsedUp)?, self.clock.now())?;
        self.write(&mut database, "making a token key", |transaction| {
            put(transaction, &new)
        })?;
        let keys = Arc::new(keys.with(new));
        *write(&self.token_keys) = Arc::clone(&keys);
        Ok(keys)
    }
}

/// The keys of the file. One from before there were any gets its first, durably: what a token is
/// made with must be there after a crash. One whose newest key makes tokens of an older form gets
/// another, since a key's tokens never change their form.
pub(super) fn load_or_make(
    path: &Path,
    database: &Database,
    now: Timestamp,
) -> Result<TokenKeys, MetaError> {
    let known = load(path, database)?;
    let next = match known {
        None => FIRST,
        Some(keys) if keys.current().form == TokenForm::Short => return Ok(keys),
        Some(ref keys) => {
            let next = keys.current().id.checked_add(1);
            next.ok_or(MetaError::TokenKeysUsedUp)?
        }
    };
    let new = make(next, now)?;
    let written: Result<(), redb::Error> = (|| {
        let transaction = database.begin_write()?;
        put(&transaction, &new)?;
        Ok(transaction.commit()?)
    })();
    written.map_err(|error| storage(path, "making a token key", &error))?;
    Ok(match known {
        Some(keys) => keys.with(new),
        None => TokenKeys::new(vec![new]).expect("one is more than none"),
    })
}

/// The keys of a file that cannot be written; where it is from before there were any, one that is in
/// no file, with the id [`NO_TOKEN_KEY`].
pub(super) fn load_or_pretend(
    path: &Path,
    database: &impl ReadableDatabase,
    now: Timestamp,
) -> Result<TokenKeys, MetaError> {
    match load(path, database)? {
        Some(keys) => Ok(keys),
        None => {
            let none = make(NO_TOKEN_KEY, now)?;
            Ok(TokenKeys::new(vec![none]).expect("one is more than none"))
        }
    }
}

fn load(path: &Path, database: &impl ReadableDatabase) -> Result<Option<TokenKeys>, MetaError> {
    let rows = guarded(path, || {
        let transaction = database.begin_read()?;
        let Some(table) = table(&transaction, TOKEN_KEYS)? else {
            return Ok(Vec::new());
        };
        let mut rows = Vec::new();
        for row in table.iter()? {
            let (id, value) = row?;
            rows.push((id.value(), value.value().to_vec()));
        }
        Ok(rows)
    })?;
    let mut keys = Vec::new();
    for (id, row) in rows {
        let damaged = |what: String| MetaError::Damaged {
            path: path.to_owned(),
            what: format!("its token key {id} cannot be read: {what}"),
        };
        let stored: StoredTokenKey =
            serde_json::from_slice(&row).map_err(|error| damaged(error.to_string()))?;
        let length = || damaged("its length is wrong".to_owned());
        keys.push(TokenKey {
            id,
            created_at: Timestamp::from_millis(stored.created_at),
            secret: stored.secret.try_into().map_err(|_| length())?,
            form: match stored.form {
                1 => TokenForm::First,
                SHORT_FORM => TokenForm::Short,
                other => return Err(damaged(format!("its form {other} is of a newer version"))),
            },
        });
    }
    Ok(TokenKeys::new(keys))
}

fn make(id: u32, created_at: Timestamp) -> Result<TokenKey, MetaError> {
    Ok(TokenKey {
        id,
        created_at,
        secret: random()?,
        form: TokenForm::Short,
    })
}

fn put(transaction: &WriteTransaction, key: &TokenKey) -> Result<(), redb::Error> {
    let stored = StoredTokenKey {
        created_at: key.created_at.as_millis(),
        secret: key.secret.to_vec(),
        form: match key.form {
            TokenForm::First => first_form(),
            TokenForm::Short => SHORT_FORM,
        },
    };
    let mut keys = transaction.open_table(TOKEN_KEYS)?;
    keys.insert(key.id, json(&stored).as_slice())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FixedClock;
    use crate::meta::META_FILE;

    fn clock() -> Arc<FixedClock> {
        Arc::new(FixedClock::new(Timestamp::from_millis(1_000)))
    }

    fn shown(keys: &TokenKeys) -> Vec<(u32, i64, [u8; 64])> {
        keys.all()
            .map(|key| (key.id, key.created_at.as_millis(), key.secret))
            .collect()
    }

    #[test]
    fn keys_and_rotations_outlive_a_restart_and_are_all_different() {
        let folder = tempfile::tempdir().unwrap();
        let clock = clock();
        let open = || Meta::open(folder.path(), Arc::clone(&clock) as _).unwrap();
        let meta = open();
        let first = shown(&meta.token_keys());
        assert_eq!((first.len(), first[0].0, first[0].1), (1, 1, 1_000));
        clock.advance_millis(500);
        meta.rotate_token_keys().unwrap();
        meta.rotate_token_keys().unwrap();
        let all = shown(&meta.token_keys());
        assert_eq!(all[0], first[0]);
        assert_eq!(all.iter().map(|key| key.0).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(all[2].1, 1_500);
        assert!(all[0].2 != all[1].2 && all[1].2 != all[2].2);
        drop(meta);
        assert_eq!(shown(&open().token_keys()), all);
    }

    #[test]
    fn a_file_from_before_there_were_token_keys_gets_one_that_stays() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Meta::open(folder.path(), clock()).unwrap();
        drop(open());
        let database = Database::open(folder.path().join(META_FILE)).unwrap();
        let transaction = database.begin_write().unwrap();
        assert!(transaction.delete_table(TOKEN_KEYS).unwrap());
        transaction.commit().unwrap();
        drop(database);
        let made = shown(&open().token_keys());
        assert_eq!((made.len(), made[0].0), (1, 1));
        assert_eq!(shown(&open().token_keys()), made);
    }

    #[test]
    fn a_file_whose_newest_key_is_of_an_older_version_gets_one_more_once() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Meta::open(folder.path(), clock()).unwrap();
        drop(open());
        let database = Database::open(folder.path().join(META_FILE)).unwrap();
        let transaction = database.begin_write().unwrap();
        let old = json(&serde_json::json!({"created_at": 1, "secret": vec![5; 64]}));
        let mut table = transaction.open_table(TOKEN_KEYS).unwrap();
        table.insert(1, old.as_slice()).unwrap();
        drop(table);
        transaction.commit().unwrap();
        drop(database);
        let keys = open().token_keys();
        let forms: Vec<_> = keys.all().map(|key| (key.id, key.form)).collect();
        assert_eq!(forms, [(1, TokenForm::First), (2, TokenForm::Short)]);
        assert_eq!(shown(&open().token_keys()), shown(&keys));
    }

    #[test]
    fn a_damaged_token_key_is_said_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        drop(Meta::open(folder.path(), clock()).unwrap());
        let database = Database::open(folder.path().join(META_FILE)).unwrap();
        let transaction = database.begin_write().unwrap();
        let short = br#"{"created_at":1,"secret":[1,2]}"#;
        let mut table = transaction.open_table(TOKEN_KEYS).unwrap();
        table.insert(1, short.as_slice()).unwrap();
        drop(table);
        transaction.commit().unwrap();
        drop(database);
        let error = Meta::open(folder.path(), clock()).unwrap_err();
        assert!(matches!(error, MetaError::Damaged { .. }), "{error}");
    }
}
