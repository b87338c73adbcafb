//! The classifier against labelled cases, agents of crawlers and of people, and its own promises.

#[path = "../../tests/data/agents/mail_clients.rs"]
mod mail_clients;

mod agents;
mod cases;
mod field;
mod one_way;
mod relay_list;
mod rules;
mod unsubscribes;

use super::*;
use crate::record::Class;

/// The class and reason of an agent without anything else.
fn open_by(agent: &str) -> Judgement {
    classify(&Evidence::of_agent(HitKind::Open, Some(agent)))
}

fn is_genuine(class: Class) -> bool {
    matches!(class, Class::Human | Class::ProxyHuman)
}

/// The lines of a data file, without comments.
fn lines(file: &str) -> impl Iterator<Item = &str> {
    file.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}
