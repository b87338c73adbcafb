//! The way back: a contact who has unsubscribed by the link of a mail asks for mail again, on the page
//! of that link. It lifts that alone, never a bounce, a complaint or what somebody has set by hand.
//!
//! Gateways press buttons: so it takes a nonce of the page, an agent and a network that are judged a
//! person's, and ten minutes since the send, in which gateways look at a mail.
//!
//! The nonce is of what the page showed: the token, the contact and what holds them back, with the last
//! record that changed that. So it lifts the unsubscription that its page told of and no later one, nobody's
//! and no server's, and is spent with it. It has no end in time: who holds the token gets a fresh page
//! whenever they like, so that an end would only turn away who comes back to an open page.

use std::sync::Arc;

use http::Method;

use super::super::pending::append_one;
use super::{MailHit, send_of};
use crate::app::App;
use crate::hex::hex;
use store::classify::{self, Evidence, HitKind, classify};
use store::ids::new_id;
use store::ledger::decide::{WorkspaceKey, WorkspaceKeys as _};
use store::ledger::suppression::{Cause, Suppression};
use store::ledger::{LogError, Submission};
use store::record::{Class, ContactId, Entry, Fact, ToldBy, Visitor};
use store::token::Sent;

/// So long after the send nobody comes back, in milliseconds: 10 minutes (design, section 7).
const TOO_SOON_MS: i64 = 600_000;

/// What became of somebody's wish for mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WayBack {
    /// They get mail again, or are not unsubscribed: whatever was sent, nothing is left to lift.
    Open,
    /// The nonce is none of what holds now: another page's, or of before something changed. Holds that
    /// of a page that is shown now.
    Changed { nonce: String },
    /// Nothing shows that a person pressed that page's button: it is asked again.
    Unclear { nonce: String },
}

/// The nonce of a page that is shown now; `None` where the contact is not unsubscribed. Blocks on disk.
///
/// # Errors
/// When that cannot be read now.
pub(crate) fn nonce(app: &App, sent: &Sent, token: &str) -> Result<Option<String>, LogError> {
    let key = app
        .meta
        .key_of(sent.workspace)
        .ok_or(LogError::Unavailable)?;
    let contact = app.meta.contact_today(sent.workspace, sent.contact);
    let held = app.suppressions().get((sent.workspace, contact))?;
    let held = held.filter(|held| held.since(Cause::Unsubscribed).is_some());
    Ok(held.map(|held| nonce_of(&key, token, contact, &held)))
}

fn nonce_of(key: &WorkspaceKey, token: &str, contact: ContactId, held: &Suppression) -> String {
    let mac = key.mac(&[b"way back", token.as_bytes(), &contact.0, &held.state()]);
    hex(&mac[..16])
}

/// Lifts the unsubscription of a send's contact, where a person asks for it on its page; returns once
/// that is on disk. `shown` is the nonce that their page held.
///
/// # Errors
/// When the log takes nothing now: asking again is right.
pub(crate) async fn subscribe(
    app: &Arc<App>,
    hit: MailHit,
    sent: Sent,
    token: &str,
    shown: &str,
) -> Result<WayBack, LogError> {
    let workspace = sent.workspace;
    let (looking, asked, text) = (Arc::clone(app), sent.clone(), token.to_owned());
    let looked = tokio::task::spawn_blocking(move || nonce(&looking, &asked, &text));
    let nonce = looked
        .await
        .map_err(|error| LogError::Storage(format!("looking up a suppression: {error}")))??;
    let Some(nonce) = nonce else {
        return Ok(WayBack::Open);
    };
    // A MAC tells nothing by how long comparing it takes that guessing it could use.
    if shown != nonce {
        return Ok(WayBack::Changed { nonce });
    }
    let since = hit.received_at.millis_since(sent.sent_at);
    if since < TOO_SOON_MS || !is_person(&hit, &sent) {
        return Ok(WayBack::Unclear { nonce });
    }
    let contact = app.meta.contact_today(workspace, sent.contact);
    let lift = Fact::Lift {
        send: Some(send_of(sent, contact)),
        cause: Some(Cause::Unsubscribed),
    };
    let told_by = ToldBy::mail(Visitor {
        client: app.privacy.kept(hit.client, false).map(Arc::new),
        class: Some((Class::Human, "way_back".to_owned())),
    });
    let entry = Entry::new(workspace, new_id(), told_by, hit.received_at, lift);
    let submission = Submission {
        has_new_id: true,
        ..Submission::from(entry)
    };
    let settled = append_one(&app.log, submission).await?;
    settled.count(&app.metrics, workspace);
    Ok(WayBack::Open)
}

/// What the request shows of who sends it; that it posts says nothing, since the page does.
fn is_person(hit: &MailHit, sent: &Sent) -> bool {
    let verdict = classify(&Evidence {
        address: Some(hit.address),
        method: classify::Method::named(Method::GET.as_str()),
        after_send_ms: Some(hit.received_at.millis_since(sent.sent_at)),
        ..Evidence::of_agent(
            HitKind::Click,
            hit.client.agent.as_ref().map(|agent| agent.0.as_str()),
        )
    });
    matches!(verdict.class, Class::Human | Class::ProxyHuman)
}
