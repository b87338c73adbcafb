//! Numbers that are added up, in whole billionths: sums that do not depend on the order of what is
//! added, and thresholds that are compared with them. No floats.

use alloc::format;
use core::fmt;

use crate::decimal::Decimal;
use crate::money::Money;

/// Decimals that are kept.
const DECIMALS: u32 = 9;
/// Numbers from 10^18 up, by their absolute value, are not taken: so many that 10^11 of them are
/// added without overflow.
const MAX_PLACES: i64 = 18;

/// A number in billionths: below 10^18 where it was read, more where it was added up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Billionths(pub i128);

impl Billionths {
    /// The number, rounded to nine decimals (half away from zero); `None` from 10^18 up.
    #[must_use]
    pub fn rounded(number: &Decimal) -> Option<Billionths> {
        let (digits, exponent) = number.parts();
        let length = i64::try_from(digits.len()).ok()?;
        if length + exponent > MAX_PLACES {
            return None;
        }
        // The place behind the last that is kept decides, so the first digits are enough.
        let kept = length + exponent + i64::from(DECIMALS);
        let mut size = 0i128;
        for at in 0..kept.max(0) {
            let digit = usize::try_from(at)
                .ok()
                .and_then(|at| digits.as_bytes().get(at));
            size = size * 10 + digit.map_or(0, |digit| i128::from(digit - b'0'));
        }
        let next = usize::try_from(kept)
            .ok()
            .and_then(|at| digits.as_bytes().get(at));
        if next.is_some_and(|digit| *digit >= b'5') {
            size += 1;
        }
        Some(Billionths(if number.is_negative() { -size } else { size }))
    }

    /// The number, where it has no more than nine decimals and lies below 10^18.
    pub(super) fn exact(number: &Decimal) -> Option<Billionths> {
        let (_, exponent) = number.parts();
        if exponent < -i64::from(DECIMALS) {
            return None;
        }
        Billionths::rounded(number)
    }

    /// An amount in major units of its currency.
    pub(super) fn of_money(money: Money) -> Billionths {
        let places = DECIMALS.saturating_sub(u32::from(money.currency.minor_digits()));
        Billionths(i128::from(money.minor) * 10i128.pow(places))
    }
}

/// A JSON number, without needless zeros.
impl fmt::Display for Billionths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Digits and a small exponent: always a number.
        let number = Decimal::parse(&format!("{}e-{DECIMALS}", self.0)).map_err(|_| fmt::Error)?;
        fmt::Display::fmt(&number, f)
    }
}

impl fmt::Debug for Billionths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString as _;

    fn rounded(text: &str) -> Option<i128> {
        Billionths::rounded(&Decimal::parse(text).unwrap()).map(|number| number.0)
    }

    #[test]
    fn numbers_are_rounded_at_the_ninth_decimal() {
        assert_eq!(rounded("1"), Some(1_000_000_000));
        assert_eq!(rounded("-0.5"), Some(-500_000_000));
        assert_eq!(rounded("0.0000000005"), Some(1));
        assert_eq!(rounded("0.00000000049"), Some(0));
        assert_eq!(rounded("-0.0000000005"), Some(-1));
        assert_eq!(rounded("1e-300"), Some(0));
        assert_eq!(rounded("49.990000000000002"), Some(49_990_000_000));
        assert_eq!(
            rounded("999999999999999999.999999999"),
            Some(999_999_999_999_999_999_999_999_999)
        );
        assert_eq!(rounded("1e18"), None);
        assert_eq!(rounded("0"), Some(0));
    }

    #[test]
    fn thresholds_are_taken_exactly_or_not_at_all() {
        let exact = |text: &str| Billionths::exact(&Decimal::parse(text).unwrap());
        assert_eq!(exact("0.000000001"), Some(Billionths(1)));
        assert_eq!(exact("0.0000000001"), None);
        assert_eq!(Billionths(-1_500_000_000).to_string(), "-1.5");
        assert_eq!(Billionths(0).to_string(), "0");
    }
}
