//! The jobs there are, by the names that people call them.

/// What can be done on schedule.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Job {
    /// Partitions: created ahead, retired, the default partition drained.
    Upkeep,
    /// The score of the database, kept in dbm.score_history.
    Audit,
    /// The seals of the audit log.
    Seal,
    /// A plan, carried as far as it comes.
    Plan(i64),
}

/// The names, for whoever asked for another.
pub const NAMES: &str = "upkeep, audit, seal, and plan with its number, as in \"plan 7\"";

impl Job {
    /// The job of that name; blanks and case do not matter.
    pub fn parse(name: &str) -> Option<Self> {
        let words: Vec<String> = name.split_whitespace().map(str::to_lowercase).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["upkeep"] => Some(Self::Upkeep),
            ["audit"] => Some(Self::Audit),
            ["seal"] => Some(Self::Seal),
            ["plan", number] if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                number.parse().ok().map(Self::Plan)
            }
            _ => None,
        }
    }

    /// Its name.
    pub fn name(self) -> String {
        match self {
            Self::Upkeep => "upkeep".to_owned(),
            Self::Audit => "audit".to_owned(),
            Self::Seal => "seal".to_owned(),
            Self::Plan(number) => format!("plan {number}"),
        }
    }

    /// A number that no other job of the database has.
    pub fn key(self) -> i64 {
        match self {
            Self::Upkeep => -1,
            Self::Audit => -2,
            Self::Seal => -3,
            Self::Plan(number) => number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_people_write_them() {
        assert_eq!(Job::parse("upkeep"), Some(Job::Upkeep));
        assert_eq!(Job::parse("  AUDIT "), Some(Job::Audit));
        assert_eq!(Job::parse("Plan   12"), Some(Job::Plan(12)));
        for wrong in
            ["", "plan", "plan x", "plan -1", "plan +1", "plan 1 2", "vacuum", "plan 99999999999999999999"]
        {
            assert_eq!(Job::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_name_is_read_as_what_was_written() {
        for job in [Job::Upkeep, Job::Audit, Job::Seal, Job::Plan(0), Job::Plan(i64::MAX)] {
            assert_eq!(Job::parse(&job.name()), Some(job));
        }
    }
}
