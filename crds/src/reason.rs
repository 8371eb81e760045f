//! The conditions of a bridge and every reason that they can have: one closed list, so that each has its test and its
//! entry in `docs/troubleshooting.md`.
//!
//! Conditions follow Kubernetes' conventions: `True` is good (but for `Stalled`), a reason is a word in CamelCase, and
//! the message beside it says what to do. Which reason goes with which status is decided here once.

use std::fmt;

/// A condition of a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// The operator can work with what the bridge says.
    Accepted,
    /// Both platforms accept the credentials in the Secrets.
    CredentialsValid,
    /// The integration's name leads to exactly one integration.
    IntegrationResolved,
    /// Both platforms call this bridge.
    WebhooksConfigured,
    /// The relay takes webhooks.
    RelayAvailable,
    /// All of the above: messages can flow.
    Ready,
    /// Messages do flow.
    Delivering,
    /// Nothing gets better until somebody changes something (kstatus, Flux, Argo CD).
    Stalled,
}

impl ConditionType {
    /// Every condition, in the order in which a person reads them.
    pub const ALL: [Self; 8] = [
        Self::Accepted,
        Self::CredentialsValid,
        Self::IntegrationResolved,
        Self::WebhooksConfigured,
        Self::RelayAvailable,
        Self::Ready,
        Self::Delivering,
        Self::Stalled,
    ];

    /// The word in `status.conditions[].type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::CredentialsValid => "CredentialsValid",
            Self::IntegrationResolved => "IntegrationResolved",
            Self::WebhooksConfigured => "WebhooksConfigured",
            Self::RelayAvailable => "RelayAvailable",
            Self::Ready => "Ready",
            Self::Delivering => "Delivering",
            Self::Stalled => "Stalled",
        }
    }
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Not known yet, or not any more.
    Unknown,
}

impl ConditionStatus {
    /// The word in `status.conditions[].status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl fmt::Display for ConditionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Declares [`Reason`] with its word, its status, and whether only a change by the user ends it.
macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident: $status:ident $(, $stalls:ident)?;)+) => {
        /// Why a condition has its status. `docs/troubleshooting.md` has an entry for each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The word in `status.conditions[].reason`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }

            /// The status that a condition with this reason has.
            pub const fn status(self) -> ConditionStatus {
                match self {
                    $(Self::$name => ConditionStatus::$status,)+
                }
            }

            /// Whether waiting does not help: somebody has to change the bridge, a Secret, a platform or the cluster.
            pub const fn needs_a_change(self) -> bool {
                match self {
                    $(Self::$name => reasons!(@stalls $($stalls)?),)+
                }
            }
        }
    };
    (@stalls stalls) => { true };
    (@stalls) => { false };
}

reasons! {
    // Accepted
    /// What the bridge says can be worked with.
    Accepted: True;
    /// The annotation `messagingbridge.io/paused` is set: nothing is changed, status is still kept.
    Paused: True;
    /// The object cannot be read as a bridge, or breaks a rule that the API server did not check.
    Invalid: False, stalls;
    /// An object that the bridge needs exists and is not the bridge's.
    NameTaken: False, stalls;
    /// The API server refused an object of the relay.
    ApplyFailed: False, stalls;

    // CredentialsValid
    /// Both platforms accept the credentials.
    Valid: True;
    /// A Secret does not exist.
    SecretMissing: False, stalls;
    /// A Secret lacks a key.
    SecretKeyMissing: False, stalls;
    /// A Secret's value cannot be right.
    SecretMalformed: False, stalls;
    /// Genesys Cloud refuses the OAuth client.
    GenesysRefused: False, stalls;
    /// Twilio refuses the account's credentials.
    TwilioRefused: False, stalls;
    /// The Twilio account is suspended or closed.
    AccountSuspended: False, stalls;

    // IntegrationResolved
    /// The name leads to one integration.
    Resolved: True;
    /// No integration has the name.
    NotFound: False, stalls;
    /// Several integrations have the name.
    Ambiguous: False, stalls;

    // WebhooksConfigured
    /// Both platforms call this bridge.
    Configured: True;
    /// The number does not belong to the account.
    NumberNotFound: False, stalls;
    /// The number cannot send and receive texts.
    NumberWithoutSms: False, stalls;
    /// Twilio posts the number's messages elsewhere, or nowhere.
    TwilioWebhookDiffers: False, stalls;
    /// Twilio calls by another method than POST.
    TwilioMethodDiffers: False, stalls;
    /// An application on the number overrides its URL.
    TwilioApplicationOverrides: False, stalls;
    /// A Messaging Service overrides the number's URL.
    MessagingServiceOverrides: False, stalls;
    /// The Messaging Service that the bridge names does not exist.
    MessagingServiceNotFound: False, stalls;
    /// The number is not in the Messaging Service that the bridge names.
    NumberNotInService: False, stalls;
    /// Genesys Cloud posts the agents' messages elsewhere, or nowhere.
    GenesysWebhookDiffers: False, stalls;
    /// The integration is not active, or could not be created.
    IntegrationInactive: False, stalls;

    // RelayAvailable
    /// The relay takes webhooks.
    Available: True;
    /// The relay's pod starts.
    Starting: False;
    /// A new configuration or image rolls out, and the relay is away meanwhile.
    RollingOut: False;
    /// The relay runs, but does not report that it can store messages.
    NotReady: False;
    /// The volume is not bound.
    VolumePending: False;
    /// No node takes the pod.
    Unschedulable: False;
    /// The image cannot be pulled.
    ImagePullFailed: False;
    /// The API server refuses the pod: a policy, a quota.
    PodRejected: False;
    /// The relay ends again and again.
    CrashLooping: False;
    /// The pod's node does not answer; the volume stays with it.
    NodeLost: False;
    /// The relay is not installed until the integration is resolved.
    NotInstalled: False;

    // Delivering
    /// Messages flow.
    Flowing: True;
    /// There is nothing to deliver.
    Idle: True;
    /// A direction stands still: the message names cause and fix.
    Blocked: False, stalls;
    /// The oldest message waits too long.
    Delayed: False;
    /// The relay's status cannot be read.
    RelayUnreachable: Unknown;

    // several conditions
    /// Not looked at yet: the message names what it waits for.
    Pending: Unknown;
    /// The OAuth client or API key lacks a right, so that it cannot be checked.
    PermissionMissing: Unknown, stalls;
    /// The platform does not answer.
    PlatformUnreachable: Unknown;
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_kubernetes_takes_for_a_reason() {
        for reason in Reason::ALL {
            assert!(
                reason
                    .as_str()
                    .chars()
                    .all(|letter| letter.is_ascii_alphanumeric())
            );
            assert!(
                reason
                    .as_str()
                    .starts_with(|letter: char| letter.is_ascii_uppercase())
            );
        }
    }

    #[test]
    fn what_holds_needs_no_change() {
        for reason in Reason::ALL {
            assert!(
                !(reason.needs_a_change() && reason.status() == ConditionStatus::True),
                "{reason}"
            );
        }
    }
}
