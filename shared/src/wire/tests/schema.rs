//! Tests of the OpenAPI schemas.

use super::*;
use std::vec;
use utoipa::ToSchema;

fn schema_of<T: ToSchema>() -> serde_json::Value {
    serde_json::to_value(T::schema()).unwrap()
}

#[test]
fn bodies_say_which_fields_are_required_and_of_which_type() {
    let event = schema_of::<EventBody<'_>>();
    assert_eq!(event["type"], "object");
    assert_eq!(event["required"], serde_json::json!(["email", "event"]));
    assert_eq!(event["properties"]["email"]["type"], "string");
    assert_eq!(event["properties"]["email"]["format"], "email");
    assert_eq!(
        event["properties"]["properties"]["type"],
        serde_json::json!(["object", "null"])
    );
    assert_eq!(event["properties"]["messageId"]["maxLength"], 255);
    assert!(
        event["properties"]["email"]["description"]
            .as_str()
            .unwrap()
            .contains("Who did it")
    );
    let names: Vec<&String> = event["properties"].as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            "anonymousId",
            "email",
            "event",
            "id",
            "key",
            "messageId",
            "properties",
            "timestamp"
        ]
    );

    let purchase = schema_of::<PurchaseBody<'_>>();
    assert_eq!(
        purchase["required"],
        serde_json::json!(["email", "orderId", "revenue", "currency"])
    );
    assert_eq!(purchase["properties"]["revenue"]["type"], "number");
    assert_eq!(
        purchase["properties"]["items"]["items"]["$ref"],
        "#/components/schemas/ItemBody"
    );
    assert_eq!(
        schema_of::<RefundBody<'_>>()["required"],
        serde_json::json!(["orderId", "refundId"])
    );
    assert_eq!(
        schema_of::<IdentifyBody<'_>>()["required"],
        serde_json::json!(["email"])
    );
    assert_eq!(
        schema_of::<BatchEvent<'_>>()["required"],
        serde_json::json!(["type"])
    );
    let batch = schema_of::<BatchBody<'_>>();
    assert_eq!(batch["required"], serde_json::json!(["events"]));
    assert_eq!(
        batch["properties"]["events"]["items"]["$ref"],
        "#/components/schemas/BatchEvent"
    );
    assert_eq!(batch["properties"]["events"]["maxItems"], 1000);
    assert_eq!(
        schema_of::<MessageBody<'_>>()["required"],
        serde_json::json!(["email"])
    );
    let messages = schema_of::<MessageBatchBody<'_>>();
    assert_eq!(messages["required"], serde_json::json!(["messages"]));
    assert_eq!(
        messages["properties"]["messages"]["items"]["$ref"],
        "#/components/schemas/MessageBody"
    );
    assert_eq!(messages["properties"]["messages"]["maxItems"], 1000);
}

#[test]
fn bodies_are_named_without_their_lifetime_and_bring_what_they_refer_to() {
    assert_eq!(EventBody::name(), "EventBody");
    assert_eq!(BatchEvent::name(), "BatchEvent");
    let mut schemas = vec![];
    BatchBody::schemas(&mut schemas);
    let names: Vec<String> = schemas
        .into_iter()
        .map(|(name, _)| name.to_string())
        .collect();
    assert!(
        names.contains(&"BatchEvent".into()) && names.contains(&"ItemBody".into()),
        "{names:?}"
    );
}

#[test]
fn answers_have_schemas_that_fit_their_json() {
    let error = schema_of::<ErrorBody>();
    assert_eq!(error["required"], serde_json::json!(["success", "error"]));
    let status = schema_of::<BatchStatus>();
    assert_eq!(
        status["enum"],
        serde_json::json!(["tracked", "duplicate", "rejected"])
    );
    assert_eq!(
        schema_of::<BatchResult>()["allOf"][1]["required"],
        serde_json::json!(["id", "status"])
    );
}

#[test]
fn every_bodys_example_is_accepted() {
    fn example<T: ToSchema>() -> String {
        schema_of::<T>()["example"].to_string()
    }
    accepted(event(&example::<EventBody<'_>>()));
    accepted(purchase(&example::<PurchaseBody<'_>>()));
    accepted(refund(&example::<RefundBody<'_>>()));
    accepted(identify(&example::<IdentifyBody<'_>>()));
    accepted(entry(&example::<BatchEvent<'_>>()));
    let batch = example::<BatchBody<'_>>();
    for event in parse_batch(body(&batch).unwrap()).unwrap().events {
        accepted(entry(event.get()));
    }
    let message = |text: &str| {
        let parsed = parse_message(&body(text).unwrap(), Timestamp::from_millis(NOW));
        assert!(parsed.unknown_fields.is_empty());
        parsed.outcome.unwrap()
    };
    message(&example::<MessageBody<'_>>());
    let batch = example::<MessageBatchBody<'_>>();
    for raw in parse_messages(&body(&batch).unwrap()).unwrap() {
        message(raw.get());
    }
    let utm = example::<UtmBody<'_>>();
    message(&format!(r#"{{"email":"a@b.c","utm":{utm}}}"#));
}

#[test]
fn optional_fields_of_answers_are_left_out_and_never_null() {
    assert_eq!(
        schema_of::<Refused>()["properties"]["code"]["type"],
        "string"
    );
    assert_eq!(
        schema_of::<ErrorDetail>()["properties"]["fields"]["type"],
        "array"
    );
    assert_eq!(
        schema_of::<EventAnswer>()["properties"]["reason"]["type"],
        "string"
    );
}
