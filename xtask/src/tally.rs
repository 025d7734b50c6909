//! Counting tests: what the test programs print, and the table at the end.

use std::path::PathBuf;
use std::time::Duration;

use crate::console::{self, say};
use crate::failure::Outcome;
use crate::files::read;

/// How many tests did what.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Tally {
    /// Did what they should.
    pub passed: usize,
    /// Did not.
    pub failed: usize,
    /// Were not run, by their own decision.
    pub skipped: usize,
}

impl Tally {
    /// One test that passed or failed.
    pub fn one(passed: bool) -> Self {
        Tally { passed: passed.into(), failed: (!passed).into(), skipped: 0 }
    }

    fn plus(self, other: Tally) -> Self {
        Tally {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }

    /// A program that failed without a failing test has failed all the same.
    pub fn believing(mut self, succeeded: bool) -> Self {
        if !succeeded && self.failed == 0 {
            self.failed = 1;
        }
        self
    }
}

/// The sum over all `test result:` lines of `cargo test`.
pub fn of_cargo(output: &str) -> Tally {
    let number = |part: &str, what: &str| -> usize {
        part.trim()
            .strip_suffix(what)
            .and_then(|number| number.trim().rsplit(' ').next()?.parse().ok())
            .unwrap_or(0)
    };
    let lines = output.lines().filter_map(|line| line.trim().strip_prefix("test result: "));
    lines.fold(Tally::default(), |sum, line| {
        line.split(';').fold(sum, |sum, part| {
            sum.plus(Tally {
                passed: number(part, "passed"),
                failed: number(part, "failed"),
                skipped: number(part, "ignored"),
            })
        })
    })
}

/// The tests in the output of pg_regress or pg_isolation_regress, of any major: up to 15 they wrote
/// `test name ... ok`, since 16 they write TAP.
pub fn of_regress(output: &str) -> Tally {
    output.lines().fold(of_tap(output), |sum, line| {
        let verdict = line.split_once(" ... ").map_or("", |(_, verdict)| verdict.trim_start());
        let passed = verdict.starts_with("ok ") || verdict == "ok";
        let failed = verdict.starts_with("FAILED");
        sum.plus(Tally { passed: passed.into(), failed: failed.into(), skipped: 0 })
    })
}

/// The tests in TAP output; subtests, which are indented, count with their parent.
pub fn of_tap(output: &str) -> Tally {
    output.lines().fold(Tally::default(), |sum, line| {
        let numbered = |rest: &str| rest.trim_start().starts_with(|c: char| c.is_ascii_digit());
        let is = |start: &str| line.strip_prefix(start).is_some_and(numbered);
        let directive = line.split_once(" # ").map_or(String::new(), |(_, text)| text.to_ascii_lowercase());
        let one = match (is("ok "), is("not ok ")) {
            (true, _) if directive.starts_with("skip") => Tally { skipped: 1, ..Tally::default() },
            (true, _) => Tally::one(true),
            (_, true) if directive.starts_with("todo") => Tally { skipped: 1, ..Tally::default() },
            (_, true) => Tally::one(false),
            _ => Tally::default(),
        };
        sum.plus(one)
    })
}

/// The tests in files of TAP output.
pub fn of_files(files: &[PathBuf]) -> Outcome<Tally> {
    files.iter().try_fold(Tally::default(), |sum, file| Ok(sum.plus(of_tap(&read(file)?))))
}

/// The suites that ran, in their order.
#[derive(Default)]
pub struct Report {
    suites: Vec<(String, Tally, Duration)>,
}

impl Report {
    /// Adds the result of a suite.
    pub fn add(&mut self, suite: &str, tally: Tally, took: Duration) {
        self.suites.push((suite.to_owned(), tally, took));
    }

    /// The sum over all suites.
    pub fn total(&self) -> Tally {
        self.suites.iter().fold(Tally::default(), |sum, (_, tally, _)| sum.plus(*tally))
    }

    /// Prints a line for each suite, and last the sum alone.
    pub fn print(&self) {
        let width = self.suites.iter().map(|(suite, ..)| suite.chars().count()).max().unwrap_or(0);
        say!();
        for (suite, tally, took) in &self.suites {
            say!("{suite:width$}  {}  {}", line(*tally), console::duration(*took));
        }
        say!("\n{}", line(self.total()));
    }
}

fn line(tally: Tally) -> String {
    let skipped = if tally.skipped > 0 { format!(", {} skipped", tally.skipped) } else { String::new() };
    format!("{} passed, {} failed{skipped}", tally.passed, tally.failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: usize, failed: usize, skipped: usize) -> Tally {
        Tally { passed, failed, skipped }
    }

    #[test]
    fn cargo_results_are_summed_over_binaries() {
        let output = "running 3 tests\ntest a ... ok\n\n\
            test result: ok. 41 passed; 0 failed; 2 ignored; 0 measured; 7 filtered out; finished in 0.31s\n\
            test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";
        assert_eq!(of_cargo(output), tally(44, 1, 2));
        assert_eq!(of_cargo("error: could not compile"), tally(0, 0, 0));
    }

    #[test]
    fn pg_regress_15_is_read() {
        let output = "============== running regression test queries        ==============\n\
            test setup                        ... ok           12 ms\n\
            parallel group (2 tests):  b a\n     a                            ... ok           3 ms\n\
            \u{20}    b                            ... FAILED (test process exited with exit code 2)       4 ms\n\n\
            =======================\n 1 of 3 tests failed. \n=======================\n";
        assert_eq!(of_regress(output), tally(2, 1, 0));
    }

    #[test]
    fn pg_regress_16_is_read() {
        let output = "# using postmaster on /s, port 5432\nok 1         - setup                       21 ms\n\
            # parallel group (2 tests):  a b\nok 2         + a                            3 ms\n\
            not ok 3     + b                            4 ms\n1..3\n# 1 of 3 tests failed.\n";
        assert_eq!(of_regress(output), tally(2, 1, 0));
    }

    #[test]
    fn tap_counts_directives_and_leaves_subtests_out() {
        let output = "# Subtest: x\n    ok 1 - inner\nok 1 - x\nnot ok 2 - y\nok 3 # skip no peer\n\
            not ok 4 - later # TODO mend\nok\n1..4\n";
        assert_eq!(of_tap(output), tally(1, 1, 2));
    }

    #[test]
    fn a_failed_program_is_a_failure_even_without_a_failed_test() {
        assert_eq!(tally(5, 0, 0).believing(false), tally(5, 1, 0));
        assert_eq!(tally(5, 2, 0).believing(false), tally(5, 2, 0));
        assert_eq!(tally(5, 0, 1).believing(true), tally(5, 0, 1));
    }

    #[test]
    fn the_last_line_names_passed_and_failed() {
        assert_eq!(line(tally(12, 0, 0)), "12 passed, 0 failed");
        assert_eq!(line(tally(12, 1, 3)), "12 passed, 1 failed, 3 skipped");
    }
}
