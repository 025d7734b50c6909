//! Money in types that cannot hold it: binary floating point, and the type `money`.

use crate::catalog::types::builtin;
use crate::catalog::{Column, Relation};
use crate::design::prevalence::{PREVAILING_SHARE, PREVAILING_TABLES, Practice};
use crate::design::words::{is_among, says, words};
use crate::finding::{Dimension, Facts, Finding, Rule, Severity, Verdicts};

use super::type_change::TypeChanges;

/// `schema.float_money`: amounts of money in `real` or `double precision`.
pub const FLOAT_MONEY: Rule = Rule {
    id: "schema.float_money",
    dimension: Dimension::Schema,
    severity: Severity::Error,
    title: "Money in a floating-point column",
    why: "Binary floating point cannot hold 0.10: sums drift by cents, equal amounts compare as different, and two \
          servers may add up the same rows to different totals.",
    thresholds: &[PREVAILING_SHARE, PREVAILING_TABLES],
    reference: "https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-FLOAT",
    check: check_float,
};

/// `schema.money_type`: columns of type `money`.
pub const MONEY_TYPE: Rule = Rule {
    id: "schema.money_type",
    dimension: Dimension::Schema,
    severity: Severity::Warning,
    title: "Column of type money",
    why: "The type money keeps no currency, has as many decimals as the server's lc_monetary says, and shows other \
          amounts after that setting changes or the dump is restored elsewhere.",
    thresholds: &[PREVAILING_SHARE, PREVAILING_TABLES],
    reference: "https://www.postgresql.org/docs/current/datatype-money.html",
    check: check_money_type,
};

/// Words that say money wherever they stand.
const MONEY: [&str; 29] = [
    "price",
    "salary",
    "salaries",
    "wage",
    "revenue",
    "fee",
    "refund",
    "deposit",
    "payout",
    "subtotal",
    "surcharge",
    "earning",
    "income",
    "expense",
    "profit",
    "budget",
    "debt",
    "msrp",
    "money",
    "payroll",
    "turnover",
    "bonus",
    "usd",
    "eur",
    "gbp",
    "chf",
    "cash",
    "rent",
    "premium",
];

/// Words that say money only in company: a cost may be a planner's, a balance a colour's, a total a count.
const MAYBE_MONEY: [&str; 15] = [
    "amount",
    "total",
    "cost",
    "balance",
    "tax",
    "taxes",
    "vat",
    "discount",
    "commission",
    "charge",
    "credit",
    "debit",
    "payment",
    "interest",
    "tip",
];

/// Tables and companions that make a doubtful word mean money.
const COMMERCE: [&str; 30] = [
    "order",
    "invoice",
    "payment",
    "sale",
    "cart",
    "basket",
    "purchase",
    "bill",
    "billing",
    "account",
    "transaction",
    "ledger",
    "receipt",
    "subscription",
    "quote",
    "refund",
    "wallet",
    "payroll",
    "product",
    "expense",
    "budget",
    "loan",
    "coupon",
    "checkout",
    "shipping",
    "grand",
    "gross",
    "net",
    "tax",
    "currency",
];

/// Words that say that it is no amount of money after all.
const NOT_MONEY: [&str; 65] = [
    "rate",
    "ratio",
    "percent",
    "percentage",
    "pct",
    "share",
    "factor",
    "multiplier",
    "coefficient",
    "weight",
    "score",
    "count",
    "num",
    "number",
    "index",
    "rank",
    "rating",
    "level",
    "latitude",
    "longitude",
    "lat",
    "lng",
    "lon",
    "distance",
    "duration",
    "second",
    "minute",
    "hour",
    "day",
    "ms",
    "time",
    "byte",
    "size",
    "probability",
    "odds",
    "quantity",
    "qty",
    "length",
    "width",
    "height",
    "area",
    "volume",
    "temperature",
    "degree",
    "km",
    "mile",
    "meter",
    "metre",
    "kg",
    "gram",
    "energy",
    "kwh",
    "watt",
    "power",
    "cpu",
    "memory",
    "bandwidth",
    "calorie",
    "growth",
    "elasticity",
    "variance",
    "deviation",
    "stddev",
    "point",
    "view",
];

/// How sure a name is about money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Likeness {
    Certain,
    Likely,
}

/// Whether a column holds amounts of money, by its name and its table's.
fn money_likeness(table: &str, column: &str) -> Option<Likeness> {
    let is_certain = says(column, &MONEY);
    // Most names end here; the long list comes after.
    if !(is_certain || says(column, &MAYBE_MONEY)) || says(column, &NOT_MONEY) {
        return None;
    }
    // `amount_of_sugar` measures what follows.
    let mut before_of = false;
    for word in words(column) {
        if before_of && word.eq_ignore_ascii_case("of") {
            return None;
        }
        before_of = is_among(word, &MAYBE_MONEY);
    }
    if is_certain {
        return Some(Likeness::Certain);
    }
    let mut doubtful = 0;
    let mut commerce = says(table, &COMMERCE);
    for word in words(column) {
        doubtful += u32::from(is_among(word, &MAYBE_MONEY));
        commerce |= is_among(word, &COMMERCE) && !is_among(word, &MAYBE_MONEY);
    }
    (commerce || doubtful > 1).then_some(Likeness::Likely)
}

fn check_float(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let practice = Practice::observe(facts, |table, column, base| {
        let is_number = base.category == 'N';
        (is_number && money_likeness(&table.name, &column.name).is_some())
            .then_some(matches!(base.oid, builtin::FLOAT4 | builtin::FLOAT8))
    });
    let changes = TypeChanges::new(facts);
    practice.report_columns(
        facts,
        verdicts,
        |extent| format!("money is kept in floating point throughout ({extent}): sums drift, use numeric"),
        |table, column| {
            let severity = match money_likeness(&table.name, &column.name) {
                Some(Likeness::Certain) => Severity::Error,
                _ => Severity::Warning,
            };
            let message = format!(
                "column {} holds money in floating point, which cannot hold 0.10 and drifts when summed: use numeric",
                facts.snapshot.column_name(column)
            );
            report(facts, &changes, table, column, message).severity(severity)
        },
    );
}

fn check_money_type(facts: &Facts<'_>, verdicts: &mut Verdicts<'_>) {
    let practice =
        Practice::observe(facts, |_, _, base| (base.category == 'N').then_some(base.oid == builtin::MONEY));
    let changes = TypeChanges::new(facts);
    practice.report_columns(
        facts,
        verdicts,
        |extent| {
            format!(
                "the type money is used throughout ({extent}): its decimals hang on lc_monetary, use numeric"
            )
        },
        |table, column| {
            let message = format!(
                "column {} has type money, whose decimals hang on the setting lc_monetary: use numeric",
                facts.snapshot.column_name(column)
            );
            report(facts, &changes, table, column, message)
        },
    );
}

fn report(
    facts: &Facts<'_>,
    changes: &TypeChanges<'_>,
    table: &Relation,
    column: &Column,
    message: String,
) -> Finding {
    let snapshot = facts.snapshot;
    let finding = Finding::new(snapshot.column_name(column), snapshot.schema_name(table.schema), message)
        .evidence("type", facts.definitions.type_name(column.type_oid, column.type_modifier));
    changes.repair(finding, table, &[(column, "numeric")])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Oid;
    use crate::catalog::sample::{Sample, run};

    /// The columns that the rule reports in a table with these columns, all of one type.
    fn reported(rule: &Rule, table: &str, columns: &[&str], type_oid: Oid) -> Vec<Finding> {
        let mut sample = Sample::new();
        let table = sample.keyed_table(table);
        for column in columns {
            sample.column(table, column, type_oid);
        }
        run(rule, &sample.finish()).0
    }

    #[test]
    fn a_price_in_floating_point_is_an_error_with_a_fix() {
        let found = reported(&FLOAT_MONEY, "products", &["price"], builtin::FLOAT8);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].object, "public.products.price");
        assert_eq!(found[0].severity, Some(Severity::Error));
        let fix = found[0].fix.as_deref().unwrap();
        assert!(fix.starts_with("ALTER TABLE public.products ALTER COLUMN price TYPE numeric;"), "{fix}");
        assert!(found[0].undo.is_some());
    }

    #[test]
    fn doubtful_words_count_in_the_company_of_commerce() {
        for (table, column) in [
            ("order_items", "total"),
            ("accounts", "balance"),
            ("things", "tax_amount"),
            ("Invoices", "totalAmount"),
            ("jobs", "shipping_cost"),
        ] {
            let found = reported(&FLOAT_MONEY, table, &[column], builtin::FLOAT4);
            assert_eq!(found.len(), 1, "{table}.{column}");
            assert_eq!(found[0].severity, Some(Severity::Warning));
        }
    }

    #[test]
    fn measures_and_shares_are_no_money() {
        for (table, column) in [
            ("orders", "tax_rate"),
            ("orders", "discount_percent"),
            ("orders", "amount_of_sugar"),
            ("products", "price_elasticity"),
            ("roads", "cost"),
            ("roads", "reverse_cost"),
            ("recipes", "amount"),
            ("games", "total_score"),
            ("places", "latitude"),
            ("images", "white_balance"),
            ("runs", "total"),
            ("orders", "weight"),
        ] {
            assert!(reported(&FLOAT_MONEY, table, &[column], builtin::FLOAT8).is_empty(), "{table}.{column}");
        }
        assert!(reported(&FLOAT_MONEY, "orders", &["price"], builtin::NUMERIC).is_empty());
        assert!(reported(&FLOAT_MONEY, "orders", &["price"], builtin::TEXT).is_empty());
    }

    #[test]
    fn domains_are_seen_through() {
        let mut sample = Sample::new();
        let table = sample.keyed_table("products");
        let domain = sample.domain("amount", builtin::FLOAT8);
        sample.column(table, "price", domain);
        let (found, _, examined) = run(&FLOAT_MONEY, &sample.finish());
        assert_eq!((found.len(), examined), (1, 1));
        assert_eq!(found[0].fix, None);
    }

    #[test]
    fn the_type_money_is_found_whatever_the_name() {
        assert_eq!(reported(&MONEY_TYPE, "things", &["a", "b"], builtin::MONEY).len(), 2);
        assert!(reported(&MONEY_TYPE, "things", &["price", "total"], builtin::NUMERIC).is_empty());
    }

    #[test]
    fn a_habit_is_told_once() {
        let mut sample = Sample::new();
        for number in 0..12 {
            let table = sample.keyed_table(&format!("products_{number}"));
            sample.column(table, "price", builtin::FLOAT8);
        }
        let (found, _, examined) = run(&FLOAT_MONEY, &sample.finish());
        assert_eq!((found.len(), examined), (1, 1));
        assert_eq!(found[0].object, "database");
        assert!(found[0].message.contains("12 of 12 columns in 12 tables"), "{}", found[0].message);
    }
}
