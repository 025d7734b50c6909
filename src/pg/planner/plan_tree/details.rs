//! What a node does, in detail.

use pgrx::pg_sys;

use super::parts::{expressions_of, is_not_in, subplans_in, subplans_of};
use super::{Builder, c_text, expression, is, kind};
use crate::catalog::plan::{AggregateStrategy, Bound, IndexUse, Node, SortKey, SubplanUse};
use crate::pg::planner::list::{self, tag};
use crate::pg::planner::names::qualified_name;

impl Builder {
    /// What the expressions of the node say, and what is known by its kind.
    ///
    /// # Safety
    /// As for [`Builder::node`]; expressions are printed for it.
    pub(super) unsafe fn expressions(&mut self, node: *mut pg_sys::Plan, position: usize) {
        use pg_sys::NodeTag as Tag;
        // SAFETY: as the caller vouches; the tag says what the node is.
        unsafe {
            let several = self.qualifies;
            let mut facts = std::mem::take(&mut self.plan.nodes[position]);
            match tag(node) {
                Tag::T_SeqScan
                | Tag::T_SampleScan
                | Tag::T_TidScan
                | Tag::T_TidRangeScan
                | Tag::T_ForeignScan
                | Tag::T_CustomScan
                | Tag::T_BitmapHeapScan
                | Tag::T_IndexScan
                | Tag::T_IndexOnlyScan => {
                    let entry = (*node.cast::<pg_sys::Scan>()).scanrelid;
                    facts.table = self.scanned_table(entry, node);
                    self.index(node, entry, &mut facts);
                    facts.filters = self.clauses(node, (*node).qual, Some(entry), false);
                    if tag(node) == Tag::T_ForeignScan {
                        let server = (*node.cast::<pg_sys::ForeignScan>()).fs_server;
                        facts.server = c_text((*pg_sys::GetForeignServer(server)).servername);
                    }
                }
                Tag::T_BitmapIndexScan => {
                    let scan = node.cast::<pg_sys::BitmapIndexScan>();
                    let entry = (*scan).scan.scanrelid;
                    facts.table = self.scanned_table(entry, node);
                    facts.index = Some(index_use((*scan).indexid));
                    facts.index_rows = Some((*node).plan_rows);
                    facts.index_conditions = self.clauses(node, (*scan).indexqualorig, Some(entry), false);
                }
                Tag::T_NestLoop | Tag::T_MergeJoin | Tag::T_HashJoin => {
                    let join = node.cast::<pg_sys::Join>();
                    facts.join = kind::join((*join).jointype);
                    facts.join_filters = self.clauses(node, (*join).joinqual, None, several);
                    facts.filters = self.clauses(node, (*node).qual, None, several);
                    let conditions = match tag(node) {
                        Tag::T_HashJoin => (*node.cast::<pg_sys::HashJoin>()).hashclauses,
                        Tag::T_MergeJoin => (*node.cast::<pg_sys::MergeJoin>()).mergeclauses,
                        _ => {
                            let parameters = (*node.cast::<pg_sys::NestLoop>()).nestParams;
                            facts.nested_parameters = list::pointers::<pg_sys::Node>(parameters).len();
                            std::ptr::null_mut()
                        }
                    };
                    facts.join_conditions = self.clauses(node, conditions, None, several);
                }
                Tag::T_CteScan => {
                    let scan = node.cast::<pg_sys::CteScan>();
                    self.cte_scans.push((position, (*scan).ctePlanId, (*scan).scan.scanrelid));
                    facts.filters = self.clauses(node, (*node).qual, None, false);
                }
                Tag::T_SubqueryScan => {
                    facts.filters = self.clauses(node, (*node).qual, None, true);
                }
                _ => {
                    self.other(node, &mut facts);
                    facts.filters = self.clauses(node, (*node).qual, None, several);
                }
            }
            self.subplan_list(node, position, &mut facts);
            self.parallel_unsafe(node);
            self.plan.nodes[position] = facts;
        }
    }

    /// # Safety
    /// As for [`Builder::expressions`].
    unsafe fn index(&mut self, node: *mut pg_sys::Plan, entry: u32, facts: &mut Node) {
        use pg_sys::NodeTag as Tag;
        // SAFETY: as the caller vouches; the tag says what the node is.
        unsafe {
            let (index, conditions) = match tag(node) {
                Tag::T_IndexScan => {
                    let scan = node.cast::<pg_sys::IndexScan>();
                    ((*scan).indexid, (*scan).indexqualorig)
                }
                Tag::T_IndexOnlyScan => {
                    let scan = node.cast::<pg_sys::IndexOnlyScan>();
                    ((*scan).indexid, (*scan).indexqual)
                }
                _ => return,
            };
            facts.index = Some(index_use(index));
            facts.index_conditions = self.clauses(node, conditions, Some(entry), false);
        }
    }

    /// # Safety
    /// As for [`Builder::expressions`].
    unsafe fn other(&mut self, node: *mut pg_sys::Plan, facts: &mut Node) {
        use pg_sys::NodeTag as Tag;
        // SAFETY: as the caller vouches; arrays are as long as the counts beside them.
        unsafe {
            match tag(node) {
                Tag::T_Sort | Tag::T_IncrementalSort => {
                    let sort = node.cast::<pg_sys::Sort>();
                    if tag(node) == Tag::T_IncrementalSort {
                        let presorted = (*node.cast::<pg_sys::IncrementalSort>()).nPresortedCols;
                        facts.presorted = usize::try_from(presorted).unwrap_or(0);
                    }
                    facts.keys = self.keys(node, (*sort).numCols, (*sort).sortColIdx);
                    for (number, key) in facts.keys.iter_mut().enumerate() {
                        key.descending = is_descending(*(*sort).sortOperators.add(number));
                        key.nulls_first = *(*sort).nullsFirst.add(number);
                    }
                }
                Tag::T_Agg => {
                    let aggregate = node.cast::<pg_sys::Agg>();
                    facts.strategy = match (*aggregate).aggstrategy {
                        pg_sys::AggStrategy::AGG_PLAIN => AggregateStrategy::Plain,
                        pg_sys::AggStrategy::AGG_SORTED => AggregateStrategy::Sorted,
                        pg_sys::AggStrategy::AGG_HASHED => AggregateStrategy::Hashed,
                        _ => AggregateStrategy::Mixed,
                    };
                    facts.has_aggregates = has_aggregates((*node).targetlist.cast())
                        || has_aggregates((*node).qual.cast())
                        || !(*aggregate).chain.is_null();
                    facts.keys = self.keys(node, (*aggregate).numCols, (*aggregate).grpColIdx);
                }
                Tag::T_Group => {
                    let group = node.cast::<pg_sys::Group>();
                    facts.keys = self.keys(node, (*group).numCols, (*group).grpColIdx);
                }
                Tag::T_Unique => {
                    let unique = node.cast::<pg_sys::Unique>();
                    facts.keys = self.keys(node, (*unique).numCols, (*unique).uniqColIdx);
                }
                Tag::T_Limit => {
                    let limit = node.cast::<pg_sys::Limit>();
                    facts.limit = bound((*limit).limitCount);
                    facts.offset = bound((*limit).limitOffset);
                }
                Tag::T_Append => facts.prunes = prunes_append(node.cast()),
                Tag::T_MergeAppend => facts.prunes = prunes_merge_append(node.cast()),
                _ => {}
            }
        }
    }

    /// Columns of the input by their numbers; EXPLAIN prints them as the input's.
    ///
    /// # Safety
    /// `numbers` must point to `count` numbers of columns of the node's input.
    unsafe fn keys(
        &mut self,
        node: *mut pg_sys::Plan,
        count: i32,
        numbers: *const pg_sys::AttrNumber,
    ) -> Vec<SortKey> {
        // SAFETY: as the caller vouches. A Sort and a Unique hand their input on, so that their own target list
        // counts like the input's; that of the others does not.
        unsafe {
            let own = matches!(
                tag(node),
                pg_sys::NodeTag::T_Sort | pg_sys::NodeTag::T_IncrementalSort | pg_sys::NodeTag::T_Unique
            );
            let counted = if own { node } else { (*node).lefttree };
            if counted.is_null() {
                return Vec::new();
            }
            if !own {
                self.ancestors.push(node.cast());
                self.print_for(counted);
                self.ancestors.pop();
            }
            let targets = list::pointers::<pg_sys::TargetEntry>((*counted).targetlist);
            let mut keys = Vec::new();
            for place in 0..usize::try_from(count).unwrap_or(0) {
                let number = *numbers.add(place);
                let target = targets.iter().copied().find(|&target| (*target).resno == number);
                let expression =
                    target.map_or(std::ptr::null_mut(), |target| (*target).expr.cast::<pg_sys::Node>());
                if expression.is_null() {
                    keys.push(SortKey::default());
                    continue;
                }
                let column = if is(expression, pg_sys::NodeTag::T_Var) {
                    self.reference(counted, expression.cast())
                } else {
                    None
                };
                let text = self.print(expression, self.qualifies, true);
                keys.push(SortKey { text, column, ..SortKey::default() });
            }
            if !own {
                self.print_for(node);
            }
            keys
        }
    }

    /// The subqueries in the node's expressions.
    ///
    /// # Safety
    /// As for [`Builder::expressions`].
    unsafe fn subplan_list(&mut self, node: *mut pg_sys::Plan, position: usize, facts: &mut Node) {
        // SAFETY: as the caller vouches.
        unsafe {
            for subplan in subplans_of(node) {
                self.subplan_uses.push((position, facts.subplans.len(), (*subplan).plan_id));
                facts.subplans.push(SubplanUse {
                    name: c_text((*subplan).plan_name).unwrap_or_default(),
                    node: None,
                    is_correlated: !(*subplan).parParam.is_null(),
                    is_hashed: (*subplan).useHashTable,
                    is_not_in: is_not_in(node, subplan),
                    is_in_condition: subplans_in((*node).targetlist.cast())
                        .iter()
                        .all(|&other| (*other).plan_id != (*subplan).plan_id),
                });
            }
        }
    }

    /// # Safety
    /// As for [`Builder::expressions`].
    unsafe fn parallel_unsafe(&mut self, node: *mut pg_sys::Plan) {
        // SAFETY: as the caller vouches.
        unsafe {
            for list in expressions_of(node) {
                for function in expression::functions(list) {
                    if function == pg_sys::InvalidOid
                        || pg_sys::func_parallel(function) as u8 != pg_sys::PROPARALLEL_UNSAFE
                    {
                        continue;
                    }
                    let name = super::clause::function_name(function);
                    if !self.plan.parallel_unsafe_functions.contains(&name) {
                        self.plan.parallel_unsafe_functions.push(name);
                    }
                }
            }
        }
    }
}

fn index_use(index: pg_sys::Oid) -> IndexUse {
    IndexUse { oid: index.to_u32(), name: qualified_name(index) }
}

/// # Safety
/// `number` must be the expression of a LIMIT or OFFSET, or null.
unsafe fn bound(number: *mut pg_sys::Node) -> Option<Bound> {
    if number.is_null() {
        return None;
    }
    if !is(number, pg_sys::NodeTag::T_Const) {
        return Some(Bound::Unknown);
    }
    // SAFETY: as the caller vouches; such a constant is a bigint, and NULL is no bound.
    unsafe {
        let constant = number.cast::<pg_sys::Const>();
        (!(*constant).constisnull).then(|| Bound::Constant((*constant).constvalue.value() as i64 as f64))
    }
}

fn is_descending(operator: pg_sys::Oid) -> bool {
    const GREATER_THAN: i64 = 5;
    let (mut family, mut input) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
    let mut strategy = Default::default();
    // SAFETY: a look-up in the catalogs.
    let known = unsafe {
        pg_sys::get_ordering_op_properties(operator, &raw mut family, &raw mut input, &raw mut strategy)
    };
    known && i64::from(strategy) == GREATER_THAN
}

/// # Safety
/// `list` must be expressions of a plan.
unsafe fn has_aggregates(list: *mut pg_sys::Node) -> bool {
    let mut found = false;
    // SAFETY: as the caller vouches.
    unsafe {
        expression::visit(list, &mut |part| {
            found |= tag(part) == pg_sys::NodeTag::T_Aggref;
            !found
        });
    }
    found
}

/// # Safety
/// `append` must be a node of a plan.
unsafe fn prunes_append(append: *mut pg_sys::Append) -> bool {
    // SAFETY: as the caller vouches.
    unsafe {
        #[cfg(feature = "pg18")]
        return (*append).part_prune_index >= 0;
        #[cfg(not(feature = "pg18"))]
        return !(*append).part_prune_info.is_null();
    }
}

/// # Safety
/// `append` must be a node of a plan.
unsafe fn prunes_merge_append(append: *mut pg_sys::MergeAppend) -> bool {
    // SAFETY: as the caller vouches.
    unsafe {
        #[cfg(feature = "pg18")]
        return (*append).part_prune_index >= 0;
        #[cfg(not(feature = "pg18"))]
        return !(*append).part_prune_info.is_null();
    }
}
