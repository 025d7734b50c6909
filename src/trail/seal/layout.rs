//! The table of seals as SQL makes it: part of the log, no member of the extension, so that it stays and is dumped.

use super::record::Kind;

/// What the columns of a kind are for.
fn meanings(kind: Kind) -> [(String, String); 3] {
    let name = kind.name();
    let leaves = if kind.is_partitioned() {
        "Number, moment and hash of each; null once all of them went with their partitions."
    } else {
        "Number, moment and hash of each."
    };
    [
        (kind.plural().to_owned(), format!("How many rows of {name} it seals.")),
        (format!("{name}_root"), "The root of the Merkle tree over them.".to_owned()),
        (format!("{name}_leaves"), leaves.to_owned()),
    ]
}

/// The statements that add what the table did not always have.
pub fn with_target() -> [String; 2] {
    [
        "ALTER TABLE dbm_trail.seal ADD COLUMN target bigint".to_owned(),
        "COMMENT ON COLUMN dbm_trail.seal.target IS 'Where others follow that together with it seal all transactions below \
         a number: that number. In no digest: it tells where to go on, and proves nothing.'"
            .to_owned(),
    ]
}

/// The statements that make it, to be run by the log's owner.
pub fn statements() -> Vec<String> {
    let columns: String = Kind::ALL
        .map(|kind| {
            let (name, plural) = (kind.name(), kind.plural());
            format!(
                "    {plural} bigint NOT NULL,\n    {name}_root bytea NOT NULL,\n    {name}_leaves bytea,\n"
            )
        })
        .concat();
    let external =
        Kind::ALL.map(|kind| format!("ALTER COLUMN {}_leaves SET STORAGE EXTERNAL", kind.name())).join(", ");
    let [_, meaning_of_target] = with_target();
    let mut statements = vec![
        format!(
            "CREATE TABLE dbm_trail.seal (
    seal_id bigint NOT NULL,
    sealed_at timestamp with time zone NOT NULL,
    home text NOT NULL,
    until bigint NOT NULL,
    next bigint NOT NULL,
    change_number bigint NOT NULL,
    event_number bigint NOT NULL,
{columns}    previous bytea NOT NULL,
    digest bytea NOT NULL,
    target bigint,
    CONSTRAINT seal_pkey PRIMARY KEY (seal_id)
)"
        ),
        // Hashes cannot be compressed.
        format!("ALTER TABLE dbm_trail.seal {external}"),
        "REVOKE ALL ON TABLE dbm_trail.seal FROM PUBLIC".to_owned(),
        "COMMENT ON TABLE dbm_trail.seal IS 'Seals over the log of the audit trail, each holding the digest of the one \
         before. Written by dbm.seal_audit_log() alone, read by dbm.verify_audit_log().'"
            .to_owned(),
        meaning_of_target,
    ];
    let comment =
        |column: &str, meaning: &str| format!("COMMENT ON COLUMN dbm_trail.seal.{column} IS '{meaning}'");
    for (column, meaning) in [
        ("seal_id", "Its number, from 1 without gaps."),
        ("sealed_at", "When it was made."),
        ("home", "The cluster and the database in which the transactions count."),
        ("until", "All transactions below this were over when it was made."),
        ("next", "The transaction that would have come next then."),
        ("change_number", "The number that the last change, and so the last activity, had at most then."),
        ("event_number", "The number that the last event had at most then."),
        ("previous", "The digest of the seal before; zeros for the first."),
        (
            "digest",
            "SHA-256 over what the seal says: dbm.audit_log_digests() shows it, to be kept elsewhere.",
        ),
    ] {
        statements.push(comment(column, meaning));
    }
    for kind in Kind::ALL {
        statements.extend(meanings(kind).map(|(column, meaning)| comment(&column, &meaning)));
    }
    statements
}
