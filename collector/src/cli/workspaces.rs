//! `misar workspaces`: makes and lists workspaces.

use clap::{Args, Subcommand};

use super::output::Output;
use super::{Failure, Folder};
use crate::control::calls;
use crate::routes::control::workspaces::WorkspaceBody;

#[derive(Debug, Subcommand)]
pub(super) enum Workspaces {
    Create(Create),
    List(List),
}

/// Makes a workspace: a tenant with events, contacts and keys of its own
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  misar workspaces create shop
  misar keys create --workspace shop --scope send,read")]
pub(super) struct Create {
    /// 1 to 63 characters of a-z, 0-9 and -
    #[arg(value_name = "NAME")]
    name: String,
    /// Prints one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

/// Lists the workspaces; `default` is there from the start
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  misar workspaces list --json")]
pub(super) struct List {
    /// Prints one JSON array and nothing else
    #[arg(long)]
    json: bool,
}

pub(super) fn run(
    command: Workspaces,
    folder: &Folder,
    output: &mut Output,
) -> Result<(), Failure> {
    let (listed, json) = match command {
        Workspaces::Create(Create { name, json }) => {
            let made = folder.ask(&calls::create_workspace(&WorkspaceBody { name }))?;
            if json {
                return Ok(output.json(&made)?);
            }
            (vec![made], json)
        }
        Workspaces::List(List { json }) => (folder.ask(&calls::list_workspaces())?, json),
    };
    if json {
        return Ok(output.json(&listed)?);
    }
    let rows: Vec<_> = listed
        .into_iter()
        .map(|one| [one.id.to_string(), one.name, one.created_at])
        .collect();
    Ok(output.table(["ID", "NAME", "CREATED"], &rows)?)
}
