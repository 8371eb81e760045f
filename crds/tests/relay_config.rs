//! The relay's configuration: what is read back, what is refused, and what becomes of a bridge.
#![expect(clippy::unwrap_used, reason = "a test fails where it unwraps")]

use messaging_bridge_crds::{
    OnUnresolved, QueueLimits, RELAY_CONFIG_VERSION, RelayConfig, RelayConfigError, WireProfile,
    check_manifest,
};
use rstest::rstest;

const GOLDEN: &str = include_str!("../relay-config.golden.yaml");
const FULL: &str = include_str!("../examples/full.yaml");
const MINIMAL: &str = include_str!("../examples/minimal.yaml");

#[test]
fn the_golden_file_is_the_full_example_with_its_integration_looked_up() {
    let golden = RelayConfig::parse(GOLDEN).unwrap();
    let mut expected = RelayConfig::from_bridge(&check_manifest(FULL).unwrap(), "default").unwrap();
    assert_eq!(expected.genesys.integration_id, None);
    expected.genesys.integration_id = golden.genesys.integration_id.clone();
    assert_eq!(golden, expected);
    assert!(golden.genesys.integration_id.is_some());
}

#[test]
fn a_minimal_bridge_becomes_a_configuration_with_the_regions_hosts() {
    let config = RelayConfig::from_bridge(&check_manifest(MINIMAL).unwrap(), "default").unwrap();
    assert_eq!(config.version, RELAY_CONFIG_VERSION);
    assert_eq!(
        (
            config.bridge.namespace.as_str(),
            config.bridge.name.as_str()
        ),
        ("tenant-acme", "acme")
    );
    assert_eq!(config.genesys.api_host, "api.mypurecloud.com");
    assert_eq!(config.genesys.login_host, "login.mypurecloud.com");
    assert_eq!(config.genesys.wire_profile, WireProfile::Current);
    assert_eq!(config.genesys.credentials, "genesys");
    assert_eq!(config.twilio.credentials, "twilio");
    assert_eq!(config.twilio.validity_seconds, 4 * 60 * 60);
    assert_eq!(config.twilio.on_unresolved, OnUnresolved::Fail);
    assert!(!config.genesys.failure_notices);
    assert_eq!(
        config.queue,
        QueueLimits {
            max_bytes: 1 << 30,
            max_messages: 1 << 20,
        }
    );
}

#[test]
fn a_manifest_without_namespace_gets_the_fallback() {
    let bridge = check_manifest(&MINIMAL.replace("  namespace: tenant-acme\n", "")).unwrap();
    assert_eq!(
        RelayConfig::from_bridge(&bridge, "default")
            .unwrap()
            .bridge
            .namespace,
        "default"
    );
}

#[test]
fn yaml_and_json_are_read_alike() {
    let golden = RelayConfig::parse(GOLDEN).unwrap();
    for json in [
        serde_json::to_string(&golden),
        serde_json::to_string_pretty(&golden),
    ] {
        assert_eq!(RelayConfig::parse(&json.unwrap()), Ok(golden.clone()));
    }
    assert_eq!(
        RelayConfig::parse(&serde_saphyr::to_string(&golden).unwrap()),
        Ok(golden)
    );
}

#[test]
fn optional_parts_may_be_left_out() {
    let without: String = GOLDEN
        .lines()
        .filter(|line| {
            ![
                "integrationId",
                "wireProfile",
                "requestsPerMinute",
                "region",
                "edge",
                "validitySeconds",
                "onUnresolved",
                "failureNotices",
                "queue",
                "maxBytes",
                "maxMessages",
                "messagesPerSecond",
            ]
            .iter()
            .any(|field| line.trim_start().starts_with(field))
        })
        .fold(String::new(), |text, line| text + line + "\n");
    let config = RelayConfig::parse(&without).unwrap();
    assert_eq!(config.genesys.requests_per_minute, None);
    assert_eq!(config.twilio.region, None);
    assert_eq!(config.twilio.validity_seconds, 4 * 60 * 60);
    assert_eq!(config.twilio.on_unresolved, OnUnresolved::Fail);
    assert!(!config.genesys.failure_notices);
    assert_eq!(config.queue.max_bytes, 1 << 30);
}

#[rstest]
#[case("1m", 60)]
#[case("90m", 5_400)]
#[case("1h30m5s", 5_405)]
#[case("10h", 36_000)]
fn the_validity_of_a_bridge_is_written_in_seconds(#[case] written: &str, #[case] seconds: u32) {
    let manifest = FULL.replace("validity: 2h30m", &format!("validity: {written}"));
    let bridge = check_manifest(&manifest).unwrap();
    let config = RelayConfig::from_bridge(&bridge, "default").unwrap();
    assert_eq!(config.twilio.validity_seconds, seconds);
}

#[rstest]
#[case::newer(2)]
#[case::older(0)]
fn another_version_is_refused_by_name(#[case] given: u64) {
    let text = GOLDEN.replace("version: 1", &format!("version: {given}"));
    assert_eq!(
        RelayConfig::parse(&text),
        Err(RelayConfigError::OtherVersion { given })
    );
}

#[test]
fn the_rest_of_a_newer_file_is_not_interpreted() {
    let refused = RelayConfig::parse("version: 2\nbridge: [moved]\nnew: {anything: true}\n");
    assert_eq!(refused, Err(RelayConfigError::OtherVersion { given: 2 }));
    assert_eq!(
        refused.unwrap_err().to_string(),
        "the relay configuration has version 2, this relay reads version 1: run the relay of the release that wrote \
         the file"
    );
}

#[rstest]
#[case::empty("")]
#[case::no_version(&GOLDEN.replace("version: 1\n", ""))]
#[case::null_version(&GOLDEN.replace("version: 1\n", "version:\n"))]
fn a_file_without_version_is_refused(#[case] text: &str) {
    assert_eq!(RelayConfig::parse(text), Err(RelayConfigError::NoVersion));
}

#[rstest]
#[case::not_yaml("version: [", "line 1")]
#[case::unknown_field(&GOLDEN.replace("queue:\n", "queues: {}\nqueue:\n"), "queues")]
#[case::unknown_field_inside(&GOLDEN.replace("  edge: dublin\n", "  edge: dublin\n  egde: dublin\n"), "egde")]
#[case::missing_field(&GOLDEN.replace("  apiHost: api.euc2.pure.cloud\n", ""), "apiHost")]
#[case::wrong_type(&GOLDEN.replace("requestsPerMinute: 600", "requestsPerMinute: -1"), "line 12")]
#[case::unknown_profile(&GOLDEN.replace("wireProfile: Current", "wireProfile: Next"), "Next")]
fn what_can_not_be_read_is_named(#[case] text: &str, #[case] names: &str) {
    let Err(RelayConfigError::Unreadable(says)) = RelayConfig::parse(text) else {
        unreachable!("{text} is read");
    };
    assert!(says.contains(names), "{says}");
    assert!(
        !says.contains("353861230000") && !says.contains('\n'),
        "{says}"
    );
}

#[rstest]
#[case(
    "requestsPerMinute: 600",
    "requestsPerMinute: 9",
    "genesys.requestsPerMinute"
)]
#[case(
    "requestsPerMinute: 600",
    "requestsPerMinute: 1000001",
    "genesys.requestsPerMinute"
)]
#[case("maxBytes: 1288490187", "maxBytes: 1048575", "queue.maxBytes")]
#[case("maxMessages: 1258291", "maxMessages: 99", "queue.maxMessages")]
#[case(
    "messagesPerSecond: 20",
    "messagesPerSecond: 0",
    "twilio.messagesPerSecond"
)]
#[case(
    "messagesPerSecond: 20",
    "messagesPerSecond: 10001",
    "twilio.messagesPerSecond"
)]
fn a_number_outside_of_its_limits_is_refused(
    #[case] from: &str,
    #[case] to: &str,
    #[case] named: &str,
) {
    assert!(GOLDEN.contains(from));
    let refused = RelayConfig::parse(&GOLDEN.replace(from, to));
    assert!(
        matches!(refused, Err(RelayConfigError::OutOfRange { field, .. }) if field == named),
        "{refused:?}"
    );
}

#[test]
fn a_configuration_is_printed_without_its_number() {
    let printed = format!("{:?}", RelayConfig::parse(GOLDEN).unwrap());
    assert!(
        printed.contains("…00") && !printed.contains("353861230000"),
        "{printed}"
    );
}

#[rstest]
#[case::mebi("128Mi", Some(80_530_635))]
#[case::gibi("1Gi", Some(644_245_092))]
#[case::tebi("2Ti", Some(1_319_413_953_330))]
#[case::no_unit("1024", None)]
#[case::another_unit("1G", None)]
#[case::no_number("Gi", None)]
fn messages_may_use_three_fifths_of_the_volume(#[case] size: &str, #[case] expected: Option<u64>) {
    let limits = QueueLimits::for_volume(size).map(|limits| limits.max_bytes);
    assert_eq!(limits, expected);
}
