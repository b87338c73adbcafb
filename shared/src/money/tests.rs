//! Tests of currencies and amounts: examples, and an oracle in wide integers.

use super::*;
use proptest::prelude::*;

fn currency(code: &str) -> Currency {
    Currency::parse(code).unwrap()
}

fn minor(text: &str, code: &str) -> Result<(i64, Rounded), MoneyError> {
    Money::from_json_number(text, currency(code)).map(|(money, rounded)| (money.minor, rounded))
}

#[test]
fn currencies_are_known_by_code_in_any_case_with_their_decimals() {
    for (code, digits) in [
        ("USD", 2),
        ("jpy", 0),
        ("Kwd", 3),
        (" eur ", 2),
        ("MRU", 2),
        ("CLF", 4),
        ("BHD", 3),
    ] {
        assert_eq!(currency(code).minor_digits(), digits, "{code}");
        assert_eq!(currency(code).code(), code.trim().to_ascii_uppercase());
    }
    for code in [
        "",
        "US",
        "USDT",
        "ABC",
        "XAU",
        "XXX",
        "XTS",
        "$",
        "€€€",
        "840",
    ] {
        assert_eq!(Currency::parse(code), Err(CurrencyError), "{code}");
    }
}

#[test]
fn amounts_become_minor_units_exactly() {
    for (text, code, expected) in [
        ("49.99", "USD", 4999),
        ("1e2", "USD", 10_000),
        ("1E+2", "USD", 10_000),
        ("0", "USD", 0),
        ("-0", "USD", 0),
        ("-0.0e3", "USD", 0),
        ("500", "JPY", 500),
        ("500.0", "JPY", 500),
        ("500.000000000000000000000", "JPY", 500),
        ("1.234", "KWD", 1234),
        ("1.2", "KWD", 1200),
        ("12345e-2", "USD", 12345),
        ("92233720368547758.07", "USD", i64::MAX),
        ("9223372036854775807", "JPY", i64::MAX),
    ] {
        assert_eq!(
            minor(text, code),
            Ok((expected, Rounded::No)),
            "{text} {code}"
        );
    }
}

#[test]
fn the_noise_of_binary_floats_is_rounded_and_marked() {
    for (text, code, expected) in [
        ("49.990000000000002", "USD", 4999),
        ("19.989999999999998", "USD", 1999),
        ("0.30000000000000004", "USD", 30),
        ("1.1100000000000001", "USD", 111),
        ("299.99999999999994", "JPY", 300),
        // Exactly 10^-6 of a cent away, on either side.
        ("1234567.00000001", "USD", 123_456_700),
        ("1234566.99999999", "USD", 123_456_700),
    ] {
        assert_eq!(
            minor(text, code),
            Ok((expected, Rounded::Yes)),
            "{text} {code}"
        );
    }
}

#[test]
fn other_excess_decimals_are_refused_with_advice() {
    for (text, code, advice) in [
        (
            "49.987",
            "USD",
            "USD has 2 decimals: send 49.99 rather than 49.987",
        ),
        (
            "49.984",
            "USD",
            "USD has 2 decimals: send 49.98 rather than 49.984",
        ),
        (
            "499.5",
            "JPY",
            "JPY has no decimals: send 500 rather than 499.5",
        ),
        (
            "0.0001",
            "KWD",
            "KWD has 3 decimals: send 0.000 rather than 0.0001",
        ),
        ("1e-999999999", "USD", "USD has 2 decimals: send 0.00"),
        // Fourteen digits: too few for a float's noise.
        (
            "123456.00000001",
            "USD",
            "USD has 2 decimals: send 123456.00 rather than 123456.00000001",
        ),
        // Fifteen digits and too far from a whole cent.
        (
            "1234567.00000002",
            "USD",
            "USD has 2 decimals: send 1234567.00 rather than 1234567.00000002",
        ),
        (
            "33.3333333333333333",
            "USD",
            "USD has 2 decimals: send 33.33 rather than 33.3333333333333333",
        ),
    ] {
        assert_eq!(minor(text, code).unwrap_err().to_string(), advice);
    }
}

#[test]
fn strings_negatives_and_amounts_beyond_an_i64_are_refused() {
    for (text, code, error) in [
        ("\"49.99\"", "USD", MoneyError::NotANumber),
        ("true", "USD", MoneyError::NotANumber),
        ("-1", "USD", MoneyError::Negative),
        ("-0.0000000000000000001", "USD", MoneyError::Negative),
        ("-1e999999999", "USD", MoneyError::Negative),
        ("92233720368547758.08", "USD", MoneyError::TooLarge),
        ("9223372036854775807.99999999", "JPY", MoneyError::TooLarge),
        ("1e999999999", "USD", MoneyError::TooLarge),
        ("1e40", "USD", MoneyError::TooLarge),
        (
            "123456789012345678901234567890",
            "JPY",
            MoneyError::TooLarge,
        ),
    ] {
        assert_eq!(minor(text, code), Err(error), "{text} {code}");
    }
}

#[test]
fn a_decimal_string_has_all_decimals_of_its_currency() {
    for (minor, code, text) in [
        (4999, "USD", "49.99"),
        (5, "USD", "0.05"),
        (0, "USD", "0.00"),
        (-5, "USD", "-0.05"),
        (500, "JPY", "500"),
        (1234, "KWD", "1.234"),
        (i64::MIN, "JPY", "-9223372036854775808"),
    ] {
        assert_eq!(
            Money {
                minor,
                currency: currency(code)
            }
            .to_decimal_string(),
            text
        );
    }
}

/// What the contract says, in `i128` fractions of 10^-20 minor units.
fn oracle(units: u64, places: u32, digits: u32) -> Option<(i64, Rounded)> {
    let scale = 10i128.pow(20);
    let value = i128::from(units) * 10i128.pow(20 + digits - places);
    let (below, rest) = (value / scale, value % scale);
    let significant = if units == 0 { 0 } else { units.ilog10() + 1 };
    let noise = 10i128.pow(14);
    match rest {
        0 => i64::try_from(below).ok().map(|minor| (minor, Rounded::No)),
        _ if significant < 15 => None,
        rest if rest <= noise => i64::try_from(below).ok().map(|minor| (minor, Rounded::Yes)),
        rest if scale - rest <= noise => i64::try_from(below + 1)
            .ok()
            .map(|minor| (minor, Rounded::Yes)),
        _ => None,
    }
}

proptest! {
    #[test]
    fn an_amount_survives_its_text(minor in 0i64.., code in prop::sample::select(&["USD", "JPY", "KWD", "CLF"])) {
        let money = Money { minor, currency: currency(code) };
        let read = Money::from_json_number(&money.to_decimal_string(), money.currency);
        prop_assert_eq!(read, Ok((money, Rounded::No)));
    }

    #[test]
    fn every_amount_agrees_with_the_oracle(
        units in prop_oneof![0u64..10_000, 0u64..10_000_000_000_000_000_000, (0u64..1_000_000, -3i64..4).prop_map(|(cents, noise)| (cents * 10_000_000_000).saturating_add_signed(noise))],
        places in 0u32..19,
        (code, digits) in prop::sample::select(&[("USD", 2u32), ("JPY", 0), ("KWD", 3)]),
    ) {
        let text = format!("{units}e-{places}");
        prop_assume!(10i128.checked_pow(20 + digits - places.min(20)).is_some());
        prop_assert_eq!(minor(&text, code).ok(), oracle_fits(units, places, digits));
    }

    #[test]
    fn no_number_makes_it_panic(text in "-?[0-9]{1,30}(\\.[0-9]{1,40})?([eE][-+]?[0-9]{1,6})?") {
        drop(minor(&text, "USD"));
        drop(minor(&text, "JPY"));
    }
}

/// The oracle where its `i128` is wide enough: 10^19 × 10^(20 + 3) is not.
fn oracle_fits(units: u64, places: u32, digits: u32) -> Option<(i64, Rounded)> {
    if places > digits || units < 1_000_000_000_000_000 {
        oracle(units, places, digits)
    } else {
        // No fraction is left, so plain multiplication says it all.
        let minor = i128::from(units) * 10i128.pow(digits - places);
        i64::try_from(minor).ok().map(|minor| (minor, Rounded::No))
    }
}
