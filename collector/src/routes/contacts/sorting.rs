//! In which order contacts are listed, and where a page of such a list begins.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::super::query::Value;
use crate::app::App;
use store::query::Order;
use store::record::WorkspaceId;
use store::views::{Contact, RowKey, RowOrder, RowPlace, ScorePlace, ViewError};

/// What contacts are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Sort {
    #[default]
    Score,
    LastSeen,
    FirstSeen,
    Email,
}

impl Sort {
    const ALL: [(&'static str, Self); 4] = [
        ("score", Self::Score),
        ("lastSeen", Self::LastSeen),
        ("firstSeen", Self::FirstSeen),
        ("email", Self::Email),
    ];

    /// Whether what comes last in the order is to come first, unless the caller says: who is most engaged and who was
    /// seen last, but addresses from A on.
    pub(super) fn descends(self, order: Option<Order>) -> bool {
        match order {
            Some(order) => order == Order::NewestFirst,
            None => self != Self::Email,
        }
    }
}

impl Value for Sort {
    fn parse(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(name, _)| *name == text);
        let found = found.map(|(_, sort)| *sort);
        found.ok_or_else(|| "send score, lastSeen, firstSeen or email".to_owned())
    }
}

/// A contact's place in one of the orders.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ContactPlace {
    Score(ScorePlace),
    Row(Sort, RowPlace),
}

impl ContactPlace {
    pub(super) fn sort(&self) -> Sort {
        match self {
            Self::Score(_) => Sort::Score,
            Self::Row(sort, _) => *sort,
        }
    }

    /// The contact's number within its workspace.
    pub(super) fn ordinal(&self) -> u32 {
        match self {
            Self::Score(place) => place.ordinal,
            Self::Row(_, place) => place.ordinal,
        }
    }

    /// As a cursor: the height's bits or the time, then the ordinal, in hexadecimal digits; or the ordinal and the
    /// address. A letter in front says which, save of scores.
    pub(super) fn to_cursor(&self) -> String {
        match self {
            Self::Score(ScorePlace { height, ordinal }) => {
                format!("{:016x}{ordinal:08x}", height.to_bits())
            }
            Self::Row(sort, RowPlace { key, ordinal }) => match key {
                RowKey::Time(time) => {
                    let letter = if *sort == Sort::FirstSeen { 'f' } else { 'l' };
                    format!("{letter}_{:016x}{ordinal:08x}", time.cast_unsigned())
                }
                RowKey::Email(email) => {
                    format!("e_{ordinal:08x}{}", URL_SAFE_NO_PAD.encode(email))
                }
            },
        }
    }

    fn parse(cursor: &str) -> Option<Self> {
        let row = |sort, key, ordinal| Self::Row(sort, RowPlace { key, ordinal });
        if let Some(rest) = cursor.strip_prefix("e_") {
            let (ordinal, email) = rest.split_at_checked(8)?;
            let email = URL_SAFE_NO_PAD.decode(email).ok()?;
            let email = String::from_utf8(email).ok()?;
            let key = RowKey::Email(email);
            return Some(row(Sort::Email, key, hex(ordinal)?.try_into().ok()?));
        }
        let (sort, digits) = match cursor.split_once('_') {
            Some(("f", digits)) => (Sort::FirstSeen, digits),
            Some(("l", digits)) => (Sort::LastSeen, digits),
            Some(_) => return None,
            None => (Sort::Score, cursor),
        };
        let (number, ordinal) = digits.split_at_checked(16)?;
        let (number, ordinal) = (hex(number)?, hex(ordinal).filter(|_| ordinal.len() == 8)?);
        let ordinal = ordinal.try_into().ok()?;
        if sort == Sort::Score {
            let height = f64::from_bits(number);
            let place = ScorePlace { height, ordinal };
            return (!height.is_nan()).then_some(Self::Score(place));
        }
        Some(row(sort, RowKey::Time(number.cast_signed()), ordinal))
    }

    /// At most `limit` contacts of a workspace, or of one of its segments (by its number), behind a place, each with
    /// its own. Blocks on disk.
    pub(super) fn behind(
        app: &App,
        (workspace, segment): (WorkspaceId, Option<u32>),
        sort: Sort,
        descending: bool,
        place: Option<&Self>,
        limit: usize,
    ) -> Result<Vec<(Self, Contact)>, ViewError> {
        let order = match sort {
            Sort::Score => {
                let behind = place.and_then(|place| match place {
                    Self::Score(place) => Some(*place),
                    Self::Row(..) => None,
                });
                let views = &app.views;
                let found =
                    views.contacts_by_score(workspace, segment, descending, behind, limit)?;
                let placed = |(place, contact)| (Self::Score(place), contact);
                return Ok(found.into_iter().map(placed).collect());
            }
            Sort::LastSeen => RowOrder::LastSeen,
            Sort::FirstSeen => RowOrder::FirstSeen,
            Sort::Email => RowOrder::Email,
        };
        let behind = place.and_then(|place| match place {
            Self::Row(_, place) => Some(place),
            Self::Score(_) => None,
        });
        let found = app
            .views
            .contacts_by(workspace, segment, order, descending, behind, limit)?;
        let placed = |(place, contact)| (Self::Row(sort, place), contact);
        Ok(found.into_iter().map(placed).collect())
    }
}

impl Value for ContactPlace {
    fn parse(text: &str) -> Result<Self, String> {
        let place = Self::parse(text);
        place.ok_or_else(|| "send the `next` of the page before as it was".to_owned())
    }
}

fn hex(digits: &str) -> Option<u64> {
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(digits, 16).ok().filter(|_| is_hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_place() {
        for height in [f64::NEG_INFINITY, 0.0, 689.25] {
            let place = ContactPlace::Score(ScorePlace { height, ordinal: 7 });
            assert_eq!(ContactPlace::parse(&place.to_cursor()), Some(place));
        }
        let keys = [
            (Sort::FirstSeen, RowKey::Time(i64::MIN)),
            (Sort::LastSeen, RowKey::Time(1_790_000_000_000)),
            (Sort::LastSeen, RowKey::Time(-1)),
            (Sort::Email, RowKey::Email("ada@example.com".to_owned())),
        ];
        for (sort, key) in keys {
            let place = ContactPlace::Row(sort, RowPlace { key, ordinal: 7 });
            let cursor = place.to_cursor();
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            assert!(cursor.bytes().all(is_plain), "{cursor}");
            assert_eq!(ContactPlace::parse(&cursor), Some(place));
        }
        for text in [
            "",
            "x",
            "7ff80000000000000000000g",
            "7ff800000000000000000007",
            "l_",
            "z_000000000000000000000007",
            "e_0000000",
            "f_+00000000000000000000007",
        ] {
            assert_eq!(ContactPlace::parse(text), None, "{text}");
        }
    }
}
