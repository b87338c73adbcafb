//! `misar instrument`: a filter that registers a message and prints it instrumented.

use std::io::Read as _;

use clap::Args;
use serde::Serialize;
use shared::limits::MAX_MESSAGES_BYTES;

use super::output::{Output, tell};
use super::{Failure, Folder};
use crate::control::calls;
use crate::public_url::PublicUrl;
use store::meta::DEFAULT_WORKSPACE;

/// Registers a message, and prints it with pixel and tracked links: HTML in, HTML out
///
/// The same as POST /v1/messages, for a pipe. The same message again gives the same output.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  misar instrument --message-id spring-42 --email ada@example.com --campaign-id spring \\
    < mail.html > out.html")]
pub(super) struct Instrument {
    /// The send's identity: one message to one contact
    #[arg(long, value_name = "ID")]
    message_id: String,
    /// The contact that it goes to
    #[arg(long, value_name = "ADDRESS")]
    email: String,
    /// The campaign that it belongs to
    #[arg(long, value_name = "ID")]
    campaign_id: Option<String>,
    /// campaign or transactional
    #[arg(long = "type", value_name = "TYPE", default_value = "campaign", value_parser = ["campaign", "transactional"])]
    kind: String,
    /// Kept for reports
    #[arg(long, value_name = "TEXT")]
    subject: Option<String>,
    /// When it is sent, such as 2026-11-23T10:00:00Z; now without it
    #[arg(long, value_name = "TIME")]
    sent_at: Option<String>,
    /// The input is a text part, not HTML
    #[arg(long)]
    text: bool,
    /// Adds no pixel
    #[arg(long)]
    no_opens: bool,
    /// Leaves links as they are
    #[arg(long)]
    no_clicks: bool,
    /// Where the pixel stands: Gmail cuts off mails of more than 100 KB
    #[arg(long, value_name = "PLACE", default_value = "end", value_parser = ["start", "end"])]
    pixel: String,
    /// Where mail clients reach the server. A running server knows it
    #[arg(
        long,
        value_name = "URL",
        env = "MISAR_PUBLIC_URL",
        value_parser = PublicUrl::parse
    )]
    public_url: Option<PublicUrl>,
    /// The workspace that the message belongs to
    #[arg(long, value_name = "NAME", default_value = DEFAULT_WORKSPACE)]
    workspace: String,
    /// Prints the answer of POST /v1/messages, with the headers to send, and nothing else
    #[arg(long)]
    json: bool,
}

/// The body of POST /v1/messages.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    email: &'a str,
    message_id: &'a str,
    campaign_id: Option<&'a str>,
    #[serde(rename = "type")]
    kind: &'a str,
    subject: Option<&'a str>,
    sent_at: Option<&'a str>,
    html: Option<&'a str>,
    text: Option<&'a str>,
    track_opens: bool,
    track_clicks: bool,
    pixel: &'a str,
}

pub(super) fn run(asked: &Instrument, folder: &Folder, output: &mut Output) -> Result<(), Failure> {
    let part = read_standard_input()?;
    let message = Message {
        email: &asked.email,
        message_id: &asked.message_id,
        campaign_id: asked.campaign_id.as_deref(),
        kind: &asked.kind,
        subject: asked.subject.as_deref(),
        sent_at: asked.sent_at.as_deref(),
        html: (!asked.text).then_some(&part),
        text: asked.text.then_some(&part),
        track_opens: !asked.no_opens,
        track_clicks: !asked.no_clicks,
        pixel: &asked.pixel,
    };
    let public_url = asked.public_url.as_ref().map(PublicUrl::as_str);
    let call = calls::register_message(&asked.workspace, public_url, &message);
    let answer = folder.ask(&call)?;
    if asked.json {
        return Ok(output.json(&answer)?);
    }
    for link in answer["skipped"].as_array().into_iter().flatten() {
        if link["reason"] == "too_long" {
            tell("warning: a link is too long to be tracked and stays as it was; --json lists it");
        }
    }
    for warning in answer["warnings"].as_array().into_iter().flatten() {
        tell(&format!(
            "warning: {}",
            warning.as_str().unwrap_or_default()
        ));
    }
    let part = &answer[if asked.text { "text" } else { "html" }];
    Ok(output.text(part.as_str().unwrap_or_default())?)
}

fn read_standard_input() -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let limit = MAX_MESSAGES_BYTES as u64;
    std::io::stdin()
        .lock()
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("standard input could not be read: {error}"))?;
    if bytes.len() as u64 > limit {
        return Err(format!("the message is larger than {limit} bytes").into());
    }
    String::from_utf8(bytes).map_err(|_| {
        "the message is not UTF-8: convert it first, with iconv say"
            .to_owned()
            .into()
    })
}
