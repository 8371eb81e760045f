//! Everything that is built, as it is sent: a change of it is seen in a review, and rolls or rewrites objects of every
//! bridge at the next upgrade.

use serde_json::{Value, json};

use super::*;
use crate::build::fixture::with_every_setting;

fn all(objects: Objects<Built>) -> Value {
    let Parts {
        bridge: _,
        service_account,
        config_map,
        public_service,
        admin_service,
        network_policy,
        stateful_set,
    } = objects.into_parts();
    json!([
        service_account,
        config_map,
        network_policy,
        public_service,
        admin_service,
        stateful_set,
    ])
}

#[test]
fn a_bridge_with_the_charts_defaults() {
    insta::assert_json_snapshot!(all(build(&validated()).unwrap()));
}

#[test]
fn a_bridge_with_every_setting() {
    insta::assert_json_snapshot!(all(build(&with_every_setting()).unwrap()));
}
