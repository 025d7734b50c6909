//! What the guard does about a statement: says, refuses, or lets pass what somebody allowed.

use super::allowance;
use super::policy::InForce;
use crate::catalog::ddl::{Kind, MOST_LOCKS_NAMED, Session, Statement, WorkKind};
use crate::finding::Severity;
use crate::migration::assessment::{Assessment, first_step};
use crate::migration::judge::{self, Effect, Judged};
use crate::pg::guard::{self, Decision, Drops, Record, Told, Verdict};
use crate::pg::settings::{self, Guard};
use crate::text::identifier::quote_literal;

/// How much of a statement HINT repeats, in characters.
const SHOWN: usize = 300;

/// Decides. Runs inside the guard's doors.
pub fn decide(statement: &Statement, session: &mut Session) -> Decision {
    let policy = InForce::now();
    let found = judge::judge_all(statement, session, &policy);
    if found.told.iter().any(|judged| judged.severity >= Severity::Warning) {
        session.rates = guard::rates();
    }
    let whatever = || found.told.iter().chain(&found.untold);
    let mut decision = Decision {
        knows_rewrite: whatever().any(|judged| judged.found.effect == Effect::Rewrite),
        drops: drops(statement, whatever()),
        work: work(statement, whatever()),
        ..Decision::default()
    };
    let enforces = settings::ddl_guard() == Guard::Enforce;
    let mut refused: Vec<&Judged> = Vec::new();
    for judged in &found.told {
        if judged.severity < Severity::Warning {
            continue;
        }
        if !judged.is_refused() {
            decision.warnings.push(told(judged, statement, session, false));
            continue;
        }
        let assessment = Assessment::of(judged, statement, session);
        let record = |verdict, reason| Record {
            rule: judged.rule.id.to_owned(),
            object: assessment.target.clone(),
            verdict,
            reason,
            lock: assessment.lock,
            rows: assessment.rows,
            bytes: assessment.bytes,
        };
        if let Some(reason) = allowance::allowed(judged.rule.id, !statement.writes_first()) {
            decision.records.push(record(Verdict::Overridden, reason));
            decision.knows_rewrite = true;
            decision.drops = Drops::Whatever;
        } else if enforces {
            decision.records.push(record(Verdict::Refused, String::new()));
            refused.push(judged);
        } else {
            decision.records.push(record(Verdict::Warned, String::new()));
            decision.warnings.push(told(judged, statement, session, false));
        }
    }
    if let Some((first, others)) = refused.split_first() {
        let mut refusal = told(first, statement, session, true);
        for other in others {
            refusal.detail.push_str(&format!("\nAlso {}: {}.", other.rule.id, other.found.message));
        }
        decision.refusal = Some(refusal);
    }
    decision
}

/// The tables of which a finding says that they are dropped. Of what goes along, only so much was looked at.
fn drops<'a>(statement: &Statement, found: impl Iterator<Item = &'a Judged>) -> Drops {
    let mut known = Vec::new();
    let losing = found.filter(|judged| judged.found.effect == Effect::Loses);
    for action in losing.filter_map(|judged| statement.actions.get(judged.action)) {
        if !matches!(action.kind, Kind::Drop(_)) {
            continue;
        }
        if action.locks.len() >= MOST_LOCKS_NAMED {
            return Drops::Whatever;
        }
        known.extend(action.target.iter().map(|target| target.oid));
        known.extend(action.locks.iter().map(|lock| lock.relation.oid));
    }
    Drops::Only(known)
}

/// The work of a statement that takes longest, and on how many bytes.
fn work<'a>(
    statement: &Statement,
    found: impl Iterator<Item = &'a Judged> + Clone,
) -> Option<(WorkKind, u64)> {
    let build = statement.actions.iter().find_map(|action| match (&action.kind, &action.target) {
        (Kind::CreateIndex(index), Some(table)) if !index.is_only => {
            Some((WorkKind::IndexBuild, table.bytes))
        }
        _ => None,
    });
    let with = |effect, kind| {
        let judged = found.clone().find(|judged| judged.found.effect == effect)?;
        let target = || statement.actions.get(judged.action)?.target.as_ref();
        let relation = judged.found.victim.as_ref().or_else(target)?;
        let bytes = if kind == WorkKind::Rewrite { relation.total_bytes() } else { relation.bytes };
        Some((kind, bytes))
    };
    build
        .or_else(|| with(Effect::Rewrite, WorkKind::Rewrite))
        .or_else(|| with(Effect::IndexBuild, WorkKind::IndexBuild))
        .or_else(|| with(Effect::Scan, WorkKind::Scan))
}

fn told(judged: &Judged, statement: &Statement, session: &Session, is_refusal: bool) -> Told {
    let assessment = Assessment::of(judged, statement, session);
    let rule = judged.rule.id;
    let message = match is_refusal {
        true => format!("unsafe DDL refused by {rule}: {}", judged.found.message),
        false => format!("{rule}: {}", judged.found.message),
    };
    let mut hints = vec![first_step(judged)];
    let text: String = statement.text.chars().take(SHOWN + 1).collect();
    if is_refusal && !text.is_empty() && text.chars().count() <= SHOWN {
        hints.push(format!(
            "SELECT * FROM dbm.explain_ddl({}) shows the whole safe way.",
            quote_literal(&text)
        ));
    }
    if is_refusal {
        hints.push(format!("If it has to be this way: SELECT dbm.allow_ddl('{rule}', 'the reason')."));
    }
    if is_refusal && session.is_restored {
        hints.push(
            "A dump is restored as a superuser with PGOPTIONS='-c dbm.ddl_guard=off' in the environment."
                .to_owned(),
        );
    }
    hints.retain(|hint| !hint.is_empty());
    Told { message, detail: assessment.detail(), hint: hints.join(" "), table: assessment.names }
}
