//! Arbitrary bytes as what the supervisor and the init say to each other: reading ends, and never reads twice
//! or past the end; a message holds what was put in, or is too short for its reader.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sandbox::protocol::{Attempt, Fields, MESSAGE_MAX, Message, Order, Report, STEP_HEADER, Step, Steps};

fuzz_target!(|bytes: &[u8]| {
    read_plan(bytes);
    read_fields(bytes);
    read_codes(bytes);
    write_message(bytes);
});

/// Each step takes at least its header, so there can't be more than fit.
fn read_plan(bytes: &[u8]) {
    let mut steps = 0;
    for (step, fields) in Steps::new(bytes) {
        assert_eq!(Step::from_code(step as u16), Some(step));
        drain(fields);
        steps += 1;
        assert!(steps <= bytes.len() / STEP_HEADER);
    }
}

/// The first byte of each field says what is read next, as a script.
fn read_fields(bytes: &[u8]) {
    let (script, content) = bytes.split_at(bytes.len() / 4);
    let mut fields = Fields::new(content);
    let mut taken = 0;
    for code in script {
        let read = match code % 5 {
            0 => fields.byte().map(|_| 1),
            1 => fields.short().map(|_| 4),
            2 => fields.signed().map(|_| 4),
            3 => fields.number().map(|_| 8),
            _ => fields.bytes().map(|run| 4 + run.len()),
        };
        taken += read.unwrap_or(0);
        assert!(taken <= content.len());
    }
}

/// Reads runs of bytes, then bytes, until nothing is left.
fn drain(mut fields: Fields<'_>) {
    while fields.bytes().is_some() {}
    while fields.byte().is_some() {}
    assert_eq!((fields.byte(), fields.short(), fields.number(), fields.bytes()), (None, None, None, None));
}

fn read_codes(bytes: &[u8]) {
    let Some(&code) = bytes.first() else { return };
    assert!(Order::from_code(code).is_none_or(|order| order as u8 == code));
    assert!(Report::from_code(code).is_none_or(|report| report as u8 == code));
    assert!(Attempt::from_code(code).is_none_or(|attempt| attempt as u8 == code));
}

fn write_message(bytes: &[u8]) {
    let mut message = Message::<MESSAGE_MAX>::new(Report::Exited as u8);
    let mut expected = vec![Report::Exited as u8];
    for part in bytes.chunks(7) {
        message = message.with(part);
        if expected.len() + part.len() <= MESSAGE_MAX {
            expected.extend(part);
        }
    }
    assert_eq!(message.as_bytes(), expected);
}
