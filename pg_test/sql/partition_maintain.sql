-- dbm.partition_maintain(): what it refuses, what it says is due, and that nothing is changed meanwhile.
CREATE DATABASE dbm_partition_maintain;
\c dbm_partition_maintain
CREATE EXTENSION dbmastery;
\pset format unaligned
\set VERBOSITY default
SET timezone = 'UTC';
CREATE ROLE dbm_partition_maintain_other;
GRANT USAGE ON SCHEMA dbm TO dbm_partition_maintain_other;
GRANT EXECUTE ON FUNCTION dbm.partition_maintain(regclass, timestamp with time zone, boolean) TO dbm_partition_maintain_other;
CREATE TABLE plain (id int);
CREATE TABLE unkept (id int) PARTITION BY RANGE (id);
CREATE TABLE target (id int PRIMARY KEY);
CREATE TABLE item (id bigint NOT NULL, at date NOT NULL, target int REFERENCES target) PARTITION BY RANGE (at);
CREATE TABLE hashed (id int) PARTITION BY HASH (id);
CREATE TABLE listed (id int) PARTITION BY LIST (id);
INSERT INTO dbm.partition_set (parent, key_kind, every, origin, premake) VALUES ('item', 'date', '1 month', '2000-01-01', 2);

-- What cannot be kept.
SELECT * FROM dbm.partition_maintain('missing');
SELECT * FROM dbm.partition_maintain(4294967295::oid::regclass);
SELECT * FROM dbm.partition_maintain('plain');
SELECT * FROM dbm.partition_maintain('unkept');
SELECT * FROM dbm.partition_maintain('hashed');
SELECT * FROM dbm.partition_maintain('item', 'infinity');
SELECT * FROM dbm.partition_maintain('item', '-infinity');
SELECT * FROM dbm.partition_maintain('item', NULL);
SET ROLE dbm_partition_maintain_other;
SELECT * FROM dbm.partition_maintain('item');
SELECT parent, action, status FROM dbm.partition_maintain();
RESET ROLE;
BEGIN;
UPDATE dbm.partition_set SET premake = 5;
SELECT * FROM dbm.partition_maintain('item');
ROLLBACK;

-- What is due.
SELECT parent, action, partition, status, detail FROM dbm.partition_maintain('item', '2026-11-25', dry_run => true);
SELECT parent, action, partition, status, detail FROM dbm.partition_maintain('item', '290000-01-01', dry_run => true);
SELECT parent, action, partition, status, detail FROM dbm.partition_maintain(at => '2026-11-25', dry_run => NULL);
SELECT parent, action, partition, status, detail FROM dbm.partition_maintain(at => '2026-11-25');
SELECT * FROM dbm.partition_maintain('item', '2026-11-30 23:59:59.999999+00');
SELECT relname FROM pg_class WHERE relname LIKE 'item\_%' ORDER BY 1;
-- A policy that makes no sense, one broken value after the other.
UPDATE dbm.partition_set SET every = '1 hour';
SELECT parent, action, partition, status, detail FROM dbm.partition_maintain('item', '2027-11-25', dry_run => true);
UPDATE dbm.partition_set SET every = '1 month', origin = 'sometime';
SELECT parent, action, partition, status, detail FROM dbm.partition_maintain('item', '2027-11-25', dry_run => true);
UPDATE dbm.partition_set SET origin = '2000-01-01', time_zone = 'Nowhere';
SELECT parent, action, partition, status, detail FROM dbm.partition_maintain('item', '2027-11-25', dry_run => true);
UPDATE dbm.partition_set SET time_zone = 'UTC', premake = 0;
SELECT parent, action, partition, status, detail FROM dbm.partition_maintain('item', '2027-11-25', dry_run => true);
DROP TABLE item;
SELECT * FROM dbm.partition_maintain();
\c postgres
DROP DATABASE dbm_partition_maintain;
DROP ROLE dbm_partition_maintain_other;
