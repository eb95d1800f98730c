//! The line that a node prints when it is ready.

use std::net::SocketAddr;

use avalanche_consensus::NodeId;
use serde::{Deserialize, Serialize};

/// A node is ready: it listens for peers and clients. It may have to catch up still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Who it is.
    pub node_id: NodeId,
    /// Where it listens for peers.
    pub peer: SocketAddr,
    /// Where it serves HTTP.
    pub api: SocketAddr,
}

/// What a node prints.
#[derive(Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line {
    Ready(Ready),
}

impl Ready {
    /// It as a line of JSON, with its end.
    #[must_use]
    pub fn line(&self) -> String {
        // Identifiers and addresses are text.
        let mut line = serde_json::to_string(&Line::Ready(*self)).unwrap_or_default();
        line.push('\n');
        line
    }

    /// Reads a line; `None` if it says something else.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        let Line::Ready(ready) = serde_json::from_slice(line).ok()?;
        Some(ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_one_form() {
        let ready = Ready {
            node_id: NodeId::new([0; 20]),
            peer: "127.0.0.1:9651".parse().unwrap(),
            api: "[::1]:8080".parse().unwrap(),
        };
        let line = "{\"event\":\"ready\",\"node_id\":\"NodeID-111111111111111111116DBWJs\",\
                    \"peer\":\"127.0.0.1:9651\",\"api\":\"[::1]:8080\"}\n";
        assert_eq!(ready.line(), line);
        assert_eq!(Ready::parse(line.as_bytes()), Some(ready));
        for other in ["", "ready", "{}", &line.replace("ready", "steady"), &line.replace("1:", "")]
        {
            assert_eq!(Ready::parse(other.as_bytes()), None, "{other}");
        }
    }
}
