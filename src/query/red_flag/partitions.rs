//! Every partition is read because the condition hides the partition key (P25).

use super::words::{percent, rounded, shortened};
use crate::catalog::plan::{Node, NodeKind, Role};
use crate::finding::Severity;
use crate::query::advice::{Advice, Kind};
use crate::query::plan_shares::{WORTH_A_WORD, Weighed};

/// Partitions from which on that hurts.
const MANY: usize = 10;

pub fn judge(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    let plan = weighed.plan;
    let mut advice = Vec::new();
    for append in
        plan.nodes.iter().filter(|node| matches!(node.kind, NodeKind::Append | NodeKind::MergeAppend))
    {
        let members: Vec<&Node> = plan.children(append).filter(|child| child.role == Role::Member).collect();
        let share = weighed.share_below(append);
        if append.prunes || members.len() <= MANY || share < WORTH_A_WORD {
            continue;
        }
        let Some(first) = members.first() else { continue };
        let Some(table) = plan.table(first).filter(|table| table.root.is_some()) else { continue };
        // A key in a plain comparison would have pruned, had there been fewer partitions with such rows.
        let hidden = first.filters.iter().chain(&first.index_conditions).find(|clause| {
            clause
                .key
                .as_ref()
                .is_some_and(|key| key.wrapper.is_some() && table.partition_keys.contains(&key.column.name))
        });
        let Some((clause, key)) = hidden.and_then(|clause| Some((clause, clause.key.as_ref()?))) else {
            continue;
        };
        advice.push(
            Advice::new(
                Kind::RedFlag,
                Severity::Warning,
                rule,
                format!(
                    "all {} partitions of {} are read, {} of the query's cost, because {} does not compare the bare \
                     partition key {}: give a range of the key itself",
                    members.len(),
                    table.known_as(),
                    percent(share),
                    shortened(&clause.text),
                    key.column.name,
                ),
            )
            .evidence("table", table.known_as())
            .evidence("partitions", members.len())
            .evidence("condition", clause.text.clone())
            .evidence("partition_key", key.column.name.clone())
            .evidence("cost_share", rounded(share)),
        );
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::plan::sample::{Sample, equals, table, wrapped};
    use crate::catalog::plan::{Clause, Plan, Wrapper};
    use crate::query::red_flag::testing::{flagged, silent};

    const RULE: &str = "query.partitions_not_pruned";

    fn plan(count: usize, clause: &Clause) -> Plan {
        let part = |number: usize| {
            let mut part = table(&format!("public.events_{number}"), 900.0, 90_000.0);
            part.root = Some((1, "public.events".to_owned()));
            part.partition_keys = vec!["at".to_owned()];
            Sample::scan(part, 450.0, 1_800.0).filter(clause.clone()).with(|node| node.role = Role::Member)
        };
        let mut sample = part(0).below(NodeKind::Append, 450.0 * count as f64, 1_900.0 * count as f64);
        for number in 1..count {
            sample = sample.child(part(number), Role::Member);
        }
        sample.done()
    }

    #[test]
    fn a_function_over_the_partition_key() {
        let clause = wrapped("at", "date(at)", Wrapper::Function("date".to_owned()));
        let advice = flagged(&plan(12, &clause), RULE);
        assert!(
            advice.message.starts_with("all 12 partitions of public.events are read"),
            "{}",
            advice.message
        );
        silent(&plan(5, &clause), RULE);
    }

    #[test]
    fn another_column_is_fine() {
        silent(&plan(12, &wrapped("name", "lower(name)", Wrapper::Function("lower".to_owned()))), RULE);
        silent(&plan(12, &equals("at", "now()")), RULE);
    }
}
