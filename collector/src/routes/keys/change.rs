//! What a body asks of a key, parsed; and what nobody may ask for over HTTP. An admin of a workspace gets no further
//! than the workspace, and nothing that it makes lives longer, or sends faster, than what it may do itself.

use std::num::NonZeroU32;
use std::sync::Arc;

use http::StatusCode;
use shared::api_key::{KeyKind, Scope};
use shared::time::Timestamp;

use super::super::admin::{Asked, Authority};
use crate::error::ApiError;
use crate::error::refusal::Refusal;
use store::meta::{Key, KeyChange, NewKey, OriginPattern, Workspace};

const NEW: &[&str] = &[
    "scopes",
    "public",
    "origins",
    "allowPurchases",
    "rate",
    "label",
    "expiresAt",
    "operator",
];
const CHANGE: &[&str] = &[
    "addOrigins",
    "removeOrigins",
    "anyOrigin",
    "label",
    "rate",
    "expiresAt",
];

const YES: &str = "true or false";
const LIST: &str = "a list of texts";
const RATE: &str = "a whole number of events per second, at least 1,";

/// Reads the body of a new key.
///
/// # Errors
/// 400, 403 and 422.
pub(super) fn parse_new(asked: &Asked, workspace: Arc<Workspace>) -> Result<NewKey, ApiError> {
    let mut fields = asked.fields(NEW)?;
    let operator = fields.take("operator", YES)?.unwrap_or(false);
    if operator && let Authority::Admin(_) = asked.by {
        return Err(operators_alone(
            "a key of the operator tells about every workspace: it is made on the server's own machine, with `misar keys \
             create --operator`",
        ));
    }
    let public = fields.take("public", YES)?.unwrap_or(false);
    let scopes: Vec<String> = fields.take("scopes", LIST)?.unwrap_or_default();
    let scope = |text: &String| {
        Scope::parse(text).ok_or_else(|| {
            let known = Scope::ALL.map(Scope::as_str).join(", ");
            let message = format!("there is no scope of that name: the scopes are {known}");
            ApiError::from(Refusal::of_field("scopes", message))
        })
    };
    let expires_at = fields.take::<String>("expiresAt", "a time")?;
    let expires_at = expires_at.as_deref().map(instant).transpose()?;
    let expires_at = match (expires_at, until(asked)) {
        (Some(asked), Some(until)) if asked > until => return Err(outlives(until)),
        (Some(asked), _) => Some(asked),
        (None, until) => until,
    };
    Ok(NewKey {
        workspace,
        kind: if public {
            KeyKind::Public
        } else {
            KeyKind::Secret
        },
        scopes: scopes.iter().map(scope).collect::<Result<_, _>>()?,
        origins: origins("origins", fields.take("origins", LIST)?)?,
        allow_purchases: fields.take("allowPurchases", YES)?.unwrap_or(false),
        rate: match (fields.take::<NonZeroU32>("rate", RATE)?, most(asked)) {
            (Some(asked), Some(most)) if asked > most => return Err(outruns(most)),
            (Some(asked), _) => Some(asked),
            (None, most) => most,
        },
        label: fields.take("label", "a text")?,
        expires_at,
        operator,
    })
}

/// Reads the body of a change.
///
/// # Errors
/// 400, 403 and 422.
pub(super) fn parse_change(asked: &Asked, key: &Key) -> Result<KeyChange, ApiError> {
    if key.operator
        && let Authority::Admin(_) = asked.by
    {
        return Err(operators_alone(
            "a key of the operator tells about every workspace: it is changed on the server's own machine, with `misar \
             keys update`. It may be revoked here",
        ));
    }
    let mut fields = asked.fields(CHANGE)?;
    let expires_at = match fields.take_nullable::<String>("expiresAt", "a time, or null,")? {
        None => None,
        Some(None) => Some(None),
        Some(Some(text)) => Some(Some(instant(&text)?)),
    };
    if let (Some(asked), Some(until)) = (expires_at, until(asked))
        && asked.is_none_or(|asked| asked > until)
    {
        return Err(outlives(until));
    }
    let rate = fields.take_nullable::<NonZeroU32>("rate", RATE)?;
    if let (Some(asked), Some(most)) = (rate, most(asked))
        && asked.is_none_or(|asked| asked > most)
    {
        return Err(outruns(most));
    }
    Ok(KeyChange {
        add_origins: origins("addOrigins", fields.take("addOrigins", LIST)?)?,
        remove_origins: origins("removeOrigins", fields.take("removeOrigins", LIST)?)?,
        any_origin: fields.take("anyOrigin", YES)?.unwrap_or(false),
        label: fields.take("label", "a text")?,
        rate,
        expires_at,
    })
}

/// When what the caller may do ends.
fn until(asked: &Asked) -> Option<Timestamp> {
    match &asked.by {
        Authority::Operator => None,
        Authority::Admin(admin) => admin.until(),
    }
}

fn outlives(until: Timestamp) -> ApiError {
    let message = format!(
        "the key that asks expires at {until}, and no key lives longer by its doing: send that or an earlier time"
    );
    Refusal::of_field("expiresAt", message).into()
}

/// How fast the caller may send; `None` where its key has no rate of its own.
fn most(asked: &Asked) -> Option<NonZeroU32> {
    match &asked.by {
        Authority::Operator => None,
        Authority::Admin(admin) => admin.key.as_ref().and_then(|key| key.rate),
    }
}

fn outruns(most: NonZeroU32) -> ApiError {
    let message = format!(
        "the key that asks has a rate of {most} events per second, and no key gets a higher one by its doing: send \
         that or less"
    );
    Refusal::of_field("rate", message).into()
}

fn operators_alone(message: &'static str) -> ApiError {
    Refusal::new(StatusCode::FORBIDDEN, "operator_only", message).into()
}

fn instant(text: &str) -> Result<Timestamp, ApiError> {
    Timestamp::parse_rfc3339(text)
        .map_err(|error| Refusal::of_field("expiresAt", error.to_string()).into())
}

fn origins(
    field: &'static str,
    texts: Option<Vec<String>>,
) -> Result<Vec<OriginPattern>, ApiError> {
    let parse = |text: &String| {
        OriginPattern::parse(text)
            .map_err(|error| Refusal::of_field(field, error.to_string()).into())
    };
    texts.unwrap_or_default().iter().map(parse).collect()
}
