#!/usr/bin/env bash
# dbm.backfill() against the loop that most people write, UPDATE … WHERE id IN (SELECT id … WHERE filled IS NULL LIMIT n)
# with a COMMIT after each, on the same rows, taking turns. The loop is run with synchronize_seqscans on, the default, and
# off: on, each scan begins where the last one ended, which hides that it looks for its rows from the start again.
# Ours runs without rest (duty => 1), as the loop does. Printed are the time of the whole, the ratio of each turn, and
# how a batch grows: milliseconds for a thousand rows in the last tenth of the batches, over those in the first.
# Then both beside writers (pgbench, two clients that update rows anywhere): how long a writer's statement took, at most
# and at the 99.9th percentile. ROWS (default 1200000), BATCH rows of the loop (2000), ROUNDS (default 3).
set -euo pipefail
rows=${ROWS:-1200000}
batch=${BATCH:-2000}
rounds=${ROUNDS:-3}
scratch=${BENCH_SCRATCH:-$(mktemp -d)}
export PGOPTIONS='-c client_min_messages=warning'

sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -d bench "$@"; }

psql -X -q -d postgres -c 'CREATE DATABASE bench'
sql <<'SQL'
CREATE EXTENSION dbmastery;
CREATE TABLE taken (round int, way text, number bigint, rows bigint, milliseconds float8);
CREATE PROCEDURE look_for_nulls(batch int, this_round int, way text) LANGUAGE plpgsql AS $$
DECLARE
    began timestamptz;
    changed bigint;
    batches bigint := 0;
BEGIN
    LOOP
        began := clock_timestamp();
        UPDATE item SET filled = v * 2 WHERE id IN (SELECT id FROM item WHERE filled IS NULL LIMIT batch);
        GET DIAGNOSTICS changed = ROW_COUNT;
        EXIT WHEN changed = 0;
        batches := batches + 1;
        INSERT INTO taken VALUES (this_round, way, batches, changed, extract(epoch FROM clock_timestamp() - began) * 1000);
        COMMIT;
    END LOOP;
END $$;
SQL

fresh() {
    sql -c 'DROP TABLE IF EXISTS item' -c 'CREATE TABLE item (id bigint PRIMARY KEY, v int NOT NULL, filled int, note text)' \
        -c "INSERT INTO item SELECT i, i % 1000, NULL, repeat('x', 150) FROM generate_series(1, $rows) AS i" \
        -c 'VACUUM ANALYZE item' -c CHECKPOINT
}

# fill WAY ROUND [DUTY]: fills the table and prints the seconds.
fill() {
    local began ended
    began=$(date +%s.%N)
    case $1 in
        keyset) sql -c "CALL dbm.backfill('item', 'filled = v * 2', 'filled IS NULL', duty => ${3:-1})"
            sql -c "INSERT INTO taken SELECT $2, 'keyset', number, rows_changed, milliseconds FROM dbm.backfill_batch
                    WHERE job = (SELECT max(id) FROM dbm.backfill_job) AND rows_changed > 0" ;;
        *) PGOPTIONS="$PGOPTIONS -c synchronize_seqscans=${1#loop_}" sql -c "CALL look_for_nulls($batch, $2, '$1')" ;;
    esac
    ended=$(date +%s.%N)
    [ "$(sql -c 'SELECT count(*) FROM item WHERE filled IS DISTINCT FROM v * 2')" = 0 ] || { echo 'rows are left' >&2; exit 1; }
    awk -v a="$began" -v b="$ended" 'BEGIN { printf "%.2f", b - a }'
}

printf '%s rows, loop of %s rows a batch\n' "$rows" "$batch"
printf '%-6s %12s %12s %12s | %14s %14s\n' round 'keyset s' 'loop on s' 'loop off s' 'loop on/keyset' 'loop off/keyset'
for round in $(seq "$rounds"); do
    for way in keyset loop_on loop_off; do
        fresh
        declare "$way=$(fill "$way" "$round")"
    done
    awk -v r="$round" -v k="$keyset" -v n="$loop_on" -v f="$loop_off" \
        'BEGIN { printf "%-6s %12s %12s %12s | %14.2f %14.2f\n", r, k, n, f, n / k, f / k }'
done
echo
sql -A -F ' ' <<'SQL' | awk 'BEGIN { printf "%-10s %8s %16s %16s %8s %14s\n", "way", "batches", "first ms/1000", "last ms/1000", "growth", "slowest ms" }
    { printf "%-10s %8d %16.1f %16.1f %8.2f %14.0f\n", $1, $2, $3, $4, $4 / $3, $5 }'
WITH placed AS (
    SELECT *, ntile(10) OVER (PARTITION BY way, round ORDER BY number) AS tenth, max(number) OVER (PARTITION BY way, round) AS batches
    FROM taken)
SELECT way, max(batches),
       sum(milliseconds) FILTER (WHERE tenth = 1) * 1000 / sum(rows) FILTER (WHERE tenth = 1),
       sum(milliseconds) FILTER (WHERE tenth = 10) * 1000 / sum(rows) FILTER (WHERE tenth = 10),
       max(milliseconds)
FROM placed GROUP BY way ORDER BY way
SQL

# Beside writers: what each of their statements took, in microseconds, is the third column of pgbench's log.
echo
printf '%-22s %10s %14s %14s %10s\n' 'beside writers' seconds 'longest ms' '99.9 % ms' statements
cat > "$scratch/write.sql" <<SQL
\set id random(1, $rows)
UPDATE item SET v = v WHERE id = :id;
SQL
for way in alone keyset keyset_half loop_on; do
    fresh
    (cd "$scratch" && rm -f latency.* && exec pgbench -n -f write.sql -c 2 -T 600 -l --log-prefix=latency bench > /dev/null 2>&1) &
    writers=$!
    sleep 1
    case $way in
        alone) sleep 5; seconds=5 ;;
        keyset_half) seconds=$(fill keyset 0 0.5) ;;
        *) seconds=$(fill "$way" 0) ;;
    esac
    kill -INT "$writers" 2> /dev/null || true
    wait "$writers" || true
    cat "$scratch"/latency.* | awk '{ print $3 / 1000 }' | sort -g | awk -v w="$way" -v s="$seconds" '{ v[NR] = $1 }
        END { printf "%-22s %10s %14.1f %14.1f %10d\n", w, s, v[NR], v[int(NR * 0.999)], NR }'
done
