//! The statements of a batch: where it ends, and what it changes.

use crate::text::{quote_identifier, quote_literal};

/// A column of the key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyColumn {
    /// Its bare name.
    pub name: String,
    /// Its type, qualified and quoted, without a length.
    pub sql_type: String,
    /// The collation of the index where it is not the column's: qualified and quoted.
    pub collation: Option<String>,
    /// The schema of the operators that order it.
    pub operator_schema: String,
}

/// The unique key along which batches are cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Key {
    /// In the index's order.
    pub columns: Vec<KeyColumn>,
}

/// A value of the key: as the types of its columns write them.
pub type Place = Vec<String>;

/// A table or partition whose rows are changed.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// Qualified and quoted.
    pub name: String,
    /// The name by which assignment and predicate may call it: the target's own, quoted.
    pub alias: String,
    /// Its key.
    pub key: Key,
}

impl Part {
    /// The key's columns, each as the index orders it.
    fn columns(&self) -> Vec<String> {
        self.key
            .columns
            .iter()
            .map(|column| {
                let name = format!("{}.{}", self.alias, quote_identifier(&column.name));
                match &column.collation {
                    Some(collation) => format!("{name} COLLATE {collation}"),
                    None => name,
                }
            })
            .collect()
    }

    fn compared(&self, operator: &str, place: &Place) -> String {
        let columns = self.columns();
        let values: Vec<String> = self
            .key
            .columns
            .iter()
            .enumerate()
            .map(|(position, column)| {
                let value =
                    place.get(position).map_or_else(|| "NULL".to_owned(), |value| quote_literal(value));
                format!("{value}::{}", column.sql_type)
            })
            .collect();
        let operator = self.operator(operator);
        if columns.len() == 1 {
            format!("{} {operator} {}", columns.join(""), values.join(""))
        } else {
            format!("ROW({}) {operator} ROW({})", columns.join(", "), values.join(", "))
        }
    }

    /// The index's own operator, whatever search_path says. A comparison of rows names one schema for all columns.
    fn operator(&self, operator: &str) -> String {
        let schema = self.key.columns.first().map(|column| &column.operator_schema);
        let is_one = self.key.columns.iter().all(|column| Some(&column.operator_schema) == schema);
        match schema.filter(|_| is_one) {
            Some(schema) => format!("OPERATOR({}.{operator})", quote_identifier(schema)),
            None => operator.to_owned(),
        }
    }

    /// The condition on the key: above `after`, up to and with `upto`.
    fn between(&self, after: Option<&Place>, upto: Option<&Place>) -> String {
        let conditions: Vec<String> = after
            .map(|place| self.compared(">", place))
            .into_iter()
            .chain(upto.map(|place| self.compared("<=", place)))
            .collect();
        if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") }
    }

    /// The key's columns as texts that their types read again.
    fn shown(&self) -> String {
        let shown: Vec<String> = self
            .key
            .columns
            .iter()
            .map(|column| {
                format!("pg_catalog.format('%s', {}.{})", self.alias, quote_identifier(&column.name))
            })
            .collect();
        shown.join(", ")
    }

    fn ordered(&self, direction: &str) -> String {
        let columns: Vec<String> =
            self.columns().iter().map(|column| format!("{column}{direction}")).collect();
        columns.join(", ")
    }

    /// The last of the next `rows` rows; none where fewer are left.
    pub fn boundary(&self, after: Option<&Place>, bound: &Place, rows: u64) -> String {
        format!(
            "SELECT {} FROM ONLY {} AS {} WHERE {} ORDER BY {} OFFSET {} LIMIT 1",
            self.shown(),
            self.name,
            self.alias,
            self.between(after, Some(bound)),
            self.ordered(""),
            rows.max(1) - 1,
        )
    }

    /// The last row of all.
    pub fn last(&self) -> String {
        format!(
            "SELECT {} FROM ONLY {} AS {} ORDER BY {} LIMIT 1",
            self.shown(),
            self.name,
            self.alias,
            self.ordered(" DESC"),
        )
    }

    /// How many rows are left.
    pub fn count(&self, after: Option<&Place>, bound: &Place) -> String {
        format!(
            "SELECT pg_catalog.count(*) FROM ONLY {} AS {} WHERE {}",
            self.name,
            self.alias,
            self.between(after, Some(bound)),
        )
    }

    /// Changes the rows above `after`, up to and with `upto`. Returns how many, and how many of them the predicate still
    /// picks afterwards.
    pub fn update(&self, change: &Change<'_>, after: Option<&Place>, upto: &Place) -> String {
        let Change { assignment, predicate, differs } = change;
        let mut sql = format!("UPDATE ONLY {} AS {} SET\n{assignment}\n", self.name, self.alias);
        sql += &format!("WHERE {}", self.between(after, Some(upto)));
        if let Some(differs) = differs {
            sql += &format!(" AND {differs}");
        }
        // Each on lines of its own, so that a comment at its end ends there.
        match predicate {
            Some(predicate) => format!(
                "WITH dbm_changed AS (\n{sql} AND (\n{predicate}\n)\nRETURNING (\n{predicate}\n) AS is_left\n)\n\
                 SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE is_left) FROM dbm_changed"
            ),
            None => format!(
                "WITH dbm_changed AS (\n{sql}\nRETURNING 1\n)\n\
                 SELECT pg_catalog.count(*), 0 FROM dbm_changed"
            ),
        }
    }

    /// The same statement for no row in particular, so that the server can check it.
    pub fn checked(&self, change: &Change<'_>) -> String {
        let update = self.update(change, None, &Place::new());
        format!("EXPLAIN (COSTS off) {update}")
    }

    /// The key with a value, for people: `(id) = (5)`.
    pub fn told(&self, place: &Place) -> String {
        let names: Vec<&str> = self.key.columns.iter().map(|column| &*column.name).collect();
        format!("({}) = ({})", names.join(", "), place.join(", "))
    }
}

/// What is to be done to the rows.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// `column = expression, …`, as the caller wrote it.
    pub assignment: &'a str,
    /// Which rows, as the caller wrote it.
    pub predicate: Option<&'a str>,
    /// A condition that is true of rows that the assignment changes.
    pub differs: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, sql_type: &str) -> KeyColumn {
        KeyColumn {
            name: name.into(),
            sql_type: sql_type.into(),
            collation: None,
            operator_schema: "pg_catalog".into(),
        }
    }

    fn part(columns: Vec<KeyColumn>) -> Part {
        Part { name: "public.t".into(), alias: "t".into(), key: Key { columns } }
    }

    #[test]
    fn a_simple_key_is_compared_as_it_is() {
        let part = part(vec![column("id", "pg_catalog.int8")]);
        assert_eq!(
            part.boundary(Some(&vec!["5".into()]), &vec!["90".into()], 10),
            "SELECT pg_catalog.format('%s', t.id) FROM ONLY public.t AS t WHERE t.id OPERATOR(pg_catalog.>) \
             '5'::pg_catalog.int8 AND t.id OPERATOR(pg_catalog.<=) '90'::pg_catalog.int8 ORDER BY t.id OFFSET 9 LIMIT 1"
        );
        let change = Change { assignment: "n = n + 1", predicate: None, differs: Some("x") };
        assert_eq!(
            part.update(&change, None, &vec!["7".into()]),
            "WITH dbm_changed AS (\nUPDATE ONLY public.t AS t SET\nn = n + 1\nWHERE t.id OPERATOR(pg_catalog.<=) \
             '7'::pg_catalog.int8 AND x\nRETURNING 1\n)\nSELECT pg_catalog.count(*), 0 FROM dbm_changed"
        );
    }

    #[test]
    fn a_key_of_several_columns_is_compared_as_a_row_and_quoted() {
        let mut text = column("Name", "pg_catalog.text");
        text.collation = Some("pg_catalog.\"C\"".into());
        let part = part(vec![column("a", "pg_catalog.int4"), text]);
        let sql = part.boundary(Some(&vec!["1".into(), "o'k\\".into()]), &vec!["2".into(), "z".into()], 1);
        assert!(
            sql.contains(
                "ROW(t.a, t.\"Name\" COLLATE pg_catalog.\"C\") OPERATOR(pg_catalog.>) \
                 ROW('1'::pg_catalog.int4, E'o''k\\\\'::pg_catalog.text)"
            ),
            "{sql}"
        );
        assert!(sql.ends_with("ORDER BY t.a, t.\"Name\" COLLATE pg_catalog.\"C\" OFFSET 0 LIMIT 1"), "{sql}");
        assert!(part.last().ends_with("ORDER BY t.a DESC, t.\"Name\" COLLATE pg_catalog.\"C\" DESC LIMIT 1"));
        assert_eq!(part.told(&vec!["1".into(), "b".into()]), "(a, Name) = (1, b)");
    }

    #[test]
    fn operators_of_several_schemas_are_left_to_search_path() {
        let mut foreign = column("b", "public.citext");
        foreign.operator_schema = "public".into();
        assert_eq!(part(vec![foreign.clone()]).operator(">"), "OPERATOR(public.>)");
        assert_eq!(part(vec![column("a", "pg_catalog.int4"), foreign]).operator(">"), ">");
    }

    #[test]
    fn a_comment_ends_with_its_line() {
        let part = part(vec![column("id", "pg_catalog.int8")]);
        let change =
            Change { assignment: "n = 1 -- one", predicate: Some("n IS NULL -- none"), differs: None };
        let sql = part.update(&change, None, &vec!["7".into()]);
        assert!(sql.contains("n = 1 -- one\nWHERE "), "{sql}");
        assert!(
            sql.contains(" AND (\nn IS NULL -- none\n)\nRETURNING (\nn IS NULL -- none\n) AS is_left"),
            "{sql}"
        );
    }
}
