//! What a message says, as its record keeps it, and whether one that comes again says the same.

use sha2::{Digest, Sha256};
use shared::wire::{Outgoing, TrackClicks};

use super::Draft;
use super::answer::MessageAnswer;
use store::record::{Fact, MessageType, Record};
use store::targets;

/// The names of the fields in which a draft differs from what is on record.
pub(super) fn differing_fields(record: &Record, draft: &Draft) -> Vec<&'static str> {
    let (entry, outgoing) = (&record.entry, &draft.outgoing);
    let Fact::Send {
        campaign_id: known_campaign,
        message_type: known_type,
        subject,
        content: known_content,
        ..
    } = &entry.fact
    else {
        return vec!["messageId"];
    };
    let normalised = outgoing.email.normalised();
    // Of an erased send nobody knows any more to whom it went.
    let address = entry.address.as_ref();
    let address_differs = address.is_some_and(|address| address.normalised.0 != normalised);
    let subject = subject.as_ref().map(|subject| subject.0.as_str());
    let times_differ = match outgoing.sent_at {
        Some(sent_at) => entry.time_sent && entry.time != sent_at,
        None => false,
    };
    [
        ("email", address_differs),
        ("campaignId", *known_campaign != outgoing.campaign_id),
        ("type", *known_type != message_type(outgoing)),
        (
            "subject",
            !entry.redacted && subject != outgoing.subject.as_deref(),
        ),
        ("sentAt", times_differ),
        ("content", *known_content != content(outgoing)),
    ]
    .into_iter()
    .filter_map(|(field, differs)| differs.then_some(field))
    .collect()
}

/// How many different pages the tracked links of a message lead to.
pub(super) fn different_pages(answer: &MessageAnswer) -> u32 {
    targets::different(answer.links.iter().map(|link| link.url.as_str()))
}

/// A digest of what is instrumented, and how.
pub(super) fn content(outgoing: &Outgoing) -> [u8; 32] {
    let utm = outgoing.utm.clone().unwrap_or_default();
    let texts = [
        outgoing.html.as_ref(),
        outgoing.text.as_ref(),
        utm.source.as_ref(),
        utm.medium.as_ref(),
        utm.campaign.as_ref(),
        utm.term.as_ref(),
        utm.content.as_ref(),
    ];
    let mut digest = Sha256::new();
    let track_clicks = match outgoing.track_clicks {
        TrackClicks::Nowhere => 0,
        TrackClicks::Everywhere => 1,
        TrackClicks::Html => 2,
    };
    digest.update([outgoing.track_opens.into(), track_clicks]);
    for text in texts {
        // An absent text is none of any length.
        let length = text.map_or(u64::MAX, |text| text.len() as u64);
        digest.update(length.to_le_bytes());
        digest.update(text.map_or("", String::as_str));
    }
    if outgoing.is_pixel_first {
        // Digests of older versions know no other place than the end.
        digest.update(b"pixel first");
    }
    digest.finalize().into()
}

pub(super) fn message_type(outgoing: &Outgoing) -> MessageType {
    if outgoing.is_transactional {
        MessageType::Transactional
    } else {
        MessageType::Campaign
    }
}
