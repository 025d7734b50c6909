//! The table of seals as SQL makes it: part of the log, no member of the extension, so that it stays and is dumped.

/// The statements that make it, to be run by the log's owner.
pub fn statements() -> Vec<String> {
    let mut statements = vec![
        "CREATE TABLE dbm_trail.seal (
    seal_id         bigint                   NOT NULL,
    sealed_at       timestamp with time zone NOT NULL,
    home            text                     NOT NULL,
    until           bigint                   NOT NULL,
    next            bigint                   NOT NULL,
    change_number   bigint                   NOT NULL,
    activity_number bigint                   NOT NULL,
    shapes          bigint                   NOT NULL,
    shape_root      bytea                    NOT NULL,
    shape_leaves    bytea,
    activities      bigint                   NOT NULL,
    activity_root   bytea                    NOT NULL,
    activity_leaves bytea,
    changes         bigint                   NOT NULL,
    change_root     bytea                    NOT NULL,
    change_leaves   bytea,
    previous        bytea                    NOT NULL,
    digest          bytea                    NOT NULL,
    CONSTRAINT seal_pkey PRIMARY KEY (seal_id)
)"
        .to_owned(),
        // Hashes cannot be compressed.
        "ALTER TABLE dbm_trail.seal ALTER COLUMN shape_leaves SET STORAGE EXTERNAL, \
         ALTER COLUMN activity_leaves SET STORAGE EXTERNAL, ALTER COLUMN change_leaves SET STORAGE EXTERNAL"
            .to_owned(),
        "REVOKE ALL ON TABLE dbm_trail.seal FROM PUBLIC".to_owned(),
        "COMMENT ON TABLE dbm_trail.seal IS 'Seals over the log of the audit trail, each holding the digest of the one \
         before. Written by dbm.seal_audit_log() alone, read by dbm.verify_audit_log().'"
            .to_owned(),
    ];
    for (column, meaning) in [
        ("seal_id", "Its number, from 1 without gaps."),
        ("sealed_at", "When it was made."),
        ("home", "The cluster and the database in which the transactions count."),
        ("until", "All transactions below this were over when it was made."),
        ("next", "The transaction that would have come next then."),
        ("change_number", "The number that the last change had then."),
        ("activity_number", "The number that the last activity had then."),
        ("shapes", "How many rows of shape it seals."),
        ("shape_root", "The root of the Merkle tree over them."),
        ("shape_leaves", "Number, moment and hash of each."),
        ("activities", "How many rows of activity it seals."),
        ("activity_root", "The root of the Merkle tree over them."),
        (
            "activity_leaves",
            "Number, moment and hash of each; null once all of them went with their partitions.",
        ),
        ("changes", "How many rows of change it seals."),
        ("change_root", "The root of the Merkle tree over them."),
        (
            "change_leaves",
            "Number, moment and hash of each; null once all of them went with their partitions.",
        ),
        ("previous", "The digest of the seal before; zeros for the first."),
        (
            "digest",
            "SHA-256 over what the seal says: dbm.audit_log_digests() shows it, to be kept elsewhere.",
        ),
    ] {
        statements.push(format!("COMMENT ON COLUMN dbm_trail.seal.{column} IS '{meaning}'"));
    }
    statements
}
