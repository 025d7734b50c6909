//! Whether a condition on a bare column would be served by an index.

use crate::catalog::query::{ColumnReference, Comparison, RangeTableEntry, Scope};

/// In a smaller table an index would not be used anyway.
const FEW_ROWS: f64 = 1_000.0;

/// Whether the table has no index for the column yet and is large enough for one to pay, so that the gain of a bare
/// column shows only once there is one.
pub fn is_worth_an_index(entry: &RangeTableEntry, column: &ColumnReference) -> bool {
    entry.table().is_some_and(|facts| {
        !facts.has_expression_index
            && !entry.has_index_on(column.column)
            && facts.rows.is_none_or(|rows| rows >= FEW_ROWS)
    })
}

/// Whether some condition compares the bare column already.
pub fn is_compared_bare(scope: &Scope<'_>, column: &ColumnReference) -> bool {
    scope.query.inner_conditions().iter().any(|condition| {
        condition.as_comparison().is_some_and(|(comparison, left, right)| {
            comparison != Comparison::NotEqual
                && [left, right].iter().any(|side| side.without_relabels().as_own_column() == Some(column))
        })
    })
}
