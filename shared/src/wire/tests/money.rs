//! Tests of purchases and refunds, field by field.

use super::*;

#[test]
fn a_purchase_with_items_is_read_whole() {
    let parsed = purchase(
        r#"{"email":"a@b.c","orderId":" A-1 ","revenue":49.990000000000002,"currency":"usd","items":
        [{"id":7.0,"name":"Mug","price":24.9,"quantity":2.00,"color":"blue"},{"id":"x","more":1}],"coupon":1}"#,
    );
    assert_eq!(
        parsed.unknown_fields,
        ["coupon", "items[0].color", "items[1].more"]
    );
    let event = accepted(parsed);
    assert!(event.rounded);
    let EventKind::Purchase(purchase) = event.kind else {
        panic!("another type")
    };
    assert_eq!(purchase.order_id.as_str(), "A-1");
    assert_eq!(purchase.revenue.to_decimal_string(), "49.99");
    assert_eq!(purchase.revenue.currency.code(), "USD");
    assert_eq!(
        items_json(&purchase.items),
        r#"[{"id":"7.0","name":"Mug","price":24.90,"quantity":2},{"id":"x"}]"#
    );
}

#[test]
fn each_field_of_a_purchase_is_refused_by_its_own_code() {
    for (field, code, named) in [
        (r#""orderId":null"#, "missing_field", "orderId"),
        (r#""revenue":null"#, "missing_field", "revenue"),
        (r#""currency":null"#, "missing_field", "currency"),
        (r#""email":null"#, "missing_field", "email"),
        (r#""orderId":"  ""#, "invalid_order_id", "orderId"),
        (r#""orderId":true"#, "invalid_order_id", "orderId"),
        (r#""revenue":"10""#, "invalid_revenue", "revenue"),
        (r#""revenue":-1"#, "invalid_revenue", "revenue"),
        (r#""revenue":10.005"#, "invalid_revenue", "revenue"),
        (r#""revenue":1e999999999"#, "invalid_revenue", "revenue"),
        (r#""currency":"XAU""#, "invalid_currency", "currency"),
        (r#""currency":840"#, "invalid_currency", "currency"),
        (r#""items":{}"#, "invalid_items", "items"),
        (r#""items":[{},7]"#, "invalid_items", "items[1]"),
        (r#""items":[{"id":true}]"#, "invalid_items", "items[0].id"),
        (r#""items":[{"name":7}]"#, "invalid_items", "items[0].name"),
        (
            r#""items":[{"quantity":0}]"#,
            "invalid_items",
            "items[0].quantity",
        ),
        (
            r#""items":[{"quantity":-1}]"#,
            "invalid_items",
            "items[0].quantity",
        ),
        (
            r#""items":[{"quantity":"1"}]"#,
            "invalid_items",
            "items[0].quantity",
        ),
        (r#""messageId":[7]"#, "invalid_message_id", "messageId"),
        (r#""timestamp":7"#, "invalid_timestamp", "timestamp"),
    ] {
        refused(purchase(&order_with(field)), code, Some(named));
    }
    let many = format!(r#""items":[{}{{}}]"#, "{},".repeat(1000));
    refused(purchase(&order_with(&many)), "invalid_items", Some("items"));
    let many = format!(r#""items":[{}{{}}]"#, "{},".repeat(999));
    accepted(purchase(&order_with(&many)));
}

#[test]
fn excess_decimals_are_answered_with_advice() {
    let parsed = purchase(&order_with(r#""revenue":49.987"#));
    let message = parsed.outcome.unwrap_err().message;
    assert_eq!(
        message,
        "`revenue`: USD has 2 decimals: send 49.99 rather than 49.987"
    );
}

#[test]
fn a_refund_keeps_its_amount_undecided() {
    let event = accepted(refund(
        r#"{"orderId":"A","refundId":"R","amount":1e1,"currency":"jpy"}"#,
    ));
    let EventKind::Refund(refund) = event.kind else {
        panic!("another type")
    };
    assert_eq!(refund.amount.unwrap().to_string(), "10");
    assert_eq!(refund.currency.unwrap().code(), "JPY");
    accepted(self::refund(r#"{"orderId":"A","refundId":"R"}"#));
    for (text, code, field) in [
        (r#"{"refundId":"R"}"#, "missing_field", "orderId"),
        (r#"{"orderId":"A"}"#, "missing_field", "refundId"),
        (
            r#"{"orderId":"A","refundId":""}"#,
            "invalid_refund_id",
            "refundId",
        ),
        (
            r#"{"orderId":"A","refundId":"R","amount":"1"}"#,
            "invalid_amount",
            "amount",
        ),
        (
            r#"{"orderId":"A","refundId":"R","amount":-1}"#,
            "invalid_amount",
            "amount",
        ),
        (
            r#"{"orderId":"A","refundId":"R","amount":1e99999}"#,
            "invalid_amount",
            "amount",
        ),
        (
            r#"{"orderId":"A","refundId":"R","currency":"Q"}"#,
            "invalid_currency",
            "currency",
        ),
    ] {
        refused(self::refund(text), code, Some(field));
    }
}
