//! Every `dbm.*` setting of the server.

use std::ffi::{CStr, CString};
use std::time::Duration;

use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting, PostgresGucEnum, pg_sys};

/// How long one rule may take: on the largest catalog measured (16,000 tables) the slowest rule stays far below a
/// second, so ten seconds mean that something is broken.
static RULE_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(10_000);

/// Breaks one rule on purpose, so that a test can see that the audit goes on.
static FAULT: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);

/// What is captured of the constants in a query.
#[derive(Clone, Copy, Debug, Eq, PartialEq, PostgresGucEnum)]
pub enum Constants {
    /// Neither types nor values: whoever advises has to guess.
    #[name = c"off"]
    Off,
    /// Their types, without which two in five texts cannot be planned again.
    #[name = c"types"]
    Types,
    /// Their types, and the values of a few runs: these may be anybody's data, so that it is not the default.
    #[name = c"sample"]
    Sample,
}

/// Whoever preloads the library wants it.
static CAPTURE: GucSetting<bool> = GucSetting::<bool>::new(true);

/// See [`Constants`].
static CAPTURE_CONSTANTS: GucSetting<Constants> = GucSetting::<Constants>::new(Constants::Types);

/// More different queries than nearly any application has; with the next one, eight megabytes of shared memory.
static CAPTURE_MAX_QUERIES: GucSetting<i32> = GucSetting::<i32>::new(1000);

/// All but two queries of TPC-DS fit into a half of it.
static CAPTURE_QUERY_BYTES: GucSetting<i32> = GucSetting::<i32>::new(8192);

/// What the guard does about unsafe DDL.
#[derive(Clone, Copy, Debug, Eq, PartialEq, PostgresGucEnum)]
pub enum Guard {
    /// Nothing, and looks at nothing.
    #[name = c"off"]
    Off,
    /// Says what is unsafe and changes nothing.
    #[name = c"warn"]
    Warn,
    /// Refuses it.
    #[name = c"enforce"]
    Enforce,
}

/// Whoever creates the extension does not ask for statements to fail.
static DDL_GUARD: GucSetting<Guard> = GucSetting::<Guard>::new(Guard::Warn);

/// -1: [`ENFORCED_LOCK_TIMEOUT`] where the guard enforces, nothing where it only warns.
static DDL_LOCK_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(-1);

/// Everybody who uses the table waits as long as a DDL statement waits in front of them. Two seconds are what clients
/// bear, and long enough for the queries of most applications to end.
const ENFORCED_LOCK_TIMEOUT: i32 = 2000;

/// In kB. A slow disk reads ten megabytes in a tenth of a second and writes them in half of one.
static DDL_SMALL_TABLE: GucSetting<i32> = GucSetting::<i32>::new(10 * 1024);

/// How long whoever comes after us may have to queue behind us: short of the half second that users begin to notice.
static APPLY_LOCK_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(200);

/// With pauses that double up to a minute, some twenty minutes: longer than most reports and backups hold a lock.
static APPLY_TRIES: GucSetting<i32> = GucSetting::<i32>::new(30);

/// Kills the worker of a plan on purpose, so that a test can see it go on.
static FAULT_IN_STEP: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);

/// The databases that the worker looks after: those with the extension, unless somebody says otherwise.
static DATABASES: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c"*"));

/// How long a new database or a new extension may wait that nobody called for. Fifty databases without the extension,
/// looked into that often, cost less than a thousandth of a core.
static DISCOVERY_INTERVAL: GucSetting<i32> = GucSetting::<i32>::new(900);

/// One that is busy for long leaves another for the rest, and both leave most of the server's eight to others.
static MAX_WORKERS: GucSetting<i32> = GucSetting::<i32>::new(2);

/// As autovacuum: the role that initdb made.
static WORKER_ROLE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);

/// In minutes: thirty days.
static JOB_HISTORY: GucSetting<i32> = GucSetting::<i32>::new(30 * 24 * 60);
/// How long whoever comes after us may have to queue behind us: short of the half second that users begin to notice, and
/// below deadlock_timeout, at which an autovacuum in the way would be asked to end.
static UPKEEP_LOCK_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(200);

/// In days. A quarter: long enough to see what the last monthly run did.
static UPKEEP_LOG_RETENTION: GucSetting<i32> = GucSetting::<i32>::new(90);

/// The leaves of a seal are one value: two of ten megabytes, of changes and of activities.
static ROWS_PER_SEAL: GucSetting<i32> = GucSetting::<i32>::new(200_000);

/// Whose rows a transaction may see. Empty for nobody's.
static TENANT: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));

/// Registers all settings. Called once, when the library is loaded.
pub fn register() {
    if super::is_preloading() {
        register_capture();
    }
    let wished = current(c"dbm.ddl_guard");
    register_guard();
    if !super::is_preloading() && wished.is_some() && wished != current(c"dbm.ddl_guard") {
        enforce();
    }
    GucRegistry::define_int_guc(
        c"dbm.rule_timeout",
        c"How long one rule of an audit may take.",
        c"A rule that takes longer becomes a row of status error and the audit goes on. 0 turns the limit off.",
        &RULE_TIMEOUT,
        0,
        i32::MAX,
        GucContext::Userset,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_string_guc(
        c"dbm.fault_in_rule",
        c"Breaks one rule on purpose: its id, a colon, and panic, error or sleep.",
        c"For tests of the audit itself.",
        &FAULT,
        GucContext::Suset,
        GucFlags::NO_SHOW_ALL,
    );
    register_apply();
    register_worker();
    register_upkeep();
    GucRegistry::define_int_guc(
        c"dbm.rows_per_seal",
        c"How many rows of a table of the audit log one seal has at most.",
        c"For tests of seals.",
        &ROWS_PER_SEAL,
        1,
        1_000_000,
        GucContext::Suset,
        GucFlags::NO_SHOW_ALL,
    );
    GucRegistry::define_string_guc(
        c"dbm.tenant",
        c"Whose rows this transaction may see, where policies stand on dbm.current_tenant().",
        c"Empty for nobody's. Set by dbm.set_tenant(), for which one needs to be granted; as a setting by superusers alone, since whoever can set it can see everybody's rows.",
        &TENANT,
        GucContext::Suset,
        GucFlags::DISALLOW_IN_FILE,
    );
    // SAFETY: a C string; called while the library loads.
    unsafe { pg_sys::MarkGUCPrefixReserved(c"dbm".as_ptr()) };
}

/// The value of a setting, also of one that nobody has registered yet.
fn current(name: &CStr) -> Option<CString> {
    // SAFETY: the answer is a C string of the server's, copied at once.
    unsafe {
        let value = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        (!value.is_null()).then(|| CStr::from_ptr(value).to_owned())
    }
}

/// The strictest, for a session whose connection asked for a value of `dbm.ddl_guard` which it may not choose.
///
/// Without preload the server takes that value for the one of all sessions until it knows the setting, and then has
/// forgotten what the configuration says. Nobody is to be better off for having tried.
fn enforce() {
    // SAFETY: as a connection's option, so that no ROLLBACK takes it back; C strings.
    unsafe {
        pg_sys::set_config_option(
            c"dbm.ddl_guard".as_ptr(),
            c"enforce".as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            pg_sys::GucSource::PGC_S_CLIENT,
            pg_sys::GucAction::GUC_ACTION_SET,
            true,
            0,
            false,
        );
    }
}

/// Registers the settings of the guard.
fn register_guard() {
    GucRegistry::define_enum_guc(
        c"dbm.ddl_guard",
        c"What is done about unsafe DDL: off, warn or enforce.",
        c"warn: a WARNING says what is unsafe, and the statement runs as it would. enforce: what a rule of severity error or critical finds is refused before it waits for a lock, and the rest warned of. Lets pass what extensions, replication and pg_upgrade run.",
        &DDL_GUARD,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"dbm.ddl_lock_timeout",
        c"How long a DDL statement may wait for a lock that others wait for, too.",
        c"Holds while the statement runs, where lock_timeout is 0 or longer. 0: lock_timeout alone counts. -1: two seconds while dbm.ddl_guard is enforce, nothing while it is warn. Not for CONCURRENTLY, which leaves much behind when it is stopped, nor for LOCK TABLE.",
        &DDL_LOCK_TIMEOUT,
        -1,
        i32::MAX,
        GucContext::Suset,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_int_guc(
        c"dbm.ddl_small_table",
        c"Up to which size a table is too small for scans and rewrites of it to be unsafe.",
        c"Heap and TOAST over all partitions, in kB. 0: every table counts that is not empty.",
        &DDL_SMALL_TABLE,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::UNIT_KB,
    );
}

/// Registers the settings of plans.
fn register_apply() {
    GucRegistry::define_int_guc(
        c"dbm.apply_lock_timeout",
        c"How long a step of a plan waits for a lock before it lets others pass and tries again.",
        c"Ten times as long where no reader or writer would have to wait behind it; without end for what is built concurrently.",
        &APPLY_LOCK_TIMEOUT,
        1,
        3_600_000,
        GucContext::Userset,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_int_guc(
        c"dbm.apply_tries",
        c"How often a step of a plan tries to get its locks before the plan stops.",
        c"Each pause is twice as long as the one before, up to a minute.",
        &APPLY_TRIES,
        1,
        100_000,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_string_guc(
        c"dbm.fault_in_step",
        c"Kills the worker of a plan on purpose: the number of a step, a colon, and the place.",
        c"For tests of plans.",
        &FAULT_IN_STEP,
        GucContext::Suset,
        GucFlags::NO_SHOW_ALL,
    );
}

/// Registers the settings of the worker.
fn register_worker() {
    GucRegistry::define_string_guc(
        c"dbm.databases",
        c"The databases that the worker looks after: their names, between commas, or * for all that have the extension.",
        c"A name with blanks or commas stands in double quotes. Never templates, nor databases that allow no connections.",
        &DATABASES,
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"dbm.discovery_interval",
        c"How often the worker looks for new databases, and into those without the extension.",
        c"dbm.schedule() and dbm.worker_start() call it at once.",
        &DISCOVERY_INTERVAL,
        1,
        86_400,
        GucContext::Sighup,
        GucFlags::UNIT_S,
    );
    GucRegistry::define_int_guc(
        c"dbm.max_workers",
        c"In how many databases at once jobs are run.",
        c"Each takes one of max_worker_processes, besides the launcher, which has one always. 0: none are run.",
        &MAX_WORKERS,
        0,
        1024,
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_string_guc(
        c"dbm.worker_role",
        c"The role as which the worker connects; empty for the one that initdb made, as autovacuum does.",
        c"Whichever it is, a partition set is kept with the rights of its owner and a plan run with those of whoever made it. If set, only sets are kept whose owner the role is a member of. Before PostgreSQL 17 it needs LOGIN.",
        &WORKER_ROLE,
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"dbm.job_history",
        c"How long the runs of jobs are kept in dbm.job_run.",
        c"The last run of each job stays. 0: all stay.",
        &JOB_HISTORY,
        0,
        i32::MAX,
        GucContext::Sighup,
        GucFlags::UNIT_MIN,
    );
}

/// Registers the settings of upkeep.
fn register_upkeep() {
    GucRegistry::define_int_guc(
        c"dbm.upkeep_lock_timeout",
        c"How long upkeep of partitions waits for its locks before it lets others pass.",
        c"Where an action needs several, they share it. What is not had then is skipped, with whoever is in the way, and tried again by the next run.",
        &UPKEEP_LOCK_TIMEOUT,
        1,
        3_600_000,
        GucContext::Userset,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_int_guc(
        c"dbm.upkeep_log_retention",
        c"How many days dbm.upkeep_log is kept.",
        c"0 keeps it for ever.",
        &UPKEEP_LOG_RETENTION,
        0,
        36_500,
        GucContext::Suset,
        GucFlags::default(),
    );
}

/// Registers the settings of the capture, which there is only where the library is preloaded.
fn register_capture() {
    GucRegistry::define_bool_guc(
        c"dbm.capture",
        c"Whether queries are captured for dbm.captured_queries() and for advice on the whole workload.",
        c"Exists where dbmastery is in shared_preload_libraries, as the other settings of the capture. What was captured stays when it is turned off.",
        &CAPTURE,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_enum_guc(
        c"dbm.capture_constants",
        c"What is captured of the constants in a query: off, types or sample.",
        c"types: what type each has, so that the query can be planned again. sample: also the values of up to three runs, which may be confidential; members of pg_read_all_stats can read them.",
        &CAPTURE_CONSTANTS,
        GucContext::Suset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"dbm.capture_max_queries",
        c"How many different queries are kept.",
        c"One more takes the place of those that are run least. Times dbm.capture_query_bytes it is what the capture takes of shared memory.",
        &CAPTURE_MAX_QUERIES,
        100,
        100_000,
        GucContext::Postmaster,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"dbm.capture_query_bytes",
        c"How much is kept of each query: its text, types, search_path and samples together.",
        c"A longer text is cut, and then cannot be planned.",
        &CAPTURE_QUERY_BYTES,
        1024,
        1_048_576,
        GucContext::Postmaster,
        GucFlags::UNIT_BYTE,
    );
}

/// The databases that the worker looks after.
pub fn databases() -> String {
    DATABASES.get().map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
}

/// How often to look for new ones.
pub fn discovery_interval() -> Duration {
    Duration::from_secs(u64::try_from(DISCOVERY_INTERVAL.get()).unwrap_or(1))
}

/// In how many databases at once jobs are run.
pub fn max_workers() -> usize {
    usize::try_from(MAX_WORKERS.get()).unwrap_or(0)
}

/// The role as which workers connect, if not the one that initdb made.
pub fn worker_role() -> Option<String> {
    WORKER_ROLE.get().map(|name| name.to_string_lossy().into_owned()).filter(|name| !name.is_empty())
}

/// How long runs of jobs are kept; `None` for ever.
pub fn job_history() -> Option<Duration> {
    let minutes = u64::try_from(JOB_HISTORY.get()).unwrap_or(0);
    (minutes > 0).then(|| Duration::from_secs(minutes * 60))
}

/// What is done about unsafe DDL.
pub fn ddl_guard() -> Guard {
    DDL_GUARD.get()
}

/// How long a DDL statement may wait for its lock, in milliseconds; 0 for as long as `lock_timeout` says.
pub fn ddl_lock_timeout() -> i32 {
    match (DDL_LOCK_TIMEOUT.get(), DDL_GUARD.get()) {
        (..0, Guard::Enforce) => ENFORCED_LOCK_TIMEOUT,
        (chosen, _) => chosen.max(0),
    }
}

/// Up to how many bytes a table is small.
pub fn ddl_small_table() -> u64 {
    u64::try_from(DDL_SMALL_TABLE.get()).unwrap_or(0).saturating_mul(1024)
}

/// Whether queries are captured.
pub fn captures() -> bool {
    CAPTURE.get()
}

/// What is captured of constants.
pub fn capture_constants() -> Constants {
    CAPTURE_CONSTANTS.get()
}

/// How many queries are kept.
pub fn capture_max_queries() -> usize {
    usize::try_from(CAPTURE_MAX_QUERIES.get()).unwrap_or(1)
}

/// How many bytes are kept of each.
pub fn capture_query_bytes() -> usize {
    usize::try_from(CAPTURE_QUERY_BYTES.get()).unwrap_or(1024)
}

/// Whose rows this transaction may see, as the server keeps it: asked for each row, so it is not copied. To be used before
/// anything can set it.
pub fn tenant<'a>() -> Option<&'a CStr> {
    // SAFETY: the server's variable; null, or a C string that stays until the setting changes.
    unsafe {
        let value = *TENANT.as_ptr();
        (!value.is_null()).then(|| CStr::from_ptr(value)).filter(|value| !value.is_empty())
    }
}

/// The limit for one rule; `None` when there is none.
pub fn rule_timeout() -> Option<Duration> {
    let milliseconds = u64::try_from(RULE_TIMEOUT.get()).unwrap_or(0);
    (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
}

/// How long a step of a plan waits for a lock.
pub fn apply_lock_timeout() -> Duration {
    Duration::from_millis(u64::try_from(APPLY_LOCK_TIMEOUT.get()).unwrap_or(0))
}

/// How often a step of a plan tries to get its locks.
pub fn apply_tries() -> u32 {
    u32::try_from(APPLY_TRIES.get()).unwrap_or(1)
}

/// Where the worker of a plan is to be killed; without blanks, since it is handed over between them.
pub fn fault_in_step() -> Option<String> {
    let fault = FAULT_IN_STEP.get()?.to_str().ok()?.to_owned();
    (!fault.is_empty() && !fault.contains(' ')).then_some(fault)
}

/// How a rule is to be broken, if it is this one.
pub fn fault_in(rule: &str) -> Option<String> {
    let fault = FAULT.get()?;
    let (wanted, how) = fault.to_str().ok()?.rsplit_once(':')?;
    (wanted == rule).then(|| how.to_owned())
}

/// How long upkeep waits for the locks of an action.
pub fn upkeep_lock_timeout() -> Duration {
    Duration::from_millis(u64::try_from(UPKEEP_LOCK_TIMEOUT.get()).unwrap_or(0))
}

/// How many days the log of upkeep is kept; 0 for ever.
pub fn upkeep_log_retention() -> i32 {
    UPKEEP_LOG_RETENTION.get()
}

/// How many rows of a kind one seal has at most.
pub fn rows_per_seal() -> usize {
    usize::try_from(ROWS_PER_SEAL.get()).unwrap_or(1)
}
