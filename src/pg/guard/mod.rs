//! The doors of the DDL judge in the running server: the utility hook, the event triggers, and the hook in which queries
//! are analysed. They find out what is about to be done, ask the judge, and say, refuse or let pass.
//!
//! Nothing here judges. A failure of our own never ends somebody's statement: it becomes a WARNING and the statement
//! goes on.

mod back_stop;
mod event;
mod explained;
mod hook;
mod lock_timeout;
mod memory;
mod owner;
mod presence;
mod rates;
mod record;
mod report;
mod running;
mod script;
mod tables;
mod worker;
mod write;

use std::cell::Cell;

use pgrx::pg_sys;

use crate::catalog::ddl::{Session, Statement, WorkKind};
use crate::catalog::{LockMode, Oid};

pub use owner::{as_owner, login_role, user_role};
pub use rates::rates;
pub use record::{Record, Verdict, ring_records};
pub use script::parse;
pub use tables::{RuleRow, can_write, rule_rows};

/// One thing to be said of a statement.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// The message.
    pub message: String,
    /// DETAIL; may be empty.
    pub detail: String,
    /// HINT; may be empty.
    pub hint: String,
    /// Schema and name of the table that it is about.
    pub table: Option<(String, String)>,
}

/// What the judge decided.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// Ends the statement.
    pub refusal: Option<Told>,
    /// Said as WARNINGs; not where it is refused.
    pub warnings: Vec<Told>,
    /// What is kept of it.
    pub records: Vec<Record>,
    /// Whether it is known that a table is written anew, or somebody allowed whatever is done.
    pub knows_rewrite: bool,
    /// Which tables it is known to drop.
    pub drops: Drops,
    /// The work that grows with a table, and how many bytes that has: its time is noted.
    pub work: Option<(WorkKind, u64)>,
}

/// Which tables a statement is known to drop.
#[derive(Clone, Debug)]
pub enum Drops {
    /// These.
    Only(Vec<Oid>),
    /// Whatever it drops is right: somebody allowed it, or there are more than were looked at.
    Whatever,
}

impl Default for Drops {
    fn default() -> Self {
        Self::Only(Vec::new())
    }
}

/// The judge: from what is about to be done to what becomes of it. Runs in a subtransaction of its own. What the session
/// lacks for it, it adds.
pub type Judge = fn(&Statement, &mut Session) -> Decision;

thread_local! {
    static JUDGE: Cell<Option<Judge>> = const { Cell::new(None) };
    static TRUSTED: Cell<bool> = const { Cell::new(false) };
}

/// Puts our hooks before those of others. Called once, when the library is loaded: by the server as it starts, or in a
/// session by the first call of a function, of which the event trigger's is one.
pub fn install(judge: Judge) {
    JUDGE.set(Some(judge));
    if super::is_preloading() {
        memory::install();
    }
    hook::install();
    write::install();
}

/// Lets pass what `work` runs: statements of a plan of ours, which was judged when it was made.
pub fn trusting<T>(work: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            TRUSTED.set(self.0);
        }
    }
    let _restore = Restore(TRUSTED.replace(true));
    work()
}

/// The strongest lock that a statement takes on something that others use.
fn strongest_lock(statement: &Statement) -> Option<LockMode> {
    let locks = statement.actions.iter().flat_map(|action| &action.locks);
    locks.filter(|lock| !lock.relation.is_private()).map(|lock| lock.mode).max()
}

/// The number of the transaction in this backend.
pub fn local_transaction() -> u32 {
    // SAFETY: reads our own entry in shared memory.
    unsafe {
        #[cfg(any(feature = "pg15", feature = "pg16"))]
        return (*pg_sys::MyProc).lxid;
        #[cfg(not(any(feature = "pg15", feature = "pg16")))]
        return (*pg_sys::MyProc).vxid.lxid;
    }
}
