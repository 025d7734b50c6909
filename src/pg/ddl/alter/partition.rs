//! ATTACH and DETACH PARTITION: which rows the server will have to read, by its own bounds and its own prover.

use pgrx::pg_sys;

use super::{Further, Subject, proof};
use crate::catalog::LockMode;
use crate::catalog::ddl::{Alteration, AttachPartition, Touched, TouchedKind};
use crate::pg::ddl::attempt::attempt;
use crate::pg::ddl::cache::{c_name, class, row};
use crate::pg::ddl::{constraint, touched};
use crate::pg::definitions::while_locked;
use crate::pg::planner::{list, server};
use crate::pg::scan::{CatalogScan, in_scratch_memory, text_of_c_string};

const PARTITIONED_TABLE: u32 = 3350;
/// `pg_partitioned_table_partrelid_index`.
const PARTITIONED_BY_TABLE: u32 = 3351;

/// An entry of the relation cache, for which no lock is needed to look at it.
struct Entry(pg_sys::Relation);

impl Entry {
    /// May raise an ERROR where somebody changes the relation just now.
    fn of(relation: pg_sys::Oid) -> Option<Self> {
        // SAFETY: null for what is gone; released below.
        let entry = unsafe { pg_sys::RelationIdGetRelation(relation) };
        (!entry.is_null()).then_some(Self(entry))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // While an ERROR unwinds, the resource owner lets go of it.
        if !std::thread::panicking() {
            // SAFETY: taken by `of`, once.
            unsafe { pg_sys::RelationClose(self.0) };
        }
    }
}

/// The default partition of a table.
pub fn default_of(table: pg_sys::Oid) -> Option<pg_sys::Oid> {
    let mut scan = CatalogScan::keyed(PARTITIONED_TABLE, PARTITIONED_BY_TABLE, &[(1, table.to_u32())]);
    let default = scan.attribute(c"partdefid");
    let default = scan.next_row()?.oid(default);
    (default != 0).then(|| pg_sys::Oid::from(default))
}

/// # Safety
/// The command must be one of the parser, of this kind.
pub unsafe fn attach(
    subject: &Subject,
    command: *mut pg_sys::AlterTableCmd,
    further: &mut Further,
) -> AttachPartition {
    // SAFETY: as the caller vouches.
    let (partition, bound) = unsafe {
        let definition = (*command).def.cast::<pg_sys::PartitionCmd>();
        (touched::named((*definition).name), (*definition).bound)
    };
    if let Some(partition) = &partition {
        further.add(partition, LockMode::AccessExclusive);
    }
    let default = default_of(subject.oid);
    let default_partition = default.and_then(touched::of);
    if let Some(default) = &default_partition {
        further.add(default, LockMode::AccessExclusive);
    }
    for key in constraint::of_table(subject.oid).into_iter().filter(|known| known.letter == 'f') {
        if let Some(referenced) = touched::of(pg_sys::Oid::from(key.referenced)) {
            further.add(&referenced, LockMode::ShareRowExclusive);
        }
    }
    let mut facts = AttachPartition { partition, default_partition, ..AttachPartition::default() };
    if bound.is_null() {
        return facts;
    }
    if let Some(partition) = facts.partition.as_ref().map(|found| pg_sys::Oid::from(found.oid)) {
        // SAFETY: as the caller vouches.
        let found = attempt(|| unsafe {
            let conditions = conditions(subject.oid, bound)?;
            let mapped = mapped(conditions, subject.oid, partition)?;
            Some((is_implied(partition, mapped), as_sql(partition, mapped)))
        });
        if let Some((is_implied, condition)) = found.flatten() {
            (facts.is_implied, facts.condition) = (is_implied, condition);
        }
    }
    if let Some(default) = default {
        // SAFETY: as above.
        let found = attempt(|| unsafe {
            let own = own_conditions(subject.oid, bound)?;
            let mapped = mapped(negated(own), subject.oid, default)?;
            Some((is_implied(default, mapped), as_sql(default, mapped)))
        });
        if let Some((is_implied, condition)) = found.flatten() {
            (facts.default_is_excluded, facts.default_condition) = (is_implied, condition);
        }
    }
    facts
}

/// What a new partition with these bounds means for the parent's default partition: whether its validated constraints
/// show that it has no row for the new one, and the condition that all its rows have to meet then.
///
/// # Safety
/// The bounds must be of the parser.
pub unsafe fn default_condition(
    parent: pg_sys::Oid,
    bound: *mut pg_sys::PartitionBoundSpec,
) -> Option<(bool, Option<String>)> {
    let default = default_of(parent)?;
    // SAFETY: as the caller vouches.
    attempt(|| unsafe {
        let mapped = mapped(negated(own_conditions(parent, bound)?), parent, default)?;
        Some((is_implied(default, mapped), as_sql(default, mapped)))
    })
    .flatten()
}

/// The conditions of a partition with these bounds, over the parent's columns. May raise an ERROR.
///
/// # Safety
/// The bounds must be of the parser.
unsafe fn own_conditions(
    parent: pg_sys::Oid,
    bound: *mut pg_sys::PartitionBoundSpec,
) -> Option<*mut pg_sys::List> {
    let parent = Entry::of(parent)?;
    // SAFETY: the entry is that of a partitioned table, or the server raises; the statement's own tree is copied.
    unsafe {
        if (*(*parent.0).rd_rel).relkind as u8 != b'p' {
            return None;
        }
        let state = pg_sys::make_parsestate(std::ptr::null_mut());
        let bound = server::transform_partition_bound(state, parent.0, list::copy(bound));
        pg_sys::free_parsestate(state);
        Some(pg_sys::get_qual_from_partbound(parent.0, bound))
    }
}

/// The same with those of the parent, where it is a partition itself.
///
/// # Safety
/// As above.
unsafe fn conditions(
    parent: pg_sys::Oid,
    bound: *mut pg_sys::PartitionBoundSpec,
) -> Option<*mut pg_sys::List> {
    // SAFETY: as the caller vouches; the lists are made here.
    unsafe {
        let own = own_conditions(parent, bound)?;
        let all = pg_sys::list_concat_copy(own, inherited(parent)?);
        Some(pg_sys::eval_const_expressions(std::ptr::null_mut(), all.cast()).cast())
    }
}

/// The conditions that all rows of a partition meet, over its own columns; an empty list for what is no partition. The
/// server would lock the parents for it. May raise an ERROR.
///
/// # Safety
/// Runs the server's code for bounds in the current context.
unsafe fn inherited(partition: pg_sys::Oid) -> Option<*mut pg_sys::List> {
    if class(partition, |form| form.relispartition) != Some(true) {
        return Some(std::ptr::null_mut());
    }
    let parent = touched::parent(partition)?;
    let text = bound_of(partition)?;
    // SAFETY: the text is one that the server wrote.
    unsafe {
        let bound = pg_sys::stringToNode(text.as_ptr()).cast();
        let own = pg_sys::get_qual_from_partbound(Entry::of(parent)?.0, bound);
        let all = pg_sys::list_concat(own, inherited(parent)?);
        mapped(all, parent, partition)
    }
}

/// The bounds of a partition as the server keeps them.
fn bound_of(partition: pg_sys::Oid) -> Option<std::ffi::CString> {
    row(pg_sys::SysCacheIdentifier::RELOID, &[pg_sys::Datum::from(partition)], |tuple| {
        let mut is_null = true;
        // SAFETY: the row of pg_class; the attribute is a node tree, which is text.
        unsafe {
            let bound = pg_sys::SysCacheGetAttr(
                pg_sys::SysCacheIdentifier::RELOID as _,
                tuple,
                pg_sys::Anum_pg_class_relpartbound as pg_sys::AttrNumber,
                &raw mut is_null,
            );
            if is_null {
                return None;
            }
            text_of_c_string(pg_sys::text_to_cstring(bound.cast_mut_ptr()))
        }
    })
    .flatten()
    .and_then(|text| c_name(&text))
}

/// What the default partition's rows have to meet: not to fit into the new one. May raise an ERROR.
///
/// # Safety
/// The list must be one of conditions.
unsafe fn negated(conditions: *mut pg_sys::List) -> *mut pg_sys::List {
    // SAFETY: as the caller vouches; the conditions of a partition are never NULL.
    unsafe {
        let not = pg_sys::make_notclause(pg_sys::make_ands_explicit(conditions));
        let not = pg_sys::eval_const_expressions(std::ptr::null_mut(), not.cast());
        pg_sys::make_ands_implicit(pg_sys::canonicalize_qual(not.cast(), true))
    }
}

/// Conditions over one relation's columns in terms of another's, which may count them differently. May raise an ERROR.
///
/// # Safety
/// The list must be one of conditions over the first.
unsafe fn mapped(
    conditions: *mut pg_sys::List,
    from: pg_sys::Oid,
    to: pg_sys::Oid,
) -> Option<*mut pg_sys::List> {
    let (from, to) = (Entry::of(from)?, Entry::of(to)?);
    // SAFETY: the map covers every column of the first, or the server raises.
    unsafe {
        #[cfg(feature = "pg15")]
        let map = pg_sys::build_attrmap_by_name((*to.0).rd_att, (*from.0).rd_att);
        #[cfg(not(feature = "pg15"))]
        let map = pg_sys::build_attrmap_by_name((*to.0).rd_att, (*from.0).rd_att, false);
        let mut has_whole_row = false;
        let mapped = pg_sys::map_variable_attnos(
            conditions.cast(),
            1,
            0,
            map,
            (*(*to.0).rd_rel).reltype,
            &raw mut has_whole_row,
        );
        Some(mapped.cast())
    }
}

/// Whether no row of the relation has to be read: its constraints, or those of each of its partitions, show that all
/// meet the conditions. May raise an ERROR.
///
/// # Safety
/// The list must be one of conditions over its columns.
unsafe fn is_implied(relation: pg_sys::Oid, conditions: *mut pg_sys::List) -> bool {
    // SAFETY: as the caller vouches.
    unsafe {
        if conditions.is_null() || proof::holds(relation, conditions) {
            return true;
        }
        class(relation, |form| form.relkind as u8) == Some(b'p')
            && touched::children(relation).into_iter().all(|child| {
                mapped(conditions, relation, child).is_some_and(|mapped| is_implied(child, mapped))
            })
    }
}

/// Conditions as SQL; `None` where the relation is locked, since the server would wait for it.
///
/// # Safety
/// The list must be one of conditions over its columns.
unsafe fn as_sql(relation: pg_sys::Oid, conditions: *mut pg_sys::List) -> Option<String> {
    while_locked(relation.to_u32(), || {
        // SAFETY: as the caller vouches; the relation exists and is locked.
        in_scratch_memory(|| unsafe {
            let context = pg_sys::deparse_context_for(pg_sys::get_rel_name(relation), relation);
            let condition = pg_sys::make_ands_explicit(conditions).cast();
            text_of_c_string(pg_sys::deparse_expression(condition, context, false, false))
        })
        .map(String::from)
    })
}

/// # Safety
/// The command must be one of the parser, of this kind.
pub unsafe fn detach(
    subject: &Subject,
    command: *mut pg_sys::AlterTableCmd,
    is_finalize: bool,
    further: &mut Further,
) -> Alteration {
    // SAFETY: as the caller vouches.
    let (partition, is_concurrent) = unsafe {
        let definition = (*command).def.cast::<pg_sys::PartitionCmd>();
        (touched::named((*definition).name), (*definition).concurrent)
    };
    let default = default_of(subject.oid);
    if let Some(partition) = &partition {
        // The second of its two transactions takes the strong lock once all old ones are over.
        further.add(partition, LockMode::AccessExclusive);
        lock_referencing(partition, further);
    }
    if !is_concurrent
        && !is_finalize
        && let Some(default) = default.and_then(touched::of)
    {
        further.add(&default, LockMode::AccessExclusive);
    }
    Alteration::DetachPartition { partition, is_concurrent, is_finalize, has_default: default.is_some() }
}

/// Tables whose foreign keys point to the partition are searched for rows that point into it.
fn lock_referencing(partition: &Touched, further: &mut Further) {
    for key in constraint::pointing_to(pg_sys::Oid::from(partition.oid)) {
        if let Some(table) = touched::of(pg_sys::Oid::from(key.table))
            && table.kind != TouchedKind::PartitionedIndex
        {
            further.add(&table, LockMode::Share);
        }
    }
}
