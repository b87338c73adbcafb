//! A body as a source that is read bit by bit, on a thread that may wait: what has been read is not kept, and what has
//! not is not asked for, so that a body of any length takes the memory of one piece.

use std::io::{self, Read};
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use flate2::read::MultiGzDecoder;
use http::HeaderMap;
use http_body_util::BodyExt as _;
use store::locks::lock;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::gzip::{FREE_BYTES, MAX_RATIO};
use super::{BODY_TIMEOUT, Media, check_media, is_gzip};
use crate::error::ApiError;

/// A body that is read bit by bit.
pub(crate) struct BodySource {
    read: Form,
    failed: Failed,
}

enum Form {
    Plain(Pieces),
    Gzip(Box<Inflating>),
}

/// Why a source ended in an error.
#[derive(Clone, Default)]
struct Failed(Arc<Mutex<Option<ApiError>>>);

impl BodySource {
    /// A body of rows. Within a runtime, where it is to be read on a thread that is none of its own; it ends in an error
    /// once the server stops.
    ///
    /// # Errors
    /// 415 wrong type or encoding, and the body as it was.
    pub(crate) fn of_rows(
        headers: &HeaderMap,
        body: Body,
        draining: watch::Receiver<bool>,
    ) -> Result<Self, (ApiError, Body)> {
        let form = check_media(headers, Media::JsonOrRows).and_then(|()| is_gzip(headers));
        let is_gzip = match form {
            Ok(is_gzip) => is_gzip,
            Err(error) => return Err((error, body)),
        };
        let failed = Failed::default();
        let pieces = Pieces {
            body,
            runtime: Handle::current(),
            draining,
            piece: Bytes::new(),
            count: 0,
            failed: failed.clone(),
        };
        let read = match is_gzip {
            // Members are not counted: what they cost, their sender has sent.
            true => Form::Gzip(Box::new(Inflating {
                from: Err(Some(pieces)),
                count: 0,
                failed: failed.clone(),
            })),
            false => Form::Plain(pieces),
        };
        Ok(Self { read, failed })
    }

    /// Why reading failed, where it did.
    pub(crate) fn why(&self) -> ApiError {
        let why = lock(&self.failed.0).take();
        why.unwrap_or(ApiError::Internal).unread()
    }

    /// The error that ended what was made of it, wherever in it that was: see [`super::refuse`]. Blocks.
    pub(crate) fn refuse(self, headers: &HeaderMap, error: ApiError) -> ApiError {
        if matches!(error, ApiError::Unread(_)) {
            return error;
        }
        let pieces = match self.read {
            Form::Plain(pieces) => Some(pieces),
            Form::Gzip(inflating) => match inflating.from {
                Ok(decoder) => Some(decoder.into_inner()),
                Err(pieces) => pieces,
            },
        };
        match pieces {
            Some(Pieces { body, runtime, .. }) => {
                runtime.block_on(super::refuse(headers, body, error))
            }
            None => error.unread(),
        }
    }
}

impl Read for BodySource {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match &mut self.read {
            Form::Plain(pieces) => pieces.read(out),
            Form::Gzip(inflating) => inflating.read(out),
        }
    }
}

impl Failed {
    /// Notes what went wrong first.
    fn with(&self, error: ApiError) -> io::Error {
        lock(&self.0).get_or_insert(error);
        io::Error::other("the body cannot be read on")
    }
}

/// The bytes as they arrive.
struct Pieces {
    body: Body,
    runtime: Handle,
    draining: watch::Receiver<bool>,
    piece: Bytes,
    /// Bytes that were read.
    count: u64,
    failed: Failed,
}

impl Pieces {
    /// The next piece; `None` behind the last.
    fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        let (body, draining) = (&mut self.body, &mut self.draining);
        let frame = async {
            tokio::select! {
                biased;
                // An error means that the server is gone, which is an end too.
                _ = draining.wait_for(|draining| *draining) => Err(ApiError::Overloaded),
                frame = tokio::time::timeout(BODY_TIMEOUT, body.frame()) => {
                    frame.map_err(|_| ApiError::BodyTimeout)
                }
            }
        };
        match self.runtime.block_on(frame)? {
            None => Ok(None),
            // Trailers hold no bytes.
            Some(Ok(frame)) => Ok(Some(frame.into_data().unwrap_or_default())),
            Some(Err(_)) => Err(ApiError::NotJson("the body broke off".into())),
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.next() {
                Ok(Some(piece)) => self.piece = piece,
                Ok(None) => return Ok(0),
                Err(error) => return Err(self.failed.with(error)),
            }
        }
        let taken = self.piece.split_to(out.len().min(self.piece.len()));
        out[..taken.len()].copy_from_slice(&taken);
        self.count += taken.len() as u64;
        Ok(taken.len())
    }
}

/// What gzip makes of them, within the same proportion as of other bodies.
struct Inflating {
    /// What they come from, once any are asked for: a decoder reads its header as it is made, and that may wait.
    from: Result<MultiGzDecoder<Pieces>, Option<Pieces>>,
    count: u64,
    failed: Failed,
}

impl Read for Inflating {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let broken = "the body says it is gzip, and is not";
        if let Err(pieces) = &mut self.from
            && let Some(pieces) = pieces.take()
        {
            self.from = Ok(MultiGzDecoder::new(pieces));
        }
        let Ok(from) = &mut self.from else {
            return Ok(0);
        };
        let read = from.read(out);
        let read = read.map_err(|_| self.failed.with(ApiError::BadEncoding(broken)))?;
        self.count += read as u64;
        let is_free = self.count <= FREE_BYTES as u64;
        if !is_free && self.count / MAX_RATIO as u64 > from.get_ref().count {
            let ratio = MAX_RATIO;
            return Err(self.failed.with(ApiError::BodyInflates { ratio }));
        }
        Ok(read)
    }
}
