//! What a certificate says, and that none can do harm.

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, CustomExtension, DnType, KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519,
};
use tls_mixin::rustls::pki_types::CertificateDer;
use tls_mixin::rustls::pki_types::pem::PemObject;
use tls_mixin::{AlternativeName, Certificate, KeyKind};

/// Made by OpenSSL.
fn rsa() -> Certificate {
    let der = CertificateDer::from_pem_slice(include_bytes!("certificates/rsa.pem"));
    Certificate::from_der(&der.expect("it is PEM")).expect("it is a certificate")
}

fn parameters() -> CertificateParams {
    let names = ["localhost", "*.example.org", "127.0.0.1"].map(String::from);
    CertificateParams::new(names).expect("the names are right")
}

fn signed(parameters: CertificateParams, key: &KeyPair) -> Vec<u8> {
    let certificate = parameters
        .self_signed(key)
        .expect("the parameters are right");
    certificate.der().to_vec()
}

fn der(parameters: CertificateParams) -> Vec<u8> {
    signed(
        parameters,
        &KeyPair::generate().expect("there are random bytes"),
    )
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn replace(haystack: &mut [u8], needle: &[u8], with: &[u8]) {
    let at = haystack
        .windows(needle.len())
        .position(|part| part == needle);
    let at = at.expect("it is in there");
    haystack[at..at + needle.len()].copy_from_slice(with);
}

/// Asks for everything.
fn look_at(certificate: &Certificate) {
    let shown = format!("{certificate:?} {}", certificate.issuer());
    let names: String = certificate
        .names()
        .iter()
        .map(|name| name.to_string())
        .collect();
    assert!(!(shown + &names).contains(char::is_control));
    let ends = (certificate.not_before(), certificate.not_after());
    let key = (certificate.key_kind().to_string(), certificate.key_bits());
    assert_eq!(
        certificate.is_ca(),
        certificate.clone().is_ca(),
        "{ends:?} {key:?}"
    );
    if let Err(mismatch) = certificate.matches("localhost") {
        assert!(mismatch.to_string().ends_with(", not for localhost"));
    }
}

#[test]
fn it_is_read_as_openssl_and_python_read_it() {
    let certificate = rsa();
    assert_eq!(certificate.subject(), r"CN=localhost,O=Example\, Inc.,C=DE");
    assert_eq!(certificate.issuer(), certificate.subject());
    assert_eq!(certificate.common_name(), Some("localhost"));
    assert_eq!(
        certificate.names(),
        [
            AlternativeName::Dns("localhost".into()),
            AlternativeName::Ip([127, 0, 0, 1].into()),
            AlternativeName::Ip(IpAddr::V6(Ipv6Addr::LOCALHOST)),
            AlternativeName::Email("root@localhost".into()),
            AlternativeName::Uri("urn:example:one".into()),
        ]
    );
    assert_eq!(certificate.serial(), "0A1B2C");
    assert_eq!(certificate.not_before(), at(1795268199));
    assert_eq!(certificate.not_after(), at(4948868199));
    assert!(certificate.is_ca());
    assert_eq!(certificate.key_kind(), KeyKind::Rsa);
    assert_eq!(certificate.key_bits(), Some(2048));
    assert_eq!(certificate.sha256()[..4], [0x02, 0xC9, 0x53, 0xA2]);
    assert_eq!(certificate.sha256()[28..], [0x3D, 0xFC, 0x46, 0xAA]);
}

#[test]
fn the_kind_of_the_key_is_told() {
    let key = KeyPair::generate().unwrap();
    let certificate = Certificate::from_der(&signed(parameters(), &key)).unwrap();
    assert_eq!(
        (certificate.key_kind(), certificate.key_bits()),
        (KeyKind::Ec, Some(256))
    );
    assert!(!certificate.is_ca());

    let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let certificate = Certificate::from_der(&signed(parameters(), &key)).unwrap();
    assert_eq!(
        (certificate.key_kind(), certificate.key_bits()),
        (KeyKind::Ec, Some(384))
    );

    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let certificate = Certificate::from_der(&signed(parameters(), &key)).unwrap();
    assert_eq!(
        (certificate.key_kind(), certificate.key_bits()),
        (KeyKind::Ed25519, Some(256))
    );
}

#[test]
fn a_name_is_matched_as_in_a_handshake() {
    let mut parameters = parameters();
    parameters
        .distinguished_name
        .push(DnType::CommonName, "common.example.net");
    let certificate = Certificate::from_der(&der(parameters)).unwrap();
    for name in ["localhost", "LOCALHOST", "a.example.org", "127.0.0.1"] {
        assert_eq!(certificate.matches(name), Ok(()), "{name}");
    }
    for name in [
        "",
        "not a name",
        "example.org",
        "a.b.example.org",
        "127.0.0.2",
        "::1",
        "common.example.net",
    ] {
        assert!(certificate.matches(name).is_err(), "{name}");
    }
    assert_eq!(
        certificate.matches("example.net").unwrap_err().to_string(),
        "the certificate is for localhost, *.example.org, 127.0.0.1, not for example.net"
    );
}

#[test]
fn without_alternative_names_it_is_for_nobody() {
    let mut parameters = CertificateParams::default();
    parameters
        .distinguished_name
        .push(DnType::CommonName, "localhost");
    let certificate = Certificate::from_der(&der(parameters)).unwrap();
    assert_eq!(
        certificate.matches("localhost").unwrap_err().to_string(),
        "the certificate is for no name, not for localhost"
    );
}

#[test]
fn certificates_are_equal_when_their_bytes_are() {
    let (first, other) = (der(parameters()), der(parameters()));
    let certificate = Certificate::from_der(&first).unwrap();
    assert_eq!(certificate.der(), first);
    assert_eq!(certificate, Certificate::from_der(&first).unwrap());
    assert_ne!(certificate, Certificate::from_der(&other).unwrap());
}

#[test]
fn what_it_says_can_not_write_on_a_terminal() {
    let mut parameters = parameters();
    let name = "\u{1b}[2J\u{9b}2J\r\n\0";
    parameters.distinguished_name.push(DnType::CommonName, name);
    let certificate = Certificate::from_der(&der(parameters)).unwrap();
    assert!(
        !certificate.subject().contains(char::is_control),
        "{}",
        certificate.subject()
    );
    assert!(
        certificate.subject().contains(r"\1b[2J\C2\9B2J\0d\0a\00"),
        "{}",
        certificate.subject()
    );
    assert_eq!(certificate.common_name(), Some(name));

    let mut bytes = der(self::parameters());
    replace(&mut bytes, b"localhost", b"local\x1b[2J");
    let certificate = Certificate::from_der(&bytes).unwrap();
    assert_eq!(certificate.names()[0].to_string(), r"local\1B[2J");
}

#[test]
fn an_address_has_4_or_16_bytes() {
    let mut bytes = der(parameters());
    replace(
        &mut bytes,
        b"\x87\x04\x7f\x00\x00\x01",
        b"\x87\x02\x7f\x00\x87\x00",
    );
    assert_eq!(
        Certificate::from_der(&bytes).unwrap_err().to_string(),
        "not an X.509 certificate"
    );
}

#[test]
fn a_part_of_a_certificate_is_none() {
    for whole in [der(parameters()), rsa().der().to_vec()] {
        for length in 0..whole.len() {
            assert!(
                Certificate::from_der(&whole[..length]).is_err(),
                "{length} bytes"
            );
        }
        let longer = [&whole[..], b"\0"].concat();
        assert!(Certificate::from_der(&longer).is_err());
    }
}

#[test]
fn a_bit_that_is_wrong_does_no_harm() {
    for mut bytes in [der(parameters()), rsa().der().to_vec()] {
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(certificate) = Certificate::from_der(&bytes) {
                look_at(&certificate);
            }
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn lengths_that_are_wrong_do_no_harm() {
    for bytes in [der(parameters()), rsa().der().to_vec()] {
        for at in 0..bytes.len() {
            for value in [0x00, 0x7f, 0x80, 0x81, 0x82, 0x83, 0x84, 0x88, 0xff] {
                let mut bytes = bytes.clone();
                bytes[at] = value;
                if let Ok(certificate) = Certificate::from_der(&bytes) {
                    look_at(&certificate);
                }
            }
        }
    }
}

#[test]
fn nested_sequences_do_not_exhaust_the_stack() {
    let mut bytes = Vec::new();
    for _ in 0..60_000 {
        let length = u32::try_from(bytes.len())
            .expect("it is short")
            .to_be_bytes();
        bytes.splice(0..0, [&[0x30, 0x84][..], &length].concat());
        if bytes.len() > 60_000 {
            break;
        }
    }
    assert!(Certificate::from_der(&bytes).is_err());
    // The same where anything may stand.
    let mut parameters = parameters();
    let extension = CustomExtension::from_oid_content(&[1, 2, 3], bytes);
    parameters.custom_extensions.push(extension);
    look_at(&Certificate::from_der(&der(parameters)).expect("nobody knows that extension"));
}
