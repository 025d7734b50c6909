//! What the server's own planner would do with other indexes than there are.
//!
//! A query is parsed, analysed, rewritten and planned, never run. Indexes that do not exist stand before the planner
//! in that one planning and nowhere else: their object identifiers are made up, and the plan is thrown away.

mod access;
mod analysis;
mod caught;
mod deadline;
mod distinct;
mod elements;
mod explain;
mod foreign;
mod hook;
mod injection;
mod instance;
mod key;
pub(super) mod list;
mod local;
mod measure;
mod modification;
mod names;
mod normalised;
mod options;
mod permission;
mod plan;
mod plan_tree;
mod pool;
mod position;
pub mod query_tree;
mod refusal;
mod rollback;
mod sampled;
mod sampling;
mod search_path;
pub(super) mod server;
mod specification;
mod statistics;
mod target;
mod trust;
mod walk;
pub(super) mod walkers;
mod width;

use std::rc::Rc;

use pgrx::pg_sys;

use crate::catalog::hypothetical::{HypotheticalIndex, IndexSize};
pub use access::{Existing, ExistingKey, accesses, existing_indexes};
pub use analysis::{Analysis, server_text, single_statement};
pub use caught::{Refusal, refusable, refusable_in_time};
pub use deadline::Deadline;
pub use explain::Format;
pub use foreign::{Author, analysed_as, current_search_path, planned_as, role_by_name, role_name};
pub use hook::install;
pub use modification::{Modification, modifications};
pub use plan_tree::plan_tree;
pub use pool::Pool;
pub use rollback::{kept, rolled_back};
pub use sampling::closely;
pub use target::situation;
pub use trust::{acts_as, is_powerful};

/// Computes the size of an index that does not exist.
pub type SizeModel = fn(&HypotheticalIndex) -> IndexSize;

/// Other indexes than there are.
#[derive(Default)]
pub struct Configuration {
    pub(crate) instances: Vec<Rc<instance::Instance>>,
    pub(crate) hidden: Vec<pg_sys::Oid>,
}

/// One planning.
pub struct Planned {
    /// The planner's total cost, that of all statements which rules make of the query together.
    pub cost: f64,
    /// The indexes that the plan scans, made-up ones included.
    scanned: Vec<pg_sys::Oid>,
}

impl Planned {
    /// Numbers of the indexes that the plan scans, made-up ones included.
    pub fn scanned(&self) -> impl Iterator<Item = u32> {
        self.scanned.iter().map(|index| index.to_u32())
    }
}

impl Configuration {
    /// Indexes to be thought there, each given as a CREATE INDEX statement.
    pub fn with_indexes(definitions: &[String], size: SizeModel) -> Self {
        let mut instances = Vec::new();
        let mut samples = sampled::Samples::default();
        for (position, definition) in definitions.iter().enumerate() {
            let specification = specification::parse(definition);
            instance::instantiate(&specification, position, size, &mut instances, &mut samples);
        }
        Self { instances, hidden: Vec::new() }
    }

    /// Existing indexes to be thought away, each with its partitions.
    pub fn without_indexes(indexes: &[IndexFamily]) -> Self {
        Self {
            instances: Vec::new(),
            hidden: indexes.iter().flat_map(|family| family.members.clone()).collect(),
        }
    }

    /// Bytes of the index given in that place, its partitions together.
    pub fn bytes(&self, position: usize) -> u64 {
        self.instances
            .iter()
            .filter(|instance| instance.position == position)
            .map(|instance| u64::from(instance.size.pages) * u64::from(pg_sys::BLCKSZ))
            .sum()
    }

    /// Whether the plan scans the index given in that place.
    pub fn scans(&self, planned: &Planned, position: usize) -> bool {
        self.instances
            .iter()
            .any(|instance| instance.position == position && planned.scanned.contains(&instance.oid))
    }
}

impl Planned {
    /// The indexes that the plan scans, made-up ones left out.
    pub fn existing(&self, configuration: &Configuration) -> Vec<u32> {
        let is_made_up = |oid: &pg_sys::Oid| configuration.instances.iter().any(|made| made.oid == *oid);
        self.scanned.iter().filter(|oid| !is_made_up(oid)).map(|oid| oid.to_u32()).collect()
    }
}

/// An existing index and its partitions.
pub struct IndexFamily {
    members: Vec<pg_sys::Oid>,
    /// Its name, qualified and quoted.
    pub name: String,
    /// Bytes on disk of all members.
    pub bytes: u64,
}

impl IndexFamily {
    /// The number of the topmost index.
    pub fn oid(&self) -> u32 {
        self.members.first().map_or(0, |member| member.to_u32())
    }

    /// Numbers of the index and of its partitions.
    pub fn members(&self) -> impl Iterator<Item = u32> {
        self.members.iter().map(|member| member.to_u32())
    }

    /// Looks an index up.
    pub fn of(index: pg_sys::Oid) -> Self {
        names::family(index)
    }

    pub(crate) fn new(members: Vec<pg_sys::Oid>, name: String, bytes: u64) -> Self {
        Self { members, name, bytes }
    }

    /// Whether the plan scans the index.
    pub fn is_scanned(&self, planned: &Planned) -> bool {
        self.members.iter().any(|member| planned.scanned.contains(member))
    }
}

/// Plans a query, by default with the indexes that there are.
pub fn plan(query: &Analysis, configuration: &Configuration) -> Planned {
    let statements = plan::plan(query, configuration);
    Planned {
        cost: statements.iter().map(|&statement| walk::total_cost(statement)).sum(),
        scanned: statements.iter().flat_map(|&statement| walk::scanned_indexes(statement)).collect(),
    }
}

/// The plan as EXPLAIN shows it.
pub fn explain(query: &Analysis, configuration: &Configuration, format: Format) -> String {
    explain::explain(query, configuration, format)
}
