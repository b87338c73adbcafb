//! `misar keys update`: changes where a key is good, how much it may send, its label and its end.

use std::num::NonZeroU32;

use clap::{ArgGroup, Args};

use super::expiry::Expiry;
use super::name::key_name;
use super::{parse_origin, parse_rate, show};
use crate::cli::output::{Output, tell};
use crate::cli::{Failure, Folder};
use crate::control::calls;
use crate::routes::keys::wire::KeyChangeBody;
use store::clock::{Clock as _, SystemClock};
use store::meta::OriginPattern;

/// Changes a key, at once; what is not named stays. What a key may do never changes
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  misar keys update key_4fTq0cMmZk9R2aXb --add-origin https://shop.example
  misar keys update key_4fTq0cMmZk9R2aXb --label shop --rate 50/s")]
#[command(group = ArgGroup::new("changes").required(true).multiple(true))]
pub(in crate::cli) struct Update {
    /// The key's id, as `misar keys list` shows it, or its text; - reads the text from standard input
    #[arg(value_name = "KEY")]
    key: String,
    #[arg(
        help = "Another site that may use the public key, as https://shop.example or *.example.com; repeatable",
        long = "add-origin",
        value_name = "ORIGIN",
        value_delimiter = ',',
        value_parser = parse_origin,
        group = "changes"
    )]
    add_origins: Vec<OriginPattern>,
    #[arg(
        help = "A site that may no longer use it, as `misar keys list` shows it; repeatable",
        long = "remove-origin",
        value_name = "ORIGIN",
        value_delimiter = ',',
        value_parser = parse_origin,
        group = "changes"
    )]
    remove_origins: Vec<OriginPattern>,
    /// Takes all origins away, so that every site may use the public key
    #[arg(long, group = "changes", conflicts_with_all = ["add_origins", "remove_origins"])]
    any_origin: bool,
    /// A name for people, to tell keys apart
    #[arg(long, value_name = "TEXT", group = "changes")]
    label: Option<String>,
    /// Events per second, such as 50/s; a request without any counts as one
    #[arg(long, value_name = "N/s", value_parser = parse_rate, group = "changes")]
    rate: Option<NonZeroU32>,
    /// Back to the rate of a key that was made without one
    #[arg(long, group = "changes", conflicts_with = "rate")]
    no_rate: bool,
    /// When it is refused from then on: in a time such as 90d, or at an instant such as
    /// 2027-01-31T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = Expiry::parse, group = "changes")]
    expires: Option<Expiry>,
    /// Lives until it is revoked
    #[arg(long, group = "changes", conflicts_with = "expires")]
    never_expires: bool,
    /// Only if the key is of this workspace
    #[arg(long, value_name = "NAME")]
    workspace: Option<String>,
    /// Prints one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

pub(super) fn run(update: Update, folder: &Folder, output: &mut Output) -> Result<(), Failure> {
    let key = key_name(&update.key)?;
    let texts = |origins: &[OriginPattern]| origins.iter().map(ToString::to_string).collect();
    let expires = update.expires.as_ref();
    let expires_at = expires
        .map(|end| end.resolve(SystemClock.now()))
        .transpose();
    let expires_at = expires_at.map_err(Failure::Usage)?;
    let change = KeyChangeBody {
        add_origins: texts(&update.add_origins),
        remove_origins: texts(&update.remove_origins),
        any_origin: update.any_origin,
        label: update.label,
        rate: if update.no_rate {
            Some(None)
        } else {
            update.rate.map(Some)
        },
        expires_at: if update.never_expires {
            Some(None)
        } else {
            expires_at.map(|end| Some(end.to_string()))
        },
    };
    let call = calls::change_key(update.workspace.as_deref(), &key, &change);
    let changed = folder.ask(&call)?.key;
    if update.any_origin {
        tell("warning: any site may use this public key now");
    }
    if update.json {
        return Ok(output.json(&changed)?);
    }
    output.line(&format!("{} is now:", changed.id))?;
    output.line("")?;
    show(&changed, output)
}
