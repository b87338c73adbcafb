//! The engine: takes calls, keeps them until an answer has settled them, and decides when to send.
//! It knows no JavaScript, so that all of it can be tried anywhere.

use alloc::string::String;

use shared::limits::{MAX_BATCH_EVENTS, MAX_EVENT_BYTES};

use crate::browser::{Browser, Problem};
use crate::config::Config;
use crate::json;
use crate::queue::{Event, MAX_BODY_BYTES, Queue};
use crate::retry::{self, Outcome};

#[cfg(not(target_arch = "wasm32"))]
#[cfg(test)]
pub(crate) mod fake;
#[cfg(not(target_arch = "wasm32"))]
#[cfg(test)]
mod tests;

/// The engine of one page.
pub struct Engine<B> {
    browser: B,
    config: Config,
    queue: Queue,
    /// The number of the last request.
    last_request: u32,
    /// Requests under way, and the bytes of their bodies.
    under_way: u32,
    under_way_bytes: usize,
    /// Something wants to be sent as soon as a request has ended.
    wanted: bool,
    failures: u32,
    /// Which request says how many events were dropped: it may fail, and then another one says it.
    said_by: u32,
    said: u32,
    /// Nothing is sent before, by the page's clock.
    not_before: f64,
    /// The collector refuses this page.
    stopped: bool,
    /// Storage holds a queue of this page.
    kept: bool,
}

impl<B: Browser> Engine<B> {
    /// Starts with a key that was checked.
    pub fn start(browser: B, config: Config) -> Engine<B> {
        Engine {
            queue: Queue::default(),
            last_request: 0,
            under_way: 0,
            under_way_bytes: 0,
            wanted: false,
            failures: 0,
            said_by: 0,
            said: 0,
            not_before: 0.0,
            stopped: false,
            kept: false,
            browser,
            config,
        }
    }

    /// Takes an event that an earlier page has left behind, with the age that it had then;
    /// [`Self::restored`] follows the last. Several pages may have left the same one. Without an event,
    /// `wall` says how many that page had dropped.
    pub fn restore(&mut self, event: String, wall: f64, age: f64) {
        if event.is_empty() {
            self.queue.dropped += wall as u32;
        } else if !self.queue.holds(&event) {
            self.queue.push(Event {
                wall,
                monotonic: self.browser.monotonic() - age,
                earlier: true,
                request: 0,
                json: event,
            });
        }
    }

    /// Keeps what was restored as this page's own, and sends it.
    pub fn restored(&mut self) {
        self.keep();
        self.send(false);
    }

    /// Takes an event: its JSON object without the opening brace. `at` is when it happened, by the
    /// visitor's clock: the stub may have held the call.
    ///
    /// Whether a name is one, the collector says: the rules (`shared::event_name`) would be a fifth
    /// of this module, and what they refuse is better seen among the events.
    pub fn record(&mut self, event: String, at: f64) {
        // The age comes on top of it.
        if event.len() > MAX_EVENT_BYTES - 32 {
            return self.browser.complain(Problem::TooLarge);
        }
        let was_waiting = self.queue.waiting();
        let now = self.browser.now();
        self.queue.push(Event {
            wall: at,
            monotonic: self.browser.monotonic() - (now - at).max(0.0),
            earlier: false,
            request: 0,
            json: event,
        });
        if was_waiting + 1 >= self.config.batch_size {
            self.send(false);
        } else if was_waiting == 0 {
            self.browser.wake_in(self.config.flush_interval);
        }
        if self.failures > 0 {
            // An outage may outlast the page, and the page its last chance to be told.
            self.keep();
        }
    }

    /// Sends what waits.
    pub fn flush(&mut self) {
        self.send(false);
    }

    /// The page goes out of sight, perhaps for good: what can outlive it leaves now, and storage
    /// keeps all that is not settled.
    pub fn hide(&mut self) {
        self.send(true);
        self.keep();
    }

    /// A request has ended: `status` 0 without an answer of the collector's own, `retry::GIVE_UP` where
    /// none is to be expected; `retry_after` in milliseconds, 0 for none.
    pub fn answered(&mut self, request: u32, bytes: usize, status: u32, retry_after: f64) {
        self.under_way -= 1;
        self.under_way_bytes -= bytes;
        let outcome = retry::outcome(status);
        match outcome {
            Outcome::Done | Outcome::Refused => {
                self.queue.settle(request);
                self.failures = 0;
                if self.kept {
                    self.keep();
                }
                if self.wanted {
                    self.send(false);
                }
            }
            Outcome::Stop => {
                self.stopped = true;
                self.put_back(request);
                self.keep();
            }
            Outcome::Again => {
                self.put_back(request);
                let wait = retry::delay(self.failures, retry_after, self.browser.random());
                self.failures += 1;
                self.not_before = self.browser.monotonic() + wait;
                self.keep();
                self.browser.wake_in(wait);
            }
        }
    }

    /// What a request carried waits again.
    fn put_back(&mut self, request: u32) {
        self.queue.put_back(request);
        if request == self.said_by {
            self.queue.dropped += self.said;
            self.said = 0;
        }
    }

    /// One request at a time; as many as may outlive the page when it goes.
    fn send(&mut self, leaving: bool) {
        self.wanted = false;
        while !self.stopped && self.queue.waiting() > 0 {
            let wait = self.not_before - self.browser.monotonic();
            if wait > 0.0 {
                // Also where a timer came a little early.
                self.browser.wake_in(wait);
                return;
            }
            if self.under_way > 0 && !leaving {
                self.wanted = true;
                return;
            }
            let mut body = self.head();
            let mut room = MAX_BODY_BYTES - body.len() - 2;
            if leaving {
                let free = room.saturating_sub(self.under_way_bytes);
                // Storage keeps the rest for the next page, or the visitor comes back to this one.
                if free < 1_000 {
                    self.wanted = true;
                    return;
                }
                room = free;
            }
            let request = self.last_request + 1;
            let limit = if leaving {
                MAX_BATCH_EVENTS
            } else {
                self.config.batch_size
            };
            let events = self.queue.load(
                request,
                limit,
                room,
                self.browser.now(),
                self.browser.monotonic(),
            );
            body.push_str(&events);
            body.push_str("]}");
            let keepalive = self.under_way_bytes + body.len() <= MAX_BODY_BYTES;
            if leaving && !keepalive {
                self.queue.put_back(request);
                self.wanted = true;
                return;
            }
            self.last_request = request;
            if self.queue.dropped > 0 {
                self.said_by = request;
                self.said = self.queue.dropped;
                self.queue.dropped = 0;
            }
            self.under_way += 1;
            self.under_way_bytes += body.len();
            self.browser.send(request, &body, keepalive);
        }
    }

    /// A body up to its events.
    fn head(&self) -> String {
        let mut body = json::owned(&self.config.head);
        if self.queue.dropped > 0 {
            body.push_str(",\"dropped\":");
            json::number(&mut body, u64::from(self.queue.dropped));
        }
        body.push_str("},\"events\":[");
        body
    }

    /// Storage keeps what is not settled, for the next page.
    fn keep(&mut self) {
        if self.config.persistent {
            self.kept = !self.queue.is_empty();
            let text = self
                .queue
                .to_text(self.browser.now(), self.browser.monotonic());
            self.browser.keep_queue(&text);
        }
    }
}
