//! The digests of contacts that were looked at last, packed, within a bound: what is not there is worked out of rows
//! again.
//!
//! ```text
//! first and last seen   1 and both instants, the second as what it lies behind the first; 0 of who was never seen
//! count, and of each leaf that goes through facts
//!   leaf                how much more than the one before
//!   holds               2 where it does; 1 more where there is an until
//!   until               behind 1970
//! of each event
//!   at                  behind the one before, or 1970
//!   shape               its number, by the workspace's shapes
//!   numbers             as many as the shape says: twice whole ones; of others 1, and the halves of 128 bits
//! ```
//!
//! Numbers are those of `runs::bytes`; instants are milliseconds since 1970.

use std::collections::HashMap;
use std::sync::Arc;

use super::catalogue::Catalogue;
use super::digest::{Carries, Digest, Event, InStream};
use super::remembered::Map;
use crate::record::WorkspaceId;
use crate::views::runs::bytes::{Bad, Bytes, put, put_signed};

/// Bytes that they take at the most, of all workspaces.
const MOST: usize = 128 * 1024 * 1024;
/// What one takes beside its bytes: its place, and what the allocator rounds up.
const BESIDE: usize = 48;
/// Instants of streams from which on a digest is not packed: to unpack it with every event would cost more.
const MANY: usize = 2_048;
/// Bytes that shapes take at the most, of all workspaces; then all begins anew.
const SHAPES: usize = 32 * 1024 * 1024;
/// Numbers are in billionths.
const WHOLE: i128 = 1_000_000_000;

/// See above.
#[derive(Default)]
pub(super) struct Digests {
    of_workspace: Map<WorkspaceId, OfWorkspace>,
    /// Those that were put last; and those before, which go all at once when these have become too many.
    young: Map<(WorkspaceId, u32), Stored>,
    old: Map<(WorkspaceId, u32), Stored>,
    /// Bytes of the young, and of those before.
    bytes: usize,
    old_bytes: usize,
    /// Bytes of the shapes.
    of_shapes: usize,
}

/// By which definitions digests are, and the shapes that events have by them.
struct OfWorkspace {
    catalogue: Arc<Catalogue>,
    shapes: Shapes,
}

#[derive(Default)]
struct Shapes {
    numbers: HashMap<Arc<[InStream]>, u32>,
    all: Vec<Arc<[InStream]>>,
    bytes: usize,
}

enum Stored {
    Packed(Box<[u8]>),
    Whole(Box<Digest>),
}

impl Digests {
    /// Lets go of what is by other definitions than these.
    pub(super) fn keep_by(&mut self, workspace: WorkspaceId, catalogue: &Arc<Catalogue>) {
        let known = self.of_workspace.get(&workspace);
        if known.is_none_or(|known| !Arc::ptr_eq(&known.catalogue, catalogue)) {
            self.begin_anew(workspace, catalogue);
        }
    }

    fn begin_anew(&mut self, workspace: WorkspaceId, catalogue: &Arc<Catalogue>) {
        let anew = OfWorkspace {
            catalogue: Arc::clone(catalogue),
            shapes: Shapes::default(),
        };
        if let Some(before) = self.of_workspace.insert(workspace, anew) {
            self.of_shapes = self.of_shapes.saturating_sub(before.shapes.bytes);
            self.young.retain(|(of, _), _| *of != workspace);
            self.old.retain(|(of, _), _| *of != workspace);
            let memory = |all: &Map<_, Stored>| all.values().map(Stored::memory).sum();
            (self.bytes, self.old_bytes) = (memory(&self.young), memory(&self.old));
        }
    }

    pub(super) fn take(&mut self, workspace: WorkspaceId, contact: u32) -> Option<Box<Digest>> {
        let key = (workspace, contact);
        let (stored, bytes) = match self.young.remove(&key) {
            Some(stored) => (stored, &mut self.bytes),
            None => (self.old.remove(&key)?, &mut self.old_bytes),
        };
        *bytes = bytes.saturating_sub(stored.memory());
        match stored {
            Stored::Whole(digest) => Some(digest),
            Stored::Packed(bytes) => {
                let shapes = &self.of_workspace.get(&workspace)?.shapes;
                // It was packed here; one that cannot be read would be worked out again.
                unpack(Bytes(&bytes), shapes).ok().map(Box::new)
            }
        }
    }

    pub(super) fn put(&mut self, workspace: WorkspaceId, contact: u32, digest: Box<Digest>) {
        let of_workspace = self.of_workspace.get_mut(&workspace);
        let Some(of_workspace) = of_workspace.filter(|_| digest.exists) else {
            return;
        };
        let shapes = &mut of_workspace.shapes;
        let before = shapes.bytes;
        let stored = if digest.hits() > MANY {
            Stored::Whole(digest)
        } else {
            Stored::Packed(pack(&digest, shapes).into())
        };
        self.of_shapes += shapes.bytes - before;
        if self.of_shapes > SHAPES {
            *self = Self::default();
            return;
        }
        self.bytes += stored.memory();
        self.young.insert((workspace, contact), stored);
        if self.bytes > MOST / 2 {
            self.old = std::mem::take(&mut self.young);
            self.old_bytes = std::mem::take(&mut self.bytes);
        }
    }

    /// About how many bytes of memory they take.
    pub(super) fn memory(&self) -> usize {
        self.bytes + self.old_bytes + self.of_shapes
    }
}

impl Stored {
    fn memory(&self) -> usize {
        BESIDE
            + match self {
                Self::Packed(bytes) => bytes.len(),
                Self::Whole(digest) => digest.memory(),
            }
    }
}

impl Shapes {
    fn number(&mut self, shape: &Arc<[InStream]>) -> u32 {
        if let Some(known) = self.numbers.get(shape) {
            return *known;
        }
        // They are bounded by their bytes.
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.all.push(Arc::clone(shape));
        self.bytes += size_of_val::<[InStream]>(shape) + BESIDE;
        self.numbers.insert(Arc::clone(shape), number);
        number
    }
}

fn pack(digest: &Digest, shapes: &mut Shapes) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(24 + digest.events.len() * 8);
    match (digest.first_seen, digest.last_seen) {
        (Some(first), Some(last)) => {
            put(&mut bytes, 1);
            put_signed(&mut bytes, first);
            put_signed(&mut bytes, last.wrapping_sub(first));
        }
        _ => put(&mut bytes, 0),
    }
    put(&mut bytes, digest.found.len() as u64);
    let mut before = 0;
    for (leaf, (holds, until)) in &digest.found {
        put(&mut bytes, u64::from(leaf - before));
        before = *leaf;
        put(
            &mut bytes,
            u64::from(*holds) << 1 | u64::from(until.is_some()),
        );
        if let Some(until) = until {
            put_signed(&mut bytes, *until);
        }
    }
    let mut before = 0_i64;
    for event in &digest.events {
        put_signed(&mut bytes, event.at.wrapping_sub(before));
        before = event.at;
        put(&mut bytes, u64::from(shapes.number(&event.shape)));
        for number in &event.numbers {
            put_number(&mut bytes, *number);
        }
    }
    bytes
}

fn put_number(bytes: &mut Vec<u8>, number: i128) {
    match i32::try_from(number / WHOLE) {
        Ok(whole) if number % WHOLE == 0 => put_signed(bytes, i64::from(whole) << 1),
        _ => {
            put_signed(bytes, 1);
            bytes.extend(number.to_le_bytes());
        }
    }
}

fn read_number(bytes: &mut Bytes<'_>) -> Result<i128, Bad> {
    Ok(match bytes.signed()? {
        1 => i128::from_le_bytes(bytes.array()?),
        whole => i128::from(whole >> 1) * WHOLE,
    })
}

fn unpack(mut bytes: Bytes<'_>, shapes: &Shapes) -> Result<Digest, Bad> {
    let mut digest = Digest::default();
    digest.exists = true;
    if bytes.number()? == 1 {
        let first = bytes.signed()?;
        digest.first_seen = Some(first);
        digest.last_seen = Some(first.wrapping_add(bytes.signed()?));
    }
    let mut leaf = 0_u32;
    for _ in 0..bytes.number()? {
        leaf = leaf.checked_add(bytes.small()?).ok_or(Bad)?;
        let said = bytes.number()?;
        let until = (said & 1 == 1).then(|| bytes.signed()).transpose()?;
        digest.found.push((leaf, (said & 2 == 2, until)));
    }
    let (mut events, mut at) = (Vec::with_capacity(bytes.0.len() / 6 + 1), 0_i64);
    while !bytes.is_empty() {
        at = at.wrapping_add(bytes.signed()?);
        let shape = shapes.all.get(bytes.small()? as usize).ok_or(Bad)?;
        let places = shape.iter().filter_map(|one| match one.carries {
            Carries::Number(place) => Some(usize::from(place) + 1),
            Carries::Nothing | Carries::Answer(_) => None,
        });
        let count = places.max().unwrap_or(0);
        let numbers = (0..count).map(|_| read_number(&mut bytes));
        events.push(Event {
            at,
            numbers: numbers.collect::<Result<_, Bad>>()?,
            shape: Arc::clone(shape),
        });
    }
    Ok(digest.with_events(events))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shape() -> impl Strategy<Value = Vec<InStream>> {
        let carries = prop_oneof![
            Just(Carries::Nothing),
            any::<bool>().prop_map(Carries::Answer),
            Just(Carries::Number(0)),
            Just(Carries::Number(1)),
        ];
        prop::collection::btree_map(0..20_u32, carries, 1..6).prop_map(|all| {
            let each = all.into_iter();
            each.map(|(stream, carries)| InStream { stream, carries })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn what_is_taken_is_what_was_put(
            seen in any::<Option<(i64, i64)>>(),
            found in prop::collection::btree_map(any::<u32>(), any::<(bool, Option<i64>)>(), 0..5),
            events in prop::collection::vec((any::<i64>(), shape(), any::<[i64; 2]>(), any::<bool>()), 0..12),
        ) {
            let mut events: Vec<Event> = events
                .into_iter()
                .map(|(at, shape, numbers, is_whole)| {
                    let count = shape.iter().filter_map(|one| match one.carries {
                        Carries::Number(place) => Some(usize::from(place) + 1),
                        _ => None,
                    });
                    let count = count.max().unwrap_or(0);
                    let times = if is_whole { WHOLE } else { 1 };
                    let numbers = numbers.into_iter().take(count);
                    Event {
                        at,
                        shape: shape.as_slice().into(),
                        numbers: numbers.map(|number| i128::from(number) * times).collect(),
                    }
                })
                .collect();
            events.sort_by_key(|event| event.at);
            let mut digest = Digest::default();
            digest.exists = true;
            digest.first_seen = seen.map(|seen| seen.0);
            digest.last_seen = seen.map(|seen| seen.1);
            digest.found = found.into_iter().collect();
            let digest = digest.with_events(events);
            let mut digests = Digests::default();
            let own = WorkspaceId(1);
            digests.keep_by(own, &Arc::default());
            digests.put(own, 7, Box::new(digest.clone()));
            let taken = digests.take(own, 7).unwrap();
            prop_assert_eq!(format!("{taken:?}"), format!("{digest:?}"));
            prop_assert!(digests.take(own, 7).is_none());
        }
    }
}
