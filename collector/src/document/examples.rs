//! A request for each operation, to be pasted into a shell in which `KEY` holds a key: pure, from the
//! document's own examples.

use serde_json::Value;

use super::BASE;
use super::shape::target;

/// Why an operation has no request to paste.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoExample {
    /// Its address is sealed.
    Token,
    /// It answers to our own pages alone.
    OwnPages,
    /// It is about one key of the reader's.
    Named,
    /// It is about one segment of the reader's.
    NamedSegment,
}

impl NoExample {
    /// For people.
    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::Token => {
                "Its address stands in the messages that come back instrumented: nobody else can make one."
            }
            Self::Named => {
                "Put the id of one of your keys into the address: `GET /v1/keys` lists them."
            }
            Self::NamedSegment => {
                "Put the id of one of your segments into the address: `GET /v1/segments` lists them."
            }
            Self::OwnPages => "Only misar's own pages are answered; programs send a key instead.",
        }
    }
}

/// The request, as `curl`, with [`BASE`] for the server; or why there is none.
pub(super) fn of(
    document: &Value,
    path: &str,
    method: &str,
    operation: &Value,
) -> Result<String, NoExample> {
    if path.contains("{token}") {
        return Err(NoExample::Token);
    }
    if path.starts_with("/v1/keys/{") {
        return Err(NoExample::Named);
    }
    if path.starts_with("/v1/segments/{") {
        return Err(NoExample::NamedSegment);
    }
    if operation["tags"][0] == "session" {
        return Err(NoExample::OwnPages);
    }
    let mut address = format!("{BASE}{path}");
    let mut separator = '?';
    let mut headers = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        if parameter["required"] != true {
            continue;
        }
        let name = parameter["name"].as_str().unwrap_or_default();
        let value = plain(example_of_parameter(parameter).unwrap_or(&Value::Null));
        match parameter["in"].as_str() {
            Some("path") => address = address.replace(&format!("{{{name}}}"), &encoded(&value)),
            Some("query") => {
                address.push(separator);
                address.push_str(&format!("{name}={}", encoded(&value)));
                separator = '&';
            }
            _ => headers.push(format!("{name}: {value}")),
        }
    }
    let mut command = "curl".to_owned();
    if is_stream(operation) {
        command.push_str(" -N");
    }
    match method {
        "get" | "post" => {}
        other => command.push_str(&format!(" -X {}", other.to_uppercase())),
    }
    command.push_str(&format!(" '{address}'"));
    if takes_secret_key(operation) {
        // In double quotes: the shell fills it in.
        command.push_str(" \\\n  -H \"Authorization: Bearer $KEY\"");
    }
    for header in headers {
        command.push_str(&format!(" \\\n  -H {}", quoted(&header)));
    }
    if let Some(body) = example_of_body(document, operation) {
        command.push_str(" \\\n  -H 'Content-Type: application/json'");
        command.push_str(&format!(" \\\n  -d {}", quoted(&body.to_string())));
    } else if method == "post" {
        command.push_str(" \\\n  -X POST");
    }
    Ok(command)
}

/// What a parameter gives as its example.
pub(super) fn example_of_parameter(parameter: &Value) -> Option<&Value> {
    parameter
        .get("example")
        .or_else(|| parameter["schema"].get("example"))
}

/// What a JSON body gives as its example, its own or its schema's.
pub(super) fn example_of_body<'a>(document: &'a Value, operation: &'a Value) -> Option<&'a Value> {
    let content = &operation["requestBody"]["content"]["application/json"];
    let schema = &content["schema"];
    let named = target(schema).map_or(schema, |name| &document["components"]["schemas"][name]);
    content
        .get("example")
        .or_else(|| schema.get("example"))
        .or_else(|| named.get("example"))
}

/// Whether the operation answers for as long as one listens.
pub(super) fn is_stream(operation: &Value) -> bool {
    operation["responses"]["200"]["content"]
        .get("text/event-stream")
        .is_some()
}

pub(super) fn takes_secret_key(operation: &Value) -> bool {
    let mut schemes = operation["security"].as_array().into_iter().flatten();
    schemes.any(|scheme| scheme.get("secret_key").is_some())
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// As it stands in a path or a query; `@` may stand in both and is read more easily.
fn encoded(value: &str) -> String {
    let encoded: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
    encoded.replace('+', "%20").replace("%40", "@")
}

/// One word of a shell, to the letter.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_body_is_one_word_of_the_shell_whatever_it_holds() {
        let operation = json!({
            "security": [{"secret_key": []}],
            "requestBody": {"content": {"application/json": {"example": {"name": "Ada's $HOME \"x\" \\"}}}},
        });
        assert_eq!(
            of(&json!({}), "/v1/x", "post", &operation).unwrap(),
            "curl '__MISAR_BASE__/v1/x' \\\n  -H \"Authorization: Bearer $KEY\" \\\n  \
             -H 'Content-Type: application/json' \\\n  -d '{\"name\":\"Ada'\\''s $HOME \\\"x\\\" \\\\\"}'"
        );
    }

    #[test]
    fn what_a_path_and_a_query_need_is_filled_in_and_encoded() {
        let operation = json!({
            "security": [],
            "parameters": [
                {"name": "id", "in": "path", "required": true, "example": "a b/c"},
                {"name": "email", "in": "query", "required": true, "schema": {"example": "ada+x@example.com"}},
                {"name": "limit", "in": "query", "required": false, "example": 3},
            ],
        });
        assert_eq!(
            of(&json!({}), "/v1/x/{id}", "get", &operation).unwrap(),
            "curl '__MISAR_BASE__/v1/x/a%20b%2Fc?email=ada%2Bx@example.com'"
        );
        assert_eq!(
            of(&json!({}), "/v1/x/{id}", "delete", &operation).unwrap(),
            "curl -X DELETE '__MISAR_BASE__/v1/x/a%20b%2Fc?email=ada%2Bx@example.com'"
        );
    }

    #[test]
    fn sealed_addresses_and_our_own_pages_have_no_request() {
        assert_eq!(
            of(&json!({}), "/mail/x/{token}", "get", &json!({})),
            Err(NoExample::Token)
        );
        assert_eq!(
            of(&json!({}), "/session", "get", &json!({"tags": ["session"]})),
            Err(NoExample::OwnPages)
        );
    }
}
