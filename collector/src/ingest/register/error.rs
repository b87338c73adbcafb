//! Why none of a request's messages is registered.

use shared::rejection::{Rejection, codes};

use crate::error::ApiError;
use crate::metrics::reasons;
use store::ledger::LogError;

/// Why messages were not registered: none of them was that had not been before.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("{}", MESSAGE_LINKS)]
    TooManyLinks,
    #[error("{}", REQUEST_LINKS)]
    TooManyLinksInAll,
    #[error("{}", TANGLE)]
    Tangle,
    /// A message would come back far larger than it was sent.
    #[error("with its tracked links a message would be far larger than what was sent")]
    AnswerTooLarge,
}

impl RegisterError {
    /// One of [`reasons::MESSAGES`], of those that are the sender's affair.
    pub fn reason(&self) -> Option<&'static str> {
        let [links, in_all, tangle, answer] = reasons::MESSAGES;
        match self {
            Self::Log(_) => None,
            Self::TooManyLinks => Some(links),
            Self::TooManyLinksInAll => Some(in_all),
            Self::Tangle => Some(tangle),
            Self::AnswerTooLarge => Some(answer),
        }
    }
}

const MESSAGE_LINKS: &str = "a message takes at most 10000 links: leave some out";
const TANGLE: &str =
    "the markup is a tangle of elements without an end and end tags without an element: mend it";
const REQUEST_LINKS: &str =
    "a request takes at most 100000 links in all: send fewer messages at once";

impl From<RegisterError> for ApiError {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Log(error) => error.into(),
            RegisterError::TooManyLinks => Self::TooManyLinks(MESSAGE_LINKS),
            RegisterError::TooManyLinksInAll => Self::TooManyLinks(REQUEST_LINKS),
            RegisterError::Tangle => {
                Self::Rejected(Rejection::of(codes::INVALID_HTML, "html", TANGLE))
            }
            RegisterError::AnswerTooLarge => Self::AnswerTooLarge,
        }
    }
}
