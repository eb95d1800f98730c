//! An answer to a connection that no server takes.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::api::ErrorBody;
use crate::trace::TraceId;

/// How long a refusal may take.
pub(crate) const LINGER: Duration = Duration::from_secs(2);
/// Refusals under way; whoever comes beyond is cut off without a word.
pub(crate) const REFUSALS_MAX: usize = 64;
/// The most of a refused request that is read, so that its sender sees the answer.
const REFUSED_BYTES_MAX: u64 = 1 << 20;

/// Answers 503 to whatever was asked.
pub(crate) async fn refuse(mut client: TcpStream, code: &str, reason: &str) {
    let answer = answer("503 Service Unavailable\r\nretry-after: 1", code, reason);
    let talk = async {
        client.write_all(answer.as_bytes()).await?;
        client.shutdown().await?;
        // A connection that is closed with bytes unread is reset, and the answer is lost.
        let (mut rest, mut nowhere) = (client.take(REFUSED_BYTES_MAX), tokio::io::sink());
        tokio::io::copy(&mut rest, &mut nowhere).await
    };
    // Whoever has gone, or does not read, misses the answer.
    _ = timeout(LINGER, talk).await;
}

/// Why a connection beyond the bound is refused.
pub(crate) fn too_many(connections_max: usize) -> String {
    format!("{connections_max} connections are open, which is the most; close some, or try again")
}

/// An answer that is an error and ends the connection; `status` may have headers after it.
pub(crate) fn answer(status: &str, code: &str, message: &str) -> String {
    let body = ErrorBody {
        code: code.to_owned(),
        message: message.to_owned(),
        trace_id: TraceId::fresh().to_string(),
        ..ErrorBody::default()
    };
    let body = serde_json::to_string(&body).unwrap_or_default();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )
}
