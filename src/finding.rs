//! Judgement: what a rule is, what it is given, and what it may say.
//!
//! A rule is a pure function from [`Facts`] to a [`Verdicts`] list. It says how many objects it looked at, what it
//! found wrong, and what it could not judge; silence means that all is well.

use serde_json::{Map, Value};

use crate::catalog::{Oid, Snapshot};

/// One of the seven dimensions of an audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// Design of tables, columns, keys and names.
    Schema,
    /// Indexes: missing, unused, duplicate, broken.
    Indexing,
    /// Queries.
    Query,
    /// Safety of changes.
    Migration,
    /// Roles, grants, row-level security.
    Security,
    /// Health and its observation.
    Monitoring,
    /// Backup and recovery.
    Backup,
}

impl Dimension {
    /// All seven, in the order in which they are shown.
    pub const ALL: [Self; 7] = [
        Self::Schema,
        Self::Indexing,
        Self::Query,
        Self::Migration,
        Self::Security,
        Self::Monitoring,
        Self::Backup,
    ];

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::Indexing => "indexing",
            Self::Query => "query",
            Self::Migration => "migration",
            Self::Security => "security",
            Self::Monitoring => "monitoring",
            Self::Backup => "backup",
        }
    }

    /// Its share of the overall score; the seven add up to 100.
    pub fn weight(self) -> u32 {
        match self {
            Self::Schema | Self::Query => 20,
            Self::Indexing | Self::Security => 15,
            Self::Migration | Self::Monitoring | Self::Backup => 10,
        }
    }

    /// The dimension of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dimension| dimension.name() == name)
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Costs something today or soon.
    Warning,
    /// Is wrong, or will break.
    Error,
    /// Loses data or stops service.
    Critical,
}

impl Severity {
    /// All, mildest first.
    pub const ALL: [Self; 4] = [Self::Info, Self::Warning, Self::Error, Self::Critical];

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }

    /// The severity of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.name() == name)
    }
}

/// A number that a rule compares with, which a user may change in `dbm.rule_setting`.
#[derive(Clone, Copy, Debug)]
pub struct Threshold {
    /// Its key in `dbm.rule_setting.thresholds`.
    pub name: &'static str,
    /// What it is unless changed.
    pub default: f64,
    /// The least and the greatest value that make sense.
    pub range: (f64, f64),
    /// What it means, with its unit and where the default comes from.
    pub meaning: &'static str,
}

impl Threshold {
    /// The value in force: what a user chose, kept within a range that may have become narrower since, or the default.
    pub fn in_force(&self, chosen: Option<f64>) -> f64 {
        chosen.map_or(self.default, |value| value.clamp(self.range.0, self.range.1))
    }

    /// What it is, with the value in force: `value`, `default`, `min`, `max`, `meaning`.
    pub fn described(&self, value: f64) -> Value {
        serde_json::json!({
            "value": value,
            "default": self.default,
            "min": self.range.0,
            "max": self.range.1,
            "meaning": self.meaning,
        })
    }
}

/// A rule: what it is called, why it matters, and how it is found.
#[derive(Clone, Copy)]
pub struct Rule {
    /// `dimension.what_is_wrong`; never changes its meaning.
    pub id: &'static str,
    /// The dimension whose score it moves.
    pub dimension: Dimension,
    /// Its severity unless a finding says otherwise.
    pub severity: Severity,
    /// One line.
    pub title: &'static str,
    /// What it costs to ignore.
    pub why: &'static str,
    /// The numbers it compares with.
    pub thresholds: &'static [Threshold],
    /// Where to read more: a section of the PostgreSQL manual or a well-known page.
    pub reference: &'static str,
    /// Finds it.
    pub check: fn(&Facts<'_>, &mut Verdicts<'_>),
}

impl Rule {
    /// The default of one of its thresholds.
    pub fn default_threshold(&self, name: &str) -> Option<f64> {
        self.thresholds.iter().find(|threshold| threshold.name == name).map(|found| found.default)
    }
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Rule").field(&self.id).finish()
    }
}

/// Definitions that only the server can write. Asked for only by what becomes a finding.
///
/// An answer of `None` means that it cannot be had now: the object is gone, or another session has its table locked.
pub trait Definitions {
    /// The complete `CREATE INDEX` of this index alone (`ON ONLY` where its table is partitioned), tablespace included.
    fn index(&self, index: Oid) -> Option<String>;
    /// The constraint's definition, as `pg_get_constraintdef(oid)`.
    fn constraint(&self, constraint: Oid) -> Option<String>;
    /// A column's type as `format_type(type, modifier)` writes it.
    fn type_name(&self, type_oid: Oid, modifier: i32) -> Option<String>;
    /// The comment on an object of the catalog `class`.
    fn comment(&self, class: Oid, object: Oid) -> Option<String>;
    /// What `ALTER … ALTER COLUMN … SET STATISTICS` set for a column of a table or an expression of an index.
    fn statistics_target(&self, relation: Oid, column: crate::catalog::ColumnNumber) -> Option<i16>;
    /// Whether a column is stored or compressed otherwise than its type would have it.
    fn has_own_storage(&self, table: Oid, column: crate::catalog::ColumnNumber) -> bool;
    /// The bytes that the main fork of a file takes on disk now.
    fn file_bytes(&self, file: crate::catalog::FileLocation) -> Option<u64>;
    /// The bytes that all forks of a file take on disk now.
    fn relation_bytes(&self, file: crate::catalog::FileLocation) -> Option<u64>;
    /// How full an index's leaf pages are, from a sample of them; `None` for other than B-tree indexes too.
    fn leaf_density(&self, index: &crate::catalog::Index) -> Option<LeafDensity>;
    /// `schema.name(types)` of a function, quoted.
    fn function_signature(&self, function: Oid) -> Option<String>;
    /// Whether a word is the password of a role; `None` where the caller may not know. Takes milliseconds.
    fn password_is(&self, role: Oid, word: &str) -> Option<bool>;
    /// When a file was made: when its relation was created or last rewritten.
    fn file_created(&self, file: crate::catalog::FileLocation) -> Option<crate::catalog::Moment>;
}

/// A measurement of a B-tree's leaf pages.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LeafDensity {
    /// How many pages were read.
    pub sampled_pages: u32,
    /// How many pages the index has now.
    pub pages: u32,
    /// Mean share of the usable space of a sampled page that holds entries, dead or deleted pages counting as empty.
    pub fill: f64,
}

/// All that a rule may know.
pub struct Facts<'a> {
    /// The catalogs and statistics.
    pub snapshot: &'a Snapshot,
    /// Lazy definitions.
    pub definitions: &'a dyn Definitions,
    /// Gives a cancelled query the chance to end; may unwind. Call it in loops over tables.
    pub interrupt: &'a dyn Fn(),
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub struct Finding {
    /// `None` takes the rule's.
    pub severity: Option<Severity>,
    /// The object, as a qualified quoted name; unique within the rule.
    pub object: String,
    /// The bare name of its schema, for filtering; empty for what belongs to none.
    pub schema: String,
    /// One sentence in lower case that names the object.
    pub message: String,
    /// The numbers behind it.
    pub evidence: Map<String, Value>,
    /// SQL that repairs it, one statement a line group ended by `;`, each safe to run on a busy server.
    pub fix: Option<String>,
    /// SQL that takes the repair back.
    pub undo: Option<String>,
}

impl Finding {
    /// A finding about `object` in `schema`.
    pub fn new(object: impl Into<String>, schema: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: None,
            object: object.into(),
            schema: schema.into(),
            message: message.into(),
            evidence: Map::new(),
            fix: None,
            undo: None,
        }
    }

    /// With a severity of its own.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = Some(severity);
        self
    }

    /// With one more piece of evidence.
    pub fn evidence(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.evidence.insert(name.to_owned(), value.into());
        self
    }

    /// With the repair and what takes it back.
    pub fn fix(mut self, fix: impl Into<String>, undo: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self.undo = Some(undo.into());
        self
    }
}

/// One thing that could not be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// The object, or empty for the whole rule.
    pub object: String,
    /// The bare name of its schema; empty for what belongs to none.
    pub schema: String,
    /// Why, and what would change it.
    pub reason: String,
    /// How many objects of those the rule would look at this stands for.
    pub objects: u64,
}

/// What a rule said.
pub struct Verdicts<'a> {
    /// The thresholds in force.
    thresholds: &'a dyn Fn(&str) -> Option<f64>,
    /// How many objects it judged, sound ones included.
    pub examined: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What could not be judged.
    pub unknowns: Vec<Unknown>,
}

impl<'a> Verdicts<'a> {
    /// An empty list with the thresholds in force.
    pub fn new(thresholds: &'a dyn Fn(&str) -> Option<f64>) -> Self {
        Self { thresholds, examined: 0, findings: Vec::new(), unknowns: Vec::new() }
    }

    /// The value in force of one of the rule's thresholds.
    ///
    /// A name that the rule does not declare is a mistake in the rule and makes it an `error` row.
    pub fn threshold(&self, name: &str) -> f64 {
        match (self.thresholds)(name) {
            Some(value) => value,
            None => panic!("the rule asks for a threshold \"{name}\" that it does not declare"),
        }
    }

    /// Counts objects as looked at and judged.
    ///
    /// What is counted must not shrink when a finding of any rule is repaired (count tables or columns, not indexes),
    /// or repairing one thing would lower the score of another.
    pub fn examine(&mut self, objects: u64) {
        self.examined += objects;
    }

    /// Reports something wrong.
    pub fn find(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Reports one object that could not be judged. It must not be counted as examined.
    pub fn unknown(
        &mut self,
        object: impl Into<String>,
        schema: impl Into<String>,
        reason: impl Into<String>,
    ) {
        self.unknowns.push(Unknown {
            object: object.into(),
            schema: schema.into(),
            reason: reason.into(),
            objects: 1,
        });
    }

    /// Reports that `objects` objects could not be judged, for one and the same reason.
    pub fn unknown_all(&mut self, objects: u64, reason: impl Into<String>) {
        self.unknowns.push(Unknown {
            object: String::new(),
            schema: String::new(),
            reason: reason.into(),
            objects,
        });
    }
}

/// A stable name for a finding: depends on the rule's id and the object's name, never on OIDs.
///
/// 64 bits of FNV-1a in hexadecimal.
pub fn fingerprint(rule: &str, object: &str) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in rule.bytes().chain([0]).chain(object.bytes()) {
        hash ^= u64::from(byte);
        hash = hash.wrapping_mul(0x0000_0100_0000_01b3);
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_add_up_to_a_hundred() {
        assert_eq!(Dimension::ALL.iter().map(|dimension| dimension.weight()).sum::<u32>(), 100);
    }

    #[test]
    fn names_parse_back() {
        for dimension in Dimension::ALL {
            assert_eq!(Dimension::parse(dimension.name()), Some(dimension));
        }
        for severity in Severity::ALL {
            assert_eq!(Severity::parse(severity.name()), Some(severity));
        }
        assert_eq!(Dimension::parse("nosuch"), None);
    }

    #[test]
    fn fingerprint_is_fixed_for_ever() {
        assert_eq!(fingerprint("a.b", "public.t"), fingerprint("a.b", "public.t"));
        assert_ne!(fingerprint("a.b", "c"), fingerprint("a.bc", ""));
        assert_eq!(fingerprint("schema.money_type", "public.orders.total"), "53d83895dc045f35");
    }
}
