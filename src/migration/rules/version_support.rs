//! Majors that get no more fixes.

use crate::catalog::DAY;
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};
use crate::text::quote_identifier;

/// `migration.version_out_of_support`: the major gets no more fixes, or soon none.
pub const VERSION_OUT_OF_SUPPORT: Rule = Rule {
    id: "migration.version_out_of_support",
    dimension: Dimension::Migration,
    severity: Severity::Warning,
    title: "PostgreSQL major out of support",
    why: "After its last release a major gets no fix any more, for security or for lost data. A major upgrade needs a \
          rehearsal, which takes months from the first look to the last switch.",
    thresholds: &[Threshold {
        name: "days",
        default: 180.0,
        range: (0.0, 3650.0),
        meaning: "days before the last release from which an upgrade should be planned",
    }],
    reference: "https://www.postgresql.org/support/versioning/",
    check,
};

/// The day of each major's last release, as year, month and day.
const LAST_RELEASES: [(i32, (i64, i64, i64)); 7] = [
    (12, (2024, 11, 21)),
    (13, (2025, 11, 13)),
    (14, (2026, 11, 12)),
    (15, (2027, 11, 11)),
    (16, (2028, 11, 9)),
    (17, (2029, 11, 8)),
    (18, (2030, 11, 14)),
];

/// Days from 1970-01-01 to a day of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the leap day is their last.
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let server = &facts.snapshot.server;
    let major = server.major_version();
    let Some((_, (year, month, day))) = LAST_RELEASES.iter().copied().find(|(known, _)| *known == major)
    else {
        if major > 18 {
            verdicts.unknown_all(
                1,
                format!("this version does not know when support of PostgreSQL {major} ends"),
            );
        }
        return;
    };
    verdicts.examine(1);
    let left = days(year, month, day) - server.now.div_euclid(DAY);
    if left as f64 >= verdicts.threshold("days") {
        return;
    }
    let date = format!("{year}-{month:02}-{day:02}");
    let database = quote_identifier(&server.database);
    let (message, severity) = if left < 0 {
        (
            format!("PostgreSQL {major}, on which database {database} runs, has had no fixes since {date}"),
            Severity::Error,
        )
    } else {
        (
            format!(
                "PostgreSQL {major}, on which database {database} runs, gets its last fixes on {date}, in {left} days"
            ),
            Severity::Warning,
        )
    };
    verdicts.find(
        Finding::new(format!("PostgreSQL {major}"), "", message)
            .severity(severity)
            .evidence("last_release", date)
            .evidence("days_left", left),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};

    fn judge(version: i32, now: i64) -> Vec<Finding> {
        let mut sample = Sample::new();
        (sample.snapshot.server.version, sample.snapshot.server.now) = (version, now * DAY);
        run(&VERSION_OUT_OF_SUPPORT, &sample.finish()).0
    }

    #[test]
    fn days_are_counted_as_the_calendar_does() {
        for (date, expected) in
            [((1970, 1, 1), 0), ((2000, 2, 29), 11_016), ((2000, 3, 1), 11_017), ((2027, 11, 11), 21_133)]
        {
            assert_eq!(days(date.0, date.1, date.2), expected, "{date:?}");
        }
    }

    #[test]
    fn a_major_is_told_of_half_a_year_before_its_end_and_worse_after_it() {
        let end = days(2027, 11, 11);
        assert!(judge(150_018, end - 180).is_empty());
        assert_eq!(judge(150_018, end - 179)[0].severity, Some(Severity::Warning));
        assert_eq!(judge(150_018, end)[0].severity, Some(Severity::Warning));
        assert_eq!(judge(150_018, end + 1)[0].severity, Some(Severity::Error));
        assert!(judge(160_000, end + 1).is_empty());
    }

    #[test]
    fn a_major_that_is_not_known_is_said_to_be_unknown() {
        let mut sample = Sample::new();
        sample.snapshot.server.version = 190_000;
        let (found, unknown, _) = run(&VERSION_OUT_OF_SUPPORT, &sample.finish());
        assert_eq!((found.len(), unknown.len()), (0, 1));
    }
}
