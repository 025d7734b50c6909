//! What is kept of refusals and exceptions. A refused statement is rolled back with all that it wrote, so its record goes
//! another way: always into the server's log and, where the library is preloaded, through shared memory into
//! `dbm.ddl_record`.

use std::ffi::CStr;

use pgrx::{PgLogLevel, PgSqlErrorCode, pg_sys};
use serde::{Deserialize, Serialize};

use super::{Decision, as_owner, can_write, login_role, memory, user_role, worker};
use crate::catalog::ddl::Statement;
use crate::catalog::{LockMode, Moment};
use crate::pg::isolation::isolated;
use crate::pg::value::Text;
use crate::pg::{encoding, moment, query};
use crate::text::identifier::cut;

/// How much of a statement is kept, in bytes.
const STATEMENT_BYTES: usize = 1000;
/// How much of any other text is kept.
const TEXT_BYTES: usize = 200;

/// What became of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It was refused.
    Refused,
    /// It would have been refused if the guard enforced.
    Warned,
    /// It was let pass by `dbm.allow_ddl()`.
    Overridden,
    /// It ran in spite of a finding: what it did.
    Done,
}

impl Verdict {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Warned => "warned",
            Self::Overridden => "overridden",
            Self::Done => "done",
        }
    }
}

/// What a door says of one finding.
#[derive(Clone, Debug)]
pub struct Record {
    /// The rule's id.
    pub rule: String,
    /// The relation, quoted.
    pub object: String,
    /// What became of the statement.
    pub verdict: Verdict,
    /// The reason that was given for an exception.
    pub reason: String,
    /// The lock that it takes.
    pub lock: Option<LockMode>,
    /// Rows of the relation.
    pub rows: Option<i64>,
    /// Bytes of the relation with all indexes.
    pub bytes: Option<i64>,
}

/// A row of `dbm.ddl_record`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// When the statement was sent.
    pub at: Moment,
    /// Who logged in.
    pub login_role: String,
    /// With whose rights.
    pub user_role: String,
    /// The process.
    pub pid: i32,
    /// `application_name`.
    pub application: String,
    /// The command tag.
    pub tag: String,
    /// The statement, cut.
    pub statement: String,
    /// The rule's id.
    pub rule: String,
    /// The relation, quoted.
    pub object: String,
    /// What became of it.
    pub verdict: Verdict,
    /// The reason that was given for an exception.
    pub reason: String,
    /// The lock, as LOCK TABLE names it; empty for none.
    pub lock: String,
    /// Rows of the relation.
    pub rows: Option<i64>,
    /// Bytes of the relation.
    pub bytes: Option<i64>,
    /// What it did, object by object; empty but for [`Verdict::Done`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub done: Vec<String>,
}

impl Entry {
    /// What is known of a statement before it runs.
    pub fn new(statement: &Statement, record: &Record) -> Self {
        let at = if statement.at == 0 { moment::now() } else { statement.at };
        Self {
            at,
            login_role: login_role(),
            user_role: user_role(),
            // SAFETY: reads a variable of this backend.
            pid: unsafe { pg_sys::MyProcPid },
            application: cut(&application(), TEXT_BYTES).to_owned(),
            tag: statement.tag.clone(),
            statement: cut(&statement.text, STATEMENT_BYTES).to_owned(),
            rule: record.rule.clone(),
            object: cut(&record.object, TEXT_BYTES).to_owned(),
            verdict: record.verdict,
            reason: cut(&record.reason, TEXT_BYTES).to_owned(),
            lock: record.lock.map_or("", LockMode::name).to_owned(),
            rows: record.rows,
            bytes: record.bytes,
            done: Vec::new(),
        }
    }

    /// The same for what it has done.
    pub fn done(self, deeds: Vec<String>) -> Self {
        let done = deeds.iter().map(|deed| cut(deed, TEXT_BYTES).to_owned()).collect();
        Self { verdict: Verdict::Done, done, ..self }
    }

    /// Keeps what a statement did: with the statement, or not at all.
    pub fn keep_done(self) {
        if !can_write(c"ddl_record") {
            return;
        }
        let kept = isolated(&mut || {
            as_owner(|| self.clone().write());
        });
        // A record of what was let through is not worth the statement.
        drop(kept);
    }

    /// Writes it, as the owner of the table. What is there already is left alone.
    pub fn write(self) {
        query::write(
            "INSERT INTO dbm.ddl_record (at, login_role, user_role, pid, application, tag, statement, rule, object, \
             verdict, reason, lock_mode, rows, bytes, done) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
            &[
                moment::timestamp(self.at).into(),
                Text::from(self.login_role).into(),
                Text::from(self.user_role).into(),
                self.pid.into(),
                Text::from(self.application).into(),
                Text::from(self.tag).into(),
                Text::from(self.statement).into(),
                Text::from(self.rule).into(),
                Text::from(self.object).into(),
                Text::from(self.verdict.name()).into(),
                optional(self.reason).into(),
                optional(self.lock).into(),
                self.rows.into(),
                self.bytes.into(),
                texts(self.done).into(),
            ],
        );
    }
}

/// An array, or NULL for an empty one.
fn texts(all: Vec<String>) -> Option<Vec<Text>> {
    (!all.is_empty()).then(|| all.into_iter().map(Text::from).collect())
}

fn optional(text: String) -> Option<Text> {
    (!text.is_empty()).then(|| Text::from(text))
}

fn application() -> String {
    // SAFETY: a C string of the setting, or null.
    unsafe {
        let name = pg_sys::application_name;
        if name.is_null() {
            String::new()
        } else {
            encoding::from_server(CStr::from_ptr(name).to_bytes()).into_owned()
        }
    }
}

/// Keeps what a decision says is to be kept.
pub fn keep(statement: &Statement, decision: &Decision) {
    let mut is_on_its_way = false;
    for record in &decision.records {
        let entry = Entry::new(statement, record);
        match record.verdict {
            Verdict::Overridden if statement.writes_first() => {
                is_on_its_way = true;
                memory::push(&entry);
                log("let pass", &entry);
            }
            Verdict::Overridden => {
                // Whoever holds the table must not keep the statement waiting.
                let kept = match can_write(c"ddl_record") {
                    true => isolated(&mut || {
                        as_owner(|| entry.clone().write());
                    }),
                    false => Err("somebody has dbm.ddl_record locked".to_owned()),
                };
                if let Err(reason) = kept {
                    pgrx::warning!(
                        "the exception that was made of {} could not be recorded: {reason}",
                        entry.rule
                    );
                }
                log("let pass", &entry);
            }
            Verdict::Refused => {
                is_on_its_way = true;
                log("refused", &entry);
                memory::push(&entry);
            }
            Verdict::Warned | Verdict::Done => memory::push(&entry),
        }
    }
    if is_on_its_way && memory::is_there() {
        worker::start();
    }
}

/// One line in the server's log, which nothing rolls back.
fn log(what: &str, entry: &Entry) {
    let json = serde_json::to_string(entry).unwrap_or_default();
    let message = format!("dbmastery {what} {}: {json}", entry.tag);
    pgrx::pg_sys::panic::ErrorReport::new(
        PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
        encoding::message_to_server(&message).into_owned(),
        "dbmastery",
    )
    .report(PgLogLevel::LOG_SERVER_ONLY);
}

/// What is in shared memory and not in the table yet, of this database.
pub fn ring_records() -> Vec<Entry> {
    memory::entries().into_iter().map(|(_, entry)| entry).collect()
}
