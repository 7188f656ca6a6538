//! What certificates say, and what becomes of files. The listeners' side of it is in `tests/it/tls.rs`.

use super::*;
use crate::{config::Tls, model::Timestamp};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};
use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

/// Now, as far as these tests are concerned.
const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

fn certificate(alternatives: Vec<SanType>, common: Option<&str>) -> (CertificateDer<'static>, KeyPair, String) {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if let Some(common) = common {
        params.distinguished_name.push(DnType::CommonName, common);
    }
    params.subject_alt_names = alternatives;
    let key = KeyPair::generate().unwrap();
    let made = params.self_signed(&key).unwrap();
    (made.der().clone(), key, made.pem())
}

fn host(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

fn uri(address: &str) -> SanType {
    SanType::URI(address.try_into().unwrap())
}

#[test]
fn a_certificate_names_hosts_and_addresses_and_by_its_common_name_only_without_alternatives() {
    let mail = SanType::Rfc822Name("a@b.example".try_into().unwrap());
    for (alternatives, common, names) in [
        (vec![host("Shop.Internal"), uri("spiffe://c/Shop")], Some("cn"), &["shop.internal", "spiffe://c/Shop"][..]),
        (vec![uri("spiffe://c/shop")], None, &["spiffe://c/shop"]),
        (vec![], Some("Old Tool"), &["old tool"]),
        (vec![mail], Some("Old Tool"), &[]),
        // Each sort of name is told by its form.
        (vec![host("spiffe://c/shop"), host("shop")], None, &["shop"]),
        (vec![uri("shop"), uri("urn:shop")], Some("shop"), &[]),
        (vec![], Some("spiffe://c/shop"), &[]),
        (vec![], None, &[]),
    ] {
        let (der, ..) = certificate(alternatives, common);
        assert_eq!(certificate::read(&der).unwrap().names, names);
    }
    assert_eq!(certificate::read(&CertificateDer::from(vec![0x30, 0x00])), None);
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn files_are_what_they_hold_and_a_file_that_goes_is_a_change() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate_file, key_file) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    let settings = Tls { certificate: Some(certificate_file.clone()), key: Some(key_file.clone()), ..Tls::default() };
    let digest = || {
        let files = Files::read(&settings).unwrap();
        let mut digest = Sha256::new();
        files.digest(&mut digest);
        (files, digest.finalize())
    };
    assert!(Files::read(&Tls::default()).is_none(), "no TLS, no files");

    let (missing, of_missing) = digest();
    let faults = missing.load(&[], NOW).unwrap_err();
    assert_eq!(faults.iter().map(|fault| fault.part).collect::<Vec<_>>(), [Part::Certificate, Part::Key]);

    let (_, key, pem) = certificate(vec![host("localhost")], None);
    write(&certificate_file, &pem);
    write(&key_file, &key.serialize_pem());
    let (whole, of_whole) = digest();
    assert_eq!(whole.load(&[b"http/1.1"], NOW).unwrap().names, ["localhost"]);
    assert_eq!(digest(), (whole, of_whole));

    write(&key_file, &(key.serialize_pem() + "\n"));
    assert_ne!(digest().1, of_whole);
    fs::remove_file(&key_file).unwrap();
    fs::remove_file(&certificate_file).unwrap();
    assert_eq!(digest().1, of_missing);
}
