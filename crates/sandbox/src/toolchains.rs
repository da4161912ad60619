//! Toolchains under the home folder: shown read-only, without the credentials that lie beside them.
//!
//! Which ones is told by the operator's `PATH`: a toolchain that isn't in it is not used. A folder that is not
//! in the table is shown as itself, and nothing around it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// A toolchain: its folder in the home, what is shown of it (empty: all), and what is hidden.
struct Known {
    folder: &'static str,
    shown: &'static [&'static str],
    hidden: &'static [&'static str],
    /// Folders elsewhere in the home that it needs.
    beside: &'static [&'static str],
}

const KNOWN: &[Known] = &[
    Known {
        folder: ".cargo",
        shown: &[],
        hidden: &["credentials", "credentials.toml"],
        beside: &[".rustup"],
    },
    Known { folder: ".rustup", shown: &[], hidden: &[], beside: &[] },
    Known {
        folder: ".nvm",
        shown: &["versions", "alias", "nvm.sh", "bash_completion"],
        hidden: &[],
        beside: &[],
    },
    Known { folder: ".pyenv", shown: &[], hidden: &[".git"], beside: &[] },
    Known { folder: ".rbenv", shown: &[], hidden: &[".git"], beside: &[] },
    Known { folder: ".sdkman", shown: &["candidates"], hidden: &[], beside: &[] },
    Known { folder: ".volta", shown: &["bin", "tools"], hidden: &[], beside: &[] },
    Known { folder: ".bun", shown: &["bin"], hidden: &[], beside: &[] },
    Known { folder: ".deno", shown: &["bin"], hidden: &[], beside: &[] },
    Known {
        folder: ".asdf",
        shown: &["shims", "installs", "bin", "lib", "plugins"],
        hidden: &[],
        beside: &[],
    },
    Known { folder: "go", shown: &["bin", "pkg"], hidden: &[], beside: &[] },
    Known { folder: "miniconda3", shown: &[], hidden: &[], beside: &[] },
    Known { folder: "anaconda3", shown: &[], hidden: &[], beside: &[] },
    Known {
        folder: ".local",
        shown: &[
            "bin",
            "lib",
            "share/uv",
            "share/pipx",
            "share/pnpm",
            "share/mise/installs",
            "share/mise/shims",
        ],
        hidden: &["share/uv/credentials"],
        beside: &[],
    },
];

/// What programs in `bin` find beside it: libraries, their settings (Java), and the mark of a virtual environment.
const BESIDE_PROGRAMS: [&str; 6] = ["conf", "include", "lib", "libexec", "pyvenv.cfg", "share"];

/// Files that may hold a token among harmless settings: hidden if they do.
const SETTINGS_WITH_TOKENS: &[(&str, &str)] = &[(".cargo", "config.toml"), (".cargo", "config")];

/// What of the home is shown, and what in it is hidden.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Toolchains {
    /// Paths shown read-only.
    pub(crate) shown: BTreeSet<PathBuf>,
    /// Paths below them that are hidden.
    pub(crate) hidden: BTreeSet<PathBuf>,
}

/// Finds the toolchains in `search` (a `PATH`) that lie in `home`.
pub(crate) fn find(home: &Path, search: &OsStr) -> Toolchains {
    let mut found = Toolchains::default();
    let Ok(home) = home.canonicalize() else { return found };
    for entry in std::env::split_paths(search) {
        if entry.join("cargo").exists()
            && let Some(known) = KNOWN.iter().find(|known| known.folder == ".cargo")
        {
            // Wherever cargo is, the sources that it fetched are here.
            show(&home, known, &mut found);
        }
        let Ok(inside) = entry.strip_prefix(&home) else { continue };
        let Some(Component::Normal(first)) = inside.components().next() else { continue };
        match KNOWN.iter().find(|known| OsStr::new(known.folder) == first) {
            Some(known) => show(&home, known, &mut found),
            None => show_programs(&home, &entry, &mut found),
        }
    }
    found
}

/// Shows a folder of programs, and of what lies beside it only what programs are installed with.
fn show_programs(home: &Path, folder: &Path, found: &mut Toolchains) {
    if reaches_through_link(home, folder) {
        return;
    }
    add_existing(&mut found.shown, folder.to_owned());
    let prefix = folder.parent().filter(|prefix| *prefix != home && folder.ends_with("bin"));
    for part in prefix.iter().flat_map(|prefix| BESIDE_PROGRAMS.map(|part| prefix.join(part))) {
        add_existing(&mut found.shown, part);
    }
}

/// Whether a link lies on the way from the home to a folder: where it leads is not for us to show.
fn reaches_through_link(home: &Path, folder: &Path) -> bool {
    let within = folder.ancestors().take_while(|ancestor| *ancestor != home);
    within.into_iter().any(Path::is_symlink)
}

fn show(home: &Path, known: &Known, found: &mut Toolchains) {
    let folder = home.join(known.folder);
    if known.shown.is_empty() {
        add_existing(&mut found.shown, folder.clone());
    }
    for part in known.shown {
        add_existing(&mut found.shown, folder.join(part));
    }
    for part in known.hidden {
        add_existing(&mut found.hidden, folder.join(part));
    }
    for (_, name) in SETTINGS_WITH_TOKENS.iter().filter(|(owner, _)| *owner == known.folder) {
        let path = folder.join(name);
        if fs::read_to_string(&path).is_ok_and(|settings| settings.contains("token")) {
            found.hidden.insert(path);
        }
    }
    for folder in known.beside {
        if let Some(known) = KNOWN.iter().find(|known| known.folder == *folder) {
            show(home, known, found);
        }
    }
}

/// Adds a path that exists and is no link: what a link leads to is not for us to show.
fn add_existing(paths: &mut BTreeSet<PathBuf>, path: PathBuf) {
    if fs::symlink_metadata(&path).is_ok_and(|metadata| !metadata.is_symlink()) {
        paths.insert(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_beside_a_toolchain_are_hidden() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        for folder in [".cargo/bin", ".rustup", ".ssh", "tools"] {
            fs::create_dir_all(home.join(folder)).unwrap();
        }
        fs::write(home.join(".cargo/credentials.toml"), "secret").unwrap();
        fs::write(home.join(".cargo/config.toml"), "[registries.x]\ntoken = 'secret'").unwrap();
        let search = format!("{0}/.cargo/bin:/usr/bin:{0}/tools", home.display());
        let found = find(&home, OsStr::new(&search));
        let all = |names: &[&str]| names.iter().map(|name| home.join(name)).collect::<BTreeSet<_>>();
        assert_eq!(found.shown, all(&[".cargo", ".rustup", "tools"]));
        assert_eq!(found.hidden, all(&[".cargo/credentials.toml", ".cargo/config.toml"]));
    }

    #[test]
    fn a_virtual_environment_comes_with_its_libraries_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        for folder in ["work/venv/bin", "work/venv/lib", "work/secrets", "bin", "lib"] {
            fs::create_dir_all(home.join(folder)).unwrap();
        }
        fs::write(home.join("work/venv/pyvenv.cfg"), "").unwrap();
        std::os::unix::fs::symlink("work", home.join("link")).unwrap();
        let search = format!("{0}/work/venv/bin:{0}/bin:{0}/link/venv/bin", home.display());
        let found = find(&home, OsStr::new(&search)).shown;
        let shown = ["bin", "work/venv/bin", "work/venv/lib", "work/venv/pyvenv.cfg"];
        assert_eq!(found, shown.map(|name| home.join(name)).into());
    }

    #[test]
    fn a_cargo_for_all_users_finds_what_it_fetched() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        let programs = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.join(".cargo/registry")).unwrap();
        fs::write(home.join(".cargo/credentials.toml"), "secret").unwrap();
        fs::write(programs.path().join("cargo"), "").unwrap();
        let found = find(&home, programs.path().as_os_str());
        assert_eq!(found.shown, BTreeSet::from([home.join(".cargo")]));
        assert_eq!(found.hidden, BTreeSet::from([home.join(".cargo/credentials.toml")]));
    }

    #[test]
    fn the_home_itself_in_the_path_shows_nothing() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(find(home.path(), home.path().as_os_str()), Toolchains::default());
    }
}
