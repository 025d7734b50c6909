//! `relation` against the events: the last event that says what a row of it says must be right.

use serde_json::{Map, Value};

use super::verify::{Found, Problem};

/// The table.
pub const TABLE: &str = "relation";

/// What an event says of a relation.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its number.
    pub event: i64,
    /// Its moment, in microseconds.
    pub at: i64,
    /// What the row said from then on, as JSON.
    pub state: String,
}

/// A relation of the log.
#[derive(Clone, Debug)]
pub struct Relation {
    /// Its number.
    pub id: i64,
    /// What its row says, as JSON; `None` where there is none.
    pub state: Option<String>,
    /// The last event that says it.
    pub said: Option<Said>,
}

/// What is wrong with them; those of one number stand one after the other.
pub fn wrong_with(relations: &[Relation]) -> Vec<Found> {
    let before = std::iter::once(None).chain(relations.iter().map(Some));
    relations
        .iter()
        .zip(before)
        .filter_map(|(relation, before)| {
            let is_again = before.is_some_and(|before| before.id == relation.id);
            let (problem, what) = judged(relation, is_again)?;
            Some(Found {
                problem,
                table: TABLE,
                id: relation.id,
                seal: None,
                at: relation.said.as_ref().map(|said| said.at),
                detail: format!("{TABLE} {} {what}", relation.id),
            })
        })
        .collect()
}

fn judged(relation: &Relation, is_again: bool) -> Option<(Problem, String)> {
    match (&relation.state, &relation.said) {
        _ if is_again => Some((Problem::Added, "is there more than once".to_owned())),
        (None, Some(said)) => {
            Some((Problem::Removed, format!("is gone, of which event {} says what it was", said.event)))
        }
        (Some(_), None) => Some((Problem::Added, "is in no event".to_owned())),
        (Some(state), Some(said)) => {
            let others = different(state, &said.state);
            let what = || format!("has another {} than event {} says", others.join(", "), said.event);
            (!others.is_empty()).then(|| (Problem::Altered, what()))
        }
        (None, None) => None,
    }
}

/// The members that two objects do not share.
fn different(one: &str, other: &str) -> Vec<String> {
    let members = |text: &str| -> Map<String, Value> { serde_json::from_str(text).unwrap_or_default() };
    let (left, right) = (members(one), members(other));
    let mut names: Vec<&String> = left.keys().chain(right.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let mut names: Vec<String> =
        names.into_iter().filter(|name| left.get(*name) != right.get(*name)).cloned().collect();
    if names.is_empty() && one != other {
        names.push("text".to_owned());
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation(id: i64, state: Option<&str>, said: Option<&str>) -> Relation {
        let said = said.map(|state| Said { event: 7, at: 70, state: state.to_owned() });
        Relation { id, state: state.map(str::to_owned), said }
    }

    #[test]
    fn the_last_event_is_right() {
        let one = r#"{"mode": "auto", "store": "diff", "settings": {"only": null}}"#;
        let other = r#"{"mode": "row", "store": "diff", "settings": {"only": []}}"#;
        let relations = [
            relation(1, Some(one), Some(one)),
            relation(2, Some(one), Some(other)),
            relation(3, None, Some(one)),
            relation(4, Some(one), None),
            relation(4, Some(one), None),
            relation(5, Some(one), Some(one)),
            relation(5, Some(one), Some(one)),
        ];
        let found: Vec<(&str, String)> =
            wrong_with(&relations).into_iter().map(|found| (found.problem.name(), found.detail)).collect();
        let expected = [
            ("altered", "relation 2 has another mode, settings than event 7 says"),
            ("removed", "relation 3 is gone, of which event 7 says what it was"),
            ("added", "relation 4 is in no event"),
            ("added", "relation 4 is there more than once"),
            ("added", "relation 5 is there more than once"),
        ];
        assert_eq!(found, expected.map(|(problem, detail)| (problem, detail.to_owned())));
    }
}
