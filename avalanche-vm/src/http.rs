//! What a VM serves to clients, without an HTTP library in sight.

use async_trait::async_trait;

/// A request below a VM's route. Headers stay at the edge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpRequest {
    /// `GET`, `POST` and so on.
    pub method: String,
    /// What follows the handler's own path; empty or beginning with `/`.
    pub path: String,
    /// What follows `?`, still encoded.
    pub query: String,
    /// The body. The edge bounds its length.
    pub body: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status.
    pub status: u16,
    /// The media type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

/// Answers requests, many at a time, while the VM goes on.
///
/// # Contract
///
/// A handler reads what the VM published, and never waits for the VM. It may outlive the instance,
/// and then answers 503.
#[async_trait]
pub trait HttpHandler: Send + Sync {
    /// Answers one request. There is no error: what goes wrong has a status.
    async fn handle(&self, request: HttpRequest) -> HttpResponse;
}
