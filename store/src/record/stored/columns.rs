//! The entries of a block field by field, so that what resembles each other lies side by side and compresses well.
//!
//! ```text
//! for each stretch of 64 entries: for each column: how many bytes of it are theirs
//! each column: for each entry, what it has there
//!   times:   receivedAt less that of the entry before (of the first in a stretch: less 0), time less receivedAt
//!   teller:  time_sent, source, key_id, verified, class, rounded, ignored_fields, redacted
//!   address: address
//!   names:   anonymous_id, message_id
//!   facts:   fact, money
//!   client:  context, client
//!   behind:  what came to be kept later (`extra`), with its length
//! ```
//! All of it in postcard. One entry is read without those of other stretches.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::ids::EventId;

use super::{BadRecord, StoredEntry, StoredFact, UNDECODED};
use crate::record::{Address, Class, Client, Entry, Source, WorkspaceId, extra};

/// Entries of a stretch. Part of the layout.
const STRETCH: usize = 64;
const COLUMNS: usize = 7;
const TIMES: usize = 0;
const TELLER: usize = 1;
const ADDRESS: usize = 2;
const NAMES: usize = 3;
const FACTS: usize = 4;
const CLIENT: usize = 5;
const BEHIND: usize = 6;

/// Entries on their way into a block.
#[derive(Default)]
pub(crate) struct Columns {
    columns: [Vec<u8>; COLUMNS],
    /// How long each column was where each stretch began.
    stretches: Vec<[usize; COLUMNS]>,
    count: usize,
    /// When the last entry arrived.
    received: i64,
}

impl Columns {
    /// Forgets all entries and keeps their memory.
    pub(crate) fn clear(&mut self) {
        self.columns.iter_mut().for_each(Vec::clear);
        self.stretches.clear();
        self.count = 0;
    }

    /// Adds an entry behind the others.
    ///
    /// # Errors
    /// Where there is no memory. What was added is undefined then.
    pub(crate) fn push(&mut self, entry: &Entry) -> postcard::Result<()> {
        if self.count.is_multiple_of(STRETCH) {
            self.stretches.push(self.columns.each_ref().map(Vec::len));
            self.received = 0;
        }
        self.count += 1;
        let StoredEntry {
            time,
            time_sent,
            received_at,
            source,
            key_id,
            verified,
            address,
            anonymous_id,
            message_id,
            fact,
            money,
            rounded,
            context,
            client,
            class,
            ignored_fields,
            redacted,
        } = StoredEntry::of(entry);
        let since = received_at.wrapping_sub(self.received);
        self.received = received_at;
        let columns = &mut self.columns;
        put(
            &mut columns[TIMES],
            &(since, time.wrapping_sub(received_at)),
        )?;
        let teller = (
            time_sent,
            source,
            key_id,
            verified,
            class,
            rounded,
            ignored_fields,
            redacted,
        );
        put(&mut columns[TELLER], &teller)?;
        put(&mut columns[ADDRESS], &address)?;
        put(&mut columns[NAMES], &(anonymous_id, message_id))?;
        put(&mut columns[FACTS], &(fact, money))?;
        put(&mut columns[CLIENT], &(context, client))?;
        put(&mut columns[BEHIND], &extra::write(entry, Vec::new())?)
    }

    /// Writes them behind what has been written.
    ///
    /// # Errors
    /// That of [`Self::push`].
    pub(crate) fn write(&self, mut to: Vec<u8>) -> postcard::Result<Vec<u8>> {
        let ends = self.columns.each_ref().map(Vec::len);
        let nexts = self.stretches.iter().skip(1).chain([&ends]);
        for (start, end) in self.stretches.iter().zip(nexts) {
            for column in 0..COLUMNS {
                to = postcard::to_extend(&(end[column] - start[column]), to)?;
            }
        }
        for column in &self.columns {
            to.extend_from_slice(column);
        }
        Ok(to)
    }
}

fn put(column: &mut Vec<u8>, value: &impl Serialize) -> postcard::Result<()> {
    *column = postcard::to_extend(value, std::mem::take(column))?;
    Ok(())
}

/// What stands in the column of who told.
type Teller = (
    bool,
    Source,
    Option<Cow<'static, str>>,
    bool,
    Option<(Class, Cow<'static, str>)>,
    bool,
    Vec<String>,
    bool,
);

/// Reads entries of a block one after the other.
pub(crate) struct Reader<'a> {
    columns: [&'a [u8]; COLUMNS],
    /// The entry that is read next.
    next: usize,
    received: i64,
}

impl<'a> Reader<'a> {
    /// Of a block of `count` entries, from the stretch on that holds the one at this place: [`Self::next`] says
    /// where that begins.
    ///
    /// # Errors
    /// [`BadRecord`], where the bytes are none.
    pub(crate) fn of(mut bytes: &'a [u8], count: usize, place: usize) -> Result<Self, BadRecord> {
        let stretch = place.min(count) / STRETCH;
        let (mut passed, mut lengths) = ([0_usize; COLUMNS], [0_usize; COLUMNS]);
        for at in 0..count.div_ceil(STRETCH) {
            for column in 0..COLUMNS {
                let length = take::<usize>(&mut bytes)?;
                let sum = lengths[column].checked_add(length).ok_or(UNDECODED)?;
                lengths[column] = sum;
                if at < stretch {
                    passed[column] = sum;
                }
            }
        }
        let mut columns = [&[] as &[u8]; COLUMNS];
        for column in 0..COLUMNS {
            let (own, rest) = bytes.split_at_checked(lengths[column]).ok_or(UNDECODED)?;
            // They are sums of the same lengths.
            columns[column] = own.get(passed[column]..).ok_or(UNDECODED)?;
            bytes = rest;
        }
        if !bytes.is_empty() {
            return Err(LEFT_OVER);
        }
        Ok(Self {
            columns,
            next: stretch * STRETCH,
            received: 0,
        })
    }

    /// The place of the entry that is read next.
    pub(crate) fn next(&self) -> usize {
        self.next
    }

    /// Reads the next entry, whose workspace and id lie elsewhere.
    ///
    /// # Errors
    /// [`BadRecord`], where there is none.
    pub(crate) fn read(&mut self, workspace: WorkspaceId, id: EventId) -> Result<Entry, BadRecord> {
        if self.next.is_multiple_of(STRETCH) {
            self.received = 0;
        }
        self.next += 1;
        let columns = &mut self.columns;
        let (since, after) = take::<(i64, i64)>(&mut columns[TIMES])?;
        let received_at = self.received.wrapping_add(since);
        self.received = received_at;
        let (time_sent, source, key_id, verified, class, rounded, ignored_fields, redacted) =
            take::<Teller>(&mut columns[TELLER])?;
        let address = take::<Option<Address>>(&mut columns[ADDRESS])?;
        let (anonymous_id, message_id) = take(&mut columns[NAMES])?;
        let (fact, money) = take::<(StoredFact<'static>, _)>(&mut columns[FACTS])?;
        let (context, client) = take::<(_, Option<Client>)>(&mut columns[CLIENT])?;
        let behind = take_borrowed::<&[u8]>(&mut columns[BEHIND])?;
        let stored = StoredEntry {
            time: received_at.wrapping_add(after),
            time_sent,
            received_at,
            source,
            key_id,
            verified,
            address: address.map(Cow::Owned),
            anonymous_id,
            message_id,
            fact,
            money,
            rounded,
            context,
            client: client.map(Cow::Owned),
            class,
            ignored_fields: ignored_fields.into(),
            redacted,
        };
        let extras = extra::read(behind).map_err(|_| UNDECODED)?;
        stored.into_entry(workspace, id, extras)
    }

    /// Nothing may be left where the last entry has been read.
    ///
    /// # Errors
    /// [`BadRecord`], where there is.
    pub(crate) fn end(self) -> Result<(), BadRecord> {
        let is_left = self.columns.iter().any(|column| !column.is_empty());
        if is_left { Err(LEFT_OVER) } else { Ok(()) }
    }
}

const LEFT_OVER: BadRecord = BadRecord("bytes are left over behind the records");

fn take<T: DeserializeOwned>(column: &mut &[u8]) -> Result<T, BadRecord> {
    take_borrowed(column)
}

fn take_borrowed<'a, T: Deserialize<'a>>(column: &mut &'a [u8]) -> Result<T, BadRecord> {
    let (value, rest) = postcard::take_from_bytes(column).map_err(|_| UNDECODED)?;
    *column = rest;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::laws::{from_page, paid, viewed};

    fn entries(count: usize) -> Vec<Entry> {
        let each = (0..u32::try_from(count).unwrap()).map(|number| match number % 3 {
            0 => viewed(number),
            1 => paid(number, &format!("o{number}"), 7),
            _ => from_page(viewed(number)),
        });
        each.collect()
    }

    fn written(entries: &[Entry]) -> Vec<u8> {
        let mut columns = Columns::default();
        // Nothing of a block before is left.
        columns.push(&viewed(9_999)).unwrap();
        columns.clear();
        entries
            .iter()
            .for_each(|entry| columns.push(entry).unwrap());
        columns.write(vec![1, 2]).unwrap().split_off(2)
    }

    #[test]
    fn entries_come_back_from_whichever_stretch_they_are_read() {
        for count in [1, 63, 64, 65, 200] {
            let entries = entries(count);
            let bytes = written(&entries);
            for place in [0, 1, 63, 64, 130, 199] {
                let mut reader = Reader::of(&bytes, count, place).unwrap();
                let first = reader.next();
                assert!(first <= place && first.is_multiple_of(STRETCH), "{place}");
                for entry in entries.iter().skip(first) {
                    let read = reader.read(entry.workspace, entry.id).unwrap();
                    assert_eq!(read, *entry);
                }
                reader.end().unwrap();
            }
        }
    }

    #[test]
    fn what_is_cut_short_or_too_long_is_refused() {
        let entries = entries(70);
        let bytes = written(&entries);
        let read_all = |bytes: &[u8]| -> Result<(), BadRecord> {
            let mut reader = Reader::of(bytes, entries.len(), 0)?;
            for entry in &entries {
                reader.read(entry.workspace, entry.id)?;
            }
            reader.end()
        };
        read_all(&bytes).unwrap();
        for length in (0..bytes.len()).step_by(7) {
            read_all(&bytes[..length]).unwrap_err();
        }
        read_all(&[&bytes[..], &[0]].concat()).unwrap_err();
    }
}
