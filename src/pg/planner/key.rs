//! One column of an index: its type, collation, operator class and order.

use std::ffi::CStr;

use pgrx::{PgSqlErrorCode, pg_sys};

use super::list::tag;
use super::refusal::{invalid_definition, unsupported};
use crate::catalog::hypothetical::{GistBuild, Method};
use crate::pg::error::raise;
use crate::pg::scan::text_of;

/// `BTEQUALIMAGE_PROC` of nbtree.h: says whether equal values look alike, so that they may share a tuple.
const EQUAL_IMAGE: i16 = 4;
/// `GIST_COMPRESS_PROC` and `GIST_FETCH_PROC` of gist.h.
const GIST_COMPRESS: i16 = 3;
const GIST_FETCH: i16 = 9;
/// `GIST_SORTSUPPORT_PROC` of gist.h: with it a build sorts its entries first.
const GIST_SORT: i16 = 11;

/// A key or INCLUDE column.
#[derive(Clone, Copy)]
pub struct Column {
    /// The table's column; 0 for an expression.
    pub attribute: pg_sys::AttrNumber,
    pub expression: Option<*mut pg_sys::Node>,
    pub type_oid: pg_sys::Oid,
    pub type_modifier: i32,
    /// What the index stores, where it differs from the column's type.
    pub stored_type: pg_sys::Oid,
    pub collation: pg_sys::Oid,
    pub operator_family: pg_sys::Oid,
    pub input_type: pg_sys::Oid,
    pub descending: bool,
    pub nulls_first: bool,
    /// Whether an index-only scan can return it.
    pub can_return: bool,
    /// Whether equal values may share a tuple.
    pub equal_image: bool,
}

impl Column {
    /// The column as a variable of range table entry 1.
    pub fn variable(&self) -> *mut pg_sys::Node {
        // SAFETY: a node of this memory context.
        unsafe {
            pg_sys::makeVar(1, self.attribute, self.type_oid, self.type_modifier, self.collation, 0).cast()
        }
    }
}

/// Where columns are looked up.
pub struct Resolver<'a> {
    pub relation: pg_sys::Oid,
    pub method: Method,
    pub method_oid: pg_sys::Oid,
    pub method_name: &'a CStr,
    pub can_order: bool,
}

impl Resolver<'_> {
    /// A key column, as ComputeIndexAttrs understands it.
    ///
    /// # Safety
    /// `element` must come from an analysed CREATE INDEX on the relation.
    pub unsafe fn key(&self, element: *const pg_sys::IndexElem) -> Column {
        // SAFETY: as the caller vouches; the rest are look-ups in the catalogs.
        unsafe {
            if !(*element).opclassopts.is_null() {
                unsupported(
                    "cannot size an index with operator class parameters",
                    "",
                    "Leave the parameters out.",
                );
            }
            let mut column = self.source(element);
            if !(*element).collation.is_null() {
                column.collation = pg_sys::get_collation_oid((*element).collation, false);
            }
            self.check_collation(&column);
            let class = pg_sys::ResolveOpClass(
                (*element).opclass,
                column.type_oid,
                self.method_name.as_ptr(),
                self.method_oid,
            );
            column.operator_family = pg_sys::get_opclass_family(class);
            column.input_type = pg_sys::get_opclass_input_type(class);
            column.stored_type = stored_type(class, &column);
            self.set_order(element, &mut column);
            column.can_return = self.can_return(&column);
            column.equal_image = self.method == Method::Btree && equal_image(&column);
            column
        }
    }

    /// An INCLUDE column.
    ///
    /// # Safety
    /// As for [`Resolver::key`].
    pub unsafe fn included(&self, element: *const pg_sys::IndexElem) -> Column {
        // SAFETY: as the caller vouches.
        let column = unsafe {
            if !(*element).collation.is_null() || !(*element).opclass.is_null() {
                invalid_definition("including column does not support a collation or an operator class");
            }
            if (*element).ordering != pg_sys::SortByDir::SORTBY_DEFAULT
                || (*element).nulls_ordering != pg_sys::SortByNulls::SORTBY_NULLS_DEFAULT
            {
                invalid_definition("including column does not support ASC/DESC or NULLS FIRST/LAST options");
            }
            self.source(element)
        };
        if column.expression.is_some() {
            unsupported("expressions are not supported in included columns", "", "");
        }
        Column { can_return: true, ..column }
    }

    /// # Safety
    /// As for [`Resolver::key`].
    unsafe fn source(&self, element: *const pg_sys::IndexElem) -> Column {
        let mut column = Column {
            attribute: 0,
            expression: None,
            type_oid: pg_sys::InvalidOid,
            type_modifier: -1,
            stored_type: pg_sys::InvalidOid,
            collation: pg_sys::InvalidOid,
            operator_family: pg_sys::InvalidOid,
            input_type: pg_sys::InvalidOid,
            descending: false,
            nulls_first: false,
            can_return: false,
            equal_image: false,
        };
        // SAFETY: as the caller vouches.
        unsafe {
            if (*element).name.is_null() {
                self.set_expression((*element).expr, &mut column);
            } else {
                column.attribute = self.attribute((*element).name);
            }
            if column.attribute != 0 {
                let mut natural = pg_sys::InvalidOid;
                pg_sys::get_atttypetypmodcoll(
                    self.relation,
                    column.attribute,
                    &raw mut column.type_oid,
                    &raw mut column.type_modifier,
                    &raw mut natural,
                );
                if column.collation == pg_sys::InvalidOid {
                    column.collation = natural;
                }
            }
        }
        column
    }

    /// An expression, or a column in parentheses.
    ///
    /// # Safety
    /// As for [`Resolver::key`].
    unsafe fn set_expression(&self, expression: *mut pg_sys::Node, column: &mut Column) {
        // SAFETY: as the caller vouches.
        unsafe {
            column.type_oid = pg_sys::exprType(expression);
            column.type_modifier = pg_sys::exprTypmod(expression);
            column.collation = pg_sys::exprCollation(expression);
            let mut bare = expression;
            while tag(bare) == pg_sys::NodeTag::T_CollateExpr {
                bare = (*bare.cast::<pg_sys::CollateExpr>()).arg.cast();
            }
            if tag(bare) == pg_sys::NodeTag::T_Var && (*bare.cast::<pg_sys::Var>()).varattno > 0 {
                column.attribute = (*bare.cast::<pg_sys::Var>()).varattno;
                return;
            }
            if pg_sys::contain_mutable_functions(pg_sys::expression_planner(bare.cast()).cast()) {
                invalid_definition("functions in index expression must be marked IMMUTABLE");
            }
            column.expression = Some(bare);
        }
    }

    /// # Safety
    /// `name` must be a C string.
    unsafe fn attribute(&self, name: *const std::ffi::c_char) -> pg_sys::AttrNumber {
        // SAFETY: as the caller vouches.
        let number = unsafe { pg_sys::get_attnum(self.relation, name) };
        if number < 0 {
            unsupported("index creation on system columns is not supported", "", "");
        }
        if number == 0 {
            // SAFETY: as the caller vouches.
            let name = text_of(unsafe { CStr::from_ptr(name) }.to_bytes());
            raise(
                PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
                &format!("column \"{name}\" does not exist"),
                "",
                "",
            );
        }
        number
    }

    fn check_collation(&self, column: &Column) {
        // SAFETY: a look-up in the catalogs.
        let is_collatable = unsafe { pg_sys::type_is_collatable(column.type_oid) };
        let has_collation = column.collation != pg_sys::InvalidOid;
        if is_collatable && !has_collation {
            raise(
                PgSqlErrorCode::ERRCODE_INDETERMINATE_COLLATION,
                "could not determine which collation to use for index expression",
                "",
                "Use the COLLATE clause to set the collation explicitly.",
            );
        }
        if !is_collatable && has_collation {
            raise(
                PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
                "collations are not supported by the type of an index column",
                "",
                "",
            );
        }
    }

    /// # Safety
    /// As for [`Resolver::key`].
    unsafe fn set_order(&self, element: *const pg_sys::IndexElem, column: &mut Column) {
        // SAFETY: as the caller vouches.
        let (ordering, nulls) = unsafe { ((*element).ordering, (*element).nulls_ordering) };
        if self.can_order {
            column.descending = ordering == pg_sys::SortByDir::SORTBY_DESC;
            column.nulls_first = match nulls {
                pg_sys::SortByNulls::SORTBY_NULLS_FIRST => true,
                pg_sys::SortByNulls::SORTBY_NULLS_LAST => false,
                _ => column.descending,
            };
        } else if ordering != pg_sys::SortByDir::SORTBY_DEFAULT
            || nulls != pg_sys::SortByNulls::SORTBY_NULLS_DEFAULT
        {
            unsupported(
                &format!(
                    "access method {} does not support ASC/DESC or NULLS FIRST/LAST options",
                    self.method_name.to_string_lossy()
                ),
                "",
                "",
            );
        }
    }

    fn can_return(&self, column: &Column) -> bool {
        match self.method {
            Method::Btree => true,
            Method::Gist => {
                procedure(column, GIST_FETCH) != pg_sys::InvalidOid
                    || procedure(column, GIST_COMPRESS) == pg_sys::InvalidOid
            }
            Method::Hash | Method::Brin | Method::Gin => false,
        }
    }
}

/// How an index on these columns is built, if it is a GiST index.
pub fn gist_build(columns: &[Column]) -> GistBuild {
    if !columns.iter().all(|column| procedure(column, GIST_SORT) != pg_sys::InvalidOid) {
        return GistBuild::Inserting;
    }
    let is_range = |column: &Column| column.input_type == pg_sys::ANYRANGEOID;
    if columns.iter().all(is_range) { GistBuild::SortedRanges } else { GistBuild::Sorted }
}

/// A support function of the column's operator class.
pub fn procedure(column: &Column, number: i16) -> pg_sys::Oid {
    // SAFETY: a look-up in the catalogs.
    unsafe { pg_sys::get_opfamily_proc(column.operator_family, column.input_type, column.input_type, number) }
}

/// Asks the operator class, as a B-tree build does.
fn equal_image(column: &Column) -> bool {
    let function = procedure(column, EQUAL_IMAGE);
    if function == pg_sys::InvalidOid {
        return false;
    }
    // SAFETY: a support function of that number takes a type and works by the collation.
    let answer = unsafe {
        pg_sys::OidFunctionCall1Coll(function, column.collation, pg_sys::Datum::from(column.input_type))
    };
    answer.value() as u8 != 0
}

/// The type that the index stores, as ConstructTupleDescriptor finds it.
fn stored_type(class: pg_sys::Oid, column: &Column) -> pg_sys::Oid {
    // SAFETY: the row is pinned while its field is copied out.
    let key_type = unsafe {
        let row =
            pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::CLAOID as i32, pg_sys::Datum::from(class));
        if row.is_null() {
            return column.type_oid;
        }
        let key_type = (*pg_sys::GETSTRUCT(row).cast::<pg_sys::FormData_pg_opclass>()).opckeytype;
        pg_sys::ReleaseSysCache(row);
        key_type
    };
    if key_type == pg_sys::ANYELEMENTOID && column.input_type == pg_sys::ANYARRAYOID {
        // SAFETY: a look-up in the catalogs.
        return unsafe { pg_sys::get_base_element_type(column.type_oid) };
    }
    if key_type == pg_sys::InvalidOid { column.type_oid } else { key_type }
}

/// Bytes that values of a `typalign` are aligned to.
pub fn alignment(typalign: std::ffi::c_char) -> u8 {
    match typalign as u8 {
        b'd' => 8,
        b'i' => 4,
        b's' => 2,
        _ => 1,
    }
}
