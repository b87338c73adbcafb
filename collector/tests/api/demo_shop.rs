//! The demo shop on an origin of its own: its page, its keys, and orders that its server confirms.

use std::net::SocketAddr;

use collector::demo_shop::DemoShop;
use collector::server;
use reqwest::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, ORIGIN};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

use crate::support::{TestApp, base64, spawn_app};

const BUYER: &str = "ada@person.example";

/// Opens the shop as a start of the server does.
async fn open(app: &TestApp) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shop = DemoShop::open(&app.app, address, app.address).unwrap();
    let metrics = app.app.metrics.clone();
    tokio::spawn(async move {
        server::serve_router(listener, shop.router(), &metrics, std::future::pending()).await;
    });
    address
}

async fn page(shop: SocketAddr) -> (String, String) {
    let answer = reqwest::get(format!("http://{shop}/")).await.unwrap();
    assert_eq!(answer.status(), 200);
    let policy = answer.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
    (policy.to_owned(), answer.text().await.unwrap())
}

async fn pay(shop: SocketAddr, origin: &str, order: &Value) -> (u16, Value) {
    let answer = reqwest::Client::new()
        .post(format!("http://{shop}/pay"))
        .header(CONTENT_TYPE, "application/json")
        .header(ORIGIN, origin)
        .body(order.to_string())
        .send()
        .await
        .unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap())
}

fn order(id: &str) -> Value {
    json!({"orderId": id, "email": BUYER, "items": [{"id": "mug", "quantity": 2}, {"id": "ink", "quantity": 1}]})
}

/// What the page sends when somebody buys that order.
fn bought(id: &str) -> Value {
    json!({"events": [{"type": "purchase", "email": BUYER, "orderId": id, "revenue": 43.95, "currency": "EUR",
        "items": [{"id": "ink", "name": "Night-blue ink", "price": 11.95, "quantity": 1},
                  {"id": "mug", "name": "Keeper's mug", "price": 16, "quantity": 2}]}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_holds_the_embed_code_and_its_policy_lets_just_that_run() {
    let app = spawn_app().await;
    let shop = open(&app).await;
    let embeds = app.get("/v1/embeds").await;
    let embed = &embeds.body["embeds"][0];
    assert_eq!(embed["label"], "demo shop");
    assert_eq!(embed["allowPurchases"], true);
    let port = shop.port();
    let origins = [
        format!("http://127.0.0.1:{port}"),
        format!("http://localhost:{port}"),
    ];
    assert_eq!(embed["origins"], json!(origins));
    let html = embed["html"].as_str().unwrap();
    let (policy, page) = page(shop).await;
    assert!(page.contains(html), "{page}");
    assert!(!page.contains("EMBED") && !page.contains("__LIVE_PAGE__"));
    assert!(page.contains(&format!("href=\"http://{}/live\"", app.address)));
    let (_, inline) = html.split_once("<script>").unwrap();
    let (inline, _) = inline.split_once("</script>").unwrap();
    let hash = base64(&Sha256::digest(inline));
    let collector = format!("http://{}", app.address);
    assert_eq!(
        policy,
        format!(
            "default-src 'none'; script-src 'self' {collector} 'wasm-unsafe-eval' 'sha256-{hash}'; style-src 'self'; \
             img-src 'self' data:; connect-src 'self' {collector}; form-action 'self'; base-uri 'none'; \
             frame-ancestors 'none'"
        )
    );
    // The policy would stop any other inline script, style or handler.
    assert_eq!(page.matches("<script>").count(), 1);
    assert!(!page.contains(" style=") && !page.contains("<style"));
    assert!(!page.contains(" onclick="));
    for file in ["shop.js", "shop.css", "catalogue.json"] {
        let answer = reqwest::get(format!("http://{shop}/{file}")).await.unwrap();
        assert_eq!(answer.status(), 200, "{file}");
    }
    let missing = reqwest::get(format!("http://{shop}/v1/events"))
        .await
        .unwrap();
    assert_eq!(missing.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn paying_makes_the_order_of_the_page_a_verified_one() {
    let app = spawn_app().await;
    let shop = open(&app).await;
    let key = app.get("/v1/embeds").await.body["embeds"][0]["key"].clone();
    let origin = format!("http://{shop}");
    let mut batch = bought("order_1");
    batch["key"] = key;
    let sent = app
        .ask(reqwest::Method::POST, "/v1/track/batch")
        .header("origin", &origin)
        .text(&batch)
        .send()
        .await;
    assert_eq!(sent.results()[0]["status"], "tracked", "{}", sent.text);
    let (status, told) = pay(shop, &origin, &order("order_1")).await;
    assert_eq!(status, 200, "{told}");
    let events = app.all_events().await;
    let [verified, unverified] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(
        (&verified["source"], &unverified["source"]),
        (&json!("server"), &json!("browser"))
    );
    assert_eq!(verified["properties"]["verified"], true);
    assert_eq!(unverified["properties"]["verified"], false);
    for event in [verified, unverified] {
        assert_eq!(event["properties"]["orderId"], "order_1");
        assert_eq!(event["properties"]["revenue"], 43.95);
        assert_eq!(event["properties"]["currency"], "EUR");
        assert_eq!(event["email"], BUYER);
    }
    // Paying twice is paying once.
    let (status, _) = pay(shop, &origin, &order("order_1")).await;
    assert_eq!(status, 200);
    assert_eq!(app.all_events().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_cannot_be_confirmed_says_why() {
    let app = spawn_app().await;
    let shop = open(&app).await;
    let origin = format!("http://{shop}");
    let (status, told) = pay(shop, "http://evil.example", &order("order_1")).await;
    assert_eq!(status, 403, "{told}");
    let mut wrong = order("order_1");
    wrong["items"][0]["id"] = json!("yacht");
    let (status, told) = pay(shop, &origin, &wrong).await;
    assert_eq!(status, 422, "{told}");
    let (status, _) = pay(shop, &origin, &json!({"items": []})).await;
    assert_eq!(status, 422);
    let mut nobody = order("order_1");
    nobody["email"] = json!("nobody");
    let (status, told) = pay(shop, &origin, &nobody).await;
    assert_eq!(status, 502);
    assert!(
        told["message"]
            .as_str()
            .unwrap()
            .starts_with("invalid_email: "),
        "{told}"
    );
    assert_eq!(pay(shop, &origin, &order("order_1")).await.0, 200);
    let mut more = order("order_1");
    more["items"][0]["quantity"] = json!(3);
    let (status, told) = pay(shop, &origin, &more).await;
    assert_eq!(status, 502);
    assert!(
        told["message"]
            .as_str()
            .unwrap()
            .starts_with("order_conflict: "),
        "{told}"
    );
    assert_eq!(app.all_events().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_start_keeps_the_page_key_where_the_address_is_the_same_and_replaces_the_secret_one()
 {
    let app = spawn_app().await;
    let workspace = app.app.meta.workspace("default").unwrap();
    let start = |port: u16| DemoShop::open(&app.app, ([127, 0, 0, 1], port).into(), app.address);
    let good = |label: &str| {
        let keys = app.app.meta.keys(workspace.id).into_iter();
        let good =
            keys.filter(|key| key.label.as_deref() == Some(label) && key.revoked_at().is_none());
        good.map(|key| key.id.clone()).collect::<Vec<_>>()
    };
    start(8081).unwrap();
    let (page, server) = (good("demo shop"), good("demo shop server"));
    assert_eq!((page.len(), server.len()), (1, 1));
    start(8081).unwrap();
    assert_eq!(good("demo shop"), page);
    assert_eq!(good("demo shop server").len(), 1);
    assert_ne!(good("demo shop server"), server);
    start(8082).unwrap();
    assert_eq!(good("demo shop").len(), 2);
}
