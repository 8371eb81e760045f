//! A way from this machine to a pod's port, through the API server: works on any cluster.

use std::net::SocketAddr;

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

/// Listens on a port of 127.0.0.1 for as long as the runtime lives.
pub(crate) async fn forward(
    client: Client,
    namespace: String,
    pod: String,
    port: u16,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let pods: Api<Pod> = Api::namespaced(client, &namespace);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (pods, pod) = (pods.clone(), pod.clone());
            // A pod that is not there, or does not listen, is told by the connection's end.
            tokio::spawn(async move { join(stream, &pods, &pod, port).await });
        }
    });
    Ok(address)
}

async fn join(
    mut outside: TcpStream,
    pods: &Api<Pod>,
    pod: &str,
    port: u16,
) -> Result<(), kube::Error> {
    let mut forwarder = pods.portforward(pod, &[port]).await?;
    if let Some(mut inside) = forwarder.take_stream(port) {
        // Either end may break: both see it.
        let _ = copy_bidirectional(&mut outside, &mut inside).await;
    }
    forwarder.abort();
    Ok(())
}
