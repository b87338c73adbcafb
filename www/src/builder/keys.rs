//! What keys do in the builder.

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Adds an event condition beside the row.
    Add,
    Enclose,
    Negate,
    Remove,
    /// Goes to the row before or behind.
    Before,
    Behind,
    /// Moves the row itself.
    MoveUp,
    MoveDown,
    Undo,
    Redo,
    Save,
}

/// A key that was pressed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Press<'k> {
    pub(crate) key: &'k str,
    /// Control, or the command key of a Mac.
    pub(crate) is_control: bool,
    pub(crate) is_shift: bool,
    pub(crate) is_alt: bool,
    /// Whether a row itself has the focus, no field in it: letters are commands there alone.
    pub(crate) is_on_row: bool,
}

/// What a key does; `None` leaves it to the browser.
pub(crate) fn command(press: Press<'_>) -> Option<Command> {
    if press.is_control {
        return match (press.key, press.is_shift) {
            ("z", false) => Some(Command::Undo),
            ("z" | "Z", true) | ("y", false) => Some(Command::Redo),
            ("s", false) => Some(Command::Save),
            _ => None,
        };
    }
    if !press.is_on_row {
        return None;
    }
    match (press.key, press.is_alt) {
        ("a", false) => Some(Command::Add),
        ("g", false) => Some(Command::Enclose),
        ("n", false) => Some(Command::Negate),
        ("Backspace" | "Delete", false) => Some(Command::Remove),
        ("ArrowUp", false) => Some(Command::Before),
        ("ArrowDown", false) => Some(Command::Behind),
        ("ArrowUp", true) => Some(Command::MoveUp),
        ("ArrowDown", true) => Some(Command::MoveDown),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_commands_on_a_row_and_letters_in_a_field() {
        let press = |key, is_control, is_on_row| {
            command(Press {
                key,
                is_control,
                is_shift: false,
                is_alt: false,
                is_on_row,
            })
        };
        assert_eq!(press("n", false, true), Some(Command::Negate));
        assert_eq!(press("n", false, false), None);
        assert_eq!(press("Backspace", false, false), None);
        assert_eq!(press("z", true, false), Some(Command::Undo));
        assert_eq!(press("n", true, true), None);
    }
}
