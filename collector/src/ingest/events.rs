//! Events in: one of a route of its own, or a batch. One is a batch of one, answered with a status in place
//! of a row.

use axum::response::{IntoResponse, Json, Response};
use shared::ids::{EventId, OrderId};
use shared::rejection::Rejection;
use shared::wire::{
    self, Arrival, BatchAnswer, BatchBody, BatchError, BatchResult, BatchStatus, EventAnswer,
    Parsed, SentId,
};

use super::candidate::{Candidate, Named};
use super::deliveries;
use super::entry::submission;
use super::idempotency::IdempotencyKey;
use super::incoming::{Incoming, parse};
use super::objection::Objection;
use super::pending::{Became, Pending};
use super::receipts;
use super::sender::RequestSender;
use super::seqs::Shown;
use super::settle::Settled;
use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;
use store::ledger::LogError;
use store::locks::lock;
use store::record::identity::FactKind;

/// What became of one event, for its answer.
struct EventVerdict {
    /// As sent or as given, or that of the event on record.
    id: String,
    taken: Result<Taken, Objection>,
    /// Fields of the event that were sent and not used.
    ignored: Vec<String>,
    hints: Vec<String>,
}

/// An event that is on disk.
struct Taken {
    /// By this request.
    is_new: bool,
    seq: Option<String>,
}

impl Incoming {
    /// Records one event of the route's type and answers.
    pub(crate) async fn record(
        self,
        app: &App,
        caller: Caller,
        kind: FactKind,
        parsed: Parsed,
    ) -> Response {
        let sender = match RequestSender::of(app, &self, caller, None) {
            Ok(sender) => sender,
            Err(error) => {
                lock(&self.charge).excuse();
                return error.into_response();
            }
        };
        if let Err(error) = self.take_events(1) {
            return error.into_response();
        }
        let (retried, refused) = match retried(&self, &parsed) {
            Ok(retried) => (retried, None),
            Err(rejection) => (None, Some(rejection)),
        };
        let refused = self.screened.rejection(0).or(refused);
        let derive = |_| retried.map(|retried| retried.id(&sender.key, sender.kind(), kind));
        let candidate = Candidate::of(&sender, parsed, &self.text, refused, derive);
        let id = candidate.named.identity.as_sent.clone();
        let mut response = match self.take(app, &sender, vec![candidate]).await {
            Ok(verdicts) => match verdicts.into_iter().next() {
                Some(verdict) => verdict.into_response(),
                None => ApiError::Internal.with_id(id),
            },
            Err(error) => ApiError::from(error).with_id(id),
        };
        self.write_rate(response.headers_mut());
        response
    }

    /// Records a batch and answers with one verdict for each event, in order.
    pub(crate) async fn record_batch(self, app: &App) -> Result<Response, ApiError> {
        let envelope: BatchBody<'_> = parse(&self.text)?;
        // Who asks is settled first: a batch that is wrong may hold a secret key too.
        let caller = self.caller(app, envelope.key)?;
        let batch = wire::parse_batch(envelope).map_err(batch_error)?;
        self.take_events(batch.events.len())?;
        let context = batch.context.as_ref();
        let workspace = caller.key.workspace;
        let order_currency = |order_id: &OrderId| app.durable().order_currency(workspace, order_id);
        let arrival = Arrival {
            sent_at: batch.sent_at,
            context,
            order_currency: Some(&order_currency),
            ..self.arrival(&caller)
        };
        // A retry of the whole batch is told by the same header as that of one event.
        let retried = IdempotencyKey::of(&self.parts.headers).map_err(ApiError::Rejected)?;
        let sender = RequestSender::of(app, &self, caller, context)?;
        let of_batch: Vec<String> = batch.unknown.iter().map(|name| of_batch(name)).collect();
        let mut candidates = Vec::with_capacity(batch.events.len());
        for (place, raw) in batch.events.iter().enumerate() {
            let parsed = wire::parse_batch_event(raw, &arrival);
            let derive = |kind| {
                let retried = retried.as_ref()?;
                Some(retried.id_in_batch(&sender.key, sender.kind(), kind, place))
            };
            let refused = self.screened.rejection(place);
            let mut candidate = Candidate::of(&sender, parsed, raw.get(), refused, derive);
            candidate.named.sketch.ignore_of_batch(&of_batch);
            candidates.push(candidate);
        }
        let verdicts = self.take(app, &sender, candidates).await?;
        let mut response = Json(BatchAnswer {
            success: true,
            results: verdicts.into_iter().map(EventVerdict::into_row).collect(),
            ignored_fields: batch.unknown,
        })
        .into_response();
        self.write_rate(response.headers_mut());
        Ok(response)
    }

    /// Records what can be recorded of these events; what became of each, in order.
    async fn take(
        &self,
        app: &App,
        sender: &RequestSender,
        candidates: Vec<Candidate<'_>>,
    ) -> Result<Vec<EventVerdict>, LogError> {
        let read = candidates.iter().filter_map(|one| one.event.as_ref().ok());
        let refused = candidates.len() - read.clone().count();
        if refused == 0 || refused < candidates.len() {
            let mut charge = lock(&self.charge);
            charge.refuse_events(refused);
            charge.settle();
        }
        let sends = deliveries::sends_of(app, sender, read).await?;
        let mut pending = Pending::new();
        for Candidate { named, event } in candidates {
            let is_first = pending.is_empty();
            let taken = event.and_then(|event| submission(sender, &named, event, is_first, &sends));
            match taken {
                Ok(submission) => pending.submit(submission, named),
                Err(objection) => pending.decide((named, objection)),
            }
        }
        self.give_up_turn();
        let became = pending.append(&app.log).await?;
        let settled = || {
            became.iter().filter_map(|became| match became {
                Became::Settled(_, settled) => Some(settled),
                Became::Decided(_) => None,
            })
        };
        if let Some(lost) = sender.context.lost
            // The same batch again says it again.
            && !matches!(settled().next(), Some(Settled::Duplicate { .. }))
        {
            app.metrics.count_lost_in_page(sender.workspace(), lost);
        }
        let shown = Shown::of(app, &sender.caller, settled()).await;
        let verdict = |became| match became {
            Became::Settled(named, settled) => {
                settled.count(&app.metrics, sender.workspace());
                let seq = shown.seq(&settled);
                match settled {
                    Settled::Tracked { .. } => EventVerdict::taken(named, None, seq),
                    Settled::Duplicate { id, .. } => EventVerdict::taken(named, Some(id), seq),
                    Settled::Refused(objection) => {
                        EventVerdict::refused(app, sender, named, objection)
                    }
                }
            }
            Became::Decided((named, objection)) => {
                EventVerdict::refused(app, sender, named, objection)
            }
        };
        Ok(became.into_iter().map(verdict).collect())
    }
}

/// What the header `Idempotency-Key` says of one event.
///
/// # Errors
/// Why the event is refused: the header is no key, or another id than the event's own.
fn retried(incoming: &Incoming, parsed: &Parsed) -> Result<Option<IdempotencyKey>, Rejection> {
    let retried = IdempotencyKey::of(&incoming.parts.headers)?;
    if let (Some(SentId::Valid(id, _)), Some(key)) = (&parsed.sent_id, &retried)
        && !key.names(*id)
    {
        let message = "`id` and the header Idempotency-Key differ: send one of them, or both alike";
        return Err(Rejection::of("idempotency_key_mismatch", "id", message));
    }
    Ok(retried)
}

/// A field beside the events, as the receipts of these name it.
fn of_batch(name: &str) -> String {
    match name {
        // Of the event, this name alone means that its address was refused.
        "email" => "batch.email".to_owned(),
        other => other.to_owned(),
    }
}

impl EventVerdict {
    /// `on_record` is the id of the event that was on record before.
    fn taken(
        Named { identity, sketch }: Named<'_>,
        on_record: Option<EventId>,
        seq: Option<String>,
    ) -> Self {
        let (ignored, hints) = sketch.to_answer();
        let is_new = on_record.is_none();
        let id = match on_record {
            Some(id) => identity.in_answer(id),
            None => identity.as_sent,
        };
        Self {
            id,
            taken: Ok(Taken { is_new, seq }),
            ignored,
            hints,
        }
    }

    /// Keeps a receipt, too.
    fn refused(
        app: &App,
        sender: &RequestSender,
        Named { identity, sketch }: Named<'_>,
        objection: Objection,
    ) -> Self {
        let id = identity.as_sent;
        let (ignored, hints) = sketch.to_answer();
        let (caller, at) = (&sender.caller, sender.received_at);
        receipts::keep(app, caller, at, &id, sketch, objection.rejection());
        Self {
            id,
            taken: Err(objection),
            ignored,
            hints,
        }
    }

    /// As a route of one event answers.
    fn into_response(self) -> Response {
        match self.taken {
            Ok(Taken { is_new, seq }) => {
                let answer = if is_new {
                    EventAnswer::tracked(self.id, seq)
                } else {
                    EventAnswer::duplicate(self.id, seq)
                };
                Json(answer.ignoring(self.ignored, self.hints)).into_response()
            }
            Err(objection) => ApiError::from(objection).with_id(self.id),
        }
    }

    /// As a batch answers.
    fn into_row(self) -> BatchResult {
        let row = match self.taken {
            Ok(Taken { is_new: true, seq }) => {
                BatchResult::accepted(self.id, BatchStatus::Tracked, seq)
            }
            Ok(Taken { is_new: false, seq }) => {
                BatchResult::accepted(self.id, BatchStatus::Duplicate, seq)
            }
            Err(objection) => {
                let (rejection, fields) = objection.into_parts();
                let fields = fields.into_iter().map(str::to_owned).collect::<Vec<_>>();
                BatchResult {
                    fields: (!fields.is_empty()).then_some(fields),
                    ..BatchResult::rejected(self.id, rejection)
                }
            }
        };
        row.ignoring(self.ignored, self.hints)
    }
}

fn batch_error(error: BatchError) -> ApiError {
    match error {
        BatchError::Rejected(rejection) => ApiError::Rejected(rejection),
        BatchError::TooManyEvents => ApiError::TooManyEvents,
    }
}
