use super::*;
use crate::catalog::sample::{GIST, HASH, Sample, run};
use crate::catalog::types::builtin;
use crate::catalog::{ConstraintKind, Snapshot};
use crate::index::rules::{DUPLICATE_INDEX, REDUNDANT_INDEX, UNUSED_INDEX};
use crate::index::testing::*;

const GIN: Oid = 2742;

fn rows(snapshot: &Snapshot) -> Vec<DuplicateIndex> {
    ask(snapshot, |facts| duplicate_indexes(facts, &Limits { minimum_bytes: 0, ..Limits::default() }))
}

/// `(drop, keep, kind)` of every row.
fn said(sample: Sample) -> Vec<(String, String, Kind)> {
    let snapshot = sample.finish();
    rows(&snapshot).into_iter().map(|row| (row.drop_index, row.keep_index, row.kind)).collect()
}

fn duplicate(drop: &str, keep: &str) -> Vec<(String, String, Kind)> {
    vec![(format!("public.{drop}"), format!("public.{keep}"), Kind::Duplicate)]
}

fn redundant(drop: &str, keep: &str) -> Vec<(String, String, Kind)> {
    vec![(format!("public.{drop}"), format!("public.{keep}"), Kind::Redundant)]
}

fn scanned(sample: &mut Sample, index: Oid, scans: i64) {
    sample.edit_index(index, |index| {
        index.statistics = Some(crate::catalog::IndexStatistics { scans, ..Default::default() });
    });
}

#[test]
fn two_equal_indexes() {
    let (mut sample, t) = one_table();
    sample.index(t, "i1", &["a"]);
    sample.index(t, "i2", &["a"]);
    assert_eq!(said(sample), duplicate("i2", "i1"));
}

#[test]
fn the_one_that_is_scanned_more_stays_then_the_smaller() {
    let (mut sample, t) = one_table();
    sample.index(t, "i1", &["a"]);
    let i2 = sample.index(t, "i2", &["a"]);
    scanned(&mut sample, i2, 7);
    let i3 = sample.index(t, "i3", &["b"]);
    sample.edit_index(i3, |index| index.pages = 50);
    sample.index(t, "i4", &["b"]);
    assert_eq!(said(sample), [duplicate("i3", "i4"), duplicate("i1", "i2")].concat());
}

#[test]
fn the_beginning_of_a_longer_index() {
    let (mut sample, t) = one_table();
    sample.index(t, "short", &["a"]);
    sample.index(t, "long", &["a", "b"]);
    assert_eq!(said(sample), redundant("short", "long"));
}

#[test]
fn the_end_of_a_longer_index_is_not_its_beginning() {
    let (mut sample, t) = one_table();
    sample.index(t, "short", &["b"]);
    sample.index(t, "long", &["a", "b"]);
    sample.index(t, "other", &["b", "a", "c"]);
    sample.edit_column(t, "b", |column| column.not_null = true);
    assert_eq!(said(sample), redundant("short", "other"));
}

#[test]
fn a_chain_leads_to_an_index_that_stays() {
    let (mut sample, t) = one_table();
    for (name, columns) in
        [("one", &["a"][..]), ("again", &["a"]), ("two", &["a", "b"]), ("three", &["a", "b", "c"])]
    {
        sample.index(t, name, columns);
    }
    let said = said(sample);
    assert_eq!(said.len(), 3);
    assert!(said.iter().all(|(_, keep, kind)| keep == "public.three" && *kind == Kind::Redundant));
}

#[test]
fn another_direction_of_one_key_is_another_index() {
    let (mut sample, t) = one_table();
    sample.index(t, "up", &["a", "b"]);
    let mixed = sample.index(t, "mixed", &["a", "b"]);
    sample.edit_index(mixed, |index| {
        index.keys[1].descending = true;
        index.keys[1].nulls_first = true;
    });
    assert!(said(sample).is_empty());
}

#[test]
fn an_index_read_backwards_is_the_same_if_nulls_turn_too() {
    let (mut sample, t) = one_table();
    sample.index(t, "up", &["a", "b"]);
    let down = sample.index(t, "down", &["a", "b"]);
    sample.edit_index(down, |index| {
        for key in &mut index.keys {
            (key.descending, key.nulls_first) = (true, true);
        }
    });
    let nulls_last = sample.index(t, "nulls_last", &["a", "b"]);
    sample.edit_index(nulls_last, |index| {
        for key in &mut index.keys {
            key.descending = true;
        }
    });
    let snapshot = sample.finish();
    let rows = rows(&snapshot);
    assert_eq!(rows.len(), 1);
    assert_eq!((&*rows[0].drop_index, &*rows[0].keep_index), ("public.up", "public.down"));
    assert_eq!(rows[0].reason, "it is public.down read backwards");
}

#[test]
fn a_descending_beginning_is_redundant_too() {
    let (mut sample, t) = one_table();
    let down = sample.index(t, "down", &["a"]);
    sample.edit_index(down, |index| (index.keys[0].descending, index.keys[0].nulls_first) = (true, true));
    sample.index(t, "long", &["a", "b"]);
    assert_eq!(said(sample), redundant("down", "long"));
}

#[test]
fn predicates_and_expressions_distinguish() {
    let (mut sample, t) = one_table();
    for (name, predicate) in [("p1", "{ A }"), ("p2", "{ B }")] {
        let index = sample.index(t, name, &["a"]);
        sample.edit_index(index, |index| index.predicate = Some(predicate.into()));
    }
    // A partial index beside a complete one, shorter and longer.
    sample.index(t, "complete", &["a"]);
    let longer = sample.index(t, "longer", &["a", "b"]);
    sample.edit_index(longer, |index| index.predicate = Some("{ C }".into()));
    index_on_expression(&mut sample, t, "lower", "{ LOWER }", &[]);
    index_on_expression(&mut sample, t, "upper", "{ UPPER }", &[]);
    assert!(said(sample).is_empty());
}

#[test]
fn equal_expressions_are_equal_and_begin_longer_ones() {
    let (mut sample, t) = one_table();
    index_on_expression(&mut sample, t, "e1", "{ LOWER }", &[]);
    index_on_expression(&mut sample, t, "e2", "{ LOWER }", &[]);
    assert_eq!(said(sample), duplicate("e2", "e1"));
    let (mut sample, t) = one_table();
    index_on_expression(&mut sample, t, "short", "{ LOWER }", &[]);
    index_on_expression(&mut sample, t, "long", "{ LOWER }", &["b"]);
    assert_eq!(said(sample), redundant("short", "long"));
}

#[test]
fn equal_partial_indexes_are_equal() {
    let (mut sample, t) = one_table();
    for name in ["p1", "p2"] {
        let index = sample.index(t, name, &["a"]);
        sample.edit_index(index, |index| index.predicate = Some("{ A }".into()));
    }
    assert_eq!(said(sample), duplicate("p2", "p1"));
}

#[test]
fn method_operator_class_and_collation_distinguish() {
    let (mut sample, t) = one_table();
    sample.index(t, "btree", &["s"]);
    sample.index_by(t, "hash", &["s"], HASH);
    sample.index_by(t, "gin", &["s"], GIN);
    sample.index(t, "longer", &["s", "a"]);
    let pattern = sample.index(t, "pattern", &["s"]);
    sample.edit_index(pattern, |index| index.keys[0].opclass = 10_049);
    let icu = sample.index(t, "icu", &["s"]);
    sample.edit_index(icu, |index| index.keys[0].collation = 12_345);
    assert_eq!(said(sample), redundant("btree", "longer"));
}

#[test]
fn an_operator_class_of_the_same_family_and_type_is_the_same() {
    let (mut sample, t) = one_table();
    sample.index(t, "i1", &["s"]);
    let by_name = sample.index(t, "i2", &["s"]);
    let class = Sample::opclass(crate::catalog::sample::BTREE, builtin::TEXT);
    let mut alias = sample.snapshot.operator_classes[&class].clone();
    (alias.oid, alias.name, alias.is_default) = (77, "varchar_ops".into(), false);
    sample.snapshot.operator_classes.insert(77, alias);
    sample.edit_index(by_name, |index| index.keys[0].opclass = 77);
    assert_eq!(said(sample), duplicate("i2", "i1"));
}

#[test]
fn the_plain_one_beside_a_unique_one_goes_not_the_other_way_round() {
    let (mut sample, t) = one_table();
    let plain = sample.index(t, "plain", &["a"]);
    scanned(&mut sample, plain, 1_000);
    let unique = sample.index(t, "unique_a", &["a"]);
    sample.edit_index(unique, |index| index.is_unique = true);
    assert_eq!(said(sample), duplicate("plain", "unique_a"));
}

#[test]
fn what_keeps_values_unique_is_no_beginning() {
    let (mut sample, t) = one_table();
    let unique = sample.index(t, "unique_a", &["a"]);
    sample.edit_index(unique, |index| index.is_unique = true);
    sample.primary_key(t, &["a", "b"]);
    let identity = sample.index(t, "identity", &["c"]);
    sample.edit_index(identity, |index| (index.is_unique, index.is_replica_identity) = (true, true));
    sample.index(t, "longer", &["c", "d"]);
    assert!(said(sample).is_empty());
}

#[test]
fn a_unique_constraint_beside_the_primary_key_goes_with_its_constraint() {
    let (mut sample, t) = one_table();
    sample.primary_key(t, &["a"]);
    sample.keyed_constraint(t, "uq_a", &["a"], ConstraintKind::Unique);
    let snapshot = sample.finish();
    let rows = rows(&snapshot);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].keep_index, "public.t_pkey");
    assert_eq!(rows[0].drop_sql, "ALTER TABLE public.t DROP CONSTRAINT uq_a;");
    assert_eq!(
        rows[0].recreate_sql.as_deref(),
        Some(
            "CREATE UNIQUE INDEX CONCURRENTLY uq_a ON public.t USING btree (a);\n\
             ALTER TABLE public.t ADD CONSTRAINT uq_a UNIQUE USING INDEX uq_a;"
        )
    );
    assert_eq!(
        rows[0].reason,
        "the planner sees no difference to public.t_pkey, which backs the primary key t_pkey"
    );
}

#[test]
fn a_plain_index_gives_way_to_a_unique_one_and_the_reason_says_why_that_one() {
    let (mut sample, t) = one_table();
    sample.index(t, "plain", &["a"]);
    let unique = sample.index(t, "strict", &["a"]);
    sample.edit_index(unique, |index| index.is_unique = true);
    let rows = rows(&sample.finish());
    // What scans count is the matter of whoever looks for unused indexes.
    assert_eq!(rows[0].reason, "the planner sees no difference to public.strict, which keeps values unique");
}

#[test]
fn what_a_foreign_key_refers_to_stays_and_the_other_unique_one_goes() {
    let (mut sample, t) = one_table();
    let referenced = sample.keyed_constraint(t, "z_referenced", &["a"], ConstraintKind::Unique);
    sample.keyed_constraint(t, "a_second", &["a"], ConstraintKind::Unique);
    let child = plain_table(&mut sample, "child");
    let key = sample.foreign_key(child, &["a"], t, &["a"]);
    sample.edit_constraint(key, |constraint| constraint.index = referenced);
    assert_eq!(said(sample), duplicate("a_second", "z_referenced"));
    // Where both are needed, none goes.
    let (mut sample, t) = one_table();
    sample.primary_key(t, &["a"]);
    let referenced = sample.keyed_constraint(t, "referenced", &["a"], ConstraintKind::Unique);
    let child = plain_table(&mut sample, "child");
    let key = sample.foreign_key(child, &["a"], t, &["a"]);
    sample.edit_constraint(key, |constraint| constraint.index = referenced);
    assert!(said(sample).is_empty());
}

#[test]
fn a_deferrable_constraint_gives_way_to_a_strict_one_only() {
    let (mut sample, t) = one_table();
    sample.keyed_constraint(t, "strict", &["a"], ConstraintKind::Unique);
    let deferrable = sample.keyed_constraint(t, "late", &["a"], ConstraintKind::Unique);
    sample.edit_index(deferrable, |index| index.is_immediate = false);
    let position = sample.snapshot.constraints.len() - 1;
    sample.snapshot.constraints[position].is_deferrable = true;
    let snapshot = sample.finish();
    let rows = rows(&snapshot);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].drop_index, "public.late");
    let recreate = rows[0].recreate_sql.as_deref().unwrap();
    assert!(recreate.ends_with("UNIQUE USING INDEX late DEFERRABLE INITIALLY DEFERRED;"), "{recreate}");
}

#[test]
fn nulls_not_distinct_is_another_uniqueness() {
    let (mut sample, t) = one_table();
    for (name, nulls_not_distinct) in [("u1", false), ("u2", true)] {
        let index = sample.index(t, name, &["a"]);
        sample.edit_index(index, |index| {
            index.is_unique = true;
            index.nulls_not_distinct = nulls_not_distinct;
        });
    }
    assert!(said(sample).is_empty());
}

#[test]
fn include_columns_count_as_a_set() {
    let (mut sample, t) = one_table();
    index_including(&mut sample, t, "with_b", &["a", "b"], 1);
    index_including(&mut sample, t, "with_c", &["a", "c"], 1);
    sample.index(t, "bare", &["a"]);
    assert!(said(sample).is_empty());
    let (mut sample, t) = one_table();
    index_including(&mut sample, t, "bc", &["a", "b", "c"], 2);
    index_including(&mut sample, t, "cb", &["a", "c", "b"], 2);
    assert_eq!(said(sample), duplicate("cb", "bc"));
}

#[test]
fn columns_one_and_ten_are_not_mixed_up() {
    let mut sample = Sample::new();
    let t = sample.table("t");
    for number in 1..=11 {
        sample.column(t, &format!("a{number}"), builtin::INT8);
    }
    sample.index(t, "i1", &["a1"]);
    sample.index(t, "i10", &["a10", "a2"]);
    sample.index(t, "i11", &["a11"]);
    assert!(said(sample).is_empty());
}

#[test]
fn a_plain_index_beside_an_exclusion_constraint_goes() {
    let (mut sample, t) = one_table();
    let exclusion = sample.keyed_constraint(t, "no_overlap", &["a"], ConstraintKind::Exclusion);
    let plain = sample.index(t, "plain", &["a"]);
    for index in [exclusion, plain] {
        sample.edit_index(index, |index| index.access_method = GIST);
    }
    scanned(&mut sample, plain, 9);
    assert_eq!(said(sample), duplicate("plain", "no_overlap"));
}

#[test]
fn the_one_that_cluster_uses_stays() {
    let (mut sample, t) = one_table();
    let clustered = sample.index(t, "z_clustered", &["a"]);
    sample.edit_index(clustered, |index| index.is_clustered = true);
    let busy = sample.index(t, "busy", &["a"]);
    scanned(&mut sample, busy, 1_000_000);
    assert_eq!(said(sample), duplicate("busy", "z_clustered"));
}

#[test]
fn an_invalid_index_is_no_duplicate() {
    let (mut sample, t) = one_table();
    sample.index(t, "i1", &["a"]);
    let broken = sample.index(t, "i2", &["a"]);
    sample.edit_index(broken, |index| index.is_valid = false);
    assert!(said(sample).is_empty());
}

fn partitioned() -> Sample {
    let (mut sample, t) = one_table();
    sample.index(t, "i1", &["a"]);
    sample.index(t, "i2", &["a"]);
    for name in ["p1", "p2"] {
        let partition = plain_table(&mut sample, name);
        partition_with_indexes(&mut sample, t, partition, name);
    }
    sample
}

#[test]
fn a_partition_tree_is_told_once_and_brought_back_whole() {
    let snapshot = partitioned().finish();
    let rows = rows(&snapshot);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].size_bytes, 2 * 5 * 8192);
    assert_eq!(rows[0].drop_sql, "DROP INDEX public.i2;");
    assert_eq!(
        rows[0].recreate_sql.as_deref(),
        Some(
            "CREATE INDEX i2 ON ONLY public.t USING btree (a);\n\
             CREATE INDEX CONCURRENTLY p1_i2 ON public.p1 USING btree (a);\n\
             ALTER INDEX public.i2 ATTACH PARTITION public.p1_i2;\n\
             CREATE INDEX CONCURRENTLY p2_i2 ON public.p2 USING btree (a);\n\
             ALTER INDEX public.i2 ATTACH PARTITION public.p2_i2;"
        )
    );
}

#[test]
fn a_partition_s_own_index_gives_way_to_the_attached_one() {
    let mut sample = partitioned();
    let p1 = sample.snapshot.relations.iter().find(|relation| &*relation.name == "p1").unwrap().oid;
    let own = sample.index(p1, "a_own", &["a"]);
    scanned(&mut sample, own, 5);
    // The tree's indexes are used too: what is used never gives way to what is not.
    for name in ["p2_i1", "p2_i2"] {
        let oid = sample.snapshot.indexes.iter().find(|index| &*index.name == name).unwrap().oid;
        scanned(&mut sample, oid, 100);
    }
    let said = said(sample);
    assert_eq!(said.len(), 2);
    assert!(said.contains(&duplicate("a_own", "p1_i1")[0]), "{said:?}");
    assert!(said.contains(&duplicate("i2", "i1")[0]));
}

/// How many findings a rule has where files are as large as the indexes say.
fn found(rule: &crate::finding::Rule, snapshot: &Snapshot) -> usize {
    ask(snapshot, |facts| {
        let thresholds = |name: &str| rule.default_threshold(name);
        let mut verdicts = crate::finding::Verdicts::new(&thresholds);
        (rule.check)(facts, &mut verdicts);
        verdicts.findings.len()
    })
}

#[test]
fn a_used_index_does_not_give_way_to_an_unused_one() {
    let (mut sample, t) = one_table();
    let short = sample.index(t, "short", &["a"]);
    scanned(&mut sample, short, 500);
    let long = sample.index(t, "long", &["a", "b"]);
    sample.edit_index(long, |index| index.pages = 1_000);
    let snapshot = sample.finish();
    assert!(rows(&snapshot).is_empty());
    assert_eq!((found(&REDUNDANT_INDEX, &snapshot), found(&UNUSED_INDEX, &snapshot)), (0, 1));
}

#[test]
fn two_unused_ones_are_left_to_the_rule_on_unused_ones() {
    let (mut sample, t) = one_table();
    for name in ["i1", "i2"] {
        let index = sample.index(t, name, &["a"]);
        sample.edit_index(index, |index| index.pages = 1_000);
    }
    let snapshot = sample.finish();
    assert_eq!((found(&DUPLICATE_INDEX, &snapshot), found(&UNUSED_INDEX, &snapshot)), (0, 2));
    // The function tells all the same.
    assert_eq!(rows(&snapshot).len(), 1);
}

#[test]
fn the_rules_share_the_rows() {
    let (mut sample, t) = one_table();
    sample.index(t, "i1", &["a"]);
    sample.index(t, "i2", &["a"]);
    sample.index(t, "j1", &["b"]);
    sample.index(t, "j2", &["b", "c"]);
    let snapshot = sample.finish();
    let (findings, unknowns, examined) = run(&DUPLICATE_INDEX, &snapshot);
    assert_eq!((findings.len(), unknowns.len(), examined), (1, 0, 1));
    assert_eq!(findings[0].object, "public.i2");
    assert_eq!(findings[0].fix.as_deref(), Some("DROP INDEX CONCURRENTLY public.i2;"));
    assert!(findings[0].undo.as_deref().unwrap().starts_with("CREATE INDEX CONCURRENTLY "));
    let (findings, ..) = run(&REDUNDANT_INDEX, &snapshot);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].object, "public.j1");
}

#[test]
fn materialised_views_count_and_extensions_do_not() {
    let (mut sample, t) = one_table();
    sample.edit_table(t, |table| table.kind = crate::catalog::RelationKind::MaterializedView);
    sample.index(t, "i1", &["a"]);
    sample.index(t, "i2", &["a"]);
    let foreign = plain_table(&mut sample, "owned");
    sample.index(foreign, "o1", &["a"]);
    sample.index(foreign, "o2", &["a"]);
    sample.snapshot.extension_members.insert((1259, foreign));
    assert_eq!(said(sample), duplicate("i2", "i1"));
}
