//! What an import answers: how far it is, and what became of its rows.

use serde::Serialize;
use shared::event::Event;
use shared::rejection::Rejection;
use shared::wire::Refused;
use utoipa::ToSchema;

use super::super::super::files::Numbered;

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

/// How far an import is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ImportProgress {
    /// Rows that were taken: recorded, known before or refused.
    pub rows: u64,
    pub recorded: u64,
    pub duplicates: u64,
    pub rejected: u64,
}

impl ImportAnswer {
    pub(super) fn progress(&self) -> ImportProgress {
        let Self {
            recorded,
            duplicates,
            rejected,
            ..
        } = *self;
        ImportProgress {
            rows: recorded + duplicates + rejected,
            recorded,
            duplicates,
            rejected,
        }
    }

    /// Those rows that can be read; the others are refused.
    pub(super) fn good_of(&mut self, rows: Vec<Numbered<Event>>) -> Vec<Event> {
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
