//! Which rights the Landlock domain of a sandbox handles, and which it leaves where (landlock(7)).

/// The rights on files that version `abi` can handle.
pub(crate) const fn handled_files(abi: u32) -> u64 {
    match abi {
        0 => 0,
        1 => (1 << 13) - 1,
        2 => (1 << 14) - 1,
        3 | 4 => (1 << 15) - 1,
        _ => (1 << 16) - 1,
    }
}

/// What the domain cuts off from processes outside: abstract sockets and signals, since version 6.
pub(crate) const fn scopes(abi: u32) -> u64 {
    const ABSTRACT_UNIX_SOCKET: u64 = 1;
    const SIGNAL: u64 = 2;
    if abi >= 6 { ABSTRACT_UNIX_SOCKET | SIGNAL } else { 0 }
}

const EXECUTE: u64 = 1;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_FOLDER: u64 = 1 << 3;
const MAKE_CHARACTER_DEVICE: u64 = 1 << 6;
const MAKE_BLOCK_DEVICE: u64 = 1 << 11;
const TRUNCATE: u64 = 1 << 14;
const DEVICE_IOCTL: u64 = 1 << 15;

/// Reading and executing.
pub(crate) const fn read(abi: u32) -> u64 {
    (EXECUTE | READ_FILE | READ_FOLDER) & handled_files(abi)
}

/// Everything but device nodes.
pub(crate) const fn write(abi: u32) -> u64 {
    handled_files(abi) & !(MAKE_CHARACTER_DEVICE | MAKE_BLOCK_DEVICE | DEVICE_IOCTL)
}

/// Using the devices and kernel files that are there.
pub(crate) const fn use_devices(abi: u32) -> u64 {
    (READ_FILE | READ_FOLDER | WRITE_FILE | TRUNCATE | DEVICE_IOCTL) & handled_files(abi)
}

/// The rights that make sense for a file that is no folder.
pub(crate) const FILE_RIGHTS: u64 = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | DEVICE_IOCTL;
