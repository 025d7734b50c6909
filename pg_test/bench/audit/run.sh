#!/usr/bin/env bash
# How long dbm.audit() takes on large catalogs, against the style of SQL that audit scripts use, in one run and
# alternating; how it grows with the catalog; and how much memory the backend takes. Prints ratios: absolute times
# say more about the machine than about the code. `others` is the audit without the rules of security.
# TABLES (default "1000 4000 8000 16000") are the sizes, ROUNDS (default 5) the repetitions.
set -euo pipefail
tables=${TABLES:-1000 4000 8000 16000}
rounds=${ROUNDS:-5}

sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }

# The milliseconds that a file of SQL takes in a session that has done it once before, median of the rounds.
median() { sort -n | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'; }

for size in $tables; do
    # A database of an earlier run on the same cluster serves again.
    [ -z "$(sql -d postgres -c "SELECT 1 FROM pg_database WHERE datname = 'bench_$size'")" ] || continue
    sql -d postgres -c "CREATE DATABASE bench_$size"
    sql -d "bench_$size" -v tables="$size" -f catalog.sql
    sql -d "bench_$size" -c 'CREATE EXTENSION dbmastery'
done

printf '%8s %8s %8s %9s | %10s %10s %7s | %10s %7s | %8s %8s\n' \
    tables indexes columns findings 'audit ms' 'peers ms' ratio 'others ms' 'all/oth' 'us/table' 'anon MB'
for size in $tables; do
    script=$(mktemp -p "${BENCH_SCRATCH:-/tmp}")
    {
        echo 'SELECT pg_backend_pid() AS pid \gset'
        echo '\setenv BACKEND :pid'
        echo 'SELECT count(*) FROM dbm.audit() \g /dev/null'
        echo '\i peers.sql'
        echo '\timing on'
        for _ in $(seq "$rounds"); do
            echo '\echo ours'
            echo 'SELECT count(*) FROM dbm.audit() \g /dev/null'
            echo '\echo peers'
            echo '\i peers.sql'
            echo '\echo nothing'
            echo "BEGIN; INSERT INTO dbm.rule_setting (rule, enabled) SELECT rule, false FROM dbm.rules() WHERE dimension = 'security';"
            echo '\echo others'
            echo 'SELECT count(*) FROM dbm.audit() \g /dev/null'
            echo '\echo nothing'
            echo 'ROLLBACK;'
        done
    } > "$script"
    output=$(sql -d "bench_$size" -f "$script")
    # Sums the times that \timing prints under each heading, one sum a round.
    times() { awk -v want="$1" '
        $1 == "ours" || $1 == "peers" || $1 == "others" || $1 == "nothing" { if (seen == want) print sum; seen = $1; sum = 0; next }
        /^Time:/ { sum += $2 }
        END { if (seen == want) print sum }' <<< "$output" | median; }
    ours=$(times ours) peers=$(times peers) others=$(times others)
    # A backend that audits and nothing else, so that the peers' caches are not counted.
    memory=$(sql -d "bench_$size" <<'END'
SELECT pg_backend_pid() AS pid \gset
\setenv BACKEND :pid
SELECT count(*) FROM dbm.audit() \g /dev/null
SELECT count(*) FROM dbm.audit() \g /dev/null
\! awk '/RssAnon/ { print int($2 / 1024) }' /proc/$BACKEND/status
END
    )
    counts=$(sql -d "bench_$size" -F ' ' -c "
        SELECT (SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace::regnamespace::text LIKE 'area%'),
               (SELECT count(*) FROM pg_class WHERE relkind = 'i' AND relnamespace::regnamespace::text LIKE 'area%'),
               (SELECT count(*) FROM pg_attribute a JOIN pg_class t ON t.oid = a.attrelid
                WHERE a.attnum > 0 AND t.relkind = 'r' AND t.relnamespace::regnamespace::text LIKE 'area%'),
               (SELECT count(*) FROM dbm.audit() WHERE status = 'finding')")
    read -r n indexes columns findings <<< "$counts"
    awk -v n="$n" -v i="$indexes" -v c="$columns" -v f="$findings" -v o="$ours" -v p="$peers" -v w="$others" -v m="$memory" 'BEGIN {
        printf "%8d %8d %8d %9d | %10.0f %10.0f %6.1fx | %10.0f %6.2fx | %8.1f %8d\n", n, i, c, f, o, p, p / o, w, o / w, o * 1000 / n, m }'
done
