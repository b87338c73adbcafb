//! `misar tokens`: the keys of the tokens in mails.

use clap::{Args, Subcommand};

use super::output::Output;
use super::{Failure, Folder};
use crate::control::calls;
use crate::routes::control::token_keys::TokenKeyView;

#[derive(Debug, Subcommand)]
pub(super) enum Tokens {
    Rotate(Rotate),
    List(List),
}

/// Makes a key for the tokens of new mails; mails that are out keep working
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  misar tokens rotate")]
pub(super) struct Rotate {
    /// Prints one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

/// Lists the keys of tokens, without what they are
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  misar tokens list --json")]
pub(super) struct List {
    /// Prints one JSON array and nothing else
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: Tokens, folder: &Folder, output: &mut Output) -> Result<(), Failure> {
    match command {
        Tokens::Rotate(Rotate { json }) => {
            let made = folder.ask(&calls::rotate_token_keys())?;
            if json {
                return Ok(output.json(&made)?);
            }
            Ok(output.line(&format!(
                "New tokens are made with key {} from now on; the earlier keys stay, for the mails that are out",
                made.id
            ))?)
        }
        Tokens::List(List { json }) => {
            let listed = folder.ask(&calls::list_token_keys())?;
            if json {
                return Ok(output.json(&listed)?);
            }
            let current = |one: &TokenKeyView| if one.current { "current" } else { "earlier" };
            let rows: Vec<_> = listed
                .iter()
                .map(|one| {
                    [
                        one.id.to_string(),
                        one.created_at.clone(),
                        current(one).to_owned(),
                    ]
                })
                .collect();
            Ok(output.table(["ID", "CREATED", "STATE"], &rows)?)
        }
    }
}
