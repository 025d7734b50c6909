//! Privileges to which no policy applies: taken away, and given back as they were.

use crate::catalog::Oid;
use crate::security::tenancy::facts::Held;
use crate::text::{dollar_quoted, quote_identifier, quote_literal};

/// What no policy applies to, or what tells of rows that one does not see.
const BEYOND: [&str; 3] = ["TRUNCATE", "REFERENCES", "TRIGGER"];

/// The statements that take such privileges away on a relation, and those that give them back: on the table or on columns, with
/// their grant options, by those who gave them.
pub fn taken(relation: &str, held: &[Held]) -> (Vec<String>, Vec<String>) {
    (away(relation, held), back(relation, held))
}

/// A query that tells whether nobody but the owners has any of them, on the relation or on a partition of it.
pub fn none_is_left(relation: &str) -> String {
    let privileges: Vec<String> = BEYOND.iter().map(|privilege| quote_literal(privilege)).collect();
    format!(
        "NOT EXISTS (SELECT FROM pg_catalog.pg_class r, \
         LATERAL (SELECT a.grantee, a.privilege_type FROM pg_catalog.aclexplode(r.relacl) a UNION ALL \
         SELECT a.grantee, a.privilege_type FROM pg_catalog.pg_attribute b, pg_catalog.aclexplode(b.attacl) a WHERE b.attrelid = r.oid AND NOT b.attisdropped) h \
         WHERE (r.oid = pg_catalog.to_regclass({relation}) OR r.oid IN (SELECT t.relid FROM pg_catalog.pg_partition_tree(pg_catalog.to_regclass({relation})) t)) \
         AND h.grantee <> r.relowner AND h.privilege_type IN ({}))",
        privileges.join(", "),
        relation = quote_literal(relation)
    )
}

/// What has to be known of privileges that only the role that gave them can take away.
pub fn of_others<'a>(relation: &'a str, held: &'a [Held]) -> impl Iterator<Item = String> + 'a {
    held.iter().filter(|one| one.is_only_its_grantors()).map(move |one| {
        format!(
            "{} granted {} on {relation} to {}: whoever runs the plan has to be able to become that role, or it revokes that first",
            one.grantor_name,
            words(std::slice::from_ref(&one)),
            one.grantee_name
        )
    })
}

fn away(relation: &str, held: &[Held]) -> Vec<String> {
    let mut sql = Vec::new();
    for one in held.iter().filter(|one| one.is_only_its_grantors()) {
        let what = format!(
            "REVOKE {} ON {relation} FROM {} CASCADE",
            words(std::slice::from_ref(&one)),
            one.grantee_name
        );
        sql.push(by_grantor(&one.grantor_name, &what, None));
    }
    let mut done: Vec<Oid> = Vec::new();
    for one in held.iter().filter(|one| one.is_of_owner) {
        if done.contains(&one.grantee) {
            continue;
        }
        done.push(one.grantee);
        let own: Vec<&Held> =
            held.iter().filter(|other| other.is_of_owner && other.grantee == one.grantee).collect();
        let gone: Vec<&str> = BEYOND
            .into_iter()
            .filter(|privilege| own.iter().any(|other| other.privilege == *privilege))
            .collect();
        // Those on columns go with those on the table; those that were given on go with those by which they were.
        let cascade = if own.iter().any(|other| other.is_grantable) { " CASCADE" } else { "" };
        sql.push(format!("REVOKE {} ON {relation} FROM {}{cascade}", gone.join(", "), one.grantee_name));
    }
    sql
}

fn back(relation: &str, held: &[Held]) -> Vec<String> {
    let mut sql = Vec::new();
    let mut left: Vec<&Held> = held.iter().collect();
    // Who gives something on has to have it first.
    let mut givers: Vec<Oid> = Vec::new();
    while !left.is_empty() {
        let (mut now, later): (Vec<&Held>, Vec<&Held>) =
            left.iter().partition(|one| one.is_of_owner || givers.contains(&one.grantor));
        left = later;
        if now.is_empty() {
            now = std::mem::take(&mut left);
        }
        givers.extend(now.iter().filter(|one| one.is_grantable).map(|one| one.grantee));
        while let Some(&first) = now.first() {
            let (same, others): (Vec<&Held>, Vec<&Held>) = now.iter().partition(|one| {
                (one.grantee, one.grantor, one.is_grantable, one.column.is_some())
                    == (first.grantee, first.grantor, first.is_grantable, first.column.is_some())
            });
            now = others;
            let option = if first.is_grantable { " WITH GRANT OPTION" } else { "" };
            let give = format!("GRANT {} ON {relation} TO {}{option}", words(&same), first.grantee_name);
            sql.push(if first.is_of_owner {
                give
            } else {
                by_grantor(&first.grantor_name, &give, Some(&give))
            });
        }
    }
    sql
}

/// Privileges as GRANT and REVOKE write them: `TRUNCATE, REFERENCES (id, code)`.
fn words(held: &[&Held]) -> String {
    let of = |privilege: &str| {
        let of: Vec<&&Held> = held.iter().filter(|one| one.privilege == privilege).collect();
        let columns: Vec<String> =
            of.iter().filter_map(|one| one.column.as_ref()).map(|column| quote_identifier(column)).collect();
        match (of.is_empty(), columns.is_empty()) {
            (true, _) => None,
            (_, true) => Some(privilege.to_owned()),
            _ => Some(format!("{privilege} ({})", columns.join(", "))),
        }
    };
    BEYOND.into_iter().filter_map(of).collect::<Vec<_>>().join(", ")
}

/// A statement as it is run by the role that gave a privilege. Where whoever runs the plan cannot become that role, the other one.
fn by_grantor(grantor: &str, sql: &str, otherwise: Option<&str>) -> String {
    let otherwise = match otherwise {
        Some(sql) => format!("EXECUTE {};", quote_literal(sql)),
        None => "NULL;".to_owned(),
    };
    let body = format!(
        "\nDECLARE\n  before text := pg_catalog.current_setting('role');\nBEGIN\n  \
         PERFORM pg_catalog.set_config('role', {}, true);\n  EXECUTE {};\n  PERFORM pg_catalog.set_config('role', before, true);\n\
         EXCEPTION WHEN insufficient_privilege OR invalid_parameter_value OR undefined_object THEN\n  {otherwise}\nEND\n",
        quote_literal(grantor),
        quote_literal(sql)
    );
    format!("DO {}", dollar_quoted(&body))
}

impl Held {
    /// Whether REVOKE by the owner leaves it: what somebody gave on for a column by his right on the whole table does not go
    /// with that right.
    fn is_only_its_grantors(&self) -> bool {
        !self.is_of_owner && self.column.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(grantee: Oid, grantor: Oid, privilege: &str, column: Option<&str>, is_grantable: bool) -> Held {
        let name = |oid| format!("r{oid}");
        Held {
            grantee,
            grantee_name: name(grantee),
            grantor,
            grantor_name: name(grantor),
            is_of_owner: grantor == 1,
            privilege: privilege.to_owned(),
            is_grantable,
            column: column.map(str::to_owned),
        }
    }

    #[test]
    fn what_is_taken_is_given_back_as_it_was() {
        let (away, back) = taken(
            "s.t",
            &[
                held(2, 1, "REFERENCES", Some("id"), false),
                held(2, 1, "REFERENCES", Some("Code"), false),
                held(3, 1, "TRIGGER", None, true),
                held(3, 1, "TRUNCATE", None, true),
                held(4, 1, "REFERENCES", None, false),
            ],
        );
        assert_eq!(
            away,
            [
                "REVOKE REFERENCES ON s.t FROM r2",
                "REVOKE TRUNCATE, TRIGGER ON s.t FROM r3 CASCADE",
                "REVOKE REFERENCES ON s.t FROM r4"
            ]
        );
        assert_eq!(
            back,
            [
                "GRANT REFERENCES (id, \"Code\") ON s.t TO r2",
                "GRANT TRUNCATE, TRIGGER ON s.t TO r3 WITH GRANT OPTION",
                "GRANT REFERENCES ON s.t TO r4"
            ]
        );
    }

    #[test]
    fn who_gives_on_has_it_first() {
        let (away, back) = taken(
            "s.t",
            &[
                held(5, 3, "TRIGGER", None, false),
                held(3, 2, "TRIGGER", None, true),
                held(2, 1, "TRIGGER", None, true),
            ],
        );
        assert_eq!(away, ["REVOKE TRIGGER ON s.t FROM r2 CASCADE"]);
        assert_eq!(back[0], "GRANT TRIGGER ON s.t TO r2 WITH GRANT OPTION");
        assert!(back[1].contains("'r2'") && back[1].contains("TO r3 WITH GRANT OPTION"));
        assert!(back[2].contains("'r3'") && back[2].contains("TO r5'"));
    }
}
