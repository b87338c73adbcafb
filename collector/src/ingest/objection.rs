//! Why something is not recorded, and which of three kinds of answer says so.

use shared::rejection::Rejection;

use crate::error::ApiError;

/// Why an event is not recorded. In a batch all of them look alike; a route of one event has a status for
/// each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Objection {
    /// What it says cannot be (422).
    Invalid(Rejection),
    /// It names an order or a message that is not on record (404).
    Unknown(Rejection),
    /// Something else is on record; `fields` are those that differ, where that may be told (409).
    Conflict {
        rejection: Rejection,
        fields: Vec<&'static str>,
    },
}

impl Objection {
    pub(crate) fn rejection(&self) -> &Rejection {
        match self {
            Self::Invalid(rejection)
            | Self::Unknown(rejection)
            | Self::Conflict { rejection, .. } => rejection,
        }
    }

    /// The reason, and the fields that differ.
    pub(crate) fn into_parts(self) -> (Rejection, Vec<&'static str>) {
        match self {
            Self::Invalid(rejection) | Self::Unknown(rejection) => (rejection, Vec::new()),
            Self::Conflict { rejection, fields } => (rejection, fields),
        }
    }
}

impl From<Objection> for ApiError {
    fn from(objection: Objection) -> Self {
        match objection {
            Objection::Invalid(rejection) => Self::Rejected(rejection),
            Objection::Unknown(rejection) => Self::UnknownOrder(rejection),
            Objection::Conflict { rejection, fields } => Self::Conflict { rejection, fields },
        }
    }
}
