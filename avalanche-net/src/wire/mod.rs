//! Messages between peers, as bytes.

/// The messages of the peer protocol, generated from `proto/p2p.proto`.
#[expect(missing_docs, reason = "generated: the meaning of each field is in the protocol's description")]
pub mod p2p;
/// What applications put into app messages, generated from `proto/sdk.proto`.
#[expect(missing_docs, reason = "generated: the meaning of each field is in the protocol's description")]
pub mod sdk;
