//! RENAME and SET SCHEMA.

use pgrx::pg_sys;
use pgrx::pg_sys::NodeTag as Tag;
use pgrx::pg_sys::ObjectType as Object;

use super::names::{Named, find_type, quoted, strings, tag, text, type_identity, type_name};
use super::{also_locks_below, function, uses};
use crate::catalog::LockMode;
use crate::catalog::ddl::{Action, Kind, Renamed, TouchedKind};
use crate::text::quote_identifier;

/// RENAME of anything.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn actions(statement: *mut pg_sys::RenameStmt) -> Vec<Action> {
    // SAFETY: as the caller vouches.
    unsafe {
        let to = text((*statement).newname);
        let sub_name = text((*statement).subname);
        let action = match (*statement).renameType {
            kind @ (Object::OBJECT_TABLE
            | Object::OBJECT_VIEW
            | Object::OBJECT_MATVIEW
            | Object::OBJECT_SEQUENCE
            | Object::OBJECT_INDEX
            | Object::OBJECT_FOREIGN_TABLE) => {
                relation((*statement).relation, kind, quote_identifier(&to), false)
            }
            Object::OBJECT_COLUMN | Object::OBJECT_ATTRIBUTE => {
                let named = Named::of((*statement).relation);
                let mut renamed = renamed("column", sub_name.clone(), to, false);
                let oid = named.oid();
                if let Some(table) = &named.touched {
                    let has_column = cache_has_column(oid, &sub_name);
                    if has_column && !table.is_private() {
                        let words = [table.name.as_str(), sub_name.as_str()];
                        renamed.dependents = uses::functions(&words);
                        renamed.recent_uses = uses::recent(Some(table), &words);
                    }
                }
                let mode = LockMode::AccessExclusive;
                let mut action = named.action(Kind::Rename(renamed), mode);
                if let Some(oid) = oid.filter(|_| (*(*statement).relation).inh) {
                    also_locks_below(&mut action, oid, mode);
                }
                action
            }
            Object::OBJECT_TABCONSTRAINT => {
                let kind = renamed("constraint", quote_identifier(&sub_name), quote_identifier(&to), false);
                Named::of((*statement).relation).action(Kind::Rename(kind), LockMode::AccessExclusive)
            }
            Object::OBJECT_TRIGGER => part_of_relation(statement, "trigger"),
            Object::OBJECT_RULE => part_of_relation(statement, "rule"),
            Object::OBJECT_POLICY => part_of_relation(statement, "policy"),
            kind => {
                let sub_name = Some(sub_name).filter(|name| !name.is_empty());
                without_relation(kind, (*statement).object, sub_name, quote_identifier(&to), false)
            }
        };
        vec![action]
    }
}

fn cache_has_column(table: Option<pg_sys::Oid>, column: &str) -> bool {
    let Some((table, column)) = table.zip(crate::pg::ddl::cache::c_name(column)) else {
        return false;
    };
    // SAFETY: a look-up by a C string.
    unsafe { pg_sys::get_attnum(table, column.as_ptr()) > 0 }
}

/// SET SCHEMA of anything.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn moved(statement: *mut pg_sys::AlterObjectSchemaStmt) -> Vec<Action> {
    // SAFETY: as the caller vouches.
    unsafe {
        let to = quote_identifier(&text((*statement).newschema));
        let kind = (*statement).objectType;
        let action = if (*statement).relation.is_null() {
            without_relation(kind, (*statement).object, None, to, true)
        } else {
            relation((*statement).relation, kind, to, true)
        };
        vec![action]
    }
}

fn renamed(kind: &'static str, from: String, to: String, is_moved: bool) -> Renamed {
    Renamed { kind, from, to, is_moved, dependents: Vec::new(), recent_uses: Vec::new() }
}

/// # Safety
/// A node of the parser.
unsafe fn relation(name: *mut pg_sys::RangeVar, asked: Object::Type, to: String, is_moved: bool) -> Action {
    // SAFETY: as the caller vouches.
    unsafe {
        let named = Named::of(name);
        let kind = named.touched.as_ref().map_or(asked_kind(asked), |touched| match touched.kind {
            TouchedKind::Table | TouchedKind::PartitionedTable => "table",
            TouchedKind::Index | TouchedKind::PartitionedIndex => "index",
            TouchedKind::View => "view",
            TouchedKind::MaterializedView => "materialized view",
            TouchedKind::Sequence => "sequence",
            TouchedKind::ForeignTable => "foreign table",
            TouchedKind::CompositeType => "type",
        });
        let from = named.touched.as_ref().map_or_else(
            || quote_identifier(&text((*name).relname)),
            |touched| if is_moved { touched.qualified() } else { quote_identifier(&touched.name) },
        );
        let mut renamed = renamed(kind, from, to, is_moved);
        if let Some(touched) = named.touched.as_ref().filter(|touched| !touched.is_private())
            && kind != "index"
        {
            let words = [touched.name.as_str()];
            renamed.dependents = uses::functions(&words);
            renamed.recent_uses = uses::recent(Some(touched), &words);
        }
        // ALTER INDEX takes less; ALTER TABLE of an index does not.
        let mode = if asked == Object::OBJECT_INDEX && kind == "index" && !is_moved {
            LockMode::ShareUpdateExclusive
        } else {
            LockMode::AccessExclusive
        };
        named.action(Kind::Rename(renamed), mode)
    }
}

fn asked_kind(asked: Object::Type) -> &'static str {
    match asked {
        Object::OBJECT_VIEW => "view",
        Object::OBJECT_MATVIEW => "materialized view",
        Object::OBJECT_SEQUENCE => "sequence",
        Object::OBJECT_INDEX => "index",
        Object::OBJECT_FOREIGN_TABLE => "foreign table",
        _ => "table",
    }
}

/// A trigger, a rule or a policy.
///
/// # Safety
/// The node must live through the call.
unsafe fn part_of_relation(statement: *mut pg_sys::RenameStmt, kind: &'static str) -> Action {
    // SAFETY: as the caller vouches.
    unsafe {
        let from = quote_identifier(&text((*statement).subname));
        let to = quote_identifier(&text((*statement).newname));
        let kind = Kind::Rename(renamed(kind, from, to, false));
        Named::of((*statement).relation).action(kind, LockMode::AccessExclusive)
    }
}

/// What is no relation: a schema, a type, a function, a role …
///
/// # Safety
/// A node of the parser, or null.
unsafe fn without_relation(
    asked: Object::Type,
    object: *mut pg_sys::Node,
    sub_name: Option<String>,
    to: String,
    is_moved: bool,
) -> Action {
    // SAFETY: as the caller vouches; the tags say what the nodes are.
    unsafe {
        // The name without a schema, by which texts call it.
        let mut word = sub_name.clone();
        let mut is_qualified = false;
        let mut from = sub_name.map(|name| quote_identifier(&name));
        match tag(object) {
            Tag::T_List => {
                let names = strings(object.cast());
                is_qualified = names.len() > 1;
                let is_type = matches!(asked, Object::OBJECT_TYPE | Object::OBJECT_DOMAIN);
                let identity =
                    if is_type { find_type(type_name(object.cast())).and_then(type_identity) } else { None };
                word = word.or_else(|| names.last().cloned());
                from = from.or_else(|| Some(identity.unwrap_or_else(|| quoted(&names))));
            }
            Tag::T_TypeName => {
                let name = object.cast::<pg_sys::TypeName>();
                let names = strings((*name).names);
                is_qualified = names.len() > 1;
                word = word.or_else(|| names.last().cloned());
                let identity = find_type(name).and_then(type_identity);
                from = from.or_else(|| Some(identity.unwrap_or_else(|| quoted(&names))));
            }
            Tag::T_ObjectWithArgs => {
                let name = object.cast::<pg_sys::ObjectWithArgs>();
                let names = strings((*name).objname);
                is_qualified = names.len() > 1;
                word = names.last().cloned();
                let found = match function::find(name).as_slice() {
                    [only] => function::identity(*only),
                    _ => None,
                };
                from = Some(found.unwrap_or_else(|| quoted(&names)));
            }
            Tag::T_String => {
                let name = text((*object.cast::<pg_sys::String>()).sval);
                from = Some(quote_identifier(&name));
                word = Some(name);
            }
            _ => {}
        }
        let kind = object_kind(asked);
        let mut renamed = renamed(kind, from.unwrap_or_default(), to, is_moved);
        if matches!(kind, "schema" | "type" | "domain" | "function")
            && let Some(word) = &word
        {
            renamed.dependents = uses::functions(&[word]);
        }
        let mut action = Action::new(Kind::Rename(renamed));
        action.is_qualified = is_qualified;
        action
    }
}

fn object_kind(asked: Object::Type) -> &'static str {
    match asked {
        Object::OBJECT_SCHEMA => "schema",
        Object::OBJECT_TYPE => "type",
        Object::OBJECT_DOMAIN => "domain",
        Object::OBJECT_DOMCONSTRAINT => "domain constraint",
        Object::OBJECT_FUNCTION
        | Object::OBJECT_PROCEDURE
        | Object::OBJECT_ROUTINE
        | Object::OBJECT_AGGREGATE => "function",
        Object::OBJECT_DATABASE => "database",
        Object::OBJECT_ROLE => "role",
        Object::OBJECT_TABLESPACE => "tablespace",
        Object::OBJECT_EXTENSION => "extension",
        Object::OBJECT_PUBLICATION => "publication",
        Object::OBJECT_SUBSCRIPTION => "subscription",
        Object::OBJECT_STATISTIC_EXT => "statistics",
        Object::OBJECT_COLLATION => "collation",
        Object::OBJECT_EVENT_TRIGGER => "event trigger",
        Object::OBJECT_FDW => "foreign-data wrapper",
        Object::OBJECT_FOREIGN_SERVER => "server",
        Object::OBJECT_LANGUAGE => "language",
        _ => "object",
    }
}
