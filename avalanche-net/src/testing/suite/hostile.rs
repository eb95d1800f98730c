//! Rules on peers that do not behave: they harm their own connection only.

use std::future::poll_fn;
use std::task::Poll;

use tokio::io::AsyncReadExt;

use super::{Fixture, Report, connect, ensure};

/// How many misbehave.
const MANY: u64 = 20;

pub(super) async fn dropped(fixture: &dyn Fixture) -> Result<Report, String> {
    let (from, to) = (fixture.node(), fixture.node());
    let mut listener = to.bind().await?;
    let addr = listener.local_addr();
    for _ in 0..MANY {
        let transport = from.transport.clone();
        let dial = tokio::spawn(async move {
            match transport.dial(addr).await {
                Ok(mut connection) => !matches!(connection.stream.read(&mut [0]).await, Ok(1..)),
                Err(_) => true,
            }
        });
        drop(listener.accept().await.map_err(|error| error.to_string())?);
        let ended = dial.await.map_err(|error| error.to_string())?;
        ensure(ended, || "bytes came from a dropped upgrade".to_owned())?;
    }
    connect(&from, listener.as_mut()).await?;
    Ok(Report { connections: 1, refused: MANY, ..Report::default() })
}

pub(super) async fn gone(fixture: &dyn Fixture) -> Result<Report, String> {
    let (from, to) = (fixture.node(), fixture.node());
    let mut listener = to.bind().await?;
    let addr = listener.local_addr();
    for _ in 0..MANY {
        let transport = from.transport.clone();
        let dial = tokio::spawn(async move { transport.dial(addr).await });
        let pending = listener.accept().await.map_err(|error| error.to_string())?;
        dial.abort();
        let _ = dial.await;
        if let Ok(mut connection) = pending.upgrade().await {
            let read = connection.stream.read(&mut [0]).await;
            ensure(!matches!(read, Ok(1..)), || format!("{read:?} from a dropped dial"))?;
        }
    }
    connect(&from, listener.as_mut()).await?;
    Ok(Report { connections: 1, refused: MANY, ..Report::default() })
}

pub(super) async fn stalled(fixture: &dyn Fixture) -> Result<Report, String> {
    let to = fixture.node();
    let mut listener = to.bind().await?;
    let addr = listener.local_addr();
    let mut dials = Vec::new();
    let mut upgrades = Vec::new();
    for _ in 0..MANY {
        let node = fixture.node();
        let mut dial = Box::pin(async move { node.transport.dial(addr).await });
        // Polled until the connection is there, and then left alone.
        let pending = {
            let mut accept = Box::pin(listener.accept());
            poll_fn(|cx| {
                let dialled = dial.as_mut().poll(cx);
                match accept.as_mut().poll(cx) {
                    Poll::Ready(pending) => Poll::Ready(Ok(pending)),
                    Poll::Pending if dialled.is_ready() => Poll::Ready(Err("dialled too early")),
                    Poll::Pending => Poll::Pending,
                }
            })
            .await?
        };
        let pending = pending.map_err(|error| error.to_string())?;
        upgrades.push(tokio::spawn(pending.upgrade()));
        dials.push(dial);
    }
    connect(&fixture.node(), listener.as_mut()).await?;
    drop(dials);
    for upgrade in upgrades {
        // It ends with its dial, one way or the other.
        if let Ok(mut connection) = upgrade.await.map_err(|error| error.to_string())? {
            let read = connection.stream.read(&mut [0]).await;
            ensure(!matches!(read, Ok(1..)), || format!("{read:?} from a dropped dial"))?;
        }
    }
    Ok(Report { connections: 1, refused: MANY, ..Report::default() })
}
