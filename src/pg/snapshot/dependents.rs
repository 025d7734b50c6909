//! What stands on relations and functions, for rules of security: what views read, and which expressions call functions that
//! somebody may replace. `pg_depend` is read once for both, and not at all where neither can be.

use rustc_hash::{FxHashMap, FxHashSet};

use super::dependency::{DEPEND, FormDepend, read_defaults};
use crate::catalog::security::{ExpressionKind, KeptExpression, Security};
use crate::catalog::{ConstraintKind, Oid, Snapshot};
use crate::pg::scan::CatalogScan;

const CLASS: u32 = 1259;
const FUNCTION: u32 = 1255;
const TYPE: u32 = 1247;
const ATTRIBUTE_DEFAULT: u32 = 2604;
const CONSTRAINT: u32 = 2606;
const OPERATOR: u32 = 2617;
const REWRITE: u32 = 2618;
const TRIGGER: u32 = 2620;
const POLICY: u32 = 3256;
const STATISTICS: u32 = 3381;

/// An object as `pg_depend` names it: its catalog and its OID.
type Object = (u32, Oid);

/// A rule: its relation, its name, and whether it makes that a view.
struct RewriteRule {
    relation: Oid,
    name: Box<str>,
    is_view: bool,
}

/// Reads both into what only rules of security ask for.
pub fn read(snapshot: &Snapshot, security: &mut Security) {
    let superusers: FxHashSet<Oid> =
        snapshot.roles.iter().filter(|role| role.is_superuser).map(|role| role.oid).collect();
    let replaceable: FxHashSet<Oid> = snapshot
        .functions
        .iter()
        .filter(|function| !superusers.contains(&function.owner))
        .map(|function| function.oid)
        .collect();
    // Only where some table has row-level security does anybody ask what views read.
    let has_guarded = snapshot.relations.iter().any(|relation| relation.row_security);
    if !has_guarded && replaceable.is_empty() {
        return;
    }
    let rules = read_rules(snapshot);
    let mut calls: Vec<(Object, Object)> = Vec::new();
    let mut scan = CatalogScan::open(DEPEND);
    // SAFETY: every attribute is fixed and never null; the struct is their layout.
    while let Some(form) = unsafe { scan.next_struct::<FormDepend>() } {
        let depending = (form.class.to_u32(), form.object.to_u32());
        let referenced = (form.referenced_class.to_u32(), form.referenced.to_u32());
        match referenced.0 {
            CLASS if has_guarded && depending.0 == REWRITE => {
                if let Some(rule) = rules.get(&depending.1).filter(|rule| rule.relation != referenced.1) {
                    security.views.insert((rule.relation, referenced.1));
                }
            }
            FUNCTION | OPERATOR if !replaceable.is_empty() => calls.push((depending, referenced)),
            _ => {}
        }
    }
    drop(scan);
    if !replaceable.is_empty() {
        security.expressions = expressions(snapshot, &rules, &replaceable, &calls);
    }
}

fn read_rules(snapshot: &Snapshot) -> FxHashMap<Oid, RewriteRule> {
    let mut found = FxHashMap::default();
    let mut scan = CatalogScan::open(REWRITE);
    let oid = scan.attribute(c"oid");
    let (relation, name, event) =
        (scan.attribute(c"ev_class"), scan.attribute(c"rulename"), scan.attribute(c"ev_type"));
    while let Some(row) = scan.next_row() {
        if snapshot.relation(row.oid(relation)).is_some() {
            let (relation, name) = (row.oid(relation), row.name(name));
            // 1 is SELECT, which nothing but views has rules on.
            found.insert(row.oid(oid), RewriteRule { relation, name, is_view: row.char(event) == '1' });
        }
    }
    found
}

/// The functions that an object leads to: itself, what an operator stands for, and what a body calls that the server knows.
fn reached(from: Object, inner: &FxHashMap<Object, Vec<Object>>) -> Vec<Oid> {
    let mut reached = vec![from];
    let mut next = 0;
    while let Some(&object) = reached.get(next) {
        for &called in inner.get(&object).into_iter().flatten() {
            if !reached.contains(&called) {
                reached.push(called);
            }
        }
        next += 1;
    }
    reached.into_iter().filter(|(class, _)| *class == FUNCTION).map(|(_, oid)| oid).collect()
}

fn expressions(
    snapshot: &Snapshot,
    rules: &FxHashMap<Oid, RewriteRule>,
    replaceable: &FxHashSet<Oid>,
    calls: &[(Object, Object)],
) -> Vec<KeptExpression> {
    let mut inner: FxHashMap<Object, Vec<Object>> = FxHashMap::default();
    for &(depending, referenced) in
        calls.iter().filter(|(depending, _)| matches!(depending.0, FUNCTION | OPERATOR))
    {
        inner.entry(depending).or_default().push(referenced);
    }
    let mut functions: FxHashMap<Object, Vec<Oid>> = FxHashMap::default();
    let mut found: FxHashSet<(Object, Oid)> = FxHashSet::default();
    for &(depending, referenced) in
        calls.iter().filter(|(depending, _)| !matches!(depending.0, FUNCTION | OPERATOR))
    {
        let called = functions.entry(referenced).or_insert_with(|| {
            let all = reached(referenced, &inner).into_iter();
            all.filter(|function| replaceable.contains(function)).collect()
        });
        found.extend(called.iter().map(|&function| (depending, function)));
    }
    if found.is_empty() {
        return Vec::new();
    }
    let holders = Holders::new(snapshot, rules, found.iter().map(|(holder, _)| *holder));
    let mut expressions: Vec<KeptExpression> =
        found.into_iter().filter_map(|(holder, function)| holders.expression(holder, function)).collect();
    expressions.sort_by(|left, right| left.order().cmp(&right.order()));
    expressions
}

/// What the objects are that have expressions.
struct Holders<'a> {
    snapshot: &'a Snapshot,
    rules: &'a FxHashMap<Oid, RewriteRule>,
    /// Kind, relation and name of indexes, constraints, policies, triggers and statistics.
    of_relations: FxHashMap<Object, (ExpressionKind, Oid, Box<str>)>,
    /// Types, and constraints of domains: the type and its owner.
    of_types: FxHashMap<Object, (Oid, Oid)>,
}

impl<'a> Holders<'a> {
    fn new(
        snapshot: &'a Snapshot,
        rules: &'a FxHashMap<Oid, RewriteRule>,
        wanted: impl Iterator<Item = Object>,
    ) -> Self {
        let wanted: FxHashSet<Object> = wanted.collect();
        let mut holders =
            Self { snapshot, rules, of_relations: FxHashMap::default(), of_types: FxHashMap::default() };
        let mut note = |object: Object, kind: ExpressionKind, relation: Oid, name: &str| {
            if wanted.contains(&object) {
                holders.of_relations.insert(object, (kind, relation, name.into()));
            }
        };
        for index in &snapshot.indexes {
            note((CLASS, index.oid), ExpressionKind::Index, index.table, &index.name);
        }
        for constraint in snapshot.constraints.iter().filter(|found| found.kind != ConstraintKind::Trigger) {
            note((CONSTRAINT, constraint.oid), ExpressionKind::Check, constraint.table, &constraint.name);
        }
        for policy in &snapshot.policies {
            note((POLICY, policy.oid), ExpressionKind::Policy, policy.table, &policy.name);
        }
        for trigger in &snapshot.triggers {
            note((TRIGGER, trigger.oid), ExpressionKind::Trigger, trigger.table, &trigger.name);
        }
        for statistics in &snapshot.extended_statistics {
            note(
                (STATISTICS, statistics.oid),
                ExpressionKind::Statistics,
                statistics.table,
                &statistics.name,
            );
        }
        for relation in snapshot.relations.iter().filter(|relation| relation.partitioning.is_some()) {
            note((CLASS, relation.oid), ExpressionKind::PartitionKey, relation.oid, "");
        }
        if wanted.iter().any(|(class, _)| *class == ATTRIBUTE_DEFAULT) {
            for (oid, (relation, number)) in read_defaults() {
                if let Some(column) = snapshot.column(relation, number) {
                    note((ATTRIBUTE_DEFAULT, oid), ExpressionKind::Default, relation, &column.name);
                }
            }
        }
        holders.read_types(&wanted);
        holders
    }

    /// Types and domains, where some are asked for.
    fn read_types(&mut self, wanted: &FxHashSet<Object>) {
        let is_known = |object: &Object| self.of_relations.contains_key(object);
        let others: Vec<Object> = wanted
            .iter()
            .filter(|object| matches!(object.0, TYPE | CONSTRAINT) && !is_known(object))
            .copied()
            .collect();
        if others.is_empty() {
            return;
        }
        let mut domains: FxHashMap<Oid, Vec<Object>> = FxHashMap::default();
        let mut scan = CatalogScan::open(CONSTRAINT);
        let (oid, domain) = (scan.attribute(c"oid"), scan.attribute(c"contypid"));
        while let Some(row) = scan.next_row() {
            let object = (CONSTRAINT, row.oid(oid));
            if row.oid(domain) != 0 && wanted.contains(&object) {
                domains.entry(row.oid(domain)).or_default().push(object);
            }
        }
        drop(scan);
        let mut scan = CatalogScan::open(TYPE);
        let (oid, owner) = (scan.attribute(c"oid"), scan.attribute(c"typowner"));
        while let Some(row) = scan.next_row() {
            let itself = (TYPE, row.oid(oid));
            let own = wanted.contains(&itself).then_some(itself);
            for object in domains.remove(&row.oid(oid)).into_iter().flatten().chain(own) {
                self.of_types.insert(object, (row.oid(oid), row.oid(owner)));
            }
        }
    }

    fn expression(&self, holder: Object, function: Oid) -> Option<KeptExpression> {
        if let Some(&(type_oid, owner)) = self.of_types.get(&holder) {
            let kind = ExpressionKind::Type;
            return Some(KeptExpression { kind, type_oid, owner, function, ..KeptExpression::default() });
        }
        let (kind, relation, name) = match self.rules.get(&holder.1).filter(|_| holder.0 == REWRITE) {
            Some(rule) if rule.is_view => (ExpressionKind::View, rule.relation, Box::default()),
            Some(rule) => (ExpressionKind::Rule, rule.relation, rule.name.clone()),
            None => self.of_relations.get(&holder).cloned()?,
        };
        // That a trigger runs its function is what it is for, and has a rule of its own.
        let is_its_own = kind == ExpressionKind::Trigger
            && self
                .snapshot
                .triggers_of(relation)
                .iter()
                .any(|trigger| trigger.oid == holder.1 && trigger.function == function);
        if is_its_own {
            return None;
        }
        let owner = self.snapshot.relation(relation)?.owner;
        Some(KeptExpression { kind, name, relation, type_oid: 0, owner, function })
    }
}
