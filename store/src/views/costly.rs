//! Answers that take long to find: given again for a while, in which nothing else is asked for the like. So asking takes a
//! small part of the time, however often somebody does.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::locks::lock;

/// So many times as long as an answer took it is given again: one that is found at once, hardly ever.
const TIMES: u32 = 20;
/// Answers that are known at once; with more all of them go.
const MOST: usize = 10_000;

/// See above.
pub(super) struct Costly<K, V>(Mutex<HashMap<K, Answer<V>>>);

struct Answer<V> {
    value: V,
    until: Instant,
}

impl<K, V> Default for Costly<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Costly<K, V> {
    /// What was found last, where that is to be given again.
    pub(super) fn get(&self, key: &K, now: Instant) -> Option<V> {
        let known = lock(&self.0);
        let answer = known.get(key).filter(|answer| now < answer.until)?;
        Some(answer.value.clone())
    }

    /// Notes what was found, and how long that took.
    pub(super) fn put(&self, key: K, value: V, now: Instant, took: Duration) {
        let mut known = lock(&self.0);
        if known.len() >= MOST && !known.contains_key(&key) {
            known.clear();
        }
        let until = now + took * TIMES;
        known.insert(key, Answer { value, until });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_given_again_for_twenty_times_as_long_as_it_took() {
        let costly = Costly::default();
        let now = Instant::now();
        costly.put("a", 1, now, Duration::from_secs(2));
        costly.put("b", 2, now, Duration::ZERO);
        assert_eq!(costly.get(&"a", now + Duration::from_secs(39)), Some(1));
        assert_eq!(costly.get(&"a", now + Duration::from_secs(40)), None);
        assert_eq!(costly.get(&"b", now), None);
    }

    #[test]
    fn no_more_answers_are_known_than_are_to_be() {
        let costly = Costly::default();
        let now = Instant::now();
        for key in 0..=MOST {
            costly.put(key, (), now, Duration::from_secs(1));
        }
        assert_eq!(costly.get(&0, now), None);
        assert_eq!(costly.get(&MOST, now), Some(()));
        assert_eq!(lock(&costly.0).len(), 1);
    }
}
