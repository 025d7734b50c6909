//! Through a statement, query by query and expression by expression.

use super::{
    ColumnReference, Command, CommonTable, Expression, ExpressionKind, FromItem, Query, RangeTableEntry,
    RelationSource, SubLink,
};
use crate::catalog::Volatility;

/// Where a query stands in the one around it.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// It is the statement.
    Top,
    /// FROM, or a branch of a set operation: this relation of the query around it.
    From(usize),
    /// WITH
    CommonTable(&'a CommonTable),
    /// An expression.
    SubLink(&'a Expression, &'a SubLink),
}

/// A query and those around it.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The query.
    pub query: &'a Query,
    /// Where it stands.
    pub place: Place<'a>,
    /// The one around it.
    pub parent: Option<&'a Scope<'a>>,
}

impl<'a> Scope<'a> {
    /// The statement itself.
    pub fn top(query: &'a Query) -> Self {
        Self { query, place: Place::Top, parent: None }
    }

    /// A query within this one.
    pub fn inner<'b>(&'b self, query: &'b Query, place: Place<'b>) -> Scope<'b>
    where
        'a: 'b,
    {
        Scope { query, place, parent: Some(self) }
    }

    /// The scope so many levels up.
    pub fn level(&self, levels_up: u32) -> Option<&Scope<'a>> {
        let mut scope = self;
        for _ in 0..levels_up {
            scope = scope.parent?;
        }
        Some(scope)
    }

    /// The relation of a column.
    pub fn relation(&self, column: &ColumnReference) -> Option<&RangeTableEntry> {
        self.level(column.levels_up)?.query.relation(column.relation)
    }

    /// The WITH query that a relation of this query names, with the scope that it is defined in.
    pub fn common_table(&self, name: &str, levels_up: u32) -> Option<(&CommonTable, &Scope<'a>)> {
        let scope = self.level(levels_up)?;
        let table = scope.query.common_tables.iter().find(|table| table.name == name)?;
        Some((table, scope))
    }

    /// Calls `each` on this query and on every one within it, outer ones first.
    pub fn each(&self, visit: &mut dyn FnMut(&Scope<'_>)) {
        visit(self);
        for table in &self.query.common_tables {
            self.inner(&table.query, Place::CommonTable(table)).each(visit);
        }
        for (index, relation) in self.query.relations.iter().enumerate() {
            if let RelationSource::Subquery(query) = &relation.source {
                self.inner(query, Place::From(index)).each(visit);
            }
        }
        for expression in self.query.expressions() {
            expression.each(&mut |part| {
                if let ExpressionKind::SubLink(link) = &part.kind {
                    self.inner(&link.query, Place::SubLink(part, link)).each(visit);
                }
            });
        }
    }
}

impl Query {
    /// The expressions that stand in the query itself, outermost ones, without those of its subqueries.
    pub fn expressions(&self) -> Vec<&Expression> {
        fn joins<'a>(item: &'a FromItem, found: &mut Vec<&'a Expression>) {
            if let FromItem::Join(join) = item {
                joins(&join.left, found);
                joins(&join.right, found);
                found.extend(&join.condition);
            }
        }
        let mut found: Vec<&Expression> = self.targets.iter().map(|target| &target.expression).collect();
        found.extend(self.returning.iter().map(|target| &target.expression));
        for item in &self.from {
            joins(item, &mut found);
        }
        for relation in &self.relations {
            match &relation.source {
                RelationSource::Function(functions) => found.extend(functions),
                RelationSource::Values(rows) => found.extend(rows.iter().flatten()),
                _ => {}
            }
        }
        found.extend(&self.condition);
        found.extend(&self.having);
        found.extend(&self.limit);
        found.extend(&self.offset);
        found
    }

    /// Calls `each` on the query and on every one within it, without saying where they stand.
    pub fn each_query(&self, each: &mut dyn FnMut(&Query)) {
        Scope::top(self).each(&mut |scope| each(scope.query));
    }

    /// Calls `each` on every expression in the query and in the queries within it; told with each is by how many
    /// queries it is deeper than this one.
    pub fn each_expression(&self, each: &mut dyn FnMut(&Expression, u32)) {
        self.descend(0, each);
    }

    fn descend(&self, depth: u32, each: &mut dyn FnMut(&Expression, u32)) {
        for table in &self.common_tables {
            table.query.descend(depth + 1, each);
        }
        for relation in &self.relations {
            if let RelationSource::Subquery(query) = &relation.source {
                query.descend(depth + 1, each);
            }
        }
        for expression in self.expressions() {
            expression.each_deep(depth, each);
        }
    }

    /// Whether something in it, however deep, is a column of a query around it.
    pub fn is_correlated(&self) -> bool {
        let mut found = false;
        self.each_expression(&mut |expression, depth| match &expression.kind {
            ExpressionKind::Column(column) => found |= column.levels_up > depth,
            ExpressionKind::Aggregate(aggregate) => found |= aggregate.levels_up > depth,
            _ => {}
        });
        found
    }

    /// Whether it calls a volatile function, changes data or locks rows, however deep.
    pub fn is_volatile(&self) -> bool {
        let mut found = false;
        self.each_query(&mut |query| {
            found |= query.command != Command::Select || !query.row_locks.is_empty();
        });
        self.each_expression(&mut |expression, _| {
            found |= expression.own_volatility() == Volatility::Volatile;
        });
        found
    }

    /// The columns of one of its relations that it uses, in itself and in the queries within it; the whole row is 0.
    pub fn used_columns(&self, relation: usize) -> Vec<i16> {
        let mut found = Vec::new();
        self.each_expression(&mut |expression, depth| {
            if let ExpressionKind::Column(column) = &expression.kind
                && column.levels_up == depth
                && column.relation == relation
                && !found.contains(&column.column)
            {
                found.push(column.column);
            }
        });
        found
    }
}

impl Expression {
    /// The expressions of which it is made, without those of subqueries.
    pub fn children(&self) -> Vec<&Expression> {
        use ExpressionKind as Kind;
        match &self.kind {
            Kind::Column(_)
            | Kind::Constant(_)
            | Kind::Parameter(_)
            | Kind::SubLinkColumn(_)
            | Kind::SqlValue
            | Kind::Absent => Vec::new(),
            Kind::Operator(call) | Kind::DistinctFrom(call) | Kind::NullIf(call) => {
                call.arguments.iter().collect()
            }
            Kind::ArrayComparison(comparison) => comparison.operator.arguments.iter().collect(),
            Kind::Function(call) => call.arguments.iter().collect(),
            Kind::Cast(cast) => vec![&cast.argument],
            Kind::And(parts)
            | Kind::Or(parts)
            | Kind::Coalesce(parts)
            | Kind::Array(parts)
            | Kind::Row(parts) => parts.iter().collect(),
            Kind::Extreme { arguments, .. } => arguments.iter().collect(),
            Kind::Not(argument) => vec![argument],
            Kind::SubLink(link) => link.test.iter().map(|test| &**test).collect(),
            Kind::NullTest { argument, .. } | Kind::BooleanTest { argument, .. } => vec![argument],
            Kind::Case(case) => {
                let mut found: Vec<&Expression> = case.argument.iter().map(|argument| &**argument).collect();
                for when in &case.whens {
                    found.push(&when.condition);
                    found.push(&when.result);
                }
                found.extend(case.otherwise.iter().map(|otherwise| &**otherwise));
                found
            }
            Kind::RowComparison(comparison) => comparison.left.iter().chain(&comparison.right).collect(),
            Kind::Aggregate(aggregate) => {
                aggregate.arguments.iter().chain(aggregate.filter.iter().map(|filter| &**filter)).collect()
            }
            Kind::Window(window) => {
                window.arguments.iter().chain(window.filter.iter().map(|filter| &**filter)).collect()
            }
            Kind::Other { children, .. } => children.iter().collect(),
        }
    }

    /// Calls `each` on it and on everything in it, outer ones first, without going into subqueries.
    pub fn each<'a>(&'a self, each: &mut dyn FnMut(&'a Expression)) {
        each(self);
        for child in self.children() {
            child.each(each);
        }
    }

    /// The same, going into subqueries; told with each is by how many queries it is deeper.
    pub fn each_deep(&self, depth: u32, each: &mut dyn FnMut(&Expression, u32)) {
        each(self, depth);
        for child in self.children() {
            child.each_deep(depth, each);
        }
        if let ExpressionKind::SubLink(link) = &self.kind {
            link.query.descend(depth + 1, each);
        }
    }

    /// Whether some part of it, subqueries left out, is so.
    pub fn has(&self, is: impl Fn(&Expression) -> bool) -> bool {
        let mut found = false;
        self.each(&mut |part| found |= is(part));
        found
    }

    /// How volatile the outermost function in it is.
    pub fn own_volatility(&self) -> Volatility {
        use ExpressionKind as Kind;
        match &self.kind {
            Kind::Operator(call) | Kind::DistinctFrom(call) | Kind::NullIf(call) => call.function.volatility,
            Kind::ArrayComparison(comparison) => comparison.operator.function.volatility,
            Kind::Function(call) => call.function.volatility,
            Kind::Aggregate(aggregate) => aggregate.function.volatility,
            Kind::Window(window) => window.function.volatility,
            // Types' input and output functions are stable at worst, by the server's own rule.
            Kind::Cast(cast) if cast.kind != super::CastKind::Relabel => Volatility::Stable,
            Kind::SqlValue => Volatility::Stable,
            Kind::Other { volatility, .. } => *volatility,
            _ => Volatility::Immutable,
        }
    }

    /// Whether something in it is volatile, subqueries included.
    pub fn is_volatile(&self) -> bool {
        let mut found = false;
        self.each_deep(0, &mut |part, _| {
            found |= part.own_volatility() == Volatility::Volatile;
            if let ExpressionKind::SubLink(link) = &part.kind {
                found |= link.query.is_volatile();
            }
        });
        found
    }

    /// Whether it always has the same value within a statement and reads nothing: literals, parameters, functions of
    /// them that are not volatile.
    pub fn is_fixed(&self) -> bool {
        !self.is_volatile()
            && !self.has(|part| {
                matches!(
                    part.kind,
                    ExpressionKind::Column(_)
                        | ExpressionKind::SubLink(_)
                        | ExpressionKind::SubLinkColumn(_)
                        | ExpressionKind::Aggregate(_)
                        | ExpressionKind::Window(_)
                        | ExpressionKind::Other { .. }
                )
            })
    }

    /// The columns in it that are the query's own, subqueries included.
    pub fn own_columns(&self) -> Vec<ColumnReference> {
        let mut found = Vec::new();
        self.each_deep(0, &mut |part, depth| {
            if let ExpressionKind::Column(column) = &part.kind
                && column.levels_up == depth
            {
                let column = ColumnReference { levels_up: 0, ..column.clone() };
                if !found.contains(&column) {
                    found.push(column);
                }
            }
        });
        found
    }

    /// Whether something in it is of a query around, so many or more levels up.
    pub fn refers_up(&self) -> bool {
        let mut found = false;
        self.each_deep(0, &mut |part, depth| match &part.kind {
            ExpressionKind::Column(column) => found |= column.levels_up > depth,
            ExpressionKind::Aggregate(aggregate) => found |= aggregate.levels_up > depth,
            _ => {}
        });
        found
    }

    /// Whether both say the same, whatever their numbers are.
    pub fn is_same(&self, other: &Expression) -> bool {
        fn plain(expression: &Expression) -> Option<Expression> {
            let mut copy = expression.clone();
            copy.forget_numbers().then_some(copy)
        }
        matches!((plain(self), plain(other)), (Some(one), Some(another)) if one == another)
    }

    /// Sets every number in it to 0; false where a subquery or something unknown makes a comparison meaningless.
    fn forget_numbers(&mut self) -> bool {
        use ExpressionKind as Kind;
        self.id = 0;
        let all = |parts: &mut [Expression]| parts.iter_mut().all(Expression::forget_numbers);
        match &mut self.kind {
            Kind::Column(_)
            | Kind::Constant(_)
            | Kind::Parameter(_)
            | Kind::SubLinkColumn(_)
            | Kind::Absent => true,
            Kind::SubLink(_) | Kind::Other { .. } | Kind::SqlValue | Kind::Window(_) | Kind::Aggregate(_) => {
                false
            }
            Kind::Operator(call) | Kind::DistinctFrom(call) | Kind::NullIf(call) => all(&mut call.arguments),
            Kind::ArrayComparison(comparison) => all(&mut comparison.operator.arguments),
            Kind::Function(call) => all(&mut call.arguments),
            Kind::Cast(cast) => cast.argument.forget_numbers(),
            Kind::And(parts)
            | Kind::Or(parts)
            | Kind::Coalesce(parts)
            | Kind::Array(parts)
            | Kind::Row(parts) => all(parts),
            Kind::Extreme { arguments, .. } => all(arguments),
            Kind::Not(argument) => argument.forget_numbers(),
            Kind::NullTest { argument, .. } | Kind::BooleanTest { argument, .. } => argument.forget_numbers(),
            Kind::Case(case) => {
                case.argument.iter_mut().all(|argument| argument.forget_numbers())
                    && case
                        .whens
                        .iter_mut()
                        .all(|when| when.condition.forget_numbers() && when.result.forget_numbers())
                    && case.otherwise.iter_mut().all(|otherwise| otherwise.forget_numbers())
            }
            Kind::RowComparison(comparison) => all(&mut comparison.left) && all(&mut comparison.right),
        }
    }
}
