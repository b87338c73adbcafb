//! Reading how many and how much.

use alloc::format;

use super::{Fields, Read, wanted};
use crate::limits::MAX_SEGMENT_COUNT;
use crate::segment::billionths::Billionths;
use crate::segment::refusal::DefinitionError;
use crate::segment::tree::{Bound, CountRange, NumberRange};
use crate::segment::value::Value;

/// The words that compare numbers.
pub(super) const COMPARISONS: [&str; 5] = ["gt", "gte", "lt", "lte", "eq"];

/// What stands under `count`.
pub(super) fn count(path: &str, value: &Value) -> Read<CountRange> {
    if let Value::Number(_) = value {
        return Err(DefinitionError::at(
            path,
            "Send an object here, such as {\"gte\":3}, {\"lte\":3} or {\"eq\":3}",
        ));
    }
    let fields = Fields::of(path, value)?;
    fields.only(&["gte", "lte", "eq"])?;
    let bound = |name| match fields.get(name) {
        None => Ok(None),
        Some((path, value)) => whole(&path, value).map(Some),
    };
    let (least, most, only) = (bound("gte")?, bound("lte")?, bound("eq")?);
    if let Some(only) = only {
        if fields.names().count() > 1 {
            return Err(DefinitionError::at(
                path,
                "Send `eq` alone, or `gte` and `lte`",
            ));
        }
        return Ok(CountRange {
            least: only,
            most: Some(only),
        });
    }
    match (least, most) {
        (None, None) => Err(DefinitionError::at(
            path,
            "Send how often: `gte`, `lte` or `eq` with a whole number",
        )),
        (Some(least), Some(most)) if least > most => Err(DefinitionError::at(
            path,
            "Send a `gte` that is not above `lte`: this can never hold",
        )),
        (least, most) => Ok(CountRange {
            least: least.unwrap_or(0),
            most,
        }),
    }
}

fn whole(path: &str, value: &Value) -> Read<u32> {
    let message = || format!("Send a whole number from 0 to {MAX_SEGMENT_COUNT}");
    let Value::Number(number) = value else {
        return Err(wanted(
            path,
            &format!("a whole number from 0 to {MAX_SEGMENT_COUNT}"),
            value,
        ));
    };
    let refused = || DefinitionError::at(path, message());
    let (_, exponent) = number.parts();
    if number.is_negative() || exponent < 0 {
        return Err(refused());
    }
    match u32::try_from(number.floor()) {
        Ok(count) if count <= MAX_SEGMENT_COUNT => Ok(count),
        _ => Err(refused()),
    }
}

/// The comparisons among an object's fields; the others are the caller's.
pub(super) fn numbers(fields: &Fields<'_>) -> Read<NumberRange> {
    let bound = |name: &str, inclusive| match fields.get(name) {
        None => Ok(None),
        Some((path, value)) => threshold(&path, value).map(|at| Some(Bound { at, inclusive })),
    };
    if let Some(only) = bound("eq", true)? {
        if fields.which(&COMPARISONS).len() > 1 {
            return Err(DefinitionError::at(
                &*fields.path,
                "Send `eq` alone, or one lower and one upper bound",
            ));
        }
        return Ok(NumberRange {
            lower: Some(only),
            upper: Some(only),
        });
    }
    fields.refuse_second(&["gt", "gte"])?;
    fields.refuse_second(&["lt", "lte"])?;
    let lower = bound("gt", false)?.or(bound("gte", true)?);
    let upper = bound("lt", false)?.or(bound("lte", true)?);
    let (lower, upper) = match (lower, upper) {
        (None, None) => {
            let message =
                "Send what to compare with: one of `gt`, `gte`, `lt`, `lte` and `eq` with a number";
            return Err(DefinitionError::at(&*fields.path, message));
        }
        (Some(lower), Some(upper)) => {
            let is_one = lower.at == upper.at && lower.inclusive && upper.inclusive;
            if lower.at > upper.at || lower.at == upper.at && !is_one {
                let message = "Send a lower bound that is below the upper one: this can never hold";
                return Err(DefinitionError::at(&*fields.path, message));
            }
            (Some(lower), Some(upper))
        }
        ends => ends,
    };
    Ok(NumberRange { lower, upper })
}

fn threshold(path: &str, value: &Value) -> Read<Billionths> {
    let Value::Number(number) = value else {
        return Err(wanted(path, "a number", value));
    };
    Billionths::exact(number).ok_or_else(|| {
        DefinitionError::at(path, "Send a number below 10^18 with at most nine decimals")
    })
}
