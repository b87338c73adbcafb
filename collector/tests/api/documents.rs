//! The documents that describe the API, and the page that is made of them: its requests are run as they stand.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use reqwest::Method;
use scraper::{Html, Selector};
use serde_json::Value;
use shared::api_key::Scope;

use crate::support::{TestApp, spawn_app};

async fn text_of(app: &TestApp, path: &str) -> String {
    let answer = app.ask(Method::GET, path).open().await;
    assert_eq!(answer.status(), 200, "{path}");
    answer.text().await.unwrap()
}

fn selector(text: &str) -> Selector {
    Selector::parse(text).unwrap()
}

/// The requests of the page, in their order, each with the operation that it belongs to.
fn requests(page: &str) -> Vec<(String, String)> {
    let page = Html::parse_document(page);
    let operations = selector("article.operation");
    let request = selector("pre.code");
    let mut found = Vec::new();
    for operation in page.select(&operations) {
        let name = operation.attr("aria-labelledby").unwrap_or_default();
        for code in operation.select(&request) {
            found.push((name.to_owned(), code.text().collect()));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_the_page_works_as_it_is_pasted_from_the_first_to_the_last() {
    let app = spawn_app().await;
    let page = text_of(&app, "/docs").await;
    let key = app.secret(&[Scope::Admin]);
    let requests = requests(&page);
    assert!(requests.len() >= 15, "{requests:#?}");
    for (name, request) in requests {
        assert!(request.starts_with("curl "), "{name}: {request}");
        // As for whoever pastes it: a read comes when the views have what was sent before.
        app.caught_up().await;
        let key = key.clone();
        let run = move || run(&request, &key);
        tokio::task::spawn_blocking(run).await.unwrap();
    }
}

/// Runs a request in a shell; of a stream no more than its beginning.
fn run(request: &str, key: &str) {
    let options = &request["curl ".len()..];
    let command = format!("exec curl --silent --show-error --include {options}");
    let mut child = Command::new("sh")
        .args(["-c", &command])
        .env("KEY", key)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut status = String::new();
    output.read_line(&mut status).unwrap();
    if request.contains(" -N") {
        child.kill().unwrap();
    }
    let rest: Vec<_> = output.lines().map_while(Result::ok).collect();
    child.wait().unwrap();
    assert!(
        status.contains(" 200"),
        "{request}\n{status}{}",
        rest.join("\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_names_every_operation_loads_nothing_from_elsewhere_and_runs_only_our_script() {
    let app = spawn_app().await;
    let answer = app.ask(Method::GET, "/docs").open().await;
    let policy = answer.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe-inline"),
        "{policy}"
    );
    let page = Html::parse_document(&answer.text().await.unwrap());
    for element in page.select(&selector("script, link, img, iframe")) {
        let source = element.attr("src").or(element.attr("href")).unwrap();
        let is_ours = source.starts_with("/assets/") || source.starts_with("data:");
        assert!(is_ours, "{source}");
        if source.starts_with('/') {
            assert!(!text_of(&app, source).await.is_empty());
        }
    }
    let document: Value = serde_json::from_str(&text_of(&app, "/openapi.json").await).unwrap();
    let words: String = page.root_element().text().collect();
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(words.contains(path), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_older_document_has_the_same_operations_and_both_are_kept_by_their_tag() {
    let app = spawn_app().await;
    let mut documents = Vec::new();
    for path in ["/openapi.json", "/openapi-3.0.json"] {
        let answer = app.ask(Method::GET, path).open().await;
        let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
        let again = app.ask(Method::GET, path).header("if-none-match", &tag);
        assert_eq!(again.open().await.status(), 304, "{path}");
        let document: Value = answer.json().await.unwrap();
        assert_eq!(document["servers"][0]["url"], app.origin());
        documents.push(document);
    }
    let [current, older] = documents.as_slice() else {
        panic!("there are two");
    };
    assert_eq!(
        (&current["openapi"], &older["openapi"]),
        (&"3.1.0".into(), &"3.0.3".into())
    );
    let names = |document: &Value| {
        let paths = document["paths"].as_object().unwrap().iter();
        let operations = paths.flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(move |method| format!("{method} {path}"))
        });
        operations.collect::<Vec<_>>()
    };
    assert_eq!(names(current), names(older));
    let properties = &older["components"]["schemas"]["EventBody"]["properties"]["properties"];
    assert_eq!(properties["nullable"], true);
    assert_eq!(properties["type"], "object");
}
