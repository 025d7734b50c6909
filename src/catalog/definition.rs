//! The definition of a plain index, written from the facts as `pg_get_indexdef()` writes it.
//!
//! Asking the server fills its caches with every object that a definition mentions, and keeps them for the session.
//! Most indexes are plain, and what they say is in the snapshot already.

use super::types::builtin;
use super::{Index, IndexKey, Oid, Snapshot};
use crate::text::{quote_identifier, quote_qualified};

impl Snapshot {
    /// The complete `CREATE INDEX` of an index without expressions, predicate, options, tablespace, or anything else
    /// that differs from the default of its columns; `None` for any other.
    pub fn plain_index_definition(&self, index: &Index) -> Option<String> {
        let is_plain = index.expressions.is_empty()
            && index.predicate.is_none()
            && index.options.is_empty()
            && index.file.tablespace == 0
            && !index.is_partitioned
            && !index.nulls_not_distinct
            && !index.is_exclusion;
        if !is_plain {
            return None;
        }
        let relation = self.relation(index.table)?;
        let sorts = self.access_method_name(index.access_method) == "btree";
        let keys: Option<Vec<String>> =
            index.key_columns().iter().map(|key| self.plain_key(index.table, key, sorts)).collect();
        let included: Option<Vec<String>> = index
            .included_columns()
            .iter()
            .map(|key| self.column(index.table, key.column).map(|column| quote_identifier(&column.name)))
            .collect();
        let included = included?;
        let include =
            if included.is_empty() { String::new() } else { format!(" INCLUDE ({})", included.join(", ")) };
        Some(format!(
            "CREATE {}INDEX {} ON {} USING {} ({}){include}",
            if index.is_unique { "UNIQUE " } else { "" },
            quote_identifier(&index.name),
            quote_qualified(self.schema_name(relation.schema), &relation.name),
            quote_identifier(self.access_method_name(index.access_method)),
            keys?.join(", "),
        ))
    }

    fn plain_key(&self, table: Oid, key: &IndexKey, sorts: bool) -> Option<String> {
        let column = self.column(table, key.column)?;
        let class = self.operator_classes.get(&key.opclass)?;
        // The default class of varchar is text's.
        let is_default = class.is_default
            && (class.input_type == column.type_oid
                || (class.input_type == builtin::TEXT && column.type_oid == builtin::VARCHAR));
        if !is_default || key.collation != column.collation {
            return None;
        }
        let order = match (key.descending, key.nulls_first) {
            (false, false) => "",
            _ if !sorts => return None,
            (false, true) => " NULLS FIRST",
            (true, true) => " DESC",
            (true, false) => " DESC NULLS LAST",
        };
        Some(format!("{}{order}", quote_identifier(&column.name)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{BRIN, Sample};
    use super::*;

    #[test]
    fn plain_indexes_are_written_and_others_left_to_the_server() {
        let mut sample = Sample::new();
        let table = sample.keyed_table("orders");
        sample.column(table, "Total", builtin::INT4);
        sample.column(table, "note", builtin::VARCHAR);
        let plain = sample.index(table, "i1", &["Total", "note"]);
        let sorted = sample.index(table, "i2", &["note", "Total"]);
        sample.edit_index(sorted, |index| {
            index.is_unique = true;
            index.key_count = 1;
            index.keys[0].descending = true;
            index.keys[0].nulls_first = true;
        });
        let brin = sample.index_by(table, "i3", &["Total"], BRIN);
        let partial = sample.index(table, "i4", &["Total"]);
        sample.edit_index(partial, |index| index.predicate = Some("{ X }".into()));
        let snapshot = sample.finish();
        let definition = |oid| {
            let index = snapshot.indexes.iter().find(|index| index.oid == oid).unwrap();
            snapshot.plain_index_definition(index)
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(definition(plain), text("CREATE INDEX i1 ON public.orders USING btree (\"Total\", note)"));
        assert_eq!(
            definition(sorted),
            text("CREATE UNIQUE INDEX i2 ON public.orders USING btree (note DESC) INCLUDE (\"Total\")")
        );
        assert_eq!(definition(brin), text("CREATE INDEX i3 ON public.orders USING brin (\"Total\")"));
        assert_eq!(definition(partial), None);
    }
}
