//! The consent page and the way back.

use axum::http::StatusCode;

use super::stage::{CALLBACK, OWN, Stage, altered, authorize, authorize_at, request_of};

#[tokio::test]
async fn the_page_names_app_client_and_scopes_and_is_never_framed() {
    let stage = Stage::new();

    let page = stage.get(&authorize("&scope=read+write"), &[]).await;

    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("Let <code>sandbox-plain</code> use your Plain account?"));
    assert!(page.text.contains("See your &lt;records&gt; <code>read</code>"));
    assert!(page.text.contains("<code>write</code>"));
    assert!(page.text.contains("http:&#x2f;&#x2f;localhost:7080</strong>"));
    assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
    assert!(!page.header("content-security-policy").contains("form-action"));
    assert_eq!(page.header("cross-origin-opener-policy"), "");
    assert!(!page.text.contains("<script"));
}

#[tokio::test]
async fn allow_goes_back_with_code_state_and_issuer() {
    let stage = Stage::new();

    let answer = stage.consent(&authorize(""), "alice", "allow").await;

    assert!(answer.location().as_str().starts_with(&format!("{CALLBACK}&")));
    assert_eq!(answer.sent_back("state").as_deref(), Some("s1"));
    assert_eq!(answer.sent_back("iss").as_deref(), Some("https://plain.example"));
    assert_eq!(answer.sent_back("code").map(|code| code.len()), Some(43));
    assert_eq!(stage.stat("plain", "authorize").await, 1);
    assert_eq!(stage.stat("plain", "consent").await, 1);
    assert_eq!(stage.stat("plain", "token_code").await, 0);
}

#[tokio::test]
async fn deny_error_and_cancel_go_back_without_a_code() {
    let stage = Stage::new();
    let page = stage.get(&authorize(""), &[]).await;
    let form = [("account", "bob"), ("scenario", "allow"), ("decision", "deny")];

    let denied = stage.consent(&authorize(""), "alice", "deny").await;
    let broken = stage.consent(&authorize(""), "alice", "error").await;
    let cancelled = stage.answer(&page, &form, OWN).await;

    assert_eq!(denied.sent_back("error").as_deref(), Some("access_denied"));
    assert_eq!(broken.sent_back("error").as_deref(), Some("server_error"));
    assert_eq!(cancelled.sent_back("error").as_deref(), Some("access_denied"));
    for answer in [denied, broken, cancelled] {
        assert_eq!(answer.sent_back("state").as_deref(), Some("s1"));
        assert_eq!(answer.sent_back("code"), None);
    }
}

#[tokio::test]
async fn a_wrong_issuer_is_named_when_chosen_even_by_a_provider_without_one() {
    let stage = Stage::new();
    let desk = authorize_at("/sandbox/acme.desk.example/oauth/authorizations/new", "sandbox-desk", "");

    let plain = stage.consent(&authorize(""), "alice", "wrong_iss").await;
    let wrong = stage.consent(&desk, "alice", "wrong_iss").await;
    let right = stage.consent(&desk, "alice", "allow").await;

    assert_eq!(plain.sent_back("iss").as_deref(), Some("https://wrong.example"));
    assert_eq!(wrong.sent_back("iss").as_deref(), Some("https://wrong.example"));
    assert_eq!(right.sent_back("iss"), None);
}

#[tokio::test]
async fn an_isolated_provider_leaves_by_a_page_of_its_own() {
    let stage = Stage::new();

    let page = stage.get(&authorize("&sandbox=coop"), &[]).await;
    let leaving = stage.consent(&authorize(""), "alice", "coop").await;

    assert_eq!(page.header("cross-origin-opener-policy"), "same-origin");
    assert_eq!(leaving.status, StatusCode::OK);
    assert_eq!(leaving.header("cross-origin-opener-policy"), "same-origin");
    assert!(leaving.text.contains("http-equiv=\"refresh\" content=\"0; url=http:"));
    assert!(leaving.text.contains("&amp;state=s1"));
}

#[tokio::test]
async fn the_address_chooses_account_and_failure_beforehand() {
    let stage = Stage::new();

    let page = stage.get(&authorize("&sandbox=token_429&sandbox_account=bob"), &[]).await;

    assert!(page.text.contains("value=\"bob\" checked"));
    assert!(page.text.contains("value=\"token_429\" selected"));
    assert!(!page.text.contains("value=\"alice\" checked"));
}

#[tokio::test]
async fn a_form_from_elsewhere_is_refused() {
    let stage = Stage::new();
    let page = stage.get(&authorize(""), &[]).await;
    let form = [("account", "alice"), ("scenario", "allow"), ("decision", "allow")];

    let cross = stage.answer(&page, &form, &[("sec-fetch-site", "cross-site")]).await;
    let same_site = stage.answer(&page, &form, &[("sec-fetch-site", "same-site")]).await;
    let foreign = stage.answer(&page, &form, &[("origin", "https://evil.example")]).await;
    let silent = stage.answer(&page, &form, &[]).await;
    let own = stage.answer(&page, &form, &[("origin", "https://hitchpost.example")]).await;

    for refused in [cross, same_site, foreign, silent] {
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(own.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn what_was_asked_cannot_be_altered_on_the_way() {
    let stage = Stage::new();
    let page = stage.get(&authorize(""), &[]).await;
    let request = altered(&request_of(&page), "localhost:7080", "evil.example");
    let form =
        [("account", "alice"), ("scenario", "allow"), ("decision", "allow"), ("request", request.as_str())];

    let answer = stage.post_form("/sandbox/consent", &form, OWN).await;

    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_browser_is_sent_to_known_places_only() {
    let stage = Stage::new();
    let at = |redirect: &str| authorize("").replace("http%3A%2F%2Flocalhost%3A7080", redirect);

    for known in
        ["http%3A%2F%2F127.0.0.1%3A9", "https%3A%2F%2Fhitchpost.example", "https%3A%2F%2Fother.example"]
    {
        assert_eq!(stage.get(&at(known), &[]).await.status, StatusCode::OK, "{known}");
    }
    for unknown in
        ["https%3A%2F%2Fevil.example", "http%3A%2F%2Fhitchpost.example", "javascript%3A", "", "%2Fx"]
    {
        let page = stage.get(&at(unknown), &[]).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{unknown}");
        assert_eq!(page.header("location"), "");
    }
}

#[tokio::test]
async fn a_wrong_request_goes_back_as_the_protocol_says() {
    let stage = Stage::new();
    let with = |from: &str, to: &str| authorize("").replace(from, to);
    let cases = [
        (with("response_type=code", "response_type=token"), "unsupported_response_type"),
        (with("state=s1", "state="), "invalid_request"),
        (with("code_challenge=", "x="), "invalid_request"),
        (with("S256", "plain"), "invalid_request"),
        (with("E9Melhoa", ""), "invalid_request"),
    ];

    for (address, code) in cases {
        let answer = stage.get(&address, &[]).await;
        assert_eq!(answer.sent_back("error").as_deref(), Some(code), "{address}");
    }
    let nobody = stage.get(&with("sandbox-plain", ""), &[]).await;
    assert_eq!(nobody.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_provider_without_pkce_refuses_a_challenge() {
    let stage = Stage::new();
    let path = "/sandbox/api.notes.example/v1/oauth/authorize";

    let refused = stage.get(&authorize_at(path, "sandbox-notes", ""), &[]).await;
    let page = authorize_at(path, "sandbox-notes", "&owner=user").replace("code_challenge", "x");
    let page = stage.get(&page, &[]).await;

    assert_eq!(refused.sent_back("error").as_deref(), Some("invalid_request"));
    assert_eq!(page.status, StatusCode::OK);
}

#[tokio::test]
async fn a_callback_carries_what_the_connector_looks_for() {
    let stage = Stage::new();
    let desk = authorize_at("/sandbox/acme.desk.example/oauth/authorizations/new", "sandbox-desk", "");
    let chat =
        authorize_at("/sandbox/chat.example/authorize", "key-1", "").replace("client_id", "client_key");

    let matching = stage.consent(&desk, "alice", "allow").await;
    let keeping = stage.consent(&chat, "bob", "allow").await;

    assert_eq!(matching.sent_back("shop").as_deref(), Some("acme.desk.example"));
    assert_eq!(keeping.sent_back("realmId").as_deref(), Some("sandbox-bob"));
    assert_eq!(keeping.sent_back("auth_code").map(|code| code.len()), Some(43));
    assert_eq!(keeping.sent_back("code"), None);
}

#[tokio::test]
async fn the_front_page_says_who_is_played() {
    let stage = Stage::new();

    let page = stage.get("/sandbox", &[]).await;
    let style = stage.get("/sandbox/style.css", &[]).await;

    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("<strong>Desk</strong> <code>desk</code>"));
    assert!(page.text.contains("<span class=\"tag\">Client ID and secret</span>"));
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
}
