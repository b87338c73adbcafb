//! Who may do what: keys, scopes, origins, secret keys in pages. How often they may
//! is `rates`'.
//!
//! The order of the checks, wherever a key comes from: first whether it is one, good, and not shown to the
//! world (`known`: 401, or 403 `secret_key_in_browser`); then what it can never do, whoever sends it
//! (`asks`: its kind, then its scopes); then whether it may do it from here (`check_origin`). So nobody
//! is told to send from a page what no page may send.

mod admin;
pub(crate) mod asks;
mod foreign_origin;
mod no_key;

use std::sync::Arc;

use http::header::{AUTHORIZATION, ORIGIN};
use http::{HeaderMap, Uri};
use serde_json::value::RawValue;
use shared::api_key::{ApiKey, KeyError, KeyKind, Scope, kind_of};

use crate::app::App;
use crate::error::{ApiError, scopes};
use crate::screen;
use crate::session::{SessionToken, is_same_origin};
use asks::Asks;
use store::meta::{Key, Session, TokenDigest};
use store::record::WorkspaceId;

pub(crate) use admin::{Admin, admin, is_by_session, session_for};

/// A request whose key is good.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub key: Arc<Key>,
}

impl Caller {
    /// Refuses a key that lacks the scope.
    pub(crate) fn require(&self, scope: Scope) -> Result<(), ApiError> {
        require(&self.key, scope)
    }
}

fn require(key: &Key, scope: Scope) -> Result<(), ApiError> {
    if scope != Scope::Send {
        asks::only_secret(key, scope)?;
    }
    if key.allows(scope) {
        return Ok(());
    }
    let sentence = scopes::refusal(scope, &key.scopes, &key.workspace_name, "this key");
    Err(ApiError::MissingScope(sentence))
}

/// Who reads: a server by its key, or a page of ours by its session.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    pub workspace: WorkspaceId,
    who: Who,
}

#[derive(Debug, Clone)]
enum Who {
    Key(Arc<Key>),
    Session(TokenDigest, Arc<Session>),
}

impl Reader {
    /// Refuses a reader that lacks the scope.
    pub(crate) fn require(&self, scope: Scope) -> Result<(), ApiError> {
        match &self.who {
            Who::Key(key) => require(key, scope),
            Who::Session(_, session) if session.allows(scope) => Ok(()),
            Who::Session(_, session) => {
                let workspace = &session.workspace_name;
                let sentence = scopes::refusal(scope, &session.scopes, workspace, "this session");
                Err(ApiError::MissingScope(sentence))
            }
        }
    }

    /// Whether it is the key that this names.
    pub(crate) fn is_key(&self, id: Option<&str>) -> bool {
        matches!(&self.who, Who::Key(key) if Some(key.id.as_str()) == id)
    }

    /// Whose share of what is bounded it takes: its key's, also by a session that the key opened, or
    /// that of all sessions of one-time codes.
    pub(crate) fn key_id(&self) -> Option<&str> {
        let key = match &self.who {
            Who::Key(key) => Some(key),
            Who::Session(_, session) => session.key.as_ref(),
        };
        key.map(|key| key.id.as_str())
    }

    /// Whether what was shown at first still counts, for answers that take long.
    pub(crate) fn is_still_good(&self, app: &App) -> bool {
        match &self.who {
            Who::Key(key) => key.is_good(app.clock.now()),
            Who::Session(digest, _) => app.meta.session(digest).is_some(),
        }
    }
}

/// Finds who reads, by a key in the headers, else by the session's cookie, which counts only in
/// requests of our own pages.
pub(crate) fn reader(
    app: &App,
    headers: &HeaderMap,
    uri: &Uri,
    scope: Scope,
) -> Result<Reader, ApiError> {
    let reader = reader_for(app, headers, uri, scope)?;
    reader.require(scope)?;
    Ok(reader)
}

/// The same, where what is asked for decides which scope it takes. No public key is one of them.
pub(crate) fn any_reader(app: &App, headers: &HeaderMap, uri: &Uri) -> Result<Reader, ApiError> {
    reader_for(app, headers, uri, Scope::Read)
}

fn reader_for(
    app: &App,
    headers: &HeaderMap,
    uri: &Uri,
    wanted: Scope,
) -> Result<Reader, ApiError> {
    if let Some(Caller { key }) = server_by_headers(app, headers, uri, wanted)? {
        app.rates.count(&key)?;
        return Ok(Reader {
            workspace: key.workspace,
            who: Who::Key(key),
        });
    }
    if SessionToken::in_cookies(headers, &app.public_url)
        .next()
        .is_none()
    {
        return Err(ApiError::MissingKey);
    }
    let (token, session) = session_by_cookie(app, headers)?;
    let digest = token.digest();
    app.rates.count_session(&digest, &session)?;
    Ok(Reader {
        workspace: session.workspace,
        who: Who::Session(digest, session),
    })
}

/// The session that one of the cookies names, where one of our own pages asks.
pub(crate) fn session_by_cookie(
    app: &App,
    headers: &HeaderMap,
) -> Result<(SessionToken, Arc<Session>), ApiError> {
    let mut tokens = SessionToken::in_cookies(headers, &app.public_url).peekable();
    if tokens.peek().is_some() && !is_same_origin(headers, &app.public_url) {
        return Err(ApiError::CrossOrigin);
    }
    tokens
        .find_map(|token| {
            let session = app.meta.session(&token.digest())?;
            Some((token, session))
        })
        .ok_or(ApiError::NoSession)
}

/// The key with which one of our own pages opens a session: the one place where a page may show a
/// secret key. From elsewhere it is as exposed as in any other body.
pub(crate) fn key_for_session(
    app: &App,
    headers: &HeaderMap,
    text: &str,
) -> Result<Arc<Key>, ApiError> {
    let caller = known(app, headers, text, KeyPlace::Session)?;
    let caller = admit(app, headers, caller, Asks::Server(Scope::Read))?;
    app.rates.count(&caller.key)?;
    Ok(caller.key)
}

/// Finds the caller by the headers; `None` where they hold no key.
pub(crate) fn caller_by_headers(
    app: &App,
    headers: &HeaderMap,
    uri: &Uri,
    asks: Asks,
) -> Result<Option<Caller>, ApiError> {
    let caller = known_by_headers(app, headers, uri)?;
    caller
        .map(|caller| admit(app, headers, caller, asks))
        .transpose()
}

/// The same where only secret keys are good, for this scope: a public one is told so, wherever it comes
/// from. Whether the key has the scope is not looked at.
pub(crate) fn server_by_headers(
    app: &App,
    headers: &HeaderMap,
    uri: &Uri,
    wanted: Scope,
) -> Result<Option<Caller>, ApiError> {
    let caller = known_by_headers(app, headers, uri)?;
    if let Some(Caller { key }) = &caller {
        asks::only_secret(key, wanted)?;
        app.meta.touch(key, app.clock.now());
    }
    Ok(caller)
}

/// Lets a good key in: what it can never do comes before where it may come from.
fn admit(app: &App, headers: &HeaderMap, caller: Caller, asks: Asks) -> Result<Caller, ApiError> {
    asks.of(&caller.key)?;
    check_origin(&caller.key, headers)?;
    app.meta.touch(&caller.key, app.clock.now());
    Ok(caller)
}

/// The caller, wherever it may come from.
fn known_by_headers(app: &App, headers: &HeaderMap, uri: &Uri) -> Result<Option<Caller>, ApiError> {
    // The router's guard has looked; whoever authenticates elsewhere need not think of it.
    screen::refuse_in_uri(app, uri)?;
    let (first, second) = header_keys(headers);
    // A page that also holds a public key has shown the secret one all the same.
    if let Some(text) = second
        && is_from_page(headers)
        && kind_of(text) == Some(KeyKind::Secret)
    {
        known(app, headers, text, KeyPlace::Header)?;
    }
    match first {
        Some(text) => known(app, headers, text, KeyPlace::Header).map(Some),
        None => Ok(None),
    }
}

/// Finds the caller by the body's `key`, where the headers named none. A secret key in a body is
/// refused even beside a good header, because a body is what a page can send.
pub(crate) fn caller_by_body(
    app: &App,
    headers: &HeaderMap,
    by_headers: Option<Caller>,
    key: Option<&RawValue>,
    asks: Asks,
) -> Result<Caller, ApiError> {
    let text = match key.map(|raw| serde_json::from_str::<String>(raw.get())) {
        Some(Ok(text)) => Some(text),
        Some(Err(_)) => return Err(ApiError::MistypedKey("`key` must be a string")),
        None => None,
    };
    match (by_headers, text) {
        (Some(caller), Some(text)) if kind_of(&text) != Some(KeyKind::Secret) => Ok(caller),
        (Some(caller), None) => Ok(caller),
        (_, Some(text)) => {
            let caller = known(app, headers, &text, KeyPlace::Body)?;
            admit(app, headers, caller, asks)
        }
        (None, None) => Err(ApiError::MissingKey),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyPlace {
    Header,
    Body,
    /// The body with which a page of ours opens a session.
    Session,
}

/// The key that counts, and one in the other header beside it. An `Authorization` of another scheme
/// is no key: it may be a proxy's own password.
fn header_keys(headers: &HeaderMap) -> (Option<&str>, Option<&str>) {
    let text = |name: &str| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or("").trim())
    };
    let bearer = text(AUTHORIZATION.as_str()).and_then(|value| {
        let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
        if scheme.eq_ignore_ascii_case("bearer") {
            Some(rest.trim())
        } else {
            // The scheme is easily forgotten.
            kind_of(value).map(|_| value)
        }
    });
    let plain = text("x-api-key");
    match bearer {
        Some(bearer) => (Some(bearer), plain),
        None => (plain, None),
    }
}

/// A page's request has one of these. `Sec-Fetch-Mode` alone does not count: Node's fetch sends it.
pub(crate) fn is_from_page(headers: &HeaderMap) -> bool {
    [ORIGIN.as_str(), "sec-fetch-site", "sec-fetch-dest"]
        .iter()
        .any(|name| headers.contains_key(*name))
}

/// Whose key it is, wherever it comes from.
fn known(app: &App, headers: &HeaderMap, text: &str, place: KeyPlace) -> Result<Caller, ApiError> {
    let key = ApiKey::parse(text).map_err(|error| match error {
        KeyError::NotAKey if no_key::is_in_place_of_one(text) => {
            ApiError::MistypedKey(no_key::MESSAGE)
        }
        KeyError::NotAKey => {
            ApiError::MistypedKey("this is no key: keys begin with msk_pub_ or msk_sec_")
        }
        KeyError::Mistyped => ApiError::MistypedKey("this key has a typo: copy it again, whole"),
    })?;
    let shown_to_world = match place {
        KeyPlace::Header => is_from_page(headers),
        KeyPlace::Body => true,
        KeyPlace::Session => false,
    };
    if key.kind() == KeyKind::Secret && shown_to_world {
        expose(app, &key);
        return Err(ApiError::SecretKeyInBrowser);
    }
    let key = app.meta.authenticate(&key).ok_or(ApiError::UnknownKey)?;
    check_still_good(app, &key)?;
    Ok(Caller { key })
}

/// Refuses what goes on with a key that is revoked or has expired.
///
/// # Errors
/// 401 `revoked_key`, `expired_key`.
pub(crate) fn check_still_good(app: &App, key: &Key) -> Result<(), ApiError> {
    if key.revoked_at().is_some() {
        return Err(ApiError::RevokedKey);
    }
    if key.is_expired(app.clock.now()) {
        return Err(ApiError::ExpiredKey);
    }
    Ok(())
}

/// Refuses a request from a site that is not on the key's list.
fn check_origin(key: &Key, headers: &HeaderMap) -> Result<(), ApiError> {
    if !key.origins.is_empty() {
        let mut origins = headers.get_all(ORIGIN).iter();
        match origins.next() {
            // Two are no page's: whoever put one before it could put any.
            Some(_) if origins.next().is_some() => return Err(ApiError::OriginMissing),
            None => return Err(ApiError::OriginMissing),
            Some(origin) if origin == "null" => return Err(ApiError::OriginMissing),
            Some(origin) if origin.to_str().is_ok_and(|text| key.allows_origin(text)) => {}
            Some(origin) => {
                let seen = String::from_utf8_lossy(origin.as_bytes());
                let sentence = foreign_origin::refusal(key, &seen);
                return Err(ApiError::OriginNotAllowed(sentence));
            }
        }
    }
    Ok(())
}

/// Flags a secret key that the world has seen. It goes on working: revoking is the owner's to do,
/// or anybody who finds a key could stop a shop.
pub(crate) fn expose(app: &App, key: &ApiKey) {
    let Some(key) = app.meta.authenticate(key) else {
        return;
    };
    app.metrics.exposed_keys.inc();
    match app.meta.mark_exposed(&key) {
        Ok(true) => tracing::warn!(
            key.id = %key.id,
            "secret key {} was sent from a page, a body or a URL: replace it, then run `misar keys revoke {}`",
            key.id,
            key.id
        ),
        Ok(false) => {}
        Err(error) => {
            tracing::error!(key.id = %key.id, %error, "an exposed key could not be flagged")
        }
    }
}
