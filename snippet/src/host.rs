//! The browser behind `js/browser.js`. Only numbers cross: a text goes out as its place in memory,
//! and comes in through the inbox, where JavaScript has put it. What wasm-bindgen generates for
//! texts would be a sixth of the script.

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;

use wasm_bindgen::prelude::wasm_bindgen;

use crate::browser::{Browser, Problem};

// Each takes places as (address, bytes); `i32`, because anything else brings a wrapper.
#[wasm_bindgen(module = "/js/browser.js")]
extern "C" {
    fn now() -> f64;
    fn monotonic() -> f64;
    fn random() -> f64;
    fn keep_queue(text: i32, bytes: i32);
    fn send(number: i32, body: i32, bytes: i32, keepalive: i32);
    fn wake_in(milliseconds: f64);
    fn complain(problem: i32);
}

struct Inbox(Cell<Vec<u8>>);

// SAFETY: a page's wasm without shared memory runs on one thread.
unsafe impl Sync for Inbox {}

static INBOX: Inbox = Inbox(Cell::new(Vec::new()));

/// Makes room for a text of so many bytes, and says where. JavaScript fills it before it calls.
#[wasm_bindgen]
#[expect(
    clippy::slow_vector_initialization,
    reason = "`vec![0; n]` brings another way to take memory: 54 bytes"
)]
pub fn room(bytes: i32) -> i32 {
    let mut inbox = Vec::new();
    inbox.resize(bytes as usize, 0);
    let place = inbox.as_ptr() as i32;
    INBOX.0.set(inbox);
    place
}

/// Takes the text out of the inbox.
pub(crate) fn take_text() -> String {
    // SAFETY: JavaScript's TextEncoder writes nothing but UTF-8.
    unsafe { String::from_utf8_unchecked(INBOX.0.take()) }
}

/// Where a text stands.
fn place(text: &str) -> i32 {
    text.as_ptr() as i32
}

/// The browser that runs this.
pub(crate) struct Host;

impl Browser for Host {
    fn now(&self) -> f64 {
        now()
    }

    fn monotonic(&self) -> f64 {
        monotonic()
    }

    fn random(&self) -> f64 {
        random()
    }

    fn keep_queue(&self, text: &str) {
        keep_queue(place(text), text.len() as i32);
    }

    fn send(&self, number: u32, body: &str, keepalive: bool) {
        send(
            number as i32,
            place(body),
            body.len() as i32,
            i32::from(keepalive),
        );
    }

    fn wake_in(&self, milliseconds: f64) {
        wake_in(milliseconds);
    }

    fn complain(&self, problem: Problem) {
        complain(problem as i32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use js_sys::Object;
    use shared::ids::EventId;
    use wasm_bindgen::JsValue;
    use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

    wasm_bindgen_test_configure!(run_in_browser);

    #[wasm_bindgen(module = "/js/identity.js")]
    extern "C" {
        fn uuid() -> String;
        #[wasm_bindgen(js_name = identityOf)]
        fn identity_of(persistent: bool) -> Object;
    }

    #[wasm_bindgen(module = "/js/storage.js")]
    extern "C" {
        fn put(name: &str, text: &str);
        #[wasm_bindgen(js_name = useKey)]
        fn use_key(key: &str);
        #[wasm_bindgen(js_name = takeQueues)]
        fn take_queues() -> String;
    }

    fn anonymous_id(identity: &Object) -> JsValue {
        js_sys::Reflect::get(identity, &"anonymousId".into()).unwrap()
    }

    #[wasm_bindgen_test]
    fn a_uuid_holds_its_time_version_and_variant() {
        let before = Host.now();
        let id = uuid();
        let bytes = *EventId::parse(&id).unwrap().as_bytes();
        let time = bytes[..6]
            .iter()
            .fold(0.0, |time, byte| time * 256.0 + f64::from(*byte));
        assert!((before..=Host.now()).contains(&time), "{id}");
        assert_eq!((bytes[6] >> 4, bytes[8] >> 6), (7, 0b10));
        assert_ne!(uuid(), id);
    }

    #[wasm_bindgen_test]
    fn the_next_page_knows_the_browser_where_storage_may_be_used() {
        let first = anonymous_id(&identity_of(true));
        assert_eq!(anonymous_id(&identity_of(true)), first);
        assert_ne!(anonymous_id(&identity_of(false)), first);
    }

    #[wasm_bindgen_test]
    fn a_page_takes_the_queues_of_others_with_its_key_once() {
        use_key("msk_pub_mine");
        put("queue.b_mine.another page", "2 größe}\n");
        put("queue.theirs.another page", "3 theirs}\n");
        assert_eq!(take_queues(), "2 größe}\n");
        assert_eq!(take_queues(), "");
    }

    #[wasm_bindgen_test]
    fn the_clock_of_the_page_only_goes_on() {
        let before = Host.monotonic();
        assert!(Host.monotonic() >= before);
        assert!((0.0..1.0).contains(&Host.random()));
    }
}
