//! Which contacts a list is of, and a page of it.

use shared::email::Email;

use super::super::query::{PageLimit, invalid};
use super::super::read::ReadMeta;
use super::super::segments::work::Segments;
use super::known::Known;
use super::sorting::{ContactPlace, Sort};
use super::{ContactList, ContactQuery, ContactView};
use crate::app::App;
use crate::error::ApiError;
use store::record::WorkspaceId;
use store::views::{Contact, ViewError};

/// The most contacts that are looked at for one page: behind them a page ends early, with a `next`.
const MAX_LOOKED_AT: usize = 20_000;

/// Contacts, and where the next page begins.
type Page = (Vec<ContactView>, Option<String>);

/// The list that is asked for, in a command's words. Blocks on disk.
///
/// # Errors
/// [`ApiError`].
pub(in crate::routes) fn listed(
    app: &App,
    workspace: WorkspaceId,
    query: ContactQuery,
) -> Result<ContactList, ApiError> {
    let (contacts, next) = Listed::of(query)?.page(app, workspace)?;
    let meta = ReadMeta::of(app)?;
    Ok(ContactList {
        contacts,
        next,
        meta,
    })
}

/// What is asked of the list.
pub(super) struct Listed {
    /// The only one that it is of.
    email: Option<Email>,
    /// How their address begins, in lower case.
    begins: String,
    /// The id of the segment that they are in.
    segment: Option<String>,
    sort: Sort,
    descending: bool,
    behind: Option<ContactPlace>,
    limit: usize,
}

impl Listed {
    /// Whether it is of the members of a segment.
    pub(super) fn is_of_segment(&self) -> bool {
        self.segment.is_some()
    }

    /// # Errors
    /// 422 where the cursor is of another order.
    pub(super) fn of(query: ContactQuery) -> Result<Self, ApiError> {
        let sort = query.sort.unwrap_or_default();
        let cursor = query.cursor.as_ref();
        if cursor.is_some_and(|place| place.sort() != sort) {
            let message = "send the `next` of a page that was sorted in the same way";
            return Err(invalid("cursor", message));
        }
        Ok(Self {
            email: query.email,
            begins: query.query.unwrap_or_default().to_lowercase(),
            segment: query.segment,
            sort,
            descending: sort.descends(query.order),
            behind: query.cursor,
            limit: query.limit.unwrap_or_default().get(),
        })
    }

    /// Blocks on disk.
    pub(super) fn page(&self, app: &App, workspace: WorkspaceId) -> Result<Page, ApiError> {
        let segments = Segments { app, workspace };
        let segment = self.segment.as_deref().map(|id| segments.number(id));
        let segment = segment.transpose()?;
        Ok(match &self.email {
            Some(email) => one(app, workspace, segment, email)?,
            None => self.of_many(app, workspace, segment)?,
        })
    }

    fn of_many(
        &self,
        app: &App,
        workspace: WorkspaceId,
        segment: Option<u32>,
    ) -> Result<Page, ViewError> {
        let now = app.clock.now().as_millis();
        let (mut shown, mut behind, mut looked_at) = (Vec::new(), self.behind.clone(), 0);
        // Where all match, one more than fits tells whether there is a next page.
        let mut portion = match self.begins.is_empty() {
            true => self.limit + 1,
            false => PageLimit::MOST.get(),
        };
        let among = (workspace, segment);
        loop {
            let (sort, descending) = (self.sort, self.descending);
            let behind_it = behind.as_ref();
            let found = ContactPlace::behind(app, among, sort, descending, behind_it, portion)?;
            let is_all = found.len() < portion;
            looked_at += found.len();
            for (place, contact) in found {
                if let Some(email) = self.matching(app, workspace, &place, &contact)? {
                    if shown.len() == self.limit {
                        return Ok((shown, behind.as_ref().map(ContactPlace::to_cursor)));
                    }
                    shown.push(ContactView::of(contact, email, now));
                }
                behind = Some(place);
            }
            if is_all {
                return Ok((shown, None));
            }
            if looked_at >= MAX_LOOKED_AT {
                return Ok((shown, behind.as_ref().map(ContactPlace::to_cursor)));
            }
            // Each time all contacts are gone through, so that few times are better.
            portion = (portion * 4).min(MAX_LOOKED_AT - looked_at);
        }
    }

    /// The address of a contact that is asked for.
    fn matching(
        &self,
        app: &App,
        workspace: WorkspaceId,
        place: &ContactPlace,
        contact: &Contact,
    ) -> Result<Option<String>, ViewError> {
        let Some(address) = &contact.address else {
            return Ok(None);
        };
        let is_meant = address.to_lowercase().starts_with(&self.begins)
            || app
                .views
                .has_trait(workspace, place.ordinal(), |json| self.begins_so(json))?;
        Ok(is_meant.then(|| address.clone()))
    }

    /// Whether the value of a trait, as JSON, begins as is asked for.
    fn begins_so(&self, json: &str) -> bool {
        match serde_json::from_str::<String>(json) {
            Ok(text) => text.to_lowercase().starts_with(&self.begins),
            // A number or a truth value is asked for as it is written; what is nested is not.
            Err(_) => !json.starts_with(['{', '[']) && json.starts_with(&self.begins),
        }
    }
}

/// The contact with this address, where it is in the segment.
fn one(
    app: &App,
    workspace: WorkspaceId,
    segment: Option<u32>,
    email: &Email,
) -> Result<Page, ViewError> {
    let Some(known) = Known::by_address(app, workspace, email)? else {
        return Ok((Vec::new(), None));
    };
    if let Some(segment) = segment
        && !app
            .views
            .segments_of(workspace, known.id)?
            .contains(&segment)
    {
        return Ok((Vec::new(), None));
    }
    Ok((vec![known.shown(app)], None))
}
