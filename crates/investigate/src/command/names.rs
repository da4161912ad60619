//! Hosts and addresses that a text names.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// How many are kept of one text.
const MOST: usize = 256;
/// Base64 of fewer characters hides no host.
const SHORTEST_BASE64: usize = 16;

/// Hosts by name, in lower case, and addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    hosts: BTreeSet<String>,
    addresses: BTreeSet<IpAddr>,
}

impl Names {
    /// Whether it names this host, or a domain that the host is in: `github.com` names `api.github.com`.
    pub fn host(&self, host: &str) -> bool {
        let mut rest = host;
        loop {
            if self.hosts.contains(rest) {
                return true;
            }
            match rest.split_once('.') {
                Some((_, parent)) if parent.contains('.') => rest = parent,
                _ => return false,
            }
        }
    }

    /// Whether it names this address.
    pub fn address(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address)
    }

    /// Whether it names nothing.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty() && self.addresses.is_empty()
    }

    /// The hosts, in lower case.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(String::as_str)
    }

    /// The addresses.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().copied()
    }

    /// All, as text.
    pub fn each(&self) -> impl Iterator<Item = String> {
        self.hosts.iter().cloned().chain(self.addresses.iter().map(IpAddr::to_string))
    }

    /// Takes over another's.
    pub fn merge(&mut self, other: &Self) {
        self.hosts.extend(other.hosts.iter().take(MOST.saturating_sub(self.hosts.len())).cloned());
        self.addresses.extend(other.addresses.iter().take(MOST.saturating_sub(self.addresses.len())));
    }

    fn read(&mut self, text: &str) {
        for word in
            text.split(|char: char| !(char.is_ascii_alphanumeric() || matches!(char, '.' | '-' | '_' | ':')))
        {
            if self.hosts.len() + self.addresses.len() >= MOST {
                return;
            }
            let word = word.trim_matches(['.', '-', ':']);
            if let Some(address) = address(word) {
                self.addresses.insert(address);
            } else if let Some(host) = host(word.split(':').next().unwrap_or(word)) {
                self.hosts.insert(host);
            }
        }
    }
}

/// All that a text names, also in base64 inside it.
pub fn names(text: &str) -> Names {
    let mut names = Names::default();
    names.read(text);
    let is_base64 = |char: char| char.is_ascii_alphanumeric() || matches!(char, '+' | '/' | '=' | '-' | '_');
    for word in
        text.split(|char: char| !is_base64(char)).filter(|word| word.len() >= SHORTEST_BASE64).take(MOST)
    {
        if let Some(inner) = base64(word) {
            names.read(&inner);
        }
    }
    names
}

fn address(word: &str) -> Option<IpAddr> {
    if let Ok(address) = word.parse() {
        return Some(address);
    }
    let (address, port) = word.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    address.parse().ok()
}

/// Endings of files that are no top-level domain, or hardly one that a command means.
const FILES: &[&str] = &[
    "py",
    "pyc",
    "pyi",
    "sh",
    "rs",
    "js",
    "ts",
    "jsx",
    "tsx",
    "json",
    "jsonl",
    "yml",
    "yaml",
    "toml",
    "md",
    "txt",
    "log",
    "cfg",
    "ini",
    "conf",
    "html",
    "htm",
    "css",
    "xml",
    "csv",
    "tsv",
    "java",
    "class",
    "jar",
    "go",
    "rb",
    "pl",
    "c",
    "h",
    "cc",
    "cpp",
    "hpp",
    "o",
    "so",
    "a",
    "lock",
    "gz",
    "xz",
    "bz2",
    "tar",
    "tgz",
    "zip",
    "whl",
    "egg",
    "deb",
    "rpm",
    "img",
    "iso",
    "png",
    "jpg",
    "svg",
    "pdf",
    "ipynb",
    "pth",
    "pkl",
    "npy",
    "safetensors",
    "gguf",
    "bin",
    "dat",
    "db",
    "sqlite",
    "sql",
    "diff",
    "patch",
    "rst",
    "tex",
    "out",
    "err",
    "tmp",
    "bak",
    "orig",
    "env",
    "service",
    "timer",
    "pem",
    "key",
    "crt",
    "pub",
    "git",
    "exe",
    "dll",
    "test",
    "tests",
    "append",
    "join",
    "path",
    "read",
    "write",
    "split",
    "strip",
    "format",
    "get",
    "items",
    "keys",
    "values",
];

/// A name with a dot, whose last label could be a top-level domain.
fn host(word: &str) -> Option<String> {
    let (_, last) = word.rsplit_once('.')?;
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(|char| char.is_ascii_alphanumeric() || char == '-' || char == '_')
            && !label.starts_with('-')
    };
    let lower = word.to_ascii_lowercase();
    let is_top = last.len() >= 2
        && last.chars().all(|char| char.is_ascii_alphabetic())
        && !FILES.contains(&last.to_ascii_lowercase().as_str());
    // `example.test` and `host.internal` are names here too, unless they are attributes of a program's objects.
    (word.len() <= 253 && is_top && word.split('.').all(is_label)).then_some(lower)
}

fn base64(word: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(word.len() * 3 / 4);
    let (mut bits, mut held) = (0_u32, 0);
    for char in word.bytes() {
        let value = match char {
            b'A'..=b'Z' => char - b'A',
            b'a'..=b'z' => char - b'a' + 26,
            b'0'..=b'9' => char - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => break,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    // What is no text was no base64 of one.
    String::from_utf8(bytes)
        .ok()
        .filter(|text| text.chars().all(|char| !char.is_control() || char.is_whitespace()))
}
