//! When messages really left: from a request to verdicts, one for each message, or one for a campaign.

mod answer;

use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Json, Response};
use shared::ids::{CampaignId, MessageId};
use shared::rejection::Rejection;
use shared::time::Timestamp;
use shared::wire::{self, Departure, SentAsk, SentBody};

use super::incoming::{Incoming, parse};
use super::pending::{Became, Pending};
use super::settle::Settled;
use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::metrics::Verdict;
pub(crate) use answer::{SentAnswer, SentResult, SentStatus};
use store::ids;
use store::ledger::decide::{WorkspaceKey, WorkspaceKeys as _};
use store::ledger::{Log, LogError, Submission};
use store::meta::Meta;
use store::query::find_send;
use store::record::identity::Sender;
use store::record::{Entry, Fact, KeyId, Record, SendRef, ToldBy, WorkspaceId};

/// Messages of a campaign that are looked at and recorded in one go.
const PORTION: usize = 1_000;
/// How long it waits for the views to know the campaign's newest messages.
const PATIENCE: Duration = Duration::from_secs(2);

/// What telling needs besides the messages.
struct Teller {
    log: Arc<dyn Log>,
    meta: Arc<Meta>,
    workspace: WorkspaceId,
    key_id: KeyId,
    received_at: Timestamp,
}

enum Look {
    Done(SentResult),
    /// With what is answered once it is on disk.
    New(Box<Submission>, SentResult),
}

impl Incoming {
    /// Records when messages left and answers.
    ///
    /// # Errors
    /// [`ApiError`], and then nothing was recorded, or of a campaign a part: asking again goes on.
    pub(crate) async fn tell_sent(self, app: &Arc<App>) -> Result<Response, ApiError> {
        let caller = self.caller(app, None)?;
        let teller = Arc::new(Teller {
            log: Arc::clone(&app.log),
            meta: Arc::clone(&app.meta),
            workspace: caller.key.workspace,
            key_id: caller.key.id.as_str().into(),
            received_at: self.received_at,
        });
        enum Asked {
            Messages(Vec<Result<Departure, Rejection>>),
            Campaign(CampaignId, Option<Timestamp>),
        }
        let asked = {
            let body: SentBody<'_> = parse(&self.text)?;
            let ask = wire::parse_sent(&body, self.received_at).map_err(|rejection| {
                rejection.map_or(ApiError::TooManyEvents, ApiError::Rejected)
            })?;
            match ask {
                SentAsk::Messages { messages, sent_at } => {
                    self.take_events(messages.len())?;
                    let read = |(place, raw)| {
                        if let Some(rejection) = self.screened.rejection(place) {
                            return Err(rejection);
                        }
                        wire::parse_departure(raw, sent_at, self.received_at)
                    };
                    Asked::Messages(messages.into_iter().enumerate().map(read).collect())
                }
                SentAsk::Campaign {
                    campaign_id,
                    sent_at,
                } => {
                    self.take_events(1)?;
                    Asked::Campaign(campaign_id, sent_at)
                }
            }
        };
        let results = match asked {
            Asked::Messages(departures) => {
                let results = teller.tell(departures).await?;
                count(app, &caller, &results);
                results
            }
            Asked::Campaign(campaign_id, sent_at) => {
                let result = tell_campaign(app, &teller, &caller, &campaign_id, sent_at).await?;
                vec![result]
            }
        };
        let mut response = Json(SentAnswer {
            success: true,
            results,
        })
        .into_response();
        self.write_rate(response.headers_mut());
        Ok(response)
    }
}

fn count(app: &App, caller: &Caller, results: &[SentResult]) {
    for result in results {
        let verdict = match result.status {
            SentStatus::Recorded => Verdict::Tracked,
            SentStatus::Duplicate => Verdict::Duplicate,
            SentStatus::Unknown | SentStatus::Conflict | SentStatus::Rejected => continue,
        };
        app.metrics.count_verdict(caller.key.workspace, verdict);
    }
}

/// Tells it of all messages of a campaign of which it has not been told, a portion at a time: what
/// breaks off goes on where it is asked again.
async fn tell_campaign(
    app: &Arc<App>,
    teller: &Arc<Teller>,
    caller: &Caller,
    campaign_id: &CampaignId,
    sent_at: Option<Timestamp>,
) -> Result<SentResult, ApiError> {
    let at = sent_at.unwrap_or(teller.received_at);
    // What was registered before this call is to be known.
    let committed = *app.log.committed().borrow();
    let reached = app.projector.wait_for(committed, PATIENCE).await;
    reached.map_err(|_| match app.views.building() {
        Some(building) => ApiError::ViewBuilding(building),
        None => ApiError::ViewBehind,
    })?;
    let mut result = SentResult {
        campaign_id: Some(campaign_id.as_str().to_owned()),
        ..SentResult::default()
    };
    let (mut recorded, mut after) = (0, String::new());
    loop {
        let (views, workspace) = (Arc::clone(&app.views), teller.workspace);
        let (campaign, from) = (campaign_id.as_str().to_owned(), after);
        let page = tokio::task::spawn_blocking(move || {
            views.messages_of_campaign(workspace, &campaign, &from, PORTION)
        });
        let page = page.await.map_err(|_| ApiError::Internal)?;
        let page = page?;
        let key = teller.key()?;
        let mut pending = Pending::<(), ()>::new();
        for (message_id, message) in &page {
            if !message.registered {
                continue;
            }
            if result.status == SentStatus::Unknown {
                result.status = SentStatus::Duplicate;
            }
            if message.told_at.is_none() {
                let send = SendRef {
                    message_id: MessageId::from_kept(message_id.clone()),
                    contact: message.contact,
                    campaign_id: message.campaign_id.clone().map(CampaignId::from_kept),
                    message_type: message.message_type,
                    sent_at: message.sent_at.map_or(at, Timestamp::from_millis),
                };
                let time_sent = sent_at.is_some();
                let submission = teller.submission(&key, send, at, time_sent);
                pending.submit(submission, ());
            }
        }
        for became in pending.append(&teller.log).await? {
            if let Became::Settled((), settled) = became
                && let Some(seq) = settled.seq()
            {
                recorded += 1;
                result = result.told(at, seq);
                result.status = SentStatus::Recorded;
                settled.count(&app.metrics, caller.key.workspace);
            }
        }
        match page.into_iter().next_back() {
            Some((last, _)) => after = last,
            None => break,
        }
    }
    result.messages = Some(recorded);
    Ok(result)
}

impl Teller {
    /// Tells it of these messages; one result for each, in order. All that is new is on disk when it
    /// returns, or nothing is.
    async fn tell(
        self: &Arc<Self>,
        departures: Vec<Result<Departure, Rejection>>,
    ) -> Result<Vec<SentResult>, ApiError> {
        let departures = Arc::new(departures);
        let all = (0..departures.len()).collect();
        let mut pending = Pending::new();
        for look in self.look_all(&departures, all).await? {
            match look {
                Look::Done(result) => pending.decide(result),
                Look::New(submission, result) => {
                    let at = submission.entry.time;
                    pending.submit(*submission, (at, result));
                }
            }
        }
        let mut results: Vec<Option<SentResult>> = Vec::with_capacity(departures.len());
        let mut overtaken = Vec::new();
        for became in pending.append(&self.log).await? {
            results.push(match became {
                Became::Decided(result) => Some(result),
                Became::Settled((at, result), Settled::Tracked { seq, .. }) => {
                    Some(result.told(at, seq))
                }
                // Another call, or an earlier message of this one, was faster.
                Became::Settled(..) => {
                    overtaken.push(results.len());
                    None
                }
            });
        }
        let again = self.look_all(&departures, overtaken.clone()).await?;
        for (at, look) in overtaken.into_iter().zip(again) {
            if let Look::Done(result) = look {
                results[at] = Some(result);
            }
        }
        let results: Option<Vec<_>> = results.into_iter().collect();
        // A duplicate is found unless its segment was set aside in this very moment.
        results.ok_or(ApiError::StorageFailing)
    }

    /// Looks the messages at these places up, where that may take its time.
    async fn look_all(
        self: &Arc<Self>,
        departures: &Arc<Vec<Result<Departure, Rejection>>>,
        places: Vec<usize>,
    ) -> Result<Vec<Look>, ApiError> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let (teller, departures) = (Arc::clone(self), Arc::clone(departures));
        let looked = tokio::task::spawn_blocking(move || {
            let look = |at: usize| match &departures[at] {
                Ok(departure) => teller.look(departure),
                Err(rejection) => Ok(Look::Done(SentResult::rejected(rejection.clone()))),
            };
            places.into_iter().map(look).collect::<Result<Vec<_>, _>>()
        });
        Ok(looked.await.map_err(|_| ApiError::Internal)??)
    }

    fn look(&self, departure: &Departure) -> Result<Look, LogError> {
        let key = self.key()?;
        let message_id = departure.message_id.as_str();
        let Some(send) = find_send(&*self.log, &key, self.workspace, message_id)? else {
            let unknown = SentResult::of(departure, SentStatus::Unknown);
            return Ok(Look::Done(unknown));
        };
        let id = ids::of_departure(&key, message_id);
        if let Some(told) = self.log.find(self.workspace, Sender::System, id)? {
            let at = told.entry.time;
            let status = if departure.sent_at.is_none_or(|again| again == at) {
                SentStatus::Duplicate
            } else {
                SentStatus::Conflict
            };
            let result = SentResult::of(departure, status);
            return Ok(Look::Done(result.told(at, told.public_seq)));
        }
        let at = departure.sent_at.unwrap_or(self.received_at);
        let time_sent = departure.sent_at.is_some();
        let send = send_ref(&send, &departure.message_id, &key);
        let submission = self.submission(&key, send, at, time_sent);
        let result = SentResult::of(departure, SentStatus::Recorded);
        Ok(Look::New(Box::new(submission), result))
    }

    fn key(&self) -> Result<WorkspaceKey, LogError> {
        let key = self.meta.key_of(self.workspace);
        key.ok_or(LogError::Unavailable)
    }

    fn submission(
        &self,
        key: &WorkspaceKey,
        send: SendRef,
        at: Timestamp,
        time_sent: bool,
    ) -> Submission {
        let id = ids::of_departure(key, send.message_id.as_str());
        let (workspace, received_at) = (self.workspace, self.received_at);
        let told = Fact::Told { send };
        let told_by = ToldBy::server_with(self.key_id.clone());
        Submission::from(Entry {
            time: at,
            time_sent,
            ..Entry::new(workspace, id, told_by, received_at, told)
        })
    }
}

/// What a fact about a send says of it.
pub(super) fn send_ref(send: &Record, message_id: &MessageId, key: &WorkspaceKey) -> SendRef {
    let entry = &send.entry;
    let (campaign_id, message_type) = match &entry.fact {
        Fact::Send {
            campaign_id,
            message_type,
            ..
        } => (campaign_id.clone(), *message_type),
        _ => Default::default(),
    };
    SendRef {
        message_id: message_id.clone(),
        contact: entry.contact(key),
        campaign_id,
        message_type,
        sent_at: entry.time,
    }
}
