//! What people are told of each way to be refused: what was wrong, and what to do.

use shared::limits::MAX_EVENT_BYTES;

use super::limit::Full;
use super::{ApiError, SECRET_KEY_SHOWN, scopes};
use crate::public_url::PUBLIC_URL_MISSING;

impl ApiError {
    /// What the caller should do.
    pub(super) fn message(&self) -> String {
        match self {
            Self::NotJson(message) => message.clone(),
            Self::BadEncoding(message) | Self::MistypedKey(message) | Self::UnsupportedMediaType(message) => {
                (*message).to_owned()
            }
            Self::MissingKey => "send a key: `Authorization: Bearer msk_sec_…` from a server, or `key` in the body \
                                 (msk_pub_…) from a page"
                .into(),
            Self::UnknownKey => "no such key here: list the keys with `misar keys list`".into(),
            Self::ExpiredKey => "this key has expired: make a new one with `misar keys create`, or give it more time with \
                                 `misar keys update --expires`"
                .into(),
            Self::RevokedKey => "this key was revoked: make a new one with `misar keys create`".into(),
            Self::SecretKeyInBrowser => SECRET_KEY_SHOWN.into(),
            Self::OriginMissing => "this key is limited to some sites and the request names none (no Origin header, \
                                    or `null`): send it from a page of those sites"
                .into(),
            Self::OriginNotAllowed(message) => message.clone(),
            Self::MissingScope(message) => message.clone(),
            Self::NotForPublicKeys(scope) => scopes::of_public_key(*scope),
            Self::PurchasesNotAllowed => "this public key may not send purchases: send them from your server, or make \
                                          a key with `misar keys create --public --allow-purchases`"
                .into(),
            Self::CrossOrigin => "only misar's own pages may ask this: open the link that `misar link` prints, and give \
                                  programs a key in `Authorization: Bearer msk_sec_…`"
                .into(),
            Self::InvalidCode => "this link was used already, is older than a day, or the server was started again \
                                  since: `misar link` prints a new one"
                .into(),
            Self::NoSession => "there is no session, or it has ended: `misar link` prints a link that opens one".into(),
            Self::InvalidCsrfToken => "send the session's `csrfToken`, which GET /session tells, in the header \
                                       X-CSRF-Token"
                .into(),
            Self::NotFound | Self::NoRoute(None) => "there is nothing at this path: see /docs".into(),
            Self::NoRoute(Some(nearest)) => {
                format!("there is nothing at this path: do you mean {nearest}? See /docs")
            }
            Self::UnknownReceipt => "no event with this id was received in this workspace, or its rejection is older \
                                     than 30 days"
                .into(),
            Self::UnknownSubject("contact") => "nothing is known of this contact in this workspace: GET /v1/contacts?query=, \
                                                or `misar contacts list --query`, finds them by the beginning of their \
                                                address"
                .into(),
            Self::UnknownSubject(subject) => format!(
                "nothing is known of this {subject} in this workspace: register messages with POST /v1/messages"
            ),
            Self::MethodNotAllowed(None) => "this path takes another method: see /docs".into(),
            Self::MethodNotAllowed(Some(methods)) => format!("use {methods} at this path: see /docs"),
            Self::InvalidHost => "send one `Host` header with the server's name, such as `Host: track.example`".into(),
            Self::UnsupportedTransferEncoding => "send the body with `Transfer-Encoding: chunked` alone or with \
                                                  Content-Length; compression is named in `Content-Encoding: gzip`"
                .into(),
            Self::MetricsNeedKey => "send a key with the scope `read` for the metrics of its workspace. Those of the \
                                     whole process are told to a key that `misar keys create --operator` has made, \
                                     where `misar serve --metrics-listen` listens, and on this machine itself at its \
                                     loopback address"
                .into(),
            Self::PublicUrlMissing => PUBLIC_URL_MISSING.into(),
            Self::BodyTimeout => "the body did not arrive in time: send it again".into(),
            Self::BodyTooLarge { limit, size } => too_large(*limit, *size),
            Self::BodyInflates { ratio } => {
                format!("the body inflates to more than {ratio} times its size: send it plain")
            }
            Self::TooManyLinks(message) => (*message).to_owned(),
            Self::AnswerTooLarge => "with its tracked links a message would be far larger than what was sent: leave \
                                     links out, or use a shorter messageId and campaignId"
                .into(),
            Self::TooManyEvents => {
                format!("a batch takes at most {} events or messages: split it", shared::limits::MAX_BATCH_EVENTS)
            }
            Self::UnsupportedEncoding => "send the body plain or with `Content-Encoding: gzip`".into(),
            Self::Rejected(rejection)
            | Self::UnknownOrder(rejection)
            | Self::Conflict { rejection, .. } => rejection.message.clone(),
            Self::UnknownSeq { name } => format!(
                "there is no such seq yet, or it is of no event of this workspace: send the `seq` of an answer as it was \
                 answered, or leave `{name}` out. After a restore, events from behind the backup are gone with their seqs: send them again"
            ),
            Self::InvalidParameter { message, .. } | Self::UnknownParameter { message, .. } => message.clone(),
            Self::RateLimited { retry_after, what, .. } => format!("{}: wait {retry_after} s", what.sentence()),
            Self::Unread(error) => error.message(),
            Self::Overloaded => "the server is overloaded: nothing was recorded, send it again".into(),
            Self::TooManyLiveReaders(full) => match full {
                Full::Key(open) => format!(
                    "this key has {open} live streams open, which is all that one may: close one, or use another key"
                ),
                Full::Workspace(open) => format!(
                    "this workspace has {open} live streams open, which is its share: close one, or come again later"
                ),
                Full::All(open) => format!("all {open} live streams of this server are taken: come again later"),
            },
            Self::TooManyExports => "as many exports as may run at once are running: come again once one has ended".into(),
            Self::TooManyImports => "as many imports as may run at once are running: come again once one has ended".into(),
            Self::Refused(refusal) => refusal.message.clone(),
            Self::StorageFailing => "the store cannot take events now: send it again with the same id".into(),
            Self::ViewBehind => "the event is on disk, but this view has not reached it yet: ask again".into(),
            Self::ViewBuilding(building) => format!(
                "what this reads is being built from the events on disk, and {} % is done: nothing is lost, ask again",
                building.percent()
            ),
            Self::Internal => "this is our fault and has been logged".into(),
        }
    }
}

/// Of a body; where it can be that of one event alone, of that.
fn too_large(limit: usize, size: Option<usize>) -> String {
    let has = size.map_or(String::new(), |size| format!(", this one has {size}"));
    if limit == MAX_EVENT_BYTES {
        format!("an event has at most 32 KB ({limit} bytes){has}: send less of it")
    } else {
        format!("a body has at most {limit} bytes here{has}: send less at once")
    }
}
