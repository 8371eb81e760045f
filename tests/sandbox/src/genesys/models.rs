//! The bodies that the inbound API takes, from the models of the official SDK: `OpenInboundNormalizedMessage`,
//! `OpenInboundNormalizedEvent`, `OpenInboundNormalizedReceipt`, `OpenIntegrationUpdateRequest`.

use super::schema::Shape::{self, Bool, Id, List, Object, OneOf, Text, TextMap, Time};
use super::schema::{Field, optional, required};

const FROM: &[Field] = &[
    required("id", Id),
    required("idType", ID_TYPE),
    optional("nickname", Text),
    optional("firstName", Text),
    optional("lastName", Text),
    optional("image", Text),
    optional("email", Text),
];

const ID_TYPE: Shape = OneOf("OpenMessagingIdType", &["Email", "Phone", "Opaque"]);

const CHANNEL: &[Field] = &[
    required("from", Object(FROM)),
    required("time", Time),
    optional("messageId", Text),
    optional("metadata", Object(&[optional("customAttributes", TextMap)])),
];

const ATTACHMENT: &[Field] = &[
    required(
        "mediaType",
        OneOf(
            "ContentAttachmentMediaType",
            &["Image", "Video", "Audio", "File", "Link"],
        ),
    ),
    required("url", Id),
    required("mime", Id),
    optional("id", Text),
    optional("text", Text),
    optional("sha256", Text),
    optional("filename", Text),
];

/// `OpenInboundNormalizedMessage`. An object below the top-level `metadata` is refused, as the platform does.
pub(crate) const MESSAGE: Shape = Object(&[
    required("channel", Object(CHANNEL)),
    optional("text", Text),
    optional(
        "content",
        List(&Object(&[optional("attachment", Object(ATTACHMENT))])),
    ),
    optional("metadata", TextMap),
]);

/// `OpenInboundNormalizedEvent`
pub(crate) const EVENT: Shape = Object(&[
    required(
        "channel",
        Object(&[required("from", Object(FROM)), required("time", Time)]),
    ),
    required(
        "events",
        List(&Object(&[required(
            "eventType",
            OneOf("OpenEventType", &["Typing"]),
        )])),
    ),
]);

const TO: &[Field] = &[required("id", Id), optional("idType", ID_TYPE)];

const REASON: &[Field] = &[
    optional("code", OneOf("ConversationReasonCode", REASON_CODES)),
    required("message", Text),
];

const REASON_CODES: &[&str] = &[
    "MessageExpired",
    "RateLimited",
    "MessageNotAllowed",
    "GeneralError",
    "UnsupportedMessage",
    "UnknownMessage",
    "InvalidMessageStructure",
    "InvalidDestination",
    "ServerError",
    "MediaTypeNotAllowed",
    "InvalidMediaContentLength",
    "RecipientOptedOut",
    "DataFiltered",
];

/// `OpenInboundNormalizedReceipt`. There is no `Read`.
pub(crate) const RECEIPT: Shape = Object(&[
    required("id", Id),
    required(
        "channel",
        Object(&[required("to", Object(TO)), required("time", Time)]),
    ),
    required(
        "status",
        OneOf(
            "ReceiptStatus",
            &["Sent", "Delivered", "Failed", "Published", "Removed"],
        ),
    ),
    optional("reasons", List(&Object(REASON))),
    optional("isFinalReceipt", Bool),
]);

/// The guide's message: the integration in `channel.id`, the customer in `channel.to`.
pub(crate) const GUIDE_MESSAGE: Shape = Object(&[
    required("id", Id),
    required(
        "channel",
        Object(&[
            required("type", OneOf("ChannelType", &["Open"])),
            required("id", Id),
            required("to", Object(&[required("id", Id)])),
            required("from", Object(&[required("id", Id)])),
        ]),
    ),
    required(
        "normalizedMessage",
        Object(&[
            required("type", OneOf("MessageType", &["Text"])),
            required("text", Text),
        ]),
    ),
]);

/// `OpenIntegrationUpdateRequest`: only the name is required.
pub(crate) const INTEGRATION_UPDATE: Shape = Object(&[
    required("name", Id),
    optional("outboundNotificationWebhookUrl", Id),
    optional("outboundNotificationWebhookSignatureSecretToken", Id),
    optional("webhookHeaders", TextMap),
]);

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn message() -> Value {
        json!({
            "channel": {
                "messageId": "SM01",
                "time": "2026-01-02T03:04:05.678Z",
                "from": {"id": "+15550001111", "idType": "Phone", "nickname": "Ann"},
                "metadata": {"customAttributes": {"twilioTo": "+15550002222"}},
            },
            "text": "Hello",
        })
    }

    fn receipt() -> Value {
        json!({
            "id": "d7d58935af65a45e5234ac77de017a0a",
            "status": "Failed",
            "isFinalReceipt": true,
            "channel": {"to": {"id": "+15550001111", "idType": "Phone"}, "time": "2026-01-02T03:06:03Z"},
            "reasons": [{"code": "RecipientOptedOut", "message": "Twilio 21610"}],
        })
    }

    /// The body with one place changed; null removes it.
    fn with(mut body: Value, pointer: &str, value: Value) -> Value {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let object = body.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        if value.is_null() {
            object.remove(name);
        } else {
            object.insert(name.to_owned(), value);
        }
        body
    }

    #[rstest]
    #[case(MESSAGE, message())]
    #[case(MESSAGE, with(message(), "/direction", json!("Inbound")))]
    #[case(MESSAGE, with(message(), "/metadata", json!({"a": "b"})))]
    #[case(MESSAGE, with(message(), "/channel/from/idType", json!("phone")))]
    #[case(RECEIPT, receipt())]
    #[case(RECEIPT, with(receipt(), "/reasons", Value::Null))]
    #[case(EVENT, json!({"channel": {"time": "2026-01-02T03:04:05Z", "from": {"id": "1", "idType": "Opaque"}}, "events": [{"eventType": "Typing"}]}))]
    fn what_the_platform_takes_is_taken(#[case] shape: Shape, #[case] body: Value) {
        assert_eq!(shape.check("", &body), Ok(()));
    }

    #[rstest]
    #[case(MESSAGE, json!([]), "bad.request")]
    #[case(MESSAGE, with(message(), "/channel", Value::Null), "bad.request")]
    #[case(MESSAGE, with(message(), "/channel/time", Value::Null), "bad.request")]
    #[case(MESSAGE, with(message(), "/channel/time", json!("yesterday")), "invalid.date")]
    #[case(MESSAGE, with(message(), "/channel/time", json!("2026-01-02T03:04:05")), "invalid.date")]
    #[case(MESSAGE, with(message(), "/channel/from", Value::Null), "bad.request")]
    #[case(MESSAGE, with(message(), "/channel/from/id", json!("")), "bad.request")]
    #[case(
        MESSAGE,
        with(message(), "/channel/from/idType", Value::Null),
        "bad.request"
    )]
    #[case(MESSAGE, with(message(), "/channel/from/idType", json!("Fax")), "invalid.value")]
    #[case(MESSAGE, with(message(), "/text", json!(7)), "bad.request")]
    #[case(MESSAGE, with(message(), "/metadata", json!({"customAttributes": {"a": "b"}})), "bad.request")]
    #[case(MESSAGE, with(message(), "/channel/metadata/customAttributes", json!({"a": 1})), "bad.request")]
    #[case(MESSAGE, with(message(), "/content", json!([{"attachment": {"url": "https://x/y.jpg", "mime": "image/jpeg"}}])), "bad.request")]
    #[case(RECEIPT, with(receipt(), "/id", Value::Null), "bad.request")]
    #[case(RECEIPT, with(receipt(), "/status", json!("Read")), "invalid.value")]
    #[case(RECEIPT, with(receipt(), "/channel/to", Value::Null), "bad.request")]
    #[case(RECEIPT, with(receipt(), "/reasons", json!([{"code": "Whatever", "message": "x"}])), "invalid.value")]
    #[case(RECEIPT, with(receipt(), "/reasons", json!([{"code": "GeneralError"}])), "bad.request")]
    #[case(RECEIPT, with(receipt(), "/isFinalReceipt", json!("true")), "bad.request")]
    #[case(EVENT, json!({"channel": {"time": "2026-01-02T03:04:05Z", "from": {"id": "1", "idType": "Opaque"}}, "events": [{"eventType": "Gone"}]}), "invalid.value")]
    fn what_the_platform_refuses_is_refused(
        #[case] shape: Shape,
        #[case] body: Value,
        #[case] code: &str,
    ) {
        assert_eq!(shape.check("", &body).unwrap_err().code, code);
    }
}
