//! Hand-made facts for tests of rules.

use super::{Judged, Policy, judge, rules};
use crate::catalog::ddl::{
    Action, Alteration, Blocker, Kind, LockTaken, Session, Statement, Touched, TouchedKind,
};
use crate::catalog::{LockMode, Oid};
use crate::finding::Severity;
use crate::migration::judge::rule::{DdlRule, Found};

/// The OID of [`table`] of that name.
pub fn oid(name: &str) -> Oid {
    name.bytes().fold(16_384, |sum, byte| sum * 31 % 1_000_000 + Oid::from(byte))
}

/// An ordinary table `public.name` of a million rows that others use.
pub fn table(name: &str) -> Touched {
    Touched {
        oid: oid(name),
        schema: "public".into(),
        name: name.into(),
        rows: Some(1e6),
        bytes: 100_000_000,
        index_bytes: 20_000_000,
        indexes: 1,
        uses: Some(1_000_000),
        ..Touched::default()
    }
}

/// The same of another kind.
pub fn relation(name: &str, kind: TouchedKind) -> Touched {
    Touched { kind, partitions: u32::from(kind == TouchedKind::PartitionedTable), ..table(name) }
}

/// A table that this transaction made.
pub fn new_table(name: &str) -> Touched {
    Touched { is_created_here: true, ..table(name) }
}

/// A table without a block.
pub fn empty_table(name: &str) -> Touched {
    Touched { rows: Some(0.0), bytes: 0, is_empty: true, ..table(name) }
}

/// Whatever the rules say themselves; tables below 1 MB are small.
pub struct Defaults;

impl Policy for Defaults {
    fn severity(&self, rule: &DdlRule) -> Option<Severity> {
        Some(rule.severity)
    }

    fn threshold(&self, rule: &DdlRule, name: &str) -> f64 {
        rule.thresholds
            .iter()
            .find(|threshold| threshold.name == name)
            .map_or(f64::NAN, |found| found.default)
    }

    fn small_table_bytes(&self) -> u64 {
        1_000_000
    }
}

/// A statement with its session.
#[derive(Clone, Debug)]
pub struct Case {
    /// The statement; its last action is the one that the builder changes.
    pub statement: Statement,
    /// The session: PostgreSQL 15, a client's own transaction a statement, `lock_timeout` 2 s.
    pub session: Session,
}

impl Case {
    /// An action without a target.
    pub fn new(kind: Kind) -> Self {
        let mut session = Session { server_version: 150_018, ..Session::default() };
        session.timeouts.lock = 2000;
        Self { statement: Statement { actions: vec![Action::new(kind)], ..Statement::default() }, session }
    }

    /// ALTER TABLE public.acct under ACCESS EXCLUSIVE.
    pub fn alter(alteration: Alteration) -> Self {
        Self::new(Kind::Alter(alteration)).on(table("acct"), LockMode::AccessExclusive)
    }

    fn action(&mut self) -> &mut Action {
        self.statement.actions.last_mut().expect("a case has an action")
    }

    /// With that target and lock.
    pub fn on(mut self, target: Touched, mode: LockMode) -> Self {
        let action = self.action();
        action.locks = vec![LockTaken { relation: target.clone(), mode }];
        action.is_qualified = true;
        action.target = Some(target);
        self
    }

    /// With one more lock.
    pub fn locks(mut self, relation: Touched, mode: LockMode) -> Self {
        self.action().locks.push(LockTaken { relation, mode });
        self
    }

    /// With the text of the action, and of the whole statement.
    pub fn text(mut self, action: &str, statement: &str) -> Self {
        self.action().text = action.to_owned();
        self.statement.text = statement.to_owned();
        self
    }

    /// With somebody in the way.
    pub fn blocked_by(mut self, blocker: Blocker) -> Self {
        self.action().blockers.push(blocker);
        self
    }

    /// With one more action on the same target.
    pub fn and(mut self, kind: Kind) -> Self {
        let action = Action { kind, ..self.action().clone() };
        self.statement.actions.push(action);
        self
    }

    /// With a changed session.
    pub fn within(mut self, change: impl FnOnce(&mut Session)) -> Self {
        change(&mut self.session);
        self
    }

    /// With a changed action.
    pub fn with(mut self, change: impl FnOnce(&mut Action)) -> Self {
        change(self.action());
        self
    }

    /// On that server.
    pub fn version(self, version: i32) -> Self {
        self.within(|session| session.server_version = version)
    }

    /// In a transaction block.
    pub fn in_block(self) -> Self {
        self.within(|session| session.is_in_transaction_block = true)
    }

    /// All that is judged.
    pub fn judged(&self) -> Vec<Judged> {
        judge(&self.statement, &self.session, &Defaults)
    }

    /// What that rule found.
    pub fn found(&self, id: &str) -> Option<Found> {
        assert!(rules::find(id).is_some(), "there is no rule {id}");
        self.judged().into_iter().find(|judged| judged.rule.id == id).map(|judged| judged.found)
    }

    /// The severity of what that rule found.
    pub fn severity(&self, id: &str) -> Option<Severity> {
        self.judged().into_iter().find(|judged| judged.rule.id == id).map(|judged| judged.severity)
    }

    /// Fails where the rule is silent.
    #[track_caller]
    pub fn fires(&self, id: &str) -> Found {
        self.found(id).unwrap_or_else(|| panic!("{id} is silent on {:?}", self.statement.actions))
    }

    /// Fails where the rule says something.
    #[track_caller]
    pub fn is_silent(&self, id: &str) {
        assert_eq!(self.found(id), None, "{id}");
    }
}
