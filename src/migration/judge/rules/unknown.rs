//! What could not be judged: said, never passed in silence.

use super::words::alteration;
use crate::catalog::ddl::{Alteration, Kind};
use crate::finding::Severity;
use crate::migration::judge::rule::{Asked, DdlRule, Effect, Exempt, Found};

/// Dynamic SQL and text that the parser does not know.
pub const UNCHECKED: DdlRule = DdlRule {
    id: "ddl.unchecked_dynamic_sql",
    severity: Severity::Warning,
    title: "A statement could not be judged",
    why: "What it does is known only when it runs; the guard judges it then, a text cannot.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/plpgsql-statements.html#PLPGSQL-STATEMENTS-EXECUTING-DYN",
    exempt: Exempt::Nothing,
    check: unchecked,
};

/// Sub-commands of later versions.
pub const UNKNOWN: DdlRule = DdlRule {
    id: "ddl.unknown_alteration",
    severity: Severity::Warning,
    title: "A sub-command that this version of dbmastery does not know",
    why: "It may lock or write anything: read the manual of the server before it runs.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-altertable.html",
    exempt: Exempt::Private,
    check: unknown,
};

/// Relations that are not there.
pub const MISSING: DdlRule = DdlRule {
    id: "ddl.target_missing",
    severity: Severity::Info,
    title: "A relation is not there",
    why: "How large it is, who uses it and what is true of it decides what is safe; nothing of that could be looked up.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/ddl-schemas.html#DDL-SCHEMAS-PATH",
    exempt: Exempt::Nothing,
    check: missing,
};

fn unchecked(asked: &Asked<'_>) -> Option<Found> {
    let Kind::Unchecked { reason } = &asked.action.kind else { return None };
    Some(Found::new(Effect::Style, format!("this could not be judged: {reason}")))
}

fn unknown(asked: &Asked<'_>) -> Option<Found> {
    let Alteration::Unknown { number } = alteration(asked)? else { return None };
    let message = format!(
        "the sub-command {} of {} is not known here and was not judged",
        if asked.action.text.is_empty() { format!("number {number}") } else { asked.action.text.clone() },
        asked.target_name()
    );
    Some(Found::new(Effect::Style, message))
}

fn missing(asked: &Asked<'_>) -> Option<Found> {
    let name = asked.action.missing.as_ref()?;
    let is_drop = matches!(asked.action.kind, Kind::Drop(_));
    if asked.target().is_some() || is_drop {
        return None;
    }
    Some(Found::new(Effect::Fails, format!("{name} is not there, so that nothing was judged but the form")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::judge::sample::Case;

    #[test]
    fn what_is_not_known_is_said() {
        Case::new(Kind::Unchecked { reason: "EXECUTE of a string".into() }).fires(UNCHECKED.id);
        Case::new(Kind::Other).is_silent(UNCHECKED.id);
        Case::alter(Alteration::Unknown { number: 99 }).fires(UNKNOWN.id);
        Case::alter(Alteration::Owner).is_silent(UNKNOWN.id);
    }

    #[test]
    fn a_relation_that_is_not_there() {
        let case =
            Case::new(Kind::Alter(Alteration::Owner)).with(|action| action.missing = Some("nowhere".into()));
        case.fires(MISSING.id);
        Case::alter(Alteration::Owner).is_silent(MISSING.id);
    }
}
