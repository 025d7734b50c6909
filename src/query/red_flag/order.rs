//! Sorts that an index could save (P06), and an index that is sorted the other way (P38).

use super::words::{percent, rounded, rows};
use crate::catalog::plan::{IndexFacts, Node, NodeKind, Plan, SortKey, TableFacts};
use crate::finding::Severity;
use crate::query::advice::{Advice, Kind};
use crate::query::plan_shares::{WORTH_A_WORD, Weighed};

/// Rows from which on a sort is worth saving.
const MANY: f64 = 10_000.0;
/// The share of the cost from which on it is, without a LIMIT.
const MUCH: f64 = 0.2;

/// The sorts that matter, with the one table that their keys are of.
fn sorts<'a>(weighed: &Weighed<'a>) -> Vec<(&'a Node, &'a Node, &'a TableFacts)> {
    let plan = weighed.plan;
    let mut found = Vec::new();
    for sort in &plan.nodes {
        if !matches!(sort.kind, NodeKind::Sort | NodeKind::IncrementalSort) || sort.keys.is_empty() {
            continue;
        }
        let columns: Vec<_> = sort.keys.iter().filter_map(|key| key.column.as_ref()).collect();
        let Some(first) = columns.first().filter(|_| columns.len() == sort.keys.len()) else { continue };
        if columns.iter().any(|column| column.table != first.table) {
            continue;
        }
        let (Some(table), Some(input)) = (plan.tables.get(first.table), plan.input(sort)) else { continue };
        found.push((sort, input, table));
    }
    found
}

/// `a DESC, b`
fn listed(keys: &[SortKey]) -> String {
    let one = |key: &SortKey| {
        let name = key.column.as_ref().map_or(&key.text, |column| &column.name);
        let direction = if key.descending { " DESC" } else { "" };
        let nulls = match (key.descending, key.nulls_first) {
            (true, false) => " NULLS LAST",
            (false, true) => " NULLS FIRST",
            _ => "",
        };
        format!("{name}{direction}{nulls}")
    };
    keys.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// How an index's leading keys fit those of a sort.
#[derive(PartialEq)]
enum Fit {
    /// Other columns.
    Other,
    /// The same columns, read forwards or backwards in the wanted order.
    Same,
    /// The same columns, in an order that no direction gives.
    Mixed,
}

fn fit(index: &IndexFacts, keys: &[SortKey]) -> Fit {
    if index.method != "btree" || !index.is_valid || !index.is_implied || index.keys.len() < keys.len() {
        return Fit::Other;
    }
    let mut pairs = index.keys.iter().zip(keys);
    if pairs
        .clone()
        .any(|(have, want)| want.column.as_ref().is_none_or(|column| column.column != have.column))
    {
        return Fit::Other;
    }
    let turned = |(have, want): (&crate::catalog::plan::IndexKeyFacts, &SortKey)| {
        (have.descending != want.descending, have.nulls_first != want.nulls_first)
    };
    let mut forwards = pairs.clone();
    let is_same =
        forwards.all(|pair| turned(pair) == (false, false)) || pairs.all(|pair| turned(pair) == (true, true));
    if is_same { Fit::Same } else { Fit::Mixed }
}

pub fn other_direction(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    let mut advice = Vec::new();
    for (sort, input, table) in sorts(weighed) {
        let is_worth_it =
            weighed.matters(sort) || is_limited(weighed.plan, sort) && input_matters(weighed, sort);
        if !is_worth_it {
            continue;
        }
        if table.indexes.iter().any(|index| fit(index, &sort.keys) == Fit::Same) {
            continue;
        }
        let Some(index) = table.indexes.iter().find(|index| fit(index, &sort.keys) == Fit::Mixed) else {
            continue;
        };
        let order = listed(&sort.keys);
        advice.push(
            Advice::new(
                Kind::RedFlag,
                Severity::Warning,
                rule,
                format!(
                    "{} of {} are sorted by ({order}) although index {} has these columns, because its directions or \
                     its place of NULLs are others: an index on ({order}) saves the sort",
                    rows(input.all_rows()),
                    table.known_as(),
                    index.name,
                ),
            )
            .evidence("table", table.known_as())
            .evidence("index", index.name.clone())
            .evidence("order", order)
            .evidence("rows", input.all_rows())
            .evidence("cost_share", rounded(weighed.share(sort))),
        );
    }
    advice
}

pub fn avoidable(weighed: &Weighed, rule: &'static str) -> Vec<Advice> {
    let plan = weighed.plan;
    let mut advice = Vec::new();
    for (sort, input, table) in sorts(weighed) {
        let is_limited = is_limited(plan, sort);
        let share = weighed.share(sort);
        // An index gives the order of what is read from its own table first, not of what a hash join mixes.
        let reads_table = matches!(
            input.kind,
            NodeKind::SeqScan | NodeKind::IndexScan | NodeKind::IndexOnlyScan | NodeKind::BitmapHeapScan
        );
        if !reads_table
            || input.all_rows() <= MANY
            || !(is_limited && input_matters(weighed, sort) || share > MUCH)
        {
            continue;
        }
        // An index in another direction is another flag; one in this direction was there to be taken.
        if table.indexes.iter().any(|index| fit(index, &sort.keys) != Fit::Other) {
            continue;
        }
        let order = listed(&sort.keys);
        let why = if is_limited {
            format!("to return the first {}", rows(sort_limit(plan, sort)))
        } else {
            format!("which is {} of the query's cost", percent(share))
        };
        advice.push(
            Advice::new(
                Kind::RedFlag,
                Severity::Info,
                rule,
                format!(
                    "{} of {} are sorted by ({order}), {why}: an index in that order would give them sorted",
                    rows(input.all_rows()),
                    table.known_as(),
                ),
            )
            .evidence("table", table.known_as())
            .evidence("order", order)
            .evidence("rows", input.all_rows())
            .evidence("cost_share", rounded(share)),
        );
    }
    advice
}

/// The LIMIT above a sort, if only nodes that hand rows on are between.
fn limit_above<'a>(plan: &'a Plan, sort: &Node) -> Option<&'a Node> {
    let mut above = plan.parent(sort)?;
    while above.kind.hands_on() {
        above = plan.parent(above)?;
    }
    (above.kind == NodeKind::Limit && above.limit.is_some()).then_some(above)
}

fn is_limited(plan: &Plan, sort: &Node) -> bool {
    limit_above(plan, sort).is_some()
}

fn sort_limit(plan: &Plan, sort: &Node) -> f64 {
    limit_above(plan, sort).map_or(sort.rows, |limit| limit.rows)
}

/// A limited sort is cheap; that all its input is read is not.
fn input_matters(weighed: &Weighed, sort: &Node) -> bool {
    weighed.share_below(sort) >= WORTH_A_WORD
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::plan::Bound;
    use crate::catalog::plan::sample::{Sample, index, sorted, table};
    use crate::query::red_flag::testing::{flagged, silent};

    const AVOIDABLE: &str = "query.avoidable_sort";
    const OTHER: &str = "query.index_in_other_order";

    fn plan(rows: f64, indexes: Vec<IndexFacts>, keys: Vec<SortKey>) -> Sample {
        let mut orders = table("public.orders", 9_000.0, 900_000.0);
        orders.indexes = indexes;
        Sample::scan(orders, rows, 18_000.0)
            .below(NodeKind::Sort, rows, 18_500.0)
            .with(|sort| sort.keys = keys)
            .below(NodeKind::Limit, 10.0, 18_500.0)
            .with(|limit| limit.limit = Some(Bound::Constant(10.0)))
    }

    fn down(name: &str) -> SortKey {
        SortKey { descending: true, nulls_first: true, ..sorted(name) }
    }

    #[test]
    fn the_first_few_of_many() {
        let advice = flagged(&plan(900_000.0, vec![], vec![down("day")]).done(), AVOIDABLE);
        assert!(
            advice.message.contains("sorted by (day DESC), to return the first 10 rows"),
            "{}",
            advice.message
        );
        silent(&plan(5_000.0, vec![], vec![down("day")]).done(), AVOIDABLE);
    }

    #[test]
    fn an_index_that_can_be_read_backwards_is_there() {
        let indexes = vec![index("public.by_day", &["day"])];
        let plan = plan(900_000.0, indexes, vec![down("day")]).done();
        silent(&plan, AVOIDABLE);
        silent(&plan, OTHER);
    }

    #[test]
    fn an_index_whose_directions_do_not_fit() {
        let indexes = vec![index("public.by_day", &["day", "id"])];
        let mixed = plan(900_000.0, indexes.clone(), vec![down("day"), sorted("id")]).done();
        let advice = flagged(&mixed, OTHER);
        assert!(advice.message.contains("an index on (day DESC, id) saves the sort"), "{}", advice.message);
        silent(&mixed, AVOIDABLE);
        let last = SortKey { nulls_first: false, ..down("day") };
        flagged(&plan(900_000.0, indexes.clone(), vec![last]).done(), OTHER);
        silent(&plan(900_000.0, indexes, vec![sorted("id")]).done(), OTHER);
    }
}
