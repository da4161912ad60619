//! A capture of what is relayed, while it is relayed.
//!
//! It is what left and what came, between our own address and the far side's: of what was refused, nothing left. A flow that is
//! captured is read and written rather than spliced, which costs speed.

use std::fs::File;
use std::io::{self, BufWriter};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use event::{Observation, RunId, fact::TelemetryGap};

use super::dial::Dialled;
use super::lock;
use super::register::{Register, Who};
use crate::capture::write::{Connection, Origin, Writer};
use crate::identify::Side;

/// A file that what is relayed is written to, readable in Wireshark.
#[derive(Debug)]
pub struct Capture {
    run: RunId,
    film: Mutex<Film>,
}

#[derive(Debug)]
struct Film {
    /// None once it has ended.
    writer: Option<Writer<BufWriter<File>>>,
    /// Bytes of flows that it may still hold.
    left: u64,
}

impl Capture {
    /// A capture in this file, of at most so many bytes of flows. What comes after them is told as a gap.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn new(file: File, run: RunId, most: u64) -> io::Result<Self> {
        let writer = Some(Writer::new(BufWriter::with_capacity(1 << 18, file))?);
        Ok(Self { run, film: Mutex::new(Film { writer, left: most }) })
    }

    /// A flow that begins.
    pub(super) fn open(&self, register: &Register, who: &Who, dialled: &Dialled) -> Option<Tape> {
        let origin = Origin { run: &self.run, call: Some(who.cause.call), process: Some(&who.process) };
        let (client, server) = (dialled.local, dialled.remote);
        let opened = self.write(register, 0, |writer| writer.open(now(), client, server, &origin));
        opened.map(Tape)
    }

    /// What a side said.
    pub(super) fn data(&self, register: &Register, tape: &mut Tape, side: Side, bytes: &[u8]) {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.write(register, length, |writer| writer.data(now(), &mut tape.0, side, bytes));
    }

    /// A side has said its last.
    pub(super) fn shut(&self, register: &Register, tape: &mut Tape, side: Side) {
        self.write(register, 0, |writer| writer.shut(now(), &mut tape.0, side));
    }

    /// The flow was cut, or this side reset it.
    pub(super) fn reset(&self, register: &Register, tape: Tape, side: Side) {
        self.write(register, 0, |writer| writer.reset(now(), tape.0, side));
    }

    /// All that was written so far is in the file.
    pub(super) fn flush(&self, register: &Register) {
        self.write(register, 0, Writer::flush);
    }

    /// The first error ends the capture, and what it lacks from there on is a gap.
    fn write<T>(
        &self,
        register: &Register,
        bytes: u64,
        write: impl FnOnce(&mut Writer<BufWriter<File>>) -> io::Result<T>,
    ) -> Option<T> {
        let mut film = lock(&self.film);
        let left = film.left.checked_sub(bytes);
        let writer = film.writer.as_mut()?;
        let failed = match left {
            Some(left) => match write(writer) {
                Ok(written) => {
                    film.left = left;
                    return Some(written);
                }
                Err(error) => error.to_string(),
            },
            None => "it is as large as it may be".to_owned(),
        };
        // What can't be written any more is told below.
        let _ = writer.flush();
        film.writer = None;
        drop(film);
        let reason = format!("the capture ends early: {failed}").into();
        register.tell(Observation::new(TelemetryGap { lost: 1, source: "capture".into(), reason }));
        None
    }
}

/// A flow in a capture.
#[derive(Debug)]
pub(super) struct Tape(Connection);

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
