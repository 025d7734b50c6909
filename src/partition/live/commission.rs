//! What a session asks of the worker that it waits for.

use std::time::Duration;

use super::survey::Scope;
use crate::catalog::Oid;
use crate::pg::{random, settings, upkeep};

/// One run.
#[derive(Clone, Copy, Debug)]
pub struct Commission {
    /// By which number its entries in the log are known.
    pub run: i64,
    /// Whose sets.
    pub scope: Scope,
    /// What is taken for now: microseconds since 2000-01-01 00:00 UTC.
    pub at: i64,
    /// How long a lock is waited for.
    pub lock_timeout: Duration,
}

impl Commission {
    /// Of this session, as its settings are.
    pub fn of_session(parent: Option<Oid>, at: i64) -> Self {
        Self {
            run: random::number(),
            scope: Scope { parent, role: upkeep::caller(), is_impatient: true },
            at,
            lock_timeout: settings::upkeep_lock_timeout(),
        }
    }

    /// As a worker is told of it.
    pub fn write(&self) -> String {
        let Self { run, scope, at, lock_timeout } = self;
        format!("{run} {} {at} {} {}", scope.parent.unwrap_or(0), scope.role, lock_timeout.as_millis())
    }

    /// What was written.
    pub fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ').map(str::parse::<i64>);
        let mut next = || words.next()?.ok();
        let (run, parent, at, role, limit) = (next()?, next()?, next()?, next()?, next()?);
        let parent = Some(Oid::try_from(parent).ok()?).filter(|&parent| parent != 0);
        Some(Self {
            run,
            scope: Scope { parent, role: Oid::try_from(role).ok()?, is_impatient: true },
            at,
            lock_timeout: Duration::from_millis(u64::try_from(limit).ok()?),
        })
    }
}
