//! Names of primary key columns.

use super::foreign_key::TablesBySingular;
use super::style::{Kind, Named, THRESHOLDS, judge};
use super::suggestion::Suggestions;
use crate::catalog::types::builtin;
use crate::catalog::{Column, Relation, Snapshot};
use crate::change::names::census::{Convention, Style, UNSTYLED};
use crate::design::designed::designed_tables_with_columns;
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};
use crate::text::english;
use crate::text::words::{last_word, snake_case};

/// A surrogate key has an unexpected name.
pub const PRIMARY_KEY_NAME: Rule = Rule {
    id: "schema.primary_key_name",
    dimension: Dimension::Schema,
    severity: Severity::Info,
    title: "Primary key column is named neither id nor after its table",
    why: "Joins are written from memory: a key that is called neither id nor {table_singular}_id has to be looked up \
          each time, and frameworks need to be told.",
    thresholds: THRESHOLDS,
    reference: "https://guides.rubyonrails.org/active_record_basics.html#schema-conventions",
    check,
};

const ID: Style = "id";
const TABLE_ID: Style = "{table_singular}_id";
const TABLE_GLUED_ID: Style = "{table_singular}id";
const UUID: Style = "uuid";
const TABLE_UUID: Style = "{table_singular}_uuid";

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    let tables = TablesBySingular::new(snapshot);
    let mut examined = 0;
    let mut names = Vec::new();
    for (table, columns) in designed_tables_with_columns(facts) {
        examined += 1;
        let Some(column) = surrogate_key(snapshot, table, columns) else { continue };
        let style = style_of(&column.name, &table.name);
        // Named after another table, it is that table's key, whether or not a foreign key says so.
        if style == UNSTYLED && tables.names_another(&column.name, table) {
            continue;
        }
        names.push(Named { style, name: &column.name, subject: (table, column) });
    }
    let suggestions = Suggestions::new(snapshot);
    let convention = Convention { house: &[ID, TABLE_ID], tolerated: &[] };
    let kind = Kind { what: "primary key columns", convention };
    judge(verdicts, &kind, examined, &names, |named, lesson| {
        let (table, column) = named.subject;
        let object = snapshot.column_name(column);
        let expected = if lesson.expected == ID { "id or {table_singular}_id" } else { lesson.expected };
        let message = format!("primary key column {object} is not named {expected}, {}", lesson.reason());
        let finding = Finding::new(object, snapshot.schema_name(table.schema), message);
        let suggested = (lesson.expected == ID).then(|| ID.to_owned());
        Some(suggestions.column(finding, table.oid, suggested))
    });
}

/// The key column, if the key is one column whose values mean nothing: a natural key is named after what it holds, and
/// a key that refers to another table is named as a foreign key.
fn surrogate_key<'a>(snapshot: &Snapshot, table: &Relation, columns: &'a [Column]) -> Option<&'a Column> {
    let key = snapshot.primary_key_of(table.oid)?;
    let &[number] = &*key.columns else { return None };
    let column = columns.iter().find(|column| column.number == number)?;
    let is_generated = column.identity.is_some() || column.has_default;
    // A UUID without default may have come from the application as a key, or from elsewhere as a fact.
    let is_surrogate = match snapshot.base_type(column.type_oid)?.oid {
        builtin::UUID | builtin::INT2 | builtin::INT4 | builtin::INT8 => is_generated,
        _ => false,
    } || snake_case(&column.name) == ID;
    let refers = snapshot.foreign_keys_of(table.oid).any(|foreign| foreign.columns.contains(&number));
    (is_surrogate && !refers && !column.is_inherited).then_some(column)
}

fn style_of(column: &str, table: &str) -> Style {
    let (column, table) = (snake_case(column), snake_case(table));
    if column == ID {
        return ID;
    }
    if matches!(&*column, "uuid" | "guid") {
        return UUID;
    }
    for (suffix, style) in
        [("_id", TABLE_ID), ("_uuid", TABLE_UUID), ("_guid", TABLE_UUID), ("id", TABLE_GLUED_ID)]
    {
        if let Some(base) = column.strip_suffix(suffix)
            && (is_named_after(base, &table) || is_part(base, &table))
        {
            return style;
        }
    }
    UNSTYLED
}

/// Whether `base` is the beginning or the end of the table's name: `territory` of `salesterritory`.
fn is_part(base: &str, table: &str) -> bool {
    base.len() >= 4 && (table.starts_with(base) || table.ends_with(base))
}

/// Whether `base` is the table's name in the singular, with or without the words in front that say what it is part of:
/// `contact` of `crm_contacts`.
pub fn is_named_after(base: &str, table: &str) -> bool {
    let word = last_word(table);
    let before = &table[..table.len() - word.len()];
    english::singular_forms(word).iter().any(|form| {
        // The words before it count from any of their beginnings on.
        base.strip_suffix(form.as_str()).is_some_and(|rest| {
            rest.is_empty()
                || before
                    .strip_suffix(rest)
                    .is_some_and(|further| further.is_empty() || further.ends_with('_'))
                || before.split('_').map(english::singular).collect::<Vec<_>>().join("_") == rest
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::{Identity, Oid};

    fn keyed(sample: &mut Sample, table: &str, column: &str) -> Oid {
        let oid = sample.table(table);
        sample.column(oid, column, builtin::INT8);
        sample.edit_column(oid, column, |column| column.identity = Some(Identity::Always));
        sample.primary_key(oid, &[column]);
        oid
    }

    fn judged(keys: &[(&str, &str)]) -> Vec<String> {
        let mut sample = Sample::new();
        for (table, column) in keys {
            keyed(&mut sample, table, column);
        }
        run(&PRIMARY_KEY_NAME, &sample.finish()).0.into_iter().map(|finding| finding.object).collect()
    }

    #[test]
    fn both_names_of_the_convention_are_right() {
        assert_eq!(
            judged(&[
                ("orders", "id"),
                ("customers", "customer_id"),
                ("order_items", "order_item_id"),
                ("statuses", "status_id"),
                ("analyses", "analysis_id"),
                ("people", "person_id"),
                ("crm_contacts", "contact_id"),
                ("film", "film_id"),
                ("users_roles", "user_role_id"),
                ("Invoices", "InvoiceId"),
                ("data", "data_id"),
                ("sales_territory", "territory_id"),
                ("order_header", "order_id"),
                ("descendants", "person_id"),
            ]),
            [""; 0]
        );
    }

    #[test]
    fn any_other_is_an_outlier() {
        let keys = [("a", "id"), ("b", "id"), ("c", "id"), ("customers", "cust_no"), ("orders", "buyer_id")];
        assert_eq!(judged(&keys), ["public.customers.cust_no", "public.orders.buyer_id"]);
    }

    #[test]
    fn another_name_throughout_is_told_once() {
        let glued = [
            ("product", "productid"),
            ("address", "addressid"),
            ("vendors", "vendorid"),
            ("document", "documentid"),
            ("shift", "shiftid"),
        ];
        assert_eq!(judged(&glued), ["database"]);
        let uuids: Vec<(&str, &str)> =
            glued.iter().map(|(table, _)| (*table, "uuid")).chain([("x", "id")]).collect();
        assert_eq!(judged(&uuids), ["database", "public.x.id"]);
    }

    #[test]
    fn no_majority_is_told_once() {
        let keys = [("a", "id"), ("b", "id"), ("c", "nr"), ("d", "no"), ("e", "uuid"), ("f", "pk")];
        assert_eq!(judged(&keys), ["database"]);
    }

    #[test]
    fn natural_shared_and_composite_keys_are_left_alone() {
        let mut sample = Sample::new();
        let redirects = sample.table("redirects");
        sample.column(redirects, "gid", builtin::UUID);
        sample.primary_key(redirects, &["gid"]);
        let users = keyed(&mut sample, "users", "id");
        let countries = sample.table("countries");
        sample.column(countries, "code", builtin::TEXT);
        sample.primary_key(countries, &["code"]);
        let years = sample.table("years");
        sample.column(years, "year", builtin::INT4);
        sample.primary_key(years, &["year"]);
        let profiles = sample.table("profiles");
        sample.column(profiles, "owner", builtin::UUID);
        sample.primary_key(profiles, &["owner"]);
        sample.foreign_key(profiles, &["owner"], users, &["id"]);
        let join = sample.table("users_roles");
        sample.column(join, "user_ref", builtin::UUID);
        sample.column(join, "role_ref", builtin::UUID);
        sample.primary_key(join, &["user_ref", "role_ref"]);
        let (findings, _, examined) = run(&PRIMARY_KEY_NAME, &sample.finish());
        assert!(findings.is_empty(), "{findings:?}");
        assert_eq!(examined, 6);
    }
}
