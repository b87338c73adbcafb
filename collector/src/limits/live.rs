//! Permits for live streams: so many at once, of which nobody may take all. Not what a stream
//! sends.

use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::error::ApiError;
use crate::error::limit::Full;
use store::locks::lock;
use store::record::WorkspaceId;

/// Streams that may be open.
pub const MAX_READERS: usize = 64;
/// A workspace may always have so many, however many workspaces there are.
const MIN_OF_WORKSPACE: usize = 16;

/// Streams that a workspace may have where there are so many workspaces: one has all of them, two
/// half each, and from four on each `MIN_OF_WORKSPACE`.
pub fn share_of_workspace(workspaces: usize) -> usize {
    (MAX_READERS / workspaces.max(1)).max(MIN_OF_WORKSPACE)
}

/// Streams that a key may have: half of its workspace's, so that another key gets one.
pub fn share_of_key(workspaces: usize) -> usize {
    share_of_workspace(workspaces) / 2
}

/// Who holds a permit. The workspace's sessions of one-time codes have no key and share one share.
struct Holder {
    workspace: WorkspaceId,
    key_id: Option<String>,
    end: watch::Sender<bool>,
}

/// All permits. Their order is that in which they were taken.
#[derive(Default, Clone)]
pub struct LivePermits(Arc<Mutex<Vec<Holder>>>);

/// A permit, until it is dropped.
pub struct LivePermit {
    permits: LivePermits,
    end: watch::Receiver<bool>,
}

impl LivePermits {
    /// Takes a permit. Where all are taken, which takes five workspaces, the newest stream of the
    /// workspace that has most ends for one that has fewer.
    ///
    /// # Errors
    /// 503 where the key or its workspace has its share, or everybody has as many.
    pub fn take(
        &self,
        workspace: WorkspaceId,
        key_id: Option<&str>,
        workspaces: usize,
    ) -> Result<LivePermit, ApiError> {
        let mut holders = lock(&self.0);
        let of = |one: WorkspaceId| move |holder: &&Holder| holder.workspace == one;
        let ours = holders.iter().filter(of(workspace)).count();
        let of_key = |holder: &&Holder| holder.key_id.as_deref() == key_id;
        let ours_by_key = holders.iter().filter(of(workspace)).filter(of_key).count();
        let share = share_of_workspace(workspaces);
        if ours_by_key >= share_of_key(workspaces) {
            return Err(ApiError::TooManyLiveReaders(Full::Key(ours_by_key)));
        }
        if ours >= share {
            return Err(ApiError::TooManyLiveReaders(Full::Workspace(ours)));
        }
        if holders.len() >= MAX_READERS {
            let count = |holder: &Holder| holders.iter().filter(of(holder.workspace)).count();
            // The last of those that compare alike is the newest.
            let most = holders
                .iter()
                .enumerate()
                .max_by_key(|(_, holder)| count(holder));
            match most {
                Some((newest, holder)) if count(holder) > ours + 1 => {
                    holders.remove(newest).end.send_replace(true);
                }
                _ => return Err(ApiError::TooManyLiveReaders(Full::All(holders.len()))),
            }
        }
        let (end, ended) = watch::channel(false);
        holders.push(Holder {
            workspace,
            key_id: key_id.map(str::to_owned),
            end,
        });
        Ok(LivePermit {
            permits: self.clone(),
            end: ended,
        })
    }
}

impl LivePermit {
    /// Returns once the permit is another's.
    pub(crate) async fn taken_away(&self) {
        // An error means that the holder is gone from the list, which is the same.
        self.end.clone().wait_for(|ended| *ended).await.ok();
    }
}

impl Drop for LivePermit {
    fn drop(&mut self) {
        let mine = &self.end;
        lock(&self.permits.0).retain(|holder| !holder.end.subscribe().same_channel(mine));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(
        permits: &LivePermits,
        workspace: u32,
        key: &str,
        workspaces: usize,
    ) -> Result<LivePermit, Full> {
        permits
            .take(WorkspaceId(workspace), Some(key), workspaces)
            .map_err(|error| match error {
                ApiError::TooManyLiveReaders(full) => full,
                other => panic!("{other:?}"),
            })
    }

    /// Takes all that a key gets.
    fn flood(
        permits: &LivePermits,
        workspace: u32,
        key: &str,
        workspaces: usize,
    ) -> (Vec<LivePermit>, Full) {
        let mut mine = Vec::new();
        loop {
            match taken(permits, workspace, key, workspaces) {
                Ok(permit) => mine.push(permit),
                Err(full) => return (mine, full),
            }
        }
    }

    #[test]
    fn a_key_gets_half_of_its_workspace_and_a_workspace_its_share() {
        for (workspaces, share) in [(1, 64), (2, 32), (3, 21), (4, 16), (100, 16)] {
            let permits = LivePermits::default();
            let (first, full) = flood(&permits, 1, "a", workspaces);
            assert_eq!((first.len(), full), (share / 2, Full::Key(share / 2)));
            let (second, _) = flood(&permits, 1, "b", workspaces);
            assert_eq!(second.len(), share / 2);
            let (third, full) = flood(&permits, 1, "c", workspaces);
            assert_eq!(first.len() + second.len() + third.len(), share);
            assert!(matches!(full, Full::Workspace(all) if all == share));
            // One that ends makes room.
            drop(first);
            assert!(taken(&permits, 1, "c", workspaces).is_ok());
            if workspaces > 1 {
                let (theirs, _) = flood(&permits, 2, "a", workspaces);
                assert_eq!(theirs.len(), share / 2);
            }
        }
    }

    #[tokio::test]
    async fn where_all_permits_are_taken_the_workspace_that_has_most_gives_one_up() {
        let permits = LivePermits::default();
        let mut all = Vec::new();
        for workspace in 1..=4 {
            all.push(flood(&permits, workspace, "a", 5).0);
            all.push(flood(&permits, workspace, "b", 5).0);
        }
        let ours = taken(&permits, 5, "a", 5).ok().unwrap();
        assert_eq!(lock(&permits.0).len(), MAX_READERS);
        // The newest of one of them, and nobody else's.
        all[7].pop().unwrap().taken_away().await;
        assert_eq!(lock(&permits.0).len(), MAX_READERS);
        assert!(lock(&permits.0).iter().all(|holder| !*holder.end.borrow()));
        // Until everybody has about as many.
        let (more, full) = flood(&permits, 5, "b", 5);
        assert_eq!((more.len(), full), (8, Full::Key(8)));
        let (more, full) = flood(&permits, 5, "c", 5);
        assert_eq!(full, Full::All(MAX_READERS));
        assert!((2..=4).contains(&more.len()), "{}", more.len());
        drop((ours, all));
    }
}
