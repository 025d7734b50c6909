//! Who is in the way.

use pgrx::pg_sys;
use rustc_hash::FxHashMap;

use super::cache::relation_name;
use super::touched;
use crate::catalog::ddl::Blocker;
use crate::catalog::{LockMode, Oid};
use crate::pg::backends;
use crate::pg::isolation::isolated;
use crate::pg::query;
use crate::pg::roles::may_see_statistics_of;
use crate::pg::scan::text_of_c_string;
use crate::pg::value::Text;
use crate::text::identifier::quote_qualified;

/// The sessions and prepared transactions whose locks on this relation, or on a partition or child of it, conflict
/// with `mode`, and those that wait for one there, oldest first.
pub fn of(relation: u32, mode: LockMode) -> Vec<Blocker> {
    let members: Vec<Oid> =
        touched::tree(pg_sys::Oid::from(relation)).into_iter().map(pg_sys::Oid::to_u32).collect();
    among(&members, mode)
}

/// The same for the relation alone.
pub fn of_one(relation: u32, mode: LockMode) -> Vec<Blocker> {
    among(&[relation], mode)
}

/// The same for any of these relations.
pub fn among(relations: &[Oid], mode: LockMode) -> Vec<Blocker> {
    // Reading every lock of the server locks out whoever wants one, for a moment: only where somebody holds any lock
    // on one of these. Whoever waits there waits for a holder.
    let held: Vec<Oid> = relations.iter().copied().filter(|&relation| is_locked(relation)).collect();
    if held.is_empty() {
        return Vec::new();
    }
    let locks = Locks::read();
    let mut found = locks.conflicting(&held, mode);
    if !found.is_empty() {
        describe(&mut found, &locks);
    }
    let mut blockers: Vec<Blocker> = found.into_iter().map(|found| found.blocker).collect();
    blockers.sort_by(|one, other| {
        let age = |blocker: &Blocker| blocker.seconds.unwrap_or(0.0);
        (one.is_waiting, -age(one), one.pid)
            .partial_cmp(&(other.is_waiting, -age(other), other.pid))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    blockers
}

/// Whether anybody but this session holds any lock on the relation, fast-path locks included.
fn is_locked(relation: Oid) -> bool {
    let tag = pg_sys::LOCKTAG {
        // SAFETY: a constant of this backend.
        locktag_field1: unsafe { pg_sys::MyDatabaseId }.to_u32(),
        locktag_field2: relation,
        locktag_field3: 0,
        locktag_field4: 0,
        locktag_type: pg_sys::LockTagType::LOCKTAG_RELATION as u8,
        locktag_lockmethodid: pg_sys::DEFAULT_LOCKMETHOD as u8,
    };
    let mut count = 0;
    // SAFETY: looks at shared memory and returns an array of this context; nothing waits but for lightweight locks.
    unsafe {
        let conflicts =
            pg_sys::GetLockConflicts(&raw const tag, pg_sys::AccessExclusiveLock as _, &raw mut count);
        // In recovery the server keeps the array for the next call.
        if !pg_sys::RecoveryInProgress() {
            pg_sys::pfree(conflicts.cast());
        }
    }
    count > 0
}

/// Who holds a lock: the number of the backend and of its transaction, which a prepared transaction keeps.
type Holder = (i32, u32);

/// All locks of the server at one moment.
struct Locks(Vec<pg_sys::LockInstanceData>);

struct Found {
    blocker: Blocker,
    holder: Holder,
    leader: i32,
}

fn holder_of(lock: &pg_sys::LockInstanceData) -> Holder {
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    return (lock.backend, lock.lxid);
    #[cfg(not(any(feature = "pg15", feature = "pg16")))]
    return (lock.vxid.procNumber, lock.vxid.localTransactionId);
}

impl Locks {
    fn read() -> Self {
        // SAFETY: returns a copy in this context, of as many elements as it says.
        unsafe {
            let data = pg_sys::GetLockStatusData();
            let count = usize::try_from((*data).nelements).unwrap_or(0);
            if count == 0 {
                return Self(Vec::new());
            }
            let locks = std::slice::from_raw_parts((*data).locks, count).to_vec();
            pg_sys::pfree((*data).locks.cast());
            pg_sys::pfree(data.cast());
            Self(locks)
        }
    }

    fn conflicting(&self, relations: &[Oid], mode: LockMode) -> Vec<Found> {
        // SAFETY: constants of this backend.
        let (database, own) = unsafe { (pg_sys::MyDatabaseId.to_u32(), pg_sys::MyProcPid) };
        let mut found: Vec<Found> = Vec::new();
        for lock in &self.0 {
            let tag = &lock.locktag;
            let is_here = i32::from(tag.locktag_type) == pg_sys::LockTagType::LOCKTAG_RELATION as i32
                && tag.locktag_field1 == database
                && relations.contains(&tag.locktag_field2);
            let is_own = lock.pid == own || (lock.pid != 0 && lock.leaderPid == own);
            if !is_here || is_own {
                continue;
            }
            let held = LockMode::ALL
                .into_iter()
                .rev()
                .find(|held| lock.holdMask & (1 << held.number()) != 0 && held.conflicts_with(mode));
            let awaited =
                LockMode::from_number(lock.waitLockMode).filter(|awaited| awaited.conflicts_with(mode));
            let Some((conflicting, is_waiting)) =
                held.map(|held| (held, false)).or(awaited.map(|awaited| (awaited, true)))
            else {
                continue;
            };
            let holder = holder_of(lock);
            // A parallel worker stands for its leader.
            let pid = if lock.leaderPid != 0 { lock.leaderPid } else { lock.pid };
            let known =
                found.iter_mut().find(|known| known.leader == pid && (pid != 0 || known.holder == holder));
            if let Some(known) = known {
                let (was, is) = (&mut known.blocker, (!is_waiting, Some(conflicting)));
                if is > (!was.is_waiting, was.mode) {
                    was.relation = qualified(tag.locktag_field2);
                    was.mode = Some(conflicting);
                    was.is_waiting = is_waiting;
                }
                continue;
            }
            let relation = qualified(tag.locktag_field2);
            let blocker =
                Blocker { pid, relation, mode: Some(conflicting), is_waiting, ..Blocker::default() };
            found.push(Found { blocker, holder, leader: pid });
        }
        found
    }

    /// The transaction of a prepared one: it holds the lock on its own number.
    fn transaction_of(&self, holder: Holder) -> Option<u32> {
        let is_its = |lock: &&pg_sys::LockInstanceData| {
            lock.pid == 0
                && holder_of(lock) == holder
                && i32::from(lock.locktag.locktag_type) == pg_sys::LockTagType::LOCKTAG_TRANSACTION as i32
                && lock.holdMask != 0
        };
        self.0.iter().find(is_its).map(|lock| lock.locktag.locktag_field1)
    }
}

fn qualified(relation: Oid) -> String {
    match relation_name(pg_sys::Oid::from(relation)) {
        Some((schema, name)) => quote_qualified(&schema, &name),
        None => relation.to_string(),
    }
}

/// What pg_stat_activity knows of one backend.
struct Activity {
    role: pg_sys::Oid,
    state: &'static str,
    application: String,
    backend_type: String,
    seconds: Option<f64>,
}

fn describe(found: &mut [Found], locks: &Locks) {
    let activities = activities(&found.iter().map(|found| found.blocker.pid).collect::<Vec<_>>());
    for found in found {
        let blocker = &mut found.blocker;
        if blocker.pid == 0 {
            describe_prepared(blocker, locks.transaction_of(found.holder));
            continue;
        }
        blocker.prevents_wraparound = prevents_wraparound(blocker.pid);
        if let Some(activity) = activities.get(&blocker.pid) {
            blocker.backend_type.clone_from(&activity.backend_type);
            if may_see_statistics_of(activity.role) {
                activity.state.clone_into(&mut blocker.state);
                blocker.application.clone_from(&activity.application);
                blocker.seconds = activity.seconds;
            }
        }
    }
}

fn prevents_wraparound(pid: i32) -> bool {
    // SAFETY: a slot of shared memory, or null; the flags are one byte, which autovacuum sets once a table.
    unsafe {
        let process = pg_sys::BackendPidGetProc(pid);
        !process.is_null() && u32::from((*process).statusFlags) & pg_sys::PROC_VACUUM_FOR_WRAPAROUND != 0
    }
}

fn activities(pids: &[i32]) -> FxHashMap<i32, Activity> {
    let mut found = FxHashMap::default();
    // SAFETY: the next look makes new copies; reads the clock.
    let now = unsafe {
        pg_sys::pgstat_clear_backend_activity_snapshot();
        pg_sys::GetCurrentTimestamp()
    };
    backends::each(|status| {
        if !pids.contains(&status.st_procpid) {
            return;
        }
        let began = status.st_xact_start_timestamp;
        // SAFETY: texts of the copy and of the server.
        let text = |text| unsafe { text_of_c_string(text) }.map(String::from).unwrap_or_default();
        let activity = Activity {
            role: status.st_userid,
            state: state_name(status.st_state),
            application: text(status.st_appname),
            // SAFETY: a constant of the server.
            backend_type: text(unsafe { pg_sys::GetBackendTypeDesc(status.st_backendType) }),
            seconds: (began != 0).then(|| now.saturating_sub(began).max(0) as f64 / 1e6),
        };
        found.insert(status.st_procpid, activity);
    });
    found
}

fn state_name(state: pg_sys::BackendState::Type) -> &'static str {
    use pg_sys::BackendState as State;
    match state {
        State::STATE_IDLE => "idle",
        State::STATE_RUNNING => "active",
        State::STATE_IDLEINTRANSACTION => "idle in transaction",
        State::STATE_FASTPATH => "fastpath function call",
        State::STATE_IDLEINTRANSACTION_ABORTED => "idle in transaction (aborted)",
        State::STATE_DISABLED => "disabled",
        _ => "",
    }
}

/// The server shows prepared transactions to everybody.
fn describe_prepared(blocker: &mut Blocker, transaction: Option<u32>) {
    "prepared transaction".clone_into(&mut blocker.backend_type);
    blocker.prepared = Some(String::new());
    let Some(transaction) = transaction else {
        return;
    };
    let sql = format!(
        "SELECT p.gid,
                pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) p.prepared)
         FROM pg_catalog.pg_prepared_xacts p
         WHERE p.transaction OPERATOR(pg_catalog.=) '{transaction}'::pg_catalog.xid"
    );
    let mut rows = Vec::new();
    // A failure leaves it without a name.
    let answer = isolated(&mut || {
        rows = query::rows(&sql, &[], |row| Ok((row.get::<Text>(1)?, row.get::<f64>(2)?)));
    });
    if answer.is_ok()
        && let Some((name, seconds)) = rows.into_iter().next()
    {
        blocker.prepared = name.map(Text::into_string);
        blocker.seconds = seconds;
    }
}
