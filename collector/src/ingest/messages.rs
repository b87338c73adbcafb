//! Messages in: from a request to answers, one for each message.

use std::sync::{Arc, Mutex};

use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;
use shared::rejection::{Rejection, codes};
use shared::wire::{self, MessageBatchBody, MessageBody};
use utoipa::ToSchema;

use super::incoming::{Incoming, parse};
use super::receipts::{self, Sketch};
use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::ingest::register::{Draft, MessageAnswer, RegisterOutcome, Registrar, register};
use crate::metrics::Verdict;
use crate::public_url::Reach;
use store::ids::new_id;
use store::locks::lock;

/// One verdict for each message of a batch, in order.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessageBatchAnswer {
    /// Always true: the batch was read.
    pub success: bool,
    pub results: Vec<MessageResult>,
    /// What to look at before they are sent, as far as it is true of all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Fields beside the messages that were sent and not used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[serde(rename = "ignoredFields")]
    pub ignored_fields: Vec<String>,
}

/// What became of one message of a batch.
#[derive(Serialize, ToSchema)]
#[serde(tag = "status", rename_all = "lowercase")]
pub(crate) enum MessageResult {
    /// On disk, and ready to be sent.
    Registered(Box<MessageAnswer>),
    /// Refused; nothing of it was recorded.
    Rejected(RejectedMessage),
}

/// Why a message was refused.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RejectedMessage {
    /// As sent, where it could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub message_id: Option<String>,
    /// Under which its receipt is found.
    pub id: String,
    /// For programs; never renamed.
    #[schema(value_type = String, example = "invalid_email")]
    pub code: &'static str,
    /// For people: what to do.
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub field: Option<String>,
    /// The fields in which it differs from the message on record.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<&'static str>,
    /// Fields that were sent and not used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignored_fields: Vec<String>,
}

/// A message that was looked at: its place among the drafts, or why it is none.
type Looked = Result<usize, Box<RejectedMessage>>;

impl Incoming {
    /// Who registers messages: a server, with the scope `write`.
    fn registering_caller(&self, app: &App) -> Result<Caller, ApiError> {
        let caller = self.caller(app, None)?;
        if app.public_url.reach() == Reach::Guessed {
            return Err(ApiError::PublicUrlMissing);
        }
        Ok(caller)
    }

    /// Registers one message and answers.
    pub(crate) async fn register_message(self, app: &App) -> Result<Response, ApiError> {
        let caller = self.registering_caller(app)?;
        let mut drafts = Vec::new();
        let looked = {
            let body: MessageBody<'_> = parse(&self.text)?;
            self.take_events(1)?;
            self.look(app, &caller, (&body, &self.text), 0, &mut drafts)
        };
        let mut results = self.register(app, &caller, drafts, vec![looked]).await?;
        let mut response = match results.pop() {
            Some(MessageResult::Registered(mut answer)) => {
                answer.warnings.extend(app.public_url.warning());
                Json(answer).into_response()
            }
            Some(MessageResult::Rejected(rejected)) => {
                let rejection = Rejection {
                    code: rejected.code,
                    message: rejected.message,
                    field: rejected.field,
                };
                let fields = rejected.fields;
                let error = if fields.is_empty() {
                    ApiError::Rejected(rejection)
                } else {
                    ApiError::Conflict { rejection, fields }
                };
                error.with_id(rejected.id)
            }
            None => return Err(ApiError::Internal),
        };
        self.write_rate(response.headers_mut());
        Ok(response)
    }

    /// Registers a batch and answers with one verdict for each message, in order.
    pub(crate) async fn register_messages(self, app: &App) -> Result<Response, ApiError> {
        let caller = self.registering_caller(app)?;
        let mut drafts = Vec::new();
        let (looked, ignored_fields) = {
            let batch: MessageBatchBody<'_> = parse(&self.text)?;
            let messages = wire::parse_messages(&batch).map_err(|rejection| {
                rejection.map_or(ApiError::TooManyEvents, ApiError::Rejected)
            })?;
            self.take_events(messages.len())?;
            let mut looked = Vec::with_capacity(messages.len());
            for (place, raw) in messages.into_iter().enumerate() {
                looked.push(match wire::body::<MessageBody<'_>>(raw.get()) {
                    Ok(body) => self.look(app, &caller, (&body, raw.get()), place, &mut drafts),
                    Err(_) => {
                        let message = "Send each message as a JSON object";
                        let rejection = Rejection::whole(codes::INVALID_BODY, message);
                        Err(self.refuse(app, &caller, None, rejection, Vec::new(), Vec::new()))
                    }
                });
            }
            (looked, batch.unknown)
        };
        let results = self.register(app, &caller, drafts, looked).await?;
        let mut response = Json(MessageBatchAnswer {
            success: true,
            results,
            warnings: app.public_url.warning().into_iter().collect(),
            ignored_fields,
        })
        .into_response();
        self.write_rate(response.headers_mut());
        Ok(response)
    }

    fn look(
        &self,
        app: &App,
        caller: &Caller,
        (body, sent): (&MessageBody<'_>, &str),
        place: usize,
        drafts: &mut Vec<Draft>,
    ) -> Looked {
        let parsed = wire::parse_message(body, self.received_at);
        let message_id = parsed.message_id.as_ref().map(|id| id.as_str().to_owned());
        let ignored = parsed.unknown_fields.clone();
        if let Some(rejection) = self.screened.rejection(place) {
            return Err(self.refuse(app, caller, message_id, rejection, Vec::new(), ignored));
        }
        match Draft::of(parsed) {
            Ok(mut draft) => {
                draft.hints = wire::hints("send", sent, &ignored);
                drafts.push(draft);
                Ok(drafts.len() - 1)
            }
            Err(rejection) => {
                Err(self.refuse(app, caller, message_id, rejection, Vec::new(), ignored))
            }
        }
    }

    async fn register(
        &self,
        app: &App,
        caller: &Caller,
        drafts: Vec<Draft>,
        looked: Vec<Looked>,
    ) -> Result<Vec<MessageResult>, ApiError> {
        let registrar = Arc::new(Registrar {
            log: app.durable(),
            meta: Arc::clone(&app.meta),
            public_url: app.public_url.to_string(),
            workspace: caller.key.workspace,
            key_id: Some(caller.key.id.as_str().into()),
            received_at: self.received_at,
            turn: Mutex::new(lock(&self.turn).take()),
        });
        let named = drafts.iter().map(|draft| {
            let (id, ignored) = (&draft.message_id, &draft.ignored_fields);
            (id.clone(), ignored.clone())
        });
        let named: Vec<(String, Vec<String>)> = named.collect();
        let outcomes = register(registrar, drafts).await.inspect_err(|error| {
            if let Some(reason) = error.reason() {
                app.metrics
                    .count_refused_messages(caller.key.workspace, reason);
            }
        })?;
        let mut outcomes: Vec<Option<RegisterOutcome>> = outcomes.into_iter().map(Some).collect();
        let result = |looked: Looked| match looked {
            Err(rejected) => Ok(MessageResult::Rejected(*rejected)),
            Ok(at) => match outcomes.get_mut(at).and_then(Option::take) {
                Some(RegisterOutcome::Registered { answer, is_new }) => {
                    app.metrics.count_verdict(
                        caller.key.workspace,
                        if is_new {
                            Verdict::Tracked
                        } else {
                            Verdict::Duplicate
                        },
                    );
                    Ok(MessageResult::Registered(answer))
                }
                Some(RegisterOutcome::Refused(rejection)) => {
                    let (message_id, ignored) = named.get(at).cloned().unzip();
                    let ignored = ignored.unwrap_or_default();
                    let refused =
                        self.refuse(app, caller, message_id, rejection, Vec::new(), ignored);
                    Ok(MessageResult::Rejected(*refused))
                }
                Some(RegisterOutcome::Conflict { rejection, fields }) => {
                    let (message_id, ignored) = named.get(at).cloned().unzip();
                    let ignored = ignored.unwrap_or_default();
                    let refused = self.refuse(app, caller, message_id, rejection, fields, ignored);
                    Ok(MessageResult::Rejected(*refused))
                }
                None => Err(ApiError::Internal),
            },
        };
        looked.into_iter().map(result).collect()
    }

    /// Keeps a receipt of the refusal, without the message's parts.
    fn refuse(
        &self,
        app: &App,
        caller: &Caller,
        message_id: Option<String>,
        rejection: Rejection,
        fields: Vec<&'static str>,
        ignored_fields: Vec<String>,
    ) -> Box<RejectedMessage> {
        let id = new_id().to_string();
        let name = Some(shared::event_name::names::EMAIL_SENT.to_owned());
        let sketch = Sketch::new(name, ignored_fields.clone(), Vec::new(), "");
        receipts::keep(app, caller, self.received_at, &id, sketch, &rejection);
        Box::new(RejectedMessage {
            message_id,
            id,
            code: rejection.code,
            message: rejection.message,
            field: rejection.field,
            fields,
            ignored_fields,
        })
    }
}
