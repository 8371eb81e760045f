//! The three listeners: public, admin and control.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal as unix_signal};
use tokio::sync::watch;

use super::CliError;
use super::args::RunArgs;
use crate::server::port;

/// Connections that are still busy after the last request was taken are cut after this.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// Open files that are asked for: connections of the public port, the calls to both platforms, the outbox. Beyond what
/// many systems give a process unasked (1024).
const OPEN_FILES: u64 = 8192;

/// Raises this process' limit of open files as far as it may be raised by itself.
pub(super) fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit
        .maximum
        .map_or(OPEN_FILES, |most| most.min(OPEN_FILES));
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit {
            current: Some(wanted),
            maximum: limit.maximum,
        };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "the limit of open files could not be raised");
        }
    }
}

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
        let until_stopped = || {
            let mut stopping = stopping.clone();
            async move {
                // The sender's end is an end as well.
                let _ = stopping.wait_for(|stop| *stop).await;
            }
        };
        let inner = |listener, router| {
            let serving = axum::serve(listener, router).with_graceful_shutdown(until_stopped());
            tokio::spawn(async move {
                // It answers every error of the network by going on.
                let _ = serving.await;
            })
        };
        let servers = [
            tokio::spawn(port::serve(self.public, public, until_stopped())),
            inner(self.admin, admin),
            inner(self.control, control),
        ];
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
