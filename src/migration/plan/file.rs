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

/// One line of a comment, whatever line ends it holds.
fn comment(text: &mut String, indent: &str, line: &str) {
    for part in line.lines() {
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
    let path = if plan.search_path.is_empty() { "''" } else { &plan.search_path };
    let _ = writeln!(text, "\\set ON_ERROR_STOP on\nSET search_path TO {path};");
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
        if let Some((query, removal)) = &step.leftover {
            comment(text, "   ", &format!("if it was interrupted and this is true: {query};"));
            comment(text, "   ", &format!("remove what it left: {removal};"));
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
        for sql in &step.undo {
            if runs_alone(sql) {
                comment(text, "   ", "outside a transaction");
                statement(text, sql);
            } else {
                transaction(text, std::slice::from_ref(sql));
            }
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
