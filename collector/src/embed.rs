//! The code that a customer puts into every page: the key with the stub that queues calls, then the
//! snippet itself.

use shared::api_key::ApiKey;

use crate::public_url::PublicUrl;

/// Makes calls wait until the snippet is there. One line.
const STUB: &str = include_str!("../../dist/stub.js");

/// The embed code. A key consists of letters, digits and `_`, a public URL of what origins are made
/// of: neither needs escaping.
pub(crate) fn embed(key: &ApiKey, public_url: &PublicUrl) -> String {
    let inline = inline_script(key);
    format!("<script>{inline}</script>\n<script src=\"{public_url}/mail/track.js\" async></script>")
}

/// What stands between the tags of the first script, to the byte: a content security policy may name
/// its hash.
pub(crate) fn inline_script(key: &ApiKey) -> String {
    let stub = STUB.trim_end();
    format!(
        "\nwindow.MisarMail = {{ key: '{}' }};\n{stub}\n",
        key.as_str()
    )
}

#[cfg(test)]
mod tests {
    use shared::api_key::KeyKind;

    use super::*;

    #[test]
    fn the_embed_code_is_two_scripts_of_which_the_second_comes_from_us() {
        let key = ApiKey::generate(KeyKind::Public, &mut || 7);
        let url = PublicUrl::parse("https://track.example").unwrap();
        let html = embed(&key, &url);
        let lines: Vec<&str> = html.lines().collect();
        let [open, config, stub, close, script] = lines.as_slice() else {
            panic!("{html}");
        };
        assert_eq!((*open, *close), ("<script>", "</script>"));
        assert_eq!(
            *config,
            format!("window.MisarMail = {{ key: '{}' }};", key.as_str())
        );
        assert_eq!(*stub, STUB.trim_end());
        assert_eq!(
            *script,
            "<script src=\"https://track.example/mail/track.js\" async></script>"
        );
    }

    #[test]
    fn the_readme_shows_the_stub_as_it_is() {
        assert!(include_str!("../../README.md").contains(STUB.trim_end()));
    }

    #[test]
    fn the_stub_is_short_and_cannot_end_its_script() {
        assert!(STUB.len() <= 450, "{}", STUB.len());
        assert!(!STUB.contains("</"));
    }
}
