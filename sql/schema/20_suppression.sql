-- Findings that somebody decided to live with. Empty at CREATE EXTENSION, as dbm.rule_setting.

CREATE TABLE dbm.suppression (
    rule          text                     NOT NULL,
    object        text                     NOT NULL,
    reason        text                     NOT NULL,
    expires       timestamp with time zone,
    suppressed_by text                     NOT NULL DEFAULT current_user,
    suppressed_at timestamp with time zone NOT NULL DEFAULT pg_catalog.now(),
    CONSTRAINT suppression_pkey PRIMARY KEY (rule, object),
    CONSTRAINT chk_suppression_rule_exists CHECK (dbm.check_rule_setting(rule, true, NULL, '{}')),
    CONSTRAINT chk_suppression_names_an_object CHECK (object OPERATOR(pg_catalog.~) '\S'),
    CONSTRAINT chk_suppression_gives_a_reason CHECK (reason OPERATOR(pg_catalog.~) '\S'),
    CONSTRAINT chk_suppression_ends_after_it_began CHECK (expires OPERATOR(pg_catalog.>) suppressed_at)
);

SELECT pg_catalog.pg_extension_config_dump('dbm.suppression', '');

COMMENT ON TABLE dbm.suppression IS
    'Findings that are shown as suppressed and not counted in the score. Written by dbm.suppress() and dbm.unsuppress(), kept by pg_dump.';
COMMENT ON COLUMN dbm.suppression.rule IS
    'The rule''s id, as in dbm.rules().';
COMMENT ON COLUMN dbm.suppression.object IS
    'The object exactly as the column object of dbm.audit() shows it, or * for every object of the rule.';
COMMENT ON COLUMN dbm.suppression.reason IS
    'Why the finding may stay; the audit shows it in the evidence.';
COMMENT ON COLUMN dbm.suppression.expires IS
    'From when on the finding counts again; null for never.';
COMMENT ON COLUMN dbm.suppression.suppressed_by IS
    'The role that decided.';
COMMENT ON COLUMN dbm.suppression.suppressed_at IS
    'When it was decided.';
COMMENT ON CONSTRAINT chk_suppression_rule_exists ON dbm.suppression IS
    'The rule exists; the error lists all rules.';
COMMENT ON CONSTRAINT chk_suppression_names_an_object ON dbm.suppression IS
    'An empty object would match nothing.';
COMMENT ON CONSTRAINT chk_suppression_gives_a_reason ON dbm.suppression IS
    'Whoever reads the suppression later has nothing but its reason.';
COMMENT ON CONSTRAINT chk_suppression_ends_after_it_began ON dbm.suppression IS
    'A suppression that ends before it begins would match nothing.';
