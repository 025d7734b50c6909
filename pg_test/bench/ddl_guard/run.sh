#!/usr/bin/env bash
# What the DDL guard costs: DDL statements of which it has nothing to say, with dbm.ddl_guard off and warn, and UPDATEs by
# primary key in sessions without the library and with it. Measured is the time that the server's process was on a
# processor, so that the client does not count; blocks alternate. Shown are medians, and of the differences their middle
# half. ROUNDS (default 20) are the sessions, STATEMENTS (default 500) those of a block.
set -euo pipefail
rounds=${ROUNDS:-20}
statements=${STATEMENTS:-500}
scratch=${BENCH_SCRATCH:-$(mktemp -d)}

sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }

sql -d postgres -c 'DROP DATABASE IF EXISTS bench_guard' -c 'CREATE DATABASE bench_guard'
sql -d bench_guard <<'SQL'
CREATE EXTENSION dbmastery;
CREATE TABLE t (id int PRIMARY KEY, v int, w text);
INSERT INTO t SELECT g, g, repeat('x', 100) FROM generate_series(1, 200000) AS g;
CREATE INDEX ON t (v);
VACUUM ANALYZE t;
SQL

# repeat NAME STATEMENT: a file of statements; %d is a number.
repeat() { awk -v n="$statements" -v s="$2;" 'BEGIN { for (i = 0; i < n; i++) { t = s; gsub(/%d/, 1 + (i * 7919) % 200000, t); print t } }' > "$scratch/$1.sql"; }
repeat set_default 'ALTER TABLE t ALTER COLUMN v SET DEFAULT %d'
repeat reloption 'ALTER TABLE t SET (fillfactor = 90)'
repeat create_temp 'BEGIN; CREATE TEMP TABLE n (a int, b text) ON COMMIT DROP; COMMIT'
repeat comment "COMMENT ON TABLE t IS '%d'"
repeat update "UPDATE t SET w = 'y' WHERE id = %d"

# block FILE: nanoseconds for each statement of a file in the session that psql is in.
clock() { echo "\\! echo $1 \$(cut -d' ' -f1 /proc/\$BACKEND/schedstat)"; }
head_of_session() {
    echo 'SELECT pg_backend_pid() AS pid \gset'
    echo '\setenv BACKEND :pid'
    echo "SET client_min_messages = error; SET lock_timeout = '1s'; SET statement_timeout = '1min';"
}
per_statement() { awk -v n="$statements" '$1 == name { print $1, ($2 - time) / n; name = ""; next } { name = $1; time = $2 }'; }

ddl() {
    {
        head_of_session
        echo "LOAD 'dbmastery';"
        printf '%s\n' '\o /dev/null' "\\i $scratch/$1.sql" '\o'
        for value in off warn warn off; do
            echo "SET dbm.ddl_guard = $value;"
            clock $value
            printf '%s\n' '\o /dev/null' "\\i $scratch/$1.sql" '\o'
            clock $value
        done
    } | sql -d bench_guard | per_statement
}

dml() {
    {
        head_of_session
        [ "$1" = bare ] || echo "LOAD 'dbmastery';"
        printf '%s\n' '\o /dev/null' "\\i $scratch/update.sql" '\o'
        clock "$1"
        printf '%s\n' '\o /dev/null' "\\i $scratch/update.sql" '\o'
        clock "$1"
    } | sql -d bench_guard | per_statement
}

share() { sort -g | awk -v q="$1" '{ value[NR] = $1 } END { print value[int((NR - 1) * q + 1.5)] }'; }
of() { awk -v name="$2" '$1 == name { print $2 }' "$1"; }

printf '%-14s %12s %12s %12s   %s\n' statement 'without us' 'with us us' 'cost us' 'middle half of the costs'
report() {
    paste <(of "$2" "$3") <(of "$2" "$4") | awk '{ print $2 - $1 }' > "$scratch/difference"
    awk -v s="$1" -v a="$(of "$2" "$3" | share 0.5)" -v b="$(of "$2" "$4" | share 0.5)" -v d="$(share 0.5 < "$scratch/difference")" \
        -v l="$(share 0.25 < "$scratch/difference")" -v h="$(share 0.75 < "$scratch/difference")" \
        'BEGIN { printf "%-14s %12.1f %12.1f %12.1f   %.1f to %.1f\n", s, a / 1000, b / 1000, d / 1000, l / 1000, h / 1000 }'
}
for name in set_default reloption create_temp comment; do
    : > "$scratch/$name.ns"
    for _ in $(seq "$rounds"); do ddl $name >> "$scratch/$name.ns"; done
    report $name "$scratch/$name.ns" off warn
done
: > "$scratch/update.ns"
for _ in $(seq "$rounds"); do dml bare >> "$scratch/update.ns"; dml loaded >> "$scratch/update.ns"; done
report update "$scratch/update.ns" bare loaded
