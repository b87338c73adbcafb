//! What the meta store refuses, as it is answered: in the words of whoever asks, since an operator typed a command
//! and an admin sent a body.

use http::StatusCode;

use super::super::admin::Authority;
use crate::error::ApiError;
use crate::error::refusal::Refusal;
use store::meta::MetaError;

pub(in crate::routes) fn refused(error: MetaError, by: &Authority) -> ApiError {
    let sentence = error.to_string();
    let message = match (by, words(&error)) {
        (Authority::Admin(_), Some(words)) => words.to_owned(),
        _ => sentence,
    };
    match (&error, field(&error), by) {
        (MetaError::UnknownKey, ..) => {
            Refusal::new(StatusCode::NOT_FOUND, "no_such_key", message).into()
        }
        (MetaError::RevokedKey, ..) => {
            Refusal::new(StatusCode::CONFLICT, "key_is_revoked", message).into()
        }
        (MetaError::TooManyKeys(_), ..) => {
            Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "too_many_keys", message).into()
        }
        (_, Some(field), _) => Refusal::of_field(field, message).into(),
        (_, None, Authority::Operator) => Refusal::failed(message).into(),
        (_, None, Authority::Admin(_)) => {
            tracing::error!(%error, "the meta store refused");
            ApiError::StorageFailing
        }
    }
}

/// The field that is wrong; `None` where it is no field, or the fault is ours.
fn field(error: &MetaError) -> Option<&'static str> {
    Some(match error {
        MetaError::PublicKeyScope => "scopes",
        MetaError::SecretKeyOrigins | MetaError::TooManyOrigins(_) => "origins",
        MetaError::SecretKeyPurchases => "allowPurchases",
        MetaError::Label(_) | MetaError::SecretLabel => "label",
        MetaError::ExpiryPast(_) => "expiresAt",
        MetaError::UnknownOrigin { .. } | MetaError::LastOrigin => "removeOrigins",
        _ => return None,
    })
}

/// What an admin is told where the error's own words name a command or its flags.
fn words(error: &MetaError) -> Option<&'static str> {
    Some(match error {
        MetaError::UnknownKey => "the workspace has no such key: GET /v1/keys lists them",
        MetaError::RevokedKey => {
            "the key is revoked, which is for good: make a new one with POST /v1/keys"
        }
        MetaError::SecretKeyOrigins => {
            "origins are for public keys: a secret key is refused from every page. Leave them out, or send `public`"
        }
        MetaError::SecretKeyPurchases => {
            "a secret key may always send purchases: leave `allowPurchases` out, or send `public`"
        }
        MetaError::LastOrigin => {
            "without its last origin the key would be good on every site: add another one, revoke the key, or send \
             `anyOrigin` where that is wanted"
        }
        _ => return None,
    })
}
