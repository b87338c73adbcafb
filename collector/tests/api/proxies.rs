//! Proxies that nobody has named.

use reqwest::Method;

use crate::support::{TestApp, spawn_app, spawn_app_behind};

async fn ask_through(app: &TestApp, header: &'static str) {
    let ask = app.ask(Method::GET, "/healthz");
    assert_eq!(ask.header(header, "203.0.113.9").send().await.status, 200);
}

async fn seen(app: &TestApp) -> String {
    let page = app.ask(Method::GET, "/metrics").send().await.text;
    let line = page
        .lines()
        .find(|line| line.starts_with("misar_untrusted_proxies "));
    line.unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_not_trusted_is_counted_whatever_it_asks_for() {
    let app = spawn_app().await;
    assert_eq!(seen(&app).await, "misar_untrusted_proxies 0");
    for header in [
        "x-forwarded-for",
        "forwarded",
        "x-real-ip",
        "cf-connecting-ip",
    ] {
        ask_through(&app, header).await;
    }
    assert_eq!(seen(&app).await, "misar_untrusted_proxies 1");
    let networks = app.app.proxies_seen.networks();
    let networks: Vec<_> = networks
        .iter()
        .map(|(network, _)| network.to_string())
        .collect();
    assert_eq!(networks, ["127.0.0.1/32"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_is_nothing_to_warn_of() {
    let app = spawn_app_behind(&["127.0.0.0/8"]).await;
    ask_through(&app, "x-forwarded-for").await;
    assert_eq!(seen(&app).await, "misar_untrusted_proxies 0");
}
