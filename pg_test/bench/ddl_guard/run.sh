#!/usr/bin/env bash
# What the DDL guard costs: a DDL statement on a small table and a statement on a row with dbm.ddl_guard off, warn and enforce, and on a server
# without the library; pgbench's look-ups and simple updates with and without; and how soon an unsafe statement is refused
# while another session holds the table.
# Measured for single statements is the time that the server's process was on a processor, so that the client does not count. Within a
# session blocks of statements with each setting alternate, each second time in the opposite order; sessions of both
# servers alternate, too. Medians over all blocks.
# ROUNDS (default 10) are the sessions, STATEMENTS (default 300) those of a block, of which each session has one a setting;
# PAIRS (default 8) are the runs of pgbench of each kind, SECONDS_EACH (default 4) long; REFUSALS (default 300).
set -euo pipefail
rounds=${ROUNDS:-10}
statements=${STATEMENTS:-300}
pairs=${PAIRS:-8}
seconds=${SECONDS_EACH:-4}
refusals=${REFUSALS:-300}
scratch=${BENCH_SCRATCH:-$(mktemp -d)}

sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }
# share FRACTION: the value below which that share of the input lies.
share() { sort -g | awk -v q="$1" '{ value[NR] = $1 } END { print value[int((NR - 1) * q + 1.5)] }'; }

# Two servers of the same binaries that differ in nothing but the library.
data=$(sql -d postgres -c 'SHOW data_directory')
owner=$(stat -c %u "$data")
group=$(stat -c %g "$data")
bin=$(dirname "$(readlink "/proc/$(head -1 "$data/postmaster.pid")/exe")")
as_owner() { if [ "$(id -u)" = 0 ]; then setpriv --reuid="$owner" --regid="$group" --clear-groups "$@"; else "$@"; fi; }
trap 'for server in bare guarded; do as_owner "$bin/pg_ctl" -s -m immediate -D "$scratch/$server" stop || true; done' EXIT
bare=$((PGPORT + 1)) guarded=$((PGPORT + 2))
for server in bare guarded; do
    mkdir -p "$scratch/$server"
    chown "$owner" "$scratch/$server"
    as_owner "$bin/initdb" -D "$scratch/$server" -U "$PGUSER" -A trust --locale=C.UTF-8 > /dev/null
    # synchronous_commit stays off the disk, so that what the statement itself costs is not drowned.
    printf '%s\n' "port = ${!server}" "unix_socket_directories = '$PGHOST'" "listen_addresses = ''" 'fsync = off' \
        'autovacuum = off' 'synchronous_commit = off' >> "$scratch/$server/postgresql.conf"
    # The capture of queries is another benchmark's.
    [ $server = bare ] || printf '%s\n' "shared_preload_libraries = 'dbmastery'" 'dbm.ddl_guard = enforce' 'dbm.capture = off' \
        >> "$scratch/$server/postgresql.conf"
    as_owner "$bin/pg_ctl" -s -w -D "$scratch/$server" -l "$scratch/$server/log" start
    PGPORT=${!server} sql -d postgres -c 'CREATE DATABASE bench'
    [ $server = bare ] || PGPORT=${!server} sql -d bench -c 'CREATE EXTENSION dbmastery'
    PGPORT=${!server} sql -d bench -c 'CREATE TABLE small (a int, v int); INSERT INTO small VALUES (1, 1)'
    # It loads its tables before it makes their keys, which the guard would refuse.
    PGPORT=${!server} PGOPTIONS='-c dbm.ddl_guard=off' pgbench -q -i -s 1 bench > /dev/null 2>&1
done

# The statements: one that the guard does not look at, one that it judges, one of several sub-commands.
awk -v n="$statements" 'BEGIN { for (i = 0; i < n; i++) printf "COMMENT ON TABLE small IS '"'%d'"';\n", i }' > "$scratch/comment.sql"
awk -v n="$statements" 'BEGIN { for (i = 0; i < n; i++) printf "ALTER TABLE small SET (fillfactor = %d);\n", 50 + i % 50 }' > "$scratch/option.sql"
awk -v n="$statements" 'BEGIN { for (i = 0; i < n; i++) printf "ALTER TABLE small ALTER COLUMN a SET DEFAULT %d, ALTER COLUMN v SET DEFAULT %d;\n", i, i }' \
    > "$scratch/default.sql"
awk -v n="$statements" 'BEGIN { for (i = 0; i < n; i++) printf "BEGIN; CREATE TABLE made (id int PRIMARY KEY); ROLLBACK;\n" }' \
    > "$scratch/create.sql"

# And rows, which the guard only glances at: pgbench's statements one by one.
awk -v n="$statements" 'BEGIN { srand(1); for (i = 0; i < n; i++)
    printf "SELECT abalance FROM pgbench_accounts WHERE aid = %d;\n", 1 + int(rand() * 100000) }' > "$scratch/look_up.sql"
awk -v n="$statements" 'BEGIN { srand(1); for (i = 0; i < n; i++)
    printf "UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = %d;\n", 1 + int(rand() * 100000) }' > "$scratch/update.sql"

# session PORT FILE SETTING…: a line for each block, the setting and its microseconds a statement.
session() {
    local port=$1 file=$2
    shift 2
    {
        echo 'SELECT pg_backend_pid() AS pid \gset'
        echo '\setenv BACKEND :pid'
        # What a careful session does; otherwise each statement would be warned of.
        echo "SET lock_timeout = '1s'; SET client_min_messages = error;"
        printf '%s\n' '\o /dev/null' "\\i $scratch/$file.sql" '\o'
        for value in "$@"; do
            # With a bound of its own, so that the price of setting it is in.
            [ "$value" = none ] || echo "SET dbm.ddl_guard = $value; SET dbm.ddl_lock_timeout = '500ms';"
            echo "\\! echo $value \$(cat /proc/\$BACKEND/schedstat)"
            printf '%s\n' '\o /dev/null' "\\i $scratch/$file.sql" '\o'
            echo "\\! echo $value \$(cat /proc/\$BACKEND/schedstat)"
        done
    } | PGPORT=$port sql -d bench | awk -v n="$statements" '
        $1 == before { print $1, ($2 - time) / n / 1000; before = ""; next }
        { before = $1; time = $2 }'
}

printf '%-10s %9s %9s %9s %9s | %9s %11s %12s\n' statement 'none us' 'off us' 'warn us' 'enforce us' 'off-none' 'warn-off' 'enforce-off'
for file in comment option default create look_up update; do
    rm -f "$scratch/times"
    for round in $(seq "$rounds"); do
        order=$([ $((round % 2)) = 0 ] && echo 'off warn enforce' || echo 'enforce warn off')
        session "$bare" $file none none none >> "$scratch/times"
        # shellcheck disable=SC2086
        session "$guarded" $file $order >> "$scratch/times"
    done
    middle() { awk -v s="$1" '$1 == s { print $2 }' "$scratch/times" | share 0.5; }
    awk -v f=$file -v n="$(middle none)" -v o="$(middle off)" -v w="$(middle warn)" -v e="$(middle enforce)" 'BEGIN {
        printf "%-10s %9.1f %9.1f %9.1f %9.1f  | %9.1f %11.1f %12.1f\n", f, n, o, w, e, o - n, w - o, e - o }'
done

echo
printf '%-12s %10s %10s %10s | %12s %12s | %s\n' pgbench 'none tps' 'off tps' 'enforce tps' 'enforce/none' 'enforce/off' 'middle half of enforce/off'
tps() { PGPORT=$1 PGOPTIONS="${3:-}" pgbench -n $2 -T "$seconds" -M prepared bench 2> /dev/null | awk '/^tps/ { print $3 }'; }
for kind in -S -N; do
    rm -f "$scratch/tps"
    for pair in $(seq "$pairs"); do
        none=$(tps "$bare" $kind)
        if [ $((pair % 2)) = 0 ]; then
            off=$(tps "$guarded" $kind '-c dbm.ddl_guard=off') on=$(tps "$guarded" $kind)
        else
            on=$(tps "$guarded" $kind) off=$(tps "$guarded" $kind '-c dbm.ddl_guard=off')
        fi
        echo "$none $off $on" >> "$scratch/tps"
    done
    of() { awk "{ print $1 }" "$scratch/tps" | share "$2"; }
    name=$([ $kind = -S ] && echo look-ups || echo updates)
    printf '%-12s %10.0f %10.0f %10.0f  | %12.3f %12.3f | %.3f to %.3f\n' $name "$(of '$1' 0.5)" "$(of '$2' 0.5)" "$(of '$3' 0.5)" \
        "$(of '$3 / $1' 0.5)" "$(of '$3 / $2' 0.5)" "$(of '$3 / $2' 0.25)" "$(of '$3 / $2' 0.75)"
done

echo
PGPORT=$guarded PGOPTIONS='-c dbm.ddl_guard=off' sql -d bench \
    -c 'CREATE TABLE large AS SELECT g AS id, g AS v, md5(g::text) AS note FROM generate_series(1, 1000000) AS g'
mkfifo "$scratch/holder"
PGPORT=$guarded sql -d bench < "$scratch/holder" > /dev/null 2>&1 &
exec 7> "$scratch/holder"
echo 'BEGIN; LOCK TABLE large IN ACCESS EXCLUSIVE MODE;' >&7
until [ "$(PGPORT=$guarded sql -d bench -c "SELECT count(*) FROM pg_locks WHERE relation = 'large'::regclass AND granted")" = 1 ]; do sleep 0.1; done
printf '%-62s %10s %10s %10s\n' "refused while another session holds the table" 'median ms' '99% ms' 'longest ms'
while read -r statement; do
    { echo '\timing on'; for _ in $(seq "$refusals"); do echo "$statement"; done; } |
        PGPORT=$guarded psql -X -q -d bench 2> "$scratch/errors" | awk '/^Time/ { print $2 }' > "$scratch/latency"
    [ "$(grep -c 'unsafe DDL refused' "$scratch/errors")" = "$refusals" ] || { echo "not refused: $statement"; head -3 "$scratch/errors"; exit 1; }
    printf '%-62s %10.2f %10.2f %10.2f\n' "$statement" "$(share 0.5 < "$scratch/latency")" "$(share 0.99 < "$scratch/latency")" "$(share 1 < "$scratch/latency")"
done <<'SQL'
ALTER TABLE large ALTER COLUMN v TYPE bigint;
ALTER TABLE large ALTER COLUMN note SET NOT NULL;
CREATE INDEX ON large (v);
TRUNCATE large;
SQL
start=$(date +%s%N)
PGPORT=$guarded PGOPTIONS='-c dbm.ddl_guard=off -c lock_timeout=1s' sql -d bench -c 'ALTER TABLE large ALTER COLUMN v TYPE bigint' 2> /dev/null || true
printf '%-62s %10.2f\n' 'the same without the guard, until lock_timeout = 1s' "$(awk -v a="$start" -v b="$(date +%s%N)" 'BEGIN { print (b - a) / 1e6 }')"
echo 'ROLLBACK;' >&7
exec 7>&-
wait %1 2> /dev/null || true
