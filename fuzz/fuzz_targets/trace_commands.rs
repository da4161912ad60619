//! Arbitrary bytes as lines of commands.
#![no_main]

mod read_trace;

use libfuzzer_sys::fuzz_target;
use trace::Format;

fuzz_target!(|bytes: &[u8]| read_trace::read(Format::Commands, bytes));
