//! Foreign keys that are added.

use super::pieces::{alter_table, column_list, name_of, named_constraint};
use super::words::{new_constraint, stored, under_mode, who_waits};
use crate::catalog::LockMode;
use crate::catalog::ddl::{Action, Alteration, ConstraintType, ForeignKeyFacts, Kind, Touched, TouchedKind};
use crate::finding::Severity;
use crate::migration::judge::rule::{Asked, DdlRule, Effect, Exempt, Found};
use crate::text::identifier::quote_identifier;

const MANUAL: &str = "https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK";

/// Without NOT VALID.
pub const NOT_VALID: DdlRule = DdlRule {
    id: "ddl.add_fk_without_not_valid",
    severity: Severity::Error,
    title: "A foreign key is added and tested at once",
    why: "Every row is looked up in the referenced table while both are held in SHARE ROW EXCLUSIVE: nobody writes to either.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-ADD-TABLE-CONSTRAINT",
    exempt: Exempt::Small,
    check: without_not_valid,
};

/// Without an index.
pub const MISSING_INDEX: DdlRule = DdlRule {
    id: "ddl.fk_missing_index",
    severity: Severity::Warning,
    title: "A foreign key is added without an index on its columns",
    why: "Each DELETE and each change of a key in the referenced table reads the whole referencing one.",
    thresholds: &[],
    reference: MANUAL,
    exempt: Exempt::Small,
    check: missing_index,
};

/// Types that differ.
pub const TYPE_MISMATCH: DdlRule = DdlRule {
    id: "ddl.fk_type_mismatch",
    severity: Severity::Warning,
    title: "A foreign key compares columns of different types",
    why: "Each look-up casts, an index may not serve it, and values of the wider type can never be referenced.",
    thresholds: &[],
    reference: MANUAL,
    exempt: Exempt::Nothing,
    check: type_mismatch,
};

/// Several at a time.
pub const MULTIPLE: DdlRule = DdlRule {
    id: "ddl.multiple_foreign_keys",
    severity: Severity::Warning,
    title: "Several foreign keys are added at a time",
    why: "All referenced tables are locked against writes until the last key is added; two such statements can deadlock.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-DEADLOCKS",
    exempt: Exempt::Nothing,
    check: multiple,
};

/// The foreign key that an action adds, with the name that it would get.
fn added(action: &Action) -> Option<&ForeignKeyFacts> {
    match &action.kind {
        Kind::Alter(Alteration::AddConstraint(added)) if !added.is_there => added.foreign_key.as_ref(),
        Kind::Alter(Alteration::AddColumn(added)) if !added.is_there => added.references.as_ref(),
        _ => None,
    }
}

fn other_name(key: &ForeignKeyFacts) -> String {
    key.referenced.as_ref().map_or_else(|| "the referenced table".to_owned(), Touched::qualified)
}

fn without_not_valid(asked: &Asked<'_>) -> Option<Found> {
    let (table, added) = new_constraint(asked, ConstraintType::ForeignKey)?;
    if added.is_not_valid {
        return None;
    }
    let key = added.foreign_key.as_ref();
    let other = key.map_or_else(|| "the referenced table".to_owned(), other_name);
    let qualified = table.qualified();
    let mode = asked.action.lock_mode().unwrap_or(LockMode::ShareRowExclusive);
    let message = format!(
        "every row of {qualified} is looked up in {other} {} on {qualified}, and writers on {other}",
        under_mode(mode)
    );
    let mut found = Found::new(Effect::Scan, message);
    let is_partitioned =
        table.kind == TouchedKind::PartitionedTable || key.is_some_and(|key| key.is_on_partitioned_table);
    if is_partitioned && asked.session.server_version < 180_000 {
        return Some(found.note(
            "before PostgreSQL 18 a foreign key of a partitioned table cannot be NOT VALID: add it to each partition NOT \
             VALID, validate it there, and then to the parent, which takes over what is there",
        ));
    }
    if asked.action.text.is_empty() {
        return Some(found.note("add it NOT VALID, and VALIDATE CONSTRAINT in another transaction"));
    }
    let name = if added.name.is_empty() {
        let mut parts = vec![table.name.as_str()];
        parts.extend(added.columns.iter().map(String::as_str));
        parts.push("fkey");
        name_of(&parts)
    } else {
        added.name.clone()
    };
    let add = format!("{} NOT VALID", named_constraint(&asked.action.text, &name));
    found = found
        .safe(alter_table(&qualified, &add))
        .safe(alter_table(&qualified, &format!("VALIDATE CONSTRAINT {}", quote_identifier(&name))));
    Some(found.note("each step in a transaction of its own"))
}

fn missing_index(asked: &Asked<'_>) -> Option<Found> {
    let key = added(asked.action)?;
    let table = stored(asked)?;
    if key.has_index || key.columns.is_empty() {
        return None;
    }
    let columns = column_list(&key.columns);
    let qualified = table.qualified();
    let message = format!(
        "no index of {qualified} begins with ({columns}): each DELETE in {} will read the whole of {qualified}",
        other_name(key)
    );
    let mut parts = vec!["idx", table.name.as_str()];
    parts.extend(key.columns.iter().map(String::as_str));
    let index = quote_identifier(&name_of(&parts));
    let found = Found::new(Effect::Style, message);
    if table.kind == TouchedKind::PartitionedTable {
        return Some(found.safe(format!("CREATE INDEX {index} ON ONLY {qualified} ({columns})")).note(
            "then CREATE INDEX CONCURRENTLY on each partition, and ALTER INDEX … ATTACH PARTITION for each",
        ));
    }
    Some(found.safe(format!("CREATE INDEX CONCURRENTLY {index} ON {qualified} ({columns})")))
}

fn type_mismatch(asked: &Asked<'_>) -> Option<Found> {
    let key = added(asked.action)?;
    let (own, own_type, referenced, referenced_type) = key.type_mismatches.first()?;
    let message = format!(
        "{} of {} is {own_type}, and {} of {} to which it points is {referenced_type}",
        quote_identifier(own),
        asked.target_name(),
        quote_identifier(referenced),
        other_name(key)
    );
    Some(
        Found::new(Effect::Style, message)
            .note("give both columns the same type before the foreign key is added"),
    )
}

fn multiple(asked: &Asked<'_>) -> Option<Found> {
    if let Kind::CreateTable(created) = &asked.action.kind {
        let names: Vec<String> =
            created.referenced.iter().filter(|table| !table.is_private()).map(Touched::qualified).collect();
        if names.len() < 2 {
            return None;
        }
        let mode = LockMode::ShareRowExclusive;
        let message = format!(
            "{} are all locked in {} by the foreign keys of the new table: {}",
            super::words::few(&names),
            mode.name(),
            who_waits(mode)
        );
        let mut found = Found::new(Effect::Lock, message);
        found.severity = Some(Severity::Info);
        return Some(found.note("create the table without them and add each by itself, NOT VALID"));
    }
    let key = added(asked.action)?;
    let place = asked.statement.actions.iter().position(|action| std::ptr::eq(action, asked.action))?;
    let is_second = asked.statement.actions[..place].iter().any(|action| added(action).is_some());
    let own = [asked.target().map(|table| table.oid), key.referenced.as_ref().map(|table| table.oid)];
    let held = asked
        .session
        .held
        .iter()
        .find(|held| held.mode == LockMode::ShareRowExclusive && !own.contains(&Some(held.relation)));
    if asked.target()?.is_private() || (!is_second && held.is_none()) {
        return None;
    }
    let message = match held {
        Some(held) if !is_second => format!(
            "the foreign key of {} to {} is added while {} is still held in {}: {} until all are added",
            asked.target_name(),
            other_name(key),
            held.name,
            held.mode.name(),
            who_waits(held.mode)
        ),
        _ => format!(
            "more than one foreign key is added to {} in one statement: {} and the other referenced tables are locked \
             together",
            asked.target_name(),
            other_name(key)
        ),
    };
    Some(Found::new(Effect::Lock, message).note("add each foreign key in a transaction of its own"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::ddl::{AddColumn, AddConstraint, CreateTable, HeldLock};
    use crate::migration::judge::sample::{Case, empty_table, oid, relation, table};

    fn key() -> ForeignKeyFacts {
        ForeignKeyFacts {
            columns: vec!["ref_id".into()],
            referenced: Some(table("grp")),
            referenced_columns: vec!["id".into()],
            has_index: true,
            ..ForeignKeyFacts::default()
        }
    }

    fn constraint(change: impl FnOnce(&mut AddConstraint)) -> Alteration {
        let mut facts = AddConstraint {
            constraint_type: ConstraintType::ForeignKey,
            columns: vec!["ref_id".into()],
            foreign_key: Some(key()),
            ..AddConstraint::default()
        };
        change(&mut facts);
        Alteration::AddConstraint(facts)
    }

    fn add(change: impl FnOnce(&mut AddConstraint), text: &str) -> Case {
        Case::alter(constraint(change))
            .on(table("acct"), LockMode::ShareRowExclusive)
            .locks(table("grp"), LockMode::ShareRowExclusive)
            .text(text, "")
    }

    #[test]
    fn a_foreign_key_is_added_in_two_steps() {
        let case = add(|_| (), "ADD FOREIGN KEY (ref_id) REFERENCES grp(id)");
        let found = case.fires(NOT_VALID.id);
        assert_eq!(
            found.message,
            "every row of public.acct is looked up in public.grp under SHARE ROW EXCLUSIVE: writers wait on public.acct, \
             and writers on public.grp"
        );
        assert_eq!(
            found.safe,
            [
                "ALTER TABLE public.acct ADD CONSTRAINT acct_ref_id_fkey FOREIGN KEY (ref_id) REFERENCES grp(id) NOT VALID",
                "ALTER TABLE public.acct VALIDATE CONSTRAINT acct_ref_id_fkey",
            ]
        );
        add(|added| added.is_not_valid = true, "").is_silent(NOT_VALID.id);
        case.on(empty_table("acct"), LockMode::ShareRowExclusive).is_silent(NOT_VALID.id);
    }

    #[test]
    fn a_partitioned_table_has_no_not_valid_before_18() {
        let case = add(|_| (), "ADD FOREIGN KEY (ref_id) REFERENCES grp(id)")
            .on(relation("meas", TouchedKind::PartitionedTable), LockMode::ShareRowExclusive);
        assert!(case.fires(NOT_VALID.id).safe.is_empty());
        assert_eq!(case.version(180_000).fires(NOT_VALID.id).safe.len(), 2);
    }

    #[test]
    fn an_index_is_asked_for() {
        let missing = |added: &mut AddConstraint| added.foreign_key.as_mut().unwrap().has_index = false;
        assert_eq!(
            add(missing, "").fires(MISSING_INDEX.id).safe,
            ["CREATE INDEX CONCURRENTLY idx_acct_ref_id ON public.acct (ref_id)"]
        );
        add(|_| (), "").is_silent(MISSING_INDEX.id);
        let column = AddColumn {
            references: Some(ForeignKeyFacts { has_index: false, ..key() }),
            ..AddColumn::default()
        };
        Case::alter(Alteration::AddColumn(column)).fires(MISSING_INDEX.id);
    }

    #[test]
    fn types_are_compared() {
        let case = add(
            |added| {
                added.foreign_key.as_mut().unwrap().type_mismatches =
                    vec![("ref_id".into(), "integer".into(), "id".into(), "bigint".into())];
            },
            "",
        );
        assert_eq!(
            case.fires(TYPE_MISMATCH.id).message,
            "ref_id of public.acct is integer, and id of public.grp to which it points is bigint"
        );
        add(|_| (), "").is_silent(TYPE_MISMATCH.id);
    }

    #[test]
    fn one_foreign_key_a_transaction() {
        add(|_| (), "").is_silent(MULTIPLE.id);
        add(|_| (), "").and(Kind::Alter(constraint(|_| ()))).fires(MULTIPLE.id);
        let held =
            HeldLock { relation: oid("city"), name: "public.city".into(), mode: LockMode::ShareRowExclusive };
        let later = add(|_| (), "").within(|session| session.held.push(held));
        assert!(later.fires(MULTIPLE.id).message.contains("public.city is still held"));
        let created =
            |referenced| Case::new(Kind::CreateTable(CreateTable { referenced, ..CreateTable::default() }));
        let two = created(vec![table("grp"), table("city")]);
        assert_eq!(two.severity(MULTIPLE.id), Some(Severity::Info));
        created(vec![table("grp")]).is_silent(MULTIPLE.id);
    }
}
