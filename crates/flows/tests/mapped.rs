//! Tables and lines of JSON of any kind, by a column map.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod told;

use flows::{COLUMNS, Format, Options};
use intake::ColumnMap;
use told::{told, told_with};

fn mapped(format: Format, columns: &str) -> Options {
    Options { format: Some(format), columns: columns.parse().unwrap(), ..Options::default() }
}

#[test]
fn a_table_with_our_names_is_read_without_being_told() {
    insta::assert_snapshot!(told(
        "time;end;source;source_port;destination;destination_port;destination_name;transport;application;bytes_out;bytes_in;\
         action;signature;sensor;host;process;command;run;tool_call_id;class\n\
         2026-03-01T12:00:00Z;2026-03-01T12:00:05Z;10.0.0.5;50000;203.0.113.1;443;Pool.Example.;TCP;TLS;100;2000;\
         allowed;;fw;worker-1;python3;\"python3 -c 'a;b'\";run-1;call-7;mining.stratum\n\
         1772366400;;10.0.0.5:50001;;[2001:db8::1]:22;;;6;;;;Denied by policy;scan;;;;;;;\n\
         2026-03-01 12:00:00;;worker-1;70000;pool.example;x;;;;-;;;;;;;;;;\n\
         ;;10.0.0.5;;203.0.113.1;;;;;;;;;;;;;;;\n\
         noon;;10.0.0.5;;203.0.113.1;;;;;;;;;;;;;;;\n"
    ));
}

#[test]
fn a_table_with_names_of_its_own() {
    let map =
        mapped(Format::Csv, "time=ts,source=src ip,destination=dst ip,destination_port=dport,host=nowhere");
    insta::assert_snapshot!(told_with(
        "ts,src ip,dst ip,dport\n1772366400.25,10.0.0.5,203.0.113.1,443\n",
        &map
    ));
}

#[test]
fn a_table_without_times_is_an_error_that_says_what_to_do() {
    let told = told_with("when,source\n1,10.0.0.5\n", &mapped(Format::Csv, ""));
    assert!(
        told.contains("no column \"time\" for the time, only when, source; map one with --flow-columns"),
        "{told}"
    );
}

#[test]
fn lines_of_json_with_our_names_are_read_without_being_told() {
    insta::assert_snapshot!(told(
        r#"{"time":"2026-03-01T12:00:00Z","source":"10.0.0.5","source_port":50000,"destination":"203.0.113.1","destination_port":"443","bytes_out":10.0}
{"time":1772366400.25,"destination_name":"pool.example","signature":"mining","run":"run-1"}
{"time":null,"source":"10.0.0.5"}
["time"]
{"time":
"#
    ));
}

#[test]
fn lines_of_json_with_names_of_their_own() {
    let map = mapped(
        Format::Jsonl,
        "time=@timestamp,source=source.ip,destination=destination.ip,source_port=id.orig_p",
    );
    insta::assert_snapshot!(told_with(
        r#"{"@timestamp":"2026-03-01T12:00:00Z","source":{"ip":"10.0.0.5"},"destination":{"ip":"203.0.113.1"},"id.orig_p":5}"#,
        &map
    ));
}

#[test]
fn with_a_map_a_file_that_has_its_time_need_not_be_named() {
    let map = |columns: &str| Options { columns: columns.parse().unwrap(), ..Options::default() };
    let table = told_with("when,src\n1772366400,10.0.0.5\n", &map("time=when,source=src"));
    assert!(table.starts_with("csv\n{"), "{table}");
    let lines =
        told_with("{\"event\":{\"when\":1772366400},\"source\":\"10.0.0.5\"}\n", &map("time=event.when"));
    assert!(lines.starts_with("jsonl\n{"), "{lines}");
    let other = told_with("name,src\na,10.0.0.5\n", &map("time=when,source=src"));
    assert!(other.starts_with("unknown\n"), "{other}");
}

#[test]
fn names_that_are_none_of_ours_can_be_told() {
    let map: ColumnMap = "time=a,tiem=b".parse().unwrap();
    assert_eq!(map.unknown(COLUMNS).collect::<Vec<_>>(), ["tiem"]);
}
