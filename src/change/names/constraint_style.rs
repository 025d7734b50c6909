//! Styles of constraint names.

use super::affix::{after_table, is_code, is_hash, mentions_table, strip_numbered};
use super::census::{Convention, Style, UNSTYLED};
use crate::catalog::ConstraintKind;
use crate::text::words::snake_case;

/// The project's own style.
pub const KIND_TABLE_COLUMNS: Style = "chk_/uq_/fk_{table}_{columns}";
/// Other words for the kind in front: `ck_`, `uk_`, `unique_`.
pub const OTHER_KIND_FIRST: Style = "ck_/uk_/unique_{table}_{columns}";
/// What PostgreSQL writes when no name is given.
pub const POSTGRESQL_DEFAULT: Style = "{table}_{columns}_check/_key/_fkey";
/// What Rails, Django, Hibernate and TypeORM write: nobody could imitate it by hand.
pub const HASHED: Style = "fk_rails_{hash} and the like";
/// Other words for the kind at the end: `_chk`, `_uk`, `_unique`, `_fk`.
pub const KIND_LAST: Style = "{table}_{columns}_chk/_unique/_fk";
/// A word for the kind between table and columns.
pub const KIND_BETWEEN: Style = "{table}_fk_{columns}";
/// The table and what must hold, with no word for the kind.
pub const TABLE_MEANING: Style = "{table}_{meaning}";

/// What is asked of constraint names.
pub const CONVENTION: Convention =
    Convention { house: &[KIND_TABLE_COLUMNS], tolerated: &[POSTGRESQL_DEFAULT, HASHED, OTHER_KIND_FIRST] };

/// The words for one kind of constraint.
struct Words {
    house: &'static str,
    default: &'static str,
    others: &'static [&'static str],
    /// The one of `others` that a new name in the style [`KIND_LAST`] ends in.
    last: &'static str,
}

fn words(kind: ConstraintKind) -> Option<&'static Words> {
    match kind {
        ConstraintKind::Check => Some(&Words {
            house: "chk",
            default: "check",
            others: &["cc", "check", "chk", "ck", "cons", "constraint"],
            last: "chk",
        }),
        ConstraintKind::Unique => Some(&Words {
            house: "uq",
            default: "key",
            others: &["idx", "key", "u", "uidx", "uix", "uk", "uniq", "unique", "unq", "uq", "ux"],
            last: "unique",
        }),
        ConstraintKind::ForeignKey => Some(&Words {
            house: "fk",
            default: "fkey",
            others: &["fk", "fkey", "foreign", "fkc"],
            last: "fk",
        }),
        ConstraintKind::Exclusion => Some(&Words {
            house: "ex",
            default: "excl",
            others: &["ex", "exc", "excl", "exclude", "exclusion", "no", "xcl"],
            last: "ex",
        }),
        // A primary key is unique in its table and always found; NOT NULL and triggers are named elsewhere.
        ConstraintKind::PrimaryKey | ConstraintKind::NotNull | ConstraintKind::Trigger => None,
    }
}

/// The style of a constraint's name; `None` where the kind is not judged by name.
///
/// The table's name is expected in snake case.
pub fn style_of(kind: ConstraintKind, name: &str, table: &str) -> Option<Style> {
    let words = words(kind)?;
    let name = snake_case(name);
    let name = &*name;
    if is_generated(name) {
        return Some(HASHED);
    }
    let first = name.split('_').next().unwrap_or(name);
    let trimmed = name.trim_end_matches(|character: char| character.is_ascii_digit()).trim_end_matches('_');
    let last = trimmed.rsplit('_').next().unwrap_or(trimmed);
    if first == words.house && first.len() < name.len() {
        return Some(KIND_TABLE_COLUMNS);
    }
    if last == words.default && last.len() < trimmed.len() {
        return Some(POSTGRESQL_DEFAULT);
    }
    if words.others.contains(&first) && first.len() < name.len() {
        return Some(OTHER_KIND_FIRST);
    }
    if words.others.contains(&last) && last.len() < trimmed.len() {
        return Some(KIND_LAST);
    }
    let Some(rest) = after_table(name, table) else {
        return Some(if mentions_table(name, table) { TABLE_MEANING } else { UNSTYLED });
    };
    let says_kind = rest.split('_').any(|word| word == words.default || words.others.contains(&word));
    Some(if says_kind { KIND_BETWEEN } else { TABLE_MEANING })
}

/// Names that only a tool writes.
fn is_generated(name: &str) -> bool {
    // Every hash and code has a digit; most names have none.
    if !name.bytes().any(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let mut words = name.split('_');
    let first = words.next().unwrap_or(name);
    let second = words.next().unwrap_or("");
    let is_rails = second == "rails" && name.rsplit('_').next().is_some_and(|last| is_hash(last, 10..=10));
    let is_alone = words.next().is_none() && (is_hash(second, 10..=10) || is_code(second));
    // Django puts the hash before the kind.
    let mut pairs = name.split('_').zip(name.split('_').skip(1));
    let is_django = pairs.any(|(hash, kind)| is_hash(hash, 6..=8) && matches!(kind, "fk" | "uniq" | "check"));
    is_rails || is_alone || is_django || is_code(first)
}

/// What stands before and after the end of a new name in `style`; of what cannot be imitated, the house style.
pub fn parts(style: Style, kind: ConstraintKind, table: &str, columns: &[&str]) -> Option<(String, String)> {
    if kind == ConstraintKind::PrimaryKey {
        return Some((table.to_owned(), "_pkey".to_owned()));
    }
    let words = words(kind)?;
    let join = |before: &[&str]| before.iter().chain(columns).copied().collect::<Vec<_>>().join("_");
    Some(match style {
        POSTGRESQL_DEFAULT => (join(&[table]), format!("_{}", words.default)),
        KIND_LAST => (join(&[table]), format!("_{}", words.last)),
        KIND_BETWEEN => (join(&[table, words.last]), String::new()),
        TABLE_MEANING => (join(&[table]), String::new()),
        _ => (join(&[words.house, table]), String::new()),
    })
}

/// Whether PostgreSQL itself may have made up this name, in which case it also cut it.
pub fn is_server_made(name: &str) -> bool {
    ["_check", "_key", "_fkey", "_excl", "_pkey", "_idx", "_not_null", "_seq"]
        .iter()
        .any(|suffix| strip_numbered(name, suffix).is_some())
}

#[cfg(test)]
mod tests {
    use super::ConstraintKind::*;
    use super::*;

    #[test]
    fn every_style_is_known() {
        for (kind, name, table, style) in [
            (Check, "chk_orders_total", "orders", KIND_TABLE_COLUMNS),
            (Unique, "uq_orders_number", "orders", KIND_TABLE_COLUMNS),
            (ForeignKey, "fk_orders_customer", "orders", KIND_TABLE_COLUMNS),
            (ForeignKey, "FK_Orders_Customers_CustomerId", "Orders", KIND_TABLE_COLUMNS),
            (ForeignKey, "fk_pull_requests_on_repository_id", "pull_requests", KIND_TABLE_COLUMNS),
            (Check, "CK_Product_Style", "product", OTHER_KIND_FIRST),
            (Check, "check_customers_on_net_payment_term", "customers", OTHER_KIND_FIRST),
            (Unique, "unique_orders_number", "orders", OTHER_KIND_FIRST),
            (Check, "orders_total_check", "orders", POSTGRESQL_DEFAULT),
            (Check, "orders_total_check1", "orders", POSTGRESQL_DEFAULT),
            (Check, "orders_check", "orders", POSTGRESQL_DEFAULT),
            (Unique, "orders_number_key", "orders", POSTGRESQL_DEFAULT),
            (ForeignKey, "orders_customer_id_fkey", "orders", POSTGRESQL_DEFAULT),
            (Exclusion, "bookings_room_during_excl", "bookings", POSTGRESQL_DEFAULT),
            (ForeignKey, "fk_rails_7acaf995fb", "orders", HASHED),
            (Check, "chk_rails_0e3f9b1d2a", "orders", HASHED),
            (Check, "check_2f3a1b4c5d", "orders", HASHED),
            (ForeignKey, "fk6dotkott2kjsp8vw4d0m25fb7", "orders", HASHED),
            (Unique, "uk_6dotkott2kjsp8vw4d0m25fb7", "orders", HASHED),
            (ForeignKey, "shop_order_customer_id_9da0058c_fk_shop_customer_id", "shop_order", HASHED),
            (Unique, "shop_order_number_3f2b1c0d_uniq", "shop_order", HASHED),
            (Unique, "REL_6a72c3c0f683f6462415e653c3", "order", HASHED),
            (Unique, "users_email_unique", "users", KIND_LAST),
            (ForeignKey, "orders_user_id_foreign", "orders", KIND_LAST),
            (ForeignKey, "orders_customer_fk", "orders", KIND_LAST),
            (ForeignKey, "l_area_area_fk_link", "l_area_area", KIND_BETWEEN),
            (Check, "users_username_max_length", "users", TABLE_MEANING),
            (Check, "user_name_valid", "users", TABLE_MEANING),
            (Check, "positive_price", "products", UNSTYLED),
            (ForeignKey, "customer", "orders", UNSTYLED),
            (Check, "uq_orders_total", "orders", UNSTYLED),
            (Check, "check", "orders", UNSTYLED),
        ] {
            assert_eq!(style_of(kind, name, &snake_case(table)), Some(style), "{name}");
        }
    }

    #[test]
    fn primary_keys_and_not_null_are_not_judged() {
        for kind in [PrimaryKey, NotNull, Trigger] {
            assert_eq!(style_of(kind, "whatever", "orders"), None);
        }
    }

    #[test]
    fn a_new_name_is_known_for_its_style() {
        for kind in [Check, Unique, ForeignKey, Exclusion] {
            for style in [KIND_TABLE_COLUMNS, POSTGRESQL_DEFAULT, KIND_LAST, KIND_BETWEEN, TABLE_MEANING] {
                let (stem, suffix) = parts(style, kind, "orders", &["customer", "total"]).unwrap();
                assert_eq!(
                    style_of(kind, &format!("{stem}{suffix}"), "orders"),
                    Some(style),
                    "{stem}{suffix}"
                );
            }
        }
    }

    #[test]
    fn names_that_the_server_makes_up_are_known() {
        assert!(is_server_made("orders_total_check") && is_server_made("orders_a_idx12"));
        assert!(!is_server_made("idx_orders_total") && !is_server_made("checks"));
    }
}
