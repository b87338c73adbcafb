//! The bounds that a caller may meet, as an answer names them.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

/// What ran out. Also the label of the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    Requests,
    Events,
    Bytes,
    /// The part of the key's rate that one address may take.
    Address,
    Session,
    /// Requests of one address that were refused.
    Refusals,
}

impl Limit {
    pub const ALL: [Self; 6] = [
        Self::Requests,
        Self::Events,
        Self::Bytes,
        Self::Address,
        Self::Session,
        Self::Refusals,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Events => "events",
            Self::Bytes => "bytes",
            Self::Address => "address",
            Self::Session => "session",
            Self::Refusals => "refusals",
        }
    }

    /// What there was too much of, for people.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Requests => "too many requests with this key",
            Self::Events => "too many events with this key",
            Self::Bytes => "too many bytes with this key",
            Self::Address => "too much from this address, while the key is near its rate",
            Self::Session => "too many requests of this session",
            Self::Refusals => "too many requests of this address were refused",
        }
    }
}

/// Where a limited key stands, for the `RateLimit-*` headers.
#[derive(Debug, Clone, Copy)]
pub struct RateState {
    /// Requests that may come at once.
    pub limit: u32,
    pub remaining: u32,
    /// Seconds until all of `limit` is there again.
    pub reset: u32,
}

impl RateState {
    /// Writes the headers.
    pub fn write(self, headers: &mut HeaderMap) {
        let mut set = |name: &'static str, value: u32| {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
        };
        set("ratelimit-limit", self.limit);
        set("ratelimit-remaining", self.remaining);
        set("ratelimit-reset", self.reset);
    }
}

/// Which bound a reader of the live stream has met; the number is how many streams it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    Key(usize),
    Workspace(usize),
    All(usize),
}
