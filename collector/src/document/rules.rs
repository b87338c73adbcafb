//! What must hold of every route's annotations, so that generators make clients of the document that people
//! like. Each rule says how to mend what breaks it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::examples::{NoExample, example_of_body, example_of_parameter, of as example_of};
use super::shape::{each_schema, is_of_type, operations, target};
use super::{BASE, document};

/// Where nobody shows a key (design, section 4.4).
const OPEN: [&str; 7] = [
    "/healthz",
    "/readyz",
    "/openapi.json",
    "/openapi-3.0.json",
    "/mail/",
    "/schemas/",
    "/session",
];
/// Fields and parameters whose texts are ours, and of which there are few.
const CLOSED: [&str; 10] = [
    "type", "status", "source", "class", "groupBy", "model", "order", "pixel", "reason", "format",
];
/// Of those, the ones that hold a text of another kind somewhere, and why.
const NOT_CLOSED: [(&str, &str, &str); 10] = [
    ("Health", "status", "a sentence that says why not"),
    (
        "EventView",
        "reason",
        "of the classifier, which learns new ones",
    ),
    (
        "TimelineEntryEvent",
        "reason",
        "of the classifier, which learns new ones",
    ),
    (
        "TimelineEntryMail",
        "reason",
        "of the classifier, which learns new ones",
    ),
    (
        "HeldLineEvent",
        "reason",
        "of the classifier, which learns new ones",
    ),
    (
        "HeldLineRejected",
        "reason",
        "of the classifier, which learns new ones",
    ),
    (
        "LiveMessageTracked",
        "reason",
        "of the classifier, which learns new ones",
    ),
    ("UtmBody", "source", "the caller's"),
    ("DeliveryBody", "reason", "the words of a mail server"),
    ("BatchEvent", "reason", "the words of a mail server"),
];

/// A breach: where, and what to do.
fn breach(place: &str, mend: &str) -> String {
    format!("{place}: {mend}")
}

/// Every schema of a document with a name for its place: a component or an operation, and what follows.
fn schemas(document: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (name, schema) in document["components"]["schemas"]
        .as_object()
        .into_iter()
        .flatten()
    {
        found.push((name.clone(), schema.clone()));
        let mut copy = schema.clone();
        each_schema(&mut copy, &mut |inner| {
            found.push((format!("in {name}"), inner.clone()))
        });
    }
    for (path, method, operation) in operations(document) {
        let mut copy = operation.clone();
        each_schema(&mut copy, &mut |inner| {
            found.push((format!("in {method} {path}"), inner.clone()))
        });
    }
    found
}

/// Properties with the component or operation that they stand in.
fn properties(document: &Value) -> Vec<(String, String, Value, bool)> {
    let mut found = Vec::new();
    for (place, schema) in schemas(document) {
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let is_required = required.iter().any(|known| known == name.as_str());
            found.push((place.clone(), name.clone(), property.clone(), is_required));
        }
    }
    found
}

/// What a generator makes a type of: the JSON of an answer, that it has none, or that it is something else.
fn kind_of(answer: &Value) -> String {
    let json = &answer["content"]["application/json"]["schema"];
    match (json, answer.get("content")) {
        (Value::Null, None) => "nothing".into(),
        (Value::Null, Some(_)) => "something".into(),
        (schema, _) => schema.to_string(),
    }
}

fn breaches_of_operations(document: &Value) -> Vec<String> {
    let mut breaches = Vec::new();
    let mut ids = Vec::new();
    let tags: Vec<_> = document["tags"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|tag| &tag["name"])
        .collect();
    for (path, method, operation) in operations(document) {
        let place = format!("{method} {path}");
        let mut must = |holds: bool, mend: &str| {
            if !holds {
                breaches.push(breach(&place, mend));
            }
        };
        let id = operation["operationId"].as_str().unwrap_or_default();
        must(
            !id.is_empty() && !ids.contains(&id),
            "give the function a name of its own: it is the operationId",
        );
        ids.push(id);
        let summary = operation["summary"].as_str().unwrap_or_default();
        must(
            !summary.is_empty() && !summary.ends_with('.') && summary.chars().count() <= 80,
            "begin the function's documentation with one line, without a full stop: it is the summary",
        );
        must(
            operation["description"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "leave a blank line behind the summary and say more: it is the description",
        );
        must(
            operation["tags"]
                .as_array()
                .is_some_and(|of| of.len() == 1 && tags.contains(&&of[0])),
            "give it one `tag` of those in document/about.rs",
        );
        let is_open = operation["security"].as_array().is_none_or(Vec::is_empty);
        let may_be_open = OPEN.iter().any(|start| path.starts_with(start));
        must(
            !is_open || may_be_open,
            "say who may ask: `security((\"secret_key\" = []), …)`",
        );
        let responses = operation["responses"].as_object();
        must(
            responses.is_some_and(|answers| {
                answers.values().all(|answer| {
                    answer["description"]
                        .as_str()
                        .is_some_and(|text| !text.is_empty())
                })
            }),
            "describe each response",
        );
        let bare = |status: &str| {
            responses
                .and_then(|answers| answers.get(status))
                .is_some_and(|answer| answer.get("content").is_none())
        };
        must(
            !bare("4XX") && !bare("503"),
            "a refusal has a body: `body = ErrorBody`",
        );
        let kinds = |is_of: fn(&str) -> bool| {
            let all = responses.into_iter().flatten();
            let of_these = all.filter(|(status, _)| is_of(status));
            let kinds: BTreeSet<_> = of_these.map(|(_, answer)| kind_of(answer)).collect();
            kinds.len()
        };
        must(
            kinds(|status| status.starts_with('2')) <= 1
                && kinds(|status| status.starts_with('4') || status.starts_with('5')) <= 1,
            "what is given has one type, and what is refused one (`body = ErrorBody`): generators make one of each",
        );
        let names: Vec<_> = operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|parameter| {
                let name = parameter["name"].as_str().unwrap_or_default();
                name.replace(['-', '_'], "").to_lowercase()
            })
            .collect();
        must(
            names.iter().collect::<BTreeSet<_>>().len() == names.len(),
            "two parameters of one name, but for case and hyphens, are one to generators: leave one out",
        );
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap_or_default();
            let mut must = |holds: bool, mend: &str| {
                if !holds {
                    breaches.push(breach(&format!("{place}, {name}"), mend));
                }
            };
            let schema = &parameter["schema"];
            must(
                !is_of_type(schema, "null"),
                "a parameter is there or not, it is never null",
            );
            let described = parameter
                .get("description")
                .or_else(|| schema.get("description"));
            must(described.is_some(), "describe the parameter");
            must(
                parameter["required"] != true
                    || path.contains("{token}")
                    || parameter["in"] == "header"
                    || example_of_parameter(parameter).is_some(),
                "give what is required an `example` that works: /docs makes a request of it",
            );
            must(
                !CLOSED.contains(&name) || schema.get("enum").is_some(),
                "say the words that it takes: `#[param(inline, value_type = Option<…>)]` with a set of document/words.rs, or `pattern = \"^(one|two)$\"`",
            );
        }
        if operation.get("requestBody").is_some() {
            let place = format!("{place}, the body");
            let content = operation["requestBody"]["content"].get("application/json");
            if content.is_none() {
                breaches.push(breach(&place, "say what it is as `application/json`"));
            } else if example_of(document, path, method, operation) != Err(NoExample::OwnPages)
                && example_of_body(document, operation).is_none()
            {
                breaches.push(breach(
                    &place,
                    "give it an `example` that is taken: /docs makes a request of it",
                ));
            }
        }
    }
    breaches
}

fn breaches_of_schemas(document: &Value) -> Vec<String> {
    let mut breaches = Vec::new();
    for (place, schema) in schemas(document) {
        let mut must = |holds: bool, mend: &str| {
            if !holds {
                breaches.push(breach(&place, mend));
            }
        };
        must(
            schema.get("allOf").is_none(),
            "what is flattened must be objects with `properties`: then it becomes one object",
        );
        must(
            schema.get("anyOf").is_none(),
            "no `anyOf`: generators cannot tell which one came; use an enum with `#[serde(tag = …)]`",
        );
        if let Some(variants) = schema["oneOf"].as_array() {
            let nullable = variants.iter().any(|variant| variant["type"] == "null");
            must(
                !nullable,
                "a field of an object's type that may be absent is not null: `#[schema(nullable = false)]`",
            );
            must(
                nullable
                    || (schema.get("discriminator").is_some()
                        && variants.iter().all(|variant| target(variant).is_some())),
                "a `oneOf` is an enum of structs with `#[serde(tag = …)]`, so that each is told by one field",
            );
        }
        let free = is_of_type(&schema, "object") && schema.get("properties").is_none();
        must(
            !free || schema.get("additionalProperties").is_some(),
            "an object without fields says what it takes",
        );
        must(
            !is_of_type(&schema, "array") || schema.get("items").is_some(),
            "a list says of what it is",
        );
    }
    for (place, name, property, _) in properties(document) {
        let place_of_name = format!("{place}, {name}");
        let mut must = |holds: bool, mend: &str| {
            if !holds {
                breaches.push(breach(&place_of_name, mend));
            }
        };
        let is_text = is_of_type(&property, "string");
        let is_time = name == "timestamp"
            || name.ends_with("Seen")
            || (name.ends_with("At") && name.len() > 2);
        must(
            !(is_text && is_time) || property["format"] == "date-time",
            "a time is one: `#[schema(format = DateTime)]`",
        );
        let component = place.trim_start_matches("in ");
        let is_free = NOT_CLOSED
            .iter()
            .any(|(of, field, _)| (*of == component || component.ends_with(of)) && *field == name);
        must(
            !(is_text && CLOSED.contains(&name.as_str()))
                || is_free
                || property.get("enum").is_some(),
            "say the words that there are: `#[schema(value_type = …)]` with a set of document/words.rs, or `pattern = \"^(one|two)$\"`",
        );
        must(
            name != "success" || property.get("const").is_some(),
            "`success` is a boolean: its value follows from whether there is an `error`",
        );
    }
    breaches
}

/// The components that an answer can hold and no request does.
fn answered_only(document: &Value) -> Vec<String> {
    let reach = |start: Vec<Value>| {
        let mut names: Vec<String> = Vec::new();
        let mut left = start;
        while let Some(value) = left.pop() {
            let mut copy = value;
            let mut references = Vec::new();
            each_schema(&mut copy, &mut |schema| {
                references.extend(target(schema).map(str::to_owned))
            });
            references.extend(target(&copy).map(str::to_owned));
            for name in references {
                if !names.contains(&name) {
                    left.push(document["components"]["schemas"][&name].clone());
                    names.push(name);
                }
            }
        }
        names
    };
    let bodies = |part: &str| {
        operations(document)
            .map(|(_, _, operation)| operation[part].clone())
            .collect()
    };
    let asked = reach(bodies("requestBody"));
    reach(bodies("responses"))
        .into_iter()
        .filter(|name| !asked.contains(name))
        .collect()
}

#[track_caller]
fn assert_none(breaches: &[String]) {
    assert!(
        breaches.is_empty(),
        "the annotations of these want mending:\n{}",
        breaches.join("\n")
    );
}

#[test]
fn every_operation_says_what_a_client_needs() {
    assert_none(&breaches_of_operations(&document()));
}

#[test]
fn every_schema_is_one_that_generators_understand() {
    assert_none(&breaches_of_schemas(&document()));
}

#[test]
fn what_an_answer_may_leave_out_is_never_null_there() {
    let document = document();
    let answered = answered_only(&document);
    let breaches: Vec<_> = properties(&document)
        .into_iter()
        .filter(|(place, _, property, is_required)| answered.contains(place) && !is_required && is_of_type(property, "null"))
        .map(|(place, name, _, _)| {
            let mend = "with `skip_serializing_if` it is `#[schema(nullable = false)]`; always there, perhaps null, it is `#[schema(required)]`";
            breach(&format!("{place}, {name}"), mend)
        })
        .collect();
    assert_none(&breaches);
}

#[test]
fn what_callers_fill_as_they_like_takes_any_field() {
    let document = document();
    for (schema, property) in [
        ("EventBody", "properties"),
        ("IdentifyBody", "traits"),
        ("BatchBody", "context"),
        ("BatchEvent", "properties"),
        ("BatchEvent", "traits"),
        ("EventView", "properties"),
    ] {
        let property = &document["components"]["schemas"][schema]["properties"][property];
        assert_eq!(
            property["additionalProperties"], true,
            "{schema}: {property}"
        );
    }
}

#[test]
fn the_document_names_its_server_its_version_and_every_code() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["servers"][0]["url"], BASE);
    assert_ne!(document["info"]["version"], "0.0.0");
    let description = document["info"]["description"].as_str().unwrap();
    let listed = &document["components"]["schemas"]["ErrorDetail"]["properties"]["code"]["x-extensible-enum"];
    for code in crate::error::codes::all() {
        assert!(description.contains(&format!("`{code}`")), "{code}");
        assert!(
            listed.as_array().unwrap().iter().any(|known| known == code),
            "{code}"
        );
    }
}

#[test]
fn a_route_without_these_is_noticed() {
    let mut document = document();
    document["paths"]["/v1/new"]["get"] = serde_json::json!({
        "operationId": "list_events", "summary": "Ends with a stop.", "tags": ["unknown"], "security": [],
        "parameters": [{"name": "type", "in": "query", "required": true, "schema": {"type": ["string", "null"]}}],
        "responses": {"200": {"description": ""}, "4XX": {"description": "Refused"}},
    });
    let breaches = breaches_of_operations(&document);
    let of_new: Vec<_> = breaches
        .iter()
        .filter(|breach| breach.starts_with("get /v1/new"))
        .collect();
    assert_eq!(of_new.len(), 11, "{breaches:#?}");
    document["components"]["schemas"]["New"] = serde_json::json!({
        "anyOf": [], "allOf": [], "oneOf": [{"type": "null"}],
        "properties": {"sentAt": {"type": "string"}, "class": {"type": "string"}, "success": {"type": "boolean"},
            "list": {"type": "array"}, "free": {"type": "object"}},
    });
    let breaches = breaches_of_schemas(&document);
    assert_eq!(breaches.len(), 8, "{breaches:#?}");
}
