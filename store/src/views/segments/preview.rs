//! What a definition that nobody keeps comes to, and who would move under it: asked of what is kept of every contact, on
//! a snapshot, while the fold goes on.

use std::collections::BTreeSet;

use shared::segment::Definition;
use shared::segment::facts::{Fact, FactKind, History};
use shared::segment::preview::{Mentions, lacks_zone};
use shared::segment::tree::{Leaf, NamePattern, Scalar, Test};
use shared::segment::value::Value;
use shared::time::Timestamp;

use super::catalogue::Catalogue;
use super::kept::{self, Kept};
use super::people::{add_of_orders, contact_in, kept_of, seq_in};
use super::read::of_segments;
use super::stands::standings_of;
use super::{BROWSERS, FACTS};
use crate::record::{ContactId, SegmentBook, WorkspaceId};
use crate::views::engagement::rows::{decode, key};
use crate::views::rows::Rows;
use crate::views::{ViewError, Views, terms};

/// What a definition that nobody keeps comes to.
#[derive(Clone, Default)]
pub struct Preview {
    pub count: u64,
    /// The first of them.
    pub members: Vec<Option<String>>,
    /// What each condition leaves.
    pub steps: Vec<(String, u64)>,
    /// For how many it matters what `includeNew` says; `None` where nothing says it.
    pub include_new_moves: Option<u64>,
    /// Names in it that nobody has ever sent.
    pub unknown: Vec<String>,
    pub warnings: Vec<String>,
}

/// Who would move under another definition.
#[derive(Clone, Default)]
pub struct Difference {
    pub enter: u64,
    pub leave: u64,
    /// The first of them.
    pub entering: Vec<Option<String>>,
    pub leaving: Vec<Option<String>>,
}

impl Views {
    /// What a definition comes to at an instant, by all that is known today. Goes through what is kept of every contact
    /// of the workspace. Segments inside it are as they were asked for last.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn preview_segment(
        &self,
        workspace: WorkspaceId,
        book: &SegmentBook,
        definition: &Definition,
        at: Timestamp,
        limit: usize,
    ) -> Result<Preview, ViewError> {
        let catalogue = Catalogue::newest(book);
        let steps = definition.steps();
        let mut counts = vec![0_u64; steps.len()];
        let readings = definition.with_include_new(true);
        let readings = readings.zip(definition.with_include_new(false));
        let mut turned = 0_u64;
        let mut first = Vec::new();
        let mut seen = Seen::of(definition);
        let each = |contact: u32, kept: &[(u64, Kept)]| {
            let facts = kept::facts(kept);
            seen.look(&facts);
            let history = History::of(facts);
            catalogue.with_world(|world| {
                // Each step leaves no more than the one before.
                let held = steps
                    .iter()
                    .take_while(|(_, step)| step.holds(&history, at, world));
                let held = held.count();
                counts[..held].iter_mut().for_each(|count| *count += 1);
                if held == steps.len() && first.len() < limit {
                    first.push(contact);
                }
                if let Some((with, without)) = &readings {
                    let differ =
                        with.holds(&history, at, world) != without.holds(&history, at, world);
                    turned += u64::from(differ);
                }
            });
            Ok(())
        };
        self.ask(of_segments, |rows| walk(rows, workspace, each))?;
        let members = self.emails(&first)?;
        let unknown = self.never_seen(workspace, &seen)?;
        let mut warnings = seen.warnings.clone();
        warnings.extend(seen.unknown_texts());
        warnings.extend(unknown.iter().map(|name| {
            format!("nobody has ever sent `{name}`: check the spelling, in upper and lower case")
        }));
        Ok(Preview {
            count: counts.last().copied().unwrap_or(0),
            members: members.into_iter().map(|(_, email)| email).collect(),
            steps: steps
                .into_iter()
                .map(|(path, _)| path)
                .zip(counts)
                .collect(),
            include_new_moves: readings.map(|_| turned),
            unknown,
            warnings,
        })
    }

    /// Who would enter a segment, and who would leave it, if this were its definition now.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn diff_segment(
        &self,
        workspace: WorkspaceId,
        book: &SegmentBook,
        number: u32,
        definition: &Definition,
        now: Timestamp,
        limit: usize,
    ) -> Result<Difference, ViewError> {
        let catalogue = Catalogue::newest(book);
        let mut difference = Difference::default();
        let (mut entering, mut leaving) = (Vec::new(), Vec::new());
        self.settled_at_length(workspace, |rows| {
            walk(rows, workspace, |contact, kept| {
                let history = History::of(kept::facts(kept));
                let would = catalogue.with_world(|world| definition.holds(&history, now, world));
                let standings = standings_of(rows, workspace, contact)?;
                let is = standings.is_some_and(|one| one.entered_at(number).is_some());
                let (count, list) = match (is, would) {
                    (false, true) => (&mut difference.enter, &mut entering),
                    (true, false) => (&mut difference.leave, &mut leaving),
                    _ => return Ok(()),
                };
                *count += 1;
                if list.len() < limit {
                    list.push(contact);
                }
                Ok(())
            })
        })?;
        let emails = |found: Vec<(ContactId, Option<String>)>| {
            found.into_iter().map(|(_, email)| email).collect()
        };
        difference.entering = emails(self.emails(&entering)?);
        difference.leaving = emails(self.emails(&leaving)?);
        Ok(difference)
    }

    /// What was named of a definition and is on record nowhere in the workspace.
    fn never_seen(&self, workspace: WorkspaceId, seen: &Seen) -> Result<Vec<String>, ViewError> {
        let mut unknown = Vec::new();
        let Some(secret) = self.keys().key_of(workspace) else {
            return Ok(unknown);
        };
        let secret = secret.prepared();
        self.look(of_segments, |shelves| {
            // Browsers that nobody was identified in have sent some too.
            let names = &shelves.terms.numbers[terms::NAMES];
            for name in &seen.events {
                let digest = terms::digest(&secret, terms::NAME, name);
                if names.find(&digest).is_none() {
                    unknown.push(name.clone());
                }
            }
            Ok(())
        })?;
        unknown.extend(seen.prefixes.iter().map(|prefix| format!("{prefix}*")));
        unknown.extend(seen.others.iter().cloned());
        Ok(unknown)
    }
}

/// Goes through the contacts of a workspace in the order of their numbers, and hands over what is kept of each.
fn walk(
    rows: &Rows,
    workspace: WorkspaceId,
    mut each: impl FnMut(u32, &[(u64, Kept)]) -> Result<(), redb::Error>,
) -> Result<(), redb::Error> {
    let mut with_browsers = BTreeSet::new();
    for row in rows.tables[BROWSERS].beginning_with(&key(workspace, &[]))? {
        with_browsers.insert(contact_in(&row?.0));
    }
    let mut current: Option<u32> = None;
    let mut kept: Vec<(u64, Kept)> = Vec::new();
    let mut hand_over = |contact: u32, kept: &mut Vec<(u64, Kept)>| {
        if with_browsers.contains(&contact) {
            *kept = kept_of(rows, workspace, contact)?;
        } else if kept.iter().any(|(_, kept)| kept.order().is_some()) {
            add_of_orders(rows, workspace, kept)?;
            kept.sort_by_key(|(seq, _)| *seq);
        }
        each(contact, kept)?;
        kept.clear();
        Ok::<(), redb::Error>(())
    };
    for row in rows.tables[FACTS].beginning_with(&key(workspace, &[]))? {
        let (place, row) = row?;
        let contact = contact_in(&place);
        if let Some(before) = current.filter(|before| *before != contact) {
            hand_over(before, &mut kept)?;
        }
        current = Some(contact);
        kept.push((seq_in(&place), decode(&row)?));
    }
    match current {
        Some(last) => hand_over(last, &mut kept),
        None => Ok(()),
    }
}

/// The texts that a definition asks for by `eq`.
fn texts_of(definition: &Definition) -> BTreeSet<(Option<String>, String, String)> {
    let mut texts = BTreeSet::new();
    let mut leaves = definition.root().leaves();
    while let Some(leaf) = leaves.pop() {
        let name = match leaf {
            Leaf::Sequence(leaf) => {
                leaves.extend(&leaf.steps);
                continue;
            }
            Leaf::Event(leaf) => match &leaf.of.name {
                NamePattern::Exact(name) => Some(name.as_str().to_owned()),
                NamePattern::Prefix(_) | NamePattern::Every => continue,
            },
            _ => None,
        };
        for test in leaf.property_tests() {
            if let Test::Eq(Scalar::Text(text)) = &test.test {
                texts.insert((name.clone(), test.path.as_str().to_owned(), text.clone()));
            }
        }
    }
    texts
}

/// What a definition names and has not been met yet.
struct Seen {
    events: BTreeSet<String>,
    prefixes: BTreeSet<String>,
    /// Traits, campaigns, messages.
    others: BTreeSet<String>,
    dates: BTreeSet<String>,
    /// Texts that are asked for: of events of a name, or of a trait; the path; the text.
    texts: BTreeSet<(Option<String>, String, String)>,
    warnings: Vec<String>,
}

impl Seen {
    fn of(definition: &Definition) -> Self {
        let Mentions {
            events,
            prefixes,
            traits,
            dates,
            campaigns,
            messages,
        } = definition.mentions();
        let events = events.iter().map(|name| name.as_str().to_owned());
        let others = traits.iter().map(|path| path.as_str().to_owned());
        let campaigns = campaigns.iter().map(|id| id.as_str().to_owned());
        let messages = messages.iter().map(|id| id.as_str().to_owned());
        Self {
            events: events.collect(),
            prefixes,
            others: others.chain(campaigns).chain(messages).collect(),
            dates: dates.iter().map(|path| path.as_str().to_owned()).collect(),
            texts: texts_of(definition),
            warnings: Vec::new(),
        }
    }

    fn look(&mut self, facts: &[Fact]) {
        for fact in facts {
            match &fact.kind {
                FactKind::Event { name, properties } => {
                    let name = name.as_str();
                    self.events.remove(name);
                    self.look_at_texts(Some(name), properties);
                    if !self.prefixes.is_empty() {
                        self.prefixes
                            .retain(|prefix| !name.starts_with(prefix.as_str()));
                    }
                }
                FactKind::Identify { traits } => {
                    self.look_at_traits(traits);
                    self.look_at_texts(None, traits);
                }
                FactKind::Message {
                    message, campaign, ..
                } => {
                    self.others.remove(message.as_str());
                    if let Some(campaign) = campaign {
                        self.others.remove(campaign.as_str());
                    }
                }
                _ => {}
            }
        }
    }

    fn look_at_texts(&mut self, event: Option<&str>, fields: &Value) {
        if self.texts.is_empty() {
            return;
        }
        self.texts.retain(|(name, path, wanted)| {
            name.as_deref() != event
                || !matches!(fields.at(path), Some(Value::Text(text)) if text == wanted)
        });
    }

    /// Texts that nobody has ever sent there, though the names are known.
    fn unknown_texts(&self) -> impl Iterator<Item = String> + '_ {
        let known = self.texts.iter().filter(|(name, path, _)| match name {
            Some(name) => !self.events.contains(name),
            None => !self.others.contains(path),
        });
        known.map(|(name, path, text)| match name {
            Some(name) => format!("no `{name}` was ever sent with `{path}` {text:?}"),
            None => format!("nobody ever had {text:?} as `{path}`"),
        })
    }

    fn look_at_traits(&mut self, traits: &Value) {
        if !self.others.is_empty() {
            self.others.retain(|path| traits.at(path).is_none());
        }
        let lacking = |path: &&String| traits.at(path).is_some_and(lacks_zone);
        let lacking: Vec<String> = self.dates.iter().filter(lacking).cloned().collect();
        for path in lacking {
            self.dates.remove(&path);
            self.warnings.push(format!(
                "`{path}` holds times without a zone, which match nothing: send them with one, such as \
                 2026-03-01T10:00:00Z"
            ));
        }
    }
}
