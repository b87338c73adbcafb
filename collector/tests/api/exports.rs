//! `GET /v1/export/*`: everything as a table, in two forms, gone on from where an earlier one ended.

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::Scope;

use crate::support::{Answer, PERSON, TestApp, new_id, spawn_app};

#[track_caller]
fn rows(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let lines = answer.text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn field<'a>(rows: &'a [Value], name: &str) -> Vec<&'a Value> {
    rows.iter().map(|row| &row[name]).collect()
}

/// A message of a campaign, a purchase that names it, one that names nothing, a page's, a refund.
async fn shop(app: &TestApp) {
    let writer = app.secret(&[Scope::Write]);
    let message = json!({"email": PERSON, "messageId": "007", "campaignId": "spring", "type": "transactional"});
    let sent = app.post("/v1/messages", &writer, &message).await;
    assert_eq!(sent.status, 200, "{}", sent.text);
    let order = |id: &str, revenue: Value, currency: &str| {
        json!({"email": PERSON, "orderId": id, "revenue": revenue,
        "currency": currency, "items": [{"id": 1, "price": 5}]})
    };
    let mut first = order("0001", json!(49.9), "EUR");
    first["messageId"] = json!("007");
    for order in [
        first,
        order("0002", json!(500), "JPY"),
        order("A,\"3\"", json!(1.234), "KWD"),
    ] {
        app.post("/v1/track/purchase", &app.key, &order)
            .await
            .is_tracked();
    }
    // Two of a page: one that nobody else told, one that a server did.
    let shop = app.shop();
    for id in ["page-1", "0001"] {
        let order = order(id, json!(7), "EUR");
        app.post("/v1/track/purchase", &shop, &order)
            .await
            .is_tracked();
    }
    let refund = json!({"orderId": "0001", "refundId": "R-1", "amount": 9.9});
    app.post("/v1/track/refund", &app.key, &refund)
        .await
        .is_tracked();
    app.caught_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_exported_whole_in_the_order_of_their_seq() {
    let app = spawn_app().await;
    shop(&app).await;
    let event = json!({"email": PERSON, "event": "x", "properties": {"plan": "pro", "nested": {"a": [1, null]}}});
    app.post("/v1/track/event", &app.key, &event)
        .await
        .is_tracked();
    let anonymous = json!({"key": app.public(&[]), "events": [{"type": "track", "event": "page_viewed", "anonymousId": "0042"}]});
    app.ask(Method::POST, "/v1/track/batch")
        .text(&anonymous)
        .send()
        .await
        .results();
    let event = json!({"email": PERSON, "event": "theirs"});
    app.post("/v1/track/event", &app.key_elsewhere(), &event)
        .await
        .is_tracked();
    let listed = app.all_events().await;
    let exported = app.get("/v1/export/events").await;
    assert_eq!(exported.header("misar-lag-ms"), "0");
    let exported = rows(&exported);
    assert_eq!(exported.len(), listed.len());
    for (row, event) in exported.iter().zip(listed.iter().rev()) {
        let names = [
            "seq",
            "id",
            "type",
            "name",
            "timestamp",
            "receivedAt",
            "email",
            "anonymousId",
            "messageId",
            "source",
            "class",
            "properties",
        ];
        for name in names {
            assert_eq!(
                row[name],
                event.get(name).cloned().unwrap_or_default(),
                "{name}"
            );
        }
        assert_eq!(row["erased"], false);
        let columns: Vec<_> = row.as_object().unwrap().keys().collect();
        assert_eq!(columns.len(), 22, "{columns:?}");
    }
    let money: Vec<_> = exported
        .iter()
        .filter(|row| row["type"] == "purchase")
        .collect();
    assert_eq!(money[0]["amount"].to_string(), "49.9");
    assert_eq!(money[0]["amountMinor"], 4990);
    assert_eq!(
        (&money[1]["amount"], &money[1]["amountMinor"]),
        (&json!(500), &json!(500))
    );
    assert_eq!(money[2]["amountMinor"], 1234);
    assert_eq!(
        (&money[0]["verified"], &money[3]["verified"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(exported[0]["campaignId"], "spring");
    // Every decimal of the currency, as text.
    let page = app.get("/v1/export/events?type=purchase").await;
    assert!(
        page.text
            .contains("\"amount\":49.90,\"amountMinor\":4990,\"currency\":\"EUR\""),
        "{}",
        page.text
    );
    assert_eq!(
        page.header("content-disposition"),
        "attachment; filename=\"misar-events.ndjson\""
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_goes_on_where_another_ended_and_tells_what_was_asked_for() {
    let app = spawn_app().await;
    let mut seqs = Vec::new();
    for chunk in 0..3 {
        let events: Vec<Value> = (0..700)
            .map(|n| {
                json!({"type": "track", "email": PERSON, "event": format!("e{}", n % 2),
            "timestamp": format!("2026-01-{:02}T12:00:00Z", 1 + n % 3 + chunk)})
            })
            .collect();
        let answer = app
            .post("/v1/track/batch", &app.key, &json!({"events": events}))
            .await;
        let told = answer
            .results()
            .iter()
            .map(|one| one["seq"].as_str().unwrap().to_owned());
        seqs.extend(told);
    }
    app.caught_up().await;
    let exported = rows(&app.get("/v1/export/events").await);
    assert_eq!(field(&exported, "seq"), seqs.iter().collect::<Vec<_>>());
    for at in [0, 1, 199, 200, 1_023, 2_098, 2_099] {
        let exported = rows(
            &app.get(&format!("/v1/export/events?after={}", seqs[at]))
                .await,
        );
        assert_eq!(
            field(&exported, "seq"),
            seqs[at + 1..].iter().collect::<Vec<_>>(),
            "{at}"
        );
    }
    let count =
        async |query: &str| rows(&app.get(&format!("/v1/export/events?{query}")).await).len();
    assert_eq!(count("name=e1").await, 1_050);
    assert_eq!(count("from=2026-01-05").await, 233);
    assert_eq!(count("to=2026-01-01").await, 234);
    assert_eq!(count("type=purchase").await, 0);
    assert_eq!(count("receivedTo=2020-01-01").await, 0);
    for (query, name, code) in [
        ("after=x", "after", "unknown_seq"),
        ("after=999999999999999999999999", "after", "unknown_seq"),
        ("format=xml", "format", "invalid_parameter"),
        ("type=order", "type", "invalid_parameter"),
        ("limit=5", "limit", "unknown_parameter"),
        ("model=first", "model", "unknown_parameter"),
    ] {
        let answer = app.get(&format!("/v1/export/events?{query}")).await;
        answer.is_refused_for(name, code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_exported_as_they_stand_with_whom_they_are_credited_to() {
    let app = spawn_app().await;
    shop(&app).await;
    let orders = rows(&app.get("/v1/export/orders").await);
    assert_eq!(
        field(&orders, "orderId"),
        ["0001", "0002", "A,\"3\"", "page-1"]
    );
    let first = &orders[0];
    for (name, value) in [
        ("grossMinor", json!(4990)),
        ("refundedMinor", json!(990)),
        ("netMinor", json!(4000)),
        ("currency", json!("EUR")),
        ("verified", json!(true)),
        ("messageId", json!("007")),
        ("creditedMessageId", json!("007")),
        ("creditedCampaignId", json!("spring")),
        ("creditedBy", json!("explicit")),
        ("model", json!("last_touch")),
        ("email", json!(PERSON)),
    ] {
        assert_eq!(first[name], value, "{name}");
    }
    assert_eq!(first["items"], json!([{"id": "1", "price": 5.0}]));
    assert_eq!(
        (&orders[1]["creditedMessageId"], &orders[1]["creditedBy"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        (&orders[1]["gross"], &orders[2]["grossMinor"]),
        (&json!(500), &json!(1234))
    );
    assert_eq!(
        (&orders[3]["verified"], &orders[3]["source"]),
        (&json!(false), &json!("browser"))
    );
    let text = app.get("/v1/export/orders?model=explicit").await.text;
    assert!(text.contains("\"gross\":49.90,\"grossMinor\":4990,\"refunded\":9.90,\"refundedMinor\":990,\"net\":40.00"), "{text}");
    assert!(text.contains("\"model\":\"explicit\""), "{text}");
    let after = orders[1]["seq"].as_str().unwrap();
    let rest = rows(&app.get(&format!("/v1/export/orders?after={after}")).await);
    assert_eq!(field(&rest, "orderId"), ["A,\"3\"", "page-1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_are_exported_with_their_own_scope() {
    let app = spawn_app().await;
    let event =
        |n: usize| json!({"type": "track", "email": format!("p{n}@person.example"), "event": "x"});
    for start in [0, 600] {
        let events: Vec<Value> = (start..start + 600).map(event).collect();
        let batch = json!({"events": events});
        app.post("/v1/track/batch", &app.key, &batch)
            .await
            .results();
    }
    app.caught_up().await;
    app.get("/v1/export/contacts")
        .await
        .is_refused(403, "insufficient_scope");
    let key = app.secret(&[Scope::Contacts]);
    let contacts = rows(&app.get_with("/v1/export/contacts", &key).await);
    assert_eq!(contacts.len(), 1_200);
    let ids = field(&contacts, "contactId");
    assert!(ids.is_sorted_by_key(|id| id.as_str().unwrap()));
    assert!(
        contacts
            .iter()
            .all(|one| one["email"].as_str().unwrap().ends_with("@person.example"))
    );
    assert!(contacts[0]["firstSeen"].is_string() && contacts[0]["score"].is_number());
    assert_eq!(contacts[0]["unsubscribedAt"], Value::Null);
    let after = ids[60].as_str().unwrap();
    let rest = rows(
        &app.get_with(&format!("/v1/export/contacts?after={after}"), &key)
            .await,
    );
    assert_eq!(field(&rest, "contactId"), ids[61..]);
    let answer = app.get_with("/v1/export/contacts?after=x", &key).await;
    answer.is_refused_for("after", "invalid_parameter");
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_has_the_same_rows_under_a_line_of_names() {
    let app = spawn_app().await;
    shop(&app).await;
    let answer = app.get("/v1/export/orders?format=csv").await;
    assert!(
        answer
            .header("content-type")
            .starts_with("text/csv; charset=utf-8")
    );
    let mut lines = answer.text.split("\r\n");
    let head = lines.next().unwrap();
    assert!(
        head.starts_with("seq,id,orderId,timestamp,receivedAt,email,currency,gross,grossMinor,"),
        "{head}"
    );
    let lines: Vec<_> = lines.collect();
    assert_eq!((lines.len(), lines[4]), (5, ""));
    assert!(lines[0].contains(",0001,") && lines[0].contains(",EUR,49.90,4990,9.90,990,40.00,4000,true,server,007,007,spring,explicit,last_touch,"), "{}", lines[0]);
    assert!(
        lines[0].ends_with("\"[{\"\"id\"\":\"\"1\"\",\"\"price\"\":5.00}]\""),
        "{}",
        lines[0]
    );
    assert!(lines[2].contains(",\"A,\"\"3\"\"\","), "{}", lines[2]);
    assert!(
        lines[1].contains(",500,500,0,0,500,500,true,server,,,,,last_touch,"),
        "{}",
        lines[1]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_compressed_where_that_is_asked_for() {
    let app = spawn_app().await;
    let events: Vec<Value> = (0..500)
        .map(
            |n| json!({"type": "track", "id": new_id(), "email": PERSON, "event": format!("e{n}")}),
        )
        .collect();
    app.post("/v1/track/batch", &app.key, &json!({"events": events}))
        .await
        .results();
    app.caught_up().await;
    for path in [
        "/v1/export/events",
        "/v1/export/events?format=csv",
        "/v1/events?limit=500",
        "/openapi.json",
    ] {
        let plain = app.get(path).await;
        assert_eq!(plain.header("content-encoding"), "", "{path}");
        let ask = app
            .ask(Method::GET, path)
            .key(&app.key)
            .header("accept-encoding", "gzip");
        let packed = ask.send().await;
        assert_eq!(packed.header("content-encoding"), "gzip", "{path}");
        assert!(
            packed
                .header("vary")
                .to_lowercase()
                .contains("accept-encoding"),
            "{path}"
        );
        assert!(packed.bytes.len() * 2 < plain.bytes.len(), "{path}");
        let mut inflated = String::new();
        let mut decoder = flate2::read::GzDecoder::new(packed.bytes.as_slice());
        std::io::Read::read_to_string(&mut decoder, &mut inflated).unwrap();
        let same = |text: &str| text.split("\"lagMs\"").next().unwrap().to_owned();
        assert_eq!(same(&inflated), same(&plain.text), "{path}");
    }
    // Small ones and streams are left alone, and so are the verdicts of ingest.
    for path in ["/healthz", "/v1/receipts/x", "/mail/track/open/x"] {
        let ask = app
            .ask(Method::GET, path)
            .key(&app.key)
            .header("accept-encoding", "gzip");
        assert_eq!(ask.send().await.header("content-encoding"), "", "{path}");
    }
    let live = app
        .ask(Method::GET, "/v1/live?recent=200")
        .key(&app.key)
        .header("accept-encoding", "gzip");
    let live = live.open().await;
    assert!(live.headers().get("content-encoding").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_are_shared_out_and_end_with_their_key() {
    let app = spawn_app().await;
    // More than the socket and a portion hold, so that it waits for its reader.
    let pad = "x".repeat(20_000);
    for _ in 0..30 {
        let events: Vec<Value> = (0..40).map(|_| json!({"type": "track", "email": PERSON, "event": "x", "properties": {"pad": pad}})).collect();
        app.post("/v1/track/batch", &app.key, &json!({"events": events}))
            .await
            .results();
    }
    app.caught_up().await;
    let key = app.secret(&[Scope::Read]);
    let mut open = Vec::new();
    for _ in 0..2 {
        let export = app
            .ask(Method::GET, "/v1/export/events")
            .key(&key)
            .open()
            .await;
        assert_eq!(export.status(), 200);
        open.push(export);
    }
    let answer = app.get_with("/v1/export/events", &key).await;
    answer.is_refused(503, "too_many_exports");
    let elsewhere = app.key_elsewhere();
    assert!(rows(&app.get_with("/v1/export/events", &elsewhere).await).is_empty());
    // A revoked key's export does not look like a whole one.
    let known = app.known(&key);
    app.app.meta.revoke_key(known.workspace, &known.id).unwrap();
    for export in open {
        let body = export.bytes().await;
        assert!(body.is_err(), "it breaks off");
    }
    // The places come back.
    let own = app.get("/v1/export/events").await;
    assert_eq!(own.text.lines().count(), 1_200);
}

/// Names, ids and addresses are a stranger's words; whoever opens the file with a spreadsheet must not
/// run them.
#[tokio::test(flavor = "multi_thread")]
async fn no_cell_of_csv_is_a_formula_and_every_text_and_number_comes_back() {
    let app = spawn_app().await;
    let words = [
        "=1+1",
        "+49 30",
        "-5",
        "@SUM(A1)",
        "=HYPERLINK(\"https://evil.example\",\"x\")",
        "'=1",
        "0017",
    ];
    for word in words {
        let event = json!({"email": "=cmd@person.example", "event": word, "messageId": word, "anonymousId": word, "properties": {"=x": word}});
        app.post("/v1/track/event", &app.key, &event)
            .await
            .is_tracked();
        let order = json!({"email": "+1@person.example", "orderId": word, "revenue": 5, "currency": "EUR", "messageId": word,
            "items": [{"id": word, "name": word}]});
        app.post("/v1/track/purchase", &app.key, &order)
            .await
            .is_tracked();
    }
    app.caught_up().await;
    let contacts = app.secret(&[Scope::Contacts]);
    for (kind, key) in [
        ("events", &app.key),
        ("orders", &app.key),
        ("contacts", &contacts),
    ] {
        let path = format!("/v1/export/{kind}");
        let as_lines = rows(&app.get_with(&path, key).await);
        let csv = app.get_with(&format!("{path}?format=csv"), key).await.text;
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let names = reader.headers().unwrap().clone();
        let as_csv: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(as_csv.len(), as_lines.len());
        for (cells, row) in as_csv.iter().zip(&as_lines) {
            for (name, cell) in names.iter().zip(cells) {
                let value = &row[name];
                if value.is_number() {
                    // A score falls with time.
                    let is_same = cell.parse::<f64>().ok() == value.as_f64();
                    assert!(name == "score" || is_same, "{name} {cell}");
                    continue;
                }
                assert!(
                    !cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']),
                    "{name} {cell}"
                );
                // What the documentation says: one mark goes.
                let text = cell.strip_prefix('\'').unwrap_or(cell);
                match value {
                    Value::String(value) => assert_eq!(text, value, "{name}"),
                    Value::Null => assert_eq!(cell, "", "{name}"),
                    Value::Bool(value) => assert_eq!(cell, value.to_string(), "{name}"),
                    json => {
                        let read: Value = serde_json::from_str(cell).unwrap();
                        assert_eq!(read, *json, "{name}");
                    }
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_says_how_far_behind_it_began() {
    let app = spawn_app().await;
    shop(&app).await;
    let key = app.secret(&[Scope::Read, Scope::Contacts]);
    for kind in ["events", "orders", "contacts"] {
        for format in ["ndjson", "csv"] {
            let path = format!("/v1/export/{kind}?format={format}");
            let exported = app.get_with(&path, &key).await;
            assert_eq!(exported.status, 200, "{}", exported.text);
            assert_eq!(exported.header("misar-lag-ms"), "0", "{path}");
        }
    }
}
