//! A request whose body has been read: authenticated by its headers, paid for, with a permit for
//! one request in flight. Who it is by its body comes after, when that is parsed.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, Method, Request};
use serde_json::value::RawValue;
use shared::api_key::{KeyKind, Scope};
use shared::rejection::{Rejection, codes};
use shared::time::Timestamp;
use shared::wire::{self, Arrival, BodyError};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

use crate::app::App;
use crate::auth::asks::Asks;
use crate::auth::{self, Caller};
use crate::body::{self, Means, Media};
use crate::error::ApiError;
use crate::limits::heavy::{Lane, Turn};
use crate::limits::memory::{BodyPermit, Owner};
use crate::limits::network::Payer;
use crate::limits::rates::{Charge, Ticket};
use crate::metrics::reasons;
use crate::screen::{self, Screened};
use store::locks::lock;

/// Where a route looks for a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyIn {
    Headers,
    /// Or in the body, where the headers hold none.
    BodyToo,
}

/// The memory that a body takes which is read bit by bit: a portion of rows, and what is made of them.
const STREAMED: usize = 4 * 1024 * 1024;

/// How long it is waited for a key's rate, where a request goes on for long.
const RATE_PATIENCE: Duration = Duration::from_secs(30);

/// A request whose body has been read.
pub(crate) struct Incoming {
    pub(super) parts: Parts,
    by_headers: Option<Caller>,
    /// What the route asks of whoever sends.
    asks: Asks,
    pub text: String,
    pub(super) received_at: Timestamp,
    pub(super) charge: Mutex<Charge>,
    /// In whose line it waits where it takes long, and its turn while it has one.
    lane: Lane,
    pub(super) turn: Mutex<Option<Turn>>,
    /// The events and messages that hold a secret key; in `text` it is masked.
    pub(super) screened: Screened,
    /// Its permit as a request in flight, and the memory of its body.
    _held: (OwnedSemaphorePermit, BodyPermit),
}

/// Whom a request may come from, as its headers tell.
struct Admitted {
    by_headers: Option<Caller>,
    ticket: Option<Ticket>,
    owner: Owner,
}

impl Incoming {
    /// Authenticates by the headers where they hold a key, then reads the body, then takes a permit
    /// as a request in flight: one that stalls before takes none. Where the headers hold none, the
    /// body may.
    pub(crate) async fn read(
        app: &Arc<App>,
        request: Request<Body>,
        media: Media,
        limit: usize,
        asks: Asks,
    ) -> Result<Self, ApiError> {
        Self::read_as(app, request, media, limit, asks, KeyIn::BodyToo).await
    }

    /// The same where only servers may send, with their key in a header: of nobody else's body
    /// anything is read.
    pub(crate) async fn read_of_server(
        app: &Arc<App>,
        request: Request<Body>,
        limit: usize,
        scope: Scope,
    ) -> Result<Self, ApiError> {
        let asks = Asks::Server(scope);
        Self::read_as(app, request, Media::Json, limit, asks, KeyIn::Headers).await
    }

    /// The same of a file that is read bit by bit: the body comes back as it is, and is paid for as its rows are taken.
    pub(crate) async fn open_of_server(
        app: &Arc<App>,
        request: Request<Body>,
        scope: Scope,
    ) -> Result<(Self, Body), ApiError> {
        let asks = Asks::Server(scope);
        let (parts, body) = request.into_parts();
        let payer = Payer::of(&parts, &app.trusted_proxies);
        let (admitted, body) =
            Self::admit_or_discard(app, &parts, &payer, asks, KeyIn::Headers, body).await?;
        let Admitted {
            by_headers,
            ticket,
            owner,
        } = admitted;
        let mut memory = app.body_memory.enter(&owner);
        memory.hold(STREAMED, 0).map_err(ApiError::unread)?;
        // It comes at our own pace.
        memory.is_whole();
        let mut charge = Charge::new(&app.rates, payer, 0);
        if let Some(caller) = &by_headers {
            let begun = charge.begun(&caller.key, ticket);
            charge = begun.map_err(ApiError::unread)?;
        }
        let permit = app.take_permit().inspect_err(|_| charge.excuse());
        let permit = permit.map_err(ApiError::unread)?;
        let incoming = Self {
            parts,
            by_headers,
            asks,
            text: String::new(),
            received_at: app.clock.now(),
            charge: Mutex::new(charge),
            lane: Lane::of(&owner),
            turn: Mutex::default(),
            screened: Screened::default(),
            _held: (permit, memory),
        };
        Ok((incoming, body))
    }

    /// What the headers settle; the body of who is refused is thrown away.
    async fn admit_or_discard(
        app: &App,
        parts: &Parts,
        payer: &Payer,
        asks: Asks,
        key_in: KeyIn,
        body: Body,
    ) -> Result<(Admitted, Body), ApiError> {
        match Self::admit(app, parts, payer, asks, key_in) {
            Ok(admitted) => Ok((admitted, body)),
            Err(error) => {
                let error = app.rates.blame(payer, error);
                Err(body::refuse(&parts.headers, body, error).await)
            }
        }
    }

    /// The same of a route that takes files of rows too.
    pub(crate) async fn read_file_of_server(
        app: &Arc<App>,
        request: Request<Body>,
        limit: usize,
        scope: Scope,
    ) -> Result<Self, ApiError> {
        let asks = Asks::Server(scope);
        Self::read_as(app, request, Media::JsonOrRows, limit, asks, KeyIn::Headers).await
    }

    async fn read_as(
        app: &Arc<App>,
        request: Request<Body>,
        media: Media,
        limit: usize,
        asks: Asks,
        key_in: KeyIn,
    ) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let payer = Payer::of(&parts, &app.trusted_proxies);
        let (admitted, body) =
            Self::admit_or_discard(app, &parts, &payer, asks, key_in, body).await?;
        let Admitted {
            by_headers,
            ticket,
            owner,
        } = admitted;
        let means = Means {
            memory: &app.body_memory,
            owner: &owner,
            heavy: &app.heavy,
        };
        // A server pays with its key, not with its address.
        let blamed = match owner {
            Owner::Server(..) => Payer::NOBODY,
            Owner::Anybody(_) => payer,
        };
        let (mut text, memory) = body::read_text(&parts.headers, body, media, limit, means)
            .await
            .map_err(|error| app.rates.blame_unread(&blamed, error))?;
        // What DELETE wants may stand in the query.
        if text.trim_ascii().is_empty() && parts.method != Method::DELETE {
            app.metrics.count_refused_body(reasons::EMPTY);
        }
        let carrier = screen::Carrier::of(&parts);
        let screened = if text.len() > body::LARGE {
            let looking = Arc::clone(app);
            let look = move || {
                let screened = screen::body(&looking, carrier, &mut text);
                (screened, text)
            };
            let (screened, looked_at) = app.heavy.compute(Lane::of(&owner), look).await?;
            text = looked_at;
            screened
        } else {
            screen::body(app, carrier, &mut text)
        };
        let screened = screened.map_err(|error| app.rates.blame(&blamed, error))?;
        let mut charge = Charge::new(&app.rates, payer, text.len());
        if let Some(caller) = &by_headers {
            charge = charge.begun(&caller.key, ticket)?;
        }
        let permit = app.take_permit().inspect_err(|_| charge.excuse())?;
        Ok(Self {
            parts,
            by_headers,
            asks,
            text,
            received_at: app.clock.now(),
            charge: Mutex::new(charge),
            lane: Lane::of(&owner),
            turn: Mutex::default(),
            screened,
            _held: (permit, memory),
        })
    }

    /// What the headers settle, before anything of the body is read.
    fn admit(
        app: &App,
        parts: &Parts,
        payer: &Payer,
        asks: Asks,
        key_in: KeyIn,
    ) -> Result<Admitted, ApiError> {
        let by_headers = auth::caller_by_headers(app, &parts.headers, &parts.uri, asks)?;
        let caller = by_headers.as_ref();
        if caller.is_none() && key_in == KeyIn::Headers {
            app.metrics.count_refused_body(reasons::NO_KEY);
            return Err(ApiError::MissingKey);
        }
        let ticket = match caller {
            Some(caller) => app.rates.begin(&caller.key, *payer)?,
            None => None,
        };
        let owner = match caller {
            Some(caller) if caller.key.kind == KeyKind::Secret => Owner::server(&caller.key),
            // A public key proves nothing: it stands in every page.
            _ => Owner::Anybody(payer.for_memory()),
        };
        if matches!(owner, Owner::Anybody(_)) && body::may_be_large(&parts.headers) {
            app.rates.may_send_large(payer)?;
        }
        Ok(Admitted {
            by_headers,
            ticket,
            owner,
        })
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// Who sends, by the headers or else by the body's `key`.
    pub(crate) fn caller(&self, app: &App, key: Option<&RawValue>) -> Result<Caller, ApiError> {
        let by_headers = self.by_headers.clone();
        let caller = auth::caller_by_body(app, &self.parts.headers, by_headers, key, self.asks)?;
        lock(&self.charge).pay_with(&caller.key)?;
        Ok(caller)
    }

    /// Does work where nobody waits for the threads that it takes: in turn with other workspaces, at a
    /// low priority.
    pub(crate) async fn apart<F, W>(self, app: &Arc<App>, work: F) -> Result<Response, ApiError>
    where
        F: FnOnce(Self, Arc<App>) -> W,
        W: Future<Output = Result<Response, ApiError>> + Send + 'static,
    {
        let turn = app.heavy.turn(self.lane).await;
        let turn = turn.inspect_err(|_| lock(&self.charge).excuse())?;
        *lock(&self.turn) = Some(turn);
        app.heavy.run(work(self, Arc::clone(app))).await?
    }

    /// Whether it takes longer than one may have to wait for.
    pub(crate) fn is_large(&self) -> bool {
        self.text.len() > body::LARGE
    }

    /// Takes so many well-formed events from the key's rate.
    pub(super) fn take_events(&self, count: usize) -> Result<(), ApiError> {
        lock(&self.charge).take_events(count)
    }

    /// Takes so many from the key's rate, of a request that goes on for long, and waits for them where others have taken
    /// them. Blocks.
    ///
    /// # Errors
    /// 429 where that takes longer than [`RATE_PATIENCE`], 503 where the server stops.
    pub(super) fn wait_for_events(&self, app: &App, count: usize) -> Result<(), ApiError> {
        let until = Instant::now() + RATE_PATIENCE;
        loop {
            let patience = until.saturating_duration_since(Instant::now());
            let wait = lock(&self.charge).take_portion(count, patience)?;
            let Some(wait) = wait else { return Ok(()) };
            let mut draining = app.draining();
            let waiting = async {
                tokio::select! {
                    biased;
                    // An error means that the server is gone, which is an end too.
                    _ = draining.wait_for(|draining| *draining) => Err(ApiError::Overloaded),
                    () = tokio::time::sleep(wait) => Ok(()),
                }
            };
            Handle::current().block_on(waiting)?;
        }
    }

    /// How many events the key may take at once; `None` where it has no rate.
    pub(super) fn burst(&self) -> Option<u32> {
        Some(lock(&self.charge).state()?.limit)
    }

    /// The rest is waiting: others may have the turn.
    pub(super) fn give_up_turn(&self) {
        drop(lock(&self.turn).take());
    }

    pub(super) fn write_rate(&self, headers: &mut HeaderMap) {
        if let Some(rate) = lock(&self.charge).state() {
            rate.write(headers);
        }
    }

    /// What parsing needs to know of an event's arrival.
    pub(crate) fn arrival<'a>(&self, caller: &Caller) -> Arrival<'a> {
        let is_secret = caller.key.kind == KeyKind::Secret;
        Arrival {
            received_at: self.received_at,
            source: if is_secret {
                wire::Speaker::Server
            } else {
                wire::Speaker::Browser
            },
            purchases_allowed: is_secret || caller.key.allow_purchases,
            deliveries_allowed: is_secret && caller.require(Scope::Write).is_ok(),
            order_currency: None,
            sent_at: None,
            context: None,
        }
    }
}

/// Reads a body as an object of the route's fields.
pub(crate) fn parse<'a, B: wire::Body<'a>>(text: &'a str) -> Result<B, ApiError> {
    wire::body(text).map_err(|error| match error {
        BodyError::NotJson(message) => ApiError::NotJson(message),
        BodyError::NotAnObject => ApiError::Rejected(Rejection::whole(
            codes::INVALID_BODY,
            "send one JSON object: `{…}`",
        )),
    })
}
