//! What an apply depends on: while all of it is the same, an API server that refused it would refuse it again. Pure.
//!
//! What was built stands for the bridge and the chart; the check of the platforms for the schedule, for a changed Secret
//! and for a person who asks. Pods are not part of it: they change by themselves.

use jiff::Timestamp;
use kube::{Resource, ResourceExt as _};

use crate::build::{Built, Objects};
use crate::dereference::LiveChildren;
use crate::names::HASH_ANNOTATION;

/// What one apply depended on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    built: Vec<Option<String>>,
    live: Vec<String>,
    checked: Option<Timestamp>,
    asked: Option<String>,
}

impl Attempt {
    /// `checked` is when the platforms were last asked, to the second; `asked` is the word with which a person asked for a
    /// check, which may come within the same second.
    pub(super) fn of(
        built: &Objects<Built>,
        live: &LiveChildren,
        checked: Option<Timestamp>,
        asked: Option<&str>,
    ) -> Self {
        let mut versions: Vec<String> = Vec::new();
        versions.extend(
            live.config_maps
                .iter()
                .map(|object| version(object.as_ref())),
        );
        versions.extend(live.services.iter().map(|object| version(object.as_ref())));
        versions.extend(
            live.service_accounts
                .iter()
                .map(|object| version(object.as_ref())),
        );
        versions.extend(
            live.network_policies
                .iter()
                .map(|object| version(object.as_ref())),
        );
        versions.extend(live.claims.iter().map(|object| version(object.as_ref())));
        // Its version changes with each pod that becomes ready.
        versions.extend(
            live.stateful_sets
                .iter()
                .map(|object| described(object.as_ref())),
        );
        versions.sort();
        Self {
            built: vec![
                hash(&built.service_account),
                hash(&built.config_map),
                hash(&built.public_service),
                hash(&built.admin_service),
                built.network_policy.as_ref().and_then(hash),
                hash(&built.stateful_set),
            ],
            live: versions,
            checked,
            asked: asked.map(str::to_owned),
        }
    }
}

fn hash<K: Resource>(object: &K) -> Option<String> {
    object.annotations().get(HASH_ANNOTATION).cloned()
}

fn version<K: Resource<DynamicType = ()>>(object: &K) -> String {
    let version = object.resource_version().unwrap_or_default();
    format!("{} {} {version}", K::kind(&()), object.name_any())
}

fn described<K: Resource<DynamicType = ()>>(object: &K) -> String {
    let metadata = object.meta();
    let (uid, generation) = (&metadata.uid, metadata.generation);
    let (labels, annotations) = (object.labels(), object.annotations());
    format!(
        "{} {uid:?} {generation:?} {labels:?} {annotations:?}",
        K::kind(&())
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::sync::Arc;

    use k8s_openapi::api::apps::v1::StatefulSet;
    use k8s_openapi::api::core::v1::{ConfigMap, Pod};
    use rstest::rstest;

    use super::*;
    use crate::build::{build, fixture};

    /// A workload of this version, in its generation.
    fn workload(version: &str, generation: i64) -> LiveChildren {
        let mut set = StatefulSet::default();
        set.metadata.resource_version = Some(version.to_owned());
        set.metadata.generation = Some(generation);
        LiveChildren {
            stateful_sets: vec![Arc::new(set)],
            ..LiveChildren::default()
        }
    }

    fn with_a_pod() -> LiveChildren {
        LiveChildren {
            pods: vec![Arc::new(Pod::default())],
            ..workload("7", 1)
        }
    }

    fn with_a_child() -> LiveChildren {
        LiveChildren {
            config_maps: vec![Arc::new(ConfigMap::default())],
            ..workload("7", 1)
        }
    }

    #[rstest]
    #[case::nothing(workload("7", 1), None, None, true)]
    #[case::a_pod(with_a_pod(), None, None, true)]
    #[case::how_the_workload_is(workload("8", 1), None, None, true)]
    #[case::the_workload(workload("8", 2), None, None, false)]
    #[case::a_child(with_a_child(), None, None, false)]
    #[case::the_next_check(workload("7", 1), Some(Timestamp::UNIX_EPOCH), None, false)]
    #[case::a_person_asks_within_the_same_second(workload("7", 1), None, Some("now"), false)]
    fn an_attempt_is_the_same_until_what_it_depends_on_changes(
        #[case] live: LiveChildren,
        #[case] checked: Option<Timestamp>,
        #[case] asked: Option<&str>,
        #[case] same: bool,
    ) {
        let built = build(&fixture::validated()).unwrap();
        let first = Attempt::of(&built, &workload("7", 1), None, None);
        assert_eq!(Attempt::of(&built, &live, checked, asked) == first, same);
    }

    #[test]
    fn what_is_built_otherwise_is_another_attempt() {
        let of = |bridge| {
            Attempt::of(
                &build(&bridge).unwrap(),
                &LiveChildren::default(),
                None,
                None,
            )
        };
        assert_ne!(of(fixture::validated()), of(fixture::with_every_setting()));
    }
}
