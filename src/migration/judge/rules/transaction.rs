//! What a transaction must not do, or not together.

use super::pieces::alter_table;
use super::words::{alteration, stored, who_waits};
use super::work::work;
use crate::catalog::LockMode;
use crate::catalog::ddl::{Alteration, DroppedKind, HeldLock, Kind, Touched};
use crate::finding::{Severity, Threshold};
use crate::migration::judge::rule::{Asked, DdlRule, Effect, Exempt, Found};
use crate::text::identifier::quote_identifier;

const LOCKING: &str = "https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES";

/// CONCURRENTLY in a transaction block.
pub const CONCURRENTLY: DdlRule = DdlRule {
    id: "ddl.concurrently_in_transaction",
    severity: Severity::Error,
    title: "CONCURRENTLY inside of a transaction block",
    why: "The server refuses it: it needs several transactions of its own.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY",
    exempt: Exempt::Nothing,
    check: concurrently,
};

/// VALIDATE in the transaction that added the constraint.
pub const VALIDATE: DdlRule = DdlRule {
    id: "ddl.validate_in_same_transaction",
    severity: Severity::Error,
    title: "A constraint is validated in the transaction that added it",
    why: "The strong lock of the first statement is kept until COMMIT, so that all rows are read under it: NOT VALID wins nothing.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES",
    exempt: Exempt::Small,
    check: validate,
};

/// Anything under ACCESS EXCLUSIVE.
pub const WHILE_HOLDING: DdlRule = DdlRule {
    id: "ddl.statement_while_holding_access_exclusive",
    severity: Severity::Warning,
    title: "More is done while a table is held in ACCESS EXCLUSIVE",
    why: "Nobody reads or writes that table until COMMIT: each further statement of the transaction makes them wait longer.",
    thresholds: &[],
    reference: LOCKING,
    exempt: Exempt::Nothing,
    check: while_holding,
};

/// A second table under ACCESS EXCLUSIVE.
pub const SEVERAL_TABLES: DdlRule = DdlRule {
    id: "ddl.multi_table_access_exclusive",
    severity: Severity::Warning,
    title: "Several tables are held in ACCESS EXCLUSIVE at a time",
    why: "The readers of one wait for the lock on the other; a session that takes them in another order ends in a deadlock.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-DEADLOCKS",
    exempt: Exempt::Nothing,
    check: several_tables,
};

/// A rewrite beside other locks.
pub const REWRITE_WHILE_HOLDING: DdlRule = DdlRule {
    id: "ddl.rewrite_while_holding_other_locks",
    severity: Severity::Warning,
    title: "A table is written anew while others are locked",
    why: "The rewrite takes long, and those who wait for the other tables wait as long.",
    thresholds: &[],
    reference: LOCKING,
    exempt: Exempt::Small,
    check: rewrite_while_holding,
};

/// The same table twice.
pub const TWICE: DdlRule = DdlRule {
    id: "ddl.multiple_alter_table_same_target",
    severity: Severity::Warning,
    title: "A table is altered again in the same transaction",
    why: "Each ALTER TABLE reads or writes the rows by itself; one statement with several sub-commands goes through them once.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-altertable.html",
    exempt: Exempt::Private,
    check: twice,
};

/// Rows beside DDL.
pub const WITH_ROWS: DdlRule = DdlRule {
    id: "ddl.ddl_and_dml_in_one_transaction",
    severity: Severity::Warning,
    title: "Rows are written in the transaction of a strong lock",
    why: "The time that the rows take is time for which the table is locked; behind them the lock waits for others with row locks in hand.",
    thresholds: &[Threshold {
        name: "rows",
        default: 100.0,
        range: (1.0, 1e12),
        meaning: "rows written by the transaction from which on it is told; a migration tool notes its own version in one",
    }],
    reference: LOCKING,
    exempt: Exempt::Private,
    check: with_rows,
};

fn concurrently(asked: &Asked<'_>) -> Option<Found> {
    let what = match &asked.action.kind {
        Kind::CreateIndex(index) if index.is_concurrent => "CREATE INDEX CONCURRENTLY",
        Kind::Drop(dropped) if dropped.is_concurrent && dropped.kind == DroppedKind::Index => {
            "DROP INDEX CONCURRENTLY"
        }
        Kind::Reindex { is_concurrent: true, .. } => "REINDEX CONCURRENTLY",
        Kind::Alter(Alteration::DetachPartition { is_concurrent: true, .. }) => {
            "DETACH PARTITION CONCURRENTLY"
        }
        _ => return None,
    };
    let place = if asked.session.is_in_transaction_block {
        "a transaction block"
    } else if asked.statement.is_nested {
        "a function or a DO block"
    } else {
        return None;
    };
    let found = Found::new(Effect::Fails, format!("{what} fails inside of {place}"));
    let text = &asked.statement.text;
    let found =
        if text.is_empty() || !asked.session.is_in_transaction_block { found } else { found.safe(text) };
    Some(found.note(
        "as a statement of its own, outside of BEGIN and COMMIT; migration tools have a switch for that",
    ))
}

fn validate(asked: &Asked<'_>) -> Option<Found> {
    let Alteration::ValidateConstraint(validated) = alteration(asked)? else { return None };
    let table = stored(asked)?;
    if validated.is_already {
        return None;
    }
    let is_of_session =
        asked.session.added_not_valid.iter().any(|(oid, name)| *oid == table.oid && *name == validated.name);
    let is_of_statement = asked.statement.actions.iter().any(|action| {
        matches!(&action.kind, Kind::Alter(Alteration::AddConstraint(added))
            if added.is_not_valid && added.name == validated.name)
    });
    if !is_of_session && !is_of_statement {
        return None;
    }
    let mode = asked
        .session
        .held
        .iter()
        .filter(|held| held.relation == table.oid)
        .map(|held| held.mode)
        .chain(asked.action.lock_mode())
        .max()
        .unwrap_or(LockMode::AccessExclusive);
    let (qualified, name) = (table.qualified(), quote_identifier(&validated.name));
    let message = format!(
        "every row of {qualified} is read for {name} while the lock of its ADD CONSTRAINT is still held, {}: {}",
        mode.name(),
        who_waits(mode)
    );
    let mut found = Found::new(Effect::Scan, message);
    found.lock = Some(mode);
    Some(
        found
            .safe("COMMIT")
            .safe(alter_table(&qualified, &format!("VALIDATE CONSTRAINT {name}")))
            .note("VALIDATE CONSTRAINT in a transaction of its own lets others write"),
    )
}

/// Whether what is held may be partitions of the target, which were locked together with it.
fn may_hold_partitions(asked: &Asked<'_>, target: &Touched) -> bool {
    target.partitions > 0 && asked.session.held.iter().any(|held| held.relation == target.oid)
}

/// What the transaction holds in ACCESS EXCLUSIVE.
fn held<'a>(asked: &Asked<'a>) -> impl Iterator<Item = &'a HeldLock> {
    asked.session.held.iter().filter(|held| held.mode == LockMode::AccessExclusive)
}

fn while_holding(asked: &Asked<'_>) -> Option<Found> {
    let first = held(asked).next()?;
    let message =
        format!("{} is held in ACCESS EXCLUSIVE by this transaction while this is done", first.name);
    let mut found = Found::new(Effect::Lock, message).note(
        "COMMIT between the statements, or put the sub-commands into one ALTER TABLE; do what takes the strong lock last",
    );
    // What is instant makes nobody wait for long.
    if work(asked).is_none() && !matches!(asked.action.kind, Kind::Write(_)) {
        found.severity = Some(Severity::Info);
    }
    found.lock = Some(LockMode::AccessExclusive);
    Some(found)
}

fn several_tables(asked: &Asked<'_>) -> Option<Found> {
    let exclusive = |relation: &Touched| {
        asked
            .action
            .locks
            .iter()
            .any(|lock| lock.relation.oid == relation.oid && lock.mode == LockMode::AccessExclusive)
    };
    let target = asked.target().filter(|target| !target.is_private() && exclusive(target))?;
    let is_of_action =
        |held: &HeldLock| asked.action.locks.iter().any(|lock| lock.relation.oid == held.relation);
    let parent = target.partitioned_parent();
    let other = held(asked).find(|held| {
        !is_of_action(held) && parent.as_ref() != Some(&held.name) && !may_hold_partitions(asked, target)
    });
    let place = asked.statement.actions.iter().position(|action| std::ptr::eq(action, asked.action))?;
    let other_name = match other {
        Some(held) => held.name.clone(),
        None => asked.statement.actions[..place].iter().rev().find_map(|action| {
            let other = action.target.as_ref()?;
            let is_exclusive = action.lock_mode() == Some(LockMode::AccessExclusive);
            (is_exclusive && other.oid != target.oid && !other.is_private()).then(|| other.qualified())
        })?,
    };
    let message = format!(
        "{other_name} and {} are both held in ACCESS EXCLUSIVE until the transaction ends",
        target.qualified()
    );
    Some(Found::new(Effect::Lock, message).note("one table a transaction"))
}

fn rewrite_while_holding(asked: &Asked<'_>) -> Option<Found> {
    let table = asked.target()?;
    let other = asked.session.held.iter().find(|held| {
        held.mode.blocks_writes() && !asked.action.locks.iter().any(|lock| lock.relation.oid == held.relation)
    })?;
    if may_hold_partitions(asked, table) || work(asked) != Some(Effect::Rewrite) {
        return None;
    }
    let message = format!(
        "{} is written anew while {} is held in {}: {} there, too, until that is done",
        table.qualified(),
        other.name,
        other.mode.name(),
        who_waits(other.mode)
    );
    let mut found = Found::new(Effect::Lock, message).note("COMMIT before the rewrite");
    found.lock = Some(other.mode);
    Some(found)
}

fn twice(asked: &Asked<'_>) -> Option<Found> {
    alteration(asked)?;
    let table = asked.target()?;
    if !asked.session.altered.contains(&table.oid) {
        return None;
    }
    let message = format!("{} was altered before in this transaction", table.qualified());
    let mut found = Found::new(Effect::Lock, message)
        .note("put the sub-commands into one ALTER TABLE: the rows are then read or written once");
    if work(asked).is_none() {
        found.severity = Some(Severity::Info);
    }
    Some(found)
}

fn with_rows(asked: &Asked<'_>) -> Option<Found> {
    if let Kind::Write(_) = asked.action.kind {
        let first = held(asked).next()?;
        let message = format!(
            "rows of {} are written while {} is held in ACCESS EXCLUSIVE",
            asked.target_name(),
            first.name
        );
        return Some(
            Found::new(Effect::Lock, message).note("COMMIT first, then fill the rows by CALL dbm.backfill"),
        );
    }
    let table = asked.target()?;
    let mode = asked.action.lock_mode()?;
    #[expect(clippy::cast_precision_loss, reason = "compared with a threshold")]
    let rows = asked.session.rows_written as f64;
    if !mode.blocks_writes() || rows < (asked.threshold)("rows") {
        return None;
    }
    let message = format!(
        "{} is locked in {} behind {rows} rows that this transaction wrote: their locks are kept while it waits",
        table.qualified(),
        mode.name()
    );
    Some(
        Found::new(Effect::Lock, message).note("COMMIT between rows and DDL; fill rows by CALL dbm.backfill"),
    )
}

#[cfg(test)]
#[path = "transaction_tests.rs"]
mod tests;
