//! The load: events that a number alone decides, and what they would be as JSON.

use std::sync::Arc;

use shared::ids::{EventId, MessageId, OrderId};
use shared::money::{Currency, Money};
use shared::time::Timestamp;
use store::ledger::{Log as _, Submission};
use store::record::{
    Address, ContactId, Entry, Fact, Personal, ToldBy, WorkspaceId, WorkspaceKey, WorkspaceKeys,
};

pub(crate) use store::seed::{address_of, spread};

use crate::Failure;
use crate::store_in::open_log;
use std::path::Path;

pub(crate) const WORKSPACE: WorkspaceId = WorkspaceId(1);
/// In 2026; each event comes 20 ms after the one before.
const BEGAN: i64 = 1_790_000_000_000;
const APART: i64 = 20;
/// One event in so many is an order; one more tells traits; one in five names a message.
const ORDERS: u64 = 100;
const WITH_MESSAGE: u64 = 5;
const NAMES: [&str; 8] = [
    "page_viewed",
    "product_viewed",
    "search_made",
    "cart_changed",
    "trial_started",
    "video_played",
    "file_downloaded",
    "form_sent",
];
/// What callers send besides: braces, field names, type, id and time; and the name of one more field.
const JSON_AROUND: usize = r#"{"type":"track","id":"01234567-89ab-cdef-0123-456789abcdef","email":"","event":"","timestamp":"2026-11-23T10:00:00.000Z","properties":},"#.len();
const JSON_MESSAGE: usize = r#""messageId":"","#.len();
/// What a server takes at once.
const BATCH: u64 = 4_000;

pub(crate) struct OneKey;

impl WorkspaceKeys for OneKey {
    fn key_of(&self, _: WorkspaceId) -> Option<WorkspaceKey> {
        Some(WorkspaceKey([7; 32]))
    }
}

pub(crate) fn keys() -> Arc<dyn WorkspaceKeys> {
    Arc::new(OneKey)
}

/// Of whom the event with this number is: every contact is as likely.
pub(crate) fn contact_of(number: u64, contacts: u64) -> u64 {
    spread(number) % contacts
}

fn entry(number: u64, contacts: u64) -> Result<Entry, Failure> {
    let contact = contact_of(number, contacts);
    let luck = spread(!number);
    let mut id = [0; 16];
    id[..8].copy_from_slice(&luck.to_be_bytes());
    id[8..].copy_from_slice(&spread(luck).to_be_bytes());
    let (page, visits) = (luck & 0xfff, number % 40);
    let properties = format!(r#"{{"page":"/shop/{page:x}","visits":{visits}}}"#);
    let message_id = number
        .is_multiple_of(WITH_MESSAGE)
        .then(|| MessageId::parse(&format!("spring-{:x}-{contact}", luck % 4)))
        .transpose()
        .map_err(|_| "no messageId")?;
    let fact = match number % ORDERS {
        0 => Fact::Purchase {
            order_id: OrderId::parse(&format!("order-{number}")).map_err(|_| "no orderId")?,
            revenue: Money {
                minor: i64::try_from(luck % 90_000)? + 100,
                currency: Currency::parse("EUR").map_err(|_| "no such currency")?,
            },
            rounded: false,
            items: None,
            message_id,
        },
        1 => Fact::Identify {
            traits: Some(Personal(format!(
                r#"{{"plan":"pro","seats":{}}}"#,
                luck % 90
            ))),
        },
        _ => Fact::Track {
            // Few.
            name: NAMES[(luck % NAMES.len() as u64) as usize].into(),
            properties: Some(Personal(properties)),
            message_id,
        },
    };
    let now = Timestamp::from_millis(BEGAN + APART * i64::try_from(number)?);
    let (id, told_by) = (EventId::from_bytes(id), ToldBy::server_with("key_bench"));
    let mut entry = Entry::new(WORKSPACE, id, told_by, now, fact);
    entry.address = Some(Address {
        normalised: Personal(address_of(contact)),
        original: None,
        older: None,
    });
    Ok(entry)
}

/// The erasure of a contact, after `number` events.
pub(crate) fn erasure(contact: ContactId, number: u64) -> Result<Submission, Failure> {
    let id = u128::from(spread(number)) << 64 | u128::from(number);
    let time = Timestamp::from_millis(BEGAN + APART * i64::try_from(number)?);
    let (id, told_by) = (
        EventId::from_bytes(id.to_be_bytes()),
        ToldBy::server_with("key_bench"),
    );
    let entry = Entry::new(WORKSPACE, id, told_by, time, Fact::Erase { contact });
    Ok(Submission::from(entry))
}

/// Bytes of JSON that a caller would have sent for it.
fn json_bytes(entry: &Entry) -> usize {
    let text = |text: Option<usize>| text.unwrap_or(0);
    let (content, message) = match &entry.fact {
        Fact::Track {
            name,
            properties,
            message_id,
        } => {
            let properties = text(properties.as_ref().map(|text| text.0.len()));
            (name.len() + properties, message_id.as_ref())
        }
        Fact::Identify { traits } => (text(traits.as_ref().map(|text| text.0.len())), None),
        Fact::Purchase {
            order_id,
            message_id,
            ..
        } => (order_id.as_str().len() + 40, message_id.as_ref()),
        _ => (0, None),
    };
    let address = text(
        entry
            .address
            .as_ref()
            .map(|address| address.normalised.0.len()),
    );
    let message = message.map(|id| JSON_MESSAGE + id.as_str().len());
    JSON_AROUND + content + address + text(message)
}

/// Writes a log of so many events into a data folder; returns what they would be as JSON, in bytes.
pub(crate) fn write_log(
    data: &Path,
    contacts: u64,
    events: u64,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    let log = open_log(data)?;
    let mut json = 0;
    for from in (0..events).step_by(usize::try_from(BATCH)?) {
        let upto = events.min(from + BATCH);
        let mut batch = Vec::with_capacity(usize::try_from(BATCH)?);
        for number in from..upto {
            let entry = entry(number, contacts)?;
            json += json_bytes(&entry) as u64;
            batch.push(Submission::from(entry));
        }
        runtime.block_on(log.append(batch))?;
        progress(upto);
    }
    log.flush_ids()?;
    runtime.block_on(log.close())?;
    Ok(json)
}
