//! Dates and times in ISO 8601, as the server writes them into JSON; moments in UTC.

use std::io::Write;

use crate::catalog::DAY;
use crate::text::date::Date;

/// Days from 1970 to 2000, from which the server counts.
const TO_2000: i64 = 10_957;

/// A `date`: days since 2000.
pub fn write_date(out: &mut Vec<u8>, days: i32) {
    match days {
        i32::MIN => out.extend_from_slice(b"-infinity"),
        i32::MAX => out.extend_from_slice(b"infinity"),
        _ => {
            let date = Date::from_days(i64::from(days) + TO_2000);
            write_day(out, date);
            write_era(out, date);
        }
    }
}

/// A `timestamp`, or a `timestamptz` with its offset: microseconds since 2000.
pub fn write_timestamp(out: &mut Vec<u8>, microseconds: i64, has_zone: bool) {
    match microseconds {
        i64::MIN => out.extend_from_slice(b"-infinity"),
        i64::MAX => out.extend_from_slice(b"infinity"),
        _ => {
            let date = Date::from_days(microseconds.div_euclid(DAY) + TO_2000);
            write_day(out, date);
            out.push(b'T');
            write_time(out, microseconds.rem_euclid(DAY));
            if has_zone {
                out.extend_from_slice(b"+00:00");
            }
            write_era(out, date);
        }
    }
}

/// A `time`: microseconds since midnight, which may be those of 24:00.
pub fn write_time(out: &mut Vec<u8>, microseconds: i64) {
    let seconds = microseconds / 1_000_000;
    two(out, seconds / 3_600);
    out.push(b':');
    two(out, seconds / 60 % 60);
    out.push(b':');
    two(out, seconds % 60);
    let mut fraction = microseconds % 1_000_000;
    if fraction != 0 {
        let mut width = 6;
        while fraction % 10 == 0 {
            fraction /= 10;
            width -= 1;
        }
        let _ = write!(out, ".{fraction:0width$}");
    }
}

/// A `timetz`; `zone`: seconds west of Greenwich.
pub fn write_time_with_zone(out: &mut Vec<u8>, microseconds: i64, zone: i32) {
    write_time(out, microseconds);
    let seconds = zone.unsigned_abs();
    let sign = if zone <= 0 { '+' } else { '-' };
    let _ = write!(out, "{sign}{:02}:{:02}", seconds / 3_600, seconds / 60 % 60);
    if !seconds.is_multiple_of(60) {
        let _ = write!(out, ":{:02}", seconds % 60);
    }
}

/// Two digits: a row may have many moments, and formatting by the standard library takes ten times as long.
fn two(out: &mut Vec<u8>, number: i64) {
    // Between 0 and 99.
    let number = number as u8;
    out.push(b'0' + number / 10);
    out.push(b'0' + number % 10);
}

fn write_day(out: &mut Vec<u8>, date: Date) {
    let year = if date.year > 0 { date.year } else { 1 - date.year };
    if year < 10_000 {
        two(out, year / 100);
        two(out, year % 100);
    } else {
        let _ = write!(out, "{year}");
    }
    out.push(b'-');
    two(out, i64::from(date.month));
    out.push(b'-');
    two(out, i64::from(date.day));
}

fn write_era(out: &mut Vec<u8>, date: Date) {
    if date.year <= 0 {
        out.extend_from_slice(b" BC");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn moments() {
        assert_eq!(shown(|out| write_timestamp(out, 0, true)), "2000-01-01T00:00:00+00:00");
        assert_eq!(shown(|out| write_timestamp(out, -1, false)), "1999-12-31T23:59:59.999999");
        assert_eq!(shown(|out| write_timestamp(out, 1_500_000, false)), "2000-01-01T00:00:01.5");
        assert_eq!(shown(|out| write_timestamp(out, i64::MAX, true)), "infinity");
        assert_eq!(shown(|out| write_date(out, -745_903)), "0044-10-15 BC");
        assert_eq!(shown(|out| write_date(out, 0)), "2000-01-01");
    }

    #[test]
    fn times() {
        assert_eq!(shown(|out| write_time(out, DAY)), "24:00:00");
        assert_eq!(shown(|out| write_time_with_zone(out, 1_000, -19_800)), "00:00:00.001+05:30");
        assert_eq!(shown(|out| write_time_with_zone(out, 0, 3_661)), "00:00:00-01:01:01");
    }
}
