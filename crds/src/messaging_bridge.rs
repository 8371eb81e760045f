//! The `MessagingBridge` resource: one company's number on Twilio joined to one integration of its Genesys Cloud org.
//!
//! The descriptions below are what `kubectl explain messagingbridge.spec` prints. The schema holds only what the
//! relay does: there is no field here that nothing reads.

#![expect(
    unreachable_pub,
    reason = "the schema derive repeats each struct, `pub` included, inside a function"
)]
#![expect(
    clippy::duplicated_attributes,
    reason = "each printer column states its type, and most are strings"
)]
#![expect(
    rustdoc::bare_urls,
    reason = "the descriptions are read in `kubectl explain`, where `<` and `>` would be noise"
)]

use std::fmt;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mask::masked;
use crate::status::MessagingBridgeStatus;
use crate::{region, rules};

/// The fewest requests a minute that leave room for receipts beside messages.
pub(crate) const MIN_REQUESTS_PER_MINUTE: u32 = 10;
/// Beyond any limit that Genesys Cloud grants; a larger number is a slip.
pub(crate) const MAX_REQUESTS_PER_MINUTE: u32 = 1_000_000;
/// The slowest of Twilio's senders: a long code to the US or Canada.
pub(crate) const MIN_MESSAGES_PER_SECOND: u32 = 1;
/// Beyond any rate that Twilio grants a sender; a larger number is a slip.
pub(crate) const MAX_MESSAGES_PER_SECOND: u32 = 10_000;

/// What the bridge joins: a Genesys Cloud org, a Twilio number, and the address at which both reach the relay.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "messagingbridge.io",
    version = "v1alpha1",
    kind = "MessagingBridge",
    plural = "messagingbridges",
    namespaced,
    shortname = "mb",
    category = "messaging",
    derive = "PartialEq",
    selectable = ".spec.twilio.number",
    selectable = ".spec.genesys.integrationName",
    status = "MessagingBridgeStatus",
    doc = "A MessagingBridge carries a company's text messages between its own Twilio account and its Genesys Cloud \
           org: a customer's text appears on the agents' desktop, the agent's reply on the customer's phone.",
    printcolumn(
        name = "Region",
        type_ = "string",
        json_path = ".spec.genesys.region",
        description = "Where the Genesys Cloud org lives"
    ),
    printcolumn(
        name = "Number",
        type_ = "string",
        json_path = ".spec.twilio.number",
        description = "The number that customers text"
    ),
    printcolumn(
        name = "Integration",
        type_ = "string",
        json_path = ".spec.genesys.integrationName",
        description = "The Open Messaging integration in Genesys Cloud"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether messages can flow"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "Why, if not: docs/troubleshooting.md has an entry for each reason"
    ),
    printcolumn(
        name = "Backlog",
        type_ = "integer",
        json_path = ".status.backlog",
        description = "Messages that wait, both ways"
    ),
    printcolumn(
        name = "Delivering",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Delivering\")].reason",
        description = "Whether messages do flow, and why not if they do not",
        priority = 1
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[x_kube(
    validation = rules::queue::size_stays(),
    validation = rules::queue::storage_class_stays()
)]
pub struct MessagingBridgeSpec {
    /// The Genesys Cloud side: where the org lives, which integration receives the messages, and how to log in.
    pub genesys: GenesysSpec,

    /// The Twilio side: which number customers text, and how to log in.
    pub twilio: TwilioSpec,

    /// The HTTPS address at which Twilio and Genesys Cloud reach this bridge from the internet, for example
    /// https://bridge.example.com/acme. Host name in lower case with a dot, port 443, no query. A path is optional; a
    /// slash at the end makes no difference. Both platforms sign the URL that they call, so this must be the address
    /// as they see it, in front of every proxy.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(
        validation = rules::public_url::https(),
        validation = rules::public_url::no_credentials(),
        validation = rules::public_url::default_port(),
        validation = rules::public_url::no_underscore(),
        validation = rules::public_url::host(),
        validation = rules::public_url::path(),
        validation = rules::public_url::no_query_or_fragment()
    )]
    pub public_url: String,

    /// Where the relay keeps messages until they are delivered. Without it: a volume of the size and storage class
    /// that the chart names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "QueueSpec")]
    #[x_kube(validation = rules::queue::exactly_one())]
    pub queue: Option<QueueSpec>,
}

/// Where messages wait; exactly one of these.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct QueueSpec {
    /// In the relay itself, on a volume of its own: one pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "EmbeddedQueue")]
    pub embedded: Option<EmbeddedQueue>,
}

/// A queue on a volume of the relay's own. The volume outlives the bridge.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct EmbeddedQueue {
    /// The size of the volume in Mi, Gi or Ti, 128Mi or more, for example 1Gi. It can grow where the storage class
    /// allows it, and never shrink. Waiting messages may use a little more than half of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 12), regex(pattern = rules::queue::SIZE))]
    #[x_kube(
        validation = rules::form(rules::queue::SIZE, rules::queue::SIZE_FIX),
        validation = rules::queue::enough(),
        validation = rules::queue::no_shrinking()
    )]
    pub size: Option<String>,

    /// The storage class of the volume: a local or network block device; no NFS or other shared file system. It
    /// cannot be changed once the volume exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 253), regex(pattern = rules::DNS_SUBDOMAIN))]
    #[x_kube(
        validation = rules::form(rules::DNS_SUBDOMAIN, rules::STORAGE_CLASS_FIX),
        validation = rules::queue::same_storage_class()
    )]
    pub storage_class_name: Option<String>,
}

/// The Genesys Cloud side of a bridge.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::notices_need_current())]
pub struct GenesysSpec {
    /// Where the org lives: the AWS region (us-east-1), the org's domain (mypurecloud.com, usw2.pure.cloud) or the
    /// short code in that domain (usw2). Neither a URL nor a host such as api.usw2.pure.cloud.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(
        validation = region::no_url_rule(),
        validation = region::no_host_rule(),
        validation = region::known_rule()
    )]
    pub region: String,

    /// The name of the Open Messaging integration, exactly as it stands in Genesys Cloud. Its id is looked up.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = rules::no_outer_blanks())]
    pub integration_name: String,

    /// The Secret with the keys clientId and clientSecret (an OAuth client of the grant "client credentials") and
    /// webhookSecret (the secret that the integration signs its webhooks with, 16 characters or more).
    pub credentials_secret_ref: SecretRef,

    /// A Secret with the keys clientId and clientSecret of a second OAuth client, which only the operator uses to find
    /// the integration. With it, the client above needs no right but conversation:message:receive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SecretRef")]
    pub operator_credentials_secret_ref: Option<SecretRef>,

    /// The shape of the messages. Current is the Open Messaging API as Genesys publishes it. Guide is for gateways
    /// that were built from a widely read integration guide, which differs.
    #[serde(default)]
    pub wire_profile: WireProfile,

    /// How many requests a minute this bridge may send to Genesys Cloud. Without it the bridge begins at 300, the
    /// usual limit of a token, and follows the limit that the answers state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = MIN_REQUESTS_PER_MINUTE, max = MAX_REQUESTS_PER_MINUTE))]
    pub requests_per_minute: Option<i32>,

    /// Whether a failed message is also told in the conversation itself: the reason is posted as a message from the
    /// customer, marked as not theirs. Genesys Cloud shows agents that a message failed, but not why. Only with the
    /// wire profile Current. Without it: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    pub failure_notices: Option<bool>,
}

/// The Twilio side of a bridge.
#[derive(KubeSchema, Serialize, Deserialize, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TwilioSpec {
    /// The number that customers text, in E.164 form and in quotes: "+15551230000".
    #[schemars(length(max = 16), regex(pattern = rules::E164))]
    #[x_kube(validation = rules::form(rules::E164, rules::E164_FIX))]
    pub number: String,

    /// The Secret with the keys accountSid and authToken, and optionally apiKeySid and apiKeySecret. The token always
    /// verifies webhooks; calls use the API key where there is one.
    pub credentials_secret_ref: SecretRef,

    /// The SID of the Messaging Service that the number is a sender of, if it is one: MG and 32 hexadecimal digits. The
    /// service's inbound settings are then checked instead of the number's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 34), regex(pattern = rules::MESSAGING_SERVICE))]
    #[x_kube(validation = rules::form(rules::MESSAGING_SERVICE, rules::MESSAGING_SERVICE_FIX))]
    pub messaging_service_sid: Option<String>,

    /// The Twilio region that the account's data lives in, if it is not us1: ie1 or au1. Each region has credentials
    /// of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 20), regex(pattern = rules::TWILIO_PLACE))]
    #[x_kube(validation = rules::form(rules::TWILIO_PLACE, rules::TWILIO_REGION_FIX))]
    pub region: Option<String>,

    /// The Twilio edge through which to call the API, for example dublin. Any edge goes with any region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 20), regex(pattern = rules::TWILIO_PLACE))]
    #[x_kube(validation = rules::form(rules::TWILIO_PLACE, rules::TWILIO_EDGE_FIX))]
    pub edge: Option<String>,

    /// How many messages a second the relay may hand to Twilio for this sender. Without it: 10, what Twilio gives most
    /// numbers. Toll-free numbers have 3, long codes to the US and Canada 1, short codes 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = MIN_MESSAGES_PER_SECOND, max = MAX_MESSAGES_PER_SECOND))]
    pub messages_per_second: Option<i32>,

    /// How long after its arrival an agent's message may be sent, for example 4h or 1h30m: 1m to 10h. What could not be
    /// sent by then is given up, and the agent is told. Twilio is told how much of it is left. Without it: 4h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 2, max = 12), regex(pattern = rules::validity::FORM))]
    #[x_kube(
        validation = rules::form(rules::validity::FORM, rules::validity::FIX),
        validation = rules::validity::in_range()
    )]
    pub validity: Option<String>,

    /// What to do when nobody can say whether a message was sent: Twilio's answer was lost, and neither a callback nor
    /// Twilio's list of messages tells. Fail does not send it again and tells the agent. Resend sends it again: the
    /// customer may get it twice. Without it: Fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "OnUnresolved")]
    pub on_unresolved: Option<OnUnresolved>,
}

impl fmt::Debug for TwilioSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TwilioSpec")
            .field("number", &masked(&self.number))
            .field("credentials_secret_ref", &self.credentials_secret_ref)
            .field("messaging_service_sid", &self.messaging_service_sid)
            .field("region", &self.region)
            .field("edge", &self.edge)
            .field("messages_per_second", &self.messages_per_second)
            .field("validity", &self.validity)
            .field("on_unresolved", &self.on_unresolved)
            .finish()
    }
}

/// A Secret in the bridge's own namespace. There is no namespace to give: who may write a bridge must not be able to
/// read another namespace's Secrets through it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// The name of the Secret, in the namespace of the bridge.
    #[schemars(length(max = 253), regex(pattern = rules::DNS_SUBDOMAIN))]
    #[x_kube(validation = rules::form(rules::DNS_SUBDOMAIN, rules::SECRET_NAME_FIX))]
    pub name: String,
}

/// What follows when nobody can say whether a message was sent.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[schemars(inline)]
pub enum OnUnresolved {
    /// It is not sent again, and the agent is told.
    #[default]
    Fail,
    /// It is sent again: the customer may get it twice.
    Resend,
}

/// The shape of the messages exchanged with Genesys Cloud.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[schemars(inline)]
pub enum WireProfile {
    /// The Open Messaging API as the official SDK has it.
    #[default]
    Current,
    /// The API as a widely read integration guide describes it, for gateways that were built from it.
    Guide,
}
