//! Enums: values come easily and never go.

use crate::catalog::ddl::Kind;
use crate::finding::Severity;
use crate::migration::judge::rule::{Asked, DdlRule, Effect, Exempt, Found};
use crate::text::identifier::quote_literal;

const MANUAL: &str = "https://www.postgresql.org/docs/current/sql-altertype.html#SQL-ALTERTYPE-NOTES";

/// ADD VALUE in a transaction block.
pub const IN_TRANSACTION: DdlRule = DdlRule {
    id: "ddl.enum_add_value_in_transaction",
    severity: Severity::Warning,
    title: "A value is added to an enum inside of a transaction",
    why: "The transaction cannot use the new value: the first statement that does fails, and all is rolled back.",
    thresholds: &[],
    reference: MANUAL,
    exempt: Exempt::Nothing,
    check: in_transaction,
};

/// ADD VALUE without BEFORE or AFTER.
pub const WITHOUT_ORDER: DdlRule = DdlRule {
    id: "ddl.enum_add_value_without_order",
    severity: Severity::Info,
    title: "A value is added to an enum without BEFORE or AFTER",
    why: "It sorts behind all others, and comparisons and ORDER BY follow that; the order cannot be changed later.",
    thresholds: &[],
    reference: MANUAL,
    exempt: Exempt::Nothing,
    check: without_order,
};

/// CREATE TYPE … AS ENUM.
pub const CREATE: DdlRule = DdlRule {
    id: "ddl.create_enum",
    severity: Severity::Info,
    title: "An enum is created",
    why: "A value can be added and renamed, but never removed; a look-up table or a CHECK constraint can lose one.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/datatype-enum.html",
    exempt: Exempt::Nothing,
    check: create,
};

fn in_transaction(asked: &Asked<'_>) -> Option<Found> {
    let Kind::AddEnumValue { name, value, is_there: false, .. } = &asked.action.kind else { return None };
    let is_alone = !asked.session.is_in_transaction_block && !asked.statement.is_nested;
    if is_alone || asked.action.missing.is_some() {
        return None;
    }
    let message = format!(
        "{} of the enum {name} cannot be used in the transaction that adds it: a statement that does fails",
        quote_literal(value)
    );
    let found = Found::new(Effect::Fails, message)
        .note("in a transaction of its own, before the one that uses the value");
    let text = &asked.statement.text;
    Some(if text.is_empty() { found } else { found.safe(text) })
}

fn without_order(asked: &Asked<'_>) -> Option<Found> {
    let Kind::AddEnumValue { name, value, is_there: false, has_position: false, .. } = &asked.action.kind
    else {
        return None;
    };
    let message = format!("{} sorts behind every other value of the enum {name}", quote_literal(value));
    Some(Found::new(Effect::Style, message).note("BEFORE or AFTER another value says where it belongs"))
}

fn create(asked: &Asked<'_>) -> Option<Found> {
    let Kind::CreateEnum { name } = &asked.action.kind else { return None };
    Some(Found::new(
        Effect::Style,
        format!("values of the enum {name} can be added and renamed, but never removed"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::judge::sample::Case;

    fn add(has_position: bool, is_there: bool) -> Case {
        Case::new(Kind::AddEnumValue {
            type_oid: Some(77),
            name: "public.mood".into(),
            value: "great".into(),
            has_position,
            is_there,
        })
    }

    #[test]
    fn the_value_is_unusable_until_commit() {
        add(true, false).in_block().fires(IN_TRANSACTION.id);
        add(true, false).is_silent(IN_TRANSACTION.id);
        add(true, true).in_block().is_silent(IN_TRANSACTION.id);
    }

    #[test]
    fn a_place_is_asked_for() {
        add(false, false).fires(WITHOUT_ORDER.id);
        add(true, false).is_silent(WITHOUT_ORDER.id);
    }

    #[test]
    fn an_enum_never_loses_a_value() {
        Case::new(Kind::CreateEnum { name: "public.mood".into() }).fires(CREATE.id);
        add(true, false).is_silent(CREATE.id);
    }
}
