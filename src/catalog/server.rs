//! The server, the session and the statistics system as a whole.

use super::{Moment, Oid};

/// One server setting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// Its value as SHOW prints it.
    pub value: Box<str>,
}

/// Whether standbys exist, whose index scans this server's counters do not hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standbys {
    /// Nobody streams from here.
    #[default]
    None,
    /// This many physical standbys stream from here or keep a slot.
    Connected(u32),
    /// This server is itself a standby: the primary's scans are not counted here.
    IsStandby,
}

/// A prepared transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    /// The name that it was given.
    pub name: Box<str>,
    /// Who prepared it, quoted.
    pub owner: Box<str>,
    /// When.
    pub at: Moment,
}

/// The OID of the collation called `default`, which is the database's own.
pub const DEFAULT_COLLATION: Oid = 100;

/// A collation whose version is another than the one under which its indexes were built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollationVersion {
    /// The collation; [`DEFAULT_COLLATION`] for that of the database.
    pub collation: Oid,
    /// Schema and name, quoted; empty for that of the database.
    pub name: Box<str>,
    /// The version that the catalog has noted.
    pub recorded: Box<str>,
    /// The version that the system has; empty where it tells none.
    pub actual: Box<str>,
}

/// What holds for the server and this session.
#[derive(Clone, Debug, Default)]
pub struct Server {
    /// `server_version_num`, e.g. 150018.
    pub version: i32,
    /// The current database's name.
    pub database: Box<str>,
    /// The calling role's name.
    pub role: Box<str>,
    /// When the snapshot was taken.
    pub now: Moment,
    /// Whether the server is in recovery.
    pub is_in_recovery: bool,
    /// The block size in bytes.
    pub block_size: u32,
    /// Since when this database's counters count: the last reset, or the crash that lost them; `None` when unknown.
    pub statistics_since: Option<Moment>,
    /// Whether the cumulative statistics were lost in a crash rather than reset by hand.
    pub statistics_lost: bool,
    /// Whether the caller may see statistics of tables that it may not read.
    pub sees_statistics: bool,
    /// Whose scans we cannot see.
    pub standbys: Standbys,
    /// Logical replication slots of this database.
    pub logical_slots: Vec<Box<str>>,
    /// Transactions of this database that are prepared and not ended, the oldest first.
    pub prepared: Vec<Prepared>,
    /// Databases of the cluster that nobody can enter, template0 apart; whether it is because they are half dropped.
    pub closed_databases: Vec<(Box<str>, bool)>,
}

impl Server {
    /// The major version, e.g. 15.
    pub fn major_version(&self) -> i32 {
        self.version / 10_000
    }

    /// How long the counters have counted, in microseconds.
    pub fn watched(&self) -> Option<Moment> {
        self.statistics_since.map(|since| (self.now - since).max(0))
    }
}
