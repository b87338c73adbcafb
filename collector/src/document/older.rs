//! The document as OpenAPI 3.0, for generators that read no other: pure, from a 3.1 document. What 3.0 cannot
//! say is said more widely, never more narrowly.

use serde_json::{Map, Value, json};

use super::shape::each_schema;

/// Words of JSON Schema that 3.0 does not have; without them a schema takes more.
const UNKNOWN_WORDS: [&str; 18] = [
    "$anchor",
    "$comment",
    "$defs",
    "$dynamicAnchor",
    "$dynamicRef",
    "$id",
    "$schema",
    "contains",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "if",
    "maxContains",
    "minContains",
    "patternProperties",
    "propertyNames",
    "then",
    "unevaluatedProperties",
];

/// The same document in 3.0.
pub(super) fn of(document: &Value) -> Value {
    let mut document = document.clone();
    document["openapi"] = "3.0.3".into();
    if let Some(map) = document.as_object_mut() {
        map.remove("jsonSchemaDialect");
        map.remove("webhooks");
    }
    if let Some(Value::Object(info)) = document.get_mut("info") {
        info.remove("summary");
        if let Some(Value::Object(license)) = info.get_mut("license")
            && license.remove("identifier").is_some()
        {
            license.insert("url".into(), "https://spdx.org/licenses/".into());
        }
    }
    if let Some(Value::Object(components)) = document.get_mut("components") {
        components.remove("pathItems");
    }
    each_schema(&mut document, &mut older);
    document
}

/// One schema; those in it are done already.
fn older(schema: &mut Value) {
    let map = match schema {
        Value::Object(map) => map,
        Value::Bool(true) => {
            *schema = json!({});
            return;
        }
        Value::Bool(false) => {
            *schema = json!({"not": {}});
            return;
        }
        _ => return,
    };
    for word in UNKNOWN_WORDS {
        map.remove(word);
    }
    if let Some(value) = map.remove("const") {
        map.insert("enum".into(), json!([value]));
    }
    if let Some(Value::Array(examples)) = map.remove("examples")
        && let Some(first) = examples.into_iter().next()
    {
        map.entry("example").or_insert(first);
    }
    if map
        .get("required")
        .is_some_and(|required| required == &json!([]))
    {
        map.remove("required");
    }
    if map.remove("prefixItems").is_some() {
        map.entry("items").or_insert(json!({}));
    }
    for (word, bound) in [
        ("exclusiveMinimum", "minimum"),
        ("exclusiveMaximum", "maximum"),
    ] {
        if let Some(value @ Value::Number(_)) = map.get(word).cloned() {
            map.insert(bound.into(), value);
            map.insert(word.into(), true.into());
        }
    }
    contents(map);
    types(map);
    variants(map);
    reference(map);
    if is_array_without_items(map) {
        map.insert("items".into(), json!({}));
    }
}

/// Bytes in a text, and a text that is all bytes.
fn contents(map: &mut Map<String, Value>) {
    let format = match map.remove("contentEncoding") {
        Some(Value::String(coding)) if coding.starts_with("base64") => Some("byte"),
        Some(_) => None,
        None => map.contains_key("contentMediaType").then_some("binary"),
    };
    map.remove("contentMediaType");
    map.remove("contentSchema");
    if let Some(format) = format {
        map.entry("format").or_insert(format.into());
    }
}

/// A list of types: one and whether it may be null, or several schemas of one type each.
fn types(map: &mut Map<String, Value>) {
    let names = match map.remove("type") {
        Some(Value::Array(names)) => names,
        Some(Value::String(name)) if name == "null" => vec![name.into()],
        Some(other) => {
            map.insert("type".into(), other);
            return;
        }
        None => return,
    };
    let (nulls, names): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| name == "null");
    if !nulls.is_empty() {
        map.insert("nullable".into(), true.into());
    }
    match names.as_slice() {
        // Null alone: 3.0 has no word for it.
        [] => {
            map.insert("enum".into(), json!([null]));
        }
        [only] => {
            map.insert("type".into(), only.clone());
        }
        several => {
            let schemas: Vec<_> = several.iter().map(|name| json!({"type": name})).collect();
            map.insert("anyOf".into(), schemas.into());
        }
    }
}

/// A variant that is null makes the whole nullable.
fn variants(map: &mut Map<String, Value>) {
    for word in ["oneOf", "anyOf"] {
        let Some(Value::Array(variants)) = map.get_mut(word) else {
            continue;
        };
        let before = variants.len();
        variants.retain(|variant| variant["enum"] != json!([null]));
        if variants.len() == before {
            continue;
        }
        let left = variants.clone();
        if left.len() == 1 {
            map.remove(word);
            map.insert("allOf".into(), left.into());
        }
        map.insert("nullable".into(), true.into());
    }
}

/// Beside a reference nothing counts in 3.0, so that it goes into an `allOf`.
fn reference(map: &mut Map<String, Value>) {
    if map.len() > 1
        && let Some(target) = map.remove("$ref")
    {
        map.insert("allOf".into(), json!([{"$ref": target}]));
    }
}

fn is_array_without_items(map: &Map<String, Value>) -> bool {
    map.get("type").is_some_and(|kind| kind == "array") && !map.contains_key("items")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made_older(schema: Value) -> Value {
        let document = of(&json!({"openapi": "3.1.0", "components": {"schemas": {"X": schema}}}));
        document["components"]["schemas"]["X"].clone()
    }

    #[test]
    fn each_word_of_3_1_has_its_form_in_3_0() {
        let reference = json!({"$ref": "#/components/schemas/Y"});
        for (newer, older) in [
            (json!({"type": "string"}), json!({"type": "string"})),
            (
                json!({"type": ["string", "null"]}),
                json!({"type": "string", "nullable": true}),
            ),
            (
                json!({"type": ["string", "integer"]}),
                json!({"anyOf": [{"type": "string"}, {"type": "integer"}]}),
            ),
            (
                json!({"type": "null"}),
                json!({"nullable": true, "enum": [null]}),
            ),
            (
                json!({"type": "boolean", "const": true}),
                json!({"type": "boolean", "enum": [true]}),
            ),
            (
                json!({"type": "string", "examples": ["a", "b"]}),
                json!({"type": "string", "example": "a"}),
            ),
            (
                json!({"type": "number", "exclusiveMinimum": 0}),
                json!({"type": "number", "minimum": 0, "exclusiveMinimum": true}),
            ),
            (
                json!({"type": "number", "exclusiveMaximum": 9}),
                json!({"type": "number", "maximum": 9, "exclusiveMaximum": true}),
            ),
            (reference.clone(), reference.clone()),
            (
                json!({"$ref": "#/components/schemas/Y", "description": "Why."}),
                json!({"allOf": [reference], "description": "Why."}),
            ),
            (
                json!({"oneOf": [reference, {"type": "null"}]}),
                json!({"allOf": [reference], "nullable": true}),
            ),
            (
                json!({"anyOf": [reference, {"type": "string"}, {"type": "null"}]}),
                json!({"anyOf": [reference, {"type": "string"}], "nullable": true}),
            ),
            (
                json!({"type": "object", "propertyNames": {"pattern": "a"}, "additionalProperties": true}),
                json!({"type": "object", "additionalProperties": true}),
            ),
            (
                json!({"type": "string", "contentEncoding": "base64"}),
                json!({"type": "string", "format": "byte"}),
            ),
            (
                json!({"type": "string", "contentMediaType": "image/gif"}),
                json!({"type": "string", "format": "binary"}),
            ),
            (
                json!({"type": "array", "prefixItems": [{"type": "string"}]}),
                json!({"type": "array", "items": {}}),
            ),
            (
                json!({"type": "object", "required": []}),
                json!({"type": "object"}),
            ),
            (json!(true), json!({})),
            (json!(false), json!({"not": {}})),
        ] {
            assert_eq!(made_older(newer.clone()), older, "{newer}");
        }
    }

    #[test]
    fn inner_schemas_change_and_values_of_callers_do_not() {
        let inner = json!({"type": ["string", "null"]});
        let wanted = json!({"type": "string", "nullable": true});
        let older = made_older(
            json!({"type": "object", "properties": {"type": inner, "const": inner},
            "items": inner, "additionalProperties": inner, "not": inner, "example": {"type": ["a", "null"]}}),
        );
        for pointer in [
            "/properties/type",
            "/properties/const",
            "/items",
            "/additionalProperties",
            "/not",
        ] {
            assert_eq!(older.pointer(pointer), Some(&wanted), "{pointer}");
        }
        assert_eq!(older["example"], json!({"type": ["a", "null"]}));
        let parameter = of(
            &json!({"paths": {"/x": {"get": {"parameters": [{"name": "const", "schema": inner}],
            "responses": {"200": {"content": {"application/json": {"schema": inner}}}}}}}}),
        );
        let operation = &parameter["paths"]["/x"]["get"];
        assert_eq!(operation["parameters"][0]["schema"], wanted);
        assert_eq!(
            operation["responses"]["200"]["content"]["application/json"]["schema"],
            wanted
        );
    }

    #[test]
    fn the_document_itself_names_its_version_and_nothing_that_3_0_lacks() {
        let older = of(
            &json!({"openapi": "3.1.0", "webhooks": {}, "jsonSchemaDialect": "x",
            "info": {"title": "T", "summary": "S", "license": {"name": "MIT", "identifier": "MIT"}}}),
        );
        assert_eq!(
            older,
            json!({"openapi": "3.0.3",
                "info": {"title": "T", "license": {"name": "MIT", "url": "https://spdx.org/licenses/"}}})
        );
    }

    #[test]
    fn our_own_document_keeps_no_word_of_3_1() {
        fn walk(value: &Value, path: &str) {
            match value {
                Value::Object(map) => {
                    for (key, inner) in map {
                        let here = format!("{path}/{key}");
                        let is_name = path.ends_with("/properties") || path.ends_with("/schemas");
                        if !is_name {
                            assert!(
                                !UNKNOWN_WORDS.contains(&key.as_str()) && key != "const",
                                "{here}"
                            );
                            assert!(key != "type" || inner.is_string(), "{here}");
                            assert!(key != "$ref" || map.len() == 1, "{here}");
                        }
                        if key != "example" {
                            walk(inner, &here);
                        }
                    }
                }
                Value::Array(list) => list.iter().for_each(|inner| walk(inner, path)),
                _ => {}
            }
        }
        walk(&of(&super::super::document()), "");
    }
}
