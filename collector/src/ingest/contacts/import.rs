//! A file of contacts: each row that says something new is recorded as an `identify`; what is known already is not, so
//! that the same file can be sent again.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::CONTENT_TYPE;
use serde::Serialize;
use serde_json::value::RawValue;
use shared::event::{Event, EventKind};
use shared::rejection::Rejection;
use shared::time::Timestamp;
use shared::wire::{Refused, parse_identify};
use tokio::runtime::Handle;
use utoipa::ToSchema;

use super::super::files::{FileFormat, Numbered};
use super::super::incoming::{Incoming, parse};
use super::super::pending::{Became, Pending};
use super::{identified, of_operator, rows};
use crate::app::App;
use crate::error::ApiError;
use crate::metrics::Verdict;
use store::record::{ToldBy, WorkspaceId};
use store::views::ViewError;

/// Rows that are recorded in one go.
const PORTION: usize = 1_000;
/// Rows that are refused and named; the rest is counted.
const MAX_NAMED: usize = 1_000;

/// What became of a file's rows.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImportAnswer {
    /// Always true: the file was read.
    pub success: bool,
    /// On disk by this call.
    pub recorded: u64,
    /// Known before: nothing of them is new.
    pub duplicates: u64,
    /// Refused.
    pub rejected: u64,
    /// The rows that were refused, at most 1,000.
    pub results: Vec<ImportResult>,
    /// The place of the last that is new among the workspace's events; reads take it as `minSeq`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[0-9]{24}$")]
    pub seq: Option<String>,
}

impl Default for ImportAnswer {
    fn default() -> Self {
        Self {
            success: true,
            recorded: 0,
            duplicates: 0,
            rejected: 0,
            results: Vec::new(),
            seq: None,
        }
    }
}

/// A row that was refused.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImportResult {
    pub status: ImportStatus,
    /// The line where the row begins, from 1.
    pub line: u64,
    /// Why.
    #[serde(flatten)]
    pub refused: Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ImportStatus {
    Rejected,
}

impl Incoming {
    /// Records what a file says of contacts. The views must be as far as what was acknowledged before.
    ///
    /// # Errors
    /// [`ApiError`]; a part may be recorded then, and sending the file again goes on.
    pub(crate) async fn import_contacts(&self, app: &Arc<App>) -> Result<ImportAnswer, ApiError> {
        let caller = self.caller(app, None)?;
        let media = self.parts.headers.get(CONTENT_TYPE);
        let media = media
            .and_then(|media| media.to_str().ok())
            .unwrap_or_default();
        let arrival = self.arrival(&caller);
        let rows = match FileFormat::of(media) {
            Some(format) => rows::read(&self.text, format, &arrival)?,
            // One contact, as `identify` takes it.
            None => vec![(1, parse_identify(&parse(&self.text)?, &arrival).outcome)],
        };
        self.take_events(rows.len())?;
        let import = Import {
            workspace: caller.key.workspace,
            told_by: ToldBy::server_with(caller.key.id.as_str()),
            received_at: self.received_at,
        };
        let mut answer = ImportAnswer::default();
        for portion in portions(rows) {
            let good = answer.good_of(portion);
            let (looking, workspace) = (Arc::clone(app), import.workspace);
            let looked = tokio::task::spawn_blocking(move || look(&looking, workspace, good));
            let looked = looked.await.map_err(|_| ApiError::Internal)??;
            import.record(app, looked, &mut answer).await?;
        }
        Ok(answer)
    }
}

/// Records what a file says of contacts, for the operator. Blocks; within a runtime, on a thread that is none of its
/// own.
///
/// # Errors
/// [`ApiError`]; a part may be recorded then.
pub(crate) fn import_file(
    app: &App,
    workspace: WorkspaceId,
    is_csv: bool,
    text: &str,
) -> Result<ImportAnswer, ApiError> {
    let received_at = app.clock.now();
    let format = if is_csv {
        FileFormat::Csv
    } else {
        FileFormat::Lines
    };
    let rows = rows::read(text, format, &of_operator(received_at))?;
    let import = Import {
        workspace,
        told_by: ToldBy::server(),
        received_at,
    };
    let mut answer = ImportAnswer::default();
    for portion in portions(rows) {
        let good = answer.good_of(portion);
        let looked = look(app, workspace, good)?;
        Handle::current().block_on(import.record(app, looked, &mut answer))?;
    }
    Ok(answer)
}

/// What is the same of all rows of a file.
struct Import {
    workspace: WorkspaceId,
    told_by: ToldBy,
    received_at: Timestamp,
}

/// Rows in parts that are recorded in one go.
fn portions(mut rows: Vec<Numbered<Event>>) -> impl Iterator<Item = Vec<Numbered<Event>>> {
    std::iter::from_fn(move || {
        let rest = rows.split_off(rows.len().min(PORTION));
        let portion = std::mem::replace(&mut rows, rest);
        (!portion.is_empty()).then_some(portion)
    })
}

/// Which of them say something new. Blocks on disk.
fn look(
    app: &App,
    workspace: WorkspaceId,
    events: Vec<Event>,
) -> Result<Vec<(bool, Event)>, ViewError> {
    let with_news = |event: Event| Ok((is_new(app, workspace, &event)?, event));
    events.into_iter().map(with_news).collect()
}

impl Import {
    async fn record(
        &self,
        app: &App,
        looked: Vec<(bool, Event)>,
        answer: &mut ImportAnswer,
    ) -> Result<(), ApiError> {
        let workspace = self.workspace;
        let mut pending = Pending::new();
        for (is_new, event) in looked {
            if is_new {
                let told_by = self.told_by.clone();
                let submission = identified(workspace, told_by, event, self.received_at);
                pending.submit(submission, ());
            } else {
                pending.decide(());
            }
        }
        for became in pending.append(&app.log).await? {
            match became {
                Became::Settled((), settled) => {
                    settled.count(&app.metrics, workspace);
                    answer.recorded += 1;
                    let seq = settled.seq().map(|seq| seq.to_string());
                    answer.seq = seq.or(answer.seq.take());
                }
                Became::Decided(()) => {
                    app.metrics.count_verdict(workspace, Verdict::Duplicate);
                    answer.duplicates += 1;
                }
            }
        }
        Ok(())
    }
}

impl ImportAnswer {
    /// Those rows that can be read; the others are refused.
    fn good_of(&mut self, rows: Vec<Numbered<Event>>) -> Vec<Event> {
        let mut good = Vec::with_capacity(rows.len());
        for (line, row) in rows {
            match row {
                Ok(event) => good.push(event),
                Err(rejection) => self.refuse(line, rejection),
            }
        }
        good
    }

    fn refuse(&mut self, line: u64, rejection: Rejection) {
        self.rejected += 1;
        if self.results.len() < MAX_NAMED {
            self.results.push(ImportResult {
                status: ImportStatus::Rejected,
                line,
                refused: rejection.into(),
            });
        }
    }
}

/// Whether what a row says is not known yet. Blocks on disk.
fn is_new(app: &App, workspace: WorkspaceId, event: &Event) -> Result<bool, ViewError> {
    let EventKind::Identify { traits } = &event.kind else {
        return Ok(true);
    };
    let email = event.email.as_ref();
    let id = email.and_then(|email| app.views.contact_id(workspace, email.normalised()));
    let Some(id) = id else {
        return Ok(true);
    };
    if app.views.contact(id)?.is_none() {
        return Ok(true);
    }
    let said: BTreeMap<String, Box<RawValue>> = match traits {
        Some(traits) => serde_json::from_str(traits).unwrap_or_default(),
        None => return Ok(false),
    };
    let known = app.views.traits(id)?;
    let is_all_known = said.iter().all(|(key, value)| match known.get(key) {
        // What was learnt later stays, and a row without a time is of now.
        Some(held) if held.is_servers && event.time_sent => {
            held.value == value.get() || held.time > event.time.as_millis()
        }
        Some(held) => held.is_servers && held.value == value.get(),
        None => value.get() == "null",
    });
    Ok(!is_all_known)
}
