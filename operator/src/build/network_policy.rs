//! Who may reach the relay, and whom it may reach.
//!
//! In: anybody to the public port, since webhooks come through whatever stands in front; the operator's namespace and
//! those of the monitoring to the admin port. Out: DNS, and port 443 of public addresses; what else a company needs
//! (a proxy, an inspecting gateway) the chart adds. It says nothing where the cluster's network enforces no policies.

use std::collections::BTreeMap;
use std::iter;

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{ADMIN_PORT, PUBLIC_PORT, metadata};
use crate::names::RelayNames;
use crate::validate::ValidatedBridge;

/// Private, shared and link-local IPv4 ranges (RFC 1918, 6598, 3927): no platform lives there, metadata services do.
const PRIVATE_V4: [&str; 5] = [
    "10.0.0.0/8",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
];
/// Unique local and link-local IPv6 ranges (RFC 4193, 4291).
const PRIVATE_V6: [&str; 2] = ["fc00::/7", "fe80::/10"];

pub(super) fn build(bridge: &ValidatedBridge, names: &RelayNames) -> NetworkPolicy {
    let settings = &bridge.relay.network_policy;
    let own = &bridge.operator_namespace;
    let monitoring = settings.monitoring_namespaces.iter();
    let readers = iter::once(own).chain(monitoring.filter(|name| *name != own));
    let mut egress = vec![dns(), platforms()];
    egress.extend(settings.extra_egress.iter().cloned().map(with_protocol));
    NetworkPolicy {
        metadata: metadata::object(names.relay(), &bridge.bridge, names),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector {
                match_labels: Some(names.stable_labels()),
                ..LabelSelector::default()
            }),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(vec![
                NetworkPolicyIngressRule {
                    ports: Some(vec![port("TCP", PUBLIC_PORT)]),
                    ..NetworkPolicyIngressRule::default()
                },
                NetworkPolicyIngressRule {
                    from: Some(readers.map(|name| namespace(name)).collect()),
                    ports: Some(vec![port("TCP", ADMIN_PORT)]),
                },
            ]),
            egress: Some(egress),
        }),
    }
}

fn dns() -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule {
        ports: Some(vec![port("UDP", 53), port("TCP", 53)]),
        ..NetworkPolicyEgressRule::default()
    }
}

fn platforms() -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule {
        ports: Some(vec![port("TCP", 443)]),
        to: Some(vec![
            all_but("0.0.0.0/0", &PRIVATE_V4),
            all_but("::/0", &PRIVATE_V6),
        ]),
    }
}

/// As the API server has it: a port without protocol is a TCP port. Rules are compared as a whole.
fn with_protocol(mut rule: NetworkPolicyEgressRule) -> NetworkPolicyEgressRule {
    for port in rule.ports.iter_mut().flatten() {
        port.protocol.get_or_insert_with(|| "TCP".to_owned());
    }
    rule
}

fn all_but(cidr: &str, except: &[&str]) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        ip_block: Some(IPBlock {
            cidr: cidr.to_owned(),
            except: Some(except.iter().map(|&range| range.to_owned()).collect()),
        }),
        ..NetworkPolicyPeer::default()
    }
}

/// Every namespace carries its name as a label.
fn namespace(name: &str) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        namespace_selector: Some(LabelSelector {
            match_labels: Some(BTreeMap::from([(
                "kubernetes.io/metadata.name".to_owned(),
                name.to_owned(),
            )])),
            ..LabelSelector::default()
        }),
        ..NetworkPolicyPeer::default()
    }
}

fn port(protocol: &str, port: i32) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(port)),
        protocol: Some(protocol.to_owned()),
        ..NetworkPolicyPort::default()
    }
}
