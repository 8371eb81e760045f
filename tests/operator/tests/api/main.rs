//! What needs an API server and no node: the schema and its rules.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod rules;
