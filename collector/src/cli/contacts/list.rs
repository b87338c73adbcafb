//! `misar contacts list` and `misar contacts segments`.

use clap::Args;
use serde_json::Value;

use super::super::output::{Output, plain};
use super::super::{Failure, Folder};
use super::Which;
use crate::control::calls;
use crate::routes::control::segments::{SegmentsAsk, Word};
use store::meta::DEFAULT_WORKSPACE;

/// Lists contacts, the most engaged first
///
/// All of them, those whose address or one of whose traits begins with a text, or the members of a segment.
#[derive(Args)]
#[command(after_help = "\
Examples:
  misar contacts list
  misar contacts list --segment seg_5f1c9a03b2d47e608c11 --sort lastSeen
  misar contacts list --query user@ --limit 1000 --json")]
pub(in crate::cli) struct List {
    /// Those whose address begins so, or one of whose traits does
    #[arg(long, value_name = "TEXT")]
    query: Option<String>,
    /// The members of the segment with this id, as `misar segments list` shows it
    #[arg(long, value_name = "ID")]
    segment: Option<String>,
    /// What they are sorted by
    #[arg(long, value_name = "WHAT", default_value = "score", value_parser = ["score", "lastSeen", "firstSeen", "email"])]
    sort: String,
    /// Which come first; without it addresses from A on, and the highest and the latest of all else
    #[arg(long, value_name = "ORDER", value_parser = ["asc", "desc"])]
    order: Option<String>,
    /// Where the last page ended
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// How many, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// The workspace whose contacts they are
    #[arg(long, value_name = "NAME", default_value = DEFAULT_WORKSPACE)]
    workspace: String,
    /// Prints one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

/// Hides whom it asks for.
impl std::fmt::Debug for List {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("List").finish_non_exhaustive()
    }
}

/// Tells in which segments a contact is, and in which not
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  misar contacts segments user@example.com")]
pub(in crate::cli) struct InSegments {
    #[command(flatten)]
    which: Which,
    /// Prints one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

pub(super) fn list(list: &List, folder: &Folder, output: &mut Output) -> Result<(), Failure> {
    let limit = list.limit.to_string();
    let asked = [
        ("query", list.query.as_deref()),
        ("segment", list.segment.as_deref()),
        ("sort", Some(list.sort.as_str())),
        ("order", list.order.as_deref()),
        ("cursor", list.cursor.as_deref()),
        ("limit", Some(limit.as_str())),
    ];
    let answer = folder.ask(&calls::list_contacts(&list.workspace, &asked))?;
    if list.json {
        return Ok(output.json(&answer)?);
    }
    let contacts = answer["contacts"].as_array().into_iter().flatten();
    let names = ["email", "score", "firstSeen", "lastSeen", "unsubscribedAt"];
    let rows: Vec<_> = contacts
        .map(|contact| names.map(|name| plain(&contact[name])))
        .collect();
    let columns = ["EMAIL", "SCORE", "FIRST SEEN", "LAST SEEN", "UNSUBSCRIBED"];
    output.table(columns, &rows)?;
    if let Some(next) = answer["next"].as_str() {
        output.line(&format!("more: --cursor {next}"))?;
    }
    Ok(())
}

pub(super) fn segments(
    segments: &InSegments,
    folder: &Folder,
    output: &mut Output,
) -> Result<(), Failure> {
    let ask = SegmentsAsk {
        ask: Word::Of,
        email: Some(segments.which.email.clone()),
        ..SegmentsAsk::default()
    };
    let answer = folder.ask(&calls::segments(&segments.which.workspace, &ask))?;
    if segments.json {
        return Ok(output.json(&answer)?);
    }
    let all = answer["segments"].as_array().into_iter().flatten();
    let is_in = |one: &Value| match one["in"].as_bool() {
        Some(true) => "in".to_owned(),
        _ => "not in".to_owned(),
    };
    let rows: Vec<_> = all
        .map(|one| [plain(&one["id"]), plain(&one["name"]), is_in(one)])
        .collect();
    Ok(output.table(["ID", "NAME", "CONTACT"], &rows)?)
}
