//! One event of the list: read from the stream's message, and what the list says about it.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::people::page_of;
use crate::text::pretty;

/// What the stream tells us.
#[derive(Debug)]
pub(crate) enum Message {
    Event(Box<Row>),
    /// We were too far behind: so many events passed without being told.
    Skipped(u64),
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Tracked,
    Rejected,
    /// No event: somebody entered a segment or left it.
    Moved,
}

impl Verdict {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Tracked => "tracked",
            Self::Rejected => "rejected",
            Self::Moved => "moved",
        }
    }
}

/// An event as the list shows it. All text in it is a stranger's.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) verdict: Verdict,
    pub(crate) fields: Fields,
    /// Properties of a tracked event, the body of a rejected one; indented where it is JSON.
    pub(crate) content: String,
    /// What is said beside the name: an amount, or why it was rejected.
    pub(crate) brief: Option<String>,
    /// Of purchases: whether a server has confirmed it.
    pub(crate) verified: Option<bool>,
}

/// The message's fields, of tracked and rejected events together.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Fields {
    pub(crate) id: String,
    pub(crate) seq: Option<String>,
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) timestamp: Option<String>,
    pub(crate) received_at: String,
    pub(crate) email: Option<String>,
    pub(crate) anonymous_id: Option<String>,
    pub(crate) message_id: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) class: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) key_id: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) field: Option<String>,
    /// Of a move: when it was due, and into which segment or out of which.
    time: Option<String>,
    pub(crate) segment_id: Option<String>,
    segment_name: Option<String>,
    version: Option<u32>,
    cause: Option<String>,
    /// Events that the page had lost before this one.
    pub(crate) dropped: Option<u32>,
    status: String,
    /// Of what was skipped.
    count: u64,
    /// As they were written, so that numbers keep their text.
    properties: Option<Box<RawValue>>,
    body: Option<String>,
}

/// What we look for in a purchase, a refund, or a rejected body; anything may be missing or odd.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Inside {
    revenue: Option<Box<RawValue>>,
    amount: Option<Box<RawValue>>,
    currency: Option<String>,
    verified: Option<bool>,
    email: Option<String>,
    anonymous_id: Option<String>,
}

/// Reads one message of the stream.
pub(crate) fn read(data: &str) -> Result<Message, serde_json::Error> {
    let mut fields: Fields = serde_json::from_str(data)?;
    let verdict = match fields.status.as_str() {
        "skipped" => return Ok(Message::Skipped(fields.count)),
        "rejected" => Verdict::Rejected,
        "moved" => Verdict::Moved,
        _ => Verdict::Tracked,
    };
    if verdict == Verdict::Moved {
        fields.name = fields.kind.clone();
        fields.received_at = fields.time.take().unwrap_or_default();
    }
    let properties = fields.properties.take();
    let body = fields.body.take().unwrap_or_default();
    let raw = properties
        .as_ref()
        .map_or(body.as_str(), |properties| properties.get());
    let inside: Inside = serde_json::from_str(raw).unwrap_or_default();
    let money = matches!(fields.kind.as_deref(), Some("purchase" | "refund"));
    let brief = match verdict {
        Verdict::Rejected => fields.code.clone(),
        Verdict::Tracked if money => amount(&inside),
        Verdict::Moved => fields.segment_name.clone(),
        Verdict::Tracked => fields.dropped.map(|lost| format!("{lost} lost before")),
    };
    if verdict == Verdict::Rejected {
        fields.email = fields.email.or(inside.email);
        fields.anonymous_id = fields.anonymous_id.or(inside.anonymous_id);
    }
    let is_json = properties.is_some() || serde_json::from_str::<&RawValue>(raw).is_ok();
    let content = if is_json { pretty(raw) } else { raw.to_owned() };
    let verified = inside
        .verified
        .filter(|_| fields.kind.as_deref() == Some("purchase"));
    Ok(Message::Event(Box::new(Row {
        verdict,
        fields,
        content,
        brief,
        verified,
    })))
}

fn amount(inside: &Inside) -> Option<String> {
    let number = inside.revenue.as_ref().or(inside.amount.as_ref())?.get();
    let currency = inside.currency.as_deref().unwrap_or_default();
    Some(
        format!("{} {currency}", number.trim_matches('"'))
            .trim_end()
            .to_owned(),
    )
}

impl Row {
    /// Tells a repeated message from a new one. The time is in it, since a rejected event may come again
    /// under its id and be rejected again.
    pub(crate) fn identity(&self) -> String {
        let Fields {
            id, received_at, ..
        } = &self.fields;
        format!("{}\n{received_at}\n{id}", self.verdict.word())
    }

    pub(crate) fn name(&self) -> &str {
        self.fields
            .name
            .as_deref()
            .filter(|name| !name.is_empty())
            .unwrap_or("(no name)")
    }

    /// The address, else the start of the browser's id.
    pub(crate) fn contact(&self) -> String {
        if let Some(email) = &self.fields.email {
            return email.clone();
        }
        match self.fields.anonymous_id.as_deref() {
            // A UUID's last part is its random one: the first parts of two visitors are often equal.
            Some(id) => {
                let tail = id.char_indices().rev().nth(7).map_or(0, |(at, _)| at);
                format!("visitor {}", &id[tail..])
            }
            None => "–".to_owned(),
        }
    }

    /// Where the contact's page is; only where the address is one.
    pub(crate) fn contact_page(&self) -> Option<String> {
        let email = self.fields.email.as_deref();
        let email = email.filter(|_| self.verdict != Verdict::Rejected)?;
        Some(page_of(email))
    }

    /// Whether the text, lower case already, stands in the name, the contact or the content.
    pub(crate) fn contains(&self, text: &str) -> bool {
        let has = |part: &str| part.to_lowercase().contains(text);
        let parts = [
            &self.fields.name,
            &self.fields.email,
            &self.fields.anonymous_id,
            &self.fields.message_id,
            &self.fields.code,
            &self.fields.segment_name,
        ];
        parts.into_iter().flatten().any(|part| has(part))
            || has(&self.fields.id)
            || has(&self.content)
    }

    /// All that is known, in the order in which it is shown; what is absent is left out.
    pub(crate) fn facts(&self) -> Vec<(&'static str, String)> {
        let fields = &self.fields;
        let text = Option::as_deref;
        let lost = fields
            .dropped
            .map(|lost| format!("{lost} events of this page before it, whose queue was full"));
        let version = fields.version.map(|version| version.to_string());
        let facts = [
            ("Code", text(&fields.code)),
            ("Why", text(&fields.message)),
            ("Field", text(&fields.field)),
            ("Id", Some(fields.id.as_str())),
            ("Type", text(&fields.kind)),
            ("Happened", text(&fields.timestamp)),
            (
                match self.verdict {
                    Verdict::Moved => "Due",
                    Verdict::Tracked | Verdict::Rejected => "Received",
                },
                Some(fields.received_at.as_str()),
            ),
            ("Segment", text(&fields.segment_name)),
            ("Segment id", text(&fields.segment_id)),
            ("Version", text(&version)),
            ("Cause", text(&fields.cause)),
            ("E-mail", text(&fields.email)),
            ("Anonymous id", text(&fields.anonymous_id)),
            ("Message id", text(&fields.message_id)),
            ("Source", text(&fields.source)),
            ("Class", text(&fields.class)),
            ("Reason", text(&fields.reason)),
            ("Key", text(&fields.key_id)),
            ("Seq", text(&fields.seq)),
            ("Lost", text(&lost)),
        ];
        facts
            .into_iter()
            .filter_map(|(label, value)| Some((label, value?.to_owned())))
            .collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A tracked event of this name and contact.
    pub(crate) fn tracked(id: &str, name: &str, email: &str) -> Row {
        row(&format!(
            r#"{{"status":"tracked","id":"{id}","type":"track","name":"{name}","email":"{email}","receivedAt":"2026-11-24T10:00:00Z","properties":{{"plan":"Pro"}},"source":"server"}}"#
        ))
    }

    pub(crate) fn row(data: &str) -> Row {
        match read(data) {
            Ok(Message::Event(row)) => *row,
            other => panic!("not an event: {other:?}"),
        }
    }

    #[test]
    fn a_move_is_shown_by_its_way_its_contact_and_its_segment() {
        let row = row(
            r#"{"status":"moved","id":"1","type":"segment_left","segmentId":"seg_1","segmentName":"Trial","version":1,"email":"a@b.example","time":"2026-03-08T00:00:00.000Z","cause":"time"}"#,
        );
        assert_eq!(row.name(), "segment_left");
        assert_eq!(row.verdict, Verdict::Moved);
        assert_eq!(row.brief.as_deref(), Some("Trial"));
        assert_eq!(
            row.contact_page().as_deref(),
            Some("/contacts#email=a%40b%2Eexample")
        );
        let facts = row.facts();
        for fact in [
            ("Segment", "Trial"),
            ("Cause", "time"),
            ("Version", "1"),
            ("Due", "2026-03-08T00:00:00.000Z"),
        ] {
            assert!(facts.contains(&(fact.0, fact.1.to_owned())), "{fact:?}");
        }
        assert!(row.contains("trial"));
        assert_eq!(row.fields.received_at, "2026-03-08T00:00:00.000Z");
    }

    #[test]
    fn a_purchase_says_its_amount_as_it_was_written_and_whether_it_is_verified() {
        let row = row(
            r#"{"status":"tracked","id":"1","type":"purchase","name":"purchase","receivedAt":"t","email":"a@b.example","properties":{"orderId":"o","revenue":49.90,"currency":"EUR","verified":false},"source":"browser"}"#,
        );
        assert_eq!(row.brief.as_deref(), Some("49.90 EUR"));
        assert_eq!(row.verified, Some(false));
    }

    #[test]
    fn a_rejected_event_says_why_and_takes_its_contact_from_the_body() {
        let row = row(
            r#"{"status":"rejected","id":"1","receivedAt":"t","name":"x","code":"invalid_email","message":"Send an address.","field":"email","keyId":"k","body":"{\"email\":\"not an address\",\"n\":1}"}"#,
        );
        assert_eq!(
            (row.verdict, row.brief.as_deref()),
            (Verdict::Rejected, Some("invalid_email"))
        );
        assert_eq!(row.contact(), "not an address");
        assert_eq!(
            row.content,
            "{\n  \"email\": \"not an address\",\n  \"n\": 1\n}"
        );
        assert_eq!(row.facts()[1], ("Why", "Send an address.".to_owned()));
    }

    #[test]
    fn a_body_that_is_no_json_is_shown_as_it_came() {
        let row = row(
            r#"{"status":"rejected","id":"1","receivedAt":"t","code":"c","message":"m","body":"{oops: <img>"}"#,
        );
        assert_eq!(row.content, "{oops: <img>");
        assert_eq!(row.name(), "(no name)");
    }

    #[test]
    fn a_visitor_without_an_address_is_told_by_the_end_of_the_id() {
        let row = row(
            r#"{"status":"tracked","id":"1","receivedAt":"t","anonymousId":"0193b8a1-7c2e-7d3f-8a4b-5c6d7e8f9a0b","properties":{}}"#,
        );
        assert_eq!(row.contact(), "visitor 7e8f9a0b");
    }

    #[test]
    fn an_event_says_what_its_page_had_lost_before() {
        let row = row(
            r#"{"status":"tracked","id":"1","type":"track","name":"x","receivedAt":"t","dropped":7,"properties":{}}"#,
        );
        assert_eq!(row.brief.as_deref(), Some("7 lost before"));
        let lost = row.facts().into_iter().find(|(label, _)| *label == "Lost");
        assert!(lost.is_some_and(|(_, words)| words.starts_with("7 events")));
    }

    #[test]
    fn what_was_skipped_is_told_by_its_count() {
        assert!(matches!(
            read(r#"{"status":"skipped","count":7}"#),
            Ok(Message::Skipped(7))
        ));
    }

    #[test]
    fn text_is_found_in_names_contacts_and_properties_whatever_their_case() {
        let row = tracked("1", "Trial_Started", "User@Example.com");
        for text in ["trial", "user@example", "pro\""] {
            assert!(row.contains(text), "{text}");
        }
        assert!(!row.contains("server"));
    }
}
