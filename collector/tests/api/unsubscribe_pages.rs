//! What readers see behind an unsubscribe link: in their language, with the sender's name, and nothing from elsewhere.

use reqwest::Method;
use serde_json::json;
use shared::api_key::Scope;
use store::token::Token;

use crate::mail::{ask, seal, sent};
use crate::support::{Answer, TestApp, spawn_app_at_rest};

async fn shown(app: &TestApp, path: &str, language: &str) -> Answer {
    let answer = ask(app, Method::GET, path, &[("accept-language", language)]).await;
    assert_eq!(answer.header("vary"), "accept-language");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_speaks_the_readers_language_in_every_state_and_english_where_it_knows_none() {
    let (app, _clock) = spawn_app_at_rest().await;
    let token = seal(&app, &Token::Unsubscribe(sent()));
    let path = format!("/mail/unsubscribe/{token}");
    for (language, lang, title) in [
        ("de-AT,de;q=0.9,en;q=0.5", "de", "Abmelden?"),
        ("fr", "fr", "Se désabonner ?"),
        ("es-MX", "es", "¿Darse de baja?"),
        ("it", "it", "Annullare l’iscrizione?"),
        ("pt-BR", "pt", "Cancelar a inscrição?"),
        ("nl", "nl", "Afmelden?"),
        ("pl", "pl", "Zrezygnować z subskrypcji?"),
        ("tr", "tr", "Abonelikten çıkılsın mı?"),
        ("ja", "ja", "配信を停止しますか？"),
        ("zh-CN", "zh", "要退订吗？"),
        ("sw, xx;q=0.3", "en", "Unsubscribe?"),
    ] {
        let page = shown(&app, &path, language).await;
        assert_eq!(page.status, 200);
        assert_eq!(page.header("content-language"), lang);
        assert!(
            page.text.contains(&format!("<html lang=\"{lang}\">")),
            "{}",
            page.text
        );
        assert!(
            page.text.contains(&format!("<h1>{title}</h1>")),
            "{}",
            page.text
        );
        // Nothing is loaded from anywhere.
        for sign in ["src=", "<script", "http", "<link", "@import", "url("] {
            assert!(!page.text.contains(sign), "{sign}: {}", page.text);
        }
        assert!(page.text.contains("width=device-width"));
        assert!(page.text.contains("color-scheme:light dark"));
    }
    let done = ask(&app, Method::POST, &path, &[("accept-language", "de")]).await;
    assert!(
        done.text.contains("<h1>Sie sind abgemeldet</h1>"),
        "{}",
        done.text
    );
    let again = shown(&app, &path, "fr").await;
    assert!(
        again.text.contains("Les recevoir à nouveau"),
        "{}",
        again.text
    );
    let incomplete = shown(&app, "/mail/unsubscribe/xyz", "pl").await;
    assert_eq!(incomplete.status, 404);
    assert!(
        incomplete
            .text
            .contains("<h1>Ten link jest niekompletny</h1>"),
        "{}",
        incomplete.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_names_the_sender_that_the_settings_name_as_a_text_and_nothing_else() {
    let (app, _clock) = spawn_app_at_rest().await;
    let admin = app.secret(&[Scope::Admin]);
    let token = seal(&app, &Token::Unsubscribe(sent()));
    let path = format!("/mail/unsubscribe/{token}");
    assert!(!shown(&app, &path, "en").await.text.contains("Sender:"));
    let set = async |name: serde_json::Value| {
        let ask = app.ask(Method::PATCH, "/v1/settings").key(&admin);
        ask.json(&json!({"senderName": name})).send().await
    };
    let answer = set(json!("  <b>Acme & Söhne</b> \"1\" ")).await;
    assert_eq!(
        answer.body["senderName"], "<b>Acme & Söhne</b> \"1\"",
        "{}",
        answer.text
    );
    let page = shown(&app, &path, "de").await;
    let name = "Absender: <b>&lt;b&gt;Acme &amp; Söhne&lt;/b&gt; &quot;1&quot;</b>";
    assert!(page.text.contains(name), "{}", page.text);
    for bad in [
        json!("x".repeat(101)),
        json!("a\nb"),
        json!(7),
        json!(admin),
    ] {
        let refused = set(bad).await;
        assert!(refused.status >= 400, "{}", refused.text);
    }
    assert_eq!(set(json!(null)).await.status, 200);
    let told = app.get_with("/v1/settings", &admin).await;
    assert!(told.body.get("senderName").is_none(), "{}", told.text);
    assert!(!shown(&app, &path, "de").await.text.contains("Absender"));
}
