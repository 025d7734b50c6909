//! Domains: each constraint is tested on every table that uses them.

use super::words::{few, largest_locked, under_mode};
use crate::catalog::LockMode;
use crate::catalog::ddl::{DomainChange, Kind, Touched};
use crate::finding::Severity;
use crate::migration::judge::rule::{Asked, DdlRule, Effect, Exempt, Found};

const MANUAL: &str = "https://www.postgresql.org/docs/current/sql-alterdomain.html";

/// ADD CONSTRAINT.
pub const ADD_CONSTRAINT: DdlRule = DdlRule {
    id: "ddl.alter_domain_add_constraint",
    severity: Severity::Error,
    title: "A domain in use gets a constraint that is tested at once",
    why: "Every table with a column of the domain is read while it is held in SHARE: nobody writes to any of them.",
    thresholds: &[],
    reference: MANUAL,
    exempt: Exempt::Small,
    check: add_constraint,
};

/// VALIDATE CONSTRAINT.
pub const VALIDATE: DdlRule = DdlRule {
    id: "ddl.alter_domain_validate",
    severity: Severity::Error,
    title: "A constraint of a domain in use is validated",
    why: "Unlike that of a table it blocks writers: every table with a column of the domain is read while it is held in SHARE.",
    thresholds: &[],
    reference: MANUAL,
    exempt: Exempt::Small,
    check: validate,
};

/// SET NOT NULL.
pub const NOT_NULL: DdlRule = DdlRule {
    id: "ddl.alter_domain_not_null",
    severity: Severity::Error,
    title: "A domain in use becomes NOT NULL",
    why: "Every table with a column of the domain is read while it is held in SHARE, and there is no NOT VALID for it.",
    thresholds: &[],
    reference: MANUAL,
    exempt: Exempt::Small,
    check: not_null,
};

/// CREATE DOMAIN with constraints.
pub const CREATE: DdlRule = DdlRule {
    id: "ddl.create_domain_with_constraint",
    severity: Severity::Info,
    title: "A domain is created with constraints",
    why: "Each later change of them reads every table that uses it, and a column of it writes the table anew when it is added.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-createdomain.html",
    exempt: Exempt::Nothing,
    check: create,
};

fn change<'a>(asked: &Asked<'a>) -> Option<(&'a str, &'a DomainChange)> {
    match &asked.action.kind {
        Kind::Domain { name, change } => Some((name, change)),
        _ => None,
    }
}

/// Every table that is read, as one finding; `None` where nobody uses the domain.
fn scanned(asked: &Asked<'_>, because: &str) -> Option<Found> {
    let victim = largest_locked(asked)?;
    let names: Vec<String> = asked.action.locks.iter().map(|lock| lock.relation.qualified()).collect();
    let mode = asked.action.locks.iter().map(|lock| lock.mode).max().unwrap_or(LockMode::Share);
    let message = format!("every row of {} is read {}, {because}", few(&names), under_mode(mode));
    let mut found = Found::new(Effect::Scan, message);
    found.lock = Some(mode);
    found.victim = Some(Touched::clone(victim));
    Some(found)
}

fn add_constraint(asked: &Asked<'_>) -> Option<Found> {
    let (name, DomainChange::AddConstraint { is_not_valid: false }) = change(asked)? else { return None };
    let found = scanned(asked, &format!("to test the new constraint of the domain {name}"))?;
    let text = &asked.statement.text;
    let found = if text.is_empty() { found } else { found.safe(format!("{text} NOT VALID")) };
    Some(found.note(
        "NOT VALID holds for new rows only; VALIDATE CONSTRAINT blocks writers, too, so leave it for a quiet hour",
    ))
}

fn validate(asked: &Asked<'_>) -> Option<Found> {
    let (name, DomainChange::ValidateConstraint { is_already: false }) = change(asked)? else { return None };
    let found = scanned(asked, &format!("to test a constraint of the domain {name}"))?;
    Some(found.note(
        "do it in a quiet hour, or give each table a CHECK constraint that says the same, NOT VALID, which VALIDATE \
         CONSTRAINT reads while others write",
    ))
}

fn not_null(asked: &Asked<'_>) -> Option<Found> {
    let (name, DomainChange::SetNotNull) = change(asked)? else { return None };
    let found = scanned(asked, &format!("to look for NULL in columns of the domain {name}"))?;
    Some(
        found
            .safe(format!("ALTER DOMAIN {name} ADD CHECK (VALUE IS NOT NULL) NOT VALID"))
            .note("or make the columns NOT NULL, table by table, which can be done while others write"),
    )
}

fn create(asked: &Asked<'_>) -> Option<Found> {
    let (name, DomainChange::Create { has_constraints: true }) = change(asked)? else { return None };
    let message = format!("the domain {name} has constraints, which are hard to change once tables use it");
    Some(
        Found::new(Effect::Style, message)
            .note("CHECK constraints of the tables can be changed one by one, NOT VALID first"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::judge::sample::{Case, empty_table, table};

    fn domain(change: DomainChange) -> Case {
        Case::new(Kind::Domain { name: "public.posint".into(), change })
    }

    fn used(change: DomainChange) -> Case {
        domain(change).locks(table("usesdom"), LockMode::Share)
    }

    #[test]
    fn a_constraint_reads_every_table() {
        let add = |is_not_valid| DomainChange::AddConstraint { is_not_valid };
        let text = "ALTER DOMAIN posint ADD CONSTRAINT pos CHECK (VALUE > 0)";
        let found = used(add(false)).text(text, text).fires(ADD_CONSTRAINT.id);
        assert_eq!(
            found.message,
            "every row of public.usesdom is read under SHARE: writers wait, to test the new constraint of the domain \
             public.posint"
        );
        assert_eq!(found.safe, ["ALTER DOMAIN posint ADD CONSTRAINT pos CHECK (VALUE > 0) NOT VALID"]);
        used(add(true)).is_silent(ADD_CONSTRAINT.id);
        domain(add(false)).is_silent(ADD_CONSTRAINT.id);
        domain(add(false)).locks(empty_table("usesdom"), LockMode::Share).is_silent(ADD_CONSTRAINT.id);
    }

    #[test]
    fn validation_blocks_writers() {
        let validate = |is_already| DomainChange::ValidateConstraint { is_already };
        assert_eq!(used(validate(false)).fires(VALIDATE.id).victim, Some(table("usesdom")));
        used(validate(false)).is_silent(ADD_CONSTRAINT.id);
        used(validate(true)).is_silent(VALIDATE.id);
    }

    #[test]
    fn not_null_reads_every_table() {
        used(DomainChange::SetNotNull).fires(NOT_NULL.id);
        used(DomainChange::Other).is_silent(NOT_NULL.id);
    }

    #[test]
    fn a_plain_domain_is_fine() {
        domain(DomainChange::Create { has_constraints: true }).fires(CREATE.id);
        domain(DomainChange::Create { has_constraints: false }).is_silent(CREATE.id);
    }
}
