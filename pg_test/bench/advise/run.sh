#!/usr/bin/env bash
# How good the indexes are that dbm.advise_workload() advises: they are really built, and what is printed are the costs
# that the server's own planner then gives and the bytes that the indexes really take.
#
# The tables have no index at first, not even a primary key. TPC-H without its queries 2, 17 and 20, and TPC-DS without
# 4, 6, 9, 10, 11, 32, 35, 41 and 95, whose costs would hide all others, as in the study "Magic mirror in my hand, which
# is the best in the land?" (PVLDB 13). Each query counts once. Costs are the planner's, megabytes are 2^20.
#
# To beat, as a study of these data says: 2.31 million at 250 MB for TPC-H (the algorithm Extend), 2.50 million at 198 MB
# (dexter), from 5.16 million without an index; 8.66 million at 170 MB for TPC-DS (Extend). What it starts from is this
# set-up: keys would make that 4.0 million, parallel workers 3.9 million, a work_mem of 4 MB 5.7 million. The costs that
# it ends at are HypoPG's and the sizes a formula's, though, and neither is what is got when the indexes are built:
# the 23 indexes below that are called "all" cost 2.16 million before HypoPG and 2.40 million when they are there, and
# lineitem(l_orderkey) is a third larger than the formula says. So the peers' sets are built here too: "six" are single-column
# indexes of which HypoPG says 2.49 million, as the study says of dexter's six.
#
# A second line has the primary keys there (tpch_keys), whose size does not count.
# SCALE (default 1) is that of the data; TPCH_BUDGETS, TPCDS_BUDGETS are in megabytes; TIME_LIMIT (default 10 s).
set -euo pipefail
time_limit=${TIME_LIMIT:-10 s}

sql() { PGOPTIONS='-c client_min_messages=warning' psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }

# What all queries cost together, as EXPLAIN says.
cost() {
    sql -d "$1" <<'SQL'
CREATE FUNCTION pg_temp.cost(query text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
    RETURN (plan -> 0 -> 'Plan' ->> 'Total Cost')::float8;
END
$$;
SELECT round(sum(pg_temp.cost(query) * calls::float8)) FROM dbm.workload;
SQL
}

# database, folder, queries to leave out
load() {
    local name=$1 folder=$2 left_out=" $3 " number
    [ -z "$(sql -d postgres -c "SELECT 1 FROM pg_database WHERE datname = '$name'")" ] || return 0
    sql -d postgres -c "CREATE DATABASE $name"
    (cd "$folder" && sql -d "$name" -f load.sql)
    sql -d "$name" -c 'VACUUM ANALYZE' -c 'CREATE EXTENSION dbmastery'
    for file in "$folder"/queries/*.sql; do
        number=$((10#$(basename "$file" .sql)))
        [[ $left_out == *" $number "* ]] && continue
        sql -d "$name" -v text="$(cat "$file")" <<< "INSERT INTO dbm.workload (query) VALUES (rtrim(:'text', E' ;\n'))"
    done
}

drop_indexes() {
    sql -d "$1" <<< "SELECT format('DROP INDEX %s', indexrelid::regclass) FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
        WHERE c.relnamespace = 'public'::regnamespace AND NOT i.indisprimary \gexec"
}

megabytes() {
    sql -d "$1" -c "SELECT round(sum(pg_relation_size(i.indexrelid)) / 1048576.0, 1) FROM pg_index AS i
        JOIN pg_class AS c ON c.oid = i.indexrelid WHERE c.relnamespace = 'public'::regnamespace AND NOT i.indisprimary"
}

# database, name, base, columns ...: what a peer's set costs when it is there
peer() {
    local database=$1 name=$2 base=$3 columns
    shift 3
    for columns in "$@"; do
        sql -d "$database" -c "CREATE INDEX ON $columns"
    done
    awk -v n="$name" -v i="$#" -v m="$(megabytes "$database")" -v c="$(cost "$database")" -v a="$base" 'BEGIN {
        printf "%-9s %7s %8d %10s %10.1f %12s %12d %7.1f\n", n, "", i, "", m, "", c, 100 * c / a }'
    drop_indexes "$database"
}

# database, megabytes
advise() {
    local name=$1 budget=$2 base=$3 start seconds
    sql -d "$name" -c "DROP TABLE IF EXISTS public_advice"
    start=$(date +%s.%N)
    sql -d "$name" -c "CREATE TABLE public_advice AS SELECT row_number() OVER () AS number, a.* FROM dbm.advise_workload(
        budget_bytes => $budget::bigint * 1048576, time_limit => '$time_limit', source => 'table') AS a"
    seconds=$(awk -v s="$start" -v e="$(date +%s.%N)" 'BEGIN { print e - s }')
    # Without CONCURRENTLY, which would only take longer here.
    sql -d "$name" <<< "SELECT replace(sql, ' CONCURRENTLY', '') FROM public_advice WHERE action = 'create' ORDER BY number \gexec"
    # Indexes on expressions have statistics of their own, as they get from autovacuum.
    sql -d "$name" <<< "SELECT DISTINCT format('ANALYZE %s', indrelid::regclass) FROM pg_index AS i
        JOIN pg_class AS c ON c.oid = i.indexrelid WHERE c.relnamespace = 'public'::regnamespace AND indexprs IS NOT NULL \gexec"
    local count promised real plannings
    count=$(sql -d "$name" -c "SELECT count(*) FROM public_advice WHERE action = 'create'")
    promised=$(sql -d "$name" -c "SELECT round(min(cost_after)), round(sum(estimated_bytes) / 1048576.0, 1) FROM public_advice WHERE action = 'create'")
    real=$(cost "$name")
    plannings=$(sql -d "$name" -c "SELECT max((evidence ->> 'plannings')::bigint) FROM public_advice")
    awk -v n="$name" -v b="$budget" -v i="$count" -v p="$promised" -v c="$real" -v m="$(megabytes "$name")" -v a="$base" \
        -v s="$seconds" -v k="$plannings" 'BEGIN {
        split(p, told, "|")
        printf "%-9s %7d %8d %10.1f %10.1f %12.0f %12.0f %7.1f %8.1f %9d %8.0f\n",
            n, b, i, told[2], m, told[1], c, 100 * c / a, s, k, k / s }'
    sql -d "$name" <<< "SELECT '       ' || replace(sql, ' CONCURRENTLY', '') FROM public_advice WHERE action = 'create' ORDER BY number"
    sql -d "$name" <<< "SELECT '       not looked at: ' || evidence::text FROM public_advice WHERE action NOT IN ('create', 'drop')"
    drop_indexes "$name"
}

printf '%-9s %7s %8s %10s %10s %12s %12s %7s %8s %9s %8s\n' \
    set 'MB' indexes 'MB said' 'MB real' 'cost said' 'cost real' '%' seconds plannings 'a second'
for set in tpch tpch_keys tpcds; do
    if [ $set = tpch ]; then
        load tpch "$DBMASTERY_TPCH" '2 17 20'
        budgets=${TPCH_BUDGETS-250 198}
    elif [ $set = tpch_keys ]; then
        if [ -z "$(sql -d postgres -c "SELECT 1 FROM pg_database WHERE datname = 'tpch_keys'")" ]; then
            sql -d postgres -c 'CREATE DATABASE tpch_keys TEMPLATE tpch'
            for key in 'region r_regionkey' 'nation n_nationkey' 'part p_partkey' 'supplier s_suppkey' \
                'customer c_custkey' 'orders o_orderkey' 'partsupp ps_partkey, ps_suppkey' \
                'lineitem l_orderkey, l_linenumber'; do
                sql -d tpch_keys -c "ALTER TABLE ${key%% *} ADD PRIMARY KEY (${key#* })"
            done
            sql -d tpch_keys -c 'VACUUM ANALYZE'
        fi
        budgets=${TPCH_BUDGETS-250 198}
    else
        load tpcds "$DBMASTERY_TPCDS" '4 6 9 10 11 32 35 41 95'
        budgets=${TPCDS_BUDGETS-170}
    fi
    # Those of an earlier run that was ended half-way.
    drop_indexes $set
    base=$(cost $set)
    printf '%-9s %7d %8d %10s %10s %12s %12d %7.1f\n' $set 0 0 '' '' '' "$base" 100
    if [ $set = tpch ]; then
        six=('lineitem (l_orderkey)' 'lineitem (l_partkey)' 'lineitem (l_suppkey)' 'lineitem (l_shipdate)'
            'orders (o_orderkey)' 'partsupp (ps_suppkey)')
        peer tpch six "$base" "${six[@]}"
        peer tpch all "$base" "${six[@]}" 'lineitem (l_receiptdate)' 'lineitem (l_partkey, l_suppkey)' \
            'lineitem (l_shipmode)' 'orders (o_custkey)' 'orders (o_orderdate)' 'customer (c_custkey)' \
            'customer (c_nationkey)' 'customer (c_mktsegment)' 'part (p_partkey)' 'part (p_size)' 'part (p_type)' \
            'part (p_brand)' 'part (p_container)' 'supplier (s_suppkey)' 'supplier (s_nationkey)' \
            'partsupp (ps_partkey)' 'partsupp (ps_partkey, ps_suppkey)'
    fi
    for budget in $budgets; do
        advise $set "$budget" "$base"
    done
done
