//! Constraints that stand in ADD COLUMN.

use super::pieces::{add_bare_column, alter_table, in_parentheses, name_of, not_null_steps};
use super::words::{new_column, under};
use crate::catalog::LockMode;
use crate::catalog::ddl::{AddColumn, ColumnDefault, Touched, TouchedKind};
use crate::finding::Severity;
use crate::migration::judge::rule::{Asked, DdlRule, Effect, Exempt, Found};
use crate::text::identifier::{quote_identifier, quote_qualified};

/// UNIQUE.
pub const INLINE_UNIQUE: DdlRule = DdlRule {
    id: "ddl.add_column_inline_unique",
    severity: Severity::Error,
    title: "A column is added with UNIQUE",
    why: "The index behind the constraint is built inside of ALTER TABLE, under ACCESS EXCLUSIVE.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-UNIQUE-CONSTRAINTS",
    exempt: Exempt::Small,
    check: inline_unique,
};

/// PRIMARY KEY.
pub const INLINE_PRIMARY_KEY: DdlRule = DdlRule {
    id: "ddl.add_column_inline_primary_key",
    severity: Severity::Error,
    title: "A column is added with PRIMARY KEY",
    why: "The rows need values, the values are tested for NULL and the index is built, all inside of one ALTER TABLE under ACCESS EXCLUSIVE.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-PRIMARY-KEYS",
    exempt: Exempt::Small,
    check: inline_primary_key,
};

/// CHECK.
pub const INLINE_CHECK: DdlRule = DdlRule {
    id: "ddl.add_column_inline_check",
    severity: Severity::Error,
    title: "A column is added with CHECK",
    why: "Every row is read under ACCESS EXCLUSIVE to test the constraint, although all have the same value.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-CHECK-CONSTRAINTS",
    exempt: Exempt::Small,
    check: inline_check,
};

/// REFERENCES.
pub const INLINE_FOREIGN_KEY: DdlRule = DdlRule {
    id: "ddl.add_column_inline_fk",
    severity: Severity::Error,
    title: "A column is added with REFERENCES",
    why: "The new column's table is locked in ACCESS EXCLUSIVE and the referenced one in SHARE ROW EXCLUSIVE; with a default every row is looked up while both are held, without one for a moment only.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK",
    exempt: Exempt::Private,
    check: inline_foreign_key,
};

/// The column alone, then its index while others work, then the constraint over the index.
fn over_index(table: &Touched, added: &AddColumn, name: &str, kind: &str, version: i32) -> Vec<String> {
    let (qualified, column) = (table.qualified(), quote_identifier(&added.column.name));
    let index = quote_identifier(name);
    let mut steps = vec![add_bare_column(&qualified, &added.column.name, &added.column.type_name)];
    if added.column.is_not_null {
        steps.extend(not_null_steps(table, &added.column.name, version, None));
    }
    steps.push(format!("CREATE UNIQUE INDEX CONCURRENTLY {index} ON {qualified} ({column})"));
    steps.push(alter_table(&qualified, &format!("ADD CONSTRAINT {index} {kind} USING INDEX {index}")));
    steps
}

/// What stands in the way of an index built while others work.
fn partitioned_note(table: &Touched) -> &'static str {
    if table.kind == TouchedKind::PartitionedTable {
        "a partitioned table cannot take an index that is there as its constraint: add the constraint to the parent by \
         ALTER TABLE ONLY, to each partition over an index built concurrently, and attach these by ALTER INDEX"
    } else {
        ""
    }
}

fn inline_unique(asked: &Asked<'_>) -> Option<Found> {
    let (table, added) = new_column(asked)?;
    if !added.is_unique || added.column.is_primary_key {
        return None;
    }
    let name = &added.column.name;
    let message = format!(
        "the unique index on {} of {} is built {}",
        quote_identifier(name),
        table.qualified(),
        under(asked)
    );
    let mut found = Found::new(Effect::IndexBuild, message).note(partitioned_note(table));
    if table.kind != TouchedKind::PartitionedTable {
        let index = name_of(&[&table.name, name, "key"]);
        found.safe = over_index(table, added, &index, "UNIQUE", asked.session.server_version);
    }
    Some(found)
}

fn inline_primary_key(asked: &Asked<'_>) -> Option<Found> {
    let (table, added) = new_column(asked)?;
    if !added.column.is_primary_key {
        return None;
    }
    let name = &added.column.name;
    let message = format!(
        "{} of {} becomes the primary key in the statement that adds it: its values and its index are made {}",
        quote_identifier(name),
        table.qualified(),
        under(asked)
    );
    let mut found = Found::new(Effect::IndexBuild, message);
    if table.kind == TouchedKind::PartitionedTable {
        return Some(found.note(partitioned_note(table)));
    }
    let index = name_of(&[&table.name, "pkey"]);
    let needs_values = AddColumn {
        column: crate::catalog::ddl::ColumnDefinition { is_not_null: true, ..added.column.clone() },
        ..added.clone()
    };
    found.safe = over_index(table, &needs_values, &index, "PRIMARY KEY", asked.session.server_version);
    Some(found.note("behind the first step the rows that are there need values: CALL dbm.backfill"))
}

fn inline_check(asked: &Asked<'_>) -> Option<Found> {
    let (table, added) = new_column(asked)?;
    if !added.has_check {
        return None;
    }
    let name = &added.column.name;
    let (qualified, column) = (table.qualified(), quote_identifier(name));
    let message = format!("every row of {qualified} is read {}, to test the CHECK of {column}", under(asked));
    let mut found = Found::new(Effect::Scan, message);
    let Some(condition) = in_parentheses(&asked.action.text, "check") else {
        return Some(found.note(
            "add the column without CHECK, then the constraint NOT VALID, then VALIDATE CONSTRAINT in another \
             transaction",
        ));
    };
    let constraint = quote_identifier(&name_of(&["chk", &table.name, name]));
    let add = format!("ADD CONSTRAINT {constraint} CHECK ({condition}) NOT VALID");
    found = match (&added.default, added.column.is_not_null) {
        (ColumnDefault::None, false) => {
            found.safe(add_bare_column(&qualified, name, &added.column.type_name))
        }
        _ => found.note("first add the column as it is, without its CHECK"),
    };
    Some(
        found
            .safe(alter_table(&qualified, &add))
            .safe(alter_table(&qualified, &format!("VALIDATE CONSTRAINT {constraint}"))),
    )
}

fn inline_foreign_key(asked: &Asked<'_>) -> Option<Found> {
    let (table, added) = new_column(asked)?;
    let key = added.references.as_ref()?;
    let referenced = key.referenced.as_ref();
    let name = &added.column.name;
    let (qualified, column) = (table.qualified(), quote_identifier(name));
    let other = referenced.map_or_else(|| "the referenced table".to_owned(), Touched::qualified);
    let has_value = added.default != ColumnDefault::None || added.column.is_not_null;
    let message = if has_value {
        format!(
            "every row of {qualified} is looked up in {other} while {qualified} is held in ACCESS EXCLUSIVE and \
             {other} in SHARE ROW EXCLUSIVE"
        )
    } else {
        format!(
            "{qualified} is locked in ACCESS EXCLUSIVE and {other} in SHARE ROW EXCLUSIVE for a moment: readers and \
             writers wait while it queues"
        )
    };
    let mut found = Found::new(if has_value { Effect::Scan } else { Effect::Lock }, message);
    // Without a value all rows are NULL and none is looked up, whatever the peers say.
    if !has_value {
        found.severity = Some(Severity::Warning);
    }
    found.lock = Some(LockMode::AccessExclusive);
    if !has_value {
        found = found.safe(add_bare_column(&qualified, name, &added.column.type_name));
    }
    if let Some(referenced) = referenced {
        let constraint = quote_identifier(&name_of(&[&table.name, name, "fkey"]));
        let to = key
            .referenced_columns
            .first()
            .map_or_else(String::new, |to| format!("({})", quote_identifier(to)));
        let target = quote_qualified(&referenced.schema, &referenced.name);
        let add = format!("ADD CONSTRAINT {constraint} FOREIGN KEY ({column}) REFERENCES {target}{to}");
        if key.is_on_partitioned_table && asked.session.server_version < 180_000 {
            return Some(found.note(
                "before PostgreSQL 18 a foreign key of a partitioned table cannot be NOT VALID: add it to each \
                 partition NOT VALID and validate it there first",
            ));
        }
        let add = if asked.action.text.is_empty() { add } else { with_actions(&add, &asked.action.text) };
        found = found
            .safe(alter_table(&qualified, &format!("{add} NOT VALID")))
            .safe(alter_table(&qualified, &format!("VALIDATE CONSTRAINT {constraint}")));
    }
    Some(found.note(if has_value { "first add the column as it is, without REFERENCES" } else { "" }))
}

/// ON DELETE and ON UPDATE as they are written.
fn with_actions(add: &str, text: &str) -> String {
    use super::pieces::says;
    let mut whole = add.to_owned();
    for (event, words) in [("ON DELETE", ["on", "delete"]), ("ON UPDATE", ["on", "update"])] {
        for (action, name) in [
            (&["cascade"][..], "CASCADE"),
            (&["restrict"], "RESTRICT"),
            (&["set", "null"], "SET NULL"),
            (&["set", "default"], "SET DEFAULT"),
        ] {
            let wanted: Vec<&str> = words.iter().chain(action).copied().collect();
            if says(text, &wanted) {
                whole.push_str(&format!(" {event} {name}"));
            }
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::ddl::{Alteration, ColumnDefinition, ForeignKeyFacts};
    use crate::migration::judge::sample::{Case, empty_table, relation, table};

    fn add(change: impl FnOnce(&mut AddColumn), text: &str) -> Case {
        let column =
            ColumnDefinition { name: "slug".into(), type_name: "text".into(), ..ColumnDefinition::default() };
        let mut added = AddColumn { column, ..AddColumn::default() };
        change(&mut added);
        Case::alter(Alteration::AddColumn(added)).text(text, "")
    }

    #[test]
    fn unique_builds_an_index() {
        let case = add(|added| added.is_unique = true, "");
        assert_eq!(
            case.fires(INLINE_UNIQUE.id).safe,
            [
                "ALTER TABLE public.acct ADD COLUMN slug text",
                "CREATE UNIQUE INDEX CONCURRENTLY acct_slug_key ON public.acct (slug)",
                "ALTER TABLE public.acct ADD CONSTRAINT acct_slug_key UNIQUE USING INDEX acct_slug_key",
            ]
        );
        let partitioned = relation("meas", TouchedKind::PartitionedTable);
        let found = case.clone().on(partitioned, LockMode::AccessExclusive).fires(INLINE_UNIQUE.id);
        assert!(found.safe.is_empty() && found.note.contains("ALTER TABLE ONLY"));
        case.on(empty_table("acct"), LockMode::AccessExclusive).is_silent(INLINE_UNIQUE.id);
        add(|_| (), "").is_silent(INLINE_UNIQUE.id);
    }

    #[test]
    fn a_primary_key_does_all_at_once() {
        let case = add(|added| added.column.is_primary_key = true, "");
        assert_eq!(case.fires(INLINE_PRIMARY_KEY.id).safe.len(), 7);
        case.is_silent(INLINE_UNIQUE.id);
        add(|added| added.is_unique = true, "").is_silent(INLINE_PRIMARY_KEY.id);
    }

    #[test]
    fn a_check_is_tested_on_every_row() {
        let case = add(|added| added.has_check = true, "ADD COLUMN slug text CHECK (slug <> '')");
        assert_eq!(
            case.fires(INLINE_CHECK.id).safe,
            [
                "ALTER TABLE public.acct ADD COLUMN slug text",
                "ALTER TABLE public.acct ADD CONSTRAINT chk_acct_slug CHECK (slug <> '') NOT VALID",
                "ALTER TABLE public.acct VALIDATE CONSTRAINT chk_acct_slug",
            ]
        );
        add(|_| (), "").is_silent(INLINE_CHECK.id);
    }

    #[test]
    fn a_reference_scans_only_where_there_is_a_default() {
        let references = |added: &mut AddColumn| {
            added.references = Some(ForeignKeyFacts {
                columns: vec!["slug".into()],
                referenced: Some(table("grp")),
                referenced_columns: vec!["id".into()],
                ..ForeignKeyFacts::default()
            });
        };
        let case = add(references, "ADD COLUMN slug text REFERENCES grp ON DELETE SET NULL");
        let found = case.fires(INLINE_FOREIGN_KEY.id);
        assert_eq!(
            (found.effect, case.severity(INLINE_FOREIGN_KEY.id)),
            (Effect::Lock, Some(Severity::Warning))
        );
        assert_eq!(
            found.safe[1],
            "ALTER TABLE public.acct ADD CONSTRAINT acct_slug_fkey FOREIGN KEY (slug) REFERENCES public.grp(id) ON \
             DELETE SET NULL NOT VALID"
        );
        let with_default = add(
            |added| {
                references(added);
                added.default = ColumnDefault::Stored;
            },
            "",
        );
        assert_eq!(with_default.fires(INLINE_FOREIGN_KEY.id).effect, Effect::Scan);
        assert_eq!(with_default.severity(INLINE_FOREIGN_KEY.id), Some(Severity::Error));
        add(|_| (), "").is_silent(INLINE_FOREIGN_KEY.id);
    }
}
