//! `misar keys`: makes, lists, changes and revokes API keys.

mod expiry;
mod name;
mod update;

use std::num::NonZeroU32;

use clap::{Args, Subcommand};
use shared::api_key::{ApiKey, Scope};
use shared::time::Timestamp;

use super::output::{Output, tell};
use super::serve::DEFAULT_LISTEN;
use super::{Failure, Folder};
use crate::control::calls;
use crate::embed::embed;
use crate::public_url::PublicUrl;
use crate::routes::keys::wire::{KeyBody, KeyView, NewKeyView};
use store::clock::{Clock as _, SystemClock};
use store::meta::{DEFAULT_WORKSPACE, OriginError, OriginPattern};

use expiry::{Expiry, distance};
use name::key_name;

#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    Create(Create),
    List(List),
    Update(update::Update),
    Revoke(Revoke),
}

/// Makes a key and shows it: a secret one this once only
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  For a server:  misar keys create --scope send,read --label shop
  Into a shell:  KEY=$(misar keys create --scope send,read --quiet)
  For a page:    misar keys create --public --origin https://shop.example --label web
  For a while:   misar keys create --scope read --expires 90d --label audit
  For monitoring: misar keys create --scope read --operator --label prometheus")]
pub(super) struct Create {
    /// What the key may do: send (events, purchases), write (send, messages, segments, webhooks),
    /// contacts, read, admin (everything)
    #[arg(
        long = "scope",
        value_name = "SCOPE,…",
        value_delimiter = ',',
        default_value = "send",
        value_parser = parse_scope
    )]
    scopes: Vec<Scope>,
    /// A key that may stand in every page; it may only send
    #[arg(long)]
    public: bool,
    #[arg(
        help = "A site that may use the public key, as https://shop.example or *.example.com; repeatable. Without it \
                every site may",
        long = "origin",
        value_name = "ORIGIN",
        value_delimiter = ',',
        value_parser = parse_origin
    )]
    origins: Vec<OriginPattern>,
    /// Takes purchases with the public key, as unverified ones: they are kept out of revenue
    #[arg(long)]
    allow_purchases: bool,
    /// Events per second, such as 50/s; a request without any counts as one. Without it: secret keys as
    /// many as they like, public keys 1000 requests and 10000 events a second
    #[arg(long, value_name = "N/s", value_parser = parse_rate)]
    rate: Option<NonZeroU32>,
    /// Reads at /metrics what the whole process counts, every workspace's events among it; without it a
    /// secret key with the scope read sees its own workspace's
    #[arg(long)]
    operator: bool,
    /// Where pages reach the server, for the embed code of a public key. A running server knows it
    #[arg(
        long,
        value_name = "URL",
        env = "MISAR_PUBLIC_URL",
        value_parser = PublicUrl::parse
    )]
    public_url: Option<PublicUrl>,
    /// A name for people, to tell keys apart
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// When it is refused from then on: in a time such as 90d, or at an instant such as
    /// 2027-01-31T00:00:00Z. Without it: never
    #[arg(long, value_name = "TIME", value_parser = Expiry::parse)]
    expires: Option<Expiry>,
    /// The workspace that the key is for
    #[arg(long, value_name = "NAME", default_value = DEFAULT_WORKSPACE)]
    workspace: String,
    /// Prints the key and nothing else, for a variable of the shell
    #[arg(long, short, conflicts_with = "json")]
    quiet: bool,
    /// Prints one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

/// Lists keys, revoked and expired ones too; of secret ones the last four characters
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  misar keys list --workspace default")]
pub(super) struct List {
    /// Only the keys of this workspace
    #[arg(long, value_name = "NAME")]
    workspace: Option<String>,
    /// Prints one JSON array and nothing else
    #[arg(long)]
    json: bool,
}

/// Makes a key useless, at once and for good
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  misar keys revoke key_4fTq0cMmZk9R2aXb
  misar keys revoke - < key.txt    # by its text, which then stands in no shell's history")]
pub(super) struct Revoke {
    /// The key's id, as `misar keys list` shows it, or its text; - reads the text from standard input
    #[arg(value_name = "KEY")]
    key: String,
    /// Only if the key is of this workspace
    #[arg(long, value_name = "NAME")]
    workspace: Option<String>,
    /// Prints one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: Keys, folder: &Folder, output: &mut Output) -> Result<(), Failure> {
    match command {
        Keys::Create(create) => create_key(create, folder, output),
        Keys::List(list) => list_keys(list, folder, output),
        Keys::Update(update) => update::run(update, folder, output),
        Keys::Revoke(revoke) => revoke_key(revoke, folder, output),
    }
}

fn create_key(create: Create, folder: &Folder, output: &mut Output) -> Result<(), Failure> {
    let expires = create.expires.as_ref();
    let expires_at = expires
        .map(|end| end.resolve(SystemClock.now()))
        .transpose();
    let key = KeyBody {
        public: create.public,
        scopes: create
            .scopes
            .iter()
            .map(|scope| scope.as_str().to_owned())
            .collect(),
        origins: create.origins.iter().map(ToString::to_string).collect(),
        allow_purchases: create.allow_purchases,
        rate: create.rate,
        label: create.label,
        expires_at: expires_at
            .map_err(Failure::Usage)?
            .map(|end| end.to_string()),
        operator: create.operator,
    };
    let created = folder.ask(&calls::create_key(&create.workspace, &key))?.key;
    if created.public && created.origins.is_empty() {
        tell("warning: any site may use this public key, because it was made without --origin");
    }
    if create.json {
        return Ok(output.json(&created)?);
    }
    if create.quiet {
        return Ok(output.line(&created.key)?);
    }
    let kind = kind(created.public);
    output.line(&format!(
        "A {kind} key of the workspace {}, {}:",
        created.workspace, created.id
    ))?;
    output.line("")?;
    output.line(&format!("  {}", created.key))?;
    output.line("")?;
    output.line(&format!("  scopes   {}", created.scopes.join(", ")))?;
    if created.public {
        let origins = match created.origins.as_slice() {
            [] => "any".to_owned(),
            origins => origins.join(", "),
        };
        output.line(&format!("  origins  {origins}"))?;
        let taken = if created.allow_purchases {
            "yes, unverified"
        } else {
            "no"
        };
        output.line(&format!("  buys     {taken}"))?;
    }
    if let Some(rate) = created.rate {
        output.line(&format!("  rate     {rate}/s"))?;
    }
    if created.operator {
        output.line("  metrics  of the whole process")?;
    }
    if let Some(label) = &created.label {
        output.line(&format!("  label    {label}"))?;
    }
    if let Some(end) = &created.expires_at {
        output.line(&format!("  expires  {}", with_distance(end)))?;
    }
    if !created.public {
        output.line("")?;
        output.line("This is the only time that it is shown: a hash and the last four characters are kept. Keep it on a server.")?;
        return Ok(());
    }
    show_embed(&created, create.public_url, output)
}

/// Shows what to put into pages. The address in it is that of the running server, or an assumption.
fn show_embed(
    created: &NewKeyView,
    assumed: Option<PublicUrl>,
    output: &mut Output,
) -> Result<(), Failure> {
    let html = match (&created.embed, ApiKey::parse(&created.key)) {
        (Some(html), _) => html.clone(),
        (None, Ok(key)) => {
            let url = assumed.unwrap_or_else(|| PublicUrl::listening_on(DEFAULT_LISTEN));
            tell(&format!(
                "note: no server is running here, so the code below assumes {url}: say --public-url where that is wrong"
            ));
            embed(&key, &url)
        }
        (None, Err(_)) => return Ok(()),
    };
    output.line("")?;
    output.line("Put this into every page:")?;
    output.line("")?;
    Ok(output.line(&html)?)
}

fn list_keys(list: List, folder: &Folder, output: &mut Output) -> Result<(), Failure> {
    let listed = folder
        .ask(&calls::list_keys(list.workspace.as_deref()))?
        .keys;
    if list.json {
        return Ok(output.json(&listed)?);
    }
    if listed.is_empty() {
        tell("there are no keys yet: misar keys create --scope send,read");
        return Ok(());
    }
    let rows: Vec<_> = listed
        .iter()
        .map(|key| {
            let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            [
                key.id.clone(),
                key.workspace.clone(),
                kind(key.public).to_owned(),
                key.scopes.join(","),
                or_dash(&key.label),
                key.created_at.clone(),
                or_dash(&key.last_used_at),
                or_dash(&key.expires_at),
                if key.operator { "yes" } else { "-" }.to_owned(),
                state(key),
                origins(key),
                shown_key(key),
            ]
        })
        .collect();
    let names = [
        "ID",
        "WORKSPACE",
        "KIND",
        "SCOPES",
        "LABEL",
        "CREATED",
        "LAST USED",
        "EXPIRES",
        "OPERATOR",
        "STATE",
        "ORIGINS",
        "KEY",
    ];
    Ok(output.table(names, &rows)?)
}

fn revoke_key(revoke: Revoke, folder: &Folder, output: &mut Output) -> Result<(), Failure> {
    let name = key_name(&revoke.key)?;
    let call = calls::revoke_key(revoke.workspace.as_deref(), &name);
    let key = folder.ask(&call)?.key;
    if revoke.json {
        return Ok(output.json(&key)?);
    }
    let at = key.revoked_at.as_deref().unwrap_or_default();
    Ok(output.line(&format!("{} is revoked since {at}", key.id))?)
}

fn kind(public: bool) -> &'static str {
    if public { "public" } else { "secret" }
}

/// A key in lines, as far as it is known after its making.
fn show(key: &KeyView, output: &mut Output) -> Result<(), Failure> {
    output.line(&format!("  key      {}", shown_key(key)))?;
    output.line(&format!("  scopes   {}", key.scopes.join(", ")))?;
    if key.public {
        output.line(&format!("  origins  {}", origins(key)))?;
    }
    if let Some(rate) = key.rate {
        output.line(&format!("  rate     {rate}/s"))?;
    }
    if let Some(label) = &key.label {
        output.line(&format!("  label    {label}"))?;
    }
    if let Some(end) = &key.expires_at {
        output.line(&format!("  expires  {}", with_distance(end)))?;
    }
    Ok(())
}

fn origins(key: &KeyView) -> String {
    match (key.public, key.origins.as_slice()) {
        (true, []) => "any".to_owned(),
        (false, _) => "-".to_owned(),
        (true, origins) => origins.join(","),
    }
}

/// A public key whole, a secret one by its end.
fn shown_key(key: &KeyView) -> String {
    match (&key.key, &key.last_four) {
        (Some(key), _) => key.clone(),
        (None, Some(last)) => format!("…{last}"),
        (None, None) => "–".to_owned(),
    }
}

fn state(key: &KeyView) -> String {
    let end = key.expires_at.as_deref().map(Timestamp::parse_rfc3339);
    let is_expired = matches!(end, Some(Ok(end)) if end <= SystemClock.now());
    let mut state = match (&key.revoked_at, is_expired) {
        (Some(_), _) => vec!["revoked"],
        (None, true) => vec!["expired"],
        (None, false) => vec![],
    };
    if key.exposed_at.is_some() {
        state.push("exposed");
    }
    if state.is_empty() {
        state.push("good");
    }
    state.join(", ")
}

/// When a key expires, and how far off that is: a typo shows.
fn with_distance(end: &str) -> String {
    Timestamp::parse_rfc3339(end).map_or_else(
        |_| end.to_owned(),
        |parsed| format!("{end} ({})", distance(parsed, SystemClock.now())),
    )
}

/// One of a list: blanks around it come with the commas.
fn parse_origin(text: &str) -> Result<OriginPattern, OriginError> {
    OriginPattern::parse(text.trim())
}

fn parse_scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text.trim()).ok_or_else(|| {
        let known = Scope::ALL.map(Scope::as_str).join(", ");
        format!("the scopes are {known}")
    })
}

fn parse_rate(text: &str) -> Result<NonZeroU32, String> {
    text.strip_suffix("/s")
        .filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| "a rate is a number of events per second, such as 50/s".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_whole_number_of_events_per_second() {
        assert_eq!(parse_rate("50/s"), Ok(NonZeroU32::new(50).unwrap()));
        for text in [
            "",
            "/s",
            "50",
            "0/s",
            "+5/s",
            "-5/s",
            "1.5/s",
            "50/m",
            "50 /s",
            "4294967296/s",
        ] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }
}
