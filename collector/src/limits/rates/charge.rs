//! What one request to the ingest routes costs, and whom: its key where it is well-formed, else, of a
//! key that everybody has, who sent it.

use std::sync::Arc;
use std::time::Duration;

use shared::api_key::KeyKind;

use super::{Cost, RateState, Rates, Ticket};
use crate::error::ApiError;
use crate::limits::network::Payer;
use store::meta::Key;

/// The bill of a request whose body is there. Unless it is settled or excused, the request was refused.
pub struct Charge {
    rates: Arc<Rates>,
    payer: Payer,
    /// Bytes of the body, inflated.
    bytes: usize,
    /// Of a key that has a rate, once it is known.
    ticket: Option<Ticket>,
    has_key: bool,
    outcome: Outcome,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Refused,
    /// A server's key is its own: it pays for everything.
    Settled,
    Excused,
}

impl Charge {
    /// A request of `bytes`, whose key is not known yet.
    pub fn new(rates: &Arc<Rates>, payer: Payer, bytes: usize) -> Self {
        Self {
            rates: Arc::clone(rates),
            payer,
            bytes,
            ticket: None,
            has_key: false,
            outcome: Outcome::Refused,
        }
    }

    /// The same of a key in a header, which has begun to pay for it.
    ///
    /// # Errors
    /// 429.
    pub fn begun(mut self, key: &Key, ticket: Option<Ticket>) -> Result<Self, ApiError> {
        if key.kind == KeyKind::Secret {
            self.outcome = Outcome::Settled;
        }
        self.ticket = ticket;
        self.has_key = true;
        self.take(Cost::bytes(self.bytes))?;
        Ok(self)
    }

    /// The key is known now.
    ///
    /// # Errors
    /// 429.
    pub fn pay_with(&mut self, key: &Key) -> Result<(), ApiError> {
        if self.has_key {
            return Ok(());
        }
        self.has_key = true;
        let begun = self.rates.begin(key, self.payer);
        self.ticket = begun.inspect_err(|_| self.excuse())?;
        self.take(Cost::bytes(self.bytes))
    }

    /// Takes so many events from the key's rate.
    ///
    /// # Errors
    /// 429: then the request costs nothing.
    pub fn take_events(&mut self, count: usize) -> Result<(), ApiError> {
        self.take(Cost::events(count))
    }

    /// Takes so many events of what goes on for long, as if they were a request of their own; how long to wait before
    /// asking again where there are not so many yet.
    ///
    /// # Errors
    /// 429 where that is longer than `patience`.
    pub fn take_portion(
        &mut self,
        count: usize,
        patience: Duration,
    ) -> Result<Option<Duration>, ApiError> {
        match &mut self.ticket {
            Some(ticket) => ticket.take_portion(Cost::events(count), patience),
            None => Ok(None),
        }
    }

    fn take(&mut self, cost: Cost) -> Result<(), ApiError> {
        let Some(mut ticket) = self.ticket.take() else {
            return Ok(());
        };
        match ticket.take(cost) {
            Ok(()) => {
                self.ticket = Some(ticket);
                Ok(())
            }
            Err(error) => {
                ticket.give_back();
                self.excuse();
                Err(error)
            }
        }
    }

    /// So many of its events were refused, which costs a public key nothing.
    pub fn refuse_events(&mut self, count: usize) {
        if let Some(ticket) = &mut self.ticket {
            ticket.give_back_events(count);
        }
    }

    /// The request is well-formed: its key pays.
    pub fn settle(&mut self) {
        self.outcome = Outcome::Settled;
    }

    /// It was refused, and not for anything that its payer did.
    pub fn excuse(&mut self) {
        if self.outcome == Outcome::Refused {
            self.outcome = Outcome::Excused;
        }
    }

    /// Where the key stands, if it has a rate.
    pub fn state(&self) -> Option<RateState> {
        self.ticket.as_ref().map(Ticket::state)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        match (self.outcome, self.ticket.take()) {
            (Outcome::Settled, Some(ticket)) => ticket.keep(),
            (Outcome::Refused, ticket) => {
                drop(ticket);
                self.rates.note_refusal(&self.payer);
            }
            (Outcome::Settled | Outcome::Excused, _) => {}
        }
    }
}
