//! The request line of an address in a mail. What mail programs put behind a token (`>`, `<`, a quotation
//! mark, the rest of a sentence) reaches the server raw, and the parser of addresses refuses some of it: a
//! reader would get an error for a link that is whole. Such a sign becomes a `'` before it is parsed. No
//! token has one and routes cut off what follows a token, so it means the same; and since the length stays,
//! what follows on the connection does too.
//!
//! Mended are, in a path under `/mail/` or its query: `<`, `>`, `"`, a back quote, control characters other than
//! CR and LF, every byte beyond ASCII (which otherwise has to be UTF-8), and blanks, where the whole line
//! comes in one piece. `#` ends the address for the parser. Everything else that is no CR or LF passes as it
//! is. What stays refused: a line with a bare CR; one that says no `HTTP/1.x`; a head that is larger than is
//! read, which is never less than `MAX_HEADER_BYTES`; and a line that comes behind another request in one piece (pipelined:
//! no mail program does that).

/// What these lines begin with.
const BEGINNINGS: [&[u8]; 3] = [b"GET /mail/", b"HEAD /mail/", b"POST /mail/"];
/// What stands behind the address.
const VERSION: &[u8] = b" HTTP/1.";
const STAND_IN: u8 = b'\'';

/// Where in the first line of a request a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MailLine {
    /// Within the beginning, so many bytes of which have come; the beginnings with these numbers fit.
    Beginning { length: usize, fits: [bool; 3] },
    /// In an address of a mail.
    Address,
    /// Behind the line, or in a line of another kind.
    Over,
}

impl MailLine {
    /// Before a request.
    pub(super) const START: Self = Self::Beginning {
        length: 0,
        fits: [true; 3],
    };

    /// Mends what comes next.
    pub(super) fn mend(&mut self, bytes: &mut [u8]) {
        let mut at = 0;
        while let Self::Beginning { length, fits } = self {
            let Some(byte) = bytes.get(at) else { return };
            at += 1;
            // Line ends before a request are skipped by the parser too.
            if *length == 0 && matches!(byte, b'\r' | b'\n') {
                continue;
            }
            for (beginning, fits) in BEGINNINGS.iter().zip(&mut *fits) {
                *fits &= beginning.get(*length) == Some(byte);
            }
            *length += 1;
            let is_whole = |(beginning, fits): (&&[u8], &bool)| *fits && beginning.len() == *length;
            *self = if BEGINNINGS.iter().zip(&*fits).any(is_whole) {
                Self::Address
            } else if fits.contains(&true) {
                continue;
            } else {
                Self::Over
            };
        }
        if *self == Self::Over {
            return;
        }
        let rest = &mut bytes[at..];
        let end = memchr::memchr(b'\n', rest);
        let length = end.unwrap_or(rest.len());
        let line = &mut rest[..length];
        let address_end = end
            .and_then(|_| memchr::memmem::rfind(line, VERSION))
            .unwrap_or(line.len());
        for byte in &mut line[..address_end] {
            // A blank may be the one before the version, unless that is in sight.
            let is_refused = match *byte {
                b' ' => end.is_some(),
                b'\r' => false,
                b'"' | b'<' | b'>' | b'`' => true,
                other => other.is_ascii_control() || !other.is_ascii(),
            };
            if is_refused {
                *byte = STAND_IN;
            }
        }
        if end.is_some() {
            *self = Self::Over;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mended(pieces: &[&[u8]]) -> Vec<u8> {
        let mut line = MailLine::START;
        let mut all = Vec::new();
        for piece in pieces {
            let mut piece = piece.to_vec();
            line.mend(&mut piece);
            all.extend(piece);
        }
        all
    }

    #[test]
    fn what_no_parser_takes_becomes_a_quotation_mark_in_addresses_of_mails_alone() {
        for (sent, read) in [
            (
                &b"GET /mail/track/open/T> HTTP/1.1\r\nX: <a>\r\n\r\n<"[..],
                &b"GET /mail/track/open/T' HTTP/1.1\r\nX: <a>\r\n\r\n<"[..],
            ),
            (
                b"\r\nHEAD /mail/a<b`c\td\x7fe\xfff?g>h HTTP/1.0\r\n",
                b"\r\nHEAD /mail/a'b'c'd'e'f?g'h HTTP/1.0\r\n",
            ),
            (
                b"POST /mail/T and more HTTP/1.1 HTTP/1.1\r\n",
                b"POST /mail/T'and'more'HTTP/1.1 HTTP/1.1\r\n",
            ),
            (
                b"GET /mail/\"{}|\\^~%zz#[] HTTP/1.1\r\n",
                b"GET /mail/'{}|\\^~%zz#[] HTTP/1.1\r\n",
            ),
            (b"GET /mails/> HTTP/1.1\r\n", b"GET /mails/> HTTP/1.1\r\n"),
            (b"GET /v1/> HTTP/1.1\r\n", b"GET /v1/> HTTP/1.1\r\n"),
            (b"PUT /mail/> HTTP/1.1\r\n", b"PUT /mail/> HTTP/1.1\r\n"),
            (b"", b""),
        ] {
            let shown = String::from_utf8_lossy(sent);
            assert_eq!(mended(&[sent]), read, "{shown}");
            // In pieces the same, but for blanks.
            if !sent.windows(4).any(|part| part == b" and") {
                let bytes: Vec<&[u8]> = sent.chunks(1).collect();
                assert_eq!(mended(&bytes), read, "{shown}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn no_byte_is_added_or_lost_and_no_line_ends_elsewhere(sent: Vec<u8>, cut in 0_usize..64) {
            let sent = [b"GET /mail/".as_slice(), &sent].concat();
            let cut = cut.min(sent.len());
            let read = mended(&[&sent[..cut], &sent[cut..]]);
            proptest::prop_assert_eq!(read.len(), sent.len());
            for (sent, read) in sent.iter().zip(&read) {
                proptest::prop_assert!(sent == read || (*read == STAND_IN && !b"\r\n".contains(sent)));
            }
        }
    }
}
