//! Builds the init: a program of its own, without libc, that the library carries inside and executes from
//! sealed memory. It is one crate with no dependency, so the compiler alone is enough.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=init");
    println!("cargo::rerun-if-changed=src/protocol.rs");
    let target = env::var("TARGET")?;
    if !(target.starts_with("x86_64-") && target.contains("-linux-")) {
        return Err(format!("aurelian runs on x86_64 Linux only, not on {target}").into());
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?).join("init");
    let mut rustc = Command::new(env::var_os("RUSTC").ok_or("cargo sets RUSTC")?);
    rustc
        .args(["init/main.rs", "--edition=2024", "--crate-type=bin", "--crate-name=aurelian_init"])
        .args(["--target", &target, "-Cpanic=abort", "-Copt-level=s", "-Clto=fat", "-Ccodegen-units=1"])
        .args(["-Crelocation-model=static", "-Cstrip=symbols", "-Cforce-unwind-tables=no"])
        .args(["-Clink-arg=-nostartfiles", "-Clink-arg=-nostdlib", "-Clink-arg=-static"])
        .args(["-Clink-arg=-Wl,--build-id=none", "-Clink-arg=-Wl,-z,noexecstack"])
        .arg("-o")
        .arg(&out);
    let status = rustc.status().map_err(|error| format!("cannot run {rustc:?}: {error}"))?;
    if !status.success() {
        return Err(format!("the init did not build: {rustc:?} ended with {status}").into());
    }
    println!("cargo::rustc-env=AURELIAN_INIT={}", out.display());
    Ok(())
}
