use super::*;
use crate::partition::key::EpochUnit;

const ID: KeyKind = KeyKind::Integer { bytes: 8 };
const MOMENT: KeyKind = KeyKind::TimestampWithTimeZone;

#[track_caller]
fn reads(kind: KeyKind, texts: &[&str], every: Every, rendered: &str) {
    for text in texts {
        assert_eq!(parse(text, kind), Ok(every), "{text}");
    }
    assert_eq!(render(every), rendered);
    assert_eq!(parse(rendered, kind), Ok(every), "{rendered} reads as it was");
}

#[track_caller]
fn refuses(kind: KeyKind, texts: &[&str], words: &str) {
    for text in texts {
        let refusal = parse(text, kind).expect_err(text);
        assert!(refusal.message.contains(words), "{text}: {}", refusal.message);
        assert!(refusal.message.contains(text.trim()), "{text}: {}", refusal.message);
        assert!(!refusal.hint.is_empty(), "{text}");
    }
}

#[test]
fn words_and_intervals() {
    let months = ["month", "MONTH", " 1 month ", "1 mon", "Monthly", "1 months", "P1M", "p1m", "1mon"];
    reads(MOMENT, &months, Every::Months(1), "1 month");
    reads(MOMENT, &["quarter", "3 months", "3 mons", "P3M", "1 quarter"], Every::Months(3), "3 months");
    reads(MOMENT, &["year", "12 months", "P1Y", "1 yr", "yearly", "P0Y12M"], Every::Months(12), "1 year");
    reads(
        MOMENT,
        &["18 months", "1 year 6 months", "1 year 6 mons", "P1Y6M"],
        Every::Months(18),
        "18 months",
    );
    reads(MOMENT, &["decade", "10 years", "P10Y"], Every::Months(120), "10 years");
    reads(MOMENT, &["day", "1 day", "daily", "P1D", "1d"], Every::Days(1), "1 day");
    reads(MOMENT, &["week", "7 days", "P1W", "weekly", "P7D"], Every::Days(7), "1 week");
    reads(MOMENT, &["2 weeks", "14 days", "P2W", "1 week 7 days"], Every::Days(14), "2 weeks");
    reads(MOMENT, &["90 days", "P90D"], Every::Days(90), "90 days");
    let hour = 3_600_000_000;
    reads(MOMENT, &["hour", "1 hour", "PT1H", "01:00:00", "60 minutes"], Every::Microseconds(hour), "1 hour");
    reads(MOMENT, &["15 minutes", "15min", "PT15M", "00:15"], Every::Microseconds(hour / 4), "15 minutes");
    let one_and_a_half = ["90 minutes", "1 hour 30 minutes", "01:30:00", "PT1H30M"];
    reads(MOMENT, &one_and_a_half, Every::Microseconds(hour / 2 * 3), "90 minutes");
    reads(MOMENT, &["30 seconds", "30000 ms"], Every::Microseconds(30_000_000), "30 seconds");
    // As the server prints an interval of nothing but hours.
    reads(MOMENT, &["24:00:00", "24 hours"], Every::Microseconds(24 * hour), "24 hours");
}

#[test]
fn numbers() {
    let million = ["1000000", "1_000_000", "1e6", "1E6", "+1000000", " 1000000 ", "1e+6"];
    reads(ID, &million, Every::Step(1_000_000), "1000000");
    reads(KeyKind::Integer { bytes: 2 }, &["32767"], Every::Step(32_767), "32767");
    reads(ID, &["9223372036854775807"], Every::Step(9_223_372_036_854_775_807), "9223372036854775807");
}

#[test]
fn what_cannot_be_cut_evenly() {
    refuses(MOMENT, &["1 month 3 days", "P1M3D", "1 day 12 hours", "1 year 00:30:00"], "mixes");
    refuses(MOMENT, &["0 days", "-1 day", "P0D", "-P1D", "P-1D", "00:00:00", "1 day -2 days"], "\"");
    refuses(MOMENT, &["0 days", "-1 day", "P0D", "P-1D", "00:00:00"], "above zero");
    refuses(MOMENT, &["1.5 days", "0.5 month", "P0.5M", "PT1,5H", ".5 days", "00:00:00.5"], "fractions");
    refuses(MOMENT, &["1500 ms", "1 microsecond"], "whole second");
    refuses(MOMENT, &["100000 years", "99999999999999999999 days", "P99999999999999999999Y"], "9999 years");
    refuses(
        MOMENT,
        &["fortnight", "1 foo", "P", "PT", "P1", "P1H", "days 1 2", "1:2:3:4", "@", "🙂", "1 day ago"],
        "",
    );
    refuses(ID, &["0", "-5", "0e5"], "above zero");
    refuses(ID, &["1.5", "1.5e3"], "fractions");
    refuses(ID, &["1__0", "1e", "_5", "5_"], "no width");
    assert!(parse("", MOMENT).is_err() && parse("  ", ID).is_err());
}

#[test]
fn what_does_not_fit_the_key() {
    refuses(ID, &["month", "1 day", "PT1H"], "counts numbers");
    refuses(MOMENT, &["1000000", "5"], "tells the time");
    refuses(KeyKind::Epoch { bytes: 8, unit: EpochUnit::Seconds }, &["86400"], "tells the time");
    refuses(KeyKind::Date, &["hour", "15 minutes", "24 hours"], "is a date");
    refuses(KeyKind::Integer { bytes: 2 }, &["40000"], "smallint");
    refuses(KeyKind::Integer { bytes: 4 }, &["3000000000"], "integer");
    refuses(ID, &["9223372036854775808", "1e30", "99999999999999999999999"], "bigint");
}
