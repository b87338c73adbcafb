//! The document in the shape that generators want.

use super::*;

fn shaped(schemas: Value) -> Value {
    let names = schemas.as_object().unwrap().keys();
    let references: Vec<_> = names
        .map(|name| json!({"schema": {"$ref": format!("#/components/schemas/{name}")}}))
        .collect();
    let document = json!({"components": {"schemas": schemas}, "paths": {}, "x-used": references});
    of(document)["components"]["schemas"].take()
}

#[test]
fn a_choice_of_words_is_an_enum_and_other_patterns_stay() {
    let schemas = shaped(json!({
        "Order": {"type": ["string", "null"], "pattern": "^(asc|desc)$"},
        "Seq": {"type": "string", "pattern": "^[0-9]{24}$"},
        "Key": {"type": "string", "pattern": "^(a[0-9]|b)$"},
    }));
    assert_eq!(
        schemas["Order"],
        json!({"type": "string", "enum": ["asc", "desc"]})
    );
    assert_eq!(schemas["Seq"]["pattern"], "^[0-9]{24}$");
    assert_eq!(schemas["Key"]["pattern"], "^(a[0-9]|b)$");
}

#[test]
fn schemas_that_nothing_refers_to_are_left_out() {
    let document = of(json!({"paths": {}, "components": {"schemas": {
        "Alone": {"$ref": "#/components/schemas/OfAlone"}, "OfAlone": {"type": "string"}}}}));
    assert_eq!(document["components"]["schemas"], json!({}));
}

#[test]
fn what_serde_flattens_is_one_object() {
    let schemas = shaped(json!({
        "Inner": {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}},
        "Outer": {"description": "Both.", "allOf": [
            {"$ref": "#/components/schemas/Inner"},
            {"type": "object", "required": ["b"], "properties": {"b": {"type": "integer"}}},
        ]},
    }));
    assert_eq!(
        schemas["Outer"],
        json!({"type": "object", "description": "Both.", "required": ["a", "b"],
            "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}})
    );
}

#[test]
fn what_serde_tags_is_named_and_has_a_discriminator() {
    let variant = |value: &str| {
        json!({"allOf": [
            {"type": "object", "properties": {"id": {"type": "string"}}},
            {"type": "object", "required": ["status"], "properties": {"status": {"type": "string", "enum": [value]}}},
        ]})
    };
    let schemas = shaped(json!({"Said": {"oneOf": [variant("taken"), variant("not_taken")]}}));
    assert_eq!(
        schemas["Said"],
        json!({
            "oneOf": [{"$ref": "#/components/schemas/SaidTaken"}, {"$ref": "#/components/schemas/SaidNotTaken"}],
            "discriminator": {"propertyName": "status", "mapping": {
                "taken": "#/components/schemas/SaidTaken", "not_taken": "#/components/schemas/SaidNotTaken"}},
        })
    );
    assert_eq!(
        schemas["SaidTaken"]["properties"]["status"]["enum"],
        json!(["taken"])
    );
    assert_eq!(schemas["SaidNotTaken"]["required"], json!(["status"]));
}

#[test]
fn success_has_one_value_and_free_objects_take_any_field() {
    let success = json!({"type": "boolean"});
    let schemas = shaped(json!({
        "Good": {"type": "object", "properties": {"success": success, "free": {"type": ["object", "null"]}}},
        "Bad": {"type": "object", "properties": {"success": success, "error": {"type": "string"}}},
        "Example": {"type": "string", "example": {"type": "object"}},
    }));
    assert_eq!(schemas["Good"]["properties"]["success"]["const"], true);
    assert_eq!(schemas["Bad"]["properties"]["success"]["const"], false);
    assert_eq!(
        schemas["Good"]["properties"]["free"]["additionalProperties"],
        true
    );
    assert_eq!(schemas["Example"]["example"], json!({"type": "object"}));
}

#[test]
fn operations_say_who_may_and_how_they_refuse_and_parameters_are_never_null() {
    let document = of(json!({"components": {"schemas": {}}, "paths": {"/x": {
        "get": {"parameters": [{"schema": {"type": ["string", "null"]}}], "responses": {"200": {}}},
        "post": {"security": [{"secret_key": []}], "responses": {"404": {}}},
        "delete": {"security": [{}], "responses": {"4XX": {}, "200": {"content": {"image/gif": {"schema": {"type": "array"}}}}}},
    }}}));
    let item = &document["paths"]["/x"];
    assert_eq!(item["get"]["security"], json!([]));
    assert_eq!(item["delete"]["security"], json!([]));
    assert_eq!(item["post"]["security"], json!([{"secret_key": []}]));
    assert_eq!(
        item["get"]["parameters"][0]["schema"],
        json!({"type": "string"})
    );
    assert!(item["get"]["responses"]["4XX"]["content"]["application/json"].is_object());
    assert_eq!(item["post"]["responses"], json!({"404": {}}));
    let bytes = &item["delete"]["responses"]["200"]["content"]["image/gif"]["schema"];
    assert_eq!(bytes, &json!({"type": "string", "format": "binary"}));
    assert_eq!(document["servers"][0]["url"], BASE);
}
