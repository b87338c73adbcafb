//! A contact looked up by an address, once for everything that is told of one.

use shared::email::Email;

use super::ContactView;
use crate::app::App;
use store::record::{ContactId, WorkspaceId};
use store::views::{Contact, ViewError};

/// A contact of whom something is known.
pub(super) struct Known {
    pub(super) id: ContactId,
    pub(super) contact: Contact,
    /// The address as it is shown.
    email: String,
}

impl Known {
    /// The contact with this address; `None` where nothing is known of them. Blocks on disk.
    pub(super) fn by_address(
        app: &App,
        workspace: WorkspaceId,
        email: &Email,
    ) -> Result<Option<Self>, ViewError> {
        let Some(id) = app.views.contact_id(workspace, email.normalised()) else {
            return Ok(None);
        };
        Ok(app.views.contact(id)?.map(|contact| {
            let shown = contact.address.clone();
            Self {
                id,
                email: shown.unwrap_or_else(|| email.normalised().to_owned()),
                contact,
            }
        }))
    }

    /// As it is shown now.
    pub(super) fn shown(self, app: &App) -> ContactView {
        ContactView::of(self.contact, self.email, app.clock.now().as_millis())
    }
}
