//! Facts of HTML: conditional comments, white space, and kinds of elements.

use std::ops::Range;

/// The inner markup of `<!--[if …]> … <![endif]-->`, which Outlook reads, as a range of the comment.
/// `<!--[if !mso]><!-->` and `<!--<![endif]-->` have none: what stands between them is no comment.
pub(super) fn conditional(comment: &str) -> Option<Range<usize>> {
    const END: &str = "<![endif]";
    let text = comment.strip_prefix("<!--")?;
    let text = text
        .strip_suffix("-->")
        .or_else(|| text.strip_suffix("--!>"))?;
    if !starts_with_ignore_case(text.trim_start(), "[if") {
        return None;
    }
    let start = text.find("]>")? + 2;
    let end = text.trim_end().len().checked_sub(END.len())?;
    let is_ended =
        end >= start && text.is_char_boundary(end) && starts_with_ignore_case(&text[end..], END);
    is_ended.then_some("<!--".len() + start.."<!--".len() + end)
}

fn starts_with_ignore_case(text: &str, start: &str) -> bool {
    text.as_bytes()
        .get(..start.len())
        .is_some_and(|bytes| bytes.eq_ignore_ascii_case(start.as_bytes()))
}

/// HTML's white space.
pub(super) fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r' | '\u{c}')
}

/// What ends the name of a tag.
pub(super) fn ends_name(character: char) -> bool {
    is_space(character) || matches!(character, '/' | '>')
}

/// Elements whose content is text, not markup.
pub(super) fn is_raw(name: &str) -> bool {
    matches!(
        name,
        "textarea"
            | "title"
            | "plaintext"
            | "script"
            | "style"
            | "iframe"
            | "xmp"
            | "noembed"
            | "noframes"
            | "noscript"
    )
}

/// Elements that have no content and no end tag.
pub(super) fn is_void(name: &str) -> bool {
    matches!(
        name,
        "area"
            | "base"
            | "basefont"
            | "bgsound"
            | "br"
            | "col"
            | "embed"
            | "hr"
            | "img"
            | "input"
            | "keygen"
            | "link"
            | "meta"
            | "param"
            | "source"
            | "track"
            | "wbr"
    )
}

/// Shapes of VML, which Outlook draws and lets be clicked; not what fills or outlines one.
pub(super) fn is_vml_shape(name: &str) -> bool {
    matches!(
        name,
        "v:roundrect"
            | "v:rect"
            | "v:shape"
            | "v:oval"
            | "v:group"
            | "v:line"
            | "v:polyline"
            | "v:arc"
            | "v:curve"
            | "v:image"
    )
}

/// Elements that do not end a `<head>` which has no end tag.
pub(super) fn stays_in_head(name: &str) -> bool {
    matches!(
        name,
        "head"
            | "base"
            | "basefont"
            | "bgsound"
            | "link"
            | "meta"
            | "title"
            | "noscript"
            | "noframes"
            | "style"
            | "script"
            | "template"
            | "a"
            | "area"
    )
}
