//! Many links of one message at once: what is a machine's, and what a reader's with tabs.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use store::clock::FixedClock;

use crate::mail::{ask, settled};
use crate::messages::{ROUTE, writer};
use crate::support::{TestApp, spawn_app_at_rest};

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
/// The mail that went wrong: picture, name and button of one product.
const ONE_PAGE_THRICE: &str = "<a href=\"https://shop.example/p\"><img src=\"https://shop.example/p.png\"></a>\
     <a href=\"https://shop.example/p#reviews\">Blue mug</a><a href=\"https://shop.example/p\">Buy</a>";

struct Mail {
    app: TestApp,
    clock: Arc<FixedClock>,
    links: Vec<String>,
}

impl Mail {
    /// A message that was sent an hour ago.
    async fn of(html: &str) -> Self {
        let (app, clock) = spawn_app_at_rest().await;
        let body = json!({"email": "ada@person.example", "messageId": "m", "campaignId": "spring", "html": html});
        let answer = app.post(ROUTE, &writer(&app), &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let html = answer.text_of("html");
        let start = format!("{}/mail/track/click/", app.origin());
        let links = html.split('"').filter(|part| part.starts_with(&start));
        let links = links.map(|link| link[app.origin().len()..].to_owned());
        let links = links.collect();
        clock.advance_millis(3_600_000);
        Self { app, clock, links }
    }

    /// A message with so many links to pages of their own.
    async fn of_pages(count: u32) -> Self {
        let link = |n| format!("<a href=\"https://shop.example/{n}\">{n}</a>");
        Self::of(&(0..count).map(link).collect::<String>()).await
    }

    /// Follows the first links, one each so many milliseconds.
    async fn follow(&self, links: usize, step: i64) {
        for link in &self.links[..links] {
            let wanted = self.app.on_disk() + 1;
            ask(&self.app, Method::GET, link, &[("user-agent", BROWSER)]).await;
            settled(&self.app, wanted).await;
            self.clock.advance_millis(step);
        }
    }

    /// Clicks by class, of message and campaign alike, also once the views are built anew.
    async fn clicks(&self) -> Value {
        let mut all = Vec::new();
        for is_rebuilt in [false, true] {
            if is_rebuilt {
                self.app.app.projector.rebuild(|_, _| {}).await.unwrap();
            }
            self.app.caught_up().await;
            for path in ["messages/m", "campaigns/spring"] {
                let report = self.app.get(&format!("/v1/reports/{path}")).await;
                all.push(report.body["clicks"]["byClass"].clone());
            }
        }
        assert!(all.iter().all(|clicks| *clicks == all[0]), "{all:?}");
        all.remove(0)
    }
}

fn people(count: u32) -> Value {
    json!({"human": count, "proxy_human": 0, "machine": 0, "bot": 0})
}

fn bots(count: u32) -> Value {
    json!({"human": 0, "proxy_human": 0, "machine": 0, "bot": count})
}

#[tokio::test(flavor = "multi_thread")]
async fn three_links_to_one_page_are_one_however_fast_they_are_followed() {
    let mail = Mail::of(ONE_PAGE_THRICE).await;
    assert_eq!(mail.links.len(), 3);
    mail.follow(3, 1).await;
    assert_eq!(mail.clicks().await, people(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn six_links_in_a_second_are_one_machine() {
    let mail = Mail::of_pages(12).await;
    mail.follow(6, 199).await;
    assert_eq!(mail.clicks().await, bots(6));
}

#[tokio::test(flavor = "multi_thread")]
async fn articles_opened_in_tabs_within_a_minute_are_a_readers() {
    let mail = Mail::of_pages(12).await;
    mail.follow(4, 1_500).await;
    assert_eq!(mail.clicks().await, people(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn nearly_all_of_a_messages_links_within_a_minute_are_a_machines() {
    let mail = Mail::of_pages(5).await;
    mail.follow(4, 19_999).await;
    assert_eq!(mail.clicks().await, bots(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_in_a_whole_minute_are_a_readers() {
    let mail = Mail::of_pages(5).await;
    mail.follow(4, 20_000).await;
    assert_eq!(mail.clicks().await, people(4));
}
