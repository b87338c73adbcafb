//! From a request to an answer about its events: read, authenticate, parse, append, say what became
//! of each. The routes name the pieces; the order of the steps stands here.

pub mod compare;
mod deliveries;
pub mod dropped;
mod idempotency;
pub mod messages;
pub mod sent;
mod seqs;
pub mod settle;
pub mod suppressions;

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::response::{IntoResponse, Json, Response};
use http::request::Parts;
use http::{HeaderMap, Method, Request};
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
use crate::auth::asks::Asks;
use crate::auth::{self, Caller};
use crate::body::{self, Means, Media};
use crate::classify::of_page;
use crate::client_address::client_of;
use crate::error::ApiError;
use crate::ids::{DerivedId, new_id};
use crate::limits::heavy::{Lane, Turn};
use crate::limits::memory::{BodyPlace, Owner};
use crate::limits::network::Payer;
use crate::limits::rates::{Charge, Ticket};
use crate::locks::lock;
use crate::log::Submission;
use crate::log::decide::{RefundAsk, WorkspaceKey, WorkspaceKeys as _};
use crate::log::identity::{FactKind, Sender};
use crate::log::record::{Address, Entry, Fact, Personal, Source, items_text};
use crate::metrics::{Told, Verdict, reasons};
use crate::query::dropped::in_context;
use crate::rejected::Rejected;
use crate::screen::{self, Screened};
use crate::secrets;
use deliveries::Sends;
use idempotency::IdempotencyKey;
use settle::{Claim, Settled, settle};

/// Where a route looks for a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyIn {
    Headers,
    /// Or in the body, where the headers hold none.
    BodyToo,
}

/// A request whose body has been read.
pub struct Incoming {
    parts: Parts,
    by_headers: Option<Caller>,
    /// What the route asks of whoever sends.
    asks: Asks,
    pub text: String,
    received_at: Timestamp,
    charge: Mutex<Charge>,
    /// In whose line it waits where it takes long, and its turn while it has one.
    lane: Lane,
    turn: Mutex<Option<Turn>>,
    /// The events and messages that hold a secret key; in `text` it is masked.
    screened: Screened,
    /// Its place among the requests in work, and the memory of its body.
    _held: (OwnedSemaphorePermit, BodyPlace),
}

/// Whom a request may come from, as its headers tell.
struct Admitted {
    by_headers: Option<Caller>,
    ticket: Option<Ticket>,
    owner: Owner,
}

impl Incoming {
    /// Authenticates by the headers where they hold a key, then reads the body, then takes a place
    /// among the requests in work: one that stalls before takes none. Where the headers hold none, the
    /// body may.
    pub async fn read(
        app: &Arc<App>,
        request: Request<Body>,
        media: Media,
        limit: usize,
        asks: Asks,
    ) -> Result<Self, ApiError> {
        Self::read_as(app, request, media, limit, asks, KeyIn::BodyToo).await
    }

    /// The same where only servers may send, with their key in a header: of nobody else's body
    /// anything is read.
    pub async fn read_of_server(
        app: &Arc<App>,
        request: Request<Body>,
        limit: usize,
        scope: Scope,
    ) -> Result<Self, ApiError> {
        let asks = Asks::Server(scope);
        Self::read_as(app, request, Media::Json, limit, asks, KeyIn::Headers).await
    }

    /// The same of a route that takes files of rows too.
    pub async fn read_file_of_server(
        app: &Arc<App>,
        request: Request<Body>,
        limit: usize,
        scope: Scope,
    ) -> Result<Self, ApiError> {
        let asks = Asks::Server(scope);
        Self::read_as(app, request, Media::JsonOrRows, limit, asks, KeyIn::Headers).await
    }

    async fn read_as(
        app: &Arc<App>,
        request: Request<Body>,
        media: Media,
        limit: usize,
        asks: Asks,
        key_in: KeyIn,
    ) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let payer = Payer::of(&parts, &app.trusted_proxies);
        let admitted = match Self::admit(app, &parts, &payer, asks, key_in) {
            Ok(admitted) => admitted,
            Err(error) => {
                let error = app.rates.blame(&payer, error);
                // Who is told to wait is not waited for.
                let is_whole =
                    error.retry_after().is_none() && body::discard(&parts.headers, body).await;
                return Err(if is_whole { error } else { error.unread() });
            }
        };
        let Admitted {
            by_headers,
            ticket,
            owner,
        } = admitted;
        let means = Means {
            memory: &app.body_memory,
            owner: &owner,
            heavy: &app.heavy,
        };
        // A server pays with its key, not with its address.
        let blamed = match owner {
            Owner::Server(..) => Payer::NOBODY,
            Owner::Anybody(_) => payer,
        };
        let (mut text, memory) = body::read_text(&parts.headers, body, media, limit, means)
            .await
            .map_err(|error| app.rates.blame_unread(&blamed, error))?;
        // What DELETE wants may stand in the query.
        if text.trim_ascii().is_empty() && parts.method != Method::DELETE {
            app.metrics.count_refused_body(reasons::EMPTY);
        }
        let carrier = screen::Carrier::of(&parts);
        let screened = if text.len() > body::LARGE {
            let looking = Arc::clone(app);
            let look = move || {
                let screened = screen::body(&looking, carrier, &mut text);
                (screened, text)
            };
            let (screened, looked_at) = app.heavy.compute(Lane::of(&owner), look).await?;
            text = looked_at;
            screened
        } else {
            screen::body(app, carrier, &mut text)
        };
        let screened = screened.map_err(|error| app.rates.blame(&blamed, error))?;
        let mut charge = Charge::new(&app.rates, payer, text.len());
        if let Some(caller) = &by_headers {
            charge = charge.begun(&caller.key, ticket)?;
        }
        let place = app.take_place().inspect_err(|_| charge.excuse())?;
        Ok(Self {
            parts,
            by_headers,
            asks,
            text,
            received_at: app.clock.now(),
            charge: Mutex::new(charge),
            lane: Lane::of(&owner),
            turn: Mutex::default(),
            screened,
            _held: (place, memory),
        })
    }

    /// What the headers settle, before anything of the body is read.
    fn admit(
        app: &App,
        parts: &Parts,
        payer: &Payer,
        asks: Asks,
        key_in: KeyIn,
    ) -> Result<Admitted, ApiError> {
        let by_headers = auth::caller_by_headers(app, &parts.headers, &parts.uri, asks)?;
        let caller = by_headers.as_ref();
        if caller.is_none() && key_in == KeyIn::Headers {
            app.metrics.count_refused_body(reasons::NO_KEY);
            return Err(ApiError::MissingKey);
        }
        let ticket = match caller {
            Some(caller) => app.rates.begin(&caller.key, *payer)?,
            None => None,
        };
        let owner = match caller {
            Some(caller) if caller.key.kind == KeyKind::Secret => Owner::server(&caller.key),
            // A public key proves nothing: it stands in every page.
            _ => Owner::Anybody(payer.for_memory()),
        };
        if matches!(owner, Owner::Anybody(_)) && body::may_be_large(&parts.headers) {
            app.rates.may_send_large(payer)?;
        }
        Ok(Admitted {
            by_headers,
            ticket,
            owner,
        })
    }

    /// Who sends, by the headers or else by the body's `key`.
    pub fn caller(&self, app: &App, key: Option<&RawValue>) -> Result<Caller, ApiError> {
        let by_headers = self.by_headers.clone();
        let caller = auth::caller_by_body(app, &self.parts.headers, by_headers, key, self.asks)?;
        lock(&self.charge).pay_with(&caller.key)?;
        Ok(caller)
    }

    /// Does work where nobody waits for the threads that it takes: in turn with other workspaces, at a
    /// low priority.
    pub async fn apart<F, W>(self, app: &Arc<App>, work: F) -> Result<Response, ApiError>
    where
        F: FnOnce(Self, Arc<App>) -> W,
        W: Future<Output = Result<Response, ApiError>> + Send + 'static,
    {
        let turn = app.heavy.turn(self.lane).await;
        let turn = turn.inspect_err(|_| lock(&self.charge).excuse())?;
        *lock(&self.turn) = Some(turn);
        app.heavy.run(work(self, Arc::clone(app))).await?
    }

    /// Whether it takes longer than one may have to wait for.
    pub fn is_large(&self) -> bool {
        self.text.len() > body::LARGE
    }

    /// Takes so many well-formed events from the key's rate.
    fn take_events(&self, count: usize) -> Result<(), ApiError> {
        lock(&self.charge).take_events(count)
    }

    /// The rest is waiting: others may have the turn.
    fn give_up_turn(&self) {
        drop(lock(&self.turn).take());
    }

    fn write_rate(&self, headers: &mut HeaderMap) {
        if let Some(rate) = lock(&self.charge).state() {
            rate.write(headers);
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
            deliveries_allowed: is_secret && caller.require(Scope::Write).is_ok(),
            order_currency: None,
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
            Err(error) => {
                lock(&self.charge).excuse();
                return error.into_response();
            }
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
        if let Err(error) = self.take_events(1) {
            return error.into_response();
        }
        if let Some(rejection) = self.screened.rejection(0) {
            parsed.outcome = Err(rejection);
        }
        let derived = retried.map(|retried| retried.id(&key, sender, kind));
        let told = deliveries::id_of(&key, &parsed.outcome);
        let identity = Identity::of(parsed.sent_id.as_ref(), derived, told);
        let hints = match &parsed.outcome {
            Ok(event) => wire::hints(event.type_name(), &self.text, &parsed.unknown_fields),
            Err(_) => Vec::new(),
        };
        let rejection = Draft {
            name: parsed.name.clone(),
            ignored: parsed.unknown_fields.clone(),
            own: parsed.unknown_fields.len(),
            hints,
            body: &self.text,
        };
        let mut response = match parsed.outcome {
            Ok(event) => {
                lock(&self.charge).settle();
                let sends = match deliveries::sends_of(app, &caller, [&event]).await {
                    Ok(sends) => sends,
                    Err(error) => return ApiError::from(error).with_id(identity.as_sent),
                };
                let submission = self.submission(app, event, &identity, &caller, None, &sends);
                let submission = match submission {
                    Ok(submission) => submission,
                    Err(unknown) => {
                        self.keep_rejected(app, &caller, &identity.as_sent, rejection, &unknown);
                        return ApiError::UnknownOrder(unknown).with_id(identity.as_sent);
                    }
                };
                let claim = [Claim::of(&submission)];
                let told = Told::of(&submission.entry);
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
                        count_told(app, &caller, &[told], &settled);
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
        self.write_rate(response.headers_mut());
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
                app.metrics
                    .count_verdict(caller.key.workspace, Verdict::Tracked);
                let answer = EventAnswer::tracked(identity.as_sent, seq);
                return Json(answer.ignoring(draft.ignored, draft.hints)).into_response();
            }
            Some(Settled::Duplicate { id }) => {
                app.metrics
                    .count_verdict(caller.key.workspace, Verdict::Duplicate);
                let id = identity.in_answer(id);
                let answer = EventAnswer::duplicate(id, seq);
                return Json(answer.ignoring(draft.ignored, draft.hints)).into_response();
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
        self.take_events(batch.events.len())?;
        let context = batch.context.as_ref();
        let workspace = caller.key.workspace;
        let order_currency = |order_id: &str| app.durable().order_currency(workspace, order_id);
        let arrival = Arrival {
            sent_at: batch.sent_at,
            context,
            order_currency: Some(&order_currency),
            ..self.arrival(&caller)
        };
        // A retry of the whole batch is told by the same header as that of one event.
        let retried = IdempotencyKey::of(&self.parts.headers).map_err(ApiError::Rejected)?;
        let (sender, key) = identities(app, &caller)?;

        // What the page has lost is said of the first event that is taken.
        let lost = match caller.key.kind {
            KeyKind::Public => context.and_then(|context| in_context(&context.json)),
            KeyKind::Secret => None,
        };
        let behind_first = lost.and(context).map(dropped::said_before);
        let mut submissions = Vec::new();
        // For each event: its identity, and its place among the submissions or why it has none.
        let mut verdicts: Vec<(Identity, Draft<'_>, Result<usize, Rejection>)> = Vec::new();
        let mut looked = Vec::with_capacity(batch.events.len());
        for (index, raw) in batch.events.iter().enumerate() {
            let mut parsed = wire::parse_batch_event(raw, &arrival);
            let own = parsed.unknown_fields.len();
            let hints = match &parsed.outcome {
                Ok(event) => wire::hints(event.type_name(), raw.get(), &parsed.unknown_fields),
                Err(_) => Vec::new(),
            };
            let of_batch = batch.unknown.iter().map(|name| match name.as_str() {
                // Of the event, this name alone means that its address was refused.
                "email" => "batch.email".to_owned(),
                other => other.to_owned(),
            });
            parsed.unknown_fields.extend(of_batch);
            if let Some(rejection) = self.screened.rejection(index) {
                parsed.outcome = Err(rejection);
            }
            let kind = parsed.outcome.as_ref().ok().map(kind_of);
            let derived = retried
                .as_ref()
                .map(|retried| retried.id_in_batch(&key, sender, kind, index));
            let told = deliveries::id_of(&key, &parsed.outcome);
            let identity = Identity::of(parsed.sent_id.as_ref(), derived, told);
            let draft = Draft {
                name: parsed.name,
                ignored: parsed.unknown_fields,
                own,
                hints,
                body: raw.get(),
            };
            let outcome = parsed.outcome.map(|mut event| {
                event.unknown_fields.clone_from(&draft.ignored);
                event
            });
            looked.push((identity, draft, outcome));
        }
        let events = looked.iter().filter_map(|(.., event)| event.as_ref().ok());
        let sends = deliveries::sends_of(app, &caller, events).await?;
        for (identity, draft, outcome) in looked {
            let outcome = outcome.and_then(|event| {
                let context = match &behind_first {
                    Some(said) if !submissions.is_empty() => Some(said),
                    _ => context,
                };
                let submission =
                    self.submission(app, event, &identity, &caller, context, &sends)?;
                submissions.push(submission);
                Ok(submissions.len() - 1)
            });
            verdicts.push((identity, draft, outcome));
        }
        let refused = verdicts.len() - submissions.len();
        if refused == 0 || refused < verdicts.len() {
            let mut charge = lock(&self.charge);
            charge.refuse_events(refused);
            charge.settle();
        }
        self.give_up_turn();
        let claims: Vec<Claim> = submissions.iter().map(Claim::of).collect();
        let told = submissions.iter().map(|one| Told::of(&one.entry));
        let told: Vec<Told> = told.collect();
        let outcomes = app.log.append(submissions).await?;
        let seqs = seqs::shown(app, &caller, &outcomes).await;
        let settled = settle(&app.log, &claims, outcomes).await?;
        count_told(app, &caller, &told, &settled);
        if let Some(lost) = lost
            // The same batch again says it again.
            && !matches!(settled.first(), Some(Settled::Duplicate { .. }))
        {
            app.metrics.count_lost_in_page(caller.key.workspace, lost);
        }
        let results = verdicts
            .into_iter()
            .map(|(identity, draft, outcome)| {
                let seq = outcome.as_ref().ok().and_then(|at| seqs.get(*at)?.clone());
                let outcome = outcome.map(|at| settled.get(at).cloned());
                let (ignored, hints) = (draft.own_ignored(), draft.hints.clone());
                let verdict = self.verdict(app, &caller, identity, draft, outcome, seq);
                verdict.ignoring(ignored, hints)
            })
            .collect();
        let mut response = Json(BatchAnswer {
            success: true,
            results,
            ignored_fields: batch.unknown,
        })
        .into_response();
        self.write_rate(response.headers_mut());
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
                app.metrics
                    .count_verdict(caller.key.workspace, Verdict::Tracked);
                let status = BatchStatus::Tracked;
                return BatchResult::accepted(identity.as_sent, status, seq);
            }
            Ok(Some(Settled::Duplicate { id })) => {
                app.metrics
                    .count_verdict(caller.key.workspace, Verdict::Duplicate);
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

    /// `sends` are those of the deliveries.
    ///
    /// # Errors
    /// `unknown_message`, of a delivery whose send is not among them.
    fn submission(
        &self,
        app: &App,
        event: Event,
        identity: &Identity,
        caller: &Caller,
        context: Option<&Context>,
        sends: &Sends,
    ) -> Result<Submission, Rejection> {
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
            EventKind::Amend(amendment) => {
                money = amendment.revenue;
                let items = amendment.items;
                Fact::Amend {
                    order_id: amendment.order_id.as_str().to_owned(),
                    items: items.map(|items| Personal(shared::event::items_json(&items))),
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
            EventKind::Delivery(delivery) => {
                deliveries::fact(delivery, event.message_id.as_ref(), sends)?
            }
        };
        let address = event.email.as_ref().map(Address::from);
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
            context: dropped::kept(context),
            client: (!is_secret).then(|| client_of(&self.parts, &app.trusted_proxies).1),
            class: None,
            ignored_fields: event.unknown_fields,
            redacted: false,
            timing: None,
        };
        entry.class = of_page(&entry).map(|judged| (judged.class, judged.reason.to_owned()));
        Ok(Submission {
            entry,
            asked,
            has_new_id: identity.is_new,
            older: identity.older,
        })
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
                // Whoever hands it over: a refused body is shown to readers.
                .then(|| Personal(secrets::mask(draft.body).into_owned())),
        });
    }
}

/// Counts what is new of these facts; there is one outcome for each.
fn count_told(app: &App, caller: &Caller, told: &[Told], settled: &[Settled]) {
    for (told, settled) in told.iter().zip(settled) {
        if matches!(settled, Settled::Tracked) {
            app.metrics.count_told(caller.key.workspace, *told);
        }
    }
}

/// What the receipt of a refused event needs besides the reason.
struct Draft<'a> {
    name: Option<String>,
    /// Fields that were sent and not known: the event's own, then those of its batch.
    ignored: Vec<String>,
    /// How many of them are the event's own.
    own: usize,
    /// What to send in their place.
    hints: Vec<String>,
    body: &'a str,
}

impl Draft<'_> {
    fn own_ignored(&self) -> Vec<String> {
        self.ignored.iter().take(self.own).cloned().collect()
    }
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
    /// The id that was sent, else the one that was made of a text, else the one that what is `told` has
    /// by itself, else a new one.
    fn of(sent: Option<&SentId>, derived: Option<DerivedId>, told: Option<EventId>) -> Self {
        let (id, older, is_new) = match (sent, derived) {
            (Some(SentId::Valid(id, _)), _) => (*id, None, false),
            (Some(SentId::Invalid(_)), _) => (new_id(), None, true),
            (None, Some(DerivedId { id, older })) => (id, Some(older), false),
            (None, None) => (told.unwrap_or_else(new_id), None, told.is_none()),
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
        EventKind::Amend(_) => FactKind::Amend,
        EventKind::Refund(_) => FactKind::Refund,
        EventKind::Delivery(_) => FactKind::Delivery,
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
