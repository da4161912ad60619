//! Who commits: the name and the address in the operator's settings of git, so that `git commit` works inside as it
//! does outside.
//!
//! Only these two get in. The rest of the settings can hold tokens (`http.extraHeader`, `url.*.insteadOf`), and names
//! programs that aren't there. Includes are not followed. Format: git-config(1), "Syntax".

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// The settings of an agent that works for the operator with this home, if they say who that is.
pub(crate) fn settings(home: &Path) -> Option<String> {
    // The later file decides, as for git.
    let files = [".config/git/config", ".gitconfig"].map(|name| fs::read_to_string(home.join(name)));
    let files: Vec<_> = files.into_iter().flatten().collect();
    let mut settings = String::from("[user]\n");
    for key in ["name", "email"] {
        let value = files.iter().rev().find_map(|text| user(text, key))?;
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        writeln!(settings, "\t{key} = \"{quoted}\"").ok()?;
    }
    Some(settings)
}

/// The last value of a key of the section `user`, if it is one line of plain text.
fn user(text: &str, key: &str) -> Option<String> {
    let mut within = false;
    let mut found = None;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            within = line.to_ascii_lowercase().starts_with("[user]");
            continue;
        }
        let Some((name, raw)) = line.split_once('=').filter(|_| within) else { continue };
        if name.trim().eq_ignore_ascii_case(key) {
            found = value(raw);
        }
    }
    found
}

/// A value without its quotes, escapes and comment. A value that goes on in the next line is none for us.
fn value(raw: &str) -> Option<String> {
    let mut value = String::new();
    let mut quoted = false;
    let mut characters = raw.trim().chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => quoted = !quoted,
            '#' | ';' if !quoted => break,
            '\\' => value.push(characters.next().filter(|next| matches!(next, '"' | '\\'))?),
            other => value.push(other),
        }
    }
    let value = value.trim().to_owned();
    (!quoted && !value.is_empty() && !value.contains(char::is_control)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(settings_of_operator: &str) -> Option<String> {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join(".gitconfig"), settings_of_operator).unwrap();
        settings(home.path())
    }

    #[test]
    fn only_the_name_and_the_address_get_in() {
        let text = "[http \"https://example.org\"]\n\textraHeader = secret\n[User]\n name = Ada \"L.\" # me\n\
                    \tEmail=ada@example.org\n\tsigningkey = ABC\n[user \"x\"]\n\tname = other\n[credential]\nname = no\n";
        assert_eq!(of(text).unwrap(), "[user]\n\tname = \"Ada L.\"\n\temail = \"ada@example.org\"\n");
    }

    #[test]
    fn what_is_not_plain_is_left_out() {
        for name in ["", "  ", "a\\", "\"a", "a\\nb", "a\u{7}b"] {
            assert_eq!(of(&format!("[user]\nname = {name}\nemail = a@b\n")), None, "{name:?}");
        }
        assert_eq!(of("[user]\nname = a\n"), None);
    }

    #[test]
    fn a_value_stays_the_one_that_it_was() {
        let text = of("[user]\nname = \"a \\\"b\\\\ #c\"\nemail = x\n").unwrap();
        assert_eq!(user(&text, "name").unwrap(), "a \"b\\ #c");
    }
}
