//! The few things that the engine asks of a browser: clocks, chance, storage, requests, one timer,
//! the console. In a page `host` answers, in tests a made-up one.

/// A browser. All times are milliseconds.
pub trait Browser {
    /// The visitor's own clock, since 1970; it may be wrong, and may be set.
    fn now(&self) -> f64;
    /// A clock that only goes on, since the page was opened.
    fn monotonic(&self) -> f64;
    /// From 0 to below 1, for spreading requests.
    fn random(&self) -> f64;
    /// Keeps this page's queue, in place of what was kept of it; empty removes it. A storage that
    /// is full or forbidden is no error: what does not fit is not kept.
    fn keep_queue(&self, text: &str);
    /// Posts a body. `keepalive` lets the request outlive the page. Its end is told to
    /// [`Engine::answered`](crate::engine::Engine::answered) under `number`.
    fn send(&self, number: u32, body: &str, keepalive: bool);
    /// Sets the one timer, in place of what it was set to.
    fn wake_in(&self, milliseconds: f64);
    /// Tells whoever builds the page that something was not sent, and what to do.
    fn complain(&self, problem: Problem);
}

/// What keeps an event, or all of them, from being sent. The sentences stand in `js/browser.js`:
/// text compresses better there than inside wasm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The page set no key.
    NoKey,
    /// A secret key stands in the page.
    SecretKey,
    /// The key is none, or has a typo.
    MistypedKey,
    /// An event is larger than the collector takes.
    TooLarge,
}
