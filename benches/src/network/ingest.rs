//! Taking batches of payments in over HTTP and taking them apart, with nothing behind it.

use std::io;
use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use avalanche_gateway::api::frame_into;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::post;
use bytes::{Buf, Bytes};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use crate::measure::cpu_time;
use crate::store::told;

/// The processor time of a server that is sent these payments in batches of `size`.
///
/// # Errors
///
/// Of the loopback.
pub fn measure(payments: &[impl AsRef<[u8]>], size: usize) -> io::Result<Duration> {
    let (tell, address) = std::sync::mpsc::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    // A thread of its own, so that the client's time is not counted.
    let server = thread::spawn(move || -> io::Result<Duration> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            tell.send(listener.local_addr()?).map_err(told)?;
            let app = Router::new().route("/", post(take)).layer(DefaultBodyLimit::disable());
            let before = cpu_time();
            axum::serve(listener, app)
                .with_graceful_shutdown(async {
                    let _ = stopped.await;
                })
                .await?;
            Ok(cpu_time().saturating_sub(before))
        })
    });
    let address = address.recv().map_err(told)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        for batch in payments.chunks(size) {
            let mut body = Vec::new();
            batch.iter().for_each(|payment| frame_into(&mut body, payment.as_ref()));
            let head =
                format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&body).await?;
            // Heads and the number of payments: they come in one piece.
            let mut answer = [0; 1_024];
            if stream.read(&mut answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok::<_, io::Error>(())
    })?;
    let _ = stop.send(());
    server.join().map_err(|_| told("the server failed"))?
}

/// Takes a batch apart, and counts.
async fn take(mut body: Bytes) -> String {
    let mut all = Vec::new();
    while body.len() >= 4 {
        let length = usize::try_from(body.get_u32()).unwrap_or(usize::MAX);
        all.push(body.split_to(length.min(body.len())).to_vec());
    }
    std::hint::black_box(&all).len().to_string()
}
