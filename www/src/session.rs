//! Who is signed in: by a link's one-time code, by a key, or by the cookie of before.

use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;

use crate::dom::window;
use crate::http::{self, Failure};

/// The answer of `/session`, as far as the page needs it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Session {
    pub(crate) csrf_token: String,
}

/// What is exchanged for a session.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Proof {
    Code(String),
    Key(String),
}

/// Takes the code out of the address, so that it stays neither in sight nor in the history.
pub(crate) fn take_code() -> Result<Option<String>, JsValue> {
    let window = window()?;
    let location = window.location();
    let Some(code) = code_in(&location.hash()?) else {
        return Ok(None);
    };
    let clean = location.pathname()? + &location.search()?;
    window
        .history()?
        .replace_state_with_url(&JsValue::NULL, "", Some(&clean))?;
    Ok(Some(code))
}

fn code_in(fragment: &str) -> Option<String> {
    let parameters = fragment.strip_prefix('#')?.split('&');
    let code = parameters
        .filter_map(|parameter| parameter.strip_prefix("code="))
        .next()?;
    (!code.is_empty()).then(|| code.to_owned())
}

pub(crate) async fn begin(proof: Proof) -> Result<Session, Failure> {
    // These two strings always become JSON.
    let body = serde_json::to_string(&proof).unwrap_or_default();
    http::call("POST", "/session", Some(&body), None)
        .await
        .and_then(|text| read(&text))
}

pub(crate) async fn current() -> Result<Session, Failure> {
    http::call("GET", "/session", None, None)
        .await
        .and_then(|text| read(&text))
}

pub(crate) async fn end(session: &Session) -> Result<(), Failure> {
    http::call("DELETE", "/session", None, Some(&session.csrf_token))
        .await
        .map(drop)
}

fn read(text: &str) -> Result<Session, Failure> {
    let wrong = |_| {
        Failure::Refused(
            200,
            "The server's answer is not a session: reload the page.".to_owned(),
        )
    };
    serde_json::from_str(text).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_found_in_the_fragment() {
        assert_eq!(code_in("#code=abc-_1").as_deref(), Some("abc-_1"));
        assert_eq!(code_in("#a=b&code=x").as_deref(), Some("x"));
        assert_eq!(
            [code_in(""), code_in("#code="), code_in("#barcode=1")],
            [None, None, None]
        );
    }

    #[test]
    fn a_code_and_a_key_are_sent_under_their_names() {
        let body = |proof: &Proof| serde_json::to_string(proof).unwrap();
        assert_eq!(body(&Proof::Code("c".to_owned())), r#"{"code":"c"}"#);
        assert_eq!(body(&Proof::Key("k\"".to_owned())), r#"{"key":"k\""}"#);
    }

    #[test]
    fn an_answer_that_is_no_session_says_so() {
        assert!(read("{}").is_err());
        assert_eq!(
            read(r#"{"csrfToken":"t","workspace":"default"}"#)
                .unwrap()
                .csrf_token,
            "t"
        );
    }
}
