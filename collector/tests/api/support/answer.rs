//! An answer, and what every one of them must be.

use reqwest::header::HeaderMap;
use serde_json::Value;

use super::INGEST;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
    /// Empty where it is no text.
    pub(crate) text: String,
    /// Null where it is no JSON.
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn of(path: &str, status: u16, headers: HeaderMap, bytes: Vec<u8>) -> Self {
        let text = String::from_utf8(bytes.clone()).unwrap_or_default();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        let answer = Self {
            status,
            headers,
            bytes,
            text,
            body,
        };
        let route = path.split('?').next().unwrap_or_default();
        if INGEST.contains(&route) {
            assert_eq!(answer.header("access-control-allow-origin"), "*");
            let exposed = answer
                .header("access-control-expose-headers")
                .to_lowercase();
            for name in [
                "retry-after",
                "ratelimit-limit",
                "ratelimit-remaining",
                "ratelimit-reset",
            ] {
                assert!(exposed.contains(name), "{exposed}");
            }
        }
        // What readers of a mail see is a page.
        let is_for_readers = [
            "/mail/track/click/",
            "/mail/unsubscribe/",
            "/mail/subscribe/",
        ]
        .iter()
        .any(|start| route.starts_with(start));
        if status >= 400 && route != "/readyz" && !is_for_readers {
            answer.check_error();
        }
        answer
    }

    /// What every error is.
    fn check_error(&self) {
        let Self { body, text, .. } = self;
        assert_eq!(self.header("content-type"), "application/json", "{text}");
        assert_eq!(body["success"], false, "{text}");
        let known = ["success", "error", "id"];
        assert!(keys(body).iter().all(|key| known.contains(key)), "{text}");
        let error = &body["error"];
        let known = ["code", "message", "field", "fields", "progress"];
        assert!(keys(error).iter().all(|key| known.contains(key)), "{text}");
        let code = error["code"].as_str().unwrap();
        let is_code = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        assert!(!code.is_empty() && code.bytes().all(is_code), "{text}");
        let message = error["message"].as_str().unwrap();
        assert!(message.len() > 10, "it says what to do: {text}");
        assert!(!message.contains("person.example"), "{text}");
        for (_, rest) in ["msk_pub_", "msk_sec_"]
            .iter()
            .filter_map(|prefix| message.split_once(prefix))
        {
            assert!(
                !rest.starts_with(|next: char| next.is_ascii_alphanumeric()),
                "{text}"
            );
        }
        assert!(error.get("field").is_none_or(Value::is_string), "{text}");
        if matches!(self.status, 429 | 503) {
            let seconds: u32 = self.header("retry-after").parse().unwrap();
            assert!(seconds >= 1);
        }
    }

    /// The header's text; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The text of a field of the body.
    #[track_caller]
    pub(crate) fn text_of(&self, field: &str) -> String {
        self.body[field]
            .as_str()
            .unwrap_or_else(|| panic!("no {field}: {}", self.text))
            .to_owned()
    }

    #[track_caller]
    pub(crate) fn is_tracked(&self) -> &Self {
        assert_eq!(self.status, 200, "{}", self.text);
        assert_eq!(self.body["success"], true, "{}", self.text);
        assert_eq!(self.body["tracked"], true, "{}", self.text);
        assert!(self.body.get("reason").is_none(), "{}", self.text);
        self.text_of("id");
        // Pages get none.
        if let Some(seq) = self.body.get("seq") {
            is_opaque(seq.as_str().unwrap());
        }
        self
    }

    #[track_caller]
    pub(crate) fn is_duplicate_of(&self, first: &Answer) -> &Self {
        assert_eq!(self.status, 200, "{}", self.text);
        assert_eq!(self.body["success"], true, "{}", self.text);
        assert_eq!(self.body["tracked"], false, "{}", self.text);
        assert_eq!(self.body["reason"], "duplicate", "{}", self.text);
        if let (Some(seq), Some(first)) = (self.body.get("seq"), first.body.get("seq")) {
            assert_eq!(seq, first, "{}", self.text);
        }
        self
    }

    #[track_caller]
    pub(crate) fn is_refused(&self, status: u16, code: &str) -> &Self {
        let told = self.body["error"]["code"].as_str().unwrap_or_default();
        assert_eq!((self.status, told), (status, code), "{}", self.text);
        self
    }

    #[track_caller]
    pub(crate) fn is_refused_for(&self, field: &str, code: &str) -> &Self {
        self.is_refused(422, code);
        assert_eq!(self.body["error"]["field"], field, "{}", self.text);
        self
    }

    pub(crate) fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or_default()
    }

    /// The verdicts of a batch.
    #[track_caller]
    pub(crate) fn results(&self) -> &[Value] {
        assert_eq!(self.status, 200, "{}", self.text);
        assert_eq!(self.body["success"], true, "{}", self.text);
        self.body["results"].as_array().unwrap()
    }
}

fn keys(object: &Value) -> Vec<&str> {
    let object = object
        .as_object()
        .unwrap_or_else(|| panic!("no object: {object}"));
    object.keys().map(String::as_str).collect()
}

/// Cursors and seqs want no escaping in a URL.
#[track_caller]
pub(crate) fn is_opaque(text: &str) {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    assert!(!text.is_empty() && text.bytes().all(plain), "{text}");
}
