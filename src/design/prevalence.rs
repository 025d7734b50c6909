//! Habits of a whole database, told once.
//!
//! A database in which nearly every table does the same thing has made a decision, good or bad. To repeat it table
//! by table buries everything else, so that a rule then speaks of the database, and counts as having looked at that
//! one decision: a part-way repair, which brings the tables back one by one, can then not lower the score.

use crate::catalog::{Column, Relation, Snapshot, Type};
use crate::finding::{Facts, Finding, Threshold, Verdicts};
use crate::text::quote_qualified;

use super::designed::designed_tables_with_columns;

/// From which share a practice counts as the database's habit.
pub const PREVAILING_SHARE: Threshold = Threshold {
    name: "prevailing_share",
    default: 0.9,
    range: (0.0, 1.0),
    meaning: "share of the columns of this kind above which the practice is the database's habit and is reported once \
              (nine in ten: exceptions are accidents)",
};

/// In how many tables a practice must be seen to be a habit.
pub const PREVAILING_TABLES: Threshold = Threshold {
    name: "prevailing_tables",
    default: 10.0,
    range: (1.0, 1e6),
    meaning: "number of tables from which the practice can be the database's habit (fewer are quicker read one by one)",
};

/// How many tables a finding about a habit names.
const EXAMPLES: usize = 5;

/// The object of a finding about a habit. Without the database's name, so that what was decided about it holds in a
/// copy of another name too.
pub const DATABASE: &str = "database";

/// Who follows a practice.
#[derive(Default)]
pub struct Practice<'a> {
    /// The tables in which it is seen, each with what was seen there.
    pub tables: Vec<(&'a Relation, Vec<&'a Column>)>,
    /// Columns of the kind, those that do otherwise included.
    pub kin: u64,
    /// Tables that have columns of the kind.
    pub kin_tables: u64,
}

impl<'a> Practice<'a> {
    /// Looks at the columns of all designed tables. `judge` says `None` of a column of another kind, else whether
    /// it follows the practice.
    pub fn observe(
        facts: &Facts<'a>,
        mut judge: impl FnMut(&'a Relation, &'a Column, &'a Type) -> Option<bool>,
    ) -> Self {
        let snapshot = facts.snapshot;
        let mut practice = Self::default();
        for (table, columns) in designed_tables_with_columns(facts) {
            let mut following = Vec::new();
            let mut kin = 0;
            // An inherited column is reported where it comes from.
            for column in columns.iter().filter(|column| !column.is_inherited) {
                let Some(base) = snapshot.base_type(column.type_oid) else { continue };
                if let Some(follows) = judge(table, column, base) {
                    kin += 1;
                    if follows {
                        following.push(column);
                    }
                }
            }
            practice.kin += kin;
            practice.kin_tables += u64::from(kin > 0);
            if !following.is_empty() {
                practice.tables.push((table, following));
            }
        }
        practice
    }

    /// How many columns follow it.
    pub fn following(&self) -> u64 {
        self.tables.iter().map(|(_, columns)| columns.len() as u64).sum()
    }

    /// Whether it is the database's habit, by [`PREVAILING_SHARE`] and [`PREVAILING_TABLES`].
    fn prevails(&self, verdicts: &Verdicts<'_>) -> bool {
        self.tables.len() as f64 >= verdicts.threshold(PREVAILING_TABLES.name)
            && self.following() as f64 > verdicts.threshold(PREVAILING_SHARE.name) * self.kin as f64
    }

    /// Reports the practice once if it is the database's habit, and says whether it did.
    ///
    /// `message` gets "n of m columns in k tables".
    pub fn report_habit(
        &self,
        snapshot: &Snapshot,
        verdicts: &mut Verdicts<'_>,
        message: impl FnOnce(&str) -> String,
    ) -> bool {
        if !self.prevails(verdicts) {
            return false;
        }
        let following = self.following();
        let extent = format!("{following} of {} columns in {} tables", self.kin, self.tables.len());
        let mut names: Vec<(&str, &str)> =
            self.tables.iter().map(|(table, _)| (snapshot.schema_name(table.schema), &*table.name)).collect();
        names.sort_unstable();
        let examples: Vec<String> =
            names.into_iter().take(EXAMPLES).map(|(schema, name)| quote_qualified(schema, name)).collect();
        verdicts.examine(1);
        verdicts.find(
            Finding::new(DATABASE, "", message(&extent))
                .evidence("columns", following)
                .evidence("columns_of_this_kind", self.kin)
                .evidence("tables", self.tables.len() as u64)
                .evidence("for_example", examples),
        );
        true
    }

    /// Reports the habit if it is one, else every column by itself.
    pub fn report_columns(
        &self,
        facts: &Facts<'a>,
        verdicts: &mut Verdicts<'_>,
        habit: impl FnOnce(&str) -> String,
        mut each: impl FnMut(&'a Relation, &'a Column) -> Finding,
    ) {
        if self.report_habit(facts.snapshot, verdicts, habit) {
            return;
        }
        verdicts.examine(self.kin);
        for (table, columns) in &self.tables {
            for column in columns {
                verdicts.find(each(table, column));
            }
        }
    }

    /// Reports the habit if it is one, else every table with its columns.
    pub fn report_tables(
        &self,
        facts: &Facts<'a>,
        verdicts: &mut Verdicts<'_>,
        habit: impl FnOnce(&str) -> String,
        mut each: impl FnMut(&'a Relation, &[&'a Column]) -> Finding,
    ) {
        if self.report_habit(facts.snapshot, verdicts, habit) {
            return;
        }
        verdicts.examine(self.kin_tables);
        for (table, columns) in &self.tables {
            verdicts.find(each(table, columns));
        }
    }
}

/// The bare names of columns, for evidence and messages.
pub fn names_of(columns: &[&Column]) -> Vec<String> {
    columns.iter().map(|column| column.name.to_string()).collect()
}
