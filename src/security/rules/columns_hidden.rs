//! Columns of a table taken from who reads them, and given back as they were: by whom, and with the option to grant or without.

use super::grant_chain::depths;
use super::words::as_grantor;
use crate::catalog::security::privilege;
use crate::catalog::{ColumnNumber, Grant, Oid, Relation, Snapshot};
use crate::security::rights::Rights;

/// What one role gave another to read of a table.
struct Reader {
    grantor: Oid,
    grantee: Oid,
    /// All of it, and whether that may be granted on.
    whole: Option<bool>,
    /// Single columns, each likewise.
    columns: Vec<(ColumnNumber, bool)>,
    /// Whether all that he has is taken at first: it is the whole table, or it comes from one who had more and is left with less.
    is_cleared: bool,
}

impl Reader {
    /// Whether what another gave on was this.
    fn leads_to(&self, other: &Self, owner: Oid) -> bool {
        let gives = |column: ColumnNumber| self.whole == Some(true) || self.columns.contains(&(column, true));
        self.grantee == other.grantor
            && other.grantor != owner
            && (other.whole.is_some() && self.whole == Some(true)
                || other.columns.iter().any(|(column, _)| gives(*column)))
    }

    /// Whether it is any of these columns that another gave on.
    fn leads_to_any(&self, hidden: &[ColumnNumber], other: &Self, owner: Oid) -> bool {
        let gives = |column: ColumnNumber| self.columns.contains(&(column, true));
        self.grantee == other.grantor
            && other.grantor != owner
            && other.columns.iter().any(|(column, _)| hidden.contains(column) && gives(*column))
    }
}

/// Columns that are to be read no more by whom they were granted.
pub struct ColumnsHidden<'a> {
    snapshot: &'a Snapshot,
    table: &'a Relation,
    hidden: &'a [ColumnNumber],
    /// Those who read any of them, and those who have from them what they lose; whoever had it from the owner first.
    readers: Vec<Reader>,
}

/// Whether SELECT is granted, and whether with the option to grant it.
fn select(grant: &Grant) -> Option<bool> {
    (grant.privileges & privilege::SELECT != 0).then_some(grant.privileges & (privilege::SELECT << 32) != 0)
}

impl<'a> ColumnsHidden<'a> {
    /// These columns of a table, for those whom `is_reader` names; others lose what they have from these.
    pub fn new(
        snapshot: &'a Snapshot,
        table: &'a Relation,
        hidden: &'a [ColumnNumber],
        is_reader: impl Fn(Oid) -> bool,
    ) -> Self {
        let mut readers: Vec<Reader> = Vec::new();
        let mut note = |grant: &Grant, column: Option<ColumnNumber>| {
            let Some(option) = select(grant) else { return };
            let known = readers
                .iter()
                .position(|reader| (reader.grantor, reader.grantee) == (grant.grantor, grant.grantee));
            let place = known.unwrap_or_else(|| {
                let (grantor, grantee) = (grant.grantor, grant.grantee);
                readers.push(Reader {
                    grantor,
                    grantee,
                    whole: None,
                    columns: Vec::new(),
                    is_cleared: false,
                });
                readers.len() - 1
            });
            match column {
                None => readers[place].whole = Some(option),
                Some(column) => readers[place].columns.push((column, option)),
            }
        };
        for grant in table.acl.as_deref().unwrap_or_default() {
            note(grant, None);
        }
        for column in snapshot.columns_of(table.oid) {
            for grant in column.acl.as_deref().unwrap_or_default() {
                note(grant, Some(column.number));
            }
        }
        let readers = involved(readers, hidden, table.owner, is_reader);
        let comes_from = |one: usize, other: usize| readers[other].leads_to(&readers[one], table.owner);
        let mut readers: Vec<(usize, Reader)> =
            depths(readers.len(), comes_from).into_iter().zip(readers).collect();
        readers.sort_by_key(|(depth, _)| *depth);
        let readers = readers.into_iter().map(|(_, reader)| reader).collect();
        Self { snapshot, table, hidden, readers }
    }

    /// What takes them away, and what gives back what was there. Those who had the whole table keep its other columns.
    pub fn statements(&self, rights: &Rights<'_>) -> (String, String) {
        let (mut taken, mut left, mut cleared, mut back) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        // Who has something from another loses it before that one does.
        for reader in self.readers.iter().rev() {
            let revoke = |what: &str| {
                let grantee = rights.name(reader.grantee);
                format!("REVOKE SELECT{what} ON TABLE {} FROM {grantee};", self.name())
            };
            let of_columns = |columns: &[(ColumnNumber, bool)]| match columns {
                [] => Vec::new(),
                columns => vec![revoke(&format!(" ({})", self.list(columns)))],
            };
            let (first, again) = if !reader.is_cleared {
                (of_columns(&self.hidden_of(reader)), Vec::new())
            } else if reader.whole.is_none() {
                (of_columns(&reader.columns), of_columns(&self.left_to(reader)))
            } else if reader.grantor == self.table.owner {
                // It takes what is granted on columns along.
                (vec![revoke("")], vec![revoke("")])
            } else {
                // Who is left with columns alone may take back columns alone.
                (vec![revoke("")], of_columns(&self.left_to(reader)))
            };
            taken.push(as_grantor(rights, reader.grantor, self.table.owner, first.join("\n")));
            cleared.push(as_grantor(rights, reader.grantor, self.table.owner, again.join("\n")));
        }
        for reader in &self.readers {
            let (mut kept, mut had) = (Vec::new(), Vec::new());
            if reader.is_cleared {
                had.extend(reader.whole.map(|option| self.grant(rights, reader, "", option)));
                had.extend(self.grants(rights, reader, &reader.columns));
                kept.extend(self.grants(rights, reader, &self.left_to(reader)));
            } else {
                had.extend(self.grants(rights, reader, &self.hidden_of(reader)));
            }
            left.push(as_grantor(rights, reader.grantor, self.table.owner, kept.join("\n")));
            back.push(as_grantor(rights, reader.grantor, self.table.owner, had.join("\n")));
        }
        let joined = |first: Vec<String>, second: Vec<String>| {
            let all: Vec<String> = first.into_iter().chain(second).filter(|text| !text.is_empty()).collect();
            all.join("\n")
        };
        (joined(taken, left), joined(cleared, back))
    }

    fn name(&self) -> String {
        self.snapshot.relation_name(self.table.oid)
    }

    fn list(&self, columns: &[(ColumnNumber, bool)]) -> String {
        let numbers: Vec<ColumnNumber> = columns.iter().map(|(column, _)| *column).collect();
        self.snapshot.column_list(self.table.oid, &numbers)
    }

    fn hidden_of(&self, reader: &Reader) -> Vec<(ColumnNumber, bool)> {
        reader.columns.iter().filter(|(column, _)| self.hidden.contains(column)).copied().collect()
    }

    /// What one who loses all that he has is given again.
    fn left_to(&self, reader: &Reader) -> Vec<(ColumnNumber, bool)> {
        let columns = self.snapshot.columns_of(self.table.oid).iter().map(|column| column.number);
        columns
            .filter(|column| !self.hidden.contains(column))
            .filter_map(|column| {
                let single = reader.columns.iter().find(|(other, _)| *other == column);
                let option = reader.whole.into_iter().chain(single.map(|(_, option)| *option)).max()?;
                Some((column, option))
            })
            .collect()
    }

    fn grant(&self, rights: &Rights<'_>, reader: &Reader, what: &str, option: bool) -> String {
        let option = if option { " WITH GRANT OPTION" } else { "" };
        let grantee = rights.name(reader.grantee);
        format!("GRANT SELECT{what} ON TABLE {} TO {grantee}{option};", self.name())
    }

    fn grants(&self, rights: &Rights<'_>, reader: &Reader, columns: &[(ColumnNumber, bool)]) -> Vec<String> {
        let (with, without): (Vec<_>, Vec<_>) = columns.iter().copied().partition(|(_, option)| *option);
        [(without, false), (with, true)]
            .into_iter()
            .filter(|(columns, _)| !columns.is_empty())
            .map(|(columns, option)| {
                self.grant(rights, reader, &format!(" ({})", self.list(&columns)), option)
            })
            .collect()
    }
}

/// Those among the readers who lose something: whom `is_reader` names and who read what is hidden, and who have from such a one what he
/// loses, even where it is given back: the server takes nothing from whom others have it.
fn involved(
    readers: Vec<Reader>,
    hidden: &[ColumnNumber],
    owner: Oid,
    is_reader: impl Fn(Oid) -> bool,
) -> Vec<Reader> {
    let (mut found, mut others): (Vec<Reader>, Vec<Reader>) = readers.into_iter().partition(|reader| {
        let reads =
            reader.whole.is_some() || reader.columns.iter().any(|(column, _)| hidden.contains(column));
        reads && is_reader(reader.grantee)
    });
    found.iter_mut().for_each(|reader| reader.is_cleared = reader.whole.is_some());
    let mut is_settled = false;
    while !is_settled {
        is_settled = true;
        for place in 0..found.len() {
            let by_cleared = |other: &Reader| other.is_cleared && other.leads_to(&found[place], owner);
            if !found[place].is_cleared && found.iter().any(by_cleared) {
                found[place].is_cleared = true;
                is_settled = false;
            }
        }
        let (more, rest): (Vec<Reader>, Vec<Reader>) = others.into_iter().partition(|reader| {
            found.iter().any(|by| {
                by.is_cleared && by.leads_to(reader, owner) || by.leads_to_any(hidden, reader, owner)
            })
        });
        others = rest;
        is_settled &= more.is_empty();
        found.extend(more.into_iter().map(|reader| Reader { is_cleared: reader.whole.is_some(), ..reader }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::words;
    use super::*;
    use crate::catalog::sample::Sample;
    use crate::catalog::types::builtin;

    const SELECT_WITH_OPTION: u64 = privilege::SELECT | privilege::SELECT << 32;

    fn sample() -> (Sample, Oid) {
        let mut sample = Sample::with_roles(&[(20_000, "app"), (20_001, "sub")]);
        let table = sample.keyed_table("users");
        for name in ["api_key", "pin", "Name"] {
            sample.column(table, name, builtin::TEXT);
        }
        (sample, table)
    }

    fn statements(sample: Sample, table: Oid, hidden: &[ColumnNumber]) -> (String, String) {
        let snapshot = sample.finish();
        let table = snapshot.relation(table).unwrap();
        ColumnsHidden::new(&snapshot, table, hidden, |role| role != 10).statements(&words::rights(&snapshot))
    }

    #[test]
    fn whoever_had_the_whole_table_keeps_its_other_columns() {
        let (mut sample, table) = sample();
        sample.edit_table(table, |table| {
            table.acl = Some(
                [
                    Grant { grantee: 20_000, grantor: 10, privileges: SELECT_WITH_OPTION },
                    Grant { grantee: 20_001, grantor: 20_000, privileges: privilege::SELECT },
                ]
                .into(),
            );
        });
        let (fix, undo) = statements(sample, table, &[2, 3]);
        assert_eq!(
            fix,
            "SET ROLE app;\nREVOKE SELECT ON TABLE public.users FROM sub;\nRESET ROLE;\n\
             REVOKE SELECT ON TABLE public.users FROM app;\n\
             GRANT SELECT (id, \"Name\") ON TABLE public.users TO app WITH GRANT OPTION;\n\
             SET ROLE app;\nGRANT SELECT (id, \"Name\") ON TABLE public.users TO sub;\nRESET ROLE;"
        );
        assert_eq!(
            undo,
            "SET ROLE app;\nREVOKE SELECT (id, \"Name\") ON TABLE public.users FROM sub;\nRESET ROLE;\n\
             REVOKE SELECT ON TABLE public.users FROM app;\n\
             GRANT SELECT ON TABLE public.users TO app WITH GRANT OPTION;\n\
             SET ROLE app;\nGRANT SELECT ON TABLE public.users TO sub;\nRESET ROLE;"
        );
    }

    #[test]
    fn who_had_single_columns_loses_those_alone() {
        let (mut sample, table) = sample();
        for (name, privileges) in [("api_key", SELECT_WITH_OPTION), ("Name", privilege::SELECT)] {
            sample.edit_column(table, name, |column| {
                column.acl = Some([Grant { grantee: 20_000, grantor: 10, privileges }].into());
            });
        }
        let (fix, undo) = statements(sample, table, &[2]);
        assert_eq!(fix, "REVOKE SELECT (api_key) ON TABLE public.users FROM app;");
        assert_eq!(undo, "GRANT SELECT (api_key) ON TABLE public.users TO app WITH GRANT OPTION;");
    }

    #[test]
    fn what_was_granted_on_columns_beside_the_table_comes_back() {
        let (mut sample, table) = sample();
        sample.edit_table(table, |table| {
            table.acl = Some([Grant { grantee: 0, grantor: 10, privileges: privilege::SELECT }].into());
        });
        sample.edit_column(table, "pin", |column| {
            column.acl = Some([Grant { grantee: 0, grantor: 10, privileges: privilege::SELECT }].into());
        });
        let (fix, undo) = statements(sample, table, &[3]);
        assert_eq!(
            fix,
            "REVOKE SELECT ON TABLE public.users FROM PUBLIC;\n\
             GRANT SELECT (id, api_key, \"Name\") ON TABLE public.users TO PUBLIC;"
        );
        assert_eq!(
            undo,
            "REVOKE SELECT ON TABLE public.users FROM PUBLIC;\nGRANT SELECT ON TABLE public.users TO PUBLIC;\n\
             GRANT SELECT (pin) ON TABLE public.users TO PUBLIC;"
        );
    }

    const AS_APP: &str = "SET ROLE app;\n";

    fn granted(sample: &mut Sample, table: Oid, name: &str, grants: &[(Oid, Oid, u64)]) {
        let acl: Box<[Grant]> = grants
            .iter()
            .map(|&(grantor, grantee, privileges)| Grant { grantee, grantor, privileges })
            .collect();
        if name.is_empty() {
            sample.edit_table(table, |table| table.acl = Some(acl));
        } else {
            sample.edit_column(table, name, |column| column.acl = Some(acl));
        }
    }

    #[test]
    fn who_has_other_columns_from_one_who_had_the_table_makes_way_and_gets_them_again() {
        let (mut sample, table) = sample();
        granted(&mut sample, table, "", &[(10, 20_000, SELECT_WITH_OPTION)]);
        granted(&mut sample, table, "Name", &[(20_000, 20_001, privilege::SELECT)]);
        let (fix, undo) = statements(sample, table, &[2]);
        let clear = format!(
            "{AS_APP}REVOKE SELECT (\"Name\") ON TABLE public.users FROM sub;\nRESET ROLE;\n\
             REVOKE SELECT ON TABLE public.users FROM app;\n"
        );
        let again = format!("{AS_APP}GRANT SELECT (\"Name\") ON TABLE public.users TO sub;\nRESET ROLE;");
        assert_eq!(
            fix,
            format!(
                "{clear}GRANT SELECT (id, pin, \"Name\") ON TABLE public.users TO app WITH GRANT OPTION;\n{again}"
            )
        );
        assert_eq!(
            undo,
            format!("{clear}GRANT SELECT ON TABLE public.users TO app WITH GRANT OPTION;\n{again}")
        );
    }

    #[test]
    fn superusers_and_the_owner_lose_what_they_have_from_a_reader_while_he_loses_it() {
        let (mut sample, table) = sample();
        let (whole, select) = (SELECT_WITH_OPTION, privilege::SELECT);
        granted(&mut sample, table, "", &[(10, 20_000, whole), (20_000, 10, select), (10, 20_002, select)]);
        let (fix, undo) = statements(sample, table, &[2]);
        assert_eq!(
            fix,
            format!(
                "{AS_APP}REVOKE SELECT ON TABLE public.users FROM postgres;\nRESET ROLE;\n\
                 REVOKE SELECT ON TABLE public.users FROM 20002;\n\
                 REVOKE SELECT ON TABLE public.users FROM app;\n\
                 GRANT SELECT (id, pin, \"Name\") ON TABLE public.users TO app WITH GRANT OPTION;\n\
                 GRANT SELECT (id, pin, \"Name\") ON TABLE public.users TO 20002;\n\
                 {AS_APP}GRANT SELECT (id, pin, \"Name\") ON TABLE public.users TO postgres;\nRESET ROLE;"
            )
        );
        assert!(undo.starts_with(&format!(
            "{AS_APP}REVOKE SELECT (id, pin, \"Name\") ON TABLE public.users FROM postgres;"
        )));
        assert!(
            undo.ends_with(&format!("{AS_APP}GRANT SELECT ON TABLE public.users TO postgres;\nRESET ROLE;"))
        );
    }

    #[test]
    fn who_has_a_hidden_column_from_one_who_had_it_alone_loses_it_first() {
        let (mut sample, table) = sample();
        granted(
            &mut sample,
            table,
            "api_key",
            &[(20_000, 10, privilege::SELECT), (10, 20_000, SELECT_WITH_OPTION)],
        );
        // What has nothing to do with it stays.
        granted(
            &mut sample,
            table,
            "pin",
            &[(10, 20_000, SELECT_WITH_OPTION), (20_000, 20_001, privilege::SELECT)],
        );
        let (fix, undo) = statements(sample, table, &[2]);
        assert_eq!(
            fix,
            format!(
                "{AS_APP}REVOKE SELECT (api_key) ON TABLE public.users FROM postgres;\nRESET ROLE;\n\
                 REVOKE SELECT (api_key) ON TABLE public.users FROM app;"
            )
        );
        assert_eq!(
            undo,
            format!(
                "GRANT SELECT (api_key) ON TABLE public.users TO app WITH GRANT OPTION;\n\
                 {AS_APP}GRANT SELECT (api_key) ON TABLE public.users TO postgres;\nRESET ROLE;"
            )
        );
    }

    #[test]
    fn single_columns_that_were_handed_on_beside_the_table_depend_too() {
        let (mut sample, table) = sample();
        sample.snapshot.roles.push(crate::catalog::Role {
            oid: 20_002,
            name: "mid".into(),
            ..Default::default()
        });
        let (option, select) = (SELECT_WITH_OPTION, privilege::SELECT);
        granted(
            &mut sample,
            table,
            "",
            &[(10, 20_002, option), (10, 20_000, option), (20_000, 20_001, select)],
        );
        granted(
            &mut sample,
            table,
            "Name",
            &[(10, 20_002, option), (20_002, 20_000, option), (20_000, 20_001, select)],
        );
        let (fix, _) = statements(sample, table, &[2]);
        let first = format!("{AS_APP}REVOKE SELECT ON TABLE public.users FROM sub;");
        assert!(fix.starts_with(&first), "{fix}");
    }
}
