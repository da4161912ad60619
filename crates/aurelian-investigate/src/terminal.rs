//! What is said on the terminal. Names of runs, tools, sensors and files are chosen by who is looked into, so all of a line is written as
//! [`event::Text`] is: nothing in it can move the cursor, hide or reorder what stands beside it.

use event::Text;

/// Says a line on standard error.
macro_rules! say {
    ($($what:tt)*) => { $crate::terminal::line(&format!($($what)*)) };
}
pub(crate) use say;

pub(crate) fn line(text: &str) {
    eprintln!("aurelian: {}", Text::from(text));
}

/// A text of somebody else inside a line.
pub(crate) fn shown(text: &str) -> String {
    Text::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor() {
        assert_eq!(shown("a\u{1b}]0;x\u{7}\r\u{202e}b"), r"a\x1b]0;x\x07\x0d\u{202e}b");
    }
}
