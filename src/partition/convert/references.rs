//! Foreign keys of other tables to the table. Only a unique key that holds the partition key can be pointed to, so the
//! other table gains a column for it, which a trigger fills; the application goes on writing what it wrote.

use super::Conversion;
use super::facts::{Incoming, Table};
use super::names::Given;
use super::words::{add_constraint, alter, comment, drop_constraint, validate};
use crate::catalog::LockMode;
use crate::change::plan::{Phase, Step};
use crate::change::proof;
use crate::text::identifier::unused_name;
use crate::text::{dollar_quoted, quote_identifier, quote_literal};

/// One of them, with what it gains.
pub struct Reference<'a> {
    /// As it is.
    pub of: &'a Incoming,
    /// The new column of the other table, as it is.
    pub column: String,
    /// The triggers that fill it, and the name of their function.
    trigger: String,
    late: String,
    function: String,
    /// The constraint until the switch.
    between: String,
}

/// All of them, with names.
pub fn references<'a>(conversion: &Conversion<'a>) -> Vec<Reference<'a>> {
    let mut given: Vec<(String, String)> = Vec::new();
    conversion
        .around
        .incoming
        .iter()
        .filter(|of| !of.referenced_columns.contains(&conversion.wish.key))
        .map(|of| {
            let other = of.qualified();
            let column = unused_name(&[&conversion.table.name, &conversion.wish.key], |name| {
                of.taken.iter().any(|taken| taken == name)
                    || given.iter().any(|(table, column)| *table == other && column == name)
            });
            given.push((other, column.clone()));
            let names = &conversion.names.given;
            let stem = format!("{}_{column}", of.table);
            Reference {
                of,
                trigger: of_table(names, conversion.table, of, &stem, "fill"),
                late: of_table(names, conversion.table, of, &stem, "late"),
                function: names.between(conversion.table, &stem, "key"),
                between: of_table(names, conversion.table, of, &of.name, "fkey"),
                column,
            }
        })
        .collect()
}

fn of_table(given: &Given, table: &Table, of: &Incoming, stem: &str, purpose: &str) -> String {
    given.between_among(table, stem, purpose, &of.taken)
}

/// ` ON UPDATE …`, ` ON DELETE …` by its letter.
fn action(event: &str, letter: char) -> String {
    let what = match letter {
        'r' => "RESTRICT",
        'c' => "CASCADE",
        'n' => "SET NULL",
        'd' => "SET DEFAULT",
        _ => return String::new(),
    };
    format!(" ON {event} {what}")
}

impl Reference<'_> {
    fn columns(&self) -> String {
        let columns = self.of.columns.iter().chain([&self.column]);
        columns.map(|name| quote_identifier(name)).collect::<Vec<_>>().join(", ")
    }

    /// The composite key, not yet proved.
    fn definition(&self, conversion: &Conversion<'_>) -> String {
        let referenced = self.of.referenced_columns.iter().chain([&conversion.wish.key]);
        format!(
            "FOREIGN KEY ({}) REFERENCES {} ({}){} ON UPDATE CASCADE{} NOT VALID",
            self.columns(),
            conversion.table.qualified(),
            referenced.map(|name| quote_identifier(name)).collect::<Vec<_>>().join(", "),
            if self.of.r#match == 'f' { " MATCH FULL" } else { "" },
            action("DELETE", self.of.on_delete),
        )
    }

    fn function(&self, conversion: &Conversion<'_>) -> String {
        let new = |name: &String| format!("NEW.{}", quote_identifier(name));
        let column = new(&self.column);
        let of = &self.of;
        let any_null: Vec<String> = of.columns.iter().map(|name| format!("{} IS NULL", new(name))).collect();
        let changed: Vec<String> = of
            .columns
            .iter()
            .map(|name| format!("{} IS DISTINCT FROM OLD.{}", new(name), quote_identifier(name)))
            .collect();
        let matches: Vec<String> = of
            .columns
            .iter()
            .zip(&of.referenced_columns)
            .map(|(own, other)| format!("dbm_row.{} = {}", quote_identifier(other), new(own)))
            .collect();
        let names: Vec<String> = of.columns.iter().map(|name| quote_identifier(name)).collect();
        let values: Vec<String> = of.columns.iter().map(|name| format!("{}::text", new(name))).collect();
        let own: Vec<String> = of
            .columns
            .iter()
            .map(|name| format!("dbm_row.{} = {}", quote_identifier(name), new(name)))
            .collect();
        let body = format!(
            "\nDECLARE\n  dbm_key {key_type};\nBEGIN\n  \
             -- Keeps {column} what {table} has: the partition key of the row that is pointed to.\n  \
             IF TG_WHEN = 'AFTER' THEN\n    \
             -- The row that is pointed to was not there before the statement.\n    \
             SELECT dbm_row.{key} INTO dbm_key FROM {table} AS dbm_row WHERE {matches} FOR KEY SHARE;\n    \
             IF NOT FOUND THEN\n      \
             RAISE EXCEPTION USING ERRCODE = 'foreign_key_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = {constraint},\n        \
             MESSAGE = format('insert or update on table \"%s\" violates foreign key constraint \"%s\"', TG_TABLE_NAME, {constraint}),\n        \
             DETAIL = format('Key (%s)=(%s) is not present in table \"%s\".', {names}, concat_ws(', ', {values}), {referenced});\n    \
             END IF;\n    \
             UPDATE {other} AS dbm_row SET {quoted} = dbm_key WHERE {own} AND dbm_row.{quoted} IS NULL;\n    \
             RETURN NULL;\n  \
             END IF;\n  \
             IF {any_null} THEN\n    {column} := NULL;\n    RETURN NEW;\n  END IF;\n  \
             IF {column} IS NOT NULL THEN\n    \
             IF TG_OP = 'INSERT' THEN RETURN NEW; END IF;\n    \
             IF {column} IS DISTINCT FROM OLD.{quoted} OR NOT ({changed}) THEN RETURN NEW; END IF;\n  \
             END IF;\n  \
             SELECT dbm_row.{key} INTO {column} FROM {table} AS dbm_row WHERE {matches} FOR KEY SHARE;\n  \
             RETURN NEW;\nEND\n",
            key_type = conversion.key().type_name,
            other = of.qualified(),
            own = own.join(" AND "),
            table = conversion.table.qualified(),
            any_null = any_null.join(" OR "),
            quoted = quote_identifier(&self.column),
            changed = changed.join(" OR "),
            key = conversion.key().quoted(),
            matches = matches.join(" AND "),
            constraint = quote_literal(&of.name),
            names = quote_literal(&names.join(", ")),
            values = values.join(", "),
            referenced = quote_literal(&conversion.table.name),
        );
        format!(
            "CREATE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS {}",
            conversion.table.beside(&self.function),
            dollar_quoted(&body)
        )
    }

    /// Before the table has a unique index with the key: the column, and what fills it.
    pub fn prepared(&self, conversion: &Conversion<'_>) -> Vec<Step> {
        let other = self.of.qualified();
        let column = quote_identifier(&self.column);
        let function = conversion.table.beside(&self.function);
        let trigger = quote_identifier(&self.trigger);
        let late = quote_identifier(&self.late);
        let pointing: Vec<String> = self
            .of
            .columns
            .iter()
            .map(|name| format!("NEW.{} IS NOT NULL", quote_identifier(name)))
            .collect();
        let pointing = pointing.join(" AND ");
        let collation = conversion
            .key()
            .collation
            .as_ref()
            .filter(|name| &***name == "C")
            .map_or("", |_| " COLLATE pg_catalog.\"C\"");
        let mut keeper = Step::new(Phase::Sync, self.function(conversion))
            .and(format!("REVOKE ALL ON FUNCTION {function}() FROM PUBLIC"));
        if !conversion.table.is_owner_me {
            keeper = keeper.and(format!("ALTER FUNCTION {function}() OWNER TO {}", conversion.table.owner));
        }
        let keeper = keeper
            .and(format!(
                "CREATE TRIGGER {trigger} BEFORE INSERT OR UPDATE ON {other} FOR EACH ROW EXECUTE FUNCTION {function}()"
            ))
            .and(format!(
                "CREATE TRIGGER {late} AFTER INSERT OR UPDATE ON {other} FOR EACH ROW WHEN (NEW.{column} IS NULL AND {pointing}) EXECUTE \
                 FUNCTION {function}()"
            ))
            .lock(LockMode::ShareRowExclusive)
            .undo(format!(
                "DROP TRIGGER IF EXISTS {late} ON {other};\nDROP TRIGGER IF EXISTS {trigger} ON {other};\nDROP FUNCTION IF EXISTS {function}()"
            ))
            .verify(proof::has_trigger(&other, &self.trigger))
            .note(format!("fills {column} of {other} with each row that is written"));
        vec![
            Step::new(
                Phase::Expand,
                alter(&other, &format!("ADD COLUMN {column} {}{collation}", conversion.key().type_name)),
            )
            .lock(LockMode::AccessExclusive)
            .undo(alter(&other, &format!("DROP COLUMN IF EXISTS {column}")))
            .verify(proof::has_column(&other, &self.column))
            .note(format!(
                "the key of {} by which its rows will be found, beside {}",
                conversion.table.qualified(),
                super::attach::listed(&self.of.columns)
            )),
            keeper,
        ]
    }

    /// Once the table has a unique index with the key: the composite key, filled and proved.
    pub fn pointed(&self, conversion: &Conversion<'_>) -> Vec<Step> {
        let other = self.of.qualified();
        let column = quote_identifier(&self.column);
        let between = quote_identifier(&self.between);
        let filled: Vec<String> =
            self.of.columns.iter().map(|name| format!("{} IS NOT NULL", quote_identifier(name))).collect();
        let predicate = format!("{column} IS NULL AND {}", filled.join(" AND "));
        vec![
            Step::new(Phase::Expand, add_constraint(&other, &self.between, &self.definition(conversion)))
                .lock(LockMode::ShareRowExclusive)
                .undo(alter(&other, &format!("DROP CONSTRAINT IF EXISTS {between}")))
                .verify(proof::has_constraint(&other, &self.between))
                .note("no row is read; from here on a changed key is written to the rows that point to it"),
            Step::alone(
                Phase::Backfill,
                format!(
                    "CALL dbm.backfill({}::pg_catalog.regclass, {}, {})",
                    quote_literal(&other),
                    quote_literal(&format!("{column} = {column}")),
                    quote_literal(&predicate)
                ),
            )
            .lock(LockMode::RowExclusive)
            .verify(proof::no_row(&other, &predicate))
            .search_path(&*conversion.wish.search_path)
            .note("the trigger fills each row that is touched; goes on where it was interrupted"),
            Step::new(Phase::Validate, validate(&other, &self.between))
                .lock(LockMode::ShareUpdateExclusive)
                .verify(proof::has_valid_constraint(&other, &self.between))
                .note("reads every row while others read and write"),
        ]
    }

    /// In the switch, before the table's primary key goes.
    pub fn dropped(&self) -> Vec<String> {
        let other = self.of.qualified();
        vec![drop_constraint(&other, &self.of.name), drop_constraint(&other, &self.between)]
    }

    /// In the switch, once the name is that of the partitioned table.
    pub fn again(&self, conversion: &Conversion<'_>) -> Vec<String> {
        let other = self.of.qualified();
        let mut sql = vec![add_constraint(&other, &self.of.name, &self.definition(conversion))];
        sql.extend(self.comment());
        sql
    }

    fn comment(&self) -> Option<String> {
        let name = quote_identifier(&self.of.name);
        comment(&format!("CONSTRAINT {name} ON {}", self.of.qualified()), self.of.comment.as_ref())
    }

    /// After the switch.
    pub fn proved(&self) -> Step {
        let other = self.of.qualified();
        Step::new(Phase::Switch, validate(&other, &self.of.name))
            .lock(LockMode::ShareUpdateExclusive)
            .verify(proof::has_valid_constraint(&other, &self.of.name))
            .note("reads every row while others read and write")
    }

    /// On the way back, in its transaction: the first key to the first table.
    pub fn back(&self) -> Vec<String> {
        let not_valid = format!("{} NOT VALID", self.of.definition.trim_end_matches(" NOT VALID"));
        let mut sql = vec![add_constraint(&self.of.qualified(), &self.of.name, &not_valid)];
        sql.extend(self.comment());
        sql
    }

    /// On the way back, after it.
    pub fn back_proved(&self) -> Option<String> {
        self.of.is_valid.then(|| validate(&self.of.qualified(), &self.of.name))
    }
}

/// Those that hold the key already: nothing is gained, only the table changes below them.
pub fn plain<'a>(conversion: &Conversion<'a>) -> Vec<&'a Incoming> {
    let incoming = conversion.around.incoming.iter();
    incoming.filter(|of| of.referenced_columns.contains(&conversion.wish.key)).collect()
}
