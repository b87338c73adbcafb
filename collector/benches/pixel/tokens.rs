//! Paths of pixels: good tokens, each of another message; and bad ones, half of them noise, half
//! good ones with a few characters changed, which want the whole work of decrypting.

use std::path::Path;
use std::sync::Arc;

use shared::time::Timestamp;
use store::clock::SystemClock;
use store::meta::Meta;
use store::record::{ContactId, MessageType, WorkspaceId};
use store::token::{Sent, Token, TokenKeys};

use crate::Failure;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

pub(crate) struct Tokens {
    keys: Arc<TokenKeys>,
    made: u64,
    state: u64,
}

impl Tokens {
    /// With the keys of the store, which nobody else has open yet.
    pub(crate) fn new(data: &Path) -> Result<Self, Failure> {
        let meta = Meta::open(data, Arc::new(SystemClock))?;
        Ok(Self {
            keys: meta.token_keys(),
            made: 0,
            state: 0x9e37_79b9_7f4a_7c15,
        })
    }

    pub(crate) fn good(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| path(&self.one())).collect()
    }

    pub(crate) fn bad(&mut self, count: usize) -> Vec<String> {
        (0..count)
            .map(|number| {
                let mut text = self.one().into_bytes();
                let from = if number % 2 == 0 { 0 } else { text.len() - 4 };
                for character in text.iter_mut().skip(from) {
                    *character = ALPHABET[(self.random() % 64) as usize];
                }
                path(&String::from_utf8_lossy(&text))
            })
            .collect()
    }

    fn one(&mut self) -> String {
        self.made += 1;
        let mut contact = [0; 16];
        contact[..8].copy_from_slice(&self.random().to_le_bytes());
        let sent = Sent {
            workspace: WorkspaceId(1),
            message_id: format!("msg_welcome_{:012}", self.made),
            contact: ContactId(contact),
            campaign_id: Some("spring".to_owned()),
            message_type: MessageType::Campaign,
            sent_at: Timestamp::from_millis(1_764_000_000_000),
        };
        self.keys.seal(None, &Token::Open(sent))
    }

    /// xorshift64: noise enough for tokens that nobody made.
    fn random(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state >> 8
    }
}

fn path(token: &str) -> String {
    format!("/mail/track/open/{token}")
}
