//! `webhooks` of a `[[workspace]]`.

use serde::Deserialize;

use crate::{
    engine::DesiredWebhook,
    model::{Secret, Target},
};

/// `{ url = "https://…", secret = "whsec_…", events = ["connection.created"] }`, or `your_app` with a path
/// of the product's own API instead of `url`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Webhook {
    url: Option<String>,
    your_app: Option<String>,
    secret: Option<String>,
    events: Option<Vec<String>>,
}

/// As the engine wants it; the error says what to change.
pub(super) fn desired(section: Webhook) -> Result<DesiredWebhook, String> {
    let target = match (section.url, section.your_app) {
        (Some(url), None) => Target::Url(url),
        (None, Some(path)) => Target::YourApp(path),
        _ => return Err("webhooks: give each a `url`, or `your_app` with a path of your own API".to_owned()),
    };
    let secret = section.secret.filter(|secret| !secret.is_empty()).map(Secret::new);
    if secret.is_none() && matches!(target, Target::Url(_)) {
        return Err(
            "webhooks: give each `url` a `secret`: `whsec_` and what `openssl rand -base64 32` prints"
                .to_owned(),
        );
    }
    Ok(DesiredWebhook { target, events: section.events, secret })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<DesiredWebhook, String> {
        desired(toml::from_str(text).expect("a webhook"))
    }

    #[test]
    fn a_url_has_a_secret_and_a_path_of_the_own_api_may_go_without() {
        let url = read("url = \"https://a.example/\"\nsecret = \"whsec_x\"").expect("a webhook");
        let path = read("your_app = \"/hooks\"\nevents = [\"connection.deleted\"]").expect("a webhook");

        assert_eq!(url.target, Target::Url("https://a.example/".to_owned()));
        assert_eq!(path.target, Target::YourApp("/hooks".to_owned()));
        assert_eq!(path.events, Some(vec!["connection.deleted".to_owned()]));
        for text in [
            "url = \"https://a.example/\"",
            "url = \"https://a.example/\"\nsecret = \"\"",
            "url = \"https://a.example/\"\nyour_app = \"/hooks\"\nsecret = \"whsec_x\"",
            "secret = \"whsec_x\"",
        ] {
            assert!(read(text).is_err(), "{text} was taken");
        }
    }
}
