//! A message as the API shows it.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::ids;
use crate::options::Options;

/// One message of the account, either way.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) sid: String,
    pub(crate) account: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) body: String,
    pub(crate) direction: Direction,
    pub(crate) status: Status,
    pub(crate) error_code: Option<u32>,
    pub(crate) media: usize,
    /// The MIME types of a customer's attachments, as far as the webhook names them.
    pub(crate) media_types: Vec<String>,
    /// The Messaging Service that it came through.
    pub(crate) service: Option<String>,
    pub(crate) created: Timestamp,
    /// When it left for the carrier; nothing while it is queued.
    pub(crate) sent: Option<Timestamp>,
    pub(crate) updated: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Inbound,
    OutboundApi,
    OutboundReply,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Received,
    Queued,
    Sent,
    Delivered,
    Undelivered,
    Failed,
}

impl Status {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Undelivered => "undelivered",
            Self::Failed => "failed",
        }
    }
}

impl Message {
    /// A message that is queued for the carrier.
    pub(crate) fn queued(
        options: &Options,
        number: &str,
        to: &str,
        body: &str,
        media: usize,
    ) -> Self {
        let now = Timestamp::now();
        Self {
            sid: ids::sid(if media > 0 { "MM" } else { "SM" }),
            account: options.account_sid.clone(),
            from: number.to_owned(),
            to: to.to_owned(),
            body: body.to_owned(),
            direction: Direction::OutboundApi,
            status: Status::Queued,
            error_code: None,
            media,
            media_types: Vec::new(),
            service: None,
            created: now,
            sent: None,
            updated: now,
        }
    }

    /// A message from a customer.
    pub(crate) fn received(
        options: &Options,
        number: &str,
        from: &str,
        body: &str,
        media: usize,
    ) -> Self {
        let message = Self::queued(options, from, number, body, media);
        Self {
            direction: Direction::Inbound,
            status: Status::Received,
            sent: Some(message.created),
            ..message
        }
    }

    /// What Twilio itself answers a keyword with.
    pub(crate) fn reply(options: &Options, number: &str, to: &str, body: &str) -> Self {
        let message = Self::queued(options, number, to, body, 0);
        Self {
            direction: Direction::OutboundReply,
            status: Status::Delivered,
            sent: Some(message.created),
            ..message
        }
    }

    /// `GET Messages/{sid}/Media.json`: what is attached, without the bytes.
    pub(crate) fn media_list(&self) -> Value {
        let uri = format!(
            "{}{}/Messages/{}/Media",
            super::ACCOUNTS,
            self.account,
            self.sid
        );
        let items = self.media_types.iter().enumerate().map(|(index, kind)| {
            let sid = format!("ME{}{index:02x}", &self.sid[4..]);
            json!({
                "sid": sid,
                "account_sid": self.account,
                "parent_sid": self.sid,
                "content_type": kind,
                "date_created": rfc2822(self.created),
                "date_updated": rfc2822(self.created),
                "uri": format!("{uri}/{sid}.json"),
            })
        });
        json!({
            "media_list": items.collect::<Vec<_>>(),
            "page": 0,
            "page_size": 50,
            "start": 0,
            "end": self.media_types.len().saturating_sub(1),
            "uri": format!("{uri}.json?PageSize=50&Page=0"),
            "first_page_uri": format!("{uri}.json?PageSize=50&Page=0"),
            "next_page_uri": null,
            "previous_page_uri": null,
        })
    }

    /// The resource: counts and price are strings, dates are RFC 2822, `date_sent` is null while queued.
    pub(crate) fn resource(&self) -> Value {
        let uri = format!("{}{}/Messages/{}", super::ACCOUNTS, self.account, self.sid);
        json!({
            "sid": self.sid,
            "account_sid": self.account,
            "api_version": "2010-04-01",
            "body": self.body,
            "from": self.from,
            "to": self.to,
            "direction": match self.direction {
                Direction::Inbound => "inbound",
                Direction::OutboundApi => "outbound-api",
                Direction::OutboundReply => "outbound-reply",
            },
            "status": self.status.as_str(),
            "num_segments": segments(&self.body).to_string(),
            "num_media": self.media.to_string(),
            "messaging_service_sid": self.service,
            "date_created": rfc2822(self.created),
            "date_sent": self.sent.map(rfc2822),
            "date_updated": rfc2822(self.updated),
            "price": null,
            "price_unit": "USD",
            "error_code": self.error_code,
            "error_message": null,
            "uri": format!("{uri}.json"),
            "subresource_uris": {"media": format!("{uri}/Media.json")},
        })
    }
}

/// `Thu, 24 Aug 2023 05:01:45 +0000`, the one form that the official SDKs read.
pub(crate) fn rfc2822(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// SMS segments: 160 characters of the GSM alphabet or 70 UTF-16 units, less when concatenated. The alphabet is
/// taken as ASCII, which is close enough for a count that nobody is billed by.
fn segments(body: &str) -> usize {
    let (alone, joined) = if body.is_ascii() {
        (160, 153)
    } else {
        (70, 67)
    };
    match body.encode_utf16().count() {
        units if units <= alone => 1,
        units => units.div_ceil(joined),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn counts_are_strings_and_an_unsent_message_has_no_date() {
        let resource =
            Message::queued(&Options::default(), "+15551230000", "+15557654321", "hi", 0)
                .resource();
        assert_eq!(resource["num_segments"], "1");
        assert_eq!(resource["num_media"], "0");
        assert_eq!(resource["date_sent"], Value::Null);
        assert_eq!(resource["status"], "queued");
    }

    #[test]
    fn dates_are_rfc_2822() {
        let time: Timestamp = "2026-01-02T03:04:05.678Z".parse().unwrap();
        assert_eq!(rfc2822(time), "Fri, 02 Jan 2026 03:04:05 +0000");
    }

    #[test]
    fn segments_are_shorter_when_joined_and_beyond_ascii() {
        let table = [
            ("a", 160, 1),
            ("a", 161, 2),
            ("a", 306, 2),
            ("a", 307, 3),
            ("é", 70, 1),
            ("é", 71, 2),
            ("😀", 36, 2),
        ];
        for (letter, count, expected) in table {
            assert_eq!(
                segments(&letter.repeat(count)),
                expected,
                "{count} × {letter}"
            );
        }
    }
}
