//! The chart, by the Helm that people use, against a real API server: what it renders is what the server takes, what
//! cannot work is refused before, and nothing of anybody's is lost on the way in, up and out.
//!
//! No node: what pods do with what is rendered is the node suite's. The definition and the release's rights concern the
//! whole cluster, so that whoever installs does so alone ([`rig::alone`]); who only renders and tries goes beside.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod guides;
mod install;
mod names;
mod notes;
mod render;
mod rig;
mod schema;
mod values;
