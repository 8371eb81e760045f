//! What Twilio received: inbound messages of a number since a time, page by page, and the kinds of their attachments.
//! And one message by its SID.
//!
//! The date filters only narrow what is transferred. Whether Twilio takes a time of day or rounds to days, and in which
//! order it lists, is not relied on: whoever needs to know looks at [`Message::date_created`].

use std::fmt;

use jiff::{Timestamp, tz::TimeZone};
use serde::Deserialize;

use super::answer::Operation;
use super::client::{TwilioClient, decode};
use super::ids::MessageSid;
use super::message::{Message, MessagePage};
use super::number::non_empty;
use crate::error::ApiError;
use crate::http::Answer;
use crate::mask;
use crate::server_time::date;

/// Messages a page: the longest bodies of so many stay below the largest answer that is read.
pub const RECEIVED_PAGE_SIZE: u16 = 50;

/// Which messages to list.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceivedFilter {
    /// The number (or sender) that they were sent to.
    pub to: String,
    /// Sent at or after this second.
    pub since: Timestamp,
    /// Sent at or before this second.
    pub until: Option<Timestamp>,
    /// Messages a page, at most [`RECEIVED_PAGE_SIZE`] to be safe.
    pub page_size: u16,
}

impl fmt::Debug for ReceivedFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedFilter")
            .field("to", &mask::phone(&self.to))
            .field("since", &self.since)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

/// Where the next page is.
#[derive(Clone, PartialEq, Eq)]
pub struct NextPage(String);

/// Its query holds a phone number.
impl fmt::Debug for NextPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NextPage")
    }
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedPage {
    /// In Twilio's order.
    pub messages: Vec<Message>,
    /// The page after it, if there is one.
    pub next: Option<NextPage>,
    /// When Twilio answered, by its own clock.
    pub served: Option<Timestamp>,
}

#[derive(Deserialize)]
struct MediaPage {
    #[serde(default)]
    media_list: Vec<MediaItem>,
}

#[derive(Deserialize)]
struct MediaItem {
    #[serde(default, deserialize_with = "non_empty")]
    content_type: Option<String>,
}

impl TwilioClient {
    /// The first page of what a filter lets through.
    pub async fn received(&self, filter: &ReceivedFilter) -> Result<ReceivedPage, ApiError> {
        let operation = Operation::ListMessages;
        let answer = self
            .call(operation, |account| {
                let query = self.get_resource(account, &["Messages.json"]);
                query.query(&pairs(filter))
            })
            .await?;
        read_page(&answer)
    }

    /// A further page.
    pub async fn received_next(&self, page: &NextPage) -> Result<ReceivedPage, ApiError> {
        let operation = Operation::ListMessages;
        let answer = self
            .call(operation, |_| self.get_resource_page(&page.0))
            .await?;
        read_page(&answer)
    }

    /// One message; `None` if the account does not have it (any more).
    pub async fn message(&self, sid: &MessageSid) -> Result<Option<Message>, ApiError> {
        let operation = Operation::FetchMessage;
        let name = format!("{sid}.json");
        let answer = self
            .call(operation, |account| {
                self.get_resource(account, &["Messages", &name])
            })
            .await;
        match answer {
            Ok(answer) => decode(operation, &answer).map(Some),
            Err(error) if error.status == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The MIME types of a message's attachments, as far as Twilio still has them.
    pub async fn media_types(&self, sid: &MessageSid) -> Result<Vec<Option<String>>, ApiError> {
        let operation = Operation::ListMedia;
        let answer = self
            .call(operation, |account| {
                self.get_resource(account, &["Messages", sid.as_str(), "Media.json"])
            })
            .await;
        match answer {
            Ok(answer) => {
                let page: MediaPage = decode(operation, &answer)?;
                Ok(page
                    .media_list
                    .into_iter()
                    .map(|media| media.content_type)
                    .collect())
            }
            Err(error) if error.status == Some(404) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

fn read_page(answer: &Answer) -> Result<ReceivedPage, ApiError> {
    let page: MessagePage = decode(Operation::ListMessages, answer)?;
    Ok(ReceivedPage {
        messages: page.messages,
        next: page
            .next_page_uri
            .filter(|uri| !uri.is_empty())
            .map(NextPage),
        served: date(&answer.headers),
    })
}

fn pairs(filter: &ReceivedFilter) -> Vec<(&'static str, String)> {
    let mut pairs = vec![
        ("To", filter.to.clone()),
        ("DateSent>", second(filter.since)),
        ("PageSize", filter.page_size.to_string()),
    ];
    if let Some(until) = filter.until {
        pairs.push(("DateSent<", second(until)));
    }
    pairs
}

/// A time as Twilio's SDKs write it in a filter, in whole seconds.
fn second(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC)
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn filter() -> ReceivedFilter {
        ReceivedFilter {
            to: "+15551230000".to_owned(),
            since: "2026-01-02T03:04:05.678Z".parse().unwrap(),
            until: Some("2026-01-02T04:00:00Z".parse().unwrap()),
            page_size: 50,
        }
    }

    #[test]
    fn a_filter_is_written_in_whole_seconds_as_the_sdks_do() {
        assert_eq!(
            pairs(&filter())[1..],
            [
                ("DateSent>", "2026-01-02T03:04:05Z".to_owned()),
                ("PageSize", "50".to_owned()),
                ("DateSent<", "2026-01-02T04:00:00Z".to_owned()),
            ]
        );
    }

    #[test]
    fn neither_a_filter_nor_a_link_shows_a_number() {
        let link = NextPage("/Messages.json?To=%2B15551230000".to_owned());
        let shown = format!("{:?} {link:?}", filter());
        assert!(!shown.contains("5551230"), "{shown}");
    }
}
