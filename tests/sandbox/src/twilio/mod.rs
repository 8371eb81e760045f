//! Twilio's Programmable Messaging, as far as a bridge meets it: the API, the webhooks and the carrier behind it.

mod account;
mod auth;
mod carrier;
mod inbound;
mod list;
mod message;
mod numbers;
mod opt_out;
mod overrides;
mod refusal;
mod send;
mod services;
mod signature;
mod webhook;

use std::sync::Arc;

use http::{Method, StatusCode};

pub(crate) use account::Account;
pub(crate) use inbound::customer_sends;
pub(crate) use numbers::PhoneNumber;
pub(crate) use refusal::planted;
pub(crate) use services::Service;

use crate::call::{Call, Handled, json, pairs, value};
use crate::faults::Endpoint;
use crate::world::World;

/// The path under which everything of an account lives.
const ACCOUNTS: &str = "/2010-04-01/Accounts/";

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Account {
        account: String,
    },
    Send {
        account: String,
    },
    List {
        account: String,
    },
    Fetch {
        account: String,
        sid: String,
    },
    Media {
        account: String,
        sid: String,
    },
    Numbers {
        account: String,
    },
    Number {
        account: String,
        sid: String,
    },
    ChangeNumber {
        account: String,
        sid: String,
    },
    /// Of the account whose credentials are given: its path names none.
    Services(Services),
    Unknown,
}

/// What a request about Messaging Services asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Services {
    List,
    Create,
    Read { sid: String },
    Change { sid: String },
    Delete { sid: String },
    Pool { sid: String },
    AddSender { sid: String },
    Sender { sid: String, number: String },
    RemoveSender { sid: String, number: String },
}

impl Services {
    /// The rest of the path, after `/v1/Services`.
    fn of(method: &Method, rest: &str) -> Option<Self> {
        let parts: Vec<&str> = rest.split('/').collect();
        let text = |part: &str| part.to_owned();
        Some(match (method.as_str(), &parts[..]) {
            ("GET", [""]) => Self::List,
            ("POST", [""]) => Self::Create,
            ("GET", ["", sid]) => Self::Read { sid: text(sid) },
            ("POST", ["", sid]) => Self::Change { sid: text(sid) },
            ("DELETE", ["", sid]) => Self::Delete { sid: text(sid) },
            ("GET", ["", sid, "PhoneNumbers"]) => Self::Pool { sid: text(sid) },
            ("POST", ["", sid, "PhoneNumbers"]) => Self::AddSender { sid: text(sid) },
            ("GET", ["", sid, "PhoneNumbers", number]) => Self::Sender {
                sid: text(sid),
                number: text(number),
            },
            ("DELETE", ["", sid, "PhoneNumbers", number]) => Self::RemoveSender {
                sid: text(sid),
                number: text(number),
            },
            _ => return None,
        })
    }

    fn handle(&self, world: &World, call: &Call) -> Handled {
        match self {
            Self::List => Ok(services::list(world, call)),
            Self::Create => services::create(world, call),
            Self::Read { sid } => services::read(world, sid, call),
            Self::Change { sid } => services::change(world, sid, call),
            Self::Delete { sid } => services::delete(world, sid, call),
            Self::Pool { sid } => services::pool(world, sid, call),
            Self::AddSender { sid } => services::add_sender(world, sid, call),
            Self::Sender { sid, number } => services::sender(world, sid, number, call),
            Self::RemoveSender { sid, number } => services::remove_sender(world, sid, number, call),
        }
    }
}

impl Route {
    pub(crate) fn of(method: &Method, path: &str) -> Self {
        if let Some(rest) = path.strip_prefix(services::SERVICES) {
            return Services::of(method, rest).map_or(Self::Unknown, Self::Services);
        }
        let Some(rest) = path
            .strip_prefix(ACCOUNTS)
            .and_then(|rest| rest.strip_suffix(".json"))
        else {
            return Self::Unknown;
        };
        let parts: Vec<&str> = rest.split('/').collect();
        let account = parts[0].to_owned();
        match (method.as_str(), &parts[1..]) {
            ("GET", []) => Self::Account { account },
            ("POST", ["Messages"]) => Self::Send { account },
            ("GET", ["Messages"]) => Self::List { account },
            ("GET", ["Messages", sid]) => Self::Fetch {
                account,
                sid: (*sid).to_owned(),
            },
            ("GET", ["Messages", sid, "Media"]) => Self::Media {
                account,
                sid: (*sid).to_owned(),
            },
            ("GET", ["IncomingPhoneNumbers"]) => Self::Numbers { account },
            ("GET", ["IncomingPhoneNumbers", sid]) => Self::Number {
                account,
                sid: (*sid).to_owned(),
            },
            ("POST", ["IncomingPhoneNumbers", sid]) => Self::ChangeNumber {
                account,
                sid: (*sid).to_owned(),
            },
            _ => Self::Unknown,
        }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        match self {
            Self::Account { .. } => Endpoint::TwilioAccount,
            Self::Send { .. } => Endpoint::TwilioSend,
            Self::List { .. } => Endpoint::TwilioList,
            Self::Fetch { .. } | Self::Media { .. } => Endpoint::TwilioFetch,
            Self::Numbers { .. } | Self::Number { .. } | Self::ChangeNumber { .. } => {
                Endpoint::TwilioNumbers
            }
            Self::Services(_) => Endpoint::TwilioServices,
            Self::Unknown => Endpoint::TwilioApi,
        }
    }

    fn account(&self) -> Option<&str> {
        match self {
            Self::Account { account }
            | Self::Send { account }
            | Self::List { account }
            | Self::Fetch { account, .. }
            | Self::Media { account, .. }
            | Self::Numbers { account }
            | Self::Number { account, .. }
            | Self::ChangeNumber { account, .. } => Some(account),
            Self::Services(_) | Self::Unknown => None,
        }
    }
}

/// The customer whom a request is about.
pub(crate) fn customer_of(call: &Call) -> Option<String> {
    value(&pairs(&call.body), "To")
        .or_else(|| call.query("To"))
        .map(str::to_owned)
}

/// Handles one request.
pub(crate) async fn handle(world: &Arc<World>, call: Call) -> Handled {
    let route = Route::of(&call.method, &call.path);
    let by = auth::authenticate(world, &call)?;
    if let Route::Services(services) = &route {
        return services.handle(world, &call);
    }
    if route.account() != Some(&world.options.account_sid) {
        return Err(refusal::not_found(&call.path));
    }
    match &route {
        Route::Account { .. } => {
            auth::may_read_account(by)?;
            Ok(account::resource(&world.options, &world.state().twilio))
        }
        Route::Send { .. } => send::create(world, &call).await,
        Route::List { .. } => list::list(world, &call),
        Route::Fetch { sid, .. } | Route::Media { sid, .. } => {
            let state = world.state();
            let message = state
                .twilio
                .message(sid)
                .ok_or_else(|| refusal::not_found(&call.path))?;
            let resource = match route {
                Route::Media { .. } => message.media_list(),
                _ => message.resource(),
            };
            Ok(json(StatusCode::OK, &resource))
        }
        Route::Numbers { .. } => Ok(numbers::list(world, &call)),
        Route::Number { sid, .. } => numbers::read(world, sid, &call),
        Route::ChangeNumber { sid, .. } => numbers::change(world, sid, &call),
        Route::Services(_) | Route::Unknown => Err(refusal::not_found(&call.path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_read_from_method_and_path() {
        let of = |method: &str, path: &str| {
            Route::of(&method.parse().expect("a method"), path).endpoint()
        };
        let table = [
            (
                "POST",
                "/2010-04-01/Accounts/AC1/Messages.json",
                Endpoint::TwilioSend,
            ),
            (
                "GET",
                "/2010-04-01/Accounts/AC1/Messages.json",
                Endpoint::TwilioList,
            ),
            (
                "GET",
                "/2010-04-01/Accounts/AC1/Messages/SM1.json",
                Endpoint::TwilioFetch,
            ),
            (
                "GET",
                "/2010-04-01/Accounts/AC1.json",
                Endpoint::TwilioAccount,
            ),
            (
                "GET",
                "/2010-04-01/Accounts/AC1/IncomingPhoneNumbers.json",
                Endpoint::TwilioNumbers,
            ),
            (
                "POST",
                "/2010-04-01/Accounts/AC1/IncomingPhoneNumbers/PN1.json",
                Endpoint::TwilioNumbers,
            ),
            ("GET", "/v1/Services", Endpoint::TwilioServices),
            (
                "GET",
                "/v1/Services/MG1/PhoneNumbers/PN1",
                Endpoint::TwilioServices,
            ),
            ("GET", "/v1/ServicesX", Endpoint::TwilioApi),
            ("PUT", "/v1/Services/MG1", Endpoint::TwilioApi),
            (
                "DELETE",
                "/2010-04-01/Accounts/AC1/Messages/SM1.json",
                Endpoint::TwilioApi,
            ),
            (
                "POST",
                "/2010-04-01/Accounts/AC1/Messages",
                Endpoint::TwilioApi,
            ),
        ];
        for (method, path, endpoint) in table {
            assert_eq!(of(method, path), endpoint, "{method} {path}");
        }
    }

    #[test]
    fn the_media_of_a_message_are_fetched_like_the_message() {
        let path = "/2010-04-01/Accounts/AC1/Messages/MM1/Media.json";
        let route = Route::of(&Method::GET, path);
        assert!(matches!(&route, Route::Media { sid, .. } if sid == "MM1"));
        assert_eq!(route.endpoint(), Endpoint::TwilioFetch);
    }
}
