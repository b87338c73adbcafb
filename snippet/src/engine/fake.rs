//! A browser that a test steers: clocks that stand still, storage in memory, requests that wait for
//! the test to answer.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::browser::{Browser, Problem};

/// A request that left.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) number: u32,
    pub(crate) body: String,
    pub(crate) keepalive: bool,
}

impl Request {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// The queues in one site's storage, by page.
pub(crate) type Storage = Rc<RefCell<BTreeMap<u32, String>>>;

#[derive(Clone)]
pub(crate) struct Fake(Rc<Inside>);

pub(crate) struct Inside {
    now: Cell<f64>,
    monotonic: Cell<f64>,
    uuids: Cell<u32>,
    page: u32,
    pub(crate) storage: Storage,
    pub(crate) requests: RefCell<Vec<Request>>,
    pub(crate) timer: Cell<Option<f64>>,
    pub(crate) complaints: RefCell<Vec<Problem>>,
}

impl std::ops::Deref for Fake {
    type Target = Inside;

    fn deref(&self) -> &Inside {
        &self.0
    }
}

impl Fake {
    pub(crate) fn new() -> Fake {
        Fake::on(&Storage::default(), 1)
    }

    /// A page of a site.
    pub(crate) fn on(storage: &Storage, page: u32) -> Fake {
        Fake(Rc::new(Inside {
            now: Cell::new(1_700_000_000_000.0),
            monotonic: Cell::new(10.0),
            uuids: Cell::new(0),
            page,
            storage: Rc::clone(storage),
            requests: RefCell::default(),
            timer: Cell::new(None),
            complaints: RefCell::default(),
        }))
    }

    pub(crate) fn pass(&self, milliseconds: f64) {
        self.now.set(self.now.get() + milliseconds);
        self.monotonic.set(self.monotonic.get() + milliseconds);
    }

    /// Sets the visitor's clock by so much; the page's own goes on as it did.
    pub(crate) fn set_clock(&self, milliseconds: f64) {
        self.now.set(self.now.get() + milliseconds);
    }

    pub(crate) fn sent(&self) -> Vec<Request> {
        self.requests.borrow().clone()
    }

    /// The ids of all events in all requests, in order.
    pub(crate) fn sent_ids(&self) -> Vec<String> {
        let ids = |request: &Request| {
            let events = request.json()["events"].as_array().unwrap().clone();
            events
                .into_iter()
                .map(|event| event["id"].as_str().unwrap().to_owned())
        };
        self.sent().iter().flat_map(ids).collect()
    }

    /// What `js/main.js` does with the queues of other pages, at the start.
    pub(crate) fn take_queues(&self) -> Vec<(f64, f64, String)> {
        let mut storage = self.storage.borrow_mut();
        let others: Vec<u32> = storage
            .keys()
            .copied()
            .filter(|page| *page != self.page)
            .collect();
        let texts: Vec<String> = others
            .iter()
            .filter_map(|page| storage.remove(page))
            .collect();
        let lines = texts.iter().flat_map(|text| text.lines());
        let event = |line: &str| {
            let (times, json) = line.split_once(' ').unwrap();
            let (wall, age) = times.split_once('+').unwrap();
            (wall.parse().unwrap(), age.parse().unwrap(), json.to_owned())
        };
        lines.map(event).collect()
    }

    pub(crate) fn next_id(&self) -> String {
        let last = self.uuids.get() + 1;
        self.uuids.set(last);
        format!("0193b8a1-7c2e-7d3f-{:04x}-{last:012x}", self.page)
    }
}

impl Browser for Fake {
    fn now(&self) -> f64 {
        self.now.get()
    }

    fn monotonic(&self) -> f64 {
        self.monotonic.get()
    }

    fn random(&self) -> f64 {
        0.5
    }

    fn keep_queue(&self, text: &str) {
        let mut storage = self.storage.borrow_mut();
        if text.is_empty() {
            storage.remove(&self.page);
        } else {
            storage.insert(self.page, text.into());
        }
    }

    fn send(&self, number: u32, body: &str, keepalive: bool) {
        let body = body.to_owned();
        self.requests.borrow_mut().push(Request {
            number,
            body,
            keepalive,
        });
    }

    fn wake_in(&self, milliseconds: f64) {
        self.timer.set(Some(milliseconds));
    }

    fn complain(&self, problem: Problem) {
        self.complaints.borrow_mut().push(problem);
    }
}
