//! RENAME and SET SCHEMA: whoever uses the old name fails.

use super::pieces::migration_plan;
use super::words::{dependents, moment, notes, uses, whole};
use crate::catalog::ddl::{Kind, Renamed, Touched};
use crate::finding::Severity;
use crate::migration::judge::rule::{Asked, DdlRule, Effect, Exempt, Found};
use crate::text::identifier::{quote_identifier, quote_literal};

const MANUAL: &str = "https://www.postgresql.org/docs/current/sql-altertable.html";

/// Tables.
pub const TABLE: DdlRule = DdlRule {
    id: "ddl.rename_table",
    severity: Severity::Error,
    title: "A table is renamed",
    why: "The rename is instant, and every client that knows the old name fails until it is deployed anew.",
    thresholds: &[],
    reference: MANUAL,
    exempt: Exempt::Private,
    check: table,
};

/// Columns.
pub const COLUMN: DdlRule = DdlRule {
    id: "ddl.rename_column",
    severity: Severity::Error,
    title: "A column is renamed",
    why: "The rename is instant, and every client that knows the old name fails until it is deployed anew.",
    thresholds: &[],
    reference: MANUAL,
    exempt: Exempt::Private,
    check: column,
};

/// Schemas.
pub const SCHEMA: DdlRule = DdlRule {
    id: "ddl.rename_schema",
    severity: Severity::Error,
    title: "A schema is renamed",
    why: "Every qualified name and every search_path that mentions the old name finds nothing.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-alterschema.html",
    exempt: Exempt::Nothing,
    check: schema,
};

/// SET SCHEMA.
pub const SET_SCHEMA: DdlRule = DdlRule {
    id: "ddl.set_schema",
    severity: Severity::Error,
    title: "An object is moved to another schema",
    why: "Qualified names and clients whose search_path lacks the new schema no longer find it.",
    thresholds: &[],
    reference: MANUAL,
    exempt: Exempt::Private,
    check: set_schema,
};

/// Values of an enum.
pub const ENUM_VALUE: DdlRule = DdlRule {
    id: "ddl.rename_enum_value",
    severity: Severity::Error,
    title: "A value of an enum is renamed",
    why: "Every row that has it shows the new name at once, and clients that send the old one fail.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-altertype.html",
    exempt: Exempt::Nothing,
    check: enum_value,
};

/// Indexes, constraints, views, sequences, types, functions.
pub const OTHER: DdlRule = DdlRule {
    id: "ddl.rename_other",
    severity: Severity::Warning,
    title: "An index, constraint, view, sequence, type or function is renamed",
    why: "Names stand in ON CONFLICT ON CONSTRAINT, in error handling, in casts, calls and queries; each of them fails or stops matching.",
    thresholds: &[],
    reference: MANUAL,
    exempt: Exempt::Private,
    check: other,
};

fn renamed<'a>(asked: &Asked<'a>, kinds: &[&str]) -> Option<&'a Renamed> {
    match &asked.action.kind {
        Kind::Rename(renamed) if !renamed.is_moved && kinds.contains(&renamed.kind) => Some(renamed),
        _ => None,
    }
}

fn used(renamed: &Renamed, way: &str) -> String {
    let named = if renamed.dependents.is_empty() {
        String::new()
    } else {
        format!("{} names it and fails", dependents(&renamed.dependents))
    };
    notes(&[way.to_owned(), named, uses(&renamed.recent_uses)])
}

fn table(asked: &Asked<'_>) -> Option<Found> {
    let renamed = renamed(asked, &["table", "foreign table"])?;
    let target = asked.target()?;
    let message = format!(
        "{} becomes {} under ACCESS EXCLUSIVE: every client that knows the old name fails",
        target.qualified(),
        renamed.to
    );
    let new = format!("{}.{}", quote_identifier(&target.schema), renamed.to);
    let old = target.qualified();
    Some(
        Found::new(Effect::Breaks, message)
            .safe(format!(
                "BEGIN; ALTER TABLE {old} RENAME TO {}; CREATE VIEW {old} WITH (security_invoker = true) AS SELECT * \
                 FROM {new}; COMMIT",
                renamed.to
            ))
            .note(used(
                renamed,
                "through the view the old name goes on to read and write; give it the table's rights, drop it once \
                 nobody uses it, and allow the rename inside by dbm.allow_ddl",
            )),
    )
}

fn column(asked: &Asked<'_>) -> Option<Found> {
    let renamed = renamed(asked, &["column"])?;
    let target = asked.target()?;
    let (from, to) = (quote_identifier(&renamed.from), quote_identifier(&renamed.to));
    let message =
        format!("{from} of {} becomes {to}: every statement that names it fails", target.qualified());
    let statement = match whole(asked).as_str() {
        "" => format!("ALTER TABLE {} RENAME COLUMN {from} TO {to}", target.qualified()),
        text => text.to_owned(),
    };
    Some(
        Found::new(Effect::Breaks, message)
            .safe(migration_plan(&statement))
            .note(used(renamed, "the plan keeps both names until no client uses the old one")),
    )
}

fn schema(asked: &Asked<'_>) -> Option<Found> {
    let renamed = renamed(asked, &["schema"])?;
    let message = format!(
        "the schema {} becomes {}: qualified names and every search_path that mentions it find nothing",
        renamed.from, renamed.to
    );
    let setting = quote_literal("%search_path%");
    Some(
        Found::new(Effect::Breaks, message)
            .safe(format!(
                "SELECT setdatabase, setrole::regrole, setconfig FROM pg_db_role_setting WHERE \
                 setconfig::text LIKE {setting}"
            ))
            .note(used(
                renamed,
                "create the new schema, move objects one by one, and leave views in the old one",
            )),
    )
}

fn set_schema(asked: &Asked<'_>) -> Option<Found> {
    let Kind::Rename(renamed) = &asked.action.kind else { return None };
    if !renamed.is_moved || asked.action.missing.is_some() {
        return None;
    }
    let from = asked.target().map_or_else(|| renamed.from.clone(), Touched::qualified);
    let message = format!(
        "the {} {from} moves to the schema {}: qualified names no longer find it, nor does a search_path without that \
         schema",
        renamed.kind, renamed.to
    );
    Some(Found::new(Effect::Breaks, message).note(used(
        renamed,
        "put the new schema into every search_path first, or leave a view in the old one",
    )))
}

fn enum_value(asked: &Asked<'_>) -> Option<Found> {
    let renamed = renamed(asked, &["enum value"])?;
    if asked.action.missing.is_some() {
        return None;
    }
    let message = format!(
        "the value {} becomes {}: rows that have it show the new name, and clients that send the old one fail",
        quote_literal(&renamed.from),
        quote_literal(&renamed.to)
    );
    Some(Found::new(Effect::Breaks, message).note(used(
        renamed,
        "add the new value, let the application write it, then UPDATE the rows in batches",
    )))
}

fn other(asked: &Asked<'_>) -> Option<Found> {
    let renamed = renamed(
        asked,
        &[
            "index",
            "constraint",
            "domain constraint",
            "view",
            "materialized view",
            "sequence",
            "type",
            "domain",
            "function",
            "procedure",
            "routine",
            "aggregate",
        ],
    )?;
    if asked.action.missing.is_some() {
        return None;
    }
    let message =
        format!("the {} {} becomes {}: whoever names it fails", renamed.kind, renamed.from, renamed.to);
    let (severity, effect) = match renamed.kind {
        "view" | "materialized view" => (Some(Severity::Error), Effect::Breaks),
        "index" => (Some(Severity::Info), Effect::Breaks),
        "constraint" | "domain constraint" => (None, Effect::Lock),
        _ => (None, Effect::Breaks),
    };
    let mut found = if effect == Effect::Lock { moment(asked, message) } else { Found::new(effect, message) };
    found.severity = severity;
    found.note = used(renamed, &found.note);
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::LockMode;
    use crate::catalog::ddl::{Dependent, TouchedKind};
    use crate::migration::judge::sample::{Case, new_table, relation, table as sample_table};

    fn rename(kind: &'static str, from: &str, to: &str) -> Case {
        Case::new(Kind::Rename(Renamed {
            kind,
            from: from.into(),
            to: to.into(),
            is_moved: false,
            dependents: Vec::new(),
            recent_uses: Vec::new(),
        }))
    }

    #[test]
    fn a_table_keeps_its_old_name_as_a_view() {
        let case =
            rename("table", "public.acct", "account2").on(sample_table("acct"), LockMode::AccessExclusive);
        assert_eq!(
            case.fires(TABLE.id).safe,
            [
                "BEGIN; ALTER TABLE public.acct RENAME TO account2; CREATE VIEW public.acct WITH (security_invoker = true) \
              AS SELECT * FROM public.account2; COMMIT"
            ]
        );
        case.is_silent(OTHER.id);
        case.on(new_table("acct"), LockMode::AccessExclusive).is_silent(TABLE.id);
    }

    #[test]
    fn a_column_is_renamed_by_a_plan() {
        let case = rename("column", "email", "mail").on(sample_table("acct"), LockMode::AccessExclusive);
        let found = case
            .clone()
            .with(|action| {
                let Kind::Rename(renamed) = &mut action.kind else { unreachable!() };
                renamed.dependents.push(Dependent {
                    kind: "function",
                    name: "public.f()".into(),
                    is_dropped_by_cascade: false,
                });
            })
            .fires(COLUMN.id);
        assert_eq!(
            found.safe,
            ["SELECT dbm.migration_plan('ALTER TABLE public.acct RENAME COLUMN email TO mail')"]
        );
        assert!(found.note.contains("function public.f() names it and fails"));
        case.is_silent(TABLE.id);
        rename("table", "public.acct", "b").is_silent(COLUMN.id);
    }

    #[test]
    fn schemas_and_values() {
        rename("schema", "app", "app2").fires(SCHEMA.id);
        rename("table", "app", "app2").is_silent(SCHEMA.id);
        rename("enum value", "sad", "low").fires(ENUM_VALUE.id);
        rename("schema", "app", "app2").is_silent(ENUM_VALUE.id);
    }

    #[test]
    fn set_schema_is_not_a_rename() {
        let moved = rename("table", "public.acct", "app")
            .with(|action| {
                let Kind::Rename(renamed) = &mut action.kind else { unreachable!() };
                renamed.is_moved = true;
            })
            .on(sample_table("acct"), LockMode::AccessExclusive);
        assert!(
            moved.fires(SET_SCHEMA.id).message.starts_with("the table public.acct moves to the schema app")
        );
        moved.is_silent(TABLE.id);
        rename("table", "public.acct", "b").is_silent(SET_SCHEMA.id);
    }

    #[test]
    fn other_names_by_how_they_are_used() {
        let view = rename("view", "public.av", "av2")
            .on(relation("av", TouchedKind::View), LockMode::AccessExclusive);
        assert_eq!(view.severity(OTHER.id), Some(Severity::Error));
        assert_eq!(rename("index", "public.acct_pkey", "acct_pk2").severity(OTHER.id), Some(Severity::Info));
        assert_eq!(rename("constraint", "c1", "c2").severity(OTHER.id), Some(Severity::Warning));
        rename("trigger", "tr", "tr2").is_silent(OTHER.id);
        let missing = rename("index", "nowhere", "a").with(|action| action.missing = Some("nowhere".into()));
        missing.is_silent(OTHER.id);
    }
}
