//! Schedules of pg_regress: which files run, in which order, and which may run side by side.

use std::collections::BTreeSet;

use crate::failure::{Failure, Outcome};

/// The lines of a schedule; the tests on one line run side by side.
#[derive(Debug, PartialEq, Eq)]
pub struct Schedule(Vec<Vec<String>>);

impl Schedule {
    /// Reads a schedule file.
    pub fn parse(text: &str) -> Outcome<Self> {
        let mut groups = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let Some(tests) = line.strip_prefix("test:") else {
                return Err(Failure::new(format!(
                    "a line of the schedule does not begin with test: — {line}"
                )));
            };
            groups.push(tests.split_whitespace().map(str::to_owned).collect());
        }
        Ok(Schedule(groups))
    }

    /// Fails if a test that exists is not in the schedule, or one in the schedule does not exist, or stands there
    /// twice: each of them would be a test that silently never runs, or not as one thinks.
    pub fn must_list(&self, existing: &[String]) -> Outcome {
        let mut listed = BTreeSet::new();
        for test in self.0.iter().flatten() {
            if !listed.insert(test.as_str()) {
                return Err(Failure::new(format!("the schedule lists {test} twice")));
            }
        }
        let existing: BTreeSet<&str> = existing.iter().map(String::as_str).collect();
        let unlisted: Vec<&str> = existing.difference(&listed).copied().collect();
        let missing: Vec<&str> = listed.difference(&existing).copied().collect();
        if !unlisted.is_empty() {
            return Err(Failure::new(format!("not in the schedule, so never run: {}", unlisted.join(", "))));
        }
        if !missing.is_empty() {
            return Err(Failure::new(format!(
                "in the schedule, but there is no such file: {}",
                missing.join(", ")
            )));
        }
        Ok(())
    }

    /// The tests whose name contains `filter`, behind the first line of the schedule, which sets things up.
    /// Nothing if no test has such a name.
    pub fn filtered(self, filter: Option<&str>) -> Self {
        let Some(filter) = filter else { return self };
        let mut groups = self.0.into_iter();
        let first: Vec<String> = groups.next().unwrap_or_default();
        let matching = |group: Vec<String>| -> Vec<String> {
            group.into_iter().filter(|test| test.contains(filter)).collect()
        };
        let rest: Vec<Vec<String>> = groups.map(matching).filter(|group| !group.is_empty()).collect();
        if rest.is_empty() && !first.iter().any(|test| test.contains(filter)) {
            return Schedule(Vec::new());
        }
        Schedule(std::iter::once(first).chain(rest).collect())
    }

    /// Whether nothing is left to run.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text that pg_regress reads.
    pub fn text(&self) -> String {
        self.0.iter().map(|group| format!("test: {}\n", group.join(" "))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# first\ntest: setup\n\ntest: audit score\ntest: surface\n";

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    #[test]
    fn every_file_must_be_listed_once() {
        let schedule = Schedule::parse(TEXT).unwrap();
        assert_eq!(schedule.must_list(&names(&["audit", "score", "setup", "surface"])), Ok(()));
        let said = |existing: &[&str]| schedule.must_list(&names(existing)).unwrap_err().to_string();
        assert!(said(&["audit", "score", "setup", "surface", "forgotten"]).contains("forgotten"));
        assert!(said(&["audit", "score", "setup"]).contains("surface"));
        let twice = Schedule::parse("test: a\ntest: a\n").unwrap();
        assert!(twice.must_list(&names(&["a"])).is_err());
        assert!(Schedule::parse("tests: a").is_err());
    }

    #[test]
    fn a_filter_keeps_the_set_up() {
        let filtered = |filter| Schedule::parse(TEXT).unwrap().filtered(filter).text();
        assert_eq!(filtered(None), "test: setup\ntest: audit score\ntest: surface\n");
        assert_eq!(filtered(Some("sco")), "test: setup\ntest: score\n");
        assert_eq!(filtered(Some("setup")), "test: setup\n");
        assert!(Schedule::parse(TEXT).unwrap().filtered(Some("nothing")).is_empty());
    }
}
