//! Whose is what browsers did without an address: found in passes over the log, with memory that does not grow with
//! how much they did. Each pass takes as many browsers, and of them as many times at which one was told whose it is,
//! as are to be in memory; what comes behind them in their order is left to the next.

use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use shared::time::Timestamp;

use super::{Browser, LogError};
use crate::record::{ContactId, Seq, WorkspaceId};

/// So many browsers, times at which one was told whose it is, and deeds of theirs are in memory: 10 MB each or so. Few
/// where this tests itself.
pub(super) const MOST: usize = if cfg!(test) { 2 } else { 100_000 };

/// When something was done, and its place.
pub(super) type At = (Timestamp, Seq);
/// Something that a browser did.
type Deed = (Browser, At);

/// What a browser told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// Whose it is.
    Whose(ContactId),
    /// Nothing of that.
    Nothing,
}

/// Hands over what browsers did, in any order; all of it each time.
pub(super) type Pass<'a> = dyn FnMut(&mut Look<'_>) -> Result<(), LogError> + 'a;
/// Is told whom a browser said that it is of.
pub(super) type Owner<'a> = dyn FnMut(&Browser, At, ContactId) -> Result<(), LogError> + 'a;
pub(super) type Look<'a> = dyn FnMut(WorkspaceId, &str, At, Told) -> Result<(), LogError> + 'a;

/// Those of what is offered that come first by their keys, not before `start`: at most so many.
pub(super) struct Kept<K, V> {
    most: usize,
    start: Option<K>,
    rows: BTreeMap<K, V>,
    /// The first that is not kept.
    end: Option<(K, V)>,
}

impl<K: Ord, V> Kept<K, V> {
    pub(super) fn new(most: usize) -> Self {
        Self::from(None, most)
    }

    fn from(start: Option<K>, most: usize) -> Self {
        Self {
            most,
            start,
            rows: BTreeMap::new(),
            end: None,
        }
    }

    /// Whether it lies within what can be kept.
    fn takes(&self, key: &K) -> bool {
        self.start.as_ref().is_none_or(|start| start <= key)
            && self.end.as_ref().is_none_or(|(end, _)| key < end)
    }

    pub(super) fn offer(&mut self, key: K, value: V) {
        if !self.takes(&key) {
            return;
        }
        match self.rows.entry(key) {
            Slot::Occupied(mut known) => drop(known.insert(value)),
            Slot::Vacant(new) => {
                new.insert(value);
                if self.rows.len() > self.most {
                    self.end = self.rows.pop_last();
                }
            }
        }
    }
}

/// Browsers that somebody who is erased has used.
pub(super) type Browsers = Kept<Browser, ()>;

/// Finds whose each deed without an address is that these browsers did, and hands it over to `each`; and to `told` whom
/// each browser said that it is of, browser by browser and each in the order of time. `gather` offers all such browsers
/// again, where there are more of them than are kept; `pass` what browsers did.
///
/// # Errors
/// Those of the passes, of `told` and of `each`.
pub(super) fn each_deed(
    mut browsers: Browsers,
    gather: &mut dyn FnMut(&mut Browsers) -> Result<(), LogError>,
    pass: &mut Pass<'_>,
    told: &mut Owner<'_>,
    each: &mut dyn FnMut(WorkspaceId, ContactId, Seq) -> Result<(), LogError>,
) -> Result<(), LogError> {
    loop {
        let most = browsers.most;
        let mut members: HashMap<WorkspaceId, BTreeSet<String>> = HashMap::new();
        for ((workspace, browser), ()) in browsers.rows {
            members.entry(workspace).or_default().insert(browser);
        }
        if !members.is_empty() {
            of_these(&members, most, pass, told, each)?;
        }
        let Some((start, ())) = browsers.end else {
            return Ok(());
        };
        tracing::info!(
            at_once = most,
            "those who are erased have used more browsers than are in memory at once: the log is read again for the next"
        );
        browsers = Kept::from(Some(start), most);
        gather(&mut browsers)?;
    }
}

fn of_these(
    members: &HashMap<WorkspaceId, BTreeSet<String>>,
    most: usize,
    pass: &mut Pass<'_>,
    told: &mut Owner<'_>,
    each: &mut dyn FnMut(WorkspaceId, ContactId, Seq) -> Result<(), LogError>,
) -> Result<(), LogError> {
    let is_member = |workspace: WorkspaceId, browser: &str| {
        let members = members.get(&workspace);
        members.is_some_and(|members| members.contains(browser))
    };
    let mut start: Option<Deed> = None;
    loop {
        let mut owners = Owners(Kept::from(start.clone(), most));
        let mut deeds: Kept<Deed, ()> = Kept::from(start.clone(), most);
        pass(&mut |workspace, browser, at, said| {
            if is_member(workspace, browser) {
                let deed = ((workspace, browser.to_owned()), at);
                match said {
                    Told::Whose(contact) => owners.0.offer(deed, contact),
                    Told::Nothing => deeds.offer(deed, ()),
                }
            }
            Ok(())
        })?;
        for ((browser, at), contact) in &owners.0.rows {
            told(browser, *at, *contact)?;
        }
        let mut hand_over = |deed: &Deed| match owners.of(deed) {
            Some(owner) => each(deed.0.0, owner, deed.1.1),
            None => Ok(()),
        };
        if deeds.end.is_none() {
            let mut within = deeds.rows.keys().filter(|deed| owners.0.takes(deed));
            within.try_for_each(&mut hand_over)?;
        } else {
            // More than are to be in memory: each as it comes by.
            pass(&mut |workspace, browser, at, said| {
                if said == Told::Nothing && is_member(workspace, browser) {
                    let deed = ((workspace, browser.to_owned()), at);
                    if owners.0.takes(&deed) {
                        return hand_over(&deed);
                    }
                }
                Ok(())
            })?;
        }
        match owners.0.end {
            Some((end, _)) => start = Some(end),
            None => return Ok(()),
        }
    }
}

/// Whose browsers are said to be, and from when on.
struct Owners(Kept<Deed, ContactId>);

impl Owners {
    /// To whom the latest at or before it says that it belongs, else the earliest behind it. The deed must lie within
    /// what is kept.
    fn of(&self, deed: &Deed) -> Option<ContactId> {
        let (browser, _) = deed;
        let is_same = |((other, _), _): &(&Deed, &ContactId)| other == browser;
        let latest = self.0.rows.range(..=deed).next_back().filter(is_same);
        let found = latest.or_else(|| self.0.rows.range(deed..).next().filter(is_same));
        let found = found.map(|(_, owner)| *owner);
        found.or_else(|| {
            let end = self.0.end.as_ref();
            end.and_then(|((other, _), owner)| (other == browser).then_some(*owner))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Browser, time and what was told; the place is that in the list.
    type Done = (u32, u8, i64, Option<u8>);

    fn browser(number: u8) -> String {
        format!("browser-{number}")
    }

    /// By the rule itself.
    fn by_rule(all: &[Done], members: &BTreeSet<(u32, u8)>) -> BTreeMap<u64, u8> {
        let mut found = BTreeMap::new();
        for (seq, (workspace, browser, time, told)) in (0_u64..).zip(all) {
            if told.is_some() || !members.contains(&(*workspace, *browser)) {
                continue;
            }
            let said = (0_u64..).zip(all).filter_map(|(seq, other)| {
                let is_same = (other.0, other.1) == (*workspace, *browser);
                is_same.then_some(((other.2, seq), other.3?))
            });
            let said: BTreeMap<_, _> = said.collect();
            let latest = said.range(..=(*time, seq)).next_back();
            if let Some((_, owner)) = latest.or_else(|| said.first_key_value()) {
                found.insert(seq, *owner);
            }
        }
        found
    }

    proptest! {
        #[test]
        fn however_little_is_in_memory_each_deed_is_found_and_whose_it_is(
            all in prop::collection::vec(
                (0..2_u32, 0..4_u8, 0..12_i64, prop::option::weighted(0.4, 0..3_u8)), 0..60,
            ),
            members in prop::collection::btree_set((0..2_u32, 0..4_u8), 0..8),
            most in 1..9_usize,
        ) {
            let mut gather = |browsers: &mut Browsers| {
                for (workspace, number) in &members {
                    browsers.offer((WorkspaceId(*workspace), browser(*number)), ());
                }
                Ok(())
            };
            let mut first = Browsers::new(most);
            gather(&mut first).unwrap();
            let mut pass = |look: &mut Look<'_>| {
                for (seq, (workspace, number, time, told)) in (0_u64..).zip(&all) {
                    let at = (Timestamp::from_millis(*time), Seq(seq));
                    let told = match told {
                        Some(owner) => Told::Whose(ContactId([*owner; 16])),
                        None => Told::Nothing,
                    };
                    look(WorkspaceId(*workspace), &browser(*number), at, told)?;
                }
                Ok(())
            };
            let (mut found, mut told) = (BTreeMap::new(), Vec::new());
            let mut note = |(workspace, browser): &Browser, (time, seq): At, owner: ContactId| {
                told.push(((workspace.0, browser.clone()), time.as_millis(), seq.0, owner.0[0]));
                Ok(())
            };
            each_deed(first, &mut gather, &mut pass, &mut note, &mut |_, owner, seq| {
                // Nothing is handed over twice.
                assert_eq!(found.insert(seq.0, owner.0[0]), None);
                Ok(())
            })
            .unwrap();
            prop_assert_eq!(found, by_rule(&all, &members));
            let said = (0_u64..).zip(&all).filter_map(|(seq, (workspace, number, time, owner))| {
                let is_member = members.contains(&(*workspace, *number));
                is_member.then_some(((*workspace, browser(*number)), *time, seq, (*owner)?))
            });
            let mut said: Vec<_> = said.collect();
            said.sort();
            prop_assert_eq!(told, said);
        }
    }
}
