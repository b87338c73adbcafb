//! Events that no answer has settled yet: in order, bounded, and as a text that storage keeps for
//! the next page.

use alloc::string::String;
use alloc::vec::Vec;

use crate::json;

/// Events that may wait; the oldest go first, and are counted.
pub const MAX_EVENTS: usize = 1_000;
/// Bytes of their JSON that may wait.
pub const MAX_BYTES: usize = 256 * 1024;
/// Bytes of a body, at the most. Chromium lets 64 KiB of requests outlive their page, headers
/// included (fetch standard, "inflight keepalive bytes").
pub const MAX_BODY_BYTES: usize = 60_000;

/// A week: what is older the collector refuses from pages anyway.
const MAX_SLEEP_MS: f64 = 604_800_000.0;

/// An event on its way.
#[derive(Debug, PartialEq)]
pub struct Event {
    /// When it happened, by the visitor's own clock.
    pub wall: f64,
    /// When it happened, by the page's clock; where an earlier page saw it, so long before this one
    /// took it over as that page's clock had counted.
    pub monotonic: f64,
    /// An earlier page saw it: the page's clock knows nothing of the time between.
    pub earlier: bool,
    /// The request that carries it; 0 while it waits.
    pub request: u32,
    /// Its JSON object, without `age` and without the opening brace.
    pub json: String,
}

impl Event {
    /// Milliseconds since it happened. The page's clock stands still while a machine sleeps, and the
    /// visitor's may be set: the longer time counts, so that what both agree on is never cut, unless
    /// the visitor's clock has leapt further than anybody sleeps over an open page.
    pub fn age(&self, now: f64, monotonic: f64) -> u64 {
        let by_page = monotonic - self.monotonic;
        let by_wall = now - self.wall;
        let leap = by_wall - by_page;
        let age = if leap > 0.0 && (self.earlier || leap < MAX_SLEEP_MS) {
            by_wall
        } else {
            by_page
        };
        age as u64
    }
}

/// The events that wait or are under way, the oldest first.
#[derive(Default)]
pub struct Queue {
    events: Vec<Event>,
    bytes: usize,
    /// Events that gave way to younger ones, since the last batch that said so.
    pub dropped: u32,
}

impl Queue {
    /// Takes an event; where there is no place, the oldest that is not under way gives way.
    pub fn push(&mut self, event: Event) {
        self.bytes += event.json.len();
        self.events.push(event);
        while self.events.len() > MAX_EVENTS || self.bytes > MAX_BYTES {
            if self.waiting() == 0 {
                return;
            }
            let mut found = false;
            self.keep_where(&mut |event| {
                let oldest = !found && event.request == 0;
                found |= oldest;
                !oldest
            });
            self.dropped += 1;
        }
    }

    /// How many wait for a request.
    pub fn waiting(&self) -> usize {
        self.events
            .iter()
            .filter(|event| event.request == 0)
            .count()
    }

    /// Whether this very event is here already; its id is in its JSON.
    pub fn holds(&self, json: &str) -> bool {
        self.events.iter().any(|event| event.json == json)
    }

    /// Whether nothing is left to settle.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Moves waiting events into a request, in order, as long as they fit beside `room` bytes, and
    /// writes them as the JSON of an array's inside. At most `limit` of them.
    pub fn load(
        &mut self,
        request: u32,
        limit: usize,
        room: usize,
        now: f64,
        monotonic: f64,
    ) -> String {
        let mut body = String::new();
        let waiting = self.events.iter_mut().filter(|event| event.request == 0);
        for event in waiting.take(limit) {
            // The age takes up to 28 bytes: `{"age":`, 20 digits, a comma, and one between events.
            if body.len() + event.json.len() + 29 > room && !body.is_empty() {
                break;
            }
            if !body.is_empty() {
                body.push_str(",");
            }
            body.push_str("{\"age\":");
            json::number(&mut body, event.age(now, monotonic));
            body.push_str(",");
            body.push_str(&event.json);
            event.request = request;
        }
        body
    }

    /// Lets go of the events of a request.
    pub fn settle(&mut self, request: u32) {
        self.keep_where(&mut |event| event.request != request);
    }

    // `Vec::remove` would panic with a formatted message where there is nothing, and formatting
    // costs kilobytes here.
    fn keep_where(&mut self, stays: &mut dyn FnMut(&Event) -> bool) {
        let bytes = &mut self.bytes;
        self.events.retain(|event| {
            let stays = stays(event);
            if !stays {
                *bytes -= event.json.len();
            }
            stays
        });
    }

    /// Lets the events of a request wait again.
    pub fn put_back(&mut self, request: u32) {
        for event in &mut self.events {
            if event.request == request {
                event.request = 0;
            }
        }
    }

    /// A line per event: the visitor's time in milliseconds, `+`, its age by now, a space, the JSON,
    /// which has no line breaks in
    /// it. Where some were dropped, a last line with their number, as if it were a time, and no JSON.
    pub fn to_text(&self, now: f64, monotonic: f64) -> String {
        let mut text = String::new();
        for event in &self.events {
            json::number(&mut text, event.wall as u64);
            text.push_str("+");
            json::number(&mut text, event.age(now, monotonic));
            text.push_str(" ");
            text.push_str(&event.json);
            text.push_str("\n");
        }
        if self.dropped > 0 {
            json::number(&mut text, self.dropped.into());
            text.push_str("+0 \n");
        }
        text
    }
}

#[cfg(not(target_arch = "wasm32"))]
#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(json: &str) -> Event {
        Event {
            wall: 1_000.0,
            monotonic: 50.0,
            earlier: false,
            request: 0,
            json: json.into(),
        }
    }

    #[test]
    fn an_age_is_the_longer_time_of_both_clocks() {
        let mut event = event("\"a\":1}");
        assert_eq!(event.age(1_030.0, 80.0), 30);
        assert_eq!(event.age(3_601_000.0, 80.0), 3_600_000, "the machine slept");
        assert_eq!(event.age(0.0, 80.0), 30, "the clock was set back");
        assert_eq!(event.age(1e12, 80.0), 30, "the clock leapt by years");
        event.earlier = true;
        assert_eq!(event.age(4_000.0, 80.0), 3_000);
        assert_eq!(event.age(0.0, 80.0), 30, "set back between two pages");
        assert_eq!(event.age(1e12, 80.0), 999_999_999_000, "too old is said");
    }

    #[test]
    fn the_oldest_gives_way_and_is_counted() {
        let mut queue = Queue::default();
        for number in 0..MAX_EVENTS + 3 {
            let mut json = String::from("\"n\":");
            json::number(&mut json, number as u64);
            json.push('}');
            queue.push(event(&json));
        }
        assert_eq!((queue.waiting(), queue.dropped), (MAX_EVENTS, 3));
        assert!(
            queue
                .to_text(1_030.0, 80.0)
                .starts_with("1000+30 \"n\":3}\n")
        );
    }

    #[test]
    fn what_is_under_way_never_gives_way() {
        let mut queue = Queue::default();
        queue.push(event("\"first\":1}"));
        queue.load(1, 1, 100, 0.0, 0.0);
        for _ in 0..MAX_EVENTS + 1 {
            queue.push(event("\"n\":1}"));
        }
        assert!(queue.to_text(0.0, 0.0).contains("first"));
        queue.settle(1);
        assert!(!queue.to_text(0.0, 0.0).contains("first"));
    }

    proptest! {
        #[test]
        fn every_event_is_loaded_once_in_order_and_no_body_is_too_long(
            sizes in proptest::collection::vec(2usize..32_000, 1..30),
            limit in 1usize..30,
        ) {
            let mut queue = Queue::default();
            for size in &sizes {
                queue.push(event(&std::format!("\"p\":\"{}\"}}", "x".repeat(*size))));
            }
            let kept = queue.to_text(1_000.0, 50.0);
            let mut seen = std::vec::Vec::new();
            for request in 1.. {
                let body = queue.load(request, limit, MAX_BODY_BYTES, 1_050.0, 100.0);
                if body.is_empty() { break; }
                prop_assert!(body.len() <= MAX_BODY_BYTES);
                let events: std::vec::Vec<serde_json::Value> =
                    serde_json::from_str(&std::format!("[{body}]")).unwrap();
                prop_assert!(events.len() <= limit);
                seen.extend(events.iter().map(|event| {
                    assert_eq!(event["age"], 50);
                    event["p"].as_str().unwrap().len()
                }));
            }
            let left = sizes.len() - queue.dropped as usize;
            prop_assert_eq!(&seen, &sizes[sizes.len() - left..]);
            let mut lines: std::vec::Vec<&str> = kept.lines().collect();
            if queue.dropped > 0 {
                let said = std::format!("{}+0 ", queue.dropped);
                prop_assert_eq!(lines.pop(), Some(said.as_str()));
            }
            prop_assert_eq!(lines.len(), left);
            let whole = |line: &&str| line.starts_with("1000+0 \"p\"") && line.ends_with("\"}");
            prop_assert!(lines.iter().all(whole));
        }
    }
}
