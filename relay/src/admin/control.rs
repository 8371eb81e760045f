//! The control listener: what changes state or shows what was said. Bound to a loopback address only; the relay's own
//! commands speak to it (in Kubernetes through `kubectl exec`).
//!
//! When no relay runs, the commands use the same routes inside their own process. A request for another host than this
//! machine is refused: a page in a browser of this machine must not reach it by a name of its own.

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;

use crate::dispatch::Wake;
use crate::message::{CustomerId, Message};
use crate::outbox::{
    DeadLetter, DeadLetterDetail, DeadLetterId, Forgotten, LetterSelection, Outbox, OutboxError,
    Replayed,
};

/// Dead letters listed at most.
pub const LIST_LIMIT: u32 = 1000;

/// A copy is sent in pieces of so many bytes.
const PIECE: usize = 64 * 1024;

/// What the control listener works with.
pub struct Control {
    /// The durable queue.
    pub outbox: Arc<dyn Outbox>,
    /// Where it lies.
    pub data_dir: PathBuf,
    /// Tells dispatch what was appended again; nobody, when no relay runs.
    pub wake: Option<Wake>,
}

/// `GET /outbox`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Whereabouts {
    /// The data directory, without links.
    pub data_dir: PathBuf,
}

/// `GET /dead-letters`.
#[derive(Debug, Serialize, Deserialize)]
pub struct DeadLetterList {
    /// Oldest first.
    pub dead_letters: Vec<DeadLetter>,
}

/// `GET /dead-letters/ID`: one of them. Text and number stand in it only when `?reveal=true` asked for them.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// Its line in the list.
    #[serde(flatten)]
    pub letter: DeadLetter,
    /// What it is recognised by: the platform's id of the message.
    pub key: String,
    /// The part that was not sent, from 1.
    pub part: u32,
    /// Since when it is not known whether that part was sent.
    pub in_doubt_since: Option<Timestamp>,
    /// Whether it is of a sender and an organisation that this relay serves.
    pub ours: bool,
    /// Whether its text is still kept.
    pub has_text: bool,
    /// Whose it is, when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// What it says, when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct ShowQuery {
    #[serde(default)]
    reveal: bool,
}

/// The answer of `POST /dead-letters/replay`, whose body is a [`LetterSelection`].
#[derive(Debug, Serialize, Deserialize)]
pub struct ReplayAnswer {
    /// Lanes that got messages again.
    pub lanes: usize,
    /// Messages that were appended again.
    pub messages: u64,
    /// Messages that stay dead letters, since the queue has no room for them.
    pub left: u64,
}

/// The answer of `POST /dead-letters/purge`, whose body is a [`LetterSelection`].
#[derive(Debug, Serialize, Deserialize)]
pub struct PurgeAnswer {
    /// Dead letters removed.
    pub purged: u64,
}

/// `POST /forget`. The answer is a [`Forgotten`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgetRequest {
    /// Whom: the id as Genesys knows it.
    pub customer: CustomerId,
}

/// The control listener's routes.
pub fn router(control: Arc<Control>) -> Router {
    Router::new()
        .route("/outbox", get(whereabouts))
        .route("/dead-letters", get(list))
        .route("/dead-letters/{id}", get(show))
        .route("/dead-letters/replay", post(replay))
        .route("/dead-letters/purge", post(purge))
        .route("/forget", post(forget))
        .route("/export", get(export))
        .layer(middleware::from_fn(refuse_other_hosts))
        .with_state(control)
}

async fn whereabouts(State(control): State<Arc<Control>>) -> Json<Whereabouts> {
    let data_dir = control.data_dir.canonicalize();
    Json(Whereabouts {
        data_dir: data_dir.unwrap_or_else(|_| control.data_dir.clone()),
    })
}

async fn refuse_other_hosts(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST);
    if host.is_none_or(|host| host.to_str().is_ok_and(is_this_machine)) {
        next.run(request).await
    } else {
        (
            StatusCode::FORBIDDEN,
            "ask for this listener by its loopback address\n",
        )
            .into_response()
    }
}

/// Whether a `Host` header names the loopback address.
fn is_this_machine(host: &str) -> bool {
    let address: Option<std::net::SocketAddr> = host.parse().ok();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    address.is_some_and(|address| address.ip().is_loopback())
        || host
            .parse()
            .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
        || name.eq_ignore_ascii_case("localhost")
}

async fn list(State(control): State<Arc<Control>>) -> Result<Response, Failed> {
    let dead_letters = control.outbox.dead_letters(LIST_LIMIT).await?;
    Ok(Json(DeadLetterList { dead_letters }).into_response())
}

async fn show(
    State(control): State<Arc<Control>>,
    Path(id): Path<i64>,
    Query(ShowQuery { reveal }): Query<ShowQuery>,
) -> Result<Response, Failed> {
    let Some(detail) = control.outbox.dead_letter_detail(DeadLetterId(id)).await? else {
        return Ok(unknown(id));
    };
    if reveal {
        tracing::warn!(id, "a dead letter was shown with its text and number");
    }
    Ok(Json(shown(detail, reveal)).into_response())
}

fn shown(detail: DeadLetterDetail, reveal: bool) -> Shown {
    let DeadLetterDetail {
        letter,
        lane,
        key,
        next_part,
        marked,
        ours,
        payload,
    } = detail;
    let text = |payload: &[u8]| match Message::from_stored(payload) {
        Ok(Message::InboundText(text)) => text.text,
        Ok(Message::OutboundText(text)) => text.text,
        Ok(Message::FailureNotice(notice)) => notice.sentence,
        Err(error) => format!("[{error}]"),
    };
    Shown {
        letter,
        key,
        part: next_part + 1,
        in_doubt_since: marked,
        ours,
        has_text: payload.is_some(),
        number: reveal.then(|| lane.customer().to_owned()),
        text: payload.as_deref().filter(|_| reveal).map(text),
    }
}

async fn replay(
    State(control): State<Arc<Control>>,
    Json(selection): Json<LetterSelection>,
) -> Result<Response, Failed> {
    if let Some(refusal) = control.refusal(selection).await? {
        return Ok(refusal);
    }
    let Replayed {
        lanes,
        messages,
        left,
    } = control.outbox.replay(selection).await?;
    let answer = ReplayAnswer {
        lanes: lanes.len(),
        messages,
        left,
    };
    if messages + left > 0 {
        tracing::info!(
            messages,
            left,
            lanes = answer.lanes,
            "dead letters were appended again"
        );
    }
    if let Some(wake) = &control.wake {
        for lane in lanes {
            wake.lane(lane);
        }
    }
    Ok(Json(answer).into_response())
}

async fn purge(
    State(control): State<Arc<Control>>,
    Json(selection): Json<LetterSelection>,
) -> Result<Response, Failed> {
    let purged = control.outbox.purge_dead_letters(selection).await?;
    if let (0, LetterSelection::One(id) | LetterSelection::LaneOf(id)) = (purged, selection) {
        return Ok(unknown(id.0));
    }
    tracing::info!(dead_letters = purged, "dead letters were purged");
    Ok(Json(PurgeAnswer { purged }).into_response())
}

async fn forget(
    State(control): State<Arc<Control>>,
    Json(ForgetRequest { customer }): Json<ForgetRequest>,
) -> Result<Response, Failed> {
    let forgotten: Forgotten = control.outbox.forget(&customer).await?;
    tracing::info!(
        waiting = forgotten.waiting,
        dead_letters = forgotten.dead_letters,
        receipts = forgotten.receipts,
        "a customer was forgotten"
    );
    Ok(Json(forgotten).into_response())
}

async fn export(State(control): State<Arc<Control>>) -> Result<Response, Failed> {
    let file = tokio::fs::File::from_std(control.outbox.export().await?);
    let length = file
        .metadata()
        .await
        .map_err(|error| OutboxError::Store(error.to_string()))?
        .len();
    tracing::warn!(
        bytes = length,
        "the outbox was exported, with texts and numbers"
    );
    let pieces = stream::unfold(Some(file), |file| async {
        let mut file = file?;
        let mut piece = vec![0; PIECE];
        match file.read(&mut piece).await {
            Ok(0) => None,
            Ok(read) => {
                piece.truncate(read);
                Some((Ok(piece), Some(file)))
            }
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok((
        [(header::CONTENT_LENGTH, length)],
        Body::from_stream(pieces),
    )
        .into_response())
}

impl Control {
    /// Why the dead letter that is named cannot be appended again, if so.
    async fn refusal(&self, selection: LetterSelection) -> Result<Option<Response>, OutboxError> {
        let (LetterSelection::One(id) | LetterSelection::LaneOf(id)) = selection else {
            return Ok(None);
        };
        let Some(detail) = self.outbox.dead_letter_detail(id).await? else {
            return Ok(Some(unknown(id.0)));
        };
        let why = match (selection, detail.letter.replayable, detail.ours) {
            (LetterSelection::One(_), false, false) => {
                "it belongs to another number or Genesys organisation than this relay serves"
            }
            (LetterSelection::One(_), false, true) => "its text was erased after 14 days",
            _ => return Ok(None),
        };
        let sentence = format!(
            "dead letter {id} cannot be appended again: {why}\n",
            id = id.0
        );
        Ok(Some((StatusCode::CONFLICT, sentence).into_response()))
    }
}

fn unknown(id: i64) -> Response {
    let sentence = format!("there is no dead letter {id}; see `dead-letters list`\n");
    (StatusCode::NOT_FOUND, sentence).into_response()
}

/// The outbox did not do what was asked.
struct Failed(OutboxError);

impl From<OutboxError> for Failed {
    fn from(error: OutboxError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, format!("{}\n", self.0)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("127.0.0.1:9091", true)]
    #[case("localhost:9091", true)]
    #[case("localhost", true)]
    #[case("[::1]:9091", true)]
    #[case("::1", true)]
    #[case("bridge.example.com", false)]
    #[case("10.0.0.7:9091", false)]
    #[case("127.0.0.1.example.com:9091", false)]
    fn only_this_machine_is_answered(#[case] host: &str, #[case] answered: bool) {
        assert_eq!(is_this_machine(host), answered, "{host}");
    }
}
