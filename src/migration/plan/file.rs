//! A plan as a migration file that psql runs: header, UP, DOWN, VERIFY.

use std::fmt::Write;

use crate::change::plan::{Plan, Runs, Step, runs_alone};

/// How long a lock may be waited for.
const LOCK_TIMEOUT: &str = "2s";

/// The file's text.
pub fn file(plan: &Plan) -> String {
    let mut text = String::new();
    header(&mut text, plan);
    up(&mut text, plan);
    down(&mut text, plan);
    verify(&mut text, plan);
    text
}

/// A comment, whatever line ends it holds: a carriage return alone ends one for psql too.
fn comment(text: &mut String, indent: &str, line: &str) {
    for part in line.split(['\n', '\r']).filter(|part| !part.trim().is_empty()) {
        let _ = writeln!(text, "--{indent}{}", part.trim_end());
    }
}

fn header(text: &mut String, plan: &Plan) {
    comment(text, " ", &plan.title);
    text.push_str("--\n");
    comment(
        text,
        " ",
        &format!("change:         {}", plan.change.split_whitespace().collect::<Vec<_>>().join(" ")),
    );
    comment(text, " ", &format!("risk:           {}", plan.risk.name()));
    let time = match plan.seconds {
        Some((least, most)) if duration(least) == duration(most) => {
            format!("{}, beside waiting for locks", duration(most))
        }
        Some((least, most)) => format!("{} to {}, beside waiting for locks", duration(least), duration(most)),
        None => "unknown".to_owned(),
    };
    comment(text, " ", &format!("estimated time: {time}"));
    if plan.requires.is_empty() {
        comment(text, " ", "requires:       nothing");
    }
    for (number, what) in plan.requires.iter().enumerate() {
        let label = if number == 0 { "requires:      " } else { "               " };
        comment(text, " ", &format!("{label} {what}"));
    }
    text.push_str("--\n");
    comment(text, " ", "Run with psql, section by section; steps that say so run outside a transaction.");
    text.push('\n');
}

fn duration(seconds: f64) -> String {
    if seconds < 1.0 {
        "under a second".to_owned()
    } else if seconds < 120.0 {
        format!("{seconds:.0} s")
    } else if seconds < 7200.0 {
        format!("{:.0} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3600.0)
    }
}

fn section(text: &mut String, name: &str, plan: &Plan) {
    let _ = writeln!(text, "-- {name} {}", "-".repeat(70_usize.saturating_sub(name.len())));
    text.push_str("\\set ON_ERROR_STOP on\n");
    searched(text, &plan.search_path);
}

fn searched(text: &mut String, schemas: &str) {
    let path = if schemas.is_empty() { "''" } else { schemas };
    let _ = writeln!(text, "SET search_path TO {path};");
}

fn up(text: &mut String, plan: &Plan) {
    section(text, "UP", plan);
    let _ = writeln!(text, "SET lock_timeout = '{LOCK_TIMEOUT}';");
    for (number, step) in plan.steps.iter().enumerate() {
        text.push('\n');
        comment(text, " ", &format!("step {} of {}: {}", number + 1, plan.steps.len(), describe(step)));
        if !step.note.is_empty() && step.runs != Runs::ByHand {
            comment(text, "   ", &step.note);
        }
        if let Some(own) = &step.search_path {
            searched(text, own);
        }
        match step.runs {
            Runs::ByHand => comment(text, "   BY HAND: ", &step.note),
            Runs::Alone => {
                comment(text, "   ", "outside a transaction; must not be cut short by a timeout");
                text.push_str("SET lock_timeout = 0;\n");
                for sql in &step.sql {
                    statement(text, sql);
                }
                let _ = writeln!(text, "SET lock_timeout = '{LOCK_TIMEOUT}';");
            }
            Runs::InTransaction => transaction(text, &step.sql),
        }
        if step.search_path.is_some() {
            searched(text, &plan.search_path);
        }
        if let Some((query, removal)) = &step.leftover {
            comment(text, "   ", &format!("if it was interrupted and this is true: {query};"));
            comment(text, "   ", &format!("remove what it left: {removal};"));
        }
        if let Some(query) = &step.asks_if {
            comment(text, "   ", &format!("only where this is true: {query};"));
        }
        if let Some(query) = &step.verify {
            comment(text, "   ", &format!("done when true: {query};"));
        }
    }
    text.push('\n');
}

fn describe(step: &Step) -> String {
    let mut words = step.phase.name().to_owned();
    if let Some(lock) = step.lock {
        words.push_str(", ");
        words.push_str(lock.name());
    }
    words
}

fn statement(text: &mut String, sql: &str) {
    let sql = sql.trim_end().trim_end_matches(';');
    let _ = writeln!(text, "{sql};");
}

fn transaction(text: &mut String, sql: &[String]) {
    if sql.is_empty() {
        return;
    }
    text.push_str("BEGIN;\n");
    for one in sql {
        statement(text, one);
    }
    text.push_str("COMMIT;\n");
}

fn down(text: &mut String, plan: &Plan) {
    section(text, "DOWN", plan);
    for (number, step) in plan.steps.iter().enumerate().rev() {
        if step.runs == Runs::ByHand {
            continue;
        }
        text.push('\n');
        comment(text, " ", &format!("back from step {}", number + 1));
        if step.undo.is_empty() {
            comment(text, "   ", "nothing is to be done, or nothing can be: see the step's note");
        }
        if let Some(own) = step.search_path.as_ref().filter(|_| !step.undo.is_empty()) {
            searched(text, own);
        }
        for sql in &step.undo {
            if runs_alone(sql) {
                comment(text, "   ", "outside a transaction");
                statement(text, sql);
            } else {
                transaction(text, std::slice::from_ref(sql));
            }
        }
        if step.search_path.is_some() && !step.undo.is_empty() {
            searched(text, &plan.search_path);
        }
    }
    text.push('\n');
}

fn verify(text: &mut String, plan: &Plan) {
    section(text, "VERIFY", plan);
    comment(text, " ", "each has to be true once all of UP was run");
    for query in &plan.verify {
        statement(text, query);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::plan::{Phase, Risk};

    #[test]
    fn nothing_leaves_a_comment() {
        let mut text = String::new();
        comment(&mut text, " ", "change of \"a\rDROP TABLE b;\r\n\nDROP TABLE c;\"");
        assert_eq!(text, "-- change of \"a\n-- DROP TABLE b;\n-- DROP TABLE c;\"\n");
    }

    #[test]
    fn a_step_with_a_search_path_of_its_own_says_so() {
        let step = Step::new(Phase::Backfill, "UPDATE shop.t SET a = a")
            .search_path("shop, public")
            .undo("SELECT 1");
        let plan = Plan {
            title: String::new(),
            change: String::new(),
            risk: Risk::Low,
            requires: Vec::new(),
            seconds: None,
            search_path: String::new(),
            steps: vec![step],
            verify: Vec::new(),
        };
        let mut text = String::new();
        up(&mut text, &plan);
        down(&mut text, &plan);
        let around = |sql: &str| {
            format!("SET search_path TO shop, public;\nBEGIN;\n{sql};\nCOMMIT;\nSET search_path TO '';\n")
        };
        assert!(
            text.contains(&around("UPDATE shop.t SET a = a")) && text.contains(&around("SELECT 1")),
            "{text}"
        );
    }
}
