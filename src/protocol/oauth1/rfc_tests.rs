//! RFC 5849, section by section.

use http::Method;
use url::{Url, form_urlencoded};

use super::*;
use crate::{
    model::Secret,
    protocol::{Call, CallError, oauth2::Client, samples::pairs},
};

fn url(text: &str) -> Url {
    Url::parse(text).expect("an address")
}

fn client(id: &str, secret: &str) -> Client {
    Client { id: id.to_owned(), secret: Some(Secret::from(secret)), assertion: None }
}

/// The parameters of a signed call's header, decoded; the realm is left out.
fn header_params(call: &Call) -> Vec<(String, String)> {
    let header = call.headers["authorization"].to_str().expect("ASCII");
    let decode = |text: &str| {
        form_urlencoded::parse(format!("v={text}").as_bytes())
            .map(|(_, value)| value.into_owned())
            .collect::<String>()
    };
    header
        .strip_prefix("OAuth ")
        .expect("the scheme")
        .split(", ")
        .map(|part| part.split_once('=').expect("a pair"))
        .filter(|(name, _)| *name != "realm")
        .map(|(name, value)| (decode(name), decode(value.trim_matches('"'))))
        .collect()
}

/// RFC5849-1.2: the three signatures of the photo printer.
#[test]
fn rfc_5849_section_1_2_the_rfcs_own_flow() {
    let common = |token: &str, timestamp: &str, nonce: &str| {
        let mut params = pairs(&[
            ("oauth_consumer_key", "dpf43f3p2l4k3l03"),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", timestamp),
            ("oauth_nonce", nonce),
        ]);
        params.extend((!token.is_empty()).then(|| ("oauth_token".to_owned(), token.to_owned())));
        params
    };
    let mut initiate = common("", "137131200", "wIjqoS");
    initiate.extend(pairs(&[("oauth_callback", "http://printer.example.com/ready")]));
    let mut token = common("hh5s93j4hdidpola", "137131201", "walatlh");
    token.extend(pairs(&[("oauth_verifier", "hfdp7dh39dks9884")]));
    let mut photos = common("nnch734d00sl2jdk", "137131202", "chapoH");
    photos.extend(pairs(&[("file", "vacation.jpg"), ("size", "original")]));

    let signed = |method: Method, address: &str, params: &[(String, String)], token_secret: &str| {
        let base = base_string(&method, &url(address), params);
        signature(SignatureMethod::HmacSha1, &base, "kd94hf93k423kf44", token_secret)
    };
    let initiate = signed(Method::POST, "https://photos.example.net/initiate", &initiate, "");
    let token = signed(Method::POST, "https://photos.example.net/token", &token, "hdhd0244k9j7ao03");
    let photos = signed(
        Method::GET,
        "http://photos.example.net/photos?file=vacation.jpg&size=original",
        &photos,
        "pfkkdhi9sl3r4s00",
    );

    assert_eq!(initiate, "74KNZJeDHnMBp0EMJ9ZHt/XKycU=");
    assert_eq!(token, "gKgrFCywp7rO0OXSjdot/IHF7IU=");
    assert_eq!(photos, "MdpQcU8iPSUjWoN/UDMsK2sui9I=");
}

/// RFC5849-2.1 and RFC5849-2.3: the PLAINTEXT signatures of the examples, RFC5849-3.4.4.
#[test]
fn rfc_5849_section_3_4_4_plaintext_is_both_secrets() {
    let plain = |secret, token_secret| signature(SignatureMethod::Plaintext, "", secret, token_secret);

    assert_eq!(plain("ja893SD9", ""), "ja893SD9&");
    assert_eq!(plain("ja893SD9", "xyz4992k83j47x0b"), "ja893SD9&xyz4992k83j47x0b");
    assert_eq!(plain("a&b=%", "\u{e9} ~"), "a%26b%3D%25&%C3%A9%20~");
    assert_eq!(plain("", ""), "&");
}

/// RFC5849-3.1 has this request, RFC5849-3.4.1.3.1 lists its parameters.
fn example_params() -> Vec<(String, String)> {
    pairs(&[
        ("b5", "=%3D"),
        ("a3", "a"),
        ("c@", ""),
        ("a2", "r b"),
        ("oauth_consumer_key", "9djdj82h48djs9d2"),
        ("oauth_token", "kkk9d7dh3k39sjv7"),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", "137131201"),
        ("oauth_nonce", "7d8f3e4a"),
        ("c2", ""),
        ("a3", "2 q"),
    ])
}

/// RFC5849-3.4.1.3.2, the example.
const NORMALIZED: &str = "a2=r%20b&a3=2%20q&a3=a&b5=%3D%253D&c%40=&c2=&oauth_consumer_key=9djdj82h48djs9d2\
     &oauth_nonce=7d8f3e4a&oauth_signature_method=HMAC-SHA1&oauth_timestamp=137131201&oauth_token=kkk9d7dh3k39sjv7";

/// RFC5849-3.4.1.1, the example, and its parameters as RFC5849-3.4.1.3.2 has them.
#[test]
fn rfc_5849_section_3_4_1_1_the_base_string() {
    let base = base_string(&Method::POST, &url("http://example.com/request"), &example_params());

    let expected = "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D\
         %26c%2540%3D%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a\
         %26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7";
    assert_eq!(base, expected);
    assert_eq!(base.rsplit_once('&').map(|(_, last)| last.to_owned()), Some(percent_encode(NORMALIZED)));
}

/// RFC5849-3.4.2 with the secrets of RFC5849-3.1's example. The signature printed there does not belong
/// to this base string; this is the one of the published erratum.
#[test]
fn rfc_5849_section_3_4_2_the_example_as_corrected() {
    let base = base_string(&Method::POST, &url("http://example.com/request"), &example_params());

    let signature = signature(SignatureMethod::HmacSha1, &base, "j49sk3j29djd", "dh893hdasih9");

    assert_eq!(signature, "r6/TJjbCOr97/+UU0NsvSne7s5g=");
}

/// RFC5849-3.4.1.3.1: parameters are taken from header, query and form body.
#[test]
fn rfc_5849_section_3_4_1_3_1_query_and_form_body_are_signed() {
    let address = url("http://example.com/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b");
    let mut call = Call::form(Method::POST, address, &[]);
    call.body = b"c2&a3=2+q".to_vec();
    let client = client("9djdj82h48djs9d2", "j49sk3j29djd");
    let signing = Signing {
        method: SignatureMethod::HmacSha1,
        realm: Some("Example"),
        client: &client,
        token: Some(Token { token: "kkk9d7dh3k39sjv7", secret: "dh893hdasih9" }),
        nonce: "7d8f3e4a",
        timestamp: 137_131_201,
    };

    sign(&mut call, &signing, &[]).expect("a signature");

    let mut params = example_params();
    params.push(("oauth_version".to_owned(), "1.0".to_owned()));
    let base = base_string(&Method::POST, &call.url, &params);
    let expected = signature(SignatureMethod::HmacSha1, &base, "j49sk3j29djd", "dh893hdasih9");
    let sent = header_params(&call);
    assert_eq!(sent.last(), Some(&("oauth_signature".to_owned(), expected)));
    assert!(call.headers["authorization"].is_sensitive());
    assert_eq!(call.url.query(), Some("b5=%3D%253D&a3=a&c%40=&a2=r%20b"), "the address stays as it was");
    assert_eq!(call.body, b"c2&a3=2+q");
}

/// RFC5849-3.4.1.2.
#[test]
fn rfc_5849_section_3_4_1_2_scheme_and_host_are_lower_case_and_default_ports_dropped() {
    let table = [
        ("HTTP://EXAMPLE.COM:80/r%20v/X?id=123", "http://example.com/r%20v/X"),
        ("https://www.example.net:8080/?q=1", "https://www.example.net:8080/"),
        ("https://Example.com:443/a", "https://example.com/a"),
        ("https://example.com:80/a", "https://example.com:80/a"),
        ("http://example.com", "http://example.com/"),
        ("https://user:pass@example.com/a#frag", "https://example.com/a"),
        ("http://[::1]:8000/a", "http://[::1]:8000/a"),
    ];

    for (address, expected) in table {
        let base = base_string(&Method::GET, &url(address), &[]);
        assert_eq!(base, format!("GET&{}&", percent_encode(expected)), "{address}");
    }
}

/// RFC5849-3.4.1.3.2: by encoded bytes, names first, then values; duplicates stay.
#[test]
fn rfc_5849_section_3_4_1_3_2_parameters_are_sorted_by_their_encoded_bytes() {
    // "é" is %C3%A9 and so stands before "a"; "a%" (a%25) before "a1"; "B" before "a".
    let params = pairs(&[
        ("a", "2"),
        ("a", "10"),
        ("a", "2"),
        ("B", "x"),
        ("\u{e9}", "y"),
        ("a1", ""),
        ("a%", ""),
        ("~", ""),
    ]);

    let base = base_string(&Method::from_bytes(b"get").expect("a method"), &url("http://h/"), &params);

    let expected = "%C3%A9=y&B=x&a=10&a=2&a=2&a%25=&a1=&~=";
    assert_eq!(base, format!("GET&http%3A%2F%2Fh%2F&{}", percent_encode(expected)));
}

/// RFC5849-3.6.
#[test]
fn rfc_5849_section_3_6_only_unreserved_characters_stay() {
    let table = [
        ("abcXYZ019-._~", "abcXYZ019-._~"),
        (" ", "%20"),
        ("+*", "%2B%2A"),
        ("%", "%25"),
        ("&=/:?#@!$'(),;[]", "%26%3D%2F%3A%3F%23%40%21%24%27%28%29%2C%3B%5B%5D"),
        ("\n\u{7f}", "%0A%7F"),
        ("\u{80}", "%C2%80"),
        ("\u{3001}", "%E3%80%81"),
        ("\u{1f600}", "%F0%9F%98%80"),
    ];

    for (text, expected) in table {
        assert_eq!(percent_encode(text), expected, "{text}");
    }
}

/// RFC5849-3.4.2: the ampersand stays when the token secret is empty.
#[test]
fn rfc_5849_section_3_4_2_an_empty_token_secret_leaves_its_ampersand() {
    let with = signature(SignatureMethod::HmacSha1, "text", "key", "");
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"key&");

    use base64::{Engine as _, engine::general_purpose::STANDARD};
    assert_eq!(with, STANDARD.encode(aws_lc_rs::hmac::sign(&key, b"text")));
    assert_ne!(with, signature(SignatureMethod::HmacSha256, "text", "key", ""));
}

fn signed(mut call: Call) -> String {
    let client = client("c", "s");
    let signing = Signing {
        method: SignatureMethod::HmacSha256,
        realm: None,
        client: &client,
        token: None,
        nonce: "n",
        timestamp: 1,
    };
    sign(&mut call, &signing, &[]).expect("a signature");
    header_params(&call).pop().map(|(_, signature)| signature).expect("a signature")
}

/// RFC5849-3.4.1.3.1: only a single-part form takes part.
#[test]
fn a_json_body_is_not_signed_and_a_form_body_is() {
    let address = url("https://api.example.com/x");
    let bare = signed(Call::new(Method::POST, address.clone()));
    let labelled = |label: &'static str| {
        let mut call = Call::form(Method::POST, address.clone(), &pairs(&[("a", "b")]));
        call.headers.insert("content-type", http::HeaderValue::from_static(label));
        signed(call)
    };

    assert_eq!(signed(Call::json_params(Method::POST, address.clone(), &pairs(&[("a", "b")]))), bare);
    assert_eq!(labelled("multipart/form-data; boundary=x"), bare);
    assert_eq!(labelled("text/plain"), bare);
    assert_ne!(labelled("application/x-www-form-urlencoded"), bare);
    assert_eq!(
        labelled("Application/X-WWW-Form-Urlencoded; charset=utf-8"),
        labelled("application/x-www-form-urlencoded")
    );
    assert_eq!(
        labelled("application/x-www-form-urlencoded"),
        signed(Call::query(Method::POST, address.clone(), &pairs(&[("a", "b")]))),
        "where a parameter stands makes no difference"
    );
}

/// RFC5849-3.5.1 and the shape of RFC5849-2.1's example.
#[test]
fn rfc_5849_section_3_5_1_the_header() {
    let client = client("jd83jd92dhsh93js", "ja893SD9");
    let signing = Signing {
        method: SignatureMethod::Plaintext,
        realm: Some("123_\"SB\\1"),
        client: &client,
        token: None,
        nonce: "n+1",
        timestamp: 1_800_000_000,
    };
    let mut call = Call::new(Method::POST, url("https://server.example.com/request_temp_credentials"));

    sign(&mut call, &signing, &[("oauth_callback", "http://client.example.net/cb?x=1")])
        .expect("a signature");

    let expected = "OAuth realm=\"123_\\\"SB\\\\1\", oauth_consumer_key=\"jd83jd92dhsh93js\", \
                    oauth_signature_method=\"PLAINTEXT\", oauth_timestamp=\"1800000000\", oauth_nonce=\"n%2B1\", \
                    oauth_version=\"1.0\", oauth_callback=\"http%3A%2F%2Fclient.example.net%2Fcb%3Fx%3D1\", \
                    oauth_signature=\"ja893SD9%26\"";
    assert_eq!(call.headers["authorization"], expected);
}

/// RFC5849-3.4.4: PLAINTEXT needs a confidential channel.
#[test]
fn rfc_5849_section_3_4_4_plaintext_needs_tls_or_loopback() {
    let client = client("c", "s");
    let plain = |method, address: &str| {
        let signing = Signing { method, realm: None, client: &client, token: None, nonce: "n", timestamp: 1 };
        sign(&mut Call::new(Method::GET, url(address)), &signing, &[])
    };
    let refusal = Err(CallError::Unsupported("an OAuth 1 PLAINTEXT signature without TLS"));

    for address in ["https://a.example/", "http://localhost:1/", "http://127.0.0.1/", "http://[::1]:2/"] {
        assert_eq!(plain(SignatureMethod::Plaintext, address), Ok(()), "{address}");
    }
    for address in
        ["http://a.example/", "http://localhost.example/", "http://10.0.0.1/", "http://127.0.0.1.nip.io/"]
    {
        assert_eq!(plain(SignatureMethod::Plaintext, address), refusal, "{address}");
        assert_eq!(plain(SignatureMethod::HmacSha1, address), Ok(()), "{address}");
    }
}

#[test]
fn a_realm_cannot_break_out_of_the_header() {
    let client = client("c\r\nX-Evil: 1", "s");
    let signing = |realm| Signing {
        method: SignatureMethod::HmacSha1,
        realm,
        client: &client,
        token: None,
        nonce: "n",
        timestamp: 1,
    };
    let mut call = Call::new(Method::GET, url("https://a.example/"));

    let broken = sign(&mut call, &signing(Some("a\r\nX-Evil: 1")), &[]);
    sign(&mut call, &signing(None), &[]).expect("an encoded client id");

    assert_eq!(broken, Err(CallError::HeaderValue("authorization".to_owned())));
    assert_eq!(call.headers.len(), 1);
}

#[test]
fn a_method_is_read_by_its_exact_name() {
    for method in [SignatureMethod::HmacSha1, SignatureMethod::HmacSha256, SignatureMethod::Plaintext] {
        assert_eq!(SignatureMethod::parse(method.as_str()), Some(method));
    }
    for name in ["hmac-sha1", "RSA-SHA1", "HMAC-SHA512", ""] {
        assert_eq!(SignatureMethod::parse(name), None, "{name}");
    }
}
