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
            kube::Error::Api(status) if matches!(status.code, 400 | 403 | 422) => Self::Refused {
                kind: kind.to_owned(),
                name: name.to_owned(),
                message: status.message.clone(),
            },
            error => Self::Unanswered {
                what: format!("{kind} {name:?}"),
                source: Box::new(error),
            },
        }
    }
}
