//! Plans made by hand, for tests: from the scans upwards.

use super::{
    Clause, ColumnFacts, ColumnReference, Comparison, IndexFacts, IndexKeyFacts, IndexUse, Key, Node,
    NodeKind, Plan, Role, SortKey, TableFacts, Wrapper,
};

/// A table of that size, analysed, with columns as conditions name them.
pub fn table(name: &str, pages: f64, tuples: f64) -> TableFacts {
    TableFacts {
        oid: 16_384 + name.len() as u32,
        name: name.to_owned(),
        alias: name.rsplit('.').next().unwrap_or(name).to_owned(),
        pages,
        tuples,
        visible_share: 1.0,
        is_analysed: true,
        changed_since_analyze: Some(0.0),
        ..TableFacts::default()
    }
}

/// A valid B-tree on these columns, upwards.
pub fn index(name: &str, columns: &[&str]) -> IndexFacts {
    IndexFacts {
        oid: 20_000 + name.len() as u32,
        name: name.to_owned(),
        method: "btree".to_owned(),
        keys: columns
            .iter()
            .map(|&column| IndexKeyFacts {
                column: number(column),
                text: column.to_owned(),
                ..IndexKeyFacts::default()
            })
            .collect(),
        is_valid: true,
        is_implied: true,
        ..IndexFacts::default()
    }
}

/// A column's number: the same name has the same one.
pub fn number(column: &str) -> i16 {
    column.bytes().fold(1_i16, |sum, byte| (sum * 7 + i16::from(byte)) % 1000 + 1)
}

/// A column of the first table.
pub fn column(name: &str) -> ColumnReference {
    ColumnReference { table: 0, column: number(name), name: name.to_owned() }
}

/// `column = value`
pub fn equals(name: &str, value: &str) -> Clause {
    compares(name, "=", value, Comparison::Equality)
}

/// `column operator value`
pub fn compares(name: &str, operator: &str, value: &str, comparison: Comparison) -> Clause {
    Clause {
        text: format!("({name} {operator} {value})"),
        comparison,
        operator: Some(operator.to_owned()),
        key: Some(Key { text: name.to_owned(), column: column(name), wrapper: None, is_immutable: true }),
        columns: vec![column(name)],
        value: Some(value.to_owned()),
        is_builtin: true,
        ..Clause::default()
    }
}

/// `function(column) = value`, or whatever stands over the column.
pub fn wrapped(name: &str, text: &str, wrapper: Wrapper) -> Clause {
    Clause {
        text: format!("({text} = 1)"),
        key: Some(Key {
            text: text.to_owned(),
            column: column(name),
            wrapper: Some(wrapper),
            is_immutable: true,
        }),
        ..equals(name, "1")
    }
}

/// A column sorted by, upwards.
pub fn sorted(name: &str) -> SortKey {
    SortKey { text: name.to_owned(), column: Some(column(name)), ..SortKey::default() }
}

/// A plan in the making; what is added goes on top.
#[derive(Clone)]
pub struct Sample {
    plan: Plan,
}

impl Sample {
    /// A sequential scan of a table.
    pub fn scan(table: TableFacts, rows: f64, cost: f64) -> Self {
        let node = Node {
            kind: NodeKind::SeqScan,
            rows,
            total_cost: cost,
            width: 40.0,
            processes: 1.0,
            table: Some(0),
            ..Node::default()
        };
        Self { plan: Plan { nodes: vec![node], tables: vec![table], ..Plan::default() } }
    }

    /// An index scan of a table.
    pub fn index_scan(table: TableFacts, index: &str, rows: f64, cost: f64) -> Self {
        let mut sample = Self::scan(table, rows, cost);
        sample.plan.nodes[0].kind = NodeKind::IndexScan;
        let known = sample.plan.tables[0].indexes.iter().find(|known| known.name == index);
        let oid = known.map_or(1, |known| known.oid);
        sample.plan.nodes[0].index = Some(IndexUse { oid, name: index.to_owned() });
        sample
    }

    /// With one more condition on the topmost node; its columns are known and analysed.
    pub fn filter(mut self, clause: Clause) -> Self {
        self.know(&clause);
        self.plan.nodes[0].filters.push(clause);
        self
    }

    /// With one more condition that the topmost node searches its index by.
    pub fn index_condition(mut self, clause: Clause) -> Self {
        self.know(&clause);
        self.plan.nodes[0].index_conditions.push(clause);
        self
    }

    fn know(&mut self, clause: &Clause) {
        for column in &clause.columns {
            if let Some(table) = self.plan.tables.get_mut(column.table)
                && table.column(column.column).is_none()
            {
                table.columns.push(ColumnFacts {
                    number: column.column,
                    name: column.name.clone(),
                    type_name: "integer".to_owned(),
                    is_analysed: true,
                    distinct: Some(100.0),
                    most_common: None,
                    is_not_null: true,
                });
            }
        }
    }

    /// Changes the topmost node.
    pub fn with(mut self, change: impl FnOnce(&mut Node)) -> Self {
        change(&mut self.plan.nodes[0]);
        self
    }

    /// Changes the whole plan.
    pub fn plan(mut self, change: impl FnOnce(&mut Plan)) -> Self {
        change(&mut self.plan);
        self
    }

    /// Below a new topmost node.
    pub fn below(mut self, kind: NodeKind, rows: f64, cost: f64) -> Self {
        let top = Node { kind, rows, total_cost: cost, width: 40.0, processes: 1.0, ..Node::default() };
        self.shift(1, 0);
        self.plan.nodes.insert(0, top);
        self.plan.nodes[1].parent = Some(0);
        self.plan.nodes[0].children.push(1);
        self
    }

    /// As the outer side of a join whose inner side is `inner`.
    pub fn join(self, inner: Self, kind: NodeKind, rows: f64, cost: f64) -> Self {
        self.below(kind, rows, cost).child(inner, Role::Inner)
    }

    /// With another child of the topmost node.
    pub fn child(mut self, mut child: Self, role: Role) -> Self {
        let position = self.plan.nodes.len();
        child.shift(position, self.plan.tables.len());
        child.plan.nodes[0].parent = Some(0);
        child.plan.nodes[0].role = role;
        self.plan.nodes[0].children.push(position);
        self.plan.nodes.append(&mut child.plan.nodes);
        self.plan.tables.append(&mut child.plan.tables);
        self.plan.ctes.append(&mut child.plan.ctes);
        self
    }

    fn shift(&mut self, nodes: usize, tables: usize) {
        for node in &mut self.plan.nodes {
            node.position += nodes;
            node.parent = node.parent.map(|parent| parent + nodes);
            node.children.iter_mut().for_each(|child| *child += nodes);
            node.table = node.table.map(|table| table + tables);
            let lists = [
                &mut node.filters,
                &mut node.index_conditions,
                &mut node.join_filters,
                &mut node.join_conditions,
            ];
            for clause in lists.into_iter().flatten() {
                clause.columns.iter_mut().for_each(|column| column.table += tables);
                for key in [&mut clause.key, &mut clause.other_key].into_iter().flatten() {
                    key.column.table += tables;
                }
            }
            for column in node.keys.iter_mut().filter_map(|key| key.column.as_mut()) {
                column.table += tables;
            }
            for subplan in &mut node.subplans {
                subplan.node = subplan.node.map(|node| node + nodes);
            }
        }
        for cte in &mut self.plan.ctes {
            cte.node += nodes;
            cte.scans.iter_mut().for_each(|scan| *scan += nodes);
        }
    }

    /// The plan.
    pub fn done(self) -> Plan {
        self.plan
    }
}
