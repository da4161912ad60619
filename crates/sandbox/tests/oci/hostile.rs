//! Layers that try to get out, to get a privilege, or to fill the host.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use sandbox::image::oci::{Digest, LayerError, Limits, OciError, PathFault, Skipped};
use tar::EntryType;
use tempfile::TempDir;

use crate::builder::*;

fn refused(tar: Tar) -> LayerError {
    let layout = Layout::of([tar]);
    match layout.open() {
        Err(OciError::Layer { source, .. }) => {
            assert_eq!(layout.cached(), [""; 0]);
            source
        }
        other => panic!("{other:?}"),
    }
}

/// A folder outside with a file in it, and what must still be so afterwards.
struct Outside(TempDir);

impl Outside {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("victim"), "untouched").unwrap();
        fs::set_permissions(folder.path().join("victim"), fs::Permissions::from_mode(0o640)).unwrap();
        Self(folder)
    }

    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    fn assert_untouched(&self) {
        let victim = self.0.path().join("victim");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
        let found = fs::metadata(victim).unwrap();
        assert_eq!((found.nlink(), found.permissions().mode() & 0o7777), (1, 0o640));
        assert_eq!(fs::read_dir(self.0.path()).unwrap().count(), 1);
    }
}

#[test]
fn paths_that_leave_the_root_are_refused() {
    for (path, expected) in [
        ("../escape", PathFault::Parent),
        ("a/../../escape", PathFault::Parent),
        ("a/..", PathFault::Parent),
        ("/etc/escape", PathFault::Absolute),
        ("//escape", PathFault::Absolute),
        (".wh...", PathFault::Whiteout),
        ("a/.wh.", PathFault::Whiteout),
    ] {
        match refused(Tar::default().file(path, "x")) {
            LayerError::Path { fault, path: named } => {
                assert_eq!((fault, named.to_str()), (expected, Some(path)))
            }
            other => panic!("{path}: {other}"),
        }
    }
    assert!(matches!(refused(Tar::default().pax("path", "../../x").file("x", "")), LayerError::Path { .. }));
    assert!(matches!(refused(Tar::default().file("", "x")), LayerError::Path { fault: PathFault::Root, .. }));
}

#[test]
fn links_to_folders_outside_lead_to_the_same_path_inside() {
    let outside = Outside::new();
    let up = format!("{}{}", "../".repeat(12), outside.path());
    for target in [outside.path(), &up] {
        let layers = [
            Tar::default().symlink("link", target).file("link/victim", "hit").file("link/new", "hit"),
            Tar::default()
                .file("link/victim", "again")
                .file("link/.wh.new", "")
                .file("link/.wh..wh..opq", ""),
            Tar::default().hard_link("link/victim2", "link/victim").folder("link/sub"),
        ];
        let opened = Layout::of(layers).opened();
        outside.assert_untouched();
        let inside = opened.root.join(outside.path().trim_start_matches('/'));
        assert_eq!(fs::read_to_string(inside.join("victim")).unwrap(), "again");
        assert!(inside.join("sub").is_dir() && !inside.join("new").exists());
    }
}

#[test]
fn links_to_files_outside_are_replaced_and_never_written_through() {
    let outside = Outside::new();
    let victim = format!("{}/victim", outside.path());
    let layers = [
        Tar::default()
            .symlink("f", &victim)
            .symlink("g", &victim)
            .symlink("h", &victim)
            .symlink("d", outside.path()),
        Tar::default()
            .file("f", "hit")
            .entry(EntryType::Fifo, "g", "", 0o644, b"")
            .file("h/x", "hit")
            .folder("d"),
    ];
    let layout = Layout::of(layers);
    match layout.open() {
        // `h/x` asks for a folder where, inside the image, there is nothing: it is made there.
        Ok(opened) => {
            assert_eq!(fs::read_to_string(opened.root.join("f")).unwrap(), "hit");
            assert!(!opened.root.join("g").is_symlink() && !opened.root.join("d").is_symlink());
            assert!(opened.root.join(victim.trim_start_matches('/')).join("x").exists());
        }
        Err(error) => panic!("{}", message(&error)),
    }
    outside.assert_untouched();
}

#[test]
fn hard_links_reach_only_what_is_inside() {
    let outside = Outside::new();
    let victim = format!("{}/victim", outside.path());
    let tar = Tar::default().hard_link("stolen", &victim);
    assert!(matches!(refused(tar), LayerError::Host { .. }));
    let tar = Tar::default().hard_link("stolen", &format!("{}{victim}", "../".repeat(12)));
    assert!(matches!(refused(tar), LayerError::Path { fault: PathFault::Parent, .. }));
    let tar = Tar::default().symlink("link", outside.path()).hard_link("stolen", "link/victim");
    assert!(matches!(refused(tar), LayerError::Host { .. }));
    // A hard link to a symbolic link is that link, not what it points to.
    let tar = Tar::default().symlink("link", &victim).hard_link("stolen", "link").file("stolen", "hit");
    let opened = Layout::of([tar]).opened();
    assert_eq!(fs::read_to_string(opened.root.join("stolen")).unwrap(), "hit");
    outside.assert_untouched();
    assert!(matches!(
        refused(Tar::default().folder("d").hard_link("l", "d")),
        LayerError::Unsupported { .. }
    ));
    assert!(matches!(refused(Tar::default().hard_link("l", "/")), LayerError::Path { .. }));
}

#[test]
fn magic_links_of_proc_lead_nowhere() {
    let tar =
        Tar::default().symlink("cwd", "/proc/self/cwd").file("cwd/hit", "x").symlink("fd", "/proc/self/fd/0");
    let opened = Layout::of([tar]).opened();
    assert!(opened.root.join("proc/self/cwd/hit").exists());
}

#[test]
fn link_loops_end_in_an_error() {
    let tar = Tar::default().symlink("a", "b").symlink("b", "a").file("a/x", "x");
    assert!(matches!(refused(tar), LayerError::Host { .. }));
    let chain =
        (0..60).fold(Tar::default(), |tar, at| tar.symlink(&format!("l{at}"), &format!("l{}", at + 1)));
    assert!(matches!(refused(chain.file("l0/x", "x")), LayerError::Host { .. }));
    // Each link leads below itself.
    assert!(matches!(refused(Tar::default().symlink("a", "a/a").file("a/x", "x")), LayerError::Host { .. }));
}

#[test]
fn devices_and_fifos_are_skipped_and_counted() {
    let lower = Tar::default().file("dev/null", "not a device");
    let upper = Tar::default()
        .entry(EntryType::Char, "dev/null", "", 0o666, b"")
        .entry(EntryType::Block, "dev/sda", "", 0o666, b"")
        .entry(EntryType::Fifo, "run/pipe", "", 0o666, b"");
    let layout = Layout::of([lower, upper]);
    for _ in 0..2 {
        let opened = layout.open().unwrap();
        assert_eq!(opened.skipped, Skipped { devices: 2, fifos: 1 });
        assert_eq!(fs::read_dir(opened.root.join("dev")).unwrap().count(), 0);
    }
}

#[test]
fn odd_entries_are_refused() {
    let unsupported = |tar| matches!(refused(tar), LayerError::Unsupported { .. });
    assert!(unsupported(Tar::default().entry(EntryType::new(b'V'), "label", "", 0o644, b"")));
    assert!(unsupported(Tar::default().entry(EntryType::Symlink, "l", "t", 0o777, b"content")));
    assert!(unsupported(Tar::default().entry(EntryType::Directory, "d", "", 0o755, b"content")));
    assert!(unsupported(Tar::default().symlink("l", "")));
    assert!(unsupported(Tar::default().pax("GNU.sparse.major", "1").file("f", "x")));
    let foreign = Tar::default().with(EntryType::Regular, "f", "", b"", |header| header.set_uid(65536));
    if keeps_owners() {
        assert!(unsupported(foreign));
    } else {
        assert!(Layout::of([foreign]).open().is_ok());
    }
}

fn bomb(limits: &Limits, tar: Vec<u8>, packed: Vec<u8>) -> String {
    let layout = Layout::new();
    let image = layout.image(&[(layout.blob(LAYER, &packed), Digest::of(&tar))]);
    layout.index(&[image]);
    let error = layout.open_within(limits).unwrap_err();
    assert_eq!(layout.cached(), [""; 0]);
    match error {
        OciError::Layer { source: source @ (LayerError::Limit { .. } | LayerError::Path { .. }), .. } => {
            source.to_string()
        }
        other => panic!("{}", message(&other)),
    }
}

#[test]
fn decompression_bombs_end_at_the_limit() {
    let limits = Limits { layer_bytes: 1 << 20, ..Limits::default() };
    let big = vec![0; 4 << 20];
    for pack in [gzip, zstd] {
        let tar = Tar::default().entry(EntryType::Regular, "f", "", 0o644, &big).bytes();
        bomb(&limits, tar.clone(), pack(&tar));
        let behind_the_end = [&Tar::default().bytes()[..], &big].concat();
        assert!(bomb(&limits, behind_the_end.clone(), pack(&behind_the_end)).contains("decompressed"));
    }
}

#[test]
fn the_limit_on_all_layers_counts_them_together() {
    let limits = Limits { total_bytes: 1 << 20, ..Limits::default() };
    let content = "x".repeat(400 << 10);
    let layout = Layout::of((0..3).map(|at| Tar::default().file(&format!("f{at}"), &content)));
    let error = layout.open_within(&limits).unwrap_err();
    assert!(matches!(error, OciError::Layer { source: LayerError::Limit { .. }, .. }), "{}", message(&error));
    assert!(layout.open().is_ok());
}

#[test]
fn a_sparse_file_counts_with_its_holes() {
    let tar = Tar::default().with(EntryType::GNUSparse, "f", "", b"", |header| {
        let gnu = header.as_gnu_mut().unwrap();
        gnu.sparse[0].offset.copy_from_slice(b"77777777777\0");
        gnu.sparse[0].numbytes.copy_from_slice(b"00000000000\0");
        gnu.realsize.copy_from_slice(b"77777777777\0");
    });
    let tar = tar.bytes();
    assert!(bomb(&Limits { layer_bytes: 1 << 20, ..Limits::default() }, tar.clone(), tar).contains("files"));
}

#[test]
fn a_long_name_of_gigabytes_is_not_taken_into_memory() {
    for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader] {
        let tar = Tar::default().entry(kind, "x", "", 0o644, &vec![b'a'; 3 << 20]).file("f", "x").bytes();
        assert!(bomb(&Limits::default(), tar.clone(), gzip(&tar)).contains("header"));
    }
}

#[test]
fn entries_and_depth_have_bounds_however_they_come() {
    let many = (0..50).fold(Tar::default(), |tar, at| tar.file(&format!("f{at}"), "")).bytes();
    assert!(bomb(&Limits { entries: 20, ..Limits::default() }, many.clone(), many).contains("entries"));
    let implied = Tar::default().file("a/b/c/d/e/f/g/h", "").bytes();
    assert!(bomb(&Limits { entries: 5, ..Limits::default() }, implied.clone(), implied).contains("entries"));
    let limits = Limits { depth: 8, ..Limits::default() };
    let deep = Tar::default().file("a/b/c/d/e/f/g/h/i", "").bytes();
    assert!(bomb(&limits, deep.clone(), deep).contains("deeper"));
    let linked = Tar::default().folder("a/b/c/d/e").symlink("s", "a/b/c/d/e").file("s/1/2/3/4/5", "").bytes();
    assert!(bomb(&limits, linked.clone(), linked).contains("deeper"));
}

#[test]
fn marks_on_a_large_folder_do_not_multiply() {
    let many = (0..100).fold(Tar::default(), |tar, at| tar.file(&format!("d/f{at}"), ""));
    let marked = (0..100).fold(many, |tar, _| tar.file("d/.wh..wh..opq", "")).bytes();
    assert!(bomb(&Limits { entries: 1000, ..Limits::default() }, marked.clone(), marked).contains("entries"));
}

#[test]
fn messages_escape_what_a_terminal_would_obey() {
    let error = refused(Tar::default().file("../\u{1b}[2J\n", "x"));
    assert!(!error.to_string().contains(['\u{1b}', '\n']), "{error}");
}
