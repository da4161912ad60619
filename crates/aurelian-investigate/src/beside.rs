//! A file that is written beside its name, and gets it when it is complete.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// A file that is being written. One that is not [completed](Beside::complete) never was.
pub(crate) struct Beside {
    file: BufWriter<File>,
    beside: PathBuf,
    path: PathBuf,
    is_complete: bool,
}

impl Beside {
    pub(crate) fn begin(path: PathBuf) -> Result<Self, Failure> {
        let beside = beside(&path);
        match create(&beside) {
            Ok(file) => {
                let file = BufWriter::with_capacity(1 << 20, file);
                Ok(Self { file, beside, path, is_complete: false })
            }
            Err(source) => Err(Failure::Output { path, source }),
        }
    }

    pub(crate) fn write(
        &mut self,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> Result<(), Failure> {
        write(&mut self.file).map_err(|source| self.failed(source))
    }

    /// Takes bytes, for who tells errors himself.
    pub(crate) fn to(&mut self) -> &mut BufWriter<File> {
        &mut self.file
    }

    /// All is written: the file gets its name.
    pub(crate) fn complete(mut self) -> Result<(), Failure> {
        self.put().map_err(|source| self.failed(source))
    }

    fn put(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        fs::rename(&self.beside, &self.path)?;
        self.is_complete = true;
        Ok(())
    }

    fn failed(&self, source: io::Error) -> Failure {
        Failure::Output { path: self.path.clone(), source }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.is_complete {
            // If it stays, its name says that it is no result.
            let _ = fs::remove_file(&self.beside);
        }
    }
}

/// A new file, in the place of one that broke off. A link that somebody laid there is not followed.
fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => File::create_new(path),
    }
}

/// Whatever a name ends with, it is another.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_link_in_the_way_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("report.html"), folder.path().join("other"));
        fs::write(&other, "mine").unwrap();
        std::os::unix::fs::symlink(&other, beside(&path)).unwrap();
        let mut file = Beside::begin(path.clone()).unwrap();
        file.write(|to| to.write_all(b"page")).unwrap();
        file.complete().unwrap();
        assert_eq!((fs::read(&path).unwrap(), fs::read(&other).unwrap()), (b"page".into(), b"mine".into()));
    }
}
