//! Instrumenting a message: its links become tracked ones and a pixel is added, and not a byte more is
//! changed. No I/O; the route, the command and whatever relays mail call the same functions.
//!
//! **What is changed in HTML**: the value of `href` of `<a>` and `<area>`, in the quotes that it stood
//! in; the opt-out attribute `data-misar-notrack`, cut out with the one white space before it; the
//! pixel. Everything else is the input, byte for byte, however broken. Inside `<!--[if mso]> …
//! <![endif]-->` and `<noscript>` links are changed too, since mail clients show both; inside other
//! comments, `<style>`, `<script>`, `<textarea>`, `<title>`, `<xmp>` nothing is. `xlink:href` and the
//! `href` of VML stay as they are: they stand beside an `<a>` that leads to the same place.
//!
//! **In AMP** (`<html amp4email>`) links are changed, but no pixel is added: AMP allows no `<img>`, and a
//! mail client drops an AMP part that is not valid. The HTML part of the message carries it.
//!
//! **Where programs disagree** whether something is text or markup (`<xmp>` inside `<select>`), it is
//! taken for text, and its links are listed as [`SkipReason::Ambiguous`].
//!
//! **Twice is once**: links below [`Plan::own_prefix`] stay, and a document that shows an image from
//! there gets no second pixel. One that shows this very pixel has been through here, and all its links
//! stay: of those that were opted out nothing tells so any more.

mod entities;
mod markup;
mod scan;
mod target;
mod text;
mod utm;

#[cfg(test)]
#[path = "../tests/data/corpus.rs"]
mod corpus;
#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;

use std::ops::Range;

use serde::Serialize;

use entities::{Quoting, decode, encode};
pub use scan::Refusal;
use scan::{Place, Zone};
pub use target::{SkipReason, redirect_location};
pub use utm::Utm;

/// What stands for the unsubscribe link: as the whole value of an `href`, and anywhere in a text part.
/// Blanks inside the braces do not matter.
pub const UNSUBSCRIBE_PLACEHOLDER: &str = "{{unsubscribe_url}}";
const PLACEHOLDER_NAME: &str = "unsubscribe_url";

/// What to do with a message. One plan serves its HTML and then its text: it counts the links.
pub struct Plan<'a> {
    /// Where the pixel is loaded from; `None` if opens are not tracked.
    pub pixel_url: Option<&'a str>,
    /// What the placeholder becomes.
    pub unsubscribe_url: &'a str,
    /// Links that begin with it are ours and stay as they are: `https://track.example/mail/`.
    pub own_prefix: &'a str,
    /// Added to targets, also where clicks are not tracked.
    pub utm: Option<&'a Utm>,
    pub track_clicks: bool,
    /// The index of the next link: 0 for a new message. Counted up with each tracked link, in document
    /// order, equal targets or not.
    pub next_index: u32,
    /// How many more links may be found, tracked or not; placeholders count too, and so does each of
    /// `parts`. Counted down.
    pub links_left: u32,
    /// Comments and the like that links were looked for in, which takes as long as a link. Counted up.
    pub parts: u32,
    /// What there was too much of; then what comes back is not to be used.
    pub refused: Option<Refusal>,
    /// The tracked URL for an index and a target; `None` if it would be too long, and then the link stays
    /// as it was and the index goes to the next one.
    pub link: &'a mut dyn FnMut(u32, &str) -> Option<String>,
}

/// A message's part, instrumented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instrumented {
    pub body: String,
    /// The tracked links, in document order.
    pub links: Vec<TrackedLink>,
    /// The links that stayed as they were, in document order. Not the unsubscribe placeholder, nor, where
    /// clicks are not tracked, those that would have been.
    pub skipped: Vec<SkippedLink>,
    /// Whether a pixel was added.
    pub has_new_pixel: bool,
}

/// A link that is tracked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrackedLink {
    pub index: u32,
    /// Where it leads: what a browser makes of the attribute, with the campaign parameters.
    /// [`redirect_location`] has an answer for it.
    pub url: String,
}

/// A link that stayed as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkippedLink {
    /// What a browser makes of the attribute.
    pub url: String,
    pub reason: SkipReason,
}

/// Instruments a document or a fragment.
pub fn instrument_html(html: &str, plan: &mut Plan<'_>) -> Instrumented {
    let scan = scan::scan(html, plan.links_left as usize);
    if scan.refused.is_some() {
        plan.refused = scan.refused;
        return Links::new(plan).finish(String::new(), false);
    }
    plan.links_left = plan.links_left.saturating_sub(scan.parts);
    plan.parts += scan.parts;
    let has_own_image = scan
        .images
        .iter()
        .any(|source| target::is_own(source, plan.own_prefix));
    let pixel = plan
        .pixel_url
        .filter(|_| !has_own_image && !scan.is_amp)
        .map(pixel_html);
    let is_done = plan
        .pixel_url
        .is_some_and(|pixel| scan.images.iter().any(|source| source == pixel));
    let mut links = Links::new(plan);
    links.is_done = is_done;
    let mut edits = Vec::with_capacity(scan.places.len() + 1);
    for place in &scan.places {
        links.place(html, place, &mut edits);
    }
    let has_new_pixel = pixel.is_some();
    if let Some(pixel) = pixel {
        edits.push((scan.pixel_at..scan.pixel_at, pixel));
    }
    links.finish(splice(html, edits), has_new_pixel)
}

/// Instruments a text part: its http and https URLs and the unsubscribe placeholder. No pixel.
pub fn instrument_text(text: &str, plan: &mut Plan<'_>) -> Instrumented {
    let unsubscribe_url = plan.unsubscribe_url;
    let mut links = Links::new(plan);
    let mut body = String::with_capacity(text.len());
    let mut from = 0;
    for range in text::urls(text) {
        let (url, start) = (&text[range.clone()], range.start);
        links.fill(&text[from..start], unsubscribe_url, &mut body);
        if !links.count() {
            break;
        }
        match links.tracked(url) {
            Some(tracked) => body.push_str(&tracked),
            None => links.fill(url, unsubscribe_url, &mut body),
        }
        from = range.end;
    }
    links.fill(&text[from..], unsubscribe_url, &mut body);
    links.finish(body, false)
}

/// The pixel as it stands in the document. Visible to the mail client, so that it is loaded (what is
/// `display:none` often is not), and with an empty `alt`, so that a screen reader passes over it.
pub fn pixel_html(url: &str) -> String {
    format!(
        r#"<img src="{}" width="1" height="1" alt="" style="display:block;width:1px;height:1px;border:0">"#,
        encode(url, Quoting::Double)
    )
}

/// The links of one part, as they are gone through.
struct Links<'p, 'a> {
    plan: &'p mut Plan<'a>,
    /// Whether this part has been instrumented for this message before.
    is_done: bool,
    tracked: Vec<TrackedLink>,
    skipped: Vec<SkippedLink>,
}

impl<'p, 'a> Links<'p, 'a> {
    fn new(plan: &'p mut Plan<'a>) -> Self {
        Self {
            plan,
            is_done: false,
            tracked: Vec::new(),
            skipped: Vec::new(),
        }
    }

    fn finish(self, body: String, has_new_pixel: bool) -> Instrumented {
        Instrumented {
            body,
            links: self.tracked,
            skipped: self.skipped,
            has_new_pixel,
        }
    }

    fn place(&mut self, html: &str, place: &Place, edits: &mut Vec<(Range<usize>, String)>) {
        let first = edits.len();
        let is_head = place.zone == Zone::Head;
        if !is_head {
            edits.extend(
                place
                    .notrack
                    .iter()
                    .map(|range| (range.clone(), String::new())),
            );
        }
        let Some(href) = &place.href else { return };
        if !self.count() {
            return;
        }
        let text = decode(&html[href.clone()]);
        let target = target::clean(&text);
        let new = if is_head {
            self.skip(&target, SkipReason::InHead)
        } else if is_placeholder(&target) {
            Some(self.plan.unsubscribe_url.to_owned())
        } else if place.zone == Zone::Ambiguous {
            self.skip(&target, SkipReason::Ambiguous)
        } else if !place.notrack.is_empty() {
            self.skip(&target, SkipReason::Notrack)
        } else {
            self.tracked(&target)
        };
        if let Some(new) = new {
            edits.push((href.clone(), encode(&new, place.quoting)));
        }
        edits[first..].sort_by_key(|(range, _)| range.start);
    }

    /// Counts a link; false where it is one too many.
    fn count(&mut self) -> bool {
        match self.plan.links_left.checked_sub(1) {
            Some(left) => self.plan.links_left = left,
            None => self.plan.refused = Some(Refusal::Links),
        }
        self.plan.refused.is_none()
    }

    /// Puts the text behind `body`, with its placeholders filled: each is a link.
    fn fill(&mut self, text: &str, unsubscribe_url: &str, body: &mut String) {
        let (mut from, mut at) = (0, 0);
        while let Some(open) = text[at..].find("{{") {
            at += open;
            if let Some(length) = placeholder_length(&text[at..]) {
                if !self.count() {
                    return;
                }
                body.push_str(&text[from..at]);
                body.push_str(unsubscribe_url);
                at += length;
                from = at;
            } else {
                at += 1;
            }
        }
        body.push_str(&text[from..]);
    }

    /// What replaces a target; `None` leaves the link as it was.
    fn tracked(&mut self, target: &str) -> Option<String> {
        let plan = &mut *self.plan;
        if let Some(reason) = target::objection(target, plan.own_prefix, plan.unsubscribe_url) {
            return self.skip(target, reason);
        }
        if self.is_done {
            return self.skip(target, SkipReason::Instrumented);
        }
        let tagged = plan
            .utm
            .map_or_else(|| target.to_owned(), |utm| utm.add_to(target));
        if !plan.track_clicks {
            return Some(tagged).filter(|tagged| tagged != target);
        }
        let Some(new) = (plan.link)(plan.next_index, &tagged) else {
            return self.skip(target, SkipReason::TooLong);
        };
        self.tracked.push(TrackedLink {
            index: plan.next_index,
            url: tagged,
        });
        plan.next_index += 1;
        Some(new)
    }

    fn skip(&mut self, url: &str, reason: SkipReason) -> Option<String> {
        self.skipped.push(SkippedLink {
            url: url.to_owned(),
            reason,
        });
        None
    }
}

/// The input with ranges of it replaced. They are in order and do not overlap.
fn splice(html: &str, mut edits: Vec<(Range<usize>, String)>) -> String {
    // The pixel is the last of the edits, wherever it stands.
    edits.sort_by_key(|(range, _)| range.start);
    let mut body =
        String::with_capacity(html.len() + edits.iter().map(|(_, new)| new.len()).sum::<usize>());
    let mut from = 0;
    for (range, new) in edits {
        body.push_str(&html[from..range.start]);
        body.push_str(&new);
        from = range.end;
    }
    body.push_str(&html[from..]);
    body
}

fn is_placeholder(target: &str) -> bool {
    placeholder_length(target) == Some(target.len())
}

/// The length of the placeholder that `text` begins with, if it does.
fn placeholder_length(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("{{")?.trim_start();
    let rest = rest.strip_prefix(PLACEHOLDER_NAME)?.trim_start();
    Some(text.len() - rest.strip_prefix("}}")?.len())
}
