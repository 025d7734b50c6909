//! Sets that end before long, whoever makes their partitions.

use super::{each_set, maintain, now};
use crate::catalog::DAY;
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};
use crate::partition::key::{Edge, KeyKind};
use crate::partition::line;
use crate::partition::set::{Set, StoredPolicy, Strategy};
use crate::partition::status::{chain, position, readable, span};
use crate::partition::zone::Utc;
use crate::text::quote_literal;

/// `schema.partition_ends_soon`: before long no partition takes new rows.
pub const PARTITION_ENDS_SOON: Rule = Rule {
    id: "schema.partition_ends_soon",
    dimension: Dimension::Schema,
    severity: Severity::Warning,
    title: "Table whose partitions end soon",
    why: "From the last bound on, INSERT fails, or every row goes into the default partition, which has to be emptied before \
          a partition can be added.",
    thresholds: &[
        Threshold {
            name: "days",
            default: 7.0,
            range: (0.0, 3_650.0),
            meaning: "days before the last bound from which it is told of, where no partition comes after that of today",
        },
        Threshold {
            name: "past_days",
            default: 90.0,
            range: (0.0, 36_500.0),
            meaning: "days after the last bound until which it is told of; what ended longer ago is history that nobody adds to",
        },
    ],
    reference: "https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let (before, after) = (
        (verdicts.threshold("days") * DAY as f64) as i64,
        (verdicts.threshold("past_days") * DAY as f64) as i64,
    );
    let now = now(snapshot);
    each_set(facts, |table, set, stored| {
        let Some(key) = set.key.filter(|key| key.is_time()) else { return };
        if set.strategy != Strategy::Range {
            return;
        }
        verdicts.examine(1);
        let is_kept = stored.is_some_and(|stored| stored.is_enabled);
        // One partition at a time is how it is wanted.
        if is_kept && stored.is_some_and(|stored| stored.premake == 0) {
            return;
        }
        let Some(Edge::At(last)) = set.ranges().next_back().map(|(_, range)| range.high.clone()) else {
            return;
        };
        let (Some(end), Some(here)) =
            (line::moment_of_position(key, last, &Utc), position(set, key, now, &Utc))
        else {
            return;
        };
        let ahead = end - now;
        let is_last = chain(set, here).is_none_or(|chain| chain.ranges.len() == 1);
        if !is_last || ahead > before || (-ahead > after && !is_kept) {
            return;
        }
        let what =
            if set.default_partition().is_some() { "go into the default partition" } else { "are refused" };
        let when = if ahead > 0 {
            format!("in {}: rows after that {what}", span(ahead))
        } else {
            format!("{} ago: new rows {what}", span(-ahead))
        };
        let name = snapshot.relation_name(table.oid);
        let verb = if ahead > 0 { "end" } else { "ended" };
        let message = format!("partitions of {name} {verb} at {}, {when}", readable(key, last));
        let mut finding = Finding::new(name, snapshot.schema_name(table.schema), message)
            .severity(severity(set, ahead))
            .evidence("last_bound", readable(key, last))
            .evidence("days_ahead", ahead / DAY);
        if let Some((fix, undo)) = fix(set, key, stored) {
            finding.fix = Some(fix);
            finding.undo = undo;
        }
        verdicts.find(finding);
    });
}

fn severity(set: &Set, ahead: i64) -> Severity {
    let default_holds_rows = set.default_partition().map(|default| default.blocks > 0);
    match (ahead > 0, default_holds_rows) {
        (false, None | Some(true)) => Severity::Error,
        (true, Some(false)) => Severity::Info,
        _ => Severity::Warning,
    }
}

/// What makes the next partitions, and what takes it back: for a set that nobody keeps first of all that it is kept, as
/// wide as the last.
fn fix(set: &Set, key: KeyKind, stored: Option<&StoredPolicy>) -> Option<(String, Option<String>)> {
    let name = quote_literal(&set.qualified());
    if stored.is_some() {
        return Some((maintain(set), None));
    }
    if crate::partition::policy::why_not_extended(set).is_some() || matches!(key, KeyKind::Integer { .. }) {
        return None;
    }
    let (_, range) = set.ranges().next_back()?;
    let (Edge::At(low), Edge::At(high)) = (&range.low, &range.high) else { return None };
    let moment = |position| line::moment_of_position(key, position, &Utc);
    let every = width(moment(*high)? - moment(*low)?)?;
    let fix = format!("SELECT dbm.partition_manage({name}, '{every}');\n{}", maintain(set));
    Some((fix, Some(format!("SELECT dbm.partition_unmanage({name});"))))
}

/// The width that a person would have meant.
fn width(microseconds: i64) -> Option<&'static str> {
    const HOUR: i64 = DAY / 24;
    match microseconds {
        HOUR => Some("1 hour"),
        // Of days with 23, 24 and 25 hours, and of months, quarters and years that begin or end in summer time.
        span => match (span + 2 * HOUR) / DAY {
            1 => Some("1 day"),
            7 => Some("1 week"),
            28..=31 => Some("1 month"),
            90..=92 => Some("3 months"),
            365 | 366 => Some("1 year"),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{TODAY, days, findings, kept, messages, run_of_days};
    use super::*;
    use crate::partition::key::Range;
    use crate::partition::sample::partition;

    #[test]
    fn a_set_that_ends_tomorrow_or_has_ended_is_found() {
        let (sample, set) = days(&run_of_days(90, TODAY + 1));
        let found = findings(&PARTITION_ENDS_SOON, sample, set, None);
        assert_eq!(
            found[0].message,
            "partitions of public.events end at 2000-04-11, in 12 hours: rows after that are refused"
        );
        assert_eq!(
            found[0].fix.as_deref(),
            Some(
                "SELECT dbm.partition_manage('public.events', '1 day');\nSELECT * FROM dbm.partition_maintain('public.events');"
            )
        );
        let (sample, set) = days(&run_of_days(90, TODAY - 2));
        let found = findings(&PARTITION_ENDS_SOON, sample, set, None);
        assert_eq!(
            found[0].message,
            "partitions of public.events ended at 2000-04-08, 2 days ago: new rows are refused"
        );
        assert_eq!(found[0].severity, Some(Severity::Error));
    }

    #[test]
    fn with_a_default_partition_rows_go_there() {
        let (sample, mut set) = days(&run_of_days(90, TODAY + 1));
        let default = partition(&set, None);
        set.partitions.push(default);
        let found = findings(&PARTITION_ENDS_SOON, sample, set, None);
        assert!(found[0].message.ends_with("go into the default partition"));
        assert_eq!(found[0].severity, Some(Severity::Info));
    }

    #[test]
    fn partitions_made_ahead_history_and_open_ends_are_right() {
        // The next is there.
        let (sample, set) = days(&run_of_days(90, TODAY + 2));
        assert!(messages(&PARTITION_ENDS_SOON, sample, set, None).is_empty());
        // A month that ends in weeks.
        let (sample, set) = days(&[(TODAY - 5, TODAY + 25)]);
        assert!(messages(&PARTITION_ENDS_SOON, sample, set, None).is_empty());
        // Ended years ago.
        let (sample, set) = days(&[(-1_000, -900)]);
        assert!(messages(&PARTITION_ENDS_SOON, sample, set, None).is_empty());
        // Up to MAXVALUE.
        let (sample, mut set) = days(&run_of_days(90, TODAY));
        let last = partition(&set, Some(Range { low: Edge::At(TODAY), high: Edge::MaxValue }));
        set.partitions.push(last);
        assert!(messages(&PARTITION_ENDS_SOON, sample, set, None).is_empty());
        // One at a time is wanted.
        let (sample, set) = days(&run_of_days(90, TODAY + 1));
        let policy = StoredPolicy { premake: 0, ..kept(&set) };
        assert!(messages(&PARTITION_ENDS_SOON, sample, set, Some(policy)).is_empty());
        // By list.
        let (sample, mut set) = days(&run_of_days(90, TODAY + 1));
        set.strategy = Strategy::List;
        assert!(messages(&PARTITION_ENDS_SOON, sample, set, None).is_empty());
    }

    #[test]
    fn what_we_keep_is_repaired_by_upkeep() {
        let (sample, set) = days(&run_of_days(90, TODAY + 1));
        let policy = kept(&set);
        let found = findings(&PARTITION_ENDS_SOON, sample, set, Some(policy));
        assert_eq!(found[0].fix.as_deref(), Some("SELECT * FROM dbm.partition_maintain('public.events');"));
    }
}
