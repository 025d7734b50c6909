-- The audit trail: the schemas that are watched as a whole, the function of the triggers, and the event trigger that sees
-- to them. The log itself is made by the first dbm.install_audit_trigger(), outside the extension.

CREATE TABLE dbm.audit_schema (
    schema_name text                     NOT NULL,
    added_by    text                     NOT NULL DEFAULT session_user,
    added_at    timestamp with time zone NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    CONSTRAINT audit_schema_pkey PRIMARY KEY (schema_name)
);

SELECT pg_catalog.pg_extension_config_dump('dbm.audit_schema', '');

COMMENT ON TABLE dbm.audit_schema IS
    'Schemas whose new tables are put under the audit trail as they are made. Written by dbm.install_audit_triggers(). Kept by pg_dump.';
COMMENT ON COLUMN dbm.audit_schema.schema_name IS
    'Its name.';
COMMENT ON COLUMN dbm.audit_schema.added_by IS
    'Who logged in and asked for it.';
COMMENT ON COLUMN dbm.audit_schema.added_at IS
    'When.';

-- Called by triggers alone. Nobody has a right on it but whoever makes partitions of watched tables of his, and nobody
-- makes another trigger of it.
CREATE FUNCTION dbm.write_audit_trail() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbmastery_write_audit_trail';
CREATE FUNCTION dbm.on_audit_trail_ddl() RETURNS event_trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbmastery_audit_trail_ddl';

CREATE EVENT TRIGGER dbmastery_audit_trail ON ddl_command_end
    WHEN TAG IN ('ALTER INDEX', 'ALTER SCHEMA', 'ALTER SUBSCRIPTION', 'ALTER TABLE', 'ALTER TRIGGER', 'ALTER TYPE',
        'CREATE SCHEMA', 'CREATE SUBSCRIPTION', 'CREATE TABLE', 'CREATE TABLE AS', 'CREATE TRIGGER', 'SELECT INTO')
    EXECUTE FUNCTION dbm.on_audit_trail_ddl();
CREATE EVENT TRIGGER dbmastery_audit_trail_drop ON sql_drop
    EXECUTE FUNCTION dbm.on_audit_trail_ddl();
CREATE EVENT TRIGGER dbmastery_audit_trail_start ON ddl_command_start
    WHEN TAG IN ('ALTER INDEX', 'ALTER SCHEMA', 'ALTER TABLE', 'ALTER TRIGGER', 'ALTER TYPE', 'CREATE SCHEMA', 'CREATE TABLE',
        'CREATE TRIGGER', 'DROP EXTENSION', 'DROP OWNED', 'DROP SCHEMA', 'DROP TABLE', 'DROP TRIGGER')
    EXECUTE FUNCTION dbm.on_audit_trail_ddl();
-- Also under session_replication_role = replica, as the triggers of the tables.
ALTER EVENT TRIGGER dbmastery_audit_trail ENABLE ALWAYS;
ALTER EVENT TRIGGER dbmastery_audit_trail_drop ENABLE ALWAYS;
ALTER EVENT TRIGGER dbmastery_audit_trail_start ENABLE ALWAYS;

COMMENT ON FUNCTION dbm.write_audit_trail() IS
    'Trigger of dbm.install_audit_trigger(): writes changes of the table to the log of the audit trail. Needs no rights of whoever writes. EXECUTE on it allows to take triggers over to partitions, and no more. Where the log cannot be written, the change is refused.';
COMMENT ON FUNCTION dbm.on_audit_trail_ddl() IS
    'Event triggers of the audit trail; see dbmastery_audit_trail.';
COMMENT ON EVENT TRIGGER dbmastery_audit_trail IS
    'Keeps names and triggers of watched tables right, puts new tables of watched schemas under the audit trail, and writes down in dbm_trail.event who takes a trigger of it away or out of force; in watched schemas it is put back. Refuses nothing but triggers of dbm.write_audit_trail() that others make than the owner of the extension.';
COMMENT ON EVENT TRIGGER dbmastery_audit_trail_drop IS
    'As dbmastery_audit_trail, of what is dropped: triggers, by whatever statement, tables, partitions and schemas.';
COMMENT ON EVENT TRIGGER dbmastery_audit_trail_start IS
    'As dbmastery_audit_trail, before a statement that renames or drops: tables that a restore made are known by their names until then, and triggers that nobody saw go are written down. It makes way for a table with row triggers of its own that becomes a partition of a watched one, and gives whoever owns that the right to call dbm.write_audit_trail(), for which the server asks.';
