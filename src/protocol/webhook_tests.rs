//! The specification's own example, and what is no secret.

use super::*;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[test]
fn the_signature_is_the_one_of_the_specifications_libraries() {
    let key = SigningKey::parse(SECRET).unwrap();
    let now = Timestamp::from_seconds(1_614_265_330);

    let headers = headers("msg_p5jXN8AQM9LWM0D4loKWxJek", now, br#"{"test": 2432232314}"#, &[key]);

    assert_eq!(headers[ID], "msg_p5jXN8AQM9LWM0D4loKWxJek");
    assert_eq!(headers[TIMESTAMP], "1614265330");
    assert_eq!(headers[SIGNATURE], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn two_keys_give_two_signatures_and_none_gives_none() {
    let keys = [SigningKey::parse(SECRET).unwrap(), SigningKey::from_bytes(vec![7; 32])];

    let both = headers("m", Timestamp::from_seconds(1), b"{}", &keys);
    let first = headers("m", Timestamp::from_seconds(1), b"{}", &keys[..1]);
    let none = headers("m", Timestamp::from_seconds(1), b"{}", &[]);

    let both: Vec<&str> = both[SIGNATURE].to_str().unwrap().split(' ').collect();
    assert_eq!(both.len(), 2);
    assert_eq!(both[0], first[SIGNATURE]);
    assert!(both[0] != both[1] && both[1].starts_with("v1,"));
    assert!(none.get(SIGNATURE).is_none());
}

#[test]
fn a_secret_is_read_back_and_nothing_else_is_one() {
    assert_eq!(SigningKey::parse(SECRET).unwrap().text().expose(), SECRET);
    let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
    for bytes in [24, 32, 64] {
        assert!(SigningKey::parse(&of(bytes)).is_ok(), "{bytes} bytes");
    }
    for text in [of(23), of(65), "whsec_".to_owned(), "whsec_!!".to_owned(), SECRET[6..].to_owned()] {
        assert!(SigningKey::parse(&text).is_err(), "{text} was taken");
    }
}
