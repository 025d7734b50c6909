//! Enum types.

use super::asked::Asked;
use super::direct;
use super::proof;
use super::recipe::{NoPlan, Recipe};
use crate::change::plan::{Phase, Step};
use crate::text::quote_literal;

/// ALTER TYPE … ADD VALUE.
pub fn add_value(asked: &Asked<'_>, name: &str, value: &str, is_there: bool) -> Result<Recipe, NoPlan> {
    if is_there {
        let step = direct::whole(asked)?;
        return Ok(Recipe::step(
            step.note("the value is there already: nothing is done, and nothing has to be taken back"),
        ));
    }
    let step = direct::honest(direct::whole(asked)?)
        .verify(proof::has_value(name, value))
        .note(format!(
            "in a transaction of its own, because {} can be used only once it is committed; an enum value cannot be taken away again",
            quote_literal(value)
        ));
    Ok(Recipe::default().with_lasting(step).with(Step::by_hand(
        Phase::Switch,
        format!(
            "the application may write {} from here on; readers have to know it before",
            quote_literal(value)
        ),
    )))
}
