//! The snapshot itself and the lookups in it.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    AccessMethod, Column, ColumnNumber, Constraint, ConstraintKind, ExtendedStatistics, Extension, Function,
    Index, Membership, Namespace, Oid, OperatorClass, Policy, Publication, Relation, Role, Sequence, Server,
    Setting, Trigger, Type,
};

/// Everything that rules may know, as of one MVCC snapshot.
///
/// The vectors are sorted by [`Snapshot::seal`]; the lookups rely on it.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The server and the session.
    pub server: Server,
    /// Settings by name.
    pub settings: FxHashMap<Box<str>, Setting>,
    /// Schemas by OID, the server's own included.
    pub namespaces: FxHashMap<Oid, Namespace>,
    /// Installed extensions.
    pub extensions: Vec<Extension>,
    /// `(classid, objid)` of every object that an extension owns.
    pub extension_members: FxHashSet<(Oid, Oid)>,
    /// Relations with columns, without the server's own.
    pub relations: Vec<Relation>,
    /// Their user columns.
    pub columns: Vec<Column>,
    /// Their indexes.
    pub indexes: Vec<Index>,
    /// Their constraints.
    pub constraints: Vec<Constraint>,
    /// Their triggers.
    pub triggers: Vec<Trigger>,
    /// Their row-level security policies.
    pub policies: Vec<Policy>,
    /// Sequences.
    pub sequences: Vec<Sequence>,
    /// Functions outside the system schemas.
    pub functions: Vec<Function>,
    /// Publications.
    pub publications: Vec<Publication>,
    /// Statistics objects made by CREATE STATISTICS.
    pub extended_statistics: Vec<ExtendedStatistics>,
    /// Roles.
    pub roles: Vec<Role>,
    /// Role memberships.
    pub memberships: Vec<Membership>,
    /// Types by OID, without the row types of tables.
    pub types: FxHashMap<Oid, Type>,
    /// Access methods by OID.
    pub access_methods: FxHashMap<Oid, AccessMethod>,
    /// Operator classes by OID.
    pub operator_classes: FxHashMap<Oid, OperatorClass>,
    /// `(family, operator)` for every equality operator that an index of the family can search by.
    pub equality_operators: FxHashSet<(Oid, Oid)>,
    /// The commutator of an operator, where it has one.
    pub commutators: FxHashMap<Oid, Oid>,
    /// The parent of a partition, inheritance child or partition index.
    pub parents: FxHashMap<Oid, Oid>,
    /// The children of a parent, in OID order.
    pub children: FxHashMap<Oid, Vec<Oid>>,
    /// Columns that views, rules, policies or functions depend on, so that their type cannot simply change.
    pub depended_columns: FxHashSet<(Oid, ColumnNumber)>,
}

/// The part of a slice sorted by `key` whose key is `wanted`.
fn run_of<T>(sorted: &[T], wanted: Oid, key: impl Fn(&T) -> Oid) -> &[T] {
    let start = sorted.partition_point(|item| key(item) < wanted);
    let length = sorted[start..].partition_point(|item| key(item) == wanted);
    &sorted[start..start + length]
}

impl Snapshot {
    /// Sorts everything that the lookups search. To be called once, when all facts are in.
    pub fn seal(&mut self) {
        self.relations.sort_unstable_by_key(|relation| relation.oid);
        self.columns.sort_unstable_by_key(|column| (column.relation, column.number));
        self.indexes.sort_unstable_by_key(|index| (index.table, index.oid));
        self.constraints.sort_unstable_by_key(|constraint| (constraint.table, constraint.oid));
        self.triggers.sort_unstable_by_key(|trigger| (trigger.table, trigger.oid));
        self.policies.sort_unstable_by_key(|policy| (policy.table, policy.oid));
        self.sequences.sort_unstable_by_key(|sequence| sequence.oid);
        self.functions.sort_unstable_by_key(|function| function.oid);
        self.roles.sort_unstable_by_key(|role| role.oid);
        self.extended_statistics.sort_unstable_by_key(|statistics| (statistics.table, statistics.oid));
        for children in self.children.values_mut() {
            children.sort_unstable();
        }
    }

    /// The relation, unless it is an index, a sequence, the server's own, or gone.
    pub fn relation(&self, oid: Oid) -> Option<&Relation> {
        let position = self.relations.binary_search_by_key(&oid, |relation| relation.oid).ok()?;
        self.relations.get(position)
    }

    /// The columns of a relation in their order.
    pub fn columns_of(&self, relation: Oid) -> &[Column] {
        run_of(&self.columns, relation, |column| column.relation)
    }

    /// One column.
    pub fn column(&self, relation: Oid, number: ColumnNumber) -> Option<&Column> {
        let columns = self.columns_of(relation);
        let position = columns.binary_search_by_key(&number, |column| column.number).ok()?;
        columns.get(position)
    }

    /// The indexes of a table.
    pub fn indexes_of(&self, table: Oid) -> &[Index] {
        run_of(&self.indexes, table, |index| index.table)
    }

    /// The constraints of a table.
    pub fn constraints_of(&self, table: Oid) -> &[Constraint] {
        run_of(&self.constraints, table, |constraint| constraint.table)
    }

    /// The foreign keys of a table that are its own, not their copies on partitions.
    pub fn foreign_keys_of(&self, table: Oid) -> impl Iterator<Item = &Constraint> {
        self.constraints_of(table)
            .iter()
            .filter(|constraint| constraint.kind == ConstraintKind::ForeignKey && constraint.parent == 0)
    }

    /// The primary key constraint of a table.
    pub fn primary_key_of(&self, table: Oid) -> Option<&Constraint> {
        self.constraints_of(table).iter().find(|constraint| constraint.kind == ConstraintKind::PrimaryKey)
    }

    /// The triggers of a table.
    pub fn triggers_of(&self, table: Oid) -> &[Trigger] {
        run_of(&self.triggers, table, |trigger| trigger.table)
    }

    /// The row-level security policies of a table.
    pub fn policies_of(&self, table: Oid) -> &[Policy] {
        run_of(&self.policies, table, |policy| policy.table)
    }

    /// The statistics objects of a table.
    pub fn extended_statistics_of(&self, table: Oid) -> &[ExtendedStatistics] {
        run_of(&self.extended_statistics, table, |statistics| statistics.table)
    }

    /// The type, following a domain down to what it is made of.
    pub fn base_type(&self, oid: Oid) -> Option<&Type> {
        let mut found = self.types.get(&oid)?;
        // Domains nest only as deep as somebody typed; the bound guards against a corrupt catalog.
        for _ in 0..64 {
            if found.kind != super::TypeKind::Domain {
                break;
            }
            found = self.types.get(&found.base)?;
        }
        Some(found)
    }

    /// The name of an access method, empty when unknown.
    pub fn access_method_name(&self, oid: Oid) -> &str {
        self.access_methods.get(&oid).map_or("", |method| &method.name)
    }

    /// The operator family of an operator class, 0 when unknown.
    pub fn family_of(&self, opclass: Oid) -> Oid {
        self.operator_classes.get(&opclass).map_or(0, |class| class.family)
    }

    /// Whether an index on `opclass` can search by equality with `operator` or its commutator.
    pub fn supports_equality(&self, opclass: Oid, operator: Oid) -> bool {
        let family = self.family_of(opclass);
        let commutator = self.commutators.get(&operator).copied().unwrap_or(operator);
        self.equality_operators.contains(&(family, operator))
            || self.equality_operators.contains(&(family, commutator))
    }

    /// The children of a partitioned table, partitioned index or inheritance parent.
    pub fn children_of(&self, parent: Oid) -> &[Oid] {
        self.children.get(&parent).map_or(&[], Vec::as_slice)
    }

    /// The relation itself and everything below it that is a partition, parents before children.
    pub fn tree(&self, root: Oid) -> Vec<Oid> {
        let mut tree = vec![root];
        let mut next = 0;
        while let Some(&parent) = tree.get(next) {
            next += 1;
            let partitions = self
                .children_of(parent)
                .iter()
                .copied()
                .filter(|&child| self.relation(child).is_none_or(|relation| relation.is_partition));
            tree.extend(partitions);
        }
        tree
    }

    /// The topmost table of the partition tree that `table` is in; itself when it is no partition.
    pub fn root_of(&self, table: Oid) -> Oid {
        let mut current = table;
        for _ in 0..64 {
            match self.parents.get(&current) {
                Some(&parent) if self.relation(current).is_some_and(|relation| relation.is_partition) => {
                    current = parent;
                }
                _ => break,
            }
        }
        current
    }

    /// The setting's value, if it is among those that the snapshot keeps.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(|setting| &*setting.value)
    }
}
