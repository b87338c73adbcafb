//! What mail clients do with a message that was sent: they load its pixel, follow its links, or
//! unsubscribe. From a request and what its token says to an event in the log. Not the answers
//! (`routes::mail`), nor what a token is (`token`).
//!
//! Pixels and links are answered without a look at the log, so their events are written behind the
//! answer, bounded in number and for each token (`limits::hits`); what is dropped is
//! counted. An unsubscribe is answered once it is on disk, and nothing limits it.

mod way;
pub(crate) mod way_back;

use std::net::IpAddr;
use std::sync::Arc;

use http::Method;
use http::request::Parts;
use shared::ids::{CampaignId, EventId, MessageId};
use shared::time::Timestamp;

use super::pending::append_one;
use crate::app::App;
use crate::client_address::client_of;
use crate::metrics::{DroppedHit, Verdict};
use crate::privacy::Privacy;
use store::classify::{
    self, Evidence, HitKind, classify, is_prefetch_header, unsubscribe as leaving,
};
use store::ids::{self, DerivedId, OlderId, new_id};
use store::ledger::decide::{WorkspaceKey, WorkspaceKeys as _};
use store::ledger::suppression::Cause;
use store::ledger::{Log as _, LogError, Submission};
use store::record::extra::Timing;
use store::record::identity::Sender;
use store::record::{
    Class, Client, ContactId, Entry, Fact, MessageType, Personal, SendRef, ToldBy, Visitor,
};
use store::secrets;
use store::targets::marks;
use store::token::{MAX_TEXT_CHARS, Sent, Token, TokenKind};
pub(crate) use way::{FORM_FIELD, FORM_VALUE, Way};

/// One request of a mail client.
pub(crate) struct MailHit {
    method: Method,
    /// Resolved through the trusted proxies.
    address: IpAddr,
    client: Client,
    /// What is kept of that.
    privacy: Privacy,
    received_at: Timestamp,
}

impl MailHit {
    pub(crate) fn of(app: &App, parts: &Parts) -> Self {
        let (address, client) = client_of(parts, &app.trusted_proxies);
        Self {
            method: parts.method.clone(),
            address,
            client,
            privacy: app.privacy,
            received_at: app.clock.now(),
        }
    }
}

/// Records that a pixel was loaded, behind the answer: the token is read there too, so that the time
/// of the answer says nothing about it.
pub(crate) fn record_open(app: &Arc<App>, hit: MailHit, mut text: String) {
    if text.len() > MAX_TEXT_CHARS {
        // No token, and nothing to keep while it waits.
        text = String::new();
    }
    let Some(permit) = app.hits.take_permit() else {
        app.metrics.count_dropped_hit(DroppedHit::Busy);
        return;
    };
    let app = Arc::clone(app);
    tokio::spawn(async move {
        match app.meta.token_keys().read(TokenKind::Open, &text) {
            Some((token, text)) => record(&app, hit, token, text).await,
            None => app.metrics.count_dropped_hit(DroppedHit::BadToken),
        }
        // In this order: who waits for all permits goes on to close what the app holds.
        drop(app);
        drop(permit);
    });
}

/// Records that a link was followed, behind the answer.
pub(crate) fn record_click(app: &Arc<App>, hit: MailHit, token: Token, text: String) {
    let Some(permit) = app.hits.take_permit() else {
        app.metrics
            .count_dropped_hit_of(token.sent().workspace, DroppedHit::Busy);
        return;
    };
    let app = Arc::clone(app);
    tokio::spawn(async move {
        record(&app, hit, token, &text).await;
        drop(app);
        drop(permit);
    });
}

async fn record(app: &App, hit: MailHit, token: Token, text: &str) {
    let Sent {
        workspace, contact, ..
    } = *token.sent();
    let Some(key) = app.meta.key_of(workspace) else {
        // A meta store that was restored from before the workspace was made.
        app.metrics.count_dropped_hit(DroppedHit::BadToken);
        return;
    };
    if !app.hits.take_budget(text) {
        app.metrics
            .count_dropped_hit_of(workspace, DroppedHit::Budget);
        return;
    }
    let kind = match token.kind() {
        TokenKind::Open => HitKind::Open,
        TokenKind::Click | TokenKind::Unsubscribe => HitKind::Click,
    };
    // By this request alone; and how that depends on when the message was sent, since its token knows
    // no more than what was planned.
    let evidence = evidence_of(app, &hit, kind, token.sent());
    let judged = (classify(&evidence).kept(), classify::timing(&evidence));
    let contact = app.meta.contact_today(workspace, contact);
    let entry = entry(&key, new_id(), hit, token, contact, judged);
    let submission = Submission {
        has_new_id: true,
        ..Submission::from(entry)
    };
    match append_one(&app.log, submission).await {
        Ok(settled) => settled.count(&app.metrics, workspace),
        Err(LogError::Overloaded) => app
            .metrics
            .count_dropped_hit_of(workspace, DroppedHit::Overloaded),
        Err(error) => {
            tracing::debug!(%error, "an open or click was not written");
            app.metrics
                .count_dropped_hit_of(workspace, DroppedHit::Storage);
        }
    }
}

/// Records that a contact wants no more of this, once for each message and contact however often it
/// is said; returns once that is on disk.
///
/// # Errors
/// When the log takes nothing now: asking again is right.
pub(crate) async fn unsubscribe(
    app: &App,
    hit: MailHit,
    sent: Sent,
    way: Way,
) -> Result<(), LogError> {
    let workspace = sent.workspace;
    let key = app.meta.key_of(workspace).ok_or(LogError::Unavailable)?;
    let derived = ids::of_unsubscribe(&key, workspace, &sent.message_id, sent.contact);
    let DerivedId { id, older } = derived;
    let contact = app.meta.contact_today(workspace, sent.contact);
    let log = app.durable();
    // Appending tells of 7 days alone.
    let looked = tokio::task::spawn_blocking(move || -> Result<(bool, bool), LogError> {
        let first = match log.find(workspace, Sender::Mail, id)? {
            Some(record) => Some(record),
            None => log.find(workspace, Sender::Mail, older)?,
        };
        // In this order: one that is being committed is found before it holds anybody back.
        let reached = log.suppressions().reached();
        let held = log.suppressions().get((workspace, contact))?;
        let is_fresh = first.as_ref().is_some_and(|first| first.seq > reached);
        let is_held =
            is_fresh || held.is_some_and(|held| held.since(Cause::Unsubscribed).is_some());
        let is_found = first.is_some();
        Ok((is_found, is_held))
    });
    let (is_another, is_held) = looked
        .await
        .map_err(|error| LogError::Storage(format!("looking up an id: {error}")))??;
    if is_another && is_held {
        app.metrics.count_verdict(workspace, Verdict::Duplicate);
        return Ok(());
    }
    // Somebody has lifted the first one since: this is another, and counts like it.
    let id = if is_another { new_id() } else { id };
    let evidence = evidence_of(app, &hit, HitKind::Click, &sent);
    let class = match way {
        Way::OneClick => leaving::of_one_click(&evidence),
        Way::Form => leaving::of_form(&evidence),
    };
    let submission = Submission {
        has_new_id: is_another,
        older: match is_another {
            true => Vec::new(),
            false => vec![OlderId::unkeyed(older)],
        },
        ..Submission::from(entry(
            &key,
            id,
            hit,
            Token::Unsubscribe(sent),
            contact,
            (class.kept(), None),
        ))
    };
    let settled = append_one(&app.log, submission).await?;
    settled.count(&app.metrics, workspace);
    Ok(())
}

/// `contact` is whom the token names, by the id of today: a mail may be older than the rule.
fn entry(
    key: &WorkspaceKey,
    id: EventId,
    hit: MailHit,
    token: Token,
    contact: ContactId,
    (class, timing): ((Class, String), Option<Timing>),
) -> Entry {
    let workspace = token.sent().workspace;
    let fact = match token {
        Token::Open(sent) => Fact::Open {
            send: send_of(sent, contact),
        },
        Token::Click {
            sent,
            link,
            target_number,
            target,
        } => {
            // The link leads where it always did; its record is shown to readers.
            let shown = Some(Personal(secrets::mask(&target).into_owned()));
            let marks = Some(marks(key, &sent.message_id, &target, hit.address));
            Fact::Click {
                send: send_of(sent, contact),
                link,
                target: shown,
                target_number,
                marks,
            }
        }
        Token::Unsubscribe(sent) => Fact::Unsubscribe {
            send: send_of(sent, contact),
        },
    };
    let visitor = Visitor {
        client: hit.privacy.kept(hit.client, false).map(Arc::new),
        class: Some(class),
    };
    let told_by = ToldBy::Mail { visitor, timing };
    Entry::new(workspace, id, told_by, hit.received_at, fact)
}

/// The send of a token; `contact` is whom it names, by the id of today.
fn send_of(sent: Sent, contact: ContactId) -> SendRef {
    SendRef {
        message_id: MessageId::from_kept(sent.message_id),
        contact: Some(contact),
        campaign_id: sent.campaign_id.map(CampaignId::from_kept),
        message_type: sent.message_type,
        sent_at: sent.sent_at,
    }
}

fn evidence_of<'a>(app: &App, hit: &'a MailHit, kind: HitKind, sent: &Sent) -> Evidence<'a> {
    let headers = &hit.client.headers;
    let after_send = hit
        .received_at
        .as_millis()
        .checked_sub(sent.sent_at.as_millis());
    Evidence {
        address: Some(hit.address),
        method: classify::Method::named(hit.method.as_str()),
        is_prefetch: headers
            .iter()
            .any(|(name, value)| is_prefetch_header(name, &value.0)),
        after_send_ms: after_send,
        is_transactional: sent.message_type == MessageType::Transactional,
        on_relay_list: kind == HitKind::Open && app.relay.contains(hit.address),
        ..Evidence::of_agent(
            kind,
            hit.client.agent.as_ref().map(|agent| agent.0.as_str()),
        )
    }
}

#[cfg(test)]
mod tests;
