#!/usr/bin/env bash
# How many what-if questions about TPC-H dbm.what_if() answers in a second, against HypoPG with EXPLAIN, in one run and
# alternating. A question is a query of TPC-H and an index on one of its tables (indexes.txt); the answer is the cost
# before, the cost after, the size of the index, and whether it is used. HypoPG gives it by two EXPLAINs, and is asked
# from within the server, which spares it the way to the client and back.
# SCALE (default 1) is that of the data, ROUNDS (default 7) the repetitions.
set -euo pipefail
rounds=${ROUNDS:-7}

sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }
median() { sort -n | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'; }

if [ -z "$(sql -d postgres -c "SELECT 1 FROM pg_database WHERE datname = 'tpch'")" ]; then
    sql -d postgres -c 'CREATE DATABASE tpch'
    (cd "$DBMASTERY_TPCH" && sql -d tpch -f load.sql)
    sql -d tpch -c 'VACUUM ANALYZE' -c 'CREATE EXTENSION dbmastery' -c 'CREATE EXTENSION hypopg'
    sql -d tpch -f questions.sql
    for file in "$DBMASTERY_TPCH"/queries/*.sql; do
        sql -d tpch -v number="$((10#$(basename "$file" .sql)))" -v text="$(cat "$file")" <<< \
            "INSERT INTO bench.query VALUES (:number, rtrim(:'text', E' ;\n'))"
    done
    sql -d tpch -c '\copy bench.index FROM indexes.txt'
    sql -d tpch -c 'ANALYZE bench.query, bench.index'
fi

questions=$(sql -d tpch -c 'SELECT count(*) FROM bench.question')
script=$(mktemp -p "${BENCH_SCRATCH:-/tmp}")
{
    # Once each for what a session does only once: samples of the tables, and the JIT compiler's library.
    echo "SELECT 'first', bench.ours();"
    echo "SET jit = on; SELECT 'warm', bench.hypopg();"
    for _ in $(seq "$rounds"); do
        echo "SELECT 'ours', bench.ours();"
        echo "SET jit = off; SELECT 'hypopg, jit = off', bench.hypopg();"
        echo "SET jit = on; SELECT 'hypopg, jit = on', bench.hypopg();"
        echo "SELECT 'explain', bench.explain();"
    done
} > "$script"
output=$(sql -d tpch -f "$script")
milliseconds() { awk -F '|' -v want="$1" '$1 == want { print $2 }' <<< "$output" | median; }
ours=$(milliseconds ours)

printf '%s questions about %s queries of TPC-H, scale %s, medians of %s rounds\n\n' "$questions" \
    "$(sql -d tpch -c 'SELECT count(DISTINCT number) FROM bench.question')" "${SCALE:-1}" "$rounds"
printf '%-24s %12s %12s %12s %10s\n' 'asked by' 'ms/answer' 'answers/s' 'plannings/s' 'dbm faster'
for way in ours 'hypopg, jit = off' 'hypopg, jit = on'; do
    awk -v w="$way" -v t="$(milliseconds "$way")" -v n="$questions" -v o="$ours" 'BEGIN {
        label = w == "ours" ? "dbm.what_if" : w
        printf "%-24s %12.3f %12.0f %12.0f %9.1fx\n", label, t / n, n / t * 1000, 2 * n / t * 1000, t / o }'
done
awk -v f="$(milliseconds first)" -v o="$ours" -v e="$(milliseconds explain)" -v n="$questions" 'BEGIN {
    printf "\nThe first round of a session took %.0f ms more: it samples the tables.\n", f - o
    printf "EXPLAIN of the same queries without JIT, once for each question: %.3f ms; two of them are the floor of any\n", e / n
    printf "answer, and dbm.what_if() takes %.2f times as long.\n", o / (2 * e) }'
