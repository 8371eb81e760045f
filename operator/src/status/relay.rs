//! `RelayAvailable`: an ordered list of checks over StatefulSet, pod, claim and warnings. Pure.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, Pod};
use messaging_bridge_crds::Reason;

use crate::dereference::{Warning, WorkloadSeen};
use crate::pod::{condition, container, is_ready, is_true, started};
use crate::validate::Verdict;

/// A pod that runs so long without being ready does not merely start.
const STARTS: SignedDuration = SignedDuration::from_mins(1);
/// After so long the kubelet forgets that a container had ended before.
const RAN_WELL: SignedDuration = SignedDuration::from_mins(10);
/// The longest text of a relay that is shown.
const LONGEST: usize = 300;
/// Why an image is not there.
const IMAGE: [&str; 5] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
];

/// Whether a relay is to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Install {
    /// It is.
    Wanted,
    /// The bridge cannot be worked with.
    Invalid,
    /// It waits for the integration's id.
    Unresolved,
    /// The bridge is paused.
    Paused,
    /// An object of the relay was refused.
    Refused,
}

/// Judges the workload.
pub(super) fn judge(seen: &WorkloadSeen, install: Install, now: Timestamp) -> Verdict {
    if seen.stateful_set.is_none() && seen.pods.is_empty() {
        return without_workload(install);
    }
    let Some(pod) = seen.pods.last() else {
        return without_pod(seen);
    };
    let checks = [
        available(pod),
        node_lost(pod),
        ending(pod),
        volume(pod, seen),
        unschedulable(pod),
        image(pod),
        crashing(pod, now),
        not_starting(pod, seen),
    ];
    checks
        .into_iter()
        .flatten()
        .next()
        .unwrap_or_else(|| running(pod, now))
}

fn without_workload(install: Install) -> Verdict {
    let why = match install {
        Install::Wanted => {
            return Verdict::new(Reason::Starting, "the relay is being installed");
        }
        Install::Invalid => {
            "the relay is installed as soon as the bridge is accepted: see Accepted"
        }
        Install::Unresolved => {
            "the relay is installed as soon as the integration is resolved: see IntegrationResolved"
        }
        Install::Paused => {
            "the relay is installed as soon as the annotation messagingbridge.io/paused is removed"
        }
        Install::Refused => "an object of the relay cannot be made: see Accepted",
    };
    Verdict::new(Reason::NotInstalled, why)
}

fn without_pod(seen: &WorkloadSeen) -> Verdict {
    match warning(&seen.warnings, "StatefulSet", &["FailedCreate"]) {
        Some(warning) => Verdict::new(
            Reason::PodRejected,
            format!(
                "the relay's pod is refused: {}; change the policy or quota of the namespace, or the chart's relay values",
                short(&warning.message)
            ),
        ),
        None => Verdict::new(Reason::Starting, "the relay's pod is being made"),
    }
}

fn available(pod: &Pod) -> Option<Verdict> {
    (is_ready(pod) && pod.metadata.deletion_timestamp.is_none())
        .then(|| Verdict::new(Reason::Available, "the relay takes webhooks"))
}

fn node_lost(pod: &Pod) -> Option<Verdict> {
    let evicted = condition(pod, "DisruptionTarget").is_some_and(|condition| {
        condition.status == "True" && condition.reason.as_deref() == Some("DeletionByTaintManager")
    });
    let gone = is_marked_by_the_node_controller(pod);
    (evicted || gone).then(|| {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or("?");
        Verdict::new(
            Reason::NodeLost,
            format!(
                "node {node:?} does not answer, and the volume stays with it: bring the node back, or, only if it is \
                 certainly off, delete the node or force the pod's deletion so that the relay can start elsewhere"
            ),
        )
    })
}

/// The controller that misses a node's kubelet sets `Ready` of its pods to `False` and touches nothing else: the
/// containers stay ready as the kubelet last said, and no reason is given. A kubelet that says `False` gives a reason,
/// and one that is back says everything anew. The Event about it would be gone after an hour, and outlive a short loss.
fn is_marked_by_the_node_controller(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|ready| {
        ready.status == "False" && ready.reason.as_deref().unwrap_or_default().is_empty()
    }) && is_true(pod, "ContainersReady")
}

fn ending(pod: &Pod) -> Option<Verdict> {
    pod.metadata.deletion_timestamp.as_ref()?;
    Some(Verdict::new(
        Reason::RollingOut,
        "the relay's pod ends; its successor starts when it has ended",
    ))
}

fn volume(pod: &Pod, seen: &WorkloadSeen) -> Option<Verdict> {
    let phase = |claim: &k8s_openapi::api::core::v1::PersistentVolumeClaim| {
        claim
            .status
            .as_ref()
            .and_then(|status| status.phase.clone())
    };
    let claim = seen
        .claims
        .iter()
        .find(|claim| phase(claim).as_deref() != Some("Bound"))?;
    // A class that waits for the pod is not to blame while the pod finds no node for another reason.
    let scheduling = scheduling_problem(pod).unwrap_or_default();
    if !scheduling.is_empty()
        && !["olume", "laim"]
            .iter()
            .any(|word| scheduling.contains(word))
    {
        return None;
    }
    let name = claim.metadata.name.as_deref().unwrap_or("?");
    let class = claim
        .spec
        .as_ref()
        .and_then(|spec| spec.storage_class_name.as_deref())
        .map_or_else(
            || "no storage class (the cluster has no default)".to_owned(),
            |class| format!("storage class {class:?}"),
        );
    let why = warning(
        &seen.warnings,
        "PersistentVolumeClaim",
        &["ProvisioningFailed", "FailedBinding"],
    )
    .map(|warning| format!(": {}", short(&warning.message)))
    .unwrap_or_default();
    Some(Verdict::new(
        Reason::VolumePending,
        format!(
            "the claim {name:?} with {class} is not bound{why}; see kubectl -n {} describe pvc {name}",
            claim.metadata.namespace.as_deref().unwrap_or("NAMESPACE")
        ),
    ))
}

fn unschedulable(pod: &Pod) -> Option<Verdict> {
    let problem = scheduling_problem(pod)?;
    Some(Verdict::new(
        Reason::Unschedulable,
        format!(
            "no node takes the relay's pod: {}; make room, or change the chart's relay.resources, relay.nodeSelector \
             or relay.tolerations",
            short(&problem)
        ),
    ))
}

fn scheduling_problem(pod: &Pod) -> Option<String> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let scheduled = conditions
        .iter()
        .find(|condition| condition.type_ == "PodScheduled")?;
    let refused =
        scheduled.status == "False" && scheduled.reason.as_deref() == Some("Unschedulable");
    refused.then(|| scheduled.message.clone().unwrap_or_default())
}

fn image(pod: &Pod) -> Option<Verdict> {
    let (reason, message) = waiting(pod)?;
    IMAGE.contains(&reason.as_str()).then(|| {
        let image = container(pod).map(|status| status.image.clone()).unwrap_or_default();
        Verdict::new(
            Reason::ImagePullFailed,
            format!(
                "the image {image:?} cannot be had ({reason}): {}; correct relay.image or relay.imagePullSecrets of the chart",
                short(&message)
            ),
        )
    })
}

fn crashing(pod: &Pod, now: Timestamp) -> Option<Verdict> {
    let status = container(pod)?;
    let looping = waiting(pod).is_some_and(|(reason, _)| reason == "CrashLoopBackOff");
    let ended = status
        .state
        .as_ref()
        .and_then(|state| state.terminated.as_ref())
        .or_else(|| status.last_state.as_ref()?.terminated.as_ref())?;
    let failed = status.restart_count > 0 || ended.exit_code != 0;
    // The end before this one is remembered for as long as the pod lives.
    let runs_well = started(pod).is_some_and(|began| now.duration_since(began) > RAN_WELL);
    (looping || failed && !runs_well && !ran_well(ended)).then(|| {
        let last = ended
            .message
            .as_deref()
            .and_then(|text| text.lines().rev().find(|line| !line.trim().is_empty()));
        let said = last.map_or_else(String::new, |line| format!(": {}", short(line.trim())));
        Verdict::new(
            Reason::CrashLooping,
            format!(
                "the relay has ended {} times, last with exit code {}{said}; see {}",
                status.restart_count.max(1),
                ended.exit_code,
                log_command(pod, " --previous")
            ),
        )
    })
}

/// Whether the container had run long enough for its end to be no loop: the node restarted, for instance.
fn ran_well(ended: &ContainerStateTerminated) -> bool {
    match (&ended.started_at, &ended.finished_at) {
        (Some(began), Some(end)) => end.0.duration_since(began.0) > RAN_WELL,
        _ => false,
    }
}

/// A container that cannot even be made: a Secret or key that is missing, a volume that cannot be mounted.
fn not_starting(pod: &Pod, seen: &WorkloadSeen) -> Option<Verdict> {
    let (reason, message) = waiting(pod)?;
    let mount = warning(
        &seen.warnings,
        "Pod",
        &["FailedMount", "FailedAttachVolume"],
    );
    match (reason.as_str(), mount) {
        (_, Some(mount)) => Some(Verdict::new(
            Reason::NotReady,
            format!(
                "the relay's pod waits for a volume: {}",
                short(&mount.message)
            ),
        )),
        ("ContainerCreating" | "PodInitializing", None) => None,
        (_, None) => Some(Verdict::new(
            Reason::NotReady,
            format!(
                "the relay's container cannot start ({reason}): {}",
                short(&message)
            ),
        )),
    }
}

fn running(pod: &Pod, now: Timestamp) -> Verdict {
    let began = started(pod).or_else(|| Some(pod.metadata.creation_timestamp.as_ref()?.0));
    match began {
        Some(began) if now.duration_since(began) > STARTS => Verdict::new(
            Reason::NotReady,
            format!(
                "the relay runs and does not report that it can store messages; see its volume and {}",
                log_command(pod, "")
            ),
        ),
        _ => Verdict::new(Reason::Starting, "the relay starts"),
    }
}

/// How a person reads the pod's log.
fn log_command(pod: &Pod, flags: &str) -> String {
    format!(
        "kubectl -n {} logs {}{flags}",
        pod.metadata.namespace.as_deref().unwrap_or("NAMESPACE"),
        pod.metadata.name.as_deref().unwrap_or("POD")
    )
}

fn waiting(pod: &Pod) -> Option<(String, String)> {
    let ContainerState { waiting, .. } = container(pod)?.state.as_ref()?;
    let waiting = waiting.as_ref()?;
    Some((
        waiting.reason.clone().unwrap_or_default(),
        waiting.message.clone().unwrap_or_default(),
    ))
}

/// The newest warning about a kind, for one of these reasons.
fn warning<'a>(warnings: &'a [Warning], kind: &str, reasons: &[&str]) -> Option<&'a Warning> {
    warnings
        .iter()
        .rev()
        .find(|warning| warning.kind == kind && reasons.contains(&warning.reason.as_str()))
}

fn short(text: &str) -> String {
    let masked = messaging_bridge_clients::mask::numbers_in(text);
    match masked.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &masked[..end]),
        None => masked,
    }
}

#[cfg(test)]
mod tests;
