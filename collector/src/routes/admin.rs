//! What the routes of keys, settings and commands share: whose store it is, who asks for what, and answers that
//! tell how far long work has got. They are served over TCP, to admins of a workspace, and on the Unix socket, to
//! the operator, who may name any workspace; the operator's own routes on the socket alone.
//!
//! - `asked`: one request, once it is known who asks
//! - `fields`: the fields of its body
//! - `lines`: answers line by line

pub(crate) mod asked;
mod fields;
pub(crate) mod lines;

use std::sync::Arc;

use axum::extract::FromRef;
use http::StatusCode;

use crate::app::App;
use crate::error::ApiError;
use crate::error::refusal::Refusal;
use crate::limits::long::{LongWork, Permit, Wait};
use crate::upkeep::Upkeep;

pub(crate) use asked::{Asked, Authority};
pub(crate) use fields::Fields;

/// The store that these routes act on, and through which door they are reached. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) store: Arc<dyn Upkeep>,
    long_work: Arc<LongWork>,
    door: Door,
}

#[derive(Clone)]
enum Door {
    /// TCP: whoever comes shows a key or a session.
    Open(Arc<App>),
    /// The Unix socket of the data folder, or a command's own process: whoever comes is the operator.
    Operators,
}

impl Desk {
    /// For the operator, whom the caller must have made sure of.
    pub(crate) fn of_operator(store: Arc<dyn Upkeep>, long_work: Arc<LongWork>) -> Self {
        Self {
            store,
            long_work,
            door: Door::Operators,
        }
    }

    /// Begins long work.
    ///
    /// # Errors
    /// 503 while other such work goes on; 429 where the workspace has had its share.
    pub(crate) fn begin(&self, asked: &Asked) -> Result<Permit, ApiError> {
        let begun = match &asked.by {
            Authority::Operator => self.long_work.begin(),
            Authority::Admin(admin) => self.long_work.begin_for(admin.workspace.id),
        };
        begun.map_err(|wait| match wait {
            Wait::Busy => Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "a verify, a rebuild or a backup is under way already: wait for its end",
            )
            .after(10)
            .into(),
            Wait::Share(seconds) => Refusal::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limited",
                format!(
                    "each such change has the orders of every workspace credited anew, and this workspace has made \
                     many within the hour: wait {seconds} s"
                ),
            )
            .after(seconds)
            .into(),
        })
    }

    /// Has something done that waits for the disk for a moment.
    pub(crate) async fn at_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Upkeep) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let store = Arc::clone(&self.store);
        tokio::task::spawn_blocking(move || work(&*store))
            .await
            .map_err(|_| ApiError::Internal)
    }
}

impl FromRef<Arc<App>> for Desk {
    fn from_ref(app: &Arc<App>) -> Self {
        Self {
            store: Arc::clone(app) as _,
            long_work: Arc::clone(&app.long_work),
            door: Door::Open(Arc::clone(app)),
        }
    }
}
