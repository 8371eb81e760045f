//! Volumes: for each claim that waits, a folder and a volume of type `local` that is meant for it alone.
//!
//! Stands in for a cluster's provisioner, growing included. A volume outlives its claim (`Retain`), as its data may be
//! what a test looks for; the run's folder takes it along.

use std::path::{Path, PathBuf};
use std::pin::pin;

use futures_util::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use super::{NAME, STORAGE_CLASS};

/// Makes the class of these volumes, the default one. `Immediate`, as there is one node only and a volume is made for
/// its claim, by name.
pub(crate) async fn create_class(client: Client) -> Result<(), kube::Error> {
    let class = json!({
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "Immediate",
        "reclaimPolicy": "Retain",
        "allowVolumeExpansion": true,
    });
    let class = serde_json::from_value(class).expect("the class's shape is fixed");
    Api::<StorageClass>::all(client)
        .create(&PostParams::default(), &class)
        .await
        .map(drop)
}

/// Serves claims until the runtime ends. A claim that cannot be served waits for its next change.
pub(crate) async fn serve(client: Client, folder: PathBuf) {
    let claims: Api<PersistentVolumeClaim> = Api::all(client.clone());
    let stream = watcher(claims, watcher::Config::default())
        .default_backoff()
        .applied_objects();
    let mut stream = pin!(stream.into_stream());
    loop {
        match stream.next().await {
            Some(Ok(claim)) => {
                // The object's conflict, or its end, is told by the next event; a test that waits says what it waits for.
                let _ = serve_one(&client, &folder, &claim).await;
            }
            Some(Err(_)) => {}
            None => return,
        }
    }
}

async fn serve_one(
    client: &Client,
    folder: &Path,
    claim: &PersistentVolumeClaim,
) -> Result<(), kube::Error> {
    let Some(spec) = &claim.spec else {
        return Ok(());
    };
    let wanted = spec
        .resources
        .as_ref()
        .and_then(|resources| resources.requests.as_ref())
        .and_then(|r| r.get("storage"));
    let (Some(wanted), Some(STORAGE_CLASS)) = (wanted, spec.storage_class_name.as_deref()) else {
        return Ok(());
    };
    let status = claim.status.as_ref();
    match (
        status.and_then(|status| status.phase.as_deref()),
        spec.volume_name.as_deref(),
    ) {
        (Some("Bound"), Some(volume)) => {
            let has = status
                .and_then(|status| status.capacity.as_ref())
                .and_then(|capacity| capacity.get("storage"));
            if has == Some(wanted) {
                Ok(())
            } else {
                grow(client, claim, volume, wanted).await
            }
        }
        (Some("Pending"), None) => provide(client, folder, claim, wanted).await,
        _ => Ok(()),
    }
}

async fn provide(
    client: &Client,
    folder: &Path,
    claim: &PersistentVolumeClaim,
    size: &Quantity,
) -> Result<(), kube::Error> {
    let name = format!("volume-{}", claim.uid().unwrap_or_default());
    let path = folder.join("volumes").join(&name);
    std::fs::create_dir_all(&path).map_err(|error| kube::Error::Service(error.into()))?;
    let volume = serde_json::from_value(volume(&name, &path, claim, size))
        .expect("the volume's shape is fixed");
    match Api::<PersistentVolume>::all(client.clone())
        .create(&PostParams::default(), &volume)
        .await
    {
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        created => created.map(drop),
    }
}

fn volume(
    name: &str,
    path: &Path,
    claim: &PersistentVolumeClaim,
    size: &Quantity,
) -> serde_json::Value {
    json!({
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": size},
            "accessModes": claim.spec.as_ref().and_then(|spec| spec.access_modes.clone()),
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": STORAGE_CLASS,
            "local": {"path": path},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": claim.namespace(),
                "name": claim.name_any(),
                "uid": claim.uid(),
            },
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "In", "values": [NAME]},
            ]}]}},
        },
    })
}

/// The folder has no limit: growing is a matter of saying so.
async fn grow(
    client: &Client,
    claim: &PersistentVolumeClaim,
    volume: &str,
    size: &Quantity,
) -> Result<(), kube::Error> {
    let patch = PatchParams::default();
    let grown = json!({"spec": {"capacity": {"storage": size}}});
    Api::<PersistentVolume>::all(client.clone())
        .patch(volume, &patch, &Patch::Merge(grown))
        .await?;
    let grown = json!({"status": {"capacity": {"storage": size}}});
    let claims: Api<PersistentVolumeClaim> =
        Api::namespaced(client.clone(), &claim.namespace().unwrap_or_default());
    claims
        .patch_status(&claim.name_any(), &patch, &Patch::Merge(grown))
        .await
        .map(drop)
}
