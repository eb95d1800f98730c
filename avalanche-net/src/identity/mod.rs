//! Who a node is: its staking certificate, and the BLS key of a validator.
//!
//! A node is its certificate: the [`NodeId`](avalanche_consensus::NodeId) is the RIPEMD-160 of the
//! SHA-256 of the certificate as it is sent in TLS. Whoever holds the key of the certificate is the
//! node. A validator has registered a BLS key, too, and signs with both keys at which address it
//! can be reached.
//!
//! ```text
//!  staker.crt --> Certificate --> NodeId
//!  staker.key --> signs TLS, claimed addresses      } Identity
//!  signer.key --> BlsSecretKey: claimed addresses   }
//! ```
//!
//! [`Identity::load_or_create`] and [`Identity::generate`] read or write files, draw randomness and
//! read the clock; all other functions are pure.
//!
//! # Example
//!
//! ```
//! use avalanche_net::identity::{Identity, UnsignedIp};
//!
//! let identity = Identity::generate()?;
//! let ip = UnsignedIp { addr: "203.0.113.7:9651".parse()?, timestamp: 1_700_000_000 };
//! let signed = ip.sign(&identity)?;
//! assert!(signed.verify_tls(identity.certificate()));
//! assert!(signed.verify_bls(identity.bls().public_key()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limits
//!
//! A certificate has at most [`MAX_CERTIFICATE_BYTES`].

mod bls;
mod certificate;
mod certificate_error;
mod der;
mod error;
mod files;
mod keys;
mod p256;
mod signed_ip;

pub use bls::{
    BLS_PUBLIC_KEY_BYTES, BLS_SIGNATURE_BYTES, BlsError, BlsPublicKey, BlsSecretKey, BlsSignature,
};
pub use certificate::{Certificate, MAX_CERTIFICATE_BYTES};
pub use certificate_error::CertificateError;
pub use error::{FileError, KeyError};
pub use files::{CERTIFICATE_FILE, KEY_FILE, SIGNER_FILE};
pub use keys::Identity;
pub use signed_ip::{SignedIp, UnsignedIp};
