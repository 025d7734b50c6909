//! Errands: what a session or a worker has done in a process of its own, in this database.

use std::cell::Cell;

use pgrx::{PgSqlErrorCode, pg_guard, pg_sys};

use super::worker::{Description, Handle, NoWorker, begin};
use crate::pg::capture;
use crate::pg::error::raise;
use crate::pg::guard;
use crate::pg::local_settings::{PINNED_SEARCH_PATH, set_for_process};
use crate::pg::run::{Failure, caught, transaction};

/// The longest payload, in bytes: the server hands over 127, of which some are ours.
const MAX_PAYLOAD: usize = 90;

/// What is to be done.
pub struct Errand<'a> {
    /// Which kind of work, one word of at most twelve letters.
    pub kind: &'a str,
    /// What the kind needs to know, at most 90 bytes.
    pub payload: &'a str,
    /// In whose name the worker begins; none for the role that initdb made, as autovacuum does.
    pub login: pg_sys::Oid,
    /// As the server's log and pg_stat_activity name it, after `dbmastery: `.
    pub name: &'a str,
}

/// Does an errand: its kind and its payload.
type Work = fn(&str, &str);

thread_local! {
    static WORK: Cell<Option<Work>> = const { Cell::new(None) };
}

/// Says who does errands. To be called while the library loads.
pub fn install(work: Work) {
    WORK.set(Some(work));
}

impl Errand<'_> {
    /// Registers the worker that does it, in `database`.
    pub(super) fn register(&self, database: pg_sys::Oid) -> Result<Handle, NoWorker> {
        if self.payload.len() > MAX_PAYLOAD {
            raise(
                PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                &format!("the errand \"{}\" has more to say than a worker can be told", self.kind),
                &format!("It is {} bytes, and {MAX_PAYLOAD} are the limit.", self.payload.len()),
                "",
            );
        }
        Description {
            name: &format!("dbmastery: {}", self.name),
            kind: &format!("dbmastery {}", self.kind),
            function: "dbmastery_run_errand",
            extra: &format!("{} {}", self.kind, self.payload),
            database,
            login: self.login,
            restart: None,
        }
        .register()
    }
}

/// The database of this session.
fn here() -> pg_sys::Oid {
    // SAFETY: a number that does not change while the process lives.
    unsafe { pg_sys::MyDatabaseId }
}

/// Has an errand done by a worker in this database and waits for its end. If the wait is cancelled, or the session ends,
/// so does the worker. How the work came out, the worker writes down where whoever waits looks for it.
pub fn run_and_wait(errand: &Errand<'_>) -> Result<(), NoWorker> {
    errand.register(here())?.wait_for_end();
    Ok(())
}

/// The beginning of the worker; the server finds it by its name.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn dbmastery_run_errand(_argument: pg_sys::Datum) {
    let told = begin();
    let (Some((kind, payload)), Some(work)) = (told.extra.split_once(' '), WORK.get()) else { return };
    told.connect();
    let done = settle().and_then(|()| {
        // The DDL of ours is judged where it is written, and our queries are nobody's workload.
        guard::trusting(|| capture::ignoring(|| caught(|| work(kind, payload))))
    });
    if let Err(failure) = done {
        if here() == pg_sys::InvalidOid {
            // With an error it is started again.
            failure.raise();
        }
        pgrx::log!("dbmastery: {kind} stopped: {}", failure.text());
    }
}

/// Puts settings in force that settings of the role or of the database, or work that is done, must not change.
pub fn settle() -> Result<(), Failure> {
    if here() == pg_sys::InvalidOid {
        return Ok(());
    }
    transaction(|| {
        for (name, value) in [
            (c"search_path", PINNED_SEARCH_PATH),
            (c"role", c"none"),
            (c"lock_timeout", c"0"),
            (c"statement_timeout", c"0"),
            (c"idle_in_transaction_session_timeout", c"0"),
            (c"default_transaction_isolation", c"read committed"),
            (c"default_transaction_read_only", c"off"),
            (c"session_replication_role", c"origin"),
            (c"row_security", c"on"),
        ] {
            set_for_process(name, value);
        }
    })
}
