//! What pg_partman keeps of a set, made into what is asked of us.

use serde_json::Value;

use super::manage::Asked;
use super::name_pattern::Pattern;

#[cfg(feature = "postgres")]
pub mod live;

/// A row of pg_partman's `part_config`, of any version, as JSON.
pub struct PartConfig<'a>(pub &'a Value);

impl PartConfig<'_> {
    fn text(&self, column: &str) -> Option<&str> {
        self.0.get(column)?.as_str().filter(|text| !text.is_empty())
    }

    fn is_true(&self, column: &str) -> bool {
        self.0.get(column).and_then(Value::as_bool).unwrap_or(false)
    }

    /// Its table, schema and name as they are; it writes them without quotes.
    pub fn parent(&self) -> Option<(&str, &str)> {
        self.text("parent_table")?.split_once('.')
    }

    /// Its template table.
    pub fn template(&self) -> Option<(&str, &str)> {
        self.text("template_table")?.split_once('.')
    }

    /// The column by which it cuts.
    pub fn control(&self) -> Option<&str> {
        self.text("control")
    }

    /// Whether its own upkeep runs by itself.
    pub fn is_kept_by_partman(&self) -> bool {
        self.text("automatic_maintenance").is_none_or(|value| value != "off")
    }

    /// How long it keeps partitions: a span of time or a number, as text.
    pub fn retention(&self) -> Option<&str> {
        self.text("retention")
    }

    /// The width of a partition.
    pub fn every(&self) -> &str {
        self.text("partition_interval").unwrap_or_default()
    }

    /// What is asked of us, but for the retention, which the server reads; or why it cannot be taken over.
    pub fn asked(&self, template: Option<crate::catalog::Oid>) -> Result<Asked, String> {
        if self.text("partition_type") == Some("partman") {
            return Err(
                "it is kept by inheritance and triggers, not PARTITION BY: see dbm.partition_convert_plan()"
                    .to_owned(),
            );
        }
        if self.is_true("undo_in_progress") {
            return Err("pg_partman is undoing its partitions".to_owned());
        }
        let name_style = match self.text("datetime_string") {
            None | Some("YYYYMMDD" | "YYYYMMDD_HH24MISS") => "partman".to_owned(),
            Some(pattern) => match Pattern::parse(pattern) {
                Some(known) => format!("partman {}", known.text()),
                None => return Err(format!("its names are made by a pattern that is not known: {pattern}")),
            },
        };
        let (retention_action, archive_schema) =
            match (self.text("retention_schema"), self.is_true("retention_keep_table")) {
                (Some(schema), _) => ("archive", Some(schema.to_owned())),
                (None, true) => ("keep", None),
                (None, false) => ("drop", None),
            };
        Ok(Asked {
            every: self.every().to_owned(),
            premake: self
                .0
                .get("premake")
                .and_then(Value::as_i64)
                .and_then(|number| i32::try_from(number).ok())
                .unwrap_or(4),
            retention_action: retention_action.to_owned(),
            archive_schema,
            max_create: 100,
            max_retire: 0.5,
            template,
            copy_privileges: self.is_true("inherit_privileges"),
            name_style: Some(name_style),
            epoch: self.text("epoch").filter(|&epoch| epoch != "none").map(str::to_owned),
            ..Asked::default()
        })
    }

    /// What is otherwise with us than it was with it.
    pub fn differences(&self) -> Vec<&'static str> {
        let mut told = Vec::new();
        if !self.is_true("infinite_time_partitions") && self.retention_is_time() {
            told.push("partitions are made by the clock, also while no rows come");
        }
        if self
            .0
            .get("constraint_cols")
            .is_some_and(|columns| columns.as_array().is_some_and(|columns| !columns.is_empty()))
        {
            told.push("constraints on further columns (constraint_cols) are no longer made");
        }
        if self.is_true("sub_partition_set_full") {
            told.push("sub-partitions are kept only where each is adopted too");
        }
        if self.0.get("retention_keep_index").and_then(Value::as_bool) == Some(false) {
            told.push("indexes of detached partitions are kept");
        }
        told
    }

    fn retention_is_time(&self) -> bool {
        self.every().parse::<i64>().is_err()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A row as version 4.7.2 has it.
    fn old() -> Value {
        json!({
            "parent_table": "public.events", "control": "at", "partition_type": "native", "partition_interval": "1 day",
            "constraint_cols": null, "premake": 4, "epoch": "none", "inherit_fk": true, "retention": "30 days",
            "retention_schema": null, "retention_keep_table": true, "retention_keep_index": true,
            "infinite_time_partitions": false, "datetime_string": "YYYY_MM_DD", "automatic_maintenance": "on",
            "undo_in_progress": false, "template_table": "partman.template_public_events", "inherit_privileges": false,
        })
    }

    #[test]
    fn a_row_of_version_4_is_read() {
        let row = old();
        let config = PartConfig(&row);
        let asked = config.asked(Some(7)).expect("a set that can be taken over");
        assert_eq!((asked.every.as_str(), asked.premake), ("1 day", 4));
        assert_eq!(asked.retention_action, "keep");
        assert_eq!(asked.name_style.as_deref(), Some("partman YYYY_MM_DD"));
        assert_eq!((asked.epoch, asked.template), (None, Some(7)));
        assert_eq!(config.parent(), Some(("public", "events")));
        assert_eq!(config.retention(), Some("30 days"));
        assert!(config.is_kept_by_partman());
        assert_eq!(config.differences(), ["partitions are made by the clock, also while no rows come"]);
    }

    #[test]
    fn a_row_of_version_5_is_read() {
        let row = json!({
            "parent_table": "app.Events", "control": "id", "partition_type": "range", "partition_interval": "100000",
            "premake": 10, "epoch": "milliseconds", "retention": "1000000", "retention_schema": "old",
            "retention_keep_table": true, "datetime_string": null, "automatic_maintenance": "off",
            "inherit_privileges": true, "infinite_time_partitions": true, "date_trunc_interval": null,
        });
        let config = PartConfig(&row);
        let asked = config.asked(None).expect("a set that can be taken over");
        assert_eq!(
            (asked.retention_action.as_str(), asked.archive_schema.as_deref()),
            ("archive", Some("old"))
        );
        assert_eq!(
            (asked.name_style.as_deref(), asked.epoch.as_deref()),
            (Some("partman"), Some("milliseconds"))
        );
        assert!(asked.copy_privileges && !config.is_kept_by_partman());
        assert!(config.differences().is_empty());
    }

    #[test]
    fn what_cannot_be_taken_over_says_why() {
        let mut row = old();
        row["partition_type"] = json!("partman");
        assert!(PartConfig(&row).asked(None).is_err_and(|why| why.contains("inheritance")));
        row["partition_type"] = json!("native");
        row["datetime_string"] = json!("DD.MM.YYYY");
        assert!(PartConfig(&row).asked(None).is_err_and(|why| why.ends_with("DD.MM.YYYY")));
        row["undo_in_progress"] = json!(true);
        assert!(PartConfig(&row).asked(None).is_err());
    }
}
