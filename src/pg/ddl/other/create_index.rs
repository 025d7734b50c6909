//! CREATE INDEX.

use pgrx::pg_sys;

use super::also_locks_below;
use super::names::{Named, pointers, tag, text};
use crate::catalog::LockMode;
use crate::catalog::ddl::{Action, CreateIndex, Kind, SameName, TouchedKind};
use crate::pg::backends;
use crate::pg::ddl::{cache, size};
use crate::pg::scan::text_of_c_string;
use crate::text::{quote_qualified, truncate_identifier};

/// `INDOPTION_DESC` and `INDOPTION_NULLS_FIRST`.
const DESCENDING: i16 = 1;
const NULLS_FIRST: i16 = 2;

/// CREATE INDEX.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn actions(statement: *mut pg_sys::IndexStmt) -> Vec<Action> {
    // SAFETY: as the caller vouches.
    unsafe {
        let named = Named::of((*statement).relation);
        let name = text((*statement).idxname);
        let method = if (*statement).accessMethod.is_null() {
            "btree".to_owned()
        } else {
            text((*statement).accessMethod)
        };
        let is_only = !(*(*statement).relation).inh;
        let mut index = CreateIndex {
            is_concurrent: (*statement).concurrent,
            if_not_exists: (*statement).if_not_exists,
            is_only,
            is_unique: (*statement).unique,
            key_columns: count((*statement).indexParams),
            included_columns: count((*statement).indexIncludingParams),
            name,
            method,
            ..CreateIndex::default()
        };
        let table = named.oid();
        if let Some(table) = table {
            index.same_name = same_name(table, &index.name);
            index.twin = Wanted::of(statement, table, &index.method).and_then(|wanted| wanted.twin(table));
            index.builds_running = builds_running(table);
        }
        let mode = if index.is_concurrent { LockMode::ShareUpdateExclusive } else { LockMode::Share };
        let mut action = named.action(Kind::CreateIndex(index), mode);
        let is_partitioned =
            action.target.as_ref().is_some_and(|target| target.kind == TouchedKind::PartitionedTable);
        if let Some(table) = table.filter(|_| is_partitioned && !is_only) {
            also_locks_below(&mut action, table, mode);
        }
        vec![action]
    }
}

fn count(list: *mut pg_sys::List) -> u32 {
    u32::try_from(pointers::<pg_sys::Node>(list).len()).unwrap_or(u32::MAX)
}

/// What has the name in the schema of the table, where the index would come to lie.
fn same_name(table: pg_sys::Oid, name: &str) -> SameName {
    let Some(schema) = cache::class(table, |form| form.relnamespace) else {
        return SameName::None;
    };
    of_that_name(schema, name)
}

/// What has this name in this schema.
pub fn of_that_name(schema: pg_sys::Oid, name: &str) -> SameName {
    if name.is_empty() {
        return SameName::None;
    }
    let Some(name) = cache::c_name(truncate_identifier(name)) else {
        return SameName::None;
    };
    // SAFETY: a look-up by a C string.
    let relation = unsafe { pg_sys::get_relname_relid(name.as_ptr(), schema) };
    if relation == pg_sys::InvalidOid {
        return SameName::None;
    }
    match index_form(relation, |form| form.indisvalid) {
        Some(false) => SameName::InvalidIndex,
        _ => SameName::Whole,
    }
}

/// Hands the row of pg_index to `read`.
pub fn index_form<T>(index: pg_sys::Oid, read: impl FnOnce(&pg_sys::FormData_pg_index) -> T) -> Option<T> {
    // SAFETY: the layout is of this catalog.
    unsafe { cache::form(pg_sys::SysCacheIdentifier::INDEXRELID, index, read) }
}

/// The index as it is asked for, as far as it can be compared without analysing it: plain columns of the table, each
/// with the default operator class and its own collation, and no predicate.
struct Wanted {
    method: pg_sys::Oid,
    is_unique: bool,
    is_nulls_not_distinct: bool,
    /// Columns, with their operator class and options.
    keys: Vec<(i16, pg_sys::Oid, i16)>,
    included: Vec<i16>,
}

impl Wanted {
    /// # Safety
    /// The node must live through the call.
    unsafe fn of(statement: *const pg_sys::IndexStmt, table: pg_sys::Oid, method: &str) -> Option<Self> {
        // SAFETY: as the caller vouches.
        unsafe {
            if !(*statement).whereClause.is_null() || !(*statement).excludeOpNames.is_null() {
                return None;
            }
            let method = cache::c_name(method)?;
            let method = pg_sys::get_am_oid(method.as_ptr(), true);
            if method == pg_sys::InvalidOid {
                return None;
            }
            let mut keys = Vec::new();
            for element in pointers::<pg_sys::IndexElem>((*statement).indexParams) {
                let is_plain = tag(element) == pg_sys::NodeTag::T_IndexElem
                    && !(*element).name.is_null()
                    && (*element).collation.is_null()
                    && (*element).opclass.is_null();
                if !is_plain {
                    return None;
                }
                let number = pg_sys::get_attnum(table, (*element).name);
                if number <= 0 {
                    return None;
                }
                let class = pg_sys::GetDefaultOpClass(pg_sys::get_atttype(table, number), method);
                keys.push((number, class, options(element)));
            }
            let mut included = Vec::new();
            for element in pointers::<pg_sys::IndexElem>((*statement).indexIncludingParams) {
                if (*element).name.is_null() {
                    return None;
                }
                included.push(pg_sys::get_attnum(table, (*element).name));
            }
            Some(Self {
                method,
                is_unique: (*statement).unique,
                is_nulls_not_distinct: (*statement).nulls_not_distinct,
                keys,
                included,
            })
        }
    }

    /// An index that is like it, quoted.
    fn twin(&self, table: pg_sys::Oid) -> Option<String> {
        let twin = size::indexes(table).into_iter().find(|&index| self.is_like(index))?;
        let (schema, name) = cache::relation_name(twin)?;
        Some(quote_qualified(&schema, &name))
    }

    fn is_like(&self, index: pg_sys::Oid) -> bool {
        if cache::class(index, |form| form.relam) != Some(self.method) {
            return false;
        }
        let keys = [pg_sys::Datum::from(index)];
        let is_like = cache::row(pg_sys::SysCacheIdentifier::INDEXRELID, &keys, |tuple| {
            let has = |attribute: u32| attribute_of(tuple, attribute).is_some();
            if has(pg_sys::Anum_pg_index_indexprs) || has(pg_sys::Anum_pg_index_indpred) {
                return false;
            }
            // SAFETY: the row of pg_index.
            let form = unsafe { &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_index>() };
            let count = usize::try_from(form.indnatts).unwrap_or(0);
            let key_count = usize::try_from(form.indnkeyatts).unwrap_or(0);
            let is_same_shape = form.indisvalid
                && form.indisunique == self.is_unique
                && form.indnullsnotdistinct == self.is_nulls_not_distinct
                && key_count == self.keys.len()
                && count == self.keys.len() + self.included.len();
            if !is_same_shape {
                return false;
            }
            let (Some(classes), Some(options)) = (
                attribute_of(tuple, pg_sys::Anum_pg_index_indclass),
                attribute_of(tuple, pg_sys::Anum_pg_index_indoption),
            ) else {
                return false;
            };
            // SAFETY: vectors of as many elements as the row says.
            let (columns, classes, options) = unsafe {
                (
                    form.indkey.values.as_slice(count),
                    (*classes.cast_mut_ptr::<pg_sys::oidvector>()).values.as_slice(key_count),
                    (*options.cast_mut_ptr::<pg_sys::int2vector>()).values.as_slice(key_count),
                )
            };
            let is_same_key = |(place, &(column, class, option)): (usize, &(i16, pg_sys::Oid, i16))| {
                columns[place] == column && classes[place] == class && options[place] == option
            };
            self.keys.iter().enumerate().all(is_same_key) && columns[key_count..] == *self.included
        });
        is_like == Some(true) && has_own_collations(index)
    }
}

/// An attribute of a row of pg_index; `None` for NULL.
pub fn attribute_of(tuple: pg_sys::HeapTuple, attribute: u32) -> Option<pg_sys::Datum> {
    let mut is_null = false;
    // SAFETY: a row of this cache.
    let value = unsafe {
        pg_sys::SysCacheGetAttr(
            pg_sys::SysCacheIdentifier::INDEXRELID as _,
            tuple,
            attribute as pg_sys::AttrNumber,
            &raw mut is_null,
        )
    };
    (!is_null).then_some(value)
}

/// Whether each column of the index has the collation of the table's column.
fn has_own_collations(index: pg_sys::Oid) -> bool {
    let columns = index_form(index, |form| {
        // SAFETY: a vector of as many elements as the row says.
        let columns = unsafe { form.indkey.values.as_slice(usize::try_from(form.indnkeyatts).unwrap_or(0)) };
        (form.indrelid, columns.to_vec())
    });
    let Some((table, columns)) = columns else {
        return false;
    };
    let collation = |relation: pg_sys::Oid, number: i16| {
        let (mut type_oid, mut modifier, mut collation) = (pg_sys::InvalidOid, -1, pg_sys::InvalidOid);
        let keys = [pg_sys::Datum::from(relation), pg_sys::Datum::from(number)];
        // The look-up below raises where there is no such column.
        cache::row(pg_sys::SysCacheIdentifier::ATTNUM, &keys, |_| ())?;
        // SAFETY: the column is there.
        unsafe {
            pg_sys::get_atttypetypmodcoll(
                relation,
                number,
                &raw mut type_oid,
                &raw mut modifier,
                &raw mut collation,
            );
        }
        Some(collation)
    };
    columns.iter().zip(1_i16..).all(|(&column, place)| {
        let in_index = collation(index, place);
        // A type without collations, or an operator class without them.
        in_index == Some(pg_sys::InvalidOid) || in_index == collation(table, column)
    })
}

/// The options of a key as pg_index keeps them.
///
/// # Safety
/// A node of the parser.
unsafe fn options(element: *const pg_sys::IndexElem) -> i16 {
    // SAFETY: as the caller vouches.
    unsafe {
        let is_descending = (*element).ordering == pg_sys::SortByDir::SORTBY_DESC;
        let is_nulls_first = match (*element).nulls_ordering {
            pg_sys::SortByNulls::SORTBY_NULLS_FIRST => true,
            pg_sys::SortByNulls::SORTBY_NULLS_LAST => false,
            _ => is_descending,
        };
        let mut options = 0;
        if is_descending {
            options |= DESCENDING;
        }
        if is_nulls_first {
            options |= NULLS_FIRST;
        }
        options
    }
}

/// Who builds an index on the table now, as pg_stat_progress_create_index shows it.
fn builds_running(table: pg_sys::Oid) -> Vec<(i32, String)> {
    /// `PROGRESS_CREATEIDX_INDEX_OID` of progress.h.
    const INDEX: usize = 6;
    let mut found = Vec::new();
    backends::each(|backend| {
        // SAFETY: reads two variables of this backend.
        let (database, own) = unsafe { (pg_sys::MyDatabaseId, pg_sys::MyProcPid) };
        let is_here = backend.st_progress_command
            == pg_sys::ProgressCommandType::PROGRESS_COMMAND_CREATE_INDEX
            && backend.st_databaseid == database
            && backend.st_progress_command_target == table;
        if !is_here || backend.st_procpid == own {
            return;
        }
        let index = u32::try_from(backend.st_progress_param[INDEX]).unwrap_or(0);
        // SAFETY: a name of the server, or null.
        let name = unsafe { text_of_c_string(pg_sys::get_rel_name(pg_sys::Oid::from(index))) };
        found.push((backend.st_procpid, name.map(String::from).unwrap_or_default()));
    });
    found
}
