//! What is answered about segments. Times are RFC 3339.

use serde::Serialize;
use serde_json::value::RawValue;
use shared::segment::{Definition, Explained};
use shared::time::Timestamp;
use utoipa::ToSchema;

use super::super::read::ReadMeta;
use crate::segment_moves::MoveView;
use store::record::SegmentBook;
use store::record::segments::{Segment, SegmentVersion};
use store::views::segments::{Member, Preview, Standing};

/// Whether a segment's newest definition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SegmentStatus {
    /// Not yet: what it needs is being gathered. What is told is of the definition before, if there was one.
    Building,
    /// It does, at every instant.
    Active,
}

/// A segment.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SegmentView {
    #[schema(example = "seg_5f1c9a03b2d47e608c11")]
    pub id: String,
    pub name: String,
    pub status: SegmentStatus,
    /// While it is building: percents, 0 to 99.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub progress: Option<u8>,
    /// How many contacts are in now; absent while its first definition is building.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 42)]
    pub count: Option<u64>,
    /// Of how many it cannot be said any more, because what it asks was thrown away (`misar serve --retention`); absent
    /// where nothing was, and in lists, which say `since` alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub uncertain: Option<u64>,
    /// From when on everything is known, where something was thrown away.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    pub since: Option<String>,
    /// Who is in: see `/schemas/segment.json`.
    #[schema(value_type = Object)]
    pub definition: Box<RawValue>,
    /// The same in words.
    #[schema(example = "Contacts who did trial_started in the last 7 days.")]
    pub sentence: String,
    /// Of the definition, from 1 on.
    pub version: u32,
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When its name or definition was last changed.
    #[schema(format = DateTime)]
    pub changed_at: String,
}

/// A segment with its moves.
#[derive(Serialize, ToSchema)]
pub(crate) struct SegmentDetails {
    #[serde(flatten)]
    pub segment: SegmentView,
    pub moves: SegmentMoves,
    pub meta: ReadMeta,
}

/// How many entered and left a segment.
#[derive(Serialize, ToSchema)]
pub(crate) struct SegmentMoves {
    /// Ever.
    pub entered: u64,
    pub left: u64,
    /// The last 90 days (UTC) on which anybody did, the oldest first.
    pub days: Vec<MovesOfDay>,
}

/// How many entered and left a segment on a day.
#[derive(Serialize, ToSchema)]
pub(crate) struct MovesOfDay {
    /// UTC.
    #[schema(format = Date, example = "2026-03-01")]
    pub day: String,
    pub entered: u64,
    pub left: u64,
}

/// The segments of a workspace, in the order in which they were made.
#[derive(Serialize, ToSchema)]
pub(crate) struct SegmentList {
    pub segments: Vec<SegmentView>,
    /// The `cursor` of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
    pub meta: ReadMeta,
}

/// The versions of a segment's definition, the newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct SegmentHistory {
    pub versions: Vec<SegmentVersionView>,
}

/// A version of a definition.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SegmentVersionView {
    pub version: u32,
    #[schema(value_type = Object)]
    pub definition: Box<RawValue>,
    pub sentence: String,
    #[schema(format = DateTime)]
    pub made_at: String,
    /// From when on it held; absent where it does not yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    pub held_from: Option<String>,
}

/// A segment was deleted.
#[derive(Serialize, ToSchema)]
pub(crate) struct SegmentDeleted {
    /// Always true.
    pub success: bool,
}

/// A page of members, in an order that means nothing and lasts.
#[derive(Serialize, ToSchema)]
pub(crate) struct SegmentMembers {
    pub members: Vec<SegmentMember>,
    /// Of how many it cannot be said any more, because what it asks was thrown away; absent where nothing was, and
    /// behind the first page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub uncertain: Option<u64>,
    /// From when on everything is known, where something was thrown away.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    pub since: Option<String>,
    /// The `cursor` of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
    pub meta: ReadMeta,
}

/// A member.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SegmentMember {
    /// Absent where only a link in a mail has named them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "user@example.com")]
    pub email: Option<String>,
    #[schema(format = DateTime)]
    pub entered_at: String,
}

/// In which segments a contact is, and in which not.
#[derive(Serialize, ToSchema)]
pub(crate) struct SegmentsOfContact {
    /// All of the workspace's that hold, in the order in which they were made.
    pub segments: Vec<SegmentOfContact>,
    pub meta: ReadMeta,
}

/// Whether a contact is in a segment.
#[derive(Serialize, ToSchema)]
pub(crate) struct SegmentOfContact {
    pub id: String,
    pub name: String,
    pub r#in: bool,
}

/// What a definition comes to.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SegmentPreview {
    pub count: u64,
    /// The addresses of the first of them.
    #[schema(example = json!(["user@example.com"]))]
    pub members: Vec<String>,
    /// How many are left after each condition.
    pub steps: Vec<PreviewStep>,
    /// For how many contacts it matters what `includeNew` says; absent where nothing says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub include_new_moves: Option<u64>,
    /// Names in it that nobody has ever sent.
    pub unknown: Vec<String>,
    /// What is worth a second look.
    pub warnings: Vec<String>,
    /// Of how many it cannot be said any more, because what it asks was thrown away.
    pub uncertain: u64,
    /// From when on everything is known, where something was thrown away.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    pub since: Option<String>,
    /// The definition in words.
    pub sentence: String,
    pub meta: ReadMeta,
}

/// What is left after a condition.
#[derive(Serialize, ToSchema)]
pub(crate) struct PreviewStep {
    /// Where the condition stands; empty for all of it.
    #[schema(example = "all[0]")]
    pub path: String,
    pub count: u64,
}

/// Why a contact is in a segment, or is not.
#[derive(Serialize, ToSchema)]
pub(crate) struct SegmentExplanation {
    pub r#in: bool,
    /// True where it cannot be said any more, because what it asks may have been thrown away; then `in` says what
    /// is known since.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub unknown: Option<bool>,
    /// From when on everything is known, where something was thrown away.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    pub since: Option<String>,
    pub conditions: Vec<ConditionView>,
    pub meta: ReadMeta,
}

/// A condition, for one contact.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConditionView {
    /// Where it stands; empty for the definition itself.
    #[schema(example = "all[0]")]
    pub path: String,
    pub holds: bool,
    /// The events that decide it, the latest first; at most ten.
    pub evidence: Vec<EvidenceView>,
    /// When it is otherwise next, if nothing new comes; absent where time alone changes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    pub changes_at: Option<String>,
}

/// An event that decides a condition.
#[derive(Serialize, ToSchema)]
pub(crate) struct EvidenceView {
    pub id: String,
    #[schema(format = DateTime)]
    pub time: String,
    pub name: String,
    /// The value that was looked at, as JSON; an amount with its currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "\"pro\"")]
    pub value: Option<String>,
}

/// Who would move under another definition.
#[derive(Serialize, ToSchema)]
pub(crate) struct SegmentDifference {
    /// How many would enter.
    pub enter: u64,
    /// How many would leave.
    pub leave: u64,
    /// The addresses of the first ten who would enter,
    pub entering: Vec<String>,
    /// and of those who would leave.
    pub leaving: Vec<String>,
    /// The draft in words.
    pub sentence: String,
    pub meta: ReadMeta,
}

/// Moves into segments and out of them, the oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct MoveList {
    pub moves: Vec<MoveView>,
    /// Where to go on, also where nothing has come yet: as `after`.
    pub next: String,
    pub meta: ReadMeta,
}

impl SegmentView {
    /// Of a segment whose `held` version holds.
    pub(super) fn of(
        book: &SegmentBook,
        segment: &Segment,
        newest: &SegmentVersion,
        progress: Option<u8>,
        standing: Option<Standing>,
        since: Option<Timestamp>,
    ) -> Self {
        Self {
            id: segment.id.as_str().to_owned(),
            name: segment.name.clone(),
            status: match progress {
                Some(_) => SegmentStatus::Building,
                None => SegmentStatus::Active,
            },
            progress,
            count: standing.map(|standing| standing.members),
            uncertain: None,
            since: since.map(|since| since.to_string()),
            definition: raw(&newest.definition),
            sentence: sentence(book, &newest.definition),
            version: newest.version,
            created_at: segment.created_at.to_string(),
            changed_at: segment.changed_at.to_string(),
        }
    }
}

impl SegmentVersionView {
    pub(super) fn of(book: &SegmentBook, version: &SegmentVersion) -> Self {
        let from = version.since.map(|since| Timestamp::from_millis(since.at));
        Self {
            version: version.version,
            definition: raw(&version.definition),
            sentence: sentence(book, &version.definition),
            made_at: version.made_at.to_string(),
            held_from: from.map(|from| from.to_string()),
        }
    }
}

impl SegmentMember {
    pub(super) fn of(member: Member) -> Self {
        Self {
            email: member.email,
            entered_at: member.entered_at.to_string(),
        }
    }
}

impl SegmentPreview {
    pub(super) fn of(
        preview: Preview,
        uncertain: u64,
        since: Option<Timestamp>,
        sentence: String,
        meta: ReadMeta,
    ) -> Self {
        let steps = preview.steps.into_iter();
        Self {
            count: preview.count,
            members: preview.members.into_iter().flatten().collect(),
            steps: steps
                .map(|(path, count)| PreviewStep { path, count })
                .collect(),
            include_new_moves: preview.include_new_moves,
            unknown: preview.unknown,
            warnings: preview.warnings,
            uncertain,
            since: since.map(|since| since.to_string()),
            sentence,
            meta,
        }
    }
}

impl ConditionView {
    pub(super) fn of(explained: Explained) -> Self {
        let evidence = explained.evidence.into_iter().map(|evidence| EvidenceView {
            id: evidence.id.to_string(),
            time: evidence.time.to_string(),
            name: evidence.name,
            value: evidence.value,
        });
        Self {
            path: explained.path,
            holds: explained.holds,
            evidence: evidence.collect(),
            changes_at: explained.changes_at.map(|at| at.to_string()),
        }
    }
}

/// A definition as JSON.
fn raw(definition: &Definition) -> Box<RawValue> {
    // What a definition is written as is JSON.
    RawValue::from_string(definition.to_json()).unwrap_or_default()
}

/// A definition in words, with the names of the segments that it asks for.
pub(super) fn sentence(book: &SegmentBook, definition: &Definition) -> String {
    definition.sentence(&|id| book.get(id).map(|segment| segment.name.clone()))
}
