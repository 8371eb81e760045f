//! Whose an object is. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::names::UID_LABEL;
use crate::validate::BridgeRef;

/// Whose an object is, as seen from one bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// This bridge's.
    Ours,
    /// That of a bridge of the same name, which is gone: the garbage collector removes it.
    Predecessor,
    /// Somebody else's.
    Foreign,
}

/// Says whose the object is: by the label with the bridge's uid, and by its controller, which is the same bridge.
///
/// A workload whose owner was removed on purpose (`kubectl delete --cascade=orphan`) still carries the label, and is
/// taken up again.
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
        (Some(owner), _) if owner.kind == "MessagingBridge" && owner.name == bridge.name => {
            Owner::Predecessor
        }
        (None, Some(uid)) if uid == bridge.uid => Owner::Ours,
        _ => Owner::Foreign,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
    use rstest::rstest;

    #[rstest]
    #[case::made_by_us(Some(("MessagingBridge", "acme", "u-1")), Some("u-1"), Owner::Ours)]
    #[case::label_removed_by_hand(Some(("MessagingBridge", "acme", "u-1")), None, Owner::Ours)]
    #[case::orphaned(None, Some("u-1"), Owner::Ours)]
    #[case::of_a_deleted_bridge(Some(("MessagingBridge", "acme", "u-0")), Some("u-0"), Owner::Predecessor)]
    #[case::of_another_bridge(Some(("MessagingBridge", "other", "u-2")), Some("u-2"), Owner::Foreign)]
    #[case::of_another_controller(Some(("Deployment", "acme", "u-3")), Some("u-1"), Owner::Foreign)]
    #[case::made_by_hand(None, None, Owner::Foreign)]
    #[case::orphan_of_a_deleted_bridge(None, Some("u-0"), Owner::Foreign)]
    fn an_object_is_ours_by_controller_or_label(
        #[case] controller: Option<(&str, &str, &str)>,
        #[case] label: Option<&str>,
        #[case] expected: Owner,
    ) {
        let object = ObjectMeta {
            owner_references: controller.map(|(kind, name, uid)| {
                vec![OwnerReference {
                    kind: kind.to_owned(),
                    name: name.to_owned(),
                    uid: uid.to_owned(),
                    controller: Some(true),
                    ..OwnerReference::default()
                }]
            }),
            labels: label.map(|uid| [(UID_LABEL.to_owned(), uid.to_owned())].into()),
            ..ObjectMeta::default()
        };
        let bridge = BridgeRef {
            namespace: "n".to_owned(),
            name: "acme".to_owned(),
            uid: "u-1".to_owned(),
        };
        assert_eq!(of(&object, &bridge), expected);
    }
}
