//! The tokens in mails: what a pixel, a link or an unsubscribe link carries, so that any node serves
//! it without a look-up. Not what is done about one (`ingest::hits`), nor where the keys lie
//! (`meta`).
//!
//! A token is unpadded base64url of
//!
//! | bytes | what |
//! |---|---|
//! | 1 | four bits each: version, 2; kind: 1 open, 2 click, 3 unsubscribe |
//! | 1–5 | id of the key (LEB128) |
//! | 16 + n | AES-SIV (RFC 5297, AES-256) of what `layout` writes, with the bytes before as associated data |
//!
//! It never ends in `-` or `_`. Tokens of the version before (`first`) are read for ever, and made with keys
//! of that time, so that a message that is registered again gets its own again.
//!
//! AES-SIV is deterministic: equal input gives the equal token, so that instrumenting a mail twice
//! changes nothing; what repeats is all that this reveals.

mod first;
mod layout;

use std::sync::LazyLock;

use aes_siv::KeyInit as _;
use aes_siv::siv::Aes256Siv;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use shared::time::Timestamp;

use crate::record::{ContactId, MessageType, WorkspaceId};

/// A link whose token would be longer stays as it was: clients and gateways cut longer addresses.
pub const MAX_TOKEN_CHARS: usize = 1_800;
/// A text that is longer is no token, and is not even decoded.
pub const MAX_TEXT_CHARS: usize = 4_096;
/// Bytes of a secret: two AES-256 keys, as RFC 5297 wants them.
pub(crate) const SECRET_BYTES: usize = 64;

/// Of the tokens that are made.
const VERSION: u8 = 2;
/// What is decrypted in place of a text that is no token: about as long as one.
const STAND_IN_BYTES: usize = 96;

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
        /// The number of its target among the message's different ones, from 0: copies of a link
        /// share it. `None` in tokens of versions before.
        target_number: Option<u32>,
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

/// A key under which tokens are made and read.
#[derive(Clone)]
pub struct TokenKey {
    /// From 1, and never used again.
    pub id: u32,
    pub created_at: Timestamp,
    pub(crate) secret: [u8; SECRET_BYTES],
    pub(crate) form: TokenForm,
}

/// How the tokens of a key are written: one key makes one token of a message for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenForm {
    /// See `first`. No new key has it.
    First,
    /// See `layout`.
    Short,
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
        let (header, plain) = match key.form {
            TokenForm::First => (
                first::make_header(token.kind(), key.id),
                first::write(token),
            ),
            TokenForm::Short => {
                let header = header(token.kind(), key.id);
                let plain = layout::write(token, header.len() + aes_siv::siv::IV_SIZE);
                (header, plain)
            }
        };
        let sealed = key
            .cipher()
            .encrypt([&header], &plain)
            .expect("AES-SIV refuses only more headers than the one");
        URL_SAFE_NO_PAD.encode([header.as_slice(), &sealed].concat())
    }

    /// Reads a token of that kind; `None` for everything that was not made with one of these keys
    /// for this kind, to the last bit. Whatever the text, there is something to decrypt, so that
    /// the time tells little.
    pub fn open(&self, kind: TokenKind, text: &str) -> Option<Token> {
        let bytes = decode(text).unwrap_or_default();
        let parts =
            split(&bytes).filter(|(header, _)| bytes.len() > header.len() + aes_siv::siv::IV_SIZE);
        let (header_sent, key_id, sealed) = match parts {
            Some((header, key_id)) => (header, key_id, &bytes[header.len()..]),
            None => ([0; 2].as_slice(), 0, [0; STAND_IN_BYTES].as_slice()),
        };
        let key = self.find(key_id);
        let plain = key
            .unwrap_or(&STAND_IN)
            .cipher()
            .decrypt([header_sent], sealed)
            .ok();
        let plain = plain.filter(|_| key.is_some())?;
        if header_sent.first() == Some(&first::VERSION) {
            return first::read(kind, header_sent, &plain);
        }
        // Said once more, and no matter of timing: these bytes are in the clear.
        let is_ours = *header_sent == header(kind, key_id);
        is_ours.then(|| layout::read(kind, &plain)).flatten()
    }

    /// Reads the token that a text begins with, whatever mail programs and gateways have put behind it
    /// (`/`, `'`, `.`, `)`, `>`, the `_` of an emphasis), and gives it back with its own text.
    pub fn read<'t>(&self, kind: TokenKind, text: &'t str) -> Option<(Token, &'t str)> {
        let end = text.bytes().position(|byte| !is_token(byte));
        let text = &text[..end.unwrap_or(text.len())];
        if let Some(token) = self.open(kind, text) {
            return Some((token, text));
        }
        // Only tokens of the first version may end in one of these.
        let without = text.trim_end_matches(['-', '_']);
        let is_other = without.len() < text.len();
        let token = is_other.then(|| self.open(kind, without)).flatten()?;
        Some((token, without))
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
    form: TokenForm::Short,
});

fn header(kind: TokenKind, key_id: u32) -> Vec<u8> {
    let mut header = vec![VERSION << 4 | kind.number()];
    layout::put_number(&mut header, key_id);
    header
}

/// The header that these bytes begin with, of either version, and the key that it names.
fn split(bytes: &[u8]) -> Option<(&[u8], u32)> {
    if bytes.first() == Some(&first::VERSION) {
        return first::header(bytes);
    }
    let mut rest = bytes.get(1..)?;
    let key_id = layout::take_number(&mut rest)?;
    Some((&bytes[..bytes.len() - rest.len()], key_id))
}

/// Whether a byte may be part of a token's text.
pub fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Strict: no padding, no other alphabet, and the bits behind the last byte are zero.
fn decode(text: &str) -> Option<Vec<u8>> {
    if text.len() > MAX_TEXT_CHARS {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests;
