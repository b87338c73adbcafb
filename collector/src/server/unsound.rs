//! What hyper answers by itself to what is no sound HTTP, without a body: in its place an error as all
//! others are, which says what to do.

use shared::wire::ErrorBody;

/// What stands in all of our own answers, and in none of hyper's.
const OWN: &[u8] = b"x-content-type-options";

/// The answer to send in place of the one that begins with these bytes; `None` where that is ours.
pub(super) fn instead(answer: &[u8]) -> Option<Vec<u8>> {
    // `HTTP/1.1 400 Bad Request`
    if !answer.starts_with(b"HTTP/1.") {
        return None;
    }
    let (line, code, message) = match answer.get(9..12)? {
        b"400" => (
            "400 Bad Request",
            "invalid_request",
            "this is no sound HTTP request. A body is sent with Content-Length or `Transfer-Encoding: chunked`, never in \
             another transfer coding (compression is named in Content-Encoding); a path holds no blanks",
        ),
        b"414" => (
            "414 URI Too Long",
            "uri_too_long",
            "the address is too long: send less in its query",
        ),
        b"431" => (
            "431 Request Header Fields Too Large",
            "headers_too_large",
            "the headers are too large: send at most 32 KB of them, and no more than 100",
        ),
        _ => return None,
    };
    let is_own = answer
        .windows(OWN.len())
        .any(|window| window.eq_ignore_ascii_case(OWN));
    if is_own {
        return None;
    }
    // Texts alone: they serialise.
    let body = serde_json::to_string(&ErrorBody::new(code, message)).unwrap_or_default();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {line}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\nAccess-Control-Allow-Origin: *\r\nConnection: close\r\n\r\n"
    );
    Some([head, body].concat().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_ours_gets_another_answer() {
        let bare = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let told = String::from_utf8(instead(bare).unwrap()).unwrap();
        assert!(told.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{told}");
        assert!(told.contains("\"code\":\"invalid_request\""), "{told}");
        let own = b"HTTP/1.1 400 Bad Request\r\nX-Content-Type-Options: nosniff\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(instead(own), None);
        let found = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(instead(found), None);
        assert_eq!(instead(b"{\"a\":1}"), None);
        assert_eq!(instead(b"HTTP/1."), None);
    }
}
