//! All advice on a query as a person reads it: each thing said once, by whoever says it best, and what is not worth
//! reading not at all.
//!
//! The parts of the room do not know of each other: what a rewrite repairs is also a red flag of the plan, and often an
//! index would help as well. Here the best repair stays, and its evidence names the rules that saw the same.

use serde_json::{Value, json};

use super::advice::{Advice, Kind};
use crate::finding::Severity;

/// Below this cost a query takes a millisecond or so: nothing in its plan is worth more than a hint.
const CHEAP: f64 = 100.0;
/// Flags of a plan whose low cost is a hope.
const HOPES: &[&str] = &["query.fragile_nested_loop", "query.limit_trap"];
/// Rows below which nobody minds how wide they are.
const FEW_ROWS: f64 = 100.0;
/// A rewrite within this factor of what an index does makes the index superfluous.
const AS_GOOD: f64 = 1.1;

/// Who says a thing best, and which rules see the same.
const SAME: &[(&[&str], &[&str])] = &[
    (&["query.cartesian_product"], &["query.join_without_condition"]),
    (&["query.correlated_subquery", "query.latest_per_group"], &["query.subquery_for_each_row"]),
    (&["query.distinct_over_join"], &["query.distinct_undoes_join"]),
    (&["query.not_in_subquery"], &["query.not_in_row_by_row"]),
    (&["query.offset_pagination"], &["query.deep_offset"]),
    (&["query.long_in_list"], &["query.large_in_list"]),
    (&["query.cast_on_column"], &["query.implicit_cast"]),
    (
        &[
            "query.arithmetic_on_column",
            "query.cast_on_column",
            "query.coalesce_in_condition",
            "query.folded_case",
            "query.function_on_column",
            "query.json_text_condition",
            "query.substring_as_prefix",
            MISSING_INDEX,
        ],
        &["query.column_wrapped"],
    ),
    (
        &[MISSING_INDEX],
        &[
            "query.avoidable_sort",
            "query.bitmap_and",
            "query.filter_after_index",
            "query.index_in_other_order",
            "query.selective_sequential_scan",
            "query.sequential_scan_in_loop",
        ],
    ),
];

/// Rewrites that give a column back to its indexes: where one does as much as an index on the expression, it is the
/// better answer, because it costs nothing to write and nothing to keep.
pub const GIVES_COLUMN_BACK: &[&str] = &[
    "query.arithmetic_on_column",
    "query.cast_on_column",
    "query.coalesce_in_condition",
    "query.function_on_column",
    "query.substring_as_prefix",
];

/// The rule of an index to create.
pub const MISSING_INDEX: &str = "query.missing_index";

/// Puts advice on a query that returns `rows` rows in order: the worst first, of equals the proven, then what saves
/// most.
pub fn tidied(mut advice: Vec<Advice>, rows: f64) -> Vec<Advice> {
    advice.retain(|one| one.rule != "query.select_star" || rows >= FEW_ROWS);
    drop_superfluous_indexes(&mut advice);
    fold(&mut advice);
    for one in &mut advice {
        let is_about_speed = match one.kind {
            Kind::Index => true,
            Kind::Rewrite => one.proven,
            Kind::RedFlag => !HOPES.contains(&one.rule),
            Kind::Statistics | Kind::Setting => false,
        };
        if is_about_speed && one.cost_before.is_some_and(|cost| cost < CHEAP) {
            one.severity = one.severity.min(Severity::Info);
        }
    }
    advice.sort_by(|left, right| {
        let severity = right.severity.cmp(&left.severity);
        severity.then(right.proven.cmp(&left.proven)).then(gain(right).total_cmp(&gain(left)))
    });
    advice
}

/// The share of the cost that is saved; nothing where nobody planned it.
fn gain(advice: &Advice) -> f64 {
    match (advice.cost_before, advice.cost_after) {
        (Some(before), Some(after)) if before > 0.0 => (before - after) / before,
        _ => 0.0,
    }
}

/// The table that advice is about, as its evidence has it.
fn table(advice: &Advice) -> Option<&str> {
    if let Some(table) = advice.evidence.get("table").and_then(Value::as_str) {
        return Some(table);
    }
    let column = advice.evidence.get("column").and_then(Value::as_str)?;
    column.rsplit_once('.').map(|(table, _)| table)
}

/// Whether two pieces of advice may be about the same table.
fn may_be_of_one_table(one: &Advice, other: &Advice) -> bool {
    match (table(one), table(other)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

fn drop_superfluous_indexes(advice: &mut Vec<Advice>) {
    let rewrites: Vec<Advice> = advice
        .iter()
        .filter(|one| {
            one.proven && GIVES_COLUMN_BACK.contains(&one.rule) && !one.evidence.contains_key("with")
        })
        .cloned()
        .collect();
    advice.retain(|index| {
        let is_matched = |rewrite: &Advice| match (rewrite.cost_after, index.cost_after) {
            (Some(rewritten), Some(indexed)) => {
                may_be_of_one_table(rewrite, index) && rewritten <= indexed * AS_GOOD
            }
            _ => false,
        };
        index.rule != MISSING_INDEX || !rewrites.iter().any(is_matched)
    });
}

/// Lets one row stand for all that see the same.
fn fold(advice: &mut Vec<Advice>) {
    let mut gone: Vec<usize> = Vec::new();
    let mut seen: Vec<(usize, usize)> = Vec::new();
    for (position, one) in advice.iter().enumerate() {
        let best = advice
            .iter()
            .enumerate()
            .find(|(other, best)| *other != position && !gone.contains(other) && says_as_well(best, one));
        if let Some((best, _)) = best {
            gone.push(position);
            seen.push((best, position));
        }
    }
    for (best, position) in seen {
        let said = (advice[position].rule, advice[position].message.clone());
        let others = advice[best].evidence.entry("also_seen_as").or_insert_with(|| json!({}));
        others[said.0] = said.1.into();
    }
    let mut position = 0;
    advice.retain(|_| {
        position += 1;
        !gone.contains(&(position - 1))
    });
}

/// Whether the first makes the second superfluous.
fn says_as_well(best: &Advice, other: &Advice) -> bool {
    if !may_be_of_one_table(best, other) {
        return false;
    }
    // An index that a rule thought of, where the search found one that is as good.
    if best.rule == MISSING_INDEX && other.rule != MISSING_INDEX && is_index_only(other) {
        let at_least = |cost: f64| best.cost_after.is_some_and(|best| best <= cost * AS_GOOD);
        return other.cost_after.is_none_or(at_least);
    }
    SAME.iter().any(|(bests, others)| bests.contains(&best.rule) && others.contains(&other.rule))
}

/// Whether all that advice has to offer is an index.
fn is_index_only(advice: &Advice) -> bool {
    advice.kind == Kind::Rewrite
        && advice.sql.as_deref().is_some_and(|sql| sql.starts_with("CREATE INDEX"))
        && advice.cost_after.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(kind: Kind, rule: &'static str, costs: Option<(f64, f64)>) -> Advice {
        let mut advice = Advice::new(kind, Severity::Warning, rule, rule);
        (advice.cost_before, advice.cost_after) = costs.unzip();
        advice.proven = costs.is_some_and(|(before, after)| after < before);
        advice
    }

    fn index(table: &str, after: f64) -> Advice {
        advice(Kind::Index, MISSING_INDEX, Some((1000.0, after))).evidence("table", table)
    }

    fn flag(rule: &'static str, table: &str) -> Advice {
        Advice { cost_before: Some(1000.0), ..advice(Kind::RedFlag, rule, None).evidence("table", table) }
    }

    fn rules(advice: Vec<Advice>) -> Vec<&'static str> {
        tidied(advice, 1e6).iter().map(|one| one.rule).collect()
    }

    #[test]
    fn what_an_index_repairs_is_said_with_the_index() {
        let told = tidied(vec![flag("query.avoidable_sort", "a"), index("a", 10.0)], 1e6);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].evidence["also_seen_as"], json!({"query.avoidable_sort": "query.avoidable_sort"}));
    }

    #[test]
    fn what_is_wrong_with_another_table_is_said_too() {
        let told = rules(vec![flag("query.avoidable_sort", "b"), index("a", 10.0)]);
        assert_eq!(told, [MISSING_INDEX, "query.avoidable_sort"]);
    }

    #[test]
    fn a_rewrite_that_does_as_much_as_an_index_replaces_it() {
        let rewrite = advice(Kind::Rewrite, "query.arithmetic_on_column", Some((1000.0, 10.5)))
            .evidence("column", "public.a.b");
        let told = vec![index("public.a", 10.0), flag("query.column_wrapped", "public.a"), rewrite.clone()];
        assert_eq!(rules(told), ["query.arithmetic_on_column"]);
        // Not one that does less, and not one that needs an index itself.
        assert_eq!(rules(vec![index("public.a", 5.0), rewrite.clone()]).len(), 2);
        let with = rewrite.evidence("with", "CREATE INDEX ...");
        assert_eq!(rules(vec![index("public.a", 10.0), with]).len(), 2);
    }

    #[test]
    fn an_index_that_two_thought_of_is_named_once() {
        let mut other = advice(Kind::Rewrite, "query.extreme_with_filter", Some((1000.0, 10.0)));
        other.sql = Some("CREATE INDEX CONCURRENTLY ON a (b)".into());
        assert_eq!(rules(vec![index("a", 10.0), other.clone()]), [MISSING_INDEX]);
        // The rule knew better than the search.
        assert_eq!(rules(vec![index("a", 100.0), other.clone()]).len(), 2);
        assert_eq!(rules(vec![other]), ["query.extreme_with_filter"]);
    }

    #[test]
    fn wide_rows_matter_if_there_are_many() {
        let star = || vec![advice(Kind::Rewrite, "query.select_star", None)];
        assert_eq!(tidied(star(), 1.0), []);
        assert_eq!(tidied(star(), 1e6).len(), 1);
    }

    #[test]
    fn a_cheap_query_is_no_cause_for_alarm_unless_it_is_wrong_or_a_hope() {
        let index = advice(Kind::Index, MISSING_INDEX, Some((31.0, 17.0)));
        let wrong = advice(Kind::Rewrite, "query.between_to_midnight", Some((31.0, 40.0)));
        let told = tidied(vec![index, wrong], 1e6);
        let told: Vec<_> = told.iter().map(|one| (one.rule, one.severity)).collect();
        let expected = [("query.between_to_midnight", Severity::Warning), (MISSING_INDEX, Severity::Info)];
        assert_eq!(told, expected);
    }

    #[test]
    fn of_equals_the_proven_and_the_more_useful_comes_first() {
        let unproven = Advice { proven: false, ..advice(Kind::Rewrite, "query.a", Some((1000.0, 1.0))) };
        let little = advice(Kind::Rewrite, "query.b", Some((1000.0, 900.0)));
        let much = advice(Kind::Rewrite, "query.c", Some((1000.0, 90.0)));
        assert_eq!(rules(vec![unproven, little, much]), ["query.c", "query.b", "query.a"]);
    }
}
