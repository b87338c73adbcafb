//! One field on the page: its input, or the two of a span, and the menu of what else may be said.

use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, HtmlInputElement, HtmlSelectElement, HtmlTextAreaElement};

use crate::builder::fields::{Edit, Field, Input, span_parts};
use crate::builder::names::{Kind, Names};
use crate::dom::{add, element};
use crate::text::one_line;

/// Units of spans, and what they say.
const UNITS: [(&str, &str); 5] = [
    ("s", "seconds"),
    ("m", "minutes"),
    ("h", "hours"),
    ("d", "days"),
    ("w", "weeks"),
];

/// A field on the page.
pub(super) struct FieldView {
    pub(super) field: Field,
    whole: Element,
    /// What has the value.
    input: Element,
    /// Of a span.
    unit: Option<Element>,
}

impl FieldView {
    pub(super) fn new(field: &Field, path: &str, names: &Names) -> Result<Self, JsValue> {
        let (whole, input, unit) = match &field.input {
            _ if matches!(field.edit, Edit::Menu(_)) => {
                let menu = menu_of(field, path)?;
                (menu.clone(), menu, None)
            }
            Input::Choice(options) => alone(select(options, &field.value)?),
            Input::Text(Kind::Segment) => {
                let choose = ("".to_owned(), "— which —".to_owned());
                let mut options = vec![choose];
                options.extend(names.segments(None));
                if !options.iter().any(|(id, _)| *id == field.value) {
                    options.push((field.value.clone(), field.value.clone()));
                }
                alone(select(&options, &field.value)?)
            }
            Input::Text(kind) => {
                let input = text_input("", placeholder(kind))?;
                input.set_attribute("list", "completions")?;
                alone(input)
            }
            Input::Number => {
                let input = text_input("short", "0")?;
                input.set_attribute("inputmode", "decimal")?;
                alone(input)
            }
            Input::Date => {
                let input = text_input("", "")?;
                input.set_attribute("type", "date")?;
                alone(input)
            }
            Input::Lines(_) => {
                let area = element("textarea", "", "")?;
                area.set_attribute("rows", "2")?;
                area.set_attribute("placeholder", "one a line")?;
                alone(area)
            }
            Input::Span => {
                let whole = element("span", "span", "")?;
                let number = text_input("short", "30")?;
                number.set_attribute("inputmode", "numeric")?;
                let options = UNITS.map(|(unit, says)| (unit.to_owned(), says.to_owned()));
                let unit = select(&options, span_parts(&field.value).1)?;
                unit.set_attribute("aria-label", &format!("{}: unit", field.label))?;
                unit.set_attribute("data-of", &field.key)?;
                unit.set_attribute("data-key", &format!("{} unit", field.key))?;
                add(&whole, &number)?;
                add(&whole, &unit)?;
                (whole, number, Some(unit))
            }
        };
        if !matches!(field.edit, Edit::Menu(_)) {
            input.set_attribute("aria-label", field.label)?;
            input.set_attribute("data-key", &field.key)?;
        }
        let view = Self {
            field: field.clone(),
            whole,
            input,
            unit,
        };
        view.put();
        Ok(view)
    }

    pub(super) fn element(&self) -> &Element {
        &self.whole
    }

    /// What is set now.
    pub(super) fn typed(&self) -> String {
        let value = value_of(&self.input);
        match &self.unit {
            Some(unit) => format!("{}{}", value.trim(), value_of(unit)),
            None => value,
        }
    }

    /// Whether the same element can show another field.
    pub(super) fn fits(&self, field: &Field) -> bool {
        sign(&self.field.input) == sign(&field.input)
    }

    /// Shows another value, and what setting it does now.
    pub(super) fn show(&mut self, field: &Field) {
        self.field = field.clone();
        if self.typed() != field.value {
            self.put();
        }
    }

    /// Marks the field as the one where something is missing.
    pub(super) fn mark(&self, is_missing: bool) -> Result<(), JsValue> {
        if is_missing {
            self.input.set_attribute("aria-invalid", "true")
        } else {
            self.input.remove_attribute("aria-invalid")
        }
    }

    fn put(&self) {
        match &self.unit {
            Some(unit) => {
                let (number, of) = span_parts(&self.field.value);
                set_value(&self.input, number);
                set_value(unit, of);
            }
            None => set_value(&self.input, &self.field.value),
        }
    }
}

fn alone(input: Element) -> (Element, Element, Option<Element>) {
    (input.clone(), input, None)
}

fn text_input(class: &str, placeholder: &str) -> Result<Element, JsValue> {
    let input = element("input", class, "")?;
    input.set_attribute("type", "text")?;
    input.set_attribute("autocomplete", "off")?;
    input.set_attribute("autocapitalize", "off")?;
    input.set_attribute("spellcheck", "false")?;
    if !placeholder.is_empty() {
        input.set_attribute("placeholder", placeholder)?;
    }
    Ok(input)
}

fn placeholder(kind: &Kind) -> &'static str {
    match kind {
        Kind::Event => "event, or page_*",
        Kind::Property(_) => "property",
        Kind::Trait => "trait",
        Kind::PropertyValue(..) | Kind::TraitValue(_) => "value",
        Kind::Campaign => "any campaign",
        Kind::Message => "any message",
        Kind::Link => "any link",
        Kind::Currency => "any currency",
        Kind::Segment => "",
        Kind::Instant => "2026-03-01T10:00:00Z",
    }
}

/// A choice with its options.
pub(super) fn select(options: &[(String, String)], value: &str) -> Result<Element, JsValue> {
    let select = element("select", "", "")?;
    for (word, says) in options {
        let option = element("option", "", &one_line(says, 60))?;
        option.set_attribute("value", word)?;
        add(&select, &option)?;
    }
    set_value(&select, value);
    Ok(select)
}

/// A menu that opens by its summary.
pub(super) fn menu(says: &str, key: &str) -> Result<Element, JsValue> {
    let menu = element("details", "menu", "")?;
    let summary = element("summary", "", says)?;
    summary.set_attribute("data-key", key)?;
    add(&menu, &summary)?;
    Ok(menu)
}

/// The menu of what else may be said: a button for each choice but the first, which is its title.
fn menu_of(field: &Field, path: &str) -> Result<Element, JsValue> {
    let Input::Choice(options) = &field.input else {
        return element("span", "", "");
    };
    let title = options.first().map_or("", |(_, says)| says);
    let menu = menu(title, &field.key)?;
    let place = element("div", "", "")?;
    for (word, says) in options.iter().skip(1) {
        let button = element("button", "", says)?;
        button.set_attribute("type", "button")?;
        button.set_attribute("data-menu", word)?;
        button.set_attribute("data-path", path)?;
        button.set_attribute("data-of", &field.key)?;
        button.set_attribute("data-key", &format!("{} {word}", field.key))?;
        add(&place, &button)?;
    }
    add(&menu, &place)?;
    Ok(menu)
}

/// What tells one way of setting something from another.
fn sign(input: &Input) -> String {
    match input {
        Input::Choice(options) => options.iter().map(|(word, _)| format!("|{word}")).collect(),
        Input::Text(_) => "t".to_owned(),
        Input::Number => "n".to_owned(),
        Input::Span => "s".to_owned(),
        Input::Date => "d".to_owned(),
        Input::Lines(_) => "l".to_owned(),
    }
}

/// What stands in an input, a choice or a text area.
pub(super) fn value_of(element: &Element) -> String {
    if let Some(input) = element.dyn_ref::<HtmlInputElement>() {
        input.value()
    } else if let Some(select) = element.dyn_ref::<HtmlSelectElement>() {
        select.value()
    } else if let Some(area) = element.dyn_ref::<HtmlTextAreaElement>() {
        area.value()
    } else {
        String::new()
    }
}

/// Puts a value there, unless it is there already: that would move the caret.
fn set_value(element: &Element, value: &str) {
    if value_of(element) == value {
        return;
    }
    if let Some(input) = element.dyn_ref::<HtmlInputElement>() {
        input.set_value(value);
    } else if let Some(select) = element.dyn_ref::<HtmlSelectElement>() {
        select.set_value(value);
    } else if let Some(area) = element.dyn_ref::<HtmlTextAreaElement>() {
        area.set_value(value);
    }
}
