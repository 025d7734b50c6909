//! CHECK, UNIQUE, PRIMARY KEY and EXCLUDE of tables that are there, and constraints that go.

use super::pieces::{
    alter_table, column_list, in_parentheses, name_of, named_constraint, not_null_steps, says,
};
use super::words::{alteration, dependents, moment, new_column, new_constraint, stored, under, whole};
use crate::catalog::ddl::{AddConstraint, Alteration, ConstraintType, Touched, TouchedKind};
use crate::finding::Severity;
use crate::migration::judge::rule::{Asked, DdlRule, Effect, Exempt, Found};
use crate::text::identifier::quote_identifier;

/// CHECK without NOT VALID.
pub const CHECK: DdlRule = DdlRule {
    id: "ddl.add_check_without_not_valid",
    severity: Severity::Error,
    title: "A CHECK constraint is added and tested at once",
    why: "Every row is read under ACCESS EXCLUSIVE; NOT VALID and VALIDATE CONSTRAINT read them while others work.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-ADD-TABLE-CONSTRAINT",
    exempt: Exempt::Small,
    check,
};

/// UNIQUE without an index.
pub const UNIQUE: DdlRule = DdlRule {
    id: "ddl.add_unique_without_index",
    severity: Severity::Error,
    title: "A UNIQUE constraint is added that builds its index",
    why: "The index is built under ACCESS EXCLUSIVE; over an index that was built CONCURRENTLY the constraint is added at once.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-ADD-TABLE-CONSTRAINT-USING-INDEX",
    exempt: Exempt::Small,
    check: unique,
};

/// PRIMARY KEY without an index.
pub const PRIMARY_KEY: DdlRule = DdlRule {
    id: "ddl.add_primary_key_without_index",
    severity: Severity::Error,
    title: "A primary key is added that builds its index",
    why: "The rows are read for NULL and the index is built under ACCESS EXCLUSIVE; over an index that was built CONCURRENTLY the key is added at once.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-ADD-TABLE-CONSTRAINT-USING-INDEX",
    exempt: Exempt::Small,
    check: primary_key,
};

/// PRIMARY KEY USING INDEX over columns that may be NULL.
pub const PRIMARY_KEY_NULLABLE: DdlRule = DdlRule {
    id: "ddl.add_primary_key_using_nullable_index",
    severity: Severity::Error,
    title: "A primary key is added over columns that are not NOT NULL yet",
    why: "Even with USING INDEX every row is read under ACCESS EXCLUSIVE, as a primary key makes its columns NOT NULL.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-ADD-TABLE-CONSTRAINT-USING-INDEX",
    exempt: Exempt::Small,
    check: primary_key_nullable,
};

/// EXCLUDE.
pub const EXCLUSION: DdlRule = DdlRule {
    id: "ddl.add_exclusion_constraint",
    severity: Severity::Error,
    title: "An exclusion constraint is added to a table with rows",
    why: "Its index is built and every pair is tested under ACCESS EXCLUSIVE; no form of it works while others do.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-EXCLUSION",
    exempt: Exempt::Small,
    check: exclusion,
};

/// ALTER CONSTRAINT … ENFORCED.
pub const ENFORCED: DdlRule = DdlRule {
    id: "ddl.alter_constraint_enforced",
    severity: Severity::Error,
    title: "A constraint becomes ENFORCED",
    why: "Every row is tested while the lock of the ALTER is held; there is no NOT VALID in between.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/18/sql-altertable.html#SQL-ALTERTABLE-DESC-ALTER-CONSTRAINT",
    exempt: Exempt::Small,
    check: enforced,
};

/// DROP CONSTRAINT.
pub const DROP: DdlRule = DdlRule {
    id: "ddl.drop_constraint",
    severity: Severity::Warning,
    title: "A constraint is dropped",
    why: "The table, and for a foreign key the referenced one, too, is locked in ACCESS EXCLUSIVE for a moment, and what the constraint promised holds no more.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-DROP-CONSTRAINT",
    exempt: Exempt::Private,
    check: drop,
};

fn is_partitioned(table: &Touched) -> bool {
    table.kind == TouchedKind::PartitionedTable
}

const PARTITIONED: &str = "a partitioned table cannot take an index that is there as its constraint: add the \
     constraint to the parent by ALTER TABLE ONLY, to each partition over an index built concurrently, and attach \
     these by ALTER INDEX … ATTACH PARTITION";

fn check(asked: &Asked<'_>) -> Option<Found> {
    let (table, added) = new_constraint(asked, ConstraintType::Check)?;
    if added.is_not_valid {
        return None;
    }
    let name = match added.name.as_str() {
        "" => name_of(&["chk", &table.name]),
        name => name.to_owned(),
    };
    let qualified = table.qualified();
    let message =
        format!("every row of {qualified} is read {}, to test {}", under(asked), quote_identifier(&name));
    let found = Found::new(Effect::Scan, message).note("each step in a transaction of its own");
    if asked.action.text.is_empty() {
        return Some(found.note("add it NOT VALID, and VALIDATE CONSTRAINT in another transaction"));
    }
    let add = format!("{} NOT VALID", named_constraint(&asked.action.text, &name));
    let validate = format!("VALIDATE CONSTRAINT {}", quote_identifier(&name));
    Some(found.safe(alter_table(&qualified, &add)).safe(alter_table(&qualified, &validate)))
}

/// The index by itself, and the constraint over it; with what the text says beside the columns.
fn over_index(table: &Touched, added: &AddConstraint, kind: &str, ending: &str, text: &str) -> Vec<String> {
    let mut parts = vec![table.name.as_str()];
    if kind == "UNIQUE" {
        parts.extend(added.columns.iter().map(String::as_str));
    }
    parts.push(ending);
    let name = if added.name.is_empty() { name_of(&parts) } else { added.name.clone() };
    let index = quote_identifier(&name);
    let qualified = table.qualified();
    let included = in_parentheses_behind(text, "include");
    let nulls = if says(text, &["nulls", "not", "distinct"]) { " NULLS NOT DISTINCT" } else { "" };
    let mut constraint = format!("ADD CONSTRAINT {index} {kind} USING INDEX {index}");
    if says(text, &["deferrable"]) && !says(text, &["not", "deferrable"]) {
        constraint.push_str(" DEFERRABLE");
    }
    if says(text, &["initially", "deferred"]) {
        constraint.push_str(" INITIALLY DEFERRED");
    }
    vec![
        format!(
            "CREATE UNIQUE INDEX CONCURRENTLY {index} ON {qualified} ({}){included}{nulls}",
            column_list(&added.columns)
        ),
        alter_table(&qualified, &constraint),
    ]
}

fn in_parentheses_behind(text: &str, word: &str) -> String {
    in_parentheses(text, word).map_or_else(String::new, |inner| format!(" INCLUDE ({inner})"))
}

fn unique(asked: &Asked<'_>) -> Option<Found> {
    let (table, added) = new_constraint(asked, ConstraintType::Unique)?;
    if added.using_index.is_some() {
        return None;
    }
    let message = format!(
        "the unique index on {} ({}) is built {}",
        table.qualified(),
        column_list(&added.columns),
        under(asked)
    );
    let mut found = Found::new(Effect::IndexBuild, message);
    if is_partitioned(table) {
        return Some(found.note(PARTITIONED));
    }
    found.safe = over_index(table, added, "UNIQUE", "key", &asked.action.text);
    Some(found)
}

fn primary_key(asked: &Asked<'_>) -> Option<Found> {
    if let Some((table, added)) = new_column(asked)
        && added.column.is_primary_key
    {
        let message =
            format!("the index of the primary key of {} is built {}", table.qualified(), under(asked));
        return Some(Found::new(Effect::IndexBuild, message).note(
            "add the column alone, fill it in batches, build the unique index CONCURRENTLY, make the column NOT NULL by \
             a validated constraint, then ADD PRIMARY KEY USING INDEX",
        ));
    }
    let (table, added) = new_constraint(asked, ConstraintType::PrimaryKey)?;
    if added.using_index.is_some() {
        return None;
    }
    let columns = column_list(&added.columns);
    let message = format!(
        "the index of the primary key ({columns}) of {} is built {}",
        table.qualified(),
        under(asked)
    );
    let mut found = Found::new(Effect::IndexBuild, message);
    if is_partitioned(table) {
        return Some(found.note(PARTITIONED));
    }
    for column in &added.nullable_columns {
        found.safe.extend(not_null_steps(table, column, asked.session.server_version, None));
    }
    found.safe.extend(over_index(table, added, "PRIMARY KEY", "pkey", &asked.action.text));
    Some(found)
}

fn primary_key_nullable(asked: &Asked<'_>) -> Option<Found> {
    let (table, added) = new_constraint(asked, ConstraintType::PrimaryKey)?;
    let using = added.using_index.as_ref()?;
    if using.nullable_columns.is_empty() {
        return None;
    }
    let message = format!(
        "every row of {} is read {}, to look for NULL in {}, which the primary key over {} forbids",
        table.qualified(),
        under(asked),
        column_list(&using.nullable_columns),
        using.index
    );
    let mut found = Found::new(Effect::Scan, message);
    for column in &using.nullable_columns {
        found.safe.extend(not_null_steps(table, column, asked.session.server_version, None));
    }
    let last = if asked.action.text.is_empty() {
        let name = if added.name.is_empty() {
            String::new()
        } else {
            format!("CONSTRAINT {} ", quote_identifier(&added.name))
        };
        alter_table(&table.qualified(), &format!("ADD {name}PRIMARY KEY USING INDEX {}", using.index))
    } else {
        whole(asked)
    };
    Some(found.safe(last))
}

fn exclusion(asked: &Asked<'_>) -> Option<Found> {
    let (table, added) = new_constraint(asked, ConstraintType::Exclusion)?;
    let name =
        if added.name.is_empty() { "the exclusion constraint".into() } else { quote_identifier(&added.name) };
    let message = format!(
        "the index of {name} on {} is built and every row tested {}",
        table.qualified(),
        under(asked)
    );
    Some(Found::new(Effect::IndexBuild, message).note(
        "there is no concurrent form: let a trigger refuse overlaps, or copy the rows into a new table that has the \
         constraint from the start",
    ))
}

fn enforced(asked: &Asked<'_>) -> Option<Found> {
    let Alteration::AlterConstraint { name, becomes_enforced: true } = alteration(asked)? else {
        return None;
    };
    let table = stored(asked)?;
    let (qualified, name) = (table.qualified(), quote_identifier(name));
    let message = format!("every row of {qualified} is tested against {name} {}", under(asked));
    Some(
        Found::new(Effect::Scan, message)
            .safe(alter_table(&qualified, &format!("DROP CONSTRAINT {name}")))
            .note("in the same transaction add it again NOT VALID, and VALIDATE CONSTRAINT in another one"),
    )
}

fn drop(asked: &Asked<'_>) -> Option<Found> {
    let Alteration::DropConstraint(dropped) = alteration(asked)? else { return None };
    let table = stored(asked)?;
    let constraint_type = dropped.constraint_type?;
    let (qualified, name) = (table.qualified(), quote_identifier(&dropped.name));
    let mut message = match (constraint_type, &dropped.referenced) {
        (ConstraintType::ForeignKey, Some(referenced)) => format!(
            "the foreign key {name} is dropped: {qualified} and {} are both locked in ACCESS EXCLUSIVE",
            referenced.qualified()
        ),
        (ConstraintType::Unique | ConstraintType::PrimaryKey, _) => format!(
            "the constraint {name} of {qualified} and its index are dropped under ACCESS EXCLUSIVE: nothing keeps its \
             columns unique any more"
        ),
        _ => format!(
            "the constraint {name} of {qualified} is dropped under ACCESS EXCLUSIVE: nothing keeps what it promised"
        ),
    };
    if !dropped.dependents.is_empty() {
        message.push_str(if dropped.is_cascade {
            ", and with it goes "
        } else {
            "; the server refuses, because of "
        });
        message.push_str(&dependents(&dropped.dependents));
    }
    let mut found = moment(asked, message);
    if !dropped.definition.is_empty() {
        found.note.push_str(&format!(
            "; the way back is {}",
            alter_table(&qualified, &format!("ADD CONSTRAINT {name} {}", dropped.definition))
        ));
    }
    if dropped.is_cascade && !dropped.dependents.is_empty() {
        found.severity = Some(Severity::Error);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::LockMode;
    use crate::catalog::ddl::{AddColumn, ColumnDefinition, Dependent, DropConstraint, UsingIndex};
    use crate::migration::judge::sample::{Case, empty_table, new_table, relation, table};

    fn add(constraint_type: ConstraintType, change: impl FnOnce(&mut AddConstraint), text: &str) -> Case {
        let mut facts =
            AddConstraint { constraint_type, columns: vec!["note".into()], ..AddConstraint::default() };
        change(&mut facts);
        Case::alter(Alteration::AddConstraint(facts)).text(text, "")
    }

    #[test]
    fn a_check_is_added_in_two_steps() {
        let case = add(
            ConstraintType::Check,
            |added| added.name = "sc".into(),
            "ADD CONSTRAINT sc CHECK (score > 0)",
        );
        assert_eq!(
            case.fires(CHECK.id).safe,
            [
                "ALTER TABLE public.acct ADD CONSTRAINT sc CHECK (score > 0) NOT VALID",
                "ALTER TABLE public.acct VALIDATE CONSTRAINT sc",
            ]
        );
        let unnamed = add(ConstraintType::Check, |_| (), "ADD CHECK (score > 0)").fires(CHECK.id);
        assert_eq!(
            unnamed.safe[0],
            "ALTER TABLE public.acct ADD CONSTRAINT chk_acct CHECK (score > 0) NOT VALID"
        );
        add(ConstraintType::Check, |added| added.is_not_valid = true, "").is_silent(CHECK.id);
        add(ConstraintType::Check, |added| added.is_not_enforced = true, "").is_silent(CHECK.id);
        case.on(new_table("fresh"), LockMode::AccessExclusive).is_silent(CHECK.id);
    }

    #[test]
    fn unique_goes_over_an_index() {
        let text = "ADD CONSTRAINT u1 UNIQUE NULLS NOT DISTINCT (note) INCLUDE (qty) DEFERRABLE";
        let case = add(ConstraintType::Unique, |added| added.name = "u1".into(), text);
        assert_eq!(
            case.fires(UNIQUE.id).safe,
            [
                "CREATE UNIQUE INDEX CONCURRENTLY u1 ON public.acct (note) INCLUDE (qty) NULLS NOT DISTINCT",
                "ALTER TABLE public.acct ADD CONSTRAINT u1 UNIQUE USING INDEX u1 DEFERRABLE",
            ]
        );
        let parent = relation("meas", TouchedKind::PartitionedTable);
        assert!(case.on(parent, LockMode::AccessExclusive).fires(UNIQUE.id).safe.is_empty());
        add(ConstraintType::Unique, |added| added.using_index = Some(UsingIndex::default()), "")
            .is_silent(UNIQUE.id);
    }

    #[test]
    fn a_primary_key_goes_over_an_index_and_not_null() {
        let case = add(ConstraintType::PrimaryKey, |added| added.nullable_columns = vec!["note".into()], "");
        let found = case.fires(PRIMARY_KEY.id);
        assert_eq!(found.safe.len(), 6);
        assert_eq!(found.safe[4], "CREATE UNIQUE INDEX CONCURRENTLY acct_pkey ON public.acct (note)");
        case.on(empty_table("acct"), LockMode::AccessExclusive).is_silent(PRIMARY_KEY.id);
        let column =
            ColumnDefinition { name: "id".into(), is_primary_key: true, ..ColumnDefinition::default() };
        let added = AddColumn { column, ..AddColumn::default() };
        Case::alter(Alteration::AddColumn(added)).fires(PRIMARY_KEY.id);
        Case::alter(Alteration::AddColumn(AddColumn::default())).is_silent(PRIMARY_KEY.id);
    }

    #[test]
    fn an_index_over_columns_that_may_be_null_is_not_enough() {
        let using = |nullable: &[&str]| UsingIndex {
            index: "nopk_u".into(),
            nullable_columns: nullable.iter().map(|&name| name.to_owned()).collect(),
            is_valid: true,
        };
        let nullable = add(ConstraintType::PrimaryKey, |added| added.using_index = Some(using(&["id"])), "");
        let found = nullable.fires(PRIMARY_KEY_NULLABLE.id);
        assert_eq!(found.safe.last().unwrap(), "ALTER TABLE public.acct ADD PRIMARY KEY USING INDEX nopk_u");
        nullable.is_silent(PRIMARY_KEY.id);
        let ready = add(ConstraintType::PrimaryKey, |added| added.using_index = Some(using(&[])), "");
        ready.is_silent(PRIMARY_KEY_NULLABLE.id);
        ready.is_silent(PRIMARY_KEY.id);
    }

    #[test]
    fn exclusion_has_no_safe_form() {
        let case = add(ConstraintType::Exclusion, |_| (), "");
        assert!(case.fires(EXCLUSION.id).safe.is_empty());
        case.on(empty_table("acct"), LockMode::AccessExclusive).is_silent(EXCLUSION.id);
    }

    #[test]
    fn enforced_tests_every_row() {
        let alter = |becomes_enforced| {
            Case::alter(Alteration::AlterConstraint { name: "fk1".into(), becomes_enforced }).version(180_000)
        };
        assert_eq!(alter(true).fires(ENFORCED.id).safe, ["ALTER TABLE public.acct DROP CONSTRAINT fk1"]);
        alter(false).is_silent(ENFORCED.id);
    }

    #[test]
    fn what_is_dropped_is_said() {
        let dropped = |change: fn(&mut DropConstraint)| {
            let mut facts = DropConstraint {
                name: "fk1".into(),
                constraint_type: Some(ConstraintType::ForeignKey),
                referenced: Some(table("grp")),
                definition: "FOREIGN KEY (ref_id) REFERENCES grp(id)".into(),
                ..DropConstraint::default()
            };
            change(&mut facts);
            Case::alter(Alteration::DropConstraint(facts))
        };
        let found = dropped(|_| ()).fires(DROP.id);
        assert!(found.message.contains("public.acct and public.grp are both locked in ACCESS EXCLUSIVE"));
        assert!(found.note.ends_with("ADD CONSTRAINT fk1 FOREIGN KEY (ref_id) REFERENCES grp(id)"));
        dropped(|facts| facts.constraint_type = None).is_silent(DROP.id);
        let cascade = dropped(|facts| {
            facts.constraint_type = Some(ConstraintType::PrimaryKey);
            facts.is_cascade = true;
            facts.dependents =
                vec![Dependent { kind: "foreign key", name: "fk9".into(), is_dropped_by_cascade: true }];
        });
        assert_eq!(cascade.severity(DROP.id), Some(Severity::Error));
        assert!(cascade.fires(DROP.id).message.contains("with it goes foreign key fk9"));
    }
}
