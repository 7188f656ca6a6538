//! What a certificate says of itself.

use crate::model::Timestamp;
use rustls::pki_types::CertificateDer;
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer as _, time::ASN1Time};

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    /// Whom it names: the hosts and addresses (URI) of its alternative names; where it has no alternative names at all, its common name.
    /// What has a `://` is an address.
    pub(super) names: Vec<String>,
    /// From when on it holds.
    pub(super) begins: Timestamp,
    /// Until when it holds.
    pub(super) expires: Timestamp,
    /// Whose it is, as it stands in it.
    pub(super) subject: Vec<u8>,
    /// Who signed it.
    pub(super) issuer: Vec<u8>,
    /// The same for people.
    pub(super) shown: String,
}

/// Reads a certificate; `None` where it is none.
pub(super) fn read(der: &CertificateDer<'_>) -> Option<Facts> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let validity = certificate.validity();
    Some(Facts {
        names: names(&certificate),
        begins: time(validity.not_before)?,
        expires: time(validity.not_after)?,
        subject: certificate.subject().as_raw().to_owned(),
        issuer: certificate.issuer().as_raw().to_owned(),
        shown: certificate.subject().to_string(),
    })
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    // An authority may let applicants choose one sort of name and vouch for another: none may pass for one of another sort.
    let is_address = |name: &str| name.contains("://");
    match certificate.subject_alternative_name() {
        Ok(Some(alternatives)) => alternatives
            .value
            .general_names
            .iter()
            .filter_map(|name| match name {
                // Names of hosts are the same in capital letters.
                GeneralName::DNSName(host) if !is_address(host) => Some(host.to_lowercase()),
                GeneralName::URI(address) if is_address(address) => Some((*address).to_owned()),
                _ => None,
            })
            .collect(),
        Ok(None) => {
            let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
            common.filter(|name| !is_address(name)).map(str::to_lowercase).collect()
        }
        // Two of the same extension are an error in a certificate: then it names nobody.
        Err(_) => Vec::new(),
    }
}

fn time(time: ASN1Time) -> Option<Timestamp> {
    time.timestamp().checked_mul(1_000_000).map(Timestamp::from_micros)
}
