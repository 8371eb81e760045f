//! The volume's claim: grown where the bridge wants more, never shrunk, never removed.
//!
//! The StatefulSet's controller makes the claim and does not look at it again; whoever wants a larger volume patches
//! the claim, and the storage class does the rest.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::api::{Patch, PatchParams};
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
    let Some(claim) = claims.iter().find(|claim| claim.name_any() == name) else {
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
        Err(kube::Error::Api(status)) if matches!(status.code, 403 | 422) => {
            Err(ApplyError::VolumeNotGrowable {
                name,
                size: size.to_owned(),
                message: status.message.clone(),
            })
        }
        Err(error) => Err(ApplyError::of_call("PersistentVolumeClaim", &name, error)),
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
