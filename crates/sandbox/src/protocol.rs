//! What the supervisor and the init say to each other.
//!
//! Three things cross: the *plan* (how the inside is built, one sealed memfd, read once), the *call record*
//! (what to execute, one sealed memfd a call) and short *messages* on a socket. This file is compiled into
//! both programs, needs neither allocation nor libc, and reads bytes without trusting them: a reader that
//! runs off its end answers `None`. Numbers are little-endian; both sides are always the same build.

/// The init's exit codes, for a supervisor that has nothing but `waitid(2)` left.
pub const EXIT_DONE: i32 = 0;
/// A step of the plan failed; the message before it says which.
pub const EXIT_PLAN: i32 = 120;
/// The supervisor is gone.
pub const EXIT_ORPHANED: i32 = 121;
/// The init broke one of its own invariants.
pub const EXIT_PANIC: i32 = 122;

/// Most calls that may live at once in one sandbox.
pub const LIVE_CALLS: usize = 1024;

macro_rules! codes {
    ($(#[$meta:meta])* $name:ident : $int:ty { $($(#[$doc:meta])* $variant:ident = $value:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr($int)]
        pub enum $name { $($(#[$doc])* $variant = $value,)* }

        impl $name {
            /// The value that this code stands for, if it is one of ours.
            pub const fn from_code(code: $int) -> Option<Self> {
                match code { $($value => Some(Self::$variant),)* _ => None }
            }

            /// All values, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
        }
    };
}

codes! {
    /// One step of the plan. The comment lists the fields: numbers, then strings (`s`, with their NUL).
    Step: u16 {
        /// Nothing that happens in here reaches the host's mounts.
        MountsPrivate = 1,
        /// size, inodes: the bounded memory file system that holds the scratch layer, and the skeleton where there is no
        /// template.
        Scratch = 2,
        /// mode, s path: a folder in the scratch file system.
        Folder = 3,
        /// mode, s path, s content: a file in it.
        File = 4,
        /// s path, s target: a symbolic link in it.
        Link = 5,
        /// attributes, device, inode, s source, s target: a host path, found by name and checked by identity.
        BindPath = 6,
        /// attributes, fd index, s target: a mount that the supervisor has prepared.
        BindFd = 7,
        /// attributes, s source, s target: a path of the scratch file system.
        BindScratch = 8,
        /// attributes, s lower, s upper, s work, s target: an image under a writable layer.
        Overlay = 9,
        /// s target: the sandbox's own `/proc`.
        Proc = 10,
        /// s target: the sandbox's own pseudo-terminals.
        Terminals = 11,
        /// attributes, s path: an attached mount gets further attributes.
        Attributes = 12,
        /// attributes, s folder, s name: a file or folder in a mount that others can write, made a mount of
        /// its own with the attributes, so that it can be neither changed (if read-only) nor renamed.
        /// Skipped if it does not exist.
        Pin = 13,
        /// s root: the new root; the host's is gone.
        Enter = 14,
        /// s name.
        HostName = 15,
        /// The loopback interface goes up.
        Loopback = 16,
        /// resource, soft, hard.
        Limit = 17,
        /// uid, gid, clear groups (0 or 1).
        Identity = 18,
        /// handled files, handled network, scopes: the rules follow.
        Landlock = 19,
        /// allowed access, s path: a rule of the Landlock domain.
        LandlockPath = 20,
        /// The Landlock domain is entered.
        LandlockEnter = 21,
        /// All capabilities but the one that makes call marks are dropped, and can't be had again.
        Capabilities = 22,
        /// b instructions: the filter of every call, with its own listener.
        CallFilter = 23,
        /// s canary file, s canary socket (abstract, without the leading NUL): the probe is run.
        Prove = 24,
        /// Nothing follows.
        Done = 25,
        /// No execution gives a privilege any more.
        NoNewPrivileges = 26,
        /// The control groups that bound the sandbox are entered, before anything is made that they count.
        JoinGroups = 27,
        /// The root is the skeleton, a folder of the scratch file system.
        Skeleton = 28,
        /// fd index: the root is a copy of a template, skeleton and image together.
        Template = 29,
        /// What was built is a template: nothing writes to it any more, and copies are handed out.
        Keep = 30,
        /// IPv4 prefix, its length, upper half of an IPv6 prefix of 64 bits: the addresses of names, and the gateway's
        /// sockets.
        Network = 31,
    }
}

codes! {
    /// What the supervisor tells the init.
    Order: u8 {
        /// The ids are mapped: build. Number of control groups (u8). Descriptors: the plan, the control groups' lists of
        /// threads, the prepared mounts.
        Begin = 1,
        /// A template's keeper hands out a copy.
        Copy = 3,
        /// number of the call (u32). Descriptors: the record, stdin, stdout, stderr, the call's own socket, and its
        /// control group if it has one.
        Call = 2,
    }
}

codes! {
    /// What the init, or a child of it that is about to become a call, tells the supervisor.
    Report: u8 {
        /// index of the step (u32), errno (i32).
        Failed = 1,
        /// time taken by the proof in microseconds (u64), then an [`Attempt`] (u8) and its result (i32) each.
        /// Descriptor: the scratch folder.
        Ready = 2,
        /// call (u32), status (i32), user and system microseconds, peak KiB, blocks in, out, those of orphans (u64).
        Exited = 3,
        /// number of the listener's descriptor in the sender (i32).
        Listening = 4,
        /// errno (i32): the command could not be executed.
        NotExecuted = 5,
        /// errno (i32), place (u32): the call could not be set up.
        NotSetUp = 6,
        /// call (u32): there are too many live calls.
        TooManyCalls = 7,
        /// All is built, and the proof begins.
        Built = 8,
        /// Descriptor: a copy of a template.
        Copied = 9,
        /// what for (u8, a [`Socket`]). Descriptor: a socket for the gateway.
        Socket = 10,
    }
}

codes! {
    /// What a socket is for that the init makes for the gateway. All are on the loopback, of either family.
    Socket: u8 {
        /// Takes the connections that are to leave.
        Listener = 1,
        /// Takes questions for names, as datagrams.
        ResolverDatagrams = 2,
        /// Takes questions for names, as streams.
        ResolverStreams = 3,
        /// Sees packets to addresses of names, whatever they are.
        Tripwire = 4,
    }
}

codes! {
    /// One attempt of the proof to break out.
    Attempt: u8 {
        /// A TCP connection to an address outside.
        ConnectOut = 1,
        /// A datagram to an address outside.
        DatagramOut = 2,
        /// A socket that sees all packets.
        PacketSocket = 3,
        /// A raw ICMP socket.
        RawSocket = 4,
        /// Multipath TCP, which filters of TCP forget.
        MultipathTcp = 5,
        /// A virtual-machine socket to the hypervisor.
        VsockSocket = 6,
        /// The kernel's cryptography socket family.
        AlgSocket = 7,
        /// A netlink family other than routing.
        AuditSocket = 8,
        /// An abstract socket of the host.
        HostAbstractSocket = 9,
        /// A nested user namespace by `unshare(2)`.
        UnshareUser = 10,
        /// A nested user namespace by `clone(2)`.
        CloneUser = 11,
        /// A nested user namespace by `clone3(2)`.
        Clone3User = 12,
        /// Joining another namespace.
        JoinNamespace = 13,
        /// A mount by the old interface.
        Mount = 14,
        /// A mount by the new interface.
        OpenTree = 15,
        /// Another root.
        PivotRoot = 16,
        /// io_uring, which does what filtered calls may not.
        IoUring = 17,
        /// A system call by the x32 numbers.
        X32 = 18,
        /// A system call by the 32-bit gate.
        I386 = 19,
        /// Tracing the init.
        TraceInit = 20,
        /// The init's memory.
        InitMemory = 21,
        /// A file of the host that the image does not hold.
        HostFile = 22,
        /// The host's root through the init.
        InitRoot = 23,
        /// A file by its handle, past all paths.
        FileHandle = 24,
        /// Becoming another user.
        SetUser = 25,
        /// Taking capabilities back.
        Capabilities = 26,
        /// A kernel program.
        Bpf = 27,
        /// The kernel's key store.
        Keyring = 28,
        /// Hardware counters.
        PerfEvent = 29,
        /// Page faults handled by the agent.
        UserFault = 30,
        /// A kernel module.
        Module = 31,
        /// Typing into the terminal.
        TypeIntoTerminal = 32,
        /// A kernel setting.
        KernelSetting = 33,
        /// Writing to the image, by a descriptor of it.
        WriteImage = 34,
        /// A privilege gained by executing a file.
        NewPrivileges = 35,
        /// Writing where Landlock alone forbids it: in the scratch layer, by a descriptor and past all paths.
        LandlockWrite = 36,
        /// A file of the host by way of what may lie on top of the root.
        HostFileAboveRoot = 37,
        /// Telling the kernel how to treat the init.
        InitSetting = 38,
    }
}

/// Result of an [`Attempt`] that got through.
pub const OPEN: i32 = 0;
/// Result of an [`Attempt`] that can't be made on this kernel or in this sandbox.
pub const NOT_APPLICABLE: i32 = -1;

/// Reads the fields of a record or message, front to back.
#[derive(Clone, Copy)]
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// The fields in `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// One byte.
    pub fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// A 32-bit number.
    pub fn short(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    /// A 32-bit number with a sign.
    pub fn signed(&mut self) -> Option<i32> {
        Some(self.short()?.cast_signed())
    }

    /// A 64-bit number.
    pub fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    /// A run of bytes, behind its length.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.short()?;
        self.take(usize::try_from(length).ok()?)
    }
}

/// Reads the steps of a plan, front to back.
pub struct Steps<'a>(&'a [u8]);

impl<'a> Steps<'a> {
    /// The steps in `plan`.
    pub const fn new(plan: &'a [u8]) -> Self {
        Self(plan)
    }
}

/// Bytes before the fields of a step: its code, nothing, the length of its fields.
pub const STEP_HEADER: usize = 8;

impl<'a> Iterator for Steps<'a> {
    type Item = (Step, Fields<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (header, rest) = self.0.split_at_checked(STEP_HEADER)?;
        let code = u16::from_le_bytes(header.get(..2)?.try_into().ok()?);
        let length = u32::from_le_bytes(header.get(4..)?.try_into().ok()?);
        let (fields, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some((Step::from_code(code)?, Fields(fields)))
    }
}

/// Puts numbers into a message of a fixed size.
pub struct Message<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Message<N> {
    /// A message that starts with `code`.
    pub const fn new(code: u8) -> Self {
        let mut bytes = [0; N];
        bytes[0] = code;
        Self { bytes, length: 1 }
    }

    /// Adds bytes; those that don't fit are dropped, and the reader notices the short message.
    #[must_use]
    pub fn with(mut self, bytes: &[u8]) -> Self {
        if let Some(to) = self.bytes.get_mut(self.length..self.length + bytes.len()) {
            to.copy_from_slice(bytes);
            self.length += bytes.len();
        }
        self
    }

    /// The message as it is sent.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Most bytes of a message in either direction.
pub const MESSAGE_MAX: usize = 512;
