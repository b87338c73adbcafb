//! Going through what a part holds, in the order of the document: each link becomes a tracked one, or is
//! listed as skipped; what was made for another message is made anew.

use std::ops::Range;

use super::entities::{Quoting, decode, encode};
use super::held::{self, Held, Spot};
use super::placeholder::{self, Fill, FoundPlaceholder, Syntax};
use super::resolve::{Bases, resolved};
use super::scan::{LinkPlace, MailRefusal, Surroundings};
use super::{Instrumented, Plan, SkipReason, SkippedLink, TrackedLink, target};
use store::token::TokenKind;

/// Replacements that are looked back at: those before end before them.
const RECENT: usize = 8;
/// How often a link may have been made for another message, one around the other.
const MAX_UNWRAPPED: usize = 8;

/// What takes the place of a range.
pub(super) type Edit = (Range<usize>, String);

/// Where a link leads, once what was made for other messages is unwrapped.
struct Lead {
    target: String,
    /// It does not stand so in the part: it is written also where it is skipped.
    is_new: bool,
    way: Way,
}

enum Way {
    /// On, to its target.
    On,
    /// To an address of this message, or to a page of ours.
    Ours,
    /// To what takes its place.
    Instead(String),
}

/// The links of one part, as they are gone through.
pub(super) struct Links<'p, 'a> {
    pub plan: &'p mut Plan<'a>,
    /// Whether this part has been instrumented for this message before.
    pub is_done: bool,
    /// What its relative addresses may be taken from.
    pub bases: Bases,
    /// Whether it is a text part.
    is_text: bool,
    tracked: Vec<TrackedLink>,
    skipped: Vec<SkippedLink>,
}

impl<'p, 'a> Links<'p, 'a> {
    pub(super) fn new(plan: &'p mut Plan<'a>, is_text: bool) -> Self {
        Self {
            plan,
            is_done: false,
            bases: Bases::default(),
            is_text,
            tracked: Vec::new(),
            skipped: Vec::new(),
        }
    }

    pub(super) fn finish(self, body: String, has_new_pixel: bool) -> Instrumented {
        Instrumented {
            body,
            links: self.tracked,
            skipped: self.skipped,
            has_new_pixel,
        }
    }

    pub(super) fn refuse(&mut self, refusal: MailRefusal) {
        self.plan.refused.get_or_insert(refusal);
    }

    /// Counts a link; false where it is one too many, or where something else was.
    pub(super) fn count(&mut self) -> bool {
        match self.plan.links_left.checked_sub(1) {
            Some(left) => self.plan.links_left = left,
            None => self.refuse(MailRefusal::Links),
        }
        self.plan.refused.is_none()
    }

    /// A link of an HTML part.
    pub(super) fn place(&mut self, html: &str, place: &LinkPlace, edits: &mut Vec<Edit>) {
        let is_head = place.zone == Surroundings::Head;
        if !is_head {
            let cut = place.notrack.iter().cloned();
            edits.extend(cut.map(|range| (range, String::new())));
        }
        let Some(href) = &place.href else { return };
        if !self.count() {
            return;
        }
        let text = decode(&html[href.clone()]);
        let target = target::clean(&text);
        let new = match self.filled(&target, href.start) {
            Some(filled) => Some(filled),
            None => self.lead(&target, href.start).and_then(|lead| {
                if !place.notrack.is_empty() {
                    self.plan.opted_out.insert(target::normal(&lead.target));
                }
                match place.zone {
                    Surroundings::Head => self.skip(lead, SkipReason::InHead),
                    Surroundings::Ambiguous => self.skip(lead, SkipReason::Ambiguous),
                    Surroundings::Body if !place.notrack.is_empty() => {
                        self.skip(lead, SkipReason::Notrack)
                    }
                    Surroundings::Body => self.tracked(lead),
                }
            }),
        };
        if let Some(new) = new {
            edits.push((href.clone(), encode(&new, place.quoting)));
        }
    }

    /// A URL of a text part.
    pub(super) fn url(&mut self, text: &str, range: Range<usize>, edits: &mut Vec<Edit>) {
        if !self.count() {
            return;
        }
        let url = &text[range.clone()];
        let Some(lead) = self.lead(url, range.start) else {
            return;
        };
        let is_opted_out = !self.plan.opted_out.is_empty()
            && self.plan.opted_out.contains(&target::normal(&lead.target));
        let new = if is_opted_out && matches!(lead.way, Way::On) {
            self.skip(lead, SkipReason::Notrack)
        } else {
            self.tracked(lead)
        };
        edits.extend(new.map(|new| (range, new)));
    }

    /// A placeholder that stands in no link.
    pub(super) fn placeholder(&mut self, found: &FoundPlaceholder, edits: &mut Vec<Edit>) {
        if !self.count() {
            return;
        }
        if found.fill == Fill::Never {
            self.refuse(MailRefusal::Placeholder(found.range.start));
            return;
        }
        let url = self.written(&found.fill.written(self.plan.unsubscribe_url));
        edits.push((found.range.clone(), url));
    }

    /// What may be a token, outside of links: in a style, a form, a text to be copied.
    pub(super) fn spot(&mut self, text: &str, spot: &Spot, edits: &mut Vec<Edit>) {
        if !self.count() {
            return;
        }
        let at = spot.route.start;
        let token = &text[spot.token.clone()];
        match (self.plan.read)(spot.kind, token) {
            Held::Own | Held::Elsewhere => {}
            Held::Nothing => {
                // What only looks like an address, in a sentence say, leads nowhere.
                let is_used = self.is_text || is_in_tag(&text[..at]);
                if is_used && !token.is_empty() && spot.is_public(text, self.plan.own_prefix) {
                    self.refuse(MailRefusal::Damaged(at));
                }
            }
            Held::Other { target: inner } => {
                let start = address_start(text, at);
                // Not into what was replaced before it.
                let before = edits.iter().rev().take(RECENT).map(|(range, _)| range.end);
                let before = before.filter(|end| *end <= at).max().unwrap_or(0);
                let start = start.max(before);
                let new = match (spot.kind, inner) {
                    (TokenKind::Click, Some(inner)) => self
                        .lead(&inner, at)
                        .map(|lead| Lead {
                            is_new: true,
                            ..lead
                        })
                        .and_then(|lead| self.tracked(lead)),
                    (kind, _) => self.instead(kind, at),
                };
                if let Some(new) = new {
                    let new = self.written(&new);
                    edits.push((start..spot.token.end, new));
                }
            }
        }
    }

    /// What may hold a token in an address that is not plainly one, outside of links: where it is another
    /// message's, nobody can tell what to write in its place.
    pub(super) fn loose(&mut self, text: &str, range: &Range<usize>) {
        if self.count() && held::is_loose_other(&text[range.clone()], self.plan.read) {
            self.refuse(MailRefusal::Another(range.start));
        }
    }

    /// An address as it is written where it stands in no link.
    fn written(&self, url: &str) -> String {
        if self.is_text {
            url.to_owned()
        } else {
            encode(url, Quoting::Unquoted)
        }
    }

    /// A link's target with its placeholder filled; `None` where it has none, or cannot have one.
    fn filled(&mut self, target: &str, at: usize) -> Option<String> {
        let found: Vec<_> = placeholder::find(target, Syntax::Target).collect();
        let [first, ..] = found.as_slice() else {
            return None;
        };
        if found.iter().any(|found| found.fill == Fill::Never) {
            self.refuse(MailRefusal::Placeholder(at));
            return None;
        }
        let before = &target[..first.range.start];
        let rest = &target[first.range.end..];
        if before.is_empty() && rest.bytes().all(|byte| byte == b'/') {
            return Some(self.plan.unsubscribe_url.to_owned());
        }
        let mut filled = String::new();
        let mut from = 0;
        for found in &found {
            filled.push_str(&target[from..found.range.start]);
            filled.push_str(&found.fill.written(self.plan.unsubscribe_url));
            from = found.range.end;
        }
        filled.push_str(&target[from..]);
        Some(filled)
    }

    /// Where a link leads; `None` where the message is refused for it.
    fn lead(&mut self, target: &str, at: usize) -> Option<Lead> {
        let mut lead = Lead {
            target: target.to_owned(),
            is_new: false,
            way: Way::On,
        };
        for _ in 0..MAX_UNWRAPPED {
            let Some((address, spot)) = resolved(&lead.target, &self.bases) else {
                if target::is_own(&lead.target, self.plan.own_prefix) {
                    lead.way = Way::Ours;
                    return Some(lead);
                }
                return self.unless_it_carries_another(lead, at);
            };
            match (self.plan.read)(spot.kind, &address[spot.token.clone()]) {
                Held::Own => {
                    // What stands there plainly stays as it stands.
                    let plain = held::spot_of(&lead.target);
                    let is_plain = plain.is_some_and(|plain| {
                        plain.kind == spot.kind && lead.target[plain.token] == address[spot.token]
                    });
                    if !is_plain {
                        lead.target = address.into_owned();
                        lead.is_new = true;
                    }
                    lead.way = Way::Ours;
                    return Some(lead);
                }
                Held::Nothing if spot.is_public(&address, self.plan.own_prefix) => {
                    self.refuse(MailRefusal::Damaged(at));
                    return None;
                }
                Held::Elsewhere | Held::Nothing => {
                    return self.unless_it_carries_another(lead, at);
                }
                Held::Other {
                    target: Some(inner),
                } => {
                    lead.target = inner;
                    lead.is_new = true;
                }
                Held::Other { target: None } => {
                    lead.way = Way::Instead(self.instead(spot.kind, at)?);
                    return Some(lead);
                }
            }
        }
        self.refuse(MailRefusal::Another(at));
        None
    }

    fn unless_it_carries_another(&mut self, lead: Lead, at: usize) -> Option<Lead> {
        if held::carries_another(&lead.target, self.plan.read) {
            self.refuse(MailRefusal::Another(at));
            return None;
        }
        Some(lead)
    }

    /// This message's address in the place of another's.
    fn instead(&mut self, kind: TokenKind, at: usize) -> Option<String> {
        let own = match kind {
            TokenKind::Unsubscribe => Some(self.plan.unsubscribe_url),
            TokenKind::Open => self.plan.pixel_url,
            TokenKind::Click => None,
        };
        if own.is_none() {
            self.refuse(MailRefusal::Another(at));
        }
        own.map(str::to_owned)
    }

    /// What replaces a link; `None` leaves it as it was.
    fn tracked(&mut self, lead: Lead) -> Option<String> {
        match lead.way {
            Way::Instead(own) => return Some(own),
            Way::Ours => return self.skip(lead, SkipReason::Own),
            Way::On => {}
        }
        let plan = &mut *self.plan;
        if let Some(reason) = target::objection(&lead.target, plan.unsubscribe_url) {
            return self.skip(lead, reason);
        }
        if self.is_done {
            return self.skip(lead, SkipReason::Instrumented);
        }
        let tagged = plan
            .utm
            .map_or_else(|| lead.target.clone(), |utm| utm.add_to(&lead.target));
        if !plan.track_clicks {
            return Some(tagged).filter(|tagged| lead.is_new || *tagged != lead.target);
        }
        let known = plan.targets.count();
        let target_number = plan.targets.number(&tagged);
        let Some(new) = (plan.link)(plan.next_index, target_number, &tagged) else {
            plan.targets.keep(known);
            return self.skip(lead, SkipReason::TooLong);
        };
        self.tracked.push(TrackedLink {
            index: plan.next_index,
            target_number,
            url: tagged,
        });
        plan.next_index += 1;
        Some(new)
    }

    fn skip(&mut self, lead: Lead, reason: SkipReason) -> Option<String> {
        let Lead {
            target,
            is_new,
            way,
        } = lead;
        self.skipped.push(SkippedLink {
            url: target.clone(),
            reason,
        });
        match way {
            Way::Instead(own) => Some(own),
            Way::On | Way::Ours => is_new.then_some(target),
        }
    }
}

/// Whether what comes next stands in a tag: the last of its signs opens one.
fn is_in_tag(before: &str) -> bool {
    /// How far a tag goes on.
    const LONGEST: usize = 4_096;
    let from = before.floor_char_boundary(before.len().saturating_sub(LONGEST));
    let window = &before.as_bytes()[from..];
    memchr::memrchr2(b'<', b'>', window).is_some_and(|sign| window[sign] == b'<')
}

/// Where the address begins that goes on here.
fn address_start(text: &str, at: usize) -> usize {
    const LONGEST: usize = 512;
    let from = text.floor_char_boundary(at.saturating_sub(LONGEST));
    let before = &text[from..at];
    let ends = |character: char| {
        character.is_whitespace()
            || matches!(
                character,
                '"' | '\'' | '<' | '>' | '(' | '[' | '{' | '`' | ',' | ';'
            )
    };
    let run = before.rfind(ends).map_or(0, |start| {
        start + before[start..].chars().next().map_or(0, char::len_utf8)
    });
    let run_text = &before[run..];
    let scheme = ["https://", "http://"]
        .into_iter()
        .filter_map(|scheme| run_text.to_ascii_lowercase().rfind(scheme))
        .max();
    if let Some(scheme) = scheme {
        return from + run + scheme;
    }
    // Without a scheme: from the host on.
    let is_part = |character: char| {
        character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '/' | ':')
    };
    let host = run_text
        .char_indices()
        .rev()
        .take_while(|(_, character)| is_part(*character))
        .last();
    let mut start = host.map_or(run_text.len(), |(start, _)| start);
    // `Link:track.example/mail/…`: only a port follows a colon.
    while let Some(colon) = run_text[start..].find(':') {
        let after = start + colon + 1;
        if run_text[after..].starts_with(|next: char| next.is_ascii_digit()) {
            break;
        }
        start = after;
    }
    from + run + start
}
