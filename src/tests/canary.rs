//! Secrets of a whole run are looked for in everything the run left behind.

use std::{collections::BTreeSet, path::Path};

use reqwest::StatusCode;
use serde_json::Value;

use super::app::{LOG, TestApp};

/// Everything in a folder that is not the key file.
pub(super) fn left_behind(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_none_or(|end| end != "key" && end != "toml"))
        .map(|path| (path.display().to_string(), std::fs::read(&path).unwrap()))
        .collect()
}

pub(super) fn finds(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
}

#[tokio::test]
async fn no_token_key_or_handle_is_in_the_database_its_log_or_ours() {
    let app = TestApp::new().await;
    let mut secrets = BTreeSet::new();
    let mut browser = app.signed_in("c1").await;
    let token = app.token("c2");
    secrets.insert(token.clone());

    browser.connect("hubspot", &[]).await.assert_status(StatusCode::SEE_OTHER);
    let wrong = browser.submit("stripe", &[("input[api_key]", "sk_test_canary_wrong")]).await.location();
    secrets.insert(wrong.rsplit('/').next().unwrap().to_owned());
    browser
        .submit("stripe", &[("input[api_key]", "sk_test_canary_sandbox")])
        .await
        .assert_status(StatusCode::SEE_OTHER);
    secrets.extend(["sk_test_canary_wrong", "sk_test_canary_sandbox", super::app::SECRET].map(str::to_owned));
    let left = browser.submit("github", &[]).await.location();
    let state = url::Url::parse(&left).unwrap();
    secrets.insert(state.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned());
    browser.get(&format!("/embed/main?token={token}")).await.assert_status(StatusCode::SEE_OTHER);
    secrets.extend(browser.secrets.iter().cloned());
    let scope = app.scope("c1").await;
    for connection in app.connections("c1").await {
        let id = connection["id"].as_str().and_then(hitchpost::model::ConnectionId::parse).unwrap();
        let credentials = app.engine.fresh(scope, id).await.unwrap();
        let plain: Value = serde_json::from_slice(&credentials.to_bytes()).unwrap();
        for name in ["access_token", "refresh_token"] {
            secrets.extend(plain[name].as_str().map(str::to_owned));
        }
    }

    let mut left = left_behind(&app.folder);
    left.push(("the log".to_owned(), std::fs::read(&*LOG).unwrap()));
    let bytes: usize = left.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(secrets.len() >= 10, "{} secrets", secrets.len());
    assert!(bytes > 100_000, "{bytes} bytes were read");
    assert!(left.iter().any(|(_, bytes)| finds(bytes, "Name of c1")), "the scan finds what is there");
    assert!(finds(&left.last().unwrap().1, "TRACE"), "the log is at trace");
    for (file, bytes) in &left {
        for secret in &secrets {
            assert!(!finds(bytes, secret), "{file} holds a secret of {} characters", secret.len());
        }
    }
}
