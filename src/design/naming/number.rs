//! Singular and plural names of tables.

use super::style::{Kind, Named, THRESHOLDS, judge};
use super::suggestion::Suggestions;
use crate::catalog::types::builtin;
use crate::catalog::{Relation, Snapshot};
use crate::change::names::census::{Convention, Style};
use crate::design::designed::designed_tables;
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::english::{self, Number};
use crate::text::words::{last_word, snake_case};

/// A table is named in the singular where the others are in the plural, or the other way round.
pub const TABLE_NAME_NUMBER: Rule = Rule {
    id: "schema.table_name_number",
    dimension: Dimension::Schema,
    severity: Severity::Info,
    title: "Table name in the other number",
    why: "Where some tables are called order and others customers, everybody has to look up each name before typing \
          it, and frameworks that derive table names from classes need an exception for each outlier.",
    thresholds: THRESHOLDS,
    reference: "https://guides.rubyonrails.org/active_record_basics.html#naming-conventions",
    check,
};

const PLURAL: Style = "plural";
const SINGULAR: Style = "singular";

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let mut examined = 0;
    let mut names = Vec::new();
    for table in designed_tables(facts) {
        examined += 1;
        let snake = snake_case(&table.name);
        let style = match number_of(&snake) {
            Number::Plural => PLURAL,
            Number::Singular => SINGULAR,
            Number::Unknown => continue,
        };
        // A table that only joins others is named after both, in whatever number the framework likes.
        if !is_join_table(snapshot, table) {
            names.push(Named { style, name: &table.name, subject: table });
        }
    }
    let suggestions = Suggestions::new(snapshot);
    let convention = Convention { house: &[PLURAL], tolerated: &[] };
    let kind = Kind { what: "table names", convention };
    judge(verdicts, &kind, examined, &names, |named, lesson| {
        let table = named.subject;
        let object = snapshot.relation_name(table.oid);
        let message = format!(
            "table {object} is in the {}, not the {}, {}",
            named.style,
            lesson.expected,
            lesson.reason()
        );
        let finding = Finding::new(object, snapshot.schema_name(table.schema), message);
        Some(suggestions.table(finding, table, renumbered(&table.name, lesson.expected)))
    });
}

/// The number of the noun that a table's name is about: of `bills` in `bills_of_material`.
///
/// With a preposition in the name, that noun may come before it or at the end (`out_of_band_migrations`), so that both
/// must agree.
fn number_of(snake: &str) -> Number {
    const PREPOSITIONS: &[&str] =
        &["at", "by", "for", "from", "in", "of", "on", "per", "to", "visible", "with"];
    let last = last_word(snake);
    let number = english::number(last);
    // `billofmaterials`: what is in such a word, spelling cannot tell.
    if last.len() > 12 && last.contains("of") {
        return Number::Unknown;
    }
    let mut before = None;
    for word in snake.split('_') {
        match before {
            Some(noun) if PREPOSITIONS.contains(&word) && english::number(noun) != number => {
                return Number::Unknown;
            }
            _ => before = Some(word),
        }
    }
    number
}

/// Whether a table has nothing but foreign keys, its own key and moments.
fn is_join_table(snapshot: &Snapshot, table: &Relation) -> bool {
    let mut referencing: Vec<i16> =
        snapshot.foreign_keys_of(table.oid).flat_map(|key| key.columns.iter().copied()).collect();
    referencing.sort_unstable();
    referencing.dedup();
    let key = snapshot.primary_key_of(table.oid).map_or(&[][..], |key| &key.columns);
    referencing.len() >= 2
        && snapshot.columns_of(table.oid).iter().all(|column| {
            referencing.binary_search(&column.number).is_ok()
                || (key.len() == 1 && key.contains(&column.number))
                || snapshot.base_type(column.type_oid).is_some_and(|base| {
                    matches!(base.oid, builtin::TIMESTAMP | builtin::TIMESTAMPTZ | builtin::DATE)
                })
        })
}

/// The name with its last word in the other number, letters before it untouched.
fn renumbered(name: &str, expected: Style) -> Option<String> {
    let snake = snake_case(name);
    let word = last_word(&snake);
    let other = if expected == PLURAL { english::plural(word)? } else { english::singular(word) };
    let start = name.len().checked_sub(word.len())?;
    let (before, tail) = (name.get(..start)?, name.get(start..)?);
    let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_word || !tail.eq_ignore_ascii_case(word) || other == word {
        return None;
    }
    if tail == word {
        return Some(format!("{before}{other}"));
    }
    let (first, rest) = other.split_at_checked(1)?;
    // `OrderItem`; of a name all in capitals, no guess.
    tail.get(1..)?
        .bytes()
        .all(|byte| byte.is_ascii_lowercase())
        .then(|| format!("{before}{}{rest}", first.to_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};

    fn judged(names: &[&str]) -> Vec<Finding> {
        let mut sample = Sample::new();
        for name in names {
            sample.keyed_table(name);
        }
        let (findings, unknowns, examined) = run(&TABLE_NAME_NUMBER, &sample.finish());
        assert!(unknowns.is_empty() && examined >= 1);
        findings
    }

    fn objects(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| &*finding.object).collect()
    }

    #[test]
    fn a_singular_among_plurals_is_an_outlier() {
        let findings = judged(&["orders", "customers", "products", "payments", "order_item", "order_status"]);
        assert_eq!(objects(&findings), ["public.order_item", "public.order_status"]);
        assert_eq!(findings[0].evidence["suggested_name"], "order_items");
        assert_eq!(findings[1].evidence["suggested_name"], "order_statuses");
        assert_eq!(
            findings[0].message,
            "table public.order_item is in the singular, not the plural, as 4 of 6 are"
        );
        assert!(findings.iter().all(|finding| finding.fix.is_none()));
    }

    #[test]
    fn what_only_looks_singular_or_has_no_number_is_left_alone() {
        let findings = judged(&[
            "orders",
            "customers",
            "products",
            "payments",
            "data",
            "news",
            "series",
            "addresses",
            "analyses",
            "people",
            "news_feed",
            "user_history",
            "inventory",
            "audit_log",
            "schema_migrations",
            "ar_internal_metadata",
            "users_roles",
            "media",
            "staff",
            "criteria",
            "children",
            "indices",
            "orders_2023",
            "archived",
            "gps",
            "billing",
            "bills_of_material",
            "uploads_visible_at_tip",
            "out_of_band_migrations",
            "billofmaterial",
            "prices_by_region",
            "statuses",
            "movies",
            "equipment",
            "work_queue",
            "site_config",
            "job_cache",
            "search_index",
        ]);
        assert_eq!(objects(&findings), [""; 0]);
    }

    #[test]
    fn singular_throughout_is_told_once() {
        let names =
            ["order", "customer", "product", "payment", "address", "status", "analysis", "bus", "news"];
        let findings = judged(&names);
        assert_eq!(objects(&findings), ["database"]);
        assert!(findings[0].message.starts_with("8 of 8 table names follow the style singular"));
        let findings = judged(&["order", "customer", "product", "payment", "addresses", "people"]);
        assert_eq!(objects(&findings), ["database", "public.addresses", "public.people"]);
        assert_eq!(findings[1].evidence["suggested_name"], "address");
        assert_eq!(findings[2].evidence["suggested_name"], "person");
    }

    #[test]
    fn no_majority_is_told_once_and_few_are_judged_by_the_convention() {
        assert_eq!(
            objects(&judged(&["a1", "orders", "customers", "products", "box", "lens", "fox"])),
            ["database"]
        );
        assert_eq!(objects(&judged(&["customer", "orders"])), ["public.customer"]);
    }

    #[test]
    fn a_table_that_only_joins_others_is_left_alone() {
        let mut sample = Sample::new();
        let mut tables = Vec::new();
        for name in ["orders", "customers", "products", "payments", "films", "actors"] {
            tables.push(sample.keyed_table(name));
        }
        let join = sample.table("film_actor");
        for (name, target) in [("film_id", tables[4]), ("actor_id", tables[5])] {
            sample.column(join, name, builtin::INT8);
            sample.foreign_key(join, &[name], target, &["id"]);
        }
        sample.column(join, "last_update", builtin::TIMESTAMPTZ);
        sample.primary_key(join, &["film_id", "actor_id"]);
        assert!(run(&TABLE_NAME_NUMBER, &sample.finish()).0.is_empty());
    }

    #[test]
    fn other_cases_keep_their_case() {
        assert_eq!(renumbered("OrderItem", PLURAL).as_deref(), Some("OrderItems"));
        assert_eq!(renumbered("order_person", PLURAL).as_deref(), Some("order_people"));
        assert_eq!(renumbered("Person", PLURAL).as_deref(), Some("People"));
        assert_eq!(renumbered("ORDERS", SINGULAR), None);
        assert_eq!(renumbered("Order Item", PLURAL), None);
        assert_eq!(renumbered("orders", SINGULAR).as_deref(), Some("order"));
    }

    #[test]
    fn a_suggestion_that_is_taken_or_reserved_is_not_made() {
        let findings = judged(&["orders", "customers", "products", "payments", "customer"]);
        assert!(!findings[0].evidence.contains_key("suggested_name"));
        let findings = judged(&["customer", "product", "payment", "box", "orders"]);
        assert!(!findings[1].evidence.contains_key("suggested_name"), "order is reserved");
    }
}
