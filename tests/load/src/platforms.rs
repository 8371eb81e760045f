//! Both platforms as far as the relay calls them: a token, an accepted message, a created SMS. As cheap as can be, so
//! that what is measured is the relay.
//!
//! Each message is told and tallied. The token endpoint can refuse, which holds Genesys' direction back until the
//! client's secret is rotated: that is how messages are kept waiting. The platforms can be far away, and Genesys can have
//! a limit, counted in fixed windows of a minute.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::error::LoadError;
use crate::fixture::{ACCOUNT, NUMBER, index_of_sid, index_of_text, message_sid};
use crate::http1::{Connection, Message};
use crate::limit::Limit;
use crate::tally::Tally;

/// Which way messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From Twilio to Genesys.
    In,
    /// From Genesys to Twilio.
    Out,
}

/// What is special about the platforms of a scenario.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traits {
    /// How long each of their answers takes.
    pub(crate) delay: Duration,
    /// Requests a minute that Genesys takes.
    pub(crate) limit: Option<u32>,
}

/// The platforms, while they serve.
pub(crate) struct Platforms {
    /// Where Genesys is.
    pub(crate) genesys: SocketAddr,
    /// Where Twilio is.
    pub(crate) twilio: SocketAddr,
    desk: Arc<Desk>,
    servers: [JoinHandle<()>; 2],
}

impl Platforms {
    /// Serves, and expects this many messages each way.
    pub(crate) async fn start(inbound: usize, outbound: usize) -> Result<Self, LoadError> {
        Self::start_with(inbound, outbound, Traits::default()).await
    }

    /// The same with something special.
    pub(crate) async fn start_with(
        inbound: usize,
        outbound: usize,
        traits: Traits,
    ) -> Result<Self, LoadError> {
        let desk = Arc::new(Desk {
            refuses_tokens: AtomicBool::new(false),
            inbound: Tally::of(inbound),
            outbound: Tally::of(outbound),
            strange: AtomicUsize::new(0),
            delay: traits.delay,
            limit: traits.limit.map(Limit::of),
        });
        let (genesys, first) = listen(&desk).await?;
        let (twilio, second) = listen(&desk).await?;
        Ok(Self {
            genesys,
            twilio,
            desk,
            servers: [first, second],
        })
    }

    /// Whether the token endpoint refuses the client.
    pub(crate) fn refuse_tokens(&self, refuse: bool) {
        self.desk.refuses_tokens.store(refuse, Ordering::Relaxed);
    }

    /// What arrived of a direction.
    pub(crate) fn tally(&self, direction: Direction) -> &Tally {
        match direction {
            Direction::In => &self.desk.inbound,
            Direction::Out => &self.desk.outbound,
        }
    }

    /// How many requests Genesys has refused because of its limit.
    pub(crate) fn throttled(&self) -> u32 {
        self.desk.limit.as_ref().map_or(0, Limit::refused)
    }

    /// Whether each message of both directions arrived exactly once, and no request came that none should make.
    pub(crate) fn verify(&self) -> Result<(), LoadError> {
        self.desk.inbound.exactly_once()?;
        self.desk.outbound.exactly_once()?;
        match self.desk.strange.load(Ordering::Relaxed) {
            0 => Ok(()),
            strange => Err(LoadError::Count(format!(
                "{strange} calls that nobody should make"
            ))),
        }
    }
}

impl Drop for Platforms {
    fn drop(&mut self) {
        for server in &self.servers {
            server.abort();
        }
    }
}

async fn listen(desk: &Arc<Desk>) -> Result<(SocketAddr, JoinHandle<()>), LoadError> {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .map_err(LoadError::io("listen"))?;
    let address = listener.local_addr().map_err(LoadError::io("listen"))?;
    let desk = Arc::clone(desk);
    let server = tokio::spawn(async move {
        // Dropped with this task, and the connections with it.
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve(Arc::clone(&desk), stream));
        }
    });
    Ok((address, server))
}

async fn serve(desk: Arc<Desk>, stream: TcpStream) {
    let Ok(mut connection) = Connection::over(stream) else {
        return;
    };
    // A relay that is killed breaks its connections: what is missing then, the tally shows.
    while let Ok(Some(request)) = connection.receive().await {
        let answer = desk.answer(&request);
        if !desk.delay.is_zero() {
            tokio::time::sleep(desk.delay).await;
        }
        if connection.send(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// What the platforms know.
struct Desk {
    refuses_tokens: AtomicBool,
    inbound: Tally,
    outbound: Tally,
    /// Requests that the relay should not make.
    strange: AtomicUsize,
    delay: Duration,
    limit: Option<Limit>,
}

impl Desk {
    fn answer(&self, request: &Message<'_>) -> String {
        let mut words = request.start.split(' ');
        let path = match (words.next(), words.next()) {
            (Some("POST"), Some(path)) => path,
            // The look for missed messages finds none.
            (Some("GET"), Some(path)) if path.contains("/Messages.json?") => {
                return response("200 OK", r#"{"messages":[],"next_page_uri":null}"#);
            }
            _ => "",
        };
        if path == "/oauth/token" {
            return self.token();
        }
        if path.ends_with("/inbound/open/message") {
            let Some(limit) = &self.limit else {
                return self.taken(request.body, "");
            };
            return match limit.count() {
                Ok(headers) => self.taken(request.body, &headers),
                Err(headers) => answer("429 Too Many Requests", &headers, "{}"),
            };
        }
        if path.ends_with("/Messages.json") {
            let index = index_of_sms(request.body);
            self.outbound.arrived(index);
            return response("201 Created", &sms(index.unwrap_or_default()));
        }
        self.strange.fetch_add(1, Ordering::Relaxed);
        response("404 Not Found", "{}")
    }

    /// Genesys takes a message.
    fn taken(&self, body: &[u8], headers: &str) -> String {
        self.inbound.arrived(index_of_genesys_message(body));
        answer(
            "200 OK",
            headers,
            r#"{"type":"Text","direction":"Inbound"}"#,
        )
    }

    fn token(&self) -> String {
        if self.refuses_tokens.load(Ordering::Relaxed) {
            return response("401 Unauthorized", r#"{"error":"invalid_client"}"#);
        }
        response(
            "200 OK",
            r#"{"access_token":"load","token_type":"bearer","expires_in":86399}"#,
        )
    }
}

/// Which message the relay hands to Genesys; `None` also when id and text are of two messages.
fn index_of_genesys_message(body: &[u8]) -> Option<usize> {
    #[derive(Deserialize)]
    struct Inbound<'b> {
        #[serde(borrow)]
        channel: Channel<'b>,
        text: &'b str,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Channel<'b> {
        message_id: &'b str,
    }
    let message: Inbound<'_> = serde_json::from_slice(body).ok()?;
    let index = index_of_sid(message.channel.message_id)?;
    (index_of_text(message.text) == Some(index)).then_some(index)
}

/// Which message the relay hands to Twilio.
fn index_of_sms(body: &[u8]) -> Option<usize> {
    form_urlencoded::parse(body)
        .find(|(name, _)| name == "Body")
        .and_then(|(_, text)| index_of_text(&text))
}

/// Twilio's answer, with all of its fields.
fn sms(index: usize) -> String {
    let sid = message_sid(index);
    format!(
        r#"{{"account_sid":"{ACCOUNT}","api_version":"2010-04-01","body":"","date_created":"Thu, 24 Aug 2023 05:01:45 +0000","date_sent":null,"date_updated":"Thu, 24 Aug 2023 05:01:45 +0000","direction":"outbound-api","error_code":null,"error_message":null,"from":"{NUMBER}","num_media":"0","num_segments":"1","price":null,"price_unit":null,"messaging_service_sid":null,"sid":"{sid}","status":"queued","subresource_uris":{{"media":"/2010-04-01/Accounts/{ACCOUNT}/Messages/{sid}/Media.json"}},"to":"{NUMBER}","uri":"/2010-04-01/Accounts/{ACCOUNT}/Messages/{sid}.json"}}"#
    )
}

fn response(status: &str, body: &str) -> String {
    answer(status, "", body)
}

/// `headers` are whole lines.
fn answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::told(
        r#"{"channel":{"messageId":"SM0123456789abcdef000000000000000a"},"text":"About order #10: x"}"#,
        Some(10)
    )]
    #[case::another_text(
        r#"{"channel":{"messageId":"SM0123456789abcdef000000000000000a"},"text":"About order #11: x"}"#,
        None
    )]
    #[case::no_id(r#"{"channel":{},"text":"About order #10: x"}"#, None)]
    fn a_message_to_genesys_is_told_by_id_and_text(
        #[case] body: &str,
        #[case] index: Option<usize>,
    ) {
        assert_eq!(index_of_genesys_message(body.as_bytes()), index);
    }

    #[test]
    fn twilio_answers_with_a_message() {
        let message: Result<messaging_bridge_clients::twilio::Message, _> =
            serde_json::from_str(&sms(255));
        assert!(message.is_ok_and(|message| index_of_sid(message.sid.as_str()) == Some(255)));
        assert_eq!(index_of_sms(b"To=%2B1&Body=About+order+%237%3A+x"), Some(7));
    }
}
