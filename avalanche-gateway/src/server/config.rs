//! Bounds of a server.

use std::time::Duration;

/// What a server allows. All bounds are of the whole server, not of one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayConfig {
    /// Connections at once, without those that became WebSockets; each takes a file descriptor.
    /// When one more comes, the one that has been without a request for the longest time is closed;
    /// if all are busy, the new one gets 503. By default 4,096.
    pub connections_max: usize,
    /// Requests in work at once; beyond, 503 with `Retry-After`. Probes are not counted. By
    /// default 4,096.
    pub requests_max: usize,
    /// Bodies of requests and bytes of blocks in memory at once, in bytes; beyond, 503 with
    /// `Retry-After`. By default 256 MiB.
    pub memory_bytes_max: usize,
    /// The longest head of a request, in bytes; beyond, 431. By default 16 KiB.
    pub header_bytes_max: usize,
    /// How long the head of a request may take, and how long a connection is kept without one. By
    /// default 10 s.
    pub header_timeout: Duration,
    /// How long the body of a request may take; beyond, 408. By default 15 s.
    pub body_timeout: Duration,
    /// How long a client may read nothing of its answer before its connection is closed. By default
    /// 20 s.
    pub write_timeout: Duration,
    /// How long a request may take that does not wait for finality; beyond, 503. By default 20 s.
    pub request_timeout: Duration,
    /// The longest transaction, in bytes; beyond, 413. By default 1 MiB.
    pub transaction_bytes_max: usize,
    /// The longest body of a batch, in bytes; beyond, 413. By default 8 MiB.
    pub batch_bytes_max: usize,
    /// The most transactions of a batch; beyond, 413. By default 16,384.
    pub batch_count_max: usize,
    /// The longest encoded block, in bytes; beyond, 413. By default 2 MiB.
    pub block_bytes_max: usize,
    /// The longest body for a handler of a VM, in bytes; beyond, 413. By default 1 MiB.
    pub vm_body_bytes_max: usize,
    /// How long a transaction is waited for if the client does not say. By default 30 s.
    pub wait: Duration,
    /// The longest that a client can have a transaction waited for; more is cut. By default 60 s.
    pub wait_max: Duration,
    /// The most blocks, names or peers of one answer. By default 1,000.
    pub page_max: usize,
    /// WebSockets at once; beyond, 503. By default 1,024.
    pub websockets_max: usize,
    /// How often a WebSocket is pinged; it is closed when nothing came for two such times. By
    /// default 20 s.
    pub websocket_ping: Duration,
    /// How long one message to a WebSocket may take before it is closed as too slow. By default
    /// 10 s.
    pub websocket_write_timeout: Duration,
    /// How often peers are looked at for the topic `peers`. By default 1 s.
    pub peers_interval: Duration,
    /// How long requests in work may take when the server ends. By default 5 s.
    pub drain: Duration,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            connections_max: 4_096,
            requests_max: 4_096,
            memory_bytes_max: 256 << 20,
            header_bytes_max: 16 << 10,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(15),
            write_timeout: Duration::from_secs(20),
            request_timeout: Duration::from_secs(20),
            transaction_bytes_max: 1 << 20,
            batch_bytes_max: 8 << 20,
            batch_count_max: 16_384,
            block_bytes_max: 2 << 20,
            vm_body_bytes_max: 1 << 20,
            wait: Duration::from_secs(30),
            wait_max: Duration::from_secs(60),
            page_max: 1_000,
            websockets_max: 1_024,
            websocket_ping: Duration::from_secs(20),
            websocket_write_timeout: Duration::from_secs(10),
            peers_interval: Duration::from_secs(1),
            drain: Duration::from_secs(5),
        }
    }
}
