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
    /// Settings of roles and of this database.
    pub role_settings: Vec<super::RoleSetting>,
    /// Event triggers.
    pub event_triggers: Vec<super::EventTrigger>,
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
    /// Collations that sort otherwise than when their indexes were built.
    pub collation_versions: Vec<super::CollationVersion>,
    /// Partitions whose DETACH CONCURRENTLY was begun and not finished.
    pub detaching: FxHashSet<Oid>,
    /// Tables on which some session is building an index right now.
    pub index_builds: FxHashSet<Oid>,
    /// Where the columns of each relation stand; made by [`Snapshot::seal`], as the next three.
    pub column_runs: Runs,
    /// Where the indexes of each table stand.
    pub index_runs: Runs,
    /// Where the constraints of each table stand.
    pub constraint_runs: Runs,
    /// Where the triggers of each table stand.
    pub trigger_runs: Runs,
    /// Where the relations stand that are the users' own; made by [`Snapshot::seal`] too, since nearly every rule asks for them.
    pub judged: Vec<u32>,
    /// The queries that ran, as far as somebody counted them.
    pub statements: super::workload::Statements,
    /// Partitioned tables with the bounds of their partitions, by OID; read for the audit alone.
    pub partition_sets: Vec<super::partition::Set>,
    /// How those are kept that are, by the OID of their table.
    pub partition_policies: Vec<super::partition::StoredPolicy>,
    /// Columns that views, rules, policies or functions depend on, so that their type cannot simply change.
    pub depended_columns: FxHashSet<(Oid, ColumnNumber)>,
    /// What only rules of security ask for; read for the audit alone.
    pub security: super::security::Security,
}

/// Where the items of each relation stand in a sorted vector.
pub type Runs = FxHashMap<Oid, (u32, u32)>;

/// The runs of equal keys in a sorted vector.
fn runs_of<T>(sorted: &[T], key: impl Fn(&T) -> Oid) -> Runs {
    let mut runs = Runs::default();
    let mut start = 0;
    for run in sorted.chunk_by(|left, right| key(left) == key(right)) {
        let end = start + run.len();
        if let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(end)) {
            runs.insert(key(&run[0]), (start, end));
        }
        start = end;
    }
    runs
}

/// The items of one relation.
fn run<'a, T>(sorted: &'a [T], runs: &Runs, relation: Oid) -> &'a [T] {
    runs.get(&relation).and_then(|&(start, end)| sorted.get(start as usize..end as usize)).unwrap_or(&[])
}

/// The same by binary search, for what few tables have.
fn few_of<T>(sorted: &[T], relation: Oid, key: impl Fn(&T) -> Oid) -> &[T] {
    let start = sorted.partition_point(|item| key(item) < relation);
    let length = sorted[start..].partition_point(|item| key(item) == relation);
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
        self.columns.shrink_to_fit();
        self.indexes.shrink_to_fit();
        self.column_runs = runs_of(&self.columns, |column| column.relation);
        self.index_runs = runs_of(&self.indexes, |index| index.table);
        self.constraint_runs = runs_of(&self.constraints, |constraint| constraint.table);
        self.trigger_runs = runs_of(&self.triggers, |trigger| trigger.table);
        self.judged = (0_u32..)
            .zip(&self.relations)
            .filter(|(_, relation)| self.is_judged(relation))
            .map(|(place, _)| place)
            .collect();
    }

    /// The relation, unless it is an index, a sequence, the server's own, or gone.
    pub fn relation(&self, oid: Oid) -> Option<&Relation> {
        let position = self.relations.binary_search_by_key(&oid, |relation| relation.oid).ok()?;
        self.relations.get(position)
    }

    /// A function by its OID.
    pub fn function(&self, oid: Oid) -> Option<&Function> {
        let place = self.functions.binary_search_by_key(&oid, |function| function.oid).ok()?;
        self.functions.get(place)
    }

    /// The columns of a relation in their order.
    pub fn columns_of(&self, relation: Oid) -> &[Column] {
        run(&self.columns, &self.column_runs, relation)
    }

    /// One column.
    pub fn column(&self, relation: Oid, number: ColumnNumber) -> Option<&Column> {
        let columns = self.columns_of(relation);
        // Without dropped columns a column stands at its number.
        let guess = usize::try_from(number).ok()?.checked_sub(1)?;
        match columns.get(guess) {
            Some(column) if column.number == number => Some(column),
            _ => {
                let position = columns.binary_search_by_key(&number, |column| column.number).ok()?;
                columns.get(position)
            }
        }
    }

    /// The indexes of a table.
    pub fn indexes_of(&self, table: Oid) -> &[Index] {
        run(&self.indexes, &self.index_runs, table)
    }

    /// The constraints of a table.
    pub fn constraints_of(&self, table: Oid) -> &[Constraint] {
        run(&self.constraints, &self.constraint_runs, table)
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
        run(&self.triggers, &self.trigger_runs, table)
    }

    /// The row-level security policies of a table.
    pub fn policies_of(&self, table: Oid) -> &[Policy] {
        few_of(&self.policies, table, |policy| policy.table)
    }

    /// The statistics objects of a table.
    pub fn extended_statistics_of(&self, table: Oid) -> &[ExtendedStatistics] {
        few_of(&self.extended_statistics, table, |statistics| statistics.table)
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
