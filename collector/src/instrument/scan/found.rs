//! What a scan finds. Ranges are bytes of the document.

use std::ops::Range;

use super::super::entities::Quoting;

/// What was found.
#[derive(Debug)]
pub(in crate::instrument) struct Scan {
    /// In document order.
    pub places: Vec<LinkPlace>,
    /// Where a pixel is drawn: before the last `</body>`, else at the end, but never inside something
    /// that the document leaves open, such as a comment.
    pub pixel_at: usize,
    /// Where a pixel is drawn before anything else: behind the first `<body>`, else where the content
    /// begins.
    pub pixel_first: usize,
    /// In document order.
    pub images: Vec<Image>,
    /// What `<base>` says, with its tag.
    pub bases: Vec<(Range<usize>, String)>,
    /// Comments that nobody reads as markup.
    pub comments: Vec<Range<usize>>,
    /// `<html amp4email>` and its like: AMP allows no `<img>`.
    pub is_amp: bool,
    /// Parts of text that were read as markup.
    pub parts: u32,
    /// Why the reading ended early; then nothing else of this counts.
    pub refused: Option<MailRefusal>,
}

/// An image with a source.
#[derive(Debug)]
pub(in crate::instrument) struct Image {
    pub tag: Range<usize>,
    /// Decoded.
    pub source: String,
    /// Whether every mail client sees it: it does not stand in a comment or a `<noscript>`.
    pub is_shown: bool,
}

/// Why a message is refused: what it has too much of, or a place at which it cannot be mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MailRefusal {
    /// Links, or comments and the like that links are looked for in.
    Links,
    /// End tags that end nothing, inside elements that are never ended: for each of them all elements
    /// that are open are gone through.
    Tangle,
    /// The unsubscribe placeholder, where it cannot become an address: at this byte.
    Placeholder(usize),
    /// An address of ours whose token cannot be read: at this byte.
    Damaged(usize),
    /// An address that was made for another message, where it cannot be made anew: at this byte.
    Another(usize),
}

/// An `<a>`, an `<area>` or a shape of VML with an `href`, or with the opt-out attribute.
#[derive(Debug)]
pub(in crate::instrument) struct LinkPlace {
    /// The value of the first `href`, without quotes; absent with no `href`, empty where it has no value.
    pub href: Option<Range<usize>>,
    pub quoting: Quoting,
    /// What to cut out: each opt-out attribute with the one white space before it.
    pub notrack: Vec<Range<usize>>,
    pub zone: Surroundings,
}

/// What kind of surroundings a link stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::instrument) enum Surroundings {
    Body,
    Head,
    /// Text of which programs disagree whether it is markup.
    Ambiguous,
}
