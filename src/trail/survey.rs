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
    /// Those, here or at a partition, that do not fire for everybody or for every change: the name, the table, why.
    pub silenced: Vec<String>,
    /// Partitions that lack the trigger for TRUNCATE.
    pub bare_partitions: i64,
    /// Whether a crash empties it, or a partition.
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

    /// Whether it has all that it was given, and nothing is out of force.
    pub fn is_complete(&self) -> bool {
        self.relid != 0 && self.silenced.is_empty() && self.bare_partitions == 0 && self.lacking().is_empty()
    }

    /// The triggers that are gone.
    pub fn lacking(&self) -> Vec<&'static str> {
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
            problems.push(
                "unlogged, or a partition is: a crash empties it, and the log does not know".to_owned(),
            );
        }
        (!problems.is_empty()).then(|| problems.join("; "))
    }
}

/// The query for what is known of watched tables: of all, or of those that `condition` on `r` and `c` picks.
pub fn query(condition: &str) -> String {
    format!(
        "SELECT r.relation_id, COALESCE(c.oid, 0::pg_catalog.oid), COALESCE(n.nspname, r.schema_name)::pg_catalog.text,
             COALESCE(c.relname, r.table_name)::pg_catalog.text, r.mode, r.level, COALESCE({NEEDS_ROWS}, false),
             ARRAY(SELECT pg_catalog.substr(t.tgname, {after_prefix}) FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid
                   AND {OURS} AND pg_catalog.starts_with(t.tgname, '{PREFIX}') ORDER BY t.tgname)::pg_catalog.text[],
             ARRAY(SELECT pg_catalog.format('%s on %s: %s', t.tgname, t.tgrelid::pg_catalog.regclass,
                          CASE WHEN t.tgenabled = 'D' THEN 'disabled' WHEN t.tgenabled = 'R' THEN 'for replication alone'
                               WHEN t.tgenabled <> 'A' THEN 'not for replication' ELSE 'not as it was made' END)
                   FROM pg_catalog.pg_trigger t
                   WHERE t.tgrelid = ANY ({tree}) AND {OURS} AND (t.tgenabled <> 'A' OR NOT {IS_WHOLE})
                   ORDER BY 1)::pg_catalog.text[],
             CASE WHEN c.relkind = 'p' THEN
                 (SELECT pg_catalog.count(*) FROM pg_catalog.pg_partition_tree(c.oid) p
                  JOIN pg_catalog.pg_class d ON d.oid = p.relid AND d.relkind IN ('r', 'p')
                  -- OFFSET: looked up by the index, table by table.
                  WHERE p.relid <> c.oid AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t
                      WHERE t.tgrelid = p.relid AND t.tgname = '{PREFIX}truncate' AND {OURS} OFFSET 0))
                 ELSE 0 END,
             COALESCE(c.relpersistence = 'u' OR c.relkind = 'p' AND EXISTS (
                 SELECT FROM pg_catalog.pg_partition_tree(c.oid) p JOIN pg_catalog.pg_class d ON d.oid = p.relid
                 WHERE d.relpersistence = 'u'), false), r.store, r.settings, r.installed_at
         FROM dbm_trail.relation r
         LEFT JOIN pg_catalog.pg_class c ON c.oid = {OID}
         LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE r.removed_at IS NULL AND ({condition})
         ORDER BY 3, 4",
        after_prefix = PREFIX.len() + 1,
        tree = tree("c.oid"),
    )
}

/// Whether a trigger `t` is one of ours.
const OURS: &str = "t.tgfoid = 'dbm.write_audit_trail()'::pg_catalog.regprocedure";

/// A table and all below it, as an array: triggers of theirs are looked up by it in the index.
pub fn tree(relid: &str) -> String {
    format!(
        "pg_catalog.array_append(ARRAY(
             SELECT p.relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree({relid}) p), {relid})"
    )
}

/// Whether a trigger `t` is one of ours that is in force for everybody and every change.
fn in_force() -> String {
    format!("{OURS} AND t.tgenabled = 'A' AND {IS_WHOLE}")
}

/// Whether the table `relid` or a partition of it has a trigger of ours that is not in force.
fn is_hushed(relid: &str) -> String {
    format!(
        "EXISTS (SELECT FROM pg_catalog.pg_trigger t
             WHERE t.tgrelid = ANY ({}) AND {OURS} AND (t.tgenabled <> 'A' OR NOT {IS_WHOLE}))",
        tree(relid)
    )
}

/// The query for the numbers of watched tables that have fewer triggers in force than they were given, or one that is not,
/// be it at a partition; of all or of those that `condition` on `r` and `c` picks. `$1`: the database.
pub fn short_of_triggers(condition: &str) -> String {
    let count = |level: Level| kinds(level).len();
    format!(
        "SELECT r.relation_id FROM dbm_trail.relation r JOIN pg_catalog.pg_class c ON c.oid = r.relid
         WHERE r.home = $1 AND r.removed_at IS NULL AND ({condition})
           AND ((SELECT pg_catalog.count(*) FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND t.tgenabled = 'A'
                AND {OURS} AND pg_catalog.starts_with(t.tgname, '{PREFIX}'))
               < CASE r.level WHEN '{}' THEN {} ELSE {} END
             OR {hushed})",
        Level::Row.name(),
        count(Level::Row),
        count(Level::Statement),
        hushed = is_hushed("c.oid"),
    )
}

/// The last moment of which the log knows that the triggers of the table number `$1` were in force that are not now: when
/// it was looked at or installed last, or when they wrote last. All at once went together; of some, each may have gone
/// right after it wrote last, and what other partitions wrote tells nothing of the trigger of one.
pub fn last_known() -> String {
    let wrote = |operation: &str| {
        format!(
            "(SELECT pg_catalog.max(k.changed_at) FROM dbm_trail.change k WHERE k.shape_id = ANY (ARRAY(
                 SELECT s.shape_id FROM dbm_trail.shape s WHERE s.relation_id = $1)){operation})"
        )
    };
    let of_kind = |level: Level, kind: &str| {
        let operations = match kind {
            "insert" => " AND k.operation = 'I'",
            "update" => " AND k.operation = 'U'",
            "delete" => " AND k.operation = 'D'",
            "truncate" => " AND k.operation = 'T'",
            _ => " AND k.operation <> 'T'",
        };
        format!(
            "CASE WHEN r.level = '{}' AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = r.relid
                 AND t.tgname = '{PREFIX}{kind}' AND {}) THEN COALESCE({}, '-infinity') END",
            level.name(),
            in_force(),
            wrote(operations)
        )
    };
    let last: Vec<String> = [Level::Row, Level::Statement]
        .into_iter()
        .flat_map(|level| kinds(level).iter().map(move |kind| (level, *kind)))
        .map(|(level, kind)| of_kind(level, kind))
        .collect();
    format!(
        "(SELECT GREATEST(r.installed_at,
              CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = r.relid AND c.relkind = 'p') AND {}
                   THEN NULL
                   WHEN NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = r.relid AND {})
                   THEN {}
                   ELSE LEAST({}) END,
              (SELECT pg_catalog.max(e.happened_at) FROM dbm_trail.event e
               WHERE e.relation_id = $1 AND e.kind IN ('installed', 'enabled', 'restored')))
          FROM dbm_trail.relation r WHERE r.relation_id = $1)",
        is_hushed("r.relid"),
        in_force(),
        wrote(""),
        last.join(", ")
    )
}

/// The kinds of events after which triggers are not in force.
pub const SILENT: &str = "'disabled', 'dropped', 'missing'";

/// Whether a trigger `t` of ours is what was made: nothing in it passes changes by, it has its name, and it does not go
/// with an extension of somebody's. OFFSET: looked up by the index, trigger by trigger.
const IS_WHOLE: &str = "(t.tgqual IS NULL AND t.tgattr::pg_catalog.text = ''
    AND t.tgname = '00_dbm_audit_' || CASE t.tgtype WHEN 4 THEN 'insert' WHEN 16 THEN 'update' WHEN 8 THEN 'delete'
        WHEN 32 THEN 'truncate' WHEN 29 THEN 'row' ELSE '' END
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass
        AND d.objid = t.oid AND d.deptype = 'x' OFFSET 0))";

/// Whether the row `r` says of a table that is elsewhere, or that a restore made anew. `$1`: the database.
pub const IS_STALE: &str =
    "(r.home <> $1 OR NOT EXISTS (SELECT FROM pg_catalog.pg_class p WHERE p.oid = r.relid))";

/// The OID of a watched table. Where that of the log is another database's, or of a table that a restore made anew, its
/// name counts, but only where our trigger came along (others than those of a partition, which are its parent's), and the table is known by no row of its own: anybody may give a
/// table of his a name, and would be shown what became of another. `$1`: the database.
pub const OID: &str = "CASE
    WHEN r.home = $1 AND EXISTS (SELECT FROM pg_catalog.pg_class p WHERE p.oid = r.relid) THEN r.relid
    WHEN r.removed_at IS NULL THEN (
        SELECT p.oid FROM pg_catalog.pg_class p JOIN pg_catalog.pg_namespace s ON s.oid = p.relnamespace
        WHERE p.relname = r.table_name AND s.nspname = r.schema_name AND p.relkind IN ('r', 'p')
          AND EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgrelid = p.oid
                      AND g.tgfoid = 'dbm.write_audit_trail()'::pg_catalog.regprocedure
                      AND g.tgparentid = 0::pg_catalog.oid AND g.tgname <> '00_dbm_audit_truncate')
          AND NOT EXISTS (SELECT FROM dbm_trail.relation w WHERE w.home = $1 AND w.relid = p.oid)) END";

/// Whether the row `r` is that of the table of this OID, schema and name, in SQL: what [`OID`] says, found by the indexes of the
/// registry, whose collation is that of the database. `$1`: the database.
pub fn is_of(oid: &str, schema: &str, name: &str) -> String {
    format!(
        "(r.home = $1 AND r.relid = {oid} AND EXISTS (SELECT FROM pg_catalog.pg_class p WHERE p.oid = r.relid)
          OR r.removed_at IS NULL AND r.table_name = {name}::pg_catalog.text COLLATE pg_catalog.\"default\"
             AND r.schema_name = {schema}::pg_catalog.text COLLATE pg_catalog.\"default\" AND ({OID}) = {oid})"
    )
}

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
        assert!(sound().is_complete());
        for other in [gone, one_less, off, Watched { bare_partitions: 1, ..sound() }] {
            assert!(!other.is_complete(), "{other:?}");
        }
    }
}
