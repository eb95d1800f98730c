//! Ports of loopback: free ones, and whether one is free.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::{io, iter};

use super::DevnetError;

/// An address of loopback.
#[must_use]
pub fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Free ports, all different. They are only looked up: whoever takes them may be too late.
///
/// # Errors
///
/// What the operating system says if there are not as many.
pub fn free(count: usize) -> Result<Vec<u16>, DevnetError> {
    // All are held until the last is known, so that none comes twice.
    let listeners: io::Result<Vec<_>> =
        iter::repeat_with(|| TcpListener::bind(local(0))).take(count).collect();
    let ports =
        listeners.and_then(|all| all.iter().map(|one| Ok(one.local_addr()?.port())).collect());
    ports.map_err(|error| DevnetError::Port {
        port: 0,
        whose: format!("{count} free ones"),
        reason: format!("the operating system has none: {error}"),
    })
}

/// Whether nobody listens on this port of loopback.
#[must_use]
pub fn is_free(port: u16) -> bool {
    TcpListener::bind(local(port)).is_ok()
}

/// Listens on the port of the API, 0 for a free one.
///
/// # Errors
///
/// [`DevnetError::Port`] says what to do if it is taken.
pub fn listen(port: u16) -> Result<TcpListener, DevnetError> {
    TcpListener::bind(local(port)).map_err(|error| {
        let reason = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "another program listens on it; end that one, or choose another port with \
                 --api-port, where 0 takes a free one"
                    .to_owned()
            }
            _ => format!("{error}; choose another port with --api-port"),
        };
        DevnetError::Port { port, whose: "--api-port".to_owned(), reason }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn free_ports_are_different_and_can_be_listened_on() {
        let ports = free(20).unwrap();
        let different: BTreeSet<_> = ports.iter().collect();
        assert_eq!(different.len(), 20);
        assert!(!ports.contains(&0));
    }

    #[test]
    fn a_port_in_use_is_named_with_the_way_out() {
        let held = TcpListener::bind(local(0)).unwrap();
        let port = held.local_addr().unwrap().port();
        assert!(!is_free(port));
        let error = listen(port).unwrap_err().to_string();
        for says in [port.to_string().as_str(), "--api-port", "another program"] {
            assert!(error.contains(says), "{says:?} is not in {error}");
        }
    }
}
