//! What is sent about segments. Fields that are not known are refused with the one that was meant: a definition that
//! says less than its author thinks takes in more people.

use serde::Serialize;
use serde_json::value::RawValue;
use shared::rejection::Rejection;
use shared::segment::Definition;
use shared::segment::refusal::INVALID_DEFINITION;
use shared::time::Timestamp;
use utoipa::ToSchema;

use super::super::admin::Fields;
use crate::error::ApiError;
use crate::error::refusal::Refusal;

/// Characters of a segment's name at the most.
const MAX_NAME: usize = 200;
/// Members that a preview shows unless it is said.
const SHOWN: usize = 10;
/// And at the most.
const MOST_SHOWN: usize = 1_000;

/// A segment to be made; to be changed, what is not named stays.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!({
    "name": "Trial without purchase",
    "definition": {"all": [
        {"event": "trial_started", "within": "7d", "where": [{"property": "plan", "eq": "pro"}]},
        {"not": {"purchase": {}}}
    ]}
}))]
pub(super) struct SegmentBody {
    /// 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200, example = "Trial without purchase")]
    pub name: String,
    /// Who is in: see `/schemas/segment.json`.
    #[schema(value_type = Object, example = json!({"event": "trial_started", "within": "7d"}))]
    pub definition: serde_json::Value,
}

/// A change of a segment; what is not named stays.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!({"name": "Trial without purchase"}))]
pub(super) struct SegmentChangeBody {
    /// 1 to 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200, nullable = false)]
    pub name: Option<String>,
    /// Who is in: see `/schemas/segment.json`. The old one holds until the new one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false, example = json!({"event": "trial_started"}))]
    pub definition: Option<serde_json::Value>,
}

/// A definition to be tried.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!({"definition": {"not": {"event": "login", "within": "30d", "includeNew": false}}}))]
pub(super) struct PreviewBody {
    /// Who would be in: see `/schemas/segment.json`.
    #[schema(value_type = Object, example = json!({"event": "trial_started", "within": "7d"}))]
    pub definition: serde_json::Value,
    /// At this instant (RFC 3339), by all that is known today; now without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    pub at: Option<String>,
    /// How many members are shown, 1 to 1,000; ten without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

/// A draft of another definition for a segment.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!({"definition": {"event": "trial_started", "within": "14d"}}))]
pub(super) struct DraftBody {
    /// Who would be in: see `/schemas/segment.json`.
    #[schema(value_type = Object, example = json!({"event": "trial_started", "within": "14d"}))]
    pub definition: serde_json::Value,
}

/// The name of a copy.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[schema(example = json!({"name": "Trial without purchase, second try"}))]
pub(super) struct DuplicateBody {
    /// 1 to 200 characters; `Copy of` and the name without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200, nullable = false)]
    pub name: Option<String>,
}

/// What was sent, read.
pub(super) struct Sent {
    pub(super) name: Option<String>,
    pub(super) definition: Option<Definition>,
    pub(super) at: Option<Timestamp>,
    pub(super) limit: usize,
}

impl Sent {
    /// Reads a body of these fields.
    ///
    /// # Errors
    /// 400 where it is no JSON; 422 with the field.
    pub(super) fn read(text: &str, known: &'static [&'static str]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(text, known)?;
        // What each wants is said by who reads it.
        let mut field = |name| fields.take::<Box<RawValue>>(name, "a value");
        Ok(Self {
            name: field("name")?.map(|raw| name_of(raw.get())).transpose()?,
            definition: field("definition")?
                .map(|raw| definition_of(raw.get()))
                .transpose()?,
            at: field("at")?.map(|raw| instant_of(raw.get())).transpose()?,
            limit: field("limit")?.map_or(Ok(SHOWN), |raw| limit_of(raw.get()))?,
        })
    }

    /// The definition, which must be there.
    ///
    /// # Errors
    /// 422.
    pub(super) fn definition(&mut self) -> Result<Definition, ApiError> {
        let wanted = "send `definition`, such as {\"event\":\"trial_started\",\"within\":\"7d\"}";
        let missing = || refused("definition", wanted.to_owned());
        self.definition.take().ok_or_else(missing)
    }

    /// The name, which must be there.
    ///
    /// # Errors
    /// 422.
    pub(super) fn name(&mut self) -> Result<String, ApiError> {
        let missing = || Refusal::of_field("name", "send `name`, 1 to 200 characters").into();
        self.name.take().ok_or_else(missing)
    }
}

/// A definition that was not taken; the field is the path within it.
pub(super) fn refused(field: &str, message: String) -> ApiError {
    ApiError::Rejected(Rejection::of(INVALID_DEFINITION, field, message))
}

fn definition_of(raw: &str) -> Result<Definition, ApiError> {
    Definition::parse(raw).map_err(|error| {
        let path = match error.path.as_str() {
            "" => "definition",
            path => path,
        };
        refused(path, error.message)
    })
}

fn name_of(raw: &str) -> Result<String, ApiError> {
    let name: String = serde_json::from_str(raw).unwrap_or_default();
    let name = name.trim();
    let is_name =
        (1..=MAX_NAME).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if is_name {
        Ok(name.to_owned())
    } else {
        let wanted = "a name has 1 to 200 characters, none of them a control character";
        Err(Refusal::of_field("name", wanted).into())
    }
}

fn instant_of(raw: &str) -> Result<Timestamp, ApiError> {
    let text: String = serde_json::from_str(raw).unwrap_or_default();
    let wanted = "send `at` as RFC 3339, such as 2026-03-01T10:00:00Z, or leave it out";
    Timestamp::parse_rfc3339(&text).map_err(|_| Refusal::of_field("at", wanted).into())
}

fn limit_of(raw: &str) -> Result<usize, ApiError> {
    let limit: usize = serde_json::from_str(raw).unwrap_or_default();
    if (1..=MOST_SHOWN).contains(&limit) {
        Ok(limit)
    } else {
        Err(Refusal::of_field("limit", "send `limit` from 1 to 1000, or leave it out").into())
    }
}
