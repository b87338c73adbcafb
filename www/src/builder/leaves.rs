//! Each kind of condition as a sentence with fields in it: what can be chosen there, for all that the language knows.

use shared::segment::value::Value;

use super::conditions;
use super::fields::{Act, Choice, Edit, Field, Form, Input, Part, shown_at};
use super::names::Kind;
use super::place::{child, element, find};
use super::times;
use super::words::{
    CLASSES, FACTS, INCLUDE_NEW, KINDS, MEASURED, MEASURES, MESSAGE_CLASSES, ORDERS, SOURCES,
    STEPS, TIMES, VERBS, WITHOUT,
};

/// A sentence that is being put together, about the condition at a place.
pub(super) struct Sentence<'v> {
    root: &'v Value,
    pub(super) parts: Vec<Part>,
}

/// The sentence of the condition at a place. `asks_new` says that it is asked whether newer contacts are meant.
pub(crate) fn sentence(root: &Value, path: &str, asks_new: bool) -> Vec<Part> {
    let mut said = Sentence {
        root,
        parts: Vec::new(),
    };
    let kinds: Vec<&str> = KINDS.iter().map(|Choice(word, ..)| *word).collect();
    let kind = said.present(path, &kinds);
    said.verb(path, kind);
    match kind {
        "event" => said.event(path, false),
        "trait" => conditions::test(&mut said, path, "trait", Kind::Trait),
        "purchase" => said.purchase(path, false),
        "message" => said.message(path, false),
        "score" => said.numbers(&child(path, "score"), false),
        "segment" => said.text(&child(path, kind), "Segment", Kind::Segment, Form::Text),
        "sequence" => said.sequence(path),
        _ => times::seen(&mut said, path, kind),
    }
    if asks_new || find(root, &child(path, "includeNew")).is_some() {
        said.choice(
            path,
            "includeNew",
            "Contacts who are younger than the window",
            &["includeNew"],
            INCLUDE_NEW,
        );
    }
    said.parts
}

impl Sentence<'_> {
    pub(super) fn words(&mut self, words: &'static str) {
        self.parts.push(Part::Words(words));
    }

    pub(super) fn shown(&self, path: &str) -> String {
        shown_at(self.root, path)
    }

    pub(super) fn has(&self, path: &str) -> bool {
        find(self.root, path).is_some()
    }

    pub(super) fn value(&self, path: &str) -> Option<&Value> {
        find(self.root, path)
    }

    /// Which of these names the object at a place has.
    pub(super) fn present<'n>(&self, path: &str, names: &[&'n str]) -> &'n str {
        let names = names.iter();
        names
            .copied()
            .find(|name| self.has(&child(path, name)))
            .unwrap_or_default()
    }

    pub(super) fn field(&mut self, field: Field) {
        self.parts.push(Part::Field(field));
    }

    pub(super) fn typed(&mut self, path: &str, label: &'static str, input: Input, form: Form) {
        let value = self.shown(path);
        self.field(Field {
            key: path.to_owned(),
            label,
            input,
            value,
            edit: Edit::Put(path.to_owned(), form),
        });
    }

    pub(super) fn text(&mut self, path: &str, label: &'static str, kind: Kind, form: Form) {
        self.typed(path, label, Input::Text(kind), form);
    }

    /// A choice that is known by the value of the one field that it stands for.
    fn choice(
        &mut self,
        path: &str,
        name: &'static str,
        label: &'static str,
        drop: &'static [&'static str],
        choices: &'static [Choice],
    ) {
        let value = self.shown(&child(path, name));
        self.swap(path, name, label, drop, choices, value);
    }

    /// A choice between fields of an object; `value` is what is chosen.
    pub(super) fn swap(
        &mut self,
        path: &str,
        name: &str,
        label: &'static str,
        drop: &'static [&'static str],
        choices: &'static [Choice],
        value: String,
    ) {
        let path = path.to_owned();
        self.field(Field {
            key: format!("{}?", child(&path, name)),
            label,
            input: options(choices),
            value,
            edit: Edit::Swap {
                path,
                drop,
                choices,
            },
        });
    }

    pub(super) fn act(&mut self, key: String, says: &'static str, label: &'static str, edit: Edit) {
        self.parts.push(Part::Act(Act {
            key,
            says,
            label,
            edit,
        }));
    }

    /// Of which kind the condition is.
    fn verb(&mut self, path: &str, kind: &str) {
        let own = |(word, says): (&str, &str)| (word.to_owned(), says.to_owned());
        let kind = if kind == "lastSeen" {
            "firstSeen"
        } else {
            kind
        };
        self.field(Field {
            key: format!("{path}!kind"),
            label: "Kind of condition",
            input: Input::Choice(VERBS.map(own).into()),
            value: kind.to_owned(),
            edit: Edit::Become(path.to_owned(), KINDS),
        });
    }

    fn event(&mut self, path: &str, is_step: bool) {
        let name = child(path, "event");
        self.text(&name, "Name of the event", Kind::Event, Form::Text);
        let property = Kind::Property(self.shown(&name));
        if !is_step {
            self.measure(path, &property);
        }
        let list = child(path, "where");
        let count = match self.value(&list) {
            Some(Value::List(tests)) => tests.len(),
            _ => 0,
        };
        for at in 0..count {
            self.words(if at == 0 { "where" } else { "and" });
            let test = element(&list, at);
            conditions::test(self, &test, "property", property.clone());
            self.act(
                format!("{test}-"),
                "×",
                "Remove this detail",
                Edit::Remove(test.clone()),
            );
        }
        for (name, label, choices) in [("source", "Source", SOURCES), ("class", "By whom", CLASSES)]
        {
            if self.has(&child(path, name)) {
                let drop: &'static [&'static str] = if name == "source" {
                    &["source"]
                } else {
                    &["class"]
                };
                self.choice(path, name, label, drop, choices);
            }
        }
        times::window(self, path);
        self.more(path);
    }

    /// What an event condition may say besides.
    fn more(&mut self, path: &str) {
        let json = r#"{"property":"","eq":""}"#;
        let push = Edit::Push {
            path: path.to_owned(),
            name: "where",
            json,
        };
        let swap = |drop: &'static [&'static str], choices: &'static [Choice]| Edit::Swap {
            path: path.to_owned(),
            drop,
            choices,
        };
        let mut edits = vec![("where", push)];
        let mut says = vec![("", "+ detail"), ("where", "where a property …")];
        if !self.has(&child(path, "source")) {
            edits.extend([
                ("browser", swap(&["source"], SOURCES)),
                ("server", swap(&["source"], SOURCES)),
                ("mail", swap(&["source"], SOURCES)),
            ]);
            says.extend([
                ("browser", "from pages"),
                ("server", "from servers"),
                ("mail", "from mail clients"),
            ]);
        }
        if !self.has(&child(path, "class")) {
            edits.extend([
                ("machine", swap(&["class"], CLASSES)),
                ("any", swap(&["class"], CLASSES)),
            ]);
            says.extend([
                ("machine", "by machines"),
                ("any", "by people and machines"),
            ]);
        }
        let own = |(word, says): (&str, &str)| (word.to_owned(), says.to_owned());
        self.field(Field {
            key: format!("{}+", child(path, "where")),
            label: "Say more of the event",
            input: Input::Choice(says.into_iter().map(own).collect()),
            value: String::new(),
            edit: Edit::Menu(edits),
        });
    }

    fn measure(&mut self, path: &str, property: &Kind) {
        let names = ["count", "sum", "min", "max", "avg", "first", "last"];
        let which = self.present(path, &names);
        self.swap(
            path,
            "count",
            "How often, or how much",
            MEASURED,
            MEASURES,
            which.to_owned(),
        );
        match which {
            "" => {}
            "count" => self.count(&child(path, "count")),
            "first" | "last" => {
                conditions::test(self, &child(path, which), "property", property.clone());
            }
            which => {
                let label = "Property that is a number";
                self.text(&child(path, which), label, property.clone(), Form::Text);
                self.words("being");
                self.numbers(path, true);
            }
        }
    }

    fn purchase(&mut self, path: &str, is_step: bool) {
        let inner = child(path, "purchase");
        if !is_step {
            let which = self.present(&inner, &["count", "sum"]);
            self.swap(
                &inner,
                "count",
                "How often, or for how much",
                &["count", "sum"],
                ORDERS,
                which.to_owned(),
            );
            match which {
                "count" => self.count(&child(&inner, "count")),
                "sum" => self.numbers(&child(&inner, "sum"), true),
                _ => {}
            }
        }
        self.words("in");
        self.text(
            &child(&inner, "currency"),
            "Currency",
            Kind::Currency,
            Form::MaybeText,
        );
        times::window(self, path);
    }

    fn message(&mut self, path: &str, is_step: bool) {
        let what = child(path, "message");
        let value = self.shown(&what);
        let is_click = value == "clicked";
        self.field(Field {
            key: what.clone(),
            label: "What happened to the mail",
            input: options(FACTS),
            value,
            edit: Edit::Become(what, FACTS),
        });
        self.words("of");
        self.text(
            &child(path, "campaignId"),
            "Campaign",
            Kind::Campaign,
            Form::MaybeText,
        );
        self.text(
            &child(path, "messageId"),
            "Message",
            Kind::Message,
            Form::MaybeText,
        );
        let link = child(path, "link");
        if is_click || self.has(&link) {
            self.text(&link, "Link", Kind::Link, Form::MaybeText);
        }
        if !is_step {
            self.choice(path, "without", "And what did not", &["without"], WITHOUT);
            let which = self.present(path, &["count"]);
            self.swap(
                path,
                "count",
                "How often",
                &["count"],
                TIMES,
                which.to_owned(),
            );
            if which == "count" {
                self.count(&child(path, "count"));
            }
        }
        self.choice(path, "class", "By whom", &["class"], MESSAGE_CLASSES);
        times::window(self, path);
    }

    fn sequence(&mut self, path: &str) {
        let list = child(path, "sequence");
        let count = match self.value(&list) {
            Some(Value::List(steps)) => steps.len(),
            _ => 0,
        };
        for at in 0..count {
            let step = element(&list, at);
            if at > 0 {
                self.words("then");
            }
            let kind = self.present(&step, &["event", "purchase", "message"]);
            self.field(Field {
                key: format!("{step}?"),
                label: "Kind of step",
                input: options(STEPS),
                value: kind.to_owned(),
                edit: Edit::Become(step.clone(), STEPS),
            });
            match kind {
                "purchase" => self.purchase(&step, true),
                "message" => self.message(&step, true),
                _ => self.event(&step, true),
            }
            if count > 2 {
                self.act(
                    format!("{step}-"),
                    "×",
                    "Remove this step",
                    Edit::Remove(step.clone()),
                );
            }
        }
        let json = r#"{"event":""}"#;
        let push = Edit::Push {
            path: path.to_owned(),
            name: "sequence",
            json,
        };
        self.act(format!("{list}+"), "+ step", "Add a step", push);
        times::gap(self, path);
    }
}

/// The choices as a field shows them.
pub(super) fn options(choices: &[Choice]) -> Input {
    let own = |Choice(word, says, _): &Choice| ((*word).to_owned(), (*says).to_owned());
    Input::Choice(choices.iter().map(own).collect())
}
