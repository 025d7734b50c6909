//! Where a condition only decides whether a row comes through, so that NULL is as good as false there; and of which
//! tables it is.

use crate::catalog::query::{
    ColumnReference, Constant, Expression, ExpressionKind, FromItem, JoinKind, Place, Query, RangeTableEntry,
    RelationColumn, RelationFacts, Scope,
};
use crate::catalog::types::builtin;

/// A table with fewer rows is read as a whole faster than anything else is done.
const FEW_ROWS: f64 = 1000.0;

/// WHERE, HAVING and every ON of a query.
pub fn filters(query: &Query) -> Vec<&Expression> {
    fn joins<'a>(item: &'a FromItem, found: &mut Vec<&'a Expression>) {
        if let FromItem::Join(join) = item {
            joins(&join.left, found);
            joins(&join.right, found);
            found.extend(&join.condition);
        }
    }
    let mut found = Vec::new();
    for item in &query.from {
        joins(item, &mut found);
    }
    found.extend(&query.condition);
    found.extend(&query.having);
    found
}

/// Every part of the query's filters, outer ones first.
pub fn in_filters(query: &Query) -> Vec<&Expression> {
    let mut found = Vec::new();
    for filter in filters(query) {
        filter.each(&mut |part| found.push(part));
    }
    found
}

/// The parts of the query's filters that only AND and OR join: a row comes through, or not, the same way whether one of
/// them is false or NULL.
pub fn in_positive_position(query: &Query) -> Vec<&Expression> {
    fn add<'a>(expression: &'a Expression, found: &mut Vec<&'a Expression>) {
        match &expression.kind {
            ExpressionKind::And(parts) | ExpressionKind::Or(parts) => {
                parts.iter().for_each(|part| add(part, found))
            }
            _ => found.push(expression),
        }
    }
    let mut found = Vec::new();
    for filter in filters(query) {
        add(filter, &mut found);
    }
    found
}

/// A column of a table that the query reads.
#[derive(Clone, Copy, Debug)]
pub struct TableColumn<'a> {
    /// How the query refers to it.
    pub reference: &'a ColumnReference,
    /// Its place in the range table.
    pub entry: &'a RangeTableEntry,
    /// Its table.
    pub table: &'a RelationFacts,
    /// What the table says of it.
    pub column: &'a RelationColumn,
}

impl<'a> TableColumn<'a> {
    /// The expression, if it is a column of a table of this very query.
    pub fn of(scope: &Scope<'a>, expression: &'a Expression) -> Option<Self> {
        let reference = expression.as_own_column()?;
        let entry = scope.query.relation(reference.relation)?;
        let table = entry.table()?;
        // Under a name of the query's own it could not be told to CREATE INDEX.
        let column = entry.column(reference.column).filter(|column| !column.is_renamed)?;
        Some(Self { reference, entry, table, column })
    }

    /// Whether an index by one of these methods has it among its keys, with an operator family whose name has that part.
    pub fn has_operator_family(&self, methods: &[&str], part: &str) -> bool {
        self.table.indexed_columns.iter().any(|indexed| {
            indexed.column == self.reference.column
                && methods.contains(&&*indexed.method)
                && indexed.operator_family.contains(part)
        })
    }

    /// Whether a condition that an index could serve pays once there is one: there is none, and the table is large.
    pub fn wants_index(&self) -> bool {
        is_large(self.table) && !self.has_index()
    }

    /// Whether a B-tree index of the table begins with it.
    pub fn has_index(&self) -> bool {
        self.entry.has_index_on(self.reference.column)
    }
}

/// Whether the query is a branch of a set operation, in which another one cannot take its place.
pub fn is_branch(scope: &Scope<'_>) -> bool {
    matches!(scope.place, Place::From(_))
        && scope.parent.is_some_and(|parent| parent.query.set_operation.is_some())
}

/// Whether reading all of a table takes time, as far as its statistics say.
pub fn is_large(table: &RelationFacts) -> bool {
    has_rows(table, FEW_ROWS)
}

/// Whether a table may have that many rows, as far as its statistics say.
pub fn has_rows(table: &RelationFacts, rows: f64) -> bool {
    !table.is_system && table.rows.is_none_or(|known| known >= rows)
}

/// Whether values that the type calls equal are the same bytes, so that it does not matter which of them is put out.
pub fn is_exact(expression: &Expression) -> bool {
    use builtin as t;
    expression.is_deterministic
        && matches!(
            expression.type_oid,
            t::BOOL
                | t::INT2
                | t::INT4
                | t::INT8
                | t::TEXT
                | t::VARCHAR
                | t::DATE
                | t::TIMESTAMP
                | t::TIMESTAMPTZ
                | t::UUID
        )
}

/// Whether the expression is a text, but none padded with blanks.
pub fn is_text(expression: &Expression) -> bool {
    matches!(expression.type_oid, builtin::TEXT | builtin::VARCHAR)
}

/// The literal that an expression is, casts that change no byte left out, unless it is NULL.
pub fn literal(expression: &Expression) -> Option<&str> {
    expression.without_relabels().as_constant().and_then(|constant: &Constant| constant.text.as_deref())
}

/// Every join of FROM, outer ones first.
pub fn joins(query: &Query) -> Vec<&crate::catalog::query::Join> {
    fn add<'a>(item: &'a FromItem, found: &mut Vec<&'a crate::catalog::query::Join>) {
        if let FromItem::Join(join) = item {
            found.push(join);
            add(&join.left, found);
            add(&join.right, found);
        }
    }
    let mut found = Vec::new();
    query.from.iter().for_each(|item| add(item, &mut found));
    found
}

/// The relation that an outer join fills with NULLs where that is one alone, with the join.
pub fn nullable_sides(query: &Query) -> Vec<(&crate::catalog::query::Join, usize)> {
    joins(query)
        .into_iter()
        .filter_map(|join| match (join.kind, &join.left, &join.right) {
            (JoinKind::Left, _, FromItem::Relation(index))
            | (JoinKind::Right, FromItem::Relation(index), _) => Some((join, *index)),
            _ => None,
        })
        .collect()
}

/// How often an expression, the queries in it included, refers to a relation of the query that it stands in.
pub fn references_in(expression: &Expression, relation: usize) -> usize {
    let mut found = 0;
    expression.each_deep(0, &mut |part, depth| {
        if let ExpressionKind::Column(column) = &part.kind
            && column.levels_up == depth
            && column.relation == relation
        {
            found += 1;
        }
    });
    found
}

/// How often a query, the queries in it included, refers to one of its relations.
pub fn references_to(query: &Query, relation: usize) -> usize {
    let mut found = 0;
    query.each_expression(&mut |part, depth| {
        if let ExpressionKind::Column(column) = &part.kind
            && column.levels_up == depth
            && column.relation == relation
        {
            found += 1;
        }
    });
    found
}
