//! Expressions that are kept with a relation or a type, and the functions that they call.

use super::super::{Oid, RelationKind, Snapshot};
use crate::text::quote_identifier;

/// Where an expression is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExpressionKind {
    /// An index: what it keeps, or which rows.
    Index,
    /// Statistics made by CREATE STATISTICS.
    Statistics,
    /// A CHECK constraint or an exclusion constraint.
    #[default]
    Check,
    /// The default of a column, or what it is generated from.
    Default,
    /// By what a table is partitioned.
    PartitionKey,
    /// A row-level security policy.
    Policy,
    /// A rule, which writes otherwise than it was said.
    Rule,
    /// What a trigger fires on.
    Trigger,
    /// A view, or a materialized view.
    View,
    /// A domain, or another type.
    Type,
}

/// An expression that calls a function which somebody may replace who is no superuser.
#[derive(Clone, Debug, Default)]
pub struct KeptExpression {
    /// Where it is.
    pub kind: ExpressionKind,
    /// The name of the index, constraint, column and so on; empty where the relation or the type itself has it.
    pub name: Box<str>,
    /// The relation it is kept with, 0 for a type.
    pub relation: Oid,
    /// The type it is kept with, a domain for its constraints too; 0 for a relation.
    pub type_oid: Oid,
    /// Whose the relation or the type is.
    pub owner: Oid,
    /// The function, be it called by name, by an operator or by another function whose body the server knows.
    pub function: Oid,
}

impl KeptExpression {
    /// By what they are ordered: those that call one function stand together.
    pub fn order(&self) -> (Oid, ExpressionKind, Oid, Oid, &str) {
        (self.function, self.kind, self.relation, self.type_oid, &self.name)
    }

    /// What it is called.
    pub fn place(&self, snapshot: &Snapshot) -> String {
        let (name, on) = (quote_identifier(&self.name), snapshot.relation_name(self.relation));
        match self.kind {
            ExpressionKind::Index => format!("index {name} of {on}"),
            ExpressionKind::Statistics => format!("statistics {name} of {on}"),
            ExpressionKind::Check => format!("constraint {name} of {on}"),
            ExpressionKind::Default => format!("the default of {on}.{name}"),
            ExpressionKind::PartitionKey => format!("the partition key of {on}"),
            ExpressionKind::Policy => format!("policy {name} of {on}"),
            ExpressionKind::Rule => format!("rule {name} of {on}"),
            ExpressionKind::Trigger => format!("trigger {name} of {on}"),
            ExpressionKind::View => format!("view {on}"),
            ExpressionKind::Type => {
                let found = snapshot.types.get(&self.type_oid);
                found.map_or_else(String::new, |found| {
                    format!("type {}", snapshot.qualified(found.schema, &found.name))
                })
            }
        }
    }

    /// Whether a maintenance command runs it as the owner: ANALYZE, which autovacuum begins too, REINDEX, REFRESH.
    pub fn is_run_by_maintenance(&self, snapshot: &Snapshot) -> bool {
        match self.kind {
            ExpressionKind::Index | ExpressionKind::Statistics => true,
            ExpressionKind::View => snapshot
                .relation(self.relation)
                .is_some_and(|relation| relation.kind == RelationKind::MaterializedView),
            _ => false,
        }
    }
}
