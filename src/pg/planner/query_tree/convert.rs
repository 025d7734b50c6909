//! Queries: from the server's nodes to plain ones, remembering what hangs where.

use pgrx::pg_sys;

use super::catalog;
use super::nodes::{self, Hook, string};
use crate::catalog::ColumnNumber;
use crate::catalog::query::{
    Command, CommonTable, Distinct, FromItem, Join, JoinKind, Query, QueryId, RangeTableEntry,
    RelationColumn, RelationSource, RowLock, SetOperator, SetTree, SortKey, Target, Window,
};
use crate::pg::planner::list::{self, tag};

/// Where the server keeps an expression.
pub struct Place {
    /// The expression.
    pub node: *mut pg_sys::Node,
    /// Where it hangs; `None` where no edit may reach it.
    pub hook: Option<Hook>,
    /// Whether what takes its place needs no parentheses.
    pub bare: bool,
    /// In which query.
    pub query: QueryId,
}

/// Where the server keeps a query.
pub struct QueryPlace {
    /// The query.
    pub query: *mut pg_sys::Query,
    /// The one around it.
    pub parent: Option<QueryId>,
    /// Its set operations, in the order in which they are met: itself, left, right.
    pub operations: Vec<*mut pg_sys::SetOperationStmt>,
}

/// One way through a query.
#[derive(Default)]
pub struct Converter {
    /// By number.
    pub places: Vec<Place>,
    /// By number.
    pub queries: Vec<QueryPlace>,
    /// The queries around what is being converted, outermost first.
    stack: Vec<QueryId>,
    /// How many of the innermost ones are stepped out of.
    above: usize,
    /// How many expressions are around what is being converted.
    pub(super) depth: usize,
}

impl Converter {
    /// Gives an expression its number.
    pub(super) fn remember(&mut self, node: *mut pg_sys::Node, hook: Option<Hook>, bare: bool) -> u32 {
        let query = self.stack.last().copied().unwrap_or(0);
        self.places.push(Place { node, hook, bare, query });
        u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
    }

    /// The query so many levels up.
    fn query_at(&self, levels_up: u32) -> Option<*mut pg_sys::Query> {
        let up = self.above + levels_up as usize;
        let position = self.stack.len().checked_sub(up + 1)?;
        self.queries.get(self.stack[position] as usize).map(|place| place.query)
    }

    /// Does something as if it stood so many levels further out.
    pub(super) fn at_level<T>(&mut self, levels_up: u32, work: impl FnOnce(&mut Self) -> T) -> T {
        self.above += levels_up as usize;
        let result = work(self);
        self.above -= levels_up as usize;
        result
    }

    /// The range table entry of a column.
    ///
    /// # Safety
    /// `column` must be in the query being converted.
    unsafe fn entry(&self, column: *const pg_sys::Var) -> Option<*mut pg_sys::RangeTblEntry> {
        // SAFETY: as the caller vouches; the queries on the stack are whole.
        unsafe {
            let query = self.query_at((*column).varlevelsup)?;
            let position = usize::try_from((*column).varno - 1).ok()?;
            list::pointers::<pg_sys::RangeTblEntry>((*query).rtable).get(position).copied()
        }
    }

    /// What a column of a join, or of a grouping, stands for.
    ///
    /// # Safety
    /// `column` must be in the query being converted.
    pub(super) unsafe fn passed_on(&self, column: *const pg_sys::Var) -> Option<*mut pg_sys::Node> {
        // SAFETY: as the caller vouches.
        unsafe {
            let entry = self.entry(column)?;
            let sources = match (*entry).rtekind {
                pg_sys::RTEKind::RTE_JOIN => (*entry).joinaliasvars,
                #[cfg(feature = "pg18")]
                pg_sys::RTEKind::RTE_GROUP => (*entry).groupexprs,
                _ => return None,
            };
            let position = usize::try_from((*column).varattno - 1).ok()?;
            let source = list::pointers::<pg_sys::Node>(sources).get(position).copied()?;
            (!source.is_null()).then_some(source)
        }
    }

    /// # Safety
    /// `column` must be in the query being converted.
    pub(super) unsafe fn column_name(&self, column: *const pg_sys::Var) -> String {
        // SAFETY: as the caller vouches.
        unsafe {
            let Some(entry) = self.entry(column) else { return String::new() };
            let names = list::pointers::<pg_sys::String>((*(*entry).eref).colnames);
            let position = usize::try_from((*column).varattno - 1).unwrap_or(usize::MAX);
            names.get(position).map(|name| string((**name).sval)).unwrap_or_default()
        }
    }

    /// Which window a window function is over.
    pub(super) fn window_index(&self, reference: u32) -> usize {
        // SAFETY: the innermost query is whole.
        let windows = self.query_at(0).map_or_else(Vec::new, |query| unsafe {
            list::pointers::<pg_sys::WindowClause>((*query).windowClause)
        });
        // SAFETY: nodes of that list.
        windows.iter().position(|&window| unsafe { (*window).winref } == reference).unwrap_or(usize::MAX)
    }

    /// A query and all within it.
    ///
    /// # Safety
    /// `query` must come from the analysis and not be rewritten yet.
    pub unsafe fn query(&mut self, query: *mut pg_sys::Query) -> Query {
        let id = QueryId::try_from(self.queries.len()).unwrap_or(QueryId::MAX);
        let parent = self.stack.last().copied();
        self.queries.push(QueryPlace { query, parent, operations: Vec::new() });
        self.stack.push(id);
        // SAFETY: as the caller vouches.
        let converted = unsafe { self.parts(id, query) };
        self.stack.pop();
        converted
    }

    /// # Safety
    /// As of `query`, which must be on the stack.
    unsafe fn parts(&mut self, id: QueryId, query: *mut pg_sys::Query) -> Query {
        // SAFETY: as the caller vouches; every field is of the type that the server declares.
        unsafe {
            let common_tables = list::pointers::<pg_sys::CommonTableExpr>((*query).cteList)
                .into_iter()
                .map(|table| self.common_table(table))
                .collect();
            let used = used_relations(query);
            let relations = list::pointers::<pg_sys::RangeTblEntry>((*query).rtable)
                .into_iter()
                .enumerate()
                .map(|(index, entry)| self.relation(entry, used.contains(&index)))
                .collect();
            let targets = self.targets((*query).targetList);
            let returning = self.targets((*query).returningList);
            let (mut from, mut condition) = (Vec::new(), None);
            if !(*query).jointree.is_null() {
                from = nodes::cells((*(*query).jointree).fromlist)
                    .into_iter()
                    .filter_map(|cell| self.element_of_from(*cell))
                    .collect();
                condition = self.hanging(&raw mut (*(*query).jointree).quals, true);
            }
            let keys = move |clauses| sort_keys(query, clauses);
            let distinct = match ((*query).distinctClause.is_null(), (*query).hasDistinctOn) {
                (true, _) => Distinct::No,
                (false, false) => Distinct::All,
                (false, true) => Distinct::On(keys((*query).distinctClause)),
            };
            let has_grouping_sets = !(*query).groupingSets.is_null();
            let set_operation = (!(*query).setOperations.is_null())
                .then(|| self.set_tree(id, (*query).setOperations))
                .flatten();
            Query {
                id,
                command: match (*query).commandType {
                    pg_sys::CmdType::CMD_INSERT => Command::Insert,
                    pg_sys::CmdType::CMD_UPDATE => Command::Update,
                    pg_sys::CmdType::CMD_DELETE => Command::Delete,
                    pg_sys::CmdType::CMD_MERGE => Command::Merge,
                    _ => Command::Select,
                },
                relations,
                from,
                changed: usize::try_from((*query).resultRelation - 1).ok(),
                condition,
                targets,
                has_star: false,
                returning,
                distinct,
                group_by: if has_grouping_sets { Vec::new() } else { keys((*query).groupClause) },
                has_grouping_sets,
                having: self.hanging(&raw mut (*query).havingQual, true),
                order_by: keys((*query).sortClause),
                limit: self.hanging(&raw mut (*query).limitCount, false),
                has_ties: (*query).limitOption == pg_sys::LimitOption::LIMIT_OPTION_WITH_TIES,
                offset: self.hanging(&raw mut (*query).limitOffset, false),
                set_operation,
                common_tables,
                row_locks: list::pointers::<pg_sys::RowMarkClause>((*query).rowMarks)
                    .into_iter()
                    .filter(|&mark| !(*mark).pushedDown)
                    .map(|mark| RowLock {
                        relation: ((*mark).rti as usize).saturating_sub(1),
                        skips_locked: (*mark).waitPolicy == pg_sys::LockWaitPolicy::LockWaitSkip,
                        is_nowait: (*mark).waitPolicy == pg_sys::LockWaitPolicy::LockWaitError,
                        is_update: (*mark).strength >= pg_sys::LockClauseStrength::LCS_FORNOKEYUPDATE,
                    })
                    .collect(),
                windows: list::pointers::<pg_sys::WindowClause>((*query).windowClause)
                    .into_iter()
                    .map(|window| Window {
                        partition_by: keys((*window).partitionClause),
                        order_by: keys((*window).orderClause),
                        has_default_frame: (*window).frameOptions as u32 & pg_sys::FRAMEOPTION_NONDEFAULT
                            == 0,
                    })
                    .collect(),
                has_aggregates: (*query).hasAggs,
                has_window_functions: (*query).hasWindowFuncs,
                returns_sets: (*query).hasTargetSRFs,
                has_conflict_clause: !(*query).onConflict.is_null(),
            }
        }
    }

    /// # Safety
    /// `table` must be in the query being converted.
    unsafe fn common_table(&mut self, table: *mut pg_sys::CommonTableExpr) -> CommonTable {
        // SAFETY: as the caller vouches; after analysis it holds a query.
        unsafe {
            CommonTable {
                name: string((*table).ctename),
                query: self.query((*table).ctequery.cast()),
                is_recursive: (*table).cterecursive,
                references: usize::try_from((*table).cterefcount).unwrap_or(0),
                materialized: match (*table).ctematerialized {
                    pg_sys::CTEMaterialize::CTEMaterializeAlways => Some(true),
                    pg_sys::CTEMaterialize::CTEMaterializeNever => Some(false),
                    _ => None,
                },
            }
        }
    }

    /// # Safety
    /// `list` must be a target list of the query being converted.
    unsafe fn targets(&mut self, list: *mut pg_sys::List) -> Vec<Target> {
        // SAFETY: as the caller vouches.
        unsafe {
            list::pointers::<pg_sys::TargetEntry>(list)
                .into_iter()
                .map(|entry| Target {
                    expression: self.hanging((&raw mut (*entry).expr).cast(), false).unwrap_or_default(),
                    name: string((*entry).resname),
                    is_hidden: (*entry).resjunk,
                    number: (*entry).resno,
                })
                .collect()
        }
    }

    /// # Safety
    /// `entry` must be of the query being converted.
    unsafe fn relation(&mut self, entry: *mut pg_sys::RangeTblEntry, is_used: bool) -> RangeTableEntry {
        use pg_sys::RTEKind as Kind;
        // SAFETY: as the caller vouches; the kind says which fields hold something.
        unsafe {
            let mut columns = Vec::new();
            let source = match (*entry).rtekind {
                Kind::RTE_RELATION => {
                    let is_alone = !(*entry).inh || !catalog::has_children((*entry).relid);
                    let (facts, of_table) = catalog::relation((*entry).relid, is_alone);
                    columns = of_table;
                    RelationSource::Table(facts)
                }
                Kind::RTE_SUBQUERY => RelationSource::Subquery(Box::new(self.query((*entry).subquery))),
                Kind::RTE_CTE => RelationSource::CommonTable {
                    name: string((*entry).ctename),
                    levels_up: (*entry).ctelevelsup,
                },
                Kind::RTE_JOIN => RelationSource::Join,
                Kind::RTE_FUNCTION => RelationSource::Function(
                    list::pointers::<pg_sys::RangeTblFunction>((*entry).functions)
                        .into_iter()
                        .filter_map(|function| self.hanging(&raw mut (*function).funcexpr, false))
                        .collect(),
                ),
                Kind::RTE_VALUES => RelationSource::Values(
                    list::pointers::<pg_sys::List>((*entry).values_lists)
                        .into_iter()
                        .map(|row| self.all(row))
                        .collect(),
                ),
                _ => RelationSource::Other,
            };
            let names: Vec<String> = list::pointers::<pg_sys::String>((*(*entry).eref).colnames)
                .into_iter()
                .map(|name| string((*name).sval))
                .collect();
            if columns.is_empty() && !matches!(source, RelationSource::Table(_)) {
                columns = names_only(&names);
                if let RelationSource::Subquery(query) = &source {
                    for (column, target) in columns.iter_mut().zip(query.output()) {
                        column.type_oid = target.expression.type_oid;
                    }
                }
            }
            for column in &mut columns {
                // The query may call it otherwise: FROM t AS a(b, c).
                let position = usize::try_from(column.number - 1).unwrap_or(usize::MAX);
                if let Some(name) = names.get(position) {
                    column.is_renamed = column.name != *name;
                    column.name.clone_from(name);
                }
            }
            RangeTableEntry {
                source,
                alias: string((*(*entry).eref).aliasname),
                columns,
                is_lateral: (*entry).lateral,
                is_only: (*entry).rtekind == Kind::RTE_RELATION && !(*entry).inh,
                is_sampled: !(*entry).tablesample.is_null(),
                is_used,
            }
        }
    }

    /// # Safety
    /// `node` must be of the FROM of the query being converted.
    unsafe fn element_of_from(&mut self, node: *mut pg_sys::Node) -> Option<FromItem> {
        // SAFETY: as the caller vouches; the tag says what it is.
        unsafe {
            match tag(node) {
                pg_sys::NodeTag::T_RangeTblRef => {
                    let index = (*node.cast::<pg_sys::RangeTblRef>()).rtindex;
                    Some(FromItem::Relation(usize::try_from(index - 1).ok()?))
                }
                pg_sys::NodeTag::T_JoinExpr => {
                    let join = node.cast::<pg_sys::JoinExpr>();
                    let left = self.element_of_from((*join).larg)?;
                    let right = self.element_of_from((*join).rarg)?;
                    Some(FromItem::Join(Box::new(Join {
                        relation: usize::try_from((*join).rtindex - 1).ok()?,
                        kind: match (*join).jointype {
                            pg_sys::JoinType::JOIN_LEFT => JoinKind::Left,
                            pg_sys::JoinType::JOIN_RIGHT => JoinKind::Right,
                            pg_sys::JoinType::JOIN_FULL => JoinKind::Full,
                            _ => JoinKind::Inner,
                        },
                        left,
                        right,
                        condition: self.hanging(&raw mut (*join).quals, true),
                        merges_columns: !(*join).usingClause.is_null() || !(*join).alias.is_null(),
                    })))
                }
                _ => None,
            }
        }
    }

    /// # Safety
    /// `node` must be of the set operations of that query.
    unsafe fn set_tree(&mut self, query: QueryId, node: *mut pg_sys::Node) -> Option<SetTree> {
        // SAFETY: as the caller vouches; the tag says what it is.
        unsafe {
            if tag(node) == pg_sys::NodeTag::T_RangeTblRef {
                let index = (*node.cast::<pg_sys::RangeTblRef>()).rtindex;
                return Some(SetTree::Branch(usize::try_from(index - 1).ok()?));
            }
            let operation = node.cast::<pg_sys::SetOperationStmt>();
            let operations = &mut self.queries.get_mut(query as usize)?.operations;
            let number = operations.len();
            operations.push(operation);
            Some(SetTree::Operation {
                number,
                operator: match (*operation).op {
                    pg_sys::SetOperation::SETOP_INTERSECT => SetOperator::Intersect,
                    pg_sys::SetOperation::SETOP_EXCEPT => SetOperator::Except,
                    _ => SetOperator::Union,
                },
                all: (*operation).all,
                left: Box::new(self.set_tree(query, (*operation).larg)?),
                right: Box::new(self.set_tree(query, (*operation).rarg)?),
            })
        }
    }
}

/// Columns of which only the names are known.
fn names_only(names: &[String]) -> Vec<RelationColumn> {
    let numbers = 1..ColumnNumber::MAX;
    numbers
        .zip(names)
        .map(|(number, name)| RelationColumn { number, name: name.clone(), ..RelationColumn::default() })
        .collect()
}

/// The relations that FROM, a set operation or the statement itself names, counted from 0.
///
/// # Safety
/// `query` must be whole.
unsafe fn used_relations(query: *mut pg_sys::Query) -> Vec<usize> {
    unsafe fn add(node: *mut pg_sys::Node, found: &mut Vec<usize>) {
        if node.is_null() {
            return;
        }
        // SAFETY: as the caller vouches; the tag says what it is.
        unsafe {
            match tag(node) {
                pg_sys::NodeTag::T_RangeTblRef => {
                    found.extend(usize::try_from((*node.cast::<pg_sys::RangeTblRef>()).rtindex - 1));
                }
                pg_sys::NodeTag::T_JoinExpr => {
                    let join = node.cast::<pg_sys::JoinExpr>();
                    found.extend(usize::try_from((*join).rtindex - 1));
                    add((*join).larg, found);
                    add((*join).rarg, found);
                }
                pg_sys::NodeTag::T_SetOperationStmt => {
                    let operation = node.cast::<pg_sys::SetOperationStmt>();
                    add((*operation).larg, found);
                    add((*operation).rarg, found);
                }
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    // SAFETY: as the caller vouches.
    unsafe {
        found.extend(usize::try_from((*query).resultRelation - 1));
        if !(*query).jointree.is_null() {
            for item in list::pointers::<pg_sys::Node>((*(*query).jointree).fromlist) {
                add(item, &mut found);
            }
        }
        add((*query).setOperations, &mut found);
    }
    found
}

/// # Safety
/// `clauses` must be sort clauses of the query.
unsafe fn sort_keys(query: *mut pg_sys::Query, clauses: *mut pg_sys::List) -> Vec<SortKey> {
    // SAFETY: as the caller vouches.
    unsafe {
        let entries = list::pointers::<pg_sys::TargetEntry>((*query).targetList);
        list::pointers::<pg_sys::SortGroupClause>(clauses)
            .into_iter()
            .filter_map(|clause| {
                let target = entries
                    .iter()
                    .position(|&entry| (*entry).ressortgroupref == (*clause).tleSortGroupRef)?;
                let type_oid = pg_sys::exprType((*entries[target]).expr.cast());
                let (is_default, descending) = catalog::sort_order(clause, type_oid);
                Some(SortKey { target, descending, nulls_first: (*clause).nulls_first, is_default })
            })
            .collect()
    }
}
