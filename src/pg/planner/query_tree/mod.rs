//! A query as the analysis left it: handed out as plain data, and printed again with other parts.
//!
//! Rules see [`Statement`] and answer with edits. An edit puts a parameter with a number of its own where something
//! changes; the server prints the query, and the parameter gives way to the SQL that the rule made. So everything that
//! stays is printed by the server, and everything that is new is made of parts that the server printed.

mod catalog;
mod convert;
mod copy;
mod edit;
mod expression;
mod nodes;
mod print;

use std::ffi::CString;
use std::ptr;

use pgrx::{PgSqlErrorCode, pg_sys};

use super::Analysis;
use super::analysis::{refuse_other_statements, server_text, single_statement};
use super::list::{self, tag};
use super::position::located;
use crate::catalog::Oid;
use crate::catalog::query::edit::Edit;
use crate::catalog::query::{ExpressionKind, Statement};
use crate::pg::encoding;
use crate::pg::error::raise;
use crate::syntax::placeholder;
use copy::WorkingCopy;
pub use print::Printer;

/// Parameters with greater numbers hold places; nobody's query has them.
const FIRST_PLACE: i32 = 900_000;

/// A statement as the analysis left it.
pub struct QueryTree {
    /// Never changed.
    root: *mut pg_sys::Query,
    statement: Statement,
    output: Vec<(String, Oid)>,
    parameters: Vec<Oid>,
}

impl QueryTree {
    /// Parses and analyses a query with the caller's rights; types of `$1` and the like are inferred.
    ///
    /// Locks its tables until the end of the subtransaction.
    pub fn of(query: &str) -> Self {
        let text = server_text(query);
        let (root, has_star, parameters) = located(query, || analyse(&text));
        // SAFETY: the query comes from the analysis.
        let mut tree = unsafe {
            let mut converted = copy::legibly(|| convert::Converter::default().query(root));
            converted.has_star = has_star;
            let server = pg_sys::PG_VERSION_NUM / 10_000;
            let output = output(root);
            Self {
                root,
                statement: Statement { query: converted, server, trigrams: catalog::extension(c"pg_trgm") },
                output,
                parameters,
            }
        };
        tree.parameters.truncate(FIRST_PLACE as usize);
        tree
    }

    /// The statement as rules see it.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// What prints parts of it for rules.
    pub fn printer(&self) -> Printer {
        Printer::new(self.root)
    }

    /// The statement's text after these edits; `None` where they cannot be made.
    pub fn rewritten(&self, edits: &[Edit]) -> Option<String> {
        if !self.can_be_printed() {
            return None;
        }
        let mut copy = WorkingCopy::of(self.root);
        if edits.iter().any(|edit| matches!(edit, Edit::AddRelation { .. } | Edit::AddJoin { .. })) {
            copy.name_relations();
        }
        let replacements = edit::apply(&mut copy, edits)?;
        placeholder::replace(&copy.print(), &replacements)
    }

    /// Whether another text puts out the same columns and takes the same parameters, some left out or new ones added.
    pub fn has_same_shape(&self, other: &Self) -> bool {
        self.output == other.output
            && self
                .parameters
                .iter()
                .zip(&other.parameters)
                .all(|(before, after)| *after == 0 || before == after)
    }

    /// Whether the server prints such a statement, and no parameter has one of our numbers.
    fn can_be_printed(&self) -> bool {
        let mut ours = false;
        self.statement.query.each_expression(&mut |expression, _| {
            ours |= matches!(expression.kind, ExpressionKind::Parameter(number) if number >= FIRST_PLACE);
        });
        // SAFETY: the query is whole.
        let command = unsafe { (*self.root).commandType };
        let is_known = command != pg_sys::CmdType::CMD_MERGE || cfg!(any(feature = "pg17", feature = "pg18"));
        is_known && !ours
    }
}

impl Analysis {
    /// The text that was analysed.
    pub fn text(&self) -> String {
        encoding::from_server(self.text.as_bytes()).into_owned()
    }
}

/// The analysed query, whether its select list was written with a `*`, and the types of its parameters.
fn analyse(text: &CString) -> (*mut pg_sys::Query, bool, Vec<Oid>) {
    let statement = single_statement(text, "the query");
    let (mut types, mut count) = (ptr::null_mut(), 0);
    // SAFETY: the statement comes from the parser; an empty list of parameters that the analysis fills.
    unsafe {
        refuse_other_statements((*statement).stmt);
        let has_star = has_star((*statement).stmt);
        let query = pg_sys::parse_analyze_varparams(
            statement,
            text.as_ptr(),
            &raw mut types,
            &raw mut count,
            ptr::null_mut(),
        );
        if (*query).commandType == pg_sys::CmdType::CMD_UTILITY {
            raise(
                PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
                "SELECT INTO has no plan",
                "",
                "Give the query that it holds.",
            );
        }
        let count = usize::try_from(count).unwrap_or(0);
        let parameters = (0..count).map(|position| (*types.add(position)).to_u32()).collect();
        (query, has_star, parameters)
    }
}

/// # Safety
/// `statement` must come from the parser.
unsafe fn has_star(statement: *mut pg_sys::Node) -> bool {
    // SAFETY: as the caller vouches; the tags say what the nodes are.
    unsafe {
        if tag(statement) != pg_sys::NodeTag::T_SelectStmt {
            return false;
        }
        let select = statement.cast::<pg_sys::SelectStmt>();
        if (*select).op != pg_sys::SetOperation::SETOP_NONE {
            return has_star((*select).larg.cast()) || has_star((*select).rarg.cast());
        }
        list::pointers::<pg_sys::ResTarget>((*select).targetList).into_iter().any(|target| {
            let value = (*target).val;
            !value.is_null()
                && tag(value) == pg_sys::NodeTag::T_ColumnRef
                && list::pointers::<pg_sys::Node>((*value.cast::<pg_sys::ColumnRef>()).fields)
                    .last()
                    .is_some_and(|&field| tag(field) == pg_sys::NodeTag::T_A_Star)
        })
    }
}

/// Names and types of the columns that a query puts out.
///
/// # Safety
/// `query` must come from the analysis.
unsafe fn output(query: *mut pg_sys::Query) -> Vec<(String, Oid)> {
    // SAFETY: as the caller vouches.
    unsafe {
        let targets = match (*query).commandType {
            pg_sys::CmdType::CMD_SELECT => (*query).targetList,
            _ => (*query).returningList,
        };
        list::pointers::<pg_sys::TargetEntry>(targets)
            .into_iter()
            .filter(|&entry| !(*entry).resjunk)
            .map(|entry| {
                let type_oid = pg_sys::exprType((*entry).expr.cast());
                (nodes::string((*entry).resname), type_oid.to_u32())
            })
            .collect()
    }
}
