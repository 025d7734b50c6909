#!/usr/bin/env bash
# What capturing queries costs a server that does nothing but pgbench's cheapest statement, a look-up by primary key.
# Four ways: not preloaded; the same with compute_query_id on, which capturing switches on, as pg_stat_statements does;
# preloaded with dbm.capture off; and on. Sent as text, and by EXECUTE. Measured is the time that the server's process was
# on a processor, so that the client does not count. Sessions of both servers alternate, and within each session blocks
# of statements with and without the setting. ids/none and on/off are medians of neighbouring blocks; on/none and on/ids,
# across servers, are ratios of first deciles, which a busy machine disturbs least.
# ROUNDS (default 30) are the sessions, BLOCKS (default 10) the pairs in each, STATEMENTS (default 1000) those of a block.
set -euo pipefail
rounds=${ROUNDS:-30}
blocks=${BLOCKS:-10}
statements=${STATEMENTS:-1000}
scratch=${BENCH_SCRATCH:-$(mktemp -d)}

sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }

# Two servers of the same binaries that differ in nothing but the library.
data=$(sql -d postgres -c 'SHOW data_directory')
owner=$(stat -c %u "$data")
group=$(stat -c %g "$data")
bin=$(dirname "$(readlink "/proc/$(head -1 "$data/postmaster.pid")/exe")")
as_owner() { if [ "$(id -u)" = 0 ]; then setpriv --reuid="$owner" --regid="$group" --clear-groups "$@"; else "$@"; fi; }
trap 'for server in bare preloaded; do as_owner "$bin/pg_ctl" -s -m immediate -D "$scratch/$server" stop || true; done' EXIT
bare=$((PGPORT + 1)) preloaded=$((PGPORT + 2))
for server in bare preloaded; do
    mkdir -p "$scratch/$server"
    chown "$owner" "$scratch/$server"
    as_owner "$bin/initdb" -D "$scratch/$server" -U "$PGUSER" -A trust --locale=C.UTF-8 > /dev/null
    printf '%s\n' "port = ${!server}" "unix_socket_directories = '$PGHOST'" "listen_addresses = ''" 'fsync = off' \
        'autovacuum = off' >> "$scratch/$server/postgresql.conf"
    [ $server = bare ] || echo "shared_preload_libraries = 'dbmastery'" >> "$scratch/$server/postgresql.conf"
    as_owner "$bin/pg_ctl" -s -w -D "$scratch/$server" -l "$scratch/$server/log" start
    PGPORT=${!server} sql -d postgres -c 'CREATE DATABASE bench'
    PGPORT=${!server} pgbench -q -i -s 1 bench > /dev/null 2>&1
done

# The statements of one measurement, each with a key of its own.
awk -v n="$statements" 'BEGIN { srand(1); for (i = 0; i < n; i++)
    printf "SELECT abalance FROM pgbench_accounts WHERE aid = %d;\n", 1 + int(rand() * 100000) }' > "$scratch/text.sql"
awk -v n="$statements" 'BEGIN { srand(1); for (i = 0; i < n; i++) printf "EXECUTE look_up(%d);\n", 1 + int(rand() * 100000) }' \
    > "$scratch/execute.sql"

# session PORT SETTING FILE: one line for each pair of blocks, nanoseconds for each statement with SETTING off and on.
session() {
    {
        echo 'SELECT pg_backend_pid() AS pid \gset'
        echo '\setenv BACKEND :pid'
        echo 'PREPARE look_up(int) AS SELECT abalance FROM pgbench_accounts WHERE aid = $1;'
        printf '%s\n' '\o /dev/null' "\\i $scratch/$3.sql" '\o'
        for pair in $(seq "$blocks"); do
            # Off and on, then on and off, so that a drift meets both alike.
            [ $((pair % 2)) = 0 ] && order='off on' || order='on off'
            for value in $order; do
                echo "SET $2 = $value;"
                echo "\\! echo $value \$(cat /proc/\$BACKEND/schedstat)"
                printf '%s\n' '\o /dev/null' "\\i $scratch/$3.sql" '\o'
                echo "\\! echo $value \$(cat /proc/\$BACKEND/schedstat)"
            done
        done
    } | PGPORT=$1 sql -d bench | awk -v n="$statements" '
        $1 == before { spent[$1] = ($2 - time) / n; done[++count] = $1; before = ""; if (count % 2 == 0) print spent["off"], spent["on"]; next }
        { before = $1; time = $2 }'
}

# share FRACTION: the value below which that share of the input lies.
share() { sort -g | awk -v q="$1" '{ value[NR] = $1 } END { print value[int((NR - 1) * q + 1.5)] }'; }
column() { awk -v c="$2" '{ print $c }' "$1"; }
pairs() { awk '{ print $2 / $1 }' "$1"; }

printf '%-8s %9s %9s %9s %9s | %9s %9s %9s %9s | %s\n' sent 'none ns' 'ids ns' 'off ns' 'on ns' \
    'ids/none' 'on/none' 'on/ids' 'on/off' 'middle half of on/off'
for how in text execute; do
    rm -f "$scratch"/{bare,preloaded}.ns
    for _ in $(seq "$rounds"); do
        session "$bare" compute_query_id $how >> "$scratch/bare.ns"
        session "$preloaded" dbm.capture $how >> "$scratch/preloaded.ns"
    done
    none=$(column "$scratch/bare.ns" 1 | share 0.1) ids=$(column "$scratch/bare.ns" 2 | share 0.1)
    off=$(column "$scratch/preloaded.ns" 1 | share 0.1) on=$(column "$scratch/preloaded.ns" 2 | share 0.1)
    ids_none=$(pairs "$scratch/bare.ns" | share 0.5) on_off=$(pairs "$scratch/preloaded.ns" | share 0.5)
    low=$(pairs "$scratch/preloaded.ns" | share 0.25) high=$(pairs "$scratch/preloaded.ns" | share 0.75)
    awk -v h=$how -v n="$none" -v i="$ids" -v f="$off" -v o="$on" -v p="$ids_none" -v q="$on_off" -v l="$low" -v u="$high" 'BEGIN {
        printf "%-8s %9d %9d %9d %9d | %9.3f %9.3f %9.3f %9.3f | %.3f to %.3f\n", h, n, i, f, o, p, o / n, o / i, q, l, u }'
done
