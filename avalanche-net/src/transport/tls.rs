//! TLS 1.3 as AvalancheGo uses it: no authority, names or validity; each end proves that it holds
//! the key of one certificate (AvalancheGo `network/peer/tls_config.go`, `upgrader.go`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::{error, fmt, io};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, Error as TlsError, OtherError,
    PeerIncompatible, ServerConfig, SignatureScheme,
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::read_ahead::ReadAhead;
use super::{Connection, TransportError};
use crate::identity::{Certificate, CertificateError, Identity};

/// How a peer may sign the handshake.
const SCHEMES: [SignatureScheme; 4] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
];

/// Both roles of this node.
#[derive(Clone)]
pub(super) struct Tls {
    connector: TlsConnector,
    acceptor: TlsAcceptor,
}

impl Tls {
    pub(super) fn new(identity: &Identity) -> Result<Self, TransportError> {
        let setup = |source| TransportError::Setup { source: io::Error::other(source) };
        let provider = Arc::new(provider());
        let verifier =
            Arc::new(Verifier { algorithms: provider.signature_verification_algorithms });
        let certificate = CertificateDer::from(identity.certificate().der().to_vec());
        let key = CertifiedKey::new(vec![certificate], Arc::clone(identity.signing_key()));
        let key = Arc::new(SingleCertAndKey::from(key));

        let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(setup)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier) as _)
            .with_client_cert_resolver(Arc::clone(&key) as _);
        client.enable_sni = false;
        client.resumption = Resumption::disabled();

        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(setup)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(key);
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;

        let connector = TlsConnector::from(Arc::new(client));
        Ok(Self { connector, acceptor: TlsAcceptor::from(Arc::new(server)) })
    }

    pub(super) async fn connect(
        &self,
        stream: TcpStream,
        remote: SocketAddr,
    ) -> Result<Connection, TransportError> {
        // rustls wants a name; the verifier does not look at it and it is not sent.
        let name = ServerName::IpAddress(remote.ip().into());
        let handshake = self.connector.connect(name, ReadAhead::new(stream)).await;
        let stream = handshake.map_err(|error| handshake_error(remote, error))?;
        let certificate = certificate(stream.get_ref().1.peer_certificates(), remote)?;
        Ok(Connection { stream: Box::new(stream), certificate, remote })
    }

    pub(super) async fn accept(
        &self,
        stream: TcpStream,
        remote: SocketAddr,
    ) -> Result<Connection, TransportError> {
        let handshake = self.acceptor.accept(ReadAhead::new(stream)).await;
        let stream = handshake.map_err(|error| handshake_error(remote, error))?;
        let certificate = certificate(stream.get_ref().1.peer_certificates(), remote)?;
        Ok(Connection { stream: Box::new(stream), certificate, remote })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// The one place that names the cryptography below TLS. AES-128 is preferred, as Go prefers it.
fn provider() -> CryptoProvider {
    let mut provider = ring::default_provider();
    provider.cipher_suites = vec![
        ring::cipher_suite::TLS13_AES_128_GCM_SHA256,
        ring::cipher_suite::TLS13_AES_256_GCM_SHA384,
        ring::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    ];
    provider
}

/// The certificate that the verifier has let through.
fn certificate(
    chain: Option<&[CertificateDer<'_>]>,
    remote: SocketAddr,
) -> Result<Certificate, TransportError> {
    let chain = chain.unwrap_or_default();
    let [leaf] = chain else {
        return Err(TransportError::Chain { remote, certificates: chain.len() });
    };
    Certificate::parse(leaf).map_err(|source| TransportError::Certificate { remote, source })
}

/// Tells a peer that went away from one that is wrong.
fn handshake_error(remote: SocketAddr, error: io::Error) -> TransportError {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
    match tls {
        Some(TlsError::InvalidCertificate(rustls::CertificateError::Other(OtherError(inner)))) => {
            match inner.downcast_ref::<Refused>() {
                Some(&Refused::Certificate(source)) => {
                    TransportError::Certificate { remote, source }
                }
                Some(&Refused::Chain { certificates }) => {
                    TransportError::Chain { remote, certificates }
                }
                None => TransportError::Tls { remote, source: error },
            }
        }
        Some(_) => TransportError::Tls { remote, source: error },
        None => TransportError::Closed { remote },
    }
}

/// Accepts any single certificate that a staking node may have, and nothing but a signature by its
/// key.
#[derive(Debug)]
struct Verifier {
    algorithms: WebPkiSupportedAlgorithms,
}

/// Why the verifier let a certificate not through, on its way through rustls.
#[derive(Clone, Copy, Debug)]
enum Refused {
    Certificate(CertificateError),
    Chain { certificates: usize },
}

impl Verifier {
    fn verify_chain(leaf: &[u8], intermediates: usize) -> Result<(), TlsError> {
        let refused = if intermediates > 0 {
            Refused::Chain { certificates: intermediates + 1 }
        } else if let Err(error) = Certificate::parse(leaf) {
            Refused::Certificate(error)
        } else {
            return Ok(());
        };
        Err(rustls::CertificateError::Other(OtherError(Arc::new(refused))).into())
    }

    fn verify_signature(
        &self,
        message: &[u8],
        leaf: &[u8],
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let certificate = Certificate::parse(leaf)
            .map_err(|error| OtherError(Arc::new(Refused::Certificate(error))))
            .map_err(rustls::CertificateError::Other)?;
        if !SCHEMES.contains(&signature.scheme) {
            return Err(PeerIncompatible::NoSignatureSchemesInCommon.into());
        }
        // With the key alone: rustls does not read certificates of X.509 v1.
        rustls::crypto::verify_tls13_signature_with_raw_key(
            message,
            &certificate.spki(),
            signature,
            &self.algorithms,
        )
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Self::verify_chain(end_entity, intermediates.len())?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.verify_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, TlsError> {
        Self::verify_chain(end_entity, intermediates.len())?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.verify_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(error) => write!(f, "{error}"),
            Self::Chain { certificates } => write!(f, "{certificates} certificates"),
        }
    }
}

impl error::Error for Refused {}
