//! `/session`: how misar's own pages log in and out.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Json, Response};
use http::header::{HeaderValue, SET_COOKIE};
use http::{Request, StatusCode};
use serde::{Deserialize, Serialize};
use shared::api_key::Scope;
use shared::time::Timestamp;
use shared::wire::ErrorBody;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{self, asks::Asks};
use crate::body::{Means, Media, read_text};
use crate::error::ApiError;
use crate::limits::memory::Owner;
use crate::limits::network::Payer;
use crate::screen;
use crate::session::{LIFETIME_MS, SessionToken, clear_cookie, is_from_own_page};
use store::meta::{MetaError, NewSession, Session};
use store::query::words::ScopeName;

/// A key or a code is shorter by far.
const MAX_BODY_BYTES: usize = 4 * 1024;

/// What opens a session: one of the two.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SessionBody {
    /// From the link that `misar link` prints; it opens one session, as admin of the workspace
    /// `default`.
    #[schema(nullable = false)]
    code: Option<String>,
    /// A secret key with the scope `read` or `admin`.
    #[schema(nullable = false)]
    key: Option<String>,
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionView {
    pub success: bool,
    pub workspace: String,
    #[schema(value_type = Vec<ScopeName>)]
    pub scopes: Vec<&'static str>,
    /// Changes send it as X-CSRF-Token.
    pub csrf_token: String,
    /// RFC 3339.
    #[schema(format = DateTime)]
    pub expires_at: String,
}

impl SessionView {
    fn of(session: &Session, token: &SessionToken) -> Self {
        Self {
            success: true,
            workspace: session.workspace_name.clone(),
            scopes: session.scopes.iter().map(|scope| scope.as_str()).collect(),
            csrf_token: token.csrf(),
            expires_at: session.expires_at.to_string(),
        }
    }

    fn into_response(self, cookie: Option<HeaderValue>) -> Response {
        let mut response = Json(self).into_response();
        if let Some(cookie) = cookie {
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
        response
    }
}

/// Open a session, for misar's own pages
///
/// Only from a page of the same origin. Answers with an `HttpOnly`, `SameSite=Strict` cookie that
/// lasts 7 days, or until its key is revoked.
#[utoipa::path(
    post, path = "/session", tag = "session",
    request_body = SessionBody,
    responses(
        (status = 200, description = "The session, and its cookie", body = SessionView),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "Come again after Retry-After", body = ErrorBody),
    ),
    security(()),
)]
pub(crate) async fn open_session(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    let payer = Payer::of(&parts, &app.trusted_proxies);
    let blame = |error| app.rates.blame_unread(&payer, error);
    // A secret key in a header or the URL stays what it is elsewhere.
    auth::caller_by_headers(&app, headers, &parts.uri, Asks::Nothing)
        .map_err(|error| blame(error.unread()))?;
    let means = Means {
        memory: &app.body_memory,
        owner: &Owner::Anybody(payer.for_memory()),
        heavy: &app.heavy,
    };
    let read = read_text(headers, body, Media::Json, MAX_BODY_BYTES, means).await;
    let (text, _memory) = read.map_err(blame)?;
    let asked = serde_json::from_str::<SessionBody>(&text);
    if !is_from_own_page(headers, &app.public_url) {
        screen::flag(&app, text.as_bytes());
        return Err(ApiError::CrossOrigin);
    }
    let asked = asked.map_err(|error| {
        if error.is_data() {
            invalid_body()
        } else {
            ApiError::NotJson("the body is not JSON".to_owned())
        }
    })?;
    let now = app.clock.now();
    let expires_at = Timestamp::from_millis(now.as_millis() + LIFETIME_MS);
    let new = match (asked.code, asked.key) {
        (Some(code), None) => {
            let id = app.codes.take(&code, now);
            let id = id.ok_or_else(|| blame(ApiError::InvalidCode))?;
            let mut workspaces = app.meta.workspaces().into_iter();
            let workspace = workspaces.find(|workspace| workspace.id == id);
            NewSession {
                workspace: workspace.ok_or(ApiError::Internal)?,
                scopes: vec![Scope::Admin],
                key: None,
                expires_at,
            }
        }
        (None, Some(text)) => {
            let key = auth::key_for_session(&app, headers, &text).map_err(blame)?;
            let workspace = app.meta.workspace(&key.workspace_name);
            NewSession {
                workspace: workspace.ok_or(ApiError::Internal)?,
                scopes: key.scopes.clone(),
                key: Some(key),
                expires_at,
            }
        }
        (Some(_), Some(_)) | (None, None) => return Err(invalid_body()),
    };
    let token = SessionToken::generate().map_err(failed)?;
    let digest = token.digest();
    let session = write(&app, move |app| app.meta.create_session(digest, new)).await?;
    let cookie = token
        .set_cookie(&app.public_url)
        .map_err(|_| ApiError::Internal)?;
    Ok(SessionView::of(&session, &token).into_response(Some(cookie)))
}

/// Tell the session that the cookie names
///
/// Its workspace and scopes, and the token that changes send.
#[utoipa::path(
    get, path = "/session", tag = "session",
    responses(
        (status = 200, description = "The session", body = SessionView),
        (status = "4XX", description = "Refused; 401 where there is none", body = ErrorBody),
    ),
    security(("session" = [])),
)]
pub(crate) async fn get_session(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let (token, session) = by_cookie(&app, &request)?;
    Ok(SessionView::of(&session, &token).into_response(None))
}

/// End the session
///
/// Its cookie is worth nothing from then on, in every browser that has it.
#[utoipa::path(
    delete, path = "/session", tag = "session",
    params(("X-CSRF-Token" = String, Header, description = "`csrfToken` of the session")),
    responses(
        (status = 204, description = "It has ended"),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
        (status = 503, description = "Come again after Retry-After", body = ErrorBody),
    ),
    security(("session" = [])),
)]
pub(crate) async fn end_session(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let (token, _) = by_cookie(&app, &request)?;
    token.require_csrf(request.headers())?;
    let digest = token.digest();
    write(&app, move |app| app.meta.end_session(&digest)).await?;
    let cookie = clear_cookie(&app.public_url).map_err(|_| ApiError::Internal)?;
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response())
}

fn by_cookie(app: &App, request: &Request<Body>) -> Result<(SessionToken, Arc<Session>), ApiError> {
    let headers = request.headers();
    // A secret key that a page shows is refused here as elsewhere.
    auth::caller_by_headers(app, headers, request.uri(), Asks::Nothing)?;
    let (token, session) = auth::session_by_cookie(app, headers)?;
    app.rates.count_session(&token.digest(), &session)?;
    Ok((token, session))
}

/// Changes the meta store, which blocks on disk.
async fn write<T: Send + 'static>(
    app: &Arc<App>,
    change: impl FnOnce(&App) -> Result<T, MetaError> + Send + 'static,
) -> Result<T, ApiError> {
    let app = Arc::clone(app);
    tokio::task::spawn_blocking(move || change(&app))
        .await
        .map_err(|_| ApiError::Internal)?
        .map_err(failed)
}

fn failed(error: MetaError) -> ApiError {
    tracing::error!(%error, "a session could not be written");
    ApiError::StorageFailing
}

fn invalid_body() -> ApiError {
    ApiError::InvalidParameter {
        name: "code".into(),
        message: "send either `code`, from a link of `misar link`, or `key`, a secret key"
            .to_owned(),
    }
}
