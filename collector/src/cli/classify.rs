//! `misar classify`: says of requests who made them, one JSON object a line in, one out.

use std::io::{self, BufRead, Read};
use std::net::IpAddr;

use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::output::{Output, tell};
use super::{Failure, Folder};
use store::classify::relay::RelayRanges;
use store::classify::{Evidence, HitKind, Judgement, Method, classify, is_prefetch_header};

/// A longer line is refused, and read past.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// Says of opens or clicks who made them: human, proxy_human, machine or bot
///
/// Reads one JSON object a line from standard input: ua, ip, seconds_after_send, method, headers (an
/// object), type (transactional or campaign). Any of them may be left out, though without ua it is a
/// bot; other fields do not count. Prints one object with class and reason a line, in order, as soon
/// as it has read the line. A wrong line is answered with an object that holds error, and the exit
/// code is 1 at the end.
#[expect(clippy::doc_markdown, reason = "the help shows this text as it stands")]
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  echo '{\"ua\":\"Mozilla/5.0\",\"seconds_after_send\":4}' | misar classify --kind open")]
pub(super) struct Classify {
    /// What the requests were for
    #[arg(long, value_name = "KIND")]
    kind: MailKind,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MailKind {
    /// The pixel of a mail
    Open,
    /// A link of a mail
    Click,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum MessageType {
    Transactional,
    Campaign,
}

pub(super) fn run(command: &Classify, folder: &Folder, output: &mut Output) -> Result<(), Failure> {
    // Read without the lock: it is only ever replaced whole.
    let relay = RelayRanges::read(&folder.0).unwrap_or_else(|error| {
        tell(&format!("warning: {error}"));
        None
    });
    let kind = match command.kind {
        MailKind::Open => HitKind::Open,
        MailKind::Click => HitKind::Click,
    };
    let mut input = io::stdin().lock();
    let mut went_well = true;
    for number in 1_u64.. {
        let line = match next_line(&mut input) {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(error) => {
                return Err(Failure::Failed(format!(
                    "line {number} cannot be read: {error}"
                )));
            }
        };
        let judged = line.and_then(|line| judge(&line, kind, relay.as_ref()));
        let answer = match judged {
            Ok(verdict) => json!({"class": verdict.class.as_str(), "reason": verdict.reason}),
            Err(wrong) => {
                went_well = false;
                tell(&format!("line {number}: {wrong}"));
                json!({"error": format!("line {number}: {wrong}")})
            }
        };
        output.json(&answer)?;
    }
    if went_well {
        Ok(())
    } else {
        Err(Failure::Told)
    }
}

/// The next line without its end; `None` at the end of the input. The inner error is a sentence about
/// the line.
fn next_line(input: &mut impl BufRead) -> io::Result<Option<Result<Vec<u8>, String>>> {
    let mut line = Vec::new();
    let limit = MAX_LINE_BYTES as u64 + 1;
    if input.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() > MAX_LINE_BYTES {
        input.skip_until(b'\n')?;
        return Ok(Some(Err(format!(
            "it is longer than {MAX_LINE_BYTES} bytes"
        ))));
    }
    Ok(Some(Ok(line)))
}

/// The error is a sentence about the line.
fn judge(line: &[u8], kind: HitKind, relay: Option<&RelayRanges>) -> Result<Judgement, String> {
    let mut fields = object(line)?;
    let ua: Option<String> = take(&mut fields, "ua", "a text")?;
    let ip: Option<IpAddr> = take(&mut fields, "ip", "an address such as 192.0.2.1")?;
    let seconds: Option<f64> = take(&mut fields, "seconds_after_send", "a number")?;
    let method: Option<String> = take(&mut fields, "method", "a text such as GET")?;
    let headers: Option<Map<String, Value>> = take(&mut fields, "headers", "an object")?;
    let message_type: Option<MessageType> = take(&mut fields, "type", "transactional or campaign")?;
    let is_prefetch = headers.iter().flatten().any(|(name, value)| {
        value
            .as_str()
            .is_some_and(|value| is_prefetch_header(name, value))
    });
    Ok(classify(&Evidence {
        address: ip,
        method: method.as_deref().map_or(Method::Get, Method::named),
        is_prefetch,
        after_send_ms: seconds.map(milliseconds),
        is_transactional: message_type == Some(MessageType::Transactional),
        on_relay_list: ip
            .zip(relay)
            .is_some_and(|(address, relay)| relay.contains(address)),
        ..Evidence::of_agent(kind, ua.as_deref())
    }))
}

fn object(line: &[u8]) -> Result<Map<String, Value>, String> {
    if line.trim_ascii().is_empty() {
        return Err("it is empty".to_owned());
    }
    serde_json::from_slice(line).map_err(|error| {
        if error.is_data() {
            "it is JSON, but not an object".to_owned()
        } else {
            format!("it is not JSON (column {})", error.column())
        }
    })
}

/// A field that may be absent or null.
fn take<T: DeserializeOwned>(
    fields: &mut Map<String, Value>,
    name: &str,
    expected: &str,
) -> Result<Option<T>, String> {
    let value = fields.remove(name).unwrap_or(Value::Null);
    serde_json::from_value(value).map_err(|_| format!("{name} is not {expected}"))
}

/// Rounded down, so that a little less than a window stays less, and a little below 0 negative.
fn milliseconds(seconds: f64) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the cast saturates, and nobody asks about the year 292,000,000"
    )]
    let whole = (seconds * 1_000.0).floor() as i64;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_the_next_one_is_read_all_the_same() {
        let mut text = vec![b'x'; MAX_LINE_BYTES];
        text.push(b'\n');
        text.extend(vec![b'y'; MAX_LINE_BYTES + 1]);
        text.extend(b"\nz");
        let mut input = text.as_slice();
        let mut next = || next_line(&mut input).unwrap();
        assert_eq!(next().unwrap().unwrap().len(), MAX_LINE_BYTES);
        assert!(next().unwrap().is_err());
        assert_eq!(next().unwrap().unwrap(), b"z");
        assert!(next().is_none());
    }

    #[test]
    fn parts_of_seconds_round_down() {
        assert_eq!(milliseconds(59.999_9), 59_999);
        assert_eq!(milliseconds(60.0), 60_000);
        assert_eq!(milliseconds(-0.000_1), -1);
    }

    #[test]
    fn fields_may_be_absent_null_or_unknown() {
        let line = br#"{"ua":null,"ip":null,"seconds_after_send":null,"headers":null,"type":null,"expected":"bot"}"#;
        assert_eq!(
            judge(line, HitKind::Open, None).unwrap().reason,
            "empty_agent"
        );
        assert_eq!(
            judge(b"{}", HitKind::Open, None).unwrap().reason,
            "empty_agent"
        );
        let line = br#"{"ua":"Mozilla/5.0 (Windows NT 10.0) Gecko/20100101 Firefox/130.0","headers":{"SEC-purpose":"Prefetch"}}"#;
        assert_eq!(
            judge(line, HitKind::Open, None).unwrap().reason,
            "prefetch_header"
        );
        assert!(judge(br#"{"ip":"1.2.3"}"#, HitKind::Open, None).is_err());
        assert!(judge(b"", HitKind::Open, None).is_err());
    }
}
