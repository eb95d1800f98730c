//! The keys of this node.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use avalanche_consensus::NodeId;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair, KeyUsagePurpose};
use ring::rand::{SecureRandom, SystemRandom};
use rustls::SignatureScheme;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::SigningKey;

use super::{BlsSecretKey, Certificate, KeyError};

/// What claimed addresses are signed with, by kind of key.
const SIGNATURE_SCHEMES: [SignatureScheme; 2] =
    [SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::RSA_PKCS1_SHA256];
/// How long a new certificate is valid: a hundred years. Nobody looks.
const VALIDITY_SECONDS: u64 = 100 * 31_556_952;
const DAY_SECONDS: u64 = 86_400;
/// 2.5.29.19, and the value that says nothing else than: no authority.
const BASIC_CONSTRAINTS: &[u64] = &[2, 5, 29, 19];
const NO_AUTHORITY: [u8; 2] = [0x30, 0];

/// The keys of this node: of its certificate, for TLS and addresses, and of its BLS signatures.
///
/// Neither `Debug` nor any error shows a secret. The BLS key is overwritten when it is dropped; the
/// TLS key is held by ring, which overwrites nothing.
pub struct Identity {
    certificate: Certificate,
    key: Arc<dyn SigningKey>,
    bls: BlsSecretKey,
}

/// A new identity in the form in which it is stored.
pub(super) struct Stored {
    pub(super) certificate: String,
    pub(super) key: String,
    pub(super) signer: [u8; 32],
}

impl Identity {
    /// A new identity that is stored nowhere: the next start is another node.
    ///
    /// # Errors
    ///
    /// [`KeyError::Randomness`] and [`KeyError::Creation`].
    pub fn generate() -> Result<Self, KeyError> {
        let stored = Stored::generate()?;
        Self::from_pem(stored.certificate.as_bytes(), stored.key.as_bytes(), &stored.signer)
    }

    /// The identity of a certificate and its key as PEM, and 32 bytes of BLS key: the contents of
    /// `staker.crt`, `staker.key` and `signer.key`.
    ///
    /// # Errors
    ///
    /// What is wrong with the first that cannot be used, and [`KeyError::Mismatch`].
    pub fn from_pem(certificate: &[u8], key: &[u8], signer: &[u8]) -> Result<Self, KeyError> {
        let certificate = read_certificate(certificate)?;
        let key = read_key(key)?;
        let bls = BlsSecretKey::from_bytes(signer).map_err(KeyError::Signer)?;
        Self::new(certificate, key, bls)
    }

    pub(super) fn new(
        certificate: Certificate,
        key: Arc<dyn SigningKey>,
        bls: BlsSecretKey,
    ) -> Result<Self, KeyError> {
        let identity = Self { certificate, key, bls };
        // A signature says more than a comparison of keys, and needs no parser.
        let probe = b"is this the key of the certificate?";
        let signature = identity.sign_tls(probe)?;
        match identity.certificate.verify(probe, &signature) {
            true => Ok(identity),
            false => Err(KeyError::Mismatch),
        }
    }

    /// Who this node is.
    #[must_use]
    pub const fn node_id(&self) -> NodeId {
        self.certificate.node_id()
    }

    /// The certificate that peers see.
    #[must_use]
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Signs with the key of the certificate what [`Certificate::verify`] verifies.
    ///
    /// # Errors
    ///
    /// [`KeyError::Signing`] if the operating system gives no randomness.
    pub fn sign_tls(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signer = self.key.choose_scheme(&SIGNATURE_SCHEMES).ok_or(KeyError::UnsupportedKey)?;
        signer.sign(message).map_err(|_| KeyError::Signing)
    }

    /// The BLS key.
    #[must_use]
    pub const fn bls(&self) -> &BlsSecretKey {
        &self.bls
    }

    /// The key of the certificate, for TLS.
    pub(crate) const fn signing_key(&self) -> &Arc<dyn SigningKey> {
        &self.key
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("certificate", &self.certificate)
            .field("bls", self.bls.public_key())
            .finish_non_exhaustive()
    }
}

impl Stored {
    /// A new certificate as AvalancheGo writes it (`staking/tls.go`): ECDSA P-256, serial number 0,
    /// valid from the last day of 1999 for a hundred years from now, for signatures, no authority,
    /// without a name.
    pub(super) fn generate() -> Result<Self, KeyError> {
        let key = KeyPair::generate().map_err(|_| KeyError::Randomness)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let (year, month, day) = date((now + VALIDITY_SECONDS) / DAY_SECONDS);

        let mut params = CertificateParams::default();
        params.serial_number = Some(0_u64.into());
        params.not_before = rcgen::date_time_ymd(1999, 12, 31);
        params.not_after = rcgen::date_time_ymd(year, month, day);
        params.distinguished_name = DistinguishedName::new();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // rcgen would write the key's identifier beside its own form of this one.
        let mut basic = CustomExtension::from_oid_content(BASIC_CONSTRAINTS, NO_AUTHORITY.to_vec());
        basic.set_criticality(true);
        params.custom_extensions = vec![basic];
        let certificate = params.self_signed(&key).map_err(|_| KeyError::Creation)?;

        let signer = BlsSecretKey::generate()?.to_bytes();
        Ok(Self { certificate: certificate.pem(), key: key.serialize_pem(), signer })
    }
}

/// The one certificate of a PEM file.
pub(super) fn read_certificate(pem: &[u8]) -> Result<Certificate, KeyError> {
    let not_pem = KeyError::NotPem { expected: "CERTIFICATE" };
    let mut certificates = CertificateDer::pem_slice_iter(pem);
    let Some(Ok(der)) = certificates.next() else {
        return Err(not_pem);
    };
    match certificates.next() {
        None => Certificate::parse(&der).map_err(KeyError::Certificate),
        Some(_) => Err(KeyError::SeveralCertificates),
    }
}

/// The private key of a PEM file: PKCS#8, or as OpenSSL once wrote them, PKCS#1 and SEC 1.
pub(super) fn read_key(pem: &[u8]) -> Result<Arc<dyn SigningKey>, KeyError> {
    let key = PrivateKeyDer::from_pem_slice(pem)
        .map_err(|_| KeyError::NotPem { expected: "PRIVATE KEY" })?;
    let key = rustls::crypto::ring::sign::any_supported_type(&key)
        .map_err(|_| KeyError::UnsupportedKey)?;
    match key.choose_scheme(&SIGNATURE_SCHEMES) {
        Some(_) => Ok(key),
        None => Err(KeyError::UnsupportedKey),
    }
}

/// Bytes from the operating system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| KeyError::Randomness)?;
    Ok(bytes)
}

/// The date of a day since the first of 1970, in the Gregorian calendar.
///
/// Years begin in March here, so that the day that some years have more is the last one.
fn date(days: u64) -> (i32, u8, u8) {
    const ERA_DAYS: u64 = 146_097;
    // From the first of March of the year 0.
    let days = days + 719_468;
    let (era, day_of_era) = (days / ERA_DAYS, days % ERA_DAYS);
    let leap_days = day_of_era / 1_460 + day_of_era / 146_096 - day_of_era / 36_524;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let small = |value: u64| u8::try_from(value).unwrap_or(1);
    (i32::try_from(year).unwrap_or(9_999), small(month), small(day))
}
