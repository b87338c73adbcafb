//! Calls to the collector from its own page.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Headers, RequestCredentials, RequestInit, RequestMode, Response};

use crate::dom::window;

/// Why a call brought nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No answer at all.
    Unreachable,
    /// The collector said no: the status, and what it says to do.
    Refused(u16, String),
}

impl Failure {
    pub(crate) fn is_unauthorised(&self) -> bool {
        matches!(self, Self::Refused(401, _))
    }

    /// For the reader.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Unreachable => {
                "The collector does not answer: check that `misar serve` is running.".to_owned()
            }
            Self::Refused(_, message) => message.clone(),
        }
    }
}

#[derive(Deserialize)]
struct ErrorAnswer {
    error: ErrorDetail,
}

#[derive(Deserialize)]
struct ErrorDetail {
    message: String,
}

/// One call; the body is JSON, the token that of the session where something is changed.
pub(crate) async fn call(
    method: &str,
    path: &str,
    body: Option<&str>,
    csrf: Option<&str>,
) -> Result<String, Failure> {
    call_until(method, path, body, csrf, None).await
}

/// The same, which the signal may end before there is an answer.
pub(crate) async fn call_until(
    method: &str,
    path: &str,
    body: Option<&str>,
    csrf: Option<&str>,
    end: Option<&AbortSignal>,
) -> Result<String, Failure> {
    let (status, ok, text) = exchange(method, path, body, csrf, end)
        .await
        .map_err(|_| Failure::Unreachable)?;
    if ok {
        Ok(text)
    } else {
        Err(refusal(status, &text))
    }
}

/// What stands at a path, read.
pub(crate) async fn get<T: DeserializeOwned>(path: &str) -> Result<T, Failure> {
    read(&call("GET", path, None, None).await?)
}

/// An answer, read.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    let unread = |_| {
        let message = "The server's answer cannot be read: reload the page.";
        Failure::Refused(200, message.to_owned())
    };
    serde_json::from_str(text).map_err(unread)
}

async fn exchange(
    method: &str,
    path: &str,
    body: Option<&str>,
    csrf: Option<&str>,
    end: Option<&AbortSignal>,
) -> Result<(u16, bool, String), JsValue> {
    let headers = Headers::new()?;
    let init = RequestInit::new();
    init.set_method(method);
    init.set_mode(RequestMode::SameOrigin);
    init.set_credentials(RequestCredentials::SameOrigin);
    if let Some(body) = body {
        headers.set("content-type", "application/json")?;
        init.set_body(&JsValue::from_str(body));
    }
    if let Some(csrf) = csrf {
        headers.set("x-csrf-token", csrf)?;
    }
    init.set_headers(&headers);
    init.set_signal(end);
    let answer = JsFuture::from(window()?.fetch_with_str_and_init(path, &init)).await?;
    let answer: Response = answer.dyn_into()?;
    let text = JsFuture::from(answer.text()?).await?;
    Ok((
        answer.status(),
        answer.ok(),
        text.as_string().unwrap_or_default(),
    ))
}

fn refusal(status: u16, text: &str) -> Failure {
    let message = match serde_json::from_str::<ErrorAnswer>(text) {
        Ok(answer) => answer.error.message,
        Err(_) => format!("The server answered {status}: try again in a moment."),
    };
    Failure::Refused(status, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_the_collector_says() {
        let failure = refusal(
            401,
            r#"{"success":false,"error":{"code":"invalid_code","message":"Run misar link."}}"#,
        );
        assert_eq!(failure.words(), "Run misar link.");
        assert!(failure.is_unauthorised());
    }

    #[test]
    fn a_refusal_by_something_else_on_the_way_is_told_by_its_status() {
        assert_eq!(
            refusal(502, "<html>").words(),
            "The server answered 502: try again in a moment."
        );
    }
}
