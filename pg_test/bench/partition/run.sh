#!/usr/bin/env bash
# Upkeep of partitions against pg_partman and against the bare statements, in one run on one server: processor seconds of
# the backend that asks and, for us, of the worker that does it, which writes them into the server's log.
# T1: SETS tables with nothing due. T3: one more partition for each. T4: three partitions of each dropped by retention.
# T7: one table of CHILDREN partitions: nothing due, one more, a hundred dropped. T9: one table among SETS that cannot be
# kept: how many of the others are. Each table has nine partitions of a day and a default partition, as pg_partman makes
# them; the table of T7 has no default partition for us, and so is detached concurrently. T5: NEW tables put under upkeep,
# with nine partitions and a default partition each. T6: MADE partitions made in one table.
# SETS (default 200), CHILDREN (default 2000), NEW (default 100), MADE (default 1000).
set -euo pipefail
sets=${SETS:-200}
children=${CHILDREN:-2000}
new=${NEW:-100}
made=${MADE:-1000}
export PGOPTIONS='-c client_min_messages=error'

psql -X -q -d postgres -c 'CREATE DATABASE bench' -c 'ALTER DATABASE bench SET search_path = public'
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -d bench "$@"; }
sql <<'SQL'
CREATE SCHEMA partman;
CREATE EXTENSION pg_partman SCHEMA partman;
CREATE EXTENSION dbmastery;
CREATE SCHEMA theirs;
CREATE SCHEMA ours;
CREATE SCHEMA bare;
-- User and system time of this backend, in seconds.
CREATE FUNCTION cpu() RETURNS float8 LANGUAGE sql VOLATILE AS $$
    SELECT (a[14]::float8 + a[15]::float8) / 100
    FROM regexp_split_to_array(pg_read_file('/proc/self/stat'), ' ') AS a
$$;
-- What the worker of the last run says that it used.
CREATE FUNCTION worker_cpu() RETURNS float8 LANGUAGE sql VOLATILE AS $$
    SELECT coalesce((SELECT m[1]::float8 + m[2]::float8
    FROM regexp_matches(pg_read_file(pg_current_logfile()), 'dbmastery: upkeep: [^\n]*user: ([0-9.]+) s, system: ([0-9.]+) s', 'g')
        WITH ORDINALITY AS x (m, place) ORDER BY place DESC LIMIT 1), 0)
$$;
CREATE FUNCTION worker_runs() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT count(*) FROM regexp_matches(pg_read_file(pg_current_logfile()), 'dbmastery: upkeep: ', 'g')
$$;
SQL

# cpu STATEMENT: runs it and prints the processor seconds of its backend.
cpu() {
    sql <<SQL
SELECT cpu() AS before \gset
\o /dev/null
$1
\o
SELECT round((cpu() - :before)::numeric, 2);
SQL
}
# ours STATEMENT: the same with those of the worker, if one was started.
ours() {
    sql <<SQL
SELECT cpu() AS before, worker_runs() AS runs \gset
\o /dev/null
$1
\o
SELECT round((cpu() - :before + CASE WHEN worker_runs() > :runs THEN worker_cpu() ELSE 0 END)::numeric, 2);
SQL
}
# print NAME OURS THEIRS BARE
print() {
    awk -v name="$1" -v ours="$2" -v theirs="$3" -v bare="${4:-}" 'BEGIN {
        printf "%-44s ours %7.2f s   pg_partman %8.2f s   %6.1f times", name, ours, theirs, theirs / (ours > 0.005 ? ours : 0.005)
        if (bare != "") printf "   bare statements %7.2f s, %.2f times", bare, ours / (bare > 0.005 ? bare : 0.005)
        print "" }'
}

echo "setting up $sets tables for each"
for schema in theirs ours bare; do
    sql <<SQL
SELECT format('CREATE TABLE $schema.t%s (id bigint, at timestamptz NOT NULL, note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)', i)
FROM generate_series(1, $sets) i \gexec
SQL
done
sql > /dev/null <<SQL
SELECT format('SELECT partman.create_parent(%L, ''at'', ''native'', ''daily'', p_premake := 4)', 'theirs.t' || i) FROM generate_series(1, $sets) i \gexec
SELECT format('CREATE TABLE %1\$s.t%2\$s_%3\$s PARTITION OF %1\$s.t%2\$s FOR VALUES FROM (%4\$L) TO (%5\$L)', s, i, d + 5,
    date_trunc('day', now()) + d * interval '1 day', date_trunc('day', now()) + (d + 1) * interval '1 day')
FROM (VALUES ('ours'), ('bare')) AS v (s), generate_series(1, $sets) i, generate_series(-4, 4) d \gexec
SELECT format('CREATE TABLE %s.t%s_default PARTITION OF %1\$s.t%2\$s DEFAULT', s, i) FROM (VALUES ('ours'), ('bare')) AS v (s), generate_series(1, $sets) i \gexec
-- A row in each partition of now: pg_partman looks for the newest partition with data.
SELECT format('INSERT INTO %s.t%s VALUES (1, now())', s, i) FROM (VALUES ('ours'), ('bare'), ('theirs')) AS v (s), generate_series(1, $sets) i \gexec
INSERT INTO dbm.partition_set (parent, key_kind, every, origin, premake, on_missing)
SELECT ('ours.t' || i)::regclass, 'timestamptz', '1 day', '2000-01-01 00:00:00+00', 4, 'default' FROM generate_series(1, $sets) i;
ANALYZE;
SQL

mine=$(ours 'SELECT count(*) FROM dbm.partition_maintain();')
peer=$(cpu "CALL partman.run_maintenance_proc(p_analyze := false);")
print "T1 nothing due in $sets tables" "$mine" "$peer"

sql -c "UPDATE dbm.partition_set SET premake = 5" -c "UPDATE partman.part_config SET premake = 5"
bare=$(cpu "SELECT format('CREATE TABLE bare.t%s_new (LIKE bare.t%1\$s INCLUDING COMMENTS INCLUDING COMPRESSION INCLUDING CONSTRAINTS INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING STATISTICS INCLUDING STORAGE); ALTER TABLE bare.t%1\$s ATTACH PARTITION bare.t%1\$s_new FOR VALUES FROM (%L) TO (%L)', i,
    date_trunc('day', now()) + interval '5 days', date_trunc('day', now()) + interval '6 days') FROM generate_series(1, $sets) i \\gexec")
mine=$(ours 'SELECT count(*) FROM dbm.partition_maintain();')
peer=$(cpu "CALL partman.run_maintenance_proc(p_analyze := false);")
print "T3 one partition for each of $sets tables" "$mine" "$peer" "$bare"
echo "   tables that got it: ours $(sql -c "SELECT count(*) FROM pg_class WHERE relnamespace = 'ours'::regnamespace AND relkind = 'r'"), theirs $(sql -c "SELECT count(*) FROM pg_class WHERE relnamespace = 'theirs'::regnamespace AND relkind = 'r'"), of $((sets * 11))"

sql -c "UPDATE dbm.partition_set SET retention = '1 day'" \
    -c "UPDATE partman.part_config SET retention = '1 day', retention_keep_table = false"
bare=$(cpu "SELECT format('DROP TABLE bare.t%s_%s', i, d) FROM generate_series(1, $sets) i, generate_series(1, 3) d \\gexec")
mine=$(ours 'SELECT count(*) FROM dbm.partition_maintain();')
peer=$(cpu "CALL partman.run_maintenance_proc(p_analyze := false);")
print "T4 three partitions dropped of each of $sets" "$mine" "$peer" "$bare"
sql -c "SELECT 'ours: ' || status || ' ' || count(*) FROM dbm.upkeep_log GROUP BY status, run ORDER BY 1" | sort | uniq -c | head -5

echo "setting up one table of $children partitions for each"
sql > /dev/null <<SQL
UPDATE partman.part_config SET automatic_maintenance = 'off';
UPDATE dbm.partition_set SET is_enabled = false;
CREATE TABLE theirs.big (id bigint, at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE ours.big (LIKE theirs.big) PARTITION BY RANGE (at);
CREATE TABLE bare.big (LIKE theirs.big) PARTITION BY RANGE (at);
SQL
# Two hundred a transaction, and the three tables at once: the server looks at all partitions for each new one.
for schema in ours bare theirs; do
    sql > /dev/null <<SQL &
SET synchronous_commit = off;
SELECT string_agg(format('CREATE TABLE $schema.big_p%s PARTITION OF $schema.big FOR VALUES FROM (%L) TO (%L)', to_char(day, 'YYYY_MM_DD'), day, day + interval '1 day'), ';' ORDER BY day)
FROM generate_series(date_trunc('day', now()) - ($children - 5) * interval '1 day', date_trunc('day', now()) + interval '4 days', '1 day') WITH ORDINALITY AS x (day, place)
GROUP BY place / 200 ORDER BY min(day) \gexec
SQL
done
wait
[ "$(sql -c "SELECT count(*) FROM pg_inherits WHERE inhparent IN ('ours.big'::regclass, 'bare.big'::regclass, 'theirs.big'::regclass)")" = $((children * 3)) ] || { echo "partitions are missing" >&2; exit 1; }
sql > /dev/null <<SQL
INSERT INTO ours.big VALUES (1, now());
INSERT INTO theirs.big VALUES (1, now());
INSERT INTO partman.part_config (parent_table, control, partition_type, partition_interval, premake, datetime_string, automatic_maintenance)
VALUES ('theirs.big', 'at', 'native', '1 day', 4, 'YYYY_MM_DD', 'on');
INSERT INTO dbm.partition_set (parent, key_kind, every, origin, premake)
VALUES ('ours.big'::regclass, 'timestamptz', '1 day', '2000-01-01 00:00:00+00', 4);
SQL
mine=$(ours "SELECT count(*) FROM dbm.partition_maintain('ours.big');")
peer=$(cpu "SELECT partman.run_maintenance('theirs.big', p_analyze := false);")
print "T7 nothing due in one of $children" "$mine" "$peer"
sql -c "UPDATE dbm.partition_set SET premake = 5" -c "UPDATE partman.part_config SET premake = 5"
bare=$(cpu "CREATE TABLE bare.big_new (LIKE bare.big INCLUDING DEFAULTS INCLUDING CONSTRAINTS); ALTER TABLE bare.big ATTACH PARTITION bare.big_new FOR VALUES FROM ('2200-01-01') TO ('2200-01-02');")
mine=$(ours "SELECT count(*) FROM dbm.partition_maintain('ours.big');")
peer=$(cpu "SELECT partman.run_maintenance('theirs.big', p_analyze := false);")
print "T7 one more" "$mine" "$peer" "$bare"
sql -c "UPDATE dbm.partition_set SET retention = make_interval(days => $children - 105)" \
    -c "UPDATE partman.part_config SET retention = ($children - 105) || ' days', retention_keep_table = false"
bare=$(cpu "SELECT format('DROP TABLE bare.%I', relname) FROM pg_class WHERE relnamespace = 'bare'::regnamespace AND relname LIKE 'big_p%' ORDER BY relname LIMIT 100 \\gexec")
before=$(sql -c "SELECT count(*) FROM pg_inherits WHERE inhparent = 'theirs.big'::regclass")
mine=$(ours "SELECT count(*) FROM dbm.partition_maintain('ours.big');")
peer=$(cpu "SELECT partman.run_maintenance('theirs.big', p_analyze := false);")
print "T7 retired: ours $(sql -c "SELECT count(*) FROM dbm.upkeep_log WHERE parent = 'ours.big' AND action = 'drop' AND status = 'done'"), theirs $((before - $(sql -c "SELECT count(*) FROM pg_inherits WHERE inhparent = 'theirs.big'::regclass")))" "$mine" "$peer" "$bare"

# T9: the future of one table lies in its default partition.
sql > /dev/null <<SQL
UPDATE partman.part_config SET automatic_maintenance = 'on', retention = NULL, premake = 7 WHERE parent_table <> 'theirs.big';
UPDATE partman.part_config SET automatic_maintenance = 'off' WHERE parent_table = 'theirs.big';
UPDATE dbm.partition_set SET is_enabled = true, retention = NULL, premake = 7;
INSERT INTO theirs.t1 VALUES (2, now() + interval '7 days');
INSERT INTO ours.t1 VALUES (2, now() + interval '7 days');
SQL
sql -c 'SELECT count(*) FROM dbm.partition_maintain()' > /dev/null
sql -c 'CALL partman.run_maintenance_proc(p_analyze := false)' > /dev/null 2>&1 || true
kept() { sql -c "SELECT count(*) FROM (SELECT i.inhparent FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent JOIN pg_class p ON p.oid = i.inhrelid WHERE c.relnamespace = '$1'::regnamespace AND c.relkind = 'p' AND c.relname LIKE 't%' GROUP BY 1 HAVING bool_or(strpos(pg_get_expr(p.relpartbound, p.oid), 'FROM (''' || (now() + interval '7 days')::date) > 0)) x"; }
echo "T9 one table of $sets cannot be kept: ours keeps $(kept ours), pg_partman $(kept theirs); recorded by ours: $(sql -c "SELECT count(DISTINCT parent) FROM dbm.upkeep_log WHERE status IN ('failed', 'due')")"

sql > /dev/null <<SQL
UPDATE partman.part_config SET automatic_maintenance = 'off';
UPDATE dbm.partition_set SET is_enabled = false;
SELECT format('CREATE TABLE %s.new%s (id bigint, at timestamptz NOT NULL, note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)', s, i)
FROM (VALUES ('ours'), ('theirs')) AS v (s), generate_series(1, $new) i \gexec
CREATE TABLE theirs.many (id bigint, at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE ours.many (LIKE theirs.many) PARTITION BY RANGE (at);
CREATE TABLE bare.many (LIKE theirs.many) PARTITION BY RANGE (at);
SQL
mine=$(ours "SELECT dbm.partition_manage(format('ours.new%s', i)::regclass, 'day', premake => 8, on_missing => 'default') FROM generate_series(1, $new) i; SELECT count(*) FROM dbm.partition_maintain();")
peer=$(cpu "SELECT format('SELECT partman.create_parent(%L, ''at'', ''native'', ''daily'', p_premake := 4)', 'theirs.new' || i) FROM generate_series(1, $new) i \\gexec")
print "T5 $new tables put under upkeep" "$mine" "$peer"
partitions() { sql -c "SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent WHERE c.relnamespace = '$1'::regnamespace AND c.relkind = 'p' AND c.relname LIKE '$2'"; }
echo "   partitions made: ours $(partitions ours 'new%'), theirs $(partitions theirs 'new%')"

bare=$(cpu "SELECT format('CREATE TABLE bare.many_%s (LIKE bare.many INCLUDING COMMENTS INCLUDING COMPRESSION INCLUDING CONSTRAINTS INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING STATISTICS INCLUDING STORAGE); ALTER TABLE bare.many ATTACH PARTITION bare.many_%1\$s FOR VALUES FROM (%L) TO (%L)', i,
    date_trunc('day', now()) + i * interval '1 day', date_trunc('day', now()) + (i + 1) * interval '1 day') FROM generate_series(1, $made) i \\gexec")
sql -c "SELECT dbm.partition_manage('ours.many', 'day', premake => $made - 1, max_create => $made)" > /dev/null
mine=$(ours "SELECT count(*) FROM dbm.partition_maintain('ours.many');")
peer=$(cpu "SELECT partman.create_parent('theirs.many', 'at', 'native', 'daily', p_premake := 1, p_start_partition := (now() - ($made - 2) * interval '1 day')::text);")
print "T6 $made partitions made in one table" "$mine" "$peer" "$bare"
echo "   partitions made: ours $(partitions ours many), theirs $(partitions theirs many)"
