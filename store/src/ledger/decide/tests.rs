//! What is decided of an append that fails on the way.

use super::*;
use crate::ledger::conformance::subject::{purchase, refund, track};

/// Knows nothing, and cannot look up one order.
struct Unreadable(&'static str);

impl Known for Unreadable {
    fn id(&self, _: &IdKey) -> Result<Option<Seen>, LogError> {
        Ok(None)
    }

    fn order(&self, key: &OrderKey) -> Result<Option<OrderState>, LogError> {
        if key.order_id.as_str() == self.0 {
            Err(LogError::Unavailable)
        } else {
            Ok(None)
        }
    }

    fn is_of_older_version(&self, _: Seq) -> Result<bool, LogError> {
        Ok(false)
    }

    fn refund(&self, _: &RefundKey) -> Result<Option<OrderId>, LogError> {
        Ok(None)
    }

    fn revenue(&self, _: Seq) -> Result<Option<i64>, LogError> {
        Ok(None)
    }

    fn workspace_key(&self, _: WorkspaceId) -> Result<WorkspaceKey, LogError> {
        Ok(WorkspaceKey([1; 32]))
    }

    fn email_digest_today(&self, _: WorkspaceId, digest: u64) -> u64 {
        digest
    }
}

#[test]
fn an_append_that_cannot_be_decided_leaves_no_trace_among_the_others() {
    let known = Unreadable("lost");
    let stamp = Stamp {
        generation: 1,
        micros: 7,
    };
    let mut staged = Staged::new(&known, Seq(1), stamp);
    staged
        .decide_all(vec![track(1), purchase(2, "a", 100)])
        .unwrap();
    let bad = vec![
        track(3),
        purchase(4, "b", 100),
        refund(5, "a", "r", None),
        purchase(6, "lost", 100),
    ];
    assert!(staged.decide_all(bad.clone()).is_err());
    let next = staged.decide_all(bad[..3].to_vec()).unwrap();
    let tracked = |seq: u32| Appended::Tracked {
        seq: Seq(seq.into()),
        // Of one workspace, and without a gap.
        public_seq: PublicSeq::of(stamp, seq - 1, Seq(seq.into())),
    };
    assert_eq!(next, [tracked(3), tracked(4), tracked(5)]);
    assert_eq!((staged.entries.len(), staged.ids.len()), (5, 5));
    assert_eq!(staged.refunds.len(), 1);
}
