//! The floor: TLS as `tokio-rustls` has it, a length before each message, and the generated
//! protobuf.

use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use avalanche_net::identity::Identity;
use avalanche_net::wire::Body;
use avalanche_net::wire::p2p::Message;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message as _;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::version::TLS13;
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::loopback;
use crate::store::{Folder, told};

/// Messages are gathered into writes of so many bytes, as the network does it.
pub const WRITE: usize = 64 * 1024;
/// Room for what is read.
const READ: usize = 64 * 1024;

/// The end that connected.
pub type Client = Channel<client::TlsStream<TcpStream>>;
/// The end that listened.
pub type Server = Channel<server::TlsStream<TcpStream>>;

/// One end of a connection, with a buffer each way.
#[derive(Debug)]
pub struct Channel<S> {
    stream: S,
    read: BytesMut,
    gathered: BytesMut,
}

/// Connects over the loopback, with a certificate as nodes have it and the cipher that they use.
///
/// # Errors
///
/// Of the loopback, the folder for temporary files, and TLS.
pub async fn connect() -> io::Result<(Client, Server)> {
    let folder = Folder::new()?;
    let _ = Identity::load_or_create(folder.path()).map_err(told)?;
    let (acceptor, connector) = configs(folder.path())?;
    let listener = TcpListener::bind(loopback()).await?;
    let address = listener.local_addr()?;
    let accepted = tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        acceptor.accept(stream).await
    });
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let client = connector.connect(ServerName::IpAddress(address.ip().into()), stream).await?;
    let server = accepted.await.map_err(told)??;
    Ok((Channel::new(client), Channel::new(server)))
}

impl<S: AsyncRead + AsyncWrite + Unpin> Channel<S> {
    /// Around a connection.
    pub fn new(stream: S) -> Self {
        Self { stream, read: BytesMut::new(), gathered: BytesMut::new() }
    }

    /// Encodes a message behind those that were gathered, and writes all once they fill a write.
    ///
    /// # Errors
    ///
    /// The other end is gone.
    pub async fn put(&mut self, body: Body) -> io::Result<()> {
        let message = Message { message: Some(body) };
        let length = u32::try_from(message.encoded_len()).map_err(told)?;
        self.gathered.put_u32(length);
        message.encode(&mut self.gathered)?;
        if self.gathered.len() >= WRITE {
            self.write().await?;
        }
        Ok(())
    }

    /// Writes what was gathered.
    ///
    /// # Errors
    ///
    /// The other end is gone.
    pub async fn flush(&mut self) -> io::Result<()> {
        self.write().await?;
        self.stream.flush().await
    }

    async fn write(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.gathered).await?;
        self.gathered.clear();
        Ok(())
    }

    /// The next message.
    ///
    /// # Errors
    ///
    /// The other end is gone, or sent no message.
    pub async fn next(&mut self) -> io::Result<Body> {
        loop {
            if let Some(frame) = self.frame() {
                let message = Message::decode(frame)?;
                return message.message.ok_or_else(|| told("a message of no kind"));
            }
            self.read.reserve(READ);
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn frame(&mut self) -> Option<Bytes> {
        let length = u32::from_be_bytes(*self.read.first_chunk()?);
        let length = usize::try_from(length).ok()?;
        if self.read.len() < 4 + length {
            return None;
        }
        self.read.advance(4);
        Some(self.read.split_to(length).freeze())
    }
}

/// Both roles of a node with the certificate in a folder. Both ends show theirs; who is at the
/// other end is not looked at.
///
/// # Errors
///
/// Of the folder, and of TLS.
pub fn configs(folder: &Path) -> io::Result<(TlsAcceptor, TlsConnector)> {
    let certificate = CertificateDer::from_pem_slice(&fs::read(folder.join("staker.crt"))?);
    let certificate = certificate.map_err(told)?;
    let key = PrivateKeyDer::from_pem_slice(&fs::read(folder.join("staker.key"))?);
    let key = key.map_err(told)?;

    let mut provider = ring::default_provider();
    provider.cipher_suites = vec![ring::cipher_suite::TLS13_AES_128_GCM_SHA256];
    let provider = Arc::new(provider);
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])
        .map_err(told)?
        .with_client_cert_verifier(Arc::new(Anybody))
        .with_single_cert(vec![certificate.clone()], key.clone_key())
        .map_err(told)?;
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(told)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_client_auth_cert(vec![certificate], key)
        .map_err(told)?;
    Ok((TlsAcceptor::from(Arc::new(server)), TlsConnector::from(Arc::new(client))))
}

/// Looks at nothing: the handshake is not measured.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

impl ClientCertVerifier for Anybody {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        ServerCertVerifier::verify_tls12_signature(self, message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        ServerCertVerifier::verify_tls13_signature(self, message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ServerCertVerifier::supported_verify_schemes(self)
    }
}
