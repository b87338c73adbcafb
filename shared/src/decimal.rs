//! Decimal numbers taken from a JSON number's own text, exactly: no float on the way.
//! No arithmetic; what a number means (money, a quantity) is decided elsewhere.

use alloc::format;
use alloc::string::String;
use core::fmt;
use core::hash::{Hash, Hasher};

/// The furthest that a number's first digit may stand from the point, either way. Far beyond
/// everything that is counted or paid, near enough that arithmetic on exponents cannot overflow.
const MAX_MAGNITUDE: i64 = 9_999;
/// Numbers whose first digit stands further from the point than this are written with an exponent,
/// so that a text of ten characters never unfolds into one of ten thousand.
const MAX_PLAIN_MAGNITUDE: i64 = 30;

/// An exact decimal number: `digits` × 10^`exponent`. Equal values are equal, however they were
/// written (`1e2`, `100`, `100.0`).
#[derive(Clone)]
pub struct Decimal {
    negative: bool,
    /// ASCII digits without leading or trailing zeros; empty for zero.
    digits: String,
    exponent: i64,
    significant: usize,
}

impl Decimal {
    /// Reads a JSON number (RFC 8259, section 6). The work is linear in the text's length, whatever
    /// its exponent says.
    ///
    /// # Errors
    /// See [`DecimalError`].
    pub fn parse(json_number: &str) -> Result<Decimal, DecimalError> {
        let (negative, rest) = match json_number.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, json_number),
        };
        let (mantissa, sent_exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) if is_digits(fraction) => (whole, fraction),
            Some(_) => return Err(DecimalError::NotANumber),
            None => (mantissa, ""),
        };
        if !is_digits(whole) || (whole.len() > 1 && whole.starts_with('0')) {
            return Err(DecimalError::NotANumber);
        }

        let all = [whole, fraction].concat();
        let without_leading = all.trim_start_matches('0');
        let digits = without_leading.trim_end_matches('0');
        let significant = without_leading.len();
        if digits.is_empty() {
            return Ok(Decimal {
                negative: false,
                digits: String::new(),
                exponent: 0,
                significant,
            });
        }
        let exponent = sent_exponent - length(fraction) + length(without_leading) - length(digits);
        match exponent + length(digits) - 1 {
            magnitude if magnitude > MAX_MAGNITUDE => Err(DecimalError::TooLarge),
            magnitude if magnitude < -MAX_MAGNITUDE => Err(DecimalError::TooSmall),
            _ => Ok(Decimal {
                negative,
                digits: digits.into(),
                exponent,
                significant,
            }),
        }
    }

    /// The digits of the text as sent, leading zeros left out, trailing ones counted: `0.050` has
    /// two, `1e2` one, `100` three. A float's noise shows itself by having 15 or more.
    #[must_use]
    pub(crate) fn significant_digits(&self) -> usize {
        self.significant
    }

    /// Below zero; `-0` is not.
    #[must_use]
    pub(crate) fn is_negative(&self) -> bool {
        self.negative
    }

    /// Zero, however it was written.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// The greatest whole number that is not above a number of zero or more; `i64::MAX` where that
    /// is greater still, and 0 for a negative number.
    #[must_use]
    pub fn floor(&self) -> i64 {
        let places = length(&self.digits) + self.exponent;
        if self.negative || places <= 0 {
            return 0;
        }
        if places > 19 {
            return i64::MAX;
        }
        // At most 19 digits, those that the text leaves out being zeros.
        let known = self.digits.bytes().map(|digit| i64::from(digit - b'0'));
        known
            .chain(core::iter::repeat(0))
            .zip(0..places)
            .fold(0i64, |whole, (digit, _)| {
                whole.saturating_mul(10).saturating_add(digit)
            })
    }

    /// ASCII digits without leading or trailing zeros (none for zero), and the power of ten to
    /// multiply them by.
    pub(crate) fn parts(&self) -> (&str, i64) {
        (&self.digits, self.exponent)
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Decimal) -> bool {
        (self.negative, &self.digits, self.exponent)
            == (other.negative, &other.digits, other.exponent)
    }
}

impl Eq for Decimal {}

impl Hash for Decimal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.negative, &self.digits, self.exponent).hash(state);
    }
}

/// The canonical text, a JSON number: plain (`-0.05`, `1200`), or for very large and very small ones
/// with an exponent (`1.5e40`). Equal values have equal texts.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0");
        }
        if self.negative {
            f.write_str("-")?;
        }
        let magnitude = self.exponent + length(&self.digits) - 1;
        if magnitude.abs() > MAX_PLAIN_MAGNITUDE {
            let (first, rest) = self.digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            return write!(f, "{first}{point}{rest}e{magnitude}");
        }
        f.write_str(&plain(&self.digits, self.exponent))
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no decimal number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalError {
    /// Not a JSON number: a string, `NaN`, `+1`, `.5`.
    NotANumber,
    /// A number from 10^10000 up, by its absolute value.
    TooLarge,
    /// A number below 10^-9999 and not zero, by its absolute value.
    TooSmall,
}

impl fmt::Display for DecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DecimalError::NotANumber => "send a JSON number, without quotation marks",
            DecimalError::TooLarge => "send a smaller number",
            DecimalError::TooSmall => "send 0 rather than a number this close to it",
        })
    }
}

impl core::error::Error for DecimalError {}

/// `digits` × 10^`exponent` without an exponent. Both are small here.
fn plain(digits: &str, exponent: i64) -> String {
    let moved = usize::try_from(exponent.unsigned_abs()).unwrap_or(0);
    if exponent >= 0 {
        return format!("{digits}{}", "0".repeat(moved));
    }
    match digits.len().checked_sub(moved) {
        Some(0) | None => format!("0.{}{digits}", "0".repeat(moved - digits.len())),
        Some(point) => format!("{}.{}", &digits[..point], &digits[point..]),
    }
}

/// Saturates long before `i64` does; texts are far shorter than the bound, so their digits can not
/// bring such a number back into range.
fn parse_exponent(text: &str) -> Result<i64, DecimalError> {
    const BOUND: i64 = 1 << 50;
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    if !is_digits(digits) {
        return Err(DecimalError::NotANumber);
    }
    let size = digits.bytes().fold(0i64, |size, digit| {
        (size * 10 + i64::from(digit - b'0')).min(BOUND)
    });
    Ok(sign * size)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn length(text: &str) -> i64 {
    // A text in memory is shorter than i64::MAX.
    i64::try_from(text.len()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString as _;

    #[track_caller]
    fn check(sent: &str, canonical: &str, significant: usize) {
        let decimal = Decimal::parse(sent).unwrap();
        assert_eq!(decimal.to_string(), canonical, "{sent}");
        assert_eq!(decimal.significant_digits(), significant, "{sent}");
    }

    #[test]
    fn the_canonical_form_and_the_significant_digits_follow_the_text() {
        check("0", "0", 0);
        check("-0", "0", 0);
        check("-0.00e5", "0", 0);
        check("0e999999999", "0", 0);
        check("1e2", "100", 1);
        check("100", "100", 3);
        check("100.00", "100", 5);
        check("0.050", "0.05", 2);
        check("-12.5E-1", "-1.25", 3);
        check("1.5e+3", "1500", 2);
        check(
            "123456789012345678901234567890.5",
            "123456789012345678901234567890.5",
            31,
        );
        check("15e39", "1.5e40", 2);
        check("1e-31", "1e-31", 1);
        check("9e-9999", "9e-9999", 1);
    }

    #[test]
    fn what_is_no_json_number_is_refused() {
        for text in [
            "", "-", "+1", ".5", "5.", "01", "1e", "1e+", "1.e5", "NaN", "\"1\"", "1 ", "0x1",
            "1e5.0", "--1", "1_0",
        ] {
            assert_eq!(
                Decimal::parse(text),
                Err(DecimalError::NotANumber),
                "{text}"
            );
        }
    }

    #[test]
    fn absurd_exponents_are_refused_and_cost_nothing() {
        assert_eq!(Decimal::parse("1e999999999"), Err(DecimalError::TooLarge));
        assert_eq!(
            Decimal::parse("-1e99999999999999999999999"),
            Err(DecimalError::TooLarge)
        );
        assert_eq!(
            Decimal::parse("1e-99999999999999999999999"),
            Err(DecimalError::TooSmall)
        );
        assert_eq!(Decimal::parse("1e10000"), Err(DecimalError::TooLarge));
    }

    proptest! {
        #[test]
        fn the_canonical_text_stands_for_the_same_number(mantissa: i64, exponent in -60i32..60) {
            let decimal = Decimal::parse(&std::format!("{mantissa}e{exponent}")).unwrap();
            let again = Decimal::parse(&decimal.to_string()).unwrap();
            prop_assert_eq!(&again, &decimal);
            prop_assert_eq!(again.to_string(), decimal.to_string());
        }

        #[test]
        fn shifting_the_point_and_the_exponent_changes_nothing(mantissa in 1u32.., shift in 0usize..20) {
            let plain = Decimal::parse(&mantissa.to_string()).unwrap();
            let shifted = std::format!("{mantissa}{}e-{shift}", "0".repeat(shift));
            prop_assert_eq!(Decimal::parse(&shifted).unwrap(), plain);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-+0-9.eE]{0,40}") {
            drop(Decimal::parse(&text));
        }
    }
}
