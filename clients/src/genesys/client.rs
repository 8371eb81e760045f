//! Calls to Genesys Cloud: inbound messages, events, receipts, and the list of integrations.
//!
//! A call is made once, or twice when its token was refused; repeating after a failure is the caller's business, and
//! always safe.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use reqwest::RequestBuilder;
use secrecy::ExposeSecret;
use serde::Deserialize;
use url::Url;

use super::answer::{self, Operation};
use super::ids::IntegrationId;
use super::integrations::{Entity, OpenIntegration, Page};
use super::message::{InboundEvent, InboundMessage};
use super::receipt::{Receipt, ReceiptAnswer, ReceiptStatus};
use super::token::{Token, TokenLife, TokenSource};
use super::wire::{InboundCall, WireProfile};
use crate::error::{ApiError, ErrorKind};
use crate::http::{Answer, endpoint, exchange, header_text};
use crate::mask;
use crate::server_time::{LastServerTime, ServerTime};

pub use super::token::ClientCredentials;

/// Integrations a page.
const PAGE_SIZE: u32 = 100;
/// Pages read at most; no organisation comes near.
const MAX_PAGES: u32 = 50;

/// Where an organisation's region is reached (see the table of regions in the `crds` crate).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenesysHosts {
    /// The API, for instance `https://api.mypurecloud.com`.
    pub api: Url,
    /// The token endpoint's host, for instance `https://login.mypurecloud.com`.
    pub login: Url,
}

/// The request budget as Genesys last stated it (`inin-ratelimit-*` headers).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests allowed in the current window (a minute).
    pub allowed: u32,
    /// Requests counted so far.
    pub count: u32,
    /// Until the window ends.
    pub reset: Duration,
}

/// A client of one organisation. Clones share the token and the last seen budget.
#[derive(Clone, Debug)]
pub struct GenesysClient {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    http: reqwest::Client,
    api: Url,
    profile: WireProfile,
    tokens: TokenSource,
    rate_limit: Mutex<Option<RateLimit>>,
    server_time: LastServerTime,
}

impl GenesysClient {
    /// A client that fetches its first token when it makes its first call.
    pub fn new(
        http: reqwest::Client,
        hosts: GenesysHosts,
        profile: WireProfile,
        credentials: Vec<ClientCredentials>,
    ) -> Self {
        let tokens = TokenSource::new(http.clone(), &hosts.login, credentials);
        Self {
            shared: Arc::new(Shared {
                http,
                api: hosts.api,
                profile,
                tokens,
                rate_limit: Mutex::new(None),
                server_time: LastServerTime::default(),
            }),
        }
    }

    /// Replaces the OAuth clients in place. The first that Genesys accepts is used; a refusal tries the next. A token
    /// of a client that is no longer listed is dropped.
    pub fn set_credentials(&self, credentials: Vec<ClientCredentials>) {
        self.shared.tokens.set_credentials(credentials);
    }

    /// Makes sure that there is a valid token.
    pub async fn authenticate(&self) -> Result<(), ApiError> {
        self.shared.tokens.token().await.map(drop)
    }

    /// Sends a customer's text to the agent's side. Any 2xx is acceptance.
    pub async fn send_message(
        &self,
        integration: &IntegrationId,
        message: &InboundMessage,
    ) -> Result<(), ApiError> {
        let call = self.shared.profile.message(integration, message);
        self.post(Operation::SendMessage, &call).await.map(drop)
    }

    /// Sends a customer's event. The `Guide` profile has none: there the error is permanent and nothing is sent.
    pub async fn send_event(
        &self,
        integration: &IntegrationId,
        event: &InboundEvent,
    ) -> Result<(), ApiError> {
        let operation = Operation::SendEvent;
        let Some(call) = self.shared.profile.event(integration, event) else {
            return Err(operation.error(ErrorKind::Permanent, "the Guide profile has no events"));
        };
        self.post(operation, &call).await.map(drop)
    }

    /// Whether the wire profile has receipts; without them none need be tried.
    pub fn takes_receipts(&self) -> bool {
        self.shared.profile.has_receipts_and_events()
    }

    /// Says what became of an agent's message. In the `Guide` profile nothing is sent and the answer is a refusal.
    pub async fn send_receipt(
        &self,
        integration: &IntegrationId,
        receipt: &Receipt,
    ) -> Result<ReceiptAnswer, ApiError> {
        let Some(call) = self.shared.profile.receipt(integration, receipt) else {
            return Ok(ReceiptAnswer::Refused {
                reason: "the Guide profile has no receipts".to_owned(),
            });
        };
        let answer = self.post(Operation::SendReceipt, &call).await?;
        Ok(receipt_answer(receipt.status, &answer))
    }

    /// All Open Messaging integrations of the organisation, at most 5,000.
    pub async fn open_integrations(&self) -> Result<Vec<OpenIntegration>, ApiError> {
        let operation = Operation::ListIntegrations;
        let path = self.shared.profile.integrations_path();
        let mut url = endpoint(&self.shared.api, path.iter().map(String::as_str));
        let mut found = Vec::new();
        for number in 1..=MAX_PAGES {
            url.set_query(Some(&format!("pageSize={PAGE_SIZE}&pageNumber={number}")));
            let answer = self
                .call(operation, || self.shared.http.get(url.clone()))
                .await?;
            let page: Page = serde_json::from_slice(&answer.body)
                .map_err(|_| answer::undecodable(operation, &answer))?;
            let has_next = page.has_next(number);
            found.extend(page.into_integrations());
            if !has_next {
                return Ok(found);
            }
        }
        Err(operation.error(
            ErrorKind::Permanent,
            "the organisation lists more than 50 pages of integrations",
        ))
    }

    /// One integration; `None` if the organisation does not have it (any more).
    pub async fn open_integration(
        &self,
        id: &IntegrationId,
    ) -> Result<Option<OpenIntegration>, ApiError> {
        let operation = Operation::ReadIntegration;
        let mut path = self.shared.profile.integrations_path();
        path.push(id.as_str().to_owned());
        let url = endpoint(&self.shared.api, path.iter().map(String::as_str));
        let answer = match self
            .call(operation, || self.shared.http.get(url.clone()))
            .await
        {
            Ok(answer) => answer,
            Err(error) if error.status == Some(404) => return Ok(None),
            Err(error) => return Err(error),
        };
        let entity: Entity = serde_json::from_slice(&answer.body)
            .map_err(|_| answer::undecodable(operation, &answer))?;
        Ok(Some(entity.into()))
    }

    /// The life of the token that calls are made with, if there is one yet.
    pub fn token_life(&self) -> Option<TokenLife> {
        self.shared.tokens.life()
    }

    /// The request budget that the last answer stated, if one did.
    pub fn rate_limit(&self) -> Option<RateLimit> {
        *self.lock_rate_limit()
    }

    /// What time Genesys said it is, in its last answer.
    pub fn server_time(&self) -> Option<ServerTime> {
        self.shared.server_time.get()
    }

    async fn post(&self, operation: Operation, call: &InboundCall) -> Result<Answer, ApiError> {
        let url = endpoint(&self.shared.api, call.path.iter().map(String::as_str));
        self.call(operation, || {
            self.shared.http.post(url.clone()).json(&call.body)
        })
        .await
    }

    /// Makes a call with a token; a refused token is renewed once.
    async fn call(
        &self,
        operation: Operation,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Answer, ApiError> {
        let token = self.shared.tokens.token().await?;
        let answer = self.exchange(operation, request(), &token).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return accepted(operation, answer);
        }
        self.shared.tokens.refuse(&token);
        let token = self.shared.tokens.token().await?;
        let answer = self.exchange(operation, request(), &token).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            // The next call asks for another one: credentials may have been put right since.
            self.shared.tokens.refuse(&token);
        }
        accepted(operation, answer)
    }

    async fn exchange(
        &self,
        operation: Operation,
        request: RequestBuilder,
        token: &Token,
    ) -> Result<Answer, ApiError> {
        let bearer = token.bearer();
        let answer = exchange(request.bearer_auth(bearer.expose_secret()))
            .await
            .map_err(|failure| answer::no_answer(operation, failure))?
            .withholding(bearer);
        self.shared.server_time.note(&answer.headers);
        if let Some(stated) = stated_rate_limit(&answer.headers) {
            *self.lock_rate_limit() = Some(stated);
        }
        Ok(answer)
    }

    fn lock_rate_limit(&self) -> std::sync::MutexGuard<'_, Option<RateLimit>> {
        // A plain value: it cannot be left half-written.
        self.shared
            .rate_limit
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn accepted(operation: Operation, answer: Answer) -> Result<Answer, ApiError> {
    if answer.status.is_success() {
        Ok(answer)
    } else {
        Err(answer::refused(operation, &answer))
    }
}

fn stated_rate_limit(headers: &HeaderMap) -> Option<RateLimit> {
    let number = |name| header_text(headers, name)?.trim().parse::<u32>().ok();
    Some(RateLimit {
        allowed: number("inin-ratelimit-allowed")?,
        count: number("inin-ratelimit-count")?,
        reset: Duration::from_secs(number("inin-ratelimit-reset")?.into()),
    })
}

/// `OpenReceiptNormalizedMessage` can say `Failed` although HTTP says 2xx. The model echoes the receipt, so an answer
/// to a `Failed` receipt says `Failed` when all is well.
fn receipt_answer(sent: ReceiptStatus, answer: &Answer) -> ReceiptAnswer {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Body {
        status: Option<String>,
        reasons: Vec<Reason>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Reason {
        code: Option<String>,
        message: Option<String>,
    }

    let body: Body = serde_json::from_slice(&answer.body).unwrap_or_default();
    if sent == ReceiptStatus::Failed || body.status.as_deref() != Some("Failed") {
        return ReceiptAnswer::Accepted;
    }
    let reasons: Vec<String> = body
        .reasons
        .into_iter()
        .map(|reason| {
            let words = [reason.code, reason.message];
            words.into_iter().flatten().collect::<Vec<_>>().join(": ")
        })
        .collect();
    ReceiptAnswer::Refused {
        reason: mask::numbers_in(&reasons.join("; ")),
    }
}
