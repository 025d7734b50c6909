//! Names of columns that hold a moment.

use super::style::{Kind, Named, THRESHOLDS, judge, own_columns};
use super::suggestion::{Suggestions, plain};
use crate::catalog::types::builtin;
use crate::change::names::census::{Convention, Style};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::words::snake_case;

/// A timestamp column is not named like the others.
pub const TIMESTAMP_NAME: Rule = Rule {
    id: "schema.timestamp_name",
    dimension: Dimension::Schema,
    severity: Severity::Info,
    title: "Timestamp column name breaks the convention",
    why: "paid_at is a moment, paid_on a day, paid either or neither: where a moment is called a day, somebody compares \
          it with a date and loses all but midnight.",
    thresholds: THRESHOLDS,
    reference: "https://www.postgresql.org/docs/current/datatype-datetime.html",
    check,
};

const AT: Style = "{event}_at";
const ON: Style = "{event}_on";
const DATE: Style = "{event}_date";
const DATE_FIRST: Style = "date_{event}";
const TIME: Style = "{event}_time";
const BARE: Style = "{event}";

/// Events in a word that does not end in `-ed`.
const EVENTS: &[&str] = &[
    "begins", "begun", "built", "done", "ends", "expires", "found", "given", "held", "hidden", "known",
    "lost", "made", "met", "opens", "paid", "read", "run", "seen", "sent", "sold", "starts", "taken",
    "updates", "written",
];

/// Words in `-ed` that are no events.
const THINGS: &[&str] = &["bed", "deed", "feed", "need", "seed", "speed", "weed"];

/// The style of a moment's name; `None` where it names a thing of its own (`birthday`, `timestamp`, `valid_until`).
fn style_of(name: &str) -> Option<Style> {
    let snake = snake_case(name);
    let (event, last) = split(&snake);
    match last {
        "at" if event.is_some() => return Some(AT),
        "on" if event.is_some() => return Some(ON),
        "date" | "datetime" | "dt" if event.is_some() => return Some(DATE),
        "time" | "timestamp" | "ts" if event.is_some() => return Some(TIME),
        _ => {}
    }
    if event.is_some() && ["date_", "dt_", "datetime_"].iter().any(|prefix| snake.starts_with(prefix)) {
        return Some(DATE_FIRST);
    }
    // Written as one word: `datecreated`, `modifieddate`.
    if last.strip_prefix("date").is_some_and(is_event) {
        return Some(DATE_FIRST);
    }
    for (suffix, style) in [("date", DATE), ("time", TIME), ("at", AT)] {
        if last.strip_suffix(suffix).is_some_and(is_event) {
            return Some(style);
        }
    }
    is_event(last).then_some(BARE)
}

/// What a name says before its last word, and that word; a time zone at the end is no part of it.
fn split(snake: &str) -> (Option<&str>, &str) {
    let trimmed = ["_utc", "_gmt", "_tz"].iter().find_map(|zone| snake.strip_suffix(zone)).unwrap_or(snake);
    match trimmed.rsplit_once('_') {
        Some((event, last)) => (Some(event), last),
        None => (None, trimmed),
    }
}

fn is_event(word: &str) -> bool {
    (word.len() > 3 && word.ends_with("ed") && !THINGS.contains(&word)) || EVENTS.binary_search(&word).is_ok()
}

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let mut examined = 0;
    let mut names = Vec::new();
    let is_moment = |oid| matches!(oid, builtin::TIMESTAMP | builtin::TIMESTAMPTZ);
    for (table, column) in own_columns(facts) {
        if !snapshot.base_type(column.type_oid).is_some_and(|base| is_moment(base.oid)) {
            continue;
        }
        examined += 1;
        let named = |style| Named { style, name: &column.name, subject: (table, column) };
        names.extend(style_of(&column.name).map(named));
    }
    let suggestions = Suggestions::new(snapshot);
    let convention = Convention { house: &[AT], tolerated: &[] };
    let kind = Kind { what: "timestamp column names", convention };
    judge(verdicts, &kind, examined, &names, |named, lesson| {
        let (table, column) = named.subject;
        // It says what it is, whatever the others do.
        if named.style == AT {
            return None;
        }
        let other = renamed(named.name, named.style, lesson.expected);
        // Only an event can stand alone: `vote_time` cannot do without its last word.
        if lesson.expected == BARE && other.is_none() {
            return None;
        }
        let object = snapshot.column_name(column);
        let (expected, reason) = (lesson.expected, lesson.reason());
        let is_named_as_day = matches!(named.style, ON | DATE | DATE_FIRST) && !is_with_time(named.name);
        let message = if expected == AT && is_named_as_day {
            format!(
                "timestamp column {object} is named like a day, not {expected}, {reason}; if it holds days only, make \
                 it date"
            )
        } else {
            format!("timestamp column {object} is not named {expected}, {reason}")
        };
        let finding = Finding::new(object, snapshot.schema_name(table.schema), message);
        Some(suggestions.column(finding, table.oid, other))
    });
}

/// Whether the name says that the time of day counts.
fn is_with_time(name: &str) -> bool {
    snake_case(name).split('_').any(|word| matches!(word, "datetime" | "dt"))
}

/// The name in the expected style, where what is left of the old one is an event: `order_at` would say nothing.
fn renamed(name: &str, style: Style, expected: Style) -> Option<String> {
    let snake = snake_case(name);
    let event = match style {
        BARE => &*snake,
        DATE_FIRST => snake.split_once('_')?.1,
        _ => split(&snake).0?,
    };
    if !event.rsplit('_').next().is_some_and(is_event) {
        return None;
    }
    match expected {
        AT => plain(format!("{event}_at")),
        ON => plain(format!("{event}_on")),
        DATE => plain(format!("{event}_date")),
        TIME => plain(format!("{event}_time")),
        BARE => plain(event.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};

    fn judged(names: &[&str]) -> Vec<Finding> {
        let mut sample = Sample::new();
        let table = sample.keyed_table("users");
        sample.column(table, "hired_on", builtin::DATE);
        for name in names {
            sample.column(table, name, builtin::TIMESTAMPTZ);
        }
        let (findings, unknowns, examined) = run(&TIMESTAMP_NAME, &sample.finish());
        assert!(unknowns.is_empty());
        // A database without a convention has one decision to take.
        assert!(examined == names.len() as u64 || examined == 1);
        findings
    }

    fn objects(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| &*finding.object).collect()
    }

    #[test]
    fn events_are_sorted_for_binary_search() {
        assert!(EVENTS.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn every_style_is_known() {
        for (name, style) in [
            ("created_at", Some(AT)),
            ("createdAt", Some(AT)),
            ("starts_at", Some(AT)),
            ("created_at_utc", Some(AT)),
            ("createdat", Some(AT)),
            ("created_on", Some(ON)),
            ("order_date", Some(DATE)),
            ("modifieddate", Some(DATE)),
            ("date_joined", Some(DATE_FIRST)),
            ("datecreated", Some(DATE_FIRST)),
            ("start_time", Some(TIME)),
            ("last_seen", Some(BARE)),
            ("expires", Some(BARE)),
            ("created", Some(BARE)),
            ("birthday", None),
            ("date", None),
            ("time", None),
            ("timestamp", None),
            ("valid_until", None),
            ("valid_from", None),
            ("period_start", None),
            ("deadline", None),
            ("candidate", None),
            ("on", None),
            ("last_login", None),
            ("speed", None),
            ("last_update", None),
        ] {
            assert_eq!(style_of(name), style, "{name}");
        }
    }

    #[test]
    fn other_endings_are_outliers_among_moments() {
        let names =
            ["created_at", "updated_at", "deleted_at", "paid_at", "shipped_on", "order_date", "last_seen"];
        let findings = judged(&names);
        let outliers = ["public.users.shipped_on", "public.users.order_date", "public.users.last_seen"];
        assert_eq!(objects(&findings), ["database"], "4 of 7 are no majority");
        let findings = judged(&[&names[..], &["seen_at"]].concat());
        assert_eq!(objects(&findings), outliers);
        assert_eq!(findings[0].evidence["suggested_name"], "shipped_at");
        assert!(!findings[1].evidence.contains_key("suggested_name"));
        assert_eq!(findings[2].evidence["suggested_name"], "last_seen_at");
        assert!(findings[1].message.contains("order_date is named like a day"), "{}", findings[1].message);
        assert!(findings[2].message.contains("last_seen is not named"), "{}", findings[2].message);
    }

    #[test]
    fn a_date_with_a_time_is_no_day() {
        let findings = judged(&["created_at", "updated_at", "deleted_at", "paid_at", "from_datetime"]);
        assert_eq!(
            findings[0].message,
            "timestamp column public.users.from_datetime is not named {event}_at, as 4 of 5 are"
        );
    }

    #[test]
    fn a_name_that_several_tables_share_is_told_once() {
        let mut sample = Sample::new();
        for number in 0..3 {
            let table = sample.keyed_table(&format!("t{number}"));
            for name in ["created_at", "updated_at", "deleted_at", "order_date"] {
                sample.column(table, name, builtin::TIMESTAMPTZ);
            }
        }
        let (findings, _, examined) = run(&TIMESTAMP_NAME, &sample.finish());
        assert_eq!((objects(&findings), examined), (vec!["public.t0.order_date"], 12));
        assert!(findings[0].message.ends_with("; 2 more have that name"), "{}", findings[0].message);
        assert_eq!(
            findings[0].evidence["others"],
            serde_json::json!(["public.t1.order_date", "public.t2.order_date"])
        );
    }

    #[test]
    fn things_and_days_are_left_alone() {
        let names = ["created_at", "birthday", "date", "valid_until", "timestamp", "starts_at", "deadline"];
        assert_eq!(objects(&judged(&names)), [""; 0]);
    }

    #[test]
    fn another_style_throughout_is_told_once() {
        let names = ["created_on", "updated_on", "deleted_on", "paid_on", "sent_on", "read_at"];
        let findings = judged(&names);
        // `read_at` says what it is.
        assert_eq!(objects(&findings), ["database"]);
        let names =
            ["created", "last_updated", "deleted", "seen", "read_at", "sent_date", "sold", "vote_time"];
        let findings = judged(&names);
        assert_eq!(objects(&findings), ["database", "public.users.sent_date"]);
        assert_eq!(findings[1].evidence["suggested_name"], "sent");
    }
}
