//! What is told of sets that stand well and of others.

use super::{FINE, Status, Subject, sort, span, status};
use crate::catalog::{DAY, EPOCH_DIFFERENCE as EPOCH};
use crate::partition::key::{Edge, KeyKind, Range};
use crate::partition::sample::{partition, set, set_of, stored};
use crate::partition::set::{Set, StoredPolicy};
use crate::partition::zone::Utc;

/// Noon of day 100.
const NOW: i64 = 100 * DAY + DAY / 2;

fn judged(set: &Set, stored: Option<&StoredPolicy>) -> Status {
    status(&Subject { set, stored, now: NOW, zone: Some(&Utc), default_rows: Some(0) })
}

/// A set of days from one up to another.
fn days(from: i64, to: i64) -> Set {
    let ranges: Vec<(i64, i64)> = (from..to).map(|day| (day, day + 1)).collect();
    set_of("events", KeyKind::Date, &ranges)
}

fn policy() -> StoredPolicy {
    StoredPolicy { last_run: Some(EPOCH + NOW - DAY), ..stored("date", "1 day", "2000-01-01") }
}

#[test]
fn a_set_that_stands_well_says_when_it_is_due() {
    let found = judged(&days(90, 105), Some(&policy()));
    assert_eq!(found.problem, None);
    assert_eq!(found.urgency, FINE);
    assert_eq!(found.partitions_ahead, Some(4));
    assert_eq!(found.ahead, Some(4 * DAY + DAY / 2));
    // When the clock enters the next partition, only three are ahead.
    assert_eq!(found.next_due, Some(101 * DAY));
    assert_eq!(
        (found.first_bound.as_deref(), found.last_bound.as_deref()),
        (Some("2000-03-31"), Some("2000-04-15"))
    );
    assert_eq!(found.oldest.as_deref(), Some("public.events_1"));
}

#[test]
fn without_a_partition_for_now_rows_are_refused_or_go_into_the_default() {
    let mut past = days(90, 100);
    let found = judged(&past, Some(&policy()));
    assert_eq!(found.urgency, 0);
    assert_eq!(found.ahead, Some(0));
    assert_eq!(found.next_due, Some(NOW));
    assert!(
        found
            .problem
            .as_deref()
            .is_some_and(|text| text.starts_with("no partition takes rows of now: they are refused"))
    );
    let default = partition(&past, None);
    past.partitions.push(default);
    let found = judged(&past, Some(&StoredPolicy { on_missing: "default".to_owned(), ..policy() }));
    assert_eq!(found.urgency, 1);
    assert!(found.problem.as_deref().is_some_and(|text| text.contains("they go into the default partition")));
}

#[test]
fn a_dead_worker_is_told_of() {
    let late = days(90, 103);
    let policy = StoredPolicy { last_run: Some(EPOCH + 98 * DAY), ..policy() };
    let found = judged(&late, Some(&policy));
    assert_eq!(found.partitions_ahead, Some(2));
    let problem = found.problem.unwrap_or_default();
    assert_eq!(problem, "due for 36 hours and nobody did it; 2 partitions ahead instead of 4");
    // One who tried since then is alive.
    let policy = StoredPolicy { last_run: Some(EPOCH + NOW - 1), ..policy };
    assert_eq!(judged(&late, Some(&policy)).problem.as_deref(), Some("2 partitions ahead instead of 4"));
    let policy = StoredPolicy { last_run: None, ..policy };
    assert_eq!(
        judged(&late, Some(&policy)).problem.as_deref(),
        Some("2 partitions ahead instead of 4; no pass of upkeep was made yet")
    );
}

#[test]
fn holes_are_told_of_and_the_one_ahead_first() {
    let mut holes = days(80, 85);
    for day in [86, 87].into_iter().chain(99..103).chain(104..106) {
        let next = partition(&holes, Some(Range::between(day, day + 1)));
        holes.partitions.push(next);
    }
    let found = judged(&holes, Some(&policy()));
    assert_eq!(found.gaps, 3);
    assert_eq!(found.ahead, Some(2 * DAY + DAY / 2));
    assert!(
        found
            .problem
            .as_deref()
            .is_some_and(|text| text.contains("3 holes, one from 2000-04-13 to 2000-04-14")),
        "{:?}",
        found.problem
    );
    // What is half detached leaves no second problem.
    let mut pending = days(95, 105);
    pending.partitions[2].is_detach_pending = true;
    let found = judged(&pending, Some(&policy()));
    assert_eq!(found.gaps, 0);
    assert_eq!(found.problem.as_deref(), Some("partition public.events_3 is half detached"));
    assert_eq!(found.next_due, Some(NOW));
}

#[test]
fn what_is_too_old_is_counted_after_a_time_of_grace() {
    let kept = StoredPolicy { retention: Some((0, 5, 0)), ..policy() };
    let found = judged(&days(90, 105), Some(&kept));
    // Day 93 ended five days before day 99; noon of day 100 is more than a day later.
    assert_eq!(found.overdue, 4);
    assert!(
        found
            .problem
            .as_deref()
            .is_some_and(|text| text.contains("4 partitions are older than the retention"))
    );
    let found = judged(&days(96, 105), Some(&kept));
    assert_eq!((found.overdue, found.problem), (0, None));
    assert_eq!(found.next_due, Some(101 * DAY));
}

#[test]
fn a_lock_that_was_met_is_told_of() {
    let said = |result: &str, failures| {
        let stored = StoredPolicy { last_result: Some(result.to_owned()), failures, ..policy() };
        judged(&days(90, 105), Some(&stored)).problem
    };
    let lock = "create skipped: public.events locked by process 4711 (idle in transaction, for 12.0 s)";
    assert_eq!(said(&format!("1 skipped; {lock}"), 0), Some(format!("the last pass was put off: {lock}")));
    for fine in ["nothing due", "3 done", "1 done, 1 stopped; retire stopped: too many; none skipped: x"] {
        assert_eq!(said(fine, 0), None, "{fine}");
    }
    let failed = said(&format!("1 failed, 1 skipped; {lock}"), 2).unwrap();
    assert!(failed.starts_with("the last 2 passes failed"), "{failed}");
}

#[test]
fn failures_and_rows_in_the_default_are_told_of() {
    let mut full = days(95, 105);
    let default = partition(&full, None);
    full.partitions.push(default);
    let failing = StoredPolicy {
        failures: 3,
        last_result: Some("no right to create in schema public".to_owned()),
        not_before: Some(EPOCH + NOW + DAY),
        on_missing: "default".to_owned(),
        ..policy()
    };
    let found = status(&Subject {
        set: &full,
        stored: Some(&failing),
        now: NOW,
        zone: Some(&Utc),
        default_rows: Some(1_234),
    });
    assert_eq!(
        found.problem.as_deref(),
        Some(
            "the last 3 passes failed: no right to create in schema public; the default partition holds about 1,234 rows"
        )
    );
    assert_eq!(found.next_due, Some(NOW + DAY));
}

#[test]
fn up_to_maxvalue_nothing_is_due() {
    let mut open = days(99, 101);
    let last = partition(&open, Some(Range { low: Edge::At(101), high: Edge::MaxValue }));
    open.partitions.push(last);
    let found = judged(&open, Some(&policy()));
    assert_eq!((found.ahead, found.next_due, found.problem), (None, None, None));
    assert_eq!(found.last_bound.as_deref(), Some("MAXVALUE"));
}

#[test]
fn numbers_have_no_time() {
    let mut numbers = set_of("events", KeyKind::Integer { bytes: 8 }, &[(0, 10), (10, 20), (20, 30)]);
    numbers.partitions[0].blocks = 3;
    let policy = StoredPolicy { premake: 2, last_run: Some(0), ..stored("integer", "10", "0") };
    let found = judged(&numbers, Some(&policy));
    assert_eq!((found.ahead, found.partitions_ahead, found.problem.as_deref()), (None, Some(2), None));
    numbers.partitions[1].blocks = 1;
    let found = judged(&numbers, Some(&policy));
    assert_eq!(found.partitions_ahead, Some(1));
    assert_eq!(found.problem.as_deref(), Some("1 partition ahead instead of 2"));
    assert_eq!(found.next_due, Some(NOW));
}

#[test]
fn sets_that_nobody_keeps_are_judged_too() {
    let found = judged(&days(95, 102), None);
    assert_eq!(found.problem.as_deref(), Some("it is not under upkeep"));
    assert_eq!(found.next_due, None);
    let found = judged(&days(95, 101), None);
    assert_eq!(found.problem.as_deref(), Some("the last partition ends in 12 hours; it is not under upkeep"));
    let mut lists = set("kinds", KeyKind::Date);
    lists.strategy = crate::partition::set::Strategy::List;
    assert_eq!(judged(&lists, None).problem.as_deref(), Some("it is not under upkeep"));
}

#[test]
fn the_most_urgent_comes_first() {
    let mut all = vec![judged(&days(90, 105), Some(&policy())), judged(&days(90, 100), Some(&policy()))];
    sort(&mut all);
    assert_eq!(all[0].urgency, 0);
}

#[test]
fn spans_are_read_in_one_unit() {
    for (microseconds, text) in
        [(0, "0 minutes"), (60_000_000, "1 minute"), (DAY, "24 hours"), (3 * DAY, "3 days")]
    {
        assert_eq!(span(microseconds), text);
    }
}
