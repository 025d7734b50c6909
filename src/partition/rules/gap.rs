//! Holes between partitions.

use super::each_set;
use crate::catalog::Snapshot;
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::partition::bounds::bounds;
use crate::partition::key::{KeyKind, Range};
use crate::partition::line;
use crate::partition::set::{Set, Strategy};
use crate::partition::status::{gaps, readable};
use crate::text::identifier::unused_name;
use crate::text::quote_qualified;

/// `schema.partition_gap`: rows between two partitions are refused.
pub const PARTITION_GAP: Rule = Rule {
    id: "schema.partition_gap",
    dimension: Dimension::Schema,
    severity: Severity::Warning,
    title: "Hole between partitions",
    why: "A row whose key lies between two partitions is refused, and nobody expects it there: what comes before and after is \
          taken.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ddl-partitioning.html",
    check,
};

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    each_set(facts, |table, set, _| {
        if set.strategy != Strategy::Range {
            return;
        }
        verdicts.examine(1);
        // What no other takes, the default partition does.
        let Some(key) = set.key.filter(|_| set.default_partition().is_none()) else { return };
        let gaps = gaps(set);
        let Some(&(low, high)) = gaps.last() else { return };
        let name = snapshot.relation_name(table.oid);
        let which =
            if gaps.len() == 1 { "a hole".to_owned() } else { format!("{} holes, the last", gaps.len()) };
        let message = format!(
            "{name} has {which} from {} to {}: rows there are refused",
            readable(key, low),
            readable(key, high)
        );
        let mut finding =
            Finding::new(name, snapshot.schema_name(table.schema), message).evidence("holes", gaps.len());
        if set.key_columns.len() == 1 {
            let filled = gaps.iter().map(|&gap| filled(snapshot, set, key, gap)).collect::<Vec<_>>();
            finding.fix = Some(filled.iter().map(|(fix, _)| fix.as_str()).collect::<Vec<_>>().join("\n"));
            finding.undo = Some(filled.iter().map(|(_, undo)| undo.as_str()).collect::<Vec<_>>().join("\n"));
        }
        verdicts.find(finding);
    });
}

/// A partition for a hole, made beside and attached, so that nobody waits; and what takes it back.
fn filled(snapshot: &Snapshot, set: &Set, key: KeyKind, (low, high): (i64, i64)) -> (String, String) {
    let low_text: String = line::text(key, low)
        .trim_end_matches(" 00:00:00+00")
        .trim_end_matches(" 00:00:00")
        .chars()
        .map(|character| if character.is_ascii_alphanumeric() { character } else { '_' })
        .collect();
    let taken = |name: &str| {
        snapshot
            .relations
            .iter()
            .any(|relation| *relation.name == *name && snapshot.schema_name(relation.schema) == set.schema)
    };
    let partition =
        quote_qualified(&set.schema, &unused_name(&[&set.name, low_text.trim_matches('_')], taken));
    let parent = set.qualified();
    let fix = format!(
        "CREATE TABLE {partition} (LIKE {parent} INCLUDING ALL EXCLUDING INDEXES EXCLUDING IDENTITY);\n\
         ALTER TABLE {parent} ATTACH PARTITION {partition} FOR VALUES {};",
        bounds(set, key, &Range::between(low, high))
    );
    (fix, format!("DROP TABLE {partition};"))
}

#[cfg(test)]
mod tests {
    use super::super::sample::{days, findings, messages};
    use super::*;
    use crate::partition::sample::partition;

    #[test]
    fn a_hole_is_found_and_filled() {
        let (sample, set) = days(&[(0, 10), (10, 20), (25, 30)]);
        let found = findings(&PARTITION_GAP, sample, set, None);
        assert_eq!(
            found[0].message,
            "public.events has a hole from 2000-01-21 to 2000-01-26: rows there are refused"
        );
        assert_eq!(
            found[0].fix.as_deref(),
            Some(
                "CREATE TABLE public.events_2000_01_21 (LIKE public.events INCLUDING ALL EXCLUDING INDEXES EXCLUDING IDENTITY);\n\
                 ALTER TABLE public.events ATTACH PARTITION public.events_2000_01_21 FOR VALUES FROM ('2000-01-21') TO ('2000-01-26');"
            )
        );
        assert_eq!(found[0].undo.as_deref(), Some("DROP TABLE public.events_2000_01_21;"));
    }

    #[test]
    fn what_meets_what_the_default_takes_and_what_is_half_detached_is_right() {
        let (sample, set) = days(&[(0, 10), (10, 20)]);
        assert!(messages(&PARTITION_GAP, sample, set, None).is_empty());
        let (sample, mut set) = days(&[(0, 10), (20, 30)]);
        let default = partition(&set, None);
        set.partitions.push(default);
        assert!(messages(&PARTITION_GAP, sample, set, None).is_empty());
        let (sample, mut set) = days(&[(0, 10), (10, 20), (20, 30)]);
        set.partitions[1].is_detach_pending = true;
        assert!(messages(&PARTITION_GAP, sample, set, None).is_empty());
    }
}
