//! Puts the rules of `rules/` into the library, each with its name: a release needs no folder beside it.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../rules").canonicalize()?;
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        println!("cargo::rerun-if-changed={}", path.display());
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.ends_with(".yml") && !name.ends_with(".test.yml") {
            paths.push((name, path));
        }
    }
    paths.sort_unstable();
    let mut code = String::from(
        "/// The rules that come with this release: name and text of each file.\nconst SHIPPED: &[(&str, &str)] = &[\n",
    );
    for (name, path) in paths {
        writeln!(code, "    ({:?}, include_str!({:?})),", format!("rules/{name}"), path)?;
    }
    code.push_str("];\n");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("shipped.rs"), code)?;
    Ok(())
}
