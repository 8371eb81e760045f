//! The operator's rights: enough, and none that it does not use. What the chart's role grants is compared with what the
//! audit log says that the operator asked for while all tests ran.

use std::collections::BTreeSet;

use messaging_bridge_cluster::{Cluster, Output, Request};
use serde_json::Value;

/// Group, resource and verb.
type Right = (String, String, String);

/// What is granted and cannot be seen in the log, with the reason.
const EXCEPTIONS: [(&str, &str, &str, &str); 2] = [
    (
        "messagingbridge.io",
        "messagingbridges/finalizers",
        "update",
        "the admission plugin OwnerReferencesPermissionEnforcement asks for it; nobody calls it",
    ),
    (
        "events.k8s.io",
        "events",
        "patch",
        "an Event that comes again within six minutes is counted in the first one; that may not happen here",
    ),
];

/// What the role grants and nobody used, and what was used and is not granted.
///
/// # Errors
///
/// When there is any.
pub(crate) async fn compare(cluster: &Cluster, requests: &[Request]) -> Result<(), String> {
    let role = [
        "get",
        "clusterrole",
        "messaging-bridge-operator",
        "-o",
        "json",
    ];
    let role = cluster.kubectl(&role).await.and_then(Output::ok);
    let role: Value = role
        .map_err(|error| error.to_string())
        .and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()))?;
    let (granted, used) = (granted(&role), used(requests));
    let idle: Vec<&Right> = granted
        .difference(&used)
        .filter(|right| !is_excepted(right))
        .collect();
    let missing: Vec<&Right> = used.difference(&granted).collect();
    if idle.is_empty() && missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "rights that were granted and not used: {idle:?}; used and not granted: {missing:?}"
    ))
}

fn is_excepted((group, resource, verb): &Right) -> bool {
    EXCEPTIONS
        .iter()
        .any(|(of_group, of_resource, of_verb, _)| {
            (of_group, of_resource, of_verb)
                == (&group.as_str(), &resource.as_str(), &verb.as_str())
        })
}

fn granted(role: &Value) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for rule in role["rules"].as_array().into_iter().flatten() {
        for group in words(&rule["apiGroups"]) {
            for resource in words(&rule["resources"]) {
                for verb in words(&rule["verbs"]) {
                    rights.insert((group.clone(), resource.clone(), verb));
                }
            }
        }
    }
    rights
}

fn words(list: &Value) -> Vec<String> {
    let words = list.as_array().into_iter().flatten();
    words.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// An apply of what was not there needs the right to create, too. What is no resource (`/version`) needs none of the
/// role.
fn used(requests: &[Request]) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for request in requests
        .iter()
        .filter(|request| !request.resource.is_empty())
    {
        let mut path = request.uri.split('/').skip(1);
        let group = match path.next() {
            Some("apis") => path.next().unwrap_or_default(),
            _ => "",
        };
        let mut right = (
            group.to_owned(),
            request.resource.clone(),
            request.verb.clone(),
        );
        if request.verb == "patch" && request.code == 201 {
            "create".clone_into(&mut right.2);
            rights.insert(right.clone());
            request.verb.clone_into(&mut right.2);
        }
        rights.insert(right);
    }
    rights
}
