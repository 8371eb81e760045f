//! The socket on which the node's first process is asked: `start NAME`, `stop NAME`, `kill-pods`, which are answered
//! with `ok` or an error, and `connect ADDRESS`, which is answered by what is at that address.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

use super::supervisor::Supervisor;
use crate::ClusterError;
use crate::node::control::SOCKET;

/// Serves the socket in `folder` from a thread of its own, each connection from another.
pub(crate) fn listen(folder: &Path, supervisor: Supervisor) -> Result<(), ClusterError> {
    let listener = UnixListener::bind(folder.join(SOCKET)).map_err(ClusterError::io(SOCKET))?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let supervisor = supervisor.clone();
            // Who asks sees an error by the end of the connection.
            thread::spawn(move || serve(stream, &supervisor));
        }
    });
    Ok(())
}

fn serve(stream: UnixStream, supervisor: &Supervisor) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let (verb, what) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    let done = match verb {
        "connect" => return connect(reader, what),
        "start" => supervisor.start(what),
        "stop" => supervisor.stop(what),
        "kill-pods" => supervisor.kill_pods(),
        other => Err(io::Error::other(format!("no request is called {other}"))),
    };
    let answer = done.map_or_else(|error| format!("{error}\n"), |()| "ok\n".to_owned());
    reader.get_mut().write_all(answer.as_bytes())
}

fn connect(reader: BufReader<UnixStream>, address: &str) -> io::Result<()> {
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    let mut there = TcpStream::connect(address)?;
    there.set_nodelay(true)?;
    // What came behind the line is in the buffer.
    there.write_all(reader.buffer())?;
    let mut here = reader.into_inner();
    let (mut sent, mut target) = (here.try_clone()?, there.try_clone()?);
    thread::spawn(move || {
        let copied = io::copy(&mut sent, &mut target);
        target.shutdown(Shutdown::Write).and(copied)
    });
    let copied = io::copy(&mut there, &mut here);
    here.shutdown(Shutdown::Both)?;
    copied.map(drop)
}
