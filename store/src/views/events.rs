//! Which events there are, and which keys have sent one. The events themselves are found by `runs`; here lie the
//! newest of each contact, message and browser, where the chains of runs begin.

use super::DumpedRows;
use super::filter::EventFilter;
use super::numbers::{Digest, Numbers};
use super::pages::Pages;
use super::received;
use super::rows::Rows;
use super::runs::{Event, Link, Newest, Wanted, contact_of};
use super::terms;
use super::view::{Around, Happening, NEAR, Plan, View, nothing};
use crate::ledger::decide::WorkspaceKey;
use crate::record::identity::FactKind;
use crate::record::{Fact, Seq};

use shared::event_name::names;

/// See above.
pub(super) struct Events;

/// The places of the rows by number in [`Events::PLAN`]: by contact, by message and by browser the seq of the newest
/// event (LEB128). A browser's are those that name nobody by address.
const OF_CONTACTS: usize = 0;
const OF_MESSAGES: usize = 1;
const OF_BROWSERS: usize = 2;
/// In runs a browser stands where others have their contact, under its own number and this bit, which no contact's
/// number has: so many of them fit into no memory.
const BROWSER: u32 = 1 << 31;
/// The place of the table in [`Events::PLAN`].
pub(super) const RECEIVED: usize = 0;

impl View for Events {
    const PLAN: Plan = Plan {
        name: "events",
        version: 2,
        numbers: &[],
        pages: &[
            "newest_of_contacts_v1",
            "newest_of_messages_v1",
            "newest_of_browsers_v1",
        ],
        tables: &["received_v1"],
        columns: 0,
        cache: 2 * 1024 * 1024,
        share: 8,
        derive: nothing,
    };

    fn fold(
        rows: &mut Rows,
        around: &Around<'_>,
        happenings: &[Happening<'_>],
    ) -> Result<(), redb::Error> {
        let mut events = Vec::with_capacity(happenings.len());
        for (at, happening) in happenings.iter().enumerate() {
            if at % NEAR == 0 {
                let next = happenings[at..].iter().take(NEAR);
                touch(rows, next);
            }
            let seq = happening.seq;
            let entry = happening.entry;
            let contact = happening.contact.map(|contact| contact.number);
            if let (Some(number), Fact::Erase { .. }) = (contact, &entry.fact) {
                // Nothing that was before is found by anybody.
                rows.pages[OF_CONTACTS].put(number, &[])?;
            }
            let is_theirs = !entry.redacted && !matches!(entry.fact, Fact::Erase { .. });
            let contact = contact.filter(|_| is_theirs);
            events.push(Event {
                seq,
                workspace: entry.workspace,
                time: entry.time.as_millis(),
                name: happening.name,
                contact: match (contact, happening.browser) {
                    (Some(number), _) => Some(link(&mut rows.pages[OF_CONTACTS], number, seq)?),
                    (None, Some(browser)) if happening.contact.is_none() => {
                        let linked = link(&mut rows.pages[OF_BROWSERS], browser, seq)?;
                        let number = linked.number | BROWSER;
                        Some(Link { number, ..linked })
                    }
                    (None, _) => None,
                },
                message: happening
                    .message
                    .map(|number| link(&mut rows.pages[OF_MESSAGES], number, seq))
                    .transpose()?,
            });
        }
        around.runs.push(events)?;
        received::fold(rows, happenings)
    }
}

/// Nothing leads any more to what the contact with this number did.
pub(super) fn forget(rows: &mut Rows, number: u32) -> Result<(), redb::Error> {
    rows.purges = true;
    rows.pages[OF_CONTACTS].put(number, &[])?;
    Ok(())
}

/// Has the rows brought near that these are about; see [`Pages::touch`].
fn touch<'a>(rows: &Rows, happenings: impl Iterator<Item = &'a Happening<'a>>) {
    let [of_contacts, of_messages] = [&rows.pages[OF_CONTACTS], &rows.pages[OF_MESSAGES]];
    let of_browsers = &rows.pages[OF_BROWSERS];
    for happening in happenings {
        if let Some(contact) = happening.contact {
            of_contacts.touch(contact.number);
        }
        if let Some(message) = happening.message {
            of_messages.touch(message);
        }
        if let Some(browser) = happening.browser {
            of_browsers.touch(browser);
        }
    }
}

/// What the filter finds events by; `None` where there can be none.
pub(super) fn wanted(
    books: &[Numbers],
    rows: &Rows,
    key: &WorkspaceKey,
    filter: &EventFilter,
) -> Result<Option<Wanted>, redb::Error> {
    let find = |book: usize, digest: Option<[u8; 16]>| match digest {
        Some(digest) => books[book].find(&digest).map(Some),
        None => Some(None),
    };
    let prepared = key.prepared();
    let digest_of = |kind, text: Option<&str>| Some(terms::digest(&prepared, kind, text?));
    // All types but the callers' own events have a name that nothing else has.
    let of_kind = filter.kind.and_then(name_of_kind);
    let name = filter.name.as_deref().or(of_kind);
    let email = filter.email.as_ref().map(|email| prepared.contact(email).0);
    let message = digest_of(terms::MESSAGE, filter.message_id.as_deref());
    // Of what no number stands for there are no events.
    let (Some(name), Some(contact), Some(message)) = (
        find(terms::NAMES, digest_of(terms::NAME, name)),
        find(terms::CONTACTS, email),
        find(terms::MESSAGES, message),
    ) else {
        return Ok(None);
    };
    let chain = |book: usize, number: Option<u32>| match number {
        Some(number) => {
            let newest = newest(&rows.pages[book].get(number)?);
            Ok(newest.map(|newest| Some(Newest { number, newest })))
        }
        None => Ok::<_, redb::Error>(Some(None)),
    };
    let chains = (chain(OF_CONTACTS, contact)?, chain(OF_MESSAGES, message)?);
    let (Some(contact), Some(message)) = chains else {
        return Ok(None);
    };
    Ok(Some(Wanted {
        name,
        contact,
        message,
    }))
}

/// Where the events of a contact (by its id) begin; `None` where it has none.
pub(super) fn of_contact(
    books: &[Numbers],
    rows: &Rows,
    contact: &Digest,
) -> Result<Option<Newest>, redb::Error> {
    let Some(number) = books[terms::CONTACTS].find(contact) else {
        return Ok(None);
    };
    let newest = newest(&rows.pages[OF_CONTACTS].get(number)?);
    Ok(newest.map(|newest| Newest { number, newest }))
}

/// Where the events begin of this browser, by its number, that name nobody by address; `None` where it has none.
pub(super) fn of_browser(rows: &Rows, browser: u32) -> Result<Option<Newest>, redb::Error> {
    let newest = newest(&rows.pages[OF_BROWSERS].get(browser)?);
    let number = browser | BROWSER;
    Ok(newest.map(|newest| Newest { number, newest }))
}

/// Leaves out what no contact leads to any more: runs do not change, so what was found by a contact that was
/// erased stays in them, under a number that no chain begins with, and is not in those that are built anew.
pub(super) fn reachable(rows: &Rows, of_runs: &mut DumpedRows) -> Result<(), redb::Error> {
    let mut failed = Ok(());
    of_runs.retain(|(term, _)| match contact_of(term) {
        // What a browser did leads to whom it belongs to, if anybody.
        Some(number) if number & BROWSER != 0 => true,
        Some(number) => match rows.pages[OF_CONTACTS].get(number) {
            Ok(row) => !row.is_empty(),
            Err(error) => {
                failed = Err(error);
                true
            }
        },
        None => true,
    });
    failed
}

/// The name that all events of a type have, where it is the type's own.
fn name_of_kind(kind: FactKind) -> Option<&'static str> {
    Some(match kind {
        FactKind::Identify => names::IDENTIFIED,
        FactKind::Purchase => names::PURCHASE,
        FactKind::Refund => names::REFUND,
        FactKind::Send => names::EMAIL_SENT,
        FactKind::Open => names::EMAIL_OPENED,
        FactKind::Click => names::EMAIL_CLICKED,
        FactKind::Unsubscribe => names::EMAIL_UNSUBSCRIBED,
        FactKind::Told => names::EMAIL_SENT_TOLD,
        FactKind::Suppress => names::EMAIL_SUPPRESSED,
        FactKind::Lift => names::EMAIL_SUPPRESSION_LIFTED,
        FactKind::Amend => names::PURCHASE_AMENDED,
        FactKind::Erase => names::EMAIL_ERASED,
        // Of many names.
        FactKind::Track | FactKind::Delivery => return None,
    })
}

/// The event before of a number, of which this one is the newest from now on.
fn link(pages: &mut Pages, number: u32, seq: Seq) -> Result<Link, redb::Error> {
    let (mut bytes, mut count, mut left) = ([0; 10], 0, seq.0);
    loop {
        bytes[count] = (left & 0x7F) as u8;
        left >>= 7;
        if left == 0 {
            break;
        }
        bytes[count] |= 0x80;
        count += 1;
    }
    let before = pages.change(number, |row| Ok((&bytes[..=count], newest(row))))?;
    let before = before.unwrap_or(Seq::START);
    Ok(Link { number, before })
}

/// What stands in a row.
fn newest(bytes: &[u8]) -> Option<Seq> {
    let digits = bytes.iter().rev();
    let seq = digits.fold(0, |seq, byte| seq << 7 | u64::from(byte & 0x7F));
    (!bytes.is_empty()).then_some(Seq(seq))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_the_event_before() {
        let mut pages = Pages::default();
        let mut before = Seq::START;
        for seq in [1, 127, 128, 300_000, u64::MAX] {
            let linked = link(&mut pages, 7, Seq(seq)).unwrap();
            assert_eq!(linked, Link { number: 7, before });
            before = Seq(seq);
            assert_eq!(newest(&pages.get(7).unwrap()), Some(before));
        }
        assert_eq!(newest(&pages.get(6).unwrap()), None);
    }
}
