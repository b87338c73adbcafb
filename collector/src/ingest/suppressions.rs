//! Who is to get no more mail, and who may again: from a request to facts. Whether somebody is
//! suppressed already is asked of the book, which knows all that is on disk.

mod rows;

use std::collections::HashMap;
use std::sync::Arc;

use axum::response::{IntoResponse, Json, Response};
use http::header::CONTENT_TYPE;
use serde::Serialize;
use shared::email::Email;
use shared::rejection::Rejection;
use shared::time::Timestamp;
use shared::wire::{
    self, Refused, Suppressed, SuppressionBody, SuppressionReason, SuppressionsBody,
    parse_suppression, parse_suppressions,
};
use utoipa::ToSchema;

use super::incoming::{Incoming, parse};
use super::pending::{Became, Pending, append_one};
use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::metrics::Verdict;
use rows::FileFormat;
use store::ids::new_id;
use store::ledger::decide::WorkspaceKeys as _;
use store::ledger::suppression::Cause;
use store::ledger::{LogError, Submission};
use store::record::{Address, ContactId, Entry, Fact, ToldBy, WorkspaceId};

/// Entries that are recorded in one go.
const PORTION: usize = 1_000;
/// Rows of a file that are refused and named; the rest is counted.
const MAX_NAMED: usize = 1_000;

/// What became of entries.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SuppressAnswer {
    /// Always true: the request was read.
    pub success: bool,
    /// On disk by this call.
    pub recorded: u64,
    /// Suppressed for this reason before.
    pub duplicates: u64,
    /// Refused.
    pub rejected: u64,
    /// One for each entry, in order; of a file only the rows that were refused, at most 1,000.
    pub results: Vec<SuppressResult>,
}

/// What became of one entry.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SuppressResult {
    pub status: SuppressStatus,
    /// Of a file: the line where the row begins, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub line: Option<u64>,
    /// Its place among the workspace's events; reads take it as `minSeq`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[0-9]{24}$")]
    pub seq: Option<String>,
    /// Why it was rejected.
    #[serde(flatten)]
    pub refused: Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SuppressStatus {
    /// On disk by this call.
    Recorded,
    /// Suppressed for this reason before.
    Duplicate,
    Rejected,
}

/// Who may get mail again.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LiftAnswer {
    /// Always true.
    pub success: bool,
    /// Whether something held them back, which this call has ended.
    pub lifted: bool,
    /// Its place among the workspace's events; reads take it as `minSeq`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[0-9]{24}$")]
    pub seq: Option<String>,
}

impl SuppressResult {
    fn of(status: SuppressStatus) -> Self {
        Self {
            status,
            line: None,
            seq: None,
            refused: Refused::default(),
        }
    }

    fn rejected(rejection: Rejection, line: Option<u64>) -> Self {
        Self {
            line,
            refused: rejection.into(),
            ..Self::of(SuppressStatus::Rejected)
        }
    }
}

impl Incoming {
    /// Records who is to get no more mail, and answers.
    ///
    /// # Errors
    /// [`ApiError`]; of a file a part may be recorded then, and sending it again goes on.
    pub(crate) async fn suppress(self, app: &Arc<App>) -> Result<Response, ApiError> {
        let caller = self.caller(app, None)?;
        let media = self.parts.headers.get(CONTENT_TYPE);
        let format = media.and_then(|media| FileFormat::of(media.to_str().unwrap_or_default()));
        let answer = match format {
            Some(format) => self.suppress_rows(app, &caller, format).await?,
            None => self.suppress_entries(app, &caller).await?,
        };
        let mut response = Json(answer).into_response();
        self.write_rate(response.headers_mut());
        Ok(response)
    }

    async fn suppress_entries(
        &self,
        app: &Arc<App>,
        caller: &Caller,
    ) -> Result<SuppressAnswer, ApiError> {
        let entries: Vec<Result<Suppressed, Rejection>> = {
            let body: SuppressionsBody<'_> = parse(&self.text)?;
            let list = parse_suppressions(&body).map_err(|rejection| {
                rejection.map_or(ApiError::TooManyEvents, ApiError::Rejected)
            })?;
            match list {
                Some(list) => {
                    self.take_events(list.len())?;
                    let read = |(place, raw): (usize, &serde_json::value::RawValue)| {
                        if let Some(rejection) = self.screened.rejection(place) {
                            return Err(rejection);
                        }
                        let body: SuppressionBody<'_> = wire::body(raw.get()).map_err(|_| {
                            let message = "Send each entry as an object such as {\"email\":\"user@example.com\"}";
                            Rejection::whole(shared::rejection::codes::INVALID_BODY, message)
                        })?;
                        parse_suppression(&body, self.received_at)
                    };
                    list.into_iter().enumerate().map(read).collect()
                }
                None => {
                    self.take_events(1)?;
                    let body = SuppressionBody {
                        email: body.email,
                        reason: body.reason,
                        timestamp: body.timestamp,
                        unknown: Vec::new(),
                    };
                    let entry = parse_suppression(&body, self.received_at);
                    vec![Ok(entry.map_err(ApiError::Rejected)?)]
                }
            }
        };
        let mut answer = SuppressAnswer {
            success: true,
            ..SuppressAnswer::default()
        };
        let mut good = Vec::new();
        let mut places = Vec::new();
        for (place, entry) in entries.into_iter().enumerate() {
            answer.results.push(match entry {
                Ok(entry) => {
                    good.push(entry);
                    places.push(place);
                    SuppressResult::of(SuppressStatus::Duplicate)
                }
                Err(rejection) => {
                    answer.rejected += 1;
                    SuppressResult::rejected(rejection, None)
                }
            });
        }
        let seqs = self.record_suppressions(app, caller, good).await?;
        for (place, seq) in places.into_iter().zip(seqs) {
            let result = &mut answer.results[place];
            match seq {
                Some(seq) => {
                    answer.recorded += 1;
                    result.status = SuppressStatus::Recorded;
                    result.seq = Some(seq);
                }
                None => answer.duplicates += 1,
            }
        }
        Ok(answer)
    }

    async fn suppress_rows(
        &self,
        app: &Arc<App>,
        caller: &Caller,
        format: FileFormat,
    ) -> Result<SuppressAnswer, ApiError> {
        let mut answer = SuppressAnswer {
            success: true,
            ..SuppressAnswer::default()
        };
        let mut rows = rows::read(&self.text, format, self.received_at)?;
        while !rows.is_empty() {
            let rest = rows.split_off(rows.len().min(PORTION));
            let portion = std::mem::replace(&mut rows, rest);
            let mut good = Vec::with_capacity(portion.len());
            for (line, row) in portion {
                match row {
                    Ok(entry) => good.push(entry),
                    Err(rejection) => {
                        answer.rejected += 1;
                        if answer.results.len() < MAX_NAMED {
                            let result = SuppressResult::rejected(rejection, Some(line));
                            answer.results.push(result);
                        }
                    }
                }
            }
            for seq in self.record_suppressions(app, caller, good).await? {
                match seq {
                    Some(_) => answer.recorded += 1,
                    None => answer.duplicates += 1,
                }
            }
        }
        Ok(answer)
    }

    /// Records those of the entries that are new; the seq of each, `None` where it was known. What a
    /// server says of somebody who has unsubscribed is recorded also where it was known: the pages that
    /// were shown before offer a way back that lifts no more than they told of.
    async fn record_suppressions(
        &self,
        app: &Arc<App>,
        caller: &Caller,
        entries: Vec<Suppressed>,
    ) -> Result<Vec<Option<String>>, ApiError> {
        let workspace = caller.key.workspace;
        let key = app.meta.key_of(workspace).ok_or(ApiError::Internal)?;
        let (looking, received_at) = (Arc::clone(app), self.received_at);
        let told_by = ToldBy::server_with(caller.key.id.as_str());
        let looked = tokio::task::spawn_blocking(move || {
            let mut seen = HashMap::<ContactId, Vec<Cause>>::new();
            let look = |entry: Suppressed| {
                let cause = cause_of(entry.reason);
                let contact = key.contact(entry.email.normalised());
                let held = looking.suppressions().get((workspace, contact))?;
                let holds = |cause| (held.as_ref()).is_some_and(|held| held.since(cause).is_some());
                let said = seen.entry(contact).or_default();
                let is_known = holds(cause) || said.contains(&cause);
                let is_renewed = is_known && said.is_empty() && holds(Cause::Unsubscribed);
                if is_known && !is_renewed {
                    return Ok(None);
                }
                said.push(cause);
                let mut submission = suppress(workspace, &told_by, &entry, cause, received_at);
                if is_known {
                    // Said again now; since when it holds was told before.
                    (submission.entry.time, submission.entry.time_sent) = (received_at, false);
                }
                Ok(Some((submission, is_known)))
            };
            entries
                .into_iter()
                .map(look)
                .collect::<Result<Vec<_>, LogError>>()
        });
        let looked = looked.await.map_err(|_| ApiError::Internal)??;
        let mut pending = Pending::new();
        for look in looked {
            match look {
                Some((submission, is_known)) => pending.submit(submission, is_known),
                None => pending.decide(()),
            }
        }
        let seqs = pending.append(&app.log).await?.into_iter();
        let seqs = seqs.map(|became| match became {
            Became::Settled(false, settled) => {
                settled.count(&app.metrics, workspace);
                settled.seq().map(|seq| seq.to_string())
            }
            Became::Settled(true, _) | Became::Decided(()) => {
                app.metrics.count_verdict(workspace, Verdict::Duplicate);
                None
            }
        });
        Ok(seqs.collect())
    }

    /// Lets a contact get mail again, and answers.
    ///
    /// # Errors
    /// [`ApiError`].
    pub(crate) async fn lift(
        self,
        app: &Arc<App>,
        email: Email,
        cause: Option<Cause>,
    ) -> Result<Response, ApiError> {
        let caller = self.caller(app, None)?;
        self.take_events(1)?;
        let workspace = caller.key.workspace;
        let key = app.meta.key_of(workspace).ok_or(ApiError::Internal)?;
        let contact = key.contact(email.normalised());
        let looking = Arc::clone(app);
        let held =
            tokio::task::spawn_blocking(move || looking.suppressions().get((workspace, contact)));
        let held = held.await.map_err(|_| ApiError::Internal)??;
        let is_held = held.is_some_and(|held| match cause {
            Some(cause) => held.since(cause).is_some(),
            None => true,
        });
        let mut answer = LiftAnswer {
            success: true,
            lifted: is_held,
            seq: None,
        };
        if is_held {
            let entry = Entry {
                address: Some(Address::from(&email)),
                ..Entry::new(
                    workspace,
                    new_id(),
                    ToldBy::server_with(caller.key.id.as_str()),
                    self.received_at,
                    Fact::Lift { send: None, cause },
                )
            };
            let settled = append_one(&app.log, new(entry)).await?;
            settled.count(&app.metrics, workspace);
            answer.seq = settled.seq().map(|seq| seq.to_string());
        }
        let mut response = Json(answer).into_response();
        self.write_rate(response.headers_mut());
        Ok(response)
    }
}

fn cause_of(reason: SuppressionReason) -> Cause {
    match reason {
        SuppressionReason::Manual => Cause::Manual,
        SuppressionReason::Unsubscribed => Cause::Unsubscribed,
        SuppressionReason::Bounced => Cause::Bounced,
        SuppressionReason::Complained => Cause::Complained,
    }
}

fn suppress(
    workspace: WorkspaceId,
    told_by: &ToldBy,
    entry: &Suppressed,
    cause: Cause,
    received_at: Timestamp,
) -> Submission {
    let fact = Fact::Suppress { cause };
    new(Entry {
        time: entry.time.unwrap_or(received_at),
        time_sent: entry.time.is_some(),
        address: Some(Address::from(&entry.email)),
        ..Entry::new(workspace, new_id(), told_by.clone(), received_at, fact)
    })
}

fn new(entry: Entry) -> Submission {
    Submission {
        has_new_id: true,
        ..Submission::from(entry)
    }
}
