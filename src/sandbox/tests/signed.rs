//! What a client signs: assertions, app tokens, tokens for each call, and client secrets.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    player::{ES256, Player, RS256},
    stage::{Answer, Stage},
};
use crate::{
    model::Secret,
    protocol::jwt::{Minting, client_assertion, mint},
};

fn minted(stage: &Stage, algorithm: &str, key: &str, claims: Value) -> String {
    let claims: Map<String, Value> = claims.as_object().cloned().expect("claims");
    let key = Secret::from(key);
    let (header, now) = (&[][..], stage.now());
    let minting = Minting { algorithm, key: &key, header, claims: &claims, now, expires_in: 60, id: "j1" };
    mint(&minting).expect("a token").expose().clone()
}

const SIGNED: &str = "https://api.pal.example/v1/signed/token";

async fn by_assertion(stage: &Stage, assertion: &str) -> Answer {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "sandbox-pal"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ];
    stage.post_form("/sandbox/api.pal.example/v1/signed/token", &form, &[]).await
}

#[tokio::test]
async fn a_client_assertion_is_good_once() {
    let stage = Stage::new();
    let assertion = |key: &str, audience: &str, id: &str| {
        let key = Secret::from(key);
        client_assertion("sandbox-pal", &key, audience, None, &[], stage.now(), id).expect("an assertion")
    };

    let first = by_assertion(&stage, assertion(ES256, SIGNED, "1").expose()).await;
    let issuer = by_assertion(&stage, assertion(RS256, "https://pal.example", "2").expose()).await;
    let again = by_assertion(&stage, assertion(ES256, SIGNED, "1").expose()).await;

    assert_eq!((first.status, issuer.status), (StatusCode::OK, StatusCode::OK), "{}", first.text);
    again.assert_refused("invalid_client");
    assert_eq!(stage.stat("pal", "assertion_replay").await, 1);
}

#[tokio::test]
async fn a_client_assertion_is_refused_for_each_thing_that_is_wrong_with_it() {
    let stage = Stage::new();
    let now = stage.now().seconds();
    let good = json!({ "iss": "sandbox-pal", "sub": "sandbox-pal", "aud": SIGNED, "jti": "9" });
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let foreign = include_str!("../../protocol/testdata/p256.pem");
    let cases = [
        ("ES256", ES256, with("iss", json!("other")), "iss and sub differ"),
        ("ES256", ES256, with("aud", json!("https://evil.example")), "aud"),
        ("ES256", ES256, with("exp", json!(now)), "expired"),
        ("ES256", ES256, with("exp", json!(now + 400)), "longer than 300"),
        ("ES256", ES256, with("iat", json!(now + 100)), "future"),
        ("ES256", ES256, with("jti", json!("")), "jti"),
        ("ES256", foreign, good.clone(), "well-known key"),
        ("HS256", "sandbox-secret-pal", good.clone(), "asymmetric"),
    ];

    for (algorithm, key, claims, why) in cases {
        let answer = by_assertion(&stage, &minted(&stage, algorithm, key, claims)).await;
        answer.assert_refused("invalid_client");
        assert!(answer.text_at("/error_description").contains(why), "{why}: {}", answer.text);
    }
    by_assertion(&stage, "no.jwt").await.assert_refused("invalid_client");
    let fine = by_assertion(&stage, &minted(&stage, "ES256", ES256, good)).await;
    assert_eq!(fine.status, StatusCode::OK, "{}", fine.text);
}

#[tokio::test]
async fn an_assertion_is_traded_once_for_a_token() {
    let stage = Stage::new();
    let robot = stage.connector("robot");
    let mut player = Player::new(&stage, &robot, "bearer");
    player.values.set("param.user", "bob@example.com");
    let call = player.token_call(&[]);
    let again = crate::protocol::Call {
        headers: call.headers.clone(),
        body: call.body.clone(),
        url: call.url.clone(),
        method: call.method.clone(),
    };

    let first = player.send(call).await;
    let second = player.send(again).await;
    player.connect("", "").await.expect("a token");
    let me = player
        .stage
        .get(
            "/sandbox/api.robot.example/x",
            &[("authorization", &format!("Bearer {}", first.text_at("/access_token")))],
        )
        .await;

    assert_eq!(me.json()["account"], "bob");
    second.assert_refused("invalid_grant");
    assert_eq!(player.test().await.status, StatusCode::OK);
    assert_eq!((stage.stat("robot", "jwt").await, stage.stat("robot", "assertion_replay").await), (3, 1));
}

#[tokio::test]
async fn a_wrong_assertion_gets_no_token() {
    let stage = Stage::new();
    let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    let token = "/sandbox/robot.example/token";
    let now = stage.now().seconds();
    let claims = json!({ "iss": "sandbox-robot", "sub": "ann", "aud": "https://robot.example/token" });
    let late = json!({ "iss": "sandbox-robot", "sub": "ann", "aud": "https://robot.example/token", "exp": now + 3700 });
    let cases = [
        minted(&stage, "RS256", RS256, claims.clone()),
        minted(&stage, "ES256", ES256, json!({ "sub": "ann", "aud": "https://robot.example/token" })),
        minted(&stage, "ES256", ES256, json!({ "iss": "sandbox-robot", "sub": "ann", "aud": "x" })),
        minted(&stage, "ES256", ES256, late),
        "nonsense".to_owned(),
    ];

    for assertion in cases {
        let form = [("grant_type", grant), ("assertion", assertion.as_str())];
        stage.post_form(token, &form, &[]).await.assert_refused("invalid_grant");
    }
    let assertion = minted(&stage, "ES256", ES256, claims);
    let form = [("grant_type", "authorization_code"), ("assertion", assertion.as_str())];
    stage.post_form(token, &form, &[]).await.assert_refused("unsupported_grant_type");
}

#[tokio::test]
async fn an_app_is_installed_and_its_token_given_back() {
    let stage = Stage::new();
    let robot = stage.connector("robot");
    let mut player = Player::new(&stage, &robot, "app");
    let url = player.authorize().await;

    let page = stage.get(&format!("/sandbox/{}", &url.as_str()[8..]), &[]).await;
    let callback = player.visit(&url, "bob", "allow").await;
    let token = player.token_call(&callback);
    let answer = player.send(token).await;
    player.take(robot.auth[1].token.as_ref().expect("token"), &answer).expect("a token");

    assert!(page.text.contains("<h1>Install <code>robo</code> in your Robot account?</h1>"), "{}", page.text);
    assert!(page.text.contains(">Install</button>"));
    assert_eq!(
        callback,
        [("keep", "me"), ("installation_id", "sandbox-bob"), ("state", "s1")]
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
    );
    assert_eq!(answer.json().get("expires_in"), None);
    assert_eq!(answer.text_at("/expires_at"), "2023-11-14T23:13:20Z");
    assert_eq!(player.test().await.status, StatusCode::OK);
    let revoke = robot.auth[1].revoke.as_ref().expect("revoke");
    assert_eq!(player.call(revoke).await.status, StatusCode::OK);
    assert_eq!(player.test().await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(stage.stat("robot", "revoke").await, 1);
}

#[tokio::test]
async fn an_installation_that_nobody_made_has_no_token_and_needs_an_address_to_go_back_to() {
    let stage = Stage::new();
    let robot = stage.connector("robot");
    let mut player = Player::new(&stage, &robot, "app");
    let token = player.mint();
    let header = format!("Bearer {token}");

    let nobody = stage
        .post_form("/sandbox/api.robot.example/installations/9/tokens", &[], &[("authorization", &header)])
        .await;
    let homeless = stage.get("/sandbox/robot.example/apps/robo/install?state=s", &[]).await;
    let stateless = stage
        .get("/sandbox/robot.example/apps/robo/install?sandbox_redirect_uri=http://localhost:1/", &[])
        .await;
    let foreign = stage
        .get(
            "/sandbox/robot.example/apps/robo/install?state=s&sandbox_redirect_uri=https://evil.example/",
            &[],
        )
        .await;

    nobody.assert_refused("invalid_grant");
    for page in [homeless, stateless, foreign] {
        assert_eq!(page.status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn a_token_signed_for_each_call_opens_the_api_while_it_lives() {
    let stage = Stage::new();
    let robot = stage.connector("robot");
    let mut player = Player::new(&stage, &robot, "each-call");
    let now = stage.now().seconds();
    let call =
        async |token: String| stage.get(&format!("/sandbox/calls.robot.example/me?t={token}"), &[]).await;

    assert_eq!(player.test().await.status, StatusCode::OK);
    let old = call(minted(&stage, "ES256", ES256, json!({ "iss": "sandbox-robot", "exp": now - 1 }))).await;
    let other = call(minted(&stage, "RS256", RS256, json!({ "iss": "sandbox-robot" }))).await;
    let foreign = include_str!("../../protocol/testdata/p256.pem");
    let unknown = call(minted(&stage, "ES256", foreign, json!({ "iss": "sandbox-robot" }))).await;

    for answer in [&old, &other, &unknown] {
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(old.text_at("/message"), "The signed token has expired.");
}

#[tokio::test]
async fn a_token_of_the_workspace_opens_its_own_api() {
    let stage = Stage::new();
    let call = async |token: &str| {
        let header = format!("Bearer {token}");
        stage.get("/sandbox/ours.robot.example/me", &[("authorization", &header)]).await.status
    };
    let secret = "0123456789abcdef0123456789abcdef";

    assert_eq!(
        call(&minted(&stage, "HS256", secret, json!({ "iss": "acme", "sub": "c1" }))).await,
        StatusCode::OK
    );
    assert_eq!(
        call(&minted(&stage, "HS256", secret, json!({ "sub": "c1" }))).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        call(&minted(&stage, "HS256", secret, json!({ "iss": "acme", "exp": 5 }))).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(call("sandbox-key").await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_signed_client_secret_is_verified() {
    let stage = Stage::new();
    let swap = stage.connector("swap");
    let mut player = Player::new(&stage, &swap, "form");
    let tokens = player.connect("alice", "allow").await.expect("tokens");
    let renew = async |secret: &str| {
        let refresh = tokens.refresh_token.as_ref().expect("a refresh token").expose();
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh.as_str()),
            ("client_id", "sandbox-swap"),
            ("client_secret", secret),
        ];
        stage.post_form("/sandbox/form.swap.example/token", &form, &[]).await
    };
    let claims = json!({ "iss": "team", "sub": "sandbox-swap", "aud": "https://form.swap.example" });
    let other = json!({ "iss": "team", "sub": "sandbox-other", "aud": "https://form.swap.example" });
    let foreign = include_str!("../../protocol/testdata/p256.pem");

    for secret in [
        "sandbox-secret-swap",
        &minted(&stage, "ES256", foreign, claims.clone()),
        &minted(&stage, "ES256", ES256, other),
    ] {
        renew(secret).await.assert_refused("invalid_client");
    }
    let good = renew(&minted(&stage, "ES256", ES256, claims)).await;

    assert_eq!(good.status, StatusCode::OK, "{}", good.text);
}
