//! The server, the session, and since when its statistics count.

use std::ffi::CStr;

use pgrx::pg_sys;

use crate::catalog::{Moment, Server, Setting, Snapshot, Standbys};
use crate::pg::file;
use crate::pg::moment::from_timestamp;
use crate::pg::scan::text_of_c_string;

/// The settings that rules look at.
const SETTINGS: [&CStr; 14] = [
    c"autovacuum",
    c"autovacuum_freeze_max_age",
    c"block_size",
    c"dbm.ddl_guard",
    c"dbm.ddl_lock_timeout",
    c"default_statistics_target",
    c"default_text_search_config",
    c"hot_standby",
    c"random_page_cost",
    c"server_encoding",
    c"session_replication_role",
    c"track_counts",
    c"track_commit_timestamp",
    c"wal_level",
];

/// Only for who may read all settings.
const PRELOADED: &CStr = c"shared_preload_libraries";

/// Reads what holds for the server and this session.
pub fn read(snapshot: &mut Snapshot) {
    // The server raises an ERROR where a role asks for what it may not see.
    // SAFETY: looks memberships up in the catalogs.
    let sees_all = unsafe {
        pg_sys::has_privs_of_role(pg_sys::GetUserId(), pg_sys::Oid::from(pg_sys::ROLE_PG_READ_ALL_SETTINGS))
    };
    for name in SETTINGS.into_iter().chain(sees_all.then_some(PRELOADED)) {
        // SAFETY: returns null for an unknown name, else a C string in the scratch context.
        let value = unsafe {
            text_of_c_string(pg_sys::GetConfigOptionByName(name.as_ptr(), std::ptr::null_mut(), true))
        };
        if let (Some(value), Ok(name)) = (value, name.to_str()) {
            snapshot.settings.insert(name.into(), Setting { value });
        }
    }
    // What the session has changed since it began says nothing of others: the value to which RESET would go back.
    // SAFETY: a setting that every server has; a C string that lives until the setting changes.
    let value =
        unsafe { text_of_c_string(pg_sys::GetConfigOptionResetString(c"lock_timeout".as_ptr()).cast_mut()) };
    if let Some(value) = value {
        snapshot.settings.insert("lock_timeout".into(), Setting { value });
    }
    // SAFETY: plain look-ups in a connected backend.
    let (database, role, is_in_recovery, now, sees_statistics) = unsafe {
        (
            text_of_c_string(pg_sys::get_database_name(pg_sys::MyDatabaseId)),
            text_of_c_string(pg_sys::GetUserNameFromId(pg_sys::GetUserId(), true)),
            pg_sys::RecoveryInProgress(),
            from_timestamp(pg_sys::GetCurrentTimestamp()),
            pg_sys::has_privs_of_role(pg_sys::GetUserId(), pg_sys::Oid::from(pg_sys::ROLE_PG_READ_ALL_STATS)),
        )
    };
    let cluster_since = counters_since();
    let statistics_since =
        [cluster_since.map(|(since, _)| since), database_reset(), file::database_created()]
            .into_iter()
            .flatten()
            .max();
    snapshot.server = Server {
        version: i32::try_from(pg_sys::PG_VERSION_NUM).unwrap_or(0),
        database: database.unwrap_or_default(),
        role: role.unwrap_or_default(),
        now,
        is_in_recovery,
        block_size: pg_sys::BLCKSZ,
        statistics_since,
        statistics_lost: cluster_since.is_some_and(|(since, lost)| lost && statistics_since == Some(since)),
        sees_statistics,
        standbys: if is_in_recovery { Standbys::IsStandby } else { standbys() },
        logical_slots: logical_slots(),
        ..Server::default()
    };
}

/// When this database's counters were last reset by hand.
fn database_reset() -> Option<Moment> {
    // SAFETY: returns null or the statistics of this database, valid until the transaction ends.
    let reset = unsafe {
        let entry = pg_sys::pgstat_fetch_stat_dbentry(pg_sys::MyDatabaseId);
        if entry.is_null() { 0 } else { (*entry).stat_reset_timestamp }
    };
    (reset != 0).then(|| from_timestamp(reset))
}

/// Since when the whole statistics system counts, and whether that is because a crash lost what was before.
///
/// The server gives every cluster-wide kind of statistics the same reset time when it starts without a statistics
/// file: at initdb and after a crash. A reset by hand moves one kind. The earliest of them is therefore the start;
/// it is a loss when it lies well after the cluster was made, which the system identifier tells.
fn counters_since() -> Option<(Moment, bool)> {
    // SAFETY: each returns the session's copy of a fixed statistics entry.
    let resets = unsafe {
        [
            (*pg_sys::pgstat_fetch_stat_archiver()).stat_reset_timestamp,
            (*pg_sys::pgstat_fetch_stat_bgwriter()).stat_reset_timestamp,
            (*pg_sys::pgstat_fetch_stat_wal()).stat_reset_timestamp,
        ]
    };
    let since = resets.into_iter().filter(|&reset| reset != 0).map(from_timestamp).min()?;
    // SAFETY: reads the control file's copy in shared memory.
    let identifier = unsafe { pg_sys::GetSystemIdentifier() };
    let made = Moment::try_from(identifier >> 32).unwrap_or(0).saturating_mul(1_000_000);
    const GRACE: Moment = 3_600_000_000;
    Some((since, since > made.saturating_add(GRACE)))
}

/// Physical standbys that stream now or keep a slot.
fn standbys() -> Standbys {
    let mut logical_senders: Vec<i32> = Vec::new();
    let mut count = 0_u32;
    // SAFETY: both arrays live in shared memory with the lengths of their settings; a torn read of a flag can only
    // miss or double one that comes or goes at this very moment.
    unsafe {
        let mut slotted_senders: Vec<i32> = Vec::new();
        if !pg_sys::ReplicationSlotCtl.is_null() {
            let slots = (&raw const (*pg_sys::ReplicationSlotCtl).replication_slots)
                .cast::<pg_sys::ReplicationSlot>();
            for position in 0..usize::try_from(pg_sys::max_replication_slots).unwrap_or(0) {
                let slot = slots.add(position);
                if !(&raw const (*slot).in_use).read_volatile() {
                    continue;
                }
                let sender = sender_of(slot);
                if (*slot).data.database == pg_sys::InvalidOid {
                    count += 1;
                    slotted_senders.push(sender);
                } else {
                    logical_senders.push(sender);
                }
            }
        }
        if !pg_sys::WalSndCtl.is_null() {
            let senders = (*pg_sys::WalSndCtl).walsnds.as_ptr();
            for position in 0..usize::try_from(pg_sys::max_wal_senders).unwrap_or(0) {
                let sender = senders.add(position);
                let pid = (&raw const (*sender).pid).read_volatile();
                let is_backup = (*sender).state == pg_sys::WalSndState::WALSNDSTATE_BACKUP;
                if pid != 0
                    && !is_backup
                    && !logical_senders.contains(&pid)
                    && !slotted_senders.contains(&pid)
                {
                    count += 1;
                }
            }
        }
    }
    if count == 0 { Standbys::None } else { Standbys::Connected(count) }
}

/// # Safety
/// `slot` must point into the shared array of slots.
unsafe fn sender_of(slot: *const pg_sys::ReplicationSlot) -> i32 {
    // SAFETY: the caller vouches for the pointer.
    unsafe { (&raw const (*slot).active_pid).read_volatile() }
}

/// The logical replication slots of this database.
fn logical_slots() -> Vec<Box<str>> {
    let mut found = Vec::new();
    // SAFETY: as in `standbys`; a name is ended by a zero byte within its 64 bytes, and is copied at once.
    unsafe {
        if pg_sys::ReplicationSlotCtl.is_null() {
            return found;
        }
        let slots =
            (&raw const (*pg_sys::ReplicationSlotCtl).replication_slots).cast::<pg_sys::ReplicationSlot>();
        for position in 0..usize::try_from(pg_sys::max_replication_slots).unwrap_or(0) {
            let slot = slots.add(position);
            if (&raw const (*slot).in_use).read_volatile() && (*slot).data.database == pg_sys::MyDatabaseId {
                found.extend(text_of_c_string((&raw const (*slot).data.name.data).cast_mut().cast()));
            }
        }
    }
    found.sort();
    found
}
