//! A connection that gives up on a client which is too slow: to send a header, to send its next
//! request, to read its answer. A body's time is `body`'s.
//!
//! hyper has one limit for headers, and it runs while a connection is idle too. Here the two are
//! apart: programs that send an event now and then keep their connection, and nobody holds one with
//! half a header.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::mail_line::MailLine;
use super::unsound;

/// How long a client is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// From the start of the connection, or from the first byte of a request after another, to the
    /// end of the header.
    pub(super) header: Duration,
    /// From the end of an answer to the first byte of the next request.
    pub(super) idle: Duration,
    /// For anything of an answer to be taken.
    pub(super) write: Duration,
}

/// What the connection waits for; shared by the stream and whoever answers on it.
#[derive(Debug, Default)]
pub(super) struct WhoseTurn(AtomicU8);

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The header of a request.
    Header,
    /// Nothing of the client: a request is being answered.
    Answer,
    /// The first byte of the next request.
    Idle,
}

impl WhoseTurn {
    /// A header is here: no time runs until the answer is dropped.
    pub(super) fn answering(self: &Arc<Self>) -> Answering {
        self.set(Phase::Answer);
        Answering(Arc::clone(self))
    }

    fn set(&self, phase: Phase) {
        let number = match phase {
            Phase::Header => 0,
            Phase::Answer => 1,
            Phase::Idle => 2,
        };
        self.0.store(number, Ordering::Release);
    }

    fn phase(&self) -> Phase {
        match self.0.load(Ordering::Acquire) {
            0 => Phase::Header,
            1 => Phase::Answer,
            _ => Phase::Idle,
        }
    }
}

/// Lives as long as a request is being answered.
#[derive(Debug)]
pub(super) struct Answering(Arc<WhoseTurn>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.set(Phase::Idle);
    }
}

/// The body of an answer: hyper drops it once it has all of it.
#[derive(Debug)]
pub(super) struct AnswerBody {
    body: Body,
    _answering: Answering,
}

impl AnswerBody {
    pub(super) fn new(body: Body, answering: Answering) -> Self {
        Self {
            body,
            _answering: answering,
        }
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that fails with `TimedOut` where its client is slower than there is patience.
#[derive(Debug)]
pub(super) struct Patient<S> {
    stream: S,
    patience: Patience,
    turn: Arc<WhoseTurn>,
    /// Until when what `turn` waits for must be there, and of which phase that was said.
    reading: Option<(Phase, Instant)>,
    /// Wakes a read at `reading`; kept, because making one anew for each request would cost.
    alarm: Option<Pin<Box<Sleep>>>,
    /// Where in the first line of a request the reading is.
    line: MailLine,
    /// Runs while a write waits.
    writing: Option<Pin<Box<Sleep>>>,
    /// What goes out in place of an answer that hyper made by itself, and has been told is written.
    instead: Vec<u8>,
}

impl<S> Patient<S> {
    /// Wants to be called on a runtime.
    pub(super) fn new(stream: S, patience: Patience, turn: Arc<WhoseTurn>) -> Self {
        Self {
            stream,
            patience,
            turn,
            reading: Some((Phase::Header, Instant::now() + patience.header)),
            alarm: None,
            line: MailLine::START,
            writing: None,
            instead: Vec::new(),
        }
    }

    /// Until when bytes must come; `None` where none are waited for.
    fn deadline(&mut self, phase: Phase) -> Option<Instant> {
        if let Some((known, deadline)) = self.reading
            && known == phase
        {
            return Some(deadline);
        }
        let wait = match phase {
            Phase::Answer => {
                self.reading = None;
                return None;
            }
            Phase::Header => self.patience.header,
            Phase::Idle => self.patience.idle,
        };
        let deadline = Instant::now() + wait;
        self.reading = Some((phase, deadline));
        Some(deadline)
    }

    /// Fails once the deadline is there.
    fn wait(&mut self, context: &mut Context<'_>, deadline: Instant) -> Poll<io::Result<()>> {
        let alarm = self
            .alarm
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if alarm.deadline() != deadline {
            alarm.as_mut().reset(deadline);
        }
        ready!(alarm.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Lets the write wait for as long as there is patience; anything written renews it.
    fn bounded<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.writing = None;
            return written;
        }
        let patience = self.patience.write;
        let waiting = self
            .writing
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(waiting.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin> Patient<S> {
    /// Writes what goes out in place of something else.
    fn write_instead(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.instead.is_empty() {
            let written = Pin::new(&mut self.stream).poll_write(context, &self.instead);
            match ready!(self.bounded(context, written))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => drop(self.instead.drain(..written)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes an answer that begins with these bytes, `length` in all, for written where another goes out
    /// in its place.
    fn replace(&mut self, begin: &[u8], length: usize) -> Option<Poll<io::Result<usize>>> {
        self.instead = unsound::instead(begin)?;
        Some(Poll::Ready(Ok(length)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let phase = this.turn.phase();
        let deadline = this.deadline(phase);
        let before = buffer.filled().len();
        match (
            Pin::new(&mut this.stream).poll_read(context, buffer),
            deadline,
        ) {
            (Poll::Pending, Some(deadline)) => this.wait(context, deadline),
            // Whoever always has another byte ready does not get round the deadline.
            (Poll::Ready(Ok(())), Some(deadline)) if Instant::now() >= deadline => {
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            (read, _) => {
                if buffer.filled().len() > before {
                    if phase == Phase::Idle {
                        this.turn.set(Phase::Header);
                        // From this byte on, not from the next read.
                        this.deadline(Phase::Header);
                        this.line = MailLine::START;
                    }
                    // A body comes while a request is being answered.
                    if phase != Phase::Answer {
                        this.line.mend(&mut buffer.filled_mut()[before..]);
                    }
                }
                read
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.write_instead(context))?;
        if let Some(taken) = self.replace(bytes, bytes.len()) {
            return taken;
        }
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.bounded(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.write_instead(context))?;
        let begin = slices.first().map_or(&[][..], |first| first);
        let length = slices.iter().map(|slice| slice.len()).sum();
        if let Some(taken) = self.replace(begin, length) {
            return taken;
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.bounded(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.write_instead(context))?;
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.bounded(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.write_instead(context))?;
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.bounded(context, shut)
    }
}
