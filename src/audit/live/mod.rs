//! An audit of the running server: facts from the catalogs, decisions from our tables, each rule isolated.

pub mod missing;

use std::cell::Cell;
use std::time::{Duration, Instant};

use pgrx::JsonB;
use pgrx::datum::TimestampWithTimeZone;

use super::engine::{self, Audit};
use super::filter::Filter;
use super::refusal::Refusal;
use super::settings::{RuleSettings, SettingRow};
use super::suppression::{Suppression, Suppressions};
use crate::catalog::{Moment, Snapshot};
use crate::finding::{Dimension, Rule};
use crate::pg::moment::{from_timestamp, now};
use crate::pg::progress::{self, Progress};
use crate::pg::value::Text;
use crate::pg::{facts, isolation, query, settings};

/// The step of [`progress::AUDIT`] that comes after the catalogs were read.
const RUNNING_RULES: usize = 1;

/// The time that the rule now running may take.
#[derive(Default)]
struct Clock {
    started: Cell<Option<Instant>>,
    limit: Cell<Option<Duration>>,
    /// How often it was asked.
    calls: Cell<u32>,
}

/// Every so many calls the time is looked at: asking for it costs more than what most rules do with a table.
const CALLS_A_LOOK: u32 = 16;

impl Clock {
    fn start(&self) {
        self.started.set(Some(Instant::now()));
        self.limit.set(settings::rule_timeout());
    }

    /// Ends the statement on a cancel, and only the rule when its time is up.
    fn check(&self) {
        facts::stop_if_cancelled();
        let calls = self.calls.get().wrapping_add(1);
        self.calls.set(calls);
        if !calls.is_multiple_of(CALLS_A_LOOK) {
            return;
        }
        if let (Some(started), Some(limit)) = (self.started.get(), self.limit.get())
            && started.elapsed() > limit
        {
            panic!("cancelled after {} ms, the limit that dbm.rule_timeout sets", limit.as_millis());
        }
    }
}

/// Runs the rules that the filter leaves. `choose` reads the filter from the caller's arguments, once the schemas of
/// the database are known.
pub fn audit(choose: impl FnOnce(&Snapshot) -> Result<Filter, Refusal>) -> Result<(Audit, Filter), Refusal> {
    let rule_settings = rule_settings();
    let suppressions = Suppressions::in_force(suppressions(), now());
    let clock = Clock::default();
    let progress = Progress::begin(&progress::AUDIT);
    let done = Cell::new(0);
    let asks_security = |filter: &Filter| engine::asks(Dimension::Security, filter, &rule_settings);
    facts::with_statements(&|| clock.check(), choose, asks_security, |facts, filter| {
        progress.step(RUNNING_RULES, engine::count(&filter, &rule_settings));
        let guard = |rule: &Rule, body: &mut dyn FnMut()| {
            let outcome = isolation::isolated(&mut || {
                clock.start();
                inject_fault(rule, &clock);
                body();
            });
            done.set(done.get() + 1);
            progress.done(done.get());
            outcome
        };
        let audit = engine::run(facts, &filter, &rule_settings, &suppressions, &guard);
        (audit, filter)
    })
}

/// Breaks the rule if a test asked for it.
fn inject_fault(rule: &Rule, clock: &Clock) {
    match settings::fault_in(rule.id).as_deref() {
        Some("panic") => panic!("broken on purpose by dbm.fault_in_rule"),
        Some("error") => {
            query::rows("SELECT 1 / (random() * 0)::int", &[], |row| row.get::<i32>(1));
        }
        Some("sleep") => loop {
            std::thread::sleep(Duration::from_millis(5));
            clock.check();
        },
        _ => {}
    }
}

/// The rows of `dbm.rule_setting`.
pub fn rule_settings() -> RuleSettings {
    let rows = query::rows(
        "SELECT s.rule, s.enabled, s.severity, s.thresholds FROM dbm.rule_setting s",
        &[],
        |row| {
            Ok(SettingRow {
                rule: text(row.get(1)?),
                enabled: row.get::<bool>(2)?.unwrap_or(true),
                severity: row.get::<Text>(3)?.map(Text::into_string),
                thresholds: row.get::<JsonB>(4)?.map_or_else(|| serde_json::json!({}), |json| json.0),
            })
        },
    );
    RuleSettings::from_rows(rows)
}

/// The rows of `dbm.suppression`, expired ones included.
fn suppressions() -> Vec<Suppression> {
    query::rows("SELECT s.rule, s.object, s.reason, s.expires FROM dbm.suppression s", &[], |row| {
        Ok(Suppression {
            rule: text(row.get(1)?),
            object: text(row.get(2)?),
            reason: text(row.get(3)?),
            expires: row.get::<TimestampWithTimeZone>(4)?.map(expiry),
        })
    })
}

fn text(value: Option<Text>) -> String {
    value.map_or_else(String::new, Text::into_string)
}

/// An expiry as a moment; one at infinity never comes.
pub fn expiry(timestamp: TimestampWithTimeZone) -> Moment {
    from_timestamp(timestamp.into())
}

/// Records a decision, or renews it.
pub fn suppress(suppression: &Suppression, expires: Option<TimestampWithTimeZone>) {
    query::write(
        "INSERT INTO dbm.suppression AS s (rule, object, reason, expires) VALUES ($1, $2, $3, $4)
         ON CONFLICT (rule, object) DO UPDATE
         SET reason = excluded.reason, expires = excluded.expires,
             suppressed_by = excluded.suppressed_by, suppressed_at = excluded.suppressed_at",
        &[
            Text::from(suppression.rule.as_str()).into(),
            Text::from(suppression.object.as_str()).into(),
            Text::from(suppression.reason.as_str()).into(),
            expires.into(),
        ],
    );
}

/// Takes a decision back; whether there was one.
pub fn unsuppress(rule: Text, object: Text) -> bool {
    let gone = query::rows_writing(
        "DELETE FROM dbm.suppression s
         WHERE s.rule OPERATOR(pg_catalog.=) $1 AND s.object OPERATOR(pg_catalog.=) $2 RETURNING 1",
        &[rule.into(), object.into()],
    );
    gone > 0
}
