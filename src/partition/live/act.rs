//! One action carried out: its statements in transactions of their own, each with a limit for waiting, and what came of it
//! written down.

use std::time::{Duration, Instant};

use super::in_the_way;
use super::pattern;
use super::record::{self, Entry, Status};
use super::survey::{Surveyed, share_of};
use crate::catalog::{Oid, ReplicaIdentity};
use crate::partition::bounds;
use crate::partition::ddl::{self, Creation, Fence, Pattern};
use crate::partition::key::{Edge, Range};
use crate::partition::set::{Partition, RetentionAction};
use crate::partition::upkeep::Action;
use crate::pg::closed::close;
use crate::pg::query;
use crate::pg::random;
use crate::pg::run::statement::run as run_statement;
use crate::pg::run::{Failure, owner::as_owner};
use crate::pg::trail;
use crate::pg::upkeep::{self, Place, alone, in_transaction};
use crate::pg::value::Text;
use crate::text::{quote_identifier, quote_qualified};

/// The code of a lock that was not to be had in time.
const NO_LOCK: &str = "55P03";
/// Somebody cancelled us.
const CANCELLED: &str = "57014";
/// A row that a constraint does not allow.
const VIOLATED: &str = "23514";
/// Something depends on it.
const DEPENDED_ON: &str = "2BP01";
/// How often a lock is tried in one run.
const TRIES: u32 = 3;
/// How long the first pause between two tries is; each is three times the one before.
const PAUSE: Duration = Duration::from_millis(100);
/// Up to how many blocks, a megabyte, a default partition is read under its lock in a few milliseconds.
const SMALL: u64 = 128;

/// What is being carried out.
pub struct Turn<'a> {
    pub place: Place,
    /// Whoever asked: what he may know of others is told.
    pub role: Oid,
    pub run: i64,
    pub lock_timeout: Duration,
    pub surveyed: &'a Surveyed,
}

/// What came of an action.
pub struct Outcome {
    pub status: Status,
    pub detail: String,
    pub sqlstate: Option<String>,
    /// Whether it is in the log already, written in the transaction of the action itself.
    is_written: bool,
}

impl Outcome {
    pub fn new(status: Status, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), sqlstate: None, is_written: false }
    }

    fn written(status: Status) -> Self {
        Self { is_written: true, ..Self::new(status, "") }
    }
}

impl Turn<'_> {
    fn parent(&self) -> String {
        self.surveyed.set.qualified()
    }

    fn transaction<T>(&self, limit: Duration, work: impl FnOnce() -> T) -> Result<T, Failure> {
        in_transaction(self.place, self.surveyed.set.owner, limit, work)
    }

    /// Runs statements, and writes down what came of it together with them.
    fn entry(&self, action: &str, partition: &str, detail: &str, start: Instant) -> Entry {
        Entry {
            parent_oid: self.surveyed.set.parent,
            parent: self.parent(),
            action: action.to_owned(),
            partition: Some(partition.to_owned()),
            status: Status::Done,
            detail: detail.to_owned(),
            elapsed: start.elapsed(),
            sqlstate: None,
        }
    }

    /// Tries again while a lock is not to be had. Before the last try an autovacuum in the way is asked to end.
    fn patiently<T>(
        &self,
        limit: Duration,
        mut attempt: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut pause = PAUSE;
        for _ in 1..TRIES {
            match attempt() {
                Err(failure) if failure.sqlstate == NO_LOCK => {}
                result => return result,
            }
            upkeep::pause(pause.mul_f64(0.75 + random::share() / 2.0))?;
            pause *= 3;
        }
        if !matches!(self.place, Place::Worker { .. }) {
            return attempt();
        }
        let before = upkeep::patience_of_server();
        upkeep::give_way(before.min(limit / 2))?;
        let result = attempt();
        upkeep::give_way(before)?;
        result
    }

    /// Carries out an action and writes down what came of it; fails where that cannot be written, or somebody wants us to
    /// end.
    pub fn carry_out(&self, action: &Action) -> Result<Outcome, Failure> {
        let start = Instant::now();
        let limit = share_of(self.lock_timeout, action, &self.surveyed.set);
        let (result, partition) = match action {
            Action::DropConstraint { constraint } => {
                let default = self.surveyed.set.default_partition().map(Partition::qualified);
                (self.drop_constraint(default.as_deref(), constraint, limit, start), default)
            }
            Action::Create { name, range } => (
                self.create(name, range, limit, start),
                Some(quote_qualified(&self.surveyed.set.schema, name)),
            ),
            Action::CreateDefault { name } => (
                self.create_default(name, limit, start),
                Some(quote_qualified(&self.surveyed.set.schema, name)),
            ),
            Action::Finalize { partition, .. } => {
                let name = self.name_of(*partition);
                (self.finalize(*partition, &name, limit, start), Some(name))
            }
            Action::Retire { partition, concurrently, .. } => {
                let name = self.name_of(*partition);
                (self.retire(*partition, &name, *concurrently, limit, start), Some(name))
            }
            Action::DropDetached { relation, name } => {
                (self.drop_table(*relation, name, limit, start), Some(name.clone()))
            }
            Action::Drain => (super::drain::drain(self), None),
            Action::Stop { reason, .. } => (Ok(Outcome::new(Status::Stopped, reason.as_str())), None),
        };
        let outcome = match result {
            Ok(outcome) => outcome,
            Err(failure) if failure.sqlstate == CANCELLED => return Err(failure),
            Err(failure) => self.outcome_of(action, &failure),
        };
        if !outcome.is_written {
            let entry = Entry {
                partition: partition.or_else(|| Some(String::new())).filter(|name| !name.is_empty()),
                status: outcome.status,
                sqlstate: outcome.sqlstate.clone(),
                ..self.entry(action.name(), "", &outcome.detail, start)
            };
            self.transaction(self.lock_timeout, || record::write(self.run, &entry))?;
        }
        Ok(outcome)
    }

    fn name_of(&self, partition: Oid) -> String {
        self.partition(partition)
            .map_or_else(|| partition.to_string(), |found| quote_qualified(&found.schema, &found.name))
    }

    fn partition(&self, partition: Oid) -> Option<&Partition> {
        self.surveyed.set.partitions.iter().find(|found| found.relation == partition)
    }

    fn outcome_of(&self, action: &Action, failure: &Failure) -> Outcome {
        if failure.sqlstate == NO_LOCK {
            let look = || in_the_way::of(&self.surveyed.set, action);
            let who = in_transaction(self.place, self.role, self.lock_timeout, look).ok().flatten();
            let who = who.unwrap_or_else(|| "locked by a process that has let go since".to_owned());
            return Outcome {
                sqlstate: Some(failure.sqlstate.clone()),
                ..Outcome::new(Status::Skipped, who)
            };
        }
        Outcome { sqlstate: Some(failure.sqlstate.clone()), ..Outcome::new(Status::Failed, failure.text()) }
    }

    fn create(&self, name: &str, range: &Range, limit: Duration, start: Instant) -> Result<Outcome, Failure> {
        let Surveyed { set, policy, .. } = self.surveyed;
        let default = set.default_partition();
        let is_small = default.is_none_or(|default| !default.is_partitioned && default.blocks <= SMALL);
        let fence = if is_small {
            None
        } else {
            let default =
                default.map(|default| quote_qualified(&default.schema, &default.name)).unwrap_or_default();
            let is_ahead =
                matches!((&range.low, self.surveyed.position), (Edge::At(low), Some(here)) if *low > here);
            match ddl::inside(set, policy.key, range).filter(|_| is_ahead) {
                Some(_) if self.place == Place::Session => {
                    return Ok(Outcome::new(
                        Status::Skipped,
                        format!(
                            "{default} has to be read first, which needs a background worker: none was to be had"
                        ),
                    ));
                }
                Some(inside) => Some(ddl::fence(&default, name, &inside)),
                // Rows for it arrive now: they must neither be refused nor wait until the default partition is read.
                None => {
                    return Ok(Outcome::new(
                        Status::Due,
                        format!(
                            "it is made when {default} is drained, which is too large to be read under its lock"
                        ),
                    ));
                }
            }
        };
        let bounds = bounds::bounds(set, policy.key, range);
        let attach = || {
            self.transaction(limit, || {
                let (pattern, model) = pattern::read(set, policy);
                let creation = ddl::creation(&self.parent(), &set.schema, name, &bounds, &pattern, &model);
                let table = quote_qualified(&set.schema, name);
                self.make(&creation, fence.as_ref(), &table, &pattern);
                let is_empty = pattern.shape.as_ref().is_some_and(|shape| shape.parts.is_empty());
                let note = if is_empty { "; it is partitioned itself and has no partition yet" } else { "" };
                let detail = format!("takes {bounds}{note}");
                record::write(self.run, &self.entry("create", &table, &detail, start));
            })
        };
        let in_default = || {
            Ok(Outcome::new(
                Status::Due,
                "rows of it are in the default partition: it is made when that is drained",
            ))
        };
        let Some(fence) = &fence else {
            return match self.patiently(limit, attach) {
                Ok(()) => Ok(Outcome::written(Status::Done)),
                Err(failure) if failure.sqlstate == VIOLATED && default.is_some() => in_default(),
                Err(failure) => Err(failure),
            };
        };
        let run = |sql: &str| self.transaction(limit, || run_statement(sql));
        let result = self
            .patiently(limit, || run(&format!("{};\n{}", fence.remove, fence.add)))
            .and_then(|()| run(&fence.validate))
            .and_then(|()| self.patiently(limit, attach));
        if let Err(failure) = result {
            // Rows of the range must not be refused any longer.
            let removed = self.patiently(limit, || run(&fence.remove));
            if removed.is_err() {
                pgrx::log!(
                    "dbmastery: constraint {} stays on the default partition until the next run",
                    fence.name
                );
            }
            if failure.sqlstate == VIOLATED {
                return in_default();
            }
            return Err(failure);
        }
        Ok(Outcome::written(Status::Done))
    }

    fn create_default(&self, name: &str, limit: Duration, start: Instant) -> Result<Outcome, Failure> {
        let Surveyed { set, policy, .. } = self.surveyed;
        self.patiently(limit, || {
            self.transaction(limit, || {
                let (mut pattern, model) = pattern::read(set, policy);
                // Rows are to be moved out of it again.
                pattern.shape = None;
                let creation = ddl::creation_of_default(&self.parent(), &set.schema, name, &pattern, &model);
                self.make(&creation, None, &quote_qualified(&set.schema, name), &pattern);
                let table = quote_qualified(&set.schema, name);
                let detail = "takes what no other partition takes";
                record::write(self.run, &self.entry("create", &table, detail, start));
            })
        })?;
        Ok(Outcome::written(Status::Done))
    }

    /// Makes a partition, in the transaction that is open; `fence` is taken away when it is attached.
    fn make(&self, creation: &Creation, fence: Option<&Fence>, table: &str, pattern: &Pattern) {
        let Surveyed { set, policy, .. } = self.surveyed;
        run_statement(&creation.beside.join(";\n"));
        close(&creation.tables);
        let mut statements = creation.open.clone();
        statements.push(creation.attach.clone());
        statements.extend(fence.map(|fence| fence.remove.clone()));
        statements.extend(creation.after.iter().cloned());
        run_statement(&statements.join(";\n"));
        if pattern.replica_identity == ReplicaIdentity::Index
            && let Some(sql) = pattern::replica_identity(set, policy, table)
        {
            run_statement(&sql);
        }
    }

    fn drop_constraint(
        &self,
        default: Option<&str>,
        constraint: &str,
        limit: Duration,
        start: Instant,
    ) -> Result<Outcome, Failure> {
        let default = default.unwrap_or_default();
        let sql = ddl::drop_constraint(default, constraint);
        let detail = format!("{} was left by a run that was cut off", quote_identifier(constraint));
        self.patiently(limit, || {
            self.transaction(limit, || {
                run_statement(&sql);
                record::write(self.run, &self.entry("drop constraint", default, &detail, start));
            })
        })?;
        Ok(Outcome::written(Status::Done))
    }

    fn finalize(
        &self,
        relation: Oid,
        partition: &str,
        limit: Duration,
        start: Instant,
    ) -> Result<Outcome, Failure> {
        let sql = ddl::finalize(&self.parent(), partition);
        self.patiently(limit, || {
            self.transaction(limit, || {
                run_statement(&sql);
                record::write(self.run, &self.entry("finalize", partition, "detached at last", start));
            })
        })?;
        // Of what was retired by policy; what is to be dropped is found by its time.
        let is_archived = matches!(self.surveyed.policy.retention_action, RetentionAction::Archive(_));
        if is_archived && self.transaction(limit, || record::is_detached(relation, partition))? {
            self.after_detach(relation, partition, limit)?;
        }
        Ok(Outcome::written(Status::Done))
    }

    fn retire(
        &self,
        relation: Oid,
        partition: &str,
        concurrently: bool,
        limit: Duration,
        start: Instant,
    ) -> Result<Outcome, Failure> {
        let Surveyed { set, policy, .. } = self.surveyed;
        let delay = (policy.retention_action == RetentionAction::Drop).then_some(policy.drop_delay);
        let sql = ddl::detach(&self.parent(), partition, concurrently);
        let detail = match (&policy.retention_action, policy.drop_delay) {
            (RetentionAction::Drop, 0) => "detached".to_owned(),
            (RetentionAction::Drop, delay) => {
                format!(
                    "detached, to be dropped after {} hours",
                    delay.saturating_add(3_599_999_999) / 3_600_000_000
                )
            }
            (RetentionAction::Keep, _) => "detached and kept".to_owned(),
            (RetentionAction::Archive(_), _) => "detached".to_owned(),
        };
        let done = || record::write(self.run, &self.entry("retire", partition, &detail, start));
        let is_searched = !set.referenced_by.is_empty();
        if is_searched && self.place == Place::Session {
            let reason = "whether rows point to it has to be seen in limited time, which needs a background worker: none was to be had";
            return Ok(Outcome::new(Status::Skipped, reason));
        }
        // Nobody writes into the tables that point here while they are searched.
        let in_time = |work: &dyn Fn() -> Result<(), Failure>| {
            if is_searched { upkeep::within(self.lock_timeout, work) } else { work() }
        };
        if !concurrently && delay == Some(0) && set.references.is_empty() && !is_searched {
            match self.drop_partition(relation, partition, limit, start) {
                // A view of it, for example: it can be detached still.
                Err(failure) if failure.sqlstate == DEPENDED_ON => {}
                result => return result,
            }
        }
        if !concurrently {
            let detached = self.patiently(limit, || {
                in_time(&|| {
                    self.transaction(limit, || {
                        run_statement(&sql);
                        record::detaching(set, relation, partition, delay);
                        done();
                    })
                })
            });
            match detached {
                Err(failure) if failure.sqlstate == upkeep::TOO_LONG => return Ok(self.too_long(partition)),
                result => result?,
            }
        } else if self.place == Place::Session {
            let reason = "DETACH CONCURRENTLY needs a background worker, and none was to be had";
            return Ok(Outcome::new(Status::Skipped, reason));
        } else {
            self.transaction(limit, || record::detaching(set, relation, partition, delay))?;
            // Its first half is done or not at all; the second waits for whoever uses the parent, and nobody for it.
            let detached = self.patiently(limit, || match in_time(&|| alone(set.owner, limit, &sql)) {
                Err(failure)
                    if matches!(&*failure.sqlstate, NO_LOCK | upkeep::TOO_LONG)
                        && self.is_pending(relation) =>
                {
                    Ok(false)
                }
                result => result.map(|()| true),
            });
            let detached = match detached {
                Ok(detached) => detached,
                Err(failure) if failure.sqlstate == upkeep::TOO_LONG => {
                    self.transaction(limit, || record::gone(relation))?;
                    return Ok(self.too_long(partition));
                }
                Err(failure) => {
                    // Should somebody else detach it, it is not ours to drop.
                    self.transaction(limit, || record::gone(relation))?;
                    return Err(failure);
                }
            };
            if !detached {
                let who =
                    in_transaction(self.place, self.role, self.lock_timeout, || in_the_way::of_detach(set));
                let who = who.ok().flatten();
                let who = who.map_or_else(String::new, |who| format!(", {who}"));
                return Ok(Outcome::new(
                    Status::Skipped,
                    format!("no new query uses it, but older ones may: the next run ends the detaching{who}"),
                ));
            }
            self.transaction(limit, done)?;
        }
        self.after_detach(relation, partition, limit)?;
        Ok(Outcome::written(Status::Done))
    }

    /// Drops a partition with the locks with which it would be detached. For a detaching the server reads all constraints of
    /// the database, where the partition has a key.
    fn drop_partition(
        &self,
        relation: Oid,
        partition: &str,
        limit: Duration,
        start: Instant,
    ) -> Result<Outcome, Failure> {
        let set = &self.surveyed.set;
        let is_foreign = self.partition(relation).is_some_and(|partition| partition.is_foreign);
        let default = set.default_partition().map(Partition::qualified);
        let sql = ddl::drop_attached(&self.parent(), default.as_deref(), partition, is_foreign);
        self.patiently(limit, || {
            self.transaction(limit, || {
                run_statement(&sql);
                // Of a detaching the trail hears by itself.
                let told = format!("{partition}{}", trail::DROPPED);
                as_owner(|| trail::note_of_part(set.parent, trail::DETACHED, &told));
                record::write(self.run, &self.entry("retire", partition, "detached", start));
                record::write(self.run, &self.entry("drop", partition, "dropped", start));
            })
        })?;
        Ok(Outcome::written(Status::Done))
    }

    /// What is said of a partition that was not detached because a table that points to it is too large to be searched.
    fn too_long(&self, partition: &str) -> Outcome {
        let tables = self.surveyed.set.referenced_by.join(", ");
        Outcome::new(
            Status::Skipped,
            format!(
                "to see whether rows of {tables} point to it took longer than {} ms, while which nobody could write \
                 there: index the foreign key, or detach {partition} by hand at a quiet time",
                self.lock_timeout.as_millis()
            ),
        )
    }

    fn is_pending(&self, relation: Oid) -> bool {
        let look = || {
            query::rows(
                "SELECT EXISTS (SELECT FROM pg_catalog.pg_inherits i
                     WHERE i.inhrelid OPERATOR(pg_catalog.=) $1::pg_catalog.int8::pg_catalog.oid AND i.inhdetachpending)",
                &[i64::from(relation).into()],
                |row| row.get::<bool>(1),
            ) == [Some(true)]
        };
        self.transaction(self.lock_timeout, look).unwrap_or(false)
    }

    /// What the policy wants done with a partition that is one no more. A failure is written down by itself: the detaching
    /// is done either way.
    fn after_detach(&self, relation: Oid, partition: &str, limit: Duration) -> Result<(), Failure> {
        let (name, result, start) = match &self.surveyed.policy.retention_action {
            RetentionAction::Drop if self.surveyed.policy.drop_delay == 0 => {
                let start = Instant::now();
                ("drop", self.drop_table(relation, partition, limit, start), start)
            }
            RetentionAction::Archive(schema) => {
                let start = Instant::now();
                ("archive", self.archive(relation, partition, schema, limit, start), start)
            }
            _ => return Ok(()),
        };
        let Err(failure) = result else { return Ok(()) };
        if failure.sqlstate == CANCELLED {
            return Err(failure);
        }
        let action = Action::DropDetached { relation, name: partition.to_owned() };
        let outcome = self.outcome_of(&action, &failure);
        let entry = Entry {
            status: outcome.status,
            sqlstate: outcome.sqlstate,
            ..self.entry(name, partition, &outcome.detail, start)
        };
        self.transaction(self.lock_timeout, || record::write(self.run, &entry))
    }

    fn archive(
        &self,
        relation: Oid,
        table: &str,
        schema: &str,
        limit: Duration,
        start: Instant,
    ) -> Result<Outcome, Failure> {
        let name = self.partition(relation).map_or("", |partition| &partition.name).to_owned();
        let sql = ddl::archive(table, schema);
        self.patiently(limit, || {
            self.transaction(limit, || {
                run_statement(&sql);
                let now = quote_qualified(schema, &name);
                record::moved(relation, &now);
                record::write(self.run, &self.entry("archive", table, &format!("is {now} now"), start));
            })
        })?;
        Ok(Outcome::written(Status::Done))
    }

    /// Drops a detached table, its foreign keys first: each locks another table, so that no two of them are locked at once.
    fn drop_table(
        &self,
        relation: Oid,
        table: &str,
        limit: Duration,
        start: Instant,
    ) -> Result<Outcome, Failure> {
        let keys = self.transaction(limit, || {
            query::rows(
                "SELECT k.conname::pg_catalog.text FROM pg_catalog.pg_constraint k
                 WHERE k.conrelid OPERATOR(pg_catalog.=) $1::pg_catalog.int8::pg_catalog.oid
                   AND k.contype OPERATOR(pg_catalog.=) 'f' AND k.conparentid OPERATOR(pg_catalog.=) 0
                 ORDER BY k.conname",
                &[i64::from(relation).into()],
                |row| row.get::<Text>(1),
            )
        })?;
        for key in keys.into_iter().flatten() {
            let sql = ddl::drop_constraint(table, key.as_str());
            self.patiently(limit, || self.transaction(limit, || run_statement(&sql)))?;
        }
        let is_foreign = self.partition(relation).is_some_and(|partition| partition.is_foreign);
        let sql = ddl::drop_table(table, is_foreign);
        self.patiently(limit, || {
            self.transaction(limit, || {
                run_statement(&sql);
                record::gone(relation);
                record::write(self.run, &self.entry("drop", table, "dropped", start));
            })
        })?;
        Ok(Outcome::written(Status::Done))
    }
}
