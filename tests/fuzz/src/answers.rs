//! What the platforms answer to our calls. The bytes stand behind a real HTTP exchange on a loopback address, so that
//! the whole client is met: status, headers, body, pages, tokens.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use messaging_bridge_clients::genesys::{
    ClientCredentials, Customer, GenesysClient, GenesysHosts, GenesysMessageId, IdType,
    InboundMessage, IntegrationId, Receipt, ReceiptStatus, WireProfile,
};
use messaging_bridge_clients::http::local_client;
use messaging_bridge_clients::twilio::{
    AccountSid, MessageFilter, MessagingServiceSid, NewMessage, TwilioClient, TwilioCredentials,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use url::Url;

const TOKEN: &str = r#"{"access_token":"t","token_type":"bearer","expires_in":86400}"#;

/// One byte that chooses the call, one that chooses the status, a line for the headers that we read, then the body.
pub fn platform_answer(bytes: &[u8]) {
    let [call, status, rest @ ..] = bytes else {
        return;
    };
    let (header, body) = match rest.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&rest[..at], &rest[at + 1..]),
        None => (&[][..], rest),
    };
    PLATFORM.with_borrow(|platform| platform.answer(*call, *status, header, body));
}

thread_local! {
    static PLATFORM: RefCell<Platform> = RefCell::new(Platform::start());
}

const STATUSES: [u16; 14] = [
    200, 201, 204, 302, 400, 401, 403, 404, 405, 409, 429, 500, 503, 599,
];

struct Platform {
    runtime: Runtime,
    address: SocketAddr,
    /// What is answered to everything but the fetch of a token, unless that is what is called.
    answer: Arc<Mutex<Answer>>,
}

#[derive(Default)]
struct Answer {
    whole: Vec<u8>,
    also_to_tokens: bool,
}

impl Platform {
    fn start() -> Self {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be built");
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a free port");
        let address = listener.local_addr().expect("a bound listener has one");
        let answer = Arc::new(Mutex::new(Answer::default()));
        runtime.spawn(serve(listener, Arc::clone(&answer)));
        Self {
            runtime,
            address,
            answer,
        }
    }

    fn answer(&self, call: u8, status: u8, header: &[u8], body: &[u8]) {
        let status = STATUSES[usize::from(status) % STATUSES.len()];
        let header: String = String::from_utf8_lossy(header)
            .chars()
            .filter(|letter| (' '..='~').contains(letter))
            .take(200)
            .collect();
        let mut whole = format!(
            "HTTP/1.1 {status} Any\r\ncontent-type: application/json\r\nconnection: close\r\n"
        );
        for name in [
            "retry-after",
            "inin-ratelimit-allowed",
            "inin-ratelimit-count",
            "inin-ratelimit-reset",
            "inin-correlation-id",
            "date",
        ] {
            let _ = write!(whole, "{name}: {header}\r\n");
        }
        let mut whole = whole.into_bytes();
        if status == 204 {
            whole.extend(b"\r\n");
        } else {
            whole.extend(format!("content-length: {}\r\n\r\n", body.len()).bytes());
            whole.extend(body);
        }
        let call = call % 12;
        *self.answer.lock().expect("nobody panics with it") = Answer {
            whole,
            also_to_tokens: call == 11,
        };
        self.runtime.block_on(self.call(call));
    }

    /// Whatever comes back is a value or an error that can be shown.
    async fn call(&self, call: u8) {
        let http = local_client("fuzz", Duration::from_secs(10)).expect("a client can be built");
        let base = Url::parse(&format!("http://{}", self.address)).expect("an address");
        let twilio = twilio(http.clone(), base.clone());
        let genesys = genesys(http, base);
        let service = MessagingServiceSid::new("MG0123456789abcdef0123456789abcdef");
        let integration = IntegrationId::new("b7a3c5d2-1f4e-4a6b-8c9d-2e5f7a1b3c4d");
        let filter = MessageFilter {
            max_pages: 3,
            ..MessageFilter::default()
        };
        let shown = match call {
            0 => show(twilio.send_message(&new_message()).await),
            1 => show(twilio.list_messages(&filter).await),
            2 => show(twilio.phone_number("+15551230000").await),
            3 => show(twilio.account().await),
            4 => show(twilio.messaging_service(&service).await),
            5 => show(twilio.messaging_services().await),
            6 => show(
                twilio
                    .messaging_service_has_number(&service, "PN0123456789abcdef0123456789abcdef")
                    .await,
            ),
            7 => show(genesys.send_message(&integration, &inbound_message()).await),
            8 => show(genesys.send_receipt(&integration, &receipt()).await),
            9 => show(genesys.open_integrations().await),
            10 => show(genesys.open_integration(&integration).await),
            _ => show(genesys.authenticate().await),
        };
        assert!(!shown.contains("fuzzed-secret"), "a credential is shown");
    }
}

fn show<T>(outcome: Result<T, messaging_bridge_clients::ApiError>) -> String {
    outcome.map_or_else(|error| format!("{error} {error:?}"), |_| String::new())
}

fn twilio(http: reqwest::Client, base: Url) -> TwilioClient {
    let account = AccountSid::new("AC0123456789abcdef0123456789abcdef");
    let token = TwilioCredentials::AuthToken("fuzzed-secret".to_owned().into());
    TwilioClient::new(http, base, account, vec![token])
}

fn genesys(http: reqwest::Client, base: Url) -> GenesysClient {
    let hosts = GenesysHosts {
        api: base.clone(),
        login: base,
    };
    let credentials = ClientCredentials {
        client_id: "client".into(),
        client_secret: "fuzzed-secret".to_owned().into(),
    };
    GenesysClient::new(http, hosts, WireProfile::Current, vec![credentials])
}

fn new_message() -> NewMessage {
    NewMessage {
        to: "+15557654321".into(),
        from: "+15551230000".into(),
        body: "text".into(),
        status_callback: Url::parse("https://bridge.example.com/x").expect("a URL"),
        validity: Duration::from_mins(1),
    }
}

fn customer() -> Customer {
    Customer {
        id: "+15557654321".into(),
        id_type: IdType::Phone,
        nickname: None,
    }
}

fn inbound_message() -> InboundMessage {
    InboundMessage {
        message_id: "SM0123456789abcdef0123456789abcdef".into(),
        time: Timestamp::UNIX_EPOCH,
        customer: customer(),
        our_number: "+15551230000".into(),
        text: "text".into(),
        custom_attributes: BTreeMap::new(),
    }
}

fn receipt() -> Receipt {
    Receipt {
        message_id: GenesysMessageId::new("m"),
        customer: customer(),
        time: Timestamp::UNIX_EPOCH,
        status: ReceiptStatus::Delivered,
        reason: None,
        is_final: true,
    }
}

async fn serve(listener: TcpListener, answer: Arc<Mutex<Answer>>) {
    while let Ok((mut connection, _)) = listener.accept().await {
        let answer = Arc::clone(&answer);
        tokio::spawn(async move {
            let mut request = vec![0; 16 * 1024];
            let length = connection.read(&mut request).await.unwrap_or_default();
            let is_token = request[..length].starts_with(b"POST /oauth/token");
            let whole = {
                let answer = answer.lock().expect("nobody panics with it");
                if is_token && !answer.also_to_tokens {
                    let length = TOKEN.len();
                    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{TOKEN}").into_bytes()
                } else {
                    answer.whole.clone()
                }
            };
            // A client that has heard enough hangs up.
            let _ = connection.write_all(&whole).await;
            let _ = connection.shutdown().await;
        });
    }
}
