//! Styles of index names.

use super::affix::{after_table, contains_table, is_code, is_hash, mentions_table, strip_numbered};
use super::census::{Convention, Style, UNSTYLED};
use crate::text::words::snake_case;

/// The project's own style.
pub const IDX_TABLE_COLUMNS: Style = "idx_{table}_{columns}";
/// What PostgreSQL writes when no name is given.
pub const TABLE_COLUMNS_IDX: Style = "{table}_{columns}_idx";
/// What Rails writes.
pub const INDEX_TABLE_ON_COLUMNS: Style = "index_{table}_on_{columns}";
/// What SQLAlchemy and Entity Framework write.
pub const IX_TABLE_COLUMNS: Style = "ix_{table}_{columns}";
/// What Laravel and Ecto write.
pub const TABLE_COLUMNS_INDEX: Style = "{table}_{columns}_index";
/// What MusicBrainz and others write by hand.
pub const TABLE_IDX_COLUMNS: Style = "{table}_idx_{columns}";
/// No word that says that it is an index.
pub const TABLE_COLUMNS: Style = "{table}_{columns}";
/// What Django and TypeORM write: nobody could imitate it by hand.
pub const HASHED: Style = "{table}_{columns}_{hash}";

/// What is asked of index names.
pub const CONVENTION: Convention = Convention { house: &[IDX_TABLE_COLUMNS], tolerated: &[HASHED] };

const PREFIXES: [(&str, Style); 3] =
    [("idx_", IDX_TABLE_COLUMNS), ("index_", INDEX_TABLE_ON_COLUMNS), ("ix_", IX_TABLE_COLUMNS)];

/// The style of the name of an index that backs no constraint; `None` where the name is not to be judged.
///
/// The table's name is expected in snake case.
pub fn style_of(name: &str, table: &str, is_unique: bool) -> Option<Style> {
    let name = snake_case(name);
    let name = &*name;
    // Left behind by REINDEX CONCURRENTLY, and about to go.
    if strip_numbered(name, "_ccnew").or_else(|| strip_numbered(name, "_ccold")).is_some() {
        return None;
    }
    if is_unique && says_unique(name) {
        return None;
    }
    let prefixed = PREFIXES.iter().find_map(|&(prefix, style)| Some((name.strip_prefix(prefix)?, style)));
    match prefixed {
        // A table may itself be called `index` or `idx_things`: its name in full settles it.
        Some((rest, style)) if after_table(rest, table).is_some() => return Some(style),
        _ => {}
    }
    if let Some(generated) = generated_style(name) {
        return Some(generated);
    }
    if let Some(columns) = after_table(name, table) {
        return Some(after_table_style(columns));
    }
    if let Some((rest, style)) = prefixed {
        let is_about = mentions_table(rest, table) || contains_table(rest, table);
        return Some(if is_about { style } else { UNSTYLED });
    }
    if mentions_table(name, table) {
        return Some(match after_table_style(name) {
            // Without any mark of an index, a short form of the table may as well be a column.
            TABLE_COLUMNS => UNSTYLED,
            style => style,
        });
    }
    Some(UNSTYLED)
}

/// The style of what follows the table's name.
fn after_table_style(columns: &str) -> Style {
    if columns == "idx" || strip_numbered(columns, "_idx").is_some() {
        TABLE_COLUMNS_IDX
    } else if columns == "index" || strip_numbered(columns, "_index").is_some() {
        TABLE_COLUMNS_INDEX
    } else if columns.starts_with("idx_") || columns.contains("_idx_") {
        TABLE_IDX_COLUMNS
    } else {
        TABLE_COLUMNS
    }
}

/// Names that only a tool writes.
fn generated_style(name: &str) -> Option<Style> {
    let mut words = name.rsplit('_');
    let last = words.next()?;
    if name.starts_with("idx_on_") && is_hash(last, 10..=10) {
        return Some(INDEX_TABLE_ON_COLUMNS);
    }
    let (hash, marked) = match last {
        "like" | "uniq" | "idx" => (words.next()?, true),
        _ => (last, false),
    };
    let is_generated = is_hash(hash, 8..=8) || (marked && is_hash(hash, 6..=6)) || is_code(hash);
    is_generated.then_some(HASHED)
}

/// Whether a unique index's name follows the ways of unique constraints.
fn says_unique(name: &str) -> bool {
    const WORDS: &[&str] = &["key", "pk", "pkey", "uidx", "uix", "uk", "uniq", "unique", "unq", "uq", "ux"];
    let trimmed = name.trim_end_matches(|character: char| character.is_ascii_digit());
    let ends = [name.split('_').next(), trimmed.rsplit('_').next()];
    ends.into_iter().flatten().any(|word| WORDS.contains(&word))
        // `idx_unique_feature_per_plan` says what must not happen twice.
        || name.split('_').any(|word| matches!(word, "uniq" | "unique" | "uniqueness"))
}

/// What stands before and after the middle of a new name in `style`; of what cannot be imitated, the house style.
pub fn parts(style: Style, table: &str, columns: &[&str]) -> (String, &'static str) {
    let join = |before: &[&str], between: &str| {
        let columns = columns.join(between);
        let words = before.iter().copied().chain([&*columns]).filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join("_")
    };
    match style {
        TABLE_COLUMNS_IDX => (join(&[table], "_"), "_idx"),
        TABLE_COLUMNS_INDEX => (join(&[table], "_"), "_index"),
        INDEX_TABLE_ON_COLUMNS => (join(&["index", table, "on"], "_and_"), ""),
        IX_TABLE_COLUMNS => (join(&["ix", table], "_"), ""),
        TABLE_IDX_COLUMNS => (join(&[table, "idx"], "_"), ""),
        TABLE_COLUMNS => (join(&[table], "_"), ""),
        _ => (join(&["idx", table], "_"), ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_style_is_known() {
        for (name, table, style) in [
            ("idx_orders_customer_id", "orders", IDX_TABLE_COLUMNS),
            ("idx_orders_by_whatever", "orders", IDX_TABLE_COLUMNS),
            ("idx_order_customer_id", "orders", IDX_TABLE_COLUMNS),
            ("idx_pat_on_token_digest", "personal_access_tokens", IDX_TABLE_COLUMNS),
            ("IDX_Orders_CustomerId", "Orders", IDX_TABLE_COLUMNS),
            ("idx_orders", "orders", IDX_TABLE_COLUMNS),
            ("orders_customer_id_idx", "orders", TABLE_COLUMNS_IDX),
            ("orders_customer_id_idx1", "orders", TABLE_COLUMNS_IDX),
            ("orders_idx", "orders", TABLE_COLUMNS_IDX),
            ("index_orders_on_customer_id", "orders", INDEX_TABLE_ON_COLUMNS),
            ("index_orders_by_cursor", "orders", INDEX_TABLE_ON_COLUMNS),
            ("index_unpaid_orders_on_state", "orders", INDEX_TABLE_ON_COLUMNS),
            ("index_unique_order", "orders", INDEX_TABLE_ON_COLUMNS),
            ("index_customer_id_on_orders", "orders", INDEX_TABLE_ON_COLUMNS),
            ("index_sub_fc_units_on_sub_id", "subscription_fixed_charge_units", INDEX_TABLE_ON_COLUMNS),
            ("idx_on_plan_id_billable_metric_id_4a205974cb", "charges", INDEX_TABLE_ON_COLUMNS),
            ("ix_orders_customer_id", "orders", IX_TABLE_COLUMNS),
            ("IX_Orders_CustomerId", "Orders", IX_TABLE_COLUMNS),
            ("users_email_index", "users", TABLE_COLUMNS_INDEX),
            ("artist_idx_name", "artist", TABLE_IDX_COLUMNS),
            ("teams_name", "teams", TABLE_COLUMNS),
            ("auth_user_username_6821ab7c", "auth_user", HASHED),
            ("auth_user_username_6821ab7c_like", "auth_user", HASHED),
            ("blog_post_author_1f23ab_idx", "blog_post", HASHED),
            ("IDX_6a72c3c0f683f6462415e653c3", "user", HASHED),
            ("user_id_idx", "friends", UNSTYLED),
            ("idx_email", "users", UNSTYLED),
            ("tsv_idx", "blog_posts", UNSTYLED),
            ("gin_search", "products", UNSTYLED),
        ] {
            assert_eq!(style_of(name, &snake_case(table), false), Some(style), "{name}");
        }
    }

    #[test]
    fn passing_names_and_unique_marks_are_left_alone() {
        assert_eq!(style_of("idx_orders_a_ccnew", "orders", false), None);
        assert_eq!(style_of("orders_a_idx_ccold1", "orders", false), None);
        for name in [
            "uq_orders_a",
            "orders_a_key",
            "orders_a_unique",
            "unique_orders_a",
            "orders_a_uniq",
            "ux_a",
            "idx_one_unique_a",
        ] {
            assert_eq!(style_of(name, "orders", true), None, "{name}");
            assert!(style_of(name, "orders", false).is_some(), "{name}");
        }
    }

    #[test]
    fn a_new_name_is_known_for_its_style() {
        for table in ["orders", "OrderItem", "index_rows", "idx_things", "index"] {
            for style in [
                IDX_TABLE_COLUMNS,
                TABLE_COLUMNS_IDX,
                INDEX_TABLE_ON_COLUMNS,
                IX_TABLE_COLUMNS,
                TABLE_COLUMNS_INDEX,
                TABLE_IDX_COLUMNS,
                TABLE_COLUMNS,
            ] {
                let (stem, suffix) = parts(style, table, &["customer_id", "state"]);
                let name = format!("{stem}{suffix}");
                assert_eq!(style_of(&name, &snake_case(table), false), Some(style), "{name}");
            }
        }
    }
}
