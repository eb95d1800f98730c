//! Peers that are not what they should be, over real sockets: each ends with its own reason, and
//! the listener goes on.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

mod support;

use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use avalanche_net::CloseReason::{self, BadCertificate, RemoteClosed, TlsFailed};
use avalanche_net::identity::{CertificateError, Identity};
use avalanche_net::transport::{Connection, Listener, TcpTransport, Transport, TransportError};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, Signer, SigningKey, SingleCertAndKey};
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureAlgorithm, SignatureScheme,
};
use support::unhex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A ClientHello of TLS 1.2: random bytes, two cipher suites, groups and signatures of P-256.
const TLS12_HELLO: &str = "160301004c010000480303\
    000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\
    00\
    0004c02bc02f\
    0100\
    001b\
    000a000400020017\
    000d000400020403\
    000b00020100\
    ff01000100";

/// What an end shows and signs with.
struct Hostile {
    name: &'static str,
    chain: Vec<Vec<u8>>,
    reason: CloseReason,
    /// Which rule the certificate breaks, if it is that.
    rule: Option<CertificateError>,
}

/// Signs with a key of P-256, whatever certificate is shown.
#[derive(Clone, Debug)]
struct Forger(Arc<Identity>);

impl SigningKey for Forger {
    fn choose_scheme(&self, _offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(self.clone()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for Forger {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.0.sign_tls(message).map_err(|error| Error::General(error.to_string()))
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP256_SHA256
    }
}

/// Believes everybody.
#[derive(Debug)]
struct Naive;

impl ServerCertVerifier for Naive {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::RSA_PSS_SHA256]
    }
}

impl ClientCertVerifier for Naive {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::RSA_PSS_SHA256]
    }
}

fn certified(chain: &[Vec<u8>], key: &Forger) -> Arc<SingleCertAndKey> {
    let chain = chain.iter().cloned().map(CertificateDer::from).collect();
    Arc::new(CertifiedKey::new(chain, Arc::new(key.clone())).into())
}

fn client(key: Option<Arc<SingleCertAndKey>>) -> TlsConnector {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Naive));
    let config = match key {
        Some(key) => builder.with_client_cert_resolver(key),
        None => builder.with_no_client_auth(),
    };
    TlsConnector::from(Arc::new(config))
}

fn server(key: Arc<SingleCertAndKey>) -> TlsAcceptor {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_client_cert_verifier(Arc::new(Naive))
        .with_cert_resolver(key);
    TlsAcceptor::from(Arc::new(config))
}

fn of_algorithm(algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
    let key = rcgen::KeyPair::generate_for(algorithm).expect("a key");
    let params = rcgen::CertificateParams::default();
    params.self_signed(&key).expect("a certificate").der().to_vec()
}

/// The least that is a certificate, with an RSA key.
fn of_rsa(bits: usize, exponent: u8) -> Vec<u8> {
    let element = |tag: u8, content: &[u8]| {
        let [.., high, low] = content.len().to_be_bytes();
        let head = match content.len() {
            ..128 => vec![tag, low],
            128..256 => vec![tag, 0x81, low],
            _ => vec![tag, 0x82, high, low],
        };
        [head, content.to_vec()].concat()
    };
    let mut modulus = vec![0xff; bits / 8 + 1];
    modulus[0] = 0;
    let key = [element(2, &modulus), element(2, &[1, 0, exponent])].concat();
    let key = [vec![0], element(0x30, &key)].concat();
    let algorithm = element(0x30, &unhex("06092a864886f70d0101010500"));
    let spki = element(0x30, &[algorithm, element(3, &key)].concat());
    let names = element(0x30, &[]).repeat(4);
    let tbs = [element(2, &[0]), names, spki].concat();
    element(0x30, &element(0x30, &tbs))
}

/// Ends of whom a forger has the certificate, but not always the key.
fn hostile(own: &[u8], others: &[u8]) -> Vec<Hostile> {
    let of = |name, chain, rule| Hostile { name, chain, reason: BadCertificate, rule };
    let bad = |name, der, rule| of(name, vec![der], Some(rule));
    let bits = |bits| CertificateError::UnsupportedRsaModulusLen { bits };
    let unknown = CertificateError::UnknownPublicKeyAlgorithm;
    let p384 = of_algorithm(&rcgen::PKCS_ECDSA_P384_SHA384);
    let exponent = CertificateError::UnsupportedRsaPublicExponent;
    let stolen = |name, chain| Hostile { name, chain, reason: TlsFailed, rule: None };
    vec![
        bad("Ed25519", of_algorithm(&rcgen::PKCS_ED25519), unknown),
        bad("P-384", p384, CertificateError::InvalidPoint),
        bad("RSA of 1024 bits", of_rsa(1024, 1), bits(1024)),
        bad("RSA of 3072 bits", of_rsa(3072, 1), bits(3072)),
        bad("RSA of 8192 bits", of_rsa(8192, 1), bits(8192)),
        bad("an odd exponent", of_rsa(2048, 3), exponent),
        bad("garbage", vec![1, 2, 3], CertificateError::MalformedCertificate),
        bad("large", vec![0x30; 2049], CertificateError::TooLarge { len: 2049 }),
        of("two certificates", vec![own.to_vec(), others.to_vec()], None),
        of("the same twice", vec![own.to_vec(), own.to_vec()], None),
        stolen("a certificate of another key", vec![others.to_vec()]),
        stolen("a certificate of another kind of key", vec![of_rsa(2048, 1)]),
    ]
}

fn check(name: &str, expected: &Hostile, found: Result<Connection, TransportError>) {
    let error = found.expect_err(name);
    assert_eq!(error.reason(), expected.reason, "{name}: {error}");
    let rule = match &error {
        TransportError::Certificate { source, .. } => Some(*source),
        _ => None,
    };
    assert_eq!(rule, expected.rule, "{name}: {error}");
    let chain = matches!(error, TransportError::Chain { certificates: 2, .. });
    assert_eq!(chain, expected.chain.len() == 2, "{name}: {error}");
}

/// A node that listens.
async fn listener() -> (TcpTransport, Box<dyn Listener>, SocketAddr) {
    let node = TcpTransport::new(&Identity::generate().expect("an identity")).expect("TLS");
    let listener = node.listen((Ipv4Addr::LOCALHOST, 0).into()).await.expect("an address");
    let addr = listener.local_addr();
    (node, listener, addr)
}

/// What the next connection becomes.
async fn upgrade(listener: &mut dyn Listener) -> Result<Connection, TransportError> {
    listener.accept().await.expect("a connection").upgrade().await
}

/// An honest node still gets through.
async fn still_listens(listener: &mut dyn Listener) {
    let honest = TcpTransport::new(&Identity::generate().expect("an identity")).expect("TLS");
    let addr = listener.local_addr();
    let (dialled, accepted) = tokio::join!(honest.dial(addr), upgrade(listener));
    dialled.expect("dialled");
    accepted.expect("accepted");
}

/// Sends these bytes and goes away, once something came back or the end.
async fn send(addr: SocketAddr, bytes: &[u8]) {
    let mut stream = TcpStream::connect(addr).await.expect("connected");
    stream.write_all(bytes).await.expect("sent");
    let _ = stream.read(&mut [0; 1024]).await;
}

#[tokio::test]
async fn a_client_that_does_not_speak_tls_13_is_refused_and_the_listener_goes_on() {
    let (_node, mut listener, addr) = listener().await;
    let oversized = unhex("1603014001");
    let cases: [(&str, &[u8]); 6] = [
        ("HTTP", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ("zeros", &[0; 64]),
        ("ones", &[0xff; 64]),
        ("a frame of our own", &unhex("000000045a020849")),
        ("TLS 1.2", &unhex(TLS12_HELLO)),
        ("a record that is too large", &[oversized, vec![0; 0x4001]].concat()),
    ];
    for (name, bytes) in cases {
        let (found, ()) = tokio::join!(upgrade(listener.as_mut()), send(addr, bytes));
        let error = found.expect_err(name);
        assert_eq!(error.reason(), TlsFailed, "{name}: {error}");
        assert!(matches!(error, TransportError::Tls { .. }), "{name}: {error:?}");
        // Read as what it is, that is.
        let is_hello = error.to_string().contains("peer is incompatible");
        assert_eq!(is_hello, name == "TLS 1.2", "{name}: {error}");
        still_listens(listener.as_mut()).await;
    }
}

#[tokio::test]
async fn a_client_that_goes_away_is_no_failure_of_tls() {
    let (_node, mut listener, addr) = listener().await;
    let hello = unhex(TLS12_HELLO);
    for sent in [0, 1, 5, 40] {
        let gone = async {
            let mut stream = TcpStream::connect(addr).await.expect("connected");
            stream.write_all(&hello[..sent]).await.expect("sent");
        };
        let (found, ()) = tokio::join!(upgrade(listener.as_mut()), gone);
        let error = found.expect_err("gone");
        assert_eq!(error.reason(), RemoteClosed, "{sent}: {error}");
        still_listens(listener.as_mut()).await;
    }
}

#[tokio::test]
async fn a_client_without_certificate_is_refused() {
    let (_node, mut listener, addr) = listener().await;
    let anonymous = async {
        let stream = TcpStream::connect(addr).await.expect("connected");
        let name = ServerName::IpAddress(addr.ip().into());
        // In TLS 1.3 the client is done before the server has seen that there is none.
        let mut stream = client(None).connect(name, stream).await.expect("a handshake");
        assert!(stream.read(&mut [0]).await.is_err());
    };
    let (found, ()) = tokio::join!(upgrade(listener.as_mut()), anonymous);
    let error = found.expect_err("anonymous");
    assert_eq!(error.reason(), TlsFailed, "{error}");
    assert!(error.to_string().contains("no certificate"), "{error}");
    still_listens(listener.as_mut()).await;
}

#[tokio::test]
async fn clients_with_wrong_certificates_or_keys_are_refused_and_the_listener_goes_on() {
    let forger = Forger(Arc::new(Identity::generate().expect("an identity")));
    let victim = Identity::generate().expect("an identity");
    let (own, others) = (forger.0.certificate().der(), victim.certificate().der());
    let (_node, mut listener, addr) = listener().await;
    for case in hostile(own, others) {
        let connect = async {
            let stream = TcpStream::connect(addr).await.expect("connected");
            let name = ServerName::IpAddress(addr.ip().into());
            let client = client(Some(certified(&case.chain, &forger)));
            // In TLS 1.3 the client is done before the server has seen its certificate.
            let _stream = client.connect(name, stream).await.expect("a handshake");
            pending::<()>().await;
        };
        let found = tokio::select! {
            found = upgrade(listener.as_mut()) => found,
            () = connect => unreachable!("it waits for ever"),
        };
        check(case.name, &case, found);
        still_listens(listener.as_mut()).await;
    }
    // The forger's own certificate is as good as any.
    let honest = client(Some(certified(&[own.to_vec()], &forger)));
    let connect = async {
        let stream = TcpStream::connect(addr).await.expect("connected");
        honest.connect(ServerName::IpAddress(addr.ip().into()), stream).await
    };
    let (accepted, connected) = tokio::join!(upgrade(listener.as_mut()), connect);
    connected.expect("connected");
    assert_eq!(accepted.expect("accepted").certificate.node_id(), forger.0.node_id());
}

#[tokio::test]
async fn servers_with_wrong_certificates_or_keys_are_refused() {
    let forger = Forger(Arc::new(Identity::generate().expect("an identity")));
    let victim = Identity::generate().expect("an identity");
    let (own, others) = (forger.0.certificate().der(), victim.certificate().der());
    let node = TcpTransport::new(&Identity::generate().expect("an identity")).expect("TLS");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("an address");
    let addr = listener.local_addr().expect("an address");
    for case in hostile(own, others) {
        let server = server(certified(&case.chain, &forger));
        let serve = async {
            let (stream, _) = listener.accept().await.expect("a connection");
            assert!(server.accept(stream).await.is_err(), "{}", case.name);
        };
        let (found, ()) = tokio::join!(node.dial(addr), serve);
        check(case.name, &case, found);
    }
    for (name, bytes, reason) in [
        ("HTTP", b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice(), TlsFailed),
        ("a frame of our own", &unhex("000000045a020849"), TlsFailed),
        ("nothing", &[], RemoteClosed),
    ] {
        let serve = async {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let _ = stream.read(&mut [0; 2048]).await;
            stream.write_all(bytes).await.expect("sent");
        };
        let (found, ()) = tokio::join!(node.dial(addr), serve);
        assert_eq!(found.expect_err(name).reason(), reason, "{name}");
    }
}
