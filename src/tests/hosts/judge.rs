//! Which hosts a connector's file allows, read and compared without any code of the server's.

use toml::{Table, Value};

/// The hosts that may see a secret of one option.
pub struct Allowed {
    patterns: Vec<String>,
    /// A self-hosted app: whatever host the customer typed.
    pub open: bool,
}

impl Allowed {
    /// Of the option at `place` in a connector's file.
    pub fn of(file: &Table, place: usize) -> Self {
        let options = file["auth"].as_array().unwrap();
        let own = options[place].get("api");
        let sharing: Vec<_> = match own {
            Some(_) => vec![&options[place]],
            None => options.iter().filter(|option| option.get("api").is_none()).collect(),
        };
        let api = own.or_else(|| file.get("api"));
        let open = api.and_then(|api| api.get("open_hosts")).is_some_and(|open| open.as_bool() == Some(true));
        let listed = api.and_then(|api| api.get("hosts")).and_then(Value::as_array);
        let mut patterns = Vec::new();
        match listed {
            Some(hosts) => patterns.extend(hosts.iter().map(|host| host.as_str().unwrap().to_owned())),
            None => api.into_iter().chain(sharing).for_each(|part| collect(part, &mut patterns)),
        }
        Self { patterns, open }
    }

    /// Whether a host, with its port when that is not https's own, is one of them.
    pub fn admits(&self, host: &str) -> bool {
        self.patterns.iter().any(|pattern| match pattern.strip_prefix("*.") {
            Some(suffix) => {
                let labels: Vec<_> = host.split('.').collect();
                let wanted: Vec<_> = suffix.split('.').collect();
                labels.len() > wanted.len()
                    && labels[labels.len() - wanted.len()..] == wanted[..]
                    && labels.iter().all(|label| is_label(label))
            }
            None => pattern == host,
        })
    }

    /// A host that is one of them.
    pub fn example(&self) -> String {
        self.patterns
            .first()
            .map(|pattern| pattern.replace('*', "acme"))
            .unwrap_or_else(|| "git.acme.com".to_owned())
    }
}

/// Letters, digits and hyphens, as every host name of the catalog has them.
pub fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// The hosts of every address in a part of the file.
fn collect(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            let Some(rest) = text.strip_prefix("https://") else { return };
            let host = rest.split(['/', '?']).next().unwrap();
            match host.rsplit_once("}}.") {
                Some((_, suffix)) => into.push(format!("*.{suffix}")),
                None => into.push(host.to_owned()),
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        Value::Table(members) => {
            let described = ["help_url", "jwt", "scopes", "field", "api"];
            members
                .iter()
                .filter(|(name, _)| !described.contains(&name.as_str()))
                .for_each(|(_, member)| collect(member, into));
        }
        _ => {}
    }
}

#[test]
fn the_judge_of_the_hosts_goes_by_whole_labels() {
    let file: Table = toml::from_str(
        "auth = [{ token = \"https://{{a}}.app.example/t\", authorize = { url = \"https://login.example:8443/x\" } }]",
    )
    .unwrap();
    let allowed = Allowed::of(&file, 0);

    for good in ["a.app.example", "a.b.app.example", "login.example:8443"] {
        assert!(allowed.admits(good), "{good}");
    }
    for bad in [
        "app.example",
        "evilapp.example",
        "a.app.example.evil",
        "a.app.example:8443",
        "a.app.example.",
        ".app.example",
        "login.example",
        "x.login.example:8443",
        "a%2e.app.example",
        "[::1]",
    ] {
        assert!(!allowed.admits(bad), "{bad}");
    }
}
