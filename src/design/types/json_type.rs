//! JSON kept as text.

use crate::catalog::types::builtin;
use crate::design::prevalence::{PREVAILING_SHARE, PREVAILING_TABLES, Practice};
use crate::design::words::says;
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};

use super::type_change::TypeChanges;

/// `schema.json_type`: columns of type `json` where `jsonb` would serve.
pub const JSON_TYPE: Rule = Rule {
    id: "schema.json_type",
    dimension: Dimension::Schema,
    severity: Severity::Warning,
    title: "Column of type json",
    why: "json keeps the text and parses it at every access; it has no equality, so that DISTINCT, GROUP BY and UNION \
          fail, and no index can search inside it.",
    thresholds: &[PREVAILING_SHARE, PREVAILING_TABLES],
    reference: "https://www.postgresql.org/docs/current/datatype-json.html",
    check,
};

/// Words that say that the text itself is to be kept, its blanks and order of keys included.
const VERBATIM: [&str; 6] = ["raw", "original", "verbatim", "signed", "exact", "unparsed"];

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let practice = Practice::observe(facts, |_, column, base| match base.oid {
        builtin::JSONB | builtin::JSONB_ARRAY => Some(false),
        builtin::JSON | builtin::JSON_ARRAY => Some(!says(&column.name, &VERBATIM)),
        _ => None,
    });
    let snapshot = facts.snapshot;
    let changes = TypeChanges::new(facts);
    practice.report_columns(
        facts,
        verdicts,
        |extent| format!("documents have type json throughout ({extent}): use jsonb, which can be compared and indexed"),
        |table, column| {
            let is_array = snapshot.base_type(column.type_oid).is_some_and(|found| found.oid == builtin::JSON_ARRAY);
            let (wrong, right) = if is_array { ("json[]", "jsonb[]") } else { ("json", "jsonb") };
            let message = format!(
                "column {} has type {wrong}, which is parsed at every access and cannot be compared or indexed: use {right}",
                snapshot.column_name(column)
            );
            let finding =
                Finding::new(snapshot.column_name(column), snapshot.schema_name(table.schema), message)
                    .evidence("jsonb_drops", "blanks, the order of keys and all but the last of equal keys");
            changes.repair(finding, table, &[(column, right)])
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};

    #[test]
    fn json_is_found_and_jsonb_or_verbatim_text_is_right() {
        let mut sample = Sample::new();
        let table = sample.keyed_table("hooks");
        sample.column(table, "details", builtin::JSON);
        sample.column(table, "raw_body", builtin::JSON);
        sample.column(table, "payload", builtin::JSONB);
        sample.column(table, "json_text", builtin::TEXT);
        sample.column(table, "parts", builtin::JSON_ARRAY);
        sample.column(table, "pieces", builtin::JSONB_ARRAY);
        let (found, _, examined) = run(&JSON_TYPE, &sample.finish());
        assert_eq!((found.len(), examined), (2, 5));
        assert!(found[1].message.contains("has type json[]"));
        assert!(found[1].fix.as_deref().unwrap().contains("ALTER COLUMN parts TYPE jsonb[];"));
        assert_eq!(found[0].object, "public.hooks.details");
        assert!(found[0].fix.as_deref().unwrap().contains("ALTER COLUMN details TYPE jsonb;"));
    }
}
