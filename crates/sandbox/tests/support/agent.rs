//! The agent: programs that run inside, and what they said.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use sandbox::Ended;

use super::host::require;

/// What each Python agent starts with.
const PRELUDE: &str = include_str!("prelude.py");

/// The command that runs this source in Python. The system's own comes first: one of the operator's may be a shim
/// that is slow or absent inside.
pub(crate) fn python(source: &str) -> Vec<String> {
    static PYTHON: LazyLock<PathBuf> =
        LazyLock::new(|| require(&["/usr/bin/python3", "python3"], "Python 3"));
    let source = format!("{PRELUDE}\n{source}");
    vec![PYTHON.display().to_string(), "-I".into(), "-S".into(), "-c".into(), source]
}

/// Compiles C to a program in this folder.
pub(crate) fn compile(folder: &Path, name: &str, source: &str) -> PathBuf {
    let compiler = require(&["cc"], "a C compiler (`cc`)");
    let (file, program) = (folder.join(format!("{name}.c")), folder.join(name));
    fs::write(&file, source).unwrap();
    let output = Command::new(compiler)
        .args(["-O1", "-w", "-pthread", "-o"])
        .arg(&program)
        .arg(&file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{name} compiles: {}", String::from_utf8_lossy(&output.stderr));
    program
}

/// A call that has ended, and what it printed.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) call: u32,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) ended: Ended,
}

impl Ran {
    /// The same, having ended well.
    pub(crate) fn well(self) -> Self {
        assert_eq!(self.ended.exit_code, 0, "the agent ends well: {self:#?}");
        self
    }

    /// All that it said, as `key=value` lines.
    pub(crate) fn all_said(&self) -> BTreeMap<&str, &str> {
        self.out.lines().filter_map(|line| line.split_once('=')).collect()
    }

    /// What it said under this key.
    pub(crate) fn said(&self, key: &str) -> &str {
        let value = self.all_said().get(key).copied();
        value.unwrap_or_else(|| panic!("the agent says `{key}`: {self:#?}"))
    }

    /// It said exactly this for each key; alternatives stand with a bar between them.
    pub(crate) fn assert_said(&self, expected: &[(&str, &str)]) -> &Self {
        let wrong: Vec<_> = expected
            .iter()
            .filter(|(key, value)| !value.split('|').any(|value| value == self.said(key)))
            .map(|(key, value)| format!("{key}: expected {value}, got {}", self.said(key)))
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}\n{}", self.err);
        self
    }

    /// Each thing that it said is one of these answers, and it said as many as that.
    pub(crate) fn assert_all(&self, count: usize, answers: &[&str]) -> &Self {
        let said = self.all_said();
        let wrong: Vec<_> = said.iter().filter(|(_, answer)| !answers.contains(answer)).collect();
        assert!(wrong.is_empty(), "expected {answers:?}: {wrong:#?}\n{}", self.err);
        assert_eq!(said.len(), count, "the agent tries all: {self:#?}");
        self
    }
}
