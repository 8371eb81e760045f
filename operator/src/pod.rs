//! What a relay's pod says of itself, read in one place. Pure.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodCondition};

/// Whether the pod takes requests.
pub(crate) fn is_ready(pod: &Pod) -> bool {
    is_true(pod, "Ready")
}

/// Whether the condition is there and `True`.
pub(crate) fn is_true(pod: &Pod, wanted: &str) -> bool {
    condition(pod, wanted).is_some_and(|condition| condition.status == "True")
}

/// One condition.
pub(crate) fn condition<'a>(pod: &'a Pod, wanted: &str) -> Option<&'a PodCondition> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    conditions
        .iter()
        .find(|condition| condition.type_ == wanted)
}

/// The relay's container; the pod has no other of ours.
pub(crate) fn container(pod: &Pod) -> Option<&ContainerStatus> {
    pod.status.as_ref()?.container_statuses.as_ref()?.first()
}

/// When the container was started, if it runs.
pub(crate) fn started(pod: &Pod) -> Option<Timestamp> {
    let running = container(pod)?.state.as_ref()?.running.as_ref()?;
    running.started_at.as_ref().map(|time| time.0)
}
