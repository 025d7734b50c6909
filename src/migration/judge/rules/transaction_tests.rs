use super::*;
use crate::catalog::ddl::TouchedKind;
use crate::catalog::ddl::{
    AddConstraint, ConstraintType, CreateIndex, ReindexScope, SetNotNull, ValidateConstraint, WrittenTable,
};
use crate::migration::judge::sample::{Case, new_table, oid, relation, table};

fn holding(case: Case, name: &str, mode: LockMode) -> Case {
    let held = HeldLock { relation: oid(name), name: format!("public.{name}"), mode };
    case.in_block().within(|session| session.held.push(held))
}

fn instant() -> Case {
    Case::alter(Alteration::Owner)
}

fn scan() -> Case {
    Case::alter(Alteration::SetNotNull(SetNotNull {
        column: "city".into(),
        is_there: true,
        ..SetNotNull::default()
    }))
}

#[test]
fn concurrently_stands_alone() {
    let index = CreateIndex { is_concurrent: true, ..CreateIndex::default() };
    let reindex = Kind::Reindex { scope: ReindexScope::Table, is_concurrent: true };
    for kind in [Kind::CreateIndex(index), reindex] {
        let case = Case::new(kind).on(table("acct"), LockMode::ShareUpdateExclusive);
        case.is_silent(CONCURRENTLY.id);
        case.clone().in_block().fires(CONCURRENTLY.id);
        let mut nested = case;
        nested.statement.is_nested = true;
        assert!(nested.fires(CONCURRENTLY.id).message.contains("a function or a DO block"));
    }
    let plain = Case::new(Kind::CreateIndex(CreateIndex::default())).on(table("acct"), LockMode::Share);
    plain.in_block().is_silent(CONCURRENTLY.id);
}

#[test]
fn validation_waits_for_another_transaction() {
    let validate =
        || Alteration::ValidateConstraint(ValidateConstraint { name: "sc".into(), ..Default::default() });
    let alone = Case::alter(validate()).on(table("acct"), LockMode::ShareUpdateExclusive);
    alone.is_silent(VALIDATE.id);
    let case = holding(alone, "acct", LockMode::AccessExclusive)
        .within(|session| session.added_not_valid.push((oid("acct"), "sc".into())));
    let found = case.fires(VALIDATE.id);
    assert_eq!(found.lock, Some(LockMode::AccessExclusive));
    assert_eq!(found.safe, ["COMMIT", "ALTER TABLE public.acct VALIDATE CONSTRAINT sc"]);
    let added = AddConstraint {
        constraint_type: ConstraintType::Check,
        name: "sc".into(),
        is_not_valid: true,
        ..AddConstraint::default()
    };
    Case::alter(Alteration::AddConstraint(added)).and(Kind::Alter(validate())).fires(VALIDATE.id);
}

#[test]
fn whatever_follows_a_strong_lock_prolongs_it() {
    scan().is_silent(WHILE_HOLDING.id);
    let long = holding(scan(), "grp", LockMode::AccessExclusive);
    assert_eq!(long.severity(WHILE_HOLDING.id), Some(Severity::Warning));
    let quick = holding(instant(), "grp", LockMode::AccessExclusive);
    assert_eq!(quick.severity(WHILE_HOLDING.id), Some(Severity::Info));
    holding(scan(), "grp", LockMode::Share).is_silent(WHILE_HOLDING.id);
}

#[test]
fn one_table_a_transaction() {
    holding(instant(), "grp", LockMode::AccessExclusive).fires(SEVERAL_TABLES.id);
    holding(instant(), "acct", LockMode::AccessExclusive).is_silent(SEVERAL_TABLES.id);
    let weaker = instant().on(table("acct"), LockMode::ShareRowExclusive);
    holding(weaker, "grp", LockMode::AccessExclusive).is_silent(SEVERAL_TABLES.id);
    let new = instant().on(new_table("acct"), LockMode::AccessExclusive);
    holding(new, "grp", LockMode::AccessExclusive).is_silent(SEVERAL_TABLES.id);
    let truncate = || Kind::Truncate { is_cascade: false, referencing: Vec::new() };
    let two = Case::new(truncate()).on(table("grp"), LockMode::AccessExclusive).and(truncate());
    two.is_silent(SEVERAL_TABLES.id);
    two.on(table("acct"), LockMode::AccessExclusive).fires(SEVERAL_TABLES.id);
}

#[test]
fn partitions_are_held_with_their_parent() {
    let parent = relation("meas", TouchedKind::PartitionedTable);
    let again = holding(instant().on(parent, LockMode::AccessExclusive), "meas", LockMode::AccessExclusive);
    holding(again, "meas_a", LockMode::AccessExclusive).is_silent(SEVERAL_TABLES.id);
}

#[test]
fn a_rewrite_beside_other_locks() {
    let rewrite = || Case::new(Kind::VacuumFull).on(table("acct"), LockMode::AccessExclusive);
    holding(rewrite(), "grp", LockMode::ShareRowExclusive).fires(REWRITE_WHILE_HOLDING.id);
    holding(rewrite(), "acct", LockMode::ShareRowExclusive).is_silent(REWRITE_WHILE_HOLDING.id);
    holding(instant(), "grp", LockMode::ShareRowExclusive).is_silent(REWRITE_WHILE_HOLDING.id);
}

#[test]
fn two_statements_read_the_rows_twice() {
    let again = |case: Case| case.in_block().within(|session| session.altered.push(oid("acct")));
    assert_eq!(again(scan()).severity(TWICE.id), Some(Severity::Warning));
    assert_eq!(again(instant()).severity(TWICE.id), Some(Severity::Info));
    scan().in_block().is_silent(TWICE.id);
    again(scan().on(table("grp"), LockMode::AccessExclusive)).is_silent(TWICE.id);
}

#[test]
fn rows_and_ddl_apart() {
    let behind = |rows| instant().in_block().within(|session| session.rows_written = rows);
    behind(500).fires(WITH_ROWS.id);
    behind(1).is_silent(WITH_ROWS.id);
    let write = || {
        Case::new(Kind::Write(WrittenTable {
            is_update: true,
            has_no_condition: false,
            is_always_true: false,
        }))
        .on(table("acct"), LockMode::RowExclusive)
    };
    holding(write(), "acct", LockMode::AccessExclusive).fires(WITH_ROWS.id);
    write().is_silent(WITH_ROWS.id);
}
