//! The DDL judge: one set of rules for three doors, the utility hook, the event trigger and text.
//!
//! A rule sees plain facts of one [`Action`] and says what it found. What is exempt is decided here, once.

pub mod page;
pub mod rule;
pub mod rules;

#[cfg(test)]
mod many_tests;
#[cfg(test)]
pub mod sample;

pub use rule::{Asked, DdlRule, Effect, Exempt, Found};

use std::cell::OnceCell;

use rustc_hash::FxHashSet;

use crate::catalog::ddl::{Action, Session, Statement};
use crate::finding::Severity;

/// What holds in this database, whatever the rules' defaults are.
pub trait Policy {
    /// The severity in force of a rule; `None` where it is turned off.
    fn severity(&self, rule: &DdlRule) -> Option<Severity>;
    /// Whether somebody chose that severity for all that the rule finds.
    fn is_severity_chosen(&self, _rule: &DdlRule) -> bool {
        false
    }
    /// The threshold in force.
    fn threshold(&self, rule: &DdlRule, name: &str) -> f64;
    /// Up to how many bytes, heap and TOAST over all partitions, a table is small: `dbm.ddl_small_table`.
    fn small_table_bytes(&self) -> u64;
    /// Called for each action, so that whoever waits can give up.
    fn interrupt(&self) {}
}

/// One finding on one action.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The rule.
    pub rule: &'static DdlRule,
    /// The severity in force.
    pub severity: Severity,
    /// The place of the action in [`Statement::actions`].
    pub action: usize,
    /// What was found.
    pub found: Found,
}

impl Judged {
    /// Whether the guard refuses it where it enforces.
    pub fn is_refused(&self) -> bool {
        self.severity >= Severity::Error
    }
}

/// Everything that is wrong with a statement, worst first, otherwise in the order in which it is written.
pub fn judge(statement: &Statement, session: &Session, policy: &dyn Policy) -> Vec<Judged> {
    judge_all(statement, session, policy).told
}

/// What is found in a statement.
#[derive(Clone, Debug, Default)]
pub struct AllFound {
    /// What is to be told, worst first.
    pub told: Vec<Judged>,
    /// What is so all the same, and not told: by rules that are turned off, or on tables that are small.
    pub untold: Vec<Judged>,
}

/// The same with what is not told, for who wants to know what the statement does at all.
pub fn judge_all(statement: &Statement, session: &Session, policy: &dyn Policy) -> AllFound {
    let mut all = AllFound::default();
    let says_if_exists = OnceCell::new();
    // Several sub-commands of one statement that say the same are told once.
    let mut said: FxHashSet<(&str, String)> = FxHashSet::default();
    for (place, action) in statement.actions.iter().enumerate() {
        policy.interrupt();
        for rule in rules::ALL {
            let severity = policy.severity(rule);
            let threshold = |name: &str| policy.threshold(rule, name);
            let asked =
                Asked { statement, action, session, threshold: &threshold, says_if_exists: &says_if_exists };
            let Some(found) = (rule.check)(&asked) else { continue };
            let exemption = exemption(rule.exempt, action, &found, policy.small_table_bytes());
            if exemption == Some(Exemption::Harmless) {
                continue;
            }
            let (Some(severity), None) = (severity, exemption) else {
                let severity = rule.severity;
                all.untold.push(Judged { rule, severity, action: place, found });
                continue;
            };
            if !said.insert((rule.id, found.message.clone())) {
                continue;
            }
            // What a rule says of one finding holds only where nobody chose a severity for the rule.
            let is_chosen = severity != rule.severity || policy.is_severity_chosen(rule);
            let own = found.severity.filter(|_| !is_chosen);
            all.told.push(Judged { rule, severity: own.unwrap_or(severity), action: place, found });
        }
    }
    all.told.sort_by(|left, right| right.severity.cmp(&left.severity).then(left.action.cmp(&right.action)));
    all
}

/// Why a finding is not told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Exemption {
    /// It hurts nobody.
    Harmless,
    /// It does not take long.
    Short,
}

fn exemption(exempt: Exempt, action: &Action, found: &Found, small_table_bytes: u64) -> Option<Exemption> {
    let victim = found.victim.as_ref().or(action.target.as_ref())?;
    // What an extension brought is its own affair, ours included.
    if victim.is_extension_member {
        return Some(Exemption::Harmless);
    }
    match exempt {
        Exempt::Nothing => None,
        // Hardly anybody is at what holds nothing, as tables do while a dump is restored: a lock held for a moment hurts
        // nobody, unless somebody is there now. A client that knows its name would fail all the same.
        Exempt::Private => {
            let is_idle = victim.is_empty && action.blockers.is_empty();
            let is_harmless = victim.is_private() || (is_idle && found.effect == Effect::Lock);
            is_harmless.then_some(Exemption::Harmless)
        }
        Exempt::Small if victim.is_private() || victim.is_empty => Some(Exemption::Harmless),
        Exempt::Small => (victim.bytes < small_table_bytes).then_some(Exemption::Short),
    }
}
