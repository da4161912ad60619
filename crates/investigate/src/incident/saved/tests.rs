#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use ::flows::{Connection, Format};
use tempfile::{TempDir, tempdir};

use super::*;
use crate::incident::tests::{flow, hosts, span};

const HOSTS: &str = "address,run\n10.0.0.1,a\n10.0.0.2,b\n";
/// Room for all flows of a test.
const MUCH: usize = 1 << 20;

/// A file whose name is not UTF-8.
fn no_text(name: &str, file: u64) -> Arc<Path> {
    Path::new(OsStr::from_bytes(&[name.as_bytes(), &[0xff, file as u8]].concat())).into()
}

/// A file of so many calls and flows. Flows of all files are told of again in each.
fn read(builder: &mut Builder, file: u64, records: u64) {
    for number in 0..records {
        let mut call = span(
            if number % 2 == 0 { "a" } else { "b" },
            file * 1000 + number,
            Some(1),
            "curl x.example.com",
        );
        call.origin.file = no_text("trace", file);
        call.origin.offset = number;
        call.origin.member = (number % 3 > 0).then(|| format!("samples/{}.json", number % 3).into());
        builder.span(trace::Format::Commands, call);
        // Ends follow from the id: else it would be another connection.
        let id = number % 40 + file % 2 * 20;
        let mut one = flow((file * 100 + number) as i64, &format!("10.0.0.{}", id % 3 + 1));
        one.destination_port = Some((id % 7) as u16);
        one.connection = Some(Connection::Number(id));
        one.bytes_out = Some(file * 100 + number);
        one.application = Some(format!("app-{file}").into());
        one.origin.file = no_text("log", file);
        builder.flow(Format::Eve, one).unwrap();
    }
    let mut lookup = flow(1, "10.0.0.1");
    lookup.kind = ::flows::FlowKind::Lookup;
    lookup.destination_name = Some(format!("name-{file}.example.com").into());
    lookup.answers = vec![format!("203.0.113.{file}").parse().unwrap()];
    builder.flow(Format::Eve, lookup).unwrap();
    for second in 0..40 {
        let mut sample = flow(file as i64 * 600 + second * 15, "");
        sample.kind = ::flows::FlowKind::Gpu;
        let busy_percent = Some(if second % 20 < 10 { 0.0 } else { 90.0 });
        let gpu = ::flows::Gpu { device: "0".into(), busy_percent, watts: None, memory_bytes: None };
        (sample.gpu, sample.sensor) = (Some(gpu), Some("a".into()));
        builder.flow(Format::GpuSamples, sample).unwrap();
    }
    let mut named = flow(2, "10.0.0.1");
    named.destination = format!("203.0.113.{}", file / 2).parse().ok();
    builder.flow(Format::Eve, named).unwrap();
}

/// All that an incident says, in lines.
fn told(builder: Builder) -> Vec<String> {
    let mut incident = builder.build().unwrap();
    crate::classify::classify(&mut incident).unwrap();
    let Incident { calls, ends, left_out, visits, timed, .. } = &incident;
    let mut lines: Vec<String> = incident.flows.all().unwrap().iter().map(|row| format!("{row:?}")).collect();
    lines.extend(calls.iter().map(|call| format!("{call:?}")));
    lines.extend(ends.iter().zip(visits).map(|end| format!("{end:?}")));
    for texts in [&incident.runs, &incident.kinds, &incident.destinations, &incident.flow_clocks] {
        lines.extend(texts.each().map(str::to_owned));
    }
    lines.push(format!("{left_out:?} {timed:?}"));
    lines
}

#[track_caller]
fn assert_same(ours: &[String], theirs: &[String]) {
    let other = ours.iter().zip(theirs).find(|(ours, theirs)| ours != theirs);
    assert!(other.is_none() && ours.len() == theirs.len(), "{other:#?}, {} and {}", ours.len(), theirs.len());
}

fn uninterrupted(files: &[(u64, u64)]) -> Vec<String> {
    let mut builder = Builder::new(hosts(HOSTS));
    files.iter().for_each(|(file, records)| read(&mut builder, *file, *records));
    told(builder)
}

fn begin(memory: usize) -> (TempDir, Builder) {
    let folder = tempdir().unwrap();
    let builder = Builder::resumable(hosts(HOSTS), memory, folder.path()).unwrap();
    (folder, builder)
}

fn resume(folder: &TempDir, memory: usize) -> Result<(Builder, String), NotResumed> {
    Builder::resume(hosts(HOSTS), memory, folder.path(), |_| Ok(()))
}

#[test]
fn what_is_taken_up_is_what_was_put_down() {
    let whole = uninterrupted(&[(1, 50), (2, 50), (3, 50), (4, 50)]);
    for memory in [MUCH, 9000] {
        let (folder, mut builder) = begin(memory);
        read(&mut builder, 1, 50);
        builder.save(&"one").unwrap();
        read(&mut builder, 2, 50);
        builder.save(&"two").unwrap();
        drop(builder);
        let (mut builder, about) = resume(&folder, memory).unwrap();
        assert_eq!(about, "two");
        read(&mut builder, 3, 50);
        builder.save(&"three").unwrap();
        drop(builder);
        let (mut builder, about) = resume(&folder, memory).unwrap();
        assert_eq!(about, "three");
        read(&mut builder, 4, 50);
        assert_same(&told(builder), &whole);
    }
}

// A log may be another when it is read again, or another come before it.
#[test]
fn nothing_is_left_of_what_was_read_after_the_save() {
    let whole = uninterrupted(&[(1, 50), (4, 30)]);
    for memory in [MUCH, 9000] {
        let (folder, mut builder) = begin(memory);
        read(&mut builder, 1, 50);
        builder.save(&"").unwrap();
        read(&mut builder, 2, 50);
        read(&mut builder, 3, 10);
        drop(builder);
        let (mut builder, _) = resume(&folder, memory).unwrap();
        read(&mut builder, 4, 30);
        assert_same(&told(builder), &whole);
    }
}

#[test]
fn what_is_found_out_about_flows_changes_nothing_that_was_saved() {
    let whole = uninterrupted(&[(1, 50), (2, 50)]);
    let (folder, mut builder) = begin(MUCH);
    read(&mut builder, 1, 50);
    builder.save(&"").unwrap();
    read(&mut builder, 3, 50);
    told(builder);
    let (mut builder, _) = resume(&folder, MUCH).unwrap();
    read(&mut builder, 2, 50);
    assert_same(&told(builder), &whole);
}

#[test]
fn a_state_is_given_up_where_too_much_of_it_changes() {
    let whole = uninterrupted(&[(1, 50), (2, 50), (3, 50)]);
    let (folder, mut builder) = begin(1000);
    read(&mut builder, 1, 50);
    builder.save(&"").unwrap();
    assert!(resume(&folder, MUCH).is_ok());
    read(&mut builder, 2, 50);
    assert!(matches!(resume(&folder, MUCH), Err(NotResumed::Nothing)));
    builder.save(&"").unwrap();
    drop(builder);
    let (mut builder, _) = resume(&folder, 1000).unwrap();
    read(&mut builder, 3, 50);
    assert_same(&told(builder), &whole);
}

#[test]
fn a_torn_or_changed_state_is_never_trusted() {
    let (folder, mut builder) = begin(MUCH);
    read(&mut builder, 1, 50);
    builder.save(&"").unwrap();
    let path = folder.path().join(STATE);
    let state = fs::read(&path).unwrap();
    let is_damaged = |state: &[u8]| {
        fs::write(&path, state).unwrap();
        matches!(resume(&folder, MUCH), Err(NotResumed::Damaged(_)))
    };
    let lengths =
        (0..state.len()).filter(|length| length % 97 == 0 || state.len() - length < 40 || *length < 40);
    for length in lengths {
        assert!(is_damaged(&state[..length]), "the first {length} of {} bytes", state.len());
    }
    for at in (0..state.len()).step_by(61) {
        let mut changed = state.clone();
        changed[at] ^= 1;
        assert!(is_damaged(&changed), "byte {at}");
    }
    // One that is whole, of a form to come.
    let mut later = state[..state.len() - DIGEST].to_vec();
    later[MAGIC.len() - 2] = b'2';
    later.extend_from_slice(&Sha256::digest(&later));
    assert!(is_damaged(&later));
    fs::write(&path, &state).unwrap();
    assert!(resume(&folder, MUCH).is_ok());
}

#[test]
fn files_that_lack_what_the_state_counts_on_are_noticed() {
    let (folder, mut builder) = begin(MUCH);
    read(&mut builder, 1, 50);
    builder.save(&"").unwrap();
    let name = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let flows = name.into_iter().find(|path| !path.ends_with(STATE)).unwrap();
    let file = File::options().write(true).open(&flows).unwrap();
    file.set_len(file.metadata().unwrap().len() - 1).unwrap();
    assert!(matches!(resume(&folder, MUCH), Err(NotResumed::Damaged(_))));
    fs::remove_file(flows).unwrap();
    assert!(matches!(resume(&folder, MUCH), Err(NotResumed::Damaged(_))));
}

#[test]
fn other_reading_begins_anew_in_an_empty_folder() {
    let (folder, mut builder) = begin(MUCH);
    read(&mut builder, 1, 50);
    builder.save(&"a").unwrap();
    let resumed =
        Builder::resume(hosts(HOSTS), MUCH, folder.path(), |about: &String| Err(format!("{about} is not b")));
    assert_eq!(resumed.map(|_| ()).unwrap_err().to_string(), "a is not b");
    Builder::resumable(hosts(HOSTS), MUCH, folder.path()).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(matches!(resume(&folder, MUCH), Err(NotResumed::Nothing)));
}

#[test]
fn a_save_that_fails_costs_nothing() {
    let whole = uninterrupted(&[(1, 50), (2, 50)]);
    let (folder, mut builder) = begin(MUCH);
    read(&mut builder, 1, 50);
    builder.save(&"").unwrap();
    fs::create_dir(folder.path().join(PARTIAL)).unwrap();
    read(&mut builder, 2, 50);
    let error = builder.save(&"").unwrap_err().to_string();
    assert!(error.contains("can't save there"), "{error}");
    assert_same(&told(builder), &whole);
    let (mut builder, _) = resume(&folder, MUCH).unwrap();
    read(&mut builder, 2, 50);
    assert_same(&told(builder), &whole);
}
