//! What Twilio is asked about a bridge: its number, the account, and the Messaging Service that the number is in.

use messaging_bridge_clients::twilio::{AccountStatus, ServiceView, TwilioClient};
use messaging_bridge_clients::{ApiError, BlockedCause, ErrorKind, Platform};
use tokio::time::Instant;

use super::observer::Observer;
use super::{Answer, FactsRequest, NumberFacts, schedule};

/// One bridge's questions to Twilio.
pub(super) struct Inquiry<'a> {
    pub(super) client: &'a TwilioClient,
    pub(super) request: &'a FactsRequest,
    pub(super) observer: &'a Observer,
    /// The service that the number was in, or that it was in none, when it was last asked for.
    pub(super) known: Option<ServiceView>,
    /// When all pools were last looked through.
    pub(super) pools: Option<Instant>,
    /// A person asks for a check now.
    pub(super) forced: bool,
}

/// What is to be remembered: the answer, or the failure; and when all pools were last looked through.
pub(super) type Findings = (Result<Answer<NumberFacts>, ApiError>, Option<Instant>);

impl Inquiry<'_> {
    /// Asks.
    pub(super) async fn make(mut self) -> Findings {
        let outcome = self.number().await;
        (outcome, self.pools)
    }

    async fn number(&mut self) -> Result<Answer<NumberFacts>, ApiError> {
        let call = self.client.phone_number(&self.request.number);
        let number = match self.observed("read_number", call).await {
            Err(refusal) if says_no(&refusal) => return self.refused(refusal).await,
            outcome => outcome?,
        };
        let account = self
            .observed("read_account", self.client.account())
            .await
            .ok();
        if let Some(AccountStatus::Suspended | AccountStatus::Closed) = account {
            return Ok(suspended());
        }
        let Some(found) = number else {
            return Ok(Answer::Said(NumberFacts {
                number: None,
                service: ServiceView::NotRead,
                service_unread: None,
            }));
        };
        let (service, service_unread) = match self.service(&found.sid).await {
            Ok(view) => (view, None),
            Err(error) if passes(&error) => return Err(error),
            Err(error) => (ServiceView::NotRead, Some(words(error))),
        };
        Ok(Answer::Said(NumberFacts {
            number: Some(found),
            service,
            service_unread,
        }))
    }

    /// Twilio refuses a key that lacks a right as it refuses a wrong one. A call that every key needs tells them apart.
    async fn refused(&self, refusal: ApiError) -> Result<Answer<NumberFacts>, ApiError> {
        match self.observed("read_account", self.client.account()).await {
            Ok(AccountStatus::Suspended | AccountStatus::Closed) => Ok(suspended()),
            Ok(AccountStatus::Active | AccountStatus::Other(_) | AccountStatus::Unreadable) => {
                Ok(Answer::Forbidden(words(refusal)))
            }
            Err(error) if passes(&error) => Err(error),
            Err(_) => Ok(Answer::of_error(refusal)),
        }
    }

    /// The Messaging Service of the number: the named one each time, an unnamed one through all pools once a day.
    async fn service(&mut self, number_sid: &str) -> Result<ServiceView, ApiError> {
        let fresh = !self.forced && self.pools.is_some_and(|at| at.elapsed() < schedule::POOLS);
        if let Some(sid) = &self.request.messaging_service {
            let call = self.client.service_view(number_sid, Some(sid));
            return self.observed("read_messaging_service", call).await;
        }
        match &self.known {
            Some(ServiceView::InNone) if fresh => return Ok(ServiceView::InNone),
            Some(ServiceView::In(service)) if fresh => {
                let call = self.client.service_view(number_sid, Some(&service.sid));
                let view = self.observed("read_messaging_service", call).await?;
                // It may have left that service for another one.
                if matches!(view, ServiceView::In(_)) {
                    return Ok(view);
                }
            }
            _ => {}
        }
        let call = self.client.service_view(number_sid, None);
        let view = self.observed("search_messaging_services", call).await?;
        self.pools = Some(Instant::now());
        Ok(view)
    }

    async fn observed<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        self.observer.watch(Platform::Twilio, operation, call).await
    }
}

fn suspended() -> Answer<NumberFacts> {
    Answer::Suspended("the Twilio account is suspended or closed".to_owned())
}

/// Whether the error is a refusal of the credentials, or of what they may do.
fn says_no(error: &ApiError) -> bool {
    error.kind == ErrorKind::Blocked(BlockedCause::Credentials)
        || matches!(error.status, Some(401 | 403))
}

/// Whether waiting may help.
fn passes(error: &ApiError) -> bool {
    matches!(
        error.kind,
        ErrorKind::Transient | ErrorKind::Throttled { .. }
    )
}

fn words(error: ApiError) -> String {
    error.without_correlation_id().to_string()
}
