//! One piece of advice about a query, whichever part of the room gave it.

use serde_json::{Map, Value};

use crate::finding::Severity;

/// What kind of advice it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An index to create.
    Index,
    /// Another text of the query.
    Rewrite,
    /// Something in the plan that is slow, whatever helps against it.
    RedFlag,
    /// Statistics to gather.
    Statistics,
    /// A setting of the server.
    Setting,
}

impl Kind {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Rewrite => "rewrite",
            Self::RedFlag => "red_flag",
            Self::Statistics => "statistics",
            Self::Setting => "setting",
        }
    }
}

/// One piece of advice.
#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    /// What kind it is.
    pub kind: Kind,
    /// How bad it is not to follow it.
    pub severity: Severity,
    /// `query.what_is_wrong`; never changes its meaning.
    pub rule: &'static str,
    /// One sentence in lower case that names the object.
    pub message: String,
    /// The numbers behind it.
    pub evidence: Map<String, Value>,
    /// What to run instead, or to run once: the new query, CREATE INDEX, ANALYZE, SET.
    pub sql: Option<String>,
    /// The planner's cost of the query as it is.
    pub cost_before: Option<f64>,
    /// The planner's cost of the query if the advice is followed.
    pub cost_after: Option<f64>,
    /// Whether the server's own planner showed the gain and, for a rewrite, the conditions under which it returns the
    /// same rows were checked and hold.
    pub proven: bool,
}

impl Advice {
    /// Advice without evidence, SQL or proof yet.
    pub fn new(kind: Kind, severity: Severity, rule: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            severity,
            rule,
            message: message.into(),
            evidence: Map::new(),
            sql: None,
            cost_before: None,
            cost_after: None,
            proven: false,
        }
    }

    /// With one more piece of evidence.
    pub fn evidence(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.evidence.insert(name.to_owned(), value.into());
        self
    }

    /// With what to run.
    pub fn sql(mut self, sql: impl Into<String>) -> Self {
        self.sql = Some(sql.into());
        self
    }
}
