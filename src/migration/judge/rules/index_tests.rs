use super::*;
use crate::catalog::ddl::{AddConstraint, UsingIndex};
use crate::migration::judge::sample::{Case, empty_table, new_table, relation, table};

fn index(change: impl FnOnce(&mut CreateIndex)) -> Case {
    let mut facts = CreateIndex {
        name: "acct_q".into(),
        method: "btree".into(),
        key_columns: 1,
        ..CreateIndex::default()
    };
    change(&mut facts);
    let mode = if facts.is_concurrent { LockMode::ShareUpdateExclusive } else { LockMode::Share };
    let text = if facts.is_concurrent {
        "CREATE INDEX CONCURRENTLY acct_q ON acct(qty)"
    } else {
        "CREATE INDEX acct_q ON acct(qty)"
    };
    Case::new(Kind::CreateIndex(facts)).on(table("acct"), mode).text(text, text)
}

fn parent() -> Touched {
    relation("meas", TouchedKind::PartitionedTable)
}

#[test]
fn writers_wait_for_a_build() {
    let found = index(|_| ()).fires(CREATE.id);
    assert_eq!(found.message, "acct_q is built on public.acct under SHARE: writers wait");
    assert_eq!(found.safe, ["CREATE INDEX CONCURRENTLY acct_q ON acct(qty)"]);
    index(|index| index.is_concurrent = true).is_silent(CREATE.id);
    index(|index| {
        index.if_not_exists = true;
        index.same_name = SameName::Whole;
    })
    .is_silent(CREATE.id);
    for table in [new_table("acct"), empty_table("acct")] {
        index(|_| ()).on(table, LockMode::Share).is_silent(CREATE.id);
    }
}

#[test]
fn a_partitioned_table_is_indexed_part_by_part() {
    let found = index(|_| ()).on(parent(), LockMode::Share).fires(CREATE.id);
    assert_eq!(found.safe, ["CREATE INDEX acct_q ON ONLY acct(qty)"]);
    index(|index| index.is_only = true).on(parent(), LockMode::Share).is_silent(CREATE.id);
    let concurrently = index(|index| index.is_concurrent = true);
    concurrently.is_silent(CONCURRENTLY_PARTITIONED.id);
    assert_eq!(
        concurrently.on(parent(), LockMode::ShareUpdateExclusive).fires(CONCURRENTLY_PARTITIONED.id).safe,
        ["CREATE INDEX acct_q ON ONLY acct(qty)"]
    );
}

#[test]
fn an_invalid_index_keeps_its_name() {
    let case = index(|index| {
        index.is_concurrent = true;
        index.if_not_exists = true;
        index.same_name = SameName::InvalidIndex;
    });
    let found = case.fires(INVALID_LEFTOVER.id);
    assert_eq!(found.safe[0], "DROP INDEX CONCURRENTLY public.acct_q");
    assert!(found.message.contains("IF NOT EXISTS"));
    index(|index| index.same_name = SameName::Whole).is_silent(INVALID_LEFTOVER.id);
}

#[test]
fn a_twin_and_a_running_build_are_told() {
    index(|index| index.twin = Some("public.acct_q2".into())).fires(TWIN.id);
    index(|_| ()).is_silent(TWIN.id);
    index(|index| index.builds_running = vec![(77, "public.acct_n".into())]).fires(BUILD_RUNNING.id);
    index(|_| ()).is_silent(BUILD_RUNNING.id);
}

#[test]
fn many_columns_unless_unique() {
    index(|index| index.key_columns = 4).fires(TOO_MANY_COLUMNS.id);
    index(|index| index.key_columns = 3).is_silent(TOO_MANY_COLUMNS.id);
    let unique = index(|index| {
        index.key_columns = 4;
        index.is_unique = true;
    });
    unique.is_silent(TOO_MANY_COLUMNS.id);
    unique.fires(DATA_DEPENDENT.id);
    index(|_| ()).is_silent(DATA_DEPENDENT.id);
}

#[test]
fn hash_indexes_are_sound_since_10() {
    let case = index(|index| index.method = "hash".into());
    case.is_silent(HASH.id);
    case.version(90_600).fires(HASH.id);
}

#[test]
fn the_old_index_goes_last() {
    let dropped = ("public".to_owned(), "acct_q".to_owned());
    let case = index(|index| index.is_concurrent = true);
    case.is_silent(REPLACE.id);
    case.within(|session| session.dropped_indexes.push(dropped)).fires(REPLACE.id);
}

#[test]
fn an_index_goes_concurrently() {
    let dropped = |change: fn(&mut DropObject)| {
        let mut facts = DropObject::new(DroppedKind::Index, "public.acct_q");
        change(&mut facts);
        Case::new(Kind::Drop(facts))
            .on(relation("acct_q", TouchedKind::Index), LockMode::AccessExclusive)
            .locks(table("acct"), LockMode::AccessExclusive)
    };
    let found = dropped(|_| ()).fires(DROP.id);
    assert_eq!(
        found.message,
        "public.acct_q is dropped under ACCESS EXCLUSIVE: readers and writers wait on public.acct"
    );
    assert_eq!(found.safe, ["DROP INDEX CONCURRENTLY public.acct_q"]);
    dropped(|facts| facts.is_concurrent = true).is_silent(DROP.id);
    dropped(|facts| facts.is_there = false).is_silent(DROP.id);
}

#[test]
fn reindex_has_a_concurrent_form() {
    let reindex = |scope, is_concurrent, text: &str| {
        Case::new(Kind::Reindex { scope, is_concurrent }).on(table("acct"), LockMode::Share).text(text, text)
    };
    assert_eq!(
        reindex(ReindexScope::Table, false, "REINDEX TABLE acct").fires(REINDEX.id).safe,
        ["REINDEX TABLE CONCURRENTLY acct"]
    );
    assert_eq!(
        reindex(ReindexScope::Index, false, "REINDEX (CONCURRENTLY false) INDEX acct_pkey")
            .fires(REINDEX.id)
            .safe,
        ["REINDEX INDEX CONCURRENTLY acct_pkey"]
    );
    reindex(ReindexScope::Table, true, "").is_silent(REINDEX.id);
    let schema = Case::new(Kind::Reindex { scope: ReindexScope::Schema, is_concurrent: false });
    schema.text("", "REINDEX SCHEMA public").fires(REINDEX.id);
    let system = Case::new(Kind::Reindex { scope: ReindexScope::System, is_concurrent: false });
    assert!(system.text("", "REINDEX SYSTEM shop").fires(REINDEX.id).safe.is_empty());
}

#[test]
fn no_constraint_over_an_invalid_index() {
    let add = |is_valid| {
        Case::alter(Alteration::AddConstraint(AddConstraint {
            using_index: Some(UsingIndex {
                index: "public.acct_u".into(),
                is_valid,
                ..UsingIndex::default()
            }),
            ..AddConstraint::default()
        }))
    };
    assert_eq!(add(false).fires(USING_INVALID.id).safe, ["REINDEX INDEX CONCURRENTLY public.acct_u"]);
    add(true).is_silent(USING_INVALID.id);
}
