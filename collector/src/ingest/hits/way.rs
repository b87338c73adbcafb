//! In which way somebody unsubscribes: by the one click of a mailbox provider, or by the button of our
//! page. Both are a POST to the same address.

use http::HeaderMap;
use http::header::{HeaderName, ORIGIN};

/// What the form of our page sends, so that its button is told from a provider's click.
pub(crate) const FORM_FIELD: &str = "from";
pub(crate) const FORM_VALUE: &str = "page";

/// Headers that browsers send with a form and mailbox providers do not.
const OF_BROWSERS: [HeaderName; 3] = [
    ORIGIN,
    HeaderName::from_static("sec-fetch-mode"),
    HeaderName::from_static("sec-fetch-dest"),
];

/// How an unsubscribe was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// RFC 8058: a mailbox provider posts, in whatever form (section 3.2 knows urlencoded and multipart
    /// bodies, and some send none).
    OneClick,
    /// The button of our page.
    Form,
}

impl Way {
    /// From the request's headers and the beginning of its body. What says that it is one click is
    /// believed, also from a browser: web mail may post from there.
    pub(crate) fn of(headers: &HeaderMap, body: &[u8]) -> Self {
        let body = String::from_utf8_lossy(body).to_ascii_lowercase();
        if body.contains("list-unsubscribe") {
            return Self::OneClick;
        }
        let marker = format!("{FORM_FIELD}={FORM_VALUE}");
        let is_form = body.split('&').any(|pair| pair.trim() == marker)
            || OF_BROWSERS.iter().any(|name| headers.contains_key(name));
        if is_form { Self::Form } else { Self::OneClick }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const MULTIPART: &str = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n";

    fn headers(name: Option<&'static str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(name) = name {
            headers.insert(name, HeaderValue::from_static("null"));
        }
        headers
    }

    #[test]
    fn any_body_is_one_click_save_that_of_our_form_and_of_a_browser() {
        for (header, body, way) in [
            (None, "List-Unsubscribe=One-Click", Way::OneClick),
            (None, "List-Unsubscribe=One%2DClick&a=b", Way::OneClick),
            (None, MULTIPART, Way::OneClick),
            (None, "", Way::OneClick),
            (None, "{\"odd\":true}", Way::OneClick),
            (None, "from=pages", Way::OneClick),
            (None, "from=page", Way::Form),
            (None, "a=b&from=page\r\n", Way::Form),
            (Some("origin"), "", Way::Form),
            (Some("sec-fetch-mode"), "", Way::Form),
            (Some("origin"), "List-Unsubscribe=One-Click", Way::OneClick),
            (Some("origin"), MULTIPART, Way::OneClick),
            (Some("user-agent"), "", Way::OneClick),
        ] {
            assert_eq!(
                Way::of(&headers(header), body.as_bytes()),
                way,
                "{header:?} {body:?}"
            );
        }
    }
}
