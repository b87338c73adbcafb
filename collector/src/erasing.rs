//! Erasing a contact: the fact, and what lies beside the log.
//!
//! First it is noted where it outlives everything (the file beside the folder, then `meta.redb`, by which
//! late events are told), then the fact is on record, which hides the person from every read of the log;
//! the log is written anew behind it. A crash on the way leaves nothing that has been answered.
//!
//! - `file`: the file beside the folder

pub(crate) mod file;

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use shared::email::Email;
use shared::time::Timestamp;

use store::clock::SystemClock;
use store::files;
use store::ids::new_id;
use store::ledger::decide::WorkspaceKeys as _;
use store::ledger::{Appended, Log, LogError, Submission};
use store::meta::{Erasure, Meta};
use store::record::public_seq::PublicSeq;
use store::record::{ContactId, Entry, Fact, KeyId, ToldBy, WorkspaceId, WorkspaceKey};
use store::rejected::{self, RejectedStore};

pub(crate) use file::ErasuresFile;

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
pub(crate) struct Eraser {
    pub log: Arc<dyn Log>,
    pub meta: Arc<Meta>,
    /// `None` where it stands there already.
    pub file: Option<Arc<ErasuresFile>>,
}

/// A contact was erased.
pub(crate) struct Erased {
    pub erasure: Erasure,
    /// Of the fact.
    pub seq: Option<PublicSeq>,
}

impl Eraser {
    /// Erases the contact of this address, whether it is known or not; returns once that is on disk.
    ///
    /// # Errors
    /// [`EraseError`].
    pub(crate) async fn erase(
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
    pub(crate) async fn put(
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
pub(crate) fn clear_rejected(
    rejected: &RejectedStore,
    workspace: WorkspaceId,
    key: &WorkspaceKey,
    contact: ContactId,
    email: Option<&Email>,
) -> Result<u64, redb::Error> {
    rejected.erase(workspace, &|one| {
        let body = one.body.as_ref().map(|body| body.0.as_str());
        body.is_some_and(|body| match email {
            Some(email) => is_about(body, email),
            None => has_text(body, &|text| {
                text.contains('@')
                    && Email::parse(text)
                        .is_ok_and(|email| key.contact(email.normalised()) == contact)
            }),
        })
    })
}

/// The same in a data folder that no server has open, of several erasures; nothing where nothing was ever
/// rejected.
///
/// # Errors
/// A sentence for whoever runs the command.
pub(crate) fn clear_rejected_at_rest(
    data: &Path,
    meta: &Meta,
    erasures: &[Erasure],
    email: Option<&Email>,
) -> Result<u64, String> {
    if !files::is_taken(&data.join(rejected::FILE)) {
        return Ok(0);
    }
    let opened = RejectedStore::open(
        data,
        &rejected::senders(meta),
        Arc::new(SystemClock),
        |_| {},
    );
    let opened = opened.map_err(|error| format!("rejected events cannot be read: {error}"))?;
    let mut gone = 0;
    for erasure in erasures {
        let Some(key) = meta.key_of(erasure.workspace) else {
            continue;
        };
        gone += clear_rejected(&opened, erasure.workspace, &key, erasure.contact, email)
            .map_err(|error| format!("rejected events cannot be erased: {error}"))?;
    }
    Ok(gone)
}

/// Whether a body is about the contact of this address, in whatever spelling it stands there.
pub(crate) fn is_about(body: &str, email: &Email) -> bool {
    holds(body, email)
        || has_text(body, &|text| {
            Email::parse(text).is_ok_and(|found| found.normalised() == email.normalised())
                || holds(text, email)
        })
}

/// Whether any text in this JSON is one of those; names of fields apart.
fn has_text(json: &str, is: &dyn Fn(&str) -> bool) -> bool {
    fn any(value: &Value, is: &dyn Fn(&str) -> bool) -> bool {
        match value {
            Value::String(text) => is(text),
            Value::Array(values) => values.iter().any(|value| any(value, is)),
            Value::Object(fields) => fields.values().any(|value| any(value, is)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
    serde_json::from_str(json).is_ok_and(|value| any(&value, is))
}

/// Whether the address stands in a text, and not as a part of somebody else's.
fn holds(text: &str, email: &Email) -> bool {
    let text = text.to_lowercase();
    let sought = email.normalised();
    let belongs = |sign: char| sign.is_alphanumeric() || matches!(sign, '.' | '_' | '-');
    text.match_indices(sought).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + sought.len()..]);
        // A sign that is percent-encoded ends in digits, and may be a blank; in a query + is one too.
        let is_encoded = before.as_bytes().iter().rev().nth(2) == Some(&b'%');
        let goes_on = after.trim_start_matches('.').starts_with(belongs);
        (is_encoded || !before.ends_with(belongs)) && !goes_on
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejected_event_is_about_whoever_its_body_names() {
        let email = Email::parse("Ada@Example.com").unwrap();
        for (body, is) in [
            (r#"{"email":"ada@example.com"}"#, true),
            (r#"{"email":" ADA@example.COM "}"#, true),
            (r#"{"email":"ada\u0040example.com"}"#, true),
            (r#"{"properties":{"to":["x","ada@example.com"]}}"#, true),
            (r#"{"email":"Ada <ada@example.com>"}"#, true),
            (r#"{"url":"https://x.example/?to=ada@example.com."}"#, true),
            (r#"{"url":"/?next=%3Fto%3Dada@example.com"}"#, true),
            (r#"{"text":"write to\nada@example.com, please"}"#, true),
            (r#"{"ada@example.com":1}"#, true),
            (r#"{"email":"bob@example.com"}"#, false),
            // Other people, of whose addresses hers is a part.
            (r#"{"email":"nevada@example.com"}"#, false),
            (r#"{"email":"x.ada@example.com"}"#, false),
            (r#"{"email":"ada@example.com.au"}"#, false),
            (r#"{"email":"ada@example.community"}"#, false),
            (r#"{"email":7}"#, false),
        ] {
            assert_eq!(is_about(body, &email), is, "{body}");
        }
    }
}
