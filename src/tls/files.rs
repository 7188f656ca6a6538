//! The files of one listener, as they were read.

use super::{
    Fault, Loaded, Part,
    certificate::Facts,
    pem::{self, Read},
    provider,
};
use crate::{
    config::{self, ClientCertificates, Tls, TlsVersion},
    document,
    model::Timestamp,
};
use rustls::{
    Error, RootCertStore, ServerConfig, SupportedProtocolVersion,
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};
use sha2::{Digest as _, Sha256};
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Longest file: a bundle of a few hundred certificates.
const MOST_BYTES: usize = 1 << 20;

/// The files of one listener, each as it was read or why it could not be.
#[derive(Clone, PartialEq, Eq)]
pub struct Files {
    settings: Tls,
    certificate: Result<Vec<u8>, Fault>,
    key: Result<Vec<u8>, Fault>,
    client_ca: Option<Result<Vec<u8>, Fault>>,
}

impl Files {
    /// Reads what the settings name; nothing where they name no certificate.
    #[must_use]
    pub fn read(settings: &Tls) -> Option<Self> {
        let (certificate, key) = (settings.certificate.as_deref()?, settings.key.as_deref()?);
        let wants_ca = settings.client_certificates != ClientCertificates::Off;
        let client_ca = settings.client_ca.as_deref().filter(|_| wants_ca);
        Some(Self {
            certificate: public(Part::Certificate, certificate),
            key: config::read_private(key, "the key")
                .map(|secret| secret.reveal().as_bytes().to_vec())
                .map_err(|message| Fault::new(Part::Key, key, message)),
            client_ca: client_ca.map(|path| public(Part::ClientCa, path)),
            settings: settings.clone(),
        })
    }

    /// The files that are read, so that they can be watched.
    pub fn paths(settings: &Tls) -> impl Iterator<Item = &Path> {
        [&settings.certificate, &settings.key, &settings.client_ca].into_iter().flatten().map(AsRef::as_ref)
    }

    /// Adds what was read to a digest.
    pub fn digest(&self, digest: &mut Sha256) {
        let parts = [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref()];
        for part in parts {
            let (mark, bytes) = match part {
                Some(Ok(bytes)) => (0_u8, bytes.as_slice()),
                Some(Err(fault)) => (1, fault.message.as_bytes()),
                None => (2, &[][..]),
            };
            digest.update([mark]);
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        }
    }

    /// Makes of the files what connections are taken with, for a client who asks for one of `protocols` (ALPN).
    ///
    /// # Errors
    /// Fails with what is wrong with each of the files.
    pub fn load(&self, protocols: &[&[u8]], now: Timestamp) -> Result<Loaded, Vec<Fault>> {
        let identity = self.identity(now);
        let verifier = self.verifier();
        let ((identity, leaf), verifier) = match (identity, verifier) {
            (Ok(identity), Ok(verifier)) => (identity, verifier),
            (identity, verifier) => return Err(identity.err().into_iter().flatten().chain(verifier.err()).collect()),
        };
        let versions: &[&SupportedProtocolVersion] = match self.settings.minimum_version {
            TlsVersion::V1_2 => &[&TLS13, &TLS12],
            TlsVersion::V1_3 => &[&TLS13],
        };
        let builder = ServerConfig::builder_with_provider(provider());
        let builder = builder.with_protocol_versions(versions).map_err(|error| vec![self.inner(&error)])?;
        let asks = verifier.is_some();
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
        if asks {
            // A session that is taken up again would bring the client's certificate along without another look at it.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Loaded { config: Arc::new(config), names: leaf.names, expires: leaf.expires })
    }

    /// The certificate with its key.
    fn identity(&self, now: Timestamp) -> Result<(CertifiedKey, Facts), Vec<Fault>> {
        let (certificate, key) = (path(self.settings.certificate.as_ref()), path(self.settings.key.as_ref()));
        let chain = self.certificate.as_ref().map_err(Fault::clone).and_then(|bytes| {
            let chain = pem::certificates(Part::Certificate, certificate, bytes)?;
            in_order(certificate, &chain)?;
            Ok(chain)
        });
        let private = self.key.as_ref().map_err(Fault::clone).and_then(|bytes| pem::key(key, bytes));
        let (chain, private) = match (chain, private) {
            (Ok(chain), Ok(private)) => (chain, private),
            (chain, private) => return Err(chain.err().into_iter().chain(private.err()).collect()),
        };
        let private = provider().key_provider.load_private_key(private).map_err(|_| {
            let message = format!("the key of `{}` is of a sort that cannot be used", key.display());
            vec![
                Fault::new(Part::Key, key, message)
                    .with_help("use RSA of 2048 bits or more, ECDSA on P-256, P-384 or P-521, or Ed25519"),
            ]
        })?;
        let (ders, facts): (Vec<_>, Vec<_>) = chain.into_iter().unzip();
        let certified = CertifiedKey::new(ders, private);
        if matches!(certified.keys_match(), Err(Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch))) {
            let message = format!(
                "the key of `{}` is not that of the first certificate of `{}`",
                key.display(),
                certificate.display()
            );
            let help = "both files must come from the same request for a certificate";
            return Err(vec![Fault::new(Part::Key, key, message).with_help(help)]);
        }
        let Some(leaf) = facts.into_iter().next() else { return Err(Vec::new()) };
        holds(certificate, &leaf, now).map_err(|fault| vec![fault])?;
        Ok((certified, leaf))
    }

    /// Who says whether a client's certificate is good.
    fn verifier(&self) -> Result<Option<Arc<dyn ClientCertVerifier>>, Fault> {
        let (Some(read), Some(path)) = (&self.client_ca, &self.settings.client_ca) else { return Ok(None) };
        let bytes = read.as_ref().map_err(Fault::clone)?;
        let mut roots = RootCertStore::empty();
        for (der, facts) in pem::certificates(Part::ClientCa, path, bytes)? {
            let message =
                |error| format!("`{}` of `{}` cannot sign certificates: {error}", facts.shown, path.display());
            roots.add(der).map_err(|error| Fault::new(Part::ClientCa, path, message(error)))?;
        }
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        let builder = match self.settings.client_certificates {
            ClientCertificates::Required => builder,
            ClientCertificates::Optional | ClientCertificates::Off => builder.allow_unauthenticated(),
        };
        let broken = |error| Fault::new(Part::ClientCa, path, format!("`{}` is of no use: {error}", path.display()));
        builder.build().map(Some).map_err(broken)
    }

    fn inner(&self, error: &Error) -> Fault {
        Fault::new(
            Part::Certificate,
            path(self.settings.certificate.as_ref()),
            format!("TLS cannot be set up: {error}"),
        )
    }
}

/// The key is nobody's business.
impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Only asked where there is one.
fn path(path: Option<&PathBuf>) -> &Path {
    path.map_or_else(|| Path::new(""), PathBuf::as_path)
}

fn public(part: Part, path: &Path) -> Result<Vec<u8>, Fault> {
    let shown = path.display();
    let bytes = document::read_file(path, MOST_BYTES)
        .map_err(|error| Fault::new(part, path, format!("`{shown}` cannot be read: {error}")))?;
    if bytes.len() > MOST_BYTES {
        return Err(Fault::new(part, path, format!("`{shown}` is larger than a file of certificates can be")));
    }
    Ok(bytes)
}

/// Each certificate must be signed by the one after it: clients that are strict go by that.
fn in_order(path: &Path, chain: &[Read]) -> Result<(), Fault> {
    for (number, pair) in (1..).zip(chain.windows(2)) {
        let [(_, earlier), (_, later)] = pair else { continue };
        if earlier.issuer != later.subject {
            let message = format!(
                "certificate {} of `{}`, `{}`, has not signed the one before it, `{}`",
                number + 1,
                path.display(),
                later.shown,
                earlier.shown
            );
            let help = "put the listener's own certificate first, then the one that signed it, and so on";
            return Err(Fault::new(Part::Certificate, path, message).with_help(help));
        }
    }
    Ok(())
}

/// No client would accept it.
fn holds(path: &Path, leaf: &Facts, now: Timestamp) -> Result<(), Fault> {
    let shown = path.display();
    if leaf.expires < now {
        let message = format!("the certificate of `{shown}` has expired at {}", leaf.expires);
        return Err(Fault::new(Part::Certificate, path, message).with_help("put a new one in its place, with its key"));
    }
    if leaf.begins > now {
        let message = format!("the certificate of `{shown}` does not hold before {}", leaf.begins);
        return Err(Fault::new(Part::Certificate, path, message).with_help("is the clock of this machine right?"));
    }
    Ok(())
}
