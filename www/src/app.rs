//! The live page as a whole: what is connected, and what is drawn each frame.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gloo_timers::future::TimeoutFuture;
use js_sys::Date;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::{Element, HtmlInputElement, HtmlSelectElement};

use crate::dom::{document, find, report, set_hidden, set_text, window};
use crate::door::{self, Door, Room};
use crate::http::{self, Failure};
use crate::install::{Embeds, Install};
use crate::install_view::InstallView;
use crate::link::{Backoff, Link, is_dead};
use crate::list::{Filter, KEPT, List};
use crate::list_view::ListView;
use crate::row::{self, Message, Verdict};
use crate::session;
use crate::stream::{Signal, Stream};
use crate::text::count;

/// So often it is looked whether the stream is still alive, in milliseconds.
const LOOK_AT_STREAM: u32 = 5_000;
/// While there is no public key, we look for one this often.
const LOOK_FOR_KEYS: u32 = 4_000;

/// Everything the page holds. It lives until the page is left.
pub(crate) struct App {
    door: Door,
    pub(crate) page: Page,
    pub(crate) list: RefCell<List>,
    view: RefCell<ListView>,
    pub(crate) install: RefCell<Install>,
    pub(crate) install_view: InstallView,
    stream: RefCell<Option<Stream>>,
    link: Cell<Link>,
    backoff: RefCell<Backoff>,
    last_id: RefCell<Option<String>>,
    /// When the stream last said anything, by the visitor's clock.
    heard_at: Cell<f64>,
    /// Grows with each sign-in and sign-out, so that what waited meanwhile knows it is too late.
    turn: Cell<u32>,
    frame_asked: Cell<bool>,
    filter_changed: Cell<bool>,
}

/// The parts of `live.html` outside the list and the card.
pub(crate) struct Page {
    pub(crate) live: Element,
    pub(crate) filter: HtmlInputElement,
    pub(crate) verdict: HtmlSelectElement,
    pub(crate) pause: Element,
    connection: Element,
    connection_text: Element,
    countdown: Element,
    held_back: Element,
    tracked: Element,
    rejected: Element,
    moves: Element,
    moved: Element,
    since: Element,
    covers: Element,
    skipped: Element,
    skipped_count: Element,
    empty: Element,
    no_match: Element,
}

impl Page {
    fn find() -> Result<Self, JsValue> {
        Ok(Self {
            live: find("live")?,
            filter: find("filter")?,
            verdict: find("verdict-filter")?,
            pause: find("pause")?,
            connection: find("connection")?,
            connection_text: find("connection-text")?,
            countdown: find("connection-countdown")?,
            held_back: find("held-back")?,
            tracked: find("count-tracked")?,
            rejected: find("count-rejected")?,
            moves: find("moves")?,
            moved: find("count-moves")?,
            since: find("counts-since")?,
            covers: find("filter-covers")?,
            skipped: find("skipped")?,
            skipped_count: find("count-skipped")?,
            empty: find("empty")?,
            no_match: find("no-match")?,
        })
    }

    /// What the counters count, and what the filter looks through.
    fn say_since(&self) {
        let now = Date::new_0().to_locale_time_string("default");
        let now = String::from(now);
        set_text(
            &self.since,
            &format!("among the last 100 before this page was opened at {now}, and since"),
        );
        let covers = format!(
            "The filter looks through the events that this page holds, at most the newest {KEPT}; what is older, \
             GET /v1/events finds."
        );
        set_text(&self.covers, &covers);
    }
}

impl Room for App {
    fn door(&self) -> &Door {
        &self.door
    }

    fn enter(self: &Rc<Self>) -> Result<(), JsValue> {
        self.turn.set(self.turn.get() + 1);
        for shown in [&self.page.live, &self.page.connection] {
            set_hidden(shown, false)?;
        }
        spawn_local(Rc::clone(self).read_keys());
        spawn_local(Rc::clone(self).watch());
        self.page.say_since();
        self.connect();
        self.ask_frame();
        Ok(())
    }

    fn leave(&self) -> Result<(), JsValue> {
        self.turn.set(self.turn.get() + 1);
        drop(self.stream.take());
        // Who signs in next may see another log, where this place means nothing.
        self.last_id.replace(None);
        for hidden in [&self.page.live, &self.page.connection] {
            set_hidden(hidden, true)?;
        }
        Ok(())
    }
}

impl App {
    pub(crate) fn new() -> Result<Rc<Self>, JsValue> {
        Ok(Rc::new(Self {
            door: Door::find()?,
            page: Page::find()?,
            list: RefCell::default(),
            view: RefCell::new(ListView::new()?),
            install: RefCell::default(),
            install_view: InstallView::new()?,
            stream: RefCell::default(),
            link: Cell::default(),
            backoff: RefCell::default(),
            last_id: RefCell::default(),
            heard_at: Cell::default(),
            turn: Cell::default(),
            frame_asked: Cell::default(),
            filter_changed: Cell::default(),
        }))
    }

    /// Reads the embed codes, again while there is none.
    async fn read_keys(self: Rc<Self>) {
        let turn = self.turn.get();
        while self.turn.get() == turn && !self.look_for_keys().await {
            TimeoutFuture::new(LOOK_FOR_KEYS).await;
        }
    }

    /// Reads the embed codes once; says whether there is one.
    pub(crate) async fn look_for_keys(&self) -> bool {
        if !self.door.is_open() {
            return false;
        }
        let answer = http::call("GET", "/v1/embeds", None, None).await.ok();
        let Some(Embeds { embeds }) = answer.and_then(|text| serde_json::from_str(&text).ok())
        else {
            return false;
        };
        let found = !embeds.is_empty();
        let first_time = self.install.borrow().embeds().is_empty();
        self.install.borrow_mut().set(embeds);
        report(
            self.install_view
                .list_keys(&self.install.borrow(), first_time),
        );
        found
    }

    /// Begins anew where the stream has been silent for too long: a network that went away tells nobody.
    async fn watch(self: Rc<Self>) {
        let turn = self.turn.get();
        while self.turn.get() == turn {
            TimeoutFuture::new(LOOK_AT_STREAM).await;
            let is_open = self.stream.borrow().is_some();
            if self.turn.get() == turn && is_open && is_dead(self.heard_at.get(), Date::now()) {
                self.connect();
            }
        }
    }

    /// Lets go of the stream while nobody looks, and takes it up where it was when somebody does: a place
    /// among the streams is for who watches.
    pub(crate) fn look_again(self: &Rc<Self>) -> Result<(), JsValue> {
        if !self.door.is_open() {
            return Ok(());
        }
        if document()?.hidden() {
            drop(self.stream.take());
            self.set_link(Link::Hidden);
        } else if self.stream.borrow().is_none() {
            self.connect();
        }
        Ok(())
    }

    fn connect(self: &Rc<Self>) {
        drop(self.stream.take());
        if document().is_ok_and(|document| document.hidden()) {
            return self.set_link(Link::Hidden);
        }
        self.heard_at.set(Date::now());
        self.set_link(Link::Connecting);
        let last_id = self.last_id.borrow().clone();
        let app = Rc::clone(self);
        match Stream::open(last_id.as_deref(), move |signal| app.hear(signal)) {
            Ok(stream) => drop(self.stream.replace(Some(stream))),
            Err(error) => report(Err(error)),
        }
    }

    fn hear(self: &Rc<Self>, signal: Signal) {
        self.heard_at.set(Date::now());
        match signal {
            Signal::Heartbeat => {}
            Signal::Open => {
                self.backoff.borrow_mut().succeeded();
                self.set_link(Link::Connected);
            }
            Signal::Message { data, id } => {
                match row::read(&data) {
                    Ok(message) => self.take(message),
                    Err(error) => report(Err(JsValue::from_str(&format!(
                        "a message cannot be read: {error}"
                    )))),
                }
                if !id.is_empty() {
                    self.last_id.replace(Some(id));
                }
            }
            Signal::Lost { for_good: false } => self.set_link(Link::Broken),
            // The stream must not be dropped within its own signal.
            Signal::Lost { for_good: true } => spawn_local(Rc::clone(self).reconnect()),
        }
    }

    fn take(self: &Rc<Self>, message: Message) {
        match message {
            Message::Skipped(count) => self.list.borrow_mut().skip(count),
            Message::Event(row) => {
                let fields = &row.fields;
                let refused = (row.verdict == Verdict::Rejected)
                    .then(|| fields.code.as_deref().unwrap_or("unknown"));
                let changed = self
                    .install
                    .borrow_mut()
                    .heard(fields.key_id.as_deref(), refused);
                if changed {
                    report(self.install_view.draw(&self.install.borrow()));
                }
                self.list.borrow_mut().receive(*row);
            }
        }
        self.ask_frame();
    }

    /// Tries again after a while, unless it was the session that ended.
    async fn reconnect(self: Rc<Self>) {
        drop(self.stream.take());
        let turn = self.turn.get();
        self.set_link(Link::Broken);
        if let Err(Failure::Refused(401, _)) = session::current().await {
            if self.turn.get() == turn {
                report(door::leave(&*self, door::ENDED));
            }
            return;
        }
        let seconds = self.backoff.borrow_mut().failed();
        for left in (1..=seconds).rev() {
            if self.turn.get() != turn {
                return;
            }
            if self.stream.borrow().is_some() {
                return;
            }
            self.set_link(Link::Waiting(left));
            TimeoutFuture::new(1_000).await;
        }
        if self.turn.get() == turn && self.stream.borrow().is_none() {
            self.connect();
        }
    }

    fn set_link(&self, link: Link) {
        self.link.set(link);
        report(self.draw_link());
    }

    fn draw_link(&self) -> Result<(), JsValue> {
        let (link, paused) = (self.link.get(), self.list.borrow().is_paused());
        self.page
            .connection
            .set_attribute("data-state", link.state(paused))?;
        set_text(&self.page.connection_text, link.words(paused));
        set_text(&self.page.countdown, &link.countdown());
        Ok(())
    }

    pub(crate) fn toggle_pause(self: &Rc<Self>) -> Result<(), JsValue> {
        let paused = !self.list.borrow().is_paused();
        self.list.borrow_mut().set_paused(paused);
        self.page
            .pause
            .set_attribute("aria-pressed", if paused { "true" } else { "false" })?;
        self.draw_link()?;
        self.ask_frame();
        Ok(())
    }

    pub(crate) fn filter(self: &Rc<Self>) {
        let filter = Filter::new(&self.page.filter.value(), &self.page.verdict.value());
        self.list.borrow_mut().set_filter(filter);
        self.filter_changed.set(true);
        self.ask_frame();
    }

    /// However much arrives, the page is drawn once a frame.
    pub(crate) fn ask_frame(self: &Rc<Self>) {
        if self.frame_asked.replace(true) {
            return;
        }
        let app = Rc::clone(self);
        let draw = Closure::once_into_js(move || {
            app.frame_asked.set(false);
            report(app.draw());
        });
        let asked =
            window().and_then(|window| window.request_animation_frame(draw.unchecked_ref()));
        report(asked.map(drop));
    }

    fn draw(&self) -> Result<(), JsValue> {
        let list = self.list.borrow();
        let mut view = self.view.borrow_mut();
        view.draw(&list)?;
        if self.filter_changed.take() {
            view.apply_filter(&list)?;
        }
        let counts = list.counts();
        set_text(&self.page.tracked, &count(counts.tracked));
        set_text(&self.page.rejected, &count(counts.rejected));
        set_text(&self.page.moved, &count(counts.moved));
        set_hidden(&self.page.moves, counts.moved == 0)?;
        set_text(&self.page.skipped_count, &count(counts.skipped));
        set_hidden(&self.page.skipped, counts.skipped == 0)?;
        set_hidden(&self.page.covers, !list.is_filtered())?;
        let (new, given_way) = list.held_back();
        let button = match (list.is_paused(), new) {
            (false, _) => "Pause".to_owned(),
            (true, 0) => "Resume".to_owned(),
            (true, new) => format!("Resume · {} new", count(new)),
        };
        set_text(&self.page.pause, &button);
        set_hidden(&self.page.held_back, given_way == 0)?;
        if given_way > 0 {
            let words = format!(
                "{} of the new events can no longer be shown here; they are on record.",
                count(given_way)
            );
            set_text(&self.page.held_back, &words);
        }
        set_hidden(&self.page.empty, !list.is_empty())?;
        set_hidden(&self.page.no_match, list.is_empty() || list.shown() > 0)
    }
}
