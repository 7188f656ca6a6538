//! Cells of tables that spreadsheets open.

use std::borrow::Cow;

/// What a cell may begin with that a spreadsheet takes for a formula, or for the end of the cell before: the wide forms of some
/// languages' keyboards included. And the apostrophe, so that one that was put in front can be told from one that was there.
const DEFUSED: [char; 12] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠', '\''];

/// A text as a cell that no spreadsheet takes for a formula: where it could, an apostrophe stands in front.
#[must_use]
pub fn defused(text: &str) -> Cow<'_, str> {
    if text.starts_with(DEFUSED) { format!("'{text}").into() } else { text.into() }
}

/// The text of a cell that [`defused`] made.
#[must_use]
pub fn undefused(cell: &str) -> &str {
    cell.strip_prefix('\'').unwrap_or(cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_a_formula_gets_an_apostrophe_and_comes_back_as_it_was() {
        for (text, cell) in [
            ("", ""),
            ("Ada", "Ada"),
            ("+44 20", "'+44 20"),
            ("=1+1", "'=1+1"),
            ("'quoted'", "''quoted'"),
            ("＝1", "'＝1"),
            ("a=1", "a=1"),
        ] {
            assert_eq!(defused(text), cell);
            assert_eq!(undefused(cell), text);
        }
    }
}
