//! Files with certificates and keys: reading them, and noticing that they have changed.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustls_pki_types::pem::{PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::{Error, Flaw};

/// A file, as it was when it was read.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    path: PathBuf,
    stamp: Option<Stamp>,
}

/// What changes with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: (i64, i64),
    len: u64,
    /// A file that was moved into the place of another has another one.
    inode: (u64, u64),
}

impl Source {
    /// Reads a file, and takes what `parse` finds in it.
    pub(crate) fn read<T>(
        path: &Path,
        parse: impl FnOnce(&[u8]) -> Result<T, Flaw>,
    ) -> Result<(Self, T), Error> {
        // Before reading, so that what changes meanwhile is seen later.
        let stamp = Stamp::of(path);
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_FILE_LEN + 1).read_to_end(&mut bytes))
            .map_err(|error| Error::File {
                path: path.into(),
                error,
            })?;
        let parsed = match bytes.len() as u64 > MAX_FILE_LEN {
            true => Err(Flaw::TooLong { max: MAX_FILE_LEN }),
            false => parse(&bytes),
        };
        let source = Self {
            path: path.into(),
            stamp,
        };
        match parsed {
            Ok(parsed) => Ok((source, parsed)),
            Err(flaw) => Err(flaw.of(Some(&source.path))),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns what it was when it was read.
    pub(crate) fn stamp(&self) -> Option<&Stamp> {
        self.stamp.as_ref()
    }
}

impl Stamp {
    /// `None` if there is no such file.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            len: metadata.len(),
            inode: (metadata.dev(), metadata.ino()),
        })
    }
}

pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Flaw> {
    let sections = sections(pem)?;
    let certificates: Vec<_> = sections
        .iter()
        .filter(|(kind, _)| *kind == SectionKind::Certificate)
        .map(|(_, der)| CertificateDer::from(der.clone()))
        .collect();
    match certificates.is_empty() {
        false => Ok(certificates),
        true if sections.iter().any(|(kind, _)| is_key(kind)) || is_encrypted(pem) => {
            Err(Flaw::KeyForCertificate)
        }
        true => Err(Flaw::NoCertificate),
    }
}

pub(crate) fn key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Flaw> {
    if is_encrypted(pem) {
        return Err(Flaw::EncryptedKey);
    }
    let sections = sections(pem)?;
    if !sections.iter().any(|(kind, _)| is_key(kind)) {
        return Err(match sections.is_empty() {
            true => Flaw::NoKey,
            false => Flaw::CertificateForKey,
        });
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| Flaw::Damaged)
}

fn sections(pem: &[u8]) -> Result<Vec<(SectionKind, Vec<u8>)>, Flaw> {
    // A sequence in DER.
    if pem.starts_with(&[0x30, 0x82]) || pem.starts_with(&[0x30, 0x81]) {
        return Err(Flaw::NotPem);
    }
    <(SectionKind, Vec<u8>)>::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|_| Flaw::Damaged)
}

fn is_key(kind: &SectionKind) -> bool {
    matches!(
        kind,
        SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey
    )
}

/// In PKCS #8's manner, or OpenSSL's old one.
fn is_encrypted(pem: &[u8]) -> bool {
    [
        &b"BEGIN ENCRYPTED PRIVATE KEY"[..],
        b"Proc-Type: 4,ENCRYPTED",
    ]
    .into_iter()
    .any(|mark| pem.windows(mark.len()).any(|window| window == mark))
}

/// All the authorities of the world have less than a quarter of a megabyte.
const MAX_FILE_LEN: u64 = 4 << 20;
