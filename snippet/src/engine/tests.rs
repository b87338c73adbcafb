//! Tests of the engine on a made-up browser: when it sends, what a body holds, what survives.

use proptest::prelude::*;

use crate::queue::MAX_EVENTS;

use super::fake::{Fake, Request, Storage};
use super::*;

const HEAD: &str = r#"{"key":"msk_pub_1","context":{"library":"track.js""#;

fn config() -> Config {
    Config {
        head: HEAD.into(),
        batch_size: 20,
        flush_interval: 1_000.0,
        persistent: true,
    }
}

fn start(browser: &Fake) -> Engine<Fake> {
    let mut engine = Engine::start(browser.clone(), config());
    for (wall, age, event) in browser.take_queues() {
        engine.restore(event, wall, age);
    }
    engine.restored();
    engine
}

impl Engine<Fake> {
    fn track(&mut self, name: &str) {
        self.track_at(name, "", self.browser.now());
    }

    fn track_at(&mut self, name: &str, text: &str, at: f64) {
        let id = self.browser.next_id();
        let properties = format!(r#"{{"text":"{text}"}}"#);
        let event =
            format!(r#""id":"{id}","type":"track","event":"{name}","properties":{properties}}}"#);
        self.record(event, at);
    }

    fn answer(&mut self, request: &Request, status: u32) {
        self.answered(request.number, request.body.len(), status, 0.0);
    }
}

fn last(browser: &Fake) -> Request {
    browser.sent().pop().unwrap()
}

#[test]
fn a_body_holds_key_context_and_events_with_their_age() {
    let browser = Fake::new();
    let mut engine = start(&browser);
    engine.track_at("page_viewed", "a", browser.now() - 300.0);
    engine.track("clicked");
    browser.pass(50.0);
    engine.flush();
    let body = last(&browser).json();
    assert_eq!(body["key"], "msk_pub_1");
    assert_eq!(body["context"], serde_json::json!({"library": "track.js"}));
    let [view, click] = body["events"].as_array().unwrap().as_slice() else {
        panic!("two events: {body}");
    };
    assert_eq!(
        (&view["event"], &view["age"]),
        (&"page_viewed".into(), &350.into())
    );
    assert_eq!(view["properties"]["text"], "a");
    assert_eq!(
        (&click["event"], &click["age"]),
        (&"clicked".into(), &50.into())
    );
}

#[test]
fn an_event_of_an_earlier_page_is_as_old_as_the_visitor_s_clock_says() {
    let storage = Storage::default();
    let first = Fake::on(&storage, 1);
    let mut engine = start(&first);
    engine.track("kept");
    engine.hide();
    let second = Fake::on(&storage, 2);
    second.pass(90_000.0);
    start(&second);
    assert_eq!(last(&second).json()["events"][0]["age"], 90_000);
}

#[test]
fn twenty_events_leave_at_once_and_fewer_after_a_second() {
    let browser = Fake::new();
    let mut engine = start(&browser);
    engine.track("one");
    assert_eq!(
        (browser.sent().len(), browser.timer.get()),
        (0, Some(1_000.0))
    );
    for _ in 0..18 {
        engine.track("more");
    }
    assert_eq!(browser.sent().len(), 0);
    engine.track("the twentieth");
    assert_eq!(
        last(&browser).json()["events"].as_array().unwrap().len(),
        20
    );
    // While it is under way others wait, and leave when it has ended.
    engine.track("next");
    engine.flush();
    assert_eq!(browser.sent().len(), 1);
    engine.answer(&last(&browser), 200);
    assert_eq!(browser.sent().len(), 2);
}

#[test]
fn hiding_and_showing_sends_nothing_twice() {
    let browser = Fake::new();
    let mut engine = start(&browser);
    for _ in 0..30 {
        engine.track("seen");
    }
    for _ in 0..3 {
        engine.hide();
        engine.flush();
    }
    let mut ids = browser.sent_ids();
    assert_eq!(ids.len(), 30);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 30);
    for request in browser.sent() {
        engine.answer(&request, 200);
    }
    assert_eq!(browser.storage.borrow().len(), 0);
}

#[test]
fn what_leaves_with_the_page_stays_below_the_browser_s_quota_and_storage_keeps_the_rest() {
    let storage = Storage::default();
    let browser = Fake::on(&storage, 1);
    let mut engine = start(&browser);
    for _ in 0..30 {
        engine.track_at("large", &"x".repeat(3_000), browser.now());
    }
    engine.hide();
    let bytes: usize = browser
        .sent()
        .iter()
        .filter(|sent| sent.keepalive)
        .map(|sent| sent.body.len())
        .sum();
    assert!(bytes <= MAX_BODY_BYTES && bytes > 50_000, "{bytes}");
    // Nobody has answered: the next page has all of them.
    let next = Fake::on(&storage, 2);
    let mut engine = start(&next);
    loop {
        let request = last(&next);
        engine.answer(&request, 200);
        if engine.queue.is_empty() {
            break;
        }
    }
    assert_eq!(next.sent_ids().len(), 30);
    assert!(
        browser
            .sent_ids()
            .iter()
            .all(|id| next.sent_ids().contains(id))
    );
    assert!(storage.borrow().is_empty());
}

#[test]
fn a_failure_is_tried_again_with_the_same_ids_after_a_wait() {
    for status in [0, 429, 500, 503] {
        let browser = Fake::new();
        let mut engine = start(&browser);
        engine.track("kept");
        engine.flush();
        engine.answered(1, last(&browser).body.len(), status, 3_000.0);
        let wait = browser.timer.get().unwrap();
        assert!((3_000.0..3_500.0).contains(&wait), "{wait}");
        assert_eq!(browser.storage.borrow().len(), 1);
        // A timer that comes a little early is set again.
        browser.pass(wait - 1.0);
        engine.flush();
        assert_eq!((browser.sent().len(), browser.timer.get()), (1, Some(1.0)));
        browser.pass(1.0);
        engine.flush();
        let ids = browser.sent_ids();
        assert_eq!((ids.len(), &ids[0]), (2, &ids[1]));
        engine.answer(&last(&browser), 200);
        assert!(engine.queue.is_empty());
    }
}

#[test]
fn an_event_that_comes_while_a_second_try_is_under_way_leaves_as_well() {
    let browser = Fake::new();
    let mut engine = start(&browser);
    engine.track("first");
    engine.flush();
    engine.answer(&last(&browser), 503);
    browser.pass(60_000.0);
    engine.flush();
    browser.timer.set(None);
    engine.track("meanwhile");
    assert_eq!(browser.timer.get(), Some(1_000.0));
    engine.answer(&last(&browser), 200);
    engine.flush();
    assert_eq!(browser.sent_ids().len(), 3);
}

#[test]
fn what_did_not_fit_when_the_page_hid_leaves_when_it_is_back() {
    let browser = Fake::new();
    let mut engine = start(&browser);
    for _ in 0..30 {
        engine.track_at("large", &"x".repeat(3_000), browser.now());
    }
    engine.hide();
    for number in 0..9 {
        if let Some(request) = browser.sent().get(number) {
            engine.answer(request, 200);
        }
    }
    assert!(engine.queue.is_empty());
    assert_eq!(browser.sent_ids().len(), 30);
}

#[test]
fn an_event_that_several_pages_have_kept_is_taken_once() {
    let storage = Storage::default();
    let first = Fake::on(&storage, 1);
    let mut engine = start(&first);
    engine.track("kept");
    engine.hide();
    // Each takes what the one before has kept, and all of them keep it again.
    for page in 2..12 {
        let next = Fake::on(&storage, page);
        start(&next).hide();
        engine.hide();
        assert_eq!(storage.borrow()[&page].lines().count(), 1);
    }
}

#[test]
fn a_refused_key_or_site_ends_the_sending_and_storage_keeps_the_events() {
    for status in [401, 403] {
        let browser = Fake::new();
        let mut engine = start(&browser);
        engine.track("kept");
        engine.flush();
        engine.answer(&last(&browser), status);
        engine.track("another");
        engine.flush();
        engine.hide();
        assert_eq!(browser.sent().len(), 1);
        let storage = browser.storage.borrow();
        let kept = storage.get(&1).unwrap();
        assert_eq!(kept.lines().count(), 2);
    }
}

#[test]
fn a_page_that_nobody_ever_answers_tries_no_more_and_storage_keeps_the_events() {
    let browser = Fake::new();
    let mut engine = start(&browser);
    engine.track("kept");
    engine.flush();
    engine.answer(&last(&browser), retry::GIVE_UP);
    browser.pass(600_000.0);
    engine.flush();
    engine.hide();
    assert_eq!(browser.sent().len(), 1);
    assert_eq!(browser.storage.borrow()[&1].lines().count(), 1);
}

#[test]
fn what_no_collector_has_answered_settles_nothing() {
    for status in [302, 404, 405] {
        let browser = Fake::new();
        let mut engine = start(&browser);
        engine.track("kept");
        engine.flush();
        engine.answer(&last(&browser), status);
        browser.pass(60_000.0);
        engine.flush();
        assert_eq!(browser.sent().len(), 2, "{status}");
    }
}

#[test]
fn a_clock_that_is_set_back_between_two_pages_cuts_no_age() {
    let storage = Storage::default();
    let first = Fake::on(&storage, 1);
    let mut engine = start(&first);
    engine.track("kept");
    first.pass(5_000.0);
    engine.hide();
    let second = Fake::on(&storage, 2);
    second.set_clock(-3_600_000.0);
    start(&second);
    assert_eq!(last(&second).json()["events"][0]["age"], 5_000);
}

#[test]
fn what_was_dropped_is_said_once() {
    let browser = Fake::new();
    let mut engine = Engine::start(
        browser.clone(),
        Config {
            batch_size: 5_000,
            ..config()
        },
    );
    for _ in 0..MAX_EVENTS + 2 {
        engine.track("one");
    }
    engine.flush();
    assert_eq!(last(&browser).json()["context"]["dropped"], 2);
    // Nobody has heard it: it is said again.
    engine.answer(&last(&browser), 503);
    browser.pass(60_000.0);
    engine.flush();
    assert_eq!(last(&browser).json()["context"]["dropped"], 2);
    engine.answer(&last(&browser), 200);
    engine.track("another");
    engine.flush();
    assert_eq!(
        last(&browser).json()["context"],
        serde_json::json!({"library": "track.js"})
    );
}

#[test]
fn the_next_page_says_what_an_earlier_one_has_dropped() {
    let storage = Storage::default();
    let first = Fake::on(&storage, 1);
    let mut engine = start(&first);
    engine.track("one");
    engine.flush();
    engine.answer(&last(&first), 401);
    for _ in 0..MAX_EVENTS + 2 {
        engine.track("more");
    }
    engine.hide();
    let next = Fake::on(&storage, 2);
    start(&next);
    assert_eq!(last(&next).json()["context"]["dropped"], 3);
}

#[test]
fn an_event_that_no_collector_takes_is_refused_aloud() {
    let browser = Fake::new();
    let mut engine = start(&browser);
    engine.track_at("large", &"x".repeat(33_000), browser.now());
    engine.flush();
    assert_eq!(browser.sent().len(), 0);
    assert_eq!(*browser.complaints.borrow(), [Problem::TooLarge]);
}

#[test]
fn a_page_that_may_not_keeps_nothing() {
    let browser = Fake::new();
    let config = Config {
        persistent: false,
        ..config()
    };
    let mut engine = Engine::start(browser.clone(), config);
    engine.track("page_viewed");
    engine.hide();
    assert_eq!(browser.sent().len(), 1);
    assert!(browser.storage.borrow().is_empty());
}

#[derive(Clone, Debug)]
enum Step {
    Track,
    Flush,
    Hide,
    Answer(u32),
    Pass(f64),
    NewPage,
}

proptest! {
    /// Whatever happens, in whatever order: each event that was taken is delivered in the end, and
    /// within one page nothing leaves again that has not failed before.
    #[test]
    fn every_event_is_delivered_in_the_end(steps in proptest::collection::vec(prop_oneof![
        5 => Just(Step::Track),
        2 => Just(Step::Flush),
        1 => Just(Step::Hide),
        3 => prop_oneof![Just(200u32), Just(0), Just(503), Just(429)].prop_map(Step::Answer),
        2 => (0.0f64..70_000.0).prop_map(Step::Pass),
        1 => Just(Step::NewPage),
    ], 0..120)) {
        let storage = Storage::default();
        let mut page = 1;
        let mut browser = Fake::on(&storage, page);
        let mut engine = start(&browser);
        let mut open: Vec<Request> = Vec::new();
        let mut seen = 0;
        let mut taken = 0;
        let mut delivered = std::collections::BTreeSet::new();
        for step in steps.into_iter().chain((0..200).flat_map(|_| [Step::Flush, Step::Answer(200), Step::Pass(70_000.0)])) {
            match step {
                Step::Track => { engine.track("step"); taken += 1; }
                Step::Flush => engine.flush(),
                Step::Hide => engine.hide(),
                Step::Pass(milliseconds) => browser.pass(milliseconds),
                Step::Answer(status) => if let Some(request) = open.pop() {
                    if status == 200 {
                        for event in request.json()["events"].as_array().unwrap() {
                            delivered.insert(event["id"].as_str().unwrap().to_owned());
                        }
                    }
                    engine.answer(&request, status);
                },
                Step::NewPage => {
                    // Its requests die unanswered.
                    engine.hide();
                    page += 1;
                    browser = Fake::on(&storage, page);
                    engine = start(&browser);
                    (open, seen) = (Vec::new(), 0);
                }
            }
            let sent = browser.sent();
            open.extend_from_slice(&sent[seen..]);
            seen = sent.len();
        }
        prop_assert!(engine.queue.is_empty());
        prop_assert_eq!(delivered.len(), taken);
    }
}
