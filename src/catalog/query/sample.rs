//! Hand-made queries for tests.

use super::edit::{Edit, Texts};
use super::{
    ColumnReference, Comparison, Constant, Expression, ExpressionKind, FromItem, FunctionFacts, OperatorCall,
    Query, QueryId, RangeTableEntry, RelationColumn, RelationFacts, RelationIndex, RelationSource, SubLink,
    SubLinkKind, Target, UniqueKey,
};
use crate::catalog::types::builtin;
use crate::catalog::{ColumnNumber, Oid, Volatility};

/// An expression of a type.
pub fn expression(id: u32, type_oid: Oid, kind: ExpressionKind) -> Expression {
    Expression { id, type_oid, type_name: String::new(), collation: 0, is_deterministic: true, kind }
}

/// A column, an integer, of the query so many levels up.
pub fn column(id: u32, levels_up: u32, relation: RelationIndex, number: ColumnNumber) -> Expression {
    let name = format!("c{number}");
    expression(
        id,
        builtin::INT4,
        ExpressionKind::Column(ColumnReference { levels_up, relation, column: number, name }),
    )
}

/// A literal integer.
pub fn integer(id: u32, value: i64) -> Expression {
    let constant = Constant { text: Some(value.to_string()) };
    expression(id, builtin::INT4, ExpressionKind::Constant(constant))
}

/// A built-in function that is strict and immutable.
pub fn function(name: &str) -> FunctionFacts {
    FunctionFacts {
        oid: 100,
        name: name.to_owned(),
        volatility: Volatility::Immutable,
        is_strict: true,
        returns_set: false,
    }
}

/// A comparison by a built-in operator.
pub fn compare(id: u32, comparison: Comparison, left: Expression, right: Expression) -> Expression {
    let call = OperatorCall {
        oid: 96,
        name: comparison.symbol().to_owned(),
        function: function("int4eq"),
        comparison: Some(comparison),
        commutator: 96,
        negator: 518,
        collation: 0,
        is_deterministic: true,
        arguments: vec![left, right],
    };
    expression(id, builtin::BOOL, ExpressionKind::Operator(call))
}

/// `left = right`
pub fn equal(id: u32, left: Expression, right: Expression) -> Expression {
    compare(id, Comparison::Equal, left, right)
}

/// A table of integers `c1`, `c2` …; told of each is whether it is NOT NULL. `keys` are unique.
pub fn table(alias: &str, not_null: &[bool], keys: &[&[ColumnNumber]]) -> RangeTableEntry {
    let columns = (1..).zip(not_null).map(|(number, &is_not_null)| RelationColumn {
        number,
        name: format!("c{number}"),
        type_oid: builtin::INT4,
        is_not_null,
        is_renamed: false,
        type_name: "integer".to_owned(),
        distinct: None,
    });
    let unique_keys = keys
        .iter()
        .map(|key| UniqueKey { columns: key.to_vec(), nulls_not_distinct: false, is_primary: false })
        .collect();
    let facts = RelationFacts {
        oid: 20_000,
        kind: 'r',
        name: format!("public.{alias}"),
        rows: Some(1000.0),
        unique_keys,
        ..RelationFacts::default()
    };
    RangeTableEntry {
        source: RelationSource::Table(facts),
        alias: alias.to_owned(),
        columns: columns.collect(),
        is_used: true,
        ..RangeTableEntry::default()
    }
}

/// A visible column of the select list.
pub fn target(number: i16, expression: Expression) -> Target {
    Target { name: format!("t{number}"), expression, is_hidden: false, number }
}

/// `SELECT targets FROM relations`, all of them behind commas.
pub fn select(id: QueryId, targets: Vec<Expression>, relations: Vec<RangeTableEntry>) -> Query {
    Query {
        id,
        from: (0..relations.len()).map(FromItem::Relation).collect(),
        relations,
        targets: (1..).zip(targets).map(|(number, expression)| target(number, expression)).collect(),
        ..Query::default()
    }
}

/// A sublink.
pub fn sublink(id: u32, kind: SubLinkKind, test: Option<Expression>, query: Query) -> Expression {
    let link = SubLink { kind, test: test.map(Box::new), query: Box::new(query) };
    expression(id, builtin::BOOL, ExpressionKind::SubLink(link))
}

/// Prints numbers instead of SQL.
pub struct Numbers;

impl Texts for Numbers {
    fn text(&self, expression: u32) -> String {
        format!("<{expression}>")
    }
    fn column(&self, query: QueryId, relation: RelationIndex, column: ColumnNumber) -> String {
        format!("<{query}.{relation}.{column}>")
    }
    fn query(&self, query: QueryId, edits: &[Edit]) -> String {
        format!("<query {query} {edits:?}>")
    }
}
