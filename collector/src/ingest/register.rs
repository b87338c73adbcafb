//! Registering what is sent: a message gets a place in the log and comes back instrumented, with a
//! pixel, tracked links and an unsubscribe link. The same messageId again gives the same answer: what
//! its tokens need (the time of sending, the key) stands in its record. Not the routes, nor how a
//! part is rewritten (`instrument`).

mod answer;
mod content;
mod error;
mod instrumenting;

use std::sync::{Arc, Mutex};

use shared::ids::{EventId, MessageId};
use shared::limits::MAX_REQUEST_LINKS;
use shared::rejection::{Rejection, codes};
use shared::time::Timestamp;
use shared::wire::{Outgoing, ParsedMessage};

use super::pending::{Became, Pending};
use super::settle::Settled;
use crate::limits::heavy::Turn;
pub(crate) use answer::MessageAnswer;
use content::{content, different_pages, differing_fields, message_type};
pub(crate) use error::RegisterError;
use store::ids::{self, DerivedId, OlderId, new_id};
use store::ledger::decide::WorkspaceKeys as _;
use store::ledger::local::LocalLedger;
use store::ledger::suppression::{Cause, Suppression};
use store::ledger::{Log, LogError, Submission};
use store::locks::lock;
use store::meta::Meta;
use store::record::identity::Sender;
use store::record::public_seq::PublicSeq;
use store::record::{
    Address, ContactId, Entry, Fact, KeyId, Personal, Record, ToldBy, WorkspaceId,
};

/// The code of a message that is on record with other content.
const MESSAGE_CONFLICT: &str = "message_conflict";
/// A message to be registered.
pub(crate) struct Draft {
    pub message_id: String,
    pub outgoing: Outgoing,
    /// Fields that were sent and not known.
    pub ignored_fields: Vec<String>,
    /// What to send in their place.
    pub hints: Vec<String>,
}

impl Draft {
    /// The draft of what was parsed, with a messageId of its own where none came.
    ///
    /// # Errors
    /// Why it was refused.
    pub(crate) fn of(parsed: ParsedMessage) -> Result<Self, Rejection> {
        let message_id = parsed.message_id.map_or_else(
            || format!("msg_{}", new_id().to_string().replace('-', "")),
            |id| id.as_str().to_owned(),
        );
        Ok(Self {
            message_id,
            outgoing: parsed.outcome?,
            ignored_fields: parsed.unknown_fields,
            hints: Vec::new(),
        })
    }
}

/// What became of a draft.
pub(crate) enum RegisterOutcome {
    /// On disk by this call, or on disk before with the same content.
    Registered {
        answer: Box<MessageAnswer>,
        is_new: bool,
    },
    /// On record with other content.
    Conflict {
        rejection: Rejection,
        fields: Vec<&'static str>,
    },
    /// Its contact is suppressed, or one of its parts cannot be sent as it is.
    Refused(Rejection),
}

/// Registers messages of one caller.
pub(crate) struct Registrar {
    pub log: Arc<LocalLedger>,
    pub meta: Arc<Meta>,
    /// Where mail clients reach the server, without a slash at the end.
    pub public_url: String,
    pub workspace: WorkspaceId,
    pub key_id: Option<KeyId>,
    pub received_at: Timestamp,
    /// Where it has one, its turn among those whose work takes long: held until there is only waiting
    /// left.
    pub turn: Mutex<Option<Turn>>,
}

/// A message that the operator registers.
pub(crate) struct OperatorsMessage {
    pub workspace: WorkspaceId,
    /// Where mail clients reach the server, without a slash at the end.
    pub public_url: String,
    pub received_at: Timestamp,
    pub draft: Draft,
}

/// What a send is recorded under, and its tokens are made with.
struct Making {
    id: EventId,
    contact: ContactId,
    sent_at: Timestamp,
    token_key: u32,
}

/// Registers one message for the operator, who needs no key and waits for no turn.
///
/// # Errors
/// A sentence for whoever asked.
pub(crate) async fn register_one(
    log: Arc<LocalLedger>,
    meta: Arc<Meta>,
    asked: OperatorsMessage,
) -> Result<RegisterOutcome, String> {
    let registrar = Registrar {
        log,
        meta,
        public_url: asked.public_url,
        workspace: asked.workspace,
        key_id: None,
        received_at: asked.received_at,
        turn: Mutex::default(),
    };
    let mut outcomes = register(Arc::new(registrar), vec![asked.draft])
        .await
        .map_err(|error| error.to_string())?;
    outcomes
        .pop()
        .ok_or_else(|| "the message was not registered".to_owned())
}

enum Step {
    Done(RegisterOutcome),
    New(Box<Submission>, Box<MessageAnswer>),
}

/// Registers drafts; one outcome for each, in order. All that are new are on disk when it returns, or
/// none is.
///
/// # Errors
/// See [`RegisterError`].
pub(crate) async fn register(
    registrar: Arc<Registrar>,
    drafts: Vec<Draft>,
) -> Result<Vec<RegisterOutcome>, RegisterError> {
    let drafts = Arc::new(drafts);
    let all = (0..drafts.len()).collect();
    let mut pending = Pending::new();
    for step in steps(&registrar, &drafts, all).await? {
        match step {
            Step::Done(outcome) => pending.decide(outcome),
            Step::New(submission, answer) => pending.submit(*submission, answer),
        }
    }
    drop(lock(&registrar.turn).take());
    let log: Arc<dyn Log> = Arc::clone(&registrar.log) as _;
    let mut outcomes: Vec<Option<RegisterOutcome>> = Vec::with_capacity(drafts.len());
    let mut overtaken = Vec::new();
    for became in pending.append(&log).await? {
        outcomes.push(match became {
            Became::Decided(outcome) => Some(outcome),
            Became::Settled(mut answer, Settled::Tracked { seq, .. }) => {
                answer.seq = seq.to_string();
                let is_new = true;
                Some(RegisterOutcome::Registered { answer, is_new })
            }
            // Another call, or an earlier draft of this one, was faster.
            Became::Settled(..) => {
                overtaken.push(outcomes.len());
                None
            }
        });
    }
    let again = steps(&registrar, &drafts, overtaken.clone()).await?;
    for (at, step) in overtaken.into_iter().zip(again) {
        if let Step::Done(outcome) = step {
            outcomes[at] = Some(outcome);
        }
    }
    let outcomes: Option<Vec<_>> = outcomes.into_iter().collect();
    // A duplicate is found unless its segment was set aside in this very moment.
    outcomes.ok_or(RegisterError::Log(LogError::Unavailable))
}

/// Looks the drafts at these places up and instruments them, where both may take their time.
async fn steps(
    registrar: &Arc<Registrar>,
    drafts: &Arc<Vec<Draft>>,
    places: Vec<usize>,
) -> Result<Vec<Step>, RegisterError> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let (registrar, drafts) = (Arc::clone(registrar), Arc::clone(drafts));
    let work = move || {
        let mut links_left = MAX_REQUEST_LINKS;
        let step = |at: usize| registrar.step(&drafts[at], &mut links_left);
        places.into_iter().map(step).collect()
    };
    let failed = |error| LogError::Storage(format!("registering messages: {error}")).into();
    let worked = tokio::task::spawn_blocking(work).await;
    worked.unwrap_or_else(|error| Err(failed(error)))
}

impl Registrar {
    /// `links_left` is how many links the request may still have.
    fn step(&self, draft: &Draft, links_left: &mut u32) -> Result<Step, RegisterError> {
        let key = self
            .meta
            .key_of(self.workspace)
            .ok_or(LogError::Unavailable)?;
        let contact = key.contact(draft.outgoing.email.normalised());
        let held = self.log.suppressions().get((self.workspace, contact))?;
        if let Some(held) = &held
            && draft.outgoing.refuse_unsubscribed
            && !draft.outgoing.is_transactional
        {
            return Ok(Step::Done(RegisterOutcome::Refused(suppressed(held))));
        }
        let unsubscribed_at = held.and_then(|held| held.since(Cause::Unsubscribed));
        let unsubscribed_at = unsubscribed_at.map(|at| Timestamp::from_millis(at).to_string());
        // One for each messageId of a workspace.
        let derived = ids::of_send(&key, &draft.message_id);
        let Some(record) = self.find(derived)? else {
            let making = Making {
                id: derived.id,
                contact,
                sent_at: draft.outgoing.sent_at.unwrap_or(self.received_at),
                token_key: self.meta.token_keys().current().id,
            };
            let mut answer = match self.instrument(draft, &making, PublicSeq::START, links_left)? {
                Ok(answer) => answer,
                Err(rejection) => return Ok(Step::Done(RegisterOutcome::Refused(rejection))),
            };
            answer.unsubscribed_at = unsubscribed_at;
            let submission = Submission {
                older: vec![OlderId::unkeyed(derived.older)],
                ..Submission::from(self.entry(draft, &making, different_pages(&answer)))
            };
            return Ok(Step::New(Box::new(submission), Box::new(answer)));
        };
        let fields = differing_fields(&record, draft);
        if !fields.is_empty() {
            let message = format!(
                "this messageId is on record with a different {}: a message is registered once, another one needs \
                 another messageId",
                fields.join(", ")
            );
            let rejection = Rejection {
                code: MESSAGE_CONFLICT,
                message,
                field: fields.first().map(|field| (*field).to_owned()),
            };
            return Ok(Step::Done(RegisterOutcome::Conflict { rejection, fields }));
        }
        let token_key = match record.entry.fact {
            Fact::Send { token_key, .. } => token_key,
            _ => self.meta.token_keys().current().id,
        };
        // Tokens that were made under an older rule of addresses are made again as they were.
        let address = record.entry.address.as_ref();
        let address = address.map_or(draft.outgoing.email.normalised(), Address::as_recorded);
        let making = Making {
            id: record.entry.id,
            contact: key.contact(address),
            sent_at: record.entry.time,
            token_key,
        };
        let outcome = match self.instrument(draft, &making, record.public_seq, links_left)? {
            Ok(mut answer) => {
                answer.unsubscribed_at = unsubscribed_at;
                RegisterOutcome::Registered {
                    answer: Box::new(answer),
                    is_new: false,
                }
            }
            Err(rejection) => RegisterOutcome::Refused(rejection),
        };
        Ok(Step::Done(outcome))
    }

    /// The send's record, at any age, also under the id that older versions gave it.
    fn find(&self, DerivedId { id, older }: DerivedId) -> Result<Option<Record>, LogError> {
        let find = |id| self.log.find(self.workspace, Sender::System, id);
        match find(id)? {
            Some(record) => Ok(Some(record)),
            None => find(older),
        }
    }

    /// `targets` is how many different pages its tracked links lead to.
    fn entry(&self, draft: &Draft, making: &Making, targets: u32) -> Entry {
        let outgoing = &draft.outgoing;
        let fact = Fact::Send {
            message_id: MessageId::from_kept(draft.message_id.clone()),
            campaign_id: outgoing.campaign_id.clone(),
            message_type: message_type(outgoing),
            subject: outgoing.subject.clone().map(Personal),
            content: content(outgoing),
            token_key: making.token_key,
            targets: Some(targets),
        };
        let (workspace, at) = (self.workspace, self.received_at);
        let told_by = ToldBy::Server {
            key_id: self.key_id.clone(),
            context: None,
        };
        Entry {
            time: making.sent_at,
            time_sent: outgoing.sent_at.is_some(),
            address: Some(Address::from(&outgoing.email)),
            ignored_fields: draft.ignored_fields.clone(),
            ..Entry::new(workspace, making.id, told_by, at, fact)
        }
    }
}

/// Why a campaign's message to a contact is refused.
fn suppressed(held: &Suppression) -> Rejection {
    let refuse = |code, message: &str| Rejection::of(code, "email", message.to_owned());
    if held.since(Cause::Unsubscribed).is_some() {
        return refuse(
            codes::UNSUBSCRIBED,
            "this contact has unsubscribed: send them no campaign, or leave `refuseUnsubscribed` out",
        );
    }
    refuse(
        codes::SUPPRESSED,
        "this contact is suppressed, see GET /v1/suppressions: send them no campaign, or leave \
         `refuseUnsubscribed` out",
    )
}
