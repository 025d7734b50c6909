//! What a statement does without having shown that it would. Found by the event triggers, behind the lock: the statement
//! is rolled back with all that it did.

use crate::catalog::LockMode;
use crate::catalog::ddl::{Kind, SeenAct};
use crate::finding::Severity;
use crate::migration::judge::rule::{Asked, DdlRule, Effect, Exempt, Found};

/// A rewrite.
pub const REWRITE: DdlRule = DdlRule {
    id: "ddl.unforeseen_rewrite",
    severity: Severity::Error,
    title: "A table is written anew, which the statement did not show",
    why: "It was filled while the statement waited for its lock, or a way to write it was not known here. Every row is written under ACCESS EXCLUSIVE.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/event-trigger-definition.html",
    exempt: Exempt::Small,
    check: rewrite,
};

/// A drop.
pub const DROP: DdlRule = DdlRule {
    id: "ddl.unforeseen_drop",
    severity: Severity::Error,
    title: "A table with rows is dropped, which the statement did not show",
    why: "CASCADE takes tables along that nobody named, and a table that was empty may have been filled before its lock was granted.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ddl-depend.html",
    exempt: Exempt::Private,
    check: drop,
};

fn locked(effect: Effect, message: String) -> Found {
    Found { lock: Some(LockMode::AccessExclusive), ..Found::new(effect, message) }
}

fn rewrite(asked: &Asked<'_>) -> Option<Found> {
    let Kind::Seen(SeenAct::Rewrite) = asked.action.kind else { return None };
    let message = format!(
        "{} is written anew, row by row, which nobody could see before it was locked",
        asked.target_name()
    );
    Some(
        locked(Effect::Rewrite, message)
            .note("run it again: what it does is known by now, or tell it by dbm.explain_ddl()"),
    )
}

fn drop(asked: &Asked<'_>) -> Option<Found> {
    let Kind::Seen(SeenAct::Drop) = asked.action.kind else { return None };
    let table = asked.target().filter(|table| !table.is_empty)?;
    let message =
        format!("{} is dropped with all its rows, though the statement did not name it", table.qualified());
    Some(
        locked(Effect::Loses, message)
            .note("drop what stands on the object by name, so that nothing goes that nobody thought of"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::judge::sample::{Case, empty_table, new_table, table};

    fn seen(act: SeenAct) -> Case {
        Case::new(Kind::Seen(act)).on(table("t"), LockMode::AccessExclusive)
    }

    #[test]
    fn what_is_seen_is_told() {
        assert_eq!(seen(SeenAct::Rewrite).fires(REWRITE.id).effect, Effect::Rewrite);
        assert!(seen(SeenAct::Drop).fires(DROP.id).message.contains("public.t is dropped"));
        seen(SeenAct::Drop).is_silent(REWRITE.id);
        seen(SeenAct::Rewrite).is_silent(DROP.id);
    }

    #[test]
    fn what_nobody_misses_is_not() {
        for nobodys in [empty_table("t"), new_table("t")] {
            let mode = LockMode::AccessExclusive;
            Case::new(Kind::Seen(SeenAct::Drop)).on(nobodys.clone(), mode).is_silent(DROP.id);
            Case::new(Kind::Seen(SeenAct::Rewrite)).on(nobodys, mode).is_silent(REWRITE.id);
        }
    }
}
