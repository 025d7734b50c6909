//! Blank-padded columns.

use crate::catalog::types::builtin;
use crate::catalog::{Column, ConstraintKind};
use crate::design::prevalence::{PREVAILING_SHARE, PREVAILING_TABLES, Practice};
use crate::design::words::says;
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};

use super::type_change::TypeChanges;
use super::varchar_length::is_round_default;

/// `schema.char_type`: `char(n)` for text that is not of one fixed length by its nature.
pub const CHAR_TYPE: Rule = Rule {
    id: "schema.char_type",
    dimension: Dimension::Schema,
    severity: Severity::Warning,
    title: "Blank-padded column",
    why: "char(n) stores the padding, returns it to the client, ignores it in comparisons and drops it when converted \
          to text, so that length, LIKE and joins with text surprise. It is neither faster nor smaller than varchar.",
    thresholds: &[PREVAILING_SHARE, PREVAILING_TABLES],
    reference: "https://wiki.postgresql.org/wiki/Don%27t_Do_This#Don.27t_use_char.28n.29",
    check,
};

/// Codes whose length a standard fixes, by the words that name them.
const FIXED_CODES: [(&[&str], &[i32]); 10] = [
    // ISO 3166, 4217, 639 and their kin.
    (
        &[
            "country",
            "currency",
            "language",
            "lang",
            "locale",
            "state",
            "province",
            "region",
            "iso",
            "code",
            "nationality",
        ],
        &[2, 3],
    ),
    // ISO 15924 and 3166-3.
    (&["iso"], &[4]),
    (&["airport", "iata", "icao"], &[3, 4]),
    (&["isbn"], &[10, 13]),
    (&["ean", "gtin", "barcode", "upc", "issn"], &[8, 12, 13, 14]),
    (&["vin"], &[17]),
    (&["isin", "cusip", "lei", "figi"], &[9, 12, 20]),
    (&["bic", "swift"], &[8, 11]),
    (&["ulid", "ksuid"], &[26, 27]),
    // MD5 to SHA-512 in hexadecimal, and SHA-256 in base64.
    (
        &[
            "hash",
            "md5",
            "sha",
            "sha1",
            "sha224",
            "sha256",
            "sha384",
            "sha512",
            "checksum",
            "digest",
            "fingerprint",
            "token",
            "crypt",
            "etag",
            "key",
            "hex",
            "signature",
        ],
        &[32, 40, 44, 56, 64, 96, 128],
    ),
];

/// Whether every value is of this length by its nature, so that nothing is ever padded.
fn is_fixed_by_nature(name: &str, length: i32) -> bool {
    length == 1
        || FIXED_CODES.iter().any(|(words, lengths)| lengths.contains(&length) && says(name, words))
        || (length == 3 && is_currency_code(name))
}

/// `fromcurrencycode`: written as one word. Codes of languages and countries have two lengths, so that one is padded.
fn is_currency_code(name: &str) -> bool {
    name.to_ascii_lowercase().strip_suffix("code").is_some_and(|rest| rest.ends_with("currency"))
}

fn is_padded(column: &Column) -> bool {
    column.length_limit().is_some_and(|length| !is_fixed_by_nature(&column.name, length))
}

/// Whether a CHECK of the column alone matches it as a whole: a regular expression sees the blanks of `char(n)`, so
/// that nothing padded gets in.
fn has_checked_format(facts: &Facts<'_>, column: &Column) -> bool {
    facts
        .snapshot
        .constraints_of(column.relation)
        .iter()
        .filter(|constraint| {
            constraint.kind == ConstraintKind::Check && *constraint.columns == [column.number]
        })
        .filter_map(|constraint| facts.definitions.constraint(constraint.oid))
        .any(|definition| matches_whole(&definition))
}

/// Whether a CHECK's definition reads `column ~ '^…$'` and nothing else, without a blank in the expression.
fn matches_whole(definition: &str) -> bool {
    let expression = definition.split_once(" ~ '^").and_then(|(_, rest)| rest.split_once("$'"));
    expression.is_some_and(|(pattern, rest)| {
        let is_alone = rest.trim_start_matches("::text").chars().all(|character| character == ')');
        is_alone && !pattern.contains('|') && ends_without_blank(pattern)
    })
}

/// Whether the last thing that a regular expression asks for is there and no blank.
fn ends_without_blank(pattern: &str) -> bool {
    let last = match pattern.strip_suffix('}').and_then(|repeated| repeated.rsplit_once('{')) {
        Some((last, times)) if !times.starts_with('0') => last,
        Some(_) => return false,
        None => pattern.strip_suffix('+').unwrap_or(pattern),
    };
    if let Some((_, set)) = last.strip_suffix(']').and_then(|set| set.rsplit_once('[')) {
        return !set.contains(['^', ' ', ':']) && !set.contains("\\s");
    }
    let mut backwards = last.chars().rev();
    let (end, is_escaped) = (backwards.next(), backwards.next() == Some('\\'));
    end.is_some_and(|end| if is_escaped { matches!(end, 'd' | 'w') } else { end.is_ascii_alphanumeric() })
}

fn check(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let practice = Practice::observe(facts, |_, column, base| {
        (base.category == 'S')
            .then(|| base.oid == builtin::BPCHAR && is_padded(column) && !has_checked_format(facts, column))
    });
    let snapshot = facts.snapshot;
    let changes = TypeChanges::new(facts);
    practice.report_columns(
        facts,
        verdicts,
        |extent| {
            format!("text is kept blank-padded throughout ({extent}): use varchar or text for new columns")
        },
        |table, column| {
            let length = column.length_limit().unwrap_or(1);
            let message = format!(
                "column {} is char({length}), which pads shorter values with blanks: use varchar or text",
                snapshot.column_name(column)
            );
            let finding =
                Finding::new(snapshot.column_name(column), snapshot.schema_name(table.schema), message)
                    .evidence("length", length);
            let new_type =
                if is_round_default(length) { "text".to_owned() } else { format!("varchar({length})") };
            changes.repair(finding, table, &[(column, &new_type)])
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sample::{Sample, run};

    fn reported(name: &str, length: i32) -> Vec<Finding> {
        let mut sample = Sample::new();
        let table = sample.keyed_table("things");
        sample.column(table, name, builtin::BPCHAR);
        sample.edit_column(table, name, |column| column.type_modifier = length + 4);
        run(&CHAR_TYPE, &sample.finish()).0
    }

    #[test]
    fn padded_text_is_found_with_a_fix() {
        let found = reported("title", 40);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].object, "public.things.title");
        assert!(found[0].message.contains("char(40), which pads shorter values"), "{}", found[0].message);
        assert!(found[0].fix.as_deref().unwrap().contains("ALTER COLUMN title TYPE varchar(40);"));
        assert!(reported("language_name", 20).len() == 1);
        // Not into another rule's arms.
        assert!(reported("title", 255)[0].fix.as_deref().unwrap().contains("TYPE text;"));
    }

    #[test]
    fn flags_codes_and_hashes_are_right() {
        for (name, length) in [
            ("flag", 1),
            ("country_code", 2),
            ("currency", 3),
            ("fromcurrencycode", 3),
            ("iso_code", 4),
            ("iso3", 1),
            ("password_hash", 64),
            ("md5", 32),
            ("sha1", 40),
            ("isbn", 13),
            ("vin", 17),
        ] {
            assert!(reported(name, length).is_empty(), "{name} char({length})");
        }
        assert_eq!(reported("country_name", 30).len(), 1);
        assert_eq!(reported("md5", 50).len(), 1);
        assert_eq!(reported("stateprovincecode", 3).len(), 1);
    }

    #[test]
    fn a_format_that_is_checked_as_a_whole_leaves_nothing_to_pad() {
        for right in [
            r"CHECK ((ipi ~ '^\d{11}$'::text))",
            r"CHECK ((isrc ~ '^[A-Z]{2}[A-Z0-9]{3}[0-9]{7}$'::text))",
            r"CHECK ((iswc ~ '^T-?\d{3}.?\d{3}.?\d{3}[-.]?\d$'::text))",
            r"CHECK ((isni ~ '^\d{15}[\dX]$'::text))",
            r"CHECK ((hash ~ '^[0-9a-f]+$'::text))",
        ] {
            assert!(matches_whole(right), "{right}");
        }
        for wrong in [
            r"CHECK ((ipi ~ '\d{11}'::text))",
            r"CHECK ((ipi ~ '^\d{11}'::text))",
            r"CHECK ((ipi ~ '^\d+ *$'::text))",
            r"CHECK ((ipi ~ '^\d+\s*$'::text))",
            r"CHECK (((ipi ~ '^\d{11}$'::text) OR (ipi = ''::bpchar)))",
            r"CHECK ((ipi ~ '^\d{11}.$'::text))",
            r"CHECK ((ipi ~ '^.*[^x]$'::text))",
            r"CHECK ((ipi ~ '^.*\d{0,3}$'::text))",
            r"CHECK ((ipi ~ '^\d{11}| *$'::text))",
            r"CHECK ((ipi !~ '^\d{11}$'::text))",
            r"CHECK ((length(ipi) > 3))",
        ] {
            assert!(!matches_whole(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_check_on_it_forbids_the_simple_fix() {
        let mut sample = Sample::new();
        let table = sample.keyed_table("things");
        sample.column(table, "grade", builtin::BPCHAR);
        sample.edit_column(table, "grade", |column| column.type_modifier = 9);
        sample.check(table, "chk_grade", &["grade"]);
        let (found, _, _) = run(&CHAR_TYPE, &sample.finish());
        assert_eq!((found.len(), &found[0].fix), (1, &None));
    }
}
