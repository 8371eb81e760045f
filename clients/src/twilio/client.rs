//! Calls to Twilio: send and list messages, read a number and the account (Messaging Services: [`super::service`]).
//!
//! A call is repeated only with the next credentials, and only after Twilio refused to authenticate the former ones:
//! then nothing was done.

use std::sync::{Arc, PoisonError, RwLock};

use reqwest::RequestBuilder;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use url::Url;

use super::answer::{self, Operation};
use super::ids::AccountSid;
use super::message::{Message, MessageFilter, MessageList, MessagePage, NewMessage};
use super::number::{Account, AccountStatus, IncomingPhoneNumber, NumberPage};
use crate::error::{ApiError, BlockedCause, ErrorKind};
use crate::http::{Answer, endpoint, exchange};
use crate::server_time::{LastServerTime, ServerTime};

/// The version in every path of this API.
const API_VERSION: &str = "2010-04-01";
/// The region that an edge belongs to if none is named.
const DEFAULT_REGION: &str = "us1";
/// Enough for every number that contains another one.
const NUMBERS_PAGE_SIZE: &str = "100";
const BLOCKED: ErrorKind = ErrorKind::Blocked(BlockedCause::Credentials);

/// What to authenticate calls with. Webhooks are always signed with the auth token.
#[derive(Clone, Debug)]
pub enum TwilioCredentials {
    /// The account's auth token.
    AuthToken(SecretString),
    /// An API key.
    ApiKey {
        /// Its SID (`SK` ...).
        sid: String,
        /// Its secret.
        secret: SecretString,
    },
}

impl TwilioCredentials {
    fn secret(&self) -> &SecretString {
        match self {
            Self::AuthToken(secret) | Self::ApiKey { secret, .. } => secret,
        }
    }
}

/// The API host of a region and edge: `api.{edge}.{region}.twilio.com`; an edge alone belongs to `us1`.
///
/// # Panics
/// If `region` or `edge` is no host label; the manifest's schema admits `^[a-z0-9-]{2,20}$` only.
pub fn api_base(region: Option<&str>, edge: Option<&str>) -> Url {
    let host = match (edge, region) {
        (None, None) => "api.twilio.com".to_owned(),
        (None, Some(region)) => format!("api.{region}.twilio.com"),
        (Some(edge), region) => {
            format!("api.{edge}.{}.twilio.com", region.unwrap_or(DEFAULT_REGION))
        }
    };
    Url::parse(&format!("https://{host}")).expect("region and edge are host labels")
}

/// Where the Messaging Services of an API host are: `messaging.` instead of `api.` before the same edge and region. A
/// host that is not Twilio's (a replacement, for tests) serves both.
///
/// # Panics
/// Never: a host name with another first label is one.
pub fn messaging_base(api: &Url) -> Url {
    let mut base = api.clone();
    let place = api
        .host_str()
        .and_then(|host| host.strip_prefix("api."))
        .filter(|rest| *rest == "twilio.com" || rest.ends_with(".twilio.com"));
    if let Some(place) = place {
        base.set_host(Some(&format!("messaging.{place}")))
            .expect("a host name with another first label is one");
    }
    base
}

/// A client of one account. Clones share the credentials.
#[derive(Clone, Debug)]
pub struct TwilioClient {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    http: reqwest::Client,
    base: Url,
    messaging: Url,
    /// Never locked across an await.
    access: RwLock<Access>,
    server_time: LastServerTime,
}

#[derive(Clone, Debug)]
struct Access {
    account: AccountSid,
    credentials: Arc<[TwilioCredentials]>,
    /// The credentials that Twilio accepted last: calls start with them.
    accepted: usize,
    /// Counts replacements, so that a late answer does not mark one of the new credentials as accepted.
    epoch: u64,
}

impl TwilioClient {
    /// A client; no call is made yet.
    pub fn new(
        http: reqwest::Client,
        base: Url,
        account: AccountSid,
        credentials: Vec<TwilioCredentials>,
    ) -> Self {
        let access = Access {
            account,
            credentials: credentials.into(),
            accepted: 0,
            epoch: 0,
        };
        Self {
            shared: Arc::new(Shared {
                http,
                messaging: messaging_base(&base),
                base,
                access: RwLock::new(access),
                server_time: LastServerTime::default(),
            }),
        }
    }

    /// Replaces account and credentials in place. The first credentials that Twilio accepts are used; a refusal tries
    /// the next.
    pub fn set_credentials(&self, account: AccountSid, credentials: Vec<TwilioCredentials>) {
        let mut access = self
            .shared
            .access
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let epoch = access.epoch + 1;
        *access = Access {
            account,
            credentials: credentials.into(),
            accepted: 0,
            epoch,
        };
    }

    /// Sends a message. Never repeated here: an [`ErrorKind::Ambiguous`] error means that it may have been sent.
    pub async fn send_message(&self, message: &NewMessage) -> Result<Message, ApiError> {
        let form = message.form();
        let answer = self
            .call(Operation::SendMessage, |account| {
                let url = self.resource(account, &["Messages.json"]);
                self.shared.http.post(url).form(&form)
            })
            .await?;
        decode(Operation::SendMessage, &answer)
    }

    /// Lists messages, page after page, until the end or the filter's bound.
    pub async fn list_messages(&self, filter: &MessageFilter) -> Result<MessageList, ApiError> {
        let operation = Operation::ListMessages;
        let mut messages = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..filter.max_pages {
            let answer = self
                .call(operation, |account| {
                    let url = match &next {
                        Some(uri) => page(&self.shared.base, uri),
                        None => self.first_page(account, filter),
                    };
                    self.shared.http.get(url)
                })
                .await?;
            let page: MessagePage = decode(operation, &answer)?;
            let enough = filter.is_enough(&page.messages);
            messages.extend(page.messages);
            next = page.next_page_uri.filter(|uri| !uri.is_empty());
            if next.is_none() || enough {
                return Ok(MessageList {
                    messages,
                    complete: true,
                });
            }
        }
        Ok(MessageList {
            messages,
            complete: false,
        })
    }

    /// The configuration of exactly this number; `None` if the account does not own it (in this region). Twilio itself
    /// would also find numbers that contain it.
    pub async fn phone_number(
        &self,
        number: &str,
    ) -> Result<Option<IncomingPhoneNumber>, ApiError> {
        let operation = Operation::ReadNumber;
        let answer = self
            .call(operation, |account| {
                let mut url = self.resource(account, &["IncomingPhoneNumbers.json"]);
                url.query_pairs_mut()
                    .append_pair("PhoneNumber", number)
                    .append_pair("PageSize", NUMBERS_PAGE_SIZE);
                self.shared.http.get(url)
            })
            .await?;
        let page: NumberPage = decode(operation, &answer)?;
        Ok(page
            .incoming_phone_numbers
            .into_iter()
            .find(|found| found.phone_number == number))
    }

    /// The state of the account. API keys may not read it; they are then proved by a call that they are allowed, and
    /// the state is [`AccountStatus::Unreadable`].
    pub async fn account(&self) -> Result<AccountStatus, ApiError> {
        let operation = Operation::ReadAccount;
        let outcome = self
            .call(operation, |account| {
                let mut url = self.accounts();
                if let Ok(mut path) = url.path_segments_mut() {
                    path.push(&format!("{account}.json"));
                }
                self.shared.http.get(url)
            })
            .await;
        match outcome {
            Ok(answer) => {
                let account: Account = decode(operation, &answer)?;
                Ok(AccountStatus::parse(&account.status))
            }
            Err(refusal) if matches!(refusal.status, Some(401 | 403 | 404)) => {
                let one = MessageFilter {
                    page_size: 1,
                    max_pages: 1,
                    ..MessageFilter::default()
                };
                match self.list_messages(&one).await {
                    Ok(_) => Ok(AccountStatus::Unreadable),
                    Err(_) => Err(refusal),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// What time Twilio said it is, in its last answer.
    pub fn server_time(&self) -> Option<ServerTime> {
        self.shared.server_time.get()
    }

    /// Makes a call with the credentials that were accepted last, then with the others.
    pub(super) async fn call(
        &self,
        operation: Operation,
        request: impl Fn(&AccountSid) -> RequestBuilder,
    ) -> Result<Answer, ApiError> {
        let access = self.access();
        let count = access.credentials.len();
        let mut first_refusal = None;
        for turn in 0..count {
            let index = (access.accepted + turn) % count;
            let request = authenticated(
                request(&access.account),
                &access.account,
                &access.credentials[index],
            );
            let answer = exchange(request)
                .await
                .map_err(|failure| answer::no_answer(operation, failure))?
                .withholding(access.credentials[index].secret());
            self.shared.server_time.note(&answer.headers);
            if answer.status.is_success() {
                self.note_accepted(&access, index);
                return Ok(answer);
            }
            let refusal = answer::refused(operation, &answer);
            if refusal.kind != BLOCKED {
                return Err(refusal);
            }
            first_refusal.get_or_insert(refusal);
        }
        Err(first_refusal
            .unwrap_or_else(|| operation.error(BLOCKED, "no Twilio credentials are configured")))
    }

    fn access(&self) -> Access {
        self.shared
            .access
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn note_accepted(&self, used: &Access, index: usize) {
        if used.accepted == index {
            return;
        }
        let mut access = self
            .shared
            .access
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if access.epoch == used.epoch {
            access.accepted = index;
        }
    }

    fn accounts(&self) -> Url {
        endpoint(&self.shared.base, [API_VERSION, "Accounts"])
    }

    fn resource(&self, account: &AccountSid, path: &[&str]) -> Url {
        let segments = [API_VERSION, "Accounts", account.as_str()];
        endpoint(
            &self.shared.base,
            segments.into_iter().chain(path.iter().copied()),
        )
    }

    fn first_page(&self, account: &AccountSid, filter: &MessageFilter) -> Url {
        let mut url = self.resource(account, &["Messages.json"]);
        let mut query = url.query_pairs_mut();
        for (name, value) in [("To", &filter.to), ("From", &filter.from)] {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        query.append_pair("PageSize", &filter.page_size.to_string());
        drop(query);
        url
    }

    /// A GET of something below the account.
    pub(super) fn get_resource(&self, account: &AccountSid, path: &[&str]) -> RequestBuilder {
        self.shared.http.get(self.resource(account, path))
    }

    /// A GET of the next page of something below the account.
    pub(super) fn get_resource_page(&self, uri: &str) -> RequestBuilder {
        self.shared.http.get(page(&self.shared.base, uri))
    }

    /// A GET of something below the API for Messaging Services.
    pub(super) fn get_messaging(&self, path: &[&str]) -> RequestBuilder {
        let url = endpoint(&self.shared.messaging, path.iter().copied());
        self.shared.http.get(url)
    }

    /// A GET of the next page of something below the API for Messaging Services.
    pub(super) fn get_messaging_page(&self, uri: &str) -> RequestBuilder {
        self.shared.http.get(page(&self.shared.messaging, uri))
    }
}

/// The page that a link names, always below our own base: credentials go to no other host.
fn page(base: &Url, uri: &str) -> Url {
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let path = path.split_once("://").map_or(path, |(_, rest)| {
        rest.find('/').map_or("", |start| &rest[start..])
    });
    let mut url = base.clone();
    let prefix = url.path().trim_end_matches('/').to_owned();
    url.set_path(&format!("{prefix}{path}"));
    url.set_query(Some(query));
    url
}

fn authenticated(
    request: RequestBuilder,
    account: &AccountSid,
    credentials: &TwilioCredentials,
) -> RequestBuilder {
    match credentials {
        TwilioCredentials::AuthToken(token) => {
            request.basic_auth(account.as_str(), Some(token.expose_secret()))
        }
        TwilioCredentials::ApiKey { sid, secret } => {
            request.basic_auth(sid, Some(secret.expose_secret()))
        }
    }
}

pub(super) fn decode<T: DeserializeOwned>(
    operation: Operation,
    answer: &Answer,
) -> Result<T, ApiError> {
    serde_json::from_slice(&answer.body).map_err(|_| answer::undecodable(operation, answer))
}
