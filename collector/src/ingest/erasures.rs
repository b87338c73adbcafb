//! Erasing a contact of a running server's store: from a request to what is answered.

use std::sync::Arc;

use http::HeaderMap;
use serde::{Deserialize, Serialize};
use shared::email::Email;
use utoipa::ToSchema;

use super::Incoming;
use crate::app::App;
use crate::erasing::{EraseError, Erased, Eraser, clear_rejected};
use crate::error::ApiError;
use store::ledger::decide::WorkspaceKeys as _;
use store::ledger::{Located, LogError};
use store::meta::Erasure;
use store::record::public_seq::PublicSeq;
use store::record::{KeyId, WorkspaceId};

/// What is gone with a contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErasedCounts {
    /// Events on record that lost their personal part; absent while nobody has counted them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub events: Option<u64>,
    /// Rejected events that are gone.
    pub rejected: u64,
}

/// What became of a contact that was to be erased.
pub(crate) struct ErasureOutcome {
    pub counts: ErasedCounts,
    pub seq: Option<PublicSeq>,
}

/// How many events there are of a contact, as far as the views know; blocks on disk.
pub(crate) fn count(app: &App, workspace: WorkspaceId, email: &Email) -> Option<u64> {
    let contact = app.views.contact_id(workspace, email.normalised())?;
    app.views.count_of_contact(workspace, contact).ok()
}

/// What erases in a running server's store.
pub(crate) fn eraser(app: &App) -> Eraser {
    Eraser {
        log: Arc::clone(&app.log),
        meta: Arc::clone(&app.meta),
        file: Some(Arc::clone(&app.erasures)),
    }
}

/// Clears what lies beside the log of a contact that was erased; returns how many rejected events are
/// gone. Blocks on disk.
///
/// # Errors
/// When a disk fails: asking again is right.
pub(crate) fn clear(app: &App, erased: &Erased, email: &Email) -> Result<u64, LogError> {
    let Erasure {
        workspace,
        contact,
        id,
        ..
    } = erased.erasure;
    let key = app.meta.key_of(workspace).ok_or(LogError::Unavailable)?;
    if let Some(seq) = erased.seq
        && let Located::At(place) = app.log.locate(workspace, seq)?
    {
        app.views.hide(contact, place);
    }
    tracing::info!(workspace = workspace.0, %id, "a contact was erased; the log is written anew within some minutes");
    clear_rejected(&app.rejected, workspace, &key, contact, Some(email))
        .map_err(|error| LogError::Storage(format!("erasing rejected events: {error}")))
}

impl Incoming {
    /// Erases the contact of this address; what became of it, and the headers that tell of rates.
    ///
    /// # Errors
    /// [`ApiError`]; it may be erased in part then, and asking again is right.
    pub(crate) async fn erase(
        self,
        app: &Arc<App>,
        email: Email,
    ) -> Result<(ErasureOutcome, HeaderMap), ApiError> {
        let caller = self.caller(app, None)?;
        self.take_events(1)?;
        let workspace = caller.key.workspace;
        let (counting, counted) = (Arc::clone(app), email.clone());
        let events = tokio::task::spawn_blocking(move || count(&counting, workspace, &counted));
        let events = events.await.map_err(|_| ApiError::Internal)?;
        let key_id = Some(KeyId::from(caller.key.id.as_str()));
        let erased = eraser(app).erase(workspace, &email, key_id, self.received_at);
        let erased = erased.await?;
        let (clearing, seq) = (Arc::clone(app), erased.seq);
        let rejected = tokio::task::spawn_blocking(move || clear(&clearing, &erased, &email));
        let rejected = rejected.await.map_err(|_| ApiError::Internal)??;
        let mut rate = HeaderMap::new();
        self.write_rate(&mut rate);
        let counts = ErasedCounts { events, rejected };
        Ok((ErasureOutcome { counts, seq }, rate))
    }
}

impl From<EraseError> for ApiError {
    fn from(error: EraseError) -> Self {
        match error {
            EraseError::Noting(sentence) => {
                tracing::error!(sentence, "a contact could not be erased");
                LogError::Storage(sentence).into()
            }
            EraseError::Log(error) => error.into(),
        }
    }
}
