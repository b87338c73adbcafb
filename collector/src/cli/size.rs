//! Sizes of memory as people write them.

/// The bytes of a whole number with a unit: K, M, G or T, of 1,024 bytes each, with or without B or iB behind it;
/// without a unit it is of bytes. `None` where it is no size, or too large for this machine.
pub(super) fn parse_size(text: &str) -> Option<usize> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit());
    let (digits, unit) = text.split_at(end.unwrap_or(text.len()));
    let unit = unit.trim_start().to_ascii_lowercase();
    let power = match unit.strip_suffix("ib").or(unit.strip_suffix('b')) {
        Some(power) => power,
        None => &unit,
    };
    let shift = match power {
        "" if unit == "ib" => return None,
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    let number: usize = digits.parse().ok()?;
    number.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_however_it_is_written() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("1000", Some(1_000)),
            ("7B", Some(7)),
            ("512M", Some(512 << 20)),
            ("512m", Some(512 << 20)),
            ("512MB", Some(512 << 20)),
            ("512 MiB", Some(512 << 20)),
            (" 4g ", Some(4 << 30)),
            ("4GiB", Some(4 << 30)),
            ("2T", Some(2 << 40)),
            ("64kb", Some(64 << 10)),
            ("", None),
            ("G", None),
            ("ib", None),
            ("4 iB", None),
            ("4X", None),
            ("4.5G", None),
            ("-4G", None),
            ("4GG", None),
            ("4G4", None),
            ("99999999999T", None),
        ] {
            assert_eq!(parse_size(text), bytes, "{text}");
        }
    }
}
