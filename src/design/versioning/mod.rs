//! Row versions: a number that grows with each change of a row, and when the last one was. By the number a lost update is
//! noticed. Pure, but for the door and what it asks.

#[cfg(feature = "postgres")]
pub mod api;
#[cfg(feature = "postgres")]
mod live;

use crate::catalog::LockMode;
use crate::catalog::surroundings::Table;
use crate::change::plan::{Phase, Plan, Risk, Step};
use crate::change::proof;
use crate::change::words::alter;
use crate::text::{quote_identifier, quote_literal};

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The column of the number; `None` for none.
    pub version: Option<String>,
    /// The column of the time; `None` for none.
    pub time: Option<String>,
    /// The call as it was made.
    pub asked: String,
}

/// Why there is no way: message and hint.
pub fn refusal(table: &Table, wish: &Wish) -> Option<(String, String)> {
    let name = table.qualified();
    if !matches!(table.kind, 'r' | 'p') {
        return Some((format!("{name} is not a table"), String::new()));
    }
    if table.is_partition {
        return Some((format!("{name} is a partition"), "Name the partitioned table.".to_owned()));
    }
    if table.extension {
        return Some((format!("{name} belongs to an extension"), String::new()));
    }
    if table.persistence == 't' {
        return Some((format!("{name} is a temporary table, which no plan reaches"), String::new()));
    }
    // A trigger for each row of a table with children is for its own rows alone.
    if let Some(child) = table.partitions.iter().find(|child| !child.is_partition) {
        return Some((
            format!("{} inherits from {name}, and its rows would have no versions", child.name),
            String::new(),
        ));
    }
    if wish.version.is_none() && wish.time.is_none() {
        return Some((
            "neither a column for the version nor one for the time is wanted".to_owned(),
            String::new(),
        ));
    }
    if wish.version == wish.time {
        return Some(("the version and the time cannot be one column".to_owned(), String::new()));
    }
    for (column, wanted) in [(&wish.version, "bigint"), (&wish.time, "timestamp with time zone")] {
        let Some(there) = column.as_ref().and_then(|column| table.column(column)) else { continue };
        // An identity is given by the server alone, and cannot be said to be what was read.
        let is_identity = there.has_default && there.default.is_none();
        if there.type_name != wanted || there.is_generated || is_identity {
            return Some((
                format!(
                    "{} of {name} is there and is no plain column of type {wanted}",
                    quote_identifier(&there.name)
                ),
                "Choose another name, or change it first.".to_owned(),
            ));
        }
    }
    None
}

/// The name of the trigger: after all others, of which it sees what they made of the row.
const TRIGGER: &str = "zz_row_version";

/// The plan. What has to be refused was refused before.
pub fn plan(table: &Table, wish: &Wish) -> Plan {
    let name = table.qualified();
    let mut steps = Vec::new();
    // A constant, and a time that is the same for all rows: no row is written.
    let columns =
        [(&wish.version, "bigint", "1"), (&wish.time, "timestamp with time zone", "pg_catalog.now()")];
    for (column, type_name, default) in columns {
        let Some(column) = column else { continue };
        let quoted = quote_identifier(column);
        if table.column(column).is_some() {
            continue;
        }
        steps.push(
            Step::new(
                Phase::Expand,
                alter(&name, &format!("ADD COLUMN {quoted} {type_name} NOT NULL DEFAULT {default}")),
            )
            .lock(LockMode::AccessExclusive)
            .undo(alter(&name, &format!("DROP COLUMN IF EXISTS {quoted}")))
            .verify(proof::has_column(&name, column))
            .note("no row is read or written"),
        );
    }
    let trigger = crate::text::identifier::unused_name(&[TRIGGER], |name| table.is_taken(name));
    let argument = |column: &Option<String>| quote_literal(column.as_deref().unwrap_or_default());
    let quoted = quote_identifier(&trigger);
    steps.push(
        Step::new(
            Phase::Switch,
            format!(
                "CREATE TRIGGER {quoted} BEFORE INSERT OR UPDATE ON {name} FOR EACH ROW EXECUTE FUNCTION dbm.row_version({}, {})",
                argument(&wish.version),
                argument(&wish.time)
            ),
        )
        .lock(LockMode::ShareRowExclusive)
        .undo(format!("DROP TRIGGER IF EXISTS {quoted} ON {name}"))
        .verify(proof::has_trigger(&name, &trigger))
        .note("from here on each change of a row makes a version, and an UPDATE that says another version than the row has is refused"),
    );
    let mut requires = Vec::new();
    if let Some(version) = &wish.version {
        requires.push(format!(
            "the application writes {version} = the version that it has read, and not the next one, and reads the row again at SQLSTATE 40001",
            version = quote_identifier(version)
        ));
    }
    Plan {
        title: format!("number the versions of the rows of {name}"),
        change: wish.asked.clone(),
        risk: Risk::Low,
        requires,
        seconds: Some((0.1, 2.0)),
        search_path: String::new(),
        steps,
        verify: vec![proof::has_trigger(&name, &trigger)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::surroundings::{Column, Partition};

    fn table() -> Table {
        Table { schema: "shop".to_owned(), name: "orders".to_owned(), kind: 'r', ..Table::default() }
    }

    fn wish() -> Wish {
        Wish {
            version: Some("row_version".to_owned()),
            time: Some("updated_at".to_owned()),
            asked: String::new(),
        }
    }

    #[test]
    fn columns_then_the_trigger() {
        let mut table = table();
        let plan = plan(&table, &wish());
        assert_eq!(
            plan.steps[0].sql[0],
            "ALTER TABLE shop.orders ADD COLUMN row_version bigint NOT NULL DEFAULT 1"
        );
        assert!(
            plan.steps[2].sql[0].ends_with("EXECUTE FUNCTION dbm.row_version('row_version', 'updated_at')")
        );
        table.columns.push(Column {
            name: "updated_at".to_owned(),
            type_name: "timestamp with time zone".to_owned(),
            ..Column::default()
        });
        assert_eq!(refusal(&table, &wish()), None);
        assert_eq!(super::plan(&table, &wish()).steps.len(), 2);
    }

    #[test]
    fn what_there_is_no_way_for() {
        let refused = |change: &dyn Fn(&mut Table, &mut Wish)| {
            let (mut table, mut wish) = (table(), wish());
            change(&mut table, &mut wish);
            refusal(&table, &wish).is_some()
        };
        assert!(!refused(&|_, _| ()));
        assert!(refused(&|table, _| table.kind = 'v'));
        assert!(refused(&|table, _| table.is_partition = true));
        assert!(refused(&|table, _| table.persistence = 't'));
        assert!(refused(&|table, _| table.partitions.push(Partition::default())));
        let part = || Partition { is_partition: true, ..Partition::default() };
        assert!(!refused(&|table, _| table.partitions.push(part())));
        assert!(refused(&|table, _| table.columns.push(Column {
            name: "row_version".to_owned(),
            type_name: "bigint".to_owned(),
            has_default: true,
            ..Column::default()
        })));
        assert!(refused(&|_, wish| (wish.version, wish.time) = (None, None)));
        assert!(refused(&|_, wish| wish.time.clone_from(&wish.version)));
        assert!(refused(&|table, _| table.columns.push(Column {
            name: "row_version".to_owned(),
            type_name: "integer".to_owned(),
            ..Column::default()
        })));
    }
}
