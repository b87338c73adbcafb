//! A flood of hits, and an unsubscribe that the log's own memory of ids no longer reaches.

use std::net::SocketAddr;

use tokio::sync::watch;

use super::*;
use crate::limits::hits::MAX_HITS;
use crate::metrics::Audience;
use crate::public_url::PublicUrl;
use store::clock::SystemClock;
use store::ledger::{Appended, Later, Located, Log, LogHealth};
use store::record::public_seq::PublicSeq;
use store::record::{ContactId, MessageType, Record, Seq, WorkspaceId};

/// A log that knows no ids when it appends, as one whose window is over.
struct Forgetful(Arc<dyn Log>);

impl Log for Forgetful {
    fn append(&self, mut batch: Vec<Submission>) -> Later<'_, Result<Vec<Appended>, LogError>> {
        for submission in &mut batch {
            submission.has_new_id = true;
        }
        self.0.append(batch)
    }

    fn read_from(&self, after: Seq, limit: usize) -> Result<Vec<Record>, LogError> {
        self.0.read_from(after, limit)
    }

    fn find(
        &self,
        workspace: WorkspaceId,
        sender: Sender,
        id: EventId,
    ) -> Result<Option<Record>, LogError> {
        self.0.find(workspace, sender, id)
    }

    fn redact(&self, seqs: Vec<Seq>) -> Later<'_, Result<(), LogError>> {
        self.0.redact(seqs)
    }

    fn committed(&self) -> watch::Receiver<Seq> {
        self.0.committed()
    }

    fn health(&self) -> LogHealth {
        self.0.health()
    }

    fn queued(&self) -> usize {
        self.0.queued()
    }

    fn close(&self) -> Later<'_, Result<(), LogError>> {
        self.0.close()
    }

    fn public_seqs(&self, places: &[Seq]) -> Result<Vec<Option<PublicSeq>>, LogError> {
        self.0.public_seqs(places)
    }

    fn locate(&self, workspace: WorkspaceId, seq: PublicSeq) -> Result<Located, LogError> {
        self.0.locate(workspace, seq)
    }
}

fn app_in(folder: &std::path::Path) -> App {
    let url = PublicUrl::listening_on(SocketAddr::from(([127, 0, 0, 1], 1)));
    let mut app = App::open(folder, Vec::new(), url, Arc::new(SystemClock)).unwrap();
    app.log = Arc::new(Forgetful(app.log));
    app
}

fn hit(app: &App) -> MailHit {
    let (parts, ()) = http::Request::new(()).into_parts();
    MailHit::of(app, &parts)
}

fn sent(message_id: &str) -> Sent {
    Sent {
        workspace: WorkspaceId(1),
        message_id: message_id.to_owned(),
        contact: ContactId([1; 16]),
        campaign_id: None,
        message_type: MessageType::Campaign,
        sent_at: Timestamp::from_millis(0),
    }
}

#[tokio::test]
async fn an_unsubscribe_is_one_event_also_when_the_window_for_duplicates_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let app = app_in(folder.path());
    for _ in 0..3 {
        unsubscribe(&app, hit(&app), sent("m"), Way::OneClick)
            .await
            .unwrap();
    }
    assert_eq!(*app.log.committed().borrow(), Seq(1));
    unsubscribe(&app, hit(&app), sent("n"), Way::OneClick)
        .await
        .unwrap();
    assert_eq!(*app.log.committed().borrow(), Seq(2));
    app.close().await.unwrap();
}

fn metrics(app: &App) -> String {
    app.metrics
        .render(app.gauges(), &app.meta.workspaces(), Audience::Operator)
        .unwrap()
}

#[tokio::test]
async fn more_hits_than_there_are_places_are_dropped_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let app = Arc::new(app_in(folder.path()));
    let text = app.meta.token_keys().seal(None, &Token::Open(sent("m")));
    // Nothing of what is spawned runs before this gives way.
    for _ in 0..MAX_HITS + 10 {
        record_open(&app, hit(&app), text.clone());
    }
    let page = metrics(&app);
    let line = "misar_mail_hits_dropped_total{reason=\"busy\"} 10";
    assert!(page.contains(line), "{page}");
    // Those in flight are written before the log closes.
    app.close().await.unwrap();
    assert_eq!(*app.log.committed().borrow(), Seq(100));
    // Later ones are dropped.
    record_open(&app, hit(&app), text);
    let page = metrics(&app);
    let line = "misar_mail_hits_dropped_total{reason=\"busy\"} 11";
    assert!(page.contains(line), "{page}");
}
