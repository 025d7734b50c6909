//! UPDATE and DELETE of every row, seen where queries are analysed.
//!
//! What this costs everything else is a comparison or two.

use std::cell::Cell;

use pgrx::{pg_guard, pg_sys};

use super::hook::{self, Ticket};
use super::{explained, presence};
use crate::catalog::LockMode;
use crate::catalog::ddl::{Action, Kind, LockTaken, Statement, WrittenTable};
use crate::pg::ddl;
use crate::pg::encoding;

thread_local! {
    static NEXT: Cell<pg_sys::post_parse_analyze_hook_type> = const { Cell::new(None) };
}

/// Puts our hook before those of others.
pub fn install() {
    // SAFETY: the server reads this pointer from this one thread.
    unsafe {
        NEXT.set(pg_sys::post_parse_analyze_hook);
        pg_sys::post_parse_analyze_hook = Some(analyzed);
    }
}

// Not guarded: this frame owns nothing with a destructor, so a longjmp may cross it and others' ERRORs stay whole.
unsafe extern "C-unwind" fn analyzed(
    state: *mut pg_sys::ParseState,
    query: *mut pg_sys::Query,
    jumble: *mut pg_sys::JumbleState,
) {
    // SAFETY: the server's own arguments, handed on.
    unsafe {
        if let Some(next) = NEXT.get() {
            next(state, query, jumble);
        }
        let may_write_all = is_unbounded(query) || (*query).hasModifyingCTE;
        if may_write_all && presence::is_on_duty() && !explained::is_only_explained() {
            hook::refuse(judged(state, query));
        }
    }
}

/// Whether a query changes rows and has no condition, or one that names no column.
///
/// # Safety
/// The query must be an analysed one.
unsafe fn is_unbounded(query: *const pg_sys::Query) -> bool {
    // SAFETY: as the caller vouches; what changes rows has a join tree.
    unsafe {
        matches!((*query).commandType, pg_sys::CmdType::CMD_UPDATE | pg_sys::CmdType::CMD_DELETE) && {
            let condition = (*(*query).jointree).quals;
            condition.is_null() || !pg_sys::contain_var_clause(condition)
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn judged(state: *mut pg_sys::ParseState, query: *mut pg_sys::Query) -> Ticket {
    // SAFETY: the arguments of the server's hook.
    unsafe {
        let mut actions: Vec<Action> = written(query).into_iter().collect();
        let subqueries = (*query).cteList;
        let count = if subqueries.is_null() { 0 } else { usize::try_from((*subqueries).length).unwrap_or(0) };
        for place in 0..count {
            let subquery = (*(*subqueries).elements.add(place)).ptr_value.cast::<pg_sys::CommonTableExpr>();
            actions.extend(written((*subquery).ctequery.cast()));
        }
        let Some(first) = actions.first() else { return Ticket::default() };
        let is_update = matches!(&first.kind, Kind::Write(table) if table.is_update);
        let text = hook::part((*state).p_sourcetext, (*query).stmt_location, (*query).stmt_len);
        let statement = Statement {
            tag: if is_update { "UPDATE" } else { "DELETE" }.to_owned(),
            text: encoding::from_server(text).into_owned(),
            actions,
            ..Statement::default()
        };
        hook::judged(&mut || statement.clone()).closed()
    }
}

/// What a query writes, if it is every row.
///
/// # Safety
/// The query must be an analysed one.
unsafe fn written(query: *mut pg_sys::Query) -> Option<Action> {
    // SAFETY: as the caller vouches; the range table has the result relation, counted from 1.
    unsafe {
        if (*query).type_ != pg_sys::NodeTag::T_Query || !is_unbounded(query) {
            return None;
        }
        let condition = (*(*query).jointree).quals;
        let has_no_condition = condition.is_null();
        if !has_no_condition && !is_always_true(condition) {
            return None;
        }
        let place = usize::try_from((*query).resultRelation).ok()?.checked_sub(1)?;
        let entry = (*(*(*query).rtable).elements.add(place)).ptr_value.cast::<pg_sys::RangeTblEntry>();
        let target = ddl::touched((*entry).relid)?;
        let is_update = (*query).commandType == pg_sys::CmdType::CMD_UPDATE;
        let locks = vec![LockTaken { relation: target.clone(), mode: LockMode::RowExclusive }];
        let table = WrittenTable { is_update, has_no_condition, is_always_true: !has_no_condition };
        Some(Action { target: Some(target), locks, ..Action::new(Kind::Write(table)) })
    }
}

/// Whether a condition without columns is true whatever happens: `1 = 1`, `NOT false`.
///
/// # Safety
/// The condition must be an analysed one.
unsafe fn is_always_true(condition: *mut pg_sys::Node) -> bool {
    // SAFETY: as the caller vouches; a copy is simplified.
    unsafe {
        let copy = pg_sys::copyObjectImpl(condition.cast()).cast::<pg_sys::Node>();
        let simple = pg_sys::eval_const_expressions(std::ptr::null_mut(), copy);
        if (*simple).type_ != pg_sys::NodeTag::T_Const {
            return false;
        }
        let constant = simple.cast::<pg_sys::Const>();
        !(*constant).constisnull && (*constant).constvalue.value() as u8 != 0
    }
}
