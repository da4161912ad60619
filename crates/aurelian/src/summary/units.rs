//! Numbers with units, as short as they can be told.

use std::time::Duration;

/// A length of time.
pub(crate) fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match time.as_secs() {
        0..10 => format!("{seconds:.2} s"),
        10..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{}m{:02}s", time.as_secs() / 60, time.as_secs() % 60),
        whole => format!("{}h{:02}m", whole / 3600, whole / 60 % 60),
    }
}

/// A length of time in microseconds.
pub(crate) fn microseconds(time_us: u64) -> String {
    time(Duration::from_micros(time_us))
}

/// A size.
pub(crate) fn bytes(bytes: u64) -> String {
    const KIB: f64 = 1024.0;
    let size = bytes as f64; // a rounded size is shown anyway
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.0} KiB", size / KIB),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", size / KIB / KIB),
        _ => format!("{:.1} GiB", size / KIB / KIB / KIB),
    }
}

/// A number of things.
pub(crate) fn count(count: u64, thing: &str) -> String {
    match (count, thing.strip_suffix('y')) {
        (1, _) => format!("1 {thing}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        _ if thing.ends_with('s') => format!("{count} {thing}es"),
        _ => format!("{count} {thing}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let told = [0, 1_234, 12_345, 125_000, 7_384_000].map(|ms| time(Duration::from_millis(ms)));
        assert_eq!(told, ["0.00 s", "1.23 s", "12.3 s", "2m05s", "2h03m"]);
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!([12, 2048, 5 << 20, 3 << 30].map(bytes), ["12 B", "2 KiB", "5.0 MiB", "3.0 GiB"]);
    }

    #[test]
    fn things_are_counted() {
        let told = [count(1, "call"), count(2, "call"), count(2, "process"), count(0, "entry")];
        assert_eq!(told, ["1 call", "2 calls", "2 processes", "0 entries"]);
    }
}
