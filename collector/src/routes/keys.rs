//! `/v1/keys`: the API keys of a workspace. On the Unix socket, of any workspace.
//!
//! - `wire`: what is sent and answered
//! - `change`: what a body asks for, and what nobody may ask for over HTTP
//! - `refused`: what the meta store refuses, as it is answered

mod change;
mod refused;
pub(crate) mod wire;

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Json;
use shared::wire::ErrorBody;

use super::admin::{Asked, Authority, Desk};
use crate::error::ApiError;
pub(super) use refused::refused;
use store::meta::{Key, Meta, MetaError};

use wire::{ChangedKey, CreatedKey, KeyBody, KeyChangeBody, KeyList, KeyName, KeyView, NewKeyView};

/// Keys that a workspace's admins may bring it to, revoked ones among them: all are in memory. The operator may
/// make more.
const MAX_KEYS: usize = 10_000;

/// What stands in the path.
type Name = Result<Path<String>, PathRejection>;

/// List the keys of the workspace
///
/// The oldest first, revoked and expired ones too. Public keys stand there whole, as they do in pages; of secret
/// ones the last four characters.
#[utoipa::path(
    get, path = "/v1/keys", tag = "admin",
    responses(
        (status = 200, description = "All of them", body = KeyList),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "Not now: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn list_keys(
    State(desk): State<Desk>,
    asked: Asked,
) -> Result<Json<KeyList>, ApiError> {
    let meta = desk.store.meta();
    let workspaces = match asked.named_workspace(meta)? {
        Some(workspace) => vec![workspace],
        None => meta.workspaces(),
    };
    let keys = workspaces.iter().flat_map(|one| meta.keys(one.id));
    Ok(Json(KeyList {
        keys: keys.map(|key| KeyView::of(&key)).collect(),
    }))
}

/// Make a key
///
/// The only answer that holds a secret key: a hash of it is kept, and its last four characters. Without `scopes` it
/// may `send`; a public key may do nothing else. A key that is made with a key that expires, or in a session of
/// one, expires with it or before.
#[utoipa::path(
    post, path = "/v1/keys", tag = "admin",
    request_body(content = KeyBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The key; keep it", body = CreatedKey),
        (status = "4XX", description = "Refused, and nothing was made; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "Nothing was made: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn create_key(
    State(desk): State<Desk>,
    asked: Asked,
) -> Result<Json<CreatedKey>, ApiError> {
    let meta = desk.store.meta();
    let workspace = asked.workspace(meta)?;
    let new = change::parse_new(&asked, workspace)?;
    let most = match asked.by {
        Authority::Admin(_) => MAX_KEYS,
        Authority::Operator => usize::MAX,
    };
    let made = desk
        .at_disk(move |store| store.meta().create_key_within(new, most))
        .await?;
    let (key, plain) = made.map_err(|error| refused(error, &asked.by))?;
    note(&asked, &key, "made");
    Ok(Json(CreatedKey {
        success: true,
        key: NewKeyView::of(&key, &plain, desk.store.public_url()),
    }))
}

/// Tell one key
///
/// Named by its id or, here as where it is changed, by `sha256:` and the hexadecimal SHA-256 of its text: so a key
/// that has leaked is found, and revoked, by whoever holds it.
#[utoipa::path(
    get, path = "/v1/keys/{id}", tag = "admin",
    params(("id" = String, Path, description = "The key's id, as `GET /v1/keys` tells it", example = "key_4fTq0cMmZk9R2aXb")),
    responses(
        (status = 200, description = "The key, without what it is", body = KeyView),
        (status = "4XX", description = "Refused; 404 `no_such_key` where the workspace has none of this name", body = ErrorBody),
        (status = 503, description = "Not now: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn get_key(
    State(desk): State<Desk>,
    name: Name,
    asked: Asked,
) -> Result<Json<KeyView>, ApiError> {
    let key = find(desk.store.meta(), &asked, name)?;
    Ok(Json(KeyView::of(&key)))
}

/// Change a key
///
/// At once, for requests that come from then on; what is not named stays. What a key may do never changes: make
/// another one. Keys that read the metrics of the whole process are changed with `misar keys update` alone.
#[utoipa::path(
    patch, path = "/v1/keys/{id}", tag = "admin",
    params(("id" = String, Path, description = "The key's id, as `GET /v1/keys` tells it", example = "key_4fTq0cMmZk9R2aXb")),
    request_body(content = KeyChangeBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The key as it is now", body = ChangedKey),
        (status = "4XX", description = "Refused, and nothing has changed; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "Nothing has changed: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn change_key(
    State(desk): State<Desk>,
    name: Name,
    asked: Asked,
) -> Result<Json<ChangedKey>, ApiError> {
    let key = find(desk.store.meta(), &asked, name)?;
    let change = change::parse_change(&asked, &key)?;
    let id = key.id.clone();
    let changed = desk
        .at_disk(move |store| store.meta().update_key(&id, &change))
        .await?;
    let changed = changed.map_err(|error| refused(error, &asked.by))?;
    note(&asked, &changed, "changed");
    Ok(Json(ChangedKey::of(&changed)))
}

/// Revoke a key
///
/// At once and for good; sessions that it opened end with it. Of a key that is revoked already the first time
/// stands.
#[utoipa::path(
    delete, path = "/v1/keys/{id}", tag = "admin",
    params(("id" = String, Path, description = "The key's id, as `GET /v1/keys` tells it", example = "key_4fTq0cMmZk9R2aXb")),
    responses(
        (status = 200, description = "The key, with `revokedAt`", body = ChangedKey),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "It is as good as before: ask again after Retry-After", body = ErrorBody),
    ),
    security(("secret_key" = []), ("session" = [])),
)]
pub(crate) async fn revoke_key(
    State(desk): State<Desk>,
    name: Name,
    asked: Asked,
) -> Result<Json<ChangedKey>, ApiError> {
    let key = find(desk.store.meta(), &asked, name)?;
    let revoked = desk
        .at_disk(move |store| store.meta().revoke_key(key.workspace, &key.id))
        .await?;
    let revoked = revoked.map_err(|error| refused(error, &asked.by))?;
    note(&asked, &revoked, "revoked");
    Ok(Json(ChangedKey::of(&revoked)))
}

/// The key of this name, where it is of the workspace that is asked for.
fn find(meta: &Meta, asked: &Asked, name: Name) -> Result<Arc<Key>, ApiError> {
    let unknown = || refused(MetaError::UnknownKey, &asked.by);
    let of = asked.named_workspace(meta)?;
    // A path that is no UTF-8 names nothing.
    let Path(name) = name.map_err(|_| unknown())?;
    match KeyName::parse(&name) {
        KeyName::Id(id) => meta.key(&id),
        KeyName::Digest(digest) => meta.key_of_digest(&digest),
    }
    .filter(|key| of.is_none_or(|workspace| workspace.id == key.workspace))
    .ok_or_else(unknown)
}

/// Who has what keys is worth knowing afterwards: of what comes over HTTP, where nobody sees the command.
fn note(asked: &Asked, key: &Key, what: &'static str) {
    if let Authority::Admin(admin) = &asked.by {
        tracing::info!(key.id = %key.id, workspace = %key.workspace_name, "{} has {what} the key {}", admin.name(), key.id);
    }
}
