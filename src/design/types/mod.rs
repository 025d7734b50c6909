//! Rules about the types of columns.

pub mod char_type;
pub mod enum_type;
pub mod json_type;
pub mod money;
pub mod serial_column;
pub mod timestamp;
pub mod type_change;
pub mod varchar_length;

use crate::finding::Rule;

/// All of them.
pub const RULES: &[Rule] = &[
    money::FLOAT_MONEY,
    money::MONEY_TYPE,
    timestamp::TIMESTAMP_WITHOUT_TIME_ZONE,
    char_type::CHAR_TYPE,
    varchar_length::VARCHAR_LENGTH,
    json_type::JSON_TYPE,
    serial_column::SERIAL_COLUMN,
    enum_type::ENUM_TYPE,
];
