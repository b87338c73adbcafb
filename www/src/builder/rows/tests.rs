//! What the builder shows and writes is what was read: for the labelled scenarios of the language, and at random.

use std::collections::BTreeMap;

use proptest::prelude::*;
use shared::segment::Definition;
use shared::segment::value::Value;

use super::*;
use crate::builder::fields::{Act, Choice, Edit, Field, Input};
use crate::builder::place::find_mut;
use crate::builder::words::KINDS;

/// The fields of a row in their order.
fn fields(root: &Value, path: &str) -> Vec<Field> {
    let mut found = Vec::new();
    let whole = rows(root);
    whole.each(&mut |row| {
        if let Body::Leaf(parts) = &row.body
            && row.path == path
        {
            found = parts.clone();
        }
    });
    let fields = found.into_iter().filter_map(|part| match part {
        Part::Field(field) => Some(field),
        Part::Words(_) | Part::Act(_) => None,
    });
    fields.collect()
}

fn acts(root: &Value, path: &str) -> Vec<Act> {
    let mut found = Vec::new();
    let whole = rows(root);
    whole.each(&mut |row| {
        if let Body::Leaf(parts) = &row.body
            && row.path == path
        {
            found.extend(parts.iter().filter_map(|part| match part {
                Part::Act(act) => Some(act.clone()),
                Part::Words(_) | Part::Field(_) => None,
            }));
        }
    });
    found
}

/// Sets one field of `root` that shows something else than it is to, or makes room for one. Says whether there was any.
fn approach(root: &mut Value, path: &str, wanted: &[Field]) -> bool {
    let shown = fields(root, path);
    let by_key: BTreeMap<&str, &Field> = shown
        .iter()
        .map(|field| (field.key.as_str(), field))
        .collect();
    for want in wanted {
        match by_key.get(want.key.as_str()) {
            Some(field) if field.value == want.value => {}
            Some(field) => {
                field.edit.apply(root, &want.value).unwrap();
                return true;
            }
            None => {
                let is_menu = |field: &&Field| matches!(field.edit, Edit::Menu(_));
                let menu = shown.iter().filter(is_menu).find(|menu| {
                    let of = menu.key.trim_end_matches("where+");
                    want.key.starts_with(of)
                });
                let word = if want.key.contains("where[") {
                    "where"
                } else {
                    &want.value
                };
                let by_menu = menu.and_then(|menu| menu.edit.apply(root, word));
                if by_menu.is_none() {
                    let acts = acts(root, path);
                    let step = acts.iter().find(|act| act.key.ends_with("sequence+"));
                    let step = step.unwrap_or_else(|| panic!("no way to {}", want.key));
                    step.edit.apply(root, "").unwrap();
                }
                return true;
            }
        }
    }
    false
}

/// Writes each condition of a definition anew, by its fields alone.
fn check(json: &str) {
    let definition = Definition::parse(json).unwrap_or_else(|error| panic!("{json}: {error}"));
    let root = Value::read(&definition.to_json()).unwrap();
    let mut anew = root.clone();
    let whole = rows(&root);
    let mut leaves = Vec::new();
    whole.each(&mut |row| {
        if matches!(row.body, Body::Leaf(_)) {
            leaves.push((row.path.clone(), row.inner.clone()));
        }
    });
    for (path, inner) in leaves {
        let head = |choice: &&Choice| find(&root, &child(&inner, choice.0)).is_some();
        let Choice(.., json) = KINDS.iter().find(head).unwrap();
        *find_mut(&mut anew, &inner).unwrap() = Value::read(json).unwrap();
        let wanted = fields(&root, &path);
        let mut edits = 0;
        while approach(&mut anew, &path, &wanted) {
            edits += 1;
            assert!(edits < 500, "{json} becomes {}", anew.to_json());
        }
    }
    let written = Definition::parse(&anew.to_json());
    assert_eq!(
        written.as_ref(),
        Ok(&definition),
        "{json} became {}",
        anew.to_json()
    );
}

/// All definitions under a name, wherever they stand.
fn definitions(json: &serde_json::Value, found: &mut Vec<String>) {
    match json {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                if name == "definition" {
                    found.push(value.to_string());
                }
                definitions(value, found);
            }
        }
        serde_json::Value::Array(parts) => {
            parts.iter().for_each(|part| definitions(part, found));
        }
        _ => {}
    }
}

#[test]
fn every_definition_of_the_scenarios_is_written_by_its_fields_as_it_was_read() {
    let file = include_str!("../../../../shared/tests/data/cases/segments.json");
    let mut found = Vec::new();
    definitions(&serde_json::from_str(file).unwrap(), &mut found);
    // Some are there to be refused.
    found.retain(|json| Definition::parse(json).is_ok());
    assert!(found.len() > 50, "{}", found.len());
    found.iter().for_each(|json| check(json));
}

/// JSON of a field, or none.
fn maybe(field: impl Strategy<Value = String> + 'static) -> BoxedStrategy<String> {
    prop_oneof![
        Just(String::new()),
        field.prop_map(|field| format!(",{field}"))
    ]
    .boxed()
}

fn text() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        "[a-z]{1,8}",
        "\\PC{1,12}",
        Just("12".to_owned()),
        Just("true".to_owned())
    ];
    text.prop_map(|text| serde_json::to_string(&text).unwrap())
}

fn name() -> impl Strategy<Value = String> {
    "[a-z]{1,8}(_[a-z]{1,4})?\\*?".prop_map(|name| format!("\"x{name}\""))
}

fn path() -> impl Strategy<Value = String> {
    "[a-z]{1,5}(\\.[a-z]{1,5})?".prop_map(|path| format!("\"{path}\""))
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i32>().prop_map(|n| n.to_string()),
        "[0-9]{1,3}\\.[0-9]{1,9}",
        Just("0".to_owned())
    ]
    .prop_filter("numbers", |text| {
        shared::decimal::Decimal::parse(text).is_ok()
    })
}

fn span() -> impl Strategy<Value = String> {
    "[1-9][0-9]{0,1}[smhdw]".prop_map(|span| format!("\"{span}\""))
}

fn scalar() -> BoxedStrategy<String> {
    prop_oneof![
        text(),
        number(),
        Just("true".to_owned()),
        Just("false".to_owned())
    ]
    .boxed()
}

fn moment() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("\"now\"".to_owned()),
        Just("\"2026-03-01\"".to_owned()),
        Just("\"2026-03-01T10:00:00.000Z\"".to_owned()),
        span().prop_map(|span| format!(r#"{{"ago":{span}}}"#)),
        span().prop_map(|span| format!(r#"{{"ahead":{span}}}"#)),
    ]
}

fn test() -> BoxedStrategy<String> {
    let of = |word: &'static str, value: BoxedStrategy<String>| {
        value
            .prop_map(move |value| format!("\"{word}\":{value}"))
            .boxed()
    };
    let list = || {
        let values = proptest::collection::vec(scalar(), 1..4);
        values
            .prop_map(|values| format!("[{}]", values.join(",")))
            .boxed()
    };
    let truth = || any::<bool>().prop_map(|truth| truth.to_string()).boxed();
    prop_oneof![
        of("eq", scalar()),
        of("ne", scalar()),
        of("contains", scalar()),
        of("gt", number().boxed()),
        of("lte", number().boxed()),
        of("in", list()),
        of("notIn", list()),
        of("startsWith", text().boxed()),
        of("endsWith", text().boxed()),
        of("exists", truth()),
        of("empty", truth()),
        of("before", moment().boxed()),
        of("after", moment().boxed()),
        of(
            "on",
            prop_oneof![
                Just("\"today\"".to_owned()),
                Just("\"2026-03-01\"".to_owned())
            ]
            .boxed()
        ),
    ]
    .boxed()
}

fn property() -> BoxedStrategy<String> {
    (path(), test())
        .prop_map(|(path, test)| format!(r#"{{"property":{path},{test}}}"#))
        .boxed()
}

fn numbers() -> impl Strategy<Value = String> {
    prop_oneof![
        (prop_oneof!["gt", "gte", "lt", "lte", "eq"], number())
            .prop_map(|(word, n)| format!("\"{word}\":{n}")),
        (
            prop_oneof!["gt", "gte"],
            0..50,
            prop_oneof!["lt", "lte"],
            60..90
        )
            .prop_map(|(lower, a, upper, b)| format!("\"{lower}\":{a},\"{upper}\":{b}")),
    ]
}

fn count() -> impl Strategy<Value = String> {
    let range = prop_oneof![
        (0..1000).prop_map(|n| format!("\"gte\":{n}")),
        (0..1000).prop_map(|n| format!("\"lte\":{n}")),
        (0..1000).prop_map(|n| format!("\"eq\":{n}")),
        (0..10, 10..20).prop_map(|(a, b)| format!("\"gte\":{a},\"lte\":{b}")),
    ];
    range.prop_map(|range| format!("\"count\":{{{range}}}"))
}

fn window() -> impl Strategy<Value = String> {
    prop_oneof![
        span().prop_map(|span| format!("\"within\":{span}")),
        Just("\"within\":\"today\"".to_owned()),
        Just(r#""between":{"from":"2026-01-01","to":"2026-02-01"}"#.to_owned()),
        Just(r#""between":{"from":"2026-01-01T00:00:00.000Z","to":"2026-02-01"}"#.to_owned()),
        Just(r#""ago":{"from":"14d","to":"7d"}"#.to_owned()),
    ]
}

fn event() -> BoxedStrategy<String> {
    let measure = prop_oneof![
        count(),
        (prop_oneof!["sum", "min", "max", "avg"], path(), numbers())
            .prop_map(|(of, path, numbers)| format!("\"{of}\":{path},{numbers}")),
        (prop_oneof!["first", "last"], property())
            .prop_map(|(edge, test)| format!("\"{edge}\":{test}")),
    ];
    let conditions = proptest::collection::vec(property(), 1..3);
    let conditions = conditions.prop_map(|all| format!("\"where\":[{}]", all.join(",")));
    let source =
        prop_oneof!["browser", "server", "mail"].prop_map(|word| format!("\"source\":\"{word}\""));
    let class = prop_oneof!["machine", "any"].prop_map(|word| format!("\"class\":\"{word}\""));
    (
        name(),
        maybe(measure),
        maybe(conditions),
        maybe(source),
        maybe(class),
        maybe(window()),
    )
        .prop_map(|(name, a, b, c, d, e)| format!("{{\"event\":{name}{a}{b}{c}{d}{e}}}"))
        .boxed()
}

fn leaf() -> BoxedStrategy<String> {
    let fact = || {
        prop_oneof![
            "sent",
            "delivered",
            "opened",
            "clicked",
            "unsubscribed",
            "bounced",
            "complained"
        ]
    };
    let message = (
        fact(),
        maybe(fact().prop_map(|fact| format!("\"without\":\"{fact}\""))),
        maybe(Just(
            "\"campaignId\":\"autumn\",\"messageId\":\"m1\"".to_owned(),
        )),
        maybe(
            prop_oneof!["genuine", "machine", "any"]
                .prop_map(|word| format!("\"class\":\"{word}\"")),
        ),
        maybe(count()),
        maybe(window()),
    );
    let seen = prop_oneof![
        window(),
        moment().prop_map(|at| format!("\"before\":{at}")),
        moment().prop_map(|at| format!("\"after\":{at}")),
        Just("\"on\":\"yesterday\"".to_owned()),
        any::<bool>().prop_map(|truth| format!("\"exists\":{truth}")),
    ];
    let step = prop_oneof![
        (name(), maybe(window()))
            .prop_map(|(name, window)| format!("{{\"event\":{name}{window}}}")),
        Just(r#"{"purchase":{"currency":"EUR"}}"#.to_owned()),
        Just(r#"{"message":"clicked","link":"https://x.example/"}"#.to_owned()),
    ];
    let steps = proptest::collection::vec(step, 2..5);
    let within = maybe(span().prop_map(|span| format!("\"within\":{span}")));
    prop_oneof![
        3 => event(),
        1 => (path(), test()).prop_map(|(path, test)| format!("{{\"trait\":{path},{test}}}")),
        1 => numbers().prop_map(|numbers| format!("{{\"score\":{{{numbers}}}}}")),
        1 => (maybe(count()), maybe(window()))
            .prop_map(|(count, window)| format!("{{\"purchase\":{{{}}}{window}}}", count.trim_start_matches(','))),
        1 => (numbers(), maybe(window()))
            .prop_map(|(sum, window)| format!("{{\"purchase\":{{\"sum\":{{{sum}}},\"currency\":\"EUR\"}}{window}}}")),
        2 => message.prop_map(|(what, a, b, c, d, e)| format!("{{\"message\":\"{what}\"{a}{b}{c}{d}{e}}}")),
        1 => (prop_oneof!["firstSeen", "lastSeen"], seen).prop_map(|(which, test)| format!("{{\"{which}\":{{{test}}}}}")),
        1 => Just(r#"{"segment":"seg_5f1c9a03b2d47e608c11"}"#.to_owned()),
        1 => (steps, within).prop_map(|(steps, within)| format!("{{\"sequence\":[{}]{within}}}", steps.join(","))),
    ]
    .boxed()
}

fn definition() -> impl Strategy<Value = String> {
    let whole = leaf().prop_recursive(3, 12, 4, |inner| {
        let parts = proptest::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            (prop_oneof!["all", "any"], parts)
                .prop_map(|(word, parts)| format!("{{\"{word}\":[{}]}}", parts.join(","))),
            inner.prop_map(|inner| format!("{{\"not\":{inner}}}")),
        ]
    });
    // Where newer contacts are asked of, it is said of them; what cannot hold is left out.
    whole.prop_filter_map("definitions", |json| {
        let mut root = Value::read(&json).ok()?;
        while let Err(error) = Definition::parse(&root.to_json()) {
            let leaf = error
                .path
                .strip_suffix(".includeNew")
                .or((error.path == "includeNew").then_some(""))?;
            match find_mut(&mut root, leaf)? {
                Value::Object(fields) => fields.push(("includeNew".to_owned(), Value::Bool(true))),
                _ => return None,
            }
        }
        Some(root.to_json())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn any_definition_is_written_by_its_fields_as_it_was_read(json in definition()) {
        check(&json);
    }

    /// Whatever is pressed, what stands there is a document that rows can be made of, and a definition that comes of
    /// it is shown as it is written.
    #[test]
    fn random_choices_keep_a_document(steps in proptest::collection::vec((any::<u16>(), any::<u16>(), "[a-z0-9.]{0,4}"), 0..40)) {
        let mut root = Value::read(r#"{"all":[{"event":"a"},{"any":[{"not":{"purchase":{}}}]}]}"#).unwrap();
        for (which, choice, text) in steps {
            let mut all = Vec::new();
            rows(&root).each(&mut |row| all.push(row.path.clone()));
            let path = &all[usize::from(which) % all.len()];
            let fields = fields(&root, path);
            let Some(field) = fields.get(usize::from(choice) % fields.len().max(1)) else {
                continue;
            };
            let text = match &field.input {
                Input::Choice(choices) => choices[usize::from(which) % choices.len()].0.clone(),
                _ => text,
            };
            let done = field.edit.apply(&mut root, &text);
            prop_assert!(done.is_some() || matches!(field.edit, Edit::Menu(_)), "{}", field.key);
            settle(&mut root);
        }
        if let Ok(definition) = Definition::parse(&root.to_json()) {
            check(&definition.to_json());
        }
    }
}
