-- Which tables can be divided between tenants, which cannot and why, what the plan says, and what the leak test sees.
CREATE DATABASE dbm_tenancy;
\c dbm_tenancy
CREATE EXTENSION dbmastery;
CREATE ROLE dbm_tenancy_owner;
CREATE ROLE dbm_tenancy_app;
CREATE SCHEMA shop AUTHORIZATION dbm_tenancy_owner;
GRANT USAGE ON SCHEMA dbm TO dbm_tenancy_app;
GRANT USAGE ON SCHEMA shop TO dbm_tenancy_app;
SET ROLE dbm_tenancy_owner;
CREATE TABLE shop.tenants (id uuid PRIMARY KEY);
CREATE TABLE shop.orders (id bigint PRIMARY KEY, tenant text NOT NULL, code text UNIQUE);
CREATE TABLE shop.lines (order_id bigint NOT NULL REFERENCES shop.orders ON DELETE CASCADE, line int, PRIMARY KEY (order_id, line));
CREATE TABLE shop.loose (order_id bigint REFERENCES shop.orders);
GRANT SELECT, INSERT, UPDATE, DELETE ON shop.orders, shop.lines TO dbm_tenancy_app;
RESET ROLE;

\echo == whose rows are has to be known, and of which type the tenant is
SELECT dbm.tenancy_plan('{shop.orders}');
SELECT dbm.tenancy_plan('{shop.orders}', tenant_type => 'bigint');
SELECT dbm.tenancy_plan('{shop.orders}', tenant_type => 'nonsense');
SELECT dbm.tenancy_plan('{}');
SELECT dbm.tenancy_plan(ARRAY[NULL]::regclass[]);
SELECT dbm.tenancy_plan('{shop.orders,shop.lines,shop.loose}', tenant_type => 'text', source => '{"shop.orders": "tenant"}');
SELECT dbm.tenancy_plan('{shop.orders}', tenant_type => 'text', source => '{"shop.nothing": "tenant"}');
SELECT dbm.tenancy_plan('{shop.orders}', tenant_type => 'text', source => '{"shop.lines": "line"}');
SELECT dbm.tenancy_plan('{shop.orders}', tenant_type => 'text', source => '["tenant"]');
SELECT dbm.tenancy_plan('{shop.orders}', tenant_type => 'text', source => '{"shop.orders": 1}');
SELECT dbm.tenancy_plan('{shop.orders,shop.lines}', tenant_type => 'text', source => '{"shop.orders": "tenant", "shop.lines": {"via": "nothing"}}');

\echo == what has to be accepted is named first
SELECT dbm.tenancy_plan('{shop.orders,shop.lines,shop.loose}', tenant_type => 'text',
    source => '{"shop.orders": "tenant", "shop.loose": "''a''"}');
SELECT dbm.tenancy_plan('{shop.orders}', tenant_type => 'text', accept => '{everything}');
SELECT dbm.tenancy_plan('{shop.orders,shop.lines}', tenant_type => 'text', source => '{"shop.orders": "tenant"}', accept => '{primary_key,unique,foreign_keys}');
SELECT dbm.tenancy_plan('{shop.orders,shop.lines,shop.loose}', tenant_type => 'text', accept => '{primary_key,unique,foreign_keys}',
    source => '{"shop.orders": "nothing", "shop.loose": "''a''"}');

\echo == what there is no way for
CREATE TABLE shop.parted (tenant_id text, at date) PARTITION BY RANGE (at);
CREATE TABLE shop.part PARTITION OF shop.parted DEFAULT;
CREATE TABLE shop.base (tenant_id text);
CREATE TABLE shop.child () INHERITS (shop.base);
CREATE VIEW shop.codes AS SELECT code FROM shop.orders;
CREATE TABLE shop.typed (tenant_id bigint NOT NULL);
CREATE TABLE shop.keyed (tenant_id text NOT NULL, id int PRIMARY KEY, note text);
CREATE VIEW shop.grouped AS SELECT id, note FROM shop.keyed GROUP BY id;
SELECT dbm.tenancy_plan('{shop.parted}');
SELECT dbm.tenancy_plan('{shop.part}');
SELECT dbm.tenancy_plan('{shop.base}');
SELECT dbm.tenancy_plan('{shop.codes}', tenant_type => 'text', source => '{"shop.codes": "code"}');
SELECT dbm.tenancy_plan('{shop.typed}', tenant_type => 'text');
SELECT dbm.tenancy_plan('{shop.typed}', tenants => 'shop.tenants');
SELECT dbm.tenancy_plan('{shop.keyed}', accept => '{primary_key}');
SELECT dbm.tenancy_plan('{dbm.plan}', tenant_type => 'text', source => '{"dbm.plan": "title"}');
DROP VIEW shop.codes;

\echo == the plan
SELECT dbm.tenancy_plan('{shop.lines,shop.orders,shop.loose}', 'owner of row', 'character varying(20)',
    source => '{"shop.orders": "tenant", "shop.loose": "''a''"}', accept => '{primary_key,unique,foreign_keys}') IS NOT NULL AS planned;
\x on
SELECT step, phase, runs, lock_mode, sql, undo FROM dbm.plan_steps((SELECT max(plan) FROM dbm.plan)) ORDER BY step;
SELECT title, change, risk, array_to_string(requires, E'\n') AS requires FROM dbm.plan;
\x off

\echo == the leak test
SELECT check_name, status, detail FROM dbm.tenant_leak_test('{shop.orders}', 'tenant');
CREATE TABLE shop.tight (tenant_id bigint NOT NULL, id int, PRIMARY KEY (tenant_id, id));
ALTER TABLE shop.tight OWNER TO dbm_tenancy_owner;
CREATE POLICY tenant ON shop.tight AS RESTRICTIVE USING (tenant_id = dbm.current_tenant()::bigint);
CREATE POLICY access ON shop.tight USING (true);
ALTER TABLE shop.tight ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON shop.tight TO dbm_tenancy_app;
SELECT target, check_name, status, detail FROM dbm.tenant_leak_test('{shop.tight}');
SELECT count(*) FROM shop.tight;
SELECT DISTINCT target FROM dbm.tenant_leak_test() ORDER BY target;
SELECT * FROM dbm.tenant_leak_test('{shop.tight}', roles => '{dbm_tenancy_nobody}');
SELECT * FROM dbm.tenant_leak_test('{shop.grouped}');
SELECT * FROM dbm.tenant_leak_test('{0}');
SELECT check_name, status, detail FROM dbm.tenant_leak_test('{shop.tight}', 'tenant') WHERE check_name IN ('policy', 'read', 'not_null');
SELECT check_name, status FROM dbm.tenant_leak_test('{shop.tight}', roles => '{}') WHERE status <> 'ok' ORDER BY 1;

\echo == whose the transaction is
SET ROLE dbm_tenancy_app;
SELECT dbm.current_tenant();
SELECT dbm.set_tenant('1');
RESET ROLE;
GRANT EXECUTE ON FUNCTION dbm.set_tenant TO dbm_tenancy_app;
SET ROLE dbm_tenancy_app;
SELECT dbm.set_tenant('1');
BEGIN;
SELECT dbm.set_tenant('1');
SELECT dbm.set_tenant('1');
SELECT dbm.current_tenant();
INSERT INTO shop.tight VALUES (1, 1);
INSERT INTO shop.tight (id, tenant_id) SELECT 2, dbm.current_tenant()::bigint;
TABLE shop.tight;
SAVEPOINT s;
INSERT INTO shop.tight VALUES (2, 1);
ROLLBACK TO s;
SELECT dbm.set_tenant('2');
ROLLBACK TO s;
COMMIT;
TABLE shop.tight;
SET dbm.tenant = '1';
SELECT set_config('dbm.tenant', '1', true);
RESET ALL;
EXPLAIN (COSTS off) SELECT * FROM shop.tight WHERE id = 1;
\c postgres
DROP DATABASE dbm_tenancy;
DROP ROLE dbm_tenancy_owner, dbm_tenancy_app;
