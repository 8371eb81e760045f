//! Whose an object is. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource as _;
use messaging_bridge_crds::MessagingBridge;

use crate::names::UID_LABEL;
use crate::validate::BridgeRef;

/// Whose an object is, as seen from one bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// This bridge's.
    Ours,
    /// That of a bridge of the same name, which is gone: the garbage collector removes it. It is waited for, since it
    /// is neither to be kept nor anybody else's.
    Predecessor,
    /// Somebody else's.
    Foreign,
}

/// Says whose the object is: by the label with the bridge's uid, and by its controller, which is the same bridge.
///
/// A workload whose owner was removed on purpose (`kubectl delete --cascade=orphan`) still carries the label. While the
/// bridge lives it is taken up again; of a bridge that is gone it is somebody's who wanted to keep it.
pub fn of(object: &ObjectMeta, bridge: &BridgeRef) -> Owner {
    let controller = object
        .owner_references
        .iter()
        .flatten()
        .find(|owner| owner.controller == Some(true));
    let labelled = object
        .labels
        .as_ref()
        .and_then(|labels| labels.get(UID_LABEL))
        .map(String::as_str);
    match (controller, labelled) {
        (Some(owner), _) if owner.uid == bridge.uid => Owner::Ours,
        (Some(owner), _) if is_bridge(owner) && owner.name == bridge.name => Owner::Predecessor,
        (None, Some(uid)) if uid == bridge.uid => Owner::Ours,
        (None, Some(_)) if object.deletion_timestamp.is_some() => Owner::Predecessor,
        _ => Owner::Foreign,
    }
}

/// Of any version of our API.
fn is_bridge(owner: &OwnerReference) -> bool {
    let group = owner.api_version.split('/').next();
    owner.kind == MessagingBridge::kind(&()) && group == Some(&MessagingBridge::group(&()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;
    use rstest::rstest;

    const OURS: &str = "messagingbridge.io/v1alpha1 MessagingBridge acme u-1";
    const GONE: &str = "messagingbridge.io/v1alpha1 MessagingBridge acme u-0";
    const GONE_OF_ANOTHER_VERSION: &str = "messagingbridge.io/v1 MessagingBridge acme u-0";
    const NEIGHBOUR: &str = "messagingbridge.io/v1alpha1 MessagingBridge other u-2";
    const NAMESAKE: &str = "example.com/v1 MessagingBridge acme u-3";
    const DEPLOYMENT: &str = "apps/v1 Deployment acme u-4";

    #[rstest]
    #[case::made_by_us(Some(OURS), Some("u-1"), false, Owner::Ours)]
    #[case::label_removed_by_hand(Some(OURS), None, false, Owner::Ours)]
    #[case::orphaned_while_the_bridge_lives(None, Some("u-1"), false, Owner::Ours)]
    #[case::ours_and_being_deleted(Some(OURS), Some("u-1"), true, Owner::Ours)]
    #[case::not_yet_collected(Some(GONE), Some("u-0"), false, Owner::Predecessor)]
    #[case::being_collected(Some(GONE), Some("u-0"), true, Owner::Predecessor)]
    #[case::not_yet_collected_without_label(Some(GONE), None, false, Owner::Predecessor)]
    #[case::made_by_another_version(
        Some(GONE_OF_ANOTHER_VERSION),
        Some("u-0"),
        false,
        Owner::Predecessor
    )]
    #[case::orphan_of_a_deleted_bridge_being_deleted(None, Some("u-0"), true, Owner::Predecessor)]
    #[case::orphan_of_a_deleted_bridge_that_stays(None, Some("u-0"), false, Owner::Foreign)]
    #[case::of_another_bridge(Some(NEIGHBOUR), Some("u-2"), false, Owner::Foreign)]
    #[case::of_another_bridge_being_deleted(Some(NEIGHBOUR), Some("u-2"), true, Owner::Foreign)]
    #[case::of_another_kind_of_bridge(Some(NAMESAKE), None, false, Owner::Foreign)]
    #[case::of_another_controller(Some(DEPLOYMENT), Some("u-1"), false, Owner::Foreign)]
    #[case::made_by_hand(None, None, false, Owner::Foreign)]
    #[case::made_by_hand_and_being_deleted(None, None, true, Owner::Foreign)]
    fn an_object_is_ours_by_controller_or_label(
        #[case] controller: Option<&str>,
        #[case] label: Option<&str>,
        #[case] being_deleted: bool,
        #[case] expected: Owner,
    ) {
        let object = ObjectMeta {
            owner_references: controller.map(|words| vec![reference(words)]),
            labels: label.map(|uid| [(UID_LABEL.to_owned(), uid.to_owned())].into()),
            deletion_timestamp: being_deleted.then_some(Time(Timestamp::UNIX_EPOCH)),
            ..ObjectMeta::default()
        };
        let bridge = BridgeRef {
            namespace: "n".to_owned(),
            name: "acme".to_owned(),
            uid: "u-1".to_owned(),
        };
        assert_eq!(of(&object, &bridge), expected);
    }

    fn reference(words: &str) -> OwnerReference {
        let [api_version, kind, name, uid] = [0, 1, 2, 3].map(|nth| {
            let word = words.split(' ').nth(nth);
            word.expect("version, kind, name and uid").to_owned()
        });
        OwnerReference {
            api_version,
            kind,
            name,
            uid,
            controller: Some(true),
            ..OwnerReference::default()
        }
    }
}
