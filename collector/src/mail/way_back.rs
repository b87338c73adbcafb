//! The way back: a contact who has unsubscribed by the link of a mail asks for mail again, on the page
//! of that link. It lifts that alone, never a bounce, a complaint or what somebody has set by hand.
//!
//! Gateways press buttons: so it takes a nonce of the page, an agent and a network that are judged a
//! person's, and ten minutes since the send, in which gateways look at a mail.

use http::Method;
use shared::time::Timestamp;

use super::Hit;
use crate::app::App;
use crate::classify::{self, Evidence, Kind, classify};
use crate::ingest::suppressions::way_back;
use crate::log::decide::{WorkspaceKey, WorkspaceKeys as _};
use crate::log::record::{Class, SendRef};
use crate::log::suppression::Cause;
use crate::log::{LogError, Submission};
use crate::metrics::{Told, Verdict};
use crate::token::Sent;

/// So long after the send nobody comes back, in milliseconds: 10 minutes (design, section 7).
const TOO_SOON_MS: i64 = 600_000;
/// A nonce is good for the hour in which its page was shown, and the next.
const NONCE_MS: i64 = 3_600_000;

/// What became of somebody's wish for mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WayBack {
    /// They get mail again, or never stopped to.
    Open,
    /// Nothing shows that a person pressed that page's button: it is asked again.
    Unclear,
}

/// The nonce of a page that is shown now; it belongs to the link's token.
pub fn nonce(app: &App, sent: &Sent, token: &str) -> Option<String> {
    let key = app.meta.key_of(sent.workspace)?;
    Some(nonce_at(&key, token, hour(app.clock.now())))
}

fn nonce_at(key: &WorkspaceKey, token: &str, hour: i64) -> String {
    let mac = key.mac(&[b"way back", token.as_bytes(), &hour.to_le_bytes()]);
    mac[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hour(time: Timestamp) -> i64 {
    time.as_millis().div_euclid(NONCE_MS)
}

/// Lifts the unsubscription of a send's contact, where a person asks for it on its page; returns once
/// that is on disk.
///
/// # Errors
/// When the log takes nothing now: asking again is right.
pub async fn subscribe(
    app: &App,
    hit: Hit,
    sent: Sent,
    token: &str,
    shown: &str,
) -> Result<WayBack, LogError> {
    let workspace = sent.workspace;
    let key = app.meta.key_of(workspace).ok_or(LogError::Unavailable)?;
    let now = hour(hit.received_at);
    // A MAC tells nothing by how long comparing it takes that guessing it could use.
    let is_of_page = [now, now - 1].map(|hour| nonce_at(&key, token, hour) == shown);
    let since = hit.received_at.millis_since(sent.sent_at);
    if !is_of_page.contains(&true) || since < TOO_SOON_MS || !is_person(&hit, &sent) {
        return Ok(WayBack::Unclear);
    }
    let contact = app.meta.contact_today(workspace, sent.contact);
    let log = app.durable();
    let held = tokio::task::spawn_blocking(move || log.suppressions().get((workspace, contact)));
    let held = held
        .await
        .map_err(|error| LogError::Storage(format!("looking up a suppression: {error}")))??;
    if held.is_none_or(|held| held.since(Cause::Unsubscribed).is_none()) {
        return Ok(WayBack::Open);
    }
    let send = SendRef {
        contact: Some(contact),
        campaign_id: sent.campaign_id,
        message_type: sent.message_type,
        sent_at: sent.sent_at,
    };
    let mut entry = way_back(workspace, sent.message_id, send, hit.received_at);
    entry.client = Some(hit.client);
    entry.class = Some((Class::Human, "way_back".to_owned()));
    let submission = Submission {
        has_new_id: true,
        ..Submission::from(entry)
    };
    let told = Told::of(&submission.entry);
    app.log.append(vec![submission]).await?;
    app.metrics.count_told(workspace, told);
    app.metrics.count_verdict(workspace, Verdict::Tracked);
    Ok(WayBack::Open)
}

/// What the request shows of who sends it; that it posts says nothing, since the page does.
fn is_person(hit: &Hit, sent: &Sent) -> bool {
    let verdict = classify(&Evidence {
        address: Some(hit.address),
        method: classify::Method::named(Method::GET.as_str()),
        after_send_ms: Some(hit.received_at.millis_since(sent.sent_at)),
        ..Evidence::of_agent(
            Kind::Click,
            hit.client.agent.as_ref().map(|agent| agent.0.as_str()),
        )
    });
    matches!(verdict.class, Class::Human | Class::ProxyHuman)
}
