//! The column of tags: which workspace and name an event has, by its number in a dictionary.

/// A column of tags, as wide as they need.
#[derive(Debug)]
pub(super) enum Tags {
    Narrow(Vec<u8>),
    Wide(Vec<u32>),
}

impl Tags {
    /// With room for so many.
    pub(super) fn with_room(tags: u32) -> Self {
        Self::Narrow(Vec::with_capacity(tags as usize))
    }

    pub(super) fn push(&mut self, tag: u32) {
        match self {
            Self::Narrow(tags) => match u8::try_from(tag) {
                Ok(tag) => tags.push(tag),
                Err(_) => {
                    let mut wide = Vec::with_capacity(tags.capacity());
                    wide.extend(tags.iter().map(|tag| u32::from(*tag)));
                    wide.push(tag);
                    *self = Self::Wide(wide);
                }
            },
            Self::Wide(tags) => tags.push(tag),
        }
    }

    pub(super) fn at(&self, offset: u32) -> u32 {
        match self {
            Self::Narrow(tags) => tags[offset as usize].into(),
            Self::Wide(tags) => tags[offset as usize],
        }
    }

    pub(super) fn last_upto(&self, tag: u32, offset: u32) -> Option<u32> {
        let upto = offset as usize + 1;
        let at = match self {
            Self::Narrow(tags) => memchr::memrchr(u8::try_from(tag).ok()?, &tags[..upto])?,
            Self::Wide(tags) => tags[..upto].iter().rposition(|at| *at == tag)?,
        };
        Some(at as u32)
    }

    pub(super) fn first_from(&self, tag: u32, offset: u32) -> Option<u32> {
        let from = offset as usize;
        let at = match self {
            Self::Narrow(tags) => memchr::memchr(u8::try_from(tag).ok()?, tags.get(from..)?)?,
            Self::Wide(tags) => tags.get(from..)?.iter().position(|at| *at == tag)?,
        };
        Some((from + at) as u32)
    }
}
