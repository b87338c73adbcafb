//! Events without end, from several callers at once: singles, batches, purchases, and some that the
//! collector has to refuse.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use shared::ids::EventId;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::ledger::{Ledger, Sent};

const CALLERS: u64 = 8;

/// Small, fast random numbers that a seed repeats (`SplitMix64`).
#[derive(Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn id(&mut self) -> EventId {
        let high = u128::from(self.next());
        EventId::from_bytes(((high << 64) | u128::from(self.next())).to_be_bytes())
    }
}

/// Callers that go on until the connection breaks.
pub(crate) struct Load {
    callers: JoinSet<()>,
    may_break: Arc<AtomicBool>,
}

impl Load {
    /// Starts with what was left unanswered before, then goes on with new events.
    pub(crate) fn start(client: &Client, ledger: &Ledger, random: &mut Random) -> Self {
        let may_break = Arc::new(AtomicBool::new(false));
        let mut callers = JoinSet::new();
        let mut again = ledger.take_unanswered();
        for caller in 0..CALLERS {
            let share = again.len() / usize::try_from(CALLERS - caller).expect("a small number");
            let again = again.split_off(again.len() - share);
            let (client, ledger) = (client.clone(), ledger.clone());
            let may_break = Arc::clone(&may_break);
            let mut random = Random::new(random.next());
            callers.spawn(async move {
                let mut again = again.into_iter();
                loop {
                    let request = again.next().unwrap_or_else(|| request(&mut random));
                    if !ledger.send(&client, request).await {
                        let may_break = may_break.load(Ordering::Acquire);
                        assert!(may_break, "the server broke a connection by itself");
                        return;
                    }
                }
            });
        }
        Self { callers, may_break }
    }

    /// From now on the connection may break.
    pub(crate) fn expect_the_end(&self) {
        self.may_break.store(true, Ordering::Release);
    }

    /// Waits until every caller has seen its connection break.
    pub(crate) async fn ended(mut self) {
        while let Some(caller) = self.callers.join_next().await {
            caller.expect("a caller that was answered as promised");
        }
    }
}

/// One good event on its own.
pub(crate) fn single(random: &mut Random) -> Sent {
    let id = random.id();
    Sent {
        path: "/v1/track/event",
        body: good(id, random).to_string(),
        events: vec![(id, false)],
        is_order: false,
    }
}

fn request(random: &mut Random) -> Sent {
    match random.below(100) {
        0..70 => single(random),
        70..85 => batch(random),
        85..95 => {
            let id = random.id();
            Sent {
                path: "/v1/track/purchase",
                body: purchase(id, random).to_string(),
                events: vec![(id, false)],
                is_order: true,
            }
        }
        _ => {
            let id = random.id();
            Sent {
                path: "/v1/track/event",
                body: bad(id).to_string(),
                events: vec![(id, true)],
                is_order: false,
            }
        }
    }
}

fn batch(random: &mut Random) -> Sent {
    // Most are small; now and then one is as large as it may be.
    let count = match random.below(200) {
        0 => 1_000,
        other => 1 + other % 20,
    };
    let (mut events, mut bodies) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let id = random.id();
        let (mut body, refused) = match random.below(20) {
            0 => (bad(id), true),
            1 => (purchase(id, random), false),
            _ => (good(id, random), false),
        };
        let kind = if body["orderId"].is_null() {
            "track"
        } else {
            "purchase"
        };
        body["type"] = kind.into();
        events.push((id, refused));
        bodies.push(body);
    }
    Sent {
        path: "/v1/track/batch",
        body: json!({ "events": bodies }).to_string(),
        events,
        is_order: false,
    }
}

fn good(id: EventId, random: &mut Random) -> Value {
    let reader = random.below(1_000);
    json!({
        "id": id.to_string(),
        "email": format!("reader{reader}@example.com"),
        "event": "plan_viewed",
        "properties": { "plan": "pro", "seats": random.below(100), "note": format!("{:x}", random.next()) },
    })
}

fn purchase(id: EventId, random: &mut Random) -> Value {
    let cents = random.below(100_000);
    json!({
        "id": id.to_string(),
        "email": "buyer@example.com",
        "orderId": format!("order_{:016x}", random.next()),
        "revenue": serde_json::from_str::<Value>(&format!("{}.{:02}", cents / 100, cents % 100)).expect("a number"),
        "currency": "USD",
    })
}

/// Names that begin so are the system's own.
fn bad(id: EventId) -> Value {
    json!({ "id": id.to_string(), "email": "reader@example.com", "event": "email_opened" })
}
