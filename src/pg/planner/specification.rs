//! CREATE INDEX, understood as the server understands it, and not carried out.

use std::ffi::{CStr, CString};

use pgrx::{PgSqlErrorCode, pg_sys};

use super::analysis::{server_text, single_statement};
use super::list::{self, tag};
use super::names::{self, qualified_name};
use super::options::{self, Options};
use super::plan_tree::variables;
use super::position::located;
use super::refusal::{invalid_definition, unsupported, wrong_object};
use super::{key, permission, server};
use crate::catalog::hypothetical::Method;
use crate::pg::error::raise;
use crate::pg::scan::text_of;

/// An index as its definition has it; attribute numbers and expressions are those of the table that it names.
pub struct Specification {
    pub relation: pg_sys::Oid,
    pub is_partitioned: bool,
    /// The name that the definition gives, if any.
    pub name: Option<CString>,
    pub method: Method,
    pub method_oid: pg_sys::Oid,
    pub unique: bool,
    pub tablespace: pg_sys::Oid,
    pub options: Options,
    /// Key columns, then INCLUDE columns.
    pub columns: Vec<key::Column>,
    pub key_count: usize,
    /// What the server calls the columns.
    pub column_names: Vec<CString>,
    /// Expressions in the order of the columns that have one, and the predicate as a list of conditions; variable
    /// number 1 is the table. Folded as the server folds those of a real index.
    pub expressions: *mut pg_sys::List,
    pub predicate: *mut pg_sys::List,
}

impl Specification {
    /// Whether rows have to be looked at to size it.
    pub fn depends_on_rows(&self) -> bool {
        !self.expressions.is_null() || !self.predicate.is_null() || self.method == Method::Gin
    }
}

/// Understands one CREATE INDEX; whatever CREATE INDEX would refuse is an ERROR here as well.
pub fn parse(definition: &str) -> Specification {
    let text = server_text(definition);
    located(definition, || {
        let statement = single_statement(&text, "the index definition");
        // SAFETY: a statement of the parser.
        let statement = unsafe { (*statement).stmt };
        if tag(statement) != pg_sys::NodeTag::T_IndexStmt {
            raise(
                PgSqlErrorCode::ERRCODE_SYNTAX_ERROR,
                "an index is to be given as CREATE INDEX",
                "",
                "For example: CREATE INDEX ON orders (customer_id).",
            );
        }
        // SAFETY: its tag says what it is; the text outlives the call.
        unsafe { understand(statement.cast(), &text) }
    })
}

/// # Safety
/// `statement` must come from the parser, which read `text`.
unsafe fn understand(statement: *mut pg_sys::IndexStmt, text: &CStr) -> Specification {
    // SAFETY: as the caller vouches; what is called looks things up in the catalogs.
    unsafe {
        let relation = pg_sys::RangeVarGetRelidExtended(
            (*statement).relation,
            pg_sys::AccessShareLock as pg_sys::LOCKMODE,
            0,
            None,
            std::ptr::null_mut(),
        );
        let is_partitioned = check_relation(relation, (*(*statement).relation).inh);
        permission::check_relation(relation);
        let statement = server::transform_index_statement(relation, statement, text.as_ptr());
        let (method, method_oid) = access_method((*statement).accessMethod);
        let routine = pg_sys::GetIndexAmRoutineByAmId(method_oid, false);
        let method_name = CStr::from_ptr((*statement).accessMethod);
        let elements = list::pointers::<pg_sys::IndexElem>((*statement).indexParams);
        let included = list::pointers::<pg_sys::IndexElem>((*statement).indexIncludingParams);
        check_abilities(&*routine, statement, elements.len(), included.len());
        let resolver =
            key::Resolver { relation, method, method_oid, method_name, can_order: (*routine).amcanorder };
        let mut columns: Vec<key::Column> = elements.iter().map(|&element| resolver.key(element)).collect();
        let key_count = columns.len();
        columns.extend(included.iter().map(|&element| resolver.included(element)));
        let column_names =
            elements.iter().chain(&included).map(|&element| names::column_name(element)).collect();
        let expressions: Vec<*mut pg_sys::Node> =
            columns.iter().filter_map(|column| column.expression).collect();
        refuse_virtual_columns(relation, &columns, (*statement).whereClause);
        let specification = Specification {
            relation,
            is_partitioned,
            name: (!(*statement).idxname.is_null()).then(|| CStr::from_ptr((*statement).idxname).to_owned()),
            method,
            method_oid,
            unique: (*statement).unique,
            tablespace: tablespace(statement, is_partitioned),
            options: options::read((*statement).options, method, &*routine),
            columns,
            key_count,
            column_names,
            expressions: folded_expressions(&expressions),
            predicate: folded_predicate((*statement).whereClause),
        };
        if specification.depends_on_rows() {
            permission::check_row_security(relation);
        }
        specification
    }
}

/// Refuses what cannot be indexed; whether the relation is partitioned.
pub fn check_relation(relation: pg_sys::Oid, includes_partitions: bool) -> bool {
    // SAFETY: looks the relation up in the catalogs.
    let kind = unsafe { pg_sys::get_rel_relkind(relation) } as u8;
    let refuse = |what: &str, hint: &str| -> ! {
        wrong_object(&format!("{} is {what}, which cannot have an index", qualified_name(relation)), hint)
    };
    match kind {
        pg_sys::RELKIND_RELATION | pg_sys::RELKIND_MATVIEW => {}
        pg_sys::RELKIND_PARTITIONED_TABLE if includes_partitions => {}
        pg_sys::RELKIND_PARTITIONED_TABLE => unsupported(
            &format!("an index ON ONLY {} holds no row", qualified_name(relation)),
            "",
            "Leave ONLY out, or name a partition.",
        ),
        pg_sys::RELKIND_VIEW => refuse("a view", "Name the table that it reads."),
        pg_sys::RELKIND_FOREIGN_TABLE => refuse("a foreign table", "Ask on the server that holds its rows."),
        _ => refuse("no table", "Name a table or a materialised view."),
    }
    if relation.to_u32() < pg_sys::FirstNormalObjectId {
        raise(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            &format!("{} is a system catalog, which takes no further index", qualified_name(relation)),
            "",
            "",
        );
    }
    kind == pg_sys::RELKIND_PARTITIONED_TABLE
}

/// A virtual generated column, which 18 brought, is stored nowhere: DefineIndex refuses it wherever it stands.
///
/// # Safety
/// The relation must be locked; expressions and predicate must be about it.
unsafe fn refuse_virtual_columns(
    relation: pg_sys::Oid,
    columns: &[key::Column],
    predicate: *mut pg_sys::Node,
) {
    /// `ATTRIBUTE_GENERATED_VIRTUAL`
    const VIRTUAL: u8 = b'v';
    // SAFETY: as the caller vouches.
    let of = |node: *mut pg_sys::Node| unsafe { variables(node) };
    let in_expressions =
        columns.iter().filter_map(|column| column.expression).chain([predicate]).flat_map(of);
    // SAFETY: variables of the analysed statement.
    let in_expressions = in_expressions.map(|variable| unsafe { (*variable).varattno });
    let attributes = columns.iter().map(|column| column.attribute).chain(in_expressions);
    for attribute in attributes.filter(|&attribute| attribute > 0) {
        // SAFETY: look-ups in the catalogs; the column exists, so that it has a name.
        unsafe {
            if pg_sys::get_attgenerated(relation, attribute) as u8 == VIRTUAL {
                let name = CStr::from_ptr(pg_sys::get_attname(relation, attribute, false));
                unsupported(
                    &format!(
                        "column {} of {} is a virtual generated column, which cannot be indexed",
                        text_of(name.to_bytes()),
                        qualified_name(relation)
                    ),
                    "",
                    "An index on the expression that it stands for serves the same queries.",
                );
            }
        }
    }
}

/// # Safety
/// `name` must be a C string.
unsafe fn access_method(name: *const std::ffi::c_char) -> (Method, pg_sys::Oid) {
    // SAFETY: as the caller vouches; an access method that does not exist is an ERROR.
    let oid = unsafe { pg_sys::get_index_am_oid(name, false) };
    // SAFETY: as the caller vouches.
    let name = unsafe { CStr::from_ptr(name) };
    let method = match oid {
        pg_sys::BTREE_AM_OID => Method::Btree,
        pg_sys::HASH_AM_OID => Method::Hash,
        pg_sys::BRIN_AM_OID => Method::Brin,
        pg_sys::GIN_AM_OID => Method::Gin,
        pg_sys::GIST_AM_OID => Method::Gist,
        _ => unsupported(
            &format!("cannot size an index of access method {}", name.to_string_lossy()),
            "",
            "btree, hash, brin, gin and gist can be sized.",
        ),
    };
    (method, oid)
}

/// What DefineIndex asks of the access method.
///
/// # Safety
/// `statement` must be a statement of the parser.
unsafe fn check_abilities(
    routine: &pg_sys::IndexAmRoutine,
    statement: *const pg_sys::IndexStmt,
    keys: usize,
    included: usize,
) {
    // SAFETY: as the caller vouches.
    let (unique, name) = unsafe { ((*statement).unique, CStr::from_ptr((*statement).accessMethod)) };
    let refuse = |what: &str| -> ! {
        unsupported(&format!("access method {} does not support {what}", name.to_string_lossy()), "", "")
    };
    if unique && !routine.amcanunique {
        refuse("unique indexes");
    }
    if included > 0 && !routine.amcaninclude {
        refuse("included columns");
    }
    if keys > 1 && !routine.amcanmulticol {
        refuse("multicolumn indexes");
    }
    if keys + included > pg_sys::INDEX_MAX_KEYS as usize {
        raise(
            PgSqlErrorCode::ERRCODE_TOO_MANY_COLUMNS,
            &format!("cannot use more than {} columns in an index", pg_sys::INDEX_MAX_KEYS),
            "",
            "",
        );
    }
}

/// # Safety
/// `statement` must be a statement of the parser.
unsafe fn tablespace(statement: *const pg_sys::IndexStmt, is_partitioned: bool) -> pg_sys::Oid {
    // SAFETY: as the caller vouches.
    unsafe {
        if (*statement).tableSpace.is_null() {
            pg_sys::GetDefaultTablespace(pg_sys::RELPERSISTENCE_PERMANENT as _, is_partitioned)
        } else {
            pg_sys::get_tablespace_oid((*statement).tableSpace, false)
        }
    }
}

/// As RelationGetIndexExpressions does: what matches is compared in this form.
fn folded_expressions(expressions: &[*mut pg_sys::Node]) -> *mut pg_sys::List {
    if expressions.is_empty() {
        return std::ptr::null_mut();
    }
    // SAFETY: analysed expressions.
    unsafe {
        let list: *mut pg_sys::Node = list::list_of(expressions).cast();
        let folded = pg_sys::eval_const_expressions(std::ptr::null_mut(), list);
        pg_sys::fix_opfuncids(folded);
        folded.cast()
    }
}

/// As RelationGetIndexPredicate does.
fn folded_predicate(condition: *mut pg_sys::Node) -> *mut pg_sys::List {
    if condition.is_null() {
        return std::ptr::null_mut();
    }
    // SAFETY: an analysed condition.
    unsafe {
        if pg_sys::contain_mutable_functions(pg_sys::expression_planner(condition.cast()).cast()) {
            invalid_definition("functions in index predicate must be marked IMMUTABLE");
        }
        let folded = pg_sys::eval_const_expressions(std::ptr::null_mut(), list::copy(condition));
        let canonical = pg_sys::canonicalize_qual(folded.cast(), false);
        let conditions = pg_sys::make_ands_implicit(canonical.cast());
        pg_sys::fix_opfuncids(conditions.cast());
        conditions
    }
}
