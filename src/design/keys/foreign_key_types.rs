//! Foreign keys whose type is not that of the key they refer to.

use rustc_hash::FxHashMap;

use crate::catalog::types::builtin;
use crate::catalog::{Column, ColumnNumber, LastValue, Oid, Snapshot, Type};
use crate::design::sequences::{fed_columns, judged_sequences, whole_number_range};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};
use crate::text::size::grouped;

use super::foreign_keys::{constraint_object, count_referring_columns, foreign_keys};

/// `schema.foreign_key_narrower_than_key`: a foreign key of a whole-number type narrower than its key's.
///
/// There is no fix: both sides of a foreign key change together, by expand and contract.
pub const FOREIGN_KEY_NARROWER_THAN_KEY: Rule = Rule {
    id: "schema.foreign_key_narrower_than_key",
    dimension: Dimension::Schema,
    severity: Severity::Warning,
    title: "Foreign key narrower than the key it refers to",
    why: "The key grows past what the foreign key can hold. From that row on nothing can refer to new rows, and the \
          sequence that everybody watches is far from its end.",
    thresholds: &[Threshold {
        name: "error_share",
        default: 0.5,
        range: (0.0, 1.0),
        meaning: "share of the foreign key's range that the referenced key has reached from which it is an error \
                  (half: the rest may go faster than a rewrite is planned)",
    }],
    reference: "https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-INT",
    check: check_narrower,
};

/// `schema.foreign_key_type_mismatch`: a foreign key of another type than its key, width aside.
///
/// Whole numbers of different widths have operators and index support in common, so that nothing is converted; and a
/// foreign key wider than its key is the first half of widening both.
pub const FOREIGN_KEY_TYPE_MISMATCH: Rule = Rule {
    id: "schema.foreign_key_type_mismatch",
    dimension: Dimension::Schema,
    severity: Severity::Warning,
    title: "Foreign key of another type than its key",
    why: "Every check and every join converts one side, and where the conversion falls on the indexed side the index \
          cannot be used.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK",
    check: check_mismatch,
};

/// One column of a foreign key with the column it refers to.
struct Pair<'a> {
    referring: (&'a Column, &'a Type),
    referenced: (&'a Column, &'a Type),
}

/// The column pairs of a foreign key whose types are known, domains seen through.
fn pairs<'a>(
    snapshot: &'a Snapshot,
    (table, columns): (Oid, &'a [ColumnNumber]),
    (target, target_columns): (Oid, &'a [ColumnNumber]),
) -> impl Iterator<Item = Pair<'a>> {
    let typed = move |table, number| {
        let column = snapshot.column(table, number)?;
        Some((column, snapshot.base_type(column.type_oid)?))
    };
    columns.iter().zip(target_columns).filter_map(move |(&from, &to)| {
        Some(Pair { referring: typed(table, from)?, referenced: typed(target, to)? })
    })
}

impl Pair<'_> {
    fn width(base: &Type) -> Option<u8> {
        match base.oid {
            builtin::INT2 => Some(2),
            builtin::INT4 => Some(4),
            builtin::INT8 => Some(8),
            _ => None,
        }
    }

    fn is_narrower(&self) -> bool {
        match (Self::width(self.referring.1), Self::width(self.referenced.1)) {
            (Some(own), Some(key)) => own < key,
            _ => false,
        }
    }

    fn is_mismatched(&self) -> bool {
        // Text and varchar are one type with two names to operators and indexes.
        let family = |base: &Type| if base.oid == builtin::VARCHAR { builtin::TEXT } else { base.oid };
        let are_whole = Self::width(self.referring.1).is_some() && Self::width(self.referenced.1).is_some();
        !are_whole && family(self.referring.1) != family(self.referenced.1)
    }

    /// `column type → column type`.
    fn describe(&self, snapshot: &Snapshot) -> String {
        format!(
            "{} {} → {} {}",
            self.referring.0.name,
            self.referring.1.name,
            snapshot.column_name(self.referenced.0),
            self.referenced.1.name
        )
    }
}

/// How far the generated keys have come, by their columns.
fn reached_keys(snapshot: &Snapshot) -> FxHashMap<(Oid, ColumnNumber), i64> {
    let mut reached = FxHashMap::default();
    for sequence in judged_sequences(snapshot) {
        let LastValue::At(last) = sequence.last_value else { continue };
        reached.extend(fed_columns(snapshot, sequence).into_iter().map(|column| (column, last)));
    }
    reached
}

fn check_narrower(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    verdicts.examine(count_referring_columns(facts));
    let reached = std::cell::OnceCell::new();
    for (table, constraint, key) in foreign_keys(facts) {
        let narrower: Vec<Pair<'_>> =
            pairs(snapshot, (table.oid, &constraint.columns), (key.table, &key.columns))
                .filter(Pair::is_narrower)
                .collect();
        let Some(first) = narrower.first() else { continue };
        let largest = whole_number_range(first.referring.1, -1).map_or(i64::MAX, |(_, greatest)| greatest);
        let referenced = (snapshot.root_of(key.table), first.referenced.0.number);
        let reached = reached.get_or_init(|| reached_keys(snapshot));
        let last = reached.get(&referenced).map(|last| last.unsigned_abs() as f64);
        // Without a sequence that can be read, the number of rows is the least that the key has reached.
        let at_least = last.or_else(|| snapshot.relation(key.table).and_then(|found| snapshot.rows(found)));
        let share = at_least.map(|value| value / largest as f64);
        let is_error = share.is_some_and(|share| share > verdicts.threshold("error_share"));
        let how_far = match share {
            Some(share) if share < 0.01 => "the key has used less than 1 % of that so far".to_owned(),
            Some(share) => format!("the key has used {:.0} % of that so far", share * 100.0),
            None => "how far the key has come is not known".to_owned(),
        };
        let message = format!(
            "foreign key {} holds values up to {}, less than the key {} ({}): {how_far}",
            constraint_object(snapshot, constraint),
            grouped(largest),
            snapshot.column_name(first.referenced.0),
            first.referenced.1.name,
        );
        let described: Vec<String> = narrower.iter().map(|pair| pair.describe(snapshot)).collect();
        let severity = if is_error { Severity::Error } else { Severity::Warning };
        verdicts.find(
            Finding::new(
                constraint_object(snapshot, constraint),
                snapshot.schema_name(table.schema),
                message,
            )
            .severity(severity)
            .evidence("columns", described)
            .evidence("limit", largest)
            .evidence("key_reached", at_least)
            .evidence("used_share", share),
        );
    }
}

fn check_mismatch(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let snapshot = facts.snapshot;
    verdicts.examine(count_referring_columns(facts));
    for (table, constraint, key) in foreign_keys(facts) {
        let mismatched: Vec<String> =
            pairs(snapshot, (table.oid, &constraint.columns), (key.table, &key.columns))
                .filter(Pair::is_mismatched)
                .map(|pair| pair.describe(snapshot))
                .collect();
        if mismatched.is_empty() {
            continue;
        }
        let object = constraint_object(snapshot, constraint);
        let message = format!(
            "foreign key {object} has another type than its key ({}): every check and join converts one side",
            mismatched.join(", ")
        );
        verdicts.find(
            Finding::new(object, snapshot.schema_name(table.schema), message).evidence("columns", mismatched),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};

    /// `lines.order_id` of one type refers to `orders.id` of another, whose sequence has come to `last`.
    fn judge(rule: &Rule, referring: Oid, referenced: Oid, last: LastValue) -> Vec<Finding> {
        let mut sample = Sample::new();
        let orders = sample.table("orders");
        sample.column(orders, "id", referenced);
        sample.primary_key(orders, &["id"]);
        let sequence = sample.serial(orders, "id", "orders_id_seq");
        sample.edit_sequence(sequence, |sequence| sequence.last_value = last);
        let lines = sample.keyed_table("lines");
        sample.column(lines, "order_id", referring);
        sample.foreign_key(lines, &["order_id"], orders, &["id"]);
        run(rule, &sample.finish()).0
    }

    #[test]
    fn narrower_is_worse_the_further_the_key_has_come() {
        for (last, severity) in [
            (LastValue::At(1_000), Severity::Warning),
            (LastValue::At(1_500_000_000), Severity::Error),
            (LastValue::NoPrivilege, Severity::Warning),
        ] {
            let is_small = last != LastValue::At(1_500_000_000);
            let found = judge(&FOREIGN_KEY_NARROWER_THAN_KEY, builtin::INT4, builtin::INT8, last);
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].severity, Some(severity));
            assert_eq!(found[0].evidence["limit"], i32::MAX);
            // Nothing is rounded to "0 %".
            assert_eq!(found[0].message.ends_with("the key has used less than 1 % of that so far"), is_small);
        }
        assert!(judge(&FOREIGN_KEY_TYPE_MISMATCH, builtin::INT4, builtin::INT8, LastValue::At(1)).is_empty());
    }

    #[test]
    fn equal_and_wider_keys_are_not_narrower() {
        for (referring, referenced) in
            [(builtin::INT8, builtin::INT8), (builtin::INT8, builtin::INT4), (builtin::UUID, builtin::UUID)]
        {
            let found =
                judge(&FOREIGN_KEY_NARROWER_THAN_KEY, referring, referenced, LastValue::At(2_000_000_000));
            assert!(found.is_empty(), "{found:?}");
        }
    }

    #[test]
    fn another_type_is_a_mismatch_and_varchar_for_text_is_none() {
        let mismatch = |referring, referenced| {
            judge(&FOREIGN_KEY_TYPE_MISMATCH, referring, referenced, LastValue::Untouched)
        };
        for (referring, referenced) in [
            (builtin::NUMERIC, builtin::INT8),
            (builtin::BPCHAR, builtin::TEXT),
            (builtin::DATE, builtin::TIMESTAMP),
        ] {
            assert_eq!(mismatch(referring, referenced).len(), 1);
        }
        for (referring, referenced) in [
            (builtin::VARCHAR, builtin::TEXT),
            (builtin::TEXT, builtin::TEXT),
            (builtin::UUID, builtin::UUID),
            // One operator family: `int8 = int4` uses the index of either side as it is.
            (builtin::INT8, builtin::INT4),
            (builtin::INT4, builtin::INT2),
        ] {
            assert!(mismatch(referring, referenced).is_empty());
        }
    }

    #[test]
    fn domains_and_lengths_are_seen_through_and_columns_paired_in_order() {
        let mut sample = Sample::new();
        let key = sample.domain("order_key", builtin::INT8);
        let orders = sample.table("orders");
        sample.column(orders, "id", key);
        sample.column(orders, "code", builtin::VARCHAR);
        sample.edit_column(orders, "code", |column| column.type_modifier = 14);
        sample.primary_key(orders, &["id", "code"]);
        let lines = sample.keyed_table("lines");
        sample.column(lines, "order_code", builtin::VARCHAR);
        sample.column(lines, "order_id", builtin::INT8);
        sample.foreign_key(lines, &["order_code", "order_id"], orders, &["code", "id"]);
        let snapshot = sample.finish();
        for rule in [&FOREIGN_KEY_TYPE_MISMATCH, &FOREIGN_KEY_NARROWER_THAN_KEY] {
            let (found, _, examined) = run(rule, &snapshot);
            assert!(found.is_empty(), "{found:?}");
            assert_eq!(examined, 1);
        }
    }
}
