//! Reading a request's body: media type, encoding, limits and time. Not what is in it.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use flate2::read::MultiGzDecoder;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;

/// A body that has not arrived after this time is given up.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Of a body that is too large, so much is read and thrown away, so that the caller, who is still
/// sending, gets the answer rather than a broken connection.
const DRAINED: usize = 8 * 1024 * 1024;

/// Kilobytes of bodies that may be in memory at once, over all requests; past that, 503. A stalled
/// body costs what has arrived of it and nobody else a place.
pub const MAX_BODIES_KB: usize = 256 * 1024;

/// Which media types a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    Json,
    /// Also `text/plain`, with which a page's request needs no preflight.
    JsonOrText,
}

/// Reads the body as text of at most `limit` bytes, before and after decompression.
///
/// # Errors
/// 400 not UTF-8 or not gzip, 408 too slow, 413 too large, 415 wrong type or encoding, 503 too many
/// bodies at once. The permit stands for the memory, and is kept for as long as the text is.
pub async fn read_text(
    headers: &HeaderMap,
    body: Body,
    media: Media,
    limit: usize,
    memory: &Arc<Semaphore>,
) -> Result<(String, Option<OwnedSemaphorePermit>), ApiError> {
    check_media(headers, media)?;
    let gzip = is_gzip(headers)?;
    let collected = tokio::time::timeout(BODY_TIMEOUT, collect(body, limit, memory));
    let (bytes, taken) = collected.await.map_err(|_| ApiError::BodyTimeout)??;
    let bytes = if gzip { unzip(&bytes, limit)? } else { bytes };
    let text =
        String::from_utf8(bytes).map_err(|_| ApiError::NotJson("the body is not UTF-8".into()))?;
    Ok((text, taken))
}

fn check_media(headers: &HeaderMap, media: Media) -> Result<(), ApiError> {
    // Absent is taken for JSON: a beacon of a plain Blob has none.
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Ok(());
    };
    let value = value.to_str().unwrap_or("").to_ascii_lowercase();
    let mut parts = value.split(';').map(str::trim);
    let known = match parts.next() {
        Some("application/json") => true,
        Some("text/plain") => media == Media::JsonOrText,
        _ => false,
    };
    let utf8 = parts
        .filter_map(|parameter| parameter.strip_prefix("charset="))
        .all(|charset| matches!(charset.trim_matches('"'), "utf-8" | "utf8"));
    match (known, utf8, media) {
        (true, true, _) => Ok(()),
        (true, false, _) => Err(ApiError::UnsupportedMediaType("send the body in UTF-8")),
        (false, _, Media::Json) => Err(ApiError::UnsupportedMediaType(
            "send `Content-Type: application/json`",
        )),
        (false, _, Media::JsonOrText) => Err(ApiError::UnsupportedMediaType(
            "send `Content-Type: application/json` (or text/plain, from a page)",
        )),
    }
}

fn is_gzip(headers: &HeaderMap) -> Result<bool, ApiError> {
    let mut encodings = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .flat_map(|value| value.to_str().unwrap_or("?").split(','))
        .map(str::trim)
        .filter(|encoding| !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity"));
    match (encodings.next(), encodings.next()) {
        (None, _) => Ok(false),
        (Some(one), None)
            if one.eq_ignore_ascii_case("gzip") || one.eq_ignore_ascii_case("x-gzip") =>
        {
            Ok(true)
        }
        _ => Err(ApiError::UnsupportedEncoding),
    }
}

async fn collect(
    mut body: Body,
    limit: usize,
    memory: &Arc<Semaphore>,
) -> Result<(Vec<u8>, Option<OwnedSemaphorePermit>), ApiError> {
    let mut bytes = Vec::new();
    let mut taken: Option<OwnedSemaphorePermit> = None;
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| ApiError::NotJson("the body broke off".into()))?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        length += data.len();
        if length <= limit {
            let held = taken.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            // At most 1 MB, so that it fits.
            let more = u32::try_from(length.div_ceil(1024) - held).unwrap_or(u32::MAX);
            let more = Arc::clone(memory)
                .try_acquire_many_owned(more)
                .map_err(|_| ApiError::Overloaded)?;
            match &mut taken {
                Some(taken) => taken.merge(more),
                None => taken = Some(more),
            }
            bytes.extend_from_slice(data);
        } else if length > limit + DRAINED {
            break;
        }
    }
    if length > limit {
        Err(ApiError::BodyTooLarge { limit })
    } else {
        Ok((bytes, taken))
    }
}

/// All members of a gzip stream, of which some senders write several.
fn unzip(bytes: &[u8], limit: usize) -> Result<Vec<u8>, ApiError> {
    let mut out = Vec::new();
    MultiGzDecoder::new(bytes)
        .take(limit as u64 + 1)
        .read_to_end(&mut out)
        .map_err(|_| ApiError::BadEncoding("the body says it is gzip, and is not"))?;
    if out.len() > limit {
        Err(ApiError::BodyTooLarge { limit })
    } else {
        Ok(out)
    }
}
