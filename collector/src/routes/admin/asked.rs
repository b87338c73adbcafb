//! One request for keys, settings or a command, once it is known who asks: no handler gets at its body, or at the
//! workspace that it is about, any other way.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRef, FromRequest};
use http::header::ACCEPT;
use http::request::Parts;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};

use super::{Desk, Door, Fields, lines};
use crate::app::App;
use crate::auth::{self, Admin};
use crate::body::{self, Means, Media, read_text};
use crate::error::ApiError;
use crate::error::refusal::Refusal;
use crate::limits::memory::{BodyPermit, Owner};
use crate::limits::network::Payer;
use store::meta::{DEFAULT_WORKSPACE, Meta, Workspace};

/// Of an admin's body: 100 origins fit by far.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// Of an operator's: a message of 32 MB fits, whose quotes are escaped.
pub(crate) const MAX_OPERATOR_BYTES: usize = 96 * 1024 * 1024;
/// An operator's body has so long to arrive whole.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) enum Authority {
    /// Whoever may reach the data folder: of every workspace.
    Operator,
    Admin(Admin),
}

/// The request.
pub(crate) struct Asked {
    pub(crate) by: Authority,
    /// Empty where the method takes no body.
    pub(crate) text: String,
    /// Whether the caller reads answers line by line.
    pub(crate) reads_lines: bool,
    uri: Uri,
    /// The memory of the body.
    _held: Option<BodyPermit>,
}

impl<S: Send + Sync> FromRequest<S> for Asked
where
    Desk: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, state: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let (by, text, held) = match Desk::from_ref(state).door {
            Door::Operators => (Authority::Operator, read_of_operator(body).await?, None),
            Door::Open(app) => {
                let (admin, text, held) = read_of_admin(&app, &parts, body).await?;
                (Authority::Admin(admin), text, held)
            }
        };
        let accept = parts.headers.get(ACCEPT).map(|value| value.as_bytes());
        Ok(Self {
            by,
            text,
            reads_lines: accept == Some(lines::MEDIA_TYPE.as_bytes()),
            uri: parts.uri,
            _held: held,
        })
    }
}

impl Asked {
    /// The workspace that is named, which only the operator may; an admin's own. `None` where the operator
    /// names none.
    ///
    /// # Errors
    /// 404.
    pub(crate) fn named_workspace(&self, meta: &Meta) -> Result<Option<Arc<Workspace>>, ApiError> {
        if let Authority::Admin(admin) = &self.by {
            return Ok(Some(Arc::clone(&admin.workspace)));
        }
        let Some(name) = self.parameter("workspace") else {
            return Ok(None);
        };
        let missing = || {
            let sentence = "there is no such workspace: `misar workspaces list` shows them";
            Refusal::failed(sentence).into()
        };
        meta.workspace(&name).map(Some).ok_or_else(missing)
    }

    /// The same; `default` where the operator names none.
    pub(crate) fn workspace(&self, meta: &Meta) -> Result<Arc<Workspace>, ApiError> {
        match self.named_workspace(meta)? {
            Some(workspace) => Ok(workspace),
            None => meta.workspace(DEFAULT_WORKSPACE).ok_or(ApiError::Internal),
        }
    }

    pub(crate) fn parameter(&self, wanted: &str) -> Option<Cow<'_, str>> {
        let query = self.uri.query().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value)
    }

    /// The fields of the body, which are all to be among these.
    ///
    /// # Errors
    /// 400 and 422.
    pub(crate) fn fields(&self, known: &'static [&'static str]) -> Result<Fields, ApiError> {
        Fields::parse(&self.text, known)
    }
}

async fn read_of_operator(body: Body) -> Result<String, ApiError> {
    let reading = Limited::new(body, MAX_OPERATOR_BYTES).collect();
    let read = tokio::time::timeout(BODY_TIMEOUT, reading).await;
    let bytes = read.map_err(|_| ApiError::BodyTimeout.unread())?;
    let bytes = bytes.map_err(|_| {
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        ApiError::from(Refusal::new(
            status,
            "body_too_large",
            "the command is too long",
        ))
        .unread()
    })?;
    String::from_utf8(bytes.to_bytes().into())
        .map_err(|_| ApiError::NotJson("the body is not UTF-8".to_owned()))
}

async fn read_of_admin(
    app: &Arc<App>,
    parts: &Parts,
    body: Body,
) -> Result<(Admin, String, Option<BodyPermit>), ApiError> {
    let payer = Payer::of(parts, &app.trusted_proxies);
    let admin = match auth::admin(app, parts) {
        Ok(admin) => admin,
        Err(error) => {
            let error = app.rates.blame(&payer, error);
            return Err(body::refuse(&parts.headers, body, error).await);
        }
    };
    if !matches!(parts.method, Method::POST | Method::PATCH) {
        return Ok((admin, String::new(), None));
    }
    if parts.uri.query().is_some_and(|query| !query.is_empty()) {
        // Ignored, `workspace=…` would change another one than was meant.
        return Err(ApiError::UnknownParameter {
            name: None,
            message: "a change takes no query parameters: it is about the key's own workspace, and all else stands \
                      in the body"
                .to_owned(),
        }
        .unread());
    }
    let owner = match &admin.key {
        Some(key) if admin.shows_key => Owner::server(key),
        _ => Owner::Anybody(payer.for_memory()),
    };
    let means = Means {
        memory: &app.body_memory,
        owner: &owner,
        heavy: &app.heavy,
    };
    let read = read_text(&parts.headers, body, Media::Json, MAX_BODY_BYTES, means).await;
    let (text, held) = read.map_err(|error| app.rates.blame_unread(&Payer::NOBODY, error))?;
    Ok((admin, text, Some(held)))
}
