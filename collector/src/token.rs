//! The tokens in mails: what a pixel, a link or an unsubscribe link carries, so that any node serves
//! it without a look-up (design.md 4.3). Not what is done about one (`mail`), nor where the keys lie
//! (`meta`).
//!
//! A token is unpadded base64url of
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version, 1 |
//! | 1 | kind: 1 open, 2 click, 3 unsubscribe |
//! | 4 | id of the key, big-endian |
//! | 16 + n | AES-SIV (RFC 5297, AES-256) of `Sealed` as postcard, with the six bytes before as associated data |
//!
//! AES-SIV is deterministic: equal input gives the equal token, so that instrumenting a mail twice
//! changes nothing; what repeats is all that this reveals.

use std::cell::RefCell;
use std::io::Read as _;
use std::sync::LazyLock;

use aes_siv::KeyInit as _;
use aes_siv::siv::Aes256Siv;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::read::DeflateDecoder;
use flate2::{Compress, Compression, FlushCompress, Status};
use serde::{Deserialize, Serialize};
use shared::time::Timestamp;

use crate::log::record::{ContactId, MessageType, WorkspaceId};

/// A link whose token would be longer stays as it was: clients and gateways cut longer addresses.
pub const MAX_TOKEN_CHARS: usize = 1_800;
/// A text that is longer is no token, and is not even decoded.
pub const MAX_TEXT_CHARS: usize = 4_096;
/// Bytes of a secret: two AES-256 keys, as RFC 5297 wants them.
pub const SECRET_BYTES: usize = 64;

const VERSION: u8 = 1;
/// Version, kind, key id.
const HEADER_BYTES: usize = 6;
/// A target that is longer is never deflated, so that inflating has a bound.
const MAX_INFLATED_BYTES: u64 = 16 * 1024;
/// What is decrypted in place of a text that is no token: about as long as one.
const STAND_IN_BYTES: usize = 160;

/// What a token is for; one kind is refused where another is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    Open,
    Click,
    Unsubscribe,
}

impl TokenKind {
    fn number(self) -> u8 {
        match self {
            Self::Open => 1,
            Self::Click => 2,
            Self::Unsubscribe => 3,
        }
    }
}

/// One message to one contact, as every token of it tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub workspace: WorkspaceId,
    pub message_id: String,
    /// Never the address: old mail resurrects nobody who was erased.
    pub contact: ContactId,
    pub campaign_id: Option<String>,
    pub message_type: MessageType,
    pub sent_at: Timestamp,
}

/// What a token says.
#[derive(Clone, PartialEq, Eq)]
pub enum Token {
    Open(Sent),
    Click {
        sent: Sent,
        /// The link's number within the message, from 0.
        link: u32,
        /// Where it leads, in full.
        target: String,
    },
    Unsubscribe(Sent),
}

impl Token {
    pub fn kind(&self) -> TokenKind {
        match self {
            Self::Open(_) => TokenKind::Open,
            Self::Click { .. } => TokenKind::Click,
            Self::Unsubscribe(_) => TokenKind::Unsubscribe,
        }
    }

    pub fn sent(&self) -> &Sent {
        match self {
            Self::Open(sent) | Self::Click { sent, .. } | Self::Unsubscribe(sent) => sent,
        }
    }
}

/// Without the target: it may hold what is personal.
impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("kind", &self.kind())
            .field("sent", self.sent())
            .finish_non_exhaustive()
    }
}

/// What is encrypted. Changing it wants a new [`VERSION`]: mails with the old one stay around.
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

/// A key under which tokens are made and read.
#[derive(Clone)]
pub struct TokenKey {
    /// From 1, and never used again.
    pub id: u32,
    pub created_at: Timestamp,
    pub(crate) secret: [u8; SECRET_BYTES],
}

impl TokenKey {
    fn cipher(&self) -> Aes256Siv {
        Aes256Siv::new(&self.secret.into())
    }
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenKey")
            .field("id", &self.id)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}

/// All keys that there ever were: tokens do not expire, so neither does a key. New tokens are made
/// with the last one.
#[derive(Debug, Clone)]
pub struct TokenKeys {
    earlier: Vec<TokenKey>,
    current: TokenKey,
}

impl TokenKeys {
    /// In the order of their ids; `None` where there is none.
    pub fn new(mut keys: Vec<TokenKey>) -> Option<Self> {
        keys.sort_by_key(|key| key.id);
        let current = keys.pop()?;
        Some(Self {
            earlier: keys,
            current,
        })
    }

    /// These and a newer one, which is the current from then on.
    #[must_use]
    pub(crate) fn with(&self, newer: TokenKey) -> Self {
        let mut earlier = self.earlier.clone();
        earlier.push(self.current.clone());
        Self {
            earlier,
            current: newer,
        }
    }

    /// The one that new tokens are made with.
    pub fn current(&self) -> &TokenKey {
        &self.current
    }

    /// All of them, the oldest first.
    pub fn all(&self) -> impl Iterator<Item = &TokenKey> {
        self.earlier.iter().chain([&self.current])
    }

    /// Makes a token; with the key of that id, so that an earlier token comes out again, or else
    /// with the current one. Links: see [`MAX_TOKEN_CHARS`].
    pub fn seal(&self, key_id: Option<u32>, token: &Token) -> String {
        let key = key_id.and_then(|id| self.find(id)).unwrap_or(&self.current);
        let sent = token.sent();
        let link = match token {
            Token::Click { link, target, .. } => Some(SealedLink {
                number: *link,
                target: SealedTarget::of(target),
            }),
            Token::Open(_) | Token::Unsubscribe(_) => None,
        };
        let plain = postcard::to_stdvec(&Sealed {
            workspace: sent.workspace,
            message_id: sent.message_id.clone(),
            contact: sent.contact,
            campaign_id: sent.campaign_id.clone(),
            sent_at: sent.sent_at.as_millis(),
            message_type: sent.message_type,
            link,
        })
        .expect("structs of texts and numbers can be written to memory");
        let header = header(token.kind(), key.id);
        let sealed = key
            .cipher()
            .encrypt([header], &plain)
            .expect("AES-SIV refuses only more headers than the one");
        URL_SAFE_NO_PAD.encode([header.as_slice(), &sealed].concat())
    }

    /// Reads a token of that kind; `None` for everything that was not made with one of these keys
    /// for this kind, to the last bit. Whatever the text, there is something to decrypt, so that
    /// the time tells little.
    pub fn open(&self, kind: TokenKind, text: &str) -> Option<Token> {
        let bytes = decode(text).unwrap_or_default();
        let parts = bytes
            .split_first_chunk::<HEADER_BYTES>()
            .filter(|(_, sealed)| sealed.len() > aes_siv::siv::IV_SIZE);
        let (header_sent, sealed) = match parts {
            Some(parts) => parts,
            None => (&[0; HEADER_BYTES], [0; STAND_IN_BYTES].as_slice()),
        };
        let [.., a, b, c, d] = *header_sent;
        let key = self.find(u32::from_be_bytes([a, b, c, d]));
        let plain = key
            .unwrap_or(&STAND_IN)
            .cipher()
            .decrypt([header_sent], sealed)
            .ok();
        // Said once more, and no matter of timing: these six bytes are in the clear.
        let is_ours = key.is_some_and(|key| *header_sent == header(kind, key.id));
        let plain = plain.filter(|_| is_ours)?;
        Sealed::read(&plain)?.into_token(kind)
    }

    fn find(&self, id: u32) -> Option<&TokenKey> {
        if id == self.current.id {
            return Some(&self.current);
        }
        let at = self.earlier.binary_search_by_key(&id, |key| key.id).ok()?;
        self.earlier.get(at)
    }
}

/// The key for texts that name none. It opens nothing: no token is ever made with it, and what it
/// decrypts is thrown away.
static STAND_IN: LazyLock<TokenKey> = LazyLock::new(|| TokenKey {
    id: 0,
    created_at: Timestamp::from_millis(0),
    secret: [0; SECRET_BYTES],
});

fn header(kind: TokenKind, key_id: u32) -> [u8; HEADER_BYTES] {
    let [a, b, c, d] = key_id.to_be_bytes();
    [VERSION, kind.number(), a, b, c, d]
}

/// Strict: no padding, no other alphabet, and the bits behind the last byte are zero.
fn decode(text: &str) -> Option<Vec<u8>> {
    if text.len() > MAX_TEXT_CHARS {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text).ok()
}

impl Sealed {
    fn read(plain: &[u8]) -> Option<Self> {
        let (sealed, rest) = postcard::take_from_bytes(plain).ok()?;
        rest.is_empty().then_some(sealed)
    }

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
