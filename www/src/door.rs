//! The way into every page: by a link's one-time code, by a key, or by the cookie of before; and the way out.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Element, HtmlInputElement};

use crate::dom::{find, on, report, set_hidden, set_text, window};
use crate::http::Failure;
use crate::install_view::focus;
use crate::session::{self, Proof, Session, take_code};

/// What a session that has ended says.
pub(crate) const ENDED: &str = "Your session has ended: sign in again.";

/// The parts of `shell.html` that let in and out.
pub(crate) struct Door {
    loading: Element,
    sign_in: Element,
    error: Element,
    button: Element,
    key: HtmlInputElement,
    sign_out: Element,
    trouble: Element,
    session: RefCell<Option<Session>>,
    /// Somebody has been signed in on this page before.
    entered: Cell<bool>,
}

/// A page behind the door.
pub(crate) trait Room: 'static {
    fn door(&self) -> &Door;
    /// Somebody is signed in: shows what there is.
    fn enter(self: &Rc<Self>) -> Result<(), JsValue>;
    /// Nobody is any more: hides it.
    fn leave(&self) -> Result<(), JsValue>;
}

impl Door {
    pub(crate) fn find() -> Result<Self, JsValue> {
        Ok(Self {
            loading: find("loading")?,
            sign_in: find("sign-in")?,
            error: find("sign-in-error")?,
            button: find("sign-in-button")?,
            key: find("key-input")?,
            sign_out: find("sign-out")?,
            trouble: find("trouble")?,
            session: RefCell::default(),
            entered: Cell::default(),
        })
    }

    pub(crate) fn is_open(&self) -> bool {
        self.session.borrow().is_some()
    }

    /// What is shown with each change; nothing where nobody is signed in.
    pub(crate) fn csrf(&self) -> Option<String> {
        let session = self.session.borrow();
        session.as_ref().map(|session| session.csrf_token.clone())
    }
}

/// Listens to who comes and goes, and lets in whom the address or the cookie does.
pub(crate) fn attend<R: Room>(room: &Rc<R>) -> Result<(), JsValue> {
    let form: Element = find("sign-in-form")?;
    let at_submit = Rc::clone(room);
    on(&form, "submit", move |event| {
        event.prevent_default();
        // One attempt at a time; a second one would use up nothing but confuse the answer.
        at_submit.door().button.set_attribute("disabled", "")?;
        spawn_local(sign_in(Rc::clone(&at_submit)));
        Ok(())
    });
    let at_sign_out = Rc::clone(room);
    on(&room.door().sign_out, "click", move |_| {
        spawn_local(sign_out(Rc::clone(&at_sign_out)));
        Ok(())
    });
    // A link that is opened where the page is open already changes the fragment alone.
    let at_link = Rc::clone(room);
    on(window()?.as_ref(), "hashchange", move |_| {
        if let Some(code) = take_code()? {
            spawn_local(arrive(Rc::clone(&at_link), Some(code)));
        }
        Ok(())
    });
    spawn_local(arrive(Rc::clone(room), take_code()?));
    Ok(())
}

/// Signs in by the code of the address, else by the cookie; else asks.
async fn arrive<R: Room>(room: Rc<R>, code: Option<String>) {
    let by_code = match code {
        Some(code) => Some(session::begin(Proof::Code(code)).await),
        None => None,
    };
    let refused = match by_code {
        Some(Ok(session)) => return report(enter(&room, session)),
        Some(Err(failure)) => Some(failure),
        None => None,
    };
    // A link that was used before is no harm where its session still holds.
    match (session::current().await, refused) {
        (Ok(session), _) => report(enter(&room, session)),
        (Err(_), Some(failure)) => report(leave(&*room, &failure.words())),
        (Err(failure), None) if failure.is_unauthorised() => report(leave(&*room, "")),
        (Err(failure), None) => report(leave(&*room, &failure.words())),
    }
}

async fn sign_in<R: Room>(room: Rc<R>) {
    let door = room.door();
    let key = door.key.value().trim().to_owned();
    let entered = if key.is_empty() {
        Err("Paste a secret key; it begins with msk_sec_.".to_owned())
    } else {
        session::begin(Proof::Key(key))
            .await
            .map_err(|failure| failure.words())
    };
    report(door.button.remove_attribute("disabled"));
    match entered {
        Ok(session) => report(enter(&room, session)),
        Err(words) => {
            set_text(&door.error, &words);
            report(focus("key-input"));
        }
    }
}

async fn sign_out<R: Room>(room: Rc<R>) {
    let Some(session) = room.door().session.borrow().clone() else {
        return;
    };
    match session::end(&session).await {
        Err(failure) if !failure.is_unauthorised() => {
            let trouble = &room.door().trouble;
            set_text(trouble, &format!("Still signed in: {}", failure.words()));
            report(set_hidden(trouble, false));
        }
        _ => {
            report(leave(&*room, ""));
            // What was shown belongs to who was signed in.
            report(window().and_then(|window| window.location().reload()));
        }
    }
}

fn enter<R: Room>(room: &Rc<R>, session: Session) -> Result<(), JsValue> {
    let door = room.door();
    // What was shown may belong to another workspace. The cookie outlives the page.
    if door.entered.replace(true) {
        return window().and_then(|window| window.location().reload());
    }
    door.session.replace(Some(session));
    door.key.set_value("");
    set_text(&door.error, "");
    for hidden in [&door.loading, &door.sign_in, &door.trouble] {
        set_hidden(hidden, true)?;
    }
    set_hidden(&door.sign_out, false)?;
    room.enter()
}

/// Shows the way in, with what went wrong.
pub(crate) fn leave<R: Room>(room: &R, words: &str) -> Result<(), JsValue> {
    let door = room.door();
    door.session.replace(None);
    room.leave()?;
    for hidden in [&door.loading, &door.sign_out, &door.trouble] {
        set_hidden(hidden, true)?;
    }
    set_hidden(&door.sign_in, false)?;
    set_text(&door.error, words);
    focus("key-input")
}

/// What a failure says on the page; one that shows that the session has ended leads to the door.
pub(crate) fn words_of<R: Room>(room: &R, failure: &Failure) -> String {
    if failure.is_unauthorised() {
        report(leave(room, ENDED));
    }
    failure.words()
}
