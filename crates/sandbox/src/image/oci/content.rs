//! What a tar entry is, and copying what it holds.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::BorrowedFd;

use tar::{Entry, EntryType};

/// Why an entry's content couldn't be copied.
pub(super) enum CopyError {
    /// It couldn't be read.
    Read(io::Error),
    /// It couldn't be written.
    Write(io::Error),
}

/// The type of `entry`, or what is unsupported about it.
pub(super) fn kind_of(entry: &mut Entry<'_, impl Read>) -> Result<EntryType, String> {
    let kind = match entry.header().entry_type() {
        EntryType::XGlobalHeader => return Ok(EntryType::XGlobalHeader),
        // Tars from before POSIX have no type for folders but a slash at the end.
        EntryType::Regular
            if entry.header().as_old().linkflag == [0] && entry.path_bytes().ends_with(b"/") =>
        {
            EntryType::Directory
        }
        kind => kind,
    };
    check_size(kind, entry.size())?;
    check_sparse(entry)?;
    Ok(kind)
}

/// Readers disagree on whether the size of an entry without content counts: one and the same tar
/// would hold different files for different programs.
fn check_size(kind: EntryType, size: u64) -> Result<(), String> {
    match kind {
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => Ok(()),
        EntryType::Directory
        | EntryType::Symlink
        | EntryType::Link
        | EntryType::Char
        | EntryType::Block
        | EntryType::Fifo
            if size == 0 =>
        {
            Ok(())
        }
        EntryType::Directory | EntryType::Symlink | EntryType::Link => {
            Err(format!("is a folder or link, and yet claims to hold {size} bytes"))
        }
        EntryType::Char | EntryType::Block | EntryType::Fifo => {
            Err(format!("is a device, and yet claims to hold {size} bytes"))
        }
        other => Err(format!("has the unsupported type {:?}", char::from(other.as_byte()))),
    }
}

/// Sparse files in PAX form would be taken for plain ones, with a table at their start.
fn check_sparse(entry: &mut Entry<'_, impl Read>) -> Result<(), String> {
    let Some(mut records) =
        entry.pax_extensions().map_err(|error| format!("has no valid header: {error}"))?
    else {
        return Ok(());
    };
    let sparse =
        records.any(|record| record.is_ok_and(|record| record.key_bytes().starts_with(b"GNU.sparse.")));
    if sparse { Err("is a sparse file in PAX form, which is not supported".to_owned()) } else { Ok(()) }
}

/// Copies the content of `entry` to `file`, through `buffer`; what is zero in a sparse file stays a hole.
pub(super) fn write(
    entry: &mut Entry<'_, impl Read>,
    file: BorrowedFd<'_>,
    buffer: &mut [u8],
) -> Result<(), CopyError> {
    let sparse = entry.header().entry_type() == EntryType::GNUSparse;
    let size = entry.size();
    let mut file = std::fs::File::from(file.try_clone_to_owned().map_err(CopyError::Write)?);
    let mut copied = 0;
    loop {
        let read = match entry.read(buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(CopyError::Read(error)),
        };
        copied += read as u64;
        let chunk = &buffer[..read];
        if sparse && chunk.iter().all(|&byte| byte == 0) {
            file.seek(SeekFrom::Start(copied)).map_err(CopyError::Write)?;
        } else {
            file.write_all(chunk).map_err(CopyError::Write)?;
        }
    }
    if copied != size {
        return Err(CopyError::Read(io::ErrorKind::UnexpectedEof.into()));
    }
    if sparse { file.set_len(size).map_err(CopyError::Write) } else { Ok(()) }
}
