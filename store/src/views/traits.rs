//! What is known of contacts beside what they did: traits, as `identify` tells them.
//!
//! Of each key the latest value counts, by the time of the event and then by its place in the log, whatever arrived
//! first; `null` unsets. What a server has set no page overwrites. So both are kept of a key: what servers said last,
//! and what pages did.
//!
//! A view that needs traits of its own cursor has a table of them, and hands it over here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::ordered::Ordered;
use crate::record::{Entry, Fact, Source};

/// So many keys of a contact are kept, those that are unset among them: whoever writes into a page must not make a row
/// of one contact grow at will. Keys that come behind them are passed over.
pub(crate) const MOST_KEYS: usize = 1_000;

/// A trait as it holds.
#[derive(Clone, PartialEq, Eq)]
pub struct Trait {
    /// JSON, in the caller's own text.
    pub value: String,
    /// When it was so, in milliseconds since 1970.
    pub time: i64,
    /// A server has said so: no page changes it.
    pub is_servers: bool,
}

/// Hides what is known of a person.
impl std::fmt::Debug for Trait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trait")
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}

/// What was said of a key.
#[derive(Serialize, Deserialize)]
struct Said {
    time: i64,
    seq: u64,
    /// `null` where it was unset.
    value: String,
}

impl Said {
    fn at(&self) -> (i64, u64) {
        (self.time, self.seq)
    }

    fn is_set(&self) -> bool {
        self.value != "null"
    }
}

/// The latest of each.
#[derive(Default, Serialize, Deserialize)]
struct Latest {
    server: Option<Said>,
    page: Option<Said>,
}

impl Latest {
    /// What holds.
    fn holds(self) -> Option<Trait> {
        let (said, is_servers) = match (self.server, self.page) {
            (Some(server), Some(page)) if !server.is_set() && page.at() > server.at() => {
                (page, false)
            }
            (Some(server), _) => (server, true),
            (None, page) => (page?, false),
        };
        said.is_set().then_some(Trait {
            value: said.value,
            time: said.time,
            is_servers,
        })
    }
}

/// The table of traits, open for a fold. Key: the contact's number (u32, big-endian), the trait's key. Value:
/// postcard of [`Latest`].
pub(crate) struct Traits<'a>(pub(crate) &'a mut Ordered);

impl Traits<'_> {
    /// Takes in what an event says of the contact with this number; `time` in milliseconds since 1970.
    ///
    /// # Errors
    /// Where rows cannot be read.
    pub(crate) fn see(
        &mut self,
        number: u32,
        entry: &Entry,
        time: i64,
        seq: u64,
    ) -> Result<(), redb::Error> {
        let Fact::Identify {
            traits: Some(traits),
        } = &entry.fact
        else {
            return Ok(());
        };
        // They were checked when they came in.
        let said: BTreeMap<String, Box<RawValue>> =
            serde_json::from_str(&traits.0).unwrap_or_default();
        // Counted once there is a new one.
        let mut known = None;
        for (key, value) in said {
            let row_key = row_key(number, &key);
            let before: Option<Latest> =
                self.0.get(&row_key)?.map(|row| decode(&row)).transpose()?;
            if before.is_none() {
                let known = match &mut known {
                    Some(known) => known,
                    None => known.insert(self.0.beginning_with(&number.to_be_bytes())?.count()),
                };
                if *known >= MOST_KEYS {
                    continue;
                }
                *known += 1;
            }
            let mut latest = before.unwrap_or_default();
            let whose = match entry.source() {
                Source::Browser => &mut latest.page,
                Source::Server | Source::Mail => &mut latest.server,
            };
            if whose.as_ref().is_some_and(|last| last.at() > (time, seq)) {
                continue;
            }
            *whose = Some(Said {
                time,
                seq,
                value: value.get().to_owned(),
            });
            let row = postcard::to_allocvec(&latest)
                .map_err(|error| redb::Error::Corrupted(error.to_string()))?;
            self.0.insert(&row_key, &row);
        }
        Ok(())
    }

    /// Takes out what is known of the contact with this number.
    ///
    /// # Errors
    /// Where rows cannot be read.
    pub(crate) fn forget(&mut self, number: u32) -> Result<(), redb::Error> {
        let keys = self.0.beginning_with(&number.to_be_bytes())?;
        let keys: Vec<Vec<u8>> = keys
            .map(|row| Ok(row?.0.into_owned()))
            .collect::<Result<_, redb::Error>>()?;
        for key in keys {
            self.0.remove(&key)?;
        }
        Ok(())
    }
}

/// What holds of the contact with this number, by key.
///
/// # Errors
/// Where rows cannot be read.
pub(crate) fn of(table: &Ordered, number: u32) -> Result<BTreeMap<String, Trait>, redb::Error> {
    let mut traits = BTreeMap::new();
    for row in table.beginning_with(&number.to_be_bytes())? {
        let (key, row) = row?;
        if let Some(held) = held(&row)? {
            traits.insert(String::from_utf8_lossy(&key[4..]).into_owned(), held);
        }
    }
    Ok(traits)
}

fn held(row: &[u8]) -> Result<Option<Trait>, redb::Error> {
    let latest: Latest = decode(row)?;
    Ok(latest.holds())
}

fn row_key(number: u32, key: &str) -> Vec<u8> {
    [&number.to_be_bytes(), key.as_bytes()].concat()
}

fn decode(row: &[u8]) -> Result<Latest, redb::Error> {
    // A row that does not decode means the file: it is built anew then.
    postcard::from_bytes(row).map_err(|error| redb::Error::Corrupted(error.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::{Personal, ToldBy, Visitor};
    use crate::views::history::{NOW, entry};

    const WHO: u32 = 7;

    /// Minutes, whether a page says so, the JSON.
    type One = (i64, bool, String);

    fn told(all: &[(u64, One)]) -> Ordered {
        let mut table = Ordered::default();
        for (seq, (minute, is_page, traits)) in all {
            let entry = Entry {
                told_by: match is_page {
                    true => ToldBy::browser(Visitor {
                        client: None,
                        class: None,
                    }),
                    false => ToldBy::server(),
                },
                fact: Fact::Identify {
                    traits: Some(Personal(traits.clone())),
                },
                ..entry(1)
            };
            let time = NOW + minute * 60_000;
            Traits(&mut table).see(WHO, &entry, time, *seq).unwrap();
        }
        table
    }

    fn shown(table: &Ordered) -> Vec<(String, String)> {
        let traits = of(table, WHO).unwrap().into_iter();
        traits.map(|(key, held)| (key, held.value)).collect()
    }

    fn by(traits: &[(i64, bool, &str)]) -> Vec<(String, String)> {
        let all = traits
            .iter()
            .map(|(at, page, json)| (*at, *page, (*json).to_owned()));
        shown(&told(&(1..).zip(all).collect::<Vec<_>>()))
    }

    fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
        let all = all.iter();
        all.map(|(key, value)| ((*key).into(), (*value).into()))
            .collect()
    }

    #[test]
    fn traits_merge_and_the_later_one_holds() {
        let first = (1, false, r#"{"plan":"free","seats":1}"#);
        let second = (2, false, r#"{"plan":"pro"}"#);
        let expected = pairs(&[("plan", r#""pro""#), ("seats", "1")]);
        assert_eq!(by(&[first, second]), expected);
        assert_eq!(by(&[second, first]), expected);
    }

    #[test]
    fn null_unsets_and_a_late_one_of_before_changes_nothing() {
        let unset = (5, false, r#"{"plan":null}"#);
        assert_eq!(by(&[(1, false, r#"{"plan":"pro"}"#), unset]), []);
        assert_eq!(by(&[unset, (4, false, r#"{"plan":"pro"}"#)]), []);
        let later = (6, false, r#"{"plan":"pro"}"#);
        assert_eq!(by(&[later, unset]), pairs(&[("plan", r#""pro""#)]));
    }

    #[test]
    fn what_a_server_has_set_no_page_overwrites_until_it_is_unset() {
        let server = (1, false, r#"{"plan":"pro","a":1}"#);
        let page = (9, true, r#"{"plan":"free","b":2}"#);
        let expected = pairs(&[("a", "1"), ("b", "2"), ("plan", r#""pro""#)]);
        assert_eq!(by(&[server, page]), expected);
        assert_eq!(by(&[page, server]), expected);
        let unset = (2, false, r#"{"plan":null,"a":null}"#);
        let expected = pairs(&[("b", "2"), ("plan", r#""free""#)]);
        assert_eq!(by(&[server, page, unset]), expected);
        // What a page said before the server unset it does not come back.
        assert_eq!(by(&[(1, true, r#"{"a":1}"#), unset]), []);
    }

    #[test]
    fn keys_beyond_the_bound_are_passed_over_and_known_ones_go_on() {
        let many = |from: usize, to: usize, value: u8| {
            let all = (from..to).map(|key| format!(r#""k{key}":{value}"#));
            format!("{{{}}}", all.collect::<Vec<_>>().join(","))
        };
        let all = [(1, true, many(0, 900, 1)), (2, true, many(0, 1_200, 2))];
        let table = told(&(1..).zip(all).collect::<Vec<_>>());
        let traits = of(&table, WHO).unwrap();
        assert_eq!(traits.len(), MOST_KEYS);
        assert!(traits.values().all(|held| held.value == "2"));
    }

    #[test]
    fn nothing_is_left_of_who_is_forgotten_and_everything_of_others() {
        let one = |minute| (minute, false, r#"{"plan":"pro"}"#.to_owned());
        let mut table = told(&[(1, one(1))]);
        let other = WHO + 1;
        table.insert(
            &row_key(other, "plan"),
            &table.get(&row_key(WHO, "plan")).unwrap().unwrap(),
        );
        Traits(&mut table).forget(WHO).unwrap();
        assert_eq!(of(&table, WHO).unwrap().len(), 0);
        assert_eq!(one_of(&table, other), Some("\"pro\"".to_owned()));
        assert_eq!(one_of(&table, WHO), None);
    }

    fn one_of(table: &Ordered, number: u32) -> Option<String> {
        let held = of(table, number).unwrap().remove("plan");
        held.map(|held| held.value)
    }

    proptest! {
        #[test]
        fn any_order_of_arrival_comes_to_the_same(
            (all, shuffled) in prop::collection::vec(
                (0..6_i64, any::<bool>(), 0..3_u8, prop_oneof![Just("null"), Just("1"), Just("\"x\"")]), 0..12,
            ).prop_flat_map(|all| {
                let one = |(at, page, key, value): (i64, bool, u8, &str)| (at, page, format!(r#"{{"k{key}":{value}}}"#));
                let all: Vec<_> = (1_u64..).zip(all.into_iter().map(one)).collect();
                (Just(all.clone()), Just(all).prop_shuffle())
            }),
        ) {
            prop_assert_eq!(shown(&told(&all)), shown(&told(&shuffled)));
        }
    }
}
