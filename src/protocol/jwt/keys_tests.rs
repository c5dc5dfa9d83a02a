use super::*;

fn refusal(pem: &str) -> Option<KeyError> {
    PublicKey::from_pem(None, pem).err()
}

#[test]
fn a_public_key_says_itself_what_it_is_good_for() {
    let families = [
        (include_str!("../testdata/rsa.pub.pem"), Family::Rsa),
        (include_str!("../testdata/rsa-pkcs1.pub.pem"), Family::Rsa),
        (include_str!("../testdata/p256.pub.pem"), Family::P256),
        (include_str!("../testdata/p384.pub.pem"), Family::P384),
        (include_str!("../testdata/ed25519.pub.pem"), Family::Ed25519),
    ];

    for (pem, family) in families {
        let key = PublicKey::from_pem(Some("2026".to_owned()), pem).expect("a supported key");
        assert_eq!(key.family(), family);
        assert_eq!(key.kid(), Some("2026"));
    }
}

#[test]
fn what_is_no_good_public_key_is_refused_with_its_reason() {
    let pem = include_str!("../testdata/p256.pub.pem");

    assert_eq!(refusal(include_str!("../testdata/rsa.pem")), Some(KeyError::PrivateKey));
    assert_eq!(
        refusal("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----"),
        Some(KeyError::PrivateKey)
    );
    assert_eq!(refusal(include_str!("../testdata/certificate.pem")), Some(KeyError::Certificate));
    assert_eq!(refusal(include_str!("../testdata/rsa1024.pub.pem")), Some(KeyError::WeakRsa(1024)));
    assert_eq!(refusal(include_str!("../testdata/rsa2047.pub.pem")), Some(KeyError::WeakRsa(2047)));
    assert_eq!(refusal(include_str!("../testdata/p521.pub.pem")), Some(KeyError::Unsupported));
    assert_eq!(refusal(include_str!("../testdata/k1.pub.pem")), Some(KeyError::Unsupported));
    assert_eq!(refusal(""), Some(KeyError::NotPem));
    assert_eq!(refusal(&format!("{pem}{pem}")), Some(KeyError::NotPem));
    assert_eq!(refusal(&pem.replace("PUBLIC", "SSH2 PUBLIC")), Some(KeyError::Unsupported));
    assert_eq!(
        refusal("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"),
        Some(KeyError::Damaged)
    );
    assert_eq!(refusal(&"A".repeat(20_000)), Some(KeyError::NotPem));
}

#[test]
fn a_point_that_is_not_on_the_curve_is_refused() {
    let pem = include_str!("../testdata/p256.pub.pem");
    let (_, mut der) = unwrap_pem(pem).expect("our own PEM");
    let last = der.len() - 1;
    der[last] ^= 1;

    let damaged = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der));

    assert_eq!(refusal(&damaged), Some(KeyError::Damaged));
}

#[test]
fn a_secret_has_256_bits_and_is_no_key() {
    assert_eq!(check_secret(&[7; 31]), Err(KeyError::WeakSecret(31)));
    assert_eq!(check_secret(&[7; 32]), Ok(()));
    assert_eq!(check_secret(include_bytes!("../testdata/rsa.pub.pem")), Err(KeyError::SecretIsPem));
}
