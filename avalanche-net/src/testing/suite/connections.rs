//! Rules on how connections come about.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time;

use super::{Fixture, Node, Report, connect, ensure};
use crate::CloseReason;

/// Connections that are made at once.
const MANY: u64 = 50;

pub(super) async fn known((from, to): (Node, Node)) -> Result<Report, String> {
    let mut listener = to.bind().await?;
    let addr = listener.local_addr();
    ensure(addr.port() != 0, || format!("it listens at {addr}"))?;
    ensure(addr.ip() == to.listen.ip(), || format!("it listens at {addr}"))?;
    // In both roles, and twice in one of them.
    let mut listener_back = from.bind().await?;
    let first = connect(&from, listener.as_mut()).await?;
    let second = connect(&from, listener.as_mut()).await?;
    let (back_dialled, back_accepted) = connect(&to, listener_back.as_mut()).await?;
    for (dialled, accepted) in [&first, &second, &(back_accepted, back_dialled)] {
        let seen = (&dialled.certificate, &accepted.certificate);
        ensure(seen == (&to.certificate, &from.certificate), || format!("it shows {seen:?}"))?;
    }
    for (dialled, accepted) in [&first, &second] {
        ensure(dialled.remote == addr, || format!("{} was dialled", dialled.remote))?;
        ensure(accepted.remote.ip() == from.listen.ip(), || format!("{accepted:?} was accepted"))?;
    }
    ensure(first.1.remote != second.1.remote, || "two connections from one port".to_owned())?;
    Ok(Report { connections: 3, ..Report::default() })
}

pub(super) async fn refused((from, to): (Node, Node)) -> Result<Report, String> {
    // Somebody listened there, so that the address is one.
    let addr = to.bind().await?.local_addr();
    match from.transport.dial(addr).await {
        Ok(connection) => Err(format!("{connection:?} with nobody")),
        Err(error) if error.reason() == CloseReason::RemoteClosed => {
            Ok(Report { refused: 1, ..Report::default() })
        }
        Err(error) => Err(format!("{error} counts as {}", error.reason())),
    }
}

pub(super) async fn taken((from, to): (Node, Node)) -> Result<Report, String> {
    let mut listener = to.bind().await?;
    let addr = listener.local_addr();
    let again = to.transport.listen(addr).await;
    ensure(again.is_err(), || format!("{addr} was taken twice"))?;
    let connection = connect(&from, listener.as_mut()).await?;
    drop(connection);
    drop(listener);

    let again = to.transport.listen(addr).await;
    let mut listener = again.map_err(|error| format!("{addr} was not freed: {error}"))?;
    connect(&from, listener.as_mut()).await?;
    Ok(Report { connections: 2, ..Report::default() })
}

pub(super) async fn many(fixture: &dyn Fixture) -> Result<Report, String> {
    let to = fixture.node();
    let mut listener = to.bind().await?;
    let addr = listener.local_addr();
    let mut tasks = JoinSet::new();
    for number in 0..MANY {
        let node = fixture.node();
        tasks.spawn(async move {
            let mut connection =
                node.transport.dial(addr).await.map_err(|error| error.to_string())?;
            let failed = |error| format!("{number}: {error}");
            connection.stream.write_u64(number).await.map_err(failed)?;
            connection.stream.flush().await.map_err(failed)?;
            let answer = connection.stream.read_u64().await.map_err(failed)?;
            ensure(answer == number, || format!("{number} was answered by {answer}"))
        });
    }
    for _ in 0..MANY {
        let pending = listener.accept().await.map_err(|error| error.to_string())?;
        tasks.spawn(async move {
            let mut connection = pending.upgrade().await.map_err(|error| error.to_string())?;
            let failed = |error| format!("accepted: {error}");
            let number = connection.stream.read_u64().await.map_err(failed)?;
            connection.stream.write_u64(number).await.map_err(failed)?;
            connection.stream.flush().await.map_err(failed)?;
            // Until the other end has read it.
            let _ = connection.stream.read(&mut [0]).await;
            Ok(())
        });
    }
    while let Some(result) = tasks.join_next().await {
        result.map_err(|error| error.to_string())??;
    }
    Ok(Report { connections: MANY, bytes: MANY * 16, ..Report::default() })
}

pub(super) async fn cancelled((from, to): (Node, Node)) -> Result<Report, String> {
    let mut listener = to.bind().await?;
    let addr = listener.local_addr();
    for round in 0..3 {
        let transport = from.transport.clone();
        let dial = tokio::spawn(async move { transport.dial(addr).await });
        let pending = loop {
            // Dropped again and again, before and while the connection comes.
            match time::timeout(Duration::from_micros(50), listener.accept()).await {
                Ok(pending) => break pending,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let accepted = pending.map_err(|error| error.to_string())?.upgrade().await;
        ensure(accepted.is_ok(), || format!("round {round}: {accepted:?}"))?;
        let dialled = dial.await.map_err(|error| error.to_string())?;
        ensure(dialled.is_ok(), || format!("round {round}: {dialled:?}"))?;
    }
    Ok(Report { connections: 3, ..Report::default() })
}
