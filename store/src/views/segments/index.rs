//! Who reads what, found by the name of an event, and by the text at a path where somebody asks for that, however many
//! they are.

use std::collections::HashMap;

use shared::segment::value::Value;

use crate::record::segments::{Concern, Reads};

/// Places of whoever reads something: of definitions, leaves or streams.
#[derive(Debug, Default)]
pub(super) struct Index {
    names: HashMap<String, Named>,
    prefixes: Vec<(String, usize)>,
    every: Vec<usize>,
    traits: Vec<usize>,
    purchases: Vec<usize>,
    messages: Vec<usize>,
    sends: Vec<usize>,
    first_seen: Vec<usize>,
    last_seen: Vec<usize>,
    score: Vec<usize>,
}

/// Who reads events of one name.
#[derive(Debug, Default)]
struct Named {
    all: Vec<usize>,
    /// By path and by the text there.
    by_text: HashMap<String, HashMap<String, Vec<usize>>>,
}

impl Index {
    pub(super) fn add(&mut self, at: usize, reads: &Reads) {
        for (name, text) in &reads.events {
            let named = self.names.entry(name.as_str().to_owned()).or_default();
            let list = match text {
                Some((path, text)) => {
                    let texts = named.by_text.entry(path.clone()).or_default();
                    texts.entry(text.clone()).or_default()
                }
                None => &mut named.all,
            };
            list.push(at);
        }
        let prefixes = reads.prefixes.iter().cloned();
        self.prefixes.extend(prefixes.map(|prefix| (prefix, at)));
        for (list, is_read) in [
            (&mut self.every, reads.every_event),
            (&mut self.traits, reads.traits),
            (&mut self.purchases, reads.purchases),
            (&mut self.messages, reads.messages),
            (&mut self.sends, reads.sends),
            (&mut self.first_seen, reads.first_seen),
            (&mut self.last_seen, reads.last_seen),
            (&mut self.score, reads.score),
        ] {
            if is_read {
                list.push(at);
            }
        }
    }

    /// Adds who may read an event of this name with these properties; the same one more than once, perhaps.
    pub(super) fn of_event(&self, name: &str, properties: &Value, found: &mut Vec<usize>) {
        found.extend(&self.every);
        let prefixes = self.prefixes.iter();
        let begins = prefixes.filter(|(prefix, _)| name.starts_with(prefix.as_str()));
        found.extend(begins.map(|(_, at)| *at));
        let Some(named) = self.names.get(name) else {
            return;
        };
        found.extend(&named.all);
        for (path, texts) in &named.by_text {
            if let Some(Value::Text(text)) = properties.at(path)
                && let Some(list) = texts.get(text)
            {
                found.extend(list);
            }
        }
    }

    /// Adds who may read something that is no matter of an event's name.
    pub(super) fn of_concern(&self, concern: Concern, found: &mut Vec<usize>) {
        for (list, is_concerned) in [
            (&self.traits, concern.traits),
            (&self.purchases, concern.purchases),
            (&self.messages, concern.messages),
            (&self.sends, concern.sends),
            (&self.first_seen, concern.first_seen),
            (&self.last_seen, concern.last_seen),
            (&self.score, concern.score),
        ] {
            if is_concerned {
                found.extend(list);
            }
        }
    }
}
