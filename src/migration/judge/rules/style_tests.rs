use super::*;
use crate::catalog::LockMode;
use crate::catalog::ddl::{AddColumn, ColumnDefinition, CreateIndex, TypeChange};
use crate::migration::judge::sample::{Case, new_table, table};

fn definition(name: &str, type_name: &str) -> ColumnDefinition {
    ColumnDefinition { name: name.into(), type_name: type_name.into(), ..ColumnDefinition::default() }
}

fn create(change: impl FnOnce(&mut CreateTable)) -> Case {
    let mut facts = CreateTable { name: "box".into(), has_primary_key: true, ..CreateTable::default() };
    change(&mut facts);
    Case::new(Kind::CreateTable(facts))
}

fn of_type(name: &str, type_name: &str) -> Case {
    create(|created| created.columns = vec![definition("other", "text"), definition(name, type_name)])
}

#[test]
fn keys_of_32_bits() {
    of_type("id", "integer").fires(BIGINT.id);
    of_type("grp_id", "int4").fires(BIGINT.id);
    of_type("id", "bigint").is_silent(BIGINT.id);
    of_type("qty", "integer").is_silent(BIGINT.id);
    let key = create(|created| {
        created.columns = vec![ColumnDefinition { is_primary_key: true, ..definition("number", "smallint") }];
    });
    key.fires(BIGINT.id);
    let serial = |word: &str| {
        create(|created| {
            created.columns =
                vec![ColumnDefinition { serial: Some(word.into()), ..definition("n", "integer") }];
        })
    };
    serial("serial").fires(BIGINT.id);
    serial("serial").fires(IDENTITY.id);
    serial("bigserial").is_silent(BIGINT.id);
    serial("bigserial").fires(IDENTITY.id);
    of_type("id", "bigint").is_silent(IDENTITY.id);
}

#[test]
fn types_by_their_names_in_catalog_or_text() {
    for (type_name, id) in [
        ("character(100)", CHAR.id),
        ("character(1)[]", CHAR.id),
        ("char", CHAR.id),
        ("character varying(20)", VARCHAR.id),
        ("varchar(20)[]", VARCHAR.id),
        ("timestamp without time zone", TIMESTAMPTZ.id),
        ("timestamp(3) without time zone", TIMESTAMPTZ.id),
        ("timestamp(3)", TIMESTAMPTZ.id),
        ("json", JSONB.id),
        ("money", MONEY.id),
    ] {
        of_type("a", type_name).fires(id);
    }
    for (type_name, id) in [
        ("\"char\"", CHAR.id),
        ("character varying(20)", CHAR.id),
        ("character varying", VARCHAR.id),
        ("text", VARCHAR.id),
        ("timestamp with time zone", TIMESTAMPTZ.id),
        ("timestamptz(3)", TIMESTAMPTZ.id),
        ("timestamp(3) with time zone", TIMESTAMPTZ.id),
        ("jsonb", JSONB.id),
        ("numeric", MONEY.id),
    ] {
        of_type("a", type_name).is_silent(id);
    }
}

#[test]
fn added_columns_and_changed_types_are_looked_at_too() {
    let added = AddColumn { column: definition("flag", "character(1)"), ..AddColumn::default() };
    assert_eq!(
        Case::alter(Alteration::AddColumn(added)).fires(CHAR.id).message,
        "flag of public.acct is filled up with blanks, as its type is char(n)"
    );
    let change = TypeChange {
        column: "note".into(),
        is_there: true,
        from: "text".into(),
        to: "json".into(),
        ..TypeChange::default()
    };
    Case::alter(Alteration::ColumnType(change)).fires(JSONB.id);
}

#[test]
fn names_are_cut() {
    let long = "a".repeat(70);
    let case = create(|_| ());
    case.is_silent(LONG_NAME.id);
    let found = case.with(|action| action.too_long_names.push(long)).fires(LONG_NAME.id);
    assert!(found.message.contains("has 70 bytes"));
}

#[test]
fn schemas_are_asked_for() {
    create(|_| ()).fires(QUALIFIED.id);
    create(|created| created.is_qualified = true).is_silent(QUALIFIED.id);
    create(|created| created.is_temporary = true).is_silent(QUALIFIED.id);
    let alter = |target| {
        Case::alter(Alteration::Owner)
            .on(target, LockMode::AccessExclusive)
            .with(|action| action.is_qualified = false)
    };
    assert_eq!(alter(table("acct")).fires(QUALIFIED.id).note, "public.acct");
    alter(new_table("acct")).is_silent(QUALIFIED.id);
    Case::alter(Alteration::Owner).is_silent(QUALIFIED.id);
}

#[test]
fn statements_that_can_be_run_again() {
    let add = |if_not_exists| {
        let column = definition("k", "integer");
        Case::alter(Alteration::AddColumn(AddColumn { column, if_not_exists, ..AddColumn::default() }))
    };
    add(false).fires(ROBUST.id);
    add(true).is_silent(ROBUST.id);
    add(false).in_block().is_silent(ROBUST.id);
    let index = |if_not_exists| {
        let facts = CreateIndex { is_concurrent: true, if_not_exists, ..CreateIndex::default() };
        Case::new(Kind::CreateIndex(facts)).on(table("acct"), LockMode::ShareUpdateExclusive)
    };
    assert!(index(false).fires(ROBUST.id).note.contains("invalid index"));
    index(true).is_silent(ROBUST.id);
    let drop = |text: &str| {
        let facts =
            crate::catalog::ddl::DropColumn { column: "a".into(), is_there: true, ..Default::default() };
        Case::alter(Alteration::DropColumn(facts)).text("", text)
    };
    drop("ALTER TABLE acct DROP COLUMN a").fires(ROBUST.id);
    drop("ALTER TABLE acct DROP COLUMN IF EXISTS a").is_silent(ROBUST.id);
    drop("").is_silent(ROBUST.id);
}

#[test]
fn a_key_is_asked_for() {
    create(|created| created.has_primary_key = false).fires(PRIMARY_KEY.id);
    create(|_| ()).is_silent(PRIMARY_KEY.id);
    create(|created| {
        created.has_primary_key = false;
        created.is_temporary = true;
    })
    .is_silent(PRIMARY_KEY.id);
}
