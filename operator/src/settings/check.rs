//! Which settings cannot work, though the file can be read: each would be refused by the API server for every bridge,
//! or would keep every relay from starting.

use std::collections::BTreeMap;

use ipnet::IpNet;
use k8s_openapi::api::core::v1::Toleration;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use messaging_bridge_clients::http;
use messaging_bridge_crds::QueueLimits;
use url::Url;

use super::quantity::amount;
use super::{OperatorSettings, RelaySettings, SETTINGS_VERSION, SettingsError};

/// The shortest time between two checks of one bridge, in seconds: below it a thousand bridges would spend the
/// platforms' budgets on being looked at.
const SHORTEST_INTERVAL: u64 = 30;
/// A ConfigMap holds 1 MiB; the rest is for the configuration.
const LONGEST_BUNDLE: usize = 900 * 1024;
/// As in `spec.queue.embedded.size`: 64Mi are kept free so that a full queue still drains.
const SMALLEST_VOLUME: &str = "128Mi";
/// The longest name and value of a label.
const LONGEST_LABEL: usize = 63;
/// The longest prefix of a label's or annotation's name.
const LONGEST_PREFIX: usize = 253;

type Checked = Result<(), SettingsError>;

/// Refuses another version by its number.
pub(super) fn version(given: Option<u64>) -> Checked {
    let problem = match given {
        Some(given) if given == u64::from(SETTINGS_VERSION) => return Ok(()),
        Some(given) => format!("is {given}, this operator reads {SETTINGS_VERSION}"),
        None => format!("is missing: write \"version: {SETTINGS_VERSION}\""),
    };
    Err(SettingsError::Invalid {
        field: "version",
        problem,
    })
}

/// Refuses the first value that cannot work.
pub(super) fn all(settings: &OperatorSettings) -> Checked {
    let relay = &settings.relay;
    image(relay)?;
    resources(relay)?;
    placement(relay)?;
    network(relay)?;
    ensure(
        QueueLimits::for_volume(&relay.storage.size).is_some()
            && amount(&relay.storage.size) >= amount(SMALLEST_VOLUME),
        "relay.storage.size",
        || {
            format!(
                "must be a whole number of Mi, Gi or Ti, {SMALLEST_VOLUME} or more, for example 1Gi"
            )
        },
    )?;
    one_of(
        "relay.logFormat",
        relay.log_format.as_ref(),
        &["json", "text"],
    )?;
    ensure(
        settings.checks.interval_seconds >= SHORTEST_INTERVAL,
        "checks.intervalSeconds",
        || format!("must be {SHORTEST_INTERVAL} or more"),
    )?;
    let platforms = &settings.platforms;
    web_address(
        "platforms.genesysBaseUrl",
        platforms.genesys_base_url.as_ref(),
    )?;
    web_address(
        "platforms.twilioBaseUrl",
        platforms.twilio_base_url.as_ref(),
    )
}

fn image(relay: &RelaySettings) -> Checked {
    ensure(!relay.image.trim().is_empty(), "relay.image", || {
        "is empty: name the relay's image".to_owned()
    })?;
    ensure(
        !relay.image.contains(char::is_whitespace),
        "relay.image",
        || "must not contain spaces".to_owned(),
    )?;
    one_of(
        "relay.imagePullPolicy",
        relay.image_pull_policy.as_ref(),
        &["Always", "IfNotPresent", "Never"],
    )?;
    let unnamed = relay
        .image_pull_secrets
        .iter()
        .find(|name| !is_subdomain(name));
    refuse(unnamed, "relay.imagePullSecrets", |name| {
        format!("has {name:?}, which is no name of a Secret")
    })
}

fn resources(relay: &RelaySettings) -> Checked {
    ensure(
        relay.resources.claims.is_none(),
        "relay.resources.claims",
        || "cannot be set: a relay's pod claims no devices".to_owned(),
    )?;
    let effective = relay.container_resources();
    let requests = effective.requests.unwrap_or_default();
    let limits = effective.limits.unwrap_or_default();
    for (field, amounts) in [
        ("relay.resources.requests", &requests),
        ("relay.resources.limits", &limits),
    ] {
        let unreadable = amounts.iter().find(|(_, size)| amount(&size.0).is_none());
        refuse(unreadable, field, |(name, size)| {
            format!(
                "has {name} {:?}, which is no quantity such as 10m or 32Mi",
                size.0
            )
        })?;
    }
    refuse(
        above(&requests, &limits),
        "relay.resources.requests",
        |(name, request, limit)| {
            format!(
                "has {name} {request}, more than its limit {limit}: set relay.resources.limits.{name} too"
            )
        },
    )
}

/// The first request that is larger than its limit.
fn above<'a>(
    requests: &'a BTreeMap<String, Quantity>,
    limits: &'a BTreeMap<String, Quantity>,
) -> Option<(&'a str, &'a str, &'a str)> {
    requests.iter().find_map(|(name, request)| {
        let limit = limits.get(name)?;
        (amount(&request.0) > amount(&limit.0)).then_some((
            name.as_str(),
            request.0.as_str(),
            limit.0.as_str(),
        ))
    })
}

fn placement(relay: &RelaySettings) -> Checked {
    let bad = relay.tolerations.iter().find_map(intolerable);
    refuse(bad, "relay.tolerations", |(toleration, problem)| {
        format!(
            "has one of {:?}, which {problem}",
            toleration.key.as_deref().unwrap_or_default()
        )
    })?;
    for (field, labels) in [
        ("relay.podLabels", &relay.pod_labels),
        ("relay.nodeSelector", &relay.node_selector),
    ] {
        let bad = labels
            .iter()
            .find(|(name, value)| !is_label_name(name) || !is_label_value(value));
        refuse(bad, field, |(name, value)| {
            format!("has {name:?}: {value:?}, which is no label")
        })?;
    }
    let bad = relay
        .pod_annotations
        .keys()
        .find(|name| !is_label_name(name));
    refuse(bad, "relay.podAnnotations", |name| {
        format!("has {name:?}, which is no name of an annotation")
    })?;
    let class = relay
        .priority_class_name
        .iter()
        .find(|name| !is_subdomain(name));
    refuse(class, "relay.priorityClassName", |name| {
        format!("is {name:?}, which is no name of a PriorityClass")
    })
}

/// Why the API server would refuse pods with it (`ValidateTolerations`).
fn intolerable(toleration: &Toleration) -> Option<(&Toleration, &'static str)> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (key, operator) = (text(&toleration.key), text(&toleration.operator));
    let (value, effect) = (text(&toleration.value), text(&toleration.effect));
    let exists = operator == "Exists";
    let problem = if !key.is_empty() && !is_label_name(&key) {
        "is no name of a taint"
    } else if !["", "Exists", "Equal"].contains(&operator.as_str()) {
        "has another operator than Exists or Equal"
    } else if key.is_empty() && !exists {
        "needs the operator Exists, since it has no key"
    } else if exists && !value.is_empty() {
        "has a value, which the operator Exists does not take"
    } else if !is_label_value(&value) {
        "has a value that no taint can have"
    } else if !["", "NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&effect.as_str()) {
        "has an unknown effect"
    } else if toleration.toleration_seconds.is_some() && effect != "NoExecute" {
        "has tolerationSeconds, which need the effect NoExecute"
    } else {
        return None;
    };
    Some((toleration, problem))
}

/// Every block of `relay.networkPolicy.extraEgress` that is none.
fn blocks(relay: &RelaySettings) -> Checked {
    const FIELD: &str = "relay.networkPolicy.extraEgress";
    let rules = &relay.network_policy.extra_egress;
    let peers = rules.iter().flat_map(|rule| rule.to.iter().flatten());
    for block in peers.filter_map(|peer| peer.ip_block.as_ref()) {
        let Ok(cidr) = block.cidr.parse::<IpNet>() else {
            return refuse(Some(&block.cidr), FIELD, |cidr| {
                format!(
                    "has the cidr {cidr:?}: write an address and a length, for example 10.1.0.0/16"
                )
            });
        };
        // It must be smaller than what it is taken from.
        let outside = block.except.iter().flatten().find(|except| {
            !except.parse::<IpNet>().is_ok_and(|except| {
                cidr.contains(&except) && except.prefix_len() > cidr.prefix_len()
            })
        });
        refuse(outside, FIELD, |except| {
            format!("has the except {except:?}, which is no part of {cidr}")
        })?;
    }
    Ok(())
}

fn network(relay: &RelaySettings) -> Checked {
    blocks(relay)?;
    let (proxy, collector) = (relay.https_proxy.as_ref(), relay.otlp_endpoint.as_ref());
    address("relay.httpsProxy", proxy, "http://proxy.example.com:3128")?;
    address(
        "relay.otlpEndpoint",
        collector,
        "http://collector.observability:4318",
    )?;
    if let Some(bundle) = &relay.ca_bundle {
        let broken = http::check_roots(bundle.as_bytes()).err();
        refuse(broken, "relay.caBundle", |reason| {
            format!("cannot be used as root certificates in PEM form: {reason}")
        })?;
        ensure(bundle.len() <= LONGEST_BUNDLE, "relay.caBundle", || {
            format!("has more than {LONGEST_BUNDLE} bytes: name only the roots that are needed")
        })?;
    }
    let policy = &relay.network_policy;
    let bad = policy
        .monitoring_namespaces
        .iter()
        .find(|name| name.len() > LONGEST_LABEL || name.contains('.') || !is_subdomain(name));
    refuse(bad, "relay.networkPolicy.monitoringNamespaces", |name| {
        format!("has {name:?}, which is no name of a namespace")
    })
}

/// The value may hold a password, and is not repeated.
fn address(field: &'static str, given: Option<&String>, example: &str) -> Checked {
    let bad = given.filter(|text| !Url::parse(text).is_ok_and(|url| is_web(&url)));
    refuse(bad, field, |_| {
        format!("must be an address such as {example}")
    })
}

fn web_address(field: &'static str, url: Option<&Url>) -> Checked {
    ensure(url.is_none_or(is_web), field, || {
        "must begin with http:// or https:// and name a host".to_owned()
    })
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

fn one_of(field: &'static str, given: Option<&String>, known: &[&str]) -> Checked {
    let other = given.filter(|given| !known.contains(&given.as_str()));
    refuse(other, field, |given| {
        format!("is {given:?}: write {}", known.join(" or "))
    })
}

fn ensure(holds: bool, field: &'static str, problem: impl FnOnce() -> String) -> Checked {
    refuse((!holds).then_some(()), field, |()| problem())
}

fn refuse<T>(bad: Option<T>, field: &'static str, problem: impl FnOnce(T) -> String) -> Checked {
    bad.map_or(Ok(()), |bad| {
        Err(SettingsError::Invalid {
            field,
            problem: problem(bad),
        })
    })
}

/// RFC 1123, as for most objects' names.
fn is_subdomain(name: &str) -> bool {
    let outer = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= LONGEST_PREFIX
        && name.split('.').all(|part| {
            part.bytes().next().is_some_and(outer)
                && part.bytes().last().is_some_and(outer)
                && part.bytes().all(|byte| outer(byte) || byte == b'-')
        })
}

/// The name of a label or annotation, with an optional prefix.
fn is_label_name(name: &str) -> bool {
    let (prefix, own) = match name.split_once('/') {
        Some((prefix, own)) => (Some(prefix), own),
        None => (None, name),
    };
    prefix.is_none_or(is_subdomain) && !own.is_empty() && is_label_value(own)
}

fn is_label_value(value: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    value.len() <= LONGEST_LABEL
        && value.bytes().all(inner)
        && [value.bytes().next(), value.bytes().last()]
            .into_iter()
            .flatten()
            .all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use crate::build::fixture::with_root;
    use crate::settings::OperatorSettings;
    use rstest::rstest;

    #[rstest]
    #[case::image("image: 'a b'", "relay.image must not")]
    #[case::pull_policy(
        "image: r, imagePullPolicy: Sometimes",
        "relay.imagePullPolicy is \"Sometimes\""
    )]
    #[case::pull_secret("image: r, imagePullSecrets: ['']", "relay.imagePullSecrets")]
    #[case::quantity(
        "image: r, resources: {limits: {memory: lots}}",
        "relay.resources.limits has memory"
    )]
    #[case::request_above_the_usual_limit(
        "image: r, resources: {requests: {memory: 256Mi}}",
        "set relay.resources.limits.memory too"
    )]
    #[case::label("image: r, podLabels: {team: 'a b'}", "relay.podLabels")]
    #[case::node_label("image: r, nodeSelector: {'/x': y}", "relay.nodeSelector")]
    #[case::annotation("image: r, podAnnotations: {'a b': c}", "relay.podAnnotations")]
    #[case::priority_class("image: r, priorityClassName: High", "relay.priorityClassName")]
    #[case::proxy("image: r, httpsProxy: 'proxy:3128'", "relay.httpsProxy must be")]
    #[case::collector(
        "image: r, otlpEndpoint: 'collector:4318'",
        "relay.otlpEndpoint must be"
    )]
    #[case::bundle("image: r, caBundle: secret", "relay.caBundle cannot be used")]
    #[case::a_bundle_of_something_else(
        "image: r, caBundle: \"-----BEGIN CERTIFICATE-----\\nbm90IG9uZQ==\\n-----END CERTIFICATE-----\"",
        "relay.caBundle cannot be used"
    )]
    #[case::too_small("image: r, storage: {size: 127Mi}", "128Mi or more")]
    #[case::namespace(
        "image: r, networkPolicy: {monitoringNamespaces: [a.b]}",
        "relay.networkPolicy.monitoringNamespaces"
    )]
    #[case::devices(
        "image: r, resources: {claims: [{name: gpu}]}",
        "relay.resources.claims cannot be set"
    )]
    #[case::a_value_for_exists(
        "image: r, tolerations: [{key: a, operator: Exists, value: b}]",
        "\"a\", which has a value"
    )]
    #[case::neither_key_nor_exists(
        "image: r, tolerations: [{effect: NoSchedule}]",
        "needs the operator Exists"
    )]
    #[case::seconds_without_no_execute(
        "image: r, tolerations: [{key: a, operator: Exists, tolerationSeconds: 9}]",
        "need the effect NoExecute"
    )]
    #[case::no_block(
        "image: r, networkPolicy: {extraEgress: [{to: [{ipBlock: {cidr: 10.0.0.0}}]}]}",
        "the cidr \"10.0.0.0\""
    )]
    #[case::a_length_that_no_address_has(
        "image: r, networkPolicy: {extraEgress: [{to: [{ipBlock: {cidr: 10.0.0.0/33}}]}]}",
        "the cidr \"10.0.0.0/33\""
    )]
    #[case::an_exception_elsewhere(
        "image: r, networkPolicy: {extraEgress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}]}]}",
        "no part of 10.0.0.0/8"
    )]
    #[case::an_exception_of_all(
        "image: r, networkPolicy: {extraEgress: [{to: [{ipBlock: {cidr: 'fd00::/8', except: ['fd00::/8']}}]}]}",
        "no part of fd00::/8"
    )]
    #[case::log_format(
        "image: r, logFormat: xml",
        "relay.logFormat is \"xml\": write json or text"
    )]
    fn what_would_fail_for_every_relay_is_refused_once(#[case] relay: &str, #[case] says: &str) {
        let text = format!("{{version: 1, relay: {{{relay}}}}}");
        let error = OperatorSettings::parse(&text).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }

    #[test]
    fn a_password_in_the_proxys_address_is_not_repeated() {
        let text = "{version: 1, relay: {image: r, httpsProxy: 'user:hush@proxy:3128'}}";
        let error = OperatorSettings::parse(text).unwrap_err().to_string();
        assert!(!error.contains("hush"), "{error}");
    }

    #[test]
    fn everything_that_the_chart_can_say_is_read() {
        let text = "
version: 1
relay:
  image: registry.example/relay@sha256:0
  imagePullPolicy: IfNotPresent
  imagePullSecrets: [registry]
  resources: {requests: {cpu: 20m}, limits: {memory: 256Mi}}
  nodeSelector: {kubernetes.io/arch: amd64}
  tolerations: [{key: dedicated, operator: Equal, value: messaging, effect: NoSchedule}, {operator: Exists}]
  priorityClassName: high
  podLabels: {team: texts}
  podAnnotations: {example.com/scrape: 'true'}
  httpsProxy: http://proxy.example.com:3128
  noProxy: .cluster.local
  caBundle: EXAMPLE_ROOT
  logFormat: json
  otlpEndpoint: http://collector.observability:4318
  storage: {size: 2Gi, storageClassName: fast}
  networkPolicy:
    enabled: true
    extraEgress:
      - {to: [{ipBlock: {cidr: 10.1.2.3/32}}], ports: [{port: 3128}]}
      - {to: [{ipBlock: {cidr: 'fd00::/8', except: ['fd00:1::/32']}}]}
    monitoringNamespaces: [monitoring]
checks: {intervalSeconds: 600}
platforms: {genesysBaseUrl: 'http://sandbox:8081', twilioBaseUrl: 'http://sandbox:8082'}
";
        let settings = OperatorSettings::parse(&with_root(text)).unwrap();
        assert_eq!(settings.relay.network_policy.extra_egress.len(), 2);
        assert_eq!(
            settings.relay.tolerations[0].key.as_deref(),
            Some("dedicated")
        );
    }
}
