-- The trigger of row versions. Called by triggers alone; who makes one with dbm.row_versioning_plan() needs EXECUTE.
CREATE FUNCTION dbm.row_version() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbmastery_row_version';

COMMENT ON FUNCTION dbm.row_version() IS
    'Trigger BEFORE INSERT OR UPDATE FOR EACH ROW, made by dbm.row_versioning_plan(): numbers the versions of a row in the bigint column that its first argument names, and writes the time into the timestamptz column that the second names; either may be empty. An UPDATE that changes nothing makes no version. One that says another version than the row has ends with SQLSTATE 40001: the row was changed since it was read.
Not granted to anybody: GRANT EXECUTE ON FUNCTION dbm.row_version() TO whoever makes such triggers.';
