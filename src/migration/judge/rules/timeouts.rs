//! Timeouts in force while the statement waits and works.

use crate::catalog::ddl::{Alteration, CreateIndex, Kind, LockTaken};
use crate::finding::{Severity, Threshold};
use crate::migration::judge::rule::{Asked, DdlRule, Effect, Exempt, Found};

const CLIENT: &str = "https://www.postgresql.org/docs/current/runtime-config-client.html";

/// No `lock_timeout`.
pub const MISSING_LOCK_TIMEOUT: DdlRule = DdlRule {
    id: "ddl.missing_lock_timeout",
    severity: Severity::Warning,
    title: "No lock_timeout while a strong lock is awaited",
    why: "The statement waits for the longest transaction on the table, and everybody who comes later waits behind it.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-LOCK-TIMEOUT",
    exempt: Exempt::Small,
    check: missing_lock_timeout,
};

/// A long `lock_timeout`.
pub const LONG_LOCK_TIMEOUT: DdlRule = DdlRule {
    id: "ddl.lock_timeout_too_long",
    severity: Severity::Warning,
    title: "A long lock_timeout while a strong lock is awaited",
    why: "For all of that time everybody who comes later may wait behind the statement.",
    thresholds: &[Threshold {
        name: "seconds",
        default: 10.0,
        range: (0.01, 86_400.0),
        meaning: "longest lock_timeout in seconds; clients give up after some 10 to 30 seconds",
    }],
    reference: "https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-LOCK-TIMEOUT",
    exempt: Exempt::Small,
    check: long_lock_timeout,
};

/// No `statement_timeout`.
pub const MISSING_STATEMENT_TIMEOUT: DdlRule = DdlRule {
    id: "ddl.missing_statement_timeout",
    severity: Severity::Info,
    title: "No statement_timeout while a strong lock is held",
    why: "A statement that takes longer than anybody thought keeps its lock until somebody notices.",
    thresholds: &[],
    reference: CLIENT,
    exempt: Exempt::Small,
    check: missing_statement_timeout,
};

/// No `idle_in_transaction_session_timeout`.
pub const MISSING_IDLE_TIMEOUT: DdlRule = DdlRule {
    id: "ddl.missing_idle_in_transaction_timeout",
    severity: Severity::Info,
    title: "No idle_in_transaction_session_timeout in a transaction with a strong lock",
    why: "A client that hangs between two statements keeps the lock until somebody ends it.",
    thresholds: &[],
    reference: CLIENT,
    exempt: Exempt::Small,
    check: missing_idle_timeout,
};

/// No `transaction_timeout`.
pub const MISSING_TRANSACTION_TIMEOUT: DdlRule = DdlRule {
    id: "ddl.missing_transaction_timeout",
    severity: Severity::Info,
    title: "No transaction_timeout in a transaction with a strong lock",
    why: "The lock is kept until COMMIT, however many statements come before it.",
    thresholds: &[],
    reference: CLIENT,
    exempt: Exempt::Small,
    check: missing_transaction_timeout,
};

/// Timeouts that cut a concurrent build.
pub const SHORT_FOR_BUILD: DdlRule = DdlRule {
    id: "ddl.cic_with_short_timeout",
    severity: Severity::Warning,
    title: "A timeout may cut an index build short",
    why: "CONCURRENTLY waits for every older transaction and takes long; a timeout that ends it leaves an invalid index behind.",
    thresholds: &[Threshold {
        name: "seconds",
        default: 3600.0,
        range: (1.0, 604_800.0),
        meaning: "timeouts below this many seconds, or below the estimate of the build, are short",
    }],
    reference: "https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY",
    exempt: Exempt::Small,
    check: short_for_build,
};

/// What works while others do and must not be cut short.
fn is_concurrent(asked: &Asked<'_>) -> bool {
    match &asked.action.kind {
        Kind::CreateIndex(CreateIndex { is_concurrent, .. }) | Kind::Reindex { is_concurrent, .. } => {
            *is_concurrent
        }
        Kind::Drop(dropped) => dropped.is_concurrent,
        Kind::Alter(Alteration::DetachPartition { is_concurrent, .. }) => *is_concurrent,
        _ => false,
    }
}

/// The strongest lock for which others would wait, on a relation that others can see.
fn strongest<'a>(asked: &Asked<'a>) -> Option<&'a LockTaken> {
    if is_concurrent(asked) {
        return None;
    }
    asked
        .action
        .locks
        .iter()
        .filter(|lock| lock.mode.blocks_writes() && !lock.relation.is_private())
        .max_by_key(|lock| lock.mode)
}

fn told(lock: &LockTaken, message: String) -> Found {
    let mut found = Found::new(Effect::Lock, message);
    found.lock = Some(lock.mode);
    found.victim = Some(lock.relation.clone());
    found
}

fn missing_lock_timeout(asked: &Asked<'_>) -> Option<Found> {
    let lock = strongest(asked)?;
    if asked.session.timeouts.lock > 0 {
        return None;
    }
    let message = format!(
        "no lock_timeout: the statement waits without end for {} on {}, and others queue behind it",
        lock.mode.name(),
        lock.relation.qualified()
    );
    Some(told(lock, message).safe("SET lock_timeout = '2s'").note("try again where it runs out"))
}

fn seconds(milliseconds: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a duration for people")]
    let milliseconds = milliseconds as f64;
    milliseconds / 1000.0
}

fn long_lock_timeout(asked: &Asked<'_>) -> Option<Found> {
    let lock = strongest(asked)?;
    let timeout = seconds(asked.session.timeouts.lock);
    if timeout <= (asked.threshold)("seconds") {
        return None;
    }
    let message = format!(
        "lock_timeout is {timeout} s: for so long others may queue behind the wait for {} on {}",
        lock.mode.name(),
        lock.relation.qualified()
    );
    Some(told(lock, message).safe("SET lock_timeout = '2s'").note("try again where it runs out"))
}

fn missing_statement_timeout(asked: &Asked<'_>) -> Option<Found> {
    let lock = strongest(asked)?;
    if asked.session.timeouts.statement > 0 {
        return None;
    }
    let message = format!(
        "no statement_timeout: nothing ends the statement while it holds {} on {}",
        lock.mode.name(),
        lock.relation.qualified()
    );
    Some(told(lock, message).safe("SET statement_timeout = '1min'"))
}

fn missing_idle_timeout(asked: &Asked<'_>) -> Option<Found> {
    let lock = strongest(asked)?;
    if !asked.session.is_in_transaction_block || asked.session.timeouts.idle_in_transaction > 0 {
        return None;
    }
    let message = format!(
        "no idle_in_transaction_session_timeout: a client that hangs keeps {} on {}",
        lock.mode.name(),
        lock.relation.qualified()
    );
    Some(told(lock, message).safe("SET idle_in_transaction_session_timeout = '1min'"))
}

fn missing_transaction_timeout(asked: &Asked<'_>) -> Option<Found> {
    let lock = strongest(asked)?;
    if !asked.session.is_in_transaction_block || asked.session.timeouts.transaction != Some(0) {
        return None;
    }
    let message = format!(
        "no transaction_timeout: {} on {} is kept however long the transaction lasts",
        lock.mode.name(),
        lock.relation.qualified()
    );
    Some(told(lock, message).safe("SET transaction_timeout = '5min'"))
}

fn short_for_build(asked: &Asked<'_>) -> Option<Found> {
    if !matches!(asked.action.kind, Kind::CreateIndex(_) | Kind::Reindex { .. }) || !is_concurrent(asked) {
        return None;
    }
    let table = asked.target()?;
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let bytes = table.bytes as f64;
    let least = (asked.threshold)("seconds").max(bytes / asked.session.rates.index_build.0.max(1.0));
    let timeouts = asked.session.timeouts;
    let short: Vec<(&str, f64)> = [
        ("lock_timeout", timeouts.lock),
        ("statement_timeout", timeouts.statement),
        ("transaction_timeout", timeouts.transaction.unwrap_or(0)),
    ]
    .into_iter()
    .map(|(name, value)| (name, seconds(value)))
    .filter(|(_, value)| *value > 0.0 && *value < least)
    .collect();
    let (first, value) = short.first()?;
    let message = format!(
        "{first} of {value} s may end the build on {} and leave an invalid index behind",
        table.qualified()
    );
    let mut found = Found::new(Effect::Fails, message);
    found.safe = short.iter().map(|(name, _)| format!("SET {name} = 0")).collect();
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::LockMode;
    use crate::migration::judge::sample::{Case, new_table, table};

    fn instant() -> Case {
        Case::alter(Alteration::Owner)
    }

    #[test]
    fn a_wait_without_end() {
        instant().is_silent(MISSING_LOCK_TIMEOUT.id);
        let without = |case: Case| case.within(|session| session.timeouts.lock = 0);
        let found = without(instant()).fires(MISSING_LOCK_TIMEOUT.id);
        assert_eq!(found.safe, ["SET lock_timeout = '2s'"]);
        without(instant().on(new_table("acct"), LockMode::AccessExclusive))
            .is_silent(MISSING_LOCK_TIMEOUT.id);
        without(instant().on(table("acct"), LockMode::ShareUpdateExclusive))
            .is_silent(MISSING_LOCK_TIMEOUT.id);
        without(build()).is_silent(MISSING_LOCK_TIMEOUT.id);
    }

    #[test]
    fn a_long_wait() {
        let with = |lock| instant().within(|session| session.timeouts.lock = lock);
        assert!(with(300_000).fires(LONG_LOCK_TIMEOUT.id).message.starts_with("lock_timeout is 300 s"));
        with(10_000).is_silent(LONG_LOCK_TIMEOUT.id);
        with(0).is_silent(LONG_LOCK_TIMEOUT.id);
    }

    #[test]
    fn other_timeouts_are_told_where_they_matter() {
        instant().fires(MISSING_STATEMENT_TIMEOUT.id);
        instant().within(|session| session.timeouts.statement = 5000).is_silent(MISSING_STATEMENT_TIMEOUT.id);
        instant().is_silent(MISSING_IDLE_TIMEOUT.id);
        instant().in_block().fires(MISSING_IDLE_TIMEOUT.id);
        let seventeen =
            |transaction| instant().in_block().within(|session| session.timeouts.transaction = transaction);
        seventeen(Some(0)).fires(MISSING_TRANSACTION_TIMEOUT.id);
        seventeen(Some(5)).is_silent(MISSING_TRANSACTION_TIMEOUT.id);
        seventeen(None).is_silent(MISSING_TRANSACTION_TIMEOUT.id);
    }

    fn build() -> Case {
        let index = CreateIndex { is_concurrent: true, ..CreateIndex::default() };
        Case::new(Kind::CreateIndex(index)).on(table("acct"), LockMode::ShareUpdateExclusive)
    }

    #[test]
    fn a_build_needs_time() {
        let found = build().within(|session| session.timeouts.statement = 60_000).fires(SHORT_FOR_BUILD.id);
        assert_eq!(found.safe, ["SET lock_timeout = 0", "SET statement_timeout = 0"]);
        build().within(|session| session.timeouts.lock = 0).is_silent(SHORT_FOR_BUILD.id);
        instant().is_silent(SHORT_FOR_BUILD.id);
    }
}
