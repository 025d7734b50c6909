#!/usr/bin/env bash
# A default partition emptied into partitions of a day: ROWS rows of 30 days, by dbm.partition_drain() and by pg_partman's
# partition_data_proc(), on the same rows, taking turns: seconds, WAL, and how many rows a reader missed at worst who counts
# them all the time. Ours also says how long everybody waited for the swap.
# Then a copy of COPY_ROWS rows of a table under load, as a conversion makes it: how long a writer's transaction took, at
# most, alone and beside the copy. ROWS (default 1000000), COPY_ROWS (default 5000000), ROUNDS (default 3).
set -euo pipefail
rows=${ROWS:-1000000}
copy_rows=${COPY_ROWS:-5000000}
rounds=${ROUNDS:-3}
scratch=${BENCH_SCRATCH:-$(mktemp -d)}
export PGOPTIONS='-c client_min_messages=error'

psql -X -q -d postgres -c 'CREATE DATABASE bench' -c 'ALTER DATABASE bench SET search_path = public'
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -d bench "$@"; }
sql -c 'CREATE EXTENSION dbmastery'
has_partman=$(sql -c "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_partman'")
[ "$has_partman" = 1 ] && sql -c 'CREATE SCHEMA partman' -c 'CREATE EXTENSION pg_partman SCHEMA partman'

# The rows are in the default partition, as where nobody made partitions for a month.
fresh() {
    sql <<SQL
DROP TABLE IF EXISTS m;
CREATE TABLE m (id bigint NOT NULL, ts timestamptz NOT NULL, v int, note text, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
SQL
    if [ "$1" = partman ]; then
        sql -c "DELETE FROM partman.part_config" \
            -c "SELECT partman.create_parent('public.m', 'ts', 'native', 'daily', p_premake := 1)" > /dev/null
    else
        sql -c "CREATE TABLE m_default PARTITION OF m DEFAULT" \
            -c "DELETE FROM dbm.partition_set" \
            -c "INSERT INTO dbm.partition_set (parent, key_kind, every, origin, on_missing, premake) VALUES ('m', 'timestamptz', '1 day', '2000-01-01 00:00:00+00', 'default', 1)"
    fi
    sql -c "INSERT INTO m SELECT i, date_trunc('day', now()) - interval '60 days' + i::float8 * 30 * 86400 / ($rows + 1) * interval '1 s', i % 1000, 'note ' || i
            FROM generate_series(1, $rows) i" -c 'VACUUM ANALYZE m' -c CHECKPOINT
}

# Counts the rows until it is stopped; prints how many were missing at worst.
watch_rows() {
    local least=$rows seen
    while [ ! -e "$scratch/stop" ]; do
        seen=$(sql -c 'SELECT count(*) FROM m')
        [ "$seen" -lt "$least" ] && least=$seen
    done
    echo $((rows - least)) > "$scratch/missing"
}

measure() {
    fresh "$1"
    rm -f "$scratch/stop"
    [ "$2" = watched ] && { watch_rows & watcher=$!; sleep 0.5; }
    local before began ended
    before=$(sql -c 'SELECT pg_current_wal_lsn()')
    began=$(date +%s.%N)
    if [ "$1" = partman ]; then
        sql -c "CALL partman.partition_data_proc('public.m', p_wait := 0, p_quiet := true)" > /dev/null
    else
        sql -c "SELECT status || ': ' || detail FROM dbm.partition_drain('m')" > "$scratch/said"
    fi
    ended=$(date +%s.%N)
    wal=$(sql -c "SELECT round(pg_wal_lsn_diff(pg_current_wal_lsn(), '$before') / 1048576)")
    seconds=$(awk -v a="$began" -v b="$ended" 'BEGIN { printf "%.2f", b - a }')
    missing=-
    [ "$2" = watched ] && { touch "$scratch/stop"; wait "$watcher"; missing=$(cat "$scratch/missing"); }
    [ "$(sql -c 'SELECT count(*) FROM m')" = "$rows" ] || { echo "rows are lost" >&2; exit 1; }
    [ "$(sql -c "SELECT count(*) FROM ONLY $([ "$1" = partman ] && echo m_default || echo m_default)")" = 0 ] || { echo "rows are left" >&2; cat "$scratch/said" >&2; exit 1; }
}

printf '%s rows of 30 days out of the default partition\n' "$rows"
printf '%-8s %-12s %10s %10s %14s\n' round by seconds 'WAL MB' 'rows unseen'
for round in $(seq "$rounds"); do
    for way in dbm partman; do
        [ "$way" = partman ] && [ "$has_partman" != 1 ] && continue
        measure "$way" alone
        printf '%-8s %-12s %10s %10s %14s\n' "$round" "$way" "$seconds" "$wal" "$missing"
    done
done
for way in dbm partman; do
    [ "$way" = partman ] && [ "$has_partman" != 1 ] && continue
    measure "$way" watched
    printf '%-8s %-12s %10s %10s %14s\n' watched "$way" "$seconds" "$wal" "$missing"
done
cat "$scratch/said"

# A copy under load.
sql <<SQL
CREATE TABLE o (id bigint PRIMARY KEY, created date NOT NULL, status int NOT NULL DEFAULT 0, note text);
INSERT INTO o SELECT i, '2026-01-01'::date + (i % 300)::int, 0, md5(i::text) FROM generate_series(1, $copy_rows) AS i;
CREATE TABLE o_new (id bigint NOT NULL, created date NOT NULL, status int NOT NULL DEFAULT 0, note text) PARTITION BY RANGE (created);
SELECT format('CREATE TABLE o_%s PARTITION OF o_new FOR VALUES FROM (%L) TO (%L)', i, '2026-01-01'::date + i * 30, '2026-01-01'::date + i * 30 + 30)
FROM generate_series(0, 9) AS i \gexec
VACUUM ANALYZE o;
SQL
job=$(sql <<'SQL'
INSERT INTO dbm.partition_copy (kind, source, source_name, target_name, owner, definition)
VALUES ('convert', 'o'::regclass, 'public.o', 'public.o_new', current_user::regrole, '{"kind": "convert", "source": "public.o",
 "target": "public.o_new", "columns": ["id", "created", "status", "note"],
 "journal": [{"name": "id", "sql_type": "pg_catalog.int8", "collation": null, "operator_schema": "pg_catalog", "is_key": true},
             {"name": "created", "sql_type": "pg_catalog.date", "collation": null, "operator_schema": "pg_catalog", "is_key": false}],
 "prepare": [], "complete": ["ALTER TABLE public.o_new ADD PRIMARY KEY (id, created)"], "locks": ["ONLY public.o"],
 "swap": ["ALTER TABLE public.o RENAME TO o_old", "ALTER TABLE public.o_new RENAME TO o"], "clean": [], "most_in_swap": 0}') RETURNING id
SQL
)
cat > "$scratch/write.sql" <<SQL
\set id random(1, $copy_rows)
\set new random(100000000, 900000000)
\set day random(0, 299)
UPDATE o SET status = status + 1 WHERE id = :id;
INSERT INTO o (id, created, note) VALUES (:new, '2026-01-01'::date + :day, 'new') ON CONFLICT DO NOTHING;
SQL
latency() { cat "$scratch"/"$1".* | awk '{ print $3 / 1000 }' | sort -g | awk -v w="$1" '{ v[NR] = $1 }
    END { printf "%-10s %10.1f %10.1f %12d\n", w, v[NR], v[int(NR * 0.999)], NR }'; }
printf '\n%s rows copied under the load of four writers\n' "$copy_rows"
printf '%-10s %10s %10s %12s\n' writers 'longest ms' '99.9 % ms' transactions
for way in alone beside; do
    (cd "$scratch" && exec pgbench -n -f write.sql -c 4 -T 6000 -l --log-prefix="$way" bench > /dev/null 2>&1) &
    writers=$!
    sleep 1
    if [ "$way" = alone ]; then sleep 15; else
        began=$(date +%s.%N)
        sql -c "CALL dbm.partition_copy($job, 'swapped')"
        ended=$(date +%s.%N)
        sleep 1
    fi
    kill -ALRM "$writers" 2> /dev/null || true
    wait "$writers" || true
    latency "$way"
done
sql -A -F ' ' -c "SELECT 'copied in ' || round(($ended - $began)::numeric, 1) || ' s; ' || rows_copied || ' rows, ' || rows_replayed || ' keys replayed, ' ||
    rows_verified || ' rows compared, lock held ' || lock_held FROM dbm.partition_copy_status() WHERE job = $job"
