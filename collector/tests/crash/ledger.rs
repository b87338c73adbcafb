//! What was sent and what was acknowledged, and whether the collector still knows it. A promise that
//! is broken panics here.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use shared::ids::EventId;
use tokio::task::JoinSet;

use crate::client::{Answer, Client};

/// Receipts asked for at once.
const ASKED_AT_ONCE: usize = 16;

/// One request, so that it can be sent again as it was.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) path: &'static str,
    pub(crate) body: String,
    /// Its events, in order, and whether each is one that the collector has to refuse.
    pub(crate) events: Vec<(EventId, bool)>,
    /// Whether it is one purchase.
    pub(crate) is_order: bool,
}

/// What is known of all requests so far. Cheap to clone; clones are the same ledger.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Everything that was ever sent, and is not to be refused.
    sent: HashSet<EventId>,
    /// The seq is absent where the connection broke between a status and its body.
    acknowledged: HashMap<EventId, Option<String>>,
    /// In the order of the acknowledgements.
    history: Vec<EventId>,
    /// Acknowledged purchases.
    orders: Vec<Sent>,
    /// Requests whose answer never came: their events may be there or not.
    unanswered: Vec<Sent>,
}

impl Ledger {
    /// Sends a request and notes what was said; false where the connection broke.
    pub(crate) async fn send(&self, client: &Client, request: Sent) -> bool {
        self.state().note_sent(&request);
        let answer = client
            .post(request.path, request.body.clone(), |status| {
                if status == 200 {
                    self.state().acknowledge(&request);
                }
            })
            .await;
        match answer {
            Ok(Answer { status: 200, body }) => {
                self.state().note_verdicts(&request, &body);
                true
            }
            Ok(Answer { status: 503, .. }) => {
                self.state().unanswered.push(request);
                true
            }
            Ok(Answer { status, body }) => {
                let refused = request.events.iter().all(|(_, refused)| *refused);
                assert!(refused && status == 422, "{status} {body} to {request:?}");
                true
            }
            Err(_) => {
                self.state().unanswered.push(request);
                false
            }
        }
    }

    /// Notes a request that was sent without this ledger and answered 200.
    pub(crate) fn note(&self, request: &Sent) {
        let mut state = self.state();
        state.note_sent(request);
        state.acknowledge(request);
    }

    /// How many acknowledgements there were so far: a place in [`Ledger::since`].
    pub(crate) fn len(&self) -> usize {
        self.state().history.len()
    }

    /// The ids that were acknowledged from that place on.
    pub(crate) fn since(&self, place: usize) -> Vec<EventId> {
        self.state().history[place..].to_vec()
    }

    /// The highest seq that was ever told.
    pub(crate) fn newest_seq(&self) -> String {
        let state = self.state();
        let told = state.acknowledged.values().flatten();
        told.max().expect("an acknowledgement").clone()
    }

    /// Takes the requests that were never answered.
    pub(crate) fn take_unanswered(&self) -> Vec<Sent> {
        std::mem::take(&mut self.state().unanswered)
    }

    pub(crate) fn orders(&self) -> usize {
        self.state().orders.len()
    }

    /// Asks for the receipts of acknowledged ids, once each.
    pub(crate) async fn check_receipts(&self, client: &Client, ids: &[EventId]) {
        let mut asking = JoinSet::new();
        for share in ids.chunks(ids.len().div_ceil(ASKED_AT_ONCE).max(1)) {
            let (client, ledger, share) = (client.clone(), self.clone(), share.to_vec());
            asking.spawn(async move {
                for id in share {
                    let receipt = client.get(&format!("/v1/receipts/{id}")).await;
                    ledger.check_receipt(id, &receipt);
                }
            });
        }
        while let Some(asked) = asking.join_next().await {
            asked.expect("a promise kept");
        }
    }

    fn check_receipt(&self, id: EventId, receipt: &Answer) {
        assert_eq!(
            (receipt.status, &receipt.body["status"]),
            (200, &Value::from("tracked")),
            "{id} was acknowledged; its receipt is {receipt:?}"
        );
        let mut state = self.state();
        let seq = receipt.body["seq"].as_str().expect("a seq");
        state.check_seq(id, seq);
    }

    /// All events of the collector: each acknowledged one once, none twice, none that was not sent.
    pub(crate) fn check_events(&self, events: &[Value]) {
        let mut state = self.state();
        let mut listed = HashSet::new();
        for event in events {
            let id = EventId::parse(event["id"].as_str().expect("an id")).expect("a UUID");
            assert!(listed.insert(id), "{id} is there twice");
            assert!(state.sent.contains(&id), "{id} was never sent, or refused");
            if state.acknowledged.contains_key(&id) {
                state.check_seq(id, event["seq"].as_str().expect("a seq"));
            }
        }
        let lost: Vec<_> = state
            .acknowledged
            .keys()
            .filter(|id| !listed.contains(*id))
            .collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    }

    /// The events of a restored backup: each of the promised ones once, none twice, none that was not
    /// sent.
    pub(crate) fn check_events_of(&self, events: &[Value], promised: &[EventId]) {
        let state = self.state();
        let mut listed = HashSet::new();
        for event in events {
            let id = EventId::parse(event["id"].as_str().expect("an id")).expect("a UUID");
            assert!(listed.insert(id), "{id} is there twice");
            assert!(state.sent.contains(&id), "{id} was never sent, or refused");
        }
        let lost: Vec<_> = promised.iter().filter(|id| !listed.contains(*id)).collect();
        assert!(lost.is_empty(), "acknowledged before and lost: {lost:?}");
    }

    /// Sends those of the acknowledged orders again that are among the promised events.
    pub(crate) async fn check_orders_of(
        &self,
        client: &Client,
        promised: &[EventId],
        new_id: impl FnMut() -> EventId,
    ) {
        let promised: HashSet<_> = promised.iter().collect();
        let mut orders = self.state().orders.clone();
        orders.retain(|order| promised.contains(&order.events[0].0));
        self.check_these_orders(client, orders, new_id).await;
    }

    /// Sends acknowledged orders again, each with an id of its own: all are on record.
    pub(crate) async fn check_orders(&self, client: &Client, new_id: impl FnMut() -> EventId) {
        let orders = self.state().orders.clone();
        self.check_these_orders(client, orders, new_id).await;
    }

    async fn check_these_orders(
        &self,
        client: &Client,
        orders: Vec<Sent>,
        mut new_id: impl FnMut() -> EventId,
    ) {
        for order in orders {
            let (first, _) = order.events[0];
            let again = order
                .body
                .replace(&first.to_string(), &new_id().to_string());
            let answer = client.post(order.path, again, |_| {}).await;
            let answer = answer.expect("an answer");
            let Answer { status: 200, body } = answer else {
                panic!("{answer:?} to an order that is on record");
            };
            assert_eq!(body["tracked"], false, "{body}");
            assert_eq!(body["reason"], "duplicate", "{body}");
            assert_eq!(body["id"], first.to_string(), "{body}");
            self.state()
                .check_seq(first, body["seq"].as_str().expect("a seq"));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note_sent(&mut self, request: &Sent) {
        let good = request.events.iter().filter(|(_, refused)| !refused);
        self.sent.extend(good.map(|(id, _)| *id));
    }

    /// A 200 has been read: from now on every good event of the request has to be there.
    fn acknowledge(&mut self, request: &Sent) {
        let mut new = false;
        for (id, _) in request.events.iter().filter(|(_, refused)| !refused) {
            if !self.acknowledged.contains_key(id) {
                self.acknowledged.insert(*id, None);
                self.history.push(*id);
                new = true;
            }
        }
        if request.is_order && new {
            self.orders.push(request.clone());
        }
    }

    fn note_verdicts(&mut self, request: &Sent, body: &Value) {
        let alone = std::slice::from_ref(body);
        let verdicts = body["results"].as_array().map_or(alone, Vec::as_slice);
        assert_eq!(verdicts.len(), request.events.len(), "{body}");
        for ((id, refused), verdict) in request.events.iter().zip(verdicts) {
            assert_eq!(verdict["id"], id.to_string(), "{body}");
            if *refused {
                assert_eq!(verdict["status"], "rejected", "{verdict}");
            } else {
                let seq = verdict["seq"].as_str();
                self.check_seq(*id, seq.unwrap_or_else(|| panic!("no seq in {verdict}")));
            }
        }
    }

    /// An event keeps its seq for ever.
    fn check_seq(&mut self, id: EventId, seq: &str) {
        let is_seq = seq.len() == 24 && seq.bytes().all(|byte| byte.is_ascii_digit());
        assert!(is_seq, "{id} has the seq {seq}");
        let known = self.acknowledged.entry(id).or_insert(None);
        match known {
            Some(known) => assert_eq!(known, seq, "{id} has another seq now"),
            None => *known = Some(seq.to_owned()),
        }
    }
}
