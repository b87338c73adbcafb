//! Real newsletters in many variants: registered in batches, and then every link followed.

use std::collections::BTreeSet;
use std::sync::Arc;

use reqwest::StatusCode;
use scraper::Html;
use serde_json::{Value, json};
use shared::api_key::Scope;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use url::Url;

use crate::corpus::{VARIANTS, expanded, is_tracked, links_of, replaced, templates};
use crate::support::{PERSON, TestApp, spawn_app};

/// Links that are followed at a time.
const AT_ONCE: usize = 32;

/// A template in one variant.
struct Newsletter {
    name: String,
    html: String,
}

/// Follows every address once; where each leads, in the same order.
async fn follow(addresses: Vec<String>) -> Vec<String> {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut following = JoinSet::new();
    for (at, address) in addresses.into_iter().enumerate() {
        let place = Arc::clone(&places).acquire_owned().await.unwrap();
        let client = client.clone();
        following.spawn(async move {
            let response = client.get(&address).send().await.unwrap();
            drop(place);
            assert_eq!(response.status(), StatusCode::FOUND, "{address}");
            let location = response.headers()["location"].to_str().unwrap();
            (at, location.to_owned())
        });
    }
    let mut led = following.join_all().await;
    led.sort();
    led.into_iter().map(|(_, location)| location).collect()
}

/// Where a browser goes that finds this target. What is plain text already is asked for as it stands.
fn destination(target: &str) -> String {
    let is_plain = target.bytes().all(|byte| byte.is_ascii_graphic()) && !target.contains('\\');
    if is_plain {
        target.to_owned()
    } else {
        Url::parse(target).unwrap().into()
    }
}

/// Without the pixel, which is there once where `has_pixel`.
fn without_pixel(html: &str, own: &str, has_pixel: bool) -> String {
    let source = format!("<img src=\"{own}track/open/");
    assert_eq!(html.matches(&source).count(), usize::from(has_pixel));
    let Some(start) = html.find(&source) else {
        return html.to_owned();
    };
    let end = start + html[start..].find('>').unwrap() + 1;
    format!("{}{}", &html[..start], &html[end..])
}

/// Registers newsletters and gives their answers, in order.
async fn register(app: &TestApp, key: &str, newsletters: &[Newsletter]) -> Vec<Value> {
    let mut answers = Vec::new();
    for batch in newsletters.chunks(100) {
        let messages: Vec<_> = batch
            .iter()
            .map(|newsletter| json!({ "email": PERSON, "html": newsletter.html }))
            .collect();
        let body = json!({ "messages": messages });
        let answer = app.post("/v1/messages/batch", key, &body).await;
        answers.extend_from_slice(answer.results());
    }
    assert_eq!(answers.len(), newsletters.len());
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn every_link_of_ten_thousand_still_leads_where_it_led_and_nothing_else_changes() {
    let app = spawn_app().await;
    let key = app.secret(&[Scope::Write]);
    let own = format!("{}/mail/", app.origin());
    let click = format!("{own}track/click/");
    let newsletters: Vec<_> = templates()
        .iter()
        .flat_map(|(name, template)| {
            VARIANTS.map(|variant| Newsletter {
                name: name.clone(),
                html: expanded(template, variant),
            })
        })
        .collect();
    let answers = register(&app, &key, &newsletters).await;

    let mut followed = 0;
    for (newsletter, answer) in newsletters.iter().zip(&answers) {
        let name = &newsletter.name;
        assert_eq!(answer["status"], "registered", "{name}: {answer}");
        let output = answer["html"].as_str().unwrap();

        // As another parser finds them before and after.
        let mut targets = Vec::new();
        let is_target = |href: &str| is_tracked(&own, href);
        links_of(
            &Html::parse_document(&newsletter.html),
            &is_target,
            &mut targets,
        );
        let mut tracked = Vec::new();
        let is_click = |href: &str| href.starts_with(&click);
        links_of(&Html::parse_document(output), &is_click, &mut tracked);
        let led = follow(tracked.clone()).await;
        followed += led.len();
        let expected: Vec<_> = targets.iter().map(|target| destination(target)).collect();
        // Out of broken markup a parser makes elements that are not in it, in another order.
        if name.starts_with("broken") {
            let sorted = |links: Vec<String>| links.into_iter().collect::<BTreeSet<_>>();
            assert_eq!(sorted(led), sorted(expected), "{name}");
        } else {
            assert_eq!(led, expected, "{name}");
        }

        // As they stand in the bytes, which are all the others.
        let is_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let written: Vec<String> = output
            .match_indices(&click)
            .map(|(start, _)| {
                let token = &output[start + click.len()..];
                let end = token.find(|c| !is_token(c)).unwrap();
                format!("{click}{}", &token[..end])
            })
            .collect();
        assert_eq!(
            written.iter().collect::<BTreeSet<_>>(),
            tracked.iter().collect::<BTreeSet<_>>(),
            "{name}"
        );
        let unsubscribe = answer["unsubscribeUrl"].as_str().unwrap();
        let input = newsletter
            .html
            .replace(" data-misar-notrack", "")
            .replace("{{unsubscribe_url}}", unsubscribe);
        let kept = without_pixel(output, &own, !name.starts_with("amp"));
        let values = replaced(&input, &kept, &written);
        assert_eq!(
            values.len(),
            answer["links"].as_array().unwrap().len(),
            "{name}"
        );
    }
    assert!(followed >= 10_000, "{followed} links");
}
