//! A table as it is now: its columns, and its rows as the log would write them.

use pgrx::{PgSqlErrorCode, pg_sys};

use super::cursor::Cursor;
use super::rows::{Rows, rows};
use crate::catalog::Oid;
use crate::pg::ddl::cache::class;
use crate::pg::error::raise;
use crate::pg::scan::text_of_c_string;
use crate::text::quote_identifier;

/// A column of a table.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its number.
    pub number: i32,
    /// Its name.
    pub name: String,
    /// Its type as SQL writes it, qualified.
    pub type_name: String,
    /// The same without length, precision and scale: a cast to it cuts nothing off.
    pub bare_type: String,
    /// Its type.
    pub type_oid: Oid,
    /// Whether it is computed from others.
    pub is_generated: bool,
    /// Whether it is an identity that takes a value only where it is told to.
    pub is_identity: bool,
    /// Whether it belongs to the primary key.
    pub is_key: bool,
    /// The collation of its values, qualified, where they have one.
    pub collation: Option<String>,
}

/// A table, or one of its partitions.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its number.
    pub oid: Oid,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Whether it is partitioned.
    pub is_partitioned: bool,
    /// The partition of which alone rows are meant, by its OID; 0 for one that is gone.
    pub part: Option<Oid>,
    /// Its columns, in order.
    pub columns: Vec<Column>,
}

fn text(row: &[Option<String>], place: usize) -> String {
    row.get(place).cloned().flatten().unwrap_or_default()
}

/// The table, and below it its partitions; none where there is no such table.
pub fn with_partitions(table: Oid) -> Vec<Table> {
    let found: Rows = rows(
        None,
        "WITH RECURSIVE tree AS (
             SELECT $1::pg_catalog.oid AS oid, 0 AS depth
             UNION ALL
             SELECT i.inhrelid, tree.depth + 1 FROM tree
             JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid AND NOT i.inhdetachpending
             JOIN pg_catalog.pg_class p ON p.oid = i.inhparent AND p.relkind = 'p')
         SELECT c.oid, n.nspname, c.relname, c.relkind = 'p', a.attnum, a.attname,
                pg_catalog.format_type(a.atttypid, a.atttypmod), a.atttypid, a.attgenerated <> '',
                a.attidentity = 'a', a.attnum = ANY (k.indkey::pg_catalog.int2[]),
                CASE WHEN o.oid IS NOT NULL THEN pg_catalog.format('%I.%I', s.nspname, o.collname) END,
                pg_catalog.format_type(a.atttypid, -1)
         FROM tree
         JOIN pg_catalog.pg_class c ON c.oid = tree.oid AND c.relkind IN ('r', 'p')
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         LEFT JOIN pg_catalog.pg_index k ON k.indrelid = c.oid AND k.indisprimary
         LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         LEFT JOIN pg_catalog.pg_collation o ON o.oid = a.attcollation
         LEFT JOIN pg_catalog.pg_namespace s ON s.oid = o.collnamespace
         ORDER BY tree.depth, c.oid, a.attnum",
        &[Some(table.to_string())],
    );
    let mut tables: Vec<Table> = Vec::new();
    for row in &found {
        let oid = text(row, 0).parse().unwrap_or(0);
        if tables.last().is_none_or(|table| table.oid != oid) {
            tables.push(Table {
                oid,
                schema: text(row, 1),
                name: text(row, 2),
                is_partitioned: text(row, 3) == "t",
                part: None,
                columns: Vec::new(),
            });
        }
        if let (Some(table), Ok(number)) = (tables.last_mut(), text(row, 4).parse()) {
            table.columns.push(Column {
                number,
                name: text(row, 5),
                type_name: text(row, 6),
                type_oid: text(row, 7).parse().unwrap_or(0),
                is_generated: text(row, 8) == "t",
                is_identity: text(row, 9) == "t",
                is_key: text(row, 10) == "t",
                collation: row.get(11).cloned().flatten(),
                bare_type: text(row, 12),
            });
        }
    }
    tables
}

/// The tables that are half detached from a partitioned table or one below it, and all below them: who reads the table does not
/// see their rows any more.
pub fn half_detached(table: Oid) -> Vec<Oid> {
    let found = rows(
        None,
        "WITH RECURSIVE tree AS (
             SELECT $1::pg_catalog.oid AS oid, false AS is_half
             UNION ALL
             SELECT i.inhrelid, tree.is_half OR i.inhdetachpending FROM tree
             JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid
             JOIN pg_catalog.pg_class p ON p.oid = i.inhparent AND p.relkind = 'p')
         SELECT tree.oid FROM tree WHERE tree.is_half",
        &[Some(table.to_string())],
    );
    found.iter().filter_map(|row| text(row, 0).parse().ok()).collect()
}

impl Table {
    /// Its qualified name.
    pub fn qualified(&self) -> String {
        crate::text::quote_qualified(&self.schema, &self.name)
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Its rows, those columns of each as JSON, as the log writes them, and where that is wanted the OID of the partition that
    /// holds it; but for those in these partitions, and with the caller's rights.
    pub fn read(&self, columns: &[&Column], with_holder: bool, without: &[Oid]) -> Cursor {
        let values = columns.iter().map(|column| column.as_json("t"));
        let values: Vec<String> = values.chain(with_holder.then(|| "t.tableoid".to_owned())).collect();
        let only = if self.is_partitioned { "" } else { "ONLY " };
        let values = if values.is_empty() { "NULL".to_owned() } else { values.join(", ") };
        let without: Vec<String> = without.iter().map(Oid::to_string).collect();
        let others = if without.is_empty() {
            String::new()
        } else {
            format!(
                " WHERE t.tableoid OPERATOR(pg_catalog.<>) ALL ('{{{}}}'::pg_catalog.oid[])",
                without.join(", ")
            )
        };
        Cursor::open(None, &format!("SELECT {values} FROM {only}{} t{others}", self.qualified()), &[])
    }

    /// The first row that has these values, given as JSON: those columns of it as JSON. The row is read with the caller's
    /// rights, the values with the owner's, as [`Self::as_logged`] does.
    pub fn find(&self, by: &[&Column], document: &str, wanted: &[&Column]) -> Option<Vec<Option<String>>> {
        if by.is_empty() || self.part == Some(0) {
            return None;
        }
        let values: Vec<String> = wanted.iter().map(|column| column.as_json("t")).collect();
        let conditions: Vec<String> = by
            .iter()
            .zip(1..)
            .map(|(column, place)| {
                let is_same = format!("({}) OPERATOR(pg_catalog.=) ${place}::pg_catalog.jsonb", column.as_json("t"));
                let Some(type_name) = column.comparable() else { return is_same };
                // For its index.
                format!(
                    "t.{} OPERATOR(pg_catalog.=) (${place}::pg_catalog.jsonb OPERATOR(pg_catalog.#>>) '{{}}')::{type_name} \
                     AND {is_same}",
                    quote_identifier(&column.name)
                )
            })
            .collect();
        let part =
            self.part.map(|part| format!(" AND t.tableoid OPERATOR(pg_catalog.=) {part}::pg_catalog.oid"));
        let sql = format!(
            "SELECT {} FROM {}{} t WHERE {}{} LIMIT 1",
            if values.is_empty() { "NULL".to_owned() } else { values.join(", ") },
            if self.is_partitioned { "" } else { "ONLY " },
            self.qualified(),
            conditions.join(" AND "),
            part.unwrap_or_default()
        );
        rows(None, &sql, &self.as_logged(by, document)).into_iter().next()
    }

    /// Values given as JSON, turned into those of these columns and back: what the log has for them. With the rights of
    /// the table's owner, who has chosen their types: the checks of a domain are his code.
    pub fn as_logged(&self, columns: &[&Column], document: &str) -> Vec<Option<String>> {
        let values: Vec<String> = columns.iter().map(|column| column.as_json("t")).collect();
        let types: Vec<String> = columns
            .iter()
            .map(|column| format!("{} {}", quote_identifier(&column.name), column.type_name))
            .collect();
        let sql = format!(
            "SELECT {} FROM pg_catalog.jsonb_to_record($1::pg_catalog.jsonb) AS t({})",
            values.join(", "),
            types.join(", ")
        );
        rows(owner(self.oid), &sql, &[Some(document.to_owned())]).into_iter().next().unwrap_or_default()
    }
}

/// By which columns, by their names, rows are in the same partition where they are alike in all: those by which a partitioned
/// table and those below it are partitioned. `None` where an expression says it.
pub fn cut_by(table: Oid) -> Option<Vec<String>> {
    let found = rows(
        None,
        "WITH RECURSIVE tree AS (
             SELECT $1::pg_catalog.oid AS oid
             UNION ALL
             SELECT i.inhrelid FROM tree
             JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid
             JOIN pg_catalog.pg_class p ON p.oid = i.inhparent AND p.relkind = 'p')
         SELECT DISTINCT a.attname
         FROM tree
         JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = tree.oid
         CROSS JOIN LATERAL pg_catalog.unnest(p.partattrs::pg_catalog.int2[]) k(number)
         LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = tree.oid AND a.attnum = k.number",
        &[Some(table.to_string())],
    );
    found.into_iter().map(|row| row.into_iter().next().flatten()).collect()
}

/// The columns, by their numbers, of which a table itself says that no two rows of it are alike in all of them: those of each
/// unique index in which nothing can be null, and none is left out.
pub fn unique(table: Oid) -> Vec<Vec<i32>> {
    let found = rows(
        None,
        "SELECT pg_catalog.array_to_json(k.numbers) FROM pg_catalog.pg_index i
         CROSS JOIN LATERAL (SELECT (i.indkey::pg_catalog.int2[])[0:i.indnkeyatts - 1] AS numbers) k
         WHERE i.indrelid = $1::pg_catalog.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
           AND (i.indimmediate OR i.indisprimary) AND i.indexprs IS NULL
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a
                           WHERE a.attrelid = i.indrelid AND a.attnum = ANY (k.numbers) AND NOT a.attnotnull)",
        &[Some(table.to_string())],
    );
    found.iter().filter_map(|row| serde_json::from_str(&text(row, 0)).ok()).collect()
}

/// Who owns a relation.
pub fn owner(relation: Oid) -> Option<Oid> {
    class(relation.into(), |form| form.relowner.to_u32())
}

/// The places of those keys that lie between two others, these included: by the default order of the columns' types, as
/// rows are compared. Each key, in JSON, has for each column what the log has for it. With the rights of the table's owner,
/// who has chosen the types: their checks and comparisons are his code.
pub fn within(
    owner: Option<Oid>,
    columns: &[&Column],
    keys: &[Vec<&str>],
    from: &[&str],
    to: &[&str],
) -> Vec<usize> {
    let document = |place: Option<usize>, key: &[&str]| {
        let names = (1..).map(|number| format!("k{number}"));
        let place = place.map(|place| ("p".to_owned(), place.to_string()));
        let values = names.zip(key.iter().map(|value| (*value).to_owned()));
        let members: Vec<String> =
            place.into_iter().chain(values).map(|(name, value)| format!("\"{name}\": {value}")).collect();
        format!("{{{}}}", members.join(", "))
    };
    // JSON of strings and numbers alike becomes the text that the type reads.
    let types: Vec<String> = columns
        .iter()
        .zip(1..)
        .map(|(column, number)| {
            format!("k{number} pg_catalog.{}", if column.is_jsonb() { "jsonb" } else { "text" })
        })
        .collect();
    let types = types.join(", ");
    let is_below = |one: &str, other: &str| {
        let mut rest = String::from("false");
        for (place, column) in columns.iter().enumerate().rev() {
            let number = place + 1;
            let of = |row: &str| {
                let collation =
                    column.collation.as_ref().map_or_else(String::new, |name| format!(" COLLATE {name}"));
                format!("({row}.k{number}::{}{collation})", column.type_name)
            };
            let less = column.less();
            let (one, other) = (of(one), of(other));
            rest = format!("({one} {less} {other} OR (NOT {other} {less} {one} AND {rest}))");
        }
        rest
    };
    let sql = format!(
        "SELECT t.p FROM pg_catalog.jsonb_to_recordset($1::pg_catalog.jsonb) AS t(p pg_catalog.int8, {types}),
                pg_catalog.jsonb_to_record($2::pg_catalog.jsonb) AS low({types}),
                pg_catalog.jsonb_to_record($3::pg_catalog.jsonb) AS high({types})
         WHERE NOT {} AND NOT {}",
        is_below("t", "low"),
        is_below("high", "t")
    );
    let documents: Vec<String> =
        keys.iter().enumerate().map(|(place, key)| document(Some(place), key)).collect();
    let arguments =
        [Some(format!("[{}]", documents.join(", "))), Some(document(None, from)), Some(document(None, to))];
    rows(owner, &sql, &arguments).iter().filter_map(|row| text(row, 0).parse().ok()).collect()
}

impl Column {
    /// What its type is ordered by: `OPERATOR(pg_catalog.<)`.
    fn less(&self) -> String {
        // SAFETY: look-ups in the catalogs; the entry of the cache lives as long as the process.
        let operator = unsafe {
            let wanted = pg_sys::TYPECACHE_LT_OPR as i32;
            (*pg_sys::lookup_type_cache(self.type_oid.into(), wanted)).lt_opr.to_u32()
        };
        let found = rows(
            None,
            "SELECT pg_catalog.format('OPERATOR(%I.%s)', n.nspname, o.oprname)
             FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
             WHERE o.oid = $1::pg_catalog.oid",
            &[Some(operator.to_string())],
        );
        found.into_iter().flatten().flatten().next().unwrap_or_else(|| {
            raise(
                PgSqlErrorCode::ERRCODE_UNDEFINED_FUNCTION,
                &format!("column \"{}\" has no order", self.name),
                &format!("Type {} has no default operator class for btree.", self.type_name),
                "",
            )
        })
    }

    /// Whether its values are JSON as the log has them.
    pub fn is_jsonb(&self) -> bool {
        // SAFETY: a look-up in the catalogs.
        unsafe { pg_sys::getBaseType(self.type_oid.into()) == pg_sys::JSONBOID }
    }

    /// Whether its type is one of the system's that `=` compares: a scalar that every index takes.
    pub fn is_of_system(&self) -> bool {
        // SAFETY: look-ups in the catalogs.
        unsafe {
            let base = pg_sys::getBaseType(self.type_oid.into());
            base.to_u32() < pg_sys::FirstNormalObjectId
                && pg_sys::GetDefaultOpClass(base, pg_sys::BTREE_AM_OID) != pg_sys::InvalidOid
        }
    }

    /// The type of the system that its values are compared as by `=`, without the checks of a domain; `None` where it is
    /// another's, or has no order.
    fn comparable(&self) -> Option<String> {
        if self.is_jsonb() || !self.is_of_system() {
            return None;
        }
        let flags = pg_sys::FORMAT_TYPE_TYPEMOD_GIVEN | pg_sys::FORMAT_TYPE_FORCE_QUALIFY;
        // SAFETY: look-ups in the catalogs; a C string.
        unsafe {
            let base = pg_sys::getBaseType(self.type_oid.into());
            text_of_c_string(pg_sys::format_type_extended(base, -1, flags as pg_sys::bits16)).map(Into::into)
        }
    }

    /// The expression of its value as JSON, as the trigger writes it.
    pub fn as_json(&self, table: &str) -> String {
        let value = format!("{table}.{}", quote_identifier(&self.name));
        // SAFETY: a look-up in the catalogs.
        let base = unsafe { pg_sys::getBaseType(self.type_oid.into()) };
        let json = match base {
            pg_sys::BOOLOID
            | pg_sys::INT2OID
            | pg_sys::INT4OID
            | pg_sys::INT8OID
            | pg_sys::NUMERICOID
            | pg_sys::JSONBOID
            | pg_sys::DATEOID
            | pg_sys::TIMESTAMPOID
            | pg_sys::TIMESTAMPTZOID => format!("pg_catalog.to_jsonb({value})"),
            pg_sys::OIDOID => format!("pg_catalog.to_jsonb({value}::pg_catalog.int8)"),
            // JSON's numbers know no negative zero.
            pg_sys::FLOAT4OID | pg_sys::FLOAT8OID => format!(
                "CASE WHEN pg_catalog.format('%s', {value}) = '-0' THEN pg_catalog.to_jsonb('-0'::pg_catalog.text) \
                 ELSE pg_catalog.to_jsonb({value}) END"
            ),
            // The server leaves out minutes of the zone that are none.
            pg_sys::TIMETZOID => format!(
                "pg_catalog.to_jsonb(pg_catalog.format('%s', {value}) || CASE WHEN pg_catalog.left(pg_catalog.right(\
                 pg_catalog.format('%s', {value}), 3), 1) IN ('+', '-') THEN ':00' ELSE '' END)"
            ),
            _ => format!("pg_catalog.to_jsonb(pg_catalog.format('%s', {value}))"),
        };
        // IS NULL would ask a composite's own values.
        format!("CASE pg_catalog.num_nulls({value}) WHEN 0 THEN {json} ELSE 'null' END")
    }
}
