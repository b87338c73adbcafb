//! Instrumenting a message: its links become tracked ones and a pixel is added, and not a byte more is
//! changed. No I/O; the route, the command and whatever relays mail call the same functions.
//!
//! **What is changed in HTML**: the value of `href` of `<a>`, `<area>` and the shapes of VML
//! (`<v:roundrect>`), in the quotes that it stood in; the opt-out attribute `data-misar-notrack`, cut out
//! with the one white space before it; the unsubscribe placeholder, wherever it stands (`placeholder`);
//! the pixel. Everything else is the input, byte for byte, however broken. Inside `<!--[if mso]> …
//! <![endif]-->` and `<noscript>` links are changed too, since mail clients show both; inside other
//! comments, `<style>`, `<script>`, `<textarea>`, `<title>`, `<xmp>` no link is.
//!
//! **In AMP** (`<html amp4email>`) links are changed, but no pixel is added: AMP allows no `<img>`, and a
//! mail client drops an AMP part that is not valid. The HTML part of the message carries it.
//!
//! **Where programs disagree** whether something is text or markup (`<xmp>` inside `<select>`), it is
//! taken for text, and its links are listed as [`SkipReason::Ambiguous`].
//!
//! **What was made for another message** (`held`), in a template that is sent again or a reply that quotes a
//! mail, would count as the other's: its links are unwrapped and made anew, its unsubscribe link becomes
//! this message's, its pixel goes. What is ours and cannot be read, or stands where it cannot be made anew,
//! is refused with its place. Where a link or an image leads is what a browser says (`resolve`).
//!
//! **Twice is once**: addresses of this message stay. A document that shows its pixel has been through
//! here, and all its links stay: of those that were opted out nothing tells so any more.

mod entities;
mod held;
mod links;
mod markup;
mod merge_tags;
mod placeholder;
mod resolve;
mod scan;
mod target;
mod targets;
mod text;
mod units;
mod utm;

#[cfg(test)]
#[path = "../tests/data/corpus.rs"]
pub(crate) mod corpus;
#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod token_sizes;

use std::collections::HashSet;
use std::ops::Range;

use serde::Serialize;

use entities::{Quoting, encode};
use held::Spot;
pub(crate) use held::{Held, ReadToken};
use links::Links;
use placeholder::{FoundPlaceholder, Syntax};
use resolve::{Bases, resolved};
pub(crate) use scan::MailRefusal;
use scan::{Image, LinkPlace};
use store::token::TokenKind;
pub(crate) use target::{SkipReason, redirect_location};
pub(crate) use targets::Targets;
pub(crate) use utm::Utm;

/// What to do with a message. One plan serves its HTML and then its text: it counts the links.
pub(crate) struct Plan<'a> {
    /// Where the pixel is loaded from; `None` if opens are not tracked.
    pub pixel_url: Option<&'a str>,
    /// What the placeholder becomes.
    pub unsubscribe_url: &'a str,
    /// Our addresses begin with it: `https://track.example/mail/`.
    pub own_prefix: &'a str,
    /// Says what a token in such an address is.
    pub read: ReadToken<'a>,
    /// Whether the pixel stands at the beginning: mail clients cut long mails off.
    pub is_pixel_first: bool,
    /// Added to targets, also where clicks are not tracked.
    pub utm: Option<&'a Utm>,
    pub track_clicks: bool,
    /// The index of the next link: 0 for a new message. Counted up with each tracked link, in document
    /// order, equal targets or not.
    pub next_index: u32,
    /// Targets that a link of the HTML part has opted out of tracking, as `target::normal` writes them.
    pub opted_out: HashSet<String>,
    /// The different targets of the message so far.
    pub targets: Targets,
    /// How many more links may be found, tracked or not; placeholders count too, and so does each of
    /// `parts`. Counted down.
    pub links_left: u32,
    /// Comments and the like that links were looked for in, which takes as long as a link. Counted up.
    pub parts: u32,
    /// What there was too much of; then what comes back is not to be used.
    pub refused: Option<MailRefusal>,
    /// The tracked URL for an index, the number of the target and the target; `None` if it would be too
    /// long, and then the link stays as it was and the index goes to the next one.
    pub link: &'a mut dyn FnMut(u32, u32, &str) -> Option<String>,
}

/// A message's part, instrumented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instrumented {
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
pub(crate) struct TrackedLink {
    pub index: u32,
    /// Of its target among the different ones; clicks keep it. Not in answers.
    #[serde(skip)]
    pub target_number: u32,
    /// Where it leads: what a browser makes of the attribute, with the campaign parameters.
    /// [`redirect_location`] has an answer for it.
    pub url: String,
}

/// A link that stayed as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct SkippedLink {
    /// What a browser makes of the attribute.
    pub url: String,
    pub reason: SkipReason,
}

/// Instruments a document or a fragment.
pub(crate) fn instrument_html(html: &str, plan: &mut Plan<'_>) -> Instrumented {
    let scan = scan::scan(html, plan.links_left as usize);
    if scan.refused.is_some() {
        plan.refused = scan.refused;
        return Links::new(plan, false).finish(String::new(), false);
    }
    plan.links_left = plan.links_left.saturating_sub(scan.parts);
    plan.parts += scan.parts;
    let bases = Bases::of(scan.bases.iter().map(|(_, href)| href.as_str()));
    let mut images = Vec::new();
    let mut has_own_image = false;
    for image in &scan.images {
        match look_at_image(image, &bases, plan) {
            Pixel::Own => has_own_image |= image.is_shown,
            Pixel::Another => images.push(image.tag.clone()),
            Pixel::Damaged => {
                plan.refused
                    .get_or_insert(MailRefusal::Damaged(image.tag.start));
            }
            Pixel::None => {}
        }
    }
    let pixel = plan
        .pixel_url
        .filter(|_| !has_own_image && !scan.is_amp)
        .map(pixel_html);
    let pixel_at = if plan.is_pixel_first {
        scan.pixel_first
    } else {
        scan.pixel_at
    };
    // What is a link's, or goes, or is read by nobody, is not looked at again.
    let mut taken: Vec<Range<usize>> = scan.comments;
    for place in &scan.places {
        taken.extend(place.href.iter().chain(&place.notrack).cloned());
    }
    taken.extend(images.iter().cloned());
    taken.sort_by_key(|range| range.start);
    let is_free = |at: usize| {
        let next = taken.partition_point(|range| range.start <= at);
        next == 0 || taken[next - 1].end <= at
    };
    // One more than there may be is refused.
    let most = plan.links_left as usize + 1;
    let placeholders: Vec<_> = placeholder::find(html, Syntax::Html)
        .filter(|found| is_free(found.range.start))
        .take(most)
        .collect();
    let spots: Vec<_> = held::spots(html)
        .filter(|spot| is_free(spot.route.start))
        .take(most)
        .collect();
    let of_spots = spots.iter().map(|spot| spot.route.start..spot.token.end);
    let mut known: Vec<_> = taken.iter().cloned().chain(of_spots).collect();
    known.sort_by_key(|range| range.start);
    let loose: Vec<_> = held::loose(html, bases.are_ours())
        .flat_map(|range| rest_of(range, &known))
        .take(most)
        .collect();
    // What a base says is no link: all the others would lead elsewhere with another.
    let of_bases = spots.iter().find(|spot| {
        let mut bases = scan.bases.iter();
        let token = &html[spot.token.clone()];
        bases.any(|(tag, _)| tag.contains(&spot.route.start))
            && matches!((plan.read)(spot.kind, token), Held::Other { .. })
    });
    if let Some(spot) = of_bases {
        plan.refused
            .get_or_insert(MailRefusal::Another(spot.route.start));
    }
    let mut items: Vec<_> = scan.places.iter().map(Item::LinkPlace).collect();
    items.extend(placeholders.iter().map(Item::Placeholder));
    items.extend(spots.iter().map(Item::Spot));
    items.extend(loose.iter().map(Item::Loose));
    items.sort_by_key(Item::start);

    let mut links = Links::new(plan, false);
    links.bases = bases;
    links.is_done = has_own_image;
    let mut edits: Vec<_> = images.into_iter().map(|tag| (tag, String::new())).collect();
    for item in items {
        match item {
            Item::LinkPlace(place) => links.place(html, place, &mut edits),
            Item::Placeholder(found) => links.placeholder(found, &mut edits),
            Item::Spot(spot) => links.spot(html, spot, &mut edits),
            Item::Loose(range) => links.loose(html, range),
            Item::Url(_) => {}
        }
    }
    let has_new_pixel = pixel.is_some();
    if let Some(pixel) = pixel {
        edits.push((pixel_at..pixel_at, pixel));
    }
    links.finish(splice(html, edits), has_new_pixel)
}

/// Instruments a text part: its http and https URLs and the unsubscribe placeholder. No pixel.
pub(crate) fn instrument_text(text: &str, plan: &mut Plan<'_>) -> Instrumented {
    let most = plan.links_left as usize + 1;
    let placeholders: Vec<_> = placeholder::find(text, Syntax::Text).take(most).collect();
    // A URL that holds a placeholder is no link, once that is filled or refused.
    let mut items: Vec<_> = placeholders.iter().map(Item::Placeholder).collect();
    let urls: Vec<_> = text::urls(text).take(most).collect();
    let is_in_url = |at: usize| {
        let next = urls.partition_point(|url| url.end <= at);
        urls.get(next).is_some_and(|url| url.start <= at)
    };
    let spots: Vec<_> = held::spots(text)
        .filter(|spot| !is_in_url(spot.route.start))
        .take(most)
        .collect();
    let of_spots = spots.iter().map(|spot| spot.route.start..spot.token.end);
    let mut known: Vec<_> = urls.iter().cloned().chain(of_spots).collect();
    known.sort_by_key(|range| range.start);
    let loose: Vec<_> = held::loose(text, false)
        .flat_map(|range| rest_of(range, &known))
        .take(most)
        .collect();
    let urls = urls.iter().filter(|url| {
        let next = placeholders.partition_point(|found| found.range.end <= url.start);
        placeholders
            .get(next)
            .is_none_or(|found| url.end <= found.range.start)
    });
    items.extend(urls.cloned().map(Item::Url));
    items.extend(spots.iter().map(Item::Spot));
    items.sort_by_key(Item::start);
    let mut links = Links::new(plan, true);
    let mut edits = Vec::new();
    let mut from = 0;
    for item in items {
        if item.start() < from {
            continue;
        }
        from = item.end();
        match item {
            Item::Url(range) => links.url(text, range, &mut edits),
            Item::Placeholder(found) => links.placeholder(found, &mut edits),
            Item::Spot(spot) => links.spot(text, spot, &mut edits),
            Item::LinkPlace(_) | Item::Loose(_) => {}
        }
        if links.plan.refused.is_some() {
            break;
        }
    }
    for range in &loose {
        links.loose(text, range);
    }
    links.finish(splice(text, edits), false)
}

/// What is left of a range of `held::loose` without what is looked at by itself, in the order of `known`.
fn rest_of(range: Range<usize>, known: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut left = Vec::new();
    let mut start = range.start;
    let first = known.partition_point(|known| known.start <= start);
    for known in &known[first.saturating_sub(1)..] {
        if known.start >= range.end {
            break;
        }
        left.push(start..known.start.max(start));
        start = start.max(known.end);
    }
    left.push(start..range.end);
    left.retain(|range| range.len() >= held::MIN_TOKEN_CHARS);
    left
}

/// Line and column, from 1, of a byte of a part: for the message to who is to mend it.
pub(crate) fn line_and_column(part: &str, at: usize) -> (usize, usize) {
    let before = &part[..part.floor_char_boundary(at)];
    let line = before.rfind('\n').map_or(0, |end| end + 1);
    let lines = before.bytes().filter(|byte| *byte == b'\n').count();
    (lines + 1, before[line..].chars().count() + 1)
}

/// What is gone through in a part, in its order.
enum Item<'s> {
    /// A link of HTML.
    LinkPlace(&'s LinkPlace),
    /// A URL of a text.
    Url(Range<usize>),
    Placeholder(&'s FoundPlaceholder),
    Spot(&'s Spot),
    /// What `held::loose` has found, in HTML.
    Loose(&'s Range<usize>),
}

impl Item<'_> {
    fn start(&self) -> usize {
        match self {
            Self::LinkPlace(place) => {
                let ranges = place.href.iter().chain(&place.notrack);
                ranges.map(|range| range.start).min().unwrap_or(0)
            }
            Self::Url(range) => range.start,
            Self::Placeholder(found) => found.range.start,
            Self::Spot(spot) => spot.route.start,
            Self::Loose(range) => range.start,
        }
    }

    /// Of what stands in a text.
    fn end(&self) -> usize {
        match self {
            Self::LinkPlace(_) | Self::Loose(_) => 0,
            Self::Url(range) => range.end,
            Self::Placeholder(found) => found.range.end,
            Self::Spot(spot) => spot.token.end,
        }
    }
}

/// Whose pixel an image is.
enum Pixel {
    None,
    Own,
    /// Of another message of this workspace.
    Another,
    Damaged,
}

fn look_at_image(image: &Image, bases: &Bases, plan: &Plan<'_>) -> Pixel {
    if plan.pixel_url == Some(image.source.as_str()) {
        return Pixel::Own;
    }
    let Some((address, spot)) = resolved(&image.source, bases) else {
        return Pixel::None;
    };
    if spot.kind != TokenKind::Open {
        return Pixel::None;
    }
    match (plan.read)(spot.kind, &address[spot.token.clone()]) {
        Held::Own => Pixel::Own,
        Held::Other { .. } => Pixel::Another,
        Held::Nothing if spot.is_public(&address, plan.own_prefix) => Pixel::Damaged,
        Held::Elsewhere | Held::Nothing => Pixel::None,
    }
}

/// The pixel as it stands in the document. Visible to the mail client, so that it is loaded (what is
/// `display:none` often is not), and with an empty `alt`, so that a screen reader passes over it.
pub(crate) fn pixel_html(url: &str) -> String {
    format!(
        r#"<img src="{}" width="1" height="1" alt="" style="display:block;width:1px;height:1px;border:0">"#,
        encode(url, Quoting::Double)
    )
}

/// The input with ranges of it replaced. They are in order and do not overlap.
fn splice(html: &str, mut edits: Vec<(Range<usize>, String)>) -> String {
    // What is put in at a place stands before what is taken out there.
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    let mut body =
        String::with_capacity(html.len() + edits.iter().map(|(_, new)| new.len()).sum::<usize>());
    let mut from = 0;
    for (range, new) in edits {
        if range.start < from {
            // Two that overlap: the first counts.
            continue;
        }
        body.push_str(&html[from..range.start]);
        body.push_str(&new);
        from = range.end;
    }
    body.push_str(&html[from..]);
    body
}
