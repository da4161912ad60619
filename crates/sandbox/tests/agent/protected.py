# Tries everything against files that only the operator may change. Says what worked.
import shutil, stat

succeeded = []


def expect_refusal(what, action, *arguments, **named):
    if attempt(action, *arguments, **named) == "open":
        succeeded.append(what)


def rename_exchange(a, b):
    if syscall(316, -100, a.encode(), -100, b.encode(), 2) != "open":
        raise OSError(errno.EPERM, "refused")


def raw(number, *arguments):
    if syscall(number, *arguments) != "open":
        raise OSError(errno.EPERM, "refused")


def append(path):
    with open(path, "ab") as file:
        file.write(b"agent")


write("mine")
os.mkdir("folder")
for path in protected:
    parent = os.path.dirname(path)
    expect_refusal(f"write {path}", write, path)
    expect_refusal(f"append {path}", append, path)
    expect_refusal(f"truncate {path}", os.truncate, path, 0)
    expect_refusal(f"update {path}", lambda: os.close(os.open(path, os.O_RDWR)))
    expect_refusal(f"unlink {path}", os.unlink, path)
    expect_refusal(f"rename {path}", os.rename, path, "elsewhere")
    expect_refusal(f"replace {path}", os.replace, "mine", path)
    expect_refusal(f"exchange {path}", rename_exchange, "mine", path)
    expect_refusal(f"mode {path}", os.chmod, path, 0o777)
    expect_refusal(f"owner {path}", os.chown, path, os.getuid(), os.getgid())
    expect_refusal(f"times {path}", os.utime, path, (0, 0))
    expect_refusal(f"attribute {path}", os.setxattr, path, "user.x", b"x")
    expect_refusal(f"link over {path}", os.symlink, "mine", path)
    expect_refusal(f"link {path}", os.link, path, f"hard-{len(succeeded)}")
    fd = os.open(path, os.O_RDONLY)
    expect_refusal(f"link by descriptor {path}", os.link, f"/proc/self/fd/{fd}", "hard-fd", follow_symlinks=True)
    expect_refusal(f"reopen {path}", lambda: os.close(os.open(f"/proc/self/fd/{fd}", os.O_RDWR)))
    expect_refusal(f"mode by descriptor {path}", os.fchmod, fd, 0o777)
    expect_refusal(f"through cwd {path}", write, f"/proc/self/cwd/{path}")
    expect_refusal(f"bind {path}", lambda: raw(165, b"mine", path.encode(), 0, 4096, 0))
    expect_refusal(f"move_mount {path}", lambda: raw(429, -100, b"mine", -100, path.encode(), 0))
    expect_refusal(f"unmount {path}", lambda: raw(166, path.encode(), 2))
    if parent:
        expect_refusal(f"rename {parent}", os.rename, parent, "moved")
        expect_refusal(f"exchange {parent}", rename_exchange, "folder", parent)
        expect_refusal(f"replace {parent}", os.rename, "folder", parent)
        expect_refusal(f"remove {parent}", shutil.rmtree, parent)
        expect_refusal(f"unmount {parent}", lambda: raw(166, parent.encode(), 2))
        folder = os.open(parent, os.O_RDONLY)
        name = os.path.basename(path)
        expect_refusal(f"at {path}", lambda: os.close(os.open(name, os.O_WRONLY, dir_fd=folder)))
        expect_refusal(f"unlink at {path}", os.unlink, name, dir_fd=folder)
        here = os.getcwd()
        os.chdir(parent)
        expect_refusal(f"within {path}", write, name)
        expect_refusal(f"rename within {path}", os.rename, name, name + "2")
        os.chdir(here)
expect_refusal("create hook", write, ".git/hooks/post-checkout")
expect_refusal("create task", write, ".vscode/launch.json")
expect_refusal("rename .git", os.rename, ".git", "x")
expect_refusal("rename .git/hooks", os.rename, ".git/hooks", ".git/h")
expect_refusal("exchange .git", rename_exchange, ".git", "folder")

# A thread swaps the way to a protected file while another writes through it.
deadline = time.monotonic() + 0.5
os.mkdir("swap")
os.mkdir("swap/hooks")


def swap():
    while time.monotonic() < deadline:
        for target in ("swap", ".git"):
            try:
                os.symlink(target, "way.new")
                os.replace("way.new", "way")
            except OSError:
                pass


swapper = threading.Thread(target=swap)
swapper.start()
while time.monotonic() < deadline:
    attempt(write, "way/hooks/pre-commit")
swapper.join()

os.mkdir("work")
write("work/kept")
write(".git/objects/new")
say("succeeded", succeeded)
say("honest", "done")
