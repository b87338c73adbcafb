//! Who is to get no more mail, and why: what each fact changes. Pure; the book of all of them stands
//! in `suppressions`.

use serde::{Deserialize, Serialize};

pub use crate::record::Cause;
use crate::record::{DeliveryStatus, Entry, Fact, Seq};

/// One contact that is to get no more mail. No cause is twice in it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// Each with the time from which it holds, in milliseconds since 1970; by cause.
    causes: Vec<(Cause, i64)>,
    /// The address, where a fact named it.
    pub address: Option<String>,
    /// Else a message to them, whose record names it.
    pub message_id: Option<String>,
    /// The last record that changed it.
    pub(super) changed: u64,
    /// When each cause was last lifted; it stays when nothing holds the contact back any more. The file
    /// has a table of its own for it.
    #[serde(skip)]
    pub(super) lifted: Lifted,
}

/// When each cause was last lifted, in milliseconds since 1970; by cause, none twice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lifted(Vec<(Cause, i64)>);

impl Lifted {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn note(&mut self, cause: Cause, time: i64) {
        match self.0.binary_search_by_key(&cause, |(lifted, _)| *lifted) {
            Ok(at) => self.0[at].1 = self.0[at].1.max(time),
            Err(at) => self.0.insert(at, (cause, time)),
        }
    }

    /// Whether a cause was lifted after this time.
    fn is_after(&self, cause: Cause, time: i64) -> bool {
        let mut lifted = self.0.iter();
        lifted.any(|(lifted, at)| *lifted == cause && *at > time)
    }

    /// What two ids of one contact come to.
    pub(super) fn with(mut self, other: Self) -> Self {
        for (cause, time) in other.0 {
            self.note(cause, time);
        }
        self
    }
}

/// Hides who it is.
impl std::fmt::Debug for Suppression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Suppression")
            .field("causes", &self.causes)
            .finish_non_exhaustive()
    }
}

impl Suppression {
    /// Since when a cause holds, in milliseconds since 1970.
    pub fn since(&self, cause: Cause) -> Option<i64> {
        let mut causes = self.causes.iter();
        causes.find(|(held, _)| *held == cause).map(|(_, at)| *at)
    }

    /// Every cause that holds, with its time.
    pub fn causes(&self) -> &[(Cause, i64)] {
        &self.causes
    }

    /// What tells this state from every other of the contact: the last record that changed it, and the
    /// causes with their times.
    pub fn state(&self) -> Vec<u8> {
        let causes = self.causes.iter().flat_map(|(cause, at)| {
            let cause = cause.as_str().bytes();
            cause.chain([0]).chain(at.to_le_bytes())
        });
        self.changed
            .to_le_bytes()
            .into_iter()
            .chain(causes)
            .collect()
    }

    /// Whether anything holds the contact back.
    pub(super) fn holds(&self) -> bool {
        !self.causes.is_empty()
    }

    /// Takes a fact about this contact in. Nothing is left of one without a cause that never had one
    /// lifted.
    ///
    /// What a mail server tells counts from when it happened: told late, it brings back no cause that
    /// was lifted after that. What a person or a server sets holds from when it is said.
    pub(super) fn after(before: Option<Self>, Seq(seq): Seq, entry: &Entry) -> Option<Self> {
        let mut state = before.unwrap_or_default();
        match change_of(&entry.fact) {
            Some(Change::Add(cause)) => {
                let time = entry.time.as_millis().min(entry.received_at.as_millis());
                let is_told = matches!(entry.fact, Fact::Delivery { .. });
                if is_told && state.lifted.is_after(cause, time) {
                    return Some(state);
                }
                match state.causes.binary_search_by_key(&cause, |(held, _)| *held) {
                    // The first time stands.
                    Ok(at) => state.causes[at].1 = state.causes[at].1.min(time),
                    Err(at) => state.causes.insert(at, (cause, time)),
                }
            }
            Some(Change::Lift(lifted)) => {
                let time = entry.received_at.as_millis();
                for cause in Cause::ALL {
                    if lifted.is_none_or(|lifted| lifted == cause) {
                        state.lifted.note(cause, time);
                        state.causes.retain(|(held, _)| *held != cause);
                    }
                }
            }
            Some(Change::Forget) => {
                state.address = None;
                state.message_id = None;
            }
            None => {}
        }
        if let Some(address) = &entry.address {
            state.address = Some(address.spelled_for_contact().to_owned());
        }
        if state.message_id.is_none() {
            let message_id = entry.fact.message_id();
            state.message_id = message_id.map(|id| id.as_str().to_owned());
        }
        state.changed = seq;
        Some(state).filter(|state| state.holds() || !state.lifted.is_empty())
    }

    /// What two ids of one contact come to.
    pub(super) fn with(mut self, other: Self) -> Self {
        for (cause, time) in other.causes {
            match self.causes.binary_search_by_key(&cause, |(held, _)| *held) {
                Ok(at) => self.causes[at].1 = self.causes[at].1.min(time),
                Err(at) => self.causes.insert(at, (cause, time)),
            }
        }
        self.address = self.address.or(other.address);
        self.message_id = self.message_id.or(other.message_id);
        self.changed = self.changed.max(other.changed);
        self.lifted = self.lifted.with(other.lifted);
        self
    }
}

/// What a fact changes of who is to get mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Add(Cause),
    /// All causes, or this one.
    Lift(Option<Cause>),
    /// Who it is, and nothing else.
    Forget,
}

/// `None` where it changes nothing.
pub fn change_of(fact: &Fact) -> Option<Change> {
    match fact {
        Fact::Unsubscribe { .. } => Some(Change::Add(Cause::Unsubscribed)),
        Fact::Delivery { status, code, .. } => match status {
            DeliveryStatus::Complained => Some(Change::Add(Cause::Complained)),
            DeliveryStatus::Bounced if is_about_the_mailbox(code.as_deref()) => {
                Some(Change::Add(Cause::Bounced))
            }
            DeliveryStatus::Bounced | DeliveryStatus::Delivered | DeliveryStatus::Deferred => None,
        },
        Fact::Suppress { cause } => Some(Change::Add(*cause)),
        Fact::Lift { cause, .. } => Some(Change::Lift(*cause)),
        Fact::Erase { .. } => Some(Change::Forget),
        _ => None,
    }
}

/// RFC 3463: 5.7.x is about security or policy, which says nothing of the mailbox.
fn is_about_the_mailbox(code: Option<&str>) -> bool {
    code.is_none_or(|code| !code.starts_with("5.7."))
}

#[cfg(test)]
mod tests {
    use shared::time::Timestamp;

    use super::*;
    use crate::views::history::{NOW, entry, message_id};

    fn of(facts: &[Fact]) -> Option<Suppression> {
        let mut state = None;
        for (number, fact) in (1..).zip(facts) {
            let entry = Entry {
                time: Timestamp::from_millis(NOW + i64::from(number)),
                fact: fact.clone(),
                ..entry(number)
            };
            state = Suppression::after(state, Seq(number.into()), &entry);
        }
        state
    }

    fn suppress(cause: Cause) -> Fact {
        Fact::Suppress { cause }
    }

    fn lift(cause: Option<Cause>) -> Fact {
        Fact::Lift { send: None, cause }
    }

    #[test]
    fn causes_add_up_and_the_first_time_stands() {
        let state = of(&[
            suppress(Cause::Manual),
            suppress(Cause::Bounced),
            suppress(Cause::Manual),
        ])
        .unwrap();
        assert_eq!(
            state.causes(),
            [(Cause::Bounced, NOW + 2), (Cause::Manual, NOW + 1)]
        );
    }

    #[test]
    fn lifting_one_cause_leaves_the_others_and_lifting_all_leaves_nothing() {
        let both = [suppress(Cause::Unsubscribed), suppress(Cause::Bounced)];
        let left = of(&[&both[..], &[lift(Some(Cause::Unsubscribed))]].concat());
        assert_eq!(left.unwrap().causes(), [(Cause::Bounced, NOW + 2)]);
        assert!(!of(&[&both[..], &[lift(None)]].concat()).unwrap().holds());
        assert!(!of(&[lift(None)]).unwrap().holds());
        let again = of(&[&both[..], &[lift(None), suppress(Cause::Manual)]].concat());
        assert_eq!(again.unwrap().causes(), [(Cause::Manual, NOW + 4)]);
    }

    fn delivery(status: DeliveryStatus) -> Fact {
        Fact::Delivery {
            send: crate::record::SendRef {
                message_id: message_id("m"),
                contact: None,
                campaign_id: None,
                message_type: Default::default(),
                sent_at: Timestamp::from_millis(NOW),
            },
            status,
            code: None,
            reason: None,
        }
    }

    /// The causes that hold after facts of these times.
    fn held(facts: &[(i64, Fact)]) -> Vec<Cause> {
        let mut state = None;
        for (number, (at, fact)) in (1..).zip(facts) {
            let entry = Entry {
                time: Timestamp::from_millis(NOW + at),
                received_at: Timestamp::from_millis(NOW + i64::from(number) * 100),
                fact: fact.clone(),
                ..entry(number)
            };
            state = Suppression::after(state, Seq(number.into()), &entry);
        }
        let causes = state.iter().flat_map(|state| state.causes());
        causes.map(|(cause, _)| *cause).collect()
    }

    /// The second fact is received at 200.
    #[test]
    fn what_a_mail_server_tells_late_brings_no_cause_back_that_was_lifted_since() {
        let bounced = || delivery(DeliveryStatus::Bounced);
        let complained = || delivery(DeliveryStatus::Complained);
        let all = || (200, lift(None));
        let is_lifted: &[(i64, Fact)] = &[(1, bounced()), all(), (150, bounced())];
        assert_eq!(held(is_lifted), []);
        assert_eq!(held(&[(1, complained()), all(), (199, complained())]), []);
        assert_eq!(
            held(&[(1, bounced()), all(), (200, bounced())]),
            [Cause::Bounced]
        );
        assert_eq!(
            held(&[(1, bounced()), all(), (299, bounced())]),
            [Cause::Bounced]
        );
        // Lifting one cause says nothing of the others.
        let one = (200, lift(Some(Cause::Unsubscribed)));
        assert_eq!(
            held(&[(1, suppress(Cause::Unsubscribed)), one, (150, bounced())]),
            [Cause::Bounced]
        );
        // Who is put on the list is on it, whatever time stands beside it.
        let set = (150, suppress(Cause::Bounced));
        assert_eq!(held(&[(1, bounced()), all(), set]), [Cause::Bounced]);
        // It stays so behind others, and the last lift counts.
        let others = (250, suppress(Cause::Manual));
        assert_eq!(
            held(&[
                (1, bounced()),
                all(),
                others,
                (150, bounced()),
                (500, lift(None)),
                (450, bounced())
            ]),
            []
        );
    }

    #[test]
    fn only_what_bounced_for_the_mailbox_itself_suppresses() {
        let send = crate::record::SendRef {
            message_id: message_id("m"),
            contact: None,
            campaign_id: None,
            message_type: Default::default(),
            sent_at: Timestamp::from_millis(NOW),
        };
        for (status, code, is) in [
            (DeliveryStatus::Bounced, None, true),
            (DeliveryStatus::Bounced, Some("5.1.1"), true),
            (DeliveryStatus::Bounced, Some("5.2.2"), true),
            (DeliveryStatus::Bounced, Some("5.7.1"), false),
            (DeliveryStatus::Bounced, Some("5.7.26"), false),
            (DeliveryStatus::Bounced, Some("5.71.1"), true),
            (DeliveryStatus::Complained, None, true),
            (DeliveryStatus::Complained, Some("5.7.1"), true),
            (DeliveryStatus::Delivered, Some("2.0.0"), false),
            (DeliveryStatus::Deferred, Some("4.2.2"), false),
        ] {
            let fact = Fact::Delivery {
                send: send.clone(),
                status,
                code: code.map(str::to_owned),
                reason: None,
            };
            assert_eq!(of(&[fact]).is_some(), is, "{status:?} {code:?}");
        }
    }
}
