//! Who may do what: keys, scopes, origins, secret keys in pages, rates. See design.md 4.1.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, RwLock};

use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue, ORIGIN};
use http::{HeaderMap, Uri};
use serde_json::value::RawValue;
use shared::api_key::{ApiKey, KeyError, KeyKind, Scope, kind_of};

use crate::app::App;
use crate::error::ApiError;
use crate::locks::{read, write};
use crate::log::record::WorkspaceId;
use crate::meta::{Key, Session, TokenDigest};
use crate::screen;
use crate::session::{Token, is_same_origin};

/// Requests per second of a public key, and how many may come at once, unless it was made with
/// `--rate`.
const PUBLIC_RATE: (u32, u32) = (1_000, 5_000);

/// A request whose key is good, and within its rate.
#[derive(Debug, Clone)]
pub struct Caller {
    pub key: Arc<Key>,
    pub rate: Option<RateState>,
}

impl Caller {
    /// Refuses a key that lacks the scope.
    pub fn require(&self, scope: Scope) -> Result<(), ApiError> {
        require(&self.key, scope)
    }
}

fn require(key: &Key, scope: Scope) -> Result<(), ApiError> {
    if key.kind == KeyKind::Public && scope != Scope::Send {
        return Err(ApiError::NotForPublicKeys);
    }
    if key.allows(scope) {
        Ok(())
    } else {
        Err(ApiError::MissingScope(scope))
    }
}

/// Who reads: a server by its key, or a page of ours by its session.
#[derive(Debug, Clone)]
pub struct Reader {
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
    pub fn require(&self, scope: Scope) -> Result<(), ApiError> {
        match &self.who {
            Who::Key(key) => require(key, scope),
            Who::Session(_, session) if session.allows(scope) => Ok(()),
            Who::Session(..) => Err(ApiError::MissingScope(scope)),
        }
    }

    /// Whether it is the key that this names.
    pub fn is_key(&self, id: Option<&str>) -> bool {
        matches!(&self.who, Who::Key(key) if Some(key.id.as_str()) == id)
    }

    /// Whose share of what is bounded it takes: its key's, also by a session that the key opened, or
    /// that of all sessions of one-time codes.
    pub fn key_id(&self) -> Option<&str> {
        let key = match &self.who {
            Who::Key(key) => Some(key),
            Who::Session(_, session) => session.key.as_ref(),
        };
        key.map(|key| key.id.as_str())
    }

    /// Whether what was shown at first still counts, for answers that take long.
    pub fn is_still_good(&self, app: &App) -> bool {
        match &self.who {
            Who::Key(key) => key.revoked_at().is_none(),
            Who::Session(digest, _) => app.meta.session(digest).is_some(),
        }
    }
}

/// Finds who reads, by a key in the headers, else by the session's cookie, which counts only in
/// requests of our own pages.
pub fn reader(app: &App, headers: &HeaderMap, uri: &Uri, scope: Scope) -> Result<Reader, ApiError> {
    let reader = any_reader(app, headers, uri)?;
    reader.require(scope)?;
    Ok(reader)
}

/// The same, where what is asked for decides which scope it takes. No public key is one of them.
pub fn any_reader(app: &App, headers: &HeaderMap, uri: &Uri) -> Result<Reader, ApiError> {
    if let Some(Caller { key, .. }) = caller_by_headers(app, headers, uri)? {
        if key.kind == KeyKind::Public {
            return Err(ApiError::NotForPublicKeys);
        }
        return Ok(Reader {
            workspace: key.workspace,
            who: Who::Key(key),
        });
    }
    if Token::in_cookies(headers, &app.public_url).next().is_none() {
        return Err(ApiError::MissingKey);
    }
    let (token, session) = session_by_cookie(app, headers)?;
    Ok(Reader {
        workspace: session.workspace,
        who: Who::Session(token.digest(), session),
    })
}

/// The session that one of the cookies names, where one of our own pages asks.
pub fn session_by_cookie(
    app: &App,
    headers: &HeaderMap,
) -> Result<(Token, Arc<Session>), ApiError> {
    let mut tokens = Token::in_cookies(headers, &app.public_url).peekable();
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
pub fn key_for_session(app: &App, headers: &HeaderMap, text: &str) -> Result<Arc<Key>, ApiError> {
    let caller = authenticate(app, headers, text, Place::Session)?;
    caller.require(Scope::Read)?;
    Ok(caller.key)
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

/// Finds the caller by the headers; `None` where they hold no key.
pub fn caller_by_headers(
    app: &App,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<Option<Caller>, ApiError> {
    // The router's guard has looked; whoever authenticates elsewhere need not think of it.
    screen::refuse_in_uri(app, uri)?;
    let (first, second) = header_keys(headers);
    // A page that also holds a public key has shown the secret one all the same.
    if let Some(text) = second
        && is_from_page(headers)
        && kind_of(text) == Some(KeyKind::Secret)
    {
        authenticate(app, headers, text, Place::Header)?;
    }
    match first {
        Some(text) => authenticate(app, headers, text, Place::Header).map(Some),
        None => Ok(None),
    }
}

/// Finds the caller by the body's `key`, where the headers named none. A secret key in a body is
/// refused even beside a good header, because a body is what a page can send.
pub fn caller_by_body(
    app: &App,
    headers: &HeaderMap,
    by_headers: Option<Caller>,
    key: Option<&RawValue>,
) -> Result<Caller, ApiError> {
    let text = match key.map(|raw| serde_json::from_str::<String>(raw.get())) {
        Some(Ok(text)) => Some(text),
        Some(Err(_)) => return Err(ApiError::MistypedKey("`key` must be a string")),
        None => None,
    };
    match (by_headers, text) {
        (Some(caller), Some(text)) if kind_of(&text) != Some(KeyKind::Secret) => Ok(caller),
        (Some(caller), None) => Ok(caller),
        (_, Some(text)) => authenticate(app, headers, &text, Place::Body),
        (None, None) => Err(ApiError::MissingKey),
    }
}

/// Finds the caller of a route that takes keys in headers alone.
pub fn caller(app: &App, headers: &HeaderMap, uri: &Uri) -> Result<Caller, ApiError> {
    caller_by_headers(app, headers, uri)?.ok_or(ApiError::MissingKey)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
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

fn authenticate(
    app: &App,
    headers: &HeaderMap,
    text: &str,
    place: Place,
) -> Result<Caller, ApiError> {
    let key = ApiKey::parse(text).map_err(|error| match error {
        KeyError::NotAKey => {
            ApiError::MistypedKey("this is no key: keys begin with msk_pub_ or msk_sec_")
        }
        KeyError::Mistyped => ApiError::MistypedKey("this key has a typo: copy it again, whole"),
    })?;
    let shown_to_world = match place {
        Place::Header => is_from_page(headers),
        Place::Body => true,
        Place::Session => false,
    };
    if key.kind() == KeyKind::Secret && shown_to_world {
        expose(app, &key);
        return Err(ApiError::SecretKeyInBrowser);
    }
    let key = app.meta.authenticate(&key).ok_or(ApiError::UnknownKey)?;
    if key.revoked_at().is_some() {
        return Err(ApiError::RevokedKey);
    }
    if !key.origins.is_empty() {
        match headers
            .get(ORIGIN)
            .map(|origin| origin.to_str().unwrap_or(""))
        {
            None | Some("null") => return Err(ApiError::OriginMissing),
            Some(origin) if !key.origins.iter().any(|pattern| pattern.matches(origin)) => {
                return Err(ApiError::OriginNotAllowed);
            }
            Some(_) => {}
        }
    }
    let rate = app.rates.take(&key).inspect_err(|_| {
        app.metrics.rate_limited.inc();
    })?;
    app.meta.touch(&key, app.clock.now());
    Ok(Caller { key, rate })
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

type Limiter = RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;

/// The rates of the keys that have one: as many as there are such keys.
#[derive(Default)]
pub struct Rates(RwLock<HashMap<String, Arc<Limiter>>>);

impl Rates {
    /// Counts one request of a key.
    fn take(&self, key: &Key) -> Result<Option<RateState>, ApiError> {
        let (rate, burst) = match (key.rate, key.kind) {
            (Some(rate), _) => (rate.get(), rate.get()),
            (None, KeyKind::Public) => PUBLIC_RATE,
            (None, KeyKind::Secret) => return Ok(None),
        };
        let limiter = self.limiter(&key.id, rate, burst);
        match limiter.check() {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                let reset = (burst - remaining.min(burst)).div_ceil(rate);
                Ok(Some(RateState {
                    limit: burst,
                    remaining,
                    reset,
                }))
            }
            Err(not_until) => {
                let wait = not_until.wait_time_from(DefaultClock::default().now());
                let retry_after = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX - 1) + 1;
                Err(ApiError::RateLimited {
                    retry_after,
                    limit: burst,
                })
            }
        }
    }

    fn limiter(&self, id: &str, rate: u32, burst: u32) -> Arc<Limiter> {
        if let Some(limiter) = read(&self.0).get(id) {
            return Arc::clone(limiter);
        }
        let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(at_least_one(rate)).allow_burst(at_least_one(burst));
        let limiter =
            Arc::new(RateLimiter::direct(quota).with_middleware::<StateInformationMiddleware>());
        let mut limiters = write(&self.0);
        Arc::clone(limiters.entry(id.to_owned()).or_insert(limiter))
    }
}
