//! The log as SQL makes it: once, at the first installation, outside the extension, so that it outlives it.

use crate::catalog::trail::layout::{SCHEMA, TABLES, Table};
use crate::catalog::{DAY, Moment};
use crate::text::date::Date;
use crate::text::quote_literal;

/// The statements that make the log, to be run by the extension's owner. `now`: the partitions of this month and the next
/// are made at once, whatever becomes of upkeep.
pub fn statements(now: Moment) -> Vec<String> {
    let mut statements = vec![
        format!("CREATE SCHEMA {SCHEMA}"),
        format!(
            "COMMENT ON SCHEMA {SCHEMA} IS {}",
            quote_literal(
                "The log of dbmastery's audit trail. No member of the extension: it stays when that is dropped."
            )
        ),
    ];
    for table in TABLES {
        statements.extend(table_statements(table, now));
    }
    statements.extend(
        [
            "CREATE SEQUENCE dbm_trail.relation_id AS integer",
            "CREATE SEQUENCE dbm_trail.shape_id AS integer",
            // The trigger takes as many numbers at once as this grows by.
            "CREATE SEQUENCE dbm_trail.change_id INCREMENT BY 100 START WITH 100",
            "CREATE SEQUENCE dbm_trail.event_id",
            "COMMENT ON SEQUENCE dbm_trail.relation_id IS 'Numbers of watched tables.'",
            "COMMENT ON SEQUENCE dbm_trail.shape_id IS 'Numbers of shapes.'",
            "COMMENT ON SEQUENCE dbm_trail.change_id IS 'Numbers of changes, a hundred at once.'",
            "COMMENT ON SEQUENCE dbm_trail.event_id IS 'Numbers of events.'",
            "CREATE UNIQUE INDEX relation_pkey ON dbm_trail.relation (relation_id)",
            "ALTER TABLE dbm_trail.relation ADD CONSTRAINT relation_pkey PRIMARY KEY USING INDEX relation_pkey",
            "CREATE INDEX idx_relation_relid ON dbm_trail.relation (relid)",
            "CREATE INDEX idx_relation_table_name ON dbm_trail.relation (table_name, schema_name)",
            "CREATE UNIQUE INDEX shape_pkey ON dbm_trail.shape (shape_id)",
            "ALTER TABLE dbm_trail.shape ADD CONSTRAINT shape_pkey PRIMARY KEY USING INDEX shape_pkey",
            "CREATE INDEX idx_shape_relation_id ON dbm_trail.shape (relation_id, fingerprint)",
            "CREATE INDEX idx_shape_relid ON dbm_trail.shape (relid)",
            "CREATE INDEX idx_shape_table_name ON dbm_trail.shape (table_name, schema_name)",
            "CREATE UNIQUE INDEX event_pkey ON dbm_trail.event (event_id)",
            "ALTER TABLE dbm_trail.event ADD CONSTRAINT event_pkey PRIMARY KEY USING INDEX event_pkey",
            "CREATE INDEX idx_event_relation_id ON dbm_trail.event (relation_id, event_id)",
            // Numbers grow, so that this tree is written at its right end alone.
            "CREATE INDEX idx_activity_activity_id ON dbm_trail.activity (activity_id)",
            // One index without a tree, summarised when a range is full: it costs the writer next to nothing. The filters
            // tell of which ranges a row or a table can be in.
            "CREATE INDEX idx_change_ranges ON dbm_trail.change USING brin (changed_at, change_id, transaction_id, \
             shape_id pg_catalog.int4_bloom_ops (n_distinct_per_range = 64), \
             key_hash pg_catalog.int8_bloom_ops (n_distinct_per_range = 1200)) \
             WITH (pages_per_range = 32, autosummarize = on)",
            // What a redacted value was is not to be found by trying.
            "CREATE TABLE dbm_trail.redaction (secret bytea NOT NULL)",
            "COMMENT ON TABLE dbm_trail.redaction IS 'The secret with which redacted values are hashed: whoever reads it \
             can try values.'",
            "COMMENT ON COLUMN dbm_trail.redaction.secret IS 'The key of the hashes, made at random with the log.'",
            "INSERT INTO dbm_trail.redaction SELECT pg_catalog.sha256(pg_catalog.uuid_send(pg_catalog.gen_random_uuid()) \
             OPERATOR(pg_catalog.||) pg_catalog.uuid_send(pg_catalog.gen_random_uuid()))",
            "REVOKE ALL ON ALL TABLES IN SCHEMA dbm_trail FROM PUBLIC",
        ]
        .map(str::to_owned),
    );
    statements
}

/// The statements that have the partitions of the log kept, once it is there.
pub fn upkeep() -> Vec<String> {
    let partitioned = TABLES.iter().filter(|table| table.partitioned_by.is_some());
    partitioned
        .map(|table| {
            format!(
                "SELECT dbm.partition_manage('{SCHEMA}.{}', 'month', time_zone => 'UTC', on_missing => 'default')",
                table.name
            )
        })
        .collect()
}

fn table_statements(table: &Table, now: Moment) -> Vec<String> {
    let name = format!("{SCHEMA}.{}", table.name);
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|column| {
            let required = if column.is_required { " NOT NULL" } else { "" };
            format!("{} {}{required}", column.name, column.type_name)
        })
        .collect();
    let by = table.partitioned_by.map_or_else(String::new, |key| format!(" PARTITION BY RANGE ({key})"));
    let mut statements = vec![
        format!("CREATE TABLE {name} ({}){by}", columns.join(", ")),
        format!("COMMENT ON TABLE {name} IS {}", quote_literal(table.meaning)),
    ];
    statements.extend(table.columns.iter().map(|column| {
        format!("COMMENT ON COLUMN {name}.{} IS {}", column.name, quote_literal(column.meaning))
    }));
    if table.partitioned_by.is_some() {
        let this_month = first_of_month(now);
        let next_month = following(this_month);
        for (from, to) in [(this_month, next_month), (next_month, following(next_month))] {
            statements.push(format!(
                "CREATE TABLE {name}_{:04}_{:02} PARTITION OF {name} FOR VALUES FROM ('{}') TO ('{}')",
                from.year,
                from.month,
                midnight(from),
                midnight(to)
            ));
        }
        statements.push(format!("CREATE TABLE {name}_default PARTITION OF {name} DEFAULT"));
        statements.push(format!(
            "COMMENT ON TABLE {name}_default IS 'Rows of months that had no partition when they were written.'"
        ));
    }
    statements
}

fn first_of_month(now: Moment) -> Date {
    Date { day: 1, ..Date::from_days(now.div_euclid(DAY)) }
}

fn following(month: Date) -> Date {
    if month.month == 12 {
        Date { year: month.year + 1, month: 1, day: 1 }
    } else {
        Date { month: month.month + 1, ..month }
    }
}

fn midnight(date: Date) -> String {
    format!("{:04}-{:02}-{:02} 00:00:00+00", date.year, date.month, date.day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_ends() {
        let december = Date { year: 2026, month: 12, day: 31 }.days() * DAY + DAY - 1;
        let statements = statements(december);
        let wanted = "CREATE TABLE dbm_trail.change_2027_01 PARTITION OF dbm_trail.change \
                      FOR VALUES FROM ('2027-01-01 00:00:00+00') TO ('2027-02-01 00:00:00+00')";
        assert!(statements.iter().any(|statement| statement == wanted), "{statements:#?}");
        assert!(statements.iter().any(|statement| statement.contains("change_2026_12 PARTITION OF")));
    }
}
