//! Where the commands find the outbox: with the running relay, over its control listener, or in the data directory when
//! none runs. Both answer the same routes, so each command is written once.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tower::ServiceExt as _;

use super::CliError;
use super::args::StoreArgs;
use super::platforms::USER_AGENT;
use crate::admin::control::{self, Control, Whereabouts};
use crate::clock::SystemClock;
use crate::outbox::Outbox;
use crate::outbox::sqlite::SqliteOutbox;

/// Who answers.
pub(super) enum Store {
    /// The relay that listens at this address.
    Running {
        client: reqwest::Client,
        base: String,
    },
    /// This process, which has opened the data directory.
    Stopped {
        outbox: Arc<SqliteOutbox>,
        routes: Router,
    },
}

impl Store {
    /// Finds the running relay, or opens what it has left.
    pub(super) async fn find(place: &StoreArgs) -> Result<Self, CliError> {
        match TcpStream::connect(place.control).await {
            Ok(_) => {
                let client = messaging_bridge_clients::http::client(USER_AGENT)
                    .map_err(|error| CliError::failed(&error))?;
                let base = format!("http://{}", place.control);
                let running = Self::Running { client, base };
                running.works_on(place).await?;
                Ok(running)
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Self::open(place),
            Err(error) => Err(CliError::Failed(format!("{}: {error}", place.control))),
        }
    }

    /// Whoever names a directory means that one, whatever relay listens.
    async fn works_on(&self, place: &StoreArgs) -> Result<(), CliError> {
        let Some(named) = &place.data_dir else {
            return Ok(());
        };
        let of_relay: Whereabouts = self.get("/outbox").await?;
        if named
            .canonicalize()
            .is_ok_and(|named| named == of_relay.data_dir)
        {
            return Ok(());
        }
        Err(CliError::Usage(format!(
            "the relay that listens on {} works on {}, not on {named}: leave --data-dir (MB_DATA_DIR) out to mean that \
             relay, or name a --control address where nobody listens to open {named}",
            place.control,
            of_relay.data_dir.display(),
            named = named.display(),
        )))
    }

    fn open(place: &StoreArgs) -> Result<Self, CliError> {
        let data_dir = place.data_dir.as_deref().unwrap_or(Path::new("data"));
        let outbox =
            SqliteOutbox::open_existing(data_dir, Arc::new(SystemClock)).map_err(|error| {
                CliError::Usage(format!(
                    "no relay listens on {}, and its data cannot be opened: {error}",
                    place.control
                ))
            })?;
        let outbox = Arc::new(outbox);
        let routes = control::router(Arc::new(Control {
            outbox: Arc::<SqliteOutbox>::clone(&outbox),
            data_dir: data_dir.to_owned(),
            wake: None,
        }));
        Ok(Self::Stopped { outbox, routes })
    }

    /// Asks.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        read(&self.answer("GET", path, Vec::new()).await?)
    }

    /// Has something done.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, CliError> {
        let body = serde_json::to_vec(body).map_err(|error| CliError::failed(&error))?;
        read(&self.answer("POST", path, body).await?)
    }

    async fn answer(&self, method: &str, path: &str, body: Vec<u8>) -> Result<Bytes, CliError> {
        let (status, answer) = match self {
            Self::Running { client, base } => {
                let method = method.parse().expect("GET and POST are methods");
                let request = client
                    .request(method, format!("{base}{path}"))
                    .header(header::CONTENT_TYPE, "application/json")
                    .body(body);
                let response = request
                    .send()
                    .await
                    .map_err(|error| CliError::failed(&error))?;
                let status = response.status();
                (
                    status,
                    response
                        .bytes()
                        .await
                        .map_err(|error| CliError::failed(&error))?,
                )
            }
            Self::Stopped { routes, .. } => {
                let request = Request::builder()
                    .method(method)
                    .uri(path)
                    .header(header::CONTENT_TYPE, "application/json")
                    .body(Body::from(body))
                    .expect("the commands ask for valid paths");
                let Ok(response) = routes.clone().oneshot(request).await;
                let (head, body) = response.into_parts();
                let answer = axum::body::to_bytes(body, usize::MAX).await;
                (
                    head.status,
                    answer.map_err(|error| CliError::failed(&error))?,
                )
            }
        };
        said(status, &answer)?;
        Ok(answer)
    }

    /// Writes a copy of everything. Returns its bytes.
    pub(super) async fn export(&self, mut to: impl Write) -> Result<u64, CliError> {
        let failed = |error: io::Error| CliError::failed(&error);
        let mut bytes = 0;
        match self {
            Self::Running { client, base } => {
                let request = client.get(format!("{base}/export"));
                let mut response = request
                    .send()
                    .await
                    .map_err(|error| CliError::failed(&error))?;
                let status = response.status();
                if !status.is_success() {
                    let text = response.bytes().await;
                    let text = text.map_err(|error| CliError::failed(&error))?;
                    return said(status, &text).map(|()| 0);
                }
                while let Some(piece) = response
                    .chunk()
                    .await
                    .map_err(|error| CliError::failed(&error))?
                {
                    to.write_all(&piece).map_err(failed)?;
                    bytes += piece.len() as u64;
                }
            }
            Self::Stopped { outbox, .. } => {
                let mut file = outbox
                    .export()
                    .await
                    .map_err(|error| CliError::failed(&error))?;
                bytes = io::copy(&mut file, &mut to).map_err(failed)?;
            }
        }
        to.flush().map_err(failed)?;
        Ok(bytes)
    }

    /// Leaves the data directory in order.
    pub(super) async fn close(self) -> Result<(), CliError> {
        match self {
            Self::Running { .. } => Ok(()),
            Self::Stopped { outbox, .. } => outbox
                .close()
                .await
                .map_err(|error| CliError::failed(&error)),
        }
    }
}

fn said(status: StatusCode, answer: &[u8]) -> Result<(), CliError> {
    if status.is_success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(answer);
    Err(CliError::Failed(match words.trim_end() {
        "" => format!(
            "{status} from who listens there: is that the relay's --control-listen address?"
        ),
        words => words.to_owned(),
    }))
}

fn read<T: DeserializeOwned>(answer: &[u8]) -> Result<T, CliError> {
    serde_json::from_slice(answer).map_err(|error| CliError::failed(&error))
}
