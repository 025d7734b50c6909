//! Names of columns that refer to other tables.

use std::cell::OnceCell;

use rustc_hash::{FxHashMap, FxHashSet};

use super::primary_key::is_named_after;
use super::style::{Kind, Lesson, Named, THRESHOLDS, judge};
use super::suggestion::{Suggestions, plain};
use crate::catalog::{Column, Constraint, ForeignKey, Oid, Relation, Snapshot};
use crate::change::names::census::{Convention, Style};
use crate::design::designed::designed_tables_with_columns;
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::english;
use crate::text::words::{last_word, snake_case};

/// A foreign key column does not say what it refers to, or says something else.
pub const FOREIGN_KEY_NAME: Rule = Rule {
    id: "schema.foreign_key_name",
    dimension: Dimension::Schema,
    severity: Severity::Info,
    title: "Foreign key column does not end in _id or names another table",
    why: "A reader takes customer_id for the key of customers, and anything without _id for the thing itself: where \
          that is wrong, joins go to the wrong table, which matches rows by accident and reports no error.",
    thresholds: THRESHOLDS,
    reference: "https://guides.rubyonrails.org/active_record_basics.html#schema-conventions",
    check,
};

const REFERENCED_ID: Style = "{referenced_singular}_id";
const REFERENCED_GLUED_ID: Style = "{referenced_singular}id";
const REFERENCED_UUID: Style = "{referenced_singular}_uuid";
const ID_REFERENCED: Style = "id_{referenced_singular}";
const REFERENCED_FK: Style = "{referenced_singular}_fk";
const BARE: Style = "{referenced_singular}";

/// A foreign key of one column.
#[derive(Clone, Copy)]
struct Reference<'a> {
    table: &'a Relation,
    column: &'a Column,
    target: &'a Relation,
    /// The name of the other table that the column's name speaks of.
    misnames: Option<Oid>,
}

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let tables = TablesBySingular::new(snapshot);
    let mut examined = 0;
    let mut names = Vec::new();
    let mut misnamed = Vec::new();
    let mut seen: FxHashSet<(Oid, i16)> = FxHashSet::default();
    for (table, columns) in designed_tables_with_columns(facts) {
        for key in snapshot.foreign_keys_of(table.oid) {
            let Some((column, target, referenced)) = single(snapshot, columns, key) else { continue };
            // Two foreign keys on one column are one name.
            if column.is_inherited || !seen.insert((table.oid, column.number)) {
                continue;
            }
            examined += 1;
            let reference =
                Reference { table, column, target, misnames: tables.misnamed(snapshot, column, target) };
            if reference.misnames.is_some() {
                misnamed.push(reference);
            } else if let Some(style) = style_of(&column.name, &referenced.name, &target.name) {
                names.push(Named { style, name: &column.name, subject: reference });
            }
        }
    }
    let suggestions = Suggestions::new(snapshot);
    let convention = Convention { house: &[REFERENCED_ID], tolerated: &[] };
    let kind = Kind { what: "foreign key columns", convention };
    judge(verdicts, &kind, examined, &names, |named, lesson| {
        Some(unstyled(snapshot, &suggestions, named, lesson))
    });
    for reference in misnamed {
        verdicts.find(misleading(snapshot, &suggestions, reference));
    }
}

/// The two columns and the referenced table of a foreign key of one of these columns.
fn single<'a>(
    snapshot: &'a Snapshot,
    columns: &'a [Column],
    key: &'a Constraint,
) -> Option<(&'a Column, &'a Relation, &'a Column)> {
    let ForeignKey { table, columns: others, .. } = &**key.foreign_key.as_ref()?;
    let (&[own], &[other]) = (&*key.columns, &**others) else { return None };
    let column = columns.iter().find(|column| column.number == own)?;
    Some((column, snapshot.relation(*table)?, snapshot.column(*table, other)?))
}

/// The style of the name of a column that refers to `referenced`; `None` where the name is right for reasons of its own.
fn style_of(column: &str, referenced: &str, target: &str) -> Option<Style> {
    let (column, referenced) = (snake_case(column), snake_case(referenced));
    // A natural key keeps its name (`country_code`), a shared primary key is `id` on both sides, and an actor is known
    // by the deed (`created_by`).
    if referenced != "id" || column == "id" || column.ends_with("_by") {
        return None;
    }
    let ends = |suffix: &str| column.len() > suffix.len() && column.ends_with(suffix);
    if ends("_id") {
        return Some(REFERENCED_ID);
    }
    if ends("_uuid") || ends("_guid") {
        return Some(REFERENCED_UUID);
    }
    if column.starts_with("id_") {
        return Some(ID_REFERENCED);
    }
    if ends("_fk") || column.starts_with("fk_") {
        return Some(REFERENCED_FK);
    }
    let glued = column.strip_suffix("id").is_some_and(|base| is_named_after(base, &snake_case(target)));
    Some(if glued { REFERENCED_GLUED_ID } else { BARE })
}

fn unstyled(
    snapshot: &Snapshot,
    suggestions: &Suggestions<'_>,
    named: &Named<'_, Reference<'_>>,
    lesson: &Lesson,
) -> Finding {
    let Reference { table, column, target, .. } = named.subject;
    let object = snapshot.column_name(column);
    let referenced = snapshot.relation_name(target.oid);
    let message = format!(
        "column {object} refers to {referenced} and is not named {}, {}",
        lesson.expected,
        lesson.reason()
    );
    let finding = Finding::new(object, snapshot.schema_name(table.schema), message)
        .evidence("referenced_table", referenced);
    let name = snake_case(&column.name);
    let suggested = match (named.style, lesson.expected) {
        (BARE, REFERENCED_ID) => plain(format!("{name}_id")),
        (REFERENCED_ID, BARE) => name
            .strip_suffix("_id")
            .filter(|base| is_named_after(base, &snake_case(&target.name)))
            .map(str::to_owned),
        _ => None,
    };
    suggestions.column(finding, table.oid, suggested)
}

fn misleading(snapshot: &Snapshot, suggestions: &Suggestions<'_>, reference: Reference<'_>) -> Finding {
    let Reference { table, column, target, misnames } = reference;
    let object = snapshot.column_name(column);
    let referenced = snapshot.relation_name(target.oid);
    let other = misnames.map(|oid| snapshot.relation_name(oid)).unwrap_or_default();
    let message = format!("column {object} is named after table {other} but refers to {referenced}");
    let finding = Finding::new(object, snapshot.schema_name(table.schema), message)
        .evidence("referenced_table", referenced)
        .evidence("named_after_table", other);
    let target = snake_case(&target.name);
    let word = last_word(&target);
    let before = &target[..target.len() - word.len()];
    suggestions.column(finding, table.oid, plain(format!("{before}{}_id", english::singular(word))))
}

/// Finds a table by its name in the singular.
pub struct TablesBySingular<'a> {
    snapshot: &'a Snapshot,
    tables: OnceCell<FxHashMap<String, Vec<&'a Relation>>>,
}

impl<'a> TablesBySingular<'a> {
    /// Of one snapshot.
    pub fn new(snapshot: &'a Snapshot) -> Self {
        Self { snapshot, tables: OnceCell::new() }
    }

    fn named(&self, singular: &str) -> &[&'a Relation] {
        let tables = self.tables.get_or_init(|| {
            let mut tables: FxHashMap<String, Vec<&Relation>> = FxHashMap::default();
            for table in self.snapshot.judged_tables() {
                let snake = snake_case(&table.name);
                let word = last_word(&snake);
                let before = &snake[..snake.len() - word.len()];
                tables.entry(format!("{before}{}", english::singular(word))).or_default().push(table);
            }
            tables
        });
        tables.get(singular).map_or(&[], Vec::as_slice)
    }

    /// Whether a column called `customer_id` of another table speaks of a table of that name.
    pub fn names_another(&self, column: &str, table: &Relation) -> bool {
        let name = snake_case(column);
        let base = name.strip_suffix("_id").or_else(|| name.strip_suffix("id")).unwrap_or_default();
        !base.is_empty() && self.named(base).iter().any(|other| other.oid != table.oid)
    }

    /// The table that a column's name speaks of, if that is another than the one it refers to.
    fn misnamed(&self, snapshot: &Snapshot, column: &Column, target: &Relation) -> Option<Oid> {
        let name = snake_case(&column.name);
        let base = name.strip_suffix("_id")?;
        // Parents, roots and originals are roles that a row plays for others of its own table.
        if column.relation == target.oid {
            return None;
        }
        let others = self.named(base);
        if others.is_empty() || is_kin(base, &snake_case(&target.name)) {
            return None;
        }
        let speaks_truly =
            |table: &&&Relation| table.oid == target.oid || refers_as_whole(snapshot, table, target);
        if others.iter().any(|table| speaks_truly(&table)) {
            return None;
        }
        // The one in the same schema, where there are several.
        let schema = snapshot.relation(column.relation).map(|relation| relation.schema);
        let distance =
            |table: &&&Relation| (Some(table.schema) != schema, snapshot.schema_name(table.schema));
        others.iter().min_by_key(distance).map(|table| table.oid)
    }
}

/// Whether the two names share a word: `user_account_id` may well refer to `users`.
fn is_kin(base: &str, table: &str) -> bool {
    let singulars = |name: &str| name.split('_').map(english::singular).collect::<Vec<_>>();
    let (base, table) = (singulars(base), singulars(table));
    base.iter().any(|word| word.len() > 1 && table.contains(word))
}

/// Whether each row of `table` is a row of `target`, by its primary key or by a chain of such keys, or belongs to one
/// by a key of its own: `customers` whose rows are `users`, `members` whose rows refer to `users`.
fn refers_as_whole(snapshot: &Snapshot, table: &Relation, target: &Relation) -> bool {
    snapshot
        .foreign_keys_of(table.oid)
        .any(|key| key.foreign_key.as_ref().is_some_and(|foreign| foreign.table == target.oid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::types::builtin;

    struct Shop {
        sample: Sample,
        tables: FxHashMap<&'static str, Oid>,
    }

    impl Shop {
        fn new(tables: &[&'static str]) -> Self {
            let mut sample = Sample::new();
            let tables = tables.iter().map(|name| (*name, sample.keyed_table(name))).collect();
            Self { sample, tables }
        }

        fn refer(&mut self, table: &str, column: &str, target: &str) {
            let (table, target) = (self.tables[table], self.tables[target]);
            self.sample.column(table, column, builtin::INT8);
            self.sample.foreign_key(table, &[column], target, &["id"]);
        }

        fn judged(self) -> Vec<Finding> {
            let (findings, unknowns, _) = run(&FOREIGN_KEY_NAME, &self.sample.finish());
            assert!(unknowns.is_empty());
            findings
        }
    }

    fn objects(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| &*finding.object).collect()
    }

    #[test]
    fn roles_and_deeds_are_right() {
        let mut shop =
            Shop::new(&["orders", "users", "addresses", "categories", "statuses", "analyses", "people"]);
        for (table, column, target) in [
            ("orders", "user_id", "users"),
            ("orders", "author_id", "users"),
            ("orders", "owner_id", "users"),
            ("orders", "created_by", "users"),
            ("orders", "billing_address_id", "addresses"),
            ("orders", "status_id", "statuses"),
            ("orders", "analysis_id", "analyses"),
            ("orders", "person_id", "people"),
            ("categories", "parent_id", "categories"),
        ] {
            shop.refer(table, column, target);
        }
        assert_eq!(objects(&shop.judged()), [""; 0]);
    }

    #[test]
    fn a_bare_name_is_an_outlier() {
        let mut shop = Shop::new(&["orders", "users", "products"]);
        for column in ["user_id", "author_id", "owner_id", "seller_id"] {
            shop.refer("orders", column, "users");
        }
        shop.refer("orders", "product", "products");
        let findings = shop.judged();
        assert_eq!(objects(&findings), ["public.orders.product"]);
        assert_eq!(findings[0].evidence["suggested_name"], "product_id");
        assert!(findings[0].message.contains("refers to public.products"));
    }

    #[test]
    fn a_name_that_speaks_of_another_table_is_always_reported() {
        let mut shop = Shop::new(&["orders", "customers", "products"]);
        shop.refer("orders", "customer_id", "products");
        let findings = shop.judged();
        assert_eq!(objects(&findings), ["public.orders.customer_id"]);
        assert_eq!(
            findings[0].message,
            "column public.orders.customer_id is named after table public.customers but refers to public.products"
        );
        assert_eq!(findings[0].evidence["suggested_name"], "product_id");
    }

    #[test]
    fn kin_subtypes_and_namesakes_are_no_other_table() {
        let mut shop =
            Shop::new(&["orders", "customers", "users", "members", "accounts", "user_accounts", "parents"]);
        // The customers are users.
        shop.sample.foreign_key(shop.tables["customers"], &["id"], shop.tables["users"], &["id"]);
        shop.refer("orders", "customer_id", "users");
        shop.refer("members", "user_id", "users");
        shop.refer("orders", "member_id", "users");
        shop.refer("orders", "account_id", "user_accounts");
        shop.refer("orders", "parent_id", "orders");
        let elsewhere = shop.sample.schema("auth");
        let namesake = shop.sample.table_in(elsewhere, "users");
        shop.sample.column(namesake, "id", builtin::INT8);
        shop.sample.column(shop.tables["accounts"], "user_id", builtin::INT8);
        shop.sample.foreign_key(shop.tables["accounts"], &["user_id"], namesake, &["id"]);
        assert_eq!(objects(&shop.judged()), [""; 0]);
    }

    #[test]
    fn bare_names_throughout_are_told_once() {
        let mut shop = Shop::new(&["release", "artist", "label", "area", "language"]);
        for column in ["artist", "label", "area", "language"] {
            shop.refer("release", column, column);
        }
        shop.refer("artist", "begin_area", "area");
        shop.refer("label", "area_id", "area");
        let findings = shop.judged();
        assert_eq!(objects(&findings), ["database", "public.label.area_id"]);
        assert_eq!(findings[1].evidence["suggested_name"], "area");
    }

    #[test]
    fn no_majority_is_told_once_and_few_are_judged_by_the_convention() {
        let mut shop = Shop::new(&["orders", "users"]);
        for column in ["a_id", "b_id", "c", "d", "e_uuid", "id_f"] {
            shop.refer("orders", column, "users");
        }
        assert_eq!(objects(&shop.judged()), ["database"]);
        let mut shop = Shop::new(&["orders", "users"]);
        shop.refer("orders", "buyer", "users");
        assert_eq!(objects(&shop.judged()), ["public.orders.buyer"]);
    }

    #[test]
    fn natural_and_composite_keys_are_left_alone_and_a_column_is_judged_once() {
        let mut shop = Shop::new(&["orders", "users"]);
        let countries = shop.sample.table("countries");
        shop.sample.column(countries, "code", builtin::TEXT);
        shop.sample.primary_key(countries, &["code"]);
        let orders = shop.tables["orders"];
        shop.sample.column(orders, "country", builtin::TEXT);
        shop.sample.foreign_key(orders, &["country"], countries, &["code"]);
        shop.refer("orders", "buyer", "users");
        shop.sample.foreign_key(orders, &["buyer"], shop.tables["users"], &["id"]);
        assert_eq!(objects(&shop.judged()), ["public.orders.buyer"]);
    }
}
