//! Reading a request's body: media type, encoding, limits and time. Not what is in it, nor who may hold
//! how much memory (`memory`), nor how gzip is undone (`gzip`), nor bodies of any length (`source`).

mod gzip;
pub(crate) mod source;

use std::string::FromUtf8Error;
use std::time::Duration;

use axum::body::Body;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use http_body_util::BodyExt as _;
use shared::limits::MAX_EVENT_BYTES;
use shared::rejection::{Rejection, codes};

use crate::error::ApiError;
use crate::limits::heavy::{Heavy, Lane};
use crate::limits::memory::{BodyMemory, BodyPermit, Owner};
use gzip::inflate;

/// A body that has not arrived after this time is given up.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Of a body that is too large, so much is read and thrown away, so that the caller, who is still
/// sending, gets the answer rather than a broken connection.
const DRAINED: usize = 8 * 1024 * 1024;
/// Of a body that nobody wants, because its sender showed no good key, so much for so long. Reading a
/// megabyte of each let a flood of them slow everybody tenfold (`just bench-floods`).
const DISCARDED: usize = 128 * 1024;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);
/// A body that is larger is large: it is inflated and read away from the workers that answer others.
pub const LARGE: usize = 64 * 1024;
const BYTE_ORDER_MARK: char = '\u{feff}';
/// Room that is made for a body before any of it is there, at the most.
const FIRST_ROOM: usize = 1024 * 1024;

/// Which media types a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    Json,
    /// Also `text/plain`, with which a page's request needs no preflight.
    JsonOrText,
    /// Also files of rows: CSV, or one JSON object a line.
    JsonOrRows,
}

/// The media types of files of rows.
const ROWS: [&str; 4] = [
    "text/csv",
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
];

/// Where a body's memory comes from, and who undoes its compression.
pub struct Means<'a> {
    pub memory: &'a BodyMemory,
    pub owner: &'a Owner,
    pub heavy: &'a Heavy,
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
    means: Means<'_>,
) -> Result<(String, BodyPermit), ApiError> {
    let form = check_media(headers, media).and_then(|()| is_gzip(headers));
    let is_gzip = match form {
        Ok(is_gzip) => is_gzip,
        Err(error) => return Err(refuse(headers, body, error).await),
    };
    let mut permit = means.memory.enter(means.owner);
    let expected = length(headers).unwrap_or(0);
    if expected <= limit {
        // What cannot fit is not begun.
        permit.expect(expected).map_err(ApiError::unread)?;
    }
    let collected = tokio::time::timeout(BODY_TIMEOUT, collect(body, limit, expected, &mut permit));
    let metrics = means.memory.metrics();
    let counted = |error: ApiError| {
        if let Some(reason) = reason(&error) {
            metrics.count_refused_body(reason);
        }
        error
    };
    let bytes = collected.await.unwrap_or_else(|_| {
        metrics.count_refused_body("timeout");
        Err(ApiError::BodyTimeout)
    });
    // The rest may still come: it must not be read as a request.
    let bytes = bytes.map_err(|error| counted(error).unread())?;
    permit.is_whole();
    let body_form = form_of(headers);
    let text = move |mut permit: BodyPermit| {
        let bytes = if is_gzip {
            let packed = bytes.len();
            inflate(&bytes, limit, |size| permit.hold(packed + size, 0))?
        } else {
            bytes
        };
        let mut text = String::from_utf8(bytes).map_err(|error| not_utf8(body_form, &error))?;
        // Some programs begin every text with it; it says nothing here.
        if text.starts_with(BYTE_ORDER_MARK) {
            text.drain(..BYTE_ORDER_MARK.len_utf8());
        }
        Ok((text, permit))
    };
    // An event's few kilobytes are inflated sooner than handed over.
    if is_gzip && limit > MAX_EVENT_BYTES {
        let lane = Lane::of(means.owner);
        means.heavy.compute(lane, move || text(permit)).await?
    } else {
        text(permit)
    }
    .map_err(counted)
}

/// Why a body was refused, where it was for what it is rather than for what there was room for.
fn reason(error: &ApiError) -> Option<&'static str> {
    match error {
        ApiError::BodyTooLarge { .. } => Some("too_large"),
        ApiError::BodyInflates { .. } => Some("gzip_ratio"),
        ApiError::BadEncoding(gzip::TOO_MANY_MEMBERS) => Some("gzip_members"),
        ApiError::BadEncoding(_) => Some("gzip_broken"),
        _ => None,
    }
}

/// Whether a body may turn out large, as far as its header tells.
pub fn may_be_large(headers: &HeaderMap) -> bool {
    headers.contains_key(CONTENT_ENCODING) || length(headers).is_none_or(|length| length > LARGE)
}

/// The length that the header announces; `None` where it announces none.
fn length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The error of a request whose body is refused unread: where not all of that comes within a moment, its connection is
/// not used again. Who is told to wait is not waited for.
pub async fn refuse(headers: &HeaderMap, body: Body, error: ApiError) -> ApiError {
    let is_whole = error.retry_after().is_none() && discard(headers, body).await;
    if is_whole { error } else { error.unread() }
}

/// Throws away what comes of a body that is refused unread, for a moment: a caller that is still
/// sending would else see a broken connection rather than the answer. Keeps nothing of it. Whether all
/// of it came.
async fn discard(headers: &HeaderMap, mut body: Body) -> bool {
    // Who asks first whether to send is answered before it does.
    if headers.contains_key(EXPECT) {
        return false;
    }
    let discarding = async {
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            length += frame.data_ref().map_or(0, |data| data.len());
            if length > DISCARDED {
                return false;
            }
        }
        true
    };
    let discarded = tokio::time::timeout(DISCARD_TIMEOUT, discarding).await;
    discarded.unwrap_or(false)
}

/// What a body that can be read is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyForm {
    Json,
    /// CSV, or one JSON object a line.
    Rows,
}

fn form_of(headers: &HeaderMap) -> BodyForm {
    match essence(headers).as_deref() {
        Some(media) if ROWS.contains(&media) => BodyForm::Rows,
        _ => BodyForm::Json,
    }
}

/// The media type without its parameters, in lower case; `None` where the header is absent.
fn essence(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().unwrap_or("");
    let essence = value.split(';').next().unwrap_or_default();
    Some(essence.trim().to_ascii_lowercase())
}

/// Where a body stops being UTF-8. Of a file the line is named, from 1, as editors count.
fn not_utf8(form: BodyForm, error: &FromUtf8Error) -> ApiError {
    let bytes = error.as_bytes();
    let good = &bytes[..error.utf8_error().valid_up_to()];
    let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
    let is_utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    let found = if is_utf16 { ", but in UTF-16" } else { "" };
    match form {
        BodyForm::Json => ApiError::NotJson(format!("the body is not UTF-8 in line {line}")),
        BodyForm::Rows => {
            let message = format!("line {line} is not in UTF-8{found}: save the file in UTF-8");
            ApiError::Rejected(Rejection::whole(codes::INVALID_BODY, message))
        }
    }
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
        Some(media_type) if ROWS.contains(&media_type) => media == Media::JsonOrRows,
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
        (false, _, Media::JsonOrRows) => Err(ApiError::UnsupportedMediaType(
            "send `Content-Type: application/json`, text/csv or application/x-ndjson",
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
    expected: usize,
    permit: &mut BodyPermit,
) -> Result<Vec<u8>, ApiError> {
    // Of a body that says that it is too large nothing is kept.
    let keeps = expected <= limit;
    let mut bytes = Vec::new();
    if keeps {
        bytes.reserve(expected.min(FIRST_ROOM));
    }
    let (mut length, mut is_whole) = (0, true);
    loop {
        let frame = tokio::select! {
            biased;
            error = permit.evicted() => return Err(error),
            frame = body.frame() => frame,
        };
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|_| {
            permit.count_broken_off();
            ApiError::NotJson("the body broke off".into())
        })?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        length += data.len();
        if keeps && length <= limit {
            permit.hold(length, data.len())?;
            bytes.extend_from_slice(data);
        } else if length > limit + DRAINED {
            is_whole = false;
            break;
        }
    }
    if !keeps || length > limit {
        let size = if keeps { length } else { expected };
        Err(ApiError::BodyTooLarge {
            limit,
            size: (is_whole || !keeps).then_some(size),
        })
    } else {
        Ok(bytes)
    }
}
