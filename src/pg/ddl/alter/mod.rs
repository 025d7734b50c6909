//! ALTER TABLE, and what has the same grammar: ALTER INDEX, VIEW, SEQUENCE, FOREIGN TABLE, TYPE.
//!
//! Each sub-command is looked at as the server will find it, in the state of the catalogs before the statement. The
//! server's own functions decide wherever it has one: the lock, the conversion of a type, the proof of a constraint.

mod add_column;
mod constraint;
mod drop_column;
mod expression;
mod foreign_key;
mod partition;
mod proof;
mod storage;
mod type_change;

use std::cell::OnceCell;

use pgrx::pg_sys;

use super::dependents::{self, Entry};
use super::other::uses;
use super::{blockers, column, touched};
use crate::catalog::LockMode;
use crate::catalog::ddl::{
    Action, Alteration, Blocker, Kind, LockTaken, SetNotNull, Touched, TouchedKind, TriggerScope,
};
use crate::pg::facts::stop_if_cancelled;
use crate::pg::planner::list;
use crate::pg::scan::text_of_c_string;
use crate::syntax::alter_table::{behind, sub_commands};
use crate::syntax::long_names::long_names;
use crate::text::identifier::{quote_identifier, quote_qualified};

pub use partition::{default_condition, default_of as default_partition};

/// The relation that is altered.
pub struct Subject {
    /// 0 where it is not there: then nothing is found of it.
    oid: pg_sys::Oid,
    touched: Option<Touched>,
    /// Who names it in a text; asked once for all columns that go.
    uses: uses::Uses,
    /// What depends on it, likewise.
    entries: OnceCell<Vec<Entry>>,
}

impl Subject {
    fn kind(&self) -> Option<TouchedKind> {
        self.touched.as_ref().map(|touched| touched.kind)
    }

    /// What depends on it or on one of its columns.
    fn entries(&self) -> &[Entry] {
        self.entries.get_or_init(|| dependents::entries(self.oid))
    }

    /// Whether rows are stored in it or below it.
    fn has_rows(&self) -> bool {
        use TouchedKind as Of;
        matches!(self.kind(), Some(Of::Table | Of::PartitionedTable | Of::MaterializedView))
    }
}

/// What is locked beside the target.
#[derive(Default)]
pub struct Further(Vec<LockTaken>);

impl Further {
    fn add(&mut self, relation: &Touched, mode: LockMode) {
        match self.0.iter_mut().find(|taken| taken.relation.oid == relation.oid) {
            Some(taken) => taken.mode = taken.mode.max(mode),
            None => self.0.push(LockTaken { relation: relation.clone(), mode }),
        }
    }
}

/// The strings of a list of the parser.
///
/// # Safety
/// The list must be one of String nodes, or null.
unsafe fn strings(strings: *mut pg_sys::List) -> Vec<String> {
    list::pointers::<pg_sys::String>(strings)
        .into_iter()
        // SAFETY: as the caller vouches.
        .filter_map(|string| unsafe { text_of_c_string((*string).sval) })
        .map(String::from)
        .collect()
}

/// # Safety
/// The pointer must be null or a C string.
unsafe fn text_of(name: *const std::ffi::c_char) -> String {
    // SAFETY: as the caller vouches.
    unsafe { text_of_c_string(name) }.map(String::from).unwrap_or_default()
}

/// One action a sub-command.
///
/// # Safety
/// The statement must live through the call.
pub unsafe fn actions(statement: *mut pg_sys::AlterTableStmt, text: &str) -> Vec<Action> {
    // SAFETY: as the caller vouches.
    let (relation, commands, is_type, is_whole) = unsafe {
        (
            (*statement).relation,
            list::pointers::<pg_sys::AlterTableCmd>((*statement).cmds),
            (*statement).objtype == pg_sys::ObjectType::OBJECT_TYPE,
            (*(*statement).relation).inh,
        )
    };
    // SAFETY: as above; the server's own function, which looks at the commands only.
    let (found, mode, is_qualified) = unsafe {
        (
            touched::find(relation),
            LockMode::from_number(pg_sys::AlterTableGetLockLevel((*statement).cmds)),
            !(*relation).schemaname.is_null(),
        )
    };
    let mode = mode.unwrap_or(LockMode::AccessExclusive);
    let (whole, alone) = match found {
        Some(found) if is_whole => touched::of_and_alone(found).unzip(),
        found => {
            let alone = found.and_then(touched::alone);
            (alone.clone(), alone)
        }
    };
    let oid = whole.as_ref().and(found).unwrap_or(pg_sys::InvalidOid);
    let subject = Subject {
        oid,
        touched: whole.clone(),
        uses: whole.as_ref().map(|table| uses::Uses::with(&table.name)).unwrap_or_default(),
        entries: OnceCell::new(),
    };
    // SAFETY: as above.
    let goes_down = is_whole && commands.iter().any(|&command| unsafe { recurses((*command).subtype) });
    let own_blockers = own_blockers(whole.as_ref(), mode, goes_down);
    let texts = sub_commands(text).filter(|texts| texts.len() == commands.len()).unwrap_or_default();
    let mut actions = Vec::with_capacity(commands.len());
    for (position, command) in commands.into_iter().enumerate() {
        stop_if_cancelled();
        let text = texts.get(position).copied().unwrap_or_default();
        let mut further = Further::default();
        // SAFETY: as above.
        let (alteration, is_recursive) = unsafe {
            (alteration(&subject, command, is_type, text, &mut further), recurses((*command).subtype))
        };
        let target = if is_recursive { whole.clone() } else { alone.clone() };
        let mut action = Action::new(Kind::Alter(alteration));
        if target.is_none() {
            // SAFETY: as above.
            action.missing = Some(unsafe { written(relation) });
        }
        action.is_qualified = is_qualified;
        action.text = text.to_owned();
        action.too_long_names = long_names(text);
        action.blockers.clone_from(&own_blockers);
        for taken in further.0.iter().filter(|taken| !taken.relation.is_private()) {
            action.blockers.extend(blockers::of(taken.relation.oid, taken.mode));
        }
        action.locks.extend(target.clone().map(|relation| LockTaken { relation, mode }));
        if target.is_some() {
            action.locks.append(&mut further.0);
        }
        action.target = target;
        actions.push(action);
    }
    actions
}

/// A name as it is written, quoted.
///
/// # Safety
/// The name must be one of the parser.
unsafe fn written(relation: *const pg_sys::RangeVar) -> String {
    // SAFETY: as the caller vouches.
    let (schema, name) = unsafe { (text_of((*relation).schemaname), text_of((*relation).relname)) };
    if schema.is_empty() { quote_identifier(&name) } else { quote_qualified(&schema, &name) }
}

fn own_blockers(target: Option<&Touched>, mode: LockMode, recurses: bool) -> Vec<Blocker> {
    match target {
        Some(target) if target.is_private() => Vec::new(),
        Some(target) if recurses => blockers::of(target.oid, mode),
        Some(target) => blockers::of_one(target.oid, mode),
        None => Vec::new(),
    }
}

/// Whether the server goes down to partitions and children with a sub-command.
fn recurses(subtype: pg_sys::AlterTableType::Type) -> bool {
    use pg_sys::AlterTableType as T;
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    if matches!(subtype, T::AT_SetExpression | T::AT_AddIdentity | T::AT_SetIdentity | T::AT_DropIdentity) {
        return true;
    }
    matches!(
        subtype,
        T::AT_AddColumn
            | T::AT_ColumnDefault
            | T::AT_DropNotNull
            | T::AT_SetNotNull
            | T::AT_DropExpression
            | T::AT_SetStatistics
            | T::AT_SetStorage
            | T::AT_SetCompression
            | T::AT_DropColumn
            | T::AT_AddConstraint
            | T::AT_AlterConstraint
            | T::AT_ValidateConstraint
            | T::AT_DropConstraint
            | T::AT_AlterColumnType
            | T::AT_EnableTrig
            | T::AT_EnableAlwaysTrig
            | T::AT_EnableReplicaTrig
            | T::AT_DisableTrig
            | T::AT_EnableTrigAll
            | T::AT_DisableTrigAll
            | T::AT_EnableTrigUser
            | T::AT_DisableTrigUser
    )
}

/// What one sub-command asks for.
///
/// # Safety
/// The command must be one of the parser.
unsafe fn alteration(
    subject: &Subject,
    command: *mut pg_sys::AlterTableCmd,
    is_type: bool,
    text: &str,
    further: &mut Further,
) -> Alteration {
    use pg_sys::AlterTableType as T;
    // SAFETY: as the caller vouches.
    unsafe {
        let subtype = (*command).subtype;
        let name = || text_of((*command).name);
        let is_cascade = (*command).behavior == pg_sys::DropBehavior::DROP_CASCADE;
        if is_type
            && is_cascade
            && matches!(subtype, T::AT_AddColumn | T::AT_DropColumn | T::AT_AlterColumnType)
        {
            return storage::typed_tables(subject, command, further);
        }
        match subtype {
            T::AT_AddColumn => Alteration::AddColumn(add_column::facts(subject, command, further)),
            T::AT_DropColumn => Alteration::DropColumn(drop_column::facts(subject, command, further)),
            T::AT_AlterColumnType => {
                Alteration::ColumnType(type_change::facts(subject, command, text, further))
            }
            T::AT_SetNotNull => Alteration::SetNotNull(set_not_null(subject, command)),
            T::AT_DropNotNull => match column::named(subject.oid, (*command).name) {
                // It may be NULL already: nothing changes for anybody.
                Some(known) if !known.is_not_null => Alteration::Harmless { name: "DROP NOT NULL" },
                _ => Alteration::DropNotNull { column: name() },
            },
            T::AT_ColumnDefault => Alteration::ColumnDefault {
                column: name(),
                expression: (!(*command).def.is_null())
                    .then(|| behind(text, &["SET", "DEFAULT"]).unwrap_or_default().to_owned()),
            },
            #[cfg(any(feature = "pg17", feature = "pg18"))]
            T::AT_SetExpression => Alteration::SetExpression {
                column: name(),
                is_stored: column::named(subject.oid, (*command).name)
                    .is_none_or(|column| column.generated != b'v'),
            },
            T::AT_AddIdentity | T::AT_SetIdentity | T::AT_DropIdentity | T::AT_DropExpression => {
                Alteration::Identity { column: name() }
            }
            T::AT_AddConstraint => Alteration::AddConstraint(constraint::add(subject, command, further)),
            T::AT_ValidateConstraint => {
                Alteration::ValidateConstraint(constraint::validate(subject, command, further))
            }
            T::AT_AlterConstraint => {
                let (name, becomes_enforced) = constraint::alter(subject, command);
                Alteration::AlterConstraint { name, becomes_enforced }
            }
            T::AT_DropConstraint => Alteration::DropConstraint(constraint::drop(subject, command, further)),
            T::AT_AttachPartition if subject.kind() == Some(TouchedKind::PartitionedIndex) => {
                Alteration::Harmless { name: "ATTACH PARTITION" }
            }
            T::AT_AttachPartition => {
                Alteration::AttachPartition(partition::attach(subject, command, further))
            }
            T::AT_DetachPartition => partition::detach(subject, command, false, further),
            T::AT_DetachPartitionFinalize => partition::detach(subject, command, true, further),
            T::AT_AddInherit => {
                if let Some(parent) = touched::named((*command).def.cast()) {
                    further.add(&parent, LockMode::ShareUpdateExclusive);
                }
                Alteration::Inheritance
            }
            T::AT_DropInherit | T::AT_AddOf | T::AT_DropOf => Alteration::Inheritance,
            T::AT_ChangeOwner => Alteration::Owner,
            T::AT_ReplicaIdentity => Alteration::ReplicaIdentity,
            T::AT_EnableRule | T::AT_EnableAlwaysRule | T::AT_EnableReplicaRule | T::AT_DisableRule => {
                Alteration::Rule
            }
            _ => storage::alteration(subject, command)
                .or_else(|| trigger(subtype, name()))
                .unwrap_or_else(|| storage::harmless(subtype)),
        }
    }
}

/// # Safety
/// The command must be one of the parser, of this kind.
unsafe fn set_not_null(subject: &Subject, command: *mut pg_sys::AlterTableCmd) -> SetNotNull {
    // SAFETY: as the caller vouches.
    let (name, known) = unsafe { (text_of((*command).name), column::named(subject.oid, (*command).name)) };
    let mut facts = SetNotNull { column: name, ..SetNotNull::default() };
    if let Some(known) = known {
        facts.is_there = true;
        facts.is_already = known.is_not_null;
        if !known.is_not_null {
            let proof = proof::not_null(subject.oid, &known);
            facts.implied_by = proof.implied_by;
            facts.would_be_implied_by = proof.would_be_implied_by;
        }
    }
    facts
}

fn trigger(subtype: pg_sys::AlterTableType::Type, name: String) -> Option<Alteration> {
    use pg_sys::AlterTableType as T;
    let (scope, is_enabled) = match subtype {
        T::AT_EnableTrig | T::AT_EnableAlwaysTrig | T::AT_EnableReplicaTrig => {
            (TriggerScope::Named(name), true)
        }
        T::AT_DisableTrig => (TriggerScope::Named(name), false),
        T::AT_EnableTrigAll => (TriggerScope::All, true),
        T::AT_DisableTrigAll => (TriggerScope::All, false),
        T::AT_EnableTrigUser => (TriggerScope::User, true),
        T::AT_DisableTrigUser => (TriggerScope::User, false),
        _ => return None,
    };
    Some(Alteration::Trigger { scope, is_enabled })
}
