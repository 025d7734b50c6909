#!/usr/bin/env bash
# What capturing queries costs a server that does nothing but pgbench's cheapest statement, a look-up by primary key.
# Three ways, alternating: not preloaded, preloaded with dbm.capture off, and on; sent as text, and by EXECUTE. Measured
# is the time that the server's process was on a processor, so that neither client nor neighbours count. Prints ratios
# of medians, and how far the middle half of the rounds lies apart.
# ROUNDS (default 40) are the repetitions, STATEMENTS (default 3000) those of one measurement.
set -euo pipefail
rounds=${ROUNDS:-40}
statements=${STATEMENTS:-3000}
scratch=${BENCH_SCRATCH:-$(mktemp -d)}

sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }

# A second server, of the same binaries, without the library.
data=$(sql -d postgres -c 'SHOW data_directory')
owner=$(stat -c %u "$data")
bin=$(dirname "$(readlink "/proc/$(head -1 "$data/postmaster.pid")/exe")")
as_owner() { if [ "$(id -u)" = 0 ]; then setpriv --reuid="$owner" --regid="$(stat -c %g "$data")" --clear-groups "$@"; else "$@"; fi; }
bare=$scratch/bare
mkdir -p "$bare"
chown "$owner" "$bare"
socket=$PGHOST
as_owner "$bin/initdb" -D "$bare" -U "$PGUSER" -A trust --locale=C.UTF-8 > /dev/null
port=$((PGPORT + 1))
printf '%s\n' "port = $port" "unix_socket_directories = '$socket'" "listen_addresses = ''" 'fsync = off' 'autovacuum = off' \
    >> "$bare/postgresql.conf"
as_owner "$bin/pg_ctl" -s -w -D "$bare" -l "$bare/log" start
trap 'as_owner "$bin/pg_ctl" -s -m immediate -D "$bare" stop' EXIT

for on in "$PGPORT" "$port"; do
    PGPORT=$on sql -d postgres -c 'CREATE DATABASE bench'
    PGPORT=$on pgbench -q -i -s 1 bench > /dev/null 2>&1
done

# The statements of one measurement, each with a key of its own.
awk -v n="$statements" 'BEGIN { srand(1); for (i = 0; i < n; i++)
    printf "SELECT abalance FROM pgbench_accounts WHERE aid = %d;\n", 1 + int(rand() * 100000) }' > "$scratch/text.sql"
awk -v n="$statements" 'BEGIN { srand(1); for (i = 0; i < n; i++) printf "EXECUTE look_up(%d);\n", 1 + int(rand() * 100000) }' \
    > "$scratch/execute.sql"

# measure PORT SETTING FILE: nanoseconds on a processor for each statement.
measure() {
    PGPORT=$1 sql -d bench <<END | awk -v n="$statements" '{ time[NR] = $1 } END { printf "%.0f\n", (time[2] - time[1]) / n }'
SELECT pg_backend_pid() AS pid \\gset
\\setenv BACKEND :pid
$2
PREPARE look_up(int) AS SELECT abalance FROM pgbench_accounts WHERE aid = \$1;
\\o /dev/null
\\i $scratch/$3.sql
\\o
\\! cat /proc/\$BACKEND/schedstat
\\o /dev/null
\\i $scratch/$3.sql
\\o
\\! cat /proc/\$BACKEND/schedstat
END
}

quarter() { sort -n "$1" | awk -v q="$2" '{ value[NR] = $1 } END { print value[int((NR - 1) * q + 1.5)] }'; }

printf '%-8s %12s %12s %12s | %10s %10s %10s %8s\n' sent 'none ns' 'off ns' 'on ns' 'off/none' 'on/none' 'on/off' 'spread'
for how in text execute; do
    rm -f "$scratch"/{none,off,on}.ns
    for _ in $(seq "$rounds"); do
        measure "$port" '' $how >> "$scratch/none.ns"
        measure "$PGPORT" 'SET dbm.capture = off;' $how >> "$scratch/off.ns"
        measure "$PGPORT" 'SET dbm.capture = on;' $how >> "$scratch/on.ns"
    done
    none=$(quarter "$scratch/none.ns" 0.5) off=$(quarter "$scratch/off.ns" 0.5) on=$(quarter "$scratch/on.ns" 0.5)
    low=$(quarter "$scratch/none.ns" 0.25) high=$(quarter "$scratch/none.ns" 0.75)
    awk -v h=$how -v n="$none" -v f="$off" -v o="$on" -v l="$low" -v u="$high" 'BEGIN {
        printf "%-8s %12d %12d %12d | %10.3f %10.3f %10.3f %7.1f%%\n", h, n, f, o, f / n, o / n, o / f, (u - l) * 100 / n }'
done
