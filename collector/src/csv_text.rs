//! Texts as cells of CSV (RFC 4180), for programs and for spreadsheets. What a spreadsheet would take for
//! a formula gets a mark in front, since strangers write names, ids and addresses (OWASP, "CSV
//! Injection"); whoever reads the text itself takes that one mark off.

/// What is put in front: spreadsheets take it for "this is text".
const MARK: char = '\'';

/// Writes a text as a cell: marked where it would be a formula, and where it begins with the mark itself,
/// so that it can be read back. Quoted where it must be, and where it is empty: an absent value has no
/// quotes.
pub(crate) fn write(text: &str, to: &mut Vec<u8>) {
    let mark = if needs_mark(text) { "'" } else { "" };
    let is_plain = !text.is_empty()
        && text.trim().len() == text.len()
        && !text
            .bytes()
            .any(|byte| matches!(byte, b'"' | b',' | b'\n' | b'\r'));
    if is_plain {
        to.extend_from_slice(mark.as_bytes());
        to.extend_from_slice(text.as_bytes());
        return;
    }
    to.push(b'"');
    to.extend_from_slice(mark.as_bytes());
    to.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    to.push(b'"');
}

/// The text of which [`write`] made a cell's content. Other people's cells, which may begin with the
/// mark for reasons of their own, stay as they are.
pub(crate) fn read(cell: &str) -> &str {
    match cell.strip_prefix(MARK) {
        Some(text) if needs_mark(text) => text,
        _ => cell,
    }
}

/// Whether a text begins as formulas do, in ASCII or in the wide forms that spreadsheets take for the
/// same, with what they pass over before one, or with the mark.
fn needs_mark(text: &str) -> bool {
    let begins_a_formula = [
        '=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ];
    text.starts_with(begins_a_formula) || text.starts_with(MARK)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(text: &str) -> String {
        let mut cell = Vec::new();
        write(text, &mut cell);
        String::from_utf8(cell).unwrap()
    }

    #[test]
    fn what_a_spreadsheet_takes_for_a_formula_is_marked_and_nothing_else_is() {
        for (text, cell) in [
            ("=1+1", "'=1+1"),
            ("+49 30 1234", "'+49 30 1234"),
            ("-5", "'-5"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "\"'\t=1\""),
            ("\r=1", "\"'\r=1\""),
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            (
                "=HYPERLINK(\"x\",\"y\")",
                "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\"",
            ),
            ("\u{ff1d}1", "'\u{ff1d}1"),
            ("'quoted'", "''quoted'"),
            ("", "\"\""),
            ("0017", "0017"),
            ("1e5", "1e5"),
            ("a=b", "a=b"),
            ("O'Hara", "O'Hara"),
            (" =1", "\" =1\""),
        ] {
            assert_eq!(written(text), cell, "{text:?}");
        }
    }

    #[test]
    fn somebody_else_s_cell_is_read_as_it_stands() {
        for (cell, text) in [
            ("'o@person.example", "'o@person.example"),
            ("''o@person.example", "'o@person.example"),
            ("'=o@person.example", "=o@person.example"),
            ("o'x@person.example", "o'x@person.example"),
            ("'", "'"),
        ] {
            assert_eq!(read(cell), text);
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in "['=+@\\-\\t\\r\\n\",;a ]{0,6}|.{0,12}") {
            let line = [b"x,".as_slice(), written(&text).as_bytes(), b"\r\n"].concat();
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&*line);
            let record = reader.records().next().unwrap().unwrap();
            prop_assert_eq!(read(&record[1]), text);
        }
    }
}
