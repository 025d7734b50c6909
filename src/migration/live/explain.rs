//! Statements judged without being run: what each would do to this database now.

use serde_json::Value;

use super::policy::InForce;
use crate::catalog::LockMode;
use crate::catalog::ddl::{Kind, Session, Statement};
use crate::finding::Severity;
use crate::migration::assessment::{Assessment, safe_sql};
use crate::migration::judge::{self, Judged};
use crate::migration::script::{control, split, state::State};
use crate::pg::facts::stop_if_cancelled;
use crate::pg::{ddl, guard};

/// One row of `dbm.explain_ddl()`.
pub struct Explained {
    /// Which statement, 1-based.
    pub statement_no: usize,
    /// Its text.
    pub statement: String,
    /// `safe`, `unsafe` or `unknown`.
    pub verdict: &'static str,
    /// The rule, where one found something.
    pub rule: Option<&'static str>,
    /// How bad it is.
    pub severity: Option<Severity>,
    /// Its numbers.
    pub assessment: Assessment,
    /// What happens, or why nobody knows.
    pub message: String,
    /// What to run instead.
    pub safe_sql: Option<String>,
}

impl Explained {
    /// The lock's name.
    pub fn lock_mode(&self) -> Option<&'static str> {
        self.assessment.lock.map(LockMode::name)
    }

    /// Who is in the way.
    pub fn blockers(&self) -> Option<Value> {
        self.assessment.blockers_json()
    }
}

/// Explains every statement of a text, as if it were sent by this session now.
pub fn explain(sql: &str) -> Vec<Explained> {
    let policy = InForce::now();
    let mut state = State::new(Session { rates: guard::rates(), ..ddl::session() }, true);
    let mut rows = Vec::new();
    for (place, piece) in split::split(sql).into_iter().enumerate() {
        stop_if_cancelled();
        let row = |verdict, message: String| Explained {
            statement_no: place + 1,
            statement: piece.text.to_owned(),
            verdict,
            rule: None,
            severity: None,
            assessment: Assessment::default(),
            message,
            safe_sql: None,
        };
        let mut statement = match guard::parse(piece.text, state.meanings()) {
            Ok(statement) => statement,
            Err(refusal) => {
                rows.push(row("unknown", format!("the server does not understand it: {}", refusal.reason())));
                continue;
            }
        };
        state.correct(&mut statement);
        let found = judge::judge(&statement, state.session(), &policy);
        let unknown = unknown(&statement);
        let is_unchecked = |judged: &Judged| {
            let action = statement.actions.get(judged.action);
            matches!(action.map(|action| &action.kind), Some(Kind::Unchecked { .. }))
        };
        for judged in &found {
            let verdict = match &unknown {
                Some(_) if is_unchecked(judged) => "unknown",
                _ if judged.severity >= Severity::Warning => "unsafe",
                Some(_) => "unknown",
                None => "safe",
            };
            rows.push(Explained {
                rule: Some(judged.rule.id),
                severity: Some(judged.severity),
                assessment: Assessment::of(judged, &statement, state.session()),
                safe_sql: safe_sql(judged),
                ..row(verdict, judged.found.message.clone())
            });
        }
        let verdict = match unknown {
            // The rule has said so.
            Some(_) if found.iter().any(is_unchecked) => None,
            Some(reason) => Some(("unknown", reason)),
            None => found.is_empty().then(|| ("safe", "nothing is known against it".to_owned())),
        };
        if let Some((verdict, message)) = verdict {
            let assessment = statement
                .actions
                .first()
                .map(|action| Assessment::of_action(action, None))
                .unwrap_or_default();
            rows.push(Explained { assessment, ..row(verdict, message) });
        }
        state.pass(&statement, &control::of(piece.text));
    }
    rows
}

/// Why nobody can say what the statement does; `None` where one can.
pub fn unknown(statement: &Statement) -> Option<String> {
    let can_be_missing = statement.text.to_lowercase().contains("if exists");
    statement.actions.iter().find_map(|action| match (&action.kind, &action.missing) {
        (Kind::Unchecked { reason }, _) => Some(format!("nobody can tell: {reason}")),
        (_, Some(missing)) if action.target.is_none() && !can_be_missing => {
            Some(format!("{missing} is not there, so that nobody can tell"))
        }
        _ => None,
    })
}
