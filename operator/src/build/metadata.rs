//! What every object has: labels, the owner, and the hash of what was built.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::{Resource, ResourceExt as _};
use messaging_bridge_crds::MessagingBridge;
use serde::Serialize;

use crate::names::{HASH_ANNOTATION, RelayNames, UID_LABEL, hex_digits};
use crate::validate::BridgeRef;

/// Digits of a hash in an annotation: 64 bits.
const HASH_DIGITS: usize = 16;

/// Name, namespace, labels and owner.
pub(super) fn object(name: &str, bridge: &BridgeRef, names: &RelayNames) -> ObjectMeta {
    let mut labels = names.stable_labels();
    labels.insert(UID_LABEL.to_owned(), bridge.uid.clone());
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(bridge.namespace.clone()),
        labels: Some(labels),
        annotations: Some(names.bridge_annotation()),
        owner_references: Some(vec![owner(bridge)]),
        ..ObjectMeta::default()
    }
}

/// With it the garbage collector removes the object when the bridge is deleted, also in the foreground.
fn owner(bridge: &BridgeRef) -> OwnerReference {
    OwnerReference {
        api_version: MessagingBridge::api_version(&()).into_owned(),
        kind: MessagingBridge::kind(&()).into_owned(),
        name: bridge.name.clone(),
        uid: bridge.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// With the hash of the whole object, so that a field that is no longer built counts as a difference.
pub(super) fn hashed<K: Resource + Serialize>(mut object: K) -> Result<K, serde_json::Error> {
    let hash = hex_digits(&serde_json::to_vec(&object)?, HASH_DIGITS);
    object
        .annotations_mut()
        .insert(HASH_ANNOTATION.to_owned(), hash);
    Ok(object)
}

/// A short hash of some text.
pub(super) fn hash(text: &str) -> String {
    hex_digits(text.as_bytes(), HASH_DIGITS)
}
