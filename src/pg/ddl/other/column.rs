//! Columns as CREATE TABLE declares them.

use pgrx::pg_sys;

use super::names::{find_type, pointers, strings, tag, text};
use crate::catalog::ddl::ColumnDefinition;
use crate::pg::scan::text_of_c_string;

/// `serial` in its six spellings, and what it stands for.
const SERIAL: [(&str, &str); 6] = [
    ("bigserial", "bigint"),
    ("serial8", "bigint"),
    ("serial", "integer"),
    ("serial4", "integer"),
    ("smallserial", "smallint"),
    ("serial2", "smallint"),
];

/// A column, as far as it stands by itself.
///
/// # Safety
/// A node of the parser.
pub unsafe fn of(definition: *const pg_sys::ColumnDef) -> ColumnDefinition {
    // SAFETY: as the caller vouches.
    unsafe {
        let mut column = ColumnDefinition {
            name: text((*definition).colname),
            is_not_null: (*definition).is_not_null,
            ..ColumnDefinition::default()
        };
        (column.type_name, column.serial) = type_of((*definition).typeName);
        column.is_not_null |= column.serial.is_some();
        for constraint in pointers::<pg_sys::Constraint>((*definition).constraints) {
            if tag(constraint) != pg_sys::NodeTag::T_Constraint {
                continue;
            }
            match (*constraint).contype {
                pg_sys::ConstrType::CONSTR_PRIMARY => column.is_primary_key = true,
                pg_sys::ConstrType::CONSTR_IDENTITY => column.is_identity = true,
                pg_sys::ConstrType::CONSTR_NOTNULL => column.is_not_null = true,
                _ => {}
            }
        }
        column.is_not_null |= column.is_primary_key || column.is_identity;
        column
    }
}

/// A type as the server writes it, and the kind of serial that it is.
///
/// # Safety
/// A node of the parser, or null.
pub unsafe fn type_of(name: *const pg_sys::TypeName) -> (String, Option<String>) {
    // SAFETY: as the caller vouches.
    unsafe {
        if name.is_null() {
            return (String::new(), None);
        }
        let names = strings((*name).names);
        if let [only] = names.as_slice()
            && !(*name).pct_type
            && let Some((serial, stands_for)) = SERIAL.iter().find(|(serial, _)| serial == only)
        {
            return ((*stands_for).to_owned(), Some((*serial).to_owned()));
        }
        let written = || {
            let array = "[]".repeat(pointers::<pg_sys::Node>((*name).arrayBounds).len().min(1));
            format!("{}{}{array}", names.join("."), if (*name).pct_type { "%TYPE" } else { "" })
        };
        let described = find_type(name).and_then(|found| {
            // A type that is named by its OID, as a tree made by the server does, has its modifier with it.
            let modifier = if (*name).names.is_null() { (*name).typemod } else { -1 };
            text_of_c_string(pg_sys::format_type_with_typemod(found, modifier)).map(String::from)
        });
        let plain = described.unwrap_or_else(written);
        (with_modifiers(plain, &modifiers((*name).typmods)), None)
    }
}

/// Modifiers that are plain numbers; none where there is anything else.
fn modifiers(list: *mut pg_sys::List) -> Vec<i32> {
    let mut numbers = Vec::new();
    for constant in pointers::<pg_sys::A_Const>(list) {
        // SAFETY: the tags say what the node and its value are.
        unsafe {
            if tag(constant) != pg_sys::NodeTag::T_A_Const
                || (*constant).val.node.type_ != pg_sys::NodeTag::T_Integer
            {
                return Vec::new();
            }
            numbers.push((*constant).val.ival.ival);
        }
    }
    numbers
}

/// `character varying` and 20 make `character varying(20)`: the modifiers stand before what time zone and array add.
fn with_modifiers(plain: String, modifiers: &[i32]) -> String {
    if modifiers.is_empty() || plain.starts_with("interval") {
        return plain;
    }
    // Without a modifier, the server's word is for a type that has none.
    let plain = match plain.as_str() {
        "bpchar" => "character".to_owned(),
        "bpchar[]" => "character[]".to_owned(),
        "\"bit\"" => "bit".to_owned(),
        "\"bit\"[]" => "bit[]".to_owned(),
        _ => plain,
    };
    let list = modifiers.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
    let place = [" with", "[]"].into_iter().filter_map(|ending| plain.find(ending)).min();
    let place = place.unwrap_or(plain.len());
    format!("{}({list}){}", &plain[..place], &plain[place..])
}
