//! The relay's workload with an embedded queue: one pod, one volume.
//!
//! One replica, always: two processes on one queue would deliver everything twice, and a StatefulSet never runs the
//! second before the first has ended. The volume's claim outlives both the StatefulSet and the bridge.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{
    StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec,
    StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::{
    ConfigMap, PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::{metadata, pod};
use crate::names::{RelayNames, VOLUME};
use crate::validate::{EmbeddedVolume, QueueKind, ValidatedBridge};

/// Revisions kept for `kubectl rollout undo`, which the operator undoes: one is enough to look at.
const REVISIONS: i32 = 1;

pub(super) fn build(
    bridge: &ValidatedBridge,
    names: &RelayNames,
    config_map: &ConfigMap,
) -> StatefulSet {
    let QueueKind::Embedded(volume) = &bridge.queue;
    StatefulSet {
        metadata: metadata::object(names.relay(), &bridge.bridge, names),
        spec: Some(StatefulSetSpec {
            replicas: Some(1),
            // Nobody looks the pod up by its own name; the public Service stands in where a name is required.
            service_name: Some(names.relay().to_owned()),
            // A broken pod must not keep its successor from being made.
            pod_management_policy: Some("Parallel".to_owned()),
            revision_history_limit: Some(REVISIONS),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("RollingUpdate".to_owned()),
                ..StatefulSetUpdateStrategy::default()
            }),
            persistent_volume_claim_retention_policy: Some(
                StatefulSetPersistentVolumeClaimRetentionPolicy {
                    when_deleted: Some("Retain".to_owned()),
                    when_scaled: Some("Retain".to_owned()),
                },
            ),
            selector: LabelSelector {
                match_labels: Some(names.stable_labels()),
                ..LabelSelector::default()
            },
            template: pod::template(bridge, names, config_map),
            volume_claim_templates: Some(vec![claim(volume, names)]),
            ..StatefulSetSpec::default()
        }),
        ..StatefulSet::default()
    }
}

fn claim(volume: &EmbeddedVolume, names: &RelayNames) -> PersistentVolumeClaim {
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(VOLUME.to_owned()),
            labels: Some(names.stable_labels()),
            annotations: Some(names.bridge_annotation()),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            storage_class_name: volume.storage_class.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some(BTreeMap::from([(
                    "storage".to_owned(),
                    Quantity(volume.size.clone()),
                )])),
                ..VolumeResourceRequirements::default()
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    }
}
