//! What stands in PEM files.

use super::{
    Fault, Part,
    certificate::{self, Facts},
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use std::path::Path;

/// A certificate and what it says.
pub(super) type Read = (CertificateDer<'static>, Facts);

/// The certificates of a file, in their order; at least one.
pub(super) fn certificates(part: Part, path: &Path, bytes: &[u8]) -> Result<Vec<Read>, Fault> {
    let shown = path.display();
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    let found = found.map_err(|error| Fault::new(part, path, format!("`{shown}` is not whole PEM: {error}")))?;
    if found.is_empty() {
        let fault = Fault::new(part, path, format!("`{shown}` holds no certificate"));
        return Err(match bytes {
            [] => fault.with_help("the file is empty"),
            _ if has_key(bytes) => fault.with_help("it holds a key: are the two files mixed up?"),
            _ => fault.with_help("a certificate begins with `-----BEGIN CERTIFICATE-----`"),
        });
    }
    let read = |(number, der): (usize, CertificateDer<'static>)| {
        let facts = certificate::read(&der);
        let message = || format!("certificate {} of `{shown}` cannot be read: it is no X.509", number + 1);
        facts.map(|facts| (der, facts)).ok_or_else(|| Fault::new(part, path, message()))
    };
    found.into_iter().enumerate().map(read).collect()
}

/// The private key of a file.
pub(super) fn key(path: &Path, bytes: &[u8]) -> Result<PrivateKeyDer<'static>, Fault> {
    PrivateKeyDer::from_pem_slice(bytes).map_err(|_| {
        let fault = Fault::new(Part::Key, path, format!("`{}` holds no private key that can be read", path.display()));
        let text = String::from_utf8_lossy(bytes);
        fault.with_help(if bytes.is_empty() {
            "the file is empty"
        } else if text.contains("ENCRYPTED") {
            "it is behind a passphrase: `openssl pkey -in KEY -out PLAIN` takes it away"
        } else if text.contains("-----BEGIN CERTIFICATE-----") {
            "it holds a certificate: are the two files mixed up?"
        } else {
            "a key begins with `-----BEGIN PRIVATE KEY-----`"
        })
    })
}

fn has_key(bytes: &[u8]) -> bool {
    String::from_utf8_lossy(bytes).contains("PRIVATE KEY-----")
}
