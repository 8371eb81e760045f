//! Two Services: the public port, which an Ingress or a Gateway leads to, and the admin port apart from it.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::metadata;
use crate::names::RelayNames;
use crate::validate::ValidatedBridge;

/// Where webhooks come in.
pub(super) fn public(bridge: &ValidatedBridge, names: &RelayNames) -> Service {
    service(bridge, names, names.relay(), &port("http", 80), false)
}

/// Metrics and status. They are most wanted while the relay is not ready.
pub(super) fn admin(bridge: &ValidatedBridge, names: &RelayNames) -> Service {
    let name = names.admin_service();
    service(
        bridge,
        names,
        &name,
        &port("admin", super::ADMIN_PORT),
        true,
    )
}

fn service(
    bridge: &ValidatedBridge,
    names: &RelayNames,
    name: &str,
    port: &ServicePort,
    unready_too: bool,
) -> Service {
    Service {
        metadata: metadata::object(name, &bridge.bridge, names),
        spec: Some(ServiceSpec {
            selector: Some(names.stable_labels()),
            ports: Some(vec![port.clone()]),
            publish_not_ready_addresses: unready_too.then_some(true),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// A port that leads to the container's port of the same name.
fn port(name: &str, port: i32) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port,
        target_port: Some(IntOrString::String(name.to_owned())),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    }
}
