#!/usr/bin/env bash
# What upkeep of partitions costs others, and what goes wrong at the edges: dbmastery and pg_partman in one run.
# T10: a session whose maintenance failed stays open: does anybody else's do anything? T11: months of four odd zones, kept
# from a session in UTC: boundaries that are no first of a month there. T12: hours over the end of summer time: hours that no
# partition takes. T14: a partition added beside a default partition of DEFAULT_ROWS rows, by us and by a plain
# ATTACH: the longest wait of a writer.
# T15: WRITERS writers beside a reader that keeps its snapshot, alone and beside upkeep that creates and retires without end.
# T16: eight writers of INSERTs and UPDATEs and a reader that keeps its snapshot beside each of the three, creation, retention
# (concurrently, and beside a default partition) and drain (DRAIN_ROWS rows, three times): the longest transaction, the longest
# wait of a writer or reader for a lock by the server's log, deadlocks and errors.
# DEFAULT_ROWS (default 5000000), WRITERS (default 20), SECONDS_EACH (default 20), DRAIN_ROWS (default 200000). ONLY=T16 runs that alone.
set -euo pipefail
default_rows=${DEFAULT_ROWS:-5000000}
writers=${WRITERS:-20}
seconds=${SECONDS_EACH:-20}
drain_rows=${DRAIN_ROWS:-200000}
only=${ONLY:-}
scratch=${BENCH_SCRATCH:-$(mktemp -d)}
export PGOPTIONS='-c client_min_messages=error'

psql -X -q -d postgres -c 'CREATE DATABASE bench' -c 'ALTER DATABASE bench SET search_path = public'
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -d bench "$@"; }
sql <<'SQL'
CREATE SCHEMA partman;
CREATE EXTENSION pg_partman SCHEMA partman;
CREATE EXTENSION dbmastery;
CREATE SCHEMA theirs;
CREATE SCHEMA ours;
-- The ranges of the partitions of a table.
CREATE FUNCTION ranges(parent regclass) RETURNS TABLE (low timestamptz, high timestamptz) LANGUAGE sql AS $$
    SELECT m[1]::timestamptz, m[2]::timestamptz
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid,
         regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''([^'']+)''\) TO \(''([^'']+)''\)') AS m
    WHERE i.inhparent = parent AND m IS NOT NULL
$$;
SQL

if [ -z "$only" ]; then
# --- T10
sql > /dev/null <<'SQL'
CREATE TABLE theirs.sick (at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE theirs.well (LIKE theirs.sick) PARTITION BY RANGE (at);
CREATE TABLE ours.sick (LIKE theirs.sick) PARTITION BY RANGE (at);
CREATE TABLE ours.well (LIKE theirs.sick) PARTITION BY RANGE (at);
SELECT partman.create_parent('theirs.' || t, 'at', 'native', 'daily', p_premake := 4) FROM unnest('{sick,well}'::text[]) t;
SELECT dbm.partition_manage(t, 'day', on_missing => 'default') FROM unnest('{ours.sick,ours.well}'::regclass[]) t;
SELECT count(*) FROM dbm.partition_maintain();
INSERT INTO theirs.well VALUES (now());
INSERT INTO theirs.sick VALUES (now()), (now() + interval '5 days');
INSERT INTO ours.sick VALUES (now() + interval '5 days');
UPDATE partman.part_config SET premake = 6;
UPDATE dbm.partition_set SET premake = 6, not_before = NULL;
SQL
count() { sql -c "SELECT count(*) FROM pg_inherits WHERE inhparent = '$1'::regclass"; }
before_theirs=$(count theirs.well)
before_ours=$(count ours.well)
# Whoever repairs the table and keeps all of them comes while the first session is still there.
psql -X -q -d bench > /dev/null 2>&1 <<'SQL' || true
SELECT partman.run_maintenance();
\! psql -X -q -d bench -c "DELETE FROM theirs.sick_default" -c "SELECT partman.run_maintenance()" > /dev/null 2>&1
SQL
psql -X -q -d bench > /dev/null 2>&1 <<'SQL' || true
SELECT dbm.partition_maintain(at => 'infinity');
SELECT dbm.partition_maintain('ours.sick');
\! psql -X -q -d bench -c "SELECT dbm.partition_maintain()" > /dev/null 2>&1
SQL
echo "T10 partitions made for another table while a session stays open whose maintenance failed: ours $(($(count ours.well) - before_ours)), pg_partman $(($(count theirs.well) - before_theirs)), of 2"

# --- T11
for zone in Europe/Berlin Australia/Lord_Howe Pacific/Chatham America/St_Johns; do
    sql > /dev/null <<SQL
DELETE FROM partman.part_config;
DROP TABLE IF EXISTS theirs.months, ours.months;
SET timezone = '$zone';
CREATE TABLE theirs.months (at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE ours.months (at timestamptz NOT NULL) PARTITION BY RANGE (at);
SELECT partman.create_parent('theirs.months', 'at', 'native', 'monthly', p_premake := 1);
INSERT INTO theirs.months VALUES (now());
SELECT dbm.partition_manage('ours.months', 'month', premake => 1);
SELECT count(*) FROM dbm.partition_maintain('ours.months');
SET timezone = 'UTC';
UPDATE partman.part_config SET premake = 14;
UPDATE dbm.partition_set SET premake = 14;
SELECT partman.run_maintenance('theirs.months');
SELECT count(*) FROM dbm.partition_maintain('ours.months');
SQL
    wrong() { sql -c "SELECT count(*) FILTER (WHERE date_trunc('month', high, '$zone') <> high) || ' of ' || count(*) FROM ranges('$1.months')"; }
    echo "T11 boundaries that are no first of a month in $zone: ours $(wrong ours), pg_partman $(wrong theirs)"
done

# --- T12
sql > /dev/null <<'SQL'
SET timezone = 'America/New_York';
CREATE TABLE theirs.hours (at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE ours.hours (at timestamptz NOT NULL) PARTITION BY RANGE (at);
SELECT partman.create_parent('theirs.hours', 'at', 'native', 'hourly', p_premake := 1, p_start_partition := (now() - interval '40 days')::text);
SELECT dbm.partition_manage('ours.hours', 'hour', premake => 1, max_create => 2000);
SELECT count(*) FROM dbm.partition_maintain('ours.hours', now() - interval '40 days');
SELECT count(*) FROM dbm.partition_maintain('ours.hours');
SQL
lost() { sql -c "SELECT count(*) FROM generate_series(date_trunc('hour', now()) - interval '39 days', now(), '1 hour') h WHERE NOT EXISTS (SELECT FROM ranges('$1.hours') WHERE low <= h AND h < high)"; }
echo "T12 hours of the last 39 days in New York that no partition takes: ours $(lost ours), pg_partman $(lost theirs)"

# --- T14
sql > /dev/null <<SQL
DELETE FROM partman.part_config;
UPDATE dbm.partition_set SET is_enabled = false;
CREATE TABLE ours.late (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL, note text) PARTITION BY RANGE (at);
CREATE TABLE theirs.late (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL, note text) PARTITION BY RANGE (at);
CREATE TABLE theirs.late_default PARTITION OF theirs.late DEFAULT;
SELECT dbm.partition_manage('ours.late', 'day', premake => 1, on_missing => 'default');
SELECT count(*) FROM dbm.partition_maintain('ours.late');
INSERT INTO ours.late (at, note) SELECT '2200-01-01', 'much too early ' || i FROM generate_series(1, $default_rows) i;
INSERT INTO theirs.late (at, note) SELECT '2200-01-01', 'much too early ' || i FROM generate_series(1, $default_rows) i;
UPDATE dbm.partition_set SET premake = 4 WHERE parent = 'ours.late'::regclass;
VACUUM;
CHECKPOINT;
SQL
# longest SCHEMA STATEMENT: the longest that a writer of the default partition waits while the statement runs, in ms.
longest() {
    echo "INSERT INTO $1.late (at, note) VALUES ('2200-01-01', 'one more');" > "$scratch/write.sql"
    rm -f "$scratch"/late.*
    (cd "$scratch" && exec pgbench -n -f write.sql -c 1 -T 6000 -l --log-prefix=late bench > /dev/null 2>&1) &
    local writer=$!
    sleep 1
    sql -c "$2" > /dev/null
    sleep 0.5
    kill -ALRM "$writer" 2> /dev/null || true
    wait "$writer" || true
    sort -n -k 3 "$scratch"/late.* | tail -1 | awk '{ printf "%.0f", $3 / 1000 }'
}
mine=$(longest ours "SELECT count(*) FROM dbm.partition_maintain('ours.late')")
peer=$(longest theirs "CREATE TABLE theirs.late_next (LIKE theirs.late); ALTER TABLE theirs.late ATTACH PARTITION theirs.late_next FOR VALUES FROM ('2100-01-01') TO ('2100-01-02')")
made=$(sql -c "SELECT count(*) FROM ranges('ours.late') WHERE high > now() + interval '2 days'")
echo "T14 beside $default_rows rows in the default partition a writer waits at most $mine ms for $made partitions of ours, $peer ms for a plain ATTACH of one"

# --- T15
sql > /dev/null <<'SQL'
CREATE TABLE busy (id bigint GENERATED ALWAYS AS IDENTITY, n bigint NOT NULL, note text) PARTITION BY RANGE (n);
CREATE SEQUENCE clock;
SELECT dbm.partition_manage('busy', '10', premake => 4, retention_number => 30, max_retire => 1, origin => '0');
CREATE TABLE busy_first PARTITION OF busy FOR VALUES FROM (0) TO (50);
SQL
cat > "$scratch/busy.sql" <<'SQL'
INSERT INTO busy (n, note) SELECT last_value, 'entry' FROM clock;
SQL
run() {
    (cd "$scratch" && exec pgbench -n -f busy.sql -c "$writers" -j 2 -R 1000 -T 6000 -l --log-prefix="$1" bench > "$scratch/$1.said" 2>&1) &
    local load=$! end=$((SECONDS + seconds)) runs=0
    (echo 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM busy;'; sleep $((seconds + 2))) | psql -X -q -d bench > /dev/null &
    local reader=$!
    while [ $SECONDS -lt $end ]; do
        if [ "$1" = beside ]; then
            sql -c "SELECT setval('clock', last_value + 5) FROM clock" -c "SELECT count(*) FROM dbm.partition_maintain('busy')" > /dev/null
            runs=$((runs + 1))
        fi
        sleep 0.3
    done
    kill -ALRM "$load" 2> /dev/null || true
    wait "$load" || true
    wait "$reader" || true
    sort -n -k 3 "$scratch/$1".[0-9]* | awk -v w="$1" -v runs="$runs" '{ v[NR] = $3 / 1000 } END {
        printf "T15 writers %-7s %7d transactions, median %6.2f ms, 99 %% %6.2f ms, longest %7.1f ms, %d runs of upkeep\n",
            w, NR, v[int(NR / 2) + 1], v[int(NR * 0.99) + 1], v[NR], runs }'
}
run alone
run beside
sql -c "SELECT '    upkeep meanwhile: ' || string_agg(n || ' ' || action || ' ' || status, ', ' ORDER BY action, status) FROM (SELECT action, status, count(*) AS n FROM dbm.upkeep_log WHERE parent = 'public.busy' GROUP BY 1, 2) x"

fi

# --- T16
sql > /dev/null <<SQL
UPDATE dbm.partition_set SET is_enabled = false;
CREATE SEQUENCE hand;
SELECT format('CREATE TABLE %1\$s (id bigint GENERATED ALWAYS AS IDENTITY, n bigint NOT NULL, amount int NOT NULL DEFAULT 0, note text, PRIMARY KEY (id, n)) PARTITION BY RANGE (n);
    CREATE TABLE %1\$s_first PARTITION OF %1\$s FOR VALUES FROM (0) TO (10)', t) FROM unnest('{made,gone,gone_beside}'::text[]) t \gexec
CREATE TABLE gone_beside_default PARTITION OF gone_beside DEFAULT;
SELECT dbm.partition_manage('made', '10', premake => 4, origin => '0');
SELECT dbm.partition_manage('gone', '10', premake => 4, retention_number => 20, max_retire => 1, origin => '0');
SELECT dbm.partition_manage('gone_beside', '10', premake => 4, retention_number => 20, max_retire => 1, origin => '0', on_missing => 'default');
SELECT format('CREATE TABLE full_%1\$s (id bigint GENERATED ALWAYS AS IDENTITY, n bigint NOT NULL, amount int NOT NULL DEFAULT 0, note text, PRIMARY KEY (id, n)) PARTITION BY RANGE (n);
    CREATE TABLE full_%1\$s_default PARTITION OF full_%1\$s DEFAULT;
    CREATE TABLE full_%1\$s_last PARTITION OF full_%1\$s FOR VALUES FROM (300) TO (310);
    INSERT INTO full_%1\$s (n, note) SELECT 305, ''last'';
    INSERT INTO full_%1\$s (n, note) SELECT i %% 300, ''entry'' FROM generate_series(1, $drain_rows) i;
    SELECT dbm.partition_manage(''full_%1\$s'', ''10'', premake => 1, origin => ''0'', on_missing => ''default'', max_create => 100)', i) FROM generate_series(1, 3) i \gexec
VACUUM ANALYZE;
SQL
# An INSERT and UPDATEs of what was written lately, in one transaction.
cat > "$scratch/mixed.sql" <<'SQL'
\set back random(0, 2000)
BEGIN;
INSERT INTO :t (n, note) SELECT greatest(last_value - 1, 0), 'entry' FROM hand;
UPDATE :t SET amount = amount + 1 WHERE id = (SELECT last_value FROM :s) - :back;
COMMIT;
SQL
cat > "$scratch/full.sql" <<SQL
\set t random(1, 3)
\set id random(1, $drain_rows)
\set n random(0, 299)
BEGIN;
INSERT INTO full_:t (n, note) VALUES (:n, 'new');
UPDATE full_:t SET amount = amount + 1 WHERE id = :id;
COMMIT;
SQL
# mixed NAME SCRIPT STEP [OPTION…]: the script by eight clients and a reader with an old snapshot, while the step is run over
# and over until it returns something else than 0.
mixed() {
    local name=$1 script=$2 step=$3
    shift 3
    local from
    from=$(sql -c 'SELECT size FROM pg_stat_file(pg_current_logfile())')
    rm -f "$scratch/mixed".*[0-9]*
    (cd "$scratch" && PGAPPNAME=writer exec pgbench -n -f "$script" "$@" -c 8 -j 2 -R 600 -T 6000 -l --log-prefix=mixed bench > "$scratch/mixed.said" 2>&1) &
    local load=$! end=$((SECONDS + seconds)) place=0
    (while [ ! -e "$scratch/enough" ]; do echo "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM $name WHERE n < 0; SELECT pg_sleep(3); COMMIT;"; sleep 3.2; done) | psql -X -q -d bench > /dev/null &
    local reader=$!
    sleep 1
    while [ $SECONDS -lt $end ]; do
        place=$((place + 1))
        sql -c "SELECT setval('hand', (SELECT last_value FROM hand) + 8)" > /dev/null
        ${step} "$place" || break
        sleep 0.3
    done
    kill -ALRM "$load" 2> /dev/null || true
    wait "$load" || true
    touch "$scratch/enough"
    wait "$reader" || true
    rm -f "$scratch/enough"
    sql -c "SELECT pg_read_file(pg_current_logfile(), $from, 1000000000)" > "$scratch/log"
    local waited
    waited=$(grep -oE '(RowExclusiveLock|AccessShareLock|RowShareLock) on relation .* after [0-9.]+ ms' "$scratch/log" | grep -oE '[0-9.]+ ms$' | sort -g | tail -1 || true)
    sort -n -k 3 "$scratch"/mixed.[0-9]* | awk -v w="$name" -v waited="${waited:-less than 20 ms}" -v deadlocks="$(grep -c 'deadlock detected' "$scratch/log" || true)" \
        -v errors="$(grep 'ERROR:' "$scratch/log" | grep -vc 'canceling statement due to lock timeout' || true)" '{ v[NR] = $3 / 1000 } END {
        printf "T16 writers beside %-12s %6d transactions, 99 %% %6.2f ms, longest %6.1f ms; the longest wait for a lock %s; %d deadlocks, %d errors\n", w, NR, v[int(NR * 0.99) + 1], v[NR], waited, deadlocks, errors }'
    sql -c "SELECT '    upkeep meanwhile: ' || coalesce(string_agg(n || ' ' || action || ' ' || status, ', ' ORDER BY action, status), 'nothing') FROM (SELECT action, status, count(*) AS n FROM dbm.upkeep_log WHERE parent LIKE 'public.$name%' GROUP BY 1, 2) x"
}
kept() { sql -c "SELECT count(*) FROM dbm.partition_maintain('$upkept')" > /dev/null; }
for upkept in made gone gone_beside; do
    sql -c "SELECT setval('hand', 1)" -c "UPDATE dbm.partition_set SET is_enabled = parent = '$upkept'::regclass" > /dev/null
    mixed "$upkept" mixed.sql kept -D t="$upkept" -D s="${upkept}_id_seq"
done
sql -c "SELECT setval('hand', 300)" > /dev/null
drained() { [ "$1" -le 3 ] && sql -c "SELECT count(*) FROM dbm.partition_drain('full_$1')" > /dev/null; }
seconds=120 mixed full_1 full.sql drained
sql -c "SELECT '    ' || parent || ': ' || detail FROM dbm.upkeep_log WHERE parent LIKE 'public.full%' ORDER BY id"
