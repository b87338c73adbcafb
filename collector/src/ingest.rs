//! From a request to an answer about its events: read, authenticate, parse, append, say what became
//! of each. The routes name the pieces; the order of the steps stands here.

pub mod messages;

use axum::body::Body;
use axum::response::{IntoResponse, Json, Response};
use http::request::Parts;
use http::{HeaderMap, Request};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
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
use crate::log::decide::RefundAsk;
use crate::log::record::{Address, Entry, Fact, Personal, Source, items_text};
use crate::log::{Appended, Refusal, Submission};
use crate::metrics::Verdict;
use crate::rejected::Rejected;
use crate::screen::{self, Screened};
use crate::secrets;

/// The codes of an unknown order, and of one that is on record with other content.
const UNKNOWN_ORDER: &str = "unknown_order";
const ORDER_CONFLICT: &str = "order_conflict";

/// A request whose body has been read.
pub struct Incoming {
    parts: Parts,
    by_headers: Option<Caller>,
    pub text: String,
    received_at: Timestamp,
    /// The events and messages that hold a secret key; in `text` it is masked.
    screened: Screened,
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
        let (mut text, memory) =
            body::read_text(&parts.headers, body, media, limit, &app.body_memory).await?;
        let screened = screen::body(app, &parts, &mut text)?;
        let place = app.take_place()?;
        Ok(Self {
            parts,
            by_headers,
            text,
            received_at: app.clock.now(),
            screened,
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

    /// Records one event and answers.
    pub async fn record(self, app: &App, caller: Caller, mut parsed: Parsed) -> Response {
        let idempotency = match idempotency_key(&self.parts.headers) {
            Ok(key) => key,
            Err(rejection) => {
                parsed.outcome = Err(rejection);
                None
            }
        };
        let (id, as_sent) = match (&parsed.sent_id, idempotency) {
            (Some(SentId::Valid(id, _)), Some(key)) if *id != key => {
                let message =
                    "`id` and the header Idempotency-Key differ: send one of them, or both alike";
                parsed.outcome = Err(Rejection::of("idempotency_key_mismatch", "id", message));
                (*id, id.to_string())
            }
            (Some(SentId::Valid(id, as_sent)), _) => (*id, as_sent.clone()),
            (Some(SentId::Invalid(as_sent)), _) => (new_id(), as_sent.clone()),
            (None, Some(key)) => (key, key.to_string()),
            (None, None) => {
                let id = new_id();
                (id, id.to_string())
            }
        };
        if let Some(rejection) = self.screened.rejection(0) {
            parsed.outcome = Err(rejection);
        }
        let rejection = Draft {
            name: parsed.name.clone(),
            ignored: parsed.unknown_fields.clone(),
            body: &self.text,
        };
        let mut response = match parsed.outcome {
            Ok(event) => {
                let submission = Submission {
                    has_new_id: parsed.sent_id.is_none() && idempotency.is_none(),
                    ..self.submission(app, event, id, &caller, None)
                };
                match app.log.append(vec![submission]).await {
                    Ok(outcomes) => self.answer(app, &caller, outcomes, id, as_sent, rejection),
                    Err(error) => ApiError::from(error).with_id(as_sent),
                }
            }
            Err(refused) => {
                self.keep_rejected(app, &caller, &as_sent, rejection, &refused);
                ApiError::Rejected(refused).with_id(as_sent)
            }
        };
        write_rate(&caller, response.headers_mut());
        response
    }

    fn answer(
        &self,
        app: &App,
        caller: &Caller,
        outcomes: Vec<Appended>,
        id: EventId,
        as_sent: String,
        rejection: Draft<'_>,
    ) -> Response {
        match outcomes.into_iter().next() {
            Some(Appended::Tracked { seq }) => {
                app.metrics
                    .count_verdict(caller.key.workspace, Verdict::Tracked);
                Json(EventAnswer::tracked(as_sent, seq.to_string())).into_response()
            }
            Some(Appended::Duplicate { id: first, seq }) => {
                app.metrics
                    .count_verdict(caller.key.workspace, Verdict::Duplicate);
                let id = if first == id {
                    as_sent
                } else {
                    first.to_string()
                };
                Json(EventAnswer::duplicate(id, seq.to_string())).into_response()
            }
            Some(Appended::Conflict { fields }) => {
                let reason = conflict(&fields);
                self.keep_rejected(app, caller, &as_sent, rejection, &reason);
                let rejection = reason;
                ApiError::Conflict { rejection, fields }.with_id(as_sent)
            }
            Some(Appended::Refused(refusal)) => {
                let (error, reason) = match refusal {
                    Refusal::UnknownOrder => {
                        (ApiError::UnknownOrder(unknown_order()), unknown_order())
                    }
                    Refusal::Invalid(reason) => (ApiError::Rejected(reason.clone()), reason),
                };
                self.keep_rejected(app, caller, &as_sent, rejection, &reason);
                error.with_id(as_sent)
            }
            None => ApiError::Internal.with_id(as_sent),
        }
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
        let retried = idempotency_key(&self.parts.headers).map_err(ApiError::Rejected)?;

        let mut submissions = Vec::new();
        // For each event: its id as sent, and its place among the submissions or why it has none.
        let mut verdicts: Vec<(String, EventId, Draft<'_>, Result<usize, Rejection>)> = Vec::new();
        for (index, raw) in batch.events.iter().enumerate() {
            let mut parsed = wire::parse_batch_event(raw, &arrival);
            parsed.unknown_fields.extend(batch.unknown.iter().cloned());
            if let Some(rejection) = self.screened.rejection(index) {
                parsed.outcome = Err(rejection);
            }
            let (id, as_sent) = match &parsed.sent_id {
                Some(SentId::Valid(id, as_sent)) => (*id, as_sent.clone()),
                Some(SentId::Invalid(as_sent)) => (new_id(), as_sent.clone()),
                None => {
                    let id = retried.map_or_else(new_id, |key| {
                        hash_to_id(&[key.as_bytes(), &index.to_le_bytes()])
                    });
                    (id, id.to_string())
                }
            };
            let draft = Draft {
                name: parsed.name,
                ignored: parsed.unknown_fields,
                body: raw.get(),
            };
            let outcome = parsed.outcome.map(|mut event| {
                event.unknown_fields.clone_from(&draft.ignored);
                submissions.push(Submission {
                    has_new_id: parsed.sent_id.is_none() && retried.is_none(),
                    ..self.submission(app, event, id, &caller, context)
                });
                submissions.len() - 1
            });
            verdicts.push((as_sent, id, draft, outcome));
        }
        let outcomes = app.log.append(submissions).await?;
        let results = verdicts
            .into_iter()
            .map(|(as_sent, id, draft, outcome)| {
                let outcome = outcome.map(|at| outcomes.get(at).cloned());
                self.verdict(app, &caller, as_sent, id, draft, outcome)
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
        as_sent: String,
        id: EventId,
        draft: Draft<'_>,
        outcome: Result<Option<Appended>, Rejection>,
    ) -> BatchResult {
        let (rejection, fields) = match outcome {
            Ok(Some(Appended::Tracked { seq })) => {
                app.metrics
                    .count_verdict(caller.key.workspace, Verdict::Tracked);
                return BatchResult::accepted(as_sent, BatchStatus::Tracked, seq.to_string());
            }
            Ok(Some(Appended::Duplicate { id: first, seq })) => {
                app.metrics
                    .count_verdict(caller.key.workspace, Verdict::Duplicate);
                let id = if first == id {
                    as_sent
                } else {
                    first.to_string()
                };
                return BatchResult::accepted(id, BatchStatus::Duplicate, seq.to_string());
            }
            Ok(Some(Appended::Conflict { fields })) => (conflict(&fields), fields),
            Ok(Some(Appended::Refused(Refusal::Invalid(rejection)))) | Err(rejection) => {
                (rejection, Vec::new())
            }
            Ok(Some(Appended::Refused(Refusal::UnknownOrder)) | None) => {
                (unknown_order(), Vec::new())
            }
        };
        self.keep_rejected(app, caller, &as_sent, draft, &rejection);
        let mut result = BatchResult::rejected(as_sent, rejection);
        if !fields.is_empty() {
            result.fields = Some(fields.into_iter().map(str::to_owned).collect());
        }
        result
    }

    fn submission(
        &self,
        app: &App,
        event: Event,
        id: EventId,
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
            id,
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
            has_new_id: false,
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
        app.metrics
            .count_rejection(caller.key.workspace, rejection.code);
        app.rejected.keep(Rejected {
            workspace: caller.key.workspace,
            id: id.to_owned(),
            received_at: self.received_at.as_millis(),
            key_id: caller.key.id.clone(),
            name: draft.name,
            code: rejection.code.to_owned(),
            message: rejection.message.clone(),
            field: rejection.field.clone(),
            ignored_fields: draft.ignored,
            body: (draft.body.len() <= shared::limits::MAX_EVENT_BYTES)
                // Whoever hands it over: a refused body is shown to readers.
                .then(|| Personal(secrets::mask(draft.body).into_owned())),
        });
    }
}

/// What the receipt of a refused event needs besides the reason.
struct Draft<'a> {
    name: Option<String>,
    ignored: Vec<String>,
    body: &'a str,
}

fn conflict(fields: &[&'static str]) -> Rejection {
    let message = format!(
        "this order is on record with a different {}: an order is sent once, corrections are refunds",
        fields.join(", ")
    );
    Rejection {
        code: ORDER_CONFLICT,
        message,
        field: fields.first().map(|field| (*field).to_owned()),
    }
}

fn unknown_order() -> Rejection {
    let message = "no server has sent a purchase with this orderId: send the purchase first";
    Rejection::of(UNKNOWN_ORDER, "orderId", message)
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

/// The header `Idempotency-Key`: a UUID as it is, any other text hashed to one.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<EventId>, Rejection> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = value.as_bytes();
    if key.is_empty() || key.len() > 255 || !key.iter().all(u8::is_ascii_graphic) {
        let message = "the header Idempotency-Key takes 1 to 255 visible ASCII characters";
        return Err(Rejection::whole("invalid_idempotency_key", message));
    }
    let text = std::str::from_utf8(key).unwrap_or_default();
    Ok(Some(
        EventId::parse(text).unwrap_or_else(|_| hash_to_id(&[key])),
    ))
}

/// SHA-256 of the parts, cut to a UUID of version 8 (RFC 9562, section 5.8: bits of one's own).
pub(crate) fn hash_to_id(parts: &[&[u8]]) -> EventId {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hasher.finalize()[..16]);
    EventId::from_bytes(*uuid::Builder::from_custom_bytes(bytes).as_uuid().as_bytes())
}

/// An id for an event that came without one.
pub(crate) fn new_id() -> EventId {
    EventId::from_bytes(*uuid::Uuid::now_v7().as_bytes())
}

fn write_rate(caller: &Caller, headers: &mut HeaderMap) {
    if let Some(rate) = caller.rate {
        rate.write(headers);
    }
}
