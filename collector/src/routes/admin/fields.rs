//! The fields of a body, read one by one: those that are not known are refused rather than ignored, since a key
//! that is made without what was meant may do more than was meant.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::error::ApiError;
use crate::error::refusal::Refusal;
use crate::nearest::nearest_name;

/// A JSON object; the values as they were sent.
pub(crate) struct Fields(BTreeMap<String, Box<RawValue>>);

impl Fields {
    /// An empty body is an empty object.
    ///
    /// # Errors
    /// 400 where it is no JSON; 422 where it is no object, or has a field that is not known.
    pub(crate) fn parse(text: &str, known: &'static [&'static str]) -> Result<Self, ApiError> {
        let listed = known.join("`, `");
        let text = if text.trim().is_empty() { "{}" } else { text };
        let fields: BTreeMap<String, Box<RawValue>> = match serde_json::from_str(text) {
            Ok(fields) => fields,
            Err(error) if error.is_data() => {
                let message = "send a JSON object".to_owned();
                return Err(ApiError::UnknownParameter {
                    name: None,
                    message,
                });
            }
            Err(error) => {
                let (line, column) = (error.line(), error.column());
                let message = format!("the body stops being JSON in line {line}, column {column}");
                return Err(ApiError::NotJson(message));
            }
        };
        let strange = fields.keys().find(|name| !known.contains(&name.as_str()));
        match strange {
            None => Ok(Self(fields)),
            // Not repeated: it may be anything.
            Some(name) => Err(ApiError::UnknownParameter {
                name: None,
                message: match nearest_name(name, known.iter().copied()) {
                    Some(nearest) => {
                        format!(
                            "a field is not known here: do you mean `{nearest}`? The known ones are `{listed}`"
                        )
                    }
                    None => format!("a field is not known here: the known ones are `{listed}`"),
                },
            }),
        }
    }

    /// A field; `None` where it is absent or null.
    ///
    /// # Errors
    /// 422 with what is wanted.
    pub(crate) fn take<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
        wanted: &str,
    ) -> Result<Option<T>, ApiError> {
        Ok(self.take_nullable(name, wanted)?.flatten())
    }

    /// A field that may be null, which says something: `Some(None)`.
    ///
    /// # Errors
    /// 422 with what is wanted.
    pub(crate) fn take_nullable<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
        wanted: &str,
    ) -> Result<Option<Option<T>>, ApiError> {
        let Some(value) = self.0.remove(name) else {
            return Ok(None);
        };
        serde_json::from_str(value.get()).map(Some).map_err(|_| {
            Refusal::of_field(name, format!("send {wanted} as `{name}`, or leave it out")).into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["label", "expiresAt"];

    #[test]
    fn what_is_not_known_is_refused_with_what_comes_near_and_not_repeated() {
        let refusal = Fields::parse(r#"{"expires_at": "x"}"#, KNOWN)
            .err()
            .unwrap();
        let told = format!("{refusal:?}");
        assert!(told.contains("do you mean `expiresAt`?"), "{told}");
        let refusal = Fields::parse(r#"{"msk_sec_x": 1}"#, KNOWN).err().unwrap();
        assert!(!format!("{refusal:?}").contains("msk_sec_x"));
        for text in ["[]", "null", "\"label\"", "{", "{} {}"] {
            assert!(Fields::parse(text, KNOWN).is_err(), "{text}");
        }
    }

    #[test]
    fn null_is_something_where_a_field_may_be_taken_away() {
        let mut fields = Fields::parse(r#"{"label": null, "expiresAt": null}"#, KNOWN).unwrap();
        assert_eq!(fields.take::<String>("label", "a text").unwrap(), None);
        let expiry = fields.take_nullable::<String>("expiresAt", "a time");
        assert_eq!(expiry.unwrap(), Some(None));
        let again = fields.take_nullable::<String>("expiresAt", "a time");
        assert_eq!(again.unwrap(), None);
        let mut empty = Fields::parse(" ", KNOWN).unwrap();
        assert_eq!(empty.take::<String>("label", "a text").unwrap(), None);
        let mut wrong = Fields::parse(r#"{"label": 7}"#, KNOWN).unwrap();
        assert!(wrong.take::<String>("label", "a text").is_err());
    }
}
