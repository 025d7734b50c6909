//! What dbm.worker_status() says.

use std::collections::HashMap;

use super::store;
use crate::catalog::Moment;
use crate::pg;
use crate::pg::background::board::{self, Word};
use crate::pg::local_settings::with_settings;
use crate::pg::query;
use crate::pg::run::owner::as_owner;
use crate::pg::value::Text;
use crate::worker::roster::Found;

/// One row: the launcher, or a database.
pub struct Row {
    /// Which of them.
    pub worker: &'static str,
    /// The database.
    pub database: Option<Text>,
    /// The process.
    pub pid: Option<i32>,
    /// What it is at.
    pub state: &'static str,
    /// What the process does.
    pub activity: Option<Text>,
    /// When somebody last looked.
    pub last_run: Option<Moment>,
    /// When the next job is due.
    pub next_due: Option<Moment>,
    /// What keeps it from working, and what helps.
    pub problem: Option<Text>,
}

/// The launcher, then the databases by name.
pub fn rows() -> Vec<Row> {
    with_settings(&[(c"search_path", c"pg_catalog, pg_temp")], || {
        let board = board::here();
        let launcher = board.and_then(|board| board.launcher());
        let (state, problem) = match launcher {
            Some(_) => ("running", None),
            None if pg::is_standby() => {
                ("standby", Some("This server is a standby: jobs are run once it is promoted."))
            }
            None if board::shared().is_some() => (
                "not running",
                Some(
                    "It was ended or could not begin: the server starts it again after five seconds, and its log says why it ends.",
                ),
            ),
            None => (
                "not started",
                Some(
                    "dbmastery is not in shared_preload_libraries: add it and restart the server, or SELECT dbm.worker_start() for this database until the server ends.",
                ),
            ),
        };
        let words = board.filter(|_| launcher.is_some()).map(|board| board.words()).unwrap_or_default();
        let mut rows = vec![Row {
            worker: "launcher",
            database: None,
            pid: launcher,
            state,
            activity: None,
            last_run: None,
            next_due: words
                .iter()
                .filter(|word| word.looked.is_some())
                .map(|word| word.due)
                .min()
                .and_then(finite),
            problem: problem.map(Text::from),
        }];
        rows.extend(databases(&words));
        rows
    })
}

fn finite(moment: Moment) -> Option<Moment> {
    (moment != Moment::MAX && moment != Moment::MIN).then_some(moment)
}

/// Those that the launcher knows; without one, this one as its tables have it.
fn databases(words: &[Word]) -> Vec<Row> {
    let names: Vec<(i64, Text, bool)> = query::rows(
        "SELECT oid::int8, datname::text, datname = current_database() FROM pg_database ORDER BY datname",
        &[],
        |row| Ok((row.get::<i64>(1)?, row.get::<Text>(2)?, row.get::<bool>(3)?)),
    )
    .into_iter()
    .filter_map(|(number, name, is_here)| Some((number?, name?, is_here?)))
    .collect();
    let activities: HashMap<i32, String> = query::rows(
        "SELECT pid, query FROM pg_stat_activity WHERE backend_type LIKE 'dbmastery %' AND query <> ''",
        &[],
        |row| Ok((row.get::<i32>(1)?, row.get::<Text>(2)?)),
    )
    .into_iter()
    .filter_map(|(process, activity)| Some((process?, activity?.into_string())))
    .collect();
    let mut rows = Vec::new();
    for (number, name, is_here) in names {
        let word = words.iter().find(|word| i64::from(word.database) == number);
        // Of its own database a session reads what is so now.
        let own = is_here.then(next_of_tables);
        let Some(word) = word else {
            if let Some((last, next)) = own {
                rows.push(Row { last_run: last, next_due: next, ..database(name, "idle") });
            }
            continue;
        };
        let found = Found::of_code(word.found);
        let state = match (word.process, found) {
            (Some(_), _) => "working",
            (None, Found::Extension) => "idle",
            (None, Found::Nothing) => "no extension",
            (None, Found::Unknown) => "waiting",
            (None, Found::Failure) => "failed",
        };
        let problem = (state == "failed").then(|| {
            Text::from("The last worker ended without an answer; the server's log says why. It is tried again at next_due.")
        });
        let next = own.and_then(|(_, next)| next);
        rows.push(Row {
            pid: word.process,
            activity: word.process.and_then(|pid| activities.get(&pid)).map(|text| Text::from(&**text)),
            last_run: word.looked,
            next_due: next.filter(|_| found == Found::Extension).or_else(|| finite(word.due)),
            problem,
            ..database(name, state)
        });
    }
    rows
}

fn database(name: Text, state: &'static str) -> Row {
    Row {
        worker: "database",
        database: Some(name),
        pid: None,
        state,
        activity: None,
        last_run: None,
        next_due: None,
        problem: None,
    }
}

/// When a job of this database last began, and when the next is due.
fn next_of_tables() -> (Option<Moment>, Option<Moment>) {
    let jobs = as_owner(store::scheduled);
    (
        jobs.iter().filter_map(|job| job.history.map(|history| history.last.start)).max(),
        jobs.iter().filter_map(|job| job.next_run).min(),
    )
}
