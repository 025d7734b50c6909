//! Columns of a table taken from who reads them, and given back as they were: by whom, and with the option to grant or without.

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
    /// By how many others it came from the owner.
    depth: usize,
}

/// Columns that are to be read no more by whom they were granted.
pub struct ColumnsHidden<'a> {
    snapshot: &'a Snapshot,
    table: &'a Relation,
    hidden: &'a [ColumnNumber],
    /// Those who read any of them, whoever had it from the owner first.
    readers: Vec<Reader>,
}

/// Whether SELECT is granted, and whether with the option to grant it.
fn select(grant: &Grant) -> Option<bool> {
    (grant.privileges & privilege::SELECT != 0).then_some(grant.privileges & (privilege::SELECT << 32) != 0)
}

impl<'a> ColumnsHidden<'a> {
    /// These columns of a table, for those whom `is_reader` names.
    pub fn new(
        snapshot: &'a Snapshot,
        table: &'a Relation,
        hidden: &'a [ColumnNumber],
        is_reader: impl Fn(Oid) -> bool,
    ) -> Self {
        let mut readers: Vec<Reader> = Vec::new();
        let mut note = |grant: &Grant, column: Option<ColumnNumber>| {
            let Some(option) = select(grant).filter(|_| is_reader(grant.grantee)) else { return };
            let known = readers
                .iter()
                .position(|reader| (reader.grantor, reader.grantee) == (grant.grantor, grant.grantee));
            let place = known.unwrap_or_else(|| {
                let (grantor, grantee) = (grant.grantor, grant.grantee);
                readers.push(Reader { grantor, grantee, whole: None, columns: Vec::new(), depth: 0 });
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
        readers.retain(|reader| {
            reader.whole.is_some() || reader.columns.iter().any(|(column, _)| hidden.contains(column))
        });
        let depths: Vec<usize> =
            readers.iter().map(|reader| depth(&readers, reader.grantor, table.owner)).collect();
        for (reader, depth) in readers.iter_mut().zip(depths) {
            reader.depth = depth;
        }
        readers.sort_by_key(|reader| reader.depth);
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
            if reader.whole.is_some() {
                // It takes what is granted on columns along.
                let all = self.as_grantor(rights, reader, vec![revoke("")]);
                taken.push(all.clone());
                cleared.push(all);
            } else {
                let names = self.list(&self.hidden_of(reader));
                taken.push(self.as_grantor(rights, reader, vec![revoke(&format!(" ({names})"))]));
            }
        }
        for reader in &self.readers {
            let (mut kept, mut had) = (Vec::new(), Vec::new());
            if let Some(option) = reader.whole {
                had.push(self.grant(rights, reader, "", option));
                had.extend(self.grants(rights, reader, &reader.columns));
                kept.extend(self.grants(rights, reader, &self.others(reader, option)));
            } else {
                had.extend(self.grants(rights, reader, &self.hidden_of(reader)));
            }
            left.push(self.as_grantor(rights, reader, kept));
            back.push(self.as_grantor(rights, reader, had));
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

    /// What one who had all of it is left with.
    fn others(&self, reader: &Reader, option: bool) -> Vec<(ColumnNumber, bool)> {
        self.snapshot
            .columns_of(self.table.oid)
            .iter()
            .filter(|column| !self.hidden.contains(&column.number))
            .map(|column| (column.number, option || reader.columns.contains(&(column.number, true))))
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

    /// A grant is given and taken back by who gave it; a superuser's stands for the owner's.
    fn as_grantor(&self, rights: &Rights<'_>, reader: &Reader, statements: Vec<String>) -> String {
        if statements.is_empty() || reader.grantor == self.table.owner {
            return statements.join("\n");
        }
        format!("SET ROLE {};\n{}\nRESET ROLE;", rights.name(reader.grantor), statements.join("\n"))
    }
}

/// By how many others something came from the owner, following who gave it to whom.
fn depth(readers: &[Reader], grantor: Oid, owner: Oid) -> usize {
    let (mut grantor, mut depth) = (grantor, 0);
    // A circle of grants is refused by the server; the bound guards against a corrupt catalog.
    while grantor != owner && depth <= readers.len() {
        depth += 1;
        match readers.iter().find(|reader| reader.grantee == grantor) {
            Some(reader) => grantor = reader.grantor,
            None => break,
        }
    }
    depth
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
            "SET ROLE app;\nREVOKE SELECT ON TABLE public.users FROM sub;\nRESET ROLE;\n\
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
}
