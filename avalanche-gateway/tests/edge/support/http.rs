//! HTTP by hand, so that what is wrong can be sent as well.

use std::net::SocketAddr;
use std::time::Duration;

use avalanche_gateway::api::ErrorBody;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request.
#[derive(Clone)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'a str, String)>,
    pub(crate) body: Vec<u8>,
}

impl<'a> Request<'a> {
    pub(crate) fn get(path: &str) -> Self {
        Self { method: "GET", path: path.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn post(path: &str, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type", media_type.to_owned())];
        Self { method: "POST", path: path.to_owned(), headers, body: body.into() }
    }

    pub(crate) fn octets(path: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::post(path, "application/octet-stream", body)
    }

    pub(crate) fn json(path: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::post(path, "application/json", body)
    }

    pub(crate) fn header(mut self, name: &'a str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn head(&self) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\nhost: x\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !self.body.is_empty() {
            head += &format!("content-length: {}\r\n", self.body.len());
        }
        head + "connection: close\r\n\r\n"
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// Reads an answer that ends with its connection.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("{:?}", String::from_utf8_lossy(bytes)));
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_lowercase(), body: bytes[end + 4..].to_vec() }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {:?}", self.head, self.text()))
    }

    /// The body of an error, whose form is checked.
    pub(crate) fn error(&self) -> ErrorBody {
        assert!(self.head.contains("content-type: application/json"), "{}", self.head);
        let body: ErrorBody = serde_json::from_value(self.json()).unwrap();
        assert_eq!(body.trace_id.len(), 32, "{body:?}");
        assert!(!body.code.is_empty() && !body.message.is_empty(), "{body:?}");
        assert!(self.json().get("detail").is_some(), "{body:?}");
        body
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Asks, on a connection of its own.
pub(crate) async fn ask(address: SocketAddr, request: &Request<'_>) -> Response {
    let mut bytes = request.head().into_bytes();
    bytes.extend_from_slice(&request.body);
    Response::read(&raw(address, &bytes).await)
}

/// Sends bytes, and reads to the end of the answer.
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Whoever is refused early may be cut off; the answer is there nevertheless.
    _ = stream.write_all(bytes).await;
    rest(&mut stream).await
}

/// Reads to the end of a connection.
pub(crate) async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let outcome = tokio::time::timeout(Duration::from_secs(60), read).await.unwrap();
    // A reset after the answer is an end, too.
    if outcome.is_err() {
        assert!(!answer.is_empty(), "{outcome:?}");
    }
    answer
}
