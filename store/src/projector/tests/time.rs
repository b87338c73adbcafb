//! What time alone brings about, and who is told of it.

use shared::ids::SegmentId;
use shared::segment::Definition;

use super::*;
use crate::record::segments::{Reads, SegmentVersion};
use crate::record::{Segment, SegmentBook, SegmentBooks, Since, WorkspaceKey};
use crate::views::history::{Keys, address};
use crate::views::segments::MoveKey;

const OWN: WorkspaceId = WorkspaceId(1);
const HOUR_MS: i64 = 60 * 60 * 1000;

/// One workspace has one segment: who viewed something within an hour.
struct WithSegment(Arc<SegmentBooks>);

impl WithSegment {
    fn new() -> Self {
        let definition = Definition::parse(r#"{"event":"viewed","within":"1h"}"#).unwrap();
        let made_at = Timestamp::from_millis(NOW - 1);
        let version = SegmentVersion {
            version: 1,
            reads: Arc::new(Reads::of(&definition)),
            definition: Arc::new(definition),
            made_at,
            since: Some(Since::NEVER.behind(Seq::START, NOW - 1)),
        };
        let segment = Segment {
            number: 1,
            id: SegmentId::parse("seg_1").unwrap(),
            name: String::new(),
            created_at: made_at,
            changed_at: made_at,
            versions: vec![version],
            deleted: None,
        };
        let mut book = SegmentBook::default();
        book.segments.insert(segment.id.clone(), Arc::new(segment));
        let books = [(OWN, Arc::new(book))].into_iter().collect();
        Self(Arc::new(SegmentBooks::of(books)))
    }
}

impl WorkspaceKeys for WithSegment {
    fn key_of(&self, workspace: WorkspaceId) -> Option<WorkspaceKey> {
        Keys.key_of(workspace)
    }

    fn segments(&self) -> Arc<SegmentBooks> {
        Arc::clone(&self.0)
    }
}

#[tokio::test]
async fn who_follows_is_woken_by_moves_that_a_question_has_brought_about() {
    // Arrange: somebody who will leave by time alone, and nobody who passes time but who asks.
    let log = Trial::new(log_of(Vec::new()), 0..0);
    let subject = Subject::start_with(Arc::new(WithSegment::new()), log);
    let mut viewed = entry(1);
    viewed.address = address("ada@example.com");
    let appended = subject.log.append(vec![Submission::from(viewed)]).await;
    appended.unwrap();
    subject.reach(Seq(1)).await;
    let projector = &subject.projector;
    projector.stop.send_replace(true);
    let follower = lock(&projector.follower).take().unwrap();
    follower.await.unwrap();
    let moves = || {
        let moves = subject.views.segment_moves(OWN, MoveKey::default(), 10);
        let moves = moves.unwrap().into_iter();
        moves.map(|moved| moved.of.entered).collect::<Vec<_>>()
    };
    assert_eq!(moves(), [true]);
    let cursor = projector.cursor();
    // Act
    subject.clock.advance_millis(2 * HOUR_MS);
    projector.reach_now().await.unwrap();
    // Assert
    assert_eq!(moves(), [true, false]);
    assert!(cursor.has_changed().unwrap());
}
