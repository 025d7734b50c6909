//! Made-up rules and the means to run them, for the tests of this room.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::engine::{Audit, RuleOutcome, run_rules};
use super::filter::Filter;
use super::settings::RuleSettings;
use super::suppression::Suppressions;
use crate::catalog::Snapshot;
use crate::catalog::sample::{Sample, SampleDefinitions};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Threshold, Verdicts};

const fn rule(
    id: &'static str,
    dimension: Dimension,
    severity: Severity,
    check: fn(&Facts<'_>, &mut Verdicts<'_>),
) -> Rule {
    Rule { id, dimension, severity, title: "probe", why: "probe", thresholds: &[], reference: "probe", check }
}

/// Three findings out of order, the second of them worse than the rule's severity.
pub static PLAIN: Rule = rule("schema.plain", Dimension::Schema, Severity::Warning, |_, verdicts| {
    verdicts.examine(10);
    verdicts.find(Finding::new("sales.c", "sales", "c is wrong").evidence("rows", 7));
    verdicts.find(Finding::new("public.b", "public", "b is worse").severity(Severity::Error));
    verdicts.find(Finding::new("public.a", "public", "a is wrong").fix("FIX a;\nMORE a;", "UNDO a;"));
});

/// Finds `public.a`, of size 3, when that is above the limit.
pub static LIMITED: Rule = Rule {
    thresholds: &[
        Threshold { name: "limit", default: 5.0, range: (0.0, 10.0), meaning: "how large is too large" },
        Threshold { name: "share", default: 0.5, range: (0.0, 1.0), meaning: "how much is too much" },
    ],
    ..rule("indexing.limited", Dimension::Indexing, Severity::Info, |_, verdicts| {
        verdicts.examine(1);
        if 3.0 > verdicts.threshold("limit") {
            verdicts.find(Finding::new("public.a", "public", "a is large"));
        }
    })
};

/// Knows nothing of one table, and nothing at all of four more.
pub static UNSURE: Rule = rule("schema.unsure", Dimension::Schema, Severity::Error, |_, verdicts| {
    verdicts.examine(5);
    verdicts.unknown("sales.c", "sales", "never analyzed");
    verdicts.unknown_all(4, "no privilege");
});

/// Panics after a finding.
pub static BROKEN: Rule = rule("schema.broken", Dimension::Schema, Severity::Info, |_, verdicts| {
    verdicts.examine(1);
    verdicts.find(Finding::new("public.a", "public", "never shown"));
    verdicts.unknown("public.b", "public", "never shown");
    panic!("out of luck");
});

/// Asks for a threshold that it does not declare.
pub static CARELESS: Rule = rule("schema.careless", Dimension::Schema, Severity::Info, |_, verdicts| {
    verdicts.threshold("undeclared");
});

/// Reports one object twice.
pub static REPEATING: Rule = rule("schema.repeating", Dimension::Schema, Severity::Info, |_, verdicts| {
    verdicts.examine(2);
    verdicts.find(Finding::new("public.a", "public", "first"));
    verdicts.find(Finding::new("public.a", "public", "second"));
});

/// A place with nothing in it, to run rules in.
pub struct Place {
    snapshot: Snapshot,
}

impl Place {
    /// An empty database.
    pub fn new() -> Self {
        Self { snapshot: Sample::new().finish() }
    }

    /// Its facts.
    pub fn facts(&self) -> Facts<'_> {
        Facts { snapshot: &self.snapshot, definitions: &SampleDefinitions, interrupt: &|| {} }
    }
}

/// Turns a panic into its message, as the server's guard does.
pub fn catching(_: &Rule, body: &mut dyn FnMut()) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|payload| {
        let text = payload.downcast_ref::<String>().cloned();
        let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        text.unwrap_or_default()
    })
}

/// Runs rules with everything at its default.
pub fn audit(rules: &[&'static Rule]) -> Audit {
    audit_with(rules, &Filter::default(), &RuleSettings::default(), &Suppressions::default())
}

/// Runs rules.
pub fn audit_with(
    rules: &[&'static Rule],
    filter: &Filter,
    settings: &RuleSettings,
    suppressions: &Suppressions,
) -> Audit {
    let place = Place::new();
    run_rules(rules.iter().copied(), &place.facts(), filter, settings, suppressions, &catching)
}

/// What one rule said.
pub fn outcome<'a>(audit: &'a Audit, rule: &Rule) -> &'a RuleOutcome {
    audit.outcomes.iter().find(|outcome| outcome.rule.id == rule.id).expect("the rule was run")
}
