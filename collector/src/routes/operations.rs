//! `/healthz`, `/readyz`, `/metrics`, and what is said at paths and methods that do not exist.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{MatchedPath, State};
use axum::response::{IntoResponse, Json, Redirect, Response};
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Request, StatusCode};
use serde::Serialize;
use shared::api_key::Scope;
use shared::wire::ErrorBody;
use utoipa::ToSchema;

use crate::app::App;
use crate::assets::Assets;
use crate::auth;
use crate::client_address::{Peer, is_local, is_loopback_host};
use crate::document::KnownRoutes;
use crate::error::ApiError;
use crate::metrics::{Audience, MetricsForm};
use store::views::Building;

/// How the process is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Health {
    /// `ok`, or why not.
    pub status: &'static str,
    /// How far what reads answer from is built, in percent: there only while it is being built, and reads
    /// are answered with `view_building`. Events are taken all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0, maximum = 99)]
    pub views_building: Option<u8>,
}

/// Why events are not taken: as every refusal, and as [`Health`] says it.
#[derive(Debug, Serialize)]
struct NotReady {
    status: &'static str,
    #[serde(flatten)]
    refused: ErrorBody,
}

/// Say that the process runs
///
/// Whatever else is wrong: `/readyz` says that.
#[utoipa::path(
    get, path = "/healthz", tag = "operations",
    responses((status = 200, description = "It runs", body = Health)),
)]
pub(crate) async fn get_health() -> Json<Health> {
    Json(Health {
        status: "ok",
        views_building: None,
    })
}

/// Say whether events are taken
///
/// Ready when the last commit succeeded, the queue is not full and the process is not stopping. Reads may
/// have to wait all the same: `viewsBuilding` says so.
#[utoipa::path(
    get, path = "/readyz", tag = "operations",
    responses(
        (status = 200, description = "Events are taken", body = Health),
        (status = 503, description = "They are not; `error.message` says why, and so does `status`", body = ErrorBody),
    ),
)]
pub(crate) async fn get_readiness(State(app): State<Arc<App>>) -> Response {
    match app.readiness() {
        Ok(()) => {
            let building = app.views.building();
            Json(Health {
                status: "ok",
                views_building: building.map(Building::percent),
            })
            .into_response()
        }
        Err(status) => {
            let headers = [(RETRY_AFTER, HeaderValue::from_static("1"))];
            let refused = ErrorBody::new("not_ready", status);
            let body = Json(NotReady { status, refused });
            (StatusCode::SERVICE_UNAVAILABLE, headers, body).into_response()
        }
    }
}

/// Tell the metrics
///
/// In Prometheus's text, or as `OpenMetrics` where `Accept` asks for `application/openmetrics-text`.
/// A key with the scope `read` is told the series of its workspace. Those of the whole process are
/// told to a secret key that `misar keys create --operator` has made, to a request from this machine to
/// its loopback address without any sign of a proxy (no forwarding header, not HTTP/1.0), and where
/// `--metrics-listen` listens.
#[utoipa::path(
    get, path = "/metrics", tag = "operations",
    responses(
        (status = 200, description = "Prometheus's text, or OpenMetrics", content(
            (String = "text/plain"),
            (String = "application/openmetrics-text"),
        )),
        (status = "4XX", description = "Refused; `error.message` says what to do", body = ErrorBody),
    ),
    security((), ("secret_key" = [])),
)]
pub(crate) async fn get_metrics(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let audience = audience(&app, &request)?;
    tell_metrics(app, audience, MetricsForm::of(request.headers())).await
}

/// The same where `--metrics-listen` listens: whoever reaches that is the operator's.
pub(crate) async fn get_all_metrics(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    tell_metrics(app, Audience::Operator, MetricsForm::of(request.headers())).await
}

fn audience(app: &App, request: &Request<Body>) -> Result<Audience, ApiError> {
    let headers = request.headers();
    if let Some(caller) = auth::server_by_headers(app, headers, request.uri(), Scope::Read)? {
        app.rates.count(&caller.key)?;
        if caller.key.operator {
            return Ok(Audience::Operator);
        }
        caller.require(Scope::Read)?;
        return Ok(Audience::Workspace(caller.key.workspace));
    }
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
    // In absolute form, the target names the host (RFC 9112, section 3.2.2).
    let is_ours = request.uri().host().is_none_or(is_loopback_host);
    if is_ours && peer.is_some_and(|peer| is_local(peer, request.version(), headers)) {
        Ok(Audience::Operator)
    } else {
        Err(ApiError::MetricsNeedKey)
    }
}

async fn tell_metrics(
    app: Arc<App>,
    audience: Audience,
    form: MetricsForm,
) -> Result<Response, ApiError> {
    let told = tokio::task::spawn_blocking(move || {
        let workspaces = app.meta.workspaces();
        app.metrics.render(app.gauges(), &workspaces, audience)
    });
    let page = told.await.map_err(|_| ApiError::Internal)?;
    let page = form.write(page.map_err(|_| ApiError::Internal)?);
    Ok(([(CONTENT_TYPE, form.media_type())], page).into_response())
}

/// Tell what there is: this document
///
/// For generators and other programs; `/docs` says the same to people.
#[utoipa::path(
    get, path = "/openapi.json", tag = "operations",
    responses(
        (status = 200, description = "OpenAPI 3.1", body = Object, content_type = "application/json"),
        (status = 304, description = "As the caller has it already"),
    ),
)]
pub(crate) async fn get_document(
    Extension(assets): Extension<Arc<Assets>>,
    headers: HeaderMap,
) -> Response {
    assets.document.respond(&headers).await
}

/// Tell the same as OpenAPI 3.0
///
/// For generators that read no 3.1. Where 3.0 has no word, it says less.
#[utoipa::path(
    get, path = "/openapi-3.0.json", tag = "operations",
    responses(
        (status = 200, description = "OpenAPI 3.0", body = Object, content_type = "application/json"),
        (status = 304, description = "As the caller has it already"),
    ),
)]
pub(crate) async fn get_older_document(
    Extension(assets): Extension<Arc<Assets>>,
    headers: HeaderMap,
) -> Response {
    assets.older_document.respond(&headers).await
}

/// The answer at a path that does not exist. One of our pages with a slash at its end has another
/// address, which browsers are sent to.
pub(crate) async fn not_found(request: Request<Body>) -> Result<Redirect, ApiError> {
    let known = request.extensions().get::<KnownRoutes>();
    let (method, uri) = (request.method(), request.uri());
    if let Some(page) = known.and_then(|known| known.without_slash(method, uri)) {
        return Ok(Redirect::permanent(&page));
    }
    let nearest = known.and_then(|known| known.nearest(method.as_str(), uri.path()));
    Err(ApiError::NoRoute(nearest))
}

/// The answer to a method that the path does not take.
pub(crate) async fn method_not_allowed(request: Request<Body>) -> ApiError {
    let known = request.extensions().get::<KnownRoutes>();
    let path = request.extensions().get::<MatchedPath>();
    let methods = known.zip(path);
    ApiError::MethodNotAllowed(methods.and_then(|(known, path)| known.methods(path.as_str())))
}
