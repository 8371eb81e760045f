//! Messaging Services: senders in a pool, whose inbound messages a service may take over from the numbers' own webhooks
//! (`https://messaging.twilio.com/v1/Services`).
//!
//! Precedence, as Twilio has it: a number in a service's pool is answered by the service's URL, whatever the number
//! says, unless the service defers to its senders; a service with neither a URL nor deferral drops what comes in.
//! Twilio has no way from a number to its service: [`TwilioClient::service_view`] asks each pool.

use serde::Deserialize;

use super::answer::Operation;
use super::client::{TwilioClient, decode};
use super::ids::MessagingServiceSid;
use super::number::non_empty;
use crate::error::{ApiError, ErrorKind};

const SERVICES: [&str; 2] = ["v1", "Services"];
const PAGE_SIZE: &str = "100";
/// Pages of services read at most; no account comes near.
const MAX_PAGES: u32 = 50;

/// A Messaging Service and where its inbound messages go. Empty strings on the wire are absent here.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct MessagingService {
    /// Its SID.
    pub sid: MessagingServiceSid,
    /// Its name, for people.
    #[serde(default, deserialize_with = "null_is_default")]
    pub friendly_name: String,
    /// Where inbound messages are posted, unless it defers to the senders.
    #[serde(default, deserialize_with = "non_empty")]
    pub inbound_request_url: Option<String>,
    /// `GET` or `POST`.
    #[serde(default, deserialize_with = "non_empty")]
    pub inbound_method: Option<String>,
    /// Where they are posted when [`Self::inbound_request_url`] fails.
    #[serde(default, deserialize_with = "non_empty")]
    pub fallback_url: Option<String>,
    /// Whether it defers to its senders' own webhooks ("Defer to sender's webhook" in the console).
    #[serde(default, deserialize_with = "null_is_default")]
    pub use_inbound_webhook_on_number: bool,
}

/// What is known of the Messaging Service that a number may be in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceView {
    /// It was not looked for, or could not be.
    NotRead,
    /// The number is in no service's pool.
    InNone,
    /// The number is in this service's pool.
    In(MessagingService),
    /// The service that the bridge names does not exist in this account (and region).
    Missing(MessagingServiceSid),
    /// The service that the bridge names does not have the number in its pool.
    NotInPool(MessagingService),
}

#[derive(Deserialize)]
struct ServicePage {
    services: Vec<MessagingService>,
    meta: Meta,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(default, deserialize_with = "non_empty")]
    next_page_url: Option<String>,
}

impl TwilioClient {
    /// One service; `None` if the account does not have it (in this region).
    pub async fn messaging_service(
        &self,
        sid: &MessagingServiceSid,
    ) -> Result<Option<MessagingService>, ApiError> {
        let operation = Operation::ReadService;
        let path = [SERVICES[0], SERVICES[1], sid.as_str()];
        let answer = self.call(operation, |_| self.get_messaging(&path)).await;
        let answer = absent_if_not_found(answer)?;
        answer.map(|answer| decode(operation, &answer)).transpose()
    }

    /// All services of the account, at most 5,000.
    pub async fn messaging_services(&self) -> Result<Vec<MessagingService>, ApiError> {
        let operation = Operation::ListServices;
        let mut services = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let answer = self
                .call(operation, |_| match &next {
                    Some(url) => self.get_messaging_page(url),
                    None => self
                        .get_messaging(&SERVICES)
                        .query(&[("PageSize", PAGE_SIZE)]),
                })
                .await?;
            let page: ServicePage = decode(operation, &answer)?;
            services.extend(page.services);
            next = page.meta.next_page_url;
            if next.is_none() {
                return Ok(services);
            }
        }
        Err(operation.error(
            ErrorKind::Permanent,
            "the account lists more than 50 pages of Messaging Services",
        ))
    }

    /// Whether a number, by its own SID (`PN` ...), is in a service's pool.
    pub async fn messaging_service_has_number(
        &self,
        sid: &MessagingServiceSid,
        number_sid: &str,
    ) -> Result<bool, ApiError> {
        let path = [
            SERVICES[0],
            SERVICES[1],
            sid.as_str(),
            "PhoneNumbers",
            number_sid,
        ];
        let answer = self
            .call(Operation::ReadPool, |_| self.get_messaging(&path))
            .await;
        Ok(absent_if_not_found(answer)?.is_some())
    }

    /// The service of a number (`PN` ...): the one `named`, in two calls; or else the one whose pool has it, in one
    /// call for the list and one a service.
    pub async fn service_view(
        &self,
        number_sid: &str,
        named: Option<&MessagingServiceSid>,
    ) -> Result<ServiceView, ApiError> {
        let Some(sid) = named else {
            for service in self.messaging_services().await? {
                let sid = &service.sid;
                if self.messaging_service_has_number(sid, number_sid).await? {
                    return Ok(ServiceView::In(service));
                }
            }
            return Ok(ServiceView::InNone);
        };
        let Some(service) = self.messaging_service(sid).await? else {
            return Ok(ServiceView::Missing(sid.clone()));
        };
        if self.messaging_service_has_number(sid, number_sid).await? {
            Ok(ServiceView::In(service))
        } else {
            Ok(ServiceView::NotInPool(service))
        }
    }
}

fn absent_if_not_found<T>(outcome: Result<T, ApiError>) -> Result<Option<T>, ApiError> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.status == Some(404) => Ok(None),
        Err(error) => Err(error),
    }
}

fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
