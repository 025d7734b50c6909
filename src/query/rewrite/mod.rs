//! Anti-patterns in a query, and the text that does better.
//!
//! A rule is a pure function from an analysed query to [`Proposal`]s. It says under which condition the rewritten
//! query returns the same rows, and claims it proven only where the catalogs and the query prove it. Where this
//! server's planner does the same by itself, a rule is silent.

mod alternatives;
mod alternatives_over_columns;
mod anti_join_by_column;
mod any_of_array_column;
mod arithmetic_on_column;
mod between_to_midnight;
mod cast_on_column;
mod change_without_where;
mod coalesce_in_condition;
mod compared_with_null;
mod correlated_subquery;
mod count_distinct;
mod count_for_existence;
mod decorrelation;
mod distinct_of_few;
mod distinct_over_join;
mod exact_count;
mod extreme_with_filter;
mod filter;
mod first_row_by_window;
mod folded_case;
mod function_on_column;
mod index_use;
mod join_without_condition;
mod json_text_condition;
mod leading_wildcard;
mod long_in_list;
mod mixed_time_zones;
mod no_limit;
mod not_in;
mod offset;
mod or_in_join;
mod order_by_random;
mod order_in_subquery;
mod outer_join_made_inner;
mod pattern;
mod queue_without_skip_locked;
mod redundant_distinct;
mod repeated_subquery;
mod self_join;
mod star;
mod substring_as_prefix;
mod suffix_pattern;
#[cfg(test)]
mod testing;
mod unchanged_update;
mod union;
mod unused_join;
mod volatile_function_per_row;
mod wording;

use serde_json::{Map, Value};

use crate::catalog::query::edit::{Edit, Texts};
use crate::catalog::query::{Scope, Statement};
use crate::finding::Severity;

/// Whether the rewritten query returns the same rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Checked: it does.
    Proven,
    /// It does if this holds, which nobody could check. Reads on after "the same rows if …".
    Unless(String),
}

/// When a proposal is worth showing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gain {
    /// Only where the planner finds the rewritten query cheaper.
    Cost,
    /// Also where it does not: it is about correctness, or pays once there is an index.
    Always,
}

/// What a rule proposes.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// `query.what_is_wrong`
    pub rule: &'static str,
    /// How bad it is to leave it.
    pub severity: Severity,
    /// One sentence in lower case that names the object.
    pub message: String,
    /// What it was seen by.
    pub evidence: Map<String, Value>,
    /// What to change; empty for advice without a text.
    pub edits: Vec<Edit>,
    /// Whether the change keeps the result.
    pub condition: Condition,
    /// When it is worth showing.
    pub gain: Gain,
    /// SQL to run once, such as CREATE INDEX, where the query itself may stay.
    pub statement: Option<String>,
}

impl Proposal {
    /// Advice without a text.
    pub fn advice(rule: &'static str, severity: Severity, message: impl Into<String>) -> Self {
        Self {
            rule,
            severity,
            message: message.into(),
            evidence: Map::new(),
            edits: Vec::new(),
            condition: Condition::Proven,
            gain: Gain::Always,
            statement: None,
        }
    }

    /// With a rewrite that is shown where it is cheaper.
    pub fn edits(mut self, edits: Vec<Edit>, condition: Condition) -> Self {
        self.edits = edits;
        self.condition = condition;
        self.gain = Gain::Cost;
        self
    }

    /// Shown whatever the planner says.
    pub fn always(mut self) -> Self {
        self.gain = Gain::Always;
        self
    }

    /// With one more piece of evidence.
    pub fn evidence(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.evidence.insert(name.to_owned(), value.into());
        self
    }

    /// With something to run once.
    pub fn statement(mut self, sql: impl Into<String>) -> Self {
        self.statement = Some(sql.into());
        self
    }
}

/// What a rule is given beside the query.
pub struct Context<'a> {
    /// The whole statement.
    pub statement: &'a Statement,
    /// Prints parts of it.
    pub texts: &'a dyn Texts,
}

/// Looks at one query of a statement, those within it left to further calls.
pub type Check = fn(&Scope<'_>, &Context<'_>, &mut Vec<Proposal>);

/// One rule.
pub struct Rule {
    /// `query.what_is_wrong`
    pub id: &'static str,
    /// What it does.
    pub check: Check,
}

/// Every rule, by id.
pub const RULES: &[Rule] = &[
    anti_join_by_column::RULE,
    any_of_array_column::RULE,
    arithmetic_on_column::RULE,
    between_to_midnight::RULE,
    cast_on_column::RULE,
    change_without_where::RULE,
    coalesce_in_condition::RULE,
    compared_with_null::RULE,
    correlated_subquery::RULE,
    count_distinct::RULE,
    count_for_existence::RULE,
    distinct_of_few::RULE,
    distinct_over_join::RULE,
    exact_count::RULE,
    extreme_with_filter::RULE,
    first_row_by_window::RULE,
    folded_case::RULE,
    function_on_column::RULE,
    join_without_condition::RULE,
    json_text_condition::RULE,
    correlated_subquery::LATEST,
    leading_wildcard::RULE,
    long_in_list::RULE,
    mixed_time_zones::RULE,
    no_limit::RULE,
    not_in::RULE,
    offset::RULE,
    or_in_join::RULE,
    alternatives::RULE,
    alternatives_over_columns::RULE,
    order_by_random::RULE,
    order_in_subquery::RULE,
    outer_join_made_inner::RULE,
    queue_without_skip_locked::RULE,
    redundant_distinct::RULE,
    repeated_subquery::RULE,
    star::RULE,
    self_join::RULE,
    substring_as_prefix::RULE,
    suffix_pattern::RULE,
    unchanged_update::RULE,
    union::RULE,
    unused_join::RULE,
    volatile_function_per_row::RULE,
];

/// What one rule proposes for a statement.
pub fn propose_by(rule: &Rule, statement: &Statement, texts: &dyn Texts) -> Vec<Proposal> {
    let mut proposals = Vec::new();
    let context = Context { statement, texts };
    Scope::top(&statement.query).each(&mut |scope| (rule.check)(scope, &context, &mut proposals));
    proposals
}

/// What all rules propose for a statement.
pub fn propose(statement: &Statement, texts: &dyn Texts) -> Vec<Proposal> {
    RULES.iter().flat_map(|rule| propose_by(rule, statement, texts)).collect()
}
