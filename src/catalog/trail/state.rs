//! What a row of `relation` says, as the events have it that come with each change of one.

use super::layout::RELATION;

/// SQL for what the row `r` of `relation` says, as JSON, whatever the session's settings.
pub fn of_relation() -> String {
    let members: Vec<String> = RELATION
        .columns
        .iter()
        .filter(|column| column.name != "relation_id")
        .map(|column| {
            let suffix = match column.type_name {
                "timestamp with time zone" => " AT TIME ZONE 'UTC'",
                "oid" => "::pg_catalog.int8",
                _ => "",
            };
            format!("'{name}', r.{name}{suffix}", name = column.name)
        })
        .collect();
    format!("pg_catalog.jsonb_build_object({})", members.join(", "))
}

#[cfg(test)]
mod tests {
    #[test]
    fn all_of_it_is_said() {
        let sql = super::of_relation();
        assert!(
            sql.starts_with("pg_catalog.jsonb_build_object('relid', r.relid::pg_catalog.int8, "),
            "{sql}"
        );
        assert!(sql.contains("'removed_at', r.removed_at AT TIME ZONE 'UTC', "), "{sql}");
        assert!(sql.ends_with("'settings', r.settings, 'home', r.home)"), "{sql}");
    }
}
