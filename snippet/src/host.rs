//! The browser behind `js/browser.js`: only texts and numbers cross.

use alloc::string::String;

use wasm_bindgen::prelude::wasm_bindgen;

use crate::browser::Browser;

#[wasm_bindgen(module = "/js/browser.js")]
extern "C" {
    fn now() -> f64;
    fn monotonic() -> f64;
    fn uuid() -> String;
    fn random() -> f64;
    fn read(name: &str) -> String;
    fn write(name: &str, text: &str);
    fn keep_queue(text: &str);
    fn take_queues() -> String;
    fn send(number: u32, body: &str, keepalive: bool);
    fn wake_in(milliseconds: f64);
    fn complain(text: &str);
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
    fn uuid(&self) -> String {
        uuid()
    }
    fn random(&self) -> f64 {
        random()
    }
    fn read(&self, name: &str) -> String {
        read(name)
    }
    fn write(&self, name: &str, text: &str) {
        write(name, text);
    }
    fn keep_queue(&self, text: &str) {
        keep_queue(text);
    }
    fn take_queues(&self) -> String {
        take_queues()
    }
    fn send(&self, number: u32, body: &str, keepalive: bool) {
        send(number, body, keepalive);
    }
    fn wake_in(&self, milliseconds: f64) {
        wake_in(milliseconds);
    }
    fn complain(&self, text: &str) {
        complain(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::ids::EventId;
    use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

    wasm_bindgen_test_configure!(run_in_browser);

    #[wasm_bindgen_test]
    fn a_uuid_holds_its_time_version_and_variant() {
        let before = Host.now();
        let id = Host.uuid();
        let bytes = *EventId::parse(&id).unwrap().as_bytes();
        let time = bytes[..6]
            .iter()
            .fold(0.0, |time, byte| time * 256.0 + f64::from(*byte));
        assert!((before..=Host.now()).contains(&time), "{id}");
        assert_eq!((bytes[6] >> 4, bytes[8] >> 6), (7, 0b10));
        assert_ne!(Host.uuid(), id);
    }

    #[wasm_bindgen_test]
    fn storage_gives_back_what_it_was_given_and_takes_empty_for_gone() {
        Host.write("test", "größe 🎉");
        assert_eq!(Host.read("test"), "größe 🎉");
        Host.write("test", "");
        assert_eq!(Host.read("test"), "");
    }

    #[wasm_bindgen_test]
    fn a_page_does_not_take_its_own_queue() {
        Host.keep_queue("1 a}\n");
        assert_eq!(Host.take_queues(), "");
        Host.keep_queue("");
    }

    #[wasm_bindgen_test]
    fn the_clock_of_the_page_only_goes_on() {
        let before = Host.monotonic();
        assert!(Host.monotonic() >= before);
        assert!((0.0..1.0).contains(&Host.random()));
    }
}
