//! NOT NULL and defaults of columns that are there.

use super::pieces::{alter_table, name_of, named_constraint, not_null_steps};
use super::words::{alteration, lock_name, new_constraint, stored, under};
use crate::catalog::ddl::{Alteration, ConstraintType};
use crate::finding::Severity;
use crate::migration::judge::rule::{Asked, DdlRule, Effect, Exempt, Found};
use crate::text::identifier::quote_identifier;

/// SET NOT NULL.
pub const SET_NOT_NULL: DdlRule = DdlRule {
    id: "ddl.set_not_null",
    severity: Severity::Error,
    title: "SET NOT NULL reads the whole table",
    why: "Every row is read under ACCESS EXCLUSIVE, unless a validated constraint says already that none is NULL.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-SET-DROP-NOT-NULL",
    exempt: Exempt::Small,
    check: set_not_null,
};

/// ADD CONSTRAINT … NOT NULL.
pub const ADD_NOT_NULL_CONSTRAINT: DdlRule = DdlRule {
    id: "ddl.add_not_null_constraint_valid",
    severity: Severity::Error,
    title: "A NOT NULL constraint is added and tested at once",
    why: "Every row is read under ACCESS EXCLUSIVE; NOT VALID and VALIDATE CONSTRAINT read them while others work.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/18/ddl-constraints.html#DDL-CONSTRAINTS-NOT-NULL",
    exempt: Exempt::Small,
    check: add_not_null_constraint,
};

/// DROP NOT NULL.
pub const DROP_NOT_NULL: DdlRule = DdlRule {
    id: "ddl.drop_not_null",
    severity: Severity::Warning,
    title: "A column may be NULL from now on",
    why: "Clients that were written for a column without NULL meet one; reports leave rows out of sums and joins.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-SET-DROP-NOT-NULL",
    exempt: Exempt::Private,
    check: drop_not_null,
};

/// SET DEFAULT.
pub const SET_DEFAULT: DdlRule = DdlRule {
    id: "ddl.set_default",
    severity: Severity::Info,
    title: "A column gets another default",
    why: "Clients that read the default once and write it out in each INSERT go on with the old one.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ddl-default.html",
    exempt: Exempt::Private,
    check: set_default,
};

/// DROP DEFAULT.
pub const DROP_DEFAULT: DdlRule = DdlRule {
    id: "ddl.drop_default",
    severity: Severity::Info,
    title: "A column loses its default",
    why: "Clients that leave the column out write NULL from now on, or fail where it is NOT NULL.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ddl-default.html",
    exempt: Exempt::Private,
    check: drop_default,
};

fn set_not_null(asked: &Asked<'_>) -> Option<Found> {
    let Alteration::SetNotNull(set) = alteration(asked)? else { return None };
    let table = stored(asked)?;
    if !set.is_there || set.is_already || set.implied_by.is_some() {
        return None;
    }
    let message = format!(
        "every row of {} is read {}, to look for NULL in {}",
        table.qualified(),
        under(asked),
        quote_identifier(&set.column)
    );
    let mut found = Found::new(Effect::Scan, message);
    found.safe =
        not_null_steps(table, &set.column, asked.session.server_version, set.would_be_implied_by.as_deref());
    Some(found.note("each step in a transaction of its own"))
}

fn add_not_null_constraint(asked: &Asked<'_>) -> Option<Found> {
    let (table, added) = new_constraint(asked, ConstraintType::NotNull)?;
    if added.is_not_valid || added.implied_by.is_some() || added.nullable_columns.is_empty() {
        return None;
    }
    let column = &added.nullable_columns[0];
    let message = format!(
        "every row of {} is read {}, to look for NULL in {}",
        table.qualified(),
        under(asked),
        quote_identifier(column)
    );
    let mut found = Found::new(Effect::Scan, message);
    if asked.action.text.is_empty() {
        found.safe = not_null_steps(table, column, 180_000, None);
        return Some(found);
    }
    let name = match added.name.as_str() {
        "" => name_of(&[&table.name, column, "not_null"]),
        name => name.to_owned(),
    };
    let add = format!("{} NOT VALID", named_constraint(&asked.action.text, &name));
    let validate = format!("VALIDATE CONSTRAINT {}", quote_identifier(&name));
    Some(
        found
            .safe(alter_table(&table.qualified(), &add))
            .safe(alter_table(&table.qualified(), &validate))
            .note("each step in a transaction of its own"),
    )
}

fn drop_not_null(asked: &Asked<'_>) -> Option<Found> {
    let Alteration::DropNotNull { column } = alteration(asked)? else { return None };
    let table = stored(asked)?;
    let message = format!(
        "{} of {} may be NULL from now on: whoever reads it has to be ready for that",
        quote_identifier(column),
        table.qualified()
    );
    Some(Found::new(Effect::Breaks, message).note("deploy the application that copes with NULL first"))
}

fn set_default(asked: &Asked<'_>) -> Option<Found> {
    let Alteration::ColumnDefault { column, expression: Some(_) } = alteration(asked)? else { return None };
    let table = stored(asked)?;
    let message = format!(
        "{} of {} gets another default under {}: rows that are there stay, and clients that write the old default out \
         go on with it",
        quote_identifier(column),
        table.qualified(),
        lock_name(asked)
    );
    Some(Found::new(Effect::Breaks, message))
}

fn drop_default(asked: &Asked<'_>) -> Option<Found> {
    let Alteration::ColumnDefault { column, expression: None } = alteration(asked)? else { return None };
    let table = stored(asked)?;
    let message = format!(
        "{} of {} loses its default: an INSERT that leaves it out writes NULL",
        quote_identifier(column),
        table.qualified()
    );
    Some(Found::new(Effect::Breaks, message).note("deploy the application that writes the column first"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::LockMode;
    use crate::catalog::ddl::{AddConstraint, SetNotNull};
    use crate::migration::judge::sample::{Case, empty_table, new_table};

    fn set(change: impl FnOnce(&mut SetNotNull)) -> Case {
        let mut facts = SetNotNull { column: "city".into(), is_there: true, ..SetNotNull::default() };
        change(&mut facts);
        Case::alter(Alteration::SetNotNull(facts))
    }

    #[test]
    fn not_null_reads_every_row() {
        let found = set(|_| ()).fires(SET_NOT_NULL.id);
        assert_eq!(
            found.message,
            "every row of public.acct is read under ACCESS EXCLUSIVE: readers and writers wait, to look for NULL in city"
        );
        assert_eq!(found.safe.len(), 4);
        assert_eq!(set(|_| ()).version(180_000).fires(SET_NOT_NULL.id).safe.len(), 2);
    }

    #[test]
    fn a_constraint_that_only_awaits_validation_is_used() {
        let found = set(|set| set.would_be_implied_by = Some("city_nn".into())).fires(SET_NOT_NULL.id);
        assert_eq!(
            found.safe,
            [
                "ALTER TABLE public.acct VALIDATE CONSTRAINT city_nn",
                "ALTER TABLE public.acct ALTER COLUMN city SET NOT NULL",
            ]
        );
    }

    #[test]
    fn what_is_proven_or_so_already_is_not_read() {
        set(|set| set.implied_by = Some("city_nn".into())).is_silent(SET_NOT_NULL.id);
        set(|set| set.is_already = true).is_silent(SET_NOT_NULL.id);
        set(|set| set.is_there = false).is_silent(SET_NOT_NULL.id);
        for table in [new_table("acct"), empty_table("acct")] {
            set(|_| ()).on(table, LockMode::AccessExclusive).is_silent(SET_NOT_NULL.id);
        }
    }

    #[test]
    fn a_not_null_constraint_is_added_in_two_steps() {
        let add = |is_not_valid, text: &str| {
            Case::alter(Alteration::AddConstraint(AddConstraint {
                constraint_type: ConstraintType::NotNull,
                columns: vec!["city".into()],
                nullable_columns: vec!["city".into()],
                is_not_valid,
                ..AddConstraint::default()
            }))
            .text(text, "")
            .version(180_000)
        };
        assert_eq!(
            add(false, "ADD NOT NULL city").fires(ADD_NOT_NULL_CONSTRAINT.id).safe,
            [
                "ALTER TABLE public.acct ADD CONSTRAINT acct_city_not_null NOT NULL city NOT VALID",
                "ALTER TABLE public.acct VALIDATE CONSTRAINT acct_city_not_null",
            ]
        );
        assert_eq!(add(false, "").fires(ADD_NOT_NULL_CONSTRAINT.id).safe.len(), 2);
        add(true, "").is_silent(ADD_NOT_NULL_CONSTRAINT.id);
    }

    #[test]
    fn clients_are_told_of_null_and_defaults() {
        let case = |alteration| Case::alter(alteration);
        let drop = Alteration::DropNotNull { column: "city".into() };
        case(drop.clone()).fires(DROP_NOT_NULL.id);
        case(drop).on(new_table("acct"), LockMode::AccessExclusive).is_silent(DROP_NOT_NULL.id);
        let default = |expression: Option<&str>| Alteration::ColumnDefault {
            column: "city".into(),
            expression: expression.map(str::to_owned),
        };
        case(default(Some("'x'"))).fires(SET_DEFAULT.id);
        case(default(Some("'x'"))).is_silent(DROP_DEFAULT.id);
        case(default(None)).fires(DROP_DEFAULT.id);
        case(default(None)).is_silent(SET_DEFAULT.id);
    }
}
