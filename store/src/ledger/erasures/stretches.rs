//! When browsers were of contacts that are erased: stretches of time, worked out of who each of them told that it is
//! of, so that what comes late without an address is known as theirs. One stretch for as long as nothing changes,
//! however often a browser says the same.

use shared::time::Timestamp;

use super::browsers::At;
use super::{Browser, LogError, PORTION, PendingErasures};
use crate::record::{ContactId, ErasedStretch, WorkspaceKeys};

/// Takes in who browsers told that they are of, browser by browser and each in the order of time, and keeps what comes
/// of it.
pub(super) struct Stretches<'a> {
    waiting: &'a PendingErasures,
    keys: &'a dyn WorkspaceKeys,
    /// The last of the browser that is being taken in, which has no end yet.
    open: Option<(Browser, Open)>,
    /// At most [`PORTION`].
    ready: Vec<ErasedStretch>,
    /// Whether there were any.
    pub(super) are_kept: bool,
}

/// From when on a browser is of the same one.
#[derive(Clone, Copy)]
struct Open {
    /// Milliseconds since 1970; its beginning is that of time where the browser told it first.
    from: i64,
    /// When who it is of was erased; `None` of anybody else.
    erased_at: Option<Timestamp>,
}

impl<'a> Stretches<'a> {
    pub(super) fn of(waiting: &'a PendingErasures, keys: &'a dyn WorkspaceKeys) -> Self {
        Self {
            waiting,
            keys,
            open: None,
            ready: Vec::new(),
            are_kept: false,
        }
    }

    /// A browser told that it is of this contact.
    pub(super) fn told(
        &mut self,
        browser: &Browser,
        (at, seq): At,
        contact: ContactId,
    ) -> Result<(), LogError> {
        let workspace = browser.0;
        let is_erased = self.waiting.person(workspace, contact, seq).is_some();
        let erased = self.keys.erased(workspace, contact).filter(|_| is_erased);
        let erased_at = erased.map(|(at, _)| at);
        let from = match &self.open {
            Some((known, open)) if known == browser => {
                if open.erased_at == erased_at {
                    return Ok(());
                }
                self.end(at.as_millis())?;
                at.as_millis()
            }
            _ => {
                self.end(i64::MAX)?;
                i64::MIN
            }
        };
        self.open = Some((browser.clone(), Open { from, erased_at }));
        Ok(())
    }

    /// Nothing more was told.
    pub(super) fn finish(&mut self) -> Result<(), LogError> {
        self.end(i64::MAX)?;
        self.keep()
    }

    fn end(&mut self, until: i64) -> Result<(), LogError> {
        let Some((browser, Open { from, erased_at })) = self.open.take() else {
            return Ok(());
        };
        let (workspace, id) = &browser;
        if let (Some(erased_at), Some(key)) = (erased_at, self.keys.key_of(*workspace))
            && from < until
        {
            self.ready.push(ErasedStretch {
                workspace: *workspace,
                browser: key.browser(id),
                from,
                until,
                erased_at,
            });
        }
        if self.ready.len() >= PORTION {
            self.keep()?;
        }
        Ok(())
    }

    fn keep(&mut self) -> Result<(), LogError> {
        let ready = std::mem::take(&mut self.ready);
        if !ready.is_empty() {
            let kept = self.keys.keep_erased_stretches(&ready);
            kept.map_err(LogError::Storage)?;
            self.are_kept = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::PendingErasure;
    use super::*;
    use crate::locks::lock;
    use crate::record::{Seq, WorkspaceId, WorkspaceKey};

    const OWN: WorkspaceId = WorkspaceId(1);
    /// Contacts; of the first two the erasure lies at [`ERASED`].
    const ADA: u8 = 1;
    const EVE: u8 = 2;
    const BOB: u8 = 3;
    const ERASED: u64 = 100;

    #[derive(Default)]
    struct Keys(Mutex<Vec<ErasedStretch>>);

    impl WorkspaceKeys for Keys {
        fn key_of(&self, _: WorkspaceId) -> Option<WorkspaceKey> {
            Some(WorkspaceKey([7; 32]))
        }

        fn erased(&self, _: WorkspaceId, contact: ContactId) -> Option<(Timestamp, ContactId)> {
            let at = 1_000 + i64::from(contact.0[0]);
            Some((Timestamp::from_millis(at), ContactId([9; 16])))
        }

        fn keep_erased_stretches(&self, stretches: &[ErasedStretch]) -> Result<(), String> {
            lock(&self.0).extend(stretches);
            Ok(())
        }
    }

    /// From when until when, and whose, of what browsers told: which, when, at which place, and whose it is.
    fn stretches(told: &[(&str, i64, u64, u8)]) -> Vec<(i64, i64, u8)> {
        let erasures = [ADA, EVE].map(|contact| PendingErasure {
            seq: Seq(ERASED),
            workspace: OWN,
            contact: ContactId([contact; 16]),
            person: ContactId([9; 16]),
        });
        let (waiting, keys) = (PendingErasures::of(erasures), Keys::default());
        let mut stretches = Stretches::of(&waiting, &keys);
        for (browser, time, seq, contact) in told {
            let at = (Timestamp::from_millis(*time), Seq(*seq));
            let browser = (OWN, (*browser).to_owned());
            stretches
                .told(&browser, at, ContactId([*contact; 16]))
                .unwrap();
        }
        stretches.finish().unwrap();
        let are_kept = stretches.are_kept;
        let kept = keys.0.into_inner().unwrap();
        assert_eq!(are_kept, !kept.is_empty());
        let whose = |one: &ErasedStretch| u8::try_from(one.erased_at.as_millis() - 1_000).unwrap();
        kept.iter()
            .map(|one| (one.from, one.until, whose(one)))
            .collect()
    }

    /// A page that identifies its visitor on each view left a row for each view, for ever.
    #[test]
    fn a_browser_that_says_the_same_again_and_again_leaves_one_stretch() {
        let told: Vec<_> = (0..50).map(|turn| ("hers", 10 + turn, 1, ADA)).collect();
        assert_eq!(stretches(&told), [(i64::MIN, i64::MAX, ADA)]);
    }

    #[test]
    fn a_stretch_lasts_until_the_browser_is_of_somebody_else() {
        let told = [
            ("a", 10, 1, BOB),
            ("a", 20, 2, ADA),
            ("a", 30, 3, ADA),
            ("a", 40, 4, EVE),
            ("a", 50, 5, BOB),
            // Another word at the same instant, behind it.
            ("a", 60, 6, ADA),
            ("a", 60, 7, BOB),
            ("b", 5, 8, ADA),
            // Somebody new under her address.
            ("b", 70, ERASED + 1, ADA),
            ("c", 1, 9, BOB),
        ];
        let expected = [(20, 40, ADA), (40, 50, EVE), (i64::MIN, 70, ADA)];
        assert_eq!(stretches(&told), expected);
    }
}
