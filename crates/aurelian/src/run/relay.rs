//! The command's standard streams, where they are no terminal.

use std::io::{self, Read, Write};
use std::thread;

use sandbox::{Input, Output};

use super::screen::{Outlet, Screen, Stream};
use crate::terminal_guard::TerminalGuard;

/// As much as a pipe holds.
const CHUNK: usize = 64 * 1024;

/// Passes both outputs on until they end. Gives what was kept from the operator's terminal.
pub(crate) fn outputs(
    screen: &Screen,
    stdout: Option<Output>,
    stderr: Option<Output>,
    to: Stream,
) -> Vec<TerminalGuard> {
    thread::scope(|scope| {
        let errors =
            stderr.map(|output| scope.spawn(|| output_to(output, Outlet::new(screen, Stream::Stderr))));
        let first = stdout.and_then(|output| output_to(output, Outlet::new(screen, to)));
        let second = errors.and_then(|errors| errors.join().ok().flatten());
        first.into_iter().chain(second).collect()
    })
}

/// Passes one output on. When ours is closed the command's is too, as in a pipeline.
fn output_to(mut output: Output, mut outlet: Outlet<'_>) -> Option<TerminalGuard> {
    let mut chunk = vec![0; CHUNK];
    loop {
        match output.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) if outlet.pass(chunk.get(..count).unwrap_or_default()).is_ok() => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            _ => break,
        }
    }
    drop(output);
    outlet.finish()
}

/// Passes our stdin on, on a thread of its own: a read can't be called off, and nobody waits for it.
pub(crate) fn our_stdin(input: Input) -> io::Result<()> {
    feed("stdin", move || {
        let mut input = input;
        io::copy(&mut io::stdin().lock(), &mut input).map(drop)
    })
}

/// Has the command read a text.
pub(crate) fn text(text: String, mut input: Input) -> io::Result<()> {
    feed("text", move || input.write_all(text.as_bytes()))
}

fn feed(name: &str, copy: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    // The command may end, or close its end, before it has read all: that is no error.
    thread::Builder::new().name(name.into()).spawn(move || drop(copy())).map(drop)
}
