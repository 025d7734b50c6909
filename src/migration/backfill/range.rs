//! The statements of a batch: where it ends, and what it changes.

pub use crate::change::batch::key::{Key, KeyColumn, Place};
use crate::text::{quote_identifier, quote_literal};

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

    /// The same condition for reading all of it, as a B-tree reads it and no further.
    ///
    /// A comparison of rows begins where it should, but ends with the first column alone: under one value of that
    /// column a batch would read all that is left. Conditions on single columns end where they should; the comparison
    /// itself stands beside them, where no index takes it, for what they do not tell (texts that differ and are equal).
    fn within(&self, after: Option<&Place>, upto: &Place) -> String {
        let width = self.key.columns.len();
        if width < 2 {
            return self.between(after, Some(upto));
        }
        let shared = after.map_or(0, |after| shared(after, upto));
        let mut conditions: Vec<String> = (0..shared)
            .map(|column| self.single(&Single { column, operator: "=", is_upper: true }, after, upto))
            .collect();
        let arms: Vec<String> = arms(shared, width, after.is_some())
            .iter()
            .map(|arm| {
                let singles: Vec<String> =
                    arm.iter().map(|single| self.single(single, after, upto)).collect();
                singles.join(" AND ")
            })
            .collect();
        match arms.as_slice() {
            [] => {}
            [arm] => conditions.push(arm.clone()),
            several => conditions.push(format!("(({}))", several.join(") OR ("))),
        }
        conditions.extend(after.map(|place| format!("({}) IS TRUE", self.compared(">", place))));
        conditions.push(format!("({}) IS TRUE", self.compared("<=", upto)));
        conditions.join(" AND ")
    }

    /// A condition on one column of the key.
    fn single(&self, single: &Single, after: Option<&Place>, upto: &Place) -> String {
        let place = if single.is_upper { Some(upto) } else { after };
        let column = &self.key.columns[single.column];
        let value = place
            .and_then(|place| place.get(single.column))
            .map_or_else(|| "NULL".to_owned(), |value| quote_literal(value));
        format!(
            "{} OPERATOR({}.{}) {value}::{}",
            self.columns()[single.column],
            quote_identifier(&column.operator_schema),
            single.operator,
            column.sql_type
        )
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
        sql += &format!("WHERE {}", self.within(after, upto));
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

/// A condition on one column: against the upper end or the lower one.
#[derive(Clone, Copy, Debug)]
struct Single {
    column: usize,
    operator: &'static str,
    is_upper: bool,
}

/// How many columns, from the first on, have the same value at both ends.
fn shared(after: &Place, upto: &Place) -> usize {
    after.iter().zip(upto).take_while(|(after, upto)| after == upto).count()
}

/// The ranges, one of which holds every row between two ends that have the first `shared` columns in common; each is
/// read by a B-tree without more. `has_lower`: whether there is a lower end.
fn arms(shared: usize, width: usize, has_lower: bool) -> Vec<Vec<Single>> {
    let upper = |column, operator| Single { column, operator, is_upper: true };
    let lower = |column, operator| Single { column, operator, is_upper: false };
    if shared >= width {
        return Vec::new();
    }
    let is_last = |column: usize| column + 1 == width;
    // The first column that differs: what lies between its values.
    let mut middle = Vec::new();
    if has_lower {
        middle.push(lower(shared, ">"));
    }
    middle.push(upper(shared, if is_last(shared) { "<=" } else { "<" }));
    let mut arms = vec![middle];
    // And at each of its ends what the next columns leave.
    for column in shared + 1..width {
        if has_lower {
            let mut arm: Vec<Single> = (shared..column).map(|equal| lower(equal, "=")).collect();
            arm.push(lower(column, ">"));
            arms.push(arm);
        }
        let mut arm: Vec<Single> = (shared..column).map(|equal| upper(equal, "=")).collect();
        arm.push(upper(column, if is_last(column) { "<=" } else { "<" }));
        arms.push(arm);
    }
    arms
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
    use proptest::prelude::*;

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
    fn within_one_value_of_the_first_column_a_batch_ends_by_the_second() {
        let part = part(vec![column("a", "pg_catalog.int4"), column("b", "pg_catalog.int8")]);
        let place = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
        let sql = part.within(Some(&place("1", "5")), &place("1", "9"));
        assert!(
            sql.starts_with(
                "t.a OPERATOR(pg_catalog.=) '1'::pg_catalog.int4 AND t.b OPERATOR(pg_catalog.>) '5'::pg_catalog.int8 AND \
                 t.b OPERATOR(pg_catalog.<=) '9'::pg_catalog.int8 AND (ROW("
            ),
            "{sql}"
        );
        let sql = part.within(Some(&place("1", "5")), &place("2", "9"));
        assert_eq!(sql.matches(" OR ").count(), 2, "{sql}");
    }

    proptest! {
        /// Against the order of rows itself; the ends may be the same, and beside each other.
        #[test]
        fn the_ranges_hold_the_rows_between_the_ends_and_no_others(
            after in prop::option::of(prop::collection::vec(0_u8..4, 3)),
            upto in prop::collection::vec(0_u8..4, 3),
            row in prop::collection::vec(0_u8..4, 3),
        ) {
            prop_assume!(after.as_ref().is_none_or(|after| *after <= upto));
            let texts = |place: &[u8]| place.iter().map(u8::to_string).collect::<Place>();
            let shared = after.as_ref().map_or(0, |after| shared(&texts(after), &texts(&upto)));
            let holds = |single: &Single| {
                let ends = if single.is_upper { Some(&upto) } else { after.as_ref() };
                let (value, end) = (row[single.column], ends.map_or(0, |ends| ends[single.column]));
                match single.operator {
                    "=" => value == end,
                    ">" => value > end,
                    "<" => value < end,
                    _ => value <= end,
                }
            };
            let arms = arms(shared, 3, after.is_some());
            let is_shared = row[..shared] == upto[..shared];
            let is_held = is_shared && (arms.is_empty() || arms.iter().any(|arm| arm.iter().all(holds)));
            let is_between = after.as_ref().is_none_or(|after| *after < row) && row <= upto;
            // Both ends the same: what the comparison of rows beside them leaves out.
            prop_assert_eq!(is_held && !arms.is_empty(), is_between, "{:?}", arms);
        }
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
