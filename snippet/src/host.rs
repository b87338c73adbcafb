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
        fn visitor() -> Object;
        fn remember(email: &JsValue);
        fn reset();
    }

    #[wasm_bindgen(module = "/js/storage.js")]
    extern "C" {
        fn put(name: &str, text: &str);
        fn get(name: &str) -> String;
        #[wasm_bindgen(js_name = useStorage)]
        fn use_storage(key: &str, may_keep: bool);
        #[wasm_bindgen(js_name = putQueue)]
        fn put_queue(text: &str);
        #[wasm_bindgen(js_name = takeQueues)]
        fn take_queues() -> String;
    }

    fn of_visitor(name: &str) -> JsValue {
        js_sys::Reflect::get(&visitor(), &name.into()).unwrap()
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
        use_storage("msk_pub_mine", true);
        let first = of_visitor("anonymousId");
        use_storage("msk_pub_mine", true);
        assert_eq!(of_visitor("anonymousId"), first);
        put("anonymousId", "another tab has begun anew");
        assert_ne!(of_visitor("anonymousId"), first);
    }

    #[wasm_bindgen_test]
    fn only_what_may_be_an_address_stands_in_later_events() {
        use_storage("msk_pub_mine", true);
        remember(&"ada@example.com".into());
        for none in [
            "Ada <ada@example.com>",
            "a@b.c;d@e.f",
            "a@b.c, d@e.f",
            "{{ user.email }}",
            "{{user.email}}@x",
            "nobody",
            "",
        ] {
            remember(&none.into());
            assert_eq!(of_visitor("email"), "ada@example.com", "{none}");
        }
        for none in [
            JsValue::from(js_sys::Array::of1(&"d@e.f".into())),
            JsValue::NULL,
            JsValue::from(7),
            Object::new().into(),
        ] {
            remember(&none);
            assert_eq!(of_visitor("email"), "ada@example.com", "{none:?}");
        }
        for other in [
            " kate@example.com ",
            "o'hara@example.ie",
            "संपर्क@डाटामेल.भारत",
            "ผู้ใช้@ตัวอย่าง.ไทย",
            "தமிழ்@example.in",
            "rene\u{301}@example.com",
        ] {
            remember(&other.into());
            assert_eq!(of_visitor("email"), other);
        }
        // What an earlier version has kept.
        put("email", "a@b.c;d@e.f");
        assert!(of_visitor("email").is_undefined());
        reset();
        assert_eq!(get("email"), "");
    }

    #[wasm_bindgen_test]
    fn a_page_takes_the_queues_of_others_with_its_key_once() {
        use_storage("msk_pub_mine", true);
        put("queue.b_mine.another page", "2 größe}\n");
        put("queue.theirs.another page", "3 theirs}\n");
        assert_eq!(take_queues(), "2 größe}\n");
        assert_eq!(take_queues(), "");
        put("queue.theirs.another page", "");
    }

    #[wasm_bindgen_test]
    fn the_queues_of_a_site_stay_within_their_bound_and_the_oldest_go() {
        let line = std::format!("1+0 {}\n", "x".repeat(100_000));
        use_storage("msk_pub_mine", true);
        put("queue.b_mine.another page", &line);
        put_queue(&std::format!("old{line}{line}"));
        use_storage("msk_pub_mine", true);
        let taken = take_queues();
        assert!(taken.contains(&line) && !taken.contains("old"));
        assert!(taken.contains("1+0 \n"), "one was lost");
        assert_eq!(taken.len(), 2 * line.len() + 5);
    }

    #[wasm_bindgen_test]
    fn where_a_site_needs_its_storage_no_queue_is_kept() {
        use_storage("msk_pub_mine", true);
        let site = "x".repeat(1_600_000);
        let storage = js_sys::eval("localStorage").unwrap();
        js_sys::Reflect::set(&storage, &"site".into(), &site.into()).unwrap();
        put_queue("1+0 x}\n");
        js_sys::Reflect::delete_property(&storage.into(), &"site".into()).unwrap();
        use_storage("msk_pub_mine", true);
        assert_eq!(take_queues(), "");
    }

    #[wasm_bindgen_test]
    fn nothing_is_kept_where_nothing_may_be() {
        use_storage("msk_pub_mine", false);
        put("some", "thing");
        put_queue("1+0 x}\n");
        assert_eq!((get("some"), take_queues()), ("thing".into(), "".into()));
        use_storage("msk_pub_mine", true);
        assert_eq!((get("some"), take_queues()), ("".into(), "".into()));
    }

    #[wasm_bindgen_test]
    fn the_clock_of_the_page_only_goes_on() {
        let before = Host.monotonic();
        assert!(Host.monotonic() >= before);
        assert!((0.0..1.0).contains(&Host.random()));
    }
}
