//! Who used lately what is about to go or to be renamed: best effort, from whoever counts queries here.

use super::dependents::mentions;
use crate::catalog::ddl::RecentUse;
use crate::pg::isolation::isolated;
use crate::pg::workload;

/// How many are shown.
const MAXIMUM: usize = 5;
/// How much of a text is shown.
const LENGTH: usize = 200;

/// Counted statements whose text mentions all of these names, the most frequent first. Nothing where nobody counts, or
/// where the caller may not see the texts.
pub fn mentioning(names: &[&str]) -> Vec<RecentUse> {
    let names: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    let mut found: Vec<RecentUse> = Vec::new();
    let answer = isolated(&mut || {
        let Ok(queries) = workload::workload("auto") else {
            return;
        };
        for query in queries {
            let text = query.text.to_lowercase();
            if names.iter().all(|name| mentions(&text, name)) {
                let query_text: String = query.text.chars().take(LENGTH).collect();
                found.push(RecentUse { query: query_text, calls: query.calls as i64 });
            }
        }
    });
    if answer.is_err() {
        return Vec::new();
    }
    found.sort_by_key(|used| std::cmp::Reverse(used.calls));
    found.truncate(MAXIMUM);
    found
}
