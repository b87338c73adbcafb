//! What a start tag says: of the document's parts, its links and its images.

use std::ops::Range;

use lol_html::html_content::{Attribute, Element};

use super::super::entities::{Quoting, decode};
use super::super::markup::{is_raw, is_space, is_vml_shape, stays_in_head};
use super::super::target::clean;
use super::{HTML, Image, LinkPlace, NOTRACK, Raw, Scanner, Surroundings};

impl Scanner<'_> {
    pub(super) fn start_tag(&mut self, element: &Element<'_, '_>) {
        let tag = element.source_location().bytes();
        self.advance(&tag);
        let name = element.tag_name();
        let is_html = element.namespace_uri() == HTML;
        self.opened(&name, is_html, element.is_self_closing());
        match name.as_str() {
            "html" => {
                self.content_start = None;
                self.found.is_amp |= element.attributes().iter().any(|attribute| {
                    let name = attribute.name();
                    name.starts_with("amp4") || name == "amp" || name.starts_with('⚡')
                });
            }
            "head" => {
                self.is_in_head = self.depth == 0;
                self.content_start = None;
            }
            "body" => {
                self.body_start.get_or_insert(tag.end);
            }
            "select" => self.is_in_select = is_html,
            // No end tag of it brings markup back.
            "frameset" => self.is_in_select = true,
            "img" => {
                if let Some(source) = element.get_attribute("src") {
                    self.found.images.push(Image {
                        tag: tag.clone(),
                        source: clean(&decode(&source)).into_owned(),
                        is_shown: true,
                    });
                }
            }
            "base" => {
                if let Some(href) = element.get_attribute("href") {
                    let href = clean(&decode(&href)).into_owned();
                    self.found.bases.push((tag.clone(), href));
                }
            }
            "a" | "area" => self.link(element.attributes()),
            shape if is_vml_shape(shape) => self.link(element.attributes()),
            _ => {}
        }
        // Not `a` and `area`: between `<head>` and `</head>` nothing is a link, whatever a browser
        // makes of it.
        if self.is_in_head && is_html && !stays_in_head(&name) {
            self.is_in_head = false;
        }
        let is_link = matches!(&*name, "a" | "area");
        if is_link || !(matches!(&*name, "html" | "head") || is_html && stays_in_head(&name)) {
            self.content(tag.start);
        }
        if is_html && is_raw(&name) {
            let content = if name == "noscript" && !(self.is_ambiguous && self.is_in_select) {
                Some(self.zone())
            } else if self.is_ambiguous
                && self.is_in_select
                && !matches!(&*name, "script" | "style")
            {
                Some(Surroundings::Ambiguous)
            } else {
                None
            };
            self.raw = Some(Raw { tag, content });
        }
    }

    fn link(&mut self, attributes: &[Attribute<'_>]) {
        let mut place = LinkPlace {
            href: None,
            quoting: Quoting::Unquoted,
            notrack: Vec::new(),
            zone: self.zone(),
        };
        for attribute in attributes {
            let Some(name) = attribute.name_source_location().map(|name| name.bytes()) else {
                continue;
            };
            let value = attribute.value_source_location().map(|value| value.bytes());
            match attribute.name().as_str() {
                "href" if place.href.is_none() => {
                    let value = value.unwrap_or(name.end..name.end);
                    place.quoting = self.quoting(&value);
                    place.href = Some(value);
                }
                NOTRACK => place.notrack.push(self.whole(name, value)),
                _ => {}
            }
        }
        if place.href.is_some() || !place.notrack.is_empty() {
            self.count_place();
            self.found.places.push(place);
        }
    }

    fn quoting(&self, value: &Range<usize>) -> Quoting {
        match self.html.as_bytes()[value.start - 1] {
            b'"' => Quoting::Double,
            b'\'' => Quoting::Single,
            _ => Quoting::Unquoted,
        }
    }

    /// An attribute from the white space before its name to the quote after its value.
    fn whole(&self, name: Range<usize>, value: Option<Range<usize>>) -> Range<usize> {
        let bytes = self.html.as_bytes();
        let end = match value {
            Some(value) => value.end + usize::from(self.quoting(&value) != Quoting::Unquoted),
            None => {
                // `data-misar-notrack=` without a value: a `=` left behind would name an attribute.
                let rest = self.html[name.end..].trim_start_matches(is_space);
                let spaces = self.html.len() - name.end - rest.len();
                name.end + if rest.starts_with('=') { spaces + 1 } else { 0 }
            }
        };
        let has_space = is_space(char::from(bytes[name.start - 1]));
        // `href=x data-misar-notrack/>`: without the space the slash would become part of the value.
        let joins =
            matches!(bytes.get(end), Some(next) if !is_space(char::from(*next)) && *next != b'>');
        name.start - usize::from(has_space && !joins)..end
    }
}
