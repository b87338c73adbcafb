//! A mail as programs send it, and what a mail program finds in it. The reading is `mail-parser`'s,
//! so that it shares nothing with the writing.

use std::fmt::Write as _;

use mail_parser::{MessageParser, PartType};
use serde_json::Value;

/// Lines of quoted-printable have at most so many characters (RFC 2045, 6.7).
const MAX_LINE: usize = 76;

/// What a mail program finds in a mail.
pub(crate) struct Mail {
    /// The HTML part, decoded.
    pub(crate) html: String,
    /// The text part, decoded.
    pub(crate) text: String,
    /// The header, unfolded.
    pub(crate) list_unsubscribe: String,
    /// The header.
    pub(crate) list_unsubscribe_post: String,
}

/// The mail that the answer to `POST /v1/messages` asks for: its parts in quoted-printable, as most
/// mail is, since its lines are longer than SMTP allows; and its headers.
pub(crate) fn write(to: &str, answer: &Value) -> String {
    let part = |name: &str| quoted_printable(answer[name].as_str().unwrap());
    let header = |name: &str| answer["headers"][name].as_str().unwrap();
    format!(
        "From: Shop <news@shop.test>\n\
         To: <{to}>\n\
         Subject: Spring\n\
         List-Unsubscribe:\n {unsubscribe}\n\
         List-Unsubscribe-Post: {post}\n\
         MIME-Version: 1.0\n\
         Content-Type: multipart/alternative; boundary=\"=_parts\"\n\
         \n\
         --=_parts\n\
         Content-Type: text/plain; charset=utf-8\n\
         Content-Transfer-Encoding: quoted-printable\n\
         \n\
         {text}\n\
         --=_parts\n\
         Content-Type: text/html; charset=utf-8\n\
         Content-Transfer-Encoding: quoted-printable\n\
         \n\
         {html}\n\
         --=_parts--\n",
        unsubscribe = header("List-Unsubscribe"),
        post = header("List-Unsubscribe-Post"),
        text = part("text"),
        html = part("html"),
    )
}

/// Reads a mail from a mailbox.
pub(crate) fn read(delivered: &[u8]) -> Mail {
    let mail = MessageParser::default().parse(delivered).unwrap();
    // Not `body_html` and `body_text`, which make one part of the other where it is missing.
    let part = |is_wanted: fn(&PartType<'_>) -> Option<String>| {
        let mut found = mail.parts.iter().filter_map(|part| is_wanted(&part.body));
        let only = found.next().unwrap();
        assert_eq!(found.next(), None);
        only
    };
    let header = |name: &str| {
        let raw = mail.header_raw(name).unwrap();
        raw.trim().replace(['\r', '\n'], "")
    };
    Mail {
        html: part(|body| match body {
            PartType::Html(html) => Some(html.to_string()),
            _ => None,
        }),
        text: part(|body| match body {
            PartType::Text(text) => Some(text.to_string()),
            _ => None,
        }),
        list_unsubscribe: header("List-Unsubscribe"),
        list_unsubscribe_post: header("List-Unsubscribe-Post"),
    }
}

/// Of text whose lines end in `\n`.
fn quoted_printable(text: &str) -> String {
    let mut written = String::new();
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            written.push('\n');
        }
        let mut column = 0;
        for (at, byte) in line.bytes().enumerate() {
            let is_last = at + 1 == line.len();
            let is_plain = (byte.is_ascii_graphic() && byte != b'=') || (byte == b' ' && !is_last);
            let width = if is_plain { 1 } else { 3 };
            // With room for the `=` of a soft line end.
            if column + width >= MAX_LINE {
                written.push_str("=\n");
                column = 0;
            }
            column += width;
            if is_plain {
                written.push(char::from(byte));
            } else {
                write!(written, "={byte:02X}").unwrap();
            }
        }
    }
    written
}
