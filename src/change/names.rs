//! Names for what we create or rename, in the style that the database already follows.

mod affix;
pub mod census;
pub mod constraint_style;
pub mod index_style;

use std::cell::OnceCell;

use rustc_hash::FxHashSet;

use self::affix::telling_words;
use self::census::{Census, Convention, MAJORITY_SHARE, MINIMUM_NAMES, Prevailing, Style};
use crate::catalog::{ColumnNumber, Constraint, ConstraintKind, Index, Oid, Relation, Snapshot};
use crate::text::identifier::MAXIMUM_BYTES;
use crate::text::words::snake_case;

/// The longest name that we make: one byte below the limit, since a name at the limit looks as if it had been cut.
const LONGEST: usize = MAXIMUM_BYTES - 1;
/// Bytes kept for the number of a name that was cut or is taken.
const NUMBER_BYTES: usize = 6;

/// How one kind of name is given in this database.
#[derive(Clone, Debug)]
pub struct Habit<'a> {
    /// How many names follow which style.
    pub census: Census<'a>,
    /// What prevails.
    pub prevailing: Prevailing,
}

impl<'a> Habit<'a> {
    /// What the counted names show.
    pub fn of(census: Census<'a>, convention: &Convention, share: f64, minimum: f64) -> Self {
        let prevailing = census.prevailing(convention, share, minimum);
        Self { census, prevailing }
    }

    /// The style of a new name.
    fn style(&self, convention: &Convention) -> Style {
        match self.prevailing {
            Prevailing::Learned(style) => style,
            Prevailing::House | Prevailing::Mixed => convention.house.first().copied().unwrap_or_default(),
        }
    }
}

/// Gives names that are free, fit in, and that no naming rule objects to.
pub struct Names<'a> {
    snapshot: &'a Snapshot,
    /// `(schema, name)` of every relation.
    relations: OnceCell<FxHashSet<(Oid, &'a str)>>,
    /// `(schema, name)` of every index that was handed out here.
    handed_out: FxHashSet<(Oid, String)>,
    /// `(table, name)` of every constraint that was handed out here.
    handed_out_constraints: FxHashSet<(Oid, String)>,
    indexes: OnceCell<Habit<'a>>,
    constraints: OnceCell<Habit<'a>>,
}

impl<'a> Names<'a> {
    /// Learns the names in use when the first is asked for. Build it once for a rule, not once for a finding.
    pub fn learn(snapshot: &'a Snapshot) -> Self {
        Self {
            snapshot,
            relations: OnceCell::new(),
            handed_out: FxHashSet::default(),
            handed_out_constraints: FxHashSet::default(),
            indexes: OnceCell::new(),
            constraints: OnceCell::new(),
        }
    }

    /// The same with the habit of naming indexes known already.
    pub fn with_index_habit(snapshot: &'a Snapshot, habit: Habit<'a>) -> Self {
        Self { indexes: OnceCell::from(habit), ..Self::learn(snapshot) }
    }

    /// The same with the habit of naming constraints known already.
    pub fn with_constraint_habit(snapshot: &'a Snapshot, habit: Habit<'a>) -> Self {
        Self { constraints: OnceCell::from(habit), ..Self::learn(snapshot) }
    }

    /// How this database names indexes.
    pub fn index_habit(&self) -> &Habit<'a> {
        self.indexes.get_or_init(|| {
            let tables = self.snapshot.judged_tables();
            let judged = tables.flat_map(|table| judged_indexes(self.snapshot, table));
            let names = judged.map(|(index, style)| (style, &*index.name));
            Habit::of(names.collect(), &index_style::CONVENTION, MAJORITY_SHARE, MINIMUM_NAMES)
        })
    }

    /// How this database names constraints.
    pub fn constraint_habit(&self) -> &Habit<'a> {
        self.constraints.get_or_init(|| {
            let tables = self.snapshot.judged_tables();
            let judged = tables.flat_map(|table| judged_constraints(self.snapshot, table));
            let names = judged.map(|(constraint, style)| (style, &*constraint.name));
            Habit::of(names.collect(), &constraint_style::CONVENTION, MAJORITY_SHARE, MINIMUM_NAMES)
        })
    }

    /// A free name for a new index on these columns of a table.
    pub fn index(&mut self, table: Oid, columns: &[&str]) -> String {
        let (schema, name) =
            self.snapshot.relation(table).map_or((0, ""), |relation| (relation.schema, &*relation.name));
        let (stem, suffix) =
            index_style::parts(self.index_habit().style(&index_style::CONVENTION), name, columns);
        let name = fit(&stem, suffix, |name| self.is_relation(schema, name));
        self.handed_out.insert((schema, name.clone()));
        name
    }

    /// A free name for a new constraint on these columns of a table; `None` for a kind that needs no name.
    pub fn constraint(&mut self, table: Oid, kind: ConstraintKind, columns: &[&str]) -> Option<String> {
        let style = self.constraint_habit().style(&constraint_style::CONVENTION);
        let relation = self.snapshot.relation(table)?;
        let (stem, suffix) = constraint_style::parts(style, kind, &relation.name, columns)?;
        let has_index =
            matches!(kind, ConstraintKind::PrimaryKey | ConstraintKind::Unique | ConstraintKind::Exclusion);
        let family = self.family_constraints(table);
        let name = fit(&stem, &suffix, |name| {
            family.contains(name)
                || self.handed_out_constraints.contains(&(table, name.to_owned()))
                || (has_index && self.is_relation(relation.schema, name))
        });
        self.handed_out_constraints.insert((table, name.clone()));
        if has_index {
            self.handed_out.insert((relation.schema, name.clone()));
        }
        Some(name)
    }

    /// The name that an index should have; `None` where that would have to be cut or numbered, so that the index needs
    /// a name of its own. What was handed out here does not count: two equal indexes should both have it.
    ///
    /// Where columns do not say all, as with expressions, predicates and INCLUDE, the words of the old name are kept.
    pub fn proper_index_name(&self, index: &Index) -> Option<String> {
        let relation = self.snapshot.relation(index.table)?;
        let numbers: Vec<ColumnNumber> = index.key_columns().iter().map(|key| key.column).collect();
        let is_plain =
            index.predicate.is_none() && !numbers.contains(&0) && index.included_columns().is_empty();
        let columns = self.telling(index.table, &numbers, &index.name, is_plain);
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let style = self.index_habit().style(&index_style::CONVENTION);
        let (stem, suffix) = index_style::parts(style, &relation.name, &columns);
        let name = format!("{stem}{suffix}");
        (name.len() <= LONGEST && !self.is_in_catalog(relation.schema, &name)).then_some(name)
    }

    /// The proper name of an index that has another; `None` where there is none that would fit in.
    pub fn renamed_index(&mut self, index: &Index) -> Option<String> {
        let relation = self.snapshot.relation(index.table)?;
        let name = self.proper_index_name(index)?;
        let style = index_style::style_of(&name, &snake_case(&relation.name), index.is_unique);
        let prevailing = self.index_habit().prevailing;
        let fits = style.is_none_or(|style| !prevailing.is_outlier(style, &index_style::CONVENTION));
        let is_free = self.handed_out.insert((relation.schema, name.clone()));
        (fits && is_free).then_some(name)
    }

    /// A name that fits in for a constraint that has one that does not; `None` where it would have to be cut.
    pub fn renamed_constraint(&mut self, constraint: &Constraint) -> Option<String> {
        let relation = self.snapshot.relation(constraint.table)?;
        // A CHECK says what must hold, and its author's words say it better than its columns.
        let is_plain = constraint.kind != ConstraintKind::Check && !constraint.columns.is_empty();
        let columns = self.telling(constraint.table, &constraint.columns, &constraint.name, is_plain);
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let style = self.constraint_habit().style(&constraint_style::CONVENTION);
        let (stem, suffix) = constraint_style::parts(style, constraint.kind, &relation.name, &columns)?;
        if stem.len() + suffix.len() > LONGEST {
            return None;
        }
        let name = self.constraint(constraint.table, constraint.kind, &columns)?;
        let style = constraint_style::style_of(constraint.kind, &name, &snake_case(&relation.name));
        let prevailing = self.constraint_habit().prevailing;
        let fits = style.is_none_or(|style| !prevailing.is_outlier(style, &constraint_style::CONVENTION));
        fits.then_some(name)
    }

    /// The words that a new name puts after the table's: the columns, or what the old name said.
    fn telling(&self, table: Oid, numbers: &[ColumnNumber], old: &str, is_plain: bool) -> Vec<String> {
        let name = self.snapshot.relation(table).map_or("", |relation| &*relation.name);
        let words = telling_words(old, name);
        if !is_plain && !words.is_empty() {
            return vec![words];
        }
        let column =
            |&number: &ColumnNumber| self.snapshot.column(table, number).map(|found| found.name.to_string());
        let columns: Vec<String> = numbers.iter().filter_map(column).collect();
        if columns.is_empty() { vec!["expression".to_owned()] } else { columns }
    }

    fn is_relation(&self, schema: Oid, name: &str) -> bool {
        self.is_in_catalog(schema, name) || self.handed_out.contains(&(schema, name.to_owned()))
    }

    fn is_in_catalog(&self, schema: Oid, name: &str) -> bool {
        let relations = self.relations.get_or_init(|| {
            let snapshot = self.snapshot;
            let schema_of = |table: Oid| snapshot.relation(table).map_or(0, |relation| relation.schema);
            let indexes = snapshot.indexes.iter().map(|index| (schema_of(index.table), &*index.name));
            let tables = snapshot.relations.iter().map(|relation| (relation.schema, &*relation.name));
            let sequences = snapshot.sequences.iter().map(|sequence| (sequence.schema, &*sequence.name));
            indexes.chain(tables).chain(sequences).collect()
        });
        relations.contains(&(schema, name))
    }

    /// The names of all constraints of a table and of those below it, which take a CHECK's new name over.
    fn family_constraints(&self, table: Oid) -> FxHashSet<&'a str> {
        let mut names = FxHashSet::default();
        let mut seen = FxHashSet::default();
        let mut open = vec![table];
        while let Some(table) = open.pop() {
            if seen.insert(table) {
                names.extend(self.snapshot.constraints_of(table).iter().map(|constraint| &*constraint.name));
                open.extend(self.snapshot.children_of(table));
            }
        }
        names
    }
}

/// The indexes of a table that are judged by name, with its style: not those that back a constraint, whose name is the
/// constraint's, nor those that belong to a parent's.
pub fn judged_indexes<'a>(
    snapshot: &'a Snapshot,
    table: &'a Relation,
) -> impl Iterator<Item = (&'a Index, Style)> {
    let name = snake_case(&table.name);
    let backing: Vec<Oid> = snapshot
        .constraints_of(table.oid)
        .iter()
        .filter(|constraint| constraint.kind != ConstraintKind::ForeignKey && constraint.index != 0)
        .map(|constraint| constraint.index)
        .collect();
    snapshot.indexes_of(table.oid).iter().filter_map(move |index| {
        if index.is_partition || index.is_primary || backing.contains(&index.oid) {
            return None;
        }
        index_style::style_of(&index.name, &name, index.is_unique).map(|style| (index, style))
    })
}

/// The constraints of a table that are judged by name, with its style: not those that come from a parent.
pub fn judged_constraints<'a>(
    snapshot: &'a Snapshot,
    table: &'a Relation,
) -> impl Iterator<Item = (&'a Constraint, Style)> {
    let name = snake_case(&table.name);
    // A CHECK that a child declares too is merged with its parent's, and is renamed only with it.
    let handed_down =
        snapshot.parents.get(&table.oid).map_or(&[][..], |&parent| snapshot.constraints_of(parent));
    let is_merged = move |constraint: &Constraint| {
        constraint.kind == ConstraintKind::Check
            && handed_down.iter().any(|other| other.kind == constraint.kind && other.name == constraint.name)
    };
    snapshot.constraints_of(table.oid).iter().filter_map(move |constraint| {
        if constraint.parent != 0 || constraint.is_inherited || is_merged(constraint) {
            return None;
        }
        constraint_style::style_of(constraint.kind, &constraint.name, &name).map(|style| (constraint, style))
    })
}

/// `stem` and `suffix` in one name of at most [`LONGEST`] bytes that is not taken; what is cut or taken gets a number.
fn fit(stem: &str, suffix: &str, taken: impl Fn(&str) -> bool) -> String {
    let whole = format!("{stem}{suffix}");
    if whole.len() <= LONGEST && !taken(&whole) {
        return whole;
    }
    let room = LONGEST.saturating_sub(suffix.len() + NUMBER_BYTES);
    let stem = &stem[..stem.floor_char_boundary(room)];
    let mut number = 1_u32;
    loop {
        let candidate =
            if suffix.is_empty() { format!("{stem}_{number}") } else { format!("{stem}{suffix}{number}") };
        if !taken(&candidate) {
            return candidate;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::Sample;
    use crate::catalog::types::builtin;

    fn shop(indexes: &[&str]) -> (Snapshot, Oid) {
        let mut sample = Sample::new();
        let table = sample.keyed_table("orders");
        sample.column(table, "customer_id", builtin::INT8);
        for name in indexes {
            sample.index(table, name, &["customer_id"]);
        }
        (sample.finish(), table)
    }

    #[test]
    fn a_new_name_follows_what_prevails() {
        for (old, new) in [
            ("idx_orders_{}", "idx_orders_customer_id"),
            ("orders_{}_idx", "orders_customer_id_idx"),
            ("index_orders_on_{}", "index_orders_on_customer_id"),
            ("ix_orders_{}", "ix_orders_customer_id"),
            ("orders_{}_index", "orders_customer_id_index"),
            ("orders_idx_{}", "orders_idx_customer_id"),
            ("orders_{}_6821ab7c_like", "idx_orders_customer_id"),
        ] {
            let olds: Vec<String> =
                ["a", "b", "c", "d", "e"].iter().map(|end| old.replace("{}", end)).collect();
            let (snapshot, table) = shop(&olds.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(Names::learn(&snapshot).index(table, &["customer_id"]), new);
            // Four are too few to learn from.
            let (snapshot, table) = shop(&olds.iter().take(4).map(String::as_str).collect::<Vec<_>>());
            assert_eq!(Names::learn(&snapshot).index(table, &["customer_id"]), "idx_orders_customer_id");
        }
    }

    #[test]
    fn a_name_is_given_once_and_below_the_limit() {
        let (snapshot, table) = shop(&["idx_orders_customer_id"]);
        let mut names = Names::learn(&snapshot);
        assert_eq!(names.index(table, &["customer_id"]), "idx_orders_customer_id_1");
        assert_eq!(names.index(table, &["customer_id"]), "idx_orders_customer_id_2");
        let long = "c".repeat(60);
        let (first, second) = (names.index(table, &[&long]), names.index(table, &[&long]));
        assert!(first != second && first.len() <= LONGEST && second.len() <= LONGEST);
        let wide = "ü".repeat(31);
        assert!(names.index(table, &[&wide]).len() <= LONGEST);
        assert_eq!(names.index(table, &[]), "idx_orders");
    }

    #[test]
    fn a_suffix_survives_the_cut() {
        let olds = ["orders_a_idx", "orders_b_idx", "orders_c_idx", "orders_d_idx", "orders_e_idx"];
        let (snapshot, table) = shop(&olds);
        let long = "c".repeat(60);
        let name = Names::learn(&snapshot).index(table, &[&long]);
        assert!(name.ends_with("_idx1") && name.len() <= LONGEST, "{name}");
    }

    #[test]
    fn a_constraint_avoids_those_of_children_and_relations() {
        let mut sample = Sample::new();
        let parent = sample.keyed_table("orders");
        let child = sample.keyed_table("old_orders");
        sample.column(parent, "total", builtin::INT8);
        sample.column(child, "total", builtin::INT8);
        sample.check(child, "chk_orders_total", &["total"]);
        sample.inherit(parent, child);
        sample.table("uq_orders_total");
        let snapshot = sample.finish();
        let mut names = Names::learn(&snapshot);
        let mut name = |kind| names.constraint(parent, kind, &["total"]);
        assert_eq!(name(ConstraintKind::Check).as_deref(), Some("chk_orders_total_1"));
        assert_eq!(name(ConstraintKind::Unique).as_deref(), Some("uq_orders_total_1"));
        assert_eq!(name(ConstraintKind::ForeignKey).as_deref(), Some("fk_orders_total"));
        assert_eq!(name(ConstraintKind::PrimaryKey).as_deref(), Some("orders_pkey1"));
        assert_eq!(name(ConstraintKind::NotNull), None);
    }

    #[test]
    fn a_gone_table_gets_a_name_all_the_same() {
        let (snapshot, _) = shop(&[]);
        assert_eq!(Names::learn(&snapshot).index(999, &["a"]), "idx_a");
    }
}
