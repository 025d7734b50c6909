//! Migration files for PostgreSQL, read by the server's own parser.
//!
//! The file is meant for another database, larger than this one perhaps: every table counts as large unless the file
//! itself makes it.

use super::explain::unknown;
use super::policy::InForce;
use crate::catalog::LockMode;
use crate::catalog::ddl::{Session, Timeouts};
use crate::finding::Severity;
use crate::migration::assessment::{Assessment, safe_sql};
use crate::migration::judge;
use crate::migration::lint::LintFinding;
use crate::migration::script::{control, split, state::State};
use crate::pg::facts::stop_if_cancelled;
use crate::pg::{ddl, guard};

/// What the parser does not know.
const NOT_PARSED: &str = "ddl.not_parsed";
/// What cannot be looked into.
const UNCHECKED: &str = "ddl.unchecked";

/// Reads a file, statement by statement.
pub fn lint(sql: &str) -> Vec<LintFinding> {
    let policy = InForce::regardless_of_size();
    let live = ddl::session();
    // A migration runs in a session of its own, of which nothing is known.
    let session = Session {
        server_version: live.server_version,
        rates: live.rates,
        timeouts: Timeouts { transaction: live.timeouts.transaction.map(|_| 0), ..Timeouts::default() },
        ..Session::default()
    };
    let mut state = State::new(session, false);
    let mut findings = Vec::new();
    for (place, piece) in split::split(sql).into_iter().enumerate() {
        stop_if_cancelled();
        let finding = |rule: &str, severity, message| LintFinding {
            statement_no: place + 1,
            line: piece.line,
            rule: rule.to_owned(),
            severity,
            message,
            statement: piece.text.to_owned(),
            lock_mode: String::new(),
            fix: String::new(),
        };
        let mut statement = match guard::parse(piece.text, state.meanings()) {
            Ok(statement) => statement,
            Err(refusal) => {
                let message = format!("the server does not understand it: {}", refusal.reason());
                findings.push(finding(NOT_PARSED, Severity::Error, message));
                continue;
            }
        };
        state.correct(&mut statement);
        let found = judge::judge(&statement, state.session(), &policy);
        for judged in &found {
            let assessment = Assessment::of(judged, &statement, state.session());
            findings.push(LintFinding {
                lock_mode: assessment.lock.map_or("", LockMode::name).to_owned(),
                fix: safe_sql(judged).unwrap_or_default(),
                ..finding(judged.rule.id, judged.severity, judged.found.message.clone())
            });
        }
        if found.is_empty()
            && let Some(reason) = unknown(&statement)
        {
            findings.push(finding(UNCHECKED, Severity::Info, reason));
        }
        state.pass(&statement, &control::of(piece.text));
    }
    findings
}
