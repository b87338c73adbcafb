//! What a new rule of addresses asks of a store from before it: the log is looked through once for
//! contacts whose id the rule changes, so that tokens and digests of that time still find them. The
//! log itself stays as it is; its addresses are read by the rule of today (`record::Address`).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::ledger::decide::WorkspaceKeys as _;
use crate::ledger::local::LocalLedger;
use crate::ledger::{Log, LogError};
use crate::meta::{FormerContact, Meta, MetaError};
use crate::record::{Record, Seq};
use crate::views::next_batch;

/// How often the log file hears how far it is.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// After so many records, or so many finds, what was found is kept: a start that is killed goes on
/// from there.
const KEEP_EVERY: u64 = 1_000_000;
const MOST_FOUND: usize = 10_000;

/// Why the log could not be looked through. The next start tries again.
#[derive(Debug, thiserror::Error)]
pub enum RenewalError {
    #[error("looking through the log for addresses whose form has changed: {0}")]
    Log(#[from] LogError),
    #[error(transparent)]
    Meta(#[from] MetaError),
}

/// Brings a store under today's rule of addresses, unless that has been done. To be called before anything
/// is answered or folded. Blocks on disk, once in a store's life for as long as reading its log takes.
///
/// # Errors
/// [`RenewalError`]; what was found so far is kept.
pub fn renew(meta: &Arc<Meta>, log: &LocalLedger) -> Result<(), RenewalError> {
    if renew_contacts(meta, log)? {
        let keys = Arc::clone(meta);
        let today = move |workspace, contact| keys.contact_today(workspace, contact);
        log.suppressions().renew(today)?;
    }
    Ok(())
}

/// Looks through the log for contacts that today's rule of addresses gives another id, unless that
/// has been done. Returns whether it did.
fn renew_contacts(meta: &Meta, log: &dyn Log) -> Result<bool, RenewalError> {
    let Some(mut through) = meta.former_looked_through() else {
        return Ok(false);
    };
    let end = *log.committed().borrow();
    let mut found = HashSet::new();
    let mut kept = through;
    let mut told = Instant::now();
    loop {
        let records = next_batch(log, through)?;
        let Some(last) = records.last() else {
            break;
        };
        through = last.seq;
        found.extend(records.iter().filter_map(|record| former(meta, record)));
        if through.0 - kept.0 >= KEEP_EVERY || found.len() >= MOST_FOUND {
            meta.keep_former(&found.drain().collect::<Vec<_>>(), Some(through))?;
            kept = through;
        }
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            let (Seq(done), Seq(of)) = (through, end);
            tracing::info!(done, of, "looking for addresses whose form has changed");
        }
    }
    meta.keep_former(&found.drain().collect::<Vec<_>>(), None)?;
    Ok(true)
}

/// The contact of a record, where its id was another when the record was made.
fn former(meta: &Meta, Record { entry, .. }: &Record) -> Option<FormerContact> {
    let address = entry.address.as_ref()?;
    let older = address.older.as_ref()?;
    let workspace = entry.workspace;
    // Without a key its records cannot be folded either, which says more than could be said here.
    let key = meta.key_of(workspace)?;
    let (older, today) = (older.0.as_str(), address.normalised.0.as_str());
    Some(FormerContact {
        workspace,
        former: key.contact(older),
        today: key.contact(today),
        former_digest: key.email_digest(older),
        today_digest: key.email_digest(today),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use shared::email::{Email, older_normal_form};
    use tempfile::tempdir;

    use super::*;
    use crate::clock::SystemClock;
    use crate::ledger::memory::MemoryLedger;
    use crate::record::{Address, ContactId, Entry, Personal, WorkspaceId};
    use crate::views::history::{append, entry};

    const SPELLINGS: [&str; 5] = [
        "ada@example.com",
        "Kate@Exámple.com",
        "kate@exámple.com",
        "rene\u{301}@example.com",
        "\u{212a}ate@example.com",
    ];

    /// A record as it is read back that an older rule wrote.
    fn old(number: u32, spelling: &str) -> Entry {
        let stored = older_normal_form(spelling);
        let original = (stored != spelling).then(|| Personal(spelling.to_owned()));
        let bytes = postcard::to_allocvec(&(&stored, original)).unwrap();
        Entry {
            address: Some(postcard::from_bytes(&bytes).unwrap()),
            ..entry(number)
        }
    }

    fn today(number: u32, spelling: &str) -> Entry {
        Entry {
            address: Some(Address::from(&Email::parse(spelling).unwrap())),
            ..entry(number)
        }
    }

    fn open(folder: &Path) -> Arc<Meta> {
        Arc::new(Meta::open(folder, Arc::new(SystemClock)).unwrap())
    }

    fn id(meta: &Meta, form: &str) -> ContactId {
        meta.key_of(WorkspaceId(1)).unwrap().contact(form)
    }

    #[test]
    fn former_ids_are_found_once_and_stay() {
        let folder = tempdir().unwrap();
        let meta = open(folder.path());
        let log = MemoryLedger::new(Arc::clone(&meta) as _);
        let entries = (0..).zip(SPELLINGS);
        append(&log, entries.map(|(n, text)| old(n, text)).collect());
        assert_eq!(meta.former_looked_through(), Some(Seq::START));
        renew_contacts(&meta, &log).unwrap();
        let check = |meta: &Meta| {
            assert_eq!(meta.former_looked_through(), None);
            let workspace = WorkspaceId(1);
            let key = meta.key_of(workspace).unwrap();
            for spelling in SPELLINGS {
                let older = older_normal_form(spelling);
                let today = shared::email::renewed(&older, Some(spelling)).unwrap_or(older.clone());
                assert_eq!(
                    meta.contact_today(workspace, id(meta, &older)),
                    id(meta, &today)
                );
                let digest = key.email_digest(&older);
                assert_eq!(
                    meta.email_digest_today(workspace, digest),
                    key.email_digest(&today)
                );
                // Another workspace has other people.
                let elsewhere = WorkspaceId(2);
                let contact = id(meta, &older);
                assert_eq!(meta.contact_today(elsewhere, contact), contact);
            }
        };
        check(&meta);
        drop((log, meta));
        check(&open(folder.path()));
    }

    #[test]
    fn a_look_that_was_broken_off_goes_on_where_it_was() {
        let folder = tempdir().unwrap();
        let meta = open(folder.path());
        let log = MemoryLedger::new(Arc::clone(&meta) as _);
        let entries = (0..).zip(SPELLINGS);
        append(&log, entries.map(|(n, text)| old(n, text)).collect());
        let found = FormerContact {
            workspace: WorkspaceId(1),
            former: ContactId([1; 16]),
            today: ContactId([2; 16]),
            former_digest: 1,
            today_digest: 2,
        };
        meta.keep_former(&[found], Some(Seq(3))).unwrap();
        drop(log);
        drop(meta);

        let meta = open(folder.path());
        assert_eq!(meta.former_looked_through(), Some(Seq(3)));
        let log = MemoryLedger::new(Arc::clone(&meta) as _);
        let entries = (0..).zip(SPELLINGS);
        append(&log, entries.map(|(n, text)| old(n, text)).collect());
        renew_contacts(&meta, &log).unwrap();
        let workspace = WorkspaceId(1);
        assert_eq!(meta.contact_today(workspace, found.former), found.today);
        let kate = id(&meta, "kate@exámple.com");
        assert_eq!(
            meta.contact_today(workspace, kate),
            kate,
            "it was looked at"
        );
        let rene = id(&meta, "rene\u{301}@example.com");
        let composed = id(&meta, "rené@example.com");
        assert_eq!(meta.contact_today(workspace, rene), composed);
    }

    #[test]
    fn what_comes_under_the_rule_of_today_adds_nothing() {
        let folder = tempdir().unwrap();
        let meta = open(folder.path());
        let log = MemoryLedger::new(Arc::clone(&meta) as _);
        append(&log, vec![today(1, "kate@exámple.com")]);
        renew_contacts(&meta, &log).unwrap();
        let kate = id(&meta, "kate@exámple.com");
        assert_eq!(meta.contact_today(WorkspaceId(1), kate), kate);
        // And it is looked through once.
        append(&log, vec![old(2, "kate@exámple.com")]);
        renew_contacts(&meta, &log).unwrap();
        assert_eq!(meta.contact_today(WorkspaceId(1), kate), kate);
    }
}
