//! The queries of reads as types: one struct is what a route documents and what it reads.
//!
//! - `values`: what may stand in a parameter
//! - `span`: from when to when

mod span;
mod values;

use std::borrow::Cow;
use std::fmt::Display;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use http::Uri;
use http::request::Parts;
use serde::Deserialize;
use serde::de::value::{CowStrDeserializer, MapAccessDeserializer};
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use shared::email::Email;
use utoipa::IntoParams;

use crate::error::ApiError;
use store::record::public_seq::PublicSeq;

pub(super) use span::{Bound, Span};
pub(super) use values::{CursorOfId, PageLimit, SentSeq, Value, value};

/// The parameters of a query as a `T`, whose annotation also documents them. A route with several such structs
/// takes one of these for each: what is another's is passed over, since `router::parameters` has refused what is
/// nobody's, empty, or there twice.
pub(crate) struct Query<T>(pub T);

impl<T: DeserializeOwned + IntoParams, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        read(&parts.uri).map(Self)
    }
}

/// Reads the query of an address.
///
/// # Errors
/// 422, about the first parameter that is not as it should be.
fn read<T: DeserializeOwned>(uri: &Uri) -> Result<T, ApiError> {
    let query = uri.query().unwrap_or_default();
    let parameters = Parameters {
        rest: form_urlencoded::parse(query.as_bytes()),
        current: None,
    };
    T::deserialize(MapAccessDeserializer::new(parameters))
        .map_err(|Problem { name, message }| ApiError::InvalidParameter { name, message })
}

/// The query of what reads one thing.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct MinSeqQuery {
    /// Wait up to 2 s until the event with this `seq` is reflected. 422 `unknown_seq` where no
    /// event of the workspace has it.
    #[serde(deserialize_with = "value")]
    #[param(value_type = Option<String>)]
    pub(in crate::routes) min_seq: Option<SentSeq>,
}

impl MinSeqQuery {
    /// # Errors
    /// 422 `unknown_seq`.
    pub(in crate::routes) fn known(self) -> Result<Option<PublicSeq>, ApiError> {
        self.min_seq.map(|seq| seq.known("minSeq")).transpose()
    }
}

/// A parameter that was refused.
pub(super) fn invalid(name: &'static str, message: &str) -> ApiError {
    ApiError::InvalidParameter {
        name: name.into(),
        message: message.to_owned(),
    }
}

/// Reads an address that stands elsewhere than in a query, as one there is read.
pub(super) fn address(text: &str) -> Result<Email, ApiError> {
    Email::parse(text).map_err(|error| invalid("email", &error.to_string()))
}

/// The address in a path.
///
/// # Errors
/// 422.
pub(super) fn in_path(email: Result<Path<String>, PathRejection>) -> Result<Email, ApiError> {
    let Path(email) = email.map_err(|_| invalid("email", "send an e-mail address"))?;
    address(&email)
}

/// The parameters one after the other.
struct Parameters<'a> {
    rest: form_urlencoded::Parse<'a>,
    current: Option<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> MapAccess<'a> for Parameters<'a> {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'a>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Problem> {
        self.current = self.rest.find(|(_, value)| !value.is_empty());
        let Some((name, _)) = &self.current else {
            return Ok(None);
        };
        seed.deserialize(CowStrDeserializer::new(name.clone()))
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, Problem> {
        let (name, value) = self.current.take().unwrap_or_default();
        seed.deserialize(Text(value)).map_err(|problem| Problem {
            name: name.into_owned().into(),
            ..problem
        })
    }
}

/// One value, which is there.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserializer<'de> for Text<'de> {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        CowStrDeserializer::new(self.0).deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// Why a query was refused: which parameter, and what to send in its place.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {message}")]
struct Problem {
    name: Cow<'static, str>,
    message: String,
}

impl de::Error for Problem {
    fn custom<T: Display>(message: T) -> Self {
        Self {
            name: Cow::default(),
            message: message.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use store::query::report::Zone;

    #[derive(Debug, Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Both {
        name: Option<String>,
        #[serde(deserialize_with = "value")]
        page_limit: Option<PageLimit>,
        #[serde(deserialize_with = "value")]
        tz: Option<Zone>,
    }

    fn both(query: &str) -> Result<Both, ApiError> {
        read(&format!("/v1/events?{query}").parse().unwrap())
    }

    #[test]
    fn a_query_is_read_by_its_names_and_what_is_anothers_is_passed_over() {
        let both = both("other=1&name=a%20b&pageLimit=7&tz=Europe/Paris").unwrap();
        assert_eq!(both.name.as_deref(), Some("a b"));
        assert_eq!(both.page_limit.map(PageLimit::get), Some(7));
        assert!(both.tz.is_some());
        let nothing = super::read::<Both>(&"/v1/events".parse().unwrap()).unwrap();
        assert!(nothing.name.is_none() && nothing.page_limit.is_none());
    }

    #[test]
    fn a_bad_value_is_refused_under_the_name_that_was_sent() {
        for (query, wanted, part) in [
            ("pageLimit=0", "pageLimit", "from 1 to 1000"),
            ("name=x&pageLimit=1001", "pageLimit", "from 1 to 1000"),
            ("tz=Mars", "tz", "IANA"),
        ] {
            match both(query) {
                Err(ApiError::InvalidParameter { name, message }) => {
                    assert_eq!(name, wanted);
                    assert!(message.contains(part), "{message}");
                }
                other => panic!("{query}: {other:?}"),
            }
        }
    }
}
