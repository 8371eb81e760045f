//! The names and labels of everything that the operator makes for a bridge.
//!
//! A bridge's name may have 253 characters, dots and a digit in front; a Service's may not, and a StatefulSet's must
//! leave room for its pods' label. A name that does not fit is shortened and ends with a hash of the whole, so that two
//! bridges do not share one; should a name be taken nonetheless, `apply` says so and takes nothing over. In the label
//! by which pods are found the hash stands behind a `_`, which no bridge's name has: nobody can name a bridge so that
//! its Services find another's pods. Nothing here carries the bridge's uid but the label of that name: a bridge that is deleted
//! and created anew takes its volume up again.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

/// Who manages an object, in `app.kubernetes.io/managed-by`; also the field manager of every apply.
pub const MANAGER: &str = "messaging-bridge-operator";
/// The label selector of everything that the operator manages.
pub const MANAGED: &str = "app.kubernetes.io/managed-by=messaging-bridge-operator";
/// The label with the uid of the bridge that an object belongs to.
pub const UID_LABEL: &str = "messagingbridge.io/uid";
/// The annotation with the bridge's full name, on what outlives it or has no owner reference.
pub const BRIDGE_ANNOTATION: &str = "messagingbridge.io/bridge";
/// The annotation with the hash of what was last built.
pub const HASH_ANNOTATION: &str = "messagingbridge.io/applied-hash";
/// The annotation that rolls the pod when its configuration changes.
pub const CONFIG_ANNOTATION: &str = "messagingbridge.io/config-hash";
/// The annotation that forbids changes.
pub const PAUSED_ANNOTATION: &str = "messagingbridge.io/paused";
/// The annotation that asks for checks now.
pub const RECONCILE_ANNOTATION: &str = "messagingbridge.io/reconcile-at";
/// The name of the volume claim template; the claim is `<this>-<pod>`.
pub const VOLUME: &str = "data";

/// The longest name of a StatefulSet whose pods' revision label still fits.
const LONGEST_STATEFUL_SET: usize = 52;
/// The longest value of a label.
const LONGEST_LABEL: usize = 63;
const SUFFIX: &str = "-relay";
/// Digits of the hash in an object's name: 40 bits, among the bridges of one namespace.
const HASH_DIGITS: usize = 10;
/// Digits of the hash in a label's value: 64 bits.
const LABEL_HASH_DIGITS: usize = 16;

/// The names of one bridge's objects: legal and short enough, whatever the bridge's legal name is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayNames {
    base: String,
    instance: String,
    bridge: String,
}

impl RelayNames {
    /// Of the bridge with this name.
    pub fn of(bridge: &str) -> Self {
        Self {
            base: base(bridge),
            instance: label_value(bridge),
            bridge: bridge.to_owned(),
        }
    }

    /// The StatefulSet's, the public Service's, the ConfigMap's, the ServiceAccount's and the NetworkPolicy's.
    pub fn relay(&self) -> &str {
        &self.base
    }

    /// The Service of the admin address.
    pub fn admin_service(&self) -> String {
        format!("{}-admin", self.base)
    }

    /// The only pod of the embedded queue.
    pub fn pod(&self) -> String {
        format!("{}-0", self.base)
    }

    /// The claim of the pod's volume.
    pub fn claim(&self) -> String {
        format!("{VOLUME}-{}", self.pod())
    }

    /// The value of `app.kubernetes.io/instance`.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// The labels that never change: selector and claim template carry these and no others.
    pub fn stable_labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from(
            [
                ("app.kubernetes.io/name", "messaging-bridge-relay"),
                ("app.kubernetes.io/instance", &self.instance),
                ("app.kubernetes.io/component", "relay"),
                ("app.kubernetes.io/managed-by", MANAGER),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
        )
    }

    /// The annotation that leads from an object back to its bridge.
    pub fn bridge_annotation(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(BRIDGE_ANNOTATION.to_owned(), self.bridge.clone())])
    }
}

fn base(bridge: &str) -> String {
    let longest = LONGEST_STATEFUL_SET - SUFFIX.len();
    if bridge.len() <= longest && is_dns_1035(bridge) {
        return format!("{bridge}{SUFFIX}");
    }
    let plain: String = bridge.replace('.', "-");
    let lettered = if plain.starts_with(|first: char| first.is_ascii_lowercase()) {
        plain
    } else {
        format!("b-{plain}")
    };
    let kept = &lettered[..lettered.len().min(longest - HASH_DIGITS - 1)];
    let hash = hex_digits(bridge.as_bytes(), HASH_DIGITS);
    format!("{}-{hash}{SUFFIX}", kept.trim_end_matches('-'))
}

/// RFC 1035, as Services want it: begins with a letter.
fn is_dns_1035(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn label_value(bridge: &str) -> String {
    if bridge.len() <= LONGEST_LABEL {
        return bridge.to_owned();
    }
    let kept = &bridge[..LONGEST_LABEL - LABEL_HASH_DIGITS - 1];
    let hash = hex_digits(bridge.as_bytes(), LABEL_HASH_DIGITS);
    format!("{}_{hash}", kept.trim_end_matches(['-', '.']))
}

/// The first `digits` hexadecimal digits of SHA-256.
pub(crate) fn hex_digits(bytes: &[u8], digits: usize) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(digits + 1);
    for byte in Sha256::digest(bytes).iter().take(digits.div_ceil(2)) {
        let _ = write!(text, "{byte:02x}");
    }
    text.truncate(digits);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case::plain("acme", "acme-relay")]
    #[case::of_the_longest_kind(&"a".repeat(46), &format!("{}-relay", "a".repeat(46)))]
    fn a_name_that_fits_is_kept(#[case] bridge: &str, #[case] expected: &str) {
        assert_eq!(RelayNames::of(bridge).relay(), expected);
    }

    #[rstest]
    #[case::with_a_dot("acme.eu", "acme-eu-")]
    #[case::with_a_digit_in_front("4you", "b-4you-")]
    #[case::too_long(&"a".repeat(47), &"a".repeat(35))]
    fn another_is_shortened_and_hashed(#[case] bridge: &str, #[case] begins: &str) {
        let names = RelayNames::of(bridge);
        assert!(names.relay().starts_with(begins), "{}", names.relay());
        assert!(names.relay().len() <= 52);
    }

    #[test]
    fn names_that_look_alike_when_shortened_differ() {
        assert_ne!(RelayNames::of("a.b").relay(), RelayNames::of("a-b").relay());
        let long = "x".repeat(200);
        assert_ne!(
            RelayNames::of(&format!("{long}1")).relay(),
            RelayNames::of(&format!("{long}2")).relay()
        );
    }

    #[test]
    fn nobody_can_name_a_bridge_like_the_label_of_another() {
        let long = "x".repeat(200);
        let label = RelayNames::of(&long).instance().to_owned();
        assert!(label.contains('_'), "{label}");
        assert_eq!(label.len(), 63);
    }

    const BRIDGE: &str =
        "[a-z0-9]([-a-z0-9]{0,60}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,60}[a-z0-9])?){0,3}";

    fn all(names: &RelayNames) -> [String; 5] {
        [
            names.relay().to_owned(),
            names.admin_service(),
            names.pod(),
            names.claim(),
            names.instance().to_owned(),
        ]
    }

    proptest! {
        #[test]
        fn every_legal_name_gives_legal_names(bridge in BRIDGE) {
            prop_assume!(bridge.len() <= 253);
            let names = RelayNames::of(&bridge);
            for (name, longest) in [
                (names.relay().to_owned(), 52),
                (names.admin_service(), 63),
                (names.pod(), 63),
                (names.claim(), 63),
            ] {
                prop_assert!(name.len() <= longest, "{name}");
                prop_assert!(is_dns_1035(&name) && !name.ends_with('-'), "{name}");
            }
            prop_assert!(names.instance().len() <= 63);
            prop_assert!(names.instance().starts_with(|first: char| first.is_ascii_alphanumeric()));
            prop_assert!(names.instance().ends_with(|last: char| last.is_ascii_alphanumeric()));
        }

        #[test]
        fn two_bridges_share_nothing(one in BRIDGE, other in BRIDGE, tail in "[a-z]{1,3}") {
            prop_assume!(one.len() <= 250 && other.len() <= 253 && one != other);
            let longer = format!("{one}{tail}");
            for other in [other, longer] {
                let names = [&one, &other].map(|bridge| all(&RelayNames::of(bridge)));
                for mine in &names[0] {
                    // A bridge's own label may read like another's object; within one kind nothing is shared.
                    prop_assert!(!names[1][..4].contains(mine) || mine == &names[0][4], "{mine}");
                }
                prop_assert_ne!(&names[0][4], &names[1][4]);
            }
        }
    }
}
