//! In, up and out: bridges are never lost on the way, and a definition that somebody else applied stops the
//! installation with words that lead on.

use std::path::Path;
use std::time::Duration;

use messaging_bridge_cluster::{Cluster, Helm, Output, wait_for};
use messaging_bridge_operator_suites::tenant::Tenant;
use serde_json::{Value, json};

use crate::rig::{
    DEFINITION, HELMS, RELEASE, alone, chart, chart_with_definition, clear, kubectl, read, text,
};

const CRD: &str = "crds/messagingbridges.yaml";
/// What the operator writes its status as.
const OPERATOR: &str = "messaging-bridge-operator";
/// Both are needed, as a chart cannot see the flag.
const TAKE: [&str; 3] = ["--take-ownership", "--set", "crds.takeOwnership=true"];
const LEAVE: [&str; 2] = ["--set", "crds.install=false"];

/// Helm installs or upgrades a chart as the guide's release.
async fn helm(cluster: &Cluster, helm: Helm, what: &str, chart: &Path, more: &[&str]) -> Output {
    let mut args = vec![what, RELEASE, text(chart), "--namespace", RELEASE];
    if what == "install" {
        args.push("--create-namespace");
    }
    args.extend(more);
    cluster.helm(helm, &args).await.unwrap()
}

async fn install(cluster: &Cluster, version: Helm, more: &[&str]) -> Output {
    helm(cluster, version, "install", &chart(), more).await
}

/// It must succeed.
fn done(output: Output) -> String {
    output.ok().unwrap_or_else(|error| panic!("{error}"))
}

/// It must not; returns what is said.
fn refused(output: Output) -> String {
    output.refused().unwrap_or_else(|error| panic!("{error}"))
}

async fn uninstall(cluster: &Cluster, version: Helm) {
    let args = ["uninstall", RELEASE, "--namespace", RELEASE];
    done(cluster.helm(version, &args).await.unwrap());
}

async fn apply_definition(cluster: &Cluster, more: &str) {
    let applied = cluster.apply(&format!("{}{more}", read(CRD))).await;
    applied.unwrap_or_else(|error| panic!("{error}"));
    established(cluster).await;
}

async fn established(cluster: &Cluster) {
    let definition = format!("crd/{DEFINITION}");
    let wait = [
        "wait",
        "--for=condition=Established",
        &definition,
        "--timeout=20s",
    ];
    kubectl(cluster, &wait).await;
}

async fn definition(cluster: &Cluster) -> Value {
    let text = kubectl(cluster, &["get", "crd", DEFINITION, "-o", "json"]).await;
    serde_json::from_str(&text).unwrap()
}

fn tenant() -> Tenant {
    Tenant::new("kept", 1, "https://bridge.example.com/kept")
}

/// A bridge with the status that an operator has written; returns it as it is in the cluster.
async fn bridge_with_status(cluster: &Cluster) -> Value {
    established(cluster).await;
    let tenant = tenant();
    messaging_bridge_operator_suites::tenant::apply(
        cluster,
        &[tenant.namespace(), tenant.bridge()],
    )
    .await;
    let status = json!({
        "apiVersion": "messagingbridge.io/v1alpha1",
        "kind": "MessagingBridge",
        "metadata": tenant.bridge()["metadata"],
        "status": {
            "observedGeneration": 1,
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "Ready", "message": "", "observedGeneration": 1,
                "lastTransitionTime": "2026-01-02T03:04:05Z",
            }],
            "integration": {"id": "7f9d6a52", "name": "kept", "apiHost": "api.mypurecloud.com"},
        },
    });
    let write = [
        "apply",
        "--server-side",
        "--subresource=status",
        "--field-manager",
        OPERATOR,
        "-f",
        "-",
    ];
    done(
        cluster
            .kubectl_with(&write, &status.to_string())
            .await
            .unwrap(),
    );
    let bridge = the_bridge(cluster).await;
    assert_eq!(bridge["status"]["integration"]["name"], "kept");
    bridge
}

async fn the_bridge(cluster: &Cluster) -> Value {
    let get = ["get", "messagingbridge", "acme", "-o", "json"];
    serde_json::from_str(&tenant().kubectl(cluster, &get).await).unwrap()
}

/// What Helm made for the release, besides the definition.
async fn left(cluster: &Cluster) -> String {
    let kinds =
        "deployment,service,configmap,serviceaccount,networkpolicy,clusterrole,clusterrolebinding";
    let own = "app.kubernetes.io/name=messaging-bridge";
    kubectl(
        cluster,
        &[
            "get",
            kinds,
            "--all-namespaces",
            "--selector",
            own,
            "-o",
            "name",
        ],
    )
    .await
}

#[tokio::test]
async fn uninstalling_keeps_definition_and_bridges_and_installing_again_takes_them_up() {
    let Some((cluster, _turn)) = alone().await else {
        return;
    };
    for version in HELMS {
        done(install(cluster, version, &[]).await);
        let before = bridge_with_status(cluster).await;
        uninstall(cluster, version).await;
        assert_eq!(left(cluster).await, "", "{version:?}");
        assert_eq!(the_bridge(cluster).await, before, "{version:?}");

        done(install(cluster, version, &[]).await);
        assert_eq!(left(cluster).await.lines().count(), 9, "{version:?}");
        assert_eq!(the_bridge(cluster).await, before, "{version:?}");
        clear(cluster).await;
    }
}

#[tokio::test]
async fn a_definition_applied_by_kubectl_stops_the_install_and_there_are_two_ways_on() {
    let Some((cluster, _turn)) = alone().await else {
        return;
    };
    for version in HELMS {
        apply_definition(cluster, "").await;
        let before = bridge_with_status(cluster).await;
        for more in [&[][..], &TAKE[..1]] {
            let said = refused(install(cluster, version, more).await);
            for says in [
                DEFINITION,
                "was not applied by Helm",
                "crds.install=false",
                "--take-ownership",
            ] {
                assert!(said.contains(says), "{version:?}: {says} in {said}");
            }
        }
        assert_eq!(left(cluster).await, "", "{version:?}: nothing was begun");

        done(install(cluster, version, &LEAVE).await);
        let metadata = definition(cluster).await["metadata"].take();
        assert_eq!(
            metadata["annotations"]["meta.helm.sh/release-name"],
            Value::Null
        );
        uninstall(cluster, version).await;

        done(install(cluster, version, &TAKE).await);
        let metadata = definition(cluster).await["metadata"].take();
        let annotations = &metadata["annotations"];
        assert_eq!(
            annotations["meta.helm.sh/release-name"], RELEASE,
            "{version:?}"
        );
        assert_eq!(
            annotations["helm.sh/resource-policy"], "keep",
            "{version:?}"
        );
        // From now on without a word: it is this release's.
        done(helm(cluster, version, "upgrade", &chart(), &[]).await);
        uninstall(cluster, version).await;
        done(install(cluster, version, &[]).await);
        assert_eq!(the_bridge(cluster).await, before, "{version:?}");
        clear(cluster).await;
    }
}

#[tokio::test]
async fn an_older_definition_applied_by_kubectl_is_taken_over_with_force_where_helm_4_wants_it() {
    let Some((cluster, _turn)) = alone().await else {
        return;
    };
    let older = read(CRD).replace(
        "description: The number that customers text",
        "description: Older",
    );
    for version in HELMS {
        cluster.apply(&older).await.unwrap();
        let first = install(cluster, version, &TAKE).await;
        if version == Helm::V4 {
            let said = refused(first);
            assert!(said.contains("conflict"), "{said}");
            clear(cluster).await;
            cluster.apply(&older).await.unwrap();
            let force = [&TAKE[..], &["--force-conflicts"]].concat();
            done(install(cluster, version, &force).await);
        } else {
            done(first);
        }
        let text = definition(cluster).await.to_string();
        assert!(
            text.contains("The number that customers text"),
            "{version:?}"
        );
        clear(cluster).await;
    }
}

#[tokio::test]
async fn a_definition_of_another_release_stops_the_install_which_names_that_release() {
    let Some((cluster, _turn)) = alone().await else {
        return;
    };
    let chart = chart();
    let first = [
        "install",
        "first",
        text(&chart),
        "-n",
        "one",
        "--create-namespace",
    ];
    for version in HELMS {
        done(cluster.helm(version, &first).await.unwrap());
        // Two operators would undo each other's work: no way on leads past the first.
        for way in [&[][..], &["--set", "crds.install=false"], &TAKE] {
            let said = refused(install(cluster, version, way).await);
            let fix = "helm uninstall first --namespace one";
            assert!(said.contains(fix), "{way:?}: {said}");
        }
        done(
            cluster
                .helm(version, &["uninstall", "first", "-n", "one"])
                .await
                .unwrap(),
        );
        let said = refused(install(cluster, version, &[]).await);
        assert!(said.contains("release first in namespace one"), "{said}");
        assert!(said.contains("crds.install=false"), "{said}");
        done(install(cluster, version, &TAKE).await);
        clear(cluster).await;
    }
}

#[tokio::test]
async fn an_upgrade_after_the_operator_has_written_status_changes_no_bridge() {
    let Some((cluster, _turn)) = alone().await else {
        return;
    };
    for version in HELMS {
        done(install(cluster, version, &[]).await);
        let before = bridge_with_status(cluster).await;
        let generation = definition(cluster).await["metadata"]["generation"].clone();
        for tag in ["relay.image.tag=0.2.0", "relay.image.tag=0.3.0"] {
            done(helm(cluster, version, "upgrade", &chart(), &["--set", tag]).await);
            assert_eq!(the_bridge(cluster).await, before, "{version:?}");
        }
        let after = definition(cluster).await;
        assert_eq!(after["metadata"]["generation"], generation, "{version:?}");
        clear(cluster).await;
    }
}

#[tokio::test]
async fn an_upgrade_upgrades_the_definition_and_a_rollback_takes_it_back() {
    let Some((cluster, _turn)) = alone().await else {
        return;
    };
    let short = "    shortNames:\n    - mb\n";
    let older = chart_with_definition(|text| text.replace(short, ""));
    for version in HELMS {
        done(helm(cluster, version, "install", older.path(), &[]).await);
        let before = bridge_with_status(cluster).await;
        let short_names = async || definition(cluster).await["spec"]["names"]["shortNames"].take();
        assert_eq!(short_names().await, Value::Null, "{version:?}");
        done(helm(cluster, version, "upgrade", &chart(), &[]).await);
        assert_eq!(short_names().await, json!(["mb"]), "{version:?}");
        let back = ["rollback", RELEASE, "1", "--namespace", RELEASE];
        done(cluster.helm(version, &back).await.unwrap());
        assert_eq!(short_names().await, Value::Null, "{version:?}");
        assert_eq!(the_bridge(cluster).await, before, "{version:?}");
        clear(cluster).await;
    }
}

/// A user, a role of Kubernetes' own, a verb, and whether it is allowed.
const RIGHTS: [(&str, &str, bool); 5] = [
    ("edit", "create", true),
    ("edit", "delete", true),
    ("view", "list", true),
    ("view", "delete", false),
    ("admin", "patch", true),
];

#[tokio::test]
async fn who_may_edit_or_view_a_namespace_may_edit_or_view_its_bridges() {
    let Some((cluster, _turn)) = alone().await else {
        return;
    };
    done(install(cluster, Helm::V4, &[]).await);
    established(cluster).await;
    let tenant = tenant();
    messaging_bridge_operator_suites::tenant::apply(cluster, &[tenant.namespace()]).await;
    for role in ["edit", "view", "admin"] {
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": role, "namespace": tenant.name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": role}],
        });
        messaging_bridge_operator_suites::tenant::apply(cluster, &[binding]).await;
    }
    for (role, verb, allowed) in RIGHTS {
        let ask = [
            "-n",
            &tenant.name,
            "auth",
            "can-i",
            verb,
            "messagingbridges",
            "--as",
            role,
        ];
        // The roles are put together by a controller.
        let what = format!("{role} may {verb}: {allowed}");
        let answer = wait_for(&what, Duration::from_secs(10), || async {
            let said = cluster
                .kubectl(&ask)
                .await
                .map_err(|error| error.to_string())?;
            if said.succeeded() == allowed {
                Ok(())
            } else {
                Err(said.to_string())
            }
        });
        answer.await.unwrap_or_else(|error| panic!("{error}"));
    }
}
