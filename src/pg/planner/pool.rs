//! Indexes thought of once and put before the planner in many combinations.

use std::rc::Rc;

use pgrx::pg_sys;

use super::instance::{self, Instance};
use super::sampled::Samples;
use super::{Configuration, IndexFamily, Planned, SizeModel, specification};

/// Indexes that do not exist, by the order in which they were added.
#[derive(Default)]
pub struct Pool {
    instances: Vec<Rc<Instance>>,
    count: usize,
    samples: Samples,
}

impl Pool {
    /// Thinks of one more index, given as a CREATE INDEX statement, and returns its number.
    ///
    /// What it is made of lives as long as the current memory context.
    pub fn add(&mut self, definition: &str, size: SizeModel) -> usize {
        let specification = specification::parse(definition);
        let number = self.count;
        // What one that failed half way, on a partition, left behind is no part of this one.
        self.instances.truncate(self.instances.partition_point(|instance| instance.position < number));
        instance::instantiate(&specification, number, size, &mut self.instances, &mut self.samples);
        self.count += 1;
        number
    }

    /// Bytes that the index would take, its partitions together.
    pub fn bytes(&self, number: usize) -> u64 {
        self.of(number).map(|instance| u64::from(instance.size.pages) * u64::from(pg_sys::BLCKSZ)).sum()
    }

    /// These indexes thought there, and these existing ones thought away.
    pub fn configuration<'a>(
        &self,
        numbers: &[usize],
        hidden: impl Iterator<Item = &'a IndexFamily>,
    ) -> Configuration {
        Configuration {
            instances: numbers.iter().flat_map(|&number| self.of(number).cloned()).collect(),
            hidden: hidden.flat_map(|family| family.members.clone()).collect(),
        }
    }

    /// Whether the plan scans the index.
    pub fn is_scanned(&self, number: usize, planned: &Planned) -> bool {
        self.of(number).any(|instance| planned.scanned.contains(&instance.oid))
    }

    // Numbers ascend, so that an index's instances stand together.
    fn of(&self, number: usize) -> impl Iterator<Item = &Rc<Instance>> {
        let start = self.instances.partition_point(|instance| instance.position < number);
        self.instances[start..].iter().take_while(move |instance| instance.position == number)
    }
}
