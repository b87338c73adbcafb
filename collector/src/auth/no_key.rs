//! What stands in a header in the place of a key where a variable was not set, or a placeholder was left
//! as it was.

/// What to do about it.
pub(super) const MESSAGE: &str =
    "the header holds no key: is $KEY set? It is sent as `Authorization: Bearer msk_sec_…`";

/// Texts in which nobody mistypes a key: nothing, the name of a variable, a placeholder, and what
/// languages print for nothing.
pub(super) fn is_in_place_of_one(text: &str) -> bool {
    let lower = text.trim_matches(['"', '\'']).to_ascii_lowercase();
    let is_wrapped = lower.starts_with(['$', '%', '{', '<', '[', '@', '#', '*']);
    let is_nothing = matches!(
        &*lower,
        "" | "undefined" | "null" | "none" | "nil" | "true" | "false"
    );
    let is_placeholder = [
        "your", "key", "api_key", "apikey", "api-key", "token", "secret", "misar", "xxx",
    ]
    .iter()
    .any(|word| lower.starts_with(word));
    is_wrapped || is_nothing || is_placeholder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_variable_and_a_placeholder_are_no_mistyped_keys() {
        for text in [
            "",
            "$KEY",
            "${MISAR_KEY}",
            "{{ key }}",
            "%KEY%",
            "<key>",
            "YOUR_API_KEY",
            "undefined",
            "null",
            "None",
            "\"\"",
            "'$KEY'",
            "@key",
            "process",
        ] {
            assert_eq!(is_in_place_of_one(text), text != "process", "{text}");
        }
        for text in ["msk_live_1234", "sk_test_1234", "abc"] {
            assert!(!is_in_place_of_one(text), "{text}");
        }
    }
}
