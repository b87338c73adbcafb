//! What a request shows of secret keys, and what follows: it is refused, its key flagged, one of its
//! events rejected, the rest masked. Where keys are found in a text is `secrets`'s, who may do what
//! `auth`'s.
//!
//! - [`guard`]: address and headers, of every route
//! - [`body`]: what is read of events and messages
//! - `layout`: where in a body its keys, events and messages stand

mod layout;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE, PROXY_AUTHORIZATION, REFERER};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt as _, Limited};
use shared::api_key::ApiKey;
use shared::rejection::{Rejection, codes};
use tokio::sync::Semaphore;

use crate::app::App;
use crate::auth;
use crate::cross_origin::open_to_every_site;
use crate::error::{ApiError, SECRET_KEY_SHOWN};
use store::meta::Meta;
use store::secrets::{self, FoundKey};

use layout::{BodyPlace, Layout};

/// Different keys of one body that are looked up: telling whether the store knows a key costs a hash.
/// The keys behind them are masked like those that it does not know.
const MAX_LOOKUPS: usize = 1_000;

/// Of a page's form, which no route takes, so much is looked at, for so long, of so many at once:
/// 2 MB in all. Others are refused unread, as they would be anyway.
const FORM_BYTES: usize = 64 * 1024;
const FORM_TIMEOUT: Duration = Duration::from_secs(5);
static FORMS: Semaphore = Semaphore::const_new(32);

/// Of a refused request's body, so much is read and thrown away, for so long.
const DRAINED_BYTES: usize = 1024 * 1024;
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Refuses a request that shows a secret key in its address, or as a page in its headers, on every
/// route; those under `/mail/` answer as ever, because a reader of a mail must not suffer for it, and
/// a preflight does, so that the page can read the answer to what follows.
pub(crate) async fn guard(
    State(app): State<Arc<App>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let is_page = auth::is_from_page(request.headers());
    let mut shown = find_in_uri(request.uri());
    if is_page {
        shown.extend(find_in_headers(&app, request.headers()));
    }
    let (shown, request) = if shown.is_empty() && is_page && is_form(&request) {
        find_in_form(request).await
    } else {
        (shown, request)
    };
    if shown.is_empty() {
        return next.run(request).await;
    }
    flag_all(&app, &shown);
    if is_for_readers(request.uri()) || request.method() == Method::OPTIONS {
        return next.run(request).await;
    }
    let is_whole = throw_away(request.into_body()).await;
    let error = ApiError::SecretKeyInBrowser;
    let error = if is_whole { error } else { error.unread() };
    let mut response = error.into_response();
    // A page that sends events can read why they were refused, wherever it sent them.
    open_to_every_site(response.headers_mut());
    response
}

/// Refuses an address that holds a secret key, whoever sent it: addresses end up in logs and
/// histories.
///
/// # Errors
/// 403.
pub(crate) fn refuse_in_uri(app: &App, uri: &Uri) -> Result<(), ApiError> {
    let shown = find_in_uri(uri);
    if shown.is_empty() {
        return Ok(());
    }
    flag_all(app, &shown);
    Err(ApiError::SecretKeyInBrowser)
}

/// Flags the keys in a text that nobody keeps.
pub(crate) fn flag(app: &App, text: &[u8]) {
    flag_all(app, &secrets::find(text));
}

/// What a body held of secret keys that this store knows, by the place of the event or message; a
/// body of one has it at 0.
#[derive(Debug, Default)]
pub(crate) struct Screened {
    /// What is said of all of them held one.
    all: bool,
    at: BTreeSet<usize>,
}

impl Screened {
    /// Why the event or message at this place is refused, if it is.
    pub(crate) fn rejection(&self, place: usize) -> Option<Rejection> {
        let held = self.all || self.at.contains(&place);
        held.then(|| Rejection::whole(codes::SECRET_KEY_IN_BROWSER, SECRET_KEY_SHOWN))
    }
}

/// What carries a body, as far as it matters what a key in it means.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Carrier {
    is_mail: bool,
    is_page: bool,
}

impl Carrier {
    /// What a command brings.
    pub(crate) const COMMAND: Self = Self {
        is_mail: false,
        is_page: false,
    };

    pub(crate) fn of(parts: &Parts) -> Self {
        Self {
            is_mail: parts.uri.path().starts_with("/v1/messages"),
            is_page: auth::is_from_page(&parts.headers),
        }
    }
}

/// Looks at a body before anything is made of it. Afterwards the text holds no secret key, except in
/// the parts of mails (`html`, `text`), which go back to their sender byte for byte and are not kept.
///
/// # Errors
/// 403 where a key stands in a field for keys, or in what is no JSON and a page's.
pub(crate) fn body(app: &App, carrier: Carrier, text: &mut String) -> Result<Screened, ApiError> {
    let found = secrets::find(text.as_bytes());
    if found.is_empty() {
        return Ok(Screened::default());
    }
    let (screened, masked) = masked(app, carrier, text, &found)?;
    *text = masked;
    Ok(screened)
}

/// The same of one row of a file, or of a part of one: it alone is refused. Nearly all come back as they are.
///
/// # Errors
/// Where it holds a secret key that this store knows.
pub(crate) fn row<'t>(
    app: &App,
    carrier: Carrier,
    text: &'t str,
) -> Result<Cow<'t, str>, Rejection> {
    let found = secrets::find(text.as_bytes());
    if found.is_empty() {
        return Ok(Cow::Borrowed(text));
    }
    let shown = || Rejection::whole(codes::SECRET_KEY_IN_BROWSER, SECRET_KEY_SHOWN);
    let (screened, masked) = masked(app, carrier, text, &found).map_err(|_| shown())?;
    match screened.rejection(0) {
        Some(rejection) => Err(rejection),
        None => Ok(Cow::Owned(masked)),
    }
}

/// What was found in a text: which parts of it are refused, and the text without.
fn masked(
    app: &App,
    carrier: Carrier,
    text: &str,
    found: &[FoundKey],
) -> Result<(Screened, String), ApiError> {
    let Carrier { is_mail, is_page } = carrier;
    let layout = Layout::of(text, found);
    let mut lookups = Lookups::new(app);
    let mut screened = Screened::default();
    let mut is_refused = false;
    for one in found {
        match layout.place(&one.range) {
            BodyPlace::KeyField => is_refused = true,
            // Nobody can tell where it stands.
            BodyPlace::Unreadable => is_refused |= is_page || lookups.knows(&one.key),
            BodyPlace::Item(index) if lookups.knows(&one.key) => {
                screened.at.insert(index);
            }
            BodyPlace::Around if lookups.knows(&one.key) => screened.all = true,
            BodyPlace::Item(_) | BodyPlace::Around => {}
        }
    }
    flag_all(app, found);
    if is_refused {
        return Err(ApiError::SecretKeyInBrowser);
    }
    let masked = if is_mail {
        mask_message(text, found, &layout)
    } else {
        secrets::mask_ranges(text, found.iter().map(|one| one.range.clone()))
    };
    Ok((screened, masked))
}

/// The same for a message that comes from a command: `None` where it may stay as it is.
///
/// # Errors
/// A sentence, where it holds a secret key that this store knows.
pub(crate) fn message(meta: &Meta, text: &str) -> Result<Option<String>, String> {
    let found = secrets::find(text.as_bytes());
    if found.is_empty() {
        return Ok(None);
    }
    let is_known = |one: &FoundKey| meta.authenticate(&one.key).is_some();
    if found.iter().take(MAX_LOOKUPS).any(is_known) {
        return Err(SECRET_KEY_SHOWN.to_owned());
    }
    let layout = Layout::of(text, &found);
    Ok(Some(mask_message(text, &found, &layout)))
}

/// Masks all but the parts of mails.
fn mask_message(text: &str, found: &[FoundKey], layout: &Layout) -> String {
    let places = found.iter().map(|one| one.range.clone());
    secrets::mask_ranges(text, places.filter(|place| !layout.is_part_of_mail(place)))
}

/// Which keys of a body the store knows, each asked for once.
struct Lookups<'a> {
    app: &'a App,
    known: HashMap<String, bool>,
}

impl<'a> Lookups<'a> {
    fn new(app: &'a App) -> Self {
        let known = HashMap::new();
        Self { app, known }
    }

    fn knows(&mut self, key: &ApiKey) -> bool {
        if let Some(known) = self.known.get(key.as_str()) {
            return *known;
        }
        if self.known.len() == MAX_LOOKUPS {
            return false;
        }
        let known = self.app.meta.authenticate(key).is_some();
        self.known.insert(key.as_str().to_owned(), known);
        known
    }
}

/// Each key counts once, however often it stands there.
fn flag_all(app: &App, found: &[FoundKey]) {
    let mut seen = BTreeSet::new();
    for one in found {
        if seen.len() < MAX_LOOKUPS && seen.insert(one.key.as_str()) {
            auth::expose(app, &one.key);
        }
    }
}

fn find_in_uri(uri: &Uri) -> Vec<FoundKey> {
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let mut found = secrets::find(path.as_bytes());
    if let Some(authority) = uri.authority() {
        found.extend(secrets::find(authority.as_str().as_bytes()));
    }
    found
}

/// A page's headers. Its `Referer` is the address of a document, to which a stranger's link leads with
/// whatever key it likes: only a key that this store knows counts there.
fn find_in_headers(app: &App, headers: &HeaderMap) -> Vec<FoundKey> {
    let mut found = Vec::new();
    for (name, value) in headers {
        let here = secrets::find(value.as_bytes());
        if name == REFERER {
            let known = |one: &FoundKey| app.meta.authenticate(&one.key).is_some();
            found.extend(here.into_iter().filter(known));
            continue;
        }
        found.extend(here);
        if name == AUTHORIZATION || name == PROXY_AUTHORIZATION {
            found.extend(find_in_basic(value));
        }
    }
    found
}

/// The user and password of `Basic`, in which escapes may hide a key from who looks at base64 alone.
fn find_in_basic(value: &HeaderValue) -> Vec<FoundKey> {
    let bytes = value.as_bytes().trim_ascii();
    let Some((scheme, rest)) = bytes.split_at_checked("basic".len()) else {
        return Vec::new();
    };
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return Vec::new();
    }
    let decoded = STANDARD.decode(rest.trim_ascii()).unwrap_or_default();
    secrets::find(&decoded)
}

/// Mail clients and their readers ask here.
fn is_for_readers(uri: &Uri) -> bool {
    uri.path().starts_with("/mail/")
}

/// Whether it is a form as browsers send it, which no route but those of mails takes.
fn is_form(request: &Request<Body>) -> bool {
    let media = request.headers().get(CONTENT_TYPE);
    let media = media.map_or(&b""[..], HeaderValue::as_bytes);
    let starts_with = |start: &[u8]| {
        media
            .get(..start.len())
            .is_some_and(|media| media.eq_ignore_ascii_case(start))
    };
    let is_form =
        starts_with(b"application/x-www-form-urlencoded") || starts_with(b"multipart/form-data");
    is_form && !is_for_readers(request.uri())
}

/// Reads the body of a refused request, within bounds: its caller is still sending, and would see a
/// broken connection rather than the answer.
async fn throw_away(mut body: Body) -> bool {
    let reading = async {
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            length += frame.data_ref().map_or(0, |data| data.len());
            if length > DRAINED_BYTES {
                return false;
            }
        }
        true
    };
    let read = tokio::time::timeout(DRAIN_TIMEOUT, reading).await;
    read.unwrap_or(false)
}

/// The keys in a form that arrives soon and is small; the request goes on with its body, or, where
/// the body was too large or too slow, without.
async fn find_in_form(request: Request<Body>) -> (Vec<FoundKey>, Request<Body>) {
    let Ok(_place) = FORMS.try_acquire() else {
        return (Vec::new(), request);
    };
    let (parts, body) = request.into_parts();
    let reading = Limited::new(body, FORM_BYTES).collect();
    let read = tokio::time::timeout(FORM_TIMEOUT, reading).await;
    let bytes = match read {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) | Err(_) => Default::default(),
    };
    let found = secrets::find(&bytes);
    (found, Request::from_parts(parts, Body::from(bytes)))
}
