//! Amounts of money as whole minor units of an ISO 4217 currency, from a JSON number's own text.
//! Amounts of different currencies are never converted or added.

use alloc::format;
use alloc::string::{String, ToString as _};
use core::fmt;

use crate::decimal::{Decimal, DecimalError};

/// Significant digits from which a number can be a binary float's full precision (`DBL_DIG` of
/// IEEE 754 binary64): below it, excess decimals were meant.
const FLOAT_DIGITS: usize = 15;
/// Decimals of a minor unit that tell float noise: within 10^-6 of a whole number.
const NOISE_DIGITS: usize = 6;

/// A currency of ISO 4217 that has a minor unit (so no gold, no test codes). Source of the codes and
/// of their decimals: crate `iso_currency`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency {
    iso: iso_currency::Currency,
    minor_digits: u8,
}

impl Currency {
    /// Takes the alphabetic code in any case, trimmed.
    ///
    /// # Errors
    /// [`CurrencyError`] for an unknown code and for one without minor units (`XAU`, `XXX`).
    pub fn parse(text: &str) -> Result<Currency, CurrencyError> {
        let code = text.trim();
        if code.len() != 3 {
            return Err(CurrencyError);
        }
        let iso =
            iso_currency::Currency::from_code(&code.to_ascii_uppercase()).ok_or(CurrencyError)?;
        let minor_digits = iso.exponent().and_then(|digits| u8::try_from(digits).ok());
        Ok(Currency {
            iso,
            minor_digits: minor_digits.ok_or(CurrencyError)?,
        })
    }

    /// The upper-case alphabetic code, such as `USD`.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.iso.code()
    }

    /// Decimals of an amount: JPY 0, USD 2, KWD 3.
    #[must_use]
    pub fn minor_digits(self) -> u8 {
        self.minor_digits
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// The text is no code of a currency with minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrencyError;

impl fmt::Display for CurrencyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Send the currency's ISO 4217 code, such as USD or EUR")
    }
}

impl core::error::Error for CurrencyError {}

/// An amount. What arrives from callers is never negative; what is computed from it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Money {
    /// Minor units: cents of USD, yen of JPY, fils (1/1000) of KWD.
    pub minor: i64,
    /// What the units are of.
    pub currency: Currency,
}

/// Whether a number was taken as it stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounded {
    /// Exactly the number that was sent.
    No,
    /// The number carried the noise of binary floats (`49.990000000000002`), which was rounded off.
    Yes,
}

impl Money {
    /// Reads an amount in major units (`49.99`) from a JSON number's text; see
    /// [`Money::from_decimal`] for the rules.
    ///
    /// # Errors
    /// See [`MoneyError`].
    pub fn from_json_number(
        text: &str,
        currency: Currency,
    ) -> Result<(Money, Rounded), MoneyError> {
        match Decimal::parse(text) {
            Ok(decimal) => Money::from_decimal(&decimal, currency),
            Err(DecimalError::NotANumber) => Err(MoneyError::NotANumber),
            Err(_) if text.starts_with('-') => Err(MoneyError::Negative),
            Err(DecimalError::TooLarge) => Err(MoneyError::TooLarge),
            Err(DecimalError::TooSmall) => Err(MoneyError::TooManyDecimals {
                currency,
                sent: None,
                nearest: Money { minor: 0, currency }.to_decimal_string(),
            }),
        }
    }

    /// Takes an amount in major units, exactly, in integer arithmetic alone.
    ///
    /// Zero, trailing zeros and exponents are fine (`500.0` JPY, `1e2`). A number of 15 or more
    /// significant digits that lies within 10^-6 of a minor unit
    /// of a whole one is a float's noise and is rounded; other excess decimals are refused.
    ///
    /// # Errors
    /// See [`MoneyError`].
    pub fn from_decimal(
        amount: &Decimal,
        currency: Currency,
    ) -> Result<(Money, Rounded), MoneyError> {
        if amount.is_negative() {
            return Err(MoneyError::Negative);
        }
        let (digits, exponent) = amount.parts();
        let exponent = exponent + i64::from(currency.minor_digits);
        let money = |minor: i128| {
            let minor = i64::try_from(minor).map_err(|_| MoneyError::TooLarge)?;
            Ok(Money { minor, currency })
        };
        if exponent >= 0 {
            return Ok((money(whole(digits, exponent)?)?, Rounded::No));
        }

        // The number is whole . fraction, in minor units, where fraction is not zero: the digits
        // end in another one than 0.
        let places = usize::try_from(-exponent).map_err(|_| MoneyError::TooLarge)?;
        let (integer, fraction) = match digits.len().checked_sub(places) {
            Some(point) => (&digits[..point], digits[point..].to_string()),
            None => ("", format!("{}{digits}", "0".repeat(places - digits.len()))),
        };
        let below = whole(integer, 0)?;
        let above = below + 1;
        if amount.significant_digits() >= FLOAT_DIGITS {
            match nearness(&fraction) {
                Nearness::Below => return Ok((money(below)?, Rounded::Yes)),
                Nearness::Above => return Ok((money(above)?, Rounded::Yes)),
                Nearness::Neither => {}
            }
        }
        let half_up = if fraction.as_bytes()[0] >= b'5' {
            above
        } else {
            below
        };
        // The nearest amount may be the first beyond i64; then the one below is as good an advice.
        let nearest = money(half_up).or_else(|_| money(below))?;
        let sent = amount.to_string();
        Err(MoneyError::TooManyDecimals {
            currency,
            sent: (sent.len() <= MAX_ECHO).then_some(sent),
            nearest: nearest.to_decimal_string(),
        })
    }

    /// The amount in major units with all decimals of its currency: `49.99`, `500`, `1.234` KWD. A
    /// JSON number too.
    #[must_use]
    pub fn to_decimal_string(self) -> String {
        decimal_string(self.minor.into(), self.currency.minor_digits)
    }
}

/// A number of units of 10^-`digits` as a JSON number with all its decimals.
#[must_use]
pub fn decimal_string(units: i128, digits: u8) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let digits = usize::from(digits);
    let padded = format!("{:0width$}", units.unsigned_abs(), width = digits + 1);
    let (whole, fraction) = padded.split_at(padded.len() - digits);
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

/// Why a number is no amount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MoneyError {
    /// Not a JSON number: a string, for instance.
    NotANumber,
    /// Below zero.
    Negative,
    /// More minor units than an `i64` holds.
    TooLarge,
    /// More decimals than the currency has, and not by a float's noise.
    TooManyDecimals {
        /// The currency that sets the number of decimals.
        currency: Currency,
        /// The number in its canonical form, where it is short enough to show.
        sent: Option<String>,
        /// The nearest amount (half a unit goes up).
        nearest: String,
    },
}

/// Characters of a number that a message repeats.
const MAX_ECHO: usize = 40;

/// What to do, to follow the field's name and a colon.
impl fmt::Display for MoneyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MoneyError::NotANumber => f.write_str("send a JSON number, without quotation marks"),
            MoneyError::Negative => f.write_str("send an amount of zero or more"),
            MoneyError::TooLarge => f.write_str("send a smaller amount"),
            MoneyError::TooManyDecimals {
                currency,
                sent,
                nearest,
            } => {
                match currency.minor_digits {
                    0 => write!(f, "{currency} has no decimals: send {nearest}")?,
                    digits => write!(f, "{currency} has {digits} decimals: send {nearest}")?,
                }
                match sent {
                    Some(sent) => write!(f, " rather than {sent}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl core::error::Error for MoneyError {}

/// `digits` × 10^`exponent` for an exponent of at least 0, where it may fit an `i64`.
fn whole(digits: &str, exponent: i64) -> Result<i128, MoneyError> {
    // i64::MAX has 19 digits; ten to the 19 times anything but zero is beyond it.
    if digits.is_empty() {
        return Ok(0);
    }
    let zeros = u32::try_from(exponent).map_err(|_| MoneyError::TooLarge)?;
    if digits.len() > 19 || zeros > 19 {
        return Err(MoneyError::TooLarge);
    }
    let value: i128 = digits.parse().map_err(|_| MoneyError::TooLarge)?;
    // At most 10^19 × 10^19 = 10^38, which an i128 holds.
    match value * 10i128.pow(zeros) {
        value if value > i128::from(i64::MAX) => Err(MoneyError::TooLarge),
        value => Ok(value),
    }
}

enum Nearness {
    /// At most 10^-6 above the whole number below it.
    Below,
    /// At most 10^-6 below the whole number above it.
    Above,
    Neither,
}

/// Where a fraction (its digits after the point, the last one not 0) lies between 0 and 1.
fn nearness(fraction: &str) -> Nearness {
    let (first, rest) = fraction.split_at(fraction.len().min(NOISE_DIGITS));
    if first.len() < NOISE_DIGITS {
        return Nearness::Neither;
    }
    // 0.000001 exactly still counts, and so does 0.999999.
    match first {
        "000000" => Nearness::Below,
        "000001" if rest.is_empty() => Nearness::Below,
        "999999" => Nearness::Above,
        _ => Nearness::Neither,
    }
}

#[cfg(test)]
mod tests;
