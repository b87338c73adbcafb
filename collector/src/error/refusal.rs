//! A refusal of what keys, settings and commands are: said once, where it is found, for the API and for commands.

use http::StatusCode;

use super::ApiError;

/// The code of what a command cannot do. Only the Unix socket answers it, and the sentence says all: the
/// document does not list it.
pub(crate) const FAILED: &str = "failed";

/// Status, code and what to do.
#[derive(Debug)]
pub struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) field: Option<&'static str>,
    pub(crate) message: String,
    /// Seconds.
    pub(crate) retry_after: Option<u32>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            field: None,
            message: message.into(),
            retry_after: None,
        }
    }

    /// A field of the body that is not what it must be.
    pub(crate) fn of_field(field: &'static str, message: impl Into<String>) -> Self {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Self::new(status, "invalid_parameter", message).about(field)
    }

    /// What a command cannot do; the sentence is for whoever runs it.
    pub(crate) fn failed(sentence: impl std::fmt::Display) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            FAILED,
            sentence.to_string(),
        )
    }

    #[must_use]
    pub(crate) fn about(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }

    #[must_use]
    pub(crate) fn after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}
