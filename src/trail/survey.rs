//! How the watched tables stand: what the catalogs say of them, and what is wrong.

use super::triggers::{Level, PREFIX, kinds};

/// A watched table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Watched {
    /// Its number in the log.
    pub relation_id: i32,
    /// Its OID; 0 where it is gone.
    pub relid: u32,
    /// Its schema and its name, now or last.
    pub name: (String, String),
    /// What was asked for.
    pub mode: String,
    /// What was installed.
    pub level: String,
    /// Whether rows come that a statement on the table does not bring.
    pub needs_rows: bool,
    /// Its triggers of ours: the ends of their names.
    pub triggers: Vec<String>,
    /// Those, here or at a partition, that do not fire for everybody: the table, the name, how they fire.
    pub silenced: Vec<String>,
    /// Partitions that lack the trigger for TRUNCATE.
    pub bare_partitions: i64,
    /// Whether a crash empties it.
    pub is_unlogged: bool,
}

impl Watched {
    /// The level at which no row is missed.
    pub fn needed(&self) -> Level {
        if self.needs_rows { Level::Row } else { Level::Statement }
    }

    /// Whether other triggers are to be made.
    pub fn is_outgrown(&self) -> bool {
        self.mode == "auto" && self.relid != 0 && self.level != self.needed().name()
    }

    /// The triggers that are gone.
    fn lacking(&self) -> Vec<&'static str> {
        let level = Level::parse(&self.level).unwrap_or(Level::Row);
        kinds(level).iter().copied().filter(|kind| !self.triggers.iter().any(|other| other == kind)).collect()
    }

    /// What is wrong, the worst first.
    pub fn problem(&self) -> Option<String> {
        if self.relid == 0 {
            return Some("the table is gone".to_owned());
        }
        let mut problems = Vec::new();
        let lacking = self.lacking();
        if !lacking.is_empty() {
            problems.push(format!(
                "no trigger for {}: call dbm.install_audit_trigger() again",
                lacking.join(", ")
            ));
        }
        if !self.silenced.is_empty() {
            problems.push(format!("switched off or not for everybody: {}", self.silenced.join(", ")));
        }
        if self.level == Level::Statement.name() && self.needs_rows {
            problems.push(
                "rows come that its statement triggers do not see: call dbm.install_audit_trigger() again"
                    .to_owned(),
            );
        }
        if self.bare_partitions > 0 {
            problems.push(format!(
                "{} partitions without a trigger for TRUNCATE: call dbm.install_audit_trigger() again",
                self.bare_partitions
            ));
        }
        if self.is_unlogged {
            problems.push("unlogged: a crash empties it, and the log does not know".to_owned());
        }
        (!problems.is_empty()).then(|| problems.join("; "))
    }
}

/// The query for what is known of watched tables: of all, or of those that `condition` on `r` and `c` picks.
pub fn query(condition: &str) -> String {
    format!(
        "WITH ours AS (
             SELECT t.tgrelid, t.tgname, t.tgenabled FROM pg_catalog.pg_trigger t
             WHERE t.tgfoid = 'dbm.write_audit_trail()'::pg_catalog.regprocedure)
         SELECT r.relation_id, COALESCE(c.oid, 0::pg_catalog.oid), COALESCE(n.nspname, r.schema_name)::pg_catalog.text,
             COALESCE(c.relname, r.table_name)::pg_catalog.text, r.mode, r.level, COALESCE({NEEDS_ROWS}, false),
             ARRAY(SELECT pg_catalog.substr(o.tgname, {after_prefix}) FROM ours o WHERE o.tgrelid = c.oid
                   ORDER BY o.tgname)::pg_catalog.text[],
             ARRAY(SELECT pg_catalog.format('%s on %s: %s', o.tgname, o.tgrelid::pg_catalog.regclass,
                          CASE o.tgenabled WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'for replication alone'
                               ELSE 'not for replication' END)
                   FROM ours o WHERE o.tgenabled <> 'A'
                       AND (o.tgrelid = c.oid OR o.tgrelid IN (SELECT p.relid FROM pg_catalog.pg_partition_tree(c.oid) p))
                   ORDER BY 1)::pg_catalog.text[],
             CASE WHEN c.relkind = 'p' THEN
                 (SELECT pg_catalog.count(*) FROM pg_catalog.pg_partition_tree(c.oid) p
                  JOIN pg_catalog.pg_class d ON d.oid = p.relid AND d.relkind IN ('r', 'p')
                  WHERE p.relid <> c.oid AND NOT EXISTS (SELECT FROM ours o
                      WHERE o.tgrelid = p.relid AND o.tgname = '{PREFIX}truncate'))
                 ELSE 0 END,
             COALESCE(c.relpersistence = 'u', false), r.store, r.settings, r.installed_at
         FROM dbm_trail.relation r
         LEFT JOIN pg_catalog.pg_class c ON c.oid = {OID}
         LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE r.removed_at IS NULL AND ({condition})
         ORDER BY 3, 4",
        after_prefix = PREFIX.len() + 1,
    )
}

/// The OID of a watched table: in another database than that of the log's last writer its name counts. `$1`: the database.
pub const OID: &str = "CASE WHEN r.home = $1 THEN r.relid ELSE
    pg_catalog.to_regclass(pg_catalog.format('%I.%I', r.schema_name, r.table_name))::pg_catalog.oid END";

/// Whether rows of the table `c` come that a statement on it does not bring, or in an order that a statement does not know:
/// partitions and inheritance, logical replication, and row triggers of others, which may change rows again before the
/// statement ends.
pub const NEEDS_ROWS: &str = "c.relkind = 'p' OR c.relispartition
    OR EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid OR i.inhparent = c.oid)
    OR EXISTS (SELECT FROM pg_catalog.pg_subscription_rel s WHERE s.srrelid = c.oid)
    OR EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal
        AND t.tgtype & 67 = 1 AND t.tgfoid NOT IN ('dbm.write_audit_trail()'::pg_catalog.regprocedure,
            'dbm.partition_journal()'::pg_catalog.regprocedure))";

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Watched {
        Watched {
            relid: 7,
            mode: "auto".to_owned(),
            level: "statement".to_owned(),
            triggers: kinds(Level::Statement).iter().map(|&kind| kind.to_owned()).collect(),
            ..Watched::default()
        }
    }

    #[test]
    fn nothing_is_wrong() {
        assert_eq!(sound().problem(), None);
        assert!(!sound().is_outgrown());
    }

    #[test]
    fn what_can_be_wrong() {
        let gone = Watched { relid: 0, ..sound() };
        assert_eq!(gone.problem().as_deref(), Some("the table is gone"));
        let mut one_less = sound();
        one_less.triggers.remove(1);
        assert!(one_less.problem().unwrap().starts_with("no trigger for update"));
        let grown = Watched { needs_rows: true, ..sound() };
        assert!(grown.is_outgrown() && grown.problem().unwrap().contains("do not see"));
        let off = Watched { silenced: vec!["x on t: disabled".to_owned()], ..sound() };
        assert!(off.problem().unwrap().contains("x on t: disabled"));
    }
}
