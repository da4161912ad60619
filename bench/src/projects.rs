//! Projects to build: written here, so that they are the same everywhere and need nothing.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

const C_FILES: usize = 60;
const C_FUNCTIONS: usize = 40;
const RUST_MODULES: usize = 20;
const RUST_FUNCTIONS: usize = 40;

/// A library of many files, and a test that calls each.
pub(crate) fn write_c(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut test = String::from("#include <stdio.h>\n");
    for file in 0..C_FILES {
        fs::write(folder.join(format!("part{file}.c")), c_file(file))?;
        let _ = writeln!(test, "long part{file}(long);");
    }
    test.push_str("int main(void)\n{\n    long sum = 0;\n");
    for file in 0..C_FILES {
        let _ = writeln!(test, "    sum += part{file}({file});");
    }
    test.push_str("    printf(\"%ld\\n\", sum);\n    return 0;\n}\n");
    fs::write(folder.join("test.c"), test)?;
    fs::write(folder.join("Makefile"), MAKEFILE)
}

const MAKEFILE: &str = "\
CFLAGS = -O2 -Wall
OBJECTS = $(patsubst %.c,%.o,$(wildcard part*.c))
test: test.o $(OBJECTS)
\t$(CC) -o $@ $^
clean:
\trm -f test *.o
.PHONY: clean
";

fn c_file(file: usize) -> String {
    let mut source = String::from("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n\n");
    for function in 0..C_FUNCTIONS {
        let (a, b) = (file * 7 + function + 3, function * 5 + 11);
        let _ = write!(
            source,
            "static long step{function}(long x)\n{{\n    char text[64];\n    long sum = 0;\n    \
             for (long i = 0; i < x % {b} + {a}; i++)\n        \
             sum += (i * {a}) ^ (x >> (i % 7));\n    \
             snprintf(text, sizeof text, \"%ld\", sum);\n    \
             return (long)strlen(text) + atol(text) % {b};\n}}\n\n"
        );
    }
    let _ = writeln!(source, "long part{file}(long x)\n{{");
    for function in 0..C_FUNCTIONS {
        let _ = writeln!(source, "    x += step{function}(x);");
    }
    source.push_str("    return x;\n}\n");
    source
}

/// A crate without dependencies, each module with a test.
pub(crate) fn write_rust(folder: &Path) -> io::Result<()> {
    let sources = folder.join("src");
    fs::create_dir_all(&sources)?;
    // A workspace of its own, wherever it lies.
    let manifest = "[package]\nname = \"project\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[workspace]\n";
    fs::write(folder.join("Cargo.toml"), manifest)?;
    let mut library = String::new();
    for module in 0..RUST_MODULES {
        fs::write(sources.join(format!("part{module}.rs")), rust_module(module))?;
        let _ = writeln!(library, "pub mod part{module};");
    }
    fs::write(sources.join("lib.rs"), library)
}

fn rust_module(module: usize) -> String {
    let mut source = String::from("use std::collections::BTreeMap;\n\n");
    for function in 0..RUST_FUNCTIONS {
        let (a, b) = (module * 7 + function + 3, function * 5 + 11);
        let _ = write!(
            source,
            "pub fn step{function}(words: &[&str]) -> BTreeMap<String, u64> {{\n    \
             let mut counts = BTreeMap::new();\n    \
             for (place, word) in words.iter().enumerate() {{\n        \
             *counts.entry(word.to_lowercase()).or_insert({a}) += place as u64 * {b};\n    }}\n    \
             counts.into_iter().filter(|(word, count)| word.len() as u64 + count > {b}).collect()\n}}\n\n"
        );
    }
    source.push_str("#[cfg(test)]\nmod tests {\n    use super::*;\n\n");
    for function in 0..RUST_FUNCTIONS {
        let _ = writeln!(
            source,
            "    #[test]\n    fn step{function}_counts() {{\n        \
             assert!(step{function}(&[\"a\", \"B\", \"b\"]).len() <= 2);\n    }}"
        );
    }
    source.push_str("}\n");
    source
}
