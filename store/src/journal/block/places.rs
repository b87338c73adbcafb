//! What lies uncompressed in a block for each of its records: its workspace, its tag, its id. One place is
//! found without reading the others.

use shared::ids::EventId;

use super::{
    CHECKSUM_END, CODEC, HEADER, ID_BYTES, NEWER, OLD_CODEC, ROWS_CODEC, STAMPED, read_u32,
};
use crate::record::WorkspaceId;
use crate::record::identity::{FactKind, IdKey, of_tag};

/// How a block is laid out, as its first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// [`OLD_CODEC`].
    Bare,
    /// [`ROWS_CODEC`].
    Rows,
    /// [`CODEC`].
    Columns { is_mixed: bool },
}

impl Layout {
    /// Of a block that has at least its header.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn of(bytes: &[u8]) -> Result<Self, &'static str> {
        let layout = match (bytes.first(), bytes.get(STAMPED)) {
            (Some(&CODEC), Some(mixed @ (0 | 1))) => Self::Columns {
                is_mixed: *mixed == 1,
            },
            (Some(&CODEC), None) | (None, _) => return Err("the block is cut short"),
            (Some(&ROWS_CODEC), _) => Self::Rows,
            (Some(&OLD_CODEC), _) => Self::Bare,
            (Some(_), _) => return Err(NEWER),
        };
        if bytes.len() < layout.header() {
            return Err("the block is cut short");
        }
        Ok(layout)
    }

    /// Bytes up to `earlier`'s list, or to the places where there is none.
    pub(super) fn header(self) -> usize {
        match self {
            Self::Bare => CHECKSUM_END,
            Self::Rows => STAMPED,
            Self::Columns { .. } => HEADER,
        }
    }

    /// Bytes of one place: (those of its workspace, those of its tag, all of them).
    fn widths(self) -> (usize, usize, usize) {
        match self {
            Self::Bare => (4, 0, 4 + 16),
            Self::Rows => (4, 1, 4 + 1 + 16),
            Self::Columns { .. } => (0, 1, ID_BYTES),
        }
    }

    /// Workspaces that lie in front of the places.
    fn workspaces(self, count: usize) -> usize {
        match self {
            Self::Bare | Self::Rows => 0,
            Self::Columns { is_mixed: true } => count,
            Self::Columns { is_mixed: false } => 1,
        }
    }
}

/// See above.
#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    layout: Layout,
    workspaces: &'a [u8],
    each: &'a [u8],
}

impl<'a> Places<'a> {
    /// The places of `count` records, and what lies behind them; `None` where these are not so many.
    pub(super) fn split(layout: Layout, count: usize, bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (_, _, width) = layout.widths();
        let bytes_of_each = count.checked_mul(width)?;
        let begun = Self::begun(layout, count, bytes)?;
        let (each, behind) = begun.each.split_at_checked(bytes_of_each)?;
        (count > 0).then_some((Self { each, ..begun }, behind))
    }

    /// The same of the first bytes of a block, and of what may lie behind the last place.
    pub(super) fn begun(layout: Layout, count: usize, bytes: &'a [u8]) -> Option<Self> {
        let (workspaces, each) =
            bytes.split_at_checked(layout.workspaces(count).checked_mul(4)?)?;
        Some(Self {
            layout,
            workspaces,
            each,
        })
    }

    pub(super) fn have_tags(&self) -> bool {
        self.layout != Layout::Bare
    }

    pub(super) fn are_in_columns(&self) -> bool {
        matches!(self.layout, Layout::Columns { .. })
    }

    /// Whether every tag is one that this version knows.
    pub(super) fn are_known(&self) -> bool {
        let (workspace, tag, width) = self.layout.widths();
        let mut each = self.each.chunks_exact(width);
        tag == 0 || each.all(|place| of_tag(place[workspace]).is_some())
    }

    /// Of the record at this place, which is one of the block's.
    pub(super) fn workspace(&self, at: usize) -> WorkspaceId {
        let bytes = match self.layout {
            Layout::Bare | Layout::Rows => self.place(at),
            Layout::Columns { is_mixed: true } => self.workspaces.get(at * 4..),
            Layout::Columns { is_mixed: false } => Some(self.workspaces),
        };
        let bytes = bytes.filter(|bytes| bytes.len() >= 4);
        WorkspaceId(bytes.map_or(0, read_u32))
    }

    /// Likewise.
    pub(super) fn id(&self, at: usize) -> EventId {
        let mut id = [0; 16];
        if let Some(place) = self.place(at) {
            id.copy_from_slice(&place[place.len() - 16..]);
        }
        EventId::from_bytes(id)
    }

    /// The id of a record with its type; `None` where there is no such place, no tag, or one of a later version.
    pub(super) fn key(&self, at: usize) -> Option<(IdKey, FactKind)> {
        let (workspace, tag, _) = self.layout.widths();
        let place = self.place(at).filter(|_| tag == 1)?;
        let (sender, kind) = of_tag(place[workspace])?;
        let key = IdKey {
            workspace: self.workspace(at),
            sender,
            id: self.id(at),
        };
        Some((key, kind))
    }

    fn place(&self, at: usize) -> Option<&'a [u8]> {
        let (_, _, width) = self.layout.widths();
        let start = at.checked_mul(width)?;
        self.each.get(start..start.checked_add(width)?)
    }
}
