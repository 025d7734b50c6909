//! Hand-made snapshots for tests of rules.

use super::types::builtin;
use super::*;

const PUBLIC: Oid = 2200;
/// The B-tree access method.
pub const BTREE: Oid = 403;
/// The hash access method.
pub const HASH: Oid = 405;
/// The GiST access method.
pub const GIST: Oid = 783;
/// The BRIN access method.
pub const BRIN: Oid = 3580;
/// The operator family of B-tree indexes on integers; families of other types are numbered from here.
const INTEGER_FAMILY: Oid = 1976;

/// Builds a [`Snapshot`] table by table.
pub struct Sample {
    /// What is built so far; tests may edit it.
    pub snapshot: Snapshot,
    next: Oid,
}

impl Default for Sample {
    fn default() -> Self {
        Self::new()
    }
}

impl Sample {
    /// An empty database on PostgreSQL 15 with the built-in types.
    pub fn new() -> Self {
        let mut snapshot = Snapshot {
            server: Server {
                version: 150_018,
                database: "shop".into(),
                role: "postgres".into(),
                now: 1_700_000_000_000_000,
                block_size: 8192,
                statistics_since: Some(1_700_000_000_000_000 - 40 * DAY),
                sees_statistics: true,
                ..Server::default()
            },
            ..Snapshot::default()
        };
        for (oid, name) in [(PUBLIC, "public"), (11, "pg_catalog")] {
            snapshot.namespaces.insert(oid, Namespace { oid, name: name.into(), owner: 10, acl: None });
        }
        for (oid, name) in [(BTREE, "btree"), (HASH, "hash"), (GIST, "gist"), (BRIN, "brin"), (2742, "gin")] {
            snapshot.access_methods.insert(oid, AccessMethod { oid, name: name.into() });
        }
        for (oid, name, category, length) in [
            (builtin::BOOL, "bool", 'B', 1),
            (builtin::INT8, "int8", 'N', 8),
            (builtin::INT2, "int2", 'N', 2),
            (builtin::INT4, "int4", 'N', 4),
            (builtin::TEXT, "text", 'S', -1),
            (builtin::JSON, "json", 'U', -1),
            (builtin::JSONB, "jsonb", 'U', -1),
            (builtin::JSON_ARRAY, "_json", 'A', -1),
            (builtin::JSONB_ARRAY, "_jsonb", 'A', -1),
            (builtin::FLOAT4, "float4", 'N', 4),
            (builtin::FLOAT8, "float8", 'N', 8),
            (builtin::MONEY, "money", 'N', 8),
            (builtin::BPCHAR, "bpchar", 'S', -1),
            (builtin::VARCHAR, "varchar", 'S', -1),
            (builtin::DATE, "date", 'D', 4),
            (builtin::TIMESTAMP, "timestamp", 'D', 8),
            (builtin::TIMESTAMPTZ, "timestamptz", 'D', 8),
            (builtin::NUMERIC, "numeric", 'N', -1),
            (builtin::UUID, "uuid", 'U', 16),
        ] {
            snapshot.types.insert(
                oid,
                Type { oid, name: name.into(), schema: 11, category, length, ..Type::default() },
            );
            for method in [BTREE, HASH, BRIN] {
                let class = Self::opclass(method, oid);
                snapshot.operator_classes.insert(
                    class,
                    OperatorClass {
                        oid: class,
                        name: format!("{name}_ops").into(),
                        access_method: method,
                        family: Self::family(method, oid),
                        input_type: oid,
                        is_default: true,
                    },
                );
                if method != BRIN {
                    snapshot.equality_operators.insert((Self::family(method, oid), Self::equality(oid)));
                }
            }
        }
        Self { snapshot, next: 16_384 }
    }

    /// The same with the superuser `postgres` and with roles that log in.
    pub fn with_roles(others: &[(Oid, &str)]) -> Self {
        let mut sample = Self::new();
        for &(oid, name) in [(10, "postgres")].iter().chain(others) {
            let role =
                Role { oid, name: name.into(), logs_in: true, is_superuser: oid == 10, ..Role::default() };
            sample.snapshot.roles.push(role);
        }
        sample
    }

    /// The operator class of a type for an access method, as this sample numbers them.
    pub fn opclass(method: Oid, type_oid: Oid) -> Oid {
        method * 10_000 + type_oid
    }

    fn family(method: Oid, type_oid: Oid) -> Oid {
        let kin = match type_oid {
            builtin::INT2 | builtin::INT4 | builtin::INT8 => INTEGER_FAMILY,
            builtin::TEXT | builtin::VARCHAR => 1994,
            other => 100_000 + other,
        };
        method * 1_000_000 + kin
    }

    /// The equality operator of a type (one for all integers, as if no cross-type operators were needed).
    pub fn equality(type_oid: Oid) -> Oid {
        match type_oid {
            builtin::INT2 | builtin::INT4 | builtin::INT8 => 410,
            builtin::TEXT | builtin::VARCHAR => 98,
            other => 900_000 + other,
        }
    }

    /// The next free OID.
    pub fn oid(&mut self) -> Oid {
        self.next += 1;
        self.next
    }

    /// A schema.
    pub fn schema(&mut self, name: &str) -> Oid {
        let oid = self.oid();
        self.snapshot.namespaces.insert(oid, Namespace { oid, name: name.into(), owner: 10, acl: None });
        oid
    }

    /// A table in `public` with 1,000 rows on 10 pages and some traffic.
    pub fn table(&mut self, name: &str) -> Oid {
        self.table_in(PUBLIC, name)
    }

    /// A table in a schema.
    pub fn table_in(&mut self, schema: Oid, name: &str) -> Oid {
        let oid = self.oid();
        self.snapshot.relations.push(Relation {
            oid,
            name: name.into(),
            schema,
            owner: 10,
            pages: 10,
            rows: 1_000.0,
            file: FileLocation { tablespace: 0, number: oid },
            statistics: Some(Box::new(TableStatistics {
                inserted: 1_000,
                updated: 5_000,
                live: 1_000,
                ..TableStatistics::default()
            })),
            ..Relation::default()
        });
        oid
    }

    /// A table with `id bigint PRIMARY KEY`.
    pub fn keyed_table(&mut self, name: &str) -> Oid {
        let table = self.table(name);
        self.column(table, "id", builtin::INT8);
        self.edit_column(table, "id", |column| {
            column.not_null = true;
            column.identity = Some(Identity::Always);
        });
        self.primary_key(table, &["id"]);
        table
    }

    /// A nullable column without default.
    pub fn column(&mut self, table: Oid, name: &str, type_oid: Oid) -> ColumnNumber {
        let count = self.snapshot.columns.iter().filter(|column| column.relation == table).count();
        let number = i16::try_from(count + 1).unwrap();
        let collation =
            if matches!(type_oid, builtin::TEXT | builtin::VARCHAR | builtin::BPCHAR) { 100 } else { 0 };
        self.snapshot.columns.push(Column {
            relation: table,
            number,
            name: name.into(),
            type_oid,
            type_modifier: -1,
            collation,
            statistics: Some(ColumnStatistics { null_fraction: 0.1, distinct: -1.0, width: 8 }),
            ..Column::default()
        });
        number
    }

    /// Changes a table.
    pub fn edit_table(&mut self, table: Oid, edit: impl FnOnce(&mut Relation)) {
        edit(self.snapshot.relations.iter_mut().find(|relation| relation.oid == table).unwrap());
    }

    /// Changes a column.
    pub fn edit_column(&mut self, table: Oid, name: &str, edit: impl FnOnce(&mut Column)) {
        let column = self.snapshot.columns.iter_mut();
        edit(column.into_iter().find(|column| column.relation == table && &*column.name == name).unwrap());
    }

    /// Changes an index.
    pub fn edit_index(&mut self, index: Oid, edit: impl FnOnce(&mut Index)) {
        edit(self.snapshot.indexes.iter_mut().find(|candidate| candidate.oid == index).unwrap());
    }

    /// Changes a constraint.
    pub fn edit_constraint(&mut self, constraint: Oid, edit: impl FnOnce(&mut Constraint)) {
        edit(self.snapshot.constraints.iter_mut().find(|candidate| candidate.oid == constraint).unwrap());
    }

    fn number(&self, table: Oid, name: &str) -> ColumnNumber {
        self.snapshot
            .columns
            .iter()
            .find(|column| column.relation == table && &*column.name == name)
            .unwrap()
            .number
    }

    fn numbers(&self, table: Oid, names: &[&str]) -> Box<[ColumnNumber]> {
        names.iter().map(|name| self.number(table, name)).collect()
    }

    /// A valid B-tree index on plain columns, never scanned.
    pub fn index(&mut self, table: Oid, name: &str, columns: &[&str]) -> Oid {
        self.index_by(table, name, columns, BTREE)
    }

    /// The same with another access method.
    pub fn index_by(&mut self, table: Oid, name: &str, columns: &[&str], method: Oid) -> Oid {
        let oid = self.oid();
        let keys: Vec<IndexKey> = columns
            .iter()
            .map(|name| {
                let column = self.number(table, name);
                let found = self
                    .snapshot
                    .columns
                    .iter()
                    .find(|candidate| candidate.relation == table && candidate.number == column)
                    .unwrap();
                IndexKey {
                    column,
                    opclass: Self::opclass(method, found.type_oid),
                    collation: found.collation,
                    ..IndexKey::default()
                }
            })
            .collect();
        self.snapshot.indexes.push(Index {
            oid,
            table,
            name: name.into(),
            access_method: method,
            is_immediate: true,
            is_valid: true,
            is_ready: true,
            is_live: true,
            key_count: u16::try_from(keys.len()).unwrap(),
            keys: keys.into(),
            pages: 5,
            rows: 1_000.0,
            file: FileLocation { tablespace: 0, number: oid },
            statistics: Some(IndexStatistics::default()),
            ..Index::default()
        });
        oid
    }

    /// A constraint backed by an index; `kind` is primary key, unique or exclusion. Returns the index.
    pub fn keyed_constraint(
        &mut self,
        table: Oid,
        name: &str,
        columns: &[&str],
        kind: ConstraintKind,
    ) -> Oid {
        let index = self.index(table, name, columns);
        self.edit_index(index, |index| {
            index.is_unique = kind != ConstraintKind::Exclusion;
            index.is_primary = kind == ConstraintKind::PrimaryKey;
            index.is_exclusion = kind == ConstraintKind::Exclusion;
        });
        let oid = self.oid();
        let columns = self.numbers(table, columns);
        self.snapshot.constraints.push(Constraint {
            oid,
            name: name.into(),
            table,
            kind,
            is_validated: true,
            is_enforced: true,
            index,
            columns,
            ..Constraint::default()
        });
        index
    }

    /// A primary key named as PostgreSQL would. Returns its index.
    pub fn primary_key(&mut self, table: Oid, columns: &[&str]) -> Oid {
        let name =
            self.snapshot.relations.iter().find(|relation| relation.oid == table).unwrap().name.clone();
        for column in columns {
            self.edit_column(table, column, |column| column.not_null = true);
        }
        self.keyed_constraint(table, &format!("{name}_pkey"), columns, ConstraintKind::PrimaryKey)
    }

    /// A CHECK constraint on some columns.
    pub fn check(&mut self, table: Oid, name: &str, columns: &[&str]) -> Oid {
        let oid = self.oid();
        let columns = self.numbers(table, columns);
        self.snapshot.constraints.push(Constraint {
            oid,
            name: name.into(),
            table,
            kind: ConstraintKind::Check,
            is_validated: true,
            is_enforced: true,
            columns,
            ..Constraint::default()
        });
        oid
    }

    /// A validated foreign key, with the referenced side's index where one fits.
    pub fn foreign_key(&mut self, table: Oid, columns: &[&str], referenced: Oid, target: &[&str]) -> Oid {
        let oid = self.oid();
        let target = self.numbers(referenced, target);
        let equality = columns
            .iter()
            .map(|name| {
                let found = self
                    .snapshot
                    .columns
                    .iter()
                    .find(|column| column.relation == table && &*column.name == *name)
                    .unwrap();
                Self::equality(found.type_oid)
            })
            .collect();
        let index = self
            .snapshot
            .indexes
            .iter()
            .find(|index| {
                index.table == referenced
                    && index.is_unique
                    && index.keys.iter().map(|key| key.column).eq(target.iter().copied())
            })
            .map_or(0, |index| index.oid);
        let name = format!("fk_{oid}");
        let columns = self.numbers(table, columns);
        self.snapshot.constraints.push(Constraint {
            oid,
            name: name.into(),
            table,
            kind: ConstraintKind::ForeignKey,
            is_validated: true,
            is_enforced: true,
            index,
            columns,
            foreign_key: Some(Box::new(ForeignKey {
                table: referenced,
                columns: target,
                equality,
                ..ForeignKey::default()
            })),
            ..Constraint::default()
        });
        oid
    }

    /// Makes `child` a partition of `parent`, which becomes partitioned by its first column.
    pub fn partition(&mut self, parent: Oid, child: Oid) {
        self.edit_table(parent, |relation| {
            relation.kind = RelationKind::PartitionedTable;
            relation.partitioning =
                Some(Box::new(Partitioning { strategy: 'r', columns: [1].into(), default_partition: 0 }));
        });
        self.edit_table(child, |relation| relation.is_partition = true);
        self.inherit(parent, child);
    }

    /// Records `child` below `parent` in `pg_inherits` (tables or indexes).
    pub fn inherit(&mut self, parent: Oid, child: Oid) {
        self.snapshot.parents.insert(child, parent);
        self.snapshot.children.entry(parent).or_default().push(child);
    }

    /// A sequence from 1 upwards that the column's default draws from and that the column owns. Returns the sequence.
    pub fn serial(&mut self, table: Oid, column: &str, name: &str) -> Oid {
        let oid = self.oid();
        let number = self.number(table, column);
        self.edit_column(table, column, |column| column.has_default = true);
        let schema = self.snapshot.relations.iter().find(|relation| relation.oid == table).unwrap().schema;
        self.snapshot.sequences.push(Sequence {
            oid,
            name: name.into(),
            schema,
            owner: 10,
            type_oid: builtin::INT8,
            start: 1,
            increment: 1,
            maximum: i64::MAX,
            minimum: 1,
            owned_by: Some((table, number)),
            used_by: vec![(table, number)],
            last_value: LastValue::At(1_000),
            ..Sequence::default()
        });
        oid
    }

    /// Changes a sequence.
    pub fn edit_sequence(&mut self, sequence: Oid, edit: impl FnOnce(&mut Sequence)) {
        edit(self.snapshot.sequences.iter_mut().find(|candidate| candidate.oid == sequence).unwrap());
    }

    /// An enabled trigger; `constraint` other than 0 makes it one that the server keeps for that constraint.
    pub fn trigger(&mut self, table: Oid, name: &str, constraint: Oid) -> Oid {
        let oid = self.oid();
        self.snapshot.triggers.push(Trigger {
            oid,
            table,
            name: name.into(),
            is_internal: constraint != 0,
            constraint,
            ..Trigger::default()
        });
        oid
    }

    /// Changes a trigger.
    pub fn edit_trigger(&mut self, trigger: Oid, edit: impl FnOnce(&mut Trigger)) {
        edit(self.snapshot.triggers.iter_mut().find(|candidate| candidate.oid == trigger).unwrap());
    }

    /// A publication of all changes of some tables.
    pub fn publication(&mut self, name: &str, tables: &[Oid]) {
        let oid = self.oid();
        self.snapshot.publications.push(Publication {
            oid,
            name: name.into(),
            publishes_update: true,
            publishes_delete: true,
            tables: tables.to_vec(),
            ..Publication::default()
        });
    }

    /// A measured functional dependency between two columns of a table.
    pub fn dependency(&mut self, table: Oid, determining: &str, determined: &str, degree: f64) {
        let oid = self.oid();
        let from = self.numbers(table, &[determining]);
        let to = self.number(table, determined);
        self.snapshot.extended_statistics.push(ExtendedStatistics {
            oid,
            name: format!("stat_{oid}").into(),
            table,
            columns: [from.first().copied().unwrap(), to].into(),
            dependencies: vec![(from, to, degree)],
        });
    }

    /// An enum type with three labels.
    pub fn enum_type(&mut self, name: &str) -> Oid {
        let oid = self.oid();
        self.snapshot.types.insert(
            oid,
            Type {
                oid,
                name: name.into(),
                schema: PUBLIC,
                kind: TypeKind::Enum,
                category: 'E',
                length: 4,
                labels: 3,
                ..Type::default()
            },
        );
        oid
    }

    /// A domain over another type.
    pub fn domain(&mut self, name: &str, base: Oid) -> Oid {
        let oid = self.oid();
        let below = self.snapshot.types.get(&base).cloned().unwrap();
        self.snapshot.types.insert(
            oid,
            Type { oid, name: name.into(), schema: PUBLIC, kind: TypeKind::Domain, base, ..below },
        );
        oid
    }

    /// What ANALYZE measured of a column.
    pub fn measured(&mut self, table: Oid, column: &str, null_fraction: f32, distinct: f32) {
        self.edit_column(table, column, |column| {
            column.statistics = Some(ColumnStatistics { null_fraction, distinct, width: 8 });
        });
    }

    /// The sorted snapshot.
    pub fn finish(mut self) -> Snapshot {
        self.snapshot.seal();
        self.snapshot
    }
}

/// Definitions for tests: writes what is asked for in a fixed form; every file has 5 pages and is 40 days old.
pub struct SampleDefinitions;

impl crate::finding::Definitions for SampleDefinitions {
    fn index(&self, index: Oid) -> Option<String> {
        Some(format!("CREATE INDEX i{index} ON t USING btree (x)"))
    }
    fn constraint(&self, constraint: Oid) -> Option<String> {
        Some(format!("CHECK (c{constraint})"))
    }
    fn type_name(&self, type_oid: Oid, _modifier: i32) -> Option<String> {
        Some(format!("type{type_oid}"))
    }
    fn comment(&self, _class: Oid, _object: Oid) -> Option<String> {
        None
    }

    fn statistics_target(&self, _relation: Oid, _column: ColumnNumber) -> Option<i16> {
        None
    }

    fn has_own_storage(&self, _table: Oid, _column: ColumnNumber) -> bool {
        false
    }

    fn file_bytes(&self, _file: FileLocation) -> Option<u64> {
        Some(5 * 8192)
    }
    fn relation_bytes(&self, file: FileLocation) -> Option<u64> {
        (file.number != 0).then_some(5 * 8192)
    }
    fn leaf_density(&self, _index: &Index) -> Option<crate::finding::LeafDensity> {
        None
    }
    fn function_signature(&self, function: Oid) -> Option<String> {
        Some(format!("public.f{function}(integer)"))
    }
    fn password_is(&self, _role: Oid, word: &str) -> Option<bool> {
        Some(word == "guessed")
    }
    fn file_created(&self, _file: FileLocation) -> Option<Moment> {
        Some(1_700_000_000_000_000 - 40 * DAY)
    }
}

/// Runs one rule on a snapshot with its default thresholds.
pub fn run(
    rule: &crate::finding::Rule,
    snapshot: &Snapshot,
) -> (Vec<crate::finding::Finding>, Vec<crate::finding::Unknown>, u64) {
    let thresholds = |name: &str| rule.default_threshold(name);
    let facts = crate::finding::Facts { snapshot, definitions: &SampleDefinitions, interrupt: &|| {} };
    let mut verdicts = crate::finding::Verdicts::new(&thresholds);
    (rule.check)(&facts, &mut verdicts);
    (verdicts.findings, verdicts.unknowns, verdicts.examined)
}
