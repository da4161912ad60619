//! An image as the root of a sandbox.

use super::builder::{Layout, Tar};
use sandbox::image::Image;
use sandbox::{Blind, Command, Sandbox, Setup, Supervisor, Workspace};
use std::io::Read;
use std::sync::Arc;

/// The image holds no program: the host's come by the policy, at a place that the image has links to.
#[test]
fn the_image_is_the_root_and_stays_as_it_is() {
    let layers = Tar::default()
        .folder("etc")
        .folder("usr")
        .file("etc/motd", "from the image")
        .file("etc/hosts", "old");
    let links = ["bin", "lib", "lib64"]
        .into_iter()
        .fold(layers, |tar, name| tar.symlink(name, &format!("usr/{name}")));
    let layout = Layout::of([links]);
    let image = layout.open().unwrap();
    let before = std::fs::read_dir(&image.root).unwrap().count();
    let supervisor = Supervisor::new().unwrap();
    let workspace = tempfile::tempdir().unwrap();
    let setup = Setup {
        policy: policy::Policy::parse("version: 1\nfilesystem: { read: [/usr] }\n", "test").unwrap(),
        workspace: Workspace::new(workspace.path(), None, None).unwrap(),
        image: Image::from(image.clone()),
    };
    let sandbox =
        Sandbox::start(&supervisor, &setup, Arc::new(Blind)).unwrap_or_else(|error| panic!("{error}"));
    let script = "cat /etc/motd; grep -c localhost /etc/hosts; touch /x 2>/dev/null || echo read-only; touch /tmp/y made; \
                  ls -A $HOME; test -e /etc/passwd || echo no accounts";
    let mut call = sandbox.call(Command::new("/bin/sh").args(["-c", script])).unwrap();
    let mut output = String::new();
    call.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    assert_eq!(output, "from the image2\nread-only\nno accounts\n");
    assert_eq!(call.wait().exit_code, 0);
    sandbox.end();
    assert!(workspace.path().join("made").exists());
    assert_eq!(std::fs::read_dir(&image.root).unwrap().count(), before, "nothing is written to the cache");
}
