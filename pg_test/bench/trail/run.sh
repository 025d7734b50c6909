#!/usr/bin/env bash
# What keeping every change of a row costs: without a trigger; by the audit trail, for statements and for rows; and by the
# classic in PL/pgSQL, a trigger for rows that inserts to_jsonb() of OLD and NEW, who and when into one table with one key.
#
# single: SINGLES (default 5000) UPDATEs of one row by its key, each a transaction, in a loop that commits, by the server's time on a
# processor; and by pgbench, one client and 8 clients, in RUNS (default 8 * ROUNDS) alternating runs: what a transaction takes longer
# than without a trigger, the median of the runs.
# insert, update, delete, copy: ROWS (default 1000000) rows by one statement. All ways alternate in each of ROUNDS (default 5) rounds, the
# best of each counts; times are those that the server's process was on a processor, so that neither the client nor other
# work on the machine counts. WAL in bytes a row, without full pages.
#
# Fails where the added time of statement triggers is not what was set: at most half of the classic for one client of pgbench; from
# 100,000 rows on, a fifth of it for INSERT and UPDATE in bulk, and at most 0.6 of its WAL for a row that is updated.
set -euo pipefail
rounds=${ROUNDS:-5}
rows=${ROWS:-1000000}
singles=${SINGLES:-5000}
scratch=${BENCH_SCRATCH:-$(mktemp -d)}
ways='none statement row classic'

# The library is there in every session, whatever the way, and its DDL guard is silent.
export PGOPTIONS='-c client_min_messages=error'
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }

psql -X -q -c 'CREATE DATABASE bench_trail' postgres
export PGDATABASE=bench_trail
sql <<SQL
CREATE EXTENSION dbmastery;
CREATE TABLE classic_log (id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(), table_name text NOT NULL,
    operation text NOT NULL, actor text NOT NULL DEFAULT session_user, transaction_id bigint NOT NULL DEFAULT txid_current(),
    old_row jsonb, new_row jsonb);
CREATE FUNCTION classic() RETURNS trigger LANGUAGE plpgsql AS \$\$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO classic_log (table_name, operation, new_row) VALUES (TG_TABLE_NAME, TG_OP, to_jsonb(NEW));
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO classic_log (table_name, operation, old_row, new_row) VALUES (TG_TABLE_NAME, TG_OP, to_jsonb(OLD), to_jsonb(NEW));
    ELSE
        INSERT INTO classic_log (table_name, operation, old_row) VALUES (TG_TABLE_NAME, TG_OP, to_jsonb(OLD));
    END IF;
    RETURN NULL;
END \$\$;
SQL
for way in $ways; do
    sql <<SQL
CREATE TABLE t_$way (id int PRIMARY KEY, customer int NOT NULL, status text NOT NULL, amount numeric(12,2), quantity int,
    created timestamptz NOT NULL, note text, flag boolean);
SQL
done
# The first makes the log.
sql -c "SELECT dbm.install_audit_trigger('t_statement', mode => 'statement')" \
    -c "SELECT dbm.install_audit_trigger('t_row', mode => 'row')" > /dev/null
sql -c 'CREATE TRIGGER classic AFTER INSERT OR UPDATE OR DELETE ON t_classic FOR EACH ROW EXECUTE FUNCTION classic()'

fill="SELECT i, i % 1000, 'status ' || i % 7, i / 7.0, i % 10, '2026-01-01'::timestamptz + i * interval '1 s', repeat('n', 60), i % 2 = 0"

# timed WAY WHAT STATEMENT [BEFORE]: appends seconds on a processor and bytes of WAL; what is read once is read before.
timed() {
    sql <<SQL >> "$scratch/$2.$1"
LOAD 'dbmastery';
SET dbm.ddl_guard = off;
SET synchronous_commit = off;
${4:-}
CHECKPOINT;
SELECT pg_backend_pid() AS pid \gset
\setenv BACKEND :pid
SELECT pg_current_wal_insert_lsn() AS lsn \gset
\! cut -d' ' -f1 /proc/\$BACKEND/schedstat | tr '\n' ' '
$3;
\! cut -d' ' -f1 /proc/\$BACKEND/schedstat | tr '\n' ' '
SELECT pg_current_wal_insert_lsn() - :'lsn'::pg_lsn;
SQL
}

empty() {
    sql -c "TRUNCATE t_$1" -c 'TRUNCATE classic_log, dbm_trail.change, dbm_trail.activity' > /dev/null
}

rows_file=$(sql -c 'SHOW data_directory')/rows
sql -c "COPY (SELECT ${fill#SELECT } FROM generate_series(1, $rows) i) TO '$rows_file'"

for round in $(seq "$rounds"); do
    for way in $ways; do
        empty "$way"
        timed "$way" insert "INSERT INTO t_$way $fill FROM generate_series(1, $rows) i"
        timed "$way" update "UPDATE t_$way SET amount = amount + 1, status = 'changed'"
        timed "$way" delete "DELETE FROM t_$way"
        empty "$way"
        timed "$way" copy "COPY t_$way FROM '$rows_file'"
    done
done
for way in $ways; do
    empty "$way"
    sql -c "INSERT INTO t_$way $fill FROM generate_series(1, 10000) i" -c "VACUUM ANALYZE t_$way"
    printf '\\set id random(1, 10000)\nUPDATE t_%s SET amount = amount + 1 WHERE id = :id;\n' "$way" > "$scratch/$way.sql"
    sql -c "CREATE PROCEDURE change_$way(times int) LANGUAGE plpgsql AS 'BEGIN
        FOR i IN 1 .. times LOOP UPDATE t_$way SET amount = amount + 1 WHERE id = 1 + i * 7919 % 10000; COMMIT; END LOOP; END'"
done
# clients WAY COUNT: appends what a transaction of each of them takes, in microseconds.
clients() {
    PGOPTIONS='-c synchronous_commit=off -c client_min_messages=error -c session_preload_libraries=dbmastery -c dbm.ddl_guard=off' \
        pgbench -n -M prepared -c "$2" -j 2 -t "$singles" -f "$scratch/$1.sql" 2> /dev/null |
        awk -v c="$2" '/^tps/ { print 1e6 * c / $3 }' >> "$scratch/clients$2.$1"
}

for round in $(seq $((2 * rounds))); do
    for way in $ways; do
        timed "$way" single "CALL change_$way($singles)" "CALL change_$way(500);"
    done
done
for run in $(seq "${RUNS:-$((8 * rounds))}"); do
    for way in $ways; do
        clients "$way" 1
        clients "$way" 8
    done
done

# best WHAT WAY NUMBER: microseconds a row and bytes of WAL a row.
best() { awk -v n="$3" '{ t = ($2 - $1) / n / 1000; if (NR == 1 || t < best) best = t; if (NR == 1 || $3 / n < wal) wal = $3 / n }
    END { printf "%.2f %.0f\n", best, wal }' "$scratch/$1.$2"; }

missed=''
# limit WHAT VALUE MOST: remembers what was not met.
limit() {
    awk "BEGIN { exit !($2 <= $3) }" || missed="$missed$1 is $2, more than $3
"
}
printf '%-8s %-10s %10s %10s %12s %8s %10s\n' what way 'us a row' 'added us' 'times less' 'WAL B' 'of classic'
for what in insert update delete copy single; do
    number=$rows
    [ $what = single ] && number=$singles
    read -r none none_wal <<< "$(best $what none "$number")"
    read -r classic classic_wal <<< "$(best $what classic "$number")"
    for way in $ways; do
        read -r time wal <<< "$(best $what $way "$number")"
        awk -v w=$what -v y=$way -v t="$time" -v n="$none" -v c="$classic" -v b="$wal" -v cb="$classic_wal" 'BEGIN {
            added = t - n; printf "%-8s %-10s %10.2f %10.2f %12s %8d %10.2f\n", w, y, t, added, (added > 0 ? sprintf("%.1f", (c - n) / added) : "-"), b, b / cb }'
        if [ $way = statement ] && [ "$rows" -ge 100000 ] && [[ $what = insert || $what = update ]]; then
            limit "added time of $what in bulk, of the classic's," "$(awk "BEGIN { print ($time - $none) / ($classic - $none) }")" 0.2
            [ $what = insert ] || limit "WAL of $what in bulk, of the classic's," "$(awk "BEGIN { print $wal / $classic_wal }")" 0.6
        fi
    done
done
echo
median() { sort -g "$1" | awk '{ t[NR] = $1 } END { print (t[int((NR + 1) / 2)] + t[int(NR / 2) + 1]) / 2 }'; }

echo "UPDATE of one row through pgbench: microseconds a transaction, median of $(wc -l < "$scratch/clients1.none") runs"
printf '%-8s %-10s %10s %10s %12s\n' clients way us added 'of classic'
for count in 1 8; do
    none=$(median "$scratch/clients$count.none")
    classic=$(median "$scratch/clients$count.classic")
    for way in $ways; do
        awk -v c=$count -v y=$way -v t="$(median "$scratch/clients$count.$way")" -v n="$none" -v k="$classic" \
            'BEGIN { printf "%-8d %-10s %10.1f %10.1f %12.2f\n", c, y, t, t - n, (t - n) / (k - n) }'
        [ "$count$way" != 1statement ] ||
            limit "added time of one row through pgbench, of the classic's," "$(awk "BEGIN { print ($(median "$scratch/clients1.statement") - $none) / ($classic - $none) }")" 0.5
    done
done
if [ -n "$missed" ]; then
    echo "missed: $missed" >&2
    exit 1
fi
