#!/usr/bin/env bash
# What policies cost: the same transactions on one table of ROWS rows of 100 tenants, without policies and with those that
# dbm.tenancy_plan() makes, beside policies on current_setting(), plain and wrapped in a sub-select, taking turns in one run.
# One row by its key, one row changed, a page of 50 rows of the tenant, and all rows of a tenant counted without an index.
# The transactions without policies name the tenant themselves. In each, the tenant is set first.
# ROWS (default 1000000), TURN (default 5 seconds), ROUNDS (default 5).
# Then what dbm.row_version() costs one UPDATE of one row beside a PL/pgSQL trigger that does the same.
set -euo pipefail
rows=${ROWS:-1000000}
span=${TURN:-5}
rounds=${ROUNDS:-5}
export PGOPTIONS='-c client_min_messages=error'
scratch=$(mktemp -d)

psql -X -q -d postgres -c 'CREATE DATABASE bench' -c 'ALTER DATABASE bench SET search_path = public' -c 'CREATE ROLE app'
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -d bench "$@"; }
sql <<SQL
CREATE EXTENSION dbmastery;
GRANT USAGE ON SCHEMA dbm TO app;
GRANT EXECUTE ON FUNCTION dbm.set_tenant TO app;
SQL
for table in bare ours setting wrapped; do
    sql <<SQL
CREATE TABLE $table (tenant_id bigint NOT NULL, id bigint NOT NULL, amount int NOT NULL, note text, PRIMARY KEY (tenant_id, id)) WITH (fillfactor = 80);
INSERT INTO $table SELECT i % 100, i, 0, md5(i::text) FROM generate_series(1, $rows) AS i;
GRANT SELECT, INSERT, UPDATE, DELETE ON $table TO app;
SQL
done
# Nobody but ours may look at a placeholder here: it is what others do.
sql <<'SQL'
CREATE POLICY tenant_isolation ON ours AS RESTRICTIVE USING (tenant_id = dbm.current_tenant(NULL::bigint));
CREATE POLICY tenant_access ON ours USING (true);
CREATE POLICY tenant_isolation ON setting USING (tenant_id = nullif(current_setting('app.tenant', true), '')::bigint);
CREATE POLICY tenant_isolation ON wrapped USING (tenant_id = (SELECT nullif(current_setting('app.tenant', true), '')::bigint));
ALTER TABLE ours ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE setting ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE wrapped ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SQL
sql -c 'VACUUM ANALYZE' -c CHECKPOINT

# script WHAT TABLE: a transaction of one tenant.
script() {
    local set="SELECT set_config('app.tenant', :tenant::text, true);" mine=''
    case $2 in
        ours) set="SELECT dbm.set_tenant(:tenant::text);" ;;
        bare) mine="tenant_id = :tenant AND" ;;
    esac
    cat <<SQL
\\set tenant random(0, 99)
\\set id 100 * random(0, $((rows / 100 - 1))) + :tenant
BEGIN;
$set
SQL
    case $1 in
        row) echo "SELECT amount FROM $2 WHERE $mine id = :id;" ;;
        update) echo "UPDATE $2 SET amount = amount + 1 WHERE $mine id = :id;" ;;
        page) echo "SELECT id, note FROM $2 WHERE $mine id > :id ORDER BY id LIMIT 50;" ;;
        count) echo "SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_indexonlyscan = off; SET LOCAL max_parallel_workers_per_gather = 0;"
               echo "SELECT count(*) FROM $2 WHERE $mine true;" ;;
    esac
    echo 'COMMIT;'
}
# tps FILE: transactions a second.
tps() {
    PGOPTIONS='-c client_min_messages=error -c role=app' pgbench -n -M prepared -c 1 -T "$span" -f "$1" -d bench 2> "$scratch/error" | sed -n 's/^tps = \([0-9.]*\).*/\1/p'
}
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

printf '%-8s %12s %12s %12s %12s   %s\n' what bare ours setting wrapped 'ours/bare ours/setting'
for what in row update page count; do
    for table in bare ours setting wrapped; do
        script "$what" "$table" > "$scratch/$what.$table.sql"
        : > "$scratch/$what.$table.tps"
    done
    for _ in $(seq "$rounds"); do
        for table in bare ours setting wrapped; do
            tps "$scratch/$what.$table.sql" >> "$scratch/$what.$table.tps"
        done
    done
    b=$(median < "$scratch/$what.bare.tps")
    o=$(median < "$scratch/$what.ours.tps")
    s=$(median < "$scratch/$what.setting.tps")
    w=$(median < "$scratch/$what.wrapped.tps")
    printf '%-8s %12.1f %12.1f %12.1f %12.1f   %8.3f %8.3f\n' "$what" "$b" "$o" "$s" "$w" \
        "$(awk "BEGIN { print $o / $b }")" "$(awk "BEGIN { print $o / $s }")"
done

# Row versions: microseconds of an UPDATE of all rows, per row, over the same without a trigger.
sql <<SQL
CREATE FUNCTION classic() RETURNS trigger LANGUAGE plpgsql AS \$\$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.row_version IS DISTINCT FROM OLD.row_version THEN RAISE serialization_failure; END IF;
        IF NEW IS NOT DISTINCT FROM OLD THEN RETURN NEW; END IF;
        NEW.row_version := OLD.row_version + 1;
    ELSE
        NEW.row_version := 1;
    END IF;
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END \$\$;
SQL
for table in none rust classic_; do
    sql <<SQL
CREATE TABLE v_$table (id bigint PRIMARY KEY, amount int, note text, row_version bigint NOT NULL DEFAULT 1, updated_at timestamptz NOT NULL DEFAULT now());
INSERT INTO v_$table SELECT i, 0, md5(i::text) FROM generate_series(1, 200000) AS i;
SQL
done
sql -c "CREATE TRIGGER zz BEFORE INSERT OR UPDATE ON v_rust FOR EACH ROW EXECUTE FUNCTION dbm.row_version('row_version', 'updated_at')" \
    -c 'CREATE TRIGGER zz BEFORE INSERT OR UPDATE ON v_classic_ FOR EACH ROW EXECUTE FUNCTION classic()'
for _ in $(seq "$rounds"); do
    for table in none rust classic_; do
        sql -c "VACUUM v_$table" -c CHECKPOINT
        sql >> "$scratch/v.$table" <<SQL
SELECT extract(epoch FROM clock_timestamp()) AS at \gset
UPDATE v_$table SET amount = amount + 1;
SELECT round((extract(epoch FROM clock_timestamp()) - :at) * 1e6 / 200000, 3);
SQL
    done
done
n=$(median < "$scratch/v.none")
r=$(median < "$scratch/v.rust")
c=$(median < "$scratch/v.classic_")
awk "BEGIN { printf \"row versions: UPDATE of a row %.2f us without, +%.2f us with dbm.row_version, +%.2f us with PL/pgSQL: %.1f times\n\", $n, $r - $n, $c - $n, ($c - $n) / ($r - $n) }"
