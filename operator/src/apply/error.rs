//! Why an object was not applied, and whether a repeat can help.

/// What went wrong with one object.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// It exists and is not the bridge's.
    #[error(
        "{kind} {name:?} exists and does not belong to this bridge; delete or rename it, or give the bridge another name"
    )]
    NameTaken {
        /// The object's kind.
        kind: String,
        /// Its name.
        name: String,
    },
    /// It belongs to a bridge of the same name that was deleted a moment ago, and is being removed.
    #[error("{kind} {name:?} of the deleted bridge of the same name is still being removed")]
    Leaving {
        /// The object's kind.
        kind: String,
        /// Its name.
        name: String,
    },
    /// The API server refuses it: a policy, a quota, a missing right.
    #[error("the API server refuses {kind} {name:?}: {message}")]
    Refused {
        /// The object's kind.
        kind: String,
        /// Its name.
        name: String,
        /// The API server's words.
        message: String,
    },
    /// The volume cannot grow.
    #[error(
        "the claim {name:?} cannot grow to {size}: {message}; use a storage class with allowVolumeExpansion, or write the old size"
    )]
    VolumeNotGrowable {
        /// The claim.
        name: String,
        /// The size wanted.
        size: String,
        /// The claim's storage class, and the API server's words.
        message: String,
    },
    /// The API server did not answer, or asks for patience.
    #[error("{what}: {source}")]
    Unanswered {
        /// What was attempted.
        what: String,
        /// The client's error.
        source: Box<kube::Error>,
    },
}

impl ApplyError {
    /// Whether only a change of bridge, cluster or chart can help.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::NameTaken { .. } | Self::Refused { .. } | Self::VolumeNotGrowable { .. } => true,
            Self::Leaving { .. } | Self::Unanswered { .. } => false,
        }
    }

    /// The error of a call about one object.
    pub(super) fn of_call(kind: &str, name: &str, error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status)
                if matches!(status.code, 400 | 403 | 422) && !is_terminating(&status) =>
            {
                Self::Refused {
                    kind: kind.to_owned(),
                    name: name.to_owned(),
                    message: status.message.clone(),
                }
            }
            error => Self::Unanswered {
                what: format!("{kind} {name:?}"),
                source: Box::new(error),
            },
        }
    }
}

/// The namespace is being deleted, and nothing is made in it any more: that passes with it. The API server says so by
/// the code of a missing right, with a cause (`NamespaceTerminating`) and in words.
fn is_terminating(status: &kube::core::Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    status.code == 403
        && (causes
            .into_iter()
            .any(|cause| cause.reason == "NamespaceTerminating")
            || status.message.contains("because it is being terminated"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::a_right_that_is_missing(403, "services is forbidden: User cannot create", true)]
    #[case::a_policy(403, "denied by policy", true)]
    #[case::an_invalid_field(422, "is invalid", true)]
    #[case::a_namespace_that_goes(
        403,
        "configmaps \"acme-relay\" is forbidden: unable to create new content in namespace tenant because it is being terminated",
        false
    )]
    #[case::too_many_requests(429, "slow down", false)]
    fn a_refusal_is_permanent_unless_it_passes_by_itself(
        #[case] code: u16,
        #[case] message: &str,
        #[case] permanent: bool,
    ) {
        let status = kube::core::Status {
            code,
            message: message.to_owned(),
            ..kube::core::Status::default()
        };
        let error = ApplyError::of_call("Service", "acme-relay", kube::Error::Api(status.boxed()));
        assert_eq!(error.is_permanent(), permanent, "{error}");
    }
}
