//! SQL text and the server's node trees.

pub mod alter_table;
pub mod constants;
pub mod expression;
pub mod long_names;
pub mod mention;
pub mod node_tree;
pub mod normalised;
pub mod operand;
pub mod placeholder;
pub mod tokens;
