//! What browsers get without a key: the snippet, our pages and their files.

use std::sync::Arc;

use axum::Extension;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::response::{IntoResponse, Json, Response};
use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderMap, StatusCode};

use crate::assets::{AboutSnippet, Assets};
use crate::error::ApiError;

/// Send to the live page
pub(crate) async fn get_root() -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, "/live")]).into_response()
}

/// The live page
pub(crate) async fn get_live(
    Extension(assets): Extension<Arc<Assets>>,
    headers: HeaderMap,
) -> Response {
    assets.live.respond(&headers).await
}

/// The page of contacts
pub(crate) async fn get_contacts_page(
    Extension(assets): Extension<Arc<Assets>>,
    headers: HeaderMap,
) -> Response {
    assets.contacts.respond(&headers).await
}

/// The page of segments
pub(crate) async fn get_segments_page(
    Extension(assets): Extension<Arc<Assets>>,
    headers: HeaderMap,
) -> Response {
    assets.segments.respond(&headers).await
}

/// The document, as a page
pub(crate) async fn get_docs(
    Extension(assets): Extension<Arc<Assets>>,
    headers: HeaderMap,
) -> Response {
    assets.docs.respond(&headers).await
}

/// A file of our pages
pub(crate) async fn get_asset(
    Extension(assets): Extension<Arc<Assets>>,
    name: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Path(name) = name.map_err(|_| ApiError::NotFound)?;
    let asset = assets.file(&name).ok_or(ApiError::NotFound)?;
    Ok(asset.respond(&headers).await)
}

/// Give the snippet
///
/// The script that pages embed; it sends to the server's public URL. Browsers keep it for an hour.
#[utoipa::path(
    get, path = "/mail/track.js", tag = "snippet",
    responses(
        (status = 200, description = "The snippet", body = String, content_type = "application/javascript"),
        (status = 304, description = "As the caller has it already"),
    ),
)]
pub(crate) async fn get_snippet(
    Extension(assets): Extension<Arc<Assets>>,
    headers: HeaderMap,
) -> Response {
    assets.snippet.respond(&headers).await
}

/// Tell about the snippet
///
/// `url` is a copy that never changes, to be pinned with `integrity`: its name holds the beginning of
/// its SHA-256, and another version is 404 under it.
#[utoipa::path(
    get, path = "/mail/track.json", tag = "snippet",
    responses((status = 200, description = "Its address, hash and size", body = AboutSnippet)),
)]
pub(crate) async fn get_about_snippet(
    Extension(assets): Extension<Arc<Assets>>,
) -> Result<Response, ApiError> {
    let about = assets.snippet.about().await.ok_or(ApiError::Internal)?;
    Ok(([(CACHE_CONTROL, "no-cache")], Json(about)).into_response())
}

/// The copy of the snippet that never changes
pub(crate) async fn get_versioned_snippet(
    Extension(assets): Extension<Arc<Assets>>,
    file: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Path(file) = file.map_err(|_| ApiError::NotFound)?;
    let response = assets.snippet.respond_as(&file, &headers).await;
    response.ok_or(ApiError::NotFound)
}
