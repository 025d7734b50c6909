-- Row versions and soft delete: what the plans say, and what there is no way for.
CREATE DATABASE dbm_patterns;
\c dbm_patterns
CREATE EXTENSION dbmastery;
CREATE ROLE dbm_patterns_other;
CREATE SCHEMA shop;
CREATE TABLE shop.orders (id bigint PRIMARY KEY, "Code" text UNIQUE, amount int);
CREATE UNIQUE INDEX orders_lower ON shop.orders (lower("Code")) INCLUDE (amount) WHERE amount > 5;
CREATE TABLE shop.lines (order_id bigint REFERENCES shop.orders, code text REFERENCES shop.orders ("Code"));
CREATE TABLE shop.parted (at date) PARTITION BY RANGE (at);
CREATE TABLE shop.part PARTITION OF shop.parted DEFAULT;
CREATE TABLE shop.bare (a int, updated_at timestamp);
CREATE VIEW shop.seen AS SELECT * FROM shop.orders;

\echo == row versions
SELECT dbm.row_versioning_plan('shop.seen');
SELECT dbm.row_versioning_plan('shop.part');
SELECT dbm.row_versioning_plan('shop.bare');
SELECT dbm.row_versioning_plan('shop.bare', 'updated_at', 'updated_at');
SELECT dbm.row_versioning_plan('shop.bare', NULL, '');
SELECT dbm.row_versioning_plan('dbm.plan');
SELECT dbm.row_versioning_plan(0);
SELECT dbm.row_versioning_plan('shop.orders', 'it''s "v"') IS NOT NULL AS planned;
\x on
SELECT step, phase, runs, lock_mode, sql, undo FROM dbm.plan_steps((SELECT max(plan) FROM dbm.plan)) ORDER BY step;
SELECT title, change, risk, array_to_string(requires, E'\n') AS requires FROM dbm.plan ORDER BY plan DESC LIMIT 1;
\x off
CREATE TABLE shop.versioned (id int, v bigint, at timestamptz);
CREATE TRIGGER v BEFORE INSERT OR UPDATE ON shop.versioned FOR EACH ROW EXECUTE FUNCTION dbm.row_version('v', 'at');
INSERT INTO shop.versioned VALUES (1), (2) RETURNING id, v, at IS NOT NULL AS at;
UPDATE shop.versioned SET id = 10 WHERE id = 1 RETURNING id, v;
UPDATE shop.versioned SET id = 10 WHERE id = 10 RETURNING id, v;
UPDATE shop.versioned SET id = 11, v = 2 WHERE id = 10 RETURNING id, v;
\set VERBOSITY sqlstate
UPDATE shop.versioned SET id = 12, v = 2 WHERE id = 11 RETURNING id, v;
\set VERBOSITY default
ALTER TABLE shop.versioned DROP COLUMN at;
UPDATE shop.versioned SET id = 12;

\echo == soft delete
SELECT dbm.soft_delete_plan('shop.seen');
SELECT dbm.soft_delete_plan('shop.parted');
SELECT dbm.soft_delete_plan('shop.bare');
SELECT dbm.soft_delete_plan('shop.orders', 'amount');
SELECT dbm.soft_delete_plan('shop.orders', view_name => 'seen');
SELECT dbm.soft_delete_plan('shop.orders');
ALTER TABLE shop.lines DROP COLUMN code;
SELECT dbm.soft_delete_plan('shop.orders');
SELECT dbm.soft_delete_plan('shop.orders', accept => '{everything}');
SELECT dbm.soft_delete_plan('shop.orders', 'gone at', 'orders that are there', '{unique}') IS NOT NULL AS planned;
\x on
SELECT step, phase, runs, lock_mode, sql, undo FROM dbm.plan_steps((SELECT max(plan) FROM dbm.plan)) ORDER BY step;
SELECT title, change, risk, array_to_string(requires, E'\n') AS requires FROM dbm.plan ORDER BY plan DESC LIMIT 1;
\x off

\echo == rights
SET ROLE dbm_patterns_other;
SELECT dbm.row_versioning_plan('shop.orders');
RESET ROLE;
GRANT USAGE ON SCHEMA dbm TO dbm_patterns_other;
GRANT EXECUTE ON FUNCTION dbm.row_versioning_plan, dbm.soft_delete_plan TO dbm_patterns_other;
GRANT USAGE ON SCHEMA shop TO dbm_patterns_other;
SET ROLE dbm_patterns_other;
SELECT dbm.row_versioning_plan('shop.orders');
SELECT dbm.soft_delete_plan('shop.orders');
CREATE TEMPORARY TABLE mine (v bigint);
CREATE TRIGGER v BEFORE INSERT ON mine FOR EACH ROW EXECUTE FUNCTION dbm.row_version('v', '');
\c postgres
DROP DATABASE dbm_patterns;
DROP ROLE dbm_patterns_other;
