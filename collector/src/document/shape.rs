//! What annotations cannot say, and what generators stumble over: pure, from the collected document to the one
//! that is served.
//!
//! - `success` has the one value that it can have.
//! - An object of the caller's own fields says that it takes any.
//! - What serde flattens is one object, instead of an `allOf` that some generators give two types.
//! - What serde tags is a `oneOf` of named objects, with its discriminator.
//! - A pattern that is a choice of words is an enum of them.
//! - Bytes are no list of numbers.
//! - A parameter is never null: it is there or not.
//! - An operation without keys says so, and each one says how it is refused.

use serde_json::{Map, Value, json};

use super::BASE;
use crate::error::codes;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
/// What any operation may be answered before it is looked at.
const REFUSED: &str = "Refused: no sound HTTP request, or a secret key in the address; `error.message` says what to do";

/// The document that is served, with [`BASE`] for its server.
pub(super) fn of(mut document: Value) -> Value {
    document["servers"] = json!([{"url": BASE, "description": "This server"}]);
    let components = document["components"]["schemas"].take();
    let mut schemas = flatten_all(components);
    name_variants(&mut schemas);
    for schema in schemas.values_mut() {
        fix_success(schema);
    }
    list_codes(&mut schemas);
    document["components"]["schemas"] = Value::Object(schemas);
    each_schema(&mut document, &mut open_free_objects);
    each_schema(&mut document, &mut close_sets);
    for (_, _, operation) in operations_mut(&mut document) {
        complete(operation);
    }
    prune(&mut document);
    let table = code_table();
    if let Some(Value::String(text)) = document.pointer_mut("/info/description") {
        text.push_str(&table);
    }
    document
}

/// Every operation of a document, with its path and method.
pub(super) fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let methods = METHODS.into_iter();
        methods.filter_map(move |method| Some((path.as_str(), method, item.get(method)?)))
    })
}

fn operations_mut(document: &mut Value) -> impl Iterator<Item = (&str, &str, &mut Value)> {
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let item = item.as_object_mut().into_iter().flatten();
        item.filter(|(method, _)| METHODS.contains(&method.as_str()))
            .map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

/// The name of the component that a reference leads to.
pub(super) fn target(schema: &Value) -> Option<&str> {
    schema["$ref"]
        .as_str()?
        .strip_prefix("#/components/schemas/")
}

/// Applies a change to every schema of a document, inner ones first.
pub(super) fn each_schema(value: &mut Value, change: &mut impl FnMut(&mut Value)) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map.iter_mut() {
                match key.as_str() {
                    // Values of the callers', in which anything may stand.
                    "example" | "examples" | "enum" | "const" => {}
                    // That of a schema; there is a response of this name too.
                    "default" if inner.get("description").is_none() => {}
                    "schema" | "items" | "additionalProperties" | "not" if inner.is_object() => {
                        schema_and_inner(inner, change);
                    }
                    "schemas" | "properties" | "patternProperties" if inner.is_object() => {
                        let schemas = inner.as_object_mut().into_iter().flatten();
                        schemas.for_each(|(_, schema)| schema_and_inner(schema, change));
                    }
                    "oneOf" | "anyOf" | "allOf" => {
                        let schemas = inner.as_array_mut().into_iter().flatten();
                        schemas.for_each(|schema| schema_and_inner(schema, change));
                    }
                    _ => each_schema(inner, change),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|inner| each_schema(inner, change)),
        _ => {}
    }
}

fn schema_and_inner(schema: &mut Value, change: &mut impl FnMut(&mut Value)) {
    each_schema(schema, change);
    change(schema);
}

/// Whether a schema's `type` is this one, or has it among others.
pub(super) fn is_of_type(schema: &Value, name: &str) -> bool {
    match &schema["type"] {
        Value::String(only) => only == name,
        Value::Array(names) => names.iter().any(|known| known == name),
        _ => false,
    }
}

fn flatten_all(schemas: Value) -> Map<String, Value> {
    let Value::Object(schemas) = schemas else {
        return Map::new();
    };
    let flat = |(name, schema): (&String, &Value)| (name.clone(), flattened(schema, &schemas));
    schemas.iter().map(flat).collect()
}

/// A schema in which each `allOf` of objects is one object.
fn flattened(schema: &Value, schemas: &Map<String, Value>) -> Value {
    let mut schema = schema.clone();
    for word in ["oneOf", "anyOf"] {
        for variant in list_mut(&mut schema, word) {
            *variant = flattened(variant, schemas);
        }
    }
    let Some(parts) = schema.get("allOf").and_then(Value::as_array).cloned() else {
        return schema;
    };
    let mut object = json!({"type": "object"});
    for part in &parts {
        let part = match target(part).and_then(|name| schemas.get(name)) {
            Some(named) => flattened(named, schemas),
            None => flattened(part, schemas),
        };
        let Some(properties) = part["properties"].as_object() else {
            // No object: what it is, only its author knows, and `rules` asks.
            return schema;
        };
        for (name, property) in properties {
            object["properties"][name] = property.clone();
        }
        for name in part["required"].as_array().into_iter().flatten() {
            match &mut object["required"] {
                Value::Array(required) => required.push(name.clone()),
                required => *required = json!([name]),
            }
        }
    }
    for word in ["description", "example", "title"] {
        if let Some(value) = schema.get(word) {
            object[word] = value.clone();
        }
    }
    object
}

/// Gives the variants of what serde tags names of their own, `LiveMessageTracked` of `LiveMessage` and
/// `tracked`, and says which field tells them apart.
fn name_variants(schemas: &mut Map<String, Value>) {
    let mut named = Vec::new();
    for (parent, schema) in schemas.iter_mut() {
        let variants = schema.get("oneOf").and_then(Value::as_array);
        let variants = variants.cloned().unwrap_or_default();
        let Some((tag, values)) = tag_of(&variants) else {
            continue;
        };
        let mut mapping = Map::new();
        let mut references = Vec::new();
        for (value, variant) in values.into_iter().zip(variants) {
            let name = format!("{parent}{}", pascal(&value));
            let reference = format!("#/components/schemas/{name}");
            references.push(json!({"$ref": reference}));
            mapping.insert(value, reference.into());
            named.push((name, variant));
        }
        schema["oneOf"] = references.into();
        schema["discriminator"] = json!({"propertyName": tag, "mapping": mapping});
    }
    schemas.extend(named);
}

/// The elements of a list of an object, none where it has no such list.
fn list_mut<'a>(object: &'a mut Value, name: &str) -> impl Iterator<Item = &'a mut Value> {
    let list = object.get_mut(name).and_then(Value::as_array_mut);
    list.into_iter().flatten()
}

/// The field that has one value in each variant, and the values.
fn tag_of(variants: &[Value]) -> Option<(String, Vec<String>)> {
    let first = variants.first()?["properties"].as_object()?;
    first.keys().find_map(|tag| {
        let value =
            |variant: &Value| match variant["properties"][tag]["enum"].as_array()?.as_slice() {
                [Value::String(only)] => Some(only.clone()),
                _ => None,
            };
        let values: Option<Vec<_>> = variants.iter().map(value).collect();
        Some((tag.clone(), values?))
    })
}

fn pascal(value: &str) -> String {
    let words = value.split(|c: char| !c.is_alphanumeric());
    words
        .flat_map(|word| {
            let mut letters = word.chars();
            let first = letters.next().into_iter().flat_map(char::to_uppercase);
            first.chain(letters)
        })
        .collect()
}

/// `success` is false beside an `error`, and true elsewhere.
fn fix_success(schema: &mut Value) {
    let is_error = schema["properties"].get("error").is_some();
    if let Some(Value::Object(success)) = schema.pointer_mut("/properties/success")
        && success.get("type").is_some_and(|kind| kind == "boolean")
    {
        success.insert("const".into(), (!is_error).into());
    }
}

fn list_codes(schemas: &mut Map<String, Value>) {
    let code = schemas
        .get_mut("ErrorDetail")
        .and_then(|detail| detail.pointer_mut("/properties/code"));
    if let Some(Value::Object(code)) = code {
        // Not an `enum`: new codes come, and a client that was generated before must read them.
        code.insert("x-extensible-enum".into(), codes::all().into());
    }
}

fn code_table() -> String {
    let mut table =
        "\n\nThe codes, by status; `error.code` is one of them, and new ones may come:\n"
            .to_owned();
    for (status, codes) in codes::by_status() {
        let codes: Vec<_> = codes.iter().map(|code| format!("`{code}`")).collect();
        table.push_str(&format!("\n- {status}: {}", codes.join(", ")));
    }
    table
}

fn open_free_objects(schema: &mut Value) {
    let says_nothing = [
        "properties",
        "additionalProperties",
        "allOf",
        "oneOf",
        "anyOf",
        "$ref",
    ]
    .iter()
    .all(|word| schema.get(word).is_none());
    if is_of_type(schema, "object") && says_nothing {
        schema["additionalProperties"] = true.into();
    }
}

/// A pattern that is a choice of words, `^(asc|desc)$`, is the set of them. A text that may be absent is not
/// null beside that.
fn close_sets(schema: &mut Value) {
    let Some(words) = schema
        .get("pattern")
        .and_then(Value::as_str)
        .and_then(choice)
    else {
        return;
    };
    schema["type"] = "string".into();
    schema["enum"] = words.into();
    if let Value::Object(map) = schema {
        map.remove("pattern");
    }
}

fn choice(pattern: &str) -> Option<Vec<String>> {
    let words = pattern.strip_prefix("^(")?.strip_suffix(")$")?.split('|');
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    words
        .map(|word| is_word(word).then(|| word.to_owned()))
        .collect()
}

/// Takes away the schemas that nothing refers to once others are flat.
fn prune(document: &mut Value) {
    loop {
        let text = document.to_string();
        let Some(Value::Object(schemas)) = document.pointer_mut("/components/schemas") else {
            return;
        };
        let before = schemas.len();
        schemas.retain(|name, _| text.contains(&format!("\"#/components/schemas/{name}\"")));
        if schemas.len() == before {
            return;
        }
    }
}

fn complete(operation: &mut Value) {
    let is_open = match operation.get("security") {
        None => true,
        Some(security) => security == &json!([{}]),
    };
    if is_open {
        operation["security"] = json!([]);
    }
    for parameter in list_mut(operation, "parameters") {
        if let Some(schema) = parameter.get_mut("schema") {
            not_null(schema);
        }
    }
    let Some(responses) = operation["responses"].as_object_mut() else {
        return;
    };
    for response in responses.values_mut() {
        let contents = response.get_mut("content").and_then(Value::as_object_mut);
        for (media, content) in contents.into_iter().flatten() {
            if media.starts_with("image/") {
                content["schema"] = json!({"type": "string", "format": "binary"});
            }
        }
    }
    if !responses.keys().any(|status| status.starts_with('4')) {
        let schema = json!({"$ref": "#/components/schemas/ErrorBody"});
        let content = json!({"application/json": {"schema": schema}});
        responses.insert(
            "4XX".into(),
            json!({"description": REFUSED, "content": content}),
        );
    }
}

fn not_null(schema: &mut Value) {
    if let Some(Value::Array(variants)) = schema.get_mut("oneOf") {
        variants.retain(|variant| variant["type"] != "null");
        if let [only] = variants.as_slice() {
            *schema = only.clone();
        }
    }
    let Some(Value::Array(names)) = schema.get_mut("type") else {
        return;
    };
    names.retain(|name| name != "null");
    if let [only] = names.as_slice() {
        schema["type"] = only.clone();
    }
}

#[cfg(test)]
mod tests;
