//! Edits, made on a copy of a statement.

use std::ptr;

use pgrx::pg_sys;

use super::FIRST_PLACE;
use super::copy::{WorkingCopy, parameter, server_string};
use super::nodes::{self, Hook};
use crate::catalog::query::edit::Edit;
use crate::catalog::query::{JoinKind, QueryId, RelationIndex};
use crate::pg::planner::list::{self, list_of, new_node, tag};
use crate::syntax::operand::operand;
use crate::syntax::placeholder::{self, Extent, Replacement};

/// The first number of a parameter that holds an edit's place.
const FIRST_EDIT: i32 = FIRST_PLACE + 100;

/// Makes the edits, and says what is to be put where in the printed text; `None` where one cannot be made.
pub fn apply(copy: &mut WorkingCopy, edits: &[Edit]) -> Option<Vec<Replacement>> {
    let mut replacements = Vec::new();
    // What goes by numbers of expressions comes first: later edits move what they count.
    for stage in [Stage::Expressions, Stage::Relations, Stage::Clauses] {
        for (number, edit) in (FIRST_EDIT..).zip(edits).filter(|(_, edit)| stage_of(edit) == stage) {
            replacements.extend(make(copy, edit, number)?);
        }
        if stage == Stage::Expressions {
            close_gaps(copy);
        }
    }
    Some(replacements)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Expressions,
    Relations,
    Clauses,
}

fn stage_of(edit: &Edit) -> Stage {
    match edit {
        Edit::ReplaceExpression { .. } | Edit::RemoveCondition { .. } | Edit::ToExists { .. } => {
            Stage::Expressions
        }
        Edit::RemoveRelation { .. } | Edit::ReplaceJoin { .. } => Stage::Relations,
        _ => Stage::Clauses,
    }
}

/// `None` where the edit cannot be made; otherwise what is to be replaced, if anything is.
fn make(copy: &mut WorkingCopy, edit: &Edit, number: i32) -> Option<Option<Replacement>> {
    let whole = |extent, sql: String| Some(Some(Replacement { number, extent, sql }));
    let found = |query: &QueryId| copy.query(*query).map(|place| place.query);
    // SAFETY: the copy is ours to change; its nodes are of the types that the server declares.
    unsafe {
        match edit {
            Edit::ReplaceExpression { expression, sql } => {
                let place = copy.place(*expression)?;
                let hook = place.hook?;
                *hook = parameter(number, pg_sys::exprType(*hook));
                let sql = if place.bare { sql.clone() } else { operand(sql) };
                return whole(Extent::Itself, sql);
            }
            Edit::RemoveCondition { expression } => {
                let place = copy.place(*expression)?;
                if !place.bare {
                    return None;
                }
                *place.hook? = ptr::null_mut();
            }
            Edit::ToExists { expression } => {
                let place = copy.place(*expression)?;
                let node = *place.hook?;
                if tag(node) != pg_sys::NodeTag::T_SubLink {
                    return None;
                }
                let link = node.cast::<pg_sys::SubLink>();
                (*link).subLinkType = pg_sys::SubLinkType::EXISTS_SUBLINK;
                (*link).testexpr = ptr::null_mut();
                (*link).operName = ptr::null_mut();
            }
            Edit::AddCondition { query, sql } => {
                add_condition(found(query)?, parameter(number, pg_sys::BOOLOID))?;
                return whole(Extent::Itself, sql.clone());
            }
            Edit::ReplaceTargets { query, sql } => {
                let query = found(query)?;
                let mut entries = list::pointers::<pg_sys::TargetEntry>((*query).targetList);
                if !(*query).setOperations.is_null() || (*query).commandType != pg_sys::CmdType::CMD_SELECT {
                    return None;
                }
                entries.retain(|&entry| (*entry).ressortgroupref > 0);
                for &entry in &entries {
                    (*entry).resjunk = true;
                }
                let token = parameter(number, pg_sys::INT4OID);
                entries.insert(0, pg_sys::makeTargetEntry(token.cast(), 1, ptr::null_mut(), false));
                (*query).targetList = list_of(&entries);
                return whole(Extent::Itself, sql.clone());
            }
            Edit::DropDistinct { query } => {
                let query = found(query)?;
                (*query).distinctClause = ptr::null_mut();
                (*query).hasDistinctOn = false;
            }
            Edit::DropGrouping { query } => (*found(query)?).groupClause = ptr::null_mut(),
            Edit::DropSort { query } => (*found(query)?).sortClause = ptr::null_mut(),
            Edit::ReplaceSort { query, sql } => {
                replace_sort(found(query)?, parameter(number, pg_sys::INT4OID));
                return whole(Extent::Wrapped, sql.clone());
            }
            Edit::DropOffset { query } => (*found(query)?).limitOffset = ptr::null_mut(),
            Edit::ReplaceLimit { query, sql } => {
                (*found(query)?).limitCount = parameter(number, pg_sys::INT8OID);
                return whole(Extent::Itself, operand(sql));
            }
            Edit::KeepDuplicates { query, operation } => {
                let statement = *copy.query(*query)?.operations.get(*operation)?;
                (*statement).all = true;
                (*statement).groupClauses = ptr::null_mut();
            }
            Edit::RemoveRelation { query, relation } => remove_relation(found(query)?, *relation)?,
            Edit::ReplaceJoin { query, relation, kind } => {
                let join = find_join(found(query)?, *relation)?;
                (*join).jointype = match kind {
                    JoinKind::Inner => pg_sys::JoinType::JOIN_INNER,
                    JoinKind::Left => pg_sys::JoinType::JOIN_LEFT,
                    JoinKind::Right => pg_sys::JoinType::JOIN_RIGHT,
                    JoinKind::Full => pg_sys::JoinType::JOIN_FULL,
                };
            }
            Edit::AddRelation { query, sql } => {
                add_relation(found(query)?, number)?;
                return whole(Extent::Relation, format!(", {sql}"));
            }
            Edit::AddJoin { query, sql } => {
                add_relation(found(query)?, number)?;
                return whole(Extent::Relation, format!(" {sql}"));
            }
            Edit::AddCommonTable { name, sql } => {
                let table = new_node::<pg_sys::CommonTableExpr>(pg_sys::NodeTag::T_CommonTableExpr);
                (*table).ctename = server_string(name);
                (*table).ctequery = stub(number).cast();
                let mut tables = list::pointers::<pg_sys::CommonTableExpr>((*copy.root).cteList);
                tables.insert(0, table);
                (*copy.root).cteList = list_of(&tables);
                return whole(Extent::Parentheses, sql.clone());
            }
            Edit::ReplaceQuery { query, sql } => {
                let place = copy.query(*query)?;
                let inner = place.query;
                // In a set operation, parentheses are printed only where they are needed.
                if place
                    .parent
                    .and_then(|parent| copy.query(parent))
                    .is_some_and(|parent| !parent.operations.is_empty())
                {
                    return None;
                }
                let extent = if place.parent.is_none() { Extent::All } else { Extent::Parentheses };
                *inner = *stub(number);
                return whole(extent, sql.clone());
            }
        }
    }
    Some(None)
}

/// `SELECT WHERE $number`
fn stub(number: i32) -> *mut pg_sys::Query {
    let query = new_node::<pg_sys::Query>(pg_sys::NodeTag::T_Query);
    let from = new_node::<pg_sys::FromExpr>(pg_sys::NodeTag::T_FromExpr);
    // SAFETY: the new nodes are ours.
    unsafe {
        (*query).commandType = pg_sys::CmdType::CMD_SELECT;
        (*query).canSetTag = true;
        (*query).jointree = from;
        (*from).quals = parameter(number, pg_sys::BOOLOID);
    }
    query
}

/// Removes what stands for a condition that is gone: inner ones first, so that an AND of nothing goes as well.
fn close_gaps(copy: &WorkingCopy) {
    for place in copy.places().iter().rev() {
        let Some(hook) = place.hook.filter(|_| place.bare) else { continue };
        // SAFETY: what hangs in our copy, or nothing.
        unsafe {
            let node = *hook;
            if node.is_null() || tag(node) != pg_sys::NodeTag::T_BoolExpr {
                continue;
            }
            let boolean = node.cast::<pg_sys::BoolExpr>();
            if (*boolean).boolop != pg_sys::BoolExprType::AND_EXPR {
                continue;
            }
            let all = list::pointers::<pg_sys::Node>((*boolean).args);
            let kept: Vec<*mut pg_sys::Node> = all.iter().copied().filter(|part| !part.is_null()).collect();
            match kept.as_slice() {
                _ if kept.len() == all.len() => {}
                [] => *hook = ptr::null_mut(),
                [only] => *hook = *only,
                several => (*boolean).args = list_of(several),
            }
        }
    }
}

/// # Safety
/// `query` must be of our copy.
unsafe fn add_condition(query: *mut pg_sys::Query, condition: *mut pg_sys::Node) -> Option<()> {
    // SAFETY: as the caller vouches.
    unsafe {
        let from = (*query).jointree;
        if from.is_null() || !(*query).setOperations.is_null() {
            return None;
        }
        let before = (*from).quals;
        (*from).quals = if before.is_null() {
            condition
        } else if tag(before) == pg_sys::NodeTag::T_BoolExpr
            && (*before.cast::<pg_sys::BoolExpr>()).boolop == pg_sys::BoolExprType::AND_EXPR
        {
            let boolean = before.cast::<pg_sys::BoolExpr>();
            (*boolean).args = pg_sys::lappend((*boolean).args, condition.cast());
            before
        } else {
            let both = list_of(&[before, condition]);
            pg_sys::makeBoolExpr(pg_sys::BoolExprType::AND_EXPR, both, -1).cast()
        };
        Some(())
    }
}

/// # Safety
/// `query` must be of our copy.
unsafe fn replace_sort(query: *mut pg_sys::Query, token: *mut pg_sys::Node) {
    // SAFETY: as the caller vouches.
    unsafe {
        let entries = list::pointers::<pg_sys::TargetEntry>((*query).targetList);
        let reference = entries.iter().map(|&entry| (*entry).ressortgroupref).max().unwrap_or(0) + 1;
        let number = i16::try_from(entries.len() + 1).unwrap_or(i16::MAX);
        let entry = pg_sys::makeTargetEntry(token.cast(), number, ptr::null_mut(), true);
        (*entry).ressortgroupref = reference;
        (*query).targetList = pg_sys::lappend((*query).targetList, entry.cast());
        let wanted = pg_sys::TYPECACHE_EQ_OPR | pg_sys::TYPECACHE_LT_OPR;
        let cached = pg_sys::lookup_type_cache(pg_sys::INT4OID, wanted as i32);
        let clause = new_node::<pg_sys::SortGroupClause>(pg_sys::NodeTag::T_SortGroupClause);
        (*clause).tleSortGroupRef = reference;
        (*clause).eqop = (*cached).eq_opr;
        (*clause).sortop = (*cached).lt_opr;
        (*query).sortClause = list_of(&[clause]);
    }
}

/// Adds a relation at the end of FROM whose printed form is known.
///
/// # Safety
/// `query` must be of our copy.
unsafe fn add_relation(query: *mut pg_sys::Query, number: i32) -> Option<()> {
    // SAFETY: as the caller vouches; the new nodes are ours.
    unsafe {
        let from = (*query).jointree;
        if from.is_null() || (*from).fromlist.is_null() {
            return None;
        }
        let function = new_node::<pg_sys::RangeTblFunction>(pg_sys::NodeTag::T_RangeTblFunction);
        (*function).funcexpr = parameter(number, pg_sys::TEXTOID);
        (*function).funccolcount = 1;
        let column = pg_sys::makeString(server_string(placeholder::RELATION_COLUMN));
        let entry = new_node::<pg_sys::RangeTblEntry>(pg_sys::NodeTag::T_RangeTblEntry);
        (*entry).rtekind = pg_sys::RTEKind::RTE_FUNCTION;
        (*entry).functions = list_of(&[function]);
        (*entry).inFromCl = true;
        let name = server_string(&placeholder::relation_name(number));
        (*entry).eref = pg_sys::makeAlias(name, list_of(&[column]));
        (*query).rtable = pg_sys::lappend((*query).rtable, entry.cast());
        let reference = new_node::<pg_sys::RangeTblRef>(pg_sys::NodeTag::T_RangeTblRef);
        (*reference).rtindex = (*(*query).rtable).length;
        (*from).fromlist = pg_sys::lappend((*from).fromlist, reference.cast());
        Some(())
    }
}

/// # Safety
/// `query` must be of our copy.
unsafe fn find_join(query: *mut pg_sys::Query, relation: RelationIndex) -> Option<*mut pg_sys::JoinExpr> {
    /// # Safety
    /// `node` must be of a FROM of our copy.
    unsafe fn search(node: *mut pg_sys::Node, index: i32) -> Option<*mut pg_sys::JoinExpr> {
        if tag(node) != pg_sys::NodeTag::T_JoinExpr {
            return None;
        }
        let join = node.cast::<pg_sys::JoinExpr>();
        // SAFETY: as the caller vouches; a join has two sides.
        unsafe {
            if (*join).rtindex == index {
                return Some(join);
            }
            search((*join).larg, index).or_else(|| search((*join).rarg, index))
        }
    }
    let index = i32::try_from(relation).ok()? + 1;
    // SAFETY: as the caller vouches.
    unsafe {
        let from = (*query).jointree;
        if from.is_null() {
            return None;
        }
        list::pointers::<pg_sys::Node>((*from).fromlist).into_iter().find_map(|item| search(item, index))
    }
}

/// # Safety
/// `query` must be of our copy.
unsafe fn remove_relation(query: *mut pg_sys::Query, relation: RelationIndex) -> Option<()> {
    let index = i32::try_from(relation).ok()? + 1;
    let mut conditions = Vec::new();
    // SAFETY: as the caller vouches.
    unsafe {
        let from = (*query).jointree;
        if from.is_null() {
            return None;
        }
        let mut removed = false;
        let mut kept = Vec::new();
        for cell in nodes::cells((*from).fromlist) {
            match take_out(query, cell, index, &mut conditions)? {
                Taken::Nothing => kept.push(*cell),
                Taken::Part(_) => {
                    removed = true;
                    kept.push(*cell);
                }
                Taken::All => removed = true,
            }
        }
        if !removed || kept.is_empty() {
            return None;
        }
        (*from).fromlist = list_of(&kept);
        for condition in conditions {
            add_condition(query, condition)?;
        }
    }
    Some(())
}

/// What of a FROM element went.
enum Taken {
    Nothing,
    /// With the column of what is left that each column was, if it is left.
    Part(Vec<Option<i32>>),
    All,
}

/// Takes a relation out of what hangs there; `None` where that is not possible.
///
/// # Safety
/// `hook` must be of a FROM of that query of our copy.
unsafe fn take_out(
    query: *mut pg_sys::Query,
    hook: Hook,
    index: i32,
    conditions: &mut Vec<*mut pg_sys::Node>,
) -> Option<Taken> {
    // SAFETY: as the caller vouches; the tags say what the nodes are.
    unsafe {
        let node = *hook;
        if tag(node) == pg_sys::NodeTag::T_RangeTblRef {
            let is_it = (*node.cast::<pg_sys::RangeTblRef>()).rtindex == index;
            return Some(if is_it { Taken::All } else { Taken::Nothing });
        }
        if tag(node) != pg_sys::NodeTag::T_JoinExpr {
            return Some(Taken::Nothing);
        }
        let join = node.cast::<pg_sys::JoinExpr>();
        let (left, right) = (
            take_out(query, &raw mut (*join).larg, index, conditions)?,
            take_out(query, &raw mut (*join).rarg, index, conditions)?,
        );
        // The columns of such a join have names of their own.
        let has_names = !(*join).usingClause.is_null() || !(*join).alias.is_null();
        if matches!((&left, &right), (Taken::Nothing, Taken::Nothing)) {
            return Some(Taken::Nothing);
        } else if has_names {
            return None;
        }
        let position = usize::try_from((*join).rtindex - 1).ok()?;
        let entry = *list::pointers::<pg_sys::RangeTblEntry>((*query).rtable).get(position)?;
        let is_inner = (*join).jointype == pg_sys::JoinType::JOIN_INNER;
        let rest = match (&left, &right) {
            (Taken::Part(columns), _) => return Some(Taken::Part(left_columns(entry, Some(columns), None))),
            (_, Taken::Part(columns)) => return Some(Taken::Part(left_columns(entry, None, Some(columns)))),
            (Taken::All, _) if is_inner => (*join).rarg,
            (_, Taken::All) if is_inner || (*join).jointype == pg_sys::JoinType::JOIN_LEFT => (*join).larg,
            _ => return None,
        };
        if is_inner && !(*join).quals.is_null() {
            conditions.push((*join).quals);
        }
        let (of_left, of_right) =
            (list::integers((*entry).joinleftcols), list::integers((*entry).joinrightcols));
        let columns = if matches!(left, Taken::All) {
            of_left.iter().map(|_| None).chain(of_right.iter().copied().map(Some)).collect()
        } else {
            of_left.iter().copied().map(Some).chain(of_right.iter().map(|_| None)).collect()
        };
        // Nothing prints a join that is in the range table only; it must not be taken for one.
        (*entry).rtekind = pg_sys::RTEKind::RTE_RESULT;
        (*entry).eref = pg_sys::makeAlias(c"*RESULT*".as_ptr(), ptr::null_mut());
        (*entry).joinaliasvars = ptr::null_mut();
        *hook = rest;
        Some(Taken::Part(columns))
    }
}

/// Takes out of a join's columns what is gone on either side, and says which column each now is: the server's printing
/// looks every one of them up among the columns of the sides.
///
/// # Safety
/// `entry` must be the range table's for a join of our copy, without USING, so that its columns are those of the left
/// side and then those of the right.
unsafe fn left_columns(
    entry: *mut pg_sys::RangeTblEntry,
    left: Option<&[Option<i32>]>,
    right: Option<&[Option<i32>]>,
) -> Vec<Option<i32>> {
    let moved = |column: i32, side: Option<&[Option<i32>]>| match side {
        None => Some(column),
        Some(side) => usize::try_from(column - 1).ok().and_then(|place| side.get(place).copied().flatten()),
    };
    // SAFETY: as the caller vouches; the lists are as long as the sides have columns.
    unsafe {
        let of_left = list::integers((*entry).joinleftcols);
        let of_right = list::integers((*entry).joinrightcols);
        let names = list::pointers::<pg_sys::Node>((*(*entry).eref).colnames);
        let values = list::pointers::<pg_sys::Node>((*entry).joinaliasvars);
        let of_sides = of_left.iter().map(|&column| (true, moved(column, left)));
        let of_sides = of_sides.chain(of_right.iter().map(|&column| (false, moved(column, right))));
        let (mut kept, mut sides) = (Vec::new(), (Vec::new(), Vec::new()));
        let (mut kept_names, mut kept_values) = (Vec::new(), Vec::new());
        for (place, (is_left, column)) in of_sides.enumerate() {
            let Some(column) = column else {
                kept.push(None);
                continue;
            };
            if is_left { &mut sides.0 } else { &mut sides.1 }.push(column);
            kept_names.extend(names.get(place));
            kept_values.extend(values.get(place));
            kept.push(i32::try_from(kept_names.len()).ok());
        }
        (*entry).joinleftcols = list::list_of_integers(&sides.0);
        (*entry).joinrightcols = list::list_of_integers(&sides.1);
        (*(*entry).eref).colnames = list_of(&kept_names);
        (*entry).joinaliasvars = list_of(&kept_values);
        kept
    }
}
