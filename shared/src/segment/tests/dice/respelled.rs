//! Definitions spelled as callers may spell them, rather than as they are written.

use std::format;

use super::Dice;
use crate::decimal::Decimal;
use crate::segment::span::Span;
use crate::segment::value::Value;
use crate::time::Timestamp;

impl Dice<'_> {
    /// Spells some of the texts, numbers and ranges otherwise: often as the same, at times as another, and at times as
    /// what is refused.
    pub(in crate::segment::tests) fn respell(&mut self, value: &mut Value) {
        match value {
            Value::Text(text) if self.roll(6) == 1 => {
                *text = if Timestamp::parse_rfc3339(text).is_ok() {
                    let times = [
                        "2026-03-01T02:00:00.0009+02:00",
                        "2026-03-01t00:00:60z",
                        "0000-01-01T00:00:00Z",
                        "9999-12-31T23:59:59Z",
                    ];
                    self.pick(&times).into()
                } else if Span::parse(text).is_ok() {
                    self.pick(&["1w", "3650d", "60s", "0w", "007d"]).into()
                } else {
                    let around = ["", " ", "*", " *", "* "];
                    format!("{}{text}{}", self.pick(&around), self.pick(&around))
                };
            }
            Value::Number(number) if self.roll(6) == 1 => {
                let numbers = [
                    "-0.0",
                    "1E0",
                    "10e-1",
                    "1e30",
                    "1.5e31",
                    "1e9999",
                    "-1.5e-9999",
                    "0.000000001",
                    "999999999999999999.999999999",
                ];
                *number = Decimal::parse(self.pick(&numbers)).unwrap();
            }
            Value::List(elements) => elements.iter_mut().for_each(|one| self.respell(one)),
            Value::Object(fields) => {
                fields.iter_mut().for_each(|(_, one)| self.respell(one));
                if let [(name, only)] = fields.as_slice()
                    && name == "gte"
                    && self.roll(2) == 1
                {
                    fields.push(("lte".into(), only.clone()));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {}
        }
    }
}
