//! Whether a record is one of those that are asked for.

use std::collections::HashMap;

use super::EventView;
use crate::record::{ContactId, Entry, Fact, Record, WorkspaceId};
use crate::views::filter::EventFilter;
use crate::views::{ViewError, Views};

/// Of so many messages the campaign is remembered while one list is made.
const MAX_REMEMBERED: usize = 4_096;

/// A filter at work. The views only propose: they know digests instead of texts, times by zone, and
/// nothing of what was erased since.
pub(super) struct Sieve<'a> {
    views: &'a Views,
    workspace: WorkspaceId,
    filter: &'a EventFilter,
    /// Whom the address of the filter names.
    contact: Option<ContactId>,
    /// Of messages that events name: whether they are of the campaign.
    of_campaign: HashMap<String, bool>,
}

impl<'a> Sieve<'a> {
    pub(super) fn new(views: &'a Views, workspace: WorkspaceId, filter: &'a EventFilter) -> Self {
        let contact = filter
            .email
            .as_ref()
            .and_then(|email| views.contact_id(workspace, email));
        Self {
            views,
            workspace,
            filter,
            contact,
            of_campaign: HashMap::new(),
        }
    }

    /// Whether a record is asked for, as far as it tells itself.
    pub(super) fn takes(&mut self, record: &Record) -> Result<bool, ViewError> {
        let entry = &record.entry;
        let filter = self.filter;
        let matches = entry.workspace == self.workspace
            && filter
                .name
                .as_ref()
                .is_none_or(|name| name == entry.fact.name())
            && filter.kind.is_none_or(|kind| kind == entry.fact.kind())
            && filter.erased.is_none_or(|erased| erased == entry.redacted)
            && filter.message_id.as_deref().is_none_or(|wanted| {
                let named = entry.fact.message_id();
                named.is_some_and(|named| named.as_str() == wanted)
            })
            && filter.from.is_none_or(|from| entry.time >= from)
            && filter.to.is_none_or(|to| entry.time < to)
            && filter
                .received_from
                .is_none_or(|from| entry.received_at >= from)
            && filter.received_to.is_none_or(|to| entry.received_at < to)
            && (filter.email.is_none() || self.is_theirs(record)?);
        Ok(matches && self.is_of_campaign(entry)?)
    }

    /// Whether it is asked for, as it is shown.
    pub(super) fn shows(&self, view: &EventView) -> bool {
        self.filter
            .class
            .is_none_or(|class| class.holds(view.class))
    }

    /// Tokens name a contact; everything else an address, which needs no HMAC to be compared, or a browser.
    fn is_theirs(&self, record: &Record) -> Result<bool, ViewError> {
        let entry = &record.entry;
        Ok(match (entry.fact.send(), &entry.address) {
            (Some(send), _) => send.contact.is_some_and(|named| {
                self.contact.is_some_and(|contact| {
                    contact == self.views.contact_today(self.workspace, named)
                })
            }),
            (None, Some(address)) => Some(&address.normalised.0) == self.filter.email.as_ref(),
            (None, None) => self.contact.is_some() && self.views.owner_of(record)? == self.contact,
        })
    }

    /// By the record itself where it is of a mail, else by the message that it names.
    fn is_of_campaign(&mut self, entry: &Entry) -> Result<bool, ViewError> {
        let Some(wanted) = &self.filter.campaign_id else {
            return Ok(true);
        };
        if matches!(entry.fact, Fact::Send { .. }) || entry.fact.send().is_some() {
            let campaign_id = entry.fact.campaign_id();
            return Ok(campaign_id.is_some_and(|id| id.as_str() == wanted));
        }
        let Some(message_id) = entry.fact.message_id() else {
            return Ok(false);
        };
        let message_id = message_id.as_str();
        if let Some(known) = self.of_campaign.get(message_id) {
            return Ok(*known);
        }
        let message = self.views.message(self.workspace, message_id)?;
        let is_of = message.is_some_and(|message| message.campaign_id.as_ref() == Some(wanted));
        if self.of_campaign.len() < MAX_REMEMBERED {
            self.of_campaign.insert(message_id.to_owned(), is_of);
        }
        Ok(is_of)
    }
}
