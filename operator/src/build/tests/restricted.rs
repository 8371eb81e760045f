//! The pod against the `restricted` level of the Pod Security Standards, control by control, container by container: a
//! container or volume that is added later is walked too.

use serde_json::{Value, json};

use super::*;

/// The volume types of the level.
const VOLUMES: [&str; 8] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// What the level forbids, in the pod's spec.
fn violations(spec: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        if spec[field] == true {
            found.push(field.to_owned());
        }
    }
    let pod = &spec["securityContext"];
    for field in [
        "sysctls",
        "seLinuxOptions",
        "windowsOptions",
        "appArmorProfile",
    ] {
        if !pod[field].is_null() {
            found.push(format!("pod {field}"));
        }
    }
    for volume in list(&spec["volumes"]) {
        let kind = volume
            .as_object()
            .unwrap()
            .keys()
            .find(|key| *key != "name");
        if !kind.is_some_and(|kind| VOLUMES.contains(&kind.as_str())) {
            found.push(format!("volume {kind:?}"));
        }
    }
    for kind in ["containers", "initContainers", "ephemeralContainers"] {
        for container in list(&spec[kind]) {
            walk(container, pod, &mut found);
        }
    }
    found
}

fn walk(container: &Value, pod: &Value, found: &mut Vec<String>) {
    let own = &container["securityContext"];
    let either = |field: &str| {
        if own[field].is_null() {
            pod[field].clone()
        } else {
            own[field].clone()
        }
    };
    let seccomp = either("seccompProfile")["type"].clone();
    let rules = [
        ("privileged", own["privileged"] != true),
        ("escalation", own["allowPrivilegeEscalation"] == false),
        ("root", either("runAsNonRoot") == true),
        ("user", either("runAsUser") != 0),
        (
            "seccomp",
            seccomp == "RuntimeDefault" || seccomp == "Localhost",
        ),
        (
            "capabilities dropped",
            own["capabilities"]["drop"] == json!(["ALL"]),
        ),
        ("capabilities added", own["capabilities"]["add"].is_null()),
        ("proc", own["procMount"].is_null()),
        (
            "host ports",
            list(&container["ports"]).all(|port| port["hostPort"].is_null()),
        ),
        ("read-only root", own["readOnlyRootFilesystem"] == true),
        (
            "hosts in probes",
            !container.to_string().contains("\"host\""),
        ),
    ];
    found.extend(
        rules
            .iter()
            .filter(|(_, holds)| !holds)
            .map(|(rule, _)| (*rule).to_owned()),
    );
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[test]
fn the_pod_is_allowed_in_a_restricted_namespace() {
    let pod = pod(&build(&validated()).unwrap());
    assert_eq!(violations(&pod["spec"]), Vec::<String>::new());
}

#[rstest]
#[case::the_hosts_network("/hostNetwork", json!(true), "hostNetwork")]
#[case::a_path_of_the_host("/volumes/0", json!({"name": "x", "hostPath": {"path": "/"}}), "volume")]
#[case::root("/securityContext/runAsNonRoot", json!(false), "root")]
#[case::user_0("/securityContext/runAsUser", json!(0), "user")]
#[case::no_seccomp("/securityContext/seccompProfile/type", json!("Unconfined"), "seccomp")]
#[case::escalation("/containers/0/securityContext/allowPrivilegeEscalation", json!(true), "escalation")]
#[case::a_capability("/containers/0/securityContext/capabilities", json!({"add": ["NET_ADMIN"]}), "capabilities")]
fn each_control_is_looked_at(#[case] place: &str, #[case] value: Value, #[case] expected: &str) {
    let mut pod = pod(&build(&validated()).unwrap());
    let spec = &mut pod["spec"];
    match spec.pointer_mut(place) {
        Some(field) => *field = value,
        None => spec[&place[1..]] = value,
    }
    let found = violations(spec);
    assert!(
        found.iter().any(|rule| rule.contains(expected)),
        "{found:?}"
    );
}
