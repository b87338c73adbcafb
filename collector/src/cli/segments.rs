//! `misar segments`: groups of contacts, on a running server.

use std::io::Read as _;
use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::output::{Output, plain};
use super::{Failure, Folder};
use crate::control::calls;
use crate::routes::control::segments::{SegmentsAsk, Word};
use store::meta::DEFAULT_WORKSPACE;

#[derive(Debug, Subcommand)]
pub(super) enum Segments {
    List(List),
    /// Shows a segment: its definition, in words too, and how many are in
    Show(One),
    Create(Create),
    Change(Change),
    Duplicate(Duplicate),
    /// Deletes a segment that no other asks for
    Delete(One),
    /// Shows every definition that a segment had
    History(One),
    Members(Members),
    Explain(Explain),
    Moves(Moves),
    Preview(Preview),
    Diff(Draft),
    Schema(Schema),
}

/// What all of them take.
#[derive(Debug, Args)]
struct Common {
    /// The workspace
    #[arg(long, value_name = "NAME", default_value = DEFAULT_WORKSPACE)]
    workspace: String,
    /// Prints one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

/// Lists the segments with how many contacts are in each
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  misar segments list")]
pub(super) struct List {
    /// Where the last page ended
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// How many, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    #[command(flatten)]
    common: Common,
}

/// Names one segment: `show`, `delete` and `history` of it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  misar segments show seg_5f1c9a03b2d47e608c11
  misar segments history seg_5f1c9a03b2d47e608c11
  misar segments delete seg_5f1c9a03b2d47e608c11")]
pub(super) struct One {
    /// The segment's id, as `misar segments list` shows it
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    common: Common,
}

/// Makes a segment
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  misar segments create 'Trial without purchase' \\
    '{\"all\":[{\"event\":\"trial_started\",\"within\":\"7d\"},{\"not\":{\"purchase\":{}}}]}'
  misar segments create Readers @readers.json      the definition from a file; @- from standard input")]
pub(super) struct Create {
    /// What it is called
    #[arg(value_name = "NAME")]
    name: String,
    /// Who is in, as JSON; @FILE reads it from a file
    #[arg(value_name = "DEFINITION")]
    definition: String,
    #[command(flatten)]
    common: Common,
}

/// Changes the name of a segment or its definition; who is in under the old one stays until the new one holds
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  misar segments change seg_5f1c9a03b2d47e608c11 --name 'Trial, second week'
  misar segments change seg_5f1c9a03b2d47e608c11 --definition '{\"event\":\"trial_started\",\"within\":\"14d\"}'")]
pub(super) struct Change {
    /// The segment's id
    #[arg(value_name = "ID")]
    id: String,
    /// What it is called from now on
    #[arg(long, value_name = "NAME", required_unless_present = "definition")]
    name: Option<String>,
    /// Who is in, as JSON; @FILE reads it from a file
    #[arg(long, value_name = "DEFINITION")]
    definition: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// Makes another segment of the same definition
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  misar segments duplicate seg_5f1c9a03b2d47e608c11 --name 'Second try'"
)]
pub(super) struct Duplicate {
    /// The segment's id
    #[arg(value_name = "ID")]
    id: String,
    /// What the copy is called
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// Lists who is in a segment now
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  misar segments members seg_5f1c9a03b2d47e608c11 --limit 1000")]
pub(super) struct Members {
    /// The segment's id
    #[arg(value_name = "ID")]
    id: String,
    /// Where the last page ended
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// How many, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    #[command(flatten)]
    common: Common,
}

/// Tells why a contact is in a segment or not: each condition, what decides it, and when it changes next
#[derive(Args)]
#[command(
    after_help = "Example:\n  misar segments explain seg_5f1c9a03b2d47e608c11 user@example.com"
)]
pub(super) struct Explain {
    /// The segment's id
    #[arg(value_name = "ID")]
    id: String,
    /// The contact's address
    #[arg(value_name = "EMAIL")]
    email: String,
    #[command(flatten)]
    common: Common,
}

/// Hides whom it names.
impl std::fmt::Debug for Explain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Explain").finish_non_exhaustive()
    }
}

/// Lists who entered and who left, in the order in which it was due
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  misar segments moves --limit 1000")]
pub(super) struct Moves {
    /// Behind this place, which the answer before told
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// How many, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    #[command(flatten)]
    common: Common,
}

/// Tries a definition and saves nothing: how many are in, the first of them, and how many each condition leaves
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  misar segments preview '{\"event\":\"trial_started\",\"within\":\"7d\"}'
  misar segments preview @readers.json --at 2026-03-01T00:00:00Z --limit 100")]
pub(super) struct Preview {
    /// Who would be in, as JSON; @FILE reads it from a file
    #[arg(value_name = "DEFINITION")]
    definition: String,
    /// At this instant (RFC 3339), by all that is known today; now without it
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// How many members are shown, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    #[command(flatten)]
    common: Common,
}

/// Tells who would enter and who would leave under another definition, and saves nothing
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  misar segments diff seg_5f1c9a03b2d47e608c11 '{\"event\":\"trial_started\",\"within\":\"14d\"}'")]
pub(super) struct Draft {
    /// The segment's id
    #[arg(value_name = "ID")]
    id: String,
    /// Who would be in, as JSON; @FILE reads it from a file
    #[arg(value_name = "DEFINITION")]
    definition: String,
    #[command(flatten)]
    common: Common,
}

/// Prints the JSON Schema of definitions, for editors
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  misar segments schema > segment.json")]
pub(super) struct Schema {}

pub(super) fn run(command: Segments, folder: &Folder, output: &mut Output) -> Result<(), Failure> {
    let of = |ask: Word, id: &str| SegmentsAsk {
        ask,
        id: Some(id.to_owned()),
        ..SegmentsAsk::default()
    };
    let (ask, common) = match command {
        Segments::Schema(_) => return Ok(output.text(shared::segment::schema::SCHEMA)?),
        Segments::List(list) => {
            let ask = SegmentsAsk {
                cursor: list.cursor,
                limit: Some(list.limit.into()),
                ..SegmentsAsk::default()
            };
            (ask, list.common)
        }
        Segments::Show(one) => (of(Word::Show, &one.id), one.common),
        Segments::Delete(one) => (of(Word::Delete, &one.id), one.common),
        Segments::History(one) => (of(Word::History, &one.id), one.common),
        Segments::Create(create) => {
            let definition = definition(&create.definition)?;
            let ask = SegmentsAsk {
                ask: Word::Create,
                body: Some(body(Some(create.name), Some(definition))),
                ..SegmentsAsk::default()
            };
            (ask, create.common)
        }
        Segments::Change(change) => {
            let definition = change.definition.as_deref().map(definition).transpose()?;
            let ask = SegmentsAsk {
                body: Some(body(change.name, definition)),
                ..of(Word::Change, &change.id)
            };
            (ask, change.common)
        }
        Segments::Duplicate(duplicate) => {
            let ask = SegmentsAsk {
                body: Some(body(duplicate.name, None)),
                ..of(Word::Duplicate, &duplicate.id)
            };
            (ask, duplicate.common)
        }
        Segments::Members(members) => {
            let ask = SegmentsAsk {
                cursor: members.cursor,
                limit: Some(members.limit.into()),
                ..of(Word::Members, &members.id)
            };
            (ask, members.common)
        }
        Segments::Explain(explain) => {
            let ask = SegmentsAsk {
                email: Some(explain.email),
                ..of(Word::Explain, &explain.id)
            };
            (ask, explain.common)
        }
        Segments::Moves(moves) => {
            let ask = SegmentsAsk {
                ask: Word::Moves,
                cursor: moves.after,
                limit: Some(moves.limit.into()),
                ..SegmentsAsk::default()
            };
            (ask, moves.common)
        }
        Segments::Preview(preview) => {
            let mut fields = Map::new();
            fields.insert("definition".to_owned(), definition(&preview.definition)?);
            fields.insert("limit".to_owned(), json!(preview.limit));
            if let Some(at) = preview.at {
                fields.insert("at".to_owned(), json!(at));
            }
            let ask = SegmentsAsk {
                ask: Word::Preview,
                body: Some(Value::Object(fields).to_string()),
                ..SegmentsAsk::default()
            };
            (ask, preview.common)
        }
        Segments::Diff(draft) => {
            let ask = SegmentsAsk {
                body: Some(body(None, Some(definition(&draft.definition)?))),
                ..of(Word::Diff, &draft.id)
            };
            (ask, draft.common)
        }
    };
    let answer = folder.ask(&calls::segments(&common.workspace, &ask))?;
    if common.json {
        return Ok(output.json(&answer)?);
    }
    show(ask.ask, &answer, output)
}

fn show(word: Word, answer: &Value, output: &mut Output) -> Result<(), Failure> {
    match word {
        Word::List => {
            let rows = rows(
                &answer["segments"],
                ["id", "name", "status", "count", "sentence"],
            );
            output.table(["ID", "NAME", "STATUS", "MEMBERS", "WHO"], &rows)?;
        }
        Word::Members => {
            let rows = rows(&answer["members"], ["email", "enteredAt"]);
            output.table(["EMAIL", "ENTERED"], &rows)?;
        }
        Word::Moves => {
            let names = ["time", "type", "segmentName", "email", "cause"];
            let rows = rows(&answer["moves"], names);
            output.table(["DUE", "MOVE", "SEGMENT", "EMAIL", "CAUSE"], &rows)?;
        }
        Word::Explain => {
            let is_in = answer["in"].as_bool().unwrap_or_default();
            output.line(if is_in { "in" } else { "not in" })?;
            let rows = answer["conditions"].as_array().into_iter().flatten();
            let rows: Vec<_> = rows
                .map(|row| {
                    let evidence = row["evidence"].as_array().map_or(0, Vec::len);
                    let place = match plain(&row["path"]) {
                        path if path.is_empty() => "(all of it)".to_owned(),
                        path => path,
                    };
                    [
                        place,
                        plain(&row["holds"]),
                        evidence.to_string(),
                        plain(&row["changesAt"]),
                    ]
                })
                .collect();
            output.table(["CONDITION", "HOLDS", "EVENTS", "CHANGES"], &rows)?;
        }
        Word::Delete => output.line("deleted")?,
        Word::Show
        | Word::Create
        | Word::Change
        | Word::Duplicate
        | Word::History
        | Word::Preview
        | Word::Diff
        | Word::Of => {
            // As deep as definitions are, no table shows it.
            let pretty = serde_json::to_string_pretty(answer).map_err(|error| error.to_string())?;
            output.line(&pretty)?;
        }
    }
    if let Some(next) = answer["next"].as_str() {
        output.line(&match word {
            // More may come at any time.
            Word::Moves => format!("what comes then: --after {next}"),
            _ => format!("more: --cursor {next}"),
        })?;
    }
    Ok(())
}

/// A row of cells for each object of a list.
fn rows<const N: usize>(list: &Value, names: [&str; N]) -> Vec<[String; N]> {
    let list = list.as_array().into_iter().flatten();
    list.map(|row| names.map(|name| plain(&row[name])))
        .collect()
}

fn body(name: Option<String>, definition: Option<Value>) -> String {
    let mut fields = Map::new();
    if let Some(name) = name {
        fields.insert("name".to_owned(), Value::String(name));
    }
    if let Some(definition) = definition {
        fields.insert("definition".to_owned(), definition);
    }
    Value::Object(fields).to_string()
}

/// A definition as it was given: JSON, or where it stands.
fn definition(given: &str) -> Result<Value, Failure> {
    let text = match given.strip_prefix('@') {
        None => given.to_owned(),
        Some("-") => {
            let mut text = String::new();
            let read = std::io::stdin().lock().read_to_string(&mut text);
            read.map_err(|error| format!("standard input cannot be read: {error}"))?;
            text
        }
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| format!("{path} cannot be read: {error}"))?,
    };
    serde_json::from_str(&text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let advice = match given.starts_with('@') || !Path::new(given).is_file() {
            true => "see `misar segments schema`".to_owned(),
            false => format!("@{given} reads the file"),
        };
        Failure::Usage(format!(
            "the definition stops being JSON in line {line}, column {column}: {advice}"
        ))
    })
}
