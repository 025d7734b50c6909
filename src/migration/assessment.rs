//! A finding in numbers and in words: lock, rows, bytes, how long, who is in the way, what to do instead.

use serde_json::{Value, json};

use super::judge::{Effect, Judged};
use crate::catalog::LockMode;
use crate::catalog::ddl::{Action, Blocker, Rates, Session, Statement, Touched};
use crate::text::size::{grouped, pretty_bytes};

/// What a finding means for those who use the database.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assessment {
    /// The lock that is taken.
    pub lock: Option<LockMode>,
    /// The relation that suffers, quoted; empty where there is none.
    pub target: String,
    /// Schema and name of it, as they are.
    pub names: Option<(String, String)>,
    /// Whether every row is written anew.
    pub rewrites: bool,
    /// Whether every row is read.
    pub scans: bool,
    /// Its rows, where somebody knows.
    pub rows: Option<i64>,
    /// Its bytes with all indexes.
    pub bytes: Option<i64>,
    /// How many seconds it takes, from and to.
    pub seconds: Option<(f64, f64)>,
    /// Who is in the way now.
    pub blockers: Vec<Blocker>,
}

impl Assessment {
    /// Of a finding.
    pub fn of(judged: &Judged, statement: &Statement, session: &Session) -> Self {
        let Some(action) = statement.actions.get(judged.action) else { return Self::default() };
        let victim = judged.found.victim.as_ref();
        let mut assessment = Self::of_action(action, victim);
        assessment.lock = judged.found.lock.or(match victim {
            Some(victim) => lock_of(action, victim).or(assessment.lock),
            None => assessment.lock,
        });
        assessment.rewrites = judged.found.effect == Effect::Rewrite;
        assessment.scans = matches!(judged.found.effect, Effect::Scan | Effect::IndexBuild);
        assessment.seconds = victim
            .or(action.target.as_ref())
            .filter(|relation| relation.oid != 0 && !relation.hides_size)
            .and_then(|relation| seconds(judged.found.effect, relation, &session.rates));
        assessment
    }

    /// Of an action in which nothing was found.
    pub fn of_action(action: &Action, victim: Option<&Touched>) -> Self {
        let relation = victim.or(action.target.as_ref());
        let is_known = relation.filter(|relation| relation.oid != 0);
        Self {
            lock: action.lock_mode(),
            target: relation.map(Touched::qualified).or_else(|| action.missing.clone()).unwrap_or_default(),
            names: relation.map(|relation| (relation.schema.clone(), relation.name.clone())),
            rows: is_known.and_then(|relation| relation.rows).map(|rows| rows.round() as i64),
            bytes: is_known
                .filter(|relation| !relation.hides_size)
                .map(|relation| i64::try_from(relation.total_bytes()).unwrap_or(i64::MAX)),
            blockers: action.blockers.clone(),
            ..Self::default()
        }
    }

    /// The numbers in sentences, for DETAIL.
    pub fn detail(&self) -> String {
        let mut sentences = Vec::new();
        if let Some(lock) = self.lock.filter(|_| !self.target.is_empty()) {
            let waits = match () {
                () if lock.blocks_reads() => ": reads and writes wait",
                () if lock.blocks_writes() => ": writes wait",
                () => "",
            };
            let long = match self.seconds {
                Some(range) if self.rewrites || self.scans => format!(" for {}", span(range)),
                _ => String::new(),
            };
            let until = if waits.is_empty() { "" } else { &long };
            sentences.push(format!("It takes {} on {}{waits}{until}.", lock.name(), self.target));
        }
        let size = match (self.rows, self.bytes) {
            (Some(rows), Some(bytes)) => {
                format!("about {} rows, {} with indexes", grouped(rows), pretty_bytes(bytes.unsigned_abs()))
            }
            (None, Some(bytes)) => format!("{} with indexes", pretty_bytes(bytes.unsigned_abs())),
            _ => String::new(),
        };
        if !size.is_empty() && !self.target.is_empty() {
            sentences.push(format!("{} has {size}.", self.target));
        }
        if let Some(first) = self.blockers.first() {
            let others = match self.blockers.len() - 1 {
                0 => String::new(),
                1 => " and one other".to_owned(),
                count => format!(" and {count} others"),
            };
            sentences.push(format!("In its way now: {}{others}.", blocker(first)));
        }
        sentences.join(" ")
    }

    /// The sessions in the way as JSON; `None` where there are none.
    pub fn blockers_json(&self) -> Option<Value> {
        (!self.blockers.is_empty()).then(|| self.blockers.iter().map(blocker_json).collect())
    }
}

/// The lock that an action takes on a relation that is not its target.
fn lock_of(action: &Action, relation: &Touched) -> Option<LockMode> {
    action.locks.iter().find(|lock| lock.relation.oid == relation.oid).map(|lock| lock.mode)
}

/// How long that takes on this relation, from and to.
fn seconds(effect: Effect, relation: &Touched, rates: &Rates) -> Option<(f64, f64)> {
    let (bytes, (slow, fast)) = match effect {
        Effect::Rewrite => (relation.total_bytes(), rates.rewrite),
        Effect::Scan => (relation.bytes, rates.scan),
        Effect::IndexBuild => (relation.bytes, rates.index_build),
        _ => return None,
    };
    let bytes = bytes as f64;
    (slow > 0.0 && fast > 0.0).then(|| (bytes / fast, bytes / slow))
}

/// A range of seconds for people.
pub fn span((low, high): (f64, f64)) -> String {
    if high < 0.1 {
        return "less than 0.1 s".to_owned();
    }
    let one = |seconds: f64| match seconds {
        _ if seconds < 10.0 => format!("{seconds:.1} s"),
        _ if seconds < 120.0 => format!("{seconds:.0} s"),
        _ if seconds < 7200.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    };
    format!("{} to {}", one(low), one(high))
}

fn blocker(blocker: &Blocker) -> String {
    let who = match (&blocker.prepared, blocker.pid) {
        (Some(prepared), _) => format!("prepared transaction '{prepared}'"),
        (None, pid) if blocker.backend_type.is_empty() || blocker.backend_type == "client backend" => {
            format!("process {pid}")
        }
        (None, pid) => format!("{} {pid}", blocker.backend_type),
    };
    let mut about = Vec::new();
    if blocker.prevents_wraparound {
        about.push("it prevents wraparound and does not yield".to_owned());
    }
    if !blocker.state.is_empty() {
        about.push(blocker.state.clone());
    }
    if !blocker.application.is_empty() {
        about.push(blocker.application.clone());
    }
    if let Some(seconds) = blocker.seconds {
        about.push(format!("its transaction is {} old", age(seconds)));
    }
    if blocker.is_waiting {
        about.push("waits itself".to_owned());
    }
    if about.is_empty() { who } else { format!("{who} ({})", about.join(", ")) }
}

fn age(seconds: f64) -> String {
    match seconds {
        _ if seconds < 120.0 => format!("{seconds:.0} s"),
        _ if seconds < 7200.0 => format!("{:.0} min", seconds / 60.0),
        _ if seconds < 172_800.0 => format!("{:.0} h", seconds / 3600.0),
        _ => format!("{:.0} days", seconds / 86_400.0),
    }
}

fn blocker_json(blocker: &Blocker) -> Value {
    json!({
        "pid": blocker.pid,
        "relation": blocker.relation,
        "mode": blocker.mode.map(LockMode::name),
        "is_waiting": blocker.is_waiting,
        "state": blocker.state,
        "application": blocker.application,
        "backend_type": blocker.backend_type,
        "seconds": blocker.seconds,
        "prevents_wraparound": blocker.prevents_wraparound,
        "prepared": blocker.prepared,
    })
}

/// The safe way as text: its statements, then what it needs beside them, as a comment.
pub fn safe_sql(judged: &Judged) -> Option<String> {
    let found = &judged.found;
    if found.safe.is_empty() && found.note.is_empty() {
        return None;
    }
    let mut lines: Vec<String> =
        found.safe.iter().map(|sql| format!("{};", sql.trim_end().trim_end_matches(';'))).collect();
    if !found.note.is_empty() {
        // A carriage return alone ends a comment too.
        lines.extend(found.note.split(['\n', '\r']).map(|line| format!("-- {line}")));
    }
    Some(lines.join("\n"))
}

/// What to do first, for HINT; empty where nothing is known.
pub fn first_step(judged: &Judged) -> String {
    let found = &judged.found;
    let sentence = |text: &str| {
        let text = text.trim().trim_end_matches('.');
        let first = text.split_whitespace().next().unwrap_or_default();
        let is_word = first.chars().all(char::is_alphabetic);
        match text.chars().next() {
            Some(letter) if is_word => format!("{}{}.", letter.to_uppercase(), &text[letter.len_utf8()..]),
            Some(_) => format!("{text}."),
            None => String::new(),
        }
    };
    match (found.safe.as_slice(), found.note.as_str()) {
        ([], note) => sentence(note),
        ([only], "") => format!("Run instead: {};", only.trim_end_matches(';')),
        ([only], note) => format!("Run instead: {}; {}", only.trim_end_matches(';'), sentence(note)),
        ([first, rest @ ..], _) => {
            let steps = if rest.len() == 1 {
                "one more step follows".to_owned()
            } else {
                format!("{} more steps follow", rest.len())
            };
            format!("Begin with: {}; ({steps})", first.trim_end_matches(';'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assessment() -> Assessment {
        Assessment {
            lock: Some(LockMode::AccessExclusive),
            target: "public.t".into(),
            rewrites: true,
            rows: Some(1_200_000),
            bytes: Some(369 << 20),
            seconds: Some((1.5, 19.4)),
            ..Assessment::default()
        }
    }

    #[test]
    fn detail_says_what_waits_how_long_and_for_whom() {
        let mut assessment = assessment();
        assert_eq!(
            assessment.detail(),
            "It takes ACCESS EXCLUSIVE on public.t: reads and writes wait for 1.5 s to 19 s. public.t has about \
             1,200,000 rows, 369 MB with indexes."
        );
        assessment.blockers = vec![
            Blocker {
                pid: 17,
                state: "idle in transaction".into(),
                application: "psql".into(),
                seconds: Some(310.0),
                ..Blocker::default()
            },
            Blocker::default(),
        ];
        assert!(assessment.detail().ends_with(
            "In its way now: process 17 (idle in transaction, psql, its transaction is 5 min old) and one other."
        ));
    }

    #[test]
    fn a_lock_held_for_a_moment_has_no_duration() {
        let assessment = Assessment { rewrites: false, ..assessment() };
        assert!(
            assessment.detail().starts_with("It takes ACCESS EXCLUSIVE on public.t: reads and writes wait. ")
        );
        let weak = Assessment { lock: Some(LockMode::ShareUpdateExclusive), ..assessment };
        assert!(weak.detail().starts_with("It takes SHARE UPDATE EXCLUSIVE on public.t. "));
    }

    #[test]
    fn what_is_not_known_is_not_said() {
        assert_eq!(Assessment::default().detail(), "");
    }

    #[test]
    fn spans_and_ages_are_short() {
        assert_eq!(span((0.0001, 0.01)), "less than 0.1 s");
        assert_eq!(span((200.0, 9000.0)), "3 min to 2.5 h");
        assert_eq!(age(86_400.0 * 3.0), "3 days");
    }
}
