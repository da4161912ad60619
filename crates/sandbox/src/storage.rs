//! What a call read from storage and wrote to it, from the kernel's accounts of its processes.
//!
//! Counted are bytes that a process had fetched, or dirtied to be written, on a file system with storage behind it
//! (`read_bytes` and `write_bytes` of proc_pid_io(5), in blocks of 512 bytes). What the page cache held, what lies in a
//! tmpfs such as the scratch layer, pipes and sockets cost no storage and don't count.
//!
//! The kernel adds a process's account to that of the parent that waits for it, so that what the init learns when it
//! reaps a first process covers all that was waited for. Added to it are the processes that the call left alive, and
//! orphans that died meanwhile where the call was alone. Left out are children that their parent told the kernel to
//! reap (`SIGCHLD` ignored), and orphans where calls overlapped.
//!
//! A control group's `io.stat` is not used: it counts what reached the disk, which for most that is written is after
//! the call has ended.

use crate::population::Member;
use crate::protocol::Fields;
use event::fact::Io;

/// Bytes of a block as `getrusage(2)` counts.
const BLOCK: u64 = 512;

/// Reads blocks in and out from a report.
pub(crate) fn of_blocks(fields: &mut Fields<'_>) -> Option<Io> {
    let (read, written) = (fields.number()?, fields.number()?);
    Some(Io { read_bytes: read.saturating_mul(BLOCK), write_bytes: written.saturating_mul(BLOCK) })
}

/// The account of a process that is alive, with those that it waited for.
pub(crate) fn of_process(process: &Member) -> Option<Io> {
    parse(&String::from_utf8_lossy(&process.read("io")?))
}

fn parse(account: &str) -> Option<Io> {
    let bytes = |name: &str| account.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    Some(Io { read_bytes: bytes("read_bytes:")?, write_bytes: bytes("write_bytes:")? })
}

/// Both together.
pub(crate) fn sum(one: Io, other: Io) -> Io {
    Io {
        read_bytes: one.read_bytes.saturating_add(other.read_bytes),
        write_bytes: one.write_bytes.saturating_add(other.write_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_read_by_name() {
        let account = "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\ncancelled_write_bytes: 7\n";
        assert_eq!(parse(account), Some(Io { read_bytes: 5, write_bytes: 6 }));
        assert_eq!(parse("rchar: 1\n"), None);
    }

    #[test]
    fn a_short_report_is_none() {
        assert_eq!(of_blocks(&mut Fields::new(&[0; 15])), None);
        let blocks: Vec<u8> = [2u64, 3].iter().flat_map(|blocks| blocks.to_le_bytes()).collect();
        let io = Io { read_bytes: 1024, write_bytes: 1536 };
        assert_eq!(of_blocks(&mut Fields::new(&blocks)), Some(io));
    }
}
