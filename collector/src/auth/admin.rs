//! Who may change keys and settings of a workspace over HTTP: a secret key with `admin`, or one of our own pages
//! with a session that has it, and for changes the session's token against forged ones. Such a session changes segments
//! too, by the scope that this takes.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, Method};
use shared::api_key::Scope;
use shared::time::Timestamp;

use super::{Caller, header_keys, require, server_by_headers, session_by_cookie};
use crate::app::App;
use crate::error::{ApiError, scopes};
use crate::session::SessionToken;
use store::meta::{Key, Session, Workspace};

/// An admin of one workspace.
#[derive(Debug, Clone)]
pub(crate) struct Admin {
    pub workspace: Arc<Workspace>,
    /// The key, also of a session that it opened; none of a session that a one-time code did.
    pub key: Option<Arc<Key>>,
    /// Whether the request itself came with the key.
    pub shows_key: bool,
}

impl Admin {
    /// When what this admin may do ends; `None` is never. What it makes must not live longer.
    pub(crate) fn until(&self) -> Option<Timestamp> {
        self.key.as_ref().and_then(|key| key.expires_at())
    }

    /// For the process's log.
    pub(crate) fn name(&self) -> &str {
        self.key
            .as_ref()
            .map_or("a session by link", |key| key.id.as_str())
    }
}

/// Finds the admin who asks.
///
/// # Errors
/// 401 without a key or session, 403 without the scope or the token, 429.
pub(crate) fn admin(app: &App, parts: &Parts) -> Result<Admin, ApiError> {
    let (headers, wanted) = (&parts.headers, Scope::Admin);
    if let Some(Caller { key }) = server_by_headers(app, headers, &parts.uri, wanted)? {
        app.rates.count(&key)?;
        require(&key, wanted)?;
        let workspace = app.meta.workspace(&key.workspace_name);
        return Ok(Admin {
            workspace: workspace.ok_or(ApiError::Internal)?,
            key: Some(key),
            shows_key: true,
        });
    }
    let session = session_for(app, parts, wanted)?;
    let workspace = app.meta.workspace(&session.workspace_name);
    Ok(Admin {
        workspace: workspace.ok_or(ApiError::Internal)?,
        key: session.key.clone(),
        shows_key: false,
    })
}

/// The session of one of our own pages that asks for something, or changes something with the session's token.
///
/// # Errors
/// 401 without a session, 403 without the scope or the token, 429.
pub(crate) fn session_for(
    app: &App,
    parts: &Parts,
    wanted: Scope,
) -> Result<Arc<Session>, ApiError> {
    let headers = &parts.headers;
    if !shows_session(app, headers) {
        return Err(ApiError::MissingKey);
    }
    let (token, session) = session_by_cookie(app, headers)?;
    app.rates.count_session(&token.digest(), &session)?;
    if !session.allows(wanted) {
        let name = &session.workspace_name;
        let sentence = scopes::refusal(wanted, &session.scopes, name, "this session");
        return Err(ApiError::MissingScope(sentence));
    }
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        token.require_csrf(headers)?;
    }
    Ok(session)
}

/// Whether a request comes with the cookie of a session and without a key.
pub(crate) fn is_by_session(app: &App, headers: &HeaderMap) -> bool {
    header_keys(headers).0.is_none() && shows_session(app, headers)
}

fn shows_session(app: &App, headers: &HeaderMap) -> bool {
    let mut tokens = SessionToken::in_cookies(headers, &app.public_url);
    tokens.next().is_some()
}
