//! Lists of suppressions as files, both ways.

use reqwest::Method;
use serde_json::{Value, json};

use crate::messages::writer;
use crate::support::spawn_app;
use crate::suppressions::{ROUTE, lift, list};

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_paged_and_exported_and_the_export_can_be_imported() {
    let app = spawn_app().await;
    let key = writer(&app);
    let all: Vec<Value> = (0..25)
        .map(|n| json!({"email": format!("n{n}@person.example"), "reason": "unsubscribed"}))
        .collect();
    let answer = app.post(ROUTE, &key, &json!({"suppressions": all})).await;
    assert_eq!(answer.body["recorded"], 25, "{}", answer.text);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = list(&app, &key, &format!("?limit=10{cursor}")).await;
        let found = page["suppressions"].as_array().unwrap();
        seen.extend(
            found
                .iter()
                .map(|one| one["email"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 25);

    for (format, media) in [("csv", "text/csv"), ("ndjson", "application/x-ndjson")] {
        let file = app
            .get_with(&format!("{ROUTE}?format={format}"), &key)
            .await;
        assert_eq!(file.status, 200);
        assert!(file.header("content-type").starts_with(media));
        for n in 0..25 {
            lift(&app, &key, &format!("?email=n{n}@person.example")).await;
        }
        let imported = app
            .ask(Method::POST, ROUTE)
            .key(&key)
            .header("content-type", media)
            .body(file.text.clone())
            .send()
            .await;
        assert_eq!(imported.body["recorded"], 25, "{format} {}", imported.text);
        let again = app
            .get_with(&format!("{ROUTE}?format={format}"), &key)
            .await;
        assert_eq!(again.text, file.text);
    }
    let file = "email,reason\nada@person.example,\nnobody,\n";
    let answer = app
        .ask(Method::POST, ROUTE)
        .key(&key)
        .header("content-type", "text/csv; charset=utf-8")
        .body(file)
        .send()
        .await;
    assert_eq!(
        (&answer.body["recorded"], &answer.body["rejected"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(answer.body["results"][0]["line"], 3);
    assert_eq!(answer.body["results"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_utf_8_is_refused_by_its_line_and_its_own_code() {
    let app = spawn_app().await;
    let key = writer(&app);
    let latin = b"email,name\nada@person.example,Ada\nzoe@person.example,Zo\xeb\n".to_vec();
    let lines =
        b"{\"email\":\"ada@person.example\"}\n{\"email\":\"zo\xeb@person.example\"}\n".to_vec();
    let wide = |mark: &[u8], bytes: fn(u16) -> [u8; 2]| {
        let text = "email\nada@person.example\n".encode_utf16().flat_map(bytes);
        mark.iter().copied().chain(text).collect::<Vec<u8>>()
    };
    for (media, file, parts) in [
        ("text/csv", latin.clone(), ["line 3 ", "UTF-8"]),
        ("text/csv; charset=utf-8", latin, ["line 3 ", "UTF-8"]),
        ("application/x-ndjson", lines, ["line 2 ", "UTF-8"]),
        (
            "text/csv",
            wide(&[0xff, 0xfe], u16::to_le_bytes),
            ["line 1 ", "UTF-16"],
        ),
        (
            "text/csv",
            wide(&[0xfe, 0xff], u16::to_be_bytes),
            ["line 1 ", "UTF-16"],
        ),
        (
            "text/csv",
            wide(&[], u16::to_le_bytes),
            ["line 1 ", "UTF-16"],
        ),
        (
            "text/csv",
            wide(&[], u16::to_be_bytes),
            ["line 1 ", "UTF-16"],
        ),
    ] {
        let ask = app.ask(Method::POST, ROUTE).key(&key);
        let answer = ask.header("content-type", media).body(file).send().await;
        answer.is_refused(422, "invalid_body");
        let message = answer.body["error"]["message"].as_str().unwrap();
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }
    assert_eq!(app.on_disk(), 0);
    // JSON that is not UTF-8 is no JSON.
    let ask = app.ask(Method::POST, ROUTE).key(&key);
    let ask = ask.header("content-type", "application/json");
    let answer = ask.body(b"{\"email\":\n\"zo\xeb\"}".to_vec()).send().await;
    answer.is_refused(400, "invalid_json");
    // A character that stands nowhere spoils its own row.
    let ask = app.ask(Method::POST, ROUTE).key(&key);
    let file = "email\nada\0@person.example\nben@person.example\n";
    let answer = ask
        .header("content-type", "text/csv")
        .body(file)
        .send()
        .await;
    assert_eq!(answer.body["recorded"], 1, "{}", answer.text);
    assert_eq!(answer.body["results"][0]["line"], 2, "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_address_is_a_formula_in_the_file_and_each_comes_back_as_it_was() {
    let app = spawn_app().await;
    let key = writer(&app);
    let addresses = [
        "=cmd@person.example",
        "+49@person.example",
        "-1@person.example",
        "'o@person.example",
    ];
    let entries: Vec<Value> = addresses
        .iter()
        .map(|email| json!({"email": email}))
        .collect();
    let answer = app
        .post(ROUTE, &key, &json!({"suppressions": entries}))
        .await;
    assert_eq!(answer.body["recorded"], 4, "{}", answer.text);
    let csv = format!("{ROUTE}?format=csv");
    let file = app.get_with(&csv, &key).await.text;
    for address in addresses {
        assert!(file.contains(&format!("\n'{address},")), "{file}");
        let plain = address.replace('+', "%2B");
        lift(&app, &key, &format!("?email={plain}")).await;
    }
    let ask = app.ask(Method::POST, ROUTE).key(&key);
    let answer = ask
        .header("content-type", "text/csv")
        .body(file.clone())
        .send()
        .await;
    assert_eq!(answer.body["recorded"], 4, "{}", answer.text);
    assert_eq!(app.get_with(&csv, &key).await.text, file);
}
