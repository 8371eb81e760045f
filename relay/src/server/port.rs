//! The public port as strangers meet it: limits of connections, of headers, of bodies and of time.
//!
//! Guarantees: whoever connects and says nothing, or says it slowly, costs a place only until somebody needs it: when
//! all places are taken, the connection that has waited longest for its next request gives way. A request that was
//! begun is answered or cut within `REQUEST_PATIENCE`; headers beyond `LARGEST_HEAD` are refused; the bodies of all
//! requests together never hold more than `super::bodies` allows. HTTP/1.1 only.
//!
//! It does not tell friend from foe: that is the signatures' part.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tower::Service as _;

use super::answer;
use super::bodies::{Bodies, Unread};
use super::seats::{Seat, Seats};

/// Connections at once. Few come directly: most speak through a proxy that keeps some dozens.
const CONNECTIONS: usize = 1024;
/// Request line and headers together; both platforms stay below a tenth of it.
const LARGEST_HEAD: usize = 16 * 1024;
/// A connection waits this long for a whole head, the first or the next. Longer than proxies keep theirs (usually
/// 60 s): whoever closes first must be the side that sends no request meanwhile.
const HEAD_PATIENCE: Duration = Duration::from_secs(75);
/// From the head to the answer. Genesys waits 10 s, Twilio 15 s.
const REQUEST_PATIENCE: Duration = Duration::from_secs(15);
/// After an error of `accept` (no file descriptor is left) the next one waits a little.
const AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(100);
/// That places are short is said this often.
const SAY_EVERY: Duration = Duration::from_mins(1);

/// Serves until `stopped` is over, and then until the requests under way are answered.
pub async fn serve(listener: TcpListener, router: Router, stopped: impl Future<Output = ()>) {
    let port = Port {
        router,
        bodies: Arc::default(),
        seats: Arc::default(),
        places: Arc::new(Semaphore::new(CONNECTIONS)),
        http: protocol(),
        graceful: GracefulShutdown::new(),
    };
    let mut stopped = pin!(stopped);
    let mut said: Option<Instant> = None;
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(AFTER_ACCEPT_ERROR).await;
                    continue;
                }
            },
            () = &mut stopped => break,
        };
        let place = tokio::select! {
            place = port.place(&mut said) => place,
            () = &mut stopped => break,
        };
        port.attend(stream, place);
    }
    drop(listener);
    port.graceful.shutdown().await;
}

fn protocol() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(LARGEST_HEAD);
    http
}

struct Port {
    router: Router,
    bodies: Arc<Bodies>,
    seats: Arc<Seats>,
    places: Arc<Semaphore>,
    http: http1::Builder,
    graceful: GracefulShutdown,
}

impl Port {
    /// A place for one more connection; the longest waiting one gives way if it must.
    async fn place(&self, said: &mut Option<Instant>) -> OwnedSemaphorePermit {
        let places = Arc::clone(&self.places);
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            return place;
        }
        if said.is_none_or(|at| at.elapsed() >= SAY_EVERY) {
            *said = Some(Instant::now());
            tracing::warn!(
                connections = CONNECTIONS,
                "the public port is full: connections that wait give way to new ones"
            );
        }
        self.seats.free_one();
        places
            .acquire_owned()
            .await
            .expect("nobody closes this semaphore")
    }

    fn attend(&self, stream: TcpStream, place: OwnedSemaphorePermit) {
        // Small answers must not wait for a delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let seat = Arc::new(Seat::take(&self.seats));
        let service = service_fn({
            let (seat, router, bodies) = (
                Arc::clone(&seat),
                self.router.clone(),
                Arc::clone(&self.bodies),
            );
            move |request| {
                let (seat, router, bodies) =
                    (Arc::clone(&seat), router.clone(), Arc::clone(&bodies));
                async move {
                    let _busy = seat.busy();
                    Ok::<_, Infallible>(answered(router, &bodies, request).await)
                }
            }
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        let connection = self.graceful.watch(connection);
        tokio::spawn(async move {
            tokio::select! {
                // An error is the peer's: it hung up, or does not speak HTTP.
                _ = connection => {}
                () = seat.needed() => {}
            }
            drop(place);
        });
    }
}

/// Reads the body and has the request answered, in bounded time.
async fn answered(mut router: Router, bodies: &Bodies, request: Request<Incoming>) -> Response {
    let answer = async {
        let (parts, body) = request.into_parts();
        match bodies.read(Body::new(body)).await {
            Ok((body, _held)) => {
                let request = Request::from_parts(parts, Body::from(body));
                match router.call(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                }
            }
            Err(unread) => refused(unread),
        }
    };
    tokio::time::timeout(REQUEST_PATIENCE, answer)
        .await
        .unwrap_or_else(|_| answer::too_slow())
}

fn refused(unread: Unread) -> Response {
    match unread {
        Unread::TooLarge => answer::too_large(),
        Unread::NoRoom => answer::unavailable("busy"),
        Unread::Broken => answer::malformed(),
    }
}
