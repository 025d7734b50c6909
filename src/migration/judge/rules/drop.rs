//! DROP and TRUNCATE: what is gone, and what falls with it.

use super::pieces::alter_table;
use super::words::{alteration, dependents, few, notes, stored, uses};
use crate::catalog::LockMode;
use crate::catalog::ddl::{
    Alteration, Dependent, DropColumn, DropObject, DroppedKind, Kind, Touched, TouchedKind,
};
use crate::finding::Severity;
use crate::migration::judge::rule::{Asked, DdlRule, Effect, Exempt, Found};
use crate::text::identifier::quote_identifier;

const DEPEND: &str = "https://www.postgresql.org/docs/current/ddl-depend.html";

/// DROP TABLE.
pub const TABLE: DdlRule = DdlRule {
    id: "ddl.drop_table",
    severity: Severity::Error,
    title: "A table is dropped",
    why: "Its rows are gone and whoever uses it fails; the tables to which its foreign keys point and its parent are locked, too.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-droptable.html",
    exempt: Exempt::Private,
    check: table,
};

/// DROP TABLE with several foreign keys.
pub const TABLE_FOREIGN_KEYS: DdlRule = DdlRule {
    id: "ddl.drop_table_multiple_foreign_keys",
    severity: Severity::Warning,
    title: "A table with several foreign keys is dropped",
    why: "All tables to which they point are locked in ACCESS EXCLUSIVE at a time: readers of each wait, and deadlocks are likely.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-DEADLOCKS",
    exempt: Exempt::Private,
    check: table_foreign_keys,
};

/// DROP COLUMN.
pub const COLUMN: DdlRule = DdlRule {
    id: "ddl.drop_column",
    severity: Severity::Error,
    title: "A column is dropped",
    why: "Its values are gone, and every statement that names it fails, also those that clients have prepared.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ddl-alter.html#DDL-ALTER-REMOVING-A-COLUMN",
    exempt: Exempt::Private,
    check: column,
};

/// DROP COLUMN with dependents.
pub const COLUMN_DEPENDENTS: DdlRule = DdlRule {
    id: "ddl.drop_column_with_dependents",
    severity: Severity::Error,
    title: "A column is dropped on which other objects stand",
    why: "CASCADE drops them, too; without it the server refuses; functions that name the column fail when they are called.",
    thresholds: &[],
    reference: DEPEND,
    exempt: Exempt::Private,
    check: column_dependents,
};

/// TRUNCATE.
pub const TRUNCATE: DdlRule = DdlRule {
    id: "ddl.truncate",
    severity: Severity::Error,
    title: "A table is emptied",
    why: "Every row is gone at once, under ACCESS EXCLUSIVE; older snapshots of other transactions see an empty table, too.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-truncate.html",
    exempt: Exempt::Private,
    check: truncate,
};

/// TRUNCATE CASCADE.
pub const TRUNCATE_CASCADE: DdlRule = DdlRule {
    id: "ddl.truncate_cascade",
    severity: Severity::Error,
    title: "TRUNCATE CASCADE empties other tables",
    why: "Every table with a foreign key to this one is emptied, and those that point to them: tables that the statement does not name.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-truncate.html",
    exempt: Exempt::Private,
    check: truncate_cascade,
};

/// DROP SCHEMA.
pub const SCHEMA: DdlRule = DdlRule {
    id: "ddl.drop_schema",
    severity: Severity::Error,
    title: "A schema is dropped",
    why: "With CASCADE all that is in it is gone; search_path and qualified names that mention it break.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-dropschema.html",
    exempt: Exempt::Nothing,
    check: schema,
};

/// DROP DATABASE.
pub const DATABASE: DdlRule = DdlRule {
    id: "ddl.drop_database",
    severity: Severity::Error,
    title: "A database is dropped",
    why: "All that is in it is gone; nothing but a backup brings it back.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/manage-ag-dropdb.html",
    exempt: Exempt::Nothing,
    check: database,
};

/// DROP OWNED.
pub const OWNED: DdlRule = DdlRule {
    id: "ddl.drop_owned",
    severity: Severity::Error,
    title: "All that a role owns is dropped",
    why: "Tables with their rows go without being named, and so do all of the role's rights.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-drop-owned.html",
    exempt: Exempt::Nothing,
    check: owned,
};

/// DROP EXTENSION.
pub const EXTENSION: DdlRule = DdlRule {
    id: "ddl.drop_extension",
    severity: Severity::Error,
    title: "An extension is dropped",
    why: "Its types and functions go; with CASCADE every column of such a type and every index on it goes, too.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-dropextension.html",
    exempt: Exempt::Nothing,
    check: extension,
};

/// CASCADE of anything else.
pub const CASCADE: DdlRule = DdlRule {
    id: "ddl.drop_cascade",
    severity: Severity::Error,
    title: "DROP … CASCADE drops more than it names",
    why: "Columns, views, triggers and constraints that stand on the object go with it, and a NOTICE is all that says so.",
    thresholds: &[],
    reference: DEPEND,
    exempt: Exempt::Private,
    check: cascade,
};

/// DROP VIEW, FUNCTION, SEQUENCE.
pub const USED: DdlRule = DdlRule {
    id: "ddl.drop_view_or_function",
    severity: Severity::Warning,
    title: "A view, a function or a sequence is dropped",
    why: "Clients and functions that name it fail from then on; the server does not know of them.",
    thresholds: &[],
    reference: DEPEND,
    exempt: Exempt::Private,
    check: used,
};

fn dropped<'a>(asked: &Asked<'a>, kinds: &[DroppedKind]) -> Option<&'a DropObject> {
    match &asked.action.kind {
        Kind::Drop(dropped) if dropped.is_there && kinds.contains(&dropped.kind) => Some(dropped),
        _ => None,
    }
}

/// Those that CASCADE takes away.
fn falling(all: &[Dependent]) -> Vec<Dependent> {
    all.iter().filter(|dependent| dependent.is_dropped_by_cascade).cloned().collect()
}

/// Those that only fail later.
fn breaking(all: &[Dependent]) -> Vec<Dependent> {
    all.iter().filter(|dependent| !dependent.is_dropped_by_cascade).cloned().collect()
}

fn table(asked: &Asked<'_>) -> Option<Found> {
    let dropped = dropped(asked, &[DroppedKind::Table])?;
    let target = asked.target();
    let parent = target.and_then(Touched::partitioned_parent);
    let others: Vec<String> = parent.iter().chain(&dropped.referenced).cloned().collect();
    let locked = format!("{} is locked in ACCESS EXCLUSIVE, too", few(&others));
    // Nothing is lost of what holds nothing. Should somebody fill it before it is locked, the back-stop sees it.
    let is_empty = target.is_some_and(|table| table.is_empty && table.kind != TouchedKind::ForeignTable);
    let mut found = match (is_empty && asked.action.blockers.is_empty(), others.is_empty()) {
        (true, true) => return None,
        (true, false) => Found {
            lock: Some(LockMode::AccessExclusive),
            severity: Some(Severity::Warning),
            ..Found::new(Effect::Breaks, format!("with the empty table {} {locked}", dropped.name))
        },
        (false, true) => Found::new(Effect::Loses, format!("{} is dropped with all its rows", dropped.name)),
        (false, false) => {
            Found::new(Effect::Loses, format!("{} is dropped with all its rows; {locked}", dropped.name))
        }
    };
    if let Some(parent) = &parent {
        found = found
            .safe(alter_table(parent, &format!("DETACH PARTITION {} CONCURRENTLY", dropped.name)))
            .safe(format!("DROP TABLE {}", dropped.name));
    }
    if is_empty {
        return Some(found);
    }
    let way = "first let nobody use it: REVOKE its rights or rename it, wait until nobody has missed it, keep a dump";
    Some(found.note(notes(&[way.to_owned(), uses(&dropped.recent_uses)])))
}

fn table_foreign_keys(asked: &Asked<'_>) -> Option<Found> {
    let dropped = dropped(asked, &[DroppedKind::Table])?;
    if dropped.referenced.len() < 2 {
        return None;
    }
    let message = format!(
        "with {} {} are locked in ACCESS EXCLUSIVE at a time: readers and writers of each wait",
        dropped.name,
        few(&dropped.referenced)
    );
    let mut found = Found::new(Effect::Lock, message);
    found.lock = Some(LockMode::AccessExclusive);
    Some(found.note("drop its foreign keys one by one, each in a transaction of its own, then the table"))
}

fn drop_column<'a>(asked: &Asked<'a>) -> Option<(&'a Touched, &'a DropColumn)> {
    match alteration(asked)? {
        Alteration::DropColumn(dropped) if dropped.is_there => Some((asked.target()?, dropped)),
        _ => None,
    }
}

fn column(asked: &Asked<'_>) -> Option<Found> {
    let (table, dropped) = drop_column(asked)?;
    let message = format!(
        "{} of {} is dropped with all its values: statements that name it fail",
        quote_identifier(&dropped.column),
        table.qualified()
    );
    let way = "first deploy an application that neither reads nor writes it, and make it nullable or give it a default";
    Some(Found::new(Effect::Loses, message).note(notes(&[way.to_owned(), uses(&dropped.recent_uses)])))
}

fn column_dependents(asked: &Asked<'_>) -> Option<Found> {
    let (table, dropped) = drop_column(asked)?;
    if dropped.dependents.is_empty() {
        return None;
    }
    let falling = falling(&dropped.dependents);
    let breaking = breaking(&dropped.dependents);
    let mut parts = Vec::new();
    if !falling.is_empty() {
        let what = dependents(&falling);
        parts.push(if dropped.is_cascade {
            format!("{what} is dropped with it")
        } else {
            format!("{what} makes the server refuse")
        });
    }
    if !breaking.is_empty() {
        parts.push(format!("{} fails from then on", dependents(&breaking)));
    }
    let message = format!(
        "{} of {} is used by other objects: {}",
        quote_identifier(&dropped.column),
        table.qualified(),
        parts.join(", ")
    );
    let effect = if falling.is_empty() || dropped.is_cascade { Effect::Breaks } else { Effect::Fails };
    Some(Found::new(effect, message).note("change them first so that they do without the column"))
}

fn truncate(asked: &Asked<'_>) -> Option<Found> {
    let Kind::Truncate { .. } = &asked.action.kind else { return None };
    let table = stored(asked).or_else(|| asked.target())?;
    if table.is_empty && table.kind != TouchedKind::ForeignTable {
        return None;
    }
    let message = format!("every row of {} is gone, under ACCESS EXCLUSIVE", table.qualified());
    Some(
        Found::new(Effect::Loses, message)
            .note("DELETE in batches keeps readers and writers going; keep a dump"),
    )
}

fn truncate_cascade(asked: &Asked<'_>) -> Option<Found> {
    let Kind::Truncate { is_cascade: true, referencing } = &asked.action.kind else { return None };
    let table = asked.target()?;
    if referencing.is_empty() {
        return None;
    }
    let message = format!(
        "{} {} emptied together with {}, as {} foreign keys to it",
        few(referencing),
        if referencing.len() == 1 { "is" } else { "are" },
        table.qualified(),
        if referencing.len() == 1 { "it has" } else { "they have" }
    );
    let mut found = Found::new(Effect::Loses, message);
    let mut all = vec![table.qualified()];
    all.extend(referencing.iter().cloned());
    found = found.safe(format!("TRUNCATE {}", all.join(", ")));
    Some(found.note("name every table that is to be emptied, so that no other ever is"))
}

fn schema(asked: &Asked<'_>) -> Option<Found> {
    let dropped = dropped(asked, &[DroppedKind::Schema])?;
    let falling = falling(&dropped.dependents);
    let message = match (dropped.is_cascade, falling.is_empty()) {
        (true, false) => format!("the schema {} is dropped with {}", dropped.name, dependents(&falling)),
        (false, false) => {
            format!(
                "the schema {} is not empty, so that the server refuses: {}",
                dropped.name,
                dependents(&falling)
            )
        }
        (_, true) => {
            format!("the schema {} is dropped: a search_path that names it finds nothing", dropped.name)
        }
    };
    let effect = if falling.is_empty() {
        Effect::Breaks
    } else if dropped.is_cascade {
        Effect::Loses
    } else {
        Effect::Fails
    };
    Some(Found::new(effect, message).note("drop what is in it name by name, in an earlier release"))
}

fn database(asked: &Asked<'_>) -> Option<Found> {
    let dropped = dropped(asked, &[DroppedKind::Database])?;
    let message = format!("the database {} is gone with all that is in it", dropped.name);
    Some(Found::new(Effect::Loses, message).note("rename it first, and drop it once nobody has missed it"))
}

fn owned(asked: &Asked<'_>) -> Option<Found> {
    let dropped = dropped(asked, &[DroppedKind::Owned])?;
    let falling = falling(&dropped.dependents);
    let message = if falling.is_empty() {
        format!("all rights of {} are revoked; it owns nothing here", dropped.name)
    } else {
        format!("all that {} owns is dropped: {}", dropped.name, dependents(&falling))
    };
    let mut found = Found::new(if falling.is_empty() { Effect::Breaks } else { Effect::Loses }, message);
    if !dropped.name.is_empty() {
        found = found.safe(format!("REASSIGN OWNED BY {} TO CURRENT_USER", dropped.name));
    }
    Some(found.note("what is reassigned stays; DROP OWNED then takes away rights alone"))
}

fn extension(asked: &Asked<'_>) -> Option<Found> {
    let dropped = dropped(asked, &[DroppedKind::Extension])?;
    let falling = falling(&dropped.dependents);
    let message = match (falling.is_empty(), dropped.is_cascade) {
        (true, _) => format!("the extension {} is dropped with its types and functions", dropped.name),
        (false, true) => format!("the extension {} is dropped with {}", dropped.name, dependents(&falling)),
        (false, false) => {
            format!(
                "the extension {} is in use, so that the server refuses: {}",
                dropped.name,
                dependents(&falling)
            )
        }
    };
    let effect = if falling.is_empty() || dropped.is_cascade { Effect::Loses } else { Effect::Fails };
    Some(Found::new(effect, message))
}

fn cascade(asked: &Asked<'_>) -> Option<Found> {
    use DroppedKind as K;
    let dropped = dropped(
        asked,
        &[
            K::Table,
            K::View,
            K::MaterializedView,
            K::Sequence,
            K::Type,
            K::Function,
            K::Index,
            K::Trigger,
            K::Other,
        ],
    )?;
    let falling = falling(&dropped.dependents);
    if !dropped.is_cascade || falling.is_empty() {
        return None;
    }
    let message = format!("with {} CASCADE drops {}", dropped.name, dependents(&falling));
    Some(
        Found::new(Effect::Loses, message)
            .note("drop them by name, so that nothing goes that nobody thought of"),
    )
}

fn used(asked: &Asked<'_>) -> Option<Found> {
    use DroppedKind as K;
    let dropped = dropped(asked, &[K::View, K::MaterializedView, K::Function, K::Sequence])?;
    let what = match dropped.kind {
        K::View => "the view",
        K::MaterializedView => "the materialized view",
        K::Sequence => "the sequence",
        _ => "the function",
    };
    let mut message = format!("{what} {} is dropped: whoever names it fails", dropped.name);
    let breaking = breaking(&dropped.dependents);
    if !breaking.is_empty() {
        message.push_str(&format!(", e.g. {}", dependents(&breaking)));
    }
    let replace = match dropped.kind {
        K::View => "CREATE OR REPLACE VIEW keeps those who use it, as long as its columns stay",
        K::Function => "CREATE OR REPLACE FUNCTION keeps those who call it",
        _ => "",
    };
    let effect = if dropped.kind == K::Sequence { Effect::Loses } else { Effect::Breaks };
    Some(Found::new(effect, message).note(notes(&[replace.to_owned(), uses(&dropped.recent_uses)])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::ddl::{Blocker, RecentUse};
    use crate::migration::judge::sample::{Case, empty_table, new_table, table as sample_table};

    fn drop(kind: DroppedKind, change: impl FnOnce(&mut DropObject)) -> Case {
        let mut facts = DropObject::new(kind, "public.acct");
        change(&mut facts);
        Case::new(Kind::Drop(facts))
    }

    fn view() -> Dependent {
        Dependent { kind: "view", name: "public.av".into(), is_dropped_by_cascade: true }
    }

    fn function() -> Dependent {
        Dependent { kind: "function", name: "public.f()".into(), is_dropped_by_cascade: false }
    }

    #[test]
    fn a_table_is_gone_with_its_rows() {
        let on = |table| drop(DroppedKind::Table, |_| ()).on(table, LockMode::AccessExclusive);
        assert_eq!(
            on(sample_table("acct")).fires(TABLE.id).message,
            "public.acct is dropped with all its rows"
        );
        let heir = Touched { parent: Some(("public".into(), "meas".into())), ..sample_table("acct") };
        assert_eq!(on(heir.clone()).fires(TABLE.id).message, "public.acct is dropped with all its rows");
        let partition = Touched { is_partition: true, ..heir };
        let found = on(partition).fires(TABLE.id);
        assert!(found.message.ends_with("public.meas is locked in ACCESS EXCLUSIVE, too"));
        assert_eq!(found.safe[0], "ALTER TABLE public.meas DETACH PARTITION public.acct CONCURRENTLY");
        on(new_table("acct")).is_silent(TABLE.id);
        on(empty_table("acct")).is_silent(TABLE.id);
        on(empty_table("acct")).blocked_by(Blocker::default()).fires(TABLE.id);
        let partition = Touched {
            parent: Some(("public".into(), "meas".into())),
            is_partition: true,
            ..empty_table("acct")
        };
        assert_eq!(on(partition).severity(TABLE.id), Some(Severity::Warning), "its parent is locked");
        drop(DroppedKind::Table, |facts| facts.is_there = false).is_silent(TABLE.id);
        drop(DroppedKind::View, |_| ()).is_silent(TABLE.id);
    }

    #[test]
    fn foreign_keys_lock_what_they_point_to() {
        let with = |names: &[&str]| {
            drop(DroppedKind::Table, |facts| {
                facts.referenced = names.iter().map(|&name| name.to_owned()).collect()
            })
        };
        with(&["public.grp", "public.city"]).fires(TABLE_FOREIGN_KEYS.id);
        with(&["public.grp"]).is_silent(TABLE_FOREIGN_KEYS.id);
    }

    fn column(change: impl FnOnce(&mut DropColumn)) -> Case {
        let mut facts = DropColumn { column: "note".into(), is_there: true, ..DropColumn::default() };
        change(&mut facts);
        Case::alter(Alteration::DropColumn(facts))
    }

    #[test]
    fn a_column_is_gone_and_its_users_are_named() {
        let found = column(|facts| {
            facts.recent_uses = vec![RecentUse { query: "SELECT note FROM acct".into(), calls: 1240 }];
        })
        .fires(COLUMN.id);
        assert!(found.note.contains("\"SELECT note FROM acct\" (1240 calls)"));
        column(|facts| facts.is_there = false).is_silent(COLUMN.id);
        column(|_| ()).on(new_table("acct"), LockMode::AccessExclusive).is_silent(COLUMN.id);
    }

    #[test]
    fn what_stands_on_a_column_falls_breaks_or_refuses() {
        let used = |is_cascade| {
            column(|facts| {
                facts.is_cascade = is_cascade;
                facts.dependents = vec![view(), function()];
            })
            .fires(COLUMN_DEPENDENTS.id)
        };
        assert_eq!(
            used(true).message,
            "note of public.acct is used by other objects: view public.av is dropped with it, function public.f() fails \
             from then on"
        );
        assert_eq!(used(false).effect, Effect::Fails);
        column(|_| ()).is_silent(COLUMN_DEPENDENTS.id);
    }

    #[test]
    fn truncate_loses_rows_here_and_elsewhere() {
        let truncate = |is_cascade, referencing: &[&str]| {
            let referencing = referencing.iter().map(|&name| name.to_owned()).collect();
            Case::new(Kind::Truncate { is_cascade, referencing })
                .on(sample_table("grp"), LockMode::AccessExclusive)
        };
        let found = truncate(true, &["public.acct"]).fires(TRUNCATE_CASCADE.id);
        assert_eq!(
            found.message,
            "public.acct is emptied together with public.grp, as it has foreign keys to it"
        );
        assert_eq!(found.safe, ["TRUNCATE public.grp, public.acct"]);
        truncate(false, &[]).is_silent(TRUNCATE_CASCADE.id);
        truncate(false, &[]).fires(TRUNCATE.id);
        truncate(false, &[]).on(empty_table("grp"), LockMode::AccessExclusive).is_silent(TRUNCATE.id);
        truncate(false, &[]).on(new_table("grp"), LockMode::AccessExclusive).is_silent(TRUNCATE.id);
    }

    #[test]
    fn a_schema_goes_with_or_without_what_is_in_it() {
        assert_eq!(drop(DroppedKind::Schema, |_| ()).fires(SCHEMA.id).effect, Effect::Breaks);
        let full = |is_cascade| {
            drop(DroppedKind::Schema, |facts| {
                facts.is_cascade = is_cascade;
                facts.dependents = vec![view()];
            })
        };
        assert_eq!(full(true).fires(SCHEMA.id).effect, Effect::Loses);
        assert_eq!(full(false).fires(SCHEMA.id).effect, Effect::Fails);
        drop(DroppedKind::Schema, |facts| facts.is_there = false).is_silent(SCHEMA.id);
    }

    #[test]
    fn whole_databases_owners_and_extensions() {
        for (kind, id) in [
            (DroppedKind::Database, DATABASE.id),
            (DroppedKind::Owned, OWNED.id),
            (DroppedKind::Extension, EXTENSION.id),
        ] {
            drop(kind, |facts| facts.dependents = vec![view()]).fires(id);
            drop(kind, |facts| facts.is_there = false).is_silent(id);
        }
        let used = drop(DroppedKind::Extension, |facts| {
            facts.is_cascade = true;
            facts.dependents = vec![view()];
        });
        assert!(used.fires(EXTENSION.id).message.contains("with view public.av"));
    }

    #[test]
    fn cascade_is_told_where_it_takes_more() {
        let with = |dependents: Vec<Dependent>| {
            drop(DroppedKind::Type, |facts| {
                facts.is_cascade = true;
                facts.dependents = dependents;
            })
        };
        with(vec![view()]).fires(CASCADE.id);
        with(vec![function()]).is_silent(CASCADE.id);
        drop(DroppedKind::Type, |facts| facts.dependents = vec![view()]).is_silent(CASCADE.id);
    }

    #[test]
    fn whoever_names_a_view_or_a_function_fails() {
        for kind in
            [DroppedKind::View, DroppedKind::MaterializedView, DroppedKind::Function, DroppedKind::Sequence]
        {
            drop(kind, |facts| facts.dependents = vec![function()]).fires(USED.id);
        }
        drop(DroppedKind::Type, |_| ()).is_silent(USED.id);
    }
}
