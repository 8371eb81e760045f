//! What the chart renders: pinned by kind and name, the same with either Helm, taken by the API server and by the
//! operator's own parser.

use messaging_bridge_cluster::{Cluster, Helm};
use messaging_bridge_operator::settings::OperatorSettings;
use messaging_bridge_operator_suites::repository;
use serde_json::{Value, json};

use crate::rig::{
    HELMS, RELEASE, beside, chart_with_definition, cluster, list, namespace, objects, only, read,
    rendered, settings, text, tried,
};

/// Everything, for a release that is called as the chart is.
const OBJECTS: [&str; 10] = [
    "ClusterRole messaging-bridge-edit",
    "ClusterRole messaging-bridge-operator",
    "ClusterRole messaging-bridge-view",
    "ClusterRoleBinding messaging-bridge-operator",
    "ConfigMap messaging-bridge-operator",
    "CustomResourceDefinition messagingbridges.messagingbridge.io",
    "Deployment messaging-bridge-operator",
    "NetworkPolicy messaging-bridge-operator",
    "Service messaging-bridge-operator",
    "ServiceAccount messaging-bridge-operator",
];
/// The values that this repository has, by file.
const VALUES: [&str; 3] = [
    "charts/messaging-bridge/examples/full.yaml",
    "charts/messaging-bridge/examples/minimal.yaml",
    "tests/sandbox/kubernetes/values.yaml",
];
const FULL: &str = VALUES[0];

/// No file, and each of them.
fn sets() -> Vec<Option<&'static str>> {
    [None].into_iter().chain(VALUES.map(Some)).collect()
}

async fn rendered_with(cluster: &Cluster, helm: Helm, file: Option<&str>) -> Vec<Value> {
    let path = file.map(repository);
    let args = path.as_deref().map(|path| ["--values", text(path)]);
    rendered(cluster, helm, args.as_ref().map_or(&[], |args| &args[..])).await
}

#[test]
fn no_example_is_left_out_here() {
    let folder = std::fs::read_dir(repository("charts/messaging-bridge/examples")).unwrap();
    for file in folder {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(
            VALUES
                .iter()
                .any(|known| known.ends_with(&format!("examples/{name}"))),
            "{name} is in no case"
        );
    }
}

#[tokio::test]
async fn every_set_of_values_renders_the_same_objects_with_either_helm() {
    let cluster = cluster().await;
    for file in sets() {
        let [three, four] = [
            rendered_with(cluster, Helm::V3, file).await,
            rendered_with(cluster, Helm::V4, file).await,
        ];
        assert_eq!(list(&three), OBJECTS, "{file:?}");
        let by_name = |mut objects: Vec<Value>| {
            objects.sort_by_key(|object| list(std::slice::from_ref(object)));
            objects
        };
        assert_eq!(by_name(three), by_name(four), "{file:?}");
    }
}

#[tokio::test]
async fn the_api_server_takes_what_is_rendered_without_a_warning() {
    let (cluster, _turn) = beside().await;
    namespace(
        cluster,
        RELEASE,
        &json!({"pod-security.kubernetes.io/warn": "restricted"}),
    )
    .await;
    for file in sets() {
        let objects = rendered_with(cluster, Helm::V4, file).await;
        let said = tried(cluster, &objects).await;
        assert!(said.succeeded(), "{file:?}: {said}");
        assert_eq!(said.stderr, "", "{file:?}");
        assert_eq!(said.stdout.lines().count(), OBJECTS.len(), "{file:?}");
    }
}

#[tokio::test]
async fn the_operator_reads_the_settings_that_the_chart_renders() {
    let cluster = cluster().await;
    for helm in HELMS {
        for file in sets() {
            let objects = rendered_with(cluster, helm, file).await;
            let read = OperatorSettings::parse(settings(&objects));
            let read = read.unwrap_or_else(|error| panic!("{file:?} {helm:?}: {error}"));
            assert!(read.relay.image.contains("/relay:0.1.0"), "{file:?}");
            assert!(read.relay.network_policy.enabled, "{file:?}");
        }
    }
}

#[tokio::test]
async fn every_value_of_a_relay_in_the_full_example_reaches_the_operator() {
    let cluster = cluster().await;
    let values: Value = serde_saphyr::from_str(&read(FULL)).unwrap();
    let objects = rendered_with(cluster, Helm::V4, Some(FULL)).await;
    let written: Value = serde_saphyr::from_str(settings(&objects)).unwrap();
    let mut wanted = values["relay"].clone();
    let image = wanted["image"].take();
    let part = |name: &str| image[name].as_str().unwrap();
    wanted["image"] = json!(format!("{}:{}", part("repository"), part("tag")));
    wanted["imagePullPolicy"] = image["pullPolicy"].clone();
    assert_eq!(written["relay"], wanted);
    assert_eq!(written["checks"], values["checks"]);
    assert_eq!(written["version"], 1);
}

#[tokio::test]
async fn every_value_of_the_operator_in_the_full_example_arrives() {
    let cluster = cluster().await;
    let values: Value = serde_saphyr::from_str(&read(FULL)).unwrap();
    let objects = rendered_with(cluster, Helm::V4, Some(FULL)).await;
    let template = &only(&objects, "Deployment")["spec"]["template"];
    let container = &template["spec"]["containers"][0];
    let given = &values["operator"];
    let arrives = [
        ("nodeSelector", &template["spec"]["nodeSelector"]),
        ("tolerations", &template["spec"]["tolerations"]),
        ("priorityClassName", &template["spec"]["priorityClassName"]),
        ("resources", &container["resources"]),
    ];
    for (name, found) in arrives {
        assert_eq!(*found, given[name], "{name}");
    }
    assert_eq!(
        template["spec"]["imagePullSecrets"],
        json!([{"name": "registry"}])
    );
    assert_eq!(
        container["image"],
        "registry.example.com/messaging-bridge/operator:0.1.0"
    );
    assert_eq!(container["imagePullPolicy"], "Always");
    assert_eq!(template["metadata"]["labels"]["team"], "messaging");
    let annotations = &template["metadata"]["annotations"];
    assert_eq!(annotations["example.com/owner"], "messaging");
    let args = container["args"].as_array().unwrap();
    assert!(args.contains(&json!("--log-format=text")), "{args:?}");
    let environment = container["env"].as_array().unwrap();
    let wanted = [
        json!({"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"}),
        // The API server is not behind the proxy.
        json!({"name": "NO_PROXY", "value": "$(KUBERNETES_SERVICE_HOST),.svc,.example.com"}),
        json!({"name": "SSL_CERT_FILE", "value": "/etc/messaging-bridge/ca.pem"}),
    ];
    for variable in wanted {
        assert!(environment.contains(&variable), "{variable}");
    }
    assert_eq!(
        only(&objects, "ConfigMap")["data"]["ca.pem"],
        given["caBundle"]
    );
    let policy = &only(&objects, "NetworkPolicy")["spec"];
    let egress = policy["egress"].as_array().unwrap();
    assert!(
        egress.contains(&given["networkPolicy"]["extraEgress"][0]),
        "{policy}"
    );
    let monitoring = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}});
    assert_eq!(policy["ingress"][0]["from"], json!([monitoring]));
}

/// With this set (flag and value), the value at this place of the object of this kind is this, as JSON.
const ARRIVALS: [(&str, &str, &str, &str, &str); 9] = [
    (
        "--set",
        "operator.image.tag=@sha256:SUM",
        "Deployment",
        "/spec/template/spec/containers/0/image",
        r#""ghcr.io/messaging-bridge/operator@sha256:SUM""#,
    ),
    (
        "--set",
        "operator.image.tag=1.2@sha256:SUM",
        "Deployment",
        "/spec/template/spec/containers/0/image",
        r#""ghcr.io/messaging-bridge/operator:1.2@sha256:SUM""#,
    ),
    (
        "--set",
        r"operator.podLabels.app\.kubernetes\.io/name=other,operator.podLabels.team=a",
        "Deployment",
        "/spec/template/metadata/labels",
        // What finds the pod is not to be changed by a value.
        r#"{"app.kubernetes.io/name": "messaging-bridge", "app.kubernetes.io/instance": "messaging-bridge",
            "app.kubernetes.io/component": "operator", "team": "a"}"#,
    ),
    (
        "--set-json",
        r#"operator.podAnnotations.braces="{{ .Release.Name }}""#,
        "Deployment",
        "/spec/template/metadata/annotations/braces",
        r#""{{ .Release.Name }}""#,
    ),
    (
        "--set-json",
        r#"operator.resources={"limits":{"cpu":0.5,"memory":"1Gi"}}"#,
        "Deployment",
        "/spec/template/spec/containers/0/resources/limits/cpu",
        "0.5",
    ),
    (
        "--set-json",
        r#"operator.caBundle="  -----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----""#,
        "ConfigMap",
        "/data/ca.pem",
        r#""  -----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----""#,
    ),
    (
        "--set-string",
        "operator.networkPolicy.monitoringNamespaces={2026}",
        "NetworkPolicy",
        "/spec/ingress/0/from/0/namespaceSelector/matchLabels/kubernetes.io~1metadata.name",
        r#""2026""#,
    ),
    (
        "--set",
        "checks.intervalSeconds=60",
        "NetworkPolicy",
        "/spec/ingress",
        "[]",
    ),
    (
        "--set",
        "operator.replicas=1",
        "Deployment",
        "/spec/strategy",
        r#"{"type": "Recreate"}"#,
    ),
];
const SUM: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn what_is_set_arrives_as_it_was_meant() {
    let (cluster, _turn) = beside().await;
    namespace(cluster, RELEASE, &json!({})).await;
    for (flag, set, kind, place, wanted) in ARRIVALS {
        let [set, wanted] = [set, wanted].map(|text| text.replace("SUM", SUM));
        let objects = rendered(cluster, Helm::V4, &[flag, &set]).await;
        let wanted: Value = serde_json::from_str(&wanted).unwrap();
        assert_eq!(only(&objects, kind).pointer(place), Some(&wanted), "{set}");
        let said = tried(cluster, &[only(&objects, kind).clone()]).await;
        assert!(said.succeeded(), "{set}: {said}");
    }
}

#[tokio::test]
async fn what_is_switched_off_is_not_rendered() {
    let cluster = cluster().await;
    let cases = [
        ("crds.install=false", "CustomResourceDefinition "),
        ("operator.networkPolicy.enabled=false", "NetworkPolicy "),
    ];
    for (set, gone) in cases {
        let objects = rendered(cluster, Helm::V4, &["--set", set]).await;
        let left = OBJECTS.iter().filter(|object| !object.starts_with(gone));
        assert!(list(&objects).iter().eq(left), "{set}");
    }
}

#[tokio::test]
async fn a_changed_setting_replaces_the_operators_pod() {
    let cluster = cluster().await;
    let sum = async |set: &str| {
        let objects = rendered(cluster, Helm::V4, &["--set-string", set]).await;
        let annotations =
            &only(&objects, "Deployment")["spec"]["template"]["metadata"]["annotations"];
        annotations["checksum/settings"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let before = sum("relay.noProxy=").await;
    assert_eq!(
        before,
        sum("operator.podLabels.a=b").await,
        "its settings are the same"
    );
    let bundle = "caBundle=-----BEGIN CERTIFICATE-----x-----END CERTIFICATE-----";
    for set in [
        "relay.image.tag=2",
        "relay.noProxy=.example.com",
        &format!("operator.{bundle}"),
        &format!("relay.{bundle}"),
    ] {
        assert_ne!(before, sum(set).await, "{set}");
    }
}

#[tokio::test]
async fn the_definition_is_the_generated_one_and_kept_on_uninstall() {
    let cluster = cluster().await;
    let mut wanted: Value = serde_saphyr::from_str(&read("crds/messagingbridges.yaml")).unwrap();
    wanted["metadata"]["annotations"] = json!({"helm.sh/resource-policy": "keep"});
    for helm in HELMS {
        let objects = rendered(cluster, helm, &[]).await;
        assert_eq!(
            *only(&objects, "CustomResourceDefinition"),
            wanted,
            "{helm:?}"
        );
    }
}

#[tokio::test]
async fn braces_in_the_definition_are_text() {
    let cluster = cluster().await;
    let braces = "The number {{ .Values.relay }} that }} customers {{ text";
    // As `make crds` writes them; a test of the crate holds it to that.
    let escaped = braces.replace("{{", "{{ `{{` }}");
    let copy = chart_with_definition(|text| {
        let before = "description: The number that customers text\n";
        text.replacen(before, &format!("description: {escaped:?}\n"), 1)
    });
    for helm in HELMS {
        let args = [
            "template",
            RELEASE,
            text(copy.path()),
            "--kube-version=1.33",
        ];
        let said = cluster.helm(helm, &args).await.unwrap();
        let objects = objects(&said.ok().unwrap_or_else(|error| panic!("{error}")));
        let version = &only(&objects, "CustomResourceDefinition")["spec"]["versions"][0];
        let columns = &version["additionalPrinterColumns"];
        assert_eq!(columns[1]["description"], braces, "{helm:?}");
    }
}

#[tokio::test]
async fn the_operators_pod_is_taken_where_pod_security_is_restricted() {
    let (cluster, _turn) = beside().await;
    let enforced = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    namespace(cluster, "restricted", &enforced).await;
    for file in sets() {
        let objects = rendered_with(cluster, Helm::V4, file).await;
        let template = &only(&objects, "Deployment")["spec"]["template"];
        let mut pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "operator", "namespace": "restricted"},
            "spec": template["spec"],
        });
        // The account is in the release's namespace.
        pod["spec"]["serviceAccountName"] = json!("default");
        let said = created(cluster, &pod).await;
        assert!(said.is_ok(), "{file:?}: {said:?}");
        pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = json!(true);
        let said = created(cluster, &pod).await.unwrap_err();
        assert!(
            said.contains("restricted"),
            "the level is enforced there: {said}"
        );
    }
}

/// Tries to make an object; the default account of a new namespace may come a moment later.
async fn created(cluster: &Cluster, object: &Value) -> Result<(), String> {
    let account = [
        "-n",
        "restricted",
        "wait",
        "--for=create",
        "serviceaccount/default",
        "--timeout=20s",
    ];
    crate::rig::kubectl(cluster, &account).await;
    let create = ["create", "--dry-run=server", "-f", "-"];
    let said = cluster
        .kubectl_with(&create, &object.to_string())
        .await
        .unwrap();
    if said.succeeded() {
        Ok(())
    } else {
        Err(said.stderr)
    }
}
