//! What a Rust program does with the client that progenitor makes of /openapi-3.0.json.

use std::error::Error;

#[allow(clippy::all, unused, reason = "it is generated")]
mod api {
    include!(concat!(env!("OUT_DIR"), "/client.rs"));
}

use api::{Client, types};

const EMAIL: &str = "ada@example.com";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let setting = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
    let (url, key, run) = (setting("MISAR_URL")?, setting("MISAR_KEY")?, setting("MISAR_RUN")?);
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert("authorization", format!("Bearer {key}").parse()?);
    let http = reqwest::Client::builder().default_headers(headers).build()?;
    let api = Client::new_with_client(&url, http);
    let (order, mail) = (format!("{run}-1"), format!("{run}-mail"));

    let body = types::MessageBody::builder()
        .email(EMAIL)
        .message_id(Some(mail.parse()?))
        .campaign_id(Some(run.parse()?))
        .html(Some("<p><a href=\"https://shop.example/\">Shop</a></p>".to_owned()));
    let message = api.register_message().body(body).send().await?.into_inner();
    assert!(message.html.is_some_and(|html| html.contains("/mail/track/click/")));

    let properties = serde_json::from_str(r#"{"plan": "pro", "seats": 5, "tags": ["a"]}"#)?;
    let body = types::EventBody::builder().email(EMAIL).event("trial_started").properties(Some(properties));
    let event = api.track_event().body(body).send().await?.into_inner();
    assert!(event.tracked);

    let item = types::ItemBody::builder()
        .id(Some("sku-1".to_owned()))
        .price(Some(24.99))
        .quantity(Some(2.0));
    let body = types::PurchaseBody::builder()
        .email(EMAIL)
        .order_id(order.as_str())
        .revenue(49.98)
        .currency("USD")
        .message_id(Some(mail.parse()?))
        .items(Some(vec![item.try_into()?]));
    let purchase = api.track_purchase().body(body).send().await?.into_inner();
    assert!(purchase.tracked);

    let body = types::RefundBody::builder()
        .order_id(order.as_str())
        .refund_id(format!("{run}-r"))
        .amount(Some(9.99));
    let refund = api.track_refund().body(body).send().await?.into_inner();
    let seq = refund.seq.ok_or("a server is told the seq")?;

    let viewed = types::BatchEvent::builder()
        .type_(types::BatchEventType::Track)
        .email(Some(EMAIL.parse()?))
        .event(Some("page_viewed".parse()?));
    let of_nobody = types::BatchEvent::builder()
        .type_(types::BatchEventType::Track)
        .event(Some("of_nobody".parse()?));
    let body = types::BatchBody::builder().events(vec![viewed.try_into()?, of_nobody.try_into()?]);
    let batch = api.track_batch().body(body).send().await?.into_inner();
    let statuses: Vec<_> = batch.results.iter().map(|result| result.status).collect();
    assert_eq!(statuses, [types::BatchStatus::Tracked, types::BatchStatus::Rejected]);

    let receipt = api.get_receipt().id(event.id.as_str()).send().await?.into_inner();
    assert_eq!(receipt.status, types::ReceiptStatus::Tracked);

    let report = api.get_message_report().id(mail.as_str()).min_seq(seq.to_string());
    let report = report.send().await?.into_inner();
    let earned: Vec<_> = report.revenue.iter().map(|money| (money.currency.as_str(), money.net)).collect();
    assert_eq!(earned, [("USD", 39.99)]);

    let events = api.list_events().email(EMAIL).min_seq(seq.to_string()).send().await?.into_inner();
    assert!(events.events.iter().any(|listed| listed.id == event.id));

    let body = types::EventBody::builder().email("nobody").event("x");
    match api.track_event().body(body).send().await {
        Err(progenitor_client::Error::ErrorResponse(refused)) => {
            assert_eq!(refused.into_inner().error.code, "invalid_email");
        }
        other => return Err(format!("no refusal: {other:?}").into()),
    }
    println!("progenitor: an event, a purchase, a refund, a batch, a message, a receipt, a report");
    Ok(())
}
