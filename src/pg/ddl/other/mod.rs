//! Everything but ALTER TABLE: one file a subject.

mod column;
pub mod constraint;
mod create;
mod create_index;
mod create_table;
mod dependents;
mod domain;
mod function;
mod lock_table;
mod names;
mod remove;
mod remove_whole;
mod rename;
mod rest;
mod types;
pub mod uses;
mod whole;
mod write;

use pgrx::pg_sys;
use pgrx::pg_sys::NodeTag as Tag;

pub use whole::table_of;

use super::{blockers, touched};
use crate::catalog::LockMode;
use crate::catalog::ddl::{Action, Blocker, Kind, LockTaken, MOST_LOCKS_NAMED, Renamed, TouchedKind};
use crate::syntax::long_names::long_names;

/// What it does; nothing for what is no change of the database.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn actions(node: *mut pg_sys::Node, text: &str) -> Vec<Action> {
    // SAFETY: as the caller vouches.
    let mut actions = unsafe { of(node) };
    let mut too_long_names = long_names(text);
    for action in &mut actions {
        text.clone_into(&mut action.text);
        action.blockers = who_is_in_the_way(action);
        action.too_long_names = std::mem::take(&mut too_long_names);
    }
    actions
}

/// # Safety
/// The node must live through the call.
unsafe fn of(node: *mut pg_sys::Node) -> Vec<Action> {
    // SAFETY: the tag says what the node is.
    unsafe {
        match names::tag(node) {
            Tag::T_IndexStmt => create_index::actions(node.cast()),
            Tag::T_CreateStmt => create_table::actions(node.cast()),
            Tag::T_CreateForeignTableStmt => {
                create_table::actions(&raw mut (*node.cast::<pg_sys::CreateForeignTableStmt>()).base)
            }
            Tag::T_CreateTableAsStmt => create_table::from_query(node.cast()),
            Tag::T_SelectStmt => create_table::select_into(node.cast()),
            Tag::T_ViewStmt => create::view(node.cast()),
            Tag::T_CreateTrigStmt => create::trigger(node.cast()),
            Tag::T_RuleStmt => create::rule((*node.cast::<pg_sys::RuleStmt>()).relation),
            Tag::T_CreatePolicyStmt => create::rule((*node.cast::<pg_sys::CreatePolicyStmt>()).table),
            Tag::T_AlterPolicyStmt => create::rule((*node.cast::<pg_sys::AlterPolicyStmt>()).table),
            Tag::T_CreateSchemaStmt => create::schema(node.cast()),
            Tag::T_DropStmt => remove::actions(node.cast()),
            Tag::T_DropdbStmt => remove_whole::database(node.cast()),
            Tag::T_DropOwnedStmt => remove_whole::owned(node.cast()),
            Tag::T_RenameStmt => rename::actions(node.cast()),
            Tag::T_AlterObjectSchemaStmt => rename::moved(node.cast()),
            Tag::T_AlterTableMoveAllStmt => whole::move_all(node.cast()),
            Tag::T_TruncateStmt => whole::truncate(node.cast()),
            Tag::T_ReindexStmt => whole::reindex(node.cast()),
            Tag::T_VacuumStmt => whole::vacuum(node.cast()),
            Tag::T_ClusterStmt => whole::cluster(node.cast()),
            Tag::T_RefreshMatViewStmt => whole::refresh(node.cast()),
            Tag::T_LockStmt => lock_table::actions(node.cast()),
            Tag::T_CreateEnumStmt => types::create_enum(node.cast()),
            Tag::T_AlterEnumStmt => types::alter_enum(node.cast()),
            Tag::T_CreateDomainStmt => domain::create(node.cast()),
            Tag::T_AlterDomainStmt => domain::alter(node.cast()),
            Tag::T_UpdateStmt => write::update(node.cast()),
            Tag::T_DeleteStmt => write::delete(node.cast()),
            Tag::T_ExplainStmt => explained(node.cast()),
            Tag::T_PrepareStmt => prepared(node.cast()),
            Tag::T_DoStmt => vec![Action::new(Kind::Unchecked {
                reason: "the body of a DO block is code: its statements are judged when they run".to_owned(),
            })],
            Tag::T_AlterTableStmt => super::alter::actions(node.cast(), ""),
            _ => rest::actions(node),
        }
    }
}

/// EXPLAIN ANALYZE runs what it explains.
///
/// # Safety
/// The node must live through the call.
unsafe fn explained(statement: *mut pg_sys::ExplainStmt) -> Vec<Action> {
    // SAFETY: as the caller vouches.
    unsafe { if runs_what_it_explains(statement) { of((*statement).query) } else { Vec::new() } }
}

/// Whether EXPLAIN runs the statement, too.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn runs_what_it_explains(statement: *mut pg_sys::ExplainStmt) -> bool {
    // SAFETY: as the caller vouches.
    unsafe { names::option((*statement).options, "analyze") == Some(true) }
}

/// Whether a statement is made of several transactions, for the sake of those who work meanwhile: an ERROR at its end
/// does not take back what it did.
///
/// # Safety
/// The node must live through the call.
pub unsafe fn is_concurrent(node: *mut pg_sys::Node) -> bool {
    // SAFETY: as the caller vouches; the tag says what the node is.
    unsafe {
        match names::tag(node) {
            Tag::T_IndexStmt => (*node.cast::<pg_sys::IndexStmt>()).concurrent,
            Tag::T_DropStmt => (*node.cast::<pg_sys::DropStmt>()).concurrent,
            Tag::T_ReindexStmt => {
                let statement = node.cast::<pg_sys::ReindexStmt>();
                names::option((*statement).params, "concurrently") == Some(true)
            }
            Tag::T_AlterTableStmt => {
                let commands = (*node.cast::<pg_sys::AlterTableStmt>()).cmds;
                names::pointers::<pg_sys::AlterTableCmd>(commands).into_iter().any(|command| {
                    let definition = (*command).def.cast::<pg_sys::PartitionCmd>();
                    match (*command).subtype {
                        pg_sys::AlterTableType::AT_DetachPartitionFinalize => true,
                        pg_sys::AlterTableType::AT_DetachPartition => {
                            names::tag(definition) == Tag::T_PartitionCmd && (*definition).concurrent
                        }
                        _ => false,
                    }
                })
            }
            _ => false,
        }
    }
}

/// What is prepared is to be run: an UPDATE of all rows is one then, too.
///
/// # Safety
/// The node must live through the call.
unsafe fn prepared(statement: *mut pg_sys::PrepareStmt) -> Vec<Action> {
    // SAFETY: as the caller vouches.
    unsafe {
        match names::tag((*statement).query) {
            Tag::T_UpdateStmt | Tag::T_DeleteStmt => of((*statement).query),
            _ => Vec::new(),
        }
    }
}

/// Adds a lock on another relation, if it is there and not among the locks yet.
fn also_locks(action: &mut Action, relation: pg_sys::Oid, mode: LockMode) {
    let is_known = |lock: &LockTaken| lock.relation.oid == relation.to_u32();
    if action.locks.iter().any(is_known) {
        return;
    }
    if let Some(relation) = touched::alone(relation) {
        action.locks.push(LockTaken { relation, mode });
    }
}

/// Adds locks on the partitions and children below a relation.
fn also_locks_below(action: &mut Action, relation: pg_sys::Oid, mode: LockMode) {
    for member in touched::tree(relation).into_iter().skip(1).take(MOST_LOCKS_NAMED) {
        also_locks(action, member, mode);
    }
}

/// Whether what is locked is locked with all partitions and children.
fn reaches_below(kind: &Kind) -> bool {
    match kind {
        Kind::CreateTable(_) | Kind::CreateView { .. } | Kind::CreateRuleOrPolicy | Kind::Refresh { .. } => {
            false
        }
        Kind::CreateIndex(index) => !index.is_only,
        Kind::Rename(Renamed { kind, .. }) => *kind == "column",
        _ => true,
    }
}

fn who_is_in_the_way(action: &Action) -> Vec<Blocker> {
    let mut found: Vec<Blocker> = Vec::new();
    for mode in LockMode::ALL.into_iter().rev().take_while(|&mode| mode >= LockMode::ShareUpdateExclusive) {
        let mut relations = Vec::new();
        for lock in action.locks.iter().filter(|lock| lock.mode == mode && !lock.relation.is_private()) {
            let has_partitions = matches!(
                lock.relation.kind,
                TouchedKind::PartitionedTable | TouchedKind::PartitionedIndex | TouchedKind::Table
            );
            let is_target = action.target.as_ref().is_some_and(|target| target.oid == lock.relation.oid);
            if has_partitions && is_target && reaches_below(&action.kind) {
                let tree = touched::tree(lock.relation.oid.into());
                relations.extend(tree.into_iter().map(pg_sys::Oid::to_u32));
            } else {
                relations.push(lock.relation.oid);
            }
        }
        if !relations.is_empty() {
            for blocker in blockers::among(&relations, mode) {
                if !found.iter().any(|known| known.pid == blocker.pid && known.prepared == blocker.prepared) {
                    found.push(blocker);
                }
            }
        }
    }
    found
}
