//! What is encrypted in a token, from a [`Token`] to bytes and back.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | bits: 0 transactional; 1–2 messageId and 3–4 campaignId: 0 none, 1 text, 2 UUID, 3 `msg_` and 32 hex digits; 5 the time takes 5 bytes; 6 the target has the number of the link; 7 the texts are not packed |
//! | 1–5 | workspace (LEB128) |
//! | 16 | contact |
//! | 5 or 8 | time of sending: milliseconds since 2020, big-endian; or since 1970, with a sign |
//! | 1–5 | of a click: number of the link (LEB128) |
//! | 1–5 | of a click, unless bit 6 is set: one more than the target's number, or 0 where it has none (LEB128) |
//! | 16 each | messageId, campaignId: what they say in hex digits |
//! | n | of a click the target; then messageId and campaignId that are texts; packed (`squeeze`), or each with its length (LEB128) before it |
//! | 0 or 1 | 0, so that the token ends in a letter or digit |
//!
//! Contact and messageId stand in full: a shorter contact would want a look-up, and two people who
//! share it would be one.

use shared::time::Timestamp;
use squeeze::Kind;

use super::{Sent, Token, TokenKind};
use crate::record::{ContactId, MessageType, WorkspaceId};

const TRANSACTIONAL: u8 = 1;
const MESSAGE_SHIFT: u8 = 1;
const CAMPAIGN_SHIFT: u8 = 3;
const SHORT_TIME: u8 = 1 << 5;
const SAME_NUMBER: u8 = 1 << 6;
const UNPACKED: u8 = 1 << 7;

/// 2020-01-01T00:00:00Z in milliseconds since 1970: what is sent before is sent by nobody's clock.
const EPOCH_MS: i64 = 1_577_836_800_000;
const SHORT_TIME_BYTES: usize = 5;
/// What made messageIds begin with; 32 hex digits follow.
const MADE: &str = "msg_";

/// A name as it is written: 0 stands for none.
enum Name<'n> {
    Text(&'n str),
    Uuid([u8; 16]),
    Made([u8; 16]),
}

impl<'n> Name<'n> {
    fn of(text: &'n str) -> Self {
        let made = text.strip_prefix(MADE).and_then(hex);
        if let Some(bytes) = made {
            return Self::Made(bytes);
        }
        match uuid_bytes(text) {
            Some(bytes) => Self::Uuid(bytes),
            None => Self::Text(text),
        }
    }

    fn form(&self) -> u8 {
        match self {
            Self::Text(_) => 1,
            Self::Uuid(_) => 2,
            Self::Made(_) => 3,
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(_) => &[],
            Self::Uuid(bytes) | Self::Made(bytes) => bytes,
        }
    }

    fn text(&self) -> Option<&'n str> {
        match self {
            Self::Text(text) => Some(*text),
            Self::Uuid(_) | Self::Made(_) => None,
        }
    }
}

/// 32 lower-case hex digits.
fn hex(digits: &str) -> Option<[u8; 16]> {
    let is_hex = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    (digits.len() == 32 && digits.bytes().all(is_hex))
        .then(|| u128::from_str_radix(digits, 16).ok())
        .flatten()
        .map(u128::to_be_bytes)
}

/// A UUID in its usual form: lower case, with hyphens.
fn uuid_bytes(text: &str) -> Option<[u8; 16]> {
    let bytes = hex(&text.replace('-', ""))?;
    (uuid_text(&bytes) == text).then_some(bytes)
}

fn uuid_text(bytes: &[u8; 16]) -> String {
    uuid::Uuid::from_bytes(*bytes).hyphenated().to_string()
}

/// The bytes to encrypt. `before` is how many bytes the token has beside them: in all there are never a
/// multiple of three, since only then the last character may be `-` or `_`, which programs that look
/// for links in a text take for the end of a sentence.
pub(super) fn write(token: &Token, before: usize) -> Vec<u8> {
    let sent = token.sent();
    let message = Name::of(&sent.message_id);
    let campaign = sent.campaign_id.as_deref().map(Name::of);
    let mut bits = message.form() << MESSAGE_SHIFT;
    if let Some(campaign) = &campaign {
        bits |= campaign.form() << CAMPAIGN_SHIFT;
    }
    if sent.message_type == MessageType::Transactional {
        bits |= TRANSACTIONAL;
    }
    let mut out = vec![0];
    put_number(&mut out, sent.workspace.0);
    out.extend_from_slice(&sent.contact.0);
    let since = sent.sent_at.as_millis().checked_sub(EPOCH_MS);
    match since.and_then(|since| u64::try_from(since).ok()) {
        Some(since) if since >> (8 * SHORT_TIME_BYTES) == 0 => {
            bits |= SHORT_TIME;
            out.extend_from_slice(&since.to_be_bytes()[8 - SHORT_TIME_BYTES..]);
        }
        _ => out.extend_from_slice(&sent.sent_at.as_millis().to_be_bytes()),
    }
    let mut texts = Vec::with_capacity(3);
    if let Token::Click {
        link,
        target_number,
        target,
        ..
    } = token
    {
        put_number(&mut out, *link);
        if *target_number == Some(*link) {
            bits |= SAME_NUMBER;
        } else {
            // Numbers of targets are below those of links: the highest one has one more.
            put_number(&mut out, target_number.map_or(0, |number| number + 1));
        }
        texts.push((Kind::Address, target.as_str()));
    }
    for name in [Some(&message), campaign.as_ref()].into_iter().flatten() {
        out.extend_from_slice(name.bytes());
        texts.extend(name.text().map(|text| (Kind::Name, text)));
    }
    let mut plain = Vec::new();
    for (_, text) in &texts {
        put_number(&mut plain, u32::try_from(text.len()).unwrap_or(u32::MAX));
        plain.extend_from_slice(text.as_bytes());
    }
    let packed = squeeze::pack(&texts).filter(|packed| packed.len() <= plain.len());
    if packed.is_none() {
        bits |= UNPACKED;
    }
    out.extend(packed.unwrap_or(plain));
    out[0] = bits;
    if (before + out.len()).is_multiple_of(3) {
        out.push(0);
    }
    out
}

/// Reads what [`write`] wrote of a token of this kind.
pub(super) fn read(kind: TokenKind, plain: &[u8]) -> Option<Token> {
    let mut rest = plain;
    let [bits] = take(&mut rest)?;
    let workspace = WorkspaceId(take_number(&mut rest)?);
    let contact = ContactId(take(&mut rest)?);
    let sent_at = if bits & SHORT_TIME == 0 {
        i64::from_be_bytes(take(&mut rest)?)
    } else {
        let [a, b, c, d, e] = take::<SHORT_TIME_BYTES>(&mut rest)?;
        EPOCH_MS + i64::from_be_bytes([0, 0, 0, a, b, c, d, e])
    };
    let numbers = if kind == TokenKind::Click {
        let link = take_number(&mut rest)?;
        let number = if bits & SAME_NUMBER == 0 {
            take_number(&mut rest)?.checked_sub(1)
        } else {
            Some(link)
        };
        Some((link, number))
    } else {
        None
    };
    let forms = [MESSAGE_SHIFT, CAMPAIGN_SHIFT].map(|shift| bits >> shift & 3);
    let mut names: [Option<String>; 2] = [None, None];
    for (form, name) in forms.iter().zip(&mut names) {
        *name = match form {
            2 => Some(uuid_text(&take(&mut rest)?)),
            3 => Some(format!(
                "{MADE}{:032x}",
                u128::from_be_bytes(take(&mut rest)?)
            )),
            _ => None,
        };
    }
    let mut kinds = Vec::with_capacity(3);
    kinds.extend(numbers.map(|_| Kind::Address));
    kinds.extend(forms.iter().filter(|form| **form == 1).map(|_| Kind::Name));
    let texts = if bits & UNPACKED == 0 {
        squeeze::unpack(rest, &kinds)?
    } else {
        let mut text = || {
            let length = take_number(&mut rest)? as usize;
            let (text, after) = rest.split_at_checked(length)?;
            rest = after;
            String::from_utf8(text.to_vec()).ok()
        };
        kinds.iter().map(|_| text()).collect::<Option<Vec<_>>>()?
    };
    let mut texts = texts.into_iter();
    let target = numbers.and_then(|_| texts.next());
    for (form, name) in forms.iter().zip(&mut names) {
        if *form == 1 {
            *name = Some(texts.next()?);
        }
    }
    let [message_id, campaign_id] = names;
    let sent = Sent {
        workspace,
        message_id: message_id?,
        contact,
        campaign_id,
        message_type: if bits & TRANSACTIONAL == 0 {
            MessageType::Campaign
        } else {
            MessageType::Transactional
        },
        sent_at: Timestamp::from_millis(sent_at),
    };
    Some(match (kind, numbers) {
        (TokenKind::Open, _) => Token::Open(sent),
        (TokenKind::Unsubscribe, _) => Token::Unsubscribe(sent),
        (TokenKind::Click, numbers) => {
            let (link, target_number) = numbers?;
            Token::Click {
                sent,
                link,
                target_number,
                target: target?,
            }
        }
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*bytes)
}

/// LEB128: seven bits a byte, the lowest first, the eighth bit where more follow.
pub(super) fn put_number(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(super) fn take_number(rest: &mut &[u8]) -> Option<u32> {
    let mut number = 0_u64;
    for at in 0..5 {
        let [byte] = take(rest)?;
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return u32::try_from(number).ok();
        }
    }
    None
}
