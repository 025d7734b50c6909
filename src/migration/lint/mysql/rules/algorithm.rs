//! ALGORITHM and LOCK, and what several actions in one statement do to each other.

use crate::finding::Severity;
use crate::migration::lint::LintRule;
use crate::migration::lint::mysql::action::{Algorithm, Alter, Lock};
use crate::migration::lint::mysql::class::{Class, algorithm_name, lock_name};
use crate::migration::lint::mysql::judged::{Judged, name};
use crate::migration::lint::rule::Note;

const CLAUSES: &str = "https://dev.mysql.com/doc/refman/8.4/en/innodb-online-ddl-performance.html";
const ALTER: &str = "https://dev.mysql.com/doc/refman/8.4/en/alter-table.html#alter-table-performance";

/// ALGORITHM=COPY on what could be done in a milder way.
pub const COPY: LintRule = LintRule {
    id: "mysql.algorithm_copy",
    severity: Severity::Error,
    title: "ALGORITHM=COPY is asked for",
    why: "Every row is copied into a new table, and nobody can write until it is done, though the change needs no copy.",
    reference: CLAUSES,
};

/// ALGORITHM=INSTANT or INPLACE on what they cannot do.
pub const NOT_SUPPORTED: LintRule = LintRule {
    id: "mysql.algorithm_not_supported",
    severity: Severity::Error,
    title: "The ALGORITHM asked for cannot do it",
    why: "The statement fails at once with error 1845 or 1846. Nothing is damaged, but the migration stops there.",
    reference: CLAUSES,
};

/// ALGORITHM=INPLACE on a column that INSTANT could add or drop.
pub const IN_PLACE_REBUILDS: LintRule = LintRule {
    id: "mysql.algorithm_inplace_rebuilds",
    severity: Severity::Warning,
    title: "ALGORITHM=INPLACE where INSTANT would do",
    why: "In place, adding or dropping a column writes every row and every index anew; INSTANT changes metadata only.",
    reference: "https://dev.mysql.com/doc/refman/8.4/en/innodb-online-ddl-operations.html#online-ddl-column-operations",
};

/// LOCK=SHARED or EXCLUSIVE where less would do.
pub const LOCK_OPTION: LintRule = LintRule {
    id: "mysql.lock_option",
    severity: Severity::Warning,
    title: "LOCK asks for more than the change needs",
    why: "SHARED stops writers and EXCLUSIVE stops everybody until the change is done.",
    reference: CLAUSES,
};

/// LOCK=NONE on what cannot let writers go on; any LOCK with INSTANT.
pub const LOCK_NOT_SUPPORTED: LintRule = LintRule {
    id: "mysql.lock_not_supported",
    severity: Severity::Error,
    title: "The LOCK asked for is not possible",
    why: "The statement fails at once. Nothing is damaged, but the migration stops there.",
    reference: CLAUSES,
};

/// No ALGORITHM on what is done online.
pub const NO_EXPLICIT_ALGORITHM: LintRule = LintRule {
    id: "mysql.no_explicit_algorithm",
    severity: Severity::Info,
    title: "Nothing says how the change must be done",
    why: "Without ALGORITHM the server takes the best that it can, and that may be a copy on another version, row format \
          or table. With it, the statement fails instead of stopping writers.",
    reference: ALTER,
};

/// An action that alone would be instant, beside one that is not.
pub const MIXED_ALGORITHMS: LintRule = LintRule {
    id: "mysql.mixed_algorithms",
    severity: Severity::Info,
    title: "The worst action of a statement decides for all",
    why: "All actions of one ALTER TABLE are done together, by the algorithm of the worst of them.",
    reference: ALTER,
};

/// A second rebuild of one table in one file.
pub const SEVERAL_REBUILDS: LintRule = LintRule {
    id: "mysql.several_rebuilds",
    severity: Severity::Warning,
    title: "A table is rebuilt more than once",
    why: "Each of the statements writes every row anew; as one ALTER TABLE they would do it once.",
    reference: ALTER,
};

/// How a statement is done as a whole.
pub struct Whole {
    /// Its class; `None` where the file does not say enough.
    pub class: Option<Class>,
    /// As `lock_mode` shows it.
    pub lock_mode: String,
    /// What should be known of the whole, beside its actions.
    pub notes: Vec<Note>,
    /// Whether what its actions cost is worth telling: not where the statement fails.
    pub tells_costs: bool,
}

/// Puts the actions of a statement together, under the clauses that it carries.
pub fn whole(alter: &Alter, judged: &[Judged], text: &str) -> Whole {
    let natural = class_of(judged);
    let mut whole = Whole { class: natural, lock_mode: String::new(), notes: Vec::new(), tells_costs: true };
    apply_algorithm(alter, judged, &mut whole);
    apply_lock(alter, &mut whole);
    if whole.tells_costs {
        if alter.algorithm.is_none() && alter.lock.is_none() {
            propose_clauses(alter, text, &mut whole);
        }
        tell_mixture(alter, judged, &mut whole);
    }
    if whole.lock_mode.is_empty() && whole.tells_costs {
        whole.lock_mode = whole.class.map(Class::lock_mode).unwrap_or_default().to_owned();
    }
    whole
}

/// The worst class; `None` where an action of unknown class could be worse.
fn class_of(judged: &[Judged]) -> Option<Class> {
    let worst = judged.iter().filter_map(|judged| judged.class).max();
    let is_unknown = judged.iter().any(|judged| judged.class.is_none());
    worst.filter(|&class| !is_unknown || class == Class::Copy)
}

fn apply_algorithm(alter: &Alter, judged: &[Judged], whole: &mut Whole) {
    let table = name(&alter.table);
    match (alter.algorithm, whole.class) {
        (Some(Algorithm::Copy), class) if class != Some(Class::Copy) => {
            whole.class = Some(Class::Copy);
            whole.tells_costs = false;
            whole.lock_mode = Class::Copy.lock_mode().to_owned();
            let message = format!(
                "ALGORITHM=COPY copies every row of {table} into a new table while writers wait; without it the change {}",
                class.map_or("may be done in place", Class::in_words)
            );
            let better = class.map_or("INPLACE", |class| algorithm_name(class.algorithm()));
            whole.notes.push(Note::new(&COPY, message).fix(format!("ALGORITHM={better}")));
        }
        (Some(asked), Some(class)) if class.algorithm() > asked => {
            whole.tells_costs = false;
            let worst: Vec<&str> = judged
                .iter()
                .filter(|judged| judged.class.is_some_and(|class| class.algorithm() > asked))
                .map(|judged| judged.what.as_str())
                .collect();
            let message = format!(
                "ALTER TABLE {table} fails: ALGORITHM={} cannot do {}, which {}",
                algorithm_name(asked),
                worst.join(", "),
                class.in_words()
            );
            let fix = if class == Class::Copy {
                crate::migration::lint::mysql::judged::online_tool(&table)
            } else {
                format!("ALGORITHM={}", algorithm_name(class.algorithm()))
            };
            whole.notes.push(Note::new(&NOT_SUPPORTED, message).fix(fix));
        }
        // The server refuses what it cannot do that way: nothing unexpected can happen.
        (Some(Algorithm::Instant | Algorithm::InPlace), None) => whole.tells_costs = false,
        (Some(Algorithm::InPlace), Some(Class::Instant)) => {
            let class = judged.iter().map(|judged| judged.in_place).max().unwrap_or(Class::InPlace);
            whole.class = Some(class);
            if class == Class::Rebuild {
                let message =
                    format!("ALGORITHM=INPLACE writes every row of {table} anew, which INSTANT would not");
                whole.notes.push(Note::new(&IN_PLACE_REBUILDS, message).fix("ALGORITHM=INSTANT"));
            }
        }
        _ => (),
    }
}

fn apply_lock(alter: &Alter, whole: &mut Whole) {
    let Some(lock) = alter.lock else { return };
    let table = name(&alter.table);
    let fails = |why: &str| {
        let message =
            format!("ALTER TABLE {table} fails: LOCK={} is not possible, because {why}", lock_name(lock));
        Note::new(&LOCK_NOT_SUPPORTED, message)
    };
    if alter.algorithm == Some(Algorithm::Instant) {
        whole.tells_costs = false;
        whole
            .notes
            .push(fails("ALGORITHM=INSTANT takes no LOCK but DEFAULT").fix("leave the LOCK clause out"));
        return;
    }
    match (lock, whole.class) {
        (Lock::None, Some(class)) if class.lock() > Lock::None => {
            whole.tells_costs = false;
            let why = format!("the statement {}", class.in_words());
            whole.notes.push(fails(&why).fix(crate::migration::lint::mysql::judged::online_tool(&table)));
        }
        (Lock::None, None) => whole.tells_costs = false,
        (Lock::Shared | Lock::Exclusive, class) if class.is_none_or(|class| class.lock() < lock) => {
            let (who, severity) = match lock {
                Lock::Exclusive => ("readers and writers", Severity::Error),
                _ => ("writers", Severity::Warning),
            };
            let message =
                format!("LOCK={} keeps {who} of {table} waiting until ALTER TABLE is done", lock_name(lock));
            let algorithm =
                class.map_or("COPY", |class| algorithm_name(class.algorithm().max(Algorithm::InPlace)));
            whole.lock_mode = format!("{algorithm}, LOCK={}", lock_name(lock));
            let fix = if class.is_some_and(|class| class.lock() == Lock::None) { "LOCK=NONE" } else { "" };
            whole.notes.push(Note::new(&LOCK_OPTION, message).severity(severity).fix(fix));
        }
        _ => (),
    }
}

fn propose_clauses(alter: &Alter, text: &str, whole: &mut Whole) {
    let Some(class) = whole.class.filter(|class| !class.grows_with_rows()) else { return };
    let clause = match (class, alter.has_commas) {
        (Class::Instant, _) => "ALGORITHM=INSTANT",
        (_, true) => "ALGORITHM=INPLACE, LOCK=NONE",
        (_, false) => "ALGORITHM=INPLACE LOCK=NONE",
    };
    let separator = if alter.has_commas { ", " } else { " " };
    let message = format!(
        "nothing makes the change of {} fail where it cannot be done online: add {clause}",
        name(&alter.table)
    );
    // Where the file says DEFAULT, the clause is there already.
    let says_default = text.to_ascii_uppercase().contains("ALGORITHM");
    let fix = if says_default { clause.to_owned() } else { format!("{text}{separator}{clause};") };
    whole.notes.push(Note::new(&NO_EXPLICIT_ALGORITHM, message).fix(fix));
}

fn tell_mixture(alter: &Alter, judged: &[Judged], whole: &mut Whole) {
    let Some(class) = whole.class.filter(|class| class.grows_with_rows()) else { return };
    let those = |is_mild: bool| -> Vec<&str> {
        judged
            .iter()
            .filter(|judged| {
                judged.class.is_some_and(|own| if is_mild { own == Class::Instant } else { own == class })
            })
            .map(|judged| judged.what.as_str())
            .collect()
    };
    let (mild, worst) = (those(true), those(false));
    if alter.algorithm.is_none() && !mild.is_empty() && !worst.is_empty() {
        let message = format!(
            "alone, {} would be INSTANT on {}; together with {} the statement {}",
            mild.join(", "),
            name(&alter.table),
            worst.join(", "),
            class.in_words()
        );
        let fix = format!("put {} into a statement of its own, with ALGORITHM=INSTANT", mild.join(", "));
        whole.notes.push(Note::new(&MIXED_ALGORITHMS, message).fix(fix));
    }
}

/// Says that the file rebuilds the table again.
pub fn rebuilt_again(alter: &Alter) -> Note {
    let table = name(&alter.table);
    let message = format!("{table} is rebuilt a second time by this file");
    Note::cost(&SEVERAL_REBUILDS, message)
        .fix(format!("put all changes that rebuild {table} into one ALTER TABLE"))
}
