//! A bridge for the tests, whose name is not the product's, so that swapped labels fail.

use std::sync::Arc;

use messaging_bridge_crds::{RelayConfig, check_manifest};

use crate::settings::OperatorSettings;
use crate::validate::{BridgeRef, EmbeddedVolume, QueueKind, ValidatedBridge};

const SETTINGS: &str = "{version: 1, relay: {image: 'registry.example/relay:1', logFormat: json}}";

pub(crate) fn settings() -> OperatorSettings {
    OperatorSettings::parse(SETTINGS).expect("the fixture's settings are valid")
}

pub(crate) fn validated() -> ValidatedBridge {
    let manifest = include_str!("../../../crds/examples/minimal.yaml");
    let bridge = check_manifest(manifest).expect("the examples are valid");
    let mut config = RelayConfig::from_bridge(&bridge, "default").expect("the region is known");
    config.genesys.integration_id = Some("7f9d6a52".to_owned());
    ValidatedBridge {
        bridge: BridgeRef {
            namespace: "tenant-acme".to_owned(),
            name: "acme".to_owned(),
            uid: "u-1".to_owned(),
        },
        config,
        queue: QueueKind::Embedded(EmbeddedVolume {
            size: "1Gi".to_owned(),
            storage_class: None,
        }),
        relay: Arc::new(settings().relay),
        operator_namespace: "messaging-bridge".to_owned(),
        genesys_base_url: None,
        twilio_base_url: None,
    }
}
