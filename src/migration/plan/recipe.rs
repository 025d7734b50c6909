//! What a recipe returns.

use crate::catalog::LockMode;
use crate::change::plan::{Phase, Risk, Step};

/// There is no online way, or none that we know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoPlan {
    /// Why, naming the object, lower case.
    pub reason: String,
    /// What to do instead. May be empty.
    pub instead: String,
}

impl NoPlan {
    /// Why, and what to do instead.
    pub fn new(reason: impl Into<String>, instead: impl Into<String>) -> Self {
        Self { reason: reason.into(), instead: instead.into() }
    }
}

/// A sub-command of ALTER TABLE that is safe as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// The table, quoted.
    pub table: String,
    /// The sub-command.
    pub text: String,
    /// Sub-commands that take it back; `None` where nothing does.
    pub undo: Option<String>,
    /// When it is done.
    pub phase: Phase,
    /// How the table is locked.
    pub lock: LockMode,
    /// Its proof.
    pub verify: Option<String>,
    /// For people.
    pub note: String,
}

/// One part of a recipe.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// May be put into one statement with its neighbours.
    Clause(Clause),
    /// A step of its own.
    Step(Step),
}

/// The safe way of one action.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Its parts, in order.
    pub parts: Vec<Part>,
    /// What has to hold or to be known before.
    pub requires: Vec<String>,
    /// How dangerous it is.
    pub risk: Risk,
    /// Queries that all hold at the end.
    pub verify: Vec<String>,
}

impl Default for Recipe {
    fn default() -> Self {
        Self { parts: Vec::new(), requires: Vec::new(), risk: Risk::Low, verify: Vec::new() }
    }
}

impl Recipe {
    /// Of one sub-command.
    pub fn clause(clause: Clause) -> Self {
        let verify = clause.verify.clone().into_iter().collect();
        Self { parts: vec![Part::Clause(clause)], verify, ..Self::default() }
    }

    /// Of one step.
    pub fn step(step: Step) -> Self {
        let verify = step.verify.clone().into_iter().collect();
        Self { verify, ..Self::default() }.with(step)
    }

    /// With one more step.
    pub fn with(mut self, step: Step) -> Self {
        self.parts.push(Part::Step(step));
        self
    }

    /// With one more step, whose proof holds to the end.
    pub fn with_lasting(mut self, step: Step) -> Self {
        self.verify.extend(step.verify.clone());
        self.with(step)
    }

    /// With everything of another one.
    pub fn then(mut self, other: Self) -> Self {
        self.parts.extend(other.parts);
        self.requires.extend(other.requires);
        self.verify.extend(other.verify);
        self.risk = self.risk.max(other.risk);
        self
    }

    /// With a proof that holds at the end.
    pub fn holds(mut self, query: impl Into<String>) -> Self {
        self.verify.push(query.into());
        self
    }

    /// With something that has to hold or to be known before.
    pub fn requires(mut self, what: impl Into<String>) -> Self {
        self.requires.push(what.into());
        self
    }

    /// At least that dangerous.
    pub fn risk(mut self, risk: Risk) -> Self {
        self.risk = self.risk.max(risk);
        self
    }
}
