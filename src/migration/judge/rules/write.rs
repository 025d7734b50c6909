//! UPDATE and DELETE of every row.

use super::words::stored;
use crate::catalog::ddl::{Kind, Touched, WrittenTable};
use crate::finding::Severity;
use crate::migration::judge::rule::{Asked, DdlRule, Effect, Exempt, Found};
use crate::text::identifier::quote_literal;

/// DELETE.
pub const DELETE: DdlRule = DdlRule {
    id: "ddl.delete_without_where",
    severity: Severity::Error,
    title: "DELETE of every row",
    why: "Most often the WHERE was forgotten. If it was not, one transaction locks and logs every row.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-delete.html",
    exempt: Exempt::Private,
    check: delete,
};

/// UPDATE.
pub const UPDATE: DdlRule = DdlRule {
    id: "ddl.update_without_where",
    severity: Severity::Error,
    title: "UPDATE of every row",
    why: "Most often the WHERE was forgotten. If it was not, one transaction locks and writes every row and leaves as many dead ones.",
    thresholds: &[],
    reference: "https://www.postgresql.org/docs/current/sql-update.html",
    exempt: Exempt::Private,
    check: update,
};

fn every_row<'a>(asked: &Asked<'a>, is_update: bool) -> Option<(&'a Touched, &'static str)> {
    let Kind::Write(WrittenTable { is_update: found, has_no_condition, is_always_true }) = asked.action.kind
    else {
        return None;
    };
    let why = match (has_no_condition, is_always_true) {
        (true, _) => "there is no WHERE",
        (false, true) => "its WHERE is true for every row",
        (false, false) => return None,
    };
    (found == is_update).then_some((stored(asked).or_else(|| asked.target())?, why))
}

fn delete(asked: &Asked<'_>) -> Option<Found> {
    let (table, why) = every_row(asked, false)?;
    let message = format!("every row of {} is deleted: {why}", table.qualified());
    Some(Found::new(Effect::Loses, message).note("DELETE in batches by a condition on the key"))
}

fn update(asked: &Asked<'_>) -> Option<Found> {
    let (table, why) = every_row(asked, true)?;
    let qualified = table.qualified();
    let message = format!("every row of {qualified} is updated in one transaction: {why}");
    Some(Found::new(Effect::Loses, message).note(format!(
        "CALL dbm.backfill({}, '<column> = <expression>') does it in batches",
        quote_literal(&qualified)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::LockMode;
    use crate::migration::judge::sample::{Case, new_table, table};

    fn write(is_update: bool, has_no_condition: bool, is_always_true: bool) -> Case {
        Case::new(Kind::Write(WrittenTable { is_update, has_no_condition, is_always_true }))
            .on(table("acct"), LockMode::RowExclusive)
    }

    #[test]
    fn every_row_with_or_without_a_where() {
        assert_eq!(
            write(false, true, false).fires(DELETE.id).message,
            "every row of public.acct is deleted: there is no WHERE"
        );
        assert!(
            write(true, false, true).fires(UPDATE.id).message.ends_with("its WHERE is true for every row")
        );
        write(true, true, false).is_silent(DELETE.id);
        write(false, true, false).is_silent(UPDATE.id);
    }

    #[test]
    fn a_condition_or_a_table_of_ones_own_is_fine() {
        write(false, false, false).is_silent(DELETE.id);
        write(true, false, false).is_silent(UPDATE.id);
        write(false, true, false).on(new_table("acct"), LockMode::RowExclusive).is_silent(DELETE.id);
    }

    #[test]
    fn the_tables_of_an_extension_are_its_own_affair() {
        let setting = Touched { is_extension_member: true, ..table("rule_setting") };
        write(false, true, false).on(setting, LockMode::RowExclusive).is_silent(DELETE.id);
    }
}
