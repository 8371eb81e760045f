//! The three listeners: public, admin and control.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal as unix_signal};
use tokio::sync::watch;

use super::CliError;
use super::args::RunArgs;

/// Connections that are still busy after the last request was taken are cut after this.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// Bound, not serving yet.
pub(super) struct Listeners {
    public: TcpListener,
    admin: TcpListener,
    control: TcpListener,
}

impl Listeners {
    /// Binds all three, so that a taken port is found before anything is stored.
    pub(super) async fn bind(arguments: &RunArgs) -> Result<Self, CliError> {
        Ok(Self {
            public: bind("--listen", arguments.listen).await?,
            admin: bind("--admin-listen", arguments.admin_listen).await?,
            control: bind("--control-listen", arguments.control_listen).await?,
        })
    }

    /// Serves until `stopped` is over, and then until the requests under way are answered.
    pub(super) async fn serve(
        self,
        public: Router,
        admin: Router,
        control: Router,
        stopped: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), CliError> {
        let (stop, stopping) = watch::channel(false);
        let servers = [
            (self.public, public),
            (self.admin, admin),
            (self.control, control),
        ]
        .map(|(listener, router)| {
            let mut stopping = stopping.clone();
            let until_stopped = async move {
                // The sender's end is an end as well.
                let _ = stopping.wait_for(|stop| *stop).await;
            };
            tokio::spawn(
                axum::serve(listener, router)
                    .with_graceful_shutdown(until_stopped)
                    .into_future(),
            )
        });
        stopped.await;
        stop.send_replace(true);
        let finished = async {
            for server in servers {
                let _ = server.await;
            }
        };
        if tokio::time::timeout(LAST_ANSWERS, finished).await.is_err() {
            tracing::warn!("connections were still open at the end");
        }
        Ok(())
    }
}

async fn bind(flag: &str, address: SocketAddr) -> Result<TcpListener, CliError> {
    TcpListener::bind(address).await.map_err(|error| {
        CliError::Usage(format!("{flag} {address}: {error}; choose another address"))
    })
}

/// The end of the process' work: SIGTERM, or Ctrl-C.
pub(super) async fn signal() {
    let mut terminate =
        unix_signal(SignalKind::terminate()).expect("a runtime with signals is running");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
