//! Contacts as the collector tells of them, and what the pages say about them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::stream::percent_encoded;
use crate::text::{one_line, points, pretty};

/// A page of the list.
#[derive(Debug, Deserialize)]
pub(crate) struct ContactList {
    pub(crate) contacts: Vec<Contact>,
    pub(crate) next: Option<String>,
}

/// A contact, in a list.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Contact {
    pub(crate) email: String,
    pub(crate) score: f64,
    pub(crate) first_seen: Option<String>,
    pub(crate) last_seen: Option<String>,
    pub(crate) unsubscribed_at: Option<String>,
    /// As they were written, so that numbers keep their text.
    pub(crate) traits: BTreeMap<String, Box<RawValue>>,
    pub(crate) suppressions: Vec<Suppression>,
}

/// Why somebody gets no mail.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Suppression {
    pub(crate) reason: String,
}

/// What makes a score.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Score {
    pub(crate) score: f64,
    #[serde(default)]
    pub(crate) half_life_days: f64,
    pub(crate) entries: Vec<Entry>,
    pub(crate) next: Option<String>,
}

/// A page of what happened.
#[derive(Debug, Deserialize)]
pub(crate) struct Timeline {
    pub(crate) entries: Vec<Entry>,
    pub(crate) next: Option<String>,
}

/// Something that happened: an event, what became of a mail, or a move into a segment or out of it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Entry {
    pub(crate) kind: String,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) timestamp: String,
    pub(crate) received_at: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) class: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) message_id: Option<String>,
    pub(crate) anonymous_id: Option<String>,
    points: f64,
    properties: Option<Box<RawValue>>,
    pub(crate) segment_id: Option<String>,
    segment_name: Option<String>,
    cause: Option<String>,
    version: Option<u32>,
}

/// In which segments somebody is, and in which not.
#[derive(Debug, Deserialize)]
pub(crate) struct Memberships {
    pub(crate) segments: Vec<Membership>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Membership {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) r#in: bool,
}

/// Where the page of a contact is. The address stands in the fragment, so that no server is told.
pub(crate) fn page_of(email: &str) -> String {
    format!("/contacts#email={}", percent_encoded(email))
}

/// Where the collector tells of a contact.
pub(crate) fn path_of(email: &str) -> String {
    format!("/v1/contacts/{}", percent_encoded(email))
}

/// Whom a fragment names, as it stands there.
pub(crate) fn named_in(fragment: &str) -> Option<&str> {
    let parts = fragment.strip_prefix('#')?.split('&');
    let mut named = parts.filter_map(|part| part.strip_prefix("email="));
    named.next().filter(|email| !email.is_empty())
}

impl Contact {
    /// Whether they get mail: a word for it, and whether they do.
    pub(crate) fn mail(&self) -> (String, bool) {
        if self.suppressions.is_empty() {
            return ("gets mail".to_owned(), true);
        }
        let reasons = self.suppressions.iter();
        let reasons: Vec<&str> = reasons.map(|one| one.reason.as_str()).collect();
        (format!("no mail: {}", reasons.join(", ")), false)
    }

    /// Each trait with its value, a text without its quotation marks.
    pub(crate) fn traits(&self) -> impl Iterator<Item = (&str, String)> {
        self.traits.iter().map(|(name, value)| {
            let value = value.get();
            let text = serde_json::from_str::<String>(value);
            (name.as_str(), text.unwrap_or_else(|_| pretty(value)))
        })
    }
}

impl Entry {
    pub(crate) fn is_move(&self) -> bool {
        self.kind == "segment"
    }

    /// What is said beside the name.
    pub(crate) fn brief(&self) -> Option<String> {
        if self.is_move() {
            return self.segment_name.clone();
        }
        let properties = self.properties.as_ref()?.get();
        (properties != "{}").then(|| one_line(properties, 120))
    }

    /// What it adds to the score, where it adds anything: as it is shown, and to the last digit.
    pub(crate) fn points(&self) -> Option<(String, String)> {
        let Self { points: exact, .. } = *self;
        (exact > 0.0).then(|| (format!("+{}", points(exact)), format!("+{exact}")))
    }

    /// The properties as JSON, where there are any.
    pub(crate) fn properties(&self) -> Option<String> {
        let properties = self.properties.as_ref()?.get();
        (properties != "{}").then(|| pretty(properties))
    }

    /// All that is known, in the order in which it is shown; what is absent is left out.
    pub(crate) fn facts(&self) -> Vec<(&'static str, String)> {
        let version = self.version.map(|version| version.to_string());
        let happened = if self.is_move() { "Due" } else { "Happened" };
        let text = Option::as_deref;
        let facts = [
            (happened, Some(self.timestamp.as_str())),
            ("Received", text(&self.received_at)),
            ("Segment", text(&self.segment_name)),
            ("Cause", text(&self.cause)),
            ("Version", text(&version)),
            ("Source", text(&self.source)),
            ("Class", text(&self.class)),
            ("Reason", text(&self.reason)),
            ("Message id", text(&self.message_id)),
            ("Anonymous id", text(&self.anonymous_id)),
            ("Id", Some(self.id.as_str())),
        ];
        let known = facts.into_iter();
        known
            .filter_map(|(label, value)| Some((label, value?.to_owned())))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_stands_in_the_fragment_alone_and_is_found_there() {
        let page = page_of("a+b@x.example");
        assert_eq!(page, "/contacts#email=a%2Bb%40x%2Eexample");
        let fragment = &page[page.find('#').unwrap()..];
        assert_eq!(named_in(fragment), Some("a%2Bb%40x%2Eexample"));
        assert_eq!(
            [named_in(""), named_in("#"), named_in("#email=")],
            [None; 3]
        );
    }

    #[test]
    fn a_contact_is_read_with_traits_and_whether_they_get_mail() {
        let contact: Contact = serde_json::from_str(
            r#"{"email":"a@b.example","score":2.5,"traits":{"plan":"pro","seats":1.50},"suppressions":[{"reason":"bounced","at":"t"}],"meta":{}}"#,
        )
        .unwrap();
        assert_eq!(contact.mail(), ("no mail: bounced".to_owned(), false));
        let traits: Vec<_> = contact.traits().collect();
        assert_eq!(
            traits,
            [("plan", "pro".to_owned()), ("seats", "1.50".to_owned())]
        );
        assert!(Contact::default().mail().1);
    }

    #[test]
    fn an_entry_says_what_it_adds_and_a_move_its_segment_and_cause() {
        let page: Timeline = serde_json::from_str(
            r#"{"entries":[
                {"kind":"segment","id":"1","type":"segment_left","name":"segment_left","timestamp":"t","segmentName":"Trial","segmentId":"seg_1","cause":"time","version":2},
                {"kind":"event","id":"2","name":"joined","timestamp":"t","points":1.999,"properties":{"n":1.50}},
                {"kind":"mail","id":"3","name":"email_sent","timestamp":"t","points":0,"properties":{}}],"score":1}"#,
        )
        .unwrap();
        let [moved, event, mail] = &page.entries[..] else {
            panic!("three of them");
        };
        assert_eq!(moved.brief().as_deref(), Some("Trial"));
        assert!(moved.facts().contains(&("Cause", "time".to_owned())));
        let points = event.points().unwrap();
        assert_eq!(points, ("+2.0".to_owned(), "+1.999".to_owned()));
        assert_eq!(event.brief().as_deref(), Some("{\"n\":1.50}"));
        assert_eq!((mail.points(), mail.brief()), (None, None));
    }
}
