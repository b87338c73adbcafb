//! The few things that the engine asks of a browser: clocks, chance, storage, requests, one timer,
//! the console. In a page `host` answers, in tests a made-up one.

use alloc::string::String;

/// A browser. All times are milliseconds.
pub trait Browser {
    /// The visitor's own clock, since 1970; it may be wrong, and may be set.
    fn now(&self) -> f64;
    /// A clock that only goes on, since the page was opened.
    fn monotonic(&self) -> f64;
    /// A new UUIDv7 (RFC 9562, section 5.7): 48 bits of milliseconds, 74 of a cryptographic source.
    fn uuid(&self) -> String;
    /// From 0 to below 1, for spreading requests.
    fn random(&self) -> f64;
    /// What storage holds under a name; empty where nothing does.
    fn read(&self, name: &str) -> String;
    /// Keeps a text under a name; an empty one removes it. A storage that is full or forbidden is
    /// no error: what does not fit is not kept.
    fn write(&self, name: &str, text: &str);
    /// Keeps this page's queue, in place of what was kept of it; empty removes it.
    fn keep_queue(&self, text: &str);
    /// Takes the queues that other pages of this site have left behind.
    fn take_queues(&self) -> String;
    /// Posts a body. `keepalive` lets the request outlive the page. Its end is told to
    /// [`Engine::answered`](crate::engine::Engine::answered) under `number`.
    fn send(&self, number: u32, body: &str, keepalive: bool);
    /// Sets the one timer, in place of what it was set to.
    fn wake_in(&self, milliseconds: f64);
    /// Tells whoever builds the page that something was not sent, and what to do.
    fn complain(&self, text: &str);
}
