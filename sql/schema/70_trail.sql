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

-- Called by triggers alone; nobody else has a right on it.
CREATE FUNCTION dbm.write_audit_trail() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbmastery_write_audit_trail';
CREATE FUNCTION dbm.on_audit_trail_ddl() RETURNS event_trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbmastery_audit_trail_ddl';

CREATE EVENT TRIGGER dbmastery_audit_trail ON ddl_command_end
    WHEN TAG IN ('ALTER SCHEMA', 'ALTER SUBSCRIPTION', 'ALTER TABLE', 'ALTER TRIGGER', 'CREATE SUBSCRIPTION',
        'CREATE TABLE', 'CREATE TABLE AS', 'CREATE TRIGGER', 'DROP OWNED', 'DROP SCHEMA', 'DROP TABLE', 'DROP TRIGGER',
        'SELECT INTO')
    EXECUTE FUNCTION dbm.on_audit_trail_ddl();

COMMENT ON FUNCTION dbm.write_audit_trail() IS
    'Trigger of dbm.install_audit_trigger(): writes changes of the table to the log of the audit trail. Needs no rights of whoever writes. Where the log cannot be written, the change is refused.';
COMMENT ON FUNCTION dbm.on_audit_trail_ddl() IS
    'Event trigger of the audit trail; see dbmastery_audit_trail.';
COMMENT ON EVENT TRIGGER dbmastery_audit_trail IS
    'Keeps names and triggers of watched tables right, puts new tables of watched schemas under the audit trail, and writes down in dbm_trail.event who switches a trigger of it off. Refuses nothing.';
