//! Tenants: their names, their secrets and their settings.

use std::sync::Arc;

use redb::{ReadableTable as _, WriteTransaction};
use serde::{Deserialize, Serialize};
use shared::time::Timestamp;

use super::file::{LAST_WORKSPACE, NUMBERS, WORKSPACES, json};
use super::{Meta, MetaError, random};
use crate::ledger::decide::{Attribution, Scoring, WorkspaceKey};
use crate::record::WorkspaceId;

/// A tenant.
#[derive(Debug)]
pub struct Workspace {
    pub id: WorkspaceId,
    pub name: String,
    pub created_at: Timestamp,
    pub attribution: Attribution,
    /// What events weigh in the scores of its contacts.
    pub scoring: Scoring,
    /// As whom it shows itself to those who get its mail; `None` where it does not say.
    pub sender_name: Option<String>,
    pub(super) key: WorkspaceKey,
}

impl Meta {
    /// Makes a workspace, with a number that no other ever had.
    ///
    /// # Errors
    /// When the name is taken or is none.
    pub fn create_workspace(&self, name: &str) -> Result<Arc<Workspace>, MetaError> {
        let is_name = (1..=63).contains(&name.len())
            && name
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if !is_name {
            return Err(MetaError::WorkspaceName);
        }
        let mut database = self.lock_database();
        if self.workspace(name).is_some() {
            return Err(MetaError::WorkspaceExists(name.to_owned()));
        }
        let id = self.known().last_workspace;
        let id = id.checked_add(1).ok_or(MetaError::WorkspacesUsedUp)?;
        let workspace = Workspace::new(WorkspaceId(id), name, self.clock.now())?;
        self.write(&mut database, "making a workspace", |transaction| {
            workspace.put(transaction)
        })?;
        let workspace = Arc::new(workspace);
        let mut known = self.known_mut();
        known.last_workspace = id;
        known
            .workspaces
            .insert(workspace.id, Arc::clone(&workspace));
        Ok(workspace)
    }

    /// Changes how long a workspace credits opens and clicks with orders. Views that were folded
    /// before do not know: they must be rebuilt, which the next start does by itself.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn set_attribution(
        &self,
        workspace: &Workspace,
        attribution: Attribution,
    ) -> Result<Arc<Workspace>, MetaError> {
        self.change_workspace(workspace, |changed| changed.attribution = attribution)
    }

    /// Changes as whom a workspace shows itself to those who get its mail.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn set_sender_name(
        &self,
        workspace: &Workspace,
        sender_name: Option<String>,
    ) -> Result<Arc<Workspace>, MetaError> {
        self.change_workspace(workspace, |changed| changed.sender_name = sender_name)
    }

    /// Changes a workspace as it is now, durably.
    fn change_workspace(
        &self,
        workspace: &Workspace,
        change: impl FnOnce(&mut Workspace),
    ) -> Result<Arc<Workspace>, MetaError> {
        let mut database = self.lock_database();
        let known = self.workspace_of(workspace.id);
        let mut changed = known.as_deref().unwrap_or(workspace).copy();
        change(&mut changed);
        let changed = Arc::new(changed);
        self.write(&mut database, "changing a setting", |transaction| {
            changed.put(transaction)
        })?;
        let mut known = self.known_mut();
        known.workspaces.insert(changed.id, Arc::clone(&changed));
        Ok(changed)
    }
}

/// A workspace's row in the file, as JSON, so that later fields can be added with a default.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredWorkspace {
    name: String,
    /// Milliseconds since 1970.
    created_at: i64,
    key: [u8; 32],
    #[serde(default)]
    attribution: Attribution,
    #[serde(default)]
    scoring: Scoring,
    #[serde(default)]
    sender_name: Option<String>,
}

impl Workspace {
    pub(super) fn new(
        id: WorkspaceId,
        name: &str,
        created_at: Timestamp,
    ) -> Result<Self, MetaError> {
        Ok(Self {
            id,
            name: name.to_owned(),
            created_at,
            attribution: Attribution::default(),
            scoring: Scoring::default(),
            sender_name: None,
            key: WorkspaceKey(random()?),
        })
    }

    pub(super) fn from_stored(id: u32, stored: StoredWorkspace) -> Self {
        Self {
            id: WorkspaceId(id),
            name: stored.name,
            created_at: Timestamp::from_millis(stored.created_at),
            key: WorkspaceKey(stored.key),
            attribution: stored.attribution,
            scoring: stored.scoring,
            sender_name: stored.sender_name,
        }
    }

    fn copy(&self) -> Self {
        Self {
            id: self.id,
            name: self.name.clone(),
            created_at: self.created_at,
            attribution: self.attribution,
            scoring: self.scoring,
            sender_name: self.sender_name.clone(),
            key: self.key,
        }
    }

    /// The same with other rules of scoring.
    pub(super) fn scored_by(&self, scoring: Scoring) -> Self {
        Self {
            scoring,
            ..self.copy()
        }
    }

    /// Writes the row, and that the number is taken.
    pub(super) fn put(&self, transaction: &WriteTransaction) -> Result<(), redb::Error> {
        let stored = StoredWorkspace {
            name: self.name.clone(),
            created_at: self.created_at.as_millis(),
            key: self.key.0,
            attribution: self.attribution,
            scoring: self.scoring,
            sender_name: self.sender_name.clone(),
        };
        let mut workspaces = transaction.open_table(WORKSPACES)?;
        workspaces.insert(self.id.0, json(&stored).as_slice())?;
        let mut numbers = transaction.open_table(NUMBERS)?;
        let id = u64::from(self.id.0);
        let last = numbers.get(LAST_WORKSPACE)?.map_or(0, |row| row.value());
        numbers.insert(LAST_WORKSPACE, id.max(last))?;
        Ok(())
    }
}
