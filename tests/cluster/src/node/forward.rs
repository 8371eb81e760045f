//! The way from the machine to the API server: the machine's network does not know the node's.
//!
//! A port of 127.0.0.1 is listened on; each connection goes through the control socket to an address inside.

use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};

/// Serves `listener` for ever: each connection is joined to `target` inside.
pub(crate) async fn serve(
    listener: std::net::TcpListener,
    control: PathBuf,
    target: SocketAddr,
) -> std::io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (outside, _) = listener.accept().await?;
        let control = control.clone();
        // What breaks a connection is told to both of its ends by its end.
        tokio::spawn(async move { join(outside, control, target).await });
    }
}

async fn join(mut outside: TcpStream, control: PathBuf, target: SocketAddr) -> std::io::Result<()> {
    outside.set_nodelay(true)?;
    let mut inside = UnixStream::connect(control).await?;
    inside
        .write_all(format!("connect {target}\n").as_bytes())
        .await?;
    copy_bidirectional(&mut outside, &mut inside).await?;
    Ok(())
}
