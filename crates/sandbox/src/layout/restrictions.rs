//! What a root takes away again: what is covered, what is pinned, and how the init lets go of its rights.

use super::{Draft, HOST_NAME, relative};
use crate::landlock;
use crate::plan::Attributes;
use crate::protection::Protection;
use policy::network::{SYNTHETIC_V4, SYNTHETIC_V6};
use std::path::{Path, PathBuf};

impl Draft<'_> {
    /// Covers what must not be seen: by name, whether it is there or not.
    pub(super) fn hidden(&mut self) {
        let cover = Attributes::READ_ONLY
            .and(Attributes::SAFE)
            .and(Attributes::NO_EXECUTION)
            .and(Attributes::OPTIONAL);
        for name in ["kallsyms", "kcore", "keys", "sysrq-trigger", "timer_list"] {
            let target = Path::new("proc").join(name);
            self.plan.bind_scratch(cover, Path::new("s/.empty-file"), &target);
        }
        // Its files can be written, by anyone, to have the kernel watch the host.
        self.plan.bind_scratch(cover, Path::new("s/.empty-folder"), Path::new("proc/pressure"));
        let hidden =
            self.blueprint.policy.filesystem().hide().iter().chain(&self.blueprint.toolchains.hidden);
        for path in hidden {
            self.hold(path);
            let Some(inside) = self.inside(path) else { continue };
            let empty = if path.is_dir() { "s/.empty-folder" } else { "s/.empty-file" };
            self.plan.bind_scratch(cover, Path::new(empty), relative(&inside));
        }
    }

    /// Pins each folder between a writable one and a hidden path: renaming it would carry the cover along, and leave
    /// the path free to be hidden in vain by the next run.
    fn hold(&mut self, hidden: &Path) {
        let workspace = self.blueprint.workspace;
        let granted =
            self.blueprint.policy.filesystem().write().iter().map(|path| (path.as_path(), path.as_path()));
        let writable = granted.chain([(workspace.host(), workspace.inside())]);
        for (host, inside) in writable.filter(|(host, _)| hidden.starts_with(host)).collect::<Vec<_>>() {
            let Ok(rest) = hidden.strip_prefix(host) else { continue };
            let mut above: Vec<_> =
                rest.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty()).collect();
            above.reverse();
            for folder in above {
                self.plan.pin(Attributes::SAFE.and(Attributes::RECURSIVE), relative(inside), folder);
            }
        }
    }

    /// Where a host path shows inside, if it does.
    fn inside(&self, host: &Path) -> Option<PathBuf> {
        let workspace = self.blueprint.workspace;
        match host.strip_prefix(workspace.host()) {
            Ok(rest) => Some(workspace.inside().join(rest)),
            Err(_) => self.binds.iter().any(|bind| host.starts_with(&bind.target)).then(|| host.to_owned()),
        }
    }

    pub(super) fn pins(&mut self) {
        let workspace = self.blueprint.workspace;
        let granted = self.blueprint.policy.filesystem().write().iter().filter(|path| path.is_dir());
        let granted = granted.map(|path| (path.as_path(), path.as_path()));
        for (host, inside) in granted.chain([(workspace.host(), workspace.inside())]).collect::<Vec<_>>() {
            for (name, writable) in Protection::of(host).pins() {
                let attributes =
                    if writable { Attributes::SAFE } else { Attributes::SAFE.and(Attributes::READ_ONLY) };
                self.plan.pin(attributes.and(Attributes::RECURSIVE), relative(inside), &name);
            }
        }
        if !self.blueprint.broken.is("proc") {
            // Root's agent may have the init's user id: it could have the kernel choose the init when memory runs out.
            for name in ["sys", "1"] {
                let read_only = Attributes::READ_ONLY.and(Attributes::RECURSIVE);
                self.plan.pin(read_only, Path::new("proc"), Path::new(name));
            }
        }
    }

    pub(super) fn finish(&mut self) {
        let blueprint = self.blueprint;
        let broken = &blueprint.broken;
        if !broken.is("read-only-root") && !blueprint.image.is_written() {
            self.plan.attributes(Attributes::READ_ONLY.and(Attributes::SAFE), Path::new(""));
        }
        if !broken.is("root") {
            self.plan.enter();
        }
        self.plan.host_name(HOST_NAME);
        self.plan.loopback();
        if blueprint.has_gateway {
            let (v4, v6) = (SYNTHETIC_V4, SYNTHETIC_V6.network().to_bits() >> 64);
            self.plan
                .network((v4.network().to_bits(), v4.prefix_len()), u64::try_from(v6).unwrap_or(u64::MAX));
        }
        self.limits();
        if !broken.is("capabilities") {
            self.plan.capabilities();
        }
        if !broken.is("no_new_privs") {
            self.plan.no_new_privileges();
        }
        if !broken.is("landlock") {
            self.landlock();
        }
        self.plan.call_filter(blueprint.filter.as_bytes());
        self.plan.prove(blueprint.canary, blueprint.canary_socket);
        self.plan.done();
    }

    fn limits(&mut self) {
        let limits = self.blueprint.policy.limits();
        let files = limits.open_files();
        self.plan.limit(libc::RLIMIT_NOFILE, files, files);
        // One byte: no core is smaller, and with any other bound, zero too, a kernel whose `core_pattern` is a
        // pipe starts the host's handler, as the host's root (fs/coredump.c).
        self.plan.limit(libc::RLIMIT_CORE, 1, 1);
        if !self.blueprint.ids.is_range() {
            let processes = u64::from(limits.pids());
            self.plan.limit(libc::RLIMIT_NPROC, processes, processes);
        }
        if !self.blueprint.bounds_memory {
            // Each process for itself; all together are watched (`watch`).
            let memory = limits.memory().as_u64();
            self.plan.limit(libc::RLIMIT_DATA, memory, memory);
        }
    }

    fn landlock(&mut self) {
        let abi = self.blueprint.host.landlock;
        if abi == 0 {
            return;
        }
        self.plan.landlock(landlock::handled_files(abi), 0, landlock::scopes(abi));
        // What is written to an image's root goes to the scratch layer, whatever its path.
        let root = if self.blueprint.image.is_written() { landlock::write } else { landlock::read };
        self.plan.landlock_path(root(abi), Path::new("/"));
        for path in ["/dev", "/proc"] {
            self.plan.landlock_path(landlock::use_devices(abi), Path::new(path));
        }
        for area in &self.areas {
            self.plan.landlock_path(landlock::write(abi), &area.inside);
        }
        self.plan.landlock_path(landlock::write(abi), self.blueprint.workspace.inside());
        for path in self.blueprint.policy.filesystem().write() {
            let rights = if path.is_dir() { u64::MAX } else { landlock::FILE_RIGHTS };
            self.plan.landlock_path(landlock::write(abi) & rights, path);
        }
        self.plan.landlock_enter();
    }
}
