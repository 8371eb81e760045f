//! What is drift and what is not, for each kind. The defaults are those that Kubernetes 1.36 answered.

use kube::Resource;
use rstest::rstest;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;

/// What the API server adds to the objects of a bridge with every setting.
fn defaults(kind: &str) -> Value {
    match kind {
        "Service" => json!({"spec": {
            "clusterIP": "10.255.13.203", "clusterIPs": ["10.255.13.203"], "internalTrafficPolicy": "Cluster",
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "sessionAffinity": "None", "type": "ClusterIP",
        }}),
        "StatefulSet" => {
            let probe = json!({"httpGet": {"scheme": "HTTP"}, "successThreshold": 1});
            json!({"spec": {
                "template": {"spec": {
                    "containers": [{
                        "livenessProbe": probe, "readinessProbe": probe, "startupProbe": probe,
                        "terminationMessagePath": "/dev/termination-log",
                    }],
                    "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler",
                    "serviceAccount": "acme-relay",
                    "volumes": [
                        {"configMap": {"defaultMode": 420}},
                        {"projected": {"defaultMode": 420}},
                        {"projected": {"defaultMode": 420}},
                    ],
                }},
                "volumeClaimTemplates": [{"spec": {"volumeMode": "Filesystem"}, "status": {"phase": "Pending"}}],
            }})
        }
        _ => json!({}),
    }
}

/// Lays one value over another, lists element by element.
fn laid_over(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (name, value) in over {
                laid_over(under.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(under), Value::Array(over)) if under.len() == over.len() => {
            for (under, over) in under.iter_mut().zip(over) {
                laid_over(under, over);
            }
        }
        (under, over) => *under = over,
    }
}

/// Whether a live object, which is the built one with the defaults and this change, needs no apply.
fn is_current(kind: &str, change: impl FnOnce(&mut Value)) -> bool {
    let Parts {
        bridge: _,
        service_account,
        config_map,
        public_service,
        admin_service: _,
        network_policy,
        stateful_set,
    } = build(&fixture::with_every_setting()).unwrap().into_parts();
    match kind {
        "ServiceAccount" => judge(kind, &service_account, change),
        "ConfigMap" => judge(kind, &config_map, change),
        "Service" => judge(kind, &public_service, change),
        "NetworkPolicy" => judge(kind, &network_policy.unwrap(), change),
        _ => judge(kind, &stateful_set, change),
    }
}

fn judge<K: Resource + Serialize + DeserializeOwned>(
    kind: &str,
    built: &K,
    change: impl FnOnce(&mut Value),
) -> bool {
    let mut live = serde_json::to_value(built).unwrap();
    laid_over(&mut live, defaults(kind));
    change(&mut live);
    diff::is_current(built, &serde_json::from_value::<K>(live).unwrap())
}

#[rstest]
fn what_the_api_server_adds_is_no_drift(
    #[values(
        "ServiceAccount",
        "ConfigMap",
        "NetworkPolicy",
        "Service",
        "StatefulSet"
    )]
    kind: &str,
) {
    assert!(is_current(kind, |_| {}));
    assert!(is_current(kind, |live| {
        laid_over(
            live,
            json!({"metadata": {"uid": "o-1", "resourceVersion": "7", "generation": 3,
                "annotations": {"example.com/note": "x"}, "labels": {"example.com/team": "x"}}}),
        );
    }));
}

const CONTAINER: &str = "/spec/template/spec/containers/0";

#[rstest]
#[case::a_token_mounted("ServiceAccount", "", "automountServiceAccountToken", json!(true))]
#[case::the_default_token("ServiceAccount", "", "automountServiceAccountToken", Value::Null)]
#[case::another_configuration("ConfigMap", "/data", "relay.yaml", json!("version: 1"))]
#[case::no_certificates("ConfigMap", "/data", "ca.pem", Value::Null)]
#[case::our_label_removed("ConfigMap", "/metadata/labels", "messagingbridge.io/uid", Value::Null)]
#[case::our_owner_removed("ConfigMap", "/metadata", "ownerReferences", Value::Null)]
#[case::everything_let_out("NetworkPolicy", "/spec", "egress", json!([{}]))]
#[case::everybody_let_in("NetworkPolicy", "/spec/ingress/1", "from", Value::Null)]
#[case::other_pods("NetworkPolicy", "/spec/podSelector/matchLabels", "also", json!("this"))]
#[case::another_port("Service", "/spec/ports/0", "port", json!(81))]
#[case::another_target("Service", "/spec/ports/0", "targetPort", json!(8080))]
#[case::other_pods_served("Service", "/spec/selector", "also", json!("this"))]
#[case::scaled_up("StatefulSet", "/spec", "replicas", json!(2))]
#[case::another_image("StatefulSet", CONTAINER, "image", json!("other"))]
#[case::other_arguments("StatefulSet", CONTAINER, "args", json!(["run"]))]
#[case::more_memory("StatefulSet", "/spec/template/spec/containers/0/resources/limits", "memory", json!("1Gi"))]
#[case::a_writable_root(
    "StatefulSet", "/spec/template/spec/containers/0/securityContext", "readOnlyRootFilesystem", json!(false))]
#[case::no_probe("StatefulSet", CONTAINER, "livenessProbe", Value::Null)]
#[case::elsewhere("StatefulSet", "/spec/template/spec/nodeSelector", "disk", json!("fast"))]
#[case::claims_deleted_with_it(
    "StatefulSet", "/spec/persistentVolumeClaimRetentionPolicy", "whenDeleted", json!("Delete"))]
fn a_field_of_ours_changed_or_removed_by_hand_is_drift(
    #[case] kind: &str,
    #[case] place: &str,
    #[case] field: &str,
    #[case] value: Value,
) {
    assert!(!is_current(kind, |live| {
        let parent = live.pointer_mut(place).unwrap().as_object_mut().unwrap();
        if value.is_null() {
            assert!(parent.remove(field).is_some(), "it was there");
        } else {
            parent.insert(field.to_owned(), value);
        }
    }));
}

#[rstest]
#[case::a_cluster_ip("Service", "/spec", "clusterIP", json!("10.0.0.1"))]
#[case::memory_in_another_spelling(
    "StatefulSet", "/spec/template/spec/containers/0/resources/limits", "memory", json!("0.25Gi"))]
#[case::a_restart_by_hand(
    "StatefulSet", "/spec/template/metadata/annotations", "kubectl.kubernetes.io/restartedAt", json!("now"))]
#[case::what_the_controller_says(
    "StatefulSet", "", "status", json!({"replicas": 1, "readyReplicas": 1}))]
fn what_others_add_is_left(
    #[case] kind: &str,
    #[case] place: &str,
    #[case] field: &str,
    #[case] value: Value,
) {
    assert!(is_current(kind, |live| {
        live.pointer_mut(place).unwrap()[field] = value;
    }));
}
