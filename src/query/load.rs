//! What each query takes of the server's time, whoever ran it.

use std::borrow::Cow;

use rustc_hash::FxHashMap;

use crate::catalog::workload::Statements;
use crate::catalog::{Relation, Snapshot};
use crate::finding::{Facts, Finding, Verdicts, fingerprint};
use crate::syntax::normalised::{RelationName, relations_of};

/// How many queries rules look at, those that take the most time: what comes behind is noise.
const MOST: usize = 100;

/// One text, whoever ran it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Load<'a> {
    /// The text, with parameters in the place of constants.
    pub text: &'a str,
    /// How often it ran.
    pub calls: f64,
    /// Milliseconds of all runs together.
    pub total_ms: f64,
    /// Rows that all runs returned or wrote.
    pub rows: f64,
    /// Blocks that all runs read, in memory or not.
    pub blocks: f64,
    /// Blocks of temporary files that all runs wrote.
    pub spilled: f64,
    /// The share of the time that all queries took, 0..1.
    pub share: f64,
}

impl Load<'_> {
    /// Milliseconds of a run on average.
    pub fn mean_ms(&self) -> f64 {
        self.total_ms / self.calls.max(1.0)
    }

    /// Rows of a run on average.
    pub fn rows_per_call(&self) -> f64 {
        self.rows / self.calls.max(1.0)
    }

    /// Blocks that a run reads on average.
    pub fn blocks_per_call(&self) -> f64 {
        self.blocks / self.calls.max(1.0)
    }

    /// What a finding calls it: the text on one line, cut where it is long and then told apart by a number that depends
    /// on nothing but the text.
    pub fn name(&self) -> String {
        const LONGEST: usize = 80;
        let line: String = self.text.split_whitespace().collect::<Vec<_>>().join(" ");
        if line.chars().count() <= LONGEST {
            return line;
        }
        let start: String = line.chars().take(LONGEST - 14).collect();
        format!("{}... #{}", start.trim_end(), &fingerprint("query", &line)[..8])
    }

    /// The tables that the text names, as far as there are any of those names.
    pub fn tables<'s>(&self, snapshot: &'s Snapshot) -> Vec<&'s Relation> {
        relations_of(self.text).iter().filter_map(|name| resolved(snapshot, name)).collect()
    }

    /// A finding about it, with the numbers that all have.
    pub fn finding(&self, message: String) -> Finding {
        let rounded = |value: f64| (value * 1_000.0).round() / 1_000.0;
        Finding::new(self.name(), "", message)
            .evidence("query", self.text)
            .evidence("calls", self.calls)
            .evidence("total_time_ms", rounded(self.total_ms))
            .evidence("mean_time_ms", rounded(self.mean_ms()))
            .evidence("rows_per_call", rounded(self.rows_per_call()))
            .evidence("share_of_time", rounded(self.share))
    }
}

/// The table that a text means by that name; where several schemas have one and none is named, the one in `public`.
pub fn resolved<'s>(snapshot: &'s Snapshot, name: &RelationName) -> Option<&'s Relation> {
    let mut named = snapshot.relations.iter().filter(|relation| {
        *relation.name == *name.name
            && name.schema.as_ref().is_none_or(|schema| snapshot.schema_name(relation.schema) == schema)
    });
    let first = named.next()?;
    let others: Vec<&Relation> = named.collect();
    if others.is_empty() {
        return Some(first);
    }
    std::iter::once(first).chain(others).find(|relation| snapshot.schema_name(relation.schema) == "public")
}

/// The queries that took the most time, most first; one row a text.
pub fn loads(statements: &Statements) -> Vec<Load<'_>> {
    let total = statements.total_ms().max(f64::MIN_POSITIVE);
    let mut by_text: FxHashMap<&str, Load<'_>> = FxHashMap::default();
    for statement in statements.visible() {
        let text = statement.text.as_deref().unwrap_or_default();
        let load = by_text.entry(text).or_insert_with(|| Load { text, ..Load::default() });
        load.calls += statement.calls;
        load.total_ms += statement.total_ms;
        load.rows += statement.rows;
        load.blocks += statement.blocks_hit + statement.blocks_read;
        load.spilled += statement.blocks_spilled;
        load.share = load.total_ms / total;
    }
    let mut loads: Vec<Load<'_>> = by_text.into_values().collect();
    loads.sort_by(|one, other| other.total_ms.total_cmp(&one.total_ms).then(one.text.cmp(other.text)));
    loads.truncate(MOST);
    loads
}

/// Has each query judged, and says what cannot be.
pub fn judge_each(
    facts: &Facts<'_>,
    verdicts: &mut Verdicts<'_>,
    mut judge: impl FnMut(&Load<'_>, &[Load<'_>], &Verdicts<'_>) -> Option<Finding>,
) {
    let statements = &facts.snapshot.statements;
    let missing: Option<Cow<'_, str>> = match statements {
        Statements::NotRead => Some("nobody read what was counted".into()),
        Statements::Missing(reason) => Some((&**reason).into()),
        Statements::Counted { .. } => None,
    };
    if let Some(reason) = missing {
        verdicts.unknown_all(1, format!("no query can be judged: {reason}"));
        return;
    }
    let loads = loads(statements);
    for load in &loads {
        (facts.interrupt)();
        verdicts.examine(1);
        if let Some(finding) = judge(load, &loads, verdicts) {
            verdicts.find(finding);
        }
    }
    let hidden = statements.hidden();
    if hidden > 0 {
        verdicts.unknown_all(
            hidden,
            "queries of other roles hide their texts from this one: GRANT pg_read_all_stats to it",
        );
    }
}

#[cfg(test)]
pub mod testing {
    //! Statements for tests of rules.

    use super::*;
    use crate::catalog::sample::{Sample, run};
    use crate::catalog::workload::Statement;
    use crate::finding::Rule;

    /// A statement that ran a thousand times, a millisecond and a row each.
    pub fn statement(text: &str, edit: impl FnOnce(&mut Statement)) -> Statement {
        let mut statement = Statement {
            text: Some(text.into()),
            role: 10,
            calls: 1_000.0,
            total_ms: 1_000.0,
            rows: 1_000.0,
            blocks_hit: 4_000.0,
            ..Statement::default()
        };
        edit(&mut statement);
        statement
    }

    /// Messages of what the rule finds.
    pub fn findings(rule: &Rule, mut sample: Sample, statements: Vec<Statement>) -> Vec<String> {
        sample.snapshot.statements = Statements::Counted { statements: statements.into(), since: None };
        let snapshot = sample.finish();
        run(rule, &snapshot).0.into_iter().map(|finding| finding.message).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::statement;
    use super::*;
    use crate::catalog::sample::Sample;

    #[test]
    fn one_text_is_one_load_whoever_ran_it() {
        let statements = Statements::Counted {
            statements: Box::new([
                statement("SELECT 1", |statement| statement.role = 11),
                statement("SELECT 1", |statement| statement.total_ms = 2_000.0),
                statement("SELECT 2", |statement| statement.total_ms = 3_000.0),
            ]),
            since: None,
        };
        let loads = loads(&statements);
        let shown: Vec<_> = loads.iter().map(|load| (load.text, load.calls, load.share)).collect();
        assert_eq!(shown, [("SELECT 1", 2_000.0, 0.5), ("SELECT 2", 1_000.0, 0.5)]);
    }

    #[test]
    fn names_are_short_and_still_their_own() {
        let name = |text: &str| Load { text, ..Load::default() }.name();
        assert_eq!(name("SELECT  1\n  FROM t"), "SELECT 1 FROM t");
        let (one, other) = (format!("SELECT {} a", "x".repeat(100)), format!("SELECT {} b", "x".repeat(100)));
        assert!(name(&one).chars().count() <= 80 && name(&one) != name(&other), "{}", name(&one));
        assert_eq!(name(&"é".repeat(80)), "é".repeat(80));
    }

    #[test]
    fn names_of_tables_are_looked_up_as_a_session_would() {
        let mut sample = Sample::new();
        let other = sample.schema("other");
        let (own, stranger) = (sample.table("orders"), sample.table_in(other, "orders"));
        let only = sample.table_in(other, "items");
        let snapshot = sample.finish();
        let tables = |text: &str| -> Vec<u32> {
            Load { text, ..Load::default() }.tables(&snapshot).iter().map(|table| table.oid).collect()
        };
        assert_eq!(tables("SELECT * FROM orders"), [own]);
        assert_eq!(tables("SELECT * FROM other.orders o, items"), [only, stranger]);
        assert!(tables("SELECT * FROM nowhere").is_empty());
    }
}
