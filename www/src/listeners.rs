//! What the reader does on the live page, and what follows from it.

use std::rc::Rc;

use gloo_timers::future::TimeoutFuture;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;
use web_sys::Element;

use crate::app::App;
use crate::dom::{document, find, on, on_inside, report, set_text, target, window};
use crate::http;
use crate::install_view::copy;
use crate::list_view::{self, receipt_place, serial_of};
use crate::stream::percent_encoded;
use crate::text::{pretty, visible};

/// How long a button says that it has copied, in milliseconds.
const COPIED: u32 = 2_000;

pub(crate) fn attach(app: &Rc<App>) -> Result<(), JsValue> {
    let at_sight = Rc::clone(app);
    let page = document()?;
    on(&page, "visibilitychange", move |_| at_sight.look_again());
    attach_tools(app)?;
    attach_rows(app)?;
    attach_install(app)?;
    let sample = format!(
        "curl {}/v1/track/event \\\n  -H 'Authorization: Bearer msk_sec_…' \\\n  -H 'Content-Type: application/json' \\\n  -d '{{\"email\": \"user@example.com\", \"event\": \"trial_started\"}}'",
        window()?.location().origin()?
    );
    set_text(&find::<Element>("sample")?, &sample);
    Ok(())
}

fn attach_tools(app: &Rc<App>) -> Result<(), JsValue> {
    let at_text = Rc::clone(app);
    on(&app.page.filter, "input", move |_| {
        at_text.filter();
        Ok(())
    });
    let at_verdict = Rc::clone(app);
    on(&app.page.verdict, "change", move |_| {
        at_verdict.filter();
        Ok(())
    });
    let clear: Element = find("clear-filter")?;
    let at_clear = Rc::clone(app);
    on(&clear, "click", move |_| {
        at_clear.page.filter.set_value("");
        at_clear.page.verdict.set_value("all");
        at_clear.filter();
        at_clear.page.filter.focus()
    });
    let at_pause = Rc::clone(app);
    on(&app.page.pause, "click", move |_| at_pause.toggle_pause());
    // A browser may fill in, after a reload, what stood here before.
    app.filter();
    Ok(())
}

fn attach_rows(app: &Rc<App>) -> Result<(), JsValue> {
    let events: Element = find("events")?;
    let at_open = Rc::clone(app);
    on_inside(&events, "toggle", move |event| {
        let Some(details) = target(event).filter(|details| details.has_attribute("open")) else {
            return Ok(());
        };
        let list = at_open.list.borrow();
        let kept = serial_of(&details).and_then(|serial| list.get(serial));
        if let Some(kept) = kept
            && list_view::open(&details, &kept.row)?
        {
            show_receipt(&details, &kept.row.fields.id);
        }
        Ok(())
    });
    let at_click = Rc::clone(app);
    on(&events, "click", move |event| {
        let Some(button) = target(event).filter(|element| element.has_attribute("data-action"))
        else {
            return Ok(());
        };
        let list = at_click.list.borrow();
        let Some(kept) = serial_of(&button).and_then(|serial| list.get(serial)) else {
            return Ok(());
        };
        match button.get_attribute("data-action").as_deref() {
            Some("receipt") => show_receipt(&button, &kept.row.fields.id),
            _ => list_view::show_all(&button, &kept.row),
        }
        Ok(())
    });
    Ok(())
}

/// Fetches the receipt of the row around this element.
fn show_receipt(inside: &Element, id: &str) {
    let Some(place) = receipt_place(inside) else {
        return;
    };
    let path = format!("/v1/receipts/{}", percent_encoded(id));
    spawn_local(async move {
        let text = match http::call("GET", &path, None, None).await {
            Ok(receipt) => pretty(&receipt),
            Err(failure) => failure.words(),
        };
        set_text(&place, &visible(&text));
    });
}

fn attach_install(app: &Rc<App>) -> Result<(), JsValue> {
    // Who comes back from the terminal may have made a key there.
    let at_return = Rc::clone(app);
    on(window()?.as_ref(), "focus", move |_| {
        let app = Rc::clone(&at_return);
        spawn_local(async move {
            app.look_for_keys().await;
        });
        Ok(())
    });
    let at_choice = Rc::clone(app);
    on(&app.install_view.keys, "change", move |_| {
        at_choice
            .install
            .borrow_mut()
            .select(&at_choice.install_view.keys.value());
        at_choice.install_view.draw(&at_choice.install.borrow())
    });
    let at_copy = Rc::clone(app);
    on(&app.install_view.copy, "click", move |_| {
        let html = at_copy
            .install
            .borrow()
            .selected()
            .map(|embed| embed.html.clone());
        let app = Rc::clone(&at_copy);
        spawn_local(async move {
            let copied = copy(&html.unwrap_or_default()).await;
            if !copied {
                report(app.install_view.mark_code());
            }
            let words = if copied { "Copied" } else { "Press Ctrl+C" };
            set_text(&app.install_view.copy, words);
            TimeoutFuture::new(COPIED).await;
            set_text(&app.install_view.copy, "Copy");
        });
        Ok(())
    });
    Ok(())
}
