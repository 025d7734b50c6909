use super::super::key::{Edge, KeyKind, Range};
use super::super::sample;
use super::super::set::{FENCE, Shape, ShapePart};
use super::super::upkeep::Action;
use super::*;
use crate::catalog::ReplicaIdentity;

const DAY: KeyKind = KeyKind::Date;

fn plain() -> Creation {
    creation("public.orders", "public", "orders_2026_12", "FROM (1) TO (2)", &Pattern::default(), "")
}

#[test]
fn a_partition_is_made_beside_and_attached() {
    let made = plain();
    assert_eq!(
        made.beside,
        [
            "CREATE TABLE public.orders_2026_12 (LIKE public.orders INCLUDING COMMENTS INCLUDING COMPRESSION INCLUDING CONSTRAINTS INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING STATISTICS INCLUDING STORAGE)"
        ]
    );
    assert_eq!(
        made.attach,
        "ALTER TABLE public.orders ATTACH PARTITION public.orders_2026_12 FOR VALUES FROM (1) TO (2)"
    );
    assert_eq!(made.after, [""; 0]);
}

#[test]
fn what_is_not_inherited_is_repeated() {
    let pattern = Pattern {
        tablespace: Some("Fast disk".to_owned()),
        access_method: Some("heap".to_owned()),
        is_unlogged: true,
        options: vec!["fillfactor=70".to_owned(), "toast.autovacuum_enabled=false".to_owned()],
        replica_identity: ReplicaIdentity::Full,
        comment: Some("it's".to_owned()),
        indexes: vec![("UNIQUE INDEX".to_owned(), "USING btree (id)".to_owned())],
        constraints: vec!["PRIMARY KEY (id)".to_owned()],
        columns: vec!["ALTER COLUMN note SET STATISTICS 500".to_owned()],
        publications: vec!["Pub".to_owned()],
        source: Source {
            grants: vec![("SELECT (note)".to_owned(), "\"R\" WITH GRANT OPTION".to_owned())],
            policies: vec![("own".to_owned(), "AS PERMISSIVE FOR SELECT TO PUBLIC USING (true)".to_owned())],
            has_row_security: true,
            forces_row_security: true,
        },
        shape: None,
    };
    let made = creation("public.orders", "public", "P", "DEFAULT", &pattern, "");
    assert!(made.beside[0].starts_with("CREATE UNLOGGED TABLE public.\"P\" (LIKE public.orders "));
    assert!(made.beside[0].ends_with(
        " USING heap WITH (fillfactor=70, toast.autovacuum_enabled=false) TABLESPACE \"Fast disk\""
    ));
    assert_eq!(
        made.beside[1..],
        [
            "ALTER TABLE public.\"P\" ALTER COLUMN note SET STATISTICS 500",
            "ALTER TABLE public.\"P\" REPLICA IDENTITY FULL",
            "ALTER TABLE public.\"P\" ADD PRIMARY KEY (id)",
            "CREATE UNIQUE INDEX ON public.\"P\" USING btree (id)",
            "CREATE POLICY own ON public.\"P\" AS PERMISSIVE FOR SELECT TO PUBLIC USING (true)",
            "ALTER TABLE public.\"P\" ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE public.\"P\" FORCE ROW LEVEL SECURITY",
            "COMMENT ON TABLE public.\"P\" IS 'it''s'",
        ]
    );
    assert_eq!(made.open, ["GRANT SELECT (note) ON TABLE public.\"P\" TO \"R\" WITH GRANT OPTION"]);
    assert_eq!(made.after, ["ALTER PUBLICATION \"Pub\" ADD TABLE ONLY public.\"P\""]);
}

#[test]
fn a_partition_of_partitions_gets_partitions_like_those_of_its_model() {
    let part =
        |name: &str, bound: &str, shape| ShapePart { name: name.to_owned(), bound: bound.to_owned(), shape };
    let inner = Shape {
        by: "HASH (id)".to_owned(),
        parts: vec![part("orders_1_eu_0", "FOR VALUES WITH (modulus 1, remainder 0)", None)],
    };
    let shape = Shape {
        by: "LIST (region)".to_owned(),
        parts: vec![
            part("orders_1_eu", "FOR VALUES IN ('eu')", Some(inner)),
            part("elsewhere", "DEFAULT", None),
        ],
    };
    let pattern =
        Pattern { shape: Some(shape), options: vec!["fillfactor=70".to_owned()], ..Pattern::default() };
    let made = creation("public.orders", "public", "orders_2", "FROM (1) TO (2)", &pattern, "orders_1");
    assert!(made.beside[0].ends_with(") PARTITION BY LIST (region)"), "{}", made.beside[0]);
    assert_eq!(
        made.beside[1..],
        [
            "CREATE TABLE public.orders_2_eu PARTITION OF public.orders_2 FOR VALUES IN ('eu') PARTITION BY HASH (id)",
            "CREATE TABLE public.orders_2_eu_0 PARTITION OF public.orders_2_eu FOR VALUES WITH (modulus 1, remainder 0)",
            "CREATE TABLE public.orders_2_2 PARTITION OF public.orders_2 DEFAULT",
        ]
    );
    assert_eq!(
        made.tables,
        ["public.orders_2", "public.orders_2_eu_0", "public.orders_2_eu", "public.orders_2_2"],
        "all that is made has to be closed"
    );
}

#[test]
fn a_fence_keeps_its_name_within_bounds() {
    let fence = fence("public.orders_default", &"ä".repeat(31), "at >= '2026-12-01' AND at < '2027-01-01'");
    assert!(fence.name.len() <= 63 && fence.name.starts_with(FENCE), "{}", fence.name);
    assert!(fence.add.ends_with("CHECK (NOT (at >= '2026-12-01' AND at < '2027-01-01')) NOT VALID"));
    assert!(fence.remove.starts_with("ALTER TABLE public.orders_default DROP CONSTRAINT IF EXISTS "));
}

#[test]
fn a_range_is_a_condition() {
    let mut set = sample::set("orders", DAY);
    assert_eq!(
        inside(&set, DAY, &Range::between(0, 31)).as_deref(),
        Some("at >= '2000-01-01' AND at < '2000-02-01'")
    );
    let open = Range { low: Edge::MinValue, high: Edge::At(0) };
    assert_eq!(inside(&set, DAY, &open).as_deref(), Some("at < '2000-01-01'"));
    assert_eq!(inside(&set, DAY, &Range { low: Edge::MinValue, high: Edge::MaxValue }), None);
    let strange = Range { low: Edge::Other("x".to_owned()), high: Edge::At(0) };
    assert_eq!(inside(&set, DAY, &strange), None);
    set.key_columns = vec![None];
    assert_eq!(inside(&set, DAY, &Range::between(0, 31)), None);
}

#[test]
fn the_locks_of_an_action_are_told() {
    let mut set = sample::set_of("orders", DAY, &[(0, 31)]);
    set.references = vec!["public.customer".to_owned()];
    let create = Action::Create { name: "orders_2".to_owned(), range: Range::between(31, 60) };
    assert_eq!(
        locks(&create, &set),
        "SHARE UPDATE EXCLUSIVE on public.orders; SHARE ROW EXCLUSIVE on public.customer"
    );
    assert_eq!(strong_waits(&create, &set), 1);
    let default = sample::partition(&set, None);
    set.partitions.push(default);
    assert_eq!(
        locks(&create, &set),
        "SHARE UPDATE EXCLUSIVE on public.orders; ACCESS EXCLUSIVE on public.orders_2; SHARE ROW EXCLUSIVE on public.customer"
    );
    assert_eq!(strong_waits(&create, &set), 2);
    let retire = Action::Retire { partition: 1_001, name: "orders_1".to_owned(), concurrently: false };
    assert_eq!(
        locks(&retire, &set),
        "ACCESS EXCLUSIVE on public.orders; ACCESS EXCLUSIVE on public.orders_2; ACCESS EXCLUSIVE on public.orders_1"
    );
    assert_eq!(strong_waits(&retire, &set), 3);
}
