//! What honest layers become.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use sandbox::image::oci::{Digest, ImageConfig};
use serde_json::json;
use tar::EntryType;

use crate::builder::*;

fn read(image: &sandbox::image::oci::OciImage, path: &str) -> String {
    fs::read_to_string(image.root.join(path)).unwrap()
}

#[test]
fn plain_gzip_and_zstd_layers_are_stacked() {
    let layout = Layout::new();
    let tars = [
        Tar::default().folder("etc").file("etc/a", "1").file("etc/b", "1").bytes(),
        Tar::default().file("etc/a", "2").file("./new", "2").bytes(),
        Tar::default().file("etc/a", "3").bytes(),
    ];
    let blobs = [tars[0].clone(), gzip(&tars[1]), zstd(&tars[2])];
    let suffixes = ["", "+gzip", "+zstd"];
    let layers: Vec<_> = (0..3)
        .map(|at| (layout.blob(&format!("{LAYER}{}", suffixes[at]), &blobs[at]), Digest::of(&tars[at])))
        .collect();
    let image = layout.image(&layers);
    layout.index(std::slice::from_ref(&image));
    let opened = layout.open().unwrap();
    assert_eq!(opened.digest.to_string(), image["digest"]);
    assert_eq!([read(&opened, "etc/a"), read(&opened, "etc/b"), read(&opened, "new")], ["3", "1", "2"]);
}

#[test]
fn the_configuration_is_handed_over() {
    let layout = Layout::new();
    let process = json!({
        "Env": ["PATH=/bin", "X=a=b"], "Entrypoint": ["/init"], "Cmd": ["-l", "ä"], "WorkingDir": "/app", "User": "1000:1000",
    });
    let image = layout.image_for(architecture(), process, &[]);
    layout.index(&[image]);
    let expected = ImageConfig {
        env: vec![("PATH".into(), "/bin".into()), ("X".into(), "a=b".into())],
        entrypoint: vec!["/init".into()],
        cmd: vec!["-l".into(), "ä".into()],
        working_dir: Some("/app".into()),
        user: Some("1000:1000".to_owned()),
    };
    assert_eq!(layout.open().unwrap().config, expected);
}

#[test]
fn whiteouts_hide_lower_layers_only() {
    let lower =
        Tar::default().file("d/gone", "1").file("d/back", "1").file("d/stays", "1").file("tree/a/b", "1");
    let upper =
        Tar::default().file("d/.wh.gone", "").file("d/back", "2").file("d/.wh.back", "").file(".wh.tree", "");
    let opened = Layout::of([lower, upper.file("none/.wh.x", "")]).opened();
    assert!(!opened.root.join("d/gone").exists() && !opened.root.join("tree").exists());
    assert!(!opened.root.join("none").exists());
    assert_eq!([read(&opened, "d/back"), read(&opened, "d/stays")], ["2", "1"]);
}

#[test]
fn an_opaque_folder_keeps_what_its_own_layer_puts_there_wherever_the_mark_stands() {
    let lower =
        || Tar::default().file("d/old", "1").file("d/sub/old", "1").file("d/both", "1").file("e/old", "1");
    let mark = |tar: Tar| tar.file("d/.wh..wh..opq", "");
    let content = |tar: Tar| tar.file("d/both", "2").file("d/sub/new", "2");
    for upper in [content(mark(Tar::default())), mark(content(Tar::default()))] {
        let opened = Layout::of([lower(), upper]).opened();
        assert!(!opened.root.join("d/old").exists() && !opened.root.join("d/sub/old").exists());
        assert_eq!(
            [read(&opened, "d/both"), read(&opened, "d/sub/new"), read(&opened, "e/old")],
            ["2", "2", "1"]
        );
    }
}

#[test]
fn entries_go_through_symbolic_links_to_folders_inside_the_image() {
    let first = Tar::default().folder("usr/lib").symlink("lib", "usr/lib").symlink("abs", "/usr/lib");
    let second = Tar::default()
        .file("lib/one", "1")
        .file("abs/two", "2")
        .symlink("var/run", "/run")
        .file("var/run/x", "3");
    let opened = Layout::of([first, second]).opened();
    assert_eq!(
        [read(&opened, "usr/lib/one"), read(&opened, "usr/lib/two"), read(&opened, "run/x")],
        ["1", "2", "3"]
    );
    assert!(opened.root.join("lib").is_symlink());
    assert_eq!(fs::read_link(opened.root.join("var/run")).unwrap().to_str(), Some("/run"));
}

#[test]
fn files_and_folders_replace_each_other() {
    let lower = Tar::default().file("a/x", "1").file("b", "1").symlink("c", "b").folder("d").file("d/x", "1");
    let upper = Tar::default().file("a", "2").folder("b").file("b/x", "2").file("c", "2").folder("d");
    let opened = Layout::of([lower, upper]).opened();
    assert_eq!(
        [read(&opened, "a"), read(&opened, "b/x"), read(&opened, "c"), read(&opened, "d/x")],
        ["2", "2", "2", "1"]
    );
}

#[test]
fn a_replaced_folder_is_not_written_to_any_more() {
    let tar = Tar::default().file("a/x", "1").symlink("a", "b").file("a/y", "2").folder("a").file("a/z", "3");
    let opened = Layout::of([tar]).opened();
    assert_eq!([read(&opened, "b/y"), read(&opened, "a/z")], ["2", "3"]);
    assert!(!opened.root.join("a/x").exists());
}

#[test]
fn attributes_that_give_no_privilege_are_kept() {
    let plain = |mode: u32| move |header: &mut tar::Header| header.set_mode(mode);
    let tar = Tar::default()
        .with(EntryType::Regular, "suid", "", b"x", plain(0o6755))
        .with(EntryType::Regular, "secret", "", b"x", plain(0o000))
        .with(EntryType::Directory, "tmp", "", b"", plain(0o3777))
        .with(EntryType::Directory, "closed", "", b"", plain(0o055))
        .pax("mtime", "1234567890.5")
        .file("tmp/file", "x")
        .pax("SCHILY.xattr.security.capability", "cap")
        .file("capable", "x");
    let opened = Layout::of([tar]).opened();
    let found = |path: &str| fs::symlink_metadata(opened.root.join(path)).unwrap();
    let mode = |path: &str| found(path).permissions().mode() & 0o7777;
    assert_eq!([mode("suid"), mode("secret")], [0o755, 0o600]);
    assert_eq!([mode("tmp"), mode("closed")], [0o1777, 0o755]);
    assert_eq!([found("tmp").mtime(), found("suid").mtime()], [1_000_000_000; 2]);
    assert_eq!((found("tmp/file").mtime(), found("tmp/file").mtime_nsec()), (1_234_567_890, 500_000_000));
    let attributes = rustix::fs::llistxattr(opened.root.join("capable"), &mut [0u8; 256]).unwrap_or(0);
    assert_eq!(attributes, 0);
}

#[test]
fn owners_are_kept_by_root_and_are_the_user_otherwise() {
    let tar = Tar::default().with(EntryType::Regular, "f", "", b"x", |header| {
        header.set_uid(1234);
        header.set_gid(65535);
    });
    let opened = Layout::of([tar]).opened();
    let found = fs::metadata(opened.root.join("f")).unwrap();
    let own = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    assert_eq!((found.uid(), found.gid()), if keeps_owners() { (1234, 65535) } else { own });
}

#[test]
fn hard_links_share_one_file_also_across_layers() {
    let lower = Tar::default().file("bin/real", "x");
    let upper =
        Tar::default().hard_link("bin/one", "bin/real").hard_link("two", "/bin/real").hard_link("two", "two");
    let opened = Layout::of([lower, upper]).opened();
    let inode = |path: &str| fs::metadata(opened.root.join(path)).unwrap().ino();
    assert_eq!([inode("bin/one"), inode("two")], [inode("bin/real"); 2]);
}

#[test]
fn long_names_and_sparse_files_come_out_whole() {
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(200));
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    builder.append_data(&mut header, &long, &b"x"[..]).unwrap();
    let mut content = builder.into_inner().unwrap();
    content.truncate(content.len() - 1024);
    let sparse = Tar::default().pax("path", &"p".repeat(150)).file("short", "y").with(
        EntryType::GNUSparse,
        "sparse",
        "",
        b"end",
        |header| {
            let gnu = header.as_gnu_mut().unwrap();
            gnu.sparse[0].offset.copy_from_slice(b"00000200000\0");
            gnu.sparse[0].numbytes.copy_from_slice(b"00000000003\0");
            gnu.realsize.copy_from_slice(b"00000200003\0");
        },
    );
    content.extend(sparse.bytes());
    let layout = Layout::new();
    let image = layout.image(&[(layout.blob(LAYER, &content), Digest::of(&content))]);
    layout.index(&[image]);
    let opened = layout.open().unwrap();
    assert_eq!([read(&opened, &long), read(&opened, &"p".repeat(150))], ["x", "y"]);
    let sparse = fs::read(opened.root.join("sparse")).unwrap();
    assert_eq!((sparse.len(), &sparse[65536..]), (65539, &b"end"[..]));
    assert!(sparse[..65536].iter().all(|&byte| byte == 0));
}

#[test]
fn an_image_without_layers_is_an_empty_folder() {
    let opened = Layout::of([]).opened();
    assert_eq!(fs::read_dir(&opened.root).unwrap().count(), 0);
}
