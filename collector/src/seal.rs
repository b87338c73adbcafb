//! Places within the store as callers are told them, who bring them back to go on from there: sealed under the key of
//! their workspace, since they count what all workspaces have. Equal places are told equally (AES-SIV, as tokens are).

use aes_siv::KeyInit as _;
use aes_siv::siv::Aes128Siv;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::hex::{hex, unhex};
use store::ledger::decide::WorkspaceKeys as _;
use store::meta::Meta;
use store::record::{WorkspaceId, WorkspaceKey};
use store::views::segments::MoveKey;

/// Longer than any place that is told.
const MAX_CHARS: usize = 128;

/// Seals the places of one workspace, and opens them.
#[derive(Clone)]
pub(crate) struct Seal([u8; 32]);

/// What a place is of: one is no other.
#[derive(Clone, Copy)]
enum Kind {
    Move,
    Member,
}

impl Kind {
    fn header(self) -> &'static [u8] {
        match self {
            Self::Move => b"move",
            Self::Member => b"member",
        }
    }
}

impl Seal {
    /// `None` where there is no such workspace.
    pub(crate) fn of(meta: &Meta, workspace: WorkspaceId) -> Option<Self> {
        meta.key_of(workspace).map(Self::with)
    }

    pub(crate) fn with(key: WorkspaceKey) -> Self {
        Self(key.mac(&[b"places of cursors"]))
    }

    /// Where a move stands.
    pub(crate) fn of_move(&self, place: MoveKey) -> String {
        // It is written in hexadecimal digits.
        let bytes = unhex(&place.to_string()).unwrap_or_default();
        self.seal(Kind::Move, &bytes)
    }

    /// The same read, also as it was told before places were sealed.
    pub(crate) fn move_of(&self, text: &str) -> Option<MoveKey> {
        let bytes = self.open(Kind::Move, text);
        let digits = bytes.map_or_else(|| text.to_owned(), |bytes| hex(&bytes));
        digits.parse().ok()
    }

    /// Behind which member a page ended, by their number within the store.
    pub(crate) fn of_member(&self, number: u32) -> String {
        self.seal(Kind::Member, &number.to_be_bytes())
    }

    /// The same read, also as it was told before places were sealed.
    pub(crate) fn member_of(&self, text: &str) -> Option<u32> {
        if let Some(bytes) = self.open(Kind::Member, text) {
            return bytes.try_into().ok().map(u32::from_be_bytes);
        }
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| is_number)
    }

    fn seal(&self, kind: Kind, place: &[u8]) -> String {
        let sealed = Aes128Siv::new(&self.0.into())
            .encrypt([kind.header()], place)
            .expect("AES-SIV refuses only more headers than the one");
        URL_SAFE_NO_PAD.encode(sealed)
    }

    fn open(&self, kind: Kind, text: &str) -> Option<Vec<u8>> {
        let text = Some(text).filter(|text| text.len() <= MAX_CHARS)?;
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let mut cipher = Aes128Siv::new(&self.0.into());
        cipher.decrypt([kind.header()], &sealed).ok()
    }
}

#[cfg(test)]
mod tests {
    use shared::time::Timestamp;

    use super::*;

    #[test]
    fn a_place_is_opened_by_its_workspace_alone_and_for_what_it_is() {
        let [ours, theirs] = [1, 2].map(|byte| Seal::with(WorkspaceKey([byte; 32])));
        let place = MoveKey::behind(Timestamp::from_millis(7));
        let told = ours.of_move(place);
        assert_eq!(ours.of_move(place), told);
        assert_eq!(ours.move_of(&told), Some(place));
        assert_eq!(theirs.move_of(&told), None);
        let member = ours.of_member(7);
        assert_eq!(ours.member_of(&member), Some(7));
        assert_eq!(theirs.member_of(&member), None);
        assert_eq!((ours.move_of(&member), ours.member_of(&told)), (None, None));
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        assert!(told.bytes().chain(member.bytes()).all(is_plain));
        for text in ["", "x", "+7", "é", &told[1..], &"a".repeat(10_000)] {
            assert_eq!(
                (ours.move_of(text), ours.member_of(text)),
                (None, None),
                "{text}"
            );
        }
    }

    #[test]
    fn a_place_says_nothing_of_what_lies_between_it_and_the_next() {
        let ours = Seal::with(WorkspaceKey([1; 32]));
        let told: Vec<String> = (0..100).map(|number| ours.of_member(number)).collect();
        // They are as far apart as any two, and their order is none.
        assert!(told.iter().all(|text| text.len() == told[0].len()));
        assert!(!told.is_sorted() && !told.iter().rev().is_sorted());
    }

    #[test]
    fn what_was_told_before_places_were_sealed_is_read() {
        let ours = Seal::with(WorkspaceKey([1; 32]));
        let place = MoveKey::behind(Timestamp::from_millis(7));
        assert_eq!(ours.move_of(&place.to_string()), Some(place));
        assert_eq!(ours.member_of("41"), Some(41));
    }
}
