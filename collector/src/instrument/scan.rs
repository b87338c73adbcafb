//! Where in a document its links are, and where the pixel goes: byte ranges, and nothing changed.
//!
//! `lol_html` reads the document as a browser does and says where each token stands; what it would write
//! is thrown away, since it writes a changed start tag anew. It names no end tags but those of elements
//! that it saw open. They are what lies between the other tokens.

mod found;
mod start_tag;

use std::cell::{Cell, RefCell};
use std::ops::Range;

use lol_html::errors::RewritingError;
use lol_html::html_content::{Comment, TextType};
use lol_html::{HtmlRewriter, Settings, doc_comments, doc_text, doctype, element};

use super::markup::{conditional, ends_name, is_void};
pub(crate) use found::MailRefusal;
pub(super) use found::{Image, LinkPlace, Scan, Surroundings};

/// The attribute that keeps a link from being tracked.
const NOTRACK: &str = "data-misar-notrack";
/// How deep markup inside text is followed: a `<noscript>` inside a conditional comment, or the other
/// way round.
const MAX_DEPTH: u8 = 8;
/// How often a document is read in all, counting each byte of markup inside text again. Where strict
/// mode fails on every level, reading twice on each would double with each.
const MAX_READINGS: usize = 16;
/// Open elements that are gone through for end tags: so many for each byte, and so many more. Tags that
/// fit each other take one or two each.
const STEPS_PER_BYTE: usize = 16;
const FREE_STEPS: usize = 1_000_000;
const HTML: &str = "http://www.w3.org/1999/xhtml";

/// What reading may still cost.
struct Bounds {
    /// Places, and parts of text that are read as markup: starting to read one takes as long as a
    /// link does.
    places: Cell<usize>,
    /// Bytes that are read.
    bytes: Cell<usize>,
    /// Open elements that are gone through for an end tag.
    steps: Cell<usize>,
}

/// Takes some of what there is; false where that is not enough.
fn take(from: &Cell<usize>, amount: usize) -> bool {
    let left = from.get().checked_sub(amount);
    from.set(left.unwrap_or(0));
    left.is_some()
}

/// Finds everything in a document or a fragment of at most so many places; gives up at the first one
/// too many.
pub(super) fn scan(html: &str, places: usize) -> Scan {
    let bounds = Bounds {
        places: Cell::new(places),
        bytes: Cell::new(html.len().saturating_mul(MAX_READINGS)),
        steps: Cell::new(html.len().saturating_mul(STEPS_PER_BYTE) + FREE_STEPS),
    };
    scan_part(html, Surroundings::Body, 0, &bounds)
}

/// `lol_html`'s strict mode stops where it cannot tell text from markup. Then the document is read again
/// without it, and what stands in such text is marked.
fn scan_part(html: &str, zone: Surroundings, depth: u8, bounds: &Bounds) -> Scan {
    let read = |is_strict: bool| {
        take(&bounds.bytes, html.len());
        let places = bounds.places.get();
        let scanner = RefCell::new(Scanner::new(html, zone, depth, !is_strict, bounds));
        let result = run(html, &scanner, is_strict);
        (scanner.into_inner(), result, places)
    };
    let (scanner, result, places) = read(true);
    if result.is_ok() || scanner.found.refused.is_some() {
        return scanner.finish();
    }
    // What it found is found again.
    bounds.places.set(places);
    // Without strict mode and without a limit of memory nothing is left that fails.
    read(false).0.finish()
}

fn run(html: &str, scanner: &RefCell<Scanner<'_>>, is_strict: bool) -> Result<(), RewritingError> {
    let settings = Settings::new()
        .with_strict(is_strict)
        .append_element_content_handler(element!("*", |element| {
            let mut scanner = scanner.borrow_mut();
            scanner.start_tag(element);
            scanner.go_on()
        }))
        .append_document_content_handler(doc_comments!(|comment| {
            let mut scanner = scanner.borrow_mut();
            scanner.comment(comment);
            scanner.go_on()
        }))
        .append_document_content_handler(doc_text!(|text| {
            let mut scanner = scanner.borrow_mut();
            let range = text.source_location().bytes();
            let is_markup = matches!(text.text_type(), TextType::Data | TextType::CDataSection);
            if scanner.raw.is_some() && !is_markup {
                scanner.last_end = scanner.last_end.max(range.end);
            } else {
                scanner.advance(&range);
                if !text.as_str().trim().is_empty() {
                    scanner.content(range.start);
                }
            }
            scanner.go_on()
        }))
        .append_document_content_handler(doctype!(|doctype| {
            let mut scanner = scanner.borrow_mut();
            scanner.advance(&doctype.source_location().bytes());
            scanner.content_start = None;
            Ok(())
        }));
    let mut rewriter = HtmlRewriter::new(settings, |_: &[u8]| {});
    rewriter.write(html.as_bytes())?;
    rewriter.end()
}

/// An element whose content is text to a browser that runs scripts.
struct Raw {
    tag: Range<usize>,
    /// How its content is read all the same, if it is.
    content: Option<Surroundings>,
}

struct Scanner<'h> {
    html: &'h str,
    zone: Surroundings,
    depth: u8,
    /// Whether strict mode has failed, so that text inside `<select>` is to be looked at.
    is_ambiguous: bool,
    is_in_select: bool,
    is_in_head: bool,
    raw: Option<Raw>,
    /// Where the last token ended.
    last_end: usize,
    body_end: Option<usize>,
    body_start: Option<usize>,
    head_end: Option<usize>,
    content_start: Option<usize>,
    /// Where a comment begins that the document leaves open.
    open_comment: Option<usize>,
    found: Scan,
    /// The elements that are open, as `lol_html` keeps them: only to know how long its way is to the
    /// one that an end tag ends.
    open: Vec<u64>,
    bounds: &'h Bounds,
}

impl<'h> Scanner<'h> {
    fn new(
        html: &'h str,
        zone: Surroundings,
        depth: u8,
        is_ambiguous: bool,
        bounds: &'h Bounds,
    ) -> Self {
        Self {
            html,
            zone,
            depth,
            is_ambiguous,
            is_in_select: false,
            is_in_head: false,
            raw: None,
            last_end: 0,
            body_end: None,
            body_start: None,
            head_end: None,
            content_start: None,
            open_comment: None,
            found: Scan {
                places: Vec::new(),
                pixel_at: 0,
                pixel_first: 0,
                images: Vec::new(),
                bases: Vec::new(),
                comments: Vec::new(),
                is_amp: false,
                parts: 0,
                refused: None,
            },
            open: Vec::new(),
            bounds,
        }
    }

    /// An error ends the reading: there is too much of something.
    fn go_on(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        match self.found.refused {
            Some(_) => Err("the document has too much of something".into()),
            None => Ok(()),
        }
    }

    fn opened(&mut self, name: &str, is_html: bool, is_self_closing: bool) {
        if !(is_void(name) && is_html || is_self_closing && !is_html) {
            self.open.push(hash(name));
        }
    }

    fn closed(&mut self, name: &str) {
        let name = hash(name);
        let at = self.open.iter().rposition(|open| *open == name);
        let steps = self.open.len() - at.unwrap_or(0);
        if !take(&self.bounds.steps, steps) {
            self.found.refused.get_or_insert(MailRefusal::Tangle);
        }
        if let Some(at) = at {
            self.open.truncate(at);
        }
    }

    /// Counts a link, or something that takes as long.
    fn count_place(&mut self) {
        if !take(&self.bounds.places, 1) {
            self.found.refused.get_or_insert(MailRefusal::Links);
        }
    }

    fn zone(&self) -> Surroundings {
        if self.is_in_head {
            Surroundings::Head
        } else {
            self.zone
        }
    }

    /// Notes where something begins that is shown, or that other programs show.
    fn content(&mut self, at: usize) {
        if !self.is_in_head {
            self.content_start.get_or_insert(at);
        }
    }

    /// Takes in the end tags before a token, and the token's own range.
    fn advance(&mut self, token: &Range<usize>) {
        if self.raw.is_some() {
            self.close_raw();
        }
        if self.last_end < token.start {
            self.end_tags(self.last_end..token.start);
        }
        self.last_end = self.last_end.max(token.end);
    }

    fn end_tags(&mut self, gap: Range<usize>) {
        for (offset, _) in self.html[gap.clone()].match_indices("</") {
            let at = gap.start + offset;
            let name = &self.html[at + 2..gap.end];
            let name = &name[..name.find(ends_name).unwrap_or(name.len())];
            self.closed(name);
            if name.eq_ignore_ascii_case("body") {
                self.body_end = Some(at);
                self.is_in_head = false;
            } else if name.eq_ignore_ascii_case("head") {
                self.is_in_head = false;
                let end = self.html[at..].find('>').map(|length| at + length + 1);
                self.head_end = self.head_end.or(end);
            } else if name.eq_ignore_ascii_case("select") {
                self.is_in_select = false;
            }
        }
    }

    fn close_raw(&mut self) {
        let Some(raw) = self.raw.take() else { return };
        if let Some(zone) = raw.content {
            self.nested(raw.tag.end..self.last_end, zone);
        }
    }

    /// Reads markup that stands where a browser sees text or a comment.
    fn nested(&mut self, range: Range<usize>, zone: Surroundings) {
        let is_too_much = range.len() > self.bounds.bytes.get();
        if self.depth == MAX_DEPTH || is_too_much || self.found.refused.is_some() {
            return;
        }
        if !may_hold_places(&self.html[range.clone()]) {
            return;
        }
        self.count_place();
        let start = range.start;
        let inner = scan_part(&self.html[range], zone, self.depth + 1, self.bounds);
        self.found.refused = self.found.refused.or(inner.refused);
        self.found.parts += 1 + inner.parts;
        let images = inner.images.into_iter().map(|image| Image {
            tag: shifted(&image.tag, start),
            is_shown: false,
            ..image
        });
        self.found.images.extend(images);
        let bases = inner.bases.into_iter();
        self.found
            .bases
            .extend(bases.map(|(tag, href)| (shifted(&tag, start), href)));
        let comments = inner.comments.iter().map(|range| shifted(range, start));
        self.found.comments.extend(comments);
        self.found
            .places
            .extend(inner.places.into_iter().map(|mut place| {
                place.href = place.href.map(|href| shifted(&href, start));
                for notrack in &mut place.notrack {
                    *notrack = shifted(notrack, start);
                }
                place
            }));
    }

    fn comment(&mut self, comment: &Comment<'_>) {
        let range = comment.source_location().bytes();
        self.advance(&range);
        let raw = &self.html[range.clone()];
        let is_closed = if raw.starts_with("<!--") {
            raw.ends_with("-->") || raw.ends_with("--!>")
        } else {
            raw.ends_with('>')
        };
        self.content(range.start);
        if !is_closed {
            self.open_comment = Some(range.start);
            self.found.comments.push(range);
        } else if let Some(inner) = conditional(raw) {
            self.nested(shifted(&inner, range.start), self.zone());
        } else {
            self.found.comments.push(range);
        }
    }

    fn finish(mut self) -> Scan {
        let rest = &self.html[self.last_end..];
        let mut ended = 0;
        while rest[ended..].starts_with("</")
            && let Some(length) = rest[ended..].find('>')
        {
            ended += length + 1;
        }
        // What follows is a tag that the document cuts off: no tag, but a pixel after it would be lost in
        // it.
        let end = self.last_end + ended;
        let open_raw = self.raw.as_ref().map(|raw| raw.tag.start);
        self.close_raw();
        self.end_tags(self.last_end..end);
        self.found.pixel_at = self
            .body_end
            .or(open_raw.filter(|_| ended == 0))
            .or(self.open_comment)
            .unwrap_or(end);
        self.found.pixel_first = self
            .body_start
            .or(self.head_end)
            .or(self.content_start)
            .unwrap_or(self.found.pixel_at)
            .min(self.found.pixel_at);
        self.found
    }
}

/// Whether markup may hold a place, which has an attribute of one of these names, or an image of ours.
fn may_hold_places(markup: &str) -> bool {
    let holds = |name: &str| {
        let (first, name) = (name.as_bytes()[0], name.as_bytes());
        markup.bytes().enumerate().any(|(at, byte)| {
            byte.eq_ignore_ascii_case(&first)
                && markup.as_bytes()[at..]
                    .get(..name.len())
                    .is_some_and(|found| found.eq_ignore_ascii_case(name))
        })
    };
    // However its address is written, an image of ours has the word in it, unless that is encoded.
    holds("href") || holds(NOTRACK) || holds("<img") && (holds("open") || holds("%"))
}

/// Tells the names of elements apart, whatever their case.
fn hash(name: &str) -> u64 {
    // FNV-1a; who makes two names collide makes the count wrong for their own document.
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x100_0000_01b3)
    })
}

fn shifted(range: &Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}
