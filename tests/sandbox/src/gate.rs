//! The way of each request to a simulated platform: read it, let the faults act, handle it, log a refusal.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

use crate::call::{Call, Handled, Refusal, pairs};
use crate::connection::Connection;
use crate::faults::{Effect, Endpoint, Instead, Lost, Plan};
use crate::log::Platform;
use crate::requests::PlatformRequest;
use crate::view::Passage;
use crate::world::World;
use crate::{genesys, twilio};

/// Above what either platform takes; their own limits are checked by them.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// Passes one request through to a platform.
pub(crate) async fn pass(
    world: Arc<World>,
    platform: Platform,
    connection: Connection,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
        connection.cut();
        return Response::default();
    };
    let query = pairs(parts.uri.query().unwrap_or_default().as_bytes());
    let endpoint = endpoint(platform, &parts.method, &path);
    let mut call = Call {
        method: parts.method,
        path,
        query,
        headers: parts.headers,
        body,
        plan: Plan::default(),
    };
    let noted = PlatformRequest::new(platform, &call);
    world.state().requests.note(noted);
    let customer = match platform {
        Platform::Twilio => twilio::customer_of(&call),
        Platform::Genesys => genesys::customer_of(&call.body, endpoint),
    };
    call.plan = world.plan(endpoint, customer.as_deref());
    let what = title(endpoint, &call.body);
    let gate = Gate {
        platform,
        customer,
        what,
        connection,
    };
    gate.serve(&world, call).await
}

fn endpoint(platform: Platform, method: &Method, path: &str) -> Endpoint {
    match platform {
        Platform::Twilio => twilio::Route::of(method, path).endpoint(),
        Platform::Genesys => genesys::Route::of(method, path).endpoint(),
    }
}

/// What the page calls a request that moves a message; tokens and look-ups would only be noise.
fn title(endpoint: Endpoint, body: &[u8]) -> Option<String> {
    match endpoint {
        Endpoint::TwilioSend => Some("send".into()),
        Endpoint::GenesysMessage => Some("inbound message".into()),
        Endpoint::GenesysEvent => Some("event".into()),
        Endpoint::GenesysReceipt => {
            let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
            Some(format!(
                "receipt {}",
                body["status"].as_str().unwrap_or_default()
            ))
        }
        _ => None,
    }
}

struct Gate {
    platform: Platform,
    customer: Option<String>,
    what: Option<String>,
    connection: Connection,
}

impl Gate {
    async fn serve(&self, world: &Arc<World>, call: Call) -> Response {
        tokio::time::sleep(call.plan.latency).await;
        if call.plan.says(&Effect::TokensDie) {
            world.state().genesys.kill_tokens();
        }
        let lost = call.plan.lost;
        if let Some(instead) = call.plan.instead.clone() {
            return self.instead(world, instead);
        }
        let what = format!("{} {}", call.method, call.path);
        let handled: Handled = match self.platform {
            Platform::Twilio => twilio::handle(world, call).await,
            Platform::Genesys => genesys::handle(world, &call),
        };
        let response = handled.unwrap_or_else(|Refusal { response, why }| {
            world.reject(what, response.status().as_u16(), why);
            *response
        });
        self.answer(world, response, lost)
    }

    /// A fault answers, and nothing is done.
    fn instead(&self, world: &World, instead: Instead) -> Response {
        match instead {
            Instead::Cut => {
                self.show(world, None, Some("connection dropped"));
                self.connection.cut();
                Response::default()
            }
            Instead::Status(status, body) => {
                let mut response = self.error(status);
                if let Some(body) = body {
                    *response.body_mut() = body.to_string().into();
                }
                self.show(world, Some(status), None);
                self.dress(world, response)
            }
            Instead::RateLimited(seconds) => {
                let mut response = self.error(429);
                response
                    .headers_mut()
                    .insert("retry-after", HeaderValue::from(seconds));
                self.show(world, Some(429), Some(&format!("retry after {seconds} s")));
                self.dress(world, response)
            }
        }
    }

    /// The work is done; the answer may still get lost.
    fn answer(&self, world: &World, response: Response, lost: Option<Lost>) -> Response {
        match lost {
            None => {
                self.show(world, Some(response.status().as_u16()), None);
                self.dress(world, response)
            }
            Some(Lost::Cut) => {
                self.show(world, None, Some("done, answer lost"));
                self.connection.cut();
                Response::default()
            }
            Some(Lost::Status(status)) => {
                self.show(world, Some(status), Some("done, answer lost"));
                self.dress(world, self.error(status))
            }
        }
    }

    fn error(&self, status: u16) -> Response {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        match self.platform {
            Platform::Twilio => twilio::planted(status),
            Platform::Genesys => genesys::planted(status),
        }
    }

    /// Each platform names each request, and says what time it is.
    fn dress(&self, world: &World, mut response: Response) -> Response {
        let (name, id) = match self.platform {
            Platform::Twilio => ("twilio-request-id", crate::ids::sid("RQ")),
            Platform::Genesys => ("inin-correlation-id", crate::ids::uuid()),
        };
        let id = HeaderValue::from_maybe_shared(Bytes::from(id)).expect("an id is visible ASCII");
        response.headers_mut().insert(name, id);
        let date = Timestamp::now() + world.options.date_offset;
        if let Ok(date) = DateTimePrinter::new().timestamp_to_rfc9110_string(&date)
            && let Ok(date) = HeaderValue::try_from(date)
        {
            response.headers_mut().insert(http::header::DATE, date);
        }
        response
    }

    fn show(&self, world: &World, status: Option<u16>, note: Option<&str>) {
        if let Some(what) = &self.what {
            world.show(Passage {
                platform: self.platform,
                to_bridge: false,
                what,
                customer: self.customer.as_deref(),
                status,
                note: note.map(str::to_owned),
            });
        }
    }
}
