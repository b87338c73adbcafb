//! Erasing a contact: the fact, and what lies beside the log.
//!
//! First it is noted where it outlives everything (the file beside the folder, then `meta.redb`, by which
//! late events are told), then the fact is on record, which hides the person from every read of the log;
//! the log is written anew behind it. A crash on the way leaves nothing that has been answered.
//!
//! - `file`: the file beside the folder

pub mod file;

use std::sync::Arc;

use serde_json::Value;
use shared::email::Email;
use shared::time::Timestamp;

use store::ids::new_id;
use store::ledger::decide::WorkspaceKeys as _;
use store::ledger::{Appended, Log, LogError, Submission};
use store::meta::{Erasure, Meta};
use store::record::public_seq::PublicSeq;
use store::record::{ContactId, Entry, Fact, KeyId, ToldBy, WorkspaceId, WorkspaceKey};
use store::rejected::{Rejected, RejectedStore};

pub use file::ErasuresFile;

/// Why nobody was erased, or not wholly: asking again is right.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// For whoever runs the server.
    #[error("{0}")]
    Noting(String),
    #[error(transparent)]
    Log(#[from] LogError),
}

/// What erasing needs.
pub struct Eraser {
    pub log: Arc<dyn Log>,
    pub meta: Arc<Meta>,
    /// `None` where it stands there already.
    pub file: Option<Arc<ErasuresFile>>,
}

/// A contact was erased.
pub struct Erased {
    pub erasure: Erasure,
    /// Of the fact.
    pub seq: Option<PublicSeq>,
}

impl Eraser {
    /// Erases the contact of this address, whether it is known or not; returns once that is on disk.
    ///
    /// # Errors
    /// [`EraseError`].
    pub async fn erase(
        self,
        workspace: WorkspaceId,
        email: &Email,
        key_id: Option<KeyId>,
        received_at: Timestamp,
    ) -> Result<Erased, EraseError> {
        let key = self.meta.key_of(workspace).ok_or(LogError::Unavailable)?;
        let erasure = Erasure {
            workspace,
            contact: key.contact(email.normalised()),
            time: received_at,
            id: new_id(),
        };
        let seq = self.put(erasure, key_id).await?;
        Ok(Erased { erasure, seq })
    }

    /// The same of an erasure that was noted elsewhere.
    ///
    /// # Errors
    /// [`EraseError`].
    pub async fn put(
        self,
        erasure: Erasure,
        key_id: Option<KeyId>,
    ) -> Result<Option<PublicSeq>, EraseError> {
        let Self { log, meta, file } = self;
        let noted = tokio::task::spawn_blocking(move || {
            if let Some(file) = file {
                file.add(&erasure)?;
            }
            meta.keep_erasure(erasure)
                .map_err(|error| error.to_string())
        });
        let noted = noted
            .await
            .unwrap_or_else(|error| Err(format!("noting an erasure: {error}")));
        noted.map_err(EraseError::Noting)?;
        let fact = Fact::Erase {
            contact: erasure.contact,
        };
        let (workspace, time) = (erasure.workspace, erasure.time);
        let told_by = ToldBy::Server {
            key_id,
            context: None,
        };
        let entry = Entry::new(workspace, erasure.id, told_by, time, fact);
        let appended = log.append(vec![Submission::from(entry)]).await?;
        Ok(appended.into_iter().find_map(|one| match one {
            Appended::Tracked { public_seq, .. } => Some(public_seq),
            _ => None,
        }))
    }
}

/// Forgets the rejected events that name a contact, by its address or, where nobody knows it any more, by
/// what the addresses in them give under the workspace's key.
///
/// # Errors
/// When the file fails.
pub fn clear_rejected(
    rejected: &RejectedStore,
    workspace: WorkspaceId,
    key: &WorkspaceKey,
    contact: ContactId,
    email: Option<&Email>,
) -> Result<u64, redb::Error> {
    rejected.erase(workspace, &|one| {
        email.is_some_and(|email| is_about(one, email))
            || one.body.as_ref().is_some_and(|body| {
                let value = serde_json::from_str::<Value>(&body.0);
                value.is_ok_and(|value| gives(&value, key, contact))
            })
    })
}

/// Whether any text of a value is an address of the contact.
fn gives(value: &Value, key: &WorkspaceKey, contact: ContactId) -> bool {
    match value {
        Value::String(text) => {
            text.contains('@')
                && Email::parse(text).is_ok_and(|email| key.contact(email.normalised()) == contact)
        }
        Value::Array(values) => values.iter().any(|value| gives(value, key, contact)),
        Value::Object(fields) => fields.values().any(|value| gives(value, key, contact)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether a rejected event is about the contact of this address, in whatever spelling it stands there.
fn is_about(rejected: &Rejected, email: &Email) -> bool {
    let Some(body) = &rejected.body else {
        return false;
    };
    let sought = email.normalised();
    if body.0.to_lowercase().contains(sought) {
        return true;
    }
    let value = serde_json::from_str::<Value>(&body.0);
    value.is_ok_and(|value| names(&value, email))
}

/// Whether any text of a value is the address, or holds it.
fn names(value: &Value, email: &Email) -> bool {
    match value {
        Value::String(text) => {
            let is_theirs = |email: &Email, text: &str| {
                Email::parse(text).is_ok_and(|found| found.normalised() == email.normalised())
            };
            is_theirs(email, text) || text.to_lowercase().contains(email.normalised())
        }
        Value::Array(values) => values.iter().any(|value| names(value, email)),
        Value::Object(fields) => fields.values().any(|value| names(value, email)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::record::Personal;
    use store::record::identity::Sender;

    #[test]
    fn a_rejected_event_is_about_whoever_its_body_names() {
        let email = Email::parse("Ada@Example.com").unwrap();
        for (body, is) in [
            (r#"{"email":"ada@example.com"}"#, true),
            (r#"{"email":" ADA@example.COM "}"#, true),
            (r#"{"email":"ada\u0040example.com"}"#, true),
            (r#"{"properties":{"to":["x","ada@example.com"]}}"#, true),
            (r#"{"email":"Ada <ada@example.com>"}"#, true),
            (r#"{"email":"bob@example.com"}"#, false),
            (r#"{"email":7}"#, false),
        ] {
            let rejected = Rejected {
                workspace: WorkspaceId(1),
                sender: Sender::Server,
                id: "a".into(),
                received_at: 0,
                key_id: "k".into(),
                name: None,
                code: "c".into(),
                message: "m".into(),
                field: None,
                ignored_fields: Vec::new(),
                body: Some(Personal(body.to_owned())),
            };
            assert_eq!(is_about(&rejected, &email), is, "{body}");
        }
    }
}
