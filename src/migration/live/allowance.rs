//! Exceptions: what somebody allowed a role to do in spite of a rule, for a while and with a reason.

use crate::migration::allowance::{ALL_RULES, Allowance};
use crate::pg::guard::{as_owner, can_write, login_role, user_role};
use crate::pg::query;
use crate::pg::value::Text;

/// Uses up one exception that covers this rule for who is at work, and says its reason; `None` where there is none.
/// Where `may_write` is not, the use is not counted.
///
/// Goes by who logged in and by whose rights are in force, so that neither SET ROLE nor a function loses it. One that
/// another session is using just now counts as used, and so do all while somebody holds the table.
pub fn allowed(rule: &str, may_write: bool) -> Option<String> {
    if !can_write(c"ddl_allowance") {
        return None;
    }
    let arguments = [
        Text::from(rule).into(),
        Text::from(ALL_RULES).into(),
        Text::from(login_role()).into(),
        Text::from(user_role()).into(),
    ];
    let reasons = as_owner(|| {
        if may_write {
            let sql = format!(
                "UPDATE dbm.ddl_allowance AS a SET uses_left = a.uses_left OPERATOR(pg_catalog.-) 1
                 WHERE a.id OPERATOR(pg_catalog.=) (SELECT b.id FROM {FITTING} LIMIT 1 FOR UPDATE SKIP LOCKED)
                 RETURNING a.reason"
            );
            query::rows_mutable(&sql, &arguments, |row| Ok(row.get::<Text>(1)?.map(Text::into_string)))
        } else {
            let sql = format!("SELECT b.reason FROM {FITTING} LIMIT 1");
            query::rows(&sql, &arguments, |row| Ok(row.get::<Text>(1)?.map(Text::into_string)))
        }
    });
    reasons?.into_iter().flatten().next()
}

/// The exceptions that cover a rule, or all, for one of two roles; the one that ends first comes first.
const FITTING: &str = "dbm.ddl_allowance AS b
    WHERE (b.rule OPERATOR(pg_catalog.=) $1 OR b.rule OPERATOR(pg_catalog.=) $2)
      AND (b.role OPERATOR(pg_catalog.=) $3 OR b.role OPERATOR(pg_catalog.=) $4)
      AND b.expires_at OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp()
      AND b.uses_left OPERATOR(pg_catalog.>) 0
    ORDER BY b.expires_at";

/// Writes an exception for the caller's role.
pub fn allow(allowance: &Allowance, role: &str, granted_by: &str) {
    as_owner(|| {
        query::write(
            "INSERT INTO dbm.ddl_allowance (rule, role, reason, expires_at, uses_left, granted_by)
             VALUES ($1, $2, $3,
                     pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+)
                     pg_catalog.make_interval(secs => $4), $5, $6)",
            &[
                Text::from(allowance.rule.as_str()).into(),
                Text::from(role).into(),
                Text::from(allowance.reason.as_str()).into(),
                allowance.seconds.into(),
                allowance.uses.into(),
                Text::from(granted_by).into(),
            ],
        );
    });
}
