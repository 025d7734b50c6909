//! What a table's constraints prove, by the server's own prover: `ALTER TABLE` reads no row where they do.

use pgrx::pg_sys;

use super::expression::variable;
use crate::pg::ddl::attempt::attempt;
use crate::pg::ddl::cache::c_name;
use crate::pg::ddl::column::{self, Column};
use crate::pg::ddl::constraint::{self, Known};
use crate::pg::planner::list;
use crate::text::quote_identifier;

/// `column IS NOT NULL`, as the server tests a column.
fn is_not_null(column: &Column) -> *mut pg_sys::Node {
    let test = list::new_node::<pg_sys::NullTest>(pg_sys::NodeTag::T_NullTest);
    // SAFETY: a node that was made just now.
    unsafe {
        (*test).arg = variable(column).cast();
        (*test).nulltesttype = pg_sys::NullTestType::IS_NOT_NULL;
        (*test).argisrow = false;
        (*test).location = -1;
    }
    test.cast()
}

/// The condition of a CHECK as a list of clauses that all hold. May raise an ERROR.
fn clauses(condition: &str) -> *mut pg_sys::List {
    let Some(text) = c_name(condition) else {
        return std::ptr::null_mut();
    };
    // SAFETY: the text is one that the server wrote.
    unsafe {
        let condition = pg_sys::stringToNode(text.as_ptr()).cast();
        let condition = pg_sys::eval_const_expressions(std::ptr::null_mut(), condition);
        pg_sys::make_ands_implicit(pg_sys::canonicalize_qual(condition.cast(), true))
    }
}

/// Whether these CHECKs and what columns are declared imply all of `tests`. May raise an ERROR.
///
/// # Safety
/// `tests` must be a list of conditions over the columns of the table.
unsafe fn imply(checks: &[&Known], not_null: &[Column], tests: *mut pg_sys::List) -> bool {
    let mut existing = list::list_of(&not_null.iter().map(is_not_null).collect::<Vec<_>>());
    // SAFETY: both are lists made here; the weak proof is the right one between CHECKs, which NULL satisfies.
    unsafe {
        for condition in checks.iter().filter_map(|check| check.condition.as_deref()) {
            existing = pg_sys::list_concat(existing, clauses(condition));
        }
        pg_sys::predicate_implied_by(tests, existing, true)
    }
}

/// The CHECK constraints that show that a column holds no NULL: the first validated one, and the first that would.
pub struct NotNull {
    pub implied_by: Option<String>,
    pub would_be_implied_by: Option<String>,
}

/// Looks for such constraints of the table.
pub fn not_null(table: pg_sys::Oid, column: &Column) -> NotNull {
    let constraints = constraint::of_table(table);
    let proves = |known: &&Known| {
        // SAFETY: the test is over the table's own column.
        known.letter == 'c'
            && attempt(|| unsafe { imply(&[known], &[], list::list_of(&[is_not_null(column)])) })
                == Some(true)
    };
    let quoted = |known: &Known| quote_identifier(&known.name);
    let mut validated = constraints.iter().filter(|known| known.is_validated);
    let mut others = constraints.iter().filter(|known| !known.is_validated && known.is_enforced);
    // A NOT NULL that nobody has checked yet, from 18 on.
    let unchecked = others.clone().find(|known| known.letter == 'n' && known.columns == [column.number]);
    NotNull {
        implied_by: validated.find(proves).map(quoted),
        would_be_implied_by: unchecked.map(quoted).or_else(|| others.find(proves).map(quoted)),
    }
}

/// Whether the validated constraints of a table, NOT NULL included, imply all of these conditions. May raise an ERROR.
///
/// # Safety
/// `tests` must be a list of conditions over the columns of the table.
pub unsafe fn holds(table: pg_sys::Oid, tests: *mut pg_sys::List) -> bool {
    let constraints = constraint::of_table(table);
    let checks: Vec<&Known> =
        constraints.iter().filter(|known| known.letter == 'c' && known.is_validated).collect();
    let not_null: Vec<Column> = column::all(table).into_iter().filter(|column| column.is_not_null).collect();
    // SAFETY: as the caller vouches.
    unsafe { imply(&checks, &not_null, tests) }
}
