//! Writes the little JSON that the engine makes itself: numbers. Texts and properties come from the
//! page as JSON and are passed on as they are; a serialiser for them would be most of the script
//! (measured: 2,161 bytes for `serde_json`).

use alloc::string::String;

/// A text of one's own. `String::from` would bring another way to take memory into the module,
/// where growing is there already.
pub fn owned(text: &str) -> String {
    let mut own = String::new();
    own.push_str(text);
    own
}

/// Writes a whole number.
pub fn number(out: &mut String, number: u64) {
    if number > 9 {
        self::number(out, number / 10);
    }
    let digit = (number % 10) as usize;
    out.push_str("0123456789".get(digit..=digit).unwrap_or_default());
}

#[cfg(not(target_arch = "wasm32"))]
#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_reads_back(sent: u64) {
            let mut out = String::new();
            number(&mut out, sent);
            prop_assert_eq!(out, sent.to_string());
        }
    }
}
