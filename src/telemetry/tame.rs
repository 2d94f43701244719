//! Text of a log or a repository on its way to a terminal: nothing in it may drive the terminal, or turn about the
//! order in which what follows is shown.

/// Whether a terminal obeys a character instead of showing it: control characters, those that break a line, and
/// those that turn the direction of writing.
#[must_use]
pub fn is_obeyed(c: char) -> bool {
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns
}

/// Text as it may reach a terminal: of what is obeyed only tabs and the ends of lines are left.
#[must_use]
pub fn plain(text: &str) -> String {
    let tame = |c: char| if is_obeyed(c) && c != '\t' && c != '\n' { '\u{fffd}' } else { c };
    text.chars().map(tame).collect()
}

/// The same on one line.
#[must_use]
pub fn plain_line(text: &str) -> String {
    text.chars().map(|c| if is_obeyed(c) { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[31mb\r\u{7f}\u{9b}c\u{202e}d\u{2066}e\u{200f}f\u{2028}\"\\g\n";

    #[test]
    fn nothing_drives_a_terminal() {
        assert_eq!(plain(HOSTILE), "a�[31mb���c�d�e�f�\"\\g\n");
        assert_eq!(plain_line("a\u{1b}b\nc\u{202e}d ö"), "a b c d ö");
        assert!(plain(HOSTILE).chars().all(|c| c == '\n' || !is_obeyed(c)));
    }
}
