//! The volume's claim: grown where the bridge wants more, never shrunk, never removed.
//!
//! The StatefulSet's controller makes the claim and does not look at it again; whoever wants a larger volume patches
//! the claim, and the storage class does the rest.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::api::{Patch, PatchParams};
use kube::core::Status;
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;

use super::ApplyError;
use crate::names::{MANAGER, RelayNames};
use crate::settings::quantity::amount;
use crate::validate::BridgeRef;

/// Grows the claim of the bridge's pod, if there is one and it is smaller than the StatefulSet's template says.
pub(super) async fn grow(
    client: &Client,
    bridge: &BridgeRef,
    stateful_set: &StatefulSet,
    claims: &[Arc<PersistentVolumeClaim>],
) -> Result<(), ApplyError> {
    let name = RelayNames::of(&bridge.name).claim();
    // Only a volume that is there can grow; one that is made anew has the template's size.
    let Some(claim) = claims
        .iter()
        .find(|claim| claim.name_any() == name && is_bound(claim))
    else {
        return Ok(());
    };
    let template = stateful_set
        .spec
        .as_ref()
        .and_then(|spec| spec.volume_claim_templates.as_ref()?.first());
    let Some(size) = growth(template.and_then(requested), requested(claim)) else {
        return Ok(());
    };
    tracing::info!(
        namespace = bridge.namespace,
        bridge = bridge.name,
        name,
        size,
        "growing the claim"
    );
    let patch = json!({"spec": {"resources": {"requests": {"storage": size}}}});
    let api: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &bridge.namespace);
    let parameters = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    match api.patch(&name, &parameters, &Patch::Merge(patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if is_refused_growth(&status) => {
            Err(ApplyError::VolumeNotGrowable {
                name,
                size: size.to_owned(),
                message: format!("{}: {}", storage_class(claim), status.message),
            })
        }
        Err(error) => Err(ApplyError::of_call("PersistentVolumeClaim", &name, error)),
    }
}

/// Whether a claim of the name that the StatefulSet will look for was made by somebody else: its volume, and what is on
/// it, would be the relay's.
pub(super) async fn ensure_ours(
    client: &Client,
    bridge: &BridgeRef,
    known: &[Arc<PersistentVolumeClaim>],
) -> Result<(), ApplyError> {
    const KIND: &str = "PersistentVolumeClaim";
    let names = RelayNames::of(&bridge.name);
    let name = names.claim();
    if known.iter().any(|claim| claim.name_any() == name) {
        return Ok(());
    }
    let api: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &bridge.namespace);
    let claim = api
        .get_opt(&name)
        .await
        .map_err(|error| ApplyError::of_call(KIND, &name, error))?;
    match claim {
        Some(claim) if !is_made_for(&claim, &names) => Err(ApplyError::NameTaken {
            kind: KIND.to_owned(),
            name,
        }),
        _ => Ok(()),
    }
}

/// By the labels of the template, which outlive the bridge.
fn is_made_for(claim: &PersistentVolumeClaim, names: &RelayNames) -> bool {
    let labels = claim.labels();
    names
        .stable_labels()
        .iter()
        .all(|(name, value)| labels.get(name) == Some(value))
}

fn is_bound(claim: &PersistentVolumeClaim) -> bool {
    let status = claim.status.as_ref();
    status.and_then(|status| status.phase.as_deref()) == Some("Bound")
}

/// Refused for what the volume is: by the storage class (403), or for another field (422); not by a quota.
fn is_refused_growth(status: &Status) -> bool {
    matches!(status.code, 403 | 422) && !status.message.contains("exceeded quota")
}

fn storage_class(claim: &PersistentVolumeClaim) -> String {
    let class = claim
        .spec
        .as_ref()
        .and_then(|spec| spec.storage_class_name.as_deref());
    match class {
        Some(class) if !class.is_empty() => format!("its storage class {class:?} says"),
        _ => "it has no storage class".to_owned(),
    }
}

fn requested(claim: &PersistentVolumeClaim) -> Option<&str> {
    let requests = claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?;
    requests.get("storage").map(|size| size.0.as_str())
}

/// The size to ask for, if the wanted one is larger than what was asked for before.
fn growth<'a>(wanted: Option<&'a str>, asked: Option<&str>) -> Option<&'a str> {
    let wanted = wanted?;
    (amount(wanted)? > amount(asked?)?).then_some(wanted)
}

#[cfg(test)]
mod tests {
    use super::growth;
    use rstest::rstest;

    #[rstest]
    #[case::larger("2Gi", Some("1Gi"), Some("2Gi"))]
    #[case::the_same_in_another_spelling("1024Mi", Some("1Gi"), None)]
    #[case::smaller("1Gi", Some("2Gi"), None)]
    #[case::not_asked_for("1Gi", None, None)]
    fn a_claim_grows_and_never_shrinks(
        #[case] wanted: &str,
        #[case] asked: Option<&str>,
        #[case] expected: Option<&str>,
    ) {
        assert_eq!(growth(Some(wanted), asked), expected);
    }
}
