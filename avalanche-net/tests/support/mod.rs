//! What several tests need.
#![expect(dead_code, reason = "each test uses some of it")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, process};

use avalanche_net::identity::Certificate;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The stakers of AvalancheGo's local network, and who they are (`staking/local`, `genesis`).
pub(crate) const STAKERS: [(&[u8], &str); 5] = [
    (include_bytes!("../data/staker1.crt"), "NodeID-7Xhw2mDxuDS44j42TCB6U5579esbSt3Lg"),
    (include_bytes!("../data/staker2.crt"), "NodeID-MFrZFVCXPv5iCn6M9K6XduxGTYp891xXZ"),
    (include_bytes!("../data/staker3.crt"), "NodeID-NFBbbJ4qCmNaCzeW7sxErhvWqvEQMnYcN"),
    (include_bytes!("../data/staker4.crt"), "NodeID-GWPcbFJZFfZreETSoWjPimr846mXEKCtu"),
    (include_bytes!("../data/staker5.crt"), "NodeID-P7oB2McjBGgW2NXXWVYjV8JEDFoW9xDE5"),
];

pub(crate) fn staker(pem: &[u8]) -> Certificate {
    let der = CertificateDer::from_pem_slice(pem).expect("a certificate");
    Certificate::parse(&der).expect("a staking certificate")
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal digits");
    (0..text.len()).step_by(2).map(digits).collect()
}

/// A directory of its own, which is removed with what is in it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("avalanche-net-{}-{number}", process::id()));
        fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
