//! ALTER COLUMN … TYPE, SET EXPRESSION, and types below typed tables.

use super::pieces::{alter_table, migration_plan};
use super::words::{alteration, dependents, few, notes, stored, under, under_mode, whole};
use crate::catalog::LockMode;
use crate::catalog::ddl::{Alteration, Touched, TypeChange};
use crate::finding::Severity;
use crate::migration::judge::rule::{Asked, DdlRule, Effect, Exempt, Found};
use crate::text::identifier::quote_identifier;

const MANUAL: &str = "https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES";

/// A type whose values are stored otherwise.
pub const REWRITE: DdlRule = DdlRule {
    id: "ddl.alter_column_type_rewrite",
    severity: Severity::Error,
    title: "A column gets a type whose values are stored otherwise",
    why: "The table and all its indexes are written anew under ACCESS EXCLUSIVE; nobody reads or writes until that is done.",
    thresholds: &[],
    reference: MANUAL,
    exempt: Exempt::Small,
    check: rewrite,
};

/// Indexes that do not suit the new type.
pub const INDEX_REBUILD: DdlRule = DdlRule {
    id: "ddl.alter_column_type_index_rebuild",
    severity: Severity::Error,
    title: "A change of type or collation builds indexes anew",
    why: "The rows stay, but the indexes on the column are built again inside of ALTER TABLE, under ACCESS EXCLUSIVE.",
    thresholds: &[],
    reference: MANUAL,
    exempt: Exempt::Small,
    check: index_rebuild,
};

/// Constraints that are tested again.
pub const RECHECK: DdlRule = DdlRule {
    id: "ddl.alter_column_type_recheck_constraints",
    severity: Severity::Error,
    title: "A change of type tests constraints on every row again",
    why: "Even where the values stay as they are, each CHECK and foreign key on the column is tested anew under ACCESS EXCLUSIVE.",
    thresholds: &[],
    reference: MANUAL,
    exempt: Exempt::Small,
    check: recheck,
};

/// Views on the column.
pub const DEPENDENTS: DdlRule = DdlRule {
    id: "ddl.alter_column_type_dependents",
    severity: Severity::Error,
    title: "A column whose type changes is used by views, rules or policies",
    why: "The server refuses the change as long as they stand on the column, once it has waited for its lock.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ddl-depend.html",
    exempt: Exempt::Nothing,
    check: used,
};

/// SET EXPRESSION.
pub const SET_EXPRESSION: DdlRule = DdlRule {
    id: "ddl.set_expression_stored",
    severity: Severity::Error,
    title: "A stored generated column gets another expression",
    why: "The expression is computed and stored anew for every row: the table is written anew under ACCESS EXCLUSIVE.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-SET-EXPRESSION",
    exempt: Exempt::Small,
    check: set_expression,
};

/// ALTER TYPE … CASCADE.
pub const TYPE_CASCADE: DdlRule = DdlRule {
    id: "ddl.alter_type_cascade_rewrite",
    severity: Severity::Error,
    title: "A composite type changes with CASCADE below typed tables",
    why: "Each table OF the type is written anew under ACCESS EXCLUSIVE, in one transaction.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-altertype.html",
    exempt: Exempt::Small,
    check: type_cascade,
};

fn change<'a>(asked: &Asked<'a>) -> Option<(&'a Touched, &'a TypeChange)> {
    match alteration(asked)? {
        Alteration::ColumnType(change) if change.is_there => Some((stored(asked)?, change)),
        _ => None,
    }
}

fn rewrite(asked: &Asked<'_>) -> Option<Found> {
    let (table, change) = change(asked)?;
    if change.rewrites == Some(false) {
        return None;
    }
    let (qualified, column) = (table.qualified(), quote_identifier(&change.column));
    let (from, to) = (&change.from, &change.to);
    if change.rewrites.is_none() {
        let message = format!(
            "whether {qualified} is written anew for {column} to become {to} could not be found out: if it is, then {}",
            under(asked)
        );
        let mut found = Found::new(Effect::Rewrite, message);
        found.severity = Some(Severity::Warning);
        return Some(found);
    }
    let message = format!(
        "every row of {qualified} is written anew {}, as {column} becomes {to} and was {from}",
        under(asked)
    );
    let zone = if change.depends_on_time_zone {
        "if its moments are meant as UTC, the same statement behind SET timezone = 'UTC' writes no row"
            .to_owned()
    } else {
        String::new()
    };
    let sequence = change.sequence.as_ref().map_or_else(String::new, |sequence| {
        format!("its sequence {sequence} keeps its own type: ALTER SEQUENCE {sequence} AS {to}")
    });
    let way = "the plan adds a second column, keeps both alike by a trigger, fills it in batches and swaps the names";
    Some(
        Found::new(Effect::Rewrite, message)
            .safe(migration_plan(&whole_or(asked, table, change)))
            .note(notes(&[way.to_owned(), zone, sequence])),
    )
}

fn whole_or(asked: &Asked<'_>, table: &Touched, change: &TypeChange) -> String {
    if !asked.action.text.is_empty() {
        return whole(asked);
    }
    let using = change.using.as_ref().map_or_else(String::new, |using| format!(" USING {using}"));
    let command = format!("ALTER COLUMN {} TYPE {}{using}", quote_identifier(&change.column), change.to);
    alter_table(&table.qualified(), &command)
}

fn index_rebuild(asked: &Asked<'_>) -> Option<Found> {
    let (table, change) = change(asked)?;
    if change.rebuilt_indexes.is_empty() || change.rewrites == Some(true) {
        return None;
    }
    let message = format!(
        "the rows of {} stay, but {} {} built anew {}",
        table.qualified(),
        few(&change.rebuilt_indexes),
        if change.rebuilt_indexes.len() == 1 { "is" } else { "are" },
        under(asked)
    );
    Some(Found::new(Effect::IndexBuild, message).safe(migration_plan(&whole_or(asked, table, change))).note(
        "the plan adds a second column with its own indexes, built while others work, and swaps the names; an index \
         that may be missing for a while can be dropped before and built CONCURRENTLY behind the change",
    ))
}

fn recheck(asked: &Asked<'_>) -> Option<Found> {
    let (table, change) = change(asked)?;
    if change.rewrites == Some(true) || (change.rechecked_constraints.is_empty() && !change.scans) {
        return None;
    }
    let qualified = table.qualified();
    let mut found = if change.rechecked_constraints.is_empty() {
        let message = format!(
            "every row of {qualified} is read {}, to test the constraints of {}",
            under(asked),
            change.to
        );
        Found::new(Effect::Scan, message)
    } else {
        let names = few(&change.rechecked_constraints);
        let message = format!("every row of {qualified} is read {}, to test {names} again", under(asked));
        Found::new(Effect::Scan, message)
    };
    if change.rechecked_constraints.is_empty() {
        return Some(
            found.note("add what the domain demands as a CHECK constraint NOT VALID of the table instead"),
        );
    }
    for constraint in &change.rechecked_constraints {
        found =
            found.safe(alter_table(&qualified, &format!("DROP CONSTRAINT {}", quote_identifier(constraint))));
    }
    Some(found.safe(whole_or(asked, table, change)).note(
        "add the constraints again NOT VALID, in the transaction that drops them, and VALIDATE CONSTRAINT in another one",
    ))
}

fn used(asked: &Asked<'_>) -> Option<Found> {
    let (table, change) = change(asked)?;
    if change.dependents.is_empty() {
        return None;
    }
    let message = format!(
        "{} of {} is used by {}: the server refuses to change its type as long as they stand on it",
        quote_identifier(&change.column),
        table.qualified(),
        dependents(&change.dependents)
    );
    Some(
        Found::new(Effect::Fails, message)
            .note("drop them and create them again in the transaction of the change"),
    )
}

fn set_expression(asked: &Asked<'_>) -> Option<Found> {
    let Alteration::SetExpression { column, is_stored: true } = alteration(asked)? else { return None };
    let table = stored(asked)?;
    let column = quote_identifier(column);
    let message = format!(
        "every row of {} is written anew {}, as {column} is computed and stored in each again",
        table.qualified(),
        under(asked)
    );
    let drop = alter_table(&table.qualified(), &format!("ALTER COLUMN {column} DROP EXPRESSION"));
    Some(Found::new(Effect::Rewrite, message).safe(drop).note(
        "what was generated stays as an ordinary column; a trigger computes the new expression for new rows, CALL \
         dbm.backfill for those that are there",
    ))
}

fn type_cascade(asked: &Asked<'_>) -> Option<Found> {
    let Alteration::TypedTables { tables, rewrites: true } = alteration(asked)? else { return None };
    let victim = tables.iter().filter(|table| !table.is_private()).max_by_key(|table| table.bytes)?;
    let names: Vec<String> = tables.iter().map(Touched::qualified).collect();
    let message = format!(
        "every row of {}, typed by {}, is written anew {}",
        few(&names),
        asked.target_name(),
        under_mode(LockMode::AccessExclusive)
    );
    let mut found = Found::new(Effect::Rewrite, message).note(
        "turn the tables into ordinary ones by ALTER TABLE … NOT OF, and change their column as that of any table",
    );
    found.safe = names.iter().map(|name| alter_table(name, "NOT OF")).collect();
    found.lock = Some(LockMode::AccessExclusive);
    found.victim = Some(victim.clone());
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::ddl::{Dependent, TouchedKind};
    use crate::migration::judge::sample::{Case, empty_table, relation, table};

    fn retype(change: impl FnOnce(&mut TypeChange)) -> Case {
        let mut facts = TypeChange {
            column: "qty".into(),
            is_there: true,
            from: "integer".into(),
            to: "bigint".into(),
            rewrites: Some(false),
            ..TypeChange::default()
        };
        change(&mut facts);
        Case::alter(Alteration::ColumnType(facts)).text("ALTER qty TYPE bigint", "")
    }

    #[test]
    fn another_storage_writes_every_row() {
        let case = retype(|change| change.rewrites = Some(true));
        let found = case.fires(REWRITE.id);
        assert_eq!(
            found.message,
            "every row of public.acct is written anew under ACCESS EXCLUSIVE: readers and writers wait, as qty becomes \
             bigint and was integer"
        );
        assert_eq!(
            found.safe,
            ["SELECT dbm.migration_plan('ALTER TABLE public.acct ALTER qty TYPE bigint')"]
        );
        retype(|_| ()).is_silent(REWRITE.id);
        case.on(empty_table("acct"), LockMode::AccessExclusive).is_silent(REWRITE.id);
    }

    #[test]
    fn what_could_not_be_found_out_warns() {
        let case = retype(|change| change.rewrites = None);
        assert_eq!(case.severity(REWRITE.id), Some(Severity::Warning));
    }

    #[test]
    fn a_time_zone_and_a_sequence_are_told() {
        let note = retype(|change| {
            change.rewrites = Some(true);
            change.depends_on_time_zone = true;
            change.sequence = Some("public.acct_qty_seq".into());
        })
        .fires(REWRITE.id)
        .note;
        assert!(
            note.contains("SET timezone = 'UTC'")
                && note.contains("ALTER SEQUENCE public.acct_qty_seq AS bigint")
        );
    }

    #[test]
    fn indexes_are_told_where_the_rows_stay() {
        let rebuilt = |change: &mut TypeChange| change.rebuilt_indexes = vec!["public.acct_n".into()];
        assert!(retype(rebuilt).fires(INDEX_REBUILD.id).message.contains("public.acct_n is built anew"));
        retype(|change| {
            rebuilt(change);
            change.rewrites = Some(true);
        })
        .is_silent(INDEX_REBUILD.id);
        retype(|_| ()).is_silent(INDEX_REBUILD.id);
    }

    #[test]
    fn constraints_are_tested_again() {
        let case = retype(|change| change.rechecked_constraints = vec!["qty_positive".into()]);
        let found = case.fires(RECHECK.id);
        assert_eq!(found.safe[0], "ALTER TABLE public.acct DROP CONSTRAINT qty_positive");
        assert!(retype(|change| change.scans = true).fires(RECHECK.id).note.contains("domain"));
        retype(|_| ()).is_silent(RECHECK.id);
    }

    #[test]
    fn a_view_stands_in_the_way() {
        let view = Dependent { kind: "view", name: "public.av".into(), is_dropped_by_cascade: true };
        let found = retype(|change| change.dependents = vec![view]).fires(DEPENDENTS.id);
        assert_eq!(found.effect, Effect::Fails);
        assert!(found.message.contains("view public.av"));
        retype(|_| ()).is_silent(DEPENDENTS.id);
    }

    #[test]
    fn a_stored_expression_writes_every_row() {
        let set = |is_stored| Case::alter(Alteration::SetExpression { column: "total".into(), is_stored });
        assert_eq!(set(true).fires(SET_EXPRESSION.id).effect, Effect::Rewrite);
        set(false).is_silent(SET_EXPRESSION.id);
    }

    #[test]
    fn a_type_with_typed_tables_writes_them() {
        let cascade = |tables, rewrites| {
            Case::alter(Alteration::TypedTables { tables, rewrites })
                .on(relation("pair", TouchedKind::CompositeType), LockMode::AccessExclusive)
        };
        let found = cascade(vec![table("oft")], true).fires(TYPE_CASCADE.id);
        assert_eq!(found.victim, Some(table("oft")));
        assert_eq!(found.safe, ["ALTER TABLE public.oft NOT OF"]);
        cascade(vec![table("oft")], false).is_silent(TYPE_CASCADE.id);
        cascade(vec![empty_table("oft")], true).is_silent(TYPE_CASCADE.id);
    }
}
