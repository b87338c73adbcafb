//! Whose browsers are whose. A browser has an anonymousId; `identify` says which contact is before it.
//!
//! What a browser did without an address belongs to whom the latest `identify` at or before it names, else to whom
//! the earliest one behind it does: by the times of the events, and where these are equal by their places in the log.
//! So it depends on what is known alone, and not on what arrived first: a late `identify` moves what lies behind it.
//!
//! A view that counts for contacts what browsers did keeps this in tables of its own, so that it is as of the view's
//! own cursor; what it keeps of a deed is its own business.

use super::ordered::{Ordered, Way, successor};
use crate::record::ContactId;

/// Deeds that are read in one go: a bound of the memory.
pub(crate) const PORTION: usize = 1_000;

/// When something was done (milliseconds since 1970), and its place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    pub(crate) time: i64,
    pub(crate) seq: u64,
}

impl At {
    const FIRST: Self = Self {
        time: i64::MIN,
        seq: 0,
    };
}

/// From the first on and before the end; without an end to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: At,
    pub(crate) to: Option<At>,
}

impl Span {
    /// All there is.
    pub(crate) const ALL: Self = Self {
        from: At::FIRST,
        to: None,
    };
}

/// A stretch of what a browser did belongs to somebody else from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shift {
    pub(crate) span: Span,
    /// To whom it belonged; `None` where nobody was known.
    pub(crate) from: Option<ContactId>,
}

/// What a view keeps of a deed, with when it was done.
pub(crate) type Deed = (At, Vec<u8>);

/// The tables of browsers, open for a fold.
pub(crate) struct Browsers<'a> {
    /// Key: the browser's number (u32), time (i64, sortable), seq (u64), all big-endian. Value: the contact (16 bytes)
    /// that an `identify` then named.
    pub(crate) said: &'a mut Ordered,
    /// Key: the browser's number (u32), kind (u8), time (i64, sortable), seq (u64), all big-endian. Value: the view's.
    pub(crate) deeds: &'a mut Ordered,
    /// Key: contact (16 bytes), the browser's number (u32, big-endian). Value: nothing. Those that an event named
    /// together with the contact.
    pub(crate) of_contacts: &'a mut Ordered,
}

impl Browsers<'_> {
    /// An `identify` said that a browser is this contact's. Returns what moves by that, if anything.
    ///
    /// # Errors
    /// Where rows cannot be read.
    pub(crate) fn say(
        &mut self,
        browser: u32,
        at: At,
        contact: ContactId,
    ) -> Result<Option<Shift>, redb::Error> {
        self.name(browser, contact);
        let before = said_before(self.said, browser, at)?;
        let behind = said_from(self.said, browser, at)?;
        self.said.insert(&said_key(browser, at), &contact.0);
        let shift = Shift {
            span: Span {
                from: before.map_or(At::FIRST, |_| at),
                to: behind.map(|(at, _)| at),
            },
            from: before.or(behind).map(|(_, contact)| contact),
        };
        Ok((shift.from != Some(contact)).then_some(shift))
    }

    /// An event names a browser together with this contact.
    pub(crate) fn name(&mut self, browser: u32, contact: ContactId) {
        self.of_contacts.insert(&of_key(contact, browser), &[]);
    }

    pub(crate) fn owner(&self, browser: u32, at: At) -> Result<Option<ContactId>, redb::Error> {
        owner(self.said, browser, at)
    }

    pub(crate) fn of(&self, contact: ContactId) -> Result<Vec<u32>, redb::Error> {
        of(self.of_contacts, contact)
    }

    pub(crate) fn spans(&self, browser: u32, whose: ContactId) -> Result<Vec<Span>, redb::Error> {
        spans(self.said, browser, whose)
    }

    pub(crate) fn put(&mut self, browser: u32, kind: u8, at: At, deed: &[u8]) {
        self.deeds.insert(&deed_key(browser, kind, at), deed);
    }

    /// # Errors
    /// Where rows cannot be read.
    pub(crate) fn get(
        &self,
        browser: u32,
        kind: u8,
        at: At,
    ) -> Result<Option<Vec<u8>>, redb::Error> {
        let row = self.deeds.get(&deed_key(browser, kind, at))?;
        Ok(row.map(|row| row.to_vec()))
    }

    /// # Errors
    /// Where rows cannot be read.
    pub(crate) fn remove(&mut self, browser: u32, kind: u8, at: At) -> Result<(), redb::Error> {
        self.deeds.remove(&deed_key(browser, kind, at)).map(drop)
    }

    /// The first deeds of a kind in this span, at most [`PORTION`], and what of the span is left behind them.
    ///
    /// # Errors
    /// Where rows cannot be read.
    pub(crate) fn deeds(
        &self,
        browser: u32,
        kind: u8,
        span: Span,
    ) -> Result<(Vec<Deed>, Option<Span>), redb::Error> {
        let mut found = Vec::new();
        for row in range(self.deeds, browser, kind, span, Way::Up)? {
            let (key, row) = row?;
            let at = at_of(&key[5..]);
            if found.len() == PORTION {
                return Ok((found, Some(Span { from: at, ..span })));
            }
            found.push((at, row.into_owned()));
        }
        Ok((found, None))
    }

    /// When the first and the last deed of a kind was done that belongs to a contact.
    ///
    /// # Errors
    /// Where rows cannot be read.
    pub(crate) fn seen(
        &self,
        contact: ContactId,
        kind: u8,
    ) -> Result<Option<(i64, i64)>, redb::Error> {
        let mut seen: Option<(i64, i64)> = None;
        for browser in self.of(contact)? {
            let spans = self.spans(browser, contact)?;
            let end = |way: Way| {
                let one = |span: &Span| {
                    let mut deeds = range(self.deeds, browser, kind, *span, way)?;
                    let deed = deeds.next().transpose()?;
                    Ok::<_, redb::Error>(deed.map(|(key, _)| at_of(&key[5..]).time))
                };
                let mut found = spans.iter().map(one);
                let mut backwards = spans.iter().rev().map(one);
                match way {
                    Way::Up => found.find_map(Result::transpose).transpose(),
                    Way::Down => backwards.find_map(Result::transpose).transpose(),
                }
            };
            let (first, last): (Option<i64>, Option<i64>) = (end(Way::Up)?, end(Way::Down)?);
            if let (Some(first), Some(last)) = (first, last) {
                let (from, to) = seen.unwrap_or((first, last));
                seen = Some((from.min(first), to.max(last)));
            }
        }
        Ok(seen)
    }

    /// Nothing says any more that a browser is this contact's. What is said of others stays, and so does to whom
    /// everything belongs that did not belong to them.
    ///
    /// # Errors
    /// Where rows cannot be read.
    pub(crate) fn unsay(&mut self, browser: u32, contact: ContactId) -> Result<(), redb::Error> {
        let mut theirs = Vec::new();
        for row in self.said.beginning_with(&browser.to_be_bytes())? {
            let (key, row) = row?;
            if *row == contact.0 {
                theirs.push(key.into_owned());
            }
        }
        for key in theirs {
            self.said.remove(&key)?;
        }
        self.of_contacts.remove(&of_key(contact, browser)).map(drop)
    }
}

/// To whom belongs what a browser did at this moment; `None` where nobody is known.
///
/// # Errors
/// Where rows cannot be read.
pub(crate) fn owner(
    said: &Ordered,
    browser: u32,
    at: At,
) -> Result<Option<ContactId>, redb::Error> {
    let found = match said_before(said, browser, at)? {
        None => said_from(said, browser, at)?,
        found => found,
    };
    Ok(found.map(|(_, contact)| contact))
}

/// The browsers that an event named together with a contact, by their numbers.
///
/// # Errors
/// Where rows cannot be read.
pub(crate) fn of(of_contacts: &Ordered, contact: ContactId) -> Result<Vec<u32>, redb::Error> {
    let rows = of_contacts.beginning_with(&contact.0)?;
    let number = |row: Result<super::ordered::Row<'_>, redb::Error>| {
        Ok(u32::from_be_bytes(
            row?.0.last_chunk().copied().unwrap_or_default(),
        ))
    };
    rows.map(number).collect()
}

/// Of what a browser did the stretches that belong to a contact, as long as can be, in order.
///
/// # Errors
/// Where rows cannot be read.
pub(crate) fn spans(
    said: &Ordered,
    browser: u32,
    whose: ContactId,
) -> Result<Vec<Span>, redb::Error> {
    let mut spans = Vec::new();
    // Whose the stretch is that has begun, and where it has.
    let mut current: Option<(ContactId, At)> = None;
    for row in said.beginning_with(&browser.to_be_bytes())? {
        let (key, row) = row?;
        let (at, contact) = (at_of(&key[4..]), contact_of(&row));
        match current {
            None => current = Some((contact, At::FIRST)),
            Some((same, _)) if same == contact => {}
            Some((other, from)) => {
                if other == whose {
                    spans.push(Span { from, to: Some(at) });
                }
                current = Some((contact, at));
            }
        }
    }
    if let Some((_, from)) = current.filter(|(last, _)| *last == whose) {
        spans.push(Span { from, to: None });
    }
    Ok(spans)
}

/// Whether such a deed is known.
///
/// # Errors
/// Where rows cannot be read.
pub(crate) fn is_there(
    deeds: &Ordered,
    browser: u32,
    kind: u8,
    at: At,
) -> Result<bool, redb::Error> {
    Ok(deeds.get(&deed_key(browser, kind, at))?.is_some())
}

/// How many deeds of a kind there are within a span.
///
/// # Errors
/// Where rows cannot be read.
pub(crate) fn count(
    deeds: &Ordered,
    browser: u32,
    kind: u8,
    span: Span,
) -> Result<u64, redb::Error> {
    let mut count = 0;
    for row in range(deeds, browser, kind, span, Way::Up)? {
        row?;
        count += 1;
    }
    Ok(count)
}

/// Deeds of a kind within a span.
fn range(
    deeds: &Ordered,
    browser: u32,
    kind: u8,
    span: Span,
    way: Way,
) -> Result<super::ordered::Merged<'_>, redb::Error> {
    let first = deed_key(browser, kind, span.from);
    let end = match span.to {
        Some(to) => Some(deed_key(browser, kind, to)),
        None => successor(&first[..5]),
    };
    deeds.range(&first, end.as_deref(), way)
}

/// What was said of a browser last, before this.
fn said_before(
    said: &Ordered,
    browser: u32,
    at: At,
) -> Result<Option<(At, ContactId)>, redb::Error> {
    let (first, end) = (browser.to_be_bytes(), said_key(browser, at));
    one_of(said.range(&first, Some(&end), Way::Down)?)
}

/// And first, at or behind it.
fn said_from(said: &Ordered, browser: u32, at: At) -> Result<Option<(At, ContactId)>, redb::Error> {
    let (first, end) = (said_key(browser, at), successor(&browser.to_be_bytes()));
    one_of(said.range(&first, end.as_deref(), Way::Up)?)
}

fn one_of(mut rows: super::ordered::Merged<'_>) -> Result<Option<(At, ContactId)>, redb::Error> {
    let row = rows.next().transpose()?;
    Ok(row.map(|(key, row)| (at_of(&key[4..]), contact_of(&row))))
}

fn contact_of(row: &[u8]) -> ContactId {
    ContactId(row.first_chunk().copied().unwrap_or_default())
}

fn said_key(browser: u32, at: At) -> Vec<u8> {
    [&browser.to_be_bytes()[..], &key_of(at)].concat()
}

fn deed_key(browser: u32, kind: u8, at: At) -> Vec<u8> {
    [&browser.to_be_bytes()[..], &[kind], &key_of(at)].concat()
}

fn of_key(contact: ContactId, browser: u32) -> Vec<u8> {
    [&contact.0[..], &browser.to_be_bytes()].concat()
}

/// As a part of a key: sixteen bytes that sort as it does.
pub(crate) fn key_of(At { time, seq }: At) -> [u8; 16] {
    let time = time.cast_unsigned() ^ 1 << 63;
    (u128::from(time) << 64 | u128::from(seq)).to_be_bytes()
}

/// What [`key_of`] made these bytes of, which a key ends with.
pub(crate) fn at_of(key: &[u8]) -> At {
    let both = u128::from_be_bytes(key.last_chunk().copied().unwrap_or_default());
    At {
        time: ((both >> 64) as u64 ^ 1 << 63).cast_signed(),
        // The lower half is meant.
        seq: both as u64,
    }
}
