//! What goes wrong with a request, as the caller sees it: status, code and headers side by side.
//!
//! When to use which: a caller that can mend its event gets 422 with the field; one that can mend
//! its request, 400 to 415; one that should come again later, 429 or 503 with Retry-After. What is
//! ours alone (a failing disk) is logged with its cause and answered without it.

pub(crate) mod codes;
pub(crate) mod limit;
mod message;
pub(crate) mod refusal;
pub(crate) mod scopes;

use std::borrow::Cow;

use axum::response::{IntoResponse, Json, Response};
use http::StatusCode;
use http::header::{CONNECTION, HeaderValue, RETRY_AFTER};
use shared::api_key::Scope;
use shared::rejection::{Rejection, codes as of_events};
use shared::wire::ErrorBody;

use limit::{Full, Limit, RateState};
use refusal::Refusal;
use store::ledger::LogError;
use store::query::QueryError;
use store::views::{Building, ViewError};

/// What whoever showed a secret key should do; also the message of an event that holds one.
pub(crate) const SECRET_KEY_SHOWN: &str = "a secret key must not be in a page, an event, a body or a URL: revoke it with `misar keys \
    revoke`, and use a public key (msk_pub_…) there. A server that forwards a browser's request must strip the \
    headers Origin, Sec-Fetch-Site and Sec-Fetch-Dest, strip keys from what it forwards, and send its own key in \
    Authorization. Nothing was recorded";

/// Every way in which a request is refused.
#[derive(Debug)]
pub enum ApiError {
    /// The body is not JSON; the sentence says where it stops being it.
    NotJson(String),
    /// The body does not decompress.
    BadEncoding(&'static str),
    MissingKey,
    /// Right prefix, wrong checksum: a typo.
    MistypedKey(&'static str),
    UnknownKey,
    RevokedKey,
    ExpiredKey,
    SecretKeyInBrowser,
    OriginMissing,
    /// The sentence, which names the origin.
    OriginNotAllowed(String),
    /// The sentence, which names the scopes that the key has.
    MissingScope(String),
    /// Public keys reach only the routes that pages need; this takes another scope.
    NotForPublicKeys(Scope),
    PurchasesNotAllowed,
    /// Only a page of our own may ask this, or ask with the session's cookie.
    CrossOrigin,
    /// No such one-time code, or no longer.
    InvalidCode,
    /// The cookie names no session, or one that has ended.
    NoSession,
    InvalidCsrfToken,
    NotFound,
    /// There is no such route; the nearest, as `POST /v1/track/event`.
    NoRoute(Option<String>),
    UnknownReceipt,
    /// Nothing is known of this message, campaign or contact.
    UnknownSubject(&'static str),
    /// A refund of an order, or news of a message, that is not known.
    UnknownOrder(Rejection),
    /// The methods that the path takes.
    MethodNotAllowed(Option<String>),
    /// HTTP/1.1 without exactly one good `Host`, or several in any version.
    InvalidHost,
    /// A body that is encoded on its way in another manner than `chunked`.
    UnsupportedTransferEncoding,
    /// Metrics are asked for without a key, and not on this machine.
    MetricsNeedKey,
    /// Mails would lead to an address that nobody has said is right.
    PublicUrlMissing,
    BodyTimeout,
    /// An order, a refund, a message or an id that is on record with something else, in `fields` where
    /// those may be told.
    Conflict {
        rejection: Rejection,
        fields: Vec<&'static str>,
    },
    BodyTooLarge {
        limit: usize,
        /// How many bytes it has, where that is known.
        size: Option<usize>,
    },
    /// It inflates to more than so many times its size.
    BodyInflates {
        ratio: usize,
    },
    TooManyEvents,
    /// In one message, or in all of a request.
    TooManyLinks(&'static str),
    /// A message would come back out of all proportion.
    AnswerTooLarge,
    UnsupportedMediaType(&'static str),
    UnsupportedEncoding,
    Rejected(Rejection),
    /// The query parameter `name` is no seq that this store gave to an event of the workspace.
    UnknownSeq {
        name: &'static str,
    },
    /// A query parameter is wrong.
    InvalidParameter {
        name: Cow<'static, str>,
        message: String,
    },
    /// A query parameter that a read does not know; its name where that may be shown.
    UnknownParameter {
        name: Option<String>,
        message: String,
    },
    RateLimited {
        retry_after: u32,
        limit: u32,
        what: Limit,
    },
    Overloaded,
    /// Refused before all of its body had come: the connection ends with the answer, and says so, or the
    /// caller would send its next request into a closed one.
    Unread(Box<ApiError>),
    TooManyLiveReaders(Full),
    TooManyExports,
    TooManyImports,
    /// What a key, a setting or a command cannot be.
    Refused(Box<Refusal>),
    StorageFailing,
    ViewBehind,
    /// The views hold less than is known, and are being built.
    ViewBuilding(Building),
    Internal,
}

impl ApiError {
    /// Status and code.
    fn kind(&self) -> (StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::NotJson(_) => (S::BAD_REQUEST, "invalid_json"),
            Self::BadEncoding(_) => (S::BAD_REQUEST, "invalid_encoding"),
            Self::MissingKey => (S::UNAUTHORIZED, "missing_key"),
            Self::MistypedKey(_) => (S::UNAUTHORIZED, "invalid_key"),
            Self::UnknownKey => (S::UNAUTHORIZED, "unknown_key"),
            Self::RevokedKey => (S::UNAUTHORIZED, "revoked_key"),
            Self::ExpiredKey => (S::UNAUTHORIZED, "expired_key"),
            Self::SecretKeyInBrowser => (S::FORBIDDEN, "secret_key_in_browser"),
            Self::OriginMissing => (S::FORBIDDEN, "origin_missing"),
            Self::OriginNotAllowed(_) => (S::FORBIDDEN, "origin_not_allowed"),
            Self::MissingScope(_) | Self::NotForPublicKeys(_) => {
                (S::FORBIDDEN, "insufficient_scope")
            }
            Self::PurchasesNotAllowed => (S::FORBIDDEN, "purchases_not_allowed"),
            Self::CrossOrigin => (S::FORBIDDEN, "cross_origin"),
            Self::InvalidCode => (S::UNAUTHORIZED, "invalid_code"),
            Self::NoSession => (S::UNAUTHORIZED, "no_session"),
            Self::InvalidCsrfToken => (S::FORBIDDEN, "invalid_csrf_token"),
            Self::NotFound | Self::NoRoute(_) => (S::NOT_FOUND, "not_found"),
            Self::UnknownReceipt => (S::NOT_FOUND, "unknown_receipt"),
            Self::UnknownSubject("message") => (S::NOT_FOUND, "unknown_message"),
            Self::UnknownSubject("contact") => (S::NOT_FOUND, "unknown_contact"),
            Self::UnknownSubject(_) => (S::NOT_FOUND, "unknown_campaign"),
            Self::UnknownOrder(rejection) => (S::NOT_FOUND, rejection.code),
            Self::MethodNotAllowed(_) => (S::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::InvalidHost => (S::BAD_REQUEST, "invalid_host"),
            Self::UnsupportedTransferEncoding => {
                (S::NOT_IMPLEMENTED, "unsupported_transfer_encoding")
            }
            Self::MetricsNeedKey => (S::UNAUTHORIZED, "missing_key"),
            Self::PublicUrlMissing => (S::UNPROCESSABLE_ENTITY, "public_url_missing"),
            Self::BodyTimeout => (S::REQUEST_TIMEOUT, "body_timeout"),
            Self::Conflict { rejection, .. } => (S::CONFLICT, rejection.code),
            Self::BodyTooLarge { .. } => (S::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::BodyInflates { .. } => (S::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::TooManyEvents => (S::PAYLOAD_TOO_LARGE, "too_many_events"),
            Self::TooManyLinks(_) => (S::PAYLOAD_TOO_LARGE, "too_many_links"),
            Self::AnswerTooLarge => (S::PAYLOAD_TOO_LARGE, "answer_too_large"),
            Self::UnsupportedMediaType(_) => (S::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Self::UnsupportedEncoding => (S::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding"),
            Self::Rejected(rejection) if rejection.code == of_events::SECRET_KEY_IN_BROWSER => {
                (S::FORBIDDEN, rejection.code)
            }
            Self::Rejected(rejection) => (S::UNPROCESSABLE_ENTITY, rejection.code),
            Self::UnknownSeq { .. } => (S::UNPROCESSABLE_ENTITY, "unknown_seq"),
            Self::InvalidParameter { .. } => (S::UNPROCESSABLE_ENTITY, "invalid_parameter"),
            Self::UnknownParameter { .. } => (S::UNPROCESSABLE_ENTITY, "unknown_parameter"),
            Self::RateLimited { .. } => (S::TOO_MANY_REQUESTS, "rate_limited"),
            Self::Unread(error) => error.kind(),
            Self::Overloaded => (S::SERVICE_UNAVAILABLE, "overloaded"),
            Self::TooManyLiveReaders(_) => (S::SERVICE_UNAVAILABLE, "too_many_live_readers"),
            Self::TooManyExports => (S::SERVICE_UNAVAILABLE, "too_many_exports"),
            Self::TooManyImports => (S::SERVICE_UNAVAILABLE, "too_many_imports"),
            Self::Refused(refusal) => (refusal.status, refusal.code),
            Self::StorageFailing => (S::SERVICE_UNAVAILABLE, "storage_failing"),
            Self::ViewBehind => (S::SERVICE_UNAVAILABLE, "view_behind"),
            Self::ViewBuilding(_) => (S::SERVICE_UNAVAILABLE, "view_building"),
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    fn field(&self) -> Option<String> {
        match self {
            Self::Rejected(rejection)
            | Self::UnknownOrder(rejection)
            | Self::Conflict { rejection, .. } => rejection.field.clone(),
            Self::InvalidParameter { name, .. } => Some(name.clone().into_owned()),
            Self::UnknownParameter { name, .. } => name.clone(),
            Self::Refused(refusal) => refusal.field.map(str::to_owned),
            Self::UnknownSeq { name } => Some((*name).to_owned()),
            _ => None,
        }
    }

    /// Seconds after which trying again makes sense.
    pub fn retry_after(&self) -> Option<u32> {
        match self {
            Self::RateLimited { retry_after, .. } => Some(*retry_after),
            Self::Overloaded | Self::StorageFailing | Self::ViewBehind => Some(1),
            Self::ViewBuilding(_) => Some(2),
            Self::TooManyLiveReaders(_) | Self::TooManyExports | Self::TooManyImports => Some(10),
            Self::Refused(refusal) => refusal.retry_after,
            _ => None,
        }
    }

    /// The same, of a request whose body has not all come.
    #[must_use]
    pub fn unread(self) -> Self {
        Self::Unread(Box::new(self))
    }

    /// For programs.
    pub fn code(&self) -> &'static str {
        self.kind().1
    }

    /// Whether the request was refused for what its sender did: its form or its key.
    pub fn is_senders_fault(&self) -> bool {
        let status = self.kind().0;
        status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS
    }

    /// The answer, with the id of the event that it is about.
    pub fn with_id(self, id: String) -> Response {
        self.respond(Some(id))
    }

    /// The same as the last line of an answer that had begun.
    pub(crate) fn to_body(&self) -> ErrorBody {
        if let Self::Unread(error) = self {
            return error.to_body();
        }
        let mut body = ErrorBody::new(self.code(), self.message());
        body.error.field = self.field();
        body
    }

    fn respond(self, id: Option<String>) -> Response {
        if let Self::Unread(error) = self {
            let mut response = error.respond(id);
            let headers = response.headers_mut();
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
            return response;
        }
        let (status, code) = self.kind();
        debug_assert!(
            codes::is_listed(code) || code == refusal::FAILED,
            "list `{code}` in error/codes.rs"
        );
        let mut body = self.to_body();
        if let Self::ViewBuilding(building) = &self {
            body.error.progress = Some(building.percent());
        }
        if let Self::Conflict { fields, .. } = &self
            && !fields.is_empty()
        {
            body.error.fields = Some(fields.iter().map(|field| (*field).to_owned()).collect());
        }
        body.id = id;
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Self::RateLimited {
            retry_after, limit, ..
        } = self
        {
            RateState {
                limit,
                remaining: 0,
                reset: retry_after,
            }
            .write(headers);
        }
        if matches!(self, Self::InvalidHost | Self::UnsupportedTransferEncoding) {
            // The rest of that body may still come: it must not be read as a request.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                http::header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer"),
            );
        }
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.respond(None)
    }
}

impl From<ViewError> for ApiError {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Building(building) => Self::ViewBuilding(building),
            ViewError::Log(error) => error.into(),
            error => {
                tracing::error!(%error, "the views could not be read");
                Self::StorageFailing
            }
        }
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Views(error) => error.into(),
            QueryError::Log(error) => error.into(),
        }
    }
}

impl From<LogError> for ApiError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Overloaded => Self::Overloaded,
            LogError::Storage(_)
            | LogError::Unavailable
            | LogError::Damaged(_)
            | LogError::Foreign(_)
            | LogError::Strange(_) => {
                tracing::error!(%error, "the log refused");
                Self::StorageFailing
            }
        }
    }
}
