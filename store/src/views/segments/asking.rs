//! A contact of whom something is asked: how it stands, the digest, and the facts themselves where a leaf needs all of
//! them.

use shared::segment::facts::History;
use shared::time::Timestamp;

use super::catalogue::Catalogue;
use super::compiled::Look;
use super::digest::Digest;
use super::kept;
use super::people::kept_of;
use super::stands::Standings;
use super::{CONTACTS, Engine};
use crate::record::WorkspaceId;
use crate::views::rows::Rows;

/// Instants that are tried to find when a leaf changes that goes through facts; with more it is looked at again at the
/// last of them. So a contact with a long history costs no more at once than others.
const LOOKS: usize = 16;

/// See above.
pub(super) struct Asking {
    pub(super) workspace: WorkspaceId,
    pub(super) contact: u32,
    pub(super) standings: Standings,
    pub(super) digest: Box<Digest>,
    /// Once it is needed.
    history: Option<History>,
}

impl Asking {
    /// One who stands so, where it stands in any way.
    pub(super) fn of(
        workspace: WorkspaceId,
        contact: u32,
        standings: Option<Standings>,
        digest: Box<Digest>,
    ) -> Self {
        Self {
            workspace,
            contact,
            standings: standings.unwrap_or_else(|| Standings::new(workspace)),
            digest,
            history: None,
        }
    }

    /// All facts of the contact.
    pub(super) fn history(&mut self, rows: &Rows) -> Result<&History, redb::Error> {
        if self.history.is_none() {
            self.history = Some(history_of(rows, self.workspace, self.contact)?);
        }
        Ok(self.history.get_or_insert_default())
    }

    /// Works out when the contact was seen, of all facts.
    pub(super) fn see(&mut self, rows: &Rows) -> Result<(), redb::Error> {
        if self.history.is_none() {
            self.history = Some(history_of(rows, self.workspace, self.contact)?);
        }
        if let Some(history) = &self.history {
            self.digest.see(history);
        }
        Ok(())
    }

    /// Sees to it that a leaf is remembered which goes through facts.
    pub(super) fn find(
        &mut self,
        rows: &Rows,
        catalogue: &Catalogue,
        leaf: u32,
        now: i64,
    ) -> Result<(), redb::Error> {
        if self.digest.remembered(leaf, now).is_some() {
            return Ok(());
        }
        let asked = &catalogue.compiled.leaves[leaf as usize];
        let history = self.history(rows)?;
        let at = Timestamp::from_millis(now);
        let look: Look = catalogue.with_world(|world| {
            let holds = asked.alone.holds(history, at, world);
            let changes = asked.alone.next_look(history, at, world, LOOKS);
            (holds != asked.negated, changes.map(Timestamp::as_millis))
        });
        self.digest.remember(leaf, look);
        Ok(())
    }
}

fn history_of(rows: &Rows, workspace: WorkspaceId, contact: u32) -> Result<History, redb::Error> {
    let kept = kept_of(rows, workspace, contact)?;
    Ok(History::of(kept::facts(&kept)))
}

impl Engine<'_> {
    /// A contact of whom nothing is remembered.
    pub(super) fn ask_anew(
        &mut self,
        workspace: WorkspaceId,
        contact: u32,
        standings: Option<Standings>,
        catalogue: &Catalogue,
    ) -> Result<Asking, redb::Error> {
        let history = history_of(self.rows, workspace, contact)?;
        let digest = Box::new(Digest::of(&history, catalogue));
        Ok(Asking {
            history: Some(history),
            ..Asking::of(workspace, contact, standings, digest)
        })
    }

    /// The same of whom something may be.
    pub(super) fn ask(
        &mut self,
        workspace: WorkspaceId,
        contact: u32,
        standings: Option<Standings>,
        catalogue: &Catalogue,
    ) -> Result<Asking, redb::Error> {
        match self.remembered.digests.take(workspace, contact) {
            Some(digest) => Ok(Asking::of(workspace, contact, standings, digest)),
            None => self.ask_anew(workspace, contact, standings, catalogue),
        }
    }

    /// Writes how the contact stands from now on, and remembers what was worked out.
    pub(super) fn answered(&mut self, asking: Asking) -> Result<(), redb::Error> {
        let Asking {
            workspace,
            contact,
            mut standings,
            digest,
            ..
        } = asking;
        standings.first_seen = digest.first_seen;
        self.put_standings(contact, &standings)?;
        self.remembered.digests.put(workspace, contact, digest);
        Ok(())
    }

    /// Writes how a contact stands, and sees to it that its turn comes.
    pub(super) fn put_standings(
        &mut self,
        contact: u32,
        standings: &Standings,
    ) -> Result<(), redb::Error> {
        self.rows.pages[CONTACTS].put(contact, &standings.pack())?;
        if let Some(due) = standings.first_due() {
            let timers = &mut self.remembered.timers;
            timers.plan(due, standings.workspace, contact);
        }
        Ok(())
    }

    /// How a contact stands; `None` where nothing is kept of it.
    pub(super) fn standings(&mut self, contact: u32) -> Result<Option<Standings>, redb::Error> {
        Standings::unpack(contact, self.rows.pages[CONTACTS].fetch(contact)?)
    }
}
