//! The first form of tokens. Mails that hold them stay around, so they are read for ever; and a message
//! that was registered with a key of that time gets them again when it is registered again.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version, 1 |
//! | 1 | kind |
//! | 4 | id of the key, big-endian |
//! | 16 + n | AES-SIV of [`Sealed`] as postcard, with the six bytes before as associated data |

use std::cell::RefCell;
use std::io::Read as _;

use flate2::read::DeflateDecoder;
use flate2::{Compress, Compression, FlushCompress, Status};
use serde::{Deserialize, Serialize};
use shared::time::Timestamp;

use super::{Sent, Token, TokenKind};
use crate::record::{ContactId, MessageType, WorkspaceId};

pub(super) const VERSION: u8 = 1;
const HEADER_BYTES: usize = 6;
/// A target that is longer is never deflated, so that inflating has a bound.
const MAX_INFLATED_BYTES: u64 = 16 * 1024;

/// The header of a token.
pub(super) fn make_header(kind: TokenKind, key_id: u32) -> Vec<u8> {
    let [a, b, c, d] = key_id.to_be_bytes();
    vec![VERSION, kind.number(), a, b, c, d]
}

/// The bytes to encrypt.
pub(super) fn write(token: &Token) -> Vec<u8> {
    let sent = token.sent();
    let link = match token {
        Token::Click { link, target, .. } => Some(SealedLink {
            number: *link,
            target: SealedTarget::of(target),
        }),
        Token::Open(_) | Token::Unsubscribe(_) => None,
    };
    postcard::to_stdvec(&Sealed {
        workspace: sent.workspace,
        message_id: sent.message_id.clone(),
        contact: sent.contact,
        campaign_id: sent.campaign_id.clone(),
        sent_at: sent.sent_at.as_millis(),
        message_type: sent.message_type,
        link,
    })
    .expect("structs of texts and numbers can be written to memory")
}

/// The header of these bytes, and the key that it names.
pub(super) fn header(bytes: &[u8]) -> Option<(&[u8], u32)> {
    let (header, _) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let [VERSION, _, a, b, c, d] = *header else {
        return None;
    };
    Some((header.as_slice(), u32::from_be_bytes([a, b, c, d])))
}

/// Reads what was encrypted.
pub(super) fn read(kind: TokenKind, header: &[u8], plain: &[u8]) -> Option<Token> {
    let (sealed, rest) = postcard::take_from_bytes::<Sealed>(plain).ok()?;
    let is_of_kind = rest.is_empty() && header.get(1) == Some(&kind.number());
    is_of_kind.then_some(sealed)?.into_token(kind)
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    workspace: WorkspaceId,
    message_id: String,
    contact: ContactId,
    campaign_id: Option<String>,
    /// Milliseconds since 1970.
    sent_at: i64,
    message_type: MessageType,
    /// Of a click alone.
    link: Option<SealedLink>,
}

#[derive(Serialize, Deserialize)]
struct SealedLink {
    number: u32,
    target: SealedTarget,
}

#[derive(Serialize, Deserialize)]
enum SealedTarget {
    Plain(String),
    /// Raw deflate (RFC 1951), where that is shorter.
    Deflated(Vec<u8>),
}

impl Sealed {
    fn into_token(self, kind: TokenKind) -> Option<Token> {
        let sent = Sent {
            workspace: self.workspace,
            message_id: self.message_id,
            contact: self.contact,
            campaign_id: self.campaign_id,
            message_type: self.message_type,
            sent_at: Timestamp::from_millis(self.sent_at),
        };
        match (kind, self.link) {
            (TokenKind::Open, None) => Some(Token::Open(sent)),
            (TokenKind::Unsubscribe, None) => Some(Token::Unsubscribe(sent)),
            (TokenKind::Click, Some(link)) => Some(Token::Click {
                sent,
                link: link.number,
                target_number: None,
                target: link.target.text()?,
            }),
            _ => None,
        }
    }
}

impl SealedTarget {
    fn of(target: &str) -> Self {
        let deflated = (target.len() as u64 <= MAX_INFLATED_BYTES)
            .then(|| deflate(target.as_bytes()))
            .flatten()
            .filter(|deflated| deflated.len() < target.len());
        deflated.map_or_else(|| Self::Plain(target.to_owned()), Self::Deflated)
    }

    /// `None` where it does not inflate to a text of the size that may be.
    fn text(self) -> Option<String> {
        let deflated = match self {
            Self::Plain(text) => return Some(text),
            Self::Deflated(deflated) => deflated,
        };
        let mut bytes = Vec::new();
        DeflateDecoder::new(deflated.as_slice())
            .take(MAX_INFLATED_BYTES + 1)
            .read_to_end(&mut bytes)
            .ok()?;
        if bytes.len() as u64 > MAX_INFLATED_BYTES {
            return None;
        }
        String::from_utf8(bytes).ok()
    }
}

thread_local! {
    /// Its tables are 300 KB: making them anew for each link took most of the time of a message with
    /// many.
    static DEFLATER: RefCell<Compress> = RefCell::new(Compress::new(Compression::best(), false));
}

/// Raw deflate, where it is shorter.
fn deflate(bytes: &[u8]) -> Option<Vec<u8>> {
    DEFLATER.with_borrow_mut(|deflater| {
        deflater.reset();
        let mut out = Vec::with_capacity(bytes.len());
        // Ends before everything is written where there is no more room, which is what is asked.
        let status = deflater.compress_vec(bytes, &mut out, FlushCompress::Finish);
        (status.ok()? == Status::StreamEnd).then_some(out)
    })
}

#[cfg(test)]
mod tests;
