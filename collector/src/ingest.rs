//! From a request to an answer about its events: read, authenticate, parse, append, say what became
//! of each. The routes name the pieces; the order of the steps stands here.

pub mod compare;
pub mod ids;
pub mod messages;
mod seqs;
pub mod settle;

use axum::body::Body;
use axum::response::{IntoResponse, Json, Response};
use http::request::Parts;
use http::{HeaderMap, Request};
use serde_json::value::RawValue;
use shared::api_key::{KeyKind, Scope};
use shared::event::{Event, EventKind};
use shared::ids::EventId;
use shared::rejection::{Rejection, codes};
use shared::time::Timestamp;
use shared::wire::{
    self, Arrival, BatchAnswer, BatchBody, BatchError, BatchResult, BatchStatus, BodyError,
    Context, EventAnswer, Parsed, SentId,
};
use tokio::sync::OwnedSemaphorePermit;

use crate::app::App;
use crate::auth::{self, Caller};
use crate::body::{self, Media};
use crate::classify::of_page;
use crate::client_address::client_of;
use crate::error::ApiError;
use crate::log::Submission;
use crate::log::decide::{RefundAsk, WorkspaceKey, WorkspaceKeys as _};
use crate::log::identity::{FactKind, Sender};
use crate::log::record::{Address, Entry, Fact, Personal, Source, items_text};
use crate::metrics::Verdict;
use crate::rejected::Rejected;
use ids::{DerivedId, IdempotencyKey, new_id};
use settle::{Claim, Settled, settle};

/// A request whose body has been read.
pub struct Incoming {
    parts: Parts,
    by_headers: Option<Caller>,
    pub text: String,
    received_at: Timestamp,
    /// Its place among the requests in work, and the memory of its body.
    _held: (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>),
}

impl Incoming {
    /// Authenticates by the headers where they hold a key, then reads the body, then takes a place
    /// among the requests in work: one that stalls before takes none.
    pub async fn read(
        app: &App,
        request: Request<Body>,
        media: Media,
        limit: usize,
    ) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let by_headers = auth::caller_by_headers(app, &parts.headers, &parts.uri)?;
        if let Some(caller) = &by_headers {
            caller.require(Scope::Send)?;
        }
        let (text, memory) =
            body::read_text(&parts.headers, body, media, limit, &app.body_memory).await?;
        let place = app.take_place()?;
        Ok(Self {
            parts,
            by_headers,
            text,
            received_at: app.clock.now(),
            _held: (place, memory),
        })
    }

    /// Who sends, by the headers or else by the body's `key`.
    pub fn caller(&self, app: &App, key: Option<&RawValue>) -> Result<Caller, ApiError> {
        let caller = auth::caller_by_body(app, &self.parts.headers, self.by_headers.clone(), key)?;
        caller.require(Scope::Send)?;
        Ok(caller)
    }

    /// Who sends, where only servers may.
    pub fn server_caller(&self, app: &App, key: Option<&RawValue>) -> Result<Caller, ApiError> {
        let caller = self.caller(app, key)?;
        if caller.key.kind == KeyKind::Public {
            Err(ApiError::NotForPublicKeys)
        } else {
            Ok(caller)
        }
    }

    /// What parsing needs to know of an event's arrival.
    pub fn arrival<'a>(&self, caller: &Caller) -> Arrival<'a> {
        let is_secret = caller.key.kind == KeyKind::Secret;
        Arrival {
            received_at: self.received_at,
            source: if is_secret {
                wire::Source::Server
            } else {
                wire::Source::Browser
            },
            purchases_allowed: is_secret || caller.key.allow_purchases,
            sent_at: None,
            context: None,
        }
    }

    /// Records one event of the route's type and answers.
    pub async fn record(
        self,
        app: &App,
        caller: Caller,
        kind: FactKind,
        mut parsed: Parsed,
    ) -> Response {
        let (sender, key) = match identities(app, &caller) {
            Ok(identities) => identities,
            Err(error) => return error.into_response(),
        };
        let retried = match IdempotencyKey::of(&self.parts.headers) {
            Ok(retried) => retried,
            Err(rejection) => {
                parsed.outcome = Err(rejection);
                None
            }
        };
        if let (Some(SentId::Valid(id, _)), Some(retried)) = (&parsed.sent_id, &retried)
            && !retried.names(*id)
        {
            let message =
                "`id` and the header Idempotency-Key differ: send one of them, or both alike";
            parsed.outcome = Err(Rejection::of("idempotency_key_mismatch", "id", message));
        }
        let derived = retried.map(|retried| retried.id(&key, sender, kind));
        let identity = Identity::of(parsed.sent_id.as_ref(), derived);
        let rejection = Draft {
            name: parsed.name.clone(),
            ignored: parsed.unknown_fields.clone(),
            body: &self.text,
        };
        let mut response = match parsed.outcome {
            Ok(event) => {
                let submission = self.submission(app, event, &identity, &caller, None);
                let claim = [Claim::of(&submission)];
                let settled = match app.log.append(vec![submission]).await {
                    Ok(outcomes) => {
                        let seqs = seqs::shown(app, &caller, &outcomes).await;
                        let settled = settle(&app.log, &claim, outcomes).await;
                        settled.map(|settled| (settled, seqs))
                    }
                    Err(error) => Err(error),
                };
                match settled {
                    Ok((settled, mut seqs)) => {
                        let seq = seqs.pop().flatten();
                        self.answer(app, &caller, settled, seq, identity, rejection)
                    }
                    Err(error) => ApiError::from(error).with_id(identity.as_sent),
                }
            }
            Err(refused) => {
                self.keep_rejected(app, &caller, &identity.as_sent, rejection, &refused);
                ApiError::Rejected(refused).with_id(identity.as_sent)
            }
        };
        write_rate(&caller, response.headers_mut());
        response
    }

    fn answer(
        &self,
        app: &App,
        caller: &Caller,
        settled: Vec<Settled>,
        seq: Option<String>,
        identity: Identity,
        draft: Draft<'_>,
    ) -> Response {
        let (error, rejection) = match settled.into_iter().next() {
            Some(Settled::Tracked) => {
                app.metrics.count_verdict(Verdict::Tracked);
                return Json(EventAnswer::tracked(identity.as_sent, seq)).into_response();
            }
            Some(Settled::Duplicate { id }) => {
                app.metrics.count_verdict(Verdict::Duplicate);
                let id = identity.in_answer(id);
                return Json(EventAnswer::duplicate(id, seq)).into_response();
            }
            Some(Settled::Conflict { rejection, fields }) => {
                let error = ApiError::Conflict {
                    rejection: rejection.clone(),
                    fields,
                };
                (error, rejection)
            }
            Some(Settled::UnknownOrder(rejection)) => {
                (ApiError::UnknownOrder(rejection.clone()), rejection)
            }
            Some(Settled::Refused(rejection)) => (ApiError::Rejected(rejection.clone()), rejection),
            None => return ApiError::Internal.with_id(identity.as_sent),
        };
        self.keep_rejected(app, caller, &identity.as_sent, draft, &rejection);
        error.with_id(identity.as_sent)
    }

    /// Records a batch and answers with one verdict for each event, in order.
    pub async fn record_batch(self, app: &App) -> Result<Response, ApiError> {
        let batch = match wire::parse_batch(&self.text) {
            Ok(batch) => batch,
            Err(error) => {
                // Who asks is settled first: a batch that is wrong may hold a secret key too.
                let envelope: BatchBody<'_> = parse(&self.text)?;
                self.caller(app, envelope.key)?;
                return Err(batch_error(error));
            }
        };
        let caller = self.caller(app, batch.key)?;
        let context = batch.context.as_ref();
        let arrival = Arrival {
            sent_at: batch.sent_at,
            context,
            ..self.arrival(&caller)
        };
        // A retry of the whole batch is told by the same header as that of one event.
        let retried = IdempotencyKey::of(&self.parts.headers).map_err(ApiError::Rejected)?;
        let (sender, key) = identities(app, &caller)?;

        let mut submissions = Vec::new();
        // For each event: its identity, and its place among the submissions or why it has none.
        let mut verdicts: Vec<(Identity, Draft<'_>, Result<usize, Rejection>)> = Vec::new();
        for (index, raw) in batch.events.iter().enumerate() {
            let mut parsed = wire::parse_batch_event(raw, &arrival);
            parsed.unknown_fields.extend(batch.unknown.iter().cloned());
            let kind = parsed.outcome.as_ref().ok().map(kind_of);
            let derived = retried
                .as_ref()
                .map(|retried| retried.id_in_batch(&key, sender, kind, index));
            let identity = Identity::of(parsed.sent_id.as_ref(), derived);
            let draft = Draft {
                name: parsed.name,
                ignored: parsed.unknown_fields,
                body: raw.get(),
            };
            let outcome = parsed.outcome.map(|mut event| {
                event.unknown_fields.clone_from(&draft.ignored);
                submissions.push(self.submission(app, event, &identity, &caller, context));
                submissions.len() - 1
            });
            verdicts.push((identity, draft, outcome));
        }
        let claims: Vec<Claim> = submissions.iter().map(Claim::of).collect();
        let outcomes = app.log.append(submissions).await?;
        let seqs = seqs::shown(app, &caller, &outcomes).await;
        let settled = settle(&app.log, &claims, outcomes).await?;
        let results = verdicts
            .into_iter()
            .map(|(identity, draft, outcome)| {
                let seq = outcome.as_ref().ok().and_then(|at| seqs.get(*at)?.clone());
                let outcome = outcome.map(|at| settled.get(at).cloned());
                self.verdict(app, &caller, identity, draft, outcome, seq)
            })
            .collect();
        let mut response = Json(BatchAnswer {
            success: true,
            results,
        })
        .into_response();
        write_rate(&caller, response.headers_mut());
        Ok(response)
    }

    fn verdict(
        &self,
        app: &App,
        caller: &Caller,
        identity: Identity,
        draft: Draft<'_>,
        outcome: Result<Option<Settled>, Rejection>,
        seq: Option<String>,
    ) -> BatchResult {
        let (rejection, fields) = match outcome {
            Ok(Some(Settled::Tracked)) => {
                app.metrics.count_verdict(Verdict::Tracked);
                let status = BatchStatus::Tracked;
                return BatchResult::accepted(identity.as_sent, status, seq);
            }
            Ok(Some(Settled::Duplicate { id })) => {
                app.metrics.count_verdict(Verdict::Duplicate);
                let id = identity.in_answer(id);
                return BatchResult::accepted(id, BatchStatus::Duplicate, seq);
            }
            Ok(Some(Settled::Conflict { rejection, fields })) => (rejection, fields),
            Ok(Some(Settled::UnknownOrder(rejection) | Settled::Refused(rejection)))
            | Err(rejection) => (rejection, Vec::new()),
            // One outcome for each submission: the log promises it.
            Ok(None) => (
                Rejection::whole("internal", "this is our fault: send the event again"),
                Vec::new(),
            ),
        };
        self.keep_rejected(app, caller, &identity.as_sent, draft, &rejection);
        let mut result = BatchResult::rejected(identity.as_sent, rejection);
        if !fields.is_empty() {
            result.fields = Some(fields.into_iter().map(str::to_owned).collect());
        }
        result
    }

    fn submission(
        &self,
        app: &App,
        event: Event,
        identity: &Identity,
        caller: &Caller,
        context: Option<&Context>,
    ) -> Submission {
        let is_secret = caller.key.kind == KeyKind::Secret;
        let mut money = None;
        let mut asked = None;
        let fact = match event.kind {
            EventKind::Track { name, properties } => Fact::Track {
                name: name.as_str().to_owned(),
                properties: properties.map(Personal),
            },
            EventKind::Identify { traits } => Fact::Identify {
                traits: traits.map(Personal),
            },
            EventKind::Purchase(purchase) => {
                money = Some(purchase.revenue);
                let order_id = purchase.order_id.as_str().to_owned();
                Fact::Purchase {
                    order_id,
                    items: items_text(&purchase.items),
                }
            }
            EventKind::Refund(refund) => {
                asked = Some(RefundAsk {
                    amount: refund.amount,
                    currency: refund.currency,
                });
                let order_id = refund.order_id.as_str().to_owned();
                Fact::Refund {
                    order_id,
                    refund_id: refund.refund_id.as_str().to_owned(),
                }
            }
        };
        let address = event.email.map(|email| Address {
            original: (email.original() != email.normalised())
                .then(|| Personal(email.original().to_owned())),
            normalised: Personal(email.normalised().to_owned()),
        });
        let mut entry = Entry {
            workspace: caller.key.workspace,
            id: identity.id,
            time: event.time,
            time_sent: event.time_sent,
            received_at: self.received_at,
            source: if is_secret {
                Source::Server
            } else {
                Source::Browser
            },
            key_id: Some(caller.key.id.clone()),
            verified: is_secret,
            address,
            anonymous_id: event
                .anonymous_id
                .map(|id| Personal(id.as_str().to_owned())),
            message_id: event.message_id.map(|id| id.as_str().to_owned()),
            fact,
            money,
            rounded: event.rounded,
            context: context
                .filter(|context| context.json != "{}")
                .map(|context| Personal(context.json.clone())),
            client: (!is_secret).then(|| client_of(&self.parts, &app.trusted_proxies).1),
            class: None,
            ignored_fields: event.unknown_fields,
            redacted: false,
        };
        entry.class = of_page(&entry).map(|judged| (judged.class, judged.reason.to_owned()));
        Submission {
            entry,
            asked,
            has_new_id: identity.is_new,
            older: identity.older,
        }
    }

    fn keep_rejected(
        &self,
        app: &App,
        caller: &Caller,
        id: &str,
        draft: Draft<'_>,
        rejection: &Rejection,
    ) {
        app.metrics.count_rejection(rejection.code);
        app.rejected.keep(Rejected {
            workspace: caller.key.workspace,
            sender: sender_of(caller),
            id: id.to_owned(),
            received_at: self.received_at.as_millis(),
            key_id: caller.key.id.clone(),
            name: draft.name,
            code: rejection.code.to_owned(),
            message: rejection.message.clone(),
            field: rejection.field.clone(),
            ignored_fields: draft.ignored,
            body: (draft.body.len() <= shared::limits::MAX_EVENT_BYTES)
                .then(|| Personal(draft.body.to_owned())),
        });
    }
}

/// What the receipt of a refused event needs besides the reason.
struct Draft<'a> {
    name: Option<String>,
    ignored: Vec<String>,
    body: &'a str,
}

/// Under which id an event is recorded, and under which it is answered.
struct Identity {
    id: EventId,
    as_sent: String,
    /// It was made of a text, of which older versions made this.
    older: Option<EventId>,
    /// It was made just now.
    is_new: bool,
}

impl Identity {
    /// The id that was sent, else the one that was made of a text, else a new one.
    fn of(sent: Option<&SentId>, derived: Option<DerivedId>) -> Self {
        let (id, older, is_new) = match (sent, derived) {
            (Some(SentId::Valid(id, _)), _) => (*id, None, false),
            (Some(SentId::Invalid(_)), _) | (None, None) => (new_id(), None, true),
            (None, Some(DerivedId { id, older })) => (id, Some(older), false),
        };
        let as_sent = sent.map_or_else(|| id.to_string(), |sent| sent.as_sent().to_owned());
        Self {
            id,
            as_sent,
            older,
            is_new,
        }
    }

    /// The spelling of the id on record in an answer.
    fn in_answer(self, recorded: EventId) -> String {
        if recorded == self.id {
            self.as_sent
        } else {
            recorded.to_string()
        }
    }
}

/// Which ids a caller's events have, and the secret under which those are made that nobody sent.
fn identities(app: &App, caller: &Caller) -> Result<(Sender, WorkspaceKey), ApiError> {
    let key = app.meta.key_of(caller.key.workspace);
    Ok((sender_of(caller), key.ok_or(ApiError::Internal)?))
}

fn sender_of(caller: &Caller) -> Sender {
    match caller.key.kind {
        KeyKind::Public => Sender::Page,
        KeyKind::Secret => Sender::Server,
    }
}

fn kind_of(event: &Event) -> FactKind {
    match event.kind {
        EventKind::Track { .. } => FactKind::Track,
        EventKind::Identify { .. } => FactKind::Identify,
        EventKind::Purchase(_) => FactKind::Purchase,
        EventKind::Refund(_) => FactKind::Refund,
    }
}

fn batch_error(error: BatchError) -> ApiError {
    match error {
        BatchError::NotJson(message) => ApiError::NotJson(message),
        BatchError::Rejected(rejection) => ApiError::Rejected(rejection),
        BatchError::TooManyEvents => ApiError::TooManyEvents,
    }
}

/// Reads a body as an object of the route's fields.
pub fn parse<'a, B: wire::Body<'a>>(text: &'a str) -> Result<B, ApiError> {
    wire::body(text).map_err(|error| match error {
        BodyError::NotJson(message) => ApiError::NotJson(message),
        BodyError::NotAnObject => ApiError::Rejected(Rejection::whole(
            codes::INVALID_BODY,
            "send one JSON object: `{…}`",
        )),
    })
}

fn write_rate(caller: &Caller, headers: &mut HeaderMap) {
    if let Some(rate) = caller.rate {
        rate.write(headers);
    }
}
