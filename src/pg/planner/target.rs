//! What bears on the choice of an access method for columns of a table.

use std::ffi::CStr;

use pgrx::{PgSqlErrorCode, pg_sys};

use super::access::{class_named, profile_of};
use super::analysis::server_text;
use super::measure::Measure;
use super::names::qualified_name;
use super::{list, permission, server, specification};
use crate::catalog::target::{Methods, Situation, Target, Values};
use crate::pg::error::raise;
use crate::pg::query::rows;
use crate::pg::scan::text_of;

/// `STATISTIC_KIND_MCV` of pg_statistic.h.
const MOST_COMMON: i32 = 1;

/// Looks the table and its columns up; locks the table until the end of the (sub)transaction.
pub fn situation(table: pg_sys::Oid, columns: &[String]) -> Situation {
    // SAFETY: locks by number, then looks it up.
    unsafe { pg_sys::LockRelationOid(table, pg_sys::AccessShareLock as _) };
    let is_partitioned = specification::check_relation(table, true);
    permission::check_relation(table);
    let (rows, pages) = size(table, is_partitioned);
    let columns = columns.iter().map(|name| target(table, name, rows, is_partitioned)).collect();
    Situation {
        table: qualified_name(table),
        rows,
        pages,
        columns,
        trigram: trigram(),
        has_trigram_package: has_trigram_package(),
    }
}

/// Rows and pages, of all partitions together.
fn size(table: pg_sys::Oid, is_partitioned: bool) -> (f64, f64) {
    let members = if is_partitioned {
        let share = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
        // SAFETY: the parent is locked; its partitions get locked here.
        list::oids(unsafe { server::find_all_inheritors(table, share) })
    } else {
        vec![table]
    };
    // SAFETY: a look-up in the catalogs.
    let kind = |member: pg_sys::Oid| unsafe { pg_sys::get_rel_relkind(member) } as u8;
    members
        .into_iter()
        .filter(|&member| kind(member) != pg_sys::RELKIND_PARTITIONED_TABLE)
        .map(Measure::of)
        .fold((0.0, 0.0), |(rows, pages), measure| (rows + measure.tuples(), pages + measure.pages()))
}

fn target(table: pg_sys::Oid, name: &str, rows: f64, is_partitioned: bool) -> Target {
    let text = server_text(name);
    // SAFETY: a look-up by a C string.
    let number = unsafe { pg_sys::get_attnum(table, text.as_ptr()) };
    if number <= 0 {
        raise(
            PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
            &format!("column \"{name}\" of {} does not exist", qualified_name(table)),
            "",
            "Give names as they stand in the catalog, without quotes.",
        );
    }
    // SAFETY: the column exists.
    unsafe {
        let (mut type_oid, mut modifier, mut collation) = (pg_sys::InvalidOid, -1, pg_sys::InvalidOid);
        pg_sys::get_atttypetypmodcoll(
            table,
            number,
            &raw mut type_oid,
            &raw mut modifier,
            &raw mut collation,
        );
        let type_name = CStr::from_ptr(pg_sys::format_type_with_typemod(type_oid, modifier));
        Target {
            profile: profile_of(table, number, rows, is_partitioned),
            type_name: text_of(type_name.to_bytes()).into(),
            values: values(type_oid),
            methods: methods(type_oid),
            compares_bytes: collation != pg_sys::InvalidOid && server::compares_bytes(collation),
            most_common_share: most_common_share(table, number, is_partitioned),
        }
    }
}

fn values(type_oid: pg_sys::Oid) -> Values {
    // SAFETY: look-ups in the catalogs.
    let (base, element, kind) = unsafe {
        let base = pg_sys::getBaseType(type_oid);
        (base, pg_sys::get_element_type(base), pg_sys::get_typtype(base) as u8)
    };
    match base {
        pg_sys::TEXTOID | pg_sys::VARCHAROID | pg_sys::BPCHAROID | pg_sys::NAMEOID => Values::Text,
        pg_sys::BOOLOID => Values::Boolean,
        pg_sys::JSONBOID => Values::Jsonb,
        pg_sys::JSONOID => Values::Json,
        pg_sys::TSVECTOROID => Values::SearchVector,
        pg_sys::INETOID | pg_sys::CIDROID => Values::Network,
        pg_sys::POINTOID | pg_sys::BOXOID | pg_sys::CIRCLEOID | pg_sys::POLYGONOID => Values::Geometric,
        _ if kind == pg_sys::TYPTYPE_RANGE || kind == pg_sys::TYPTYPE_MULTIRANGE => Values::Range,
        _ if element != pg_sys::InvalidOid => Values::Array,
        _ if has_default(base, pg_sys::BTREE_AM_OID) => Values::Ordered,
        _ => Values::Other,
    }
}

fn has_default(type_oid: pg_sys::Oid, method: pg_sys::Oid) -> bool {
    // SAFETY: a look-up in the catalogs.
    unsafe { pg_sys::GetDefaultOpClass(type_oid, method) != pg_sys::InvalidOid }
}

fn methods(type_oid: pg_sys::Oid) -> Methods {
    Methods {
        btree: has_default(type_oid, pg_sys::BTREE_AM_OID),
        hash: has_default(type_oid, pg_sys::HASH_AM_OID),
        gin: has_default(type_oid, pg_sys::GIN_AM_OID),
        gist: has_default(type_oid, pg_sys::GIST_AM_OID),
        spgist: has_default(type_oid, pg_sys::SPGIST_AM_OID),
        brin: has_default(type_oid, pg_sys::BRIN_AM_OID),
    }
}

fn most_common_share(table: pg_sys::Oid, number: i16, is_partitioned: bool) -> f64 {
    let mut slot = pg_sys::AttStatsSlot::default();
    // SAFETY: the row is pinned, and the slot freed, after the number is copied out.
    unsafe {
        let row = pg_sys::SearchSysCache3(
            pg_sys::SysCacheIdentifier::STATRELATTINH as i32,
            pg_sys::Datum::from(table),
            pg_sys::Datum::from(number),
            pg_sys::Datum::from(is_partitioned),
        );
        if row.is_null() {
            return 0.0;
        }
        let numbers = pg_sys::ATTSTATSSLOT_NUMBERS as i32;
        let is_there = pg_sys::get_attstatsslot(&raw mut slot, row, MOST_COMMON, pg_sys::InvalidOid, numbers);
        let share = if is_there && slot.nnumbers > 0 { f64::from(*slot.numbers) } else { 0.0 };
        if is_there {
            pg_sys::free_attstatsslot(&raw mut slot);
        }
        pg_sys::ReleaseSysCache(row);
        share
    }
}

/// The operator classes of pg_trgm, qualified, wherever it is installed.
fn trigram() -> Option<(String, String)> {
    Some((
        class_named(pg_sys::GIN_AM_OID, "gin_trgm_ops")?,
        class_named(pg_sys::GIST_AM_OID, "gist_trgm_ops")?,
    ))
}

/// Whether CREATE EXTENSION would find pg_trgm.
fn has_trigram_package() -> bool {
    let sql = "SELECT 1 FROM pg_catalog.pg_available_extensions WHERE name OPERATOR(pg_catalog.=) 'pg_trgm'";
    !rows(sql, &[], |_| Ok(())).is_empty()
}
