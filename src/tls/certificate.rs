//! What a certificate says of itself.

use crate::model::Timestamp;
use rustls::pki_types::CertificateDer;
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer as _, time::ASN1Time};

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    /// Whom it names: the hosts and addresses of its alternative names; where it has none of these, its common name.
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
    // Two of the same extension are an error in a certificate: then it names nobody.
    let Ok(alternatives) = certificate.subject_alternative_name() else { return Vec::new() };
    let alternatives = alternatives.iter().flat_map(|extension| &extension.value.general_names);
    let names: Vec<String> = alternatives
        .filter_map(|name| match name {
            // Names of hosts are the same in capital letters.
            GeneralName::DNSName(host) => Some(host.to_lowercase()),
            GeneralName::URI(address) => Some((*address).to_owned()),
            _ => None,
        })
        .collect();
    if !names.is_empty() {
        return names;
    }
    let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    common.map(str::to_lowercase).collect()
}

fn time(time: ASN1Time) -> Option<Timestamp> {
    time.timestamp().checked_mul(1_000_000).map(Timestamp::from_micros)
}
