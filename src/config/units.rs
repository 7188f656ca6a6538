//! Durations and sizes as people write them: `250ms`, `5s`, `64KiB`.

use std::time::Duration;

/// Units of durations, in nanoseconds, the largest first.
const DURATIONS: &[(&str, u64)] = &[
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
];

/// Units of sizes, in bytes, the largest first. Powers of 1000 are read, but never written.
const SIZES: &[(&str, u64)] = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
const DECIMAL_SIZES: &[(&str, u64)] = &[("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000), ("KB", 1000)];

/// Reads one number with its unit. A lone `0` needs none.
pub fn read_duration(text: &str) -> Option<Duration> {
    read(text, &[DURATIONS]).map(Duration::from_nanos)
}

/// Writes a duration in the largest unit that takes a whole number.
pub fn show_duration(duration: Duration) -> String {
    match u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX) {
        0 => "0s".to_owned(),
        nanos => show(nanos, DURATIONS).unwrap_or_else(|| format!("{}ms", duration.as_millis())),
    }
}

/// Reads one number with its unit. A lone `0` needs none.
pub(super) fn read_bytes(text: &str) -> Option<u64> {
    read(text, &[SIZES, DECIMAL_SIZES])
}

/// Writes a size in the largest unit that takes a whole number.
pub(super) fn show_bytes(bytes: u64) -> String {
    show(bytes, SIZES).unwrap_or_else(|| format!("{bytes}B"))
}

fn read(text: &str, tables: &[&[(&str, u64)]]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    if unit.is_empty() {
        return (number == 0).then_some(0);
    }
    let unit = unit.trim_start();
    let (_, factor) = tables.iter().copied().flatten().find(|(name, _)| *name == unit)?;
    number.checked_mul(*factor)
}

fn show(amount: u64, units: &[(&str, u64)]) -> Option<String> {
    let (unit, factor) = units.iter().find(|(_, factor)| amount >= *factor && amount.is_multiple_of(*factor))?;
    Some(format!("{}{unit}", amount / factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit_and_come_back_in_the_largest_whole_one() {
        for (text, millis, shown) in [
            ("250ms", 250, "250ms"),
            ("5s", 5000, "5s"),
            ("5 s", 5000, "5s"),
            ("90s", 90_000, "90s"),
            ("120s", 120_000, "2m"),
            ("36h", 129_600_000, "36h"),
            ("30d", 2_592_000_000, "30d"),
            ("0", 0, "0s"),
            ("0s", 0, "0s"),
        ] {
            let read = read_duration(text);
            assert_eq!(read, Some(Duration::from_millis(millis)), "{text}");
            assert_eq!(read.map(show_duration).as_deref(), Some(shown), "{text}");
        }
        for text in ["", "5", "s", "-1s", "1.5s", "5 sec", "99999999999d", "5s5"] {
            assert_eq!(read_duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_need_a_unit_and_come_back_in_the_largest_whole_one() {
        for (text, bytes, shown) in [
            ("64KiB", 65_536, "64KiB"),
            ("1024KiB", 1 << 20, "1MiB"),
            ("1MB", 1_000_000, "1000000B"),
            ("17B", 17, "17B"),
        ] {
            assert_eq!(read_bytes(text), Some(bytes), "{text}");
            assert_eq!(show_bytes(bytes), shown, "{text}");
        }
        for text in ["64", "64kib", "KiB", "1.5MiB"] {
            assert_eq!(read_bytes(text), None, "{text}");
        }
    }
}
