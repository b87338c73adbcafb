//! What may stand in a parameter, and what to send where something else does.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Deserialize as _, Deserializer, Error as _};
use shared::email::Email;

use crate::error::ApiError;
use crate::export::ExportFormat;
use store::attribution::Model;
use store::ledger::suppression::Cause;
use store::query::report::{GroupBy, Zone};
use store::query::{ClassFilter, DEFAULT_LIMIT, Order, PAGE_LIMITS};
use store::record::identity::FactKind;
use store::record::public_seq::PublicSeq;

/// What a parameter is read as.
pub(in crate::routes) trait Value: Sized {
    /// The value of this text, or what to send in its place.
    fn parse(text: &str) -> Result<Self, String>;
}

/// Reads a parameter; for `#[serde(deserialize_with)]`.
pub(in crate::routes) fn value<'de, D: Deserializer<'de>, T: Value>(
    parameter: D,
) -> Result<Option<T>, D::Error> {
    let text = String::deserialize(parameter)?;
    T::parse(&text).map(Some).map_err(D::Error::custom)
}

/// What the word for it is, of a closed set.
fn word<T: Copy>(
    text: &str,
    all: impl IntoIterator<Item = T>,
    name: impl Fn(T) -> &'static str,
    wanted: &str,
) -> Result<T, String> {
    let found = all.into_iter().find(|one| name(*one) == text);
    found.ok_or_else(|| wanted.to_owned())
}

impl Value for Zone {
    fn parse(text: &str) -> Result<Self, String> {
        let wanted = "send a time zone by its IANA name, such as Europe/Paris";
        Self::parse(text).ok_or_else(|| wanted.to_owned())
    }
}

impl Value for Email {
    fn parse(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|error| error.to_string())
    }
}

impl Value for Model {
    fn parse(text: &str) -> Result<Self, String> {
        let wanted = "send last_touch, last_click or explicit";
        Self::parse(text).ok_or_else(|| wanted.to_owned())
    }
}

impl Value for GroupBy {
    fn parse(text: &str) -> Result<Self, String> {
        let wanted = "send campaign, message, day or currency";
        word(text, Self::ALL, Self::as_str, wanted)
    }
}

impl Value for FactKind {
    fn parse(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::as_str).join(", ");
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| format!("send one of {}", names()))
    }
}

impl Value for ClassFilter {
    fn parse(text: &str) -> Result<Self, String> {
        let wanted = "send human, proxy_human, machine, bot or genuine";
        Self::parse(text).ok_or_else(|| wanted.to_owned())
    }
}

impl Value for Order {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "asc" => Ok(Self::OldestFirst),
            "desc" => Ok(Self::NewestFirst),
            _ => Err("send asc or desc".to_owned()),
        }
    }
}

impl Value for Cause {
    fn parse(text: &str) -> Result<Self, String> {
        let wanted = "send unsubscribed, bounced, complained or manual";
        Self::parse(text).ok_or_else(|| wanted.to_owned())
    }
}

impl Value for ExportFormat {
    fn parse(text: &str) -> Result<Self, String> {
        Self::parse(text).ok_or_else(|| "send ndjson or csv".to_owned())
    }
}

/// A `seq` as it was sent. What is no seq at all was never given either.
#[derive(Debug, Clone, Copy)]
pub(in crate::routes) struct SentSeq(Option<PublicSeq>);

impl SentSeq {
    /// The seq; `name` is the parameter's.
    ///
    /// # Errors
    /// 422 `unknown_seq`.
    pub(in crate::routes) fn known(self, name: &'static str) -> Result<PublicSeq, ApiError> {
        self.0.ok_or(ApiError::UnknownSeq { name })
    }
}

impl Value for SentSeq {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(text.parse().ok()))
    }
}

/// Entries of a page, 1 to 1,000; 100 unless said.
#[derive(Debug, Clone, Copy)]
pub(in crate::routes) struct PageLimit(usize);

impl PageLimit {
    pub(in crate::routes) const MOST: Self = Self(*PAGE_LIMITS.end());

    pub(in crate::routes) fn get(self) -> usize {
        self.0
    }
}

impl Default for PageLimit {
    fn default() -> Self {
        Self(DEFAULT_LIMIT)
    }
}

impl Value for PageLimit {
    fn parse(text: &str) -> Result<Self, String> {
        let limit = text.parse().ok();
        let limit = limit.filter(|limit| PAGE_LIMITS.contains(limit));
        limit
            .map(Self)
            .ok_or_else(|| "send a whole number from 1 to 1000".to_owned())
    }
}

/// Behind which id a page begins, as the `next` of the page before told it: in letters, digits, - and _ alone.
#[derive(Debug, Default)]
pub(in crate::routes) struct CursorOfId(String);

impl CursorOfId {
    /// As it is told.
    pub(in crate::routes) fn text_of(id: &str) -> String {
        URL_SAFE_NO_PAD.encode(id)
    }

    /// The id; empty for the first page.
    pub(in crate::routes) fn into_id(self) -> String {
        self.0
    }
}

impl Value for CursorOfId {
    fn parse(text: &str) -> Result<Self, String> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let id = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        id.map(Self)
            .ok_or_else(|| "send the `next` of the page before as it was".to_owned())
    }
}
