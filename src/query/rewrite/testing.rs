//! Hand-made queries for the tests of rules, beyond those of `catalog::query::sample`.

use crate::catalog::Volatility;
use crate::catalog::query::edit::Edit;
use crate::catalog::query::sample::{Numbers, column, equal, expression, function, select, table};
use crate::catalog::query::{
    Aggregate, Constant, Expression, ExpressionKind, FromItem, FunctionCall, Join, JoinKind, OperatorCall,
    Query, RangeTableEntry, RelationSource, Statement,
};
use crate::catalog::types::builtin;

use super::{Proposal, Rule, propose_by};

/// What a rule says of a statement.
pub fn propose(rule: &Rule, statement: &Statement) -> Vec<Proposal> {
    propose_by(rule, statement, &Numbers)
}

/// What a rule says of a query on PostgreSQL 15.
pub fn propose_for(rule: &Rule, query: Query) -> Vec<Proposal> {
    propose(rule, &Statement { query, server: 15, ..Statement::default() })
}

/// The texts that a rule puts into the place of the whole query.
pub fn queries_of(rule: &Rule, query: Query) -> Vec<String> {
    propose_for(rule, query)
        .into_iter()
        .flat_map(|proposal| proposal.edits)
        .map(|edit| match edit {
            Edit::ReplaceQuery { query: 0, sql } => sql,
            other => panic!("{other:?}"),
        })
        .collect()
}

/// How often a rule speaks of a query.
pub fn count(rule: &Rule, query: &Query) -> usize {
    propose_for(rule, query.clone()).len()
}

/// `SELECT t.c1 FROM t WHERE condition`, a large table of three integers of which the first is the key.
pub fn where_(condition: Expression) -> Query {
    where_of(condition, vec![with_rows(table("t", &[true, false, false], &[&[1]]), 1e6)])
}

/// `SELECT c1 FROM relations WHERE condition`
pub fn where_of(condition: Expression, relations: Vec<RangeTableEntry>) -> Query {
    let mut query = select(0, vec![column(90, 0, 0, 1)], relations);
    query.condition = Some(condition);
    query
}

/// `SELECT a.c1 FROM a LEFT JOIN b ON a.c1 = b.c2`; of three columns the first is NOT NULL, and no key.
pub fn left_join() -> Query {
    let tables = ["a", "b"].map(|name| with_rows(table(name, &[true, false, false], &[]), 1e6)).to_vec();
    let mut query = select(0, vec![column(90, 0, 0, 1)], tables);
    query.from = vec![FromItem::Join(Box::new(Join {
        relation: 2,
        kind: JoinKind::Left,
        left: FromItem::Relation(0),
        right: FromItem::Relation(1),
        condition: Some(equal(91, column(92, 0, 0, 1), column(93, 0, 1, 2))),
        merges_columns: false,
    }))];
    query
}

/// A table with so many rows.
pub fn with_rows(mut entry: RangeTableEntry, rows: f64) -> RangeTableEntry {
    if let RelationSource::Table(table) = &mut entry.source {
        table.rows = Some(rows);
    }
    entry
}

/// A table of one text that may be NULL.
pub fn text_table(alias: &str) -> RangeTableEntry {
    let mut entry = table(alias, &[false], &[]);
    entry.columns.iter_mut().for_each(|column| column.type_oid = builtin::TEXT);
    entry
}

/// A column that is a text.
pub fn text_column(id: u32, number: i16) -> Expression {
    Expression { type_oid: builtin::TEXT, ..column(id, 0, 0, number) }
}

/// A literal text.
pub fn text_literal(id: u32, text: &str) -> Expression {
    expression(id, builtin::TEXT, ExpressionKind::Constant(Constant { text: Some(text.to_owned()) }))
}

/// NULL.
pub fn null(id: u32) -> Expression {
    expression(id, builtin::INT4, ExpressionKind::Constant(Constant { text: None }))
}

/// A built-in operator that is no comparison.
pub fn operator(id: u32, name: &str, left: Expression, right: Expression) -> Expression {
    let call = OperatorCall {
        oid: 1209,
        name: name.to_owned(),
        function: function("textlike"),
        is_deterministic: true,
        arguments: vec![left, right],
        ..OperatorCall::default()
    };
    expression(id, builtin::BOOL, ExpressionKind::Operator(call))
}

/// A call of a built-in function.
pub fn call(id: u32, name: &str, arguments: Vec<Expression>) -> Expression {
    let call = FunctionCall { function: function(name), arguments, ..FunctionCall::default() };
    expression(id, builtin::TEXT, ExpressionKind::Function(call))
}

/// The same call of a volatile function.
pub fn volatile(mut call: Expression) -> Expression {
    if let ExpressionKind::Function(call) = &mut call.kind {
        call.function.volatility = Volatility::Volatile;
    }
    call
}

/// A built-in aggregate function.
pub fn aggregate(id: u32, name: &str, arguments: Vec<Expression>) -> Expression {
    let aggregate = Aggregate { function: function(name), arguments, ..Aggregate::default() };
    expression(id, builtin::INT8, ExpressionKind::Aggregate(aggregate))
}
