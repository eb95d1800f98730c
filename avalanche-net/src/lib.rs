//! AvalancheGo's peer protocol: identity, framing, TLS, handshake, requests, throttling and gossip.
//! This crate is still empty: nothing of it is written yet, and it holds no placeholder code.
