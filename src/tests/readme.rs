//! Every code sample of the README and of the pages for developers is run: a sample that is not run
//! stops being true one day.

use std::{collections::BTreeMap, net::TcpListener, process::Command};

use hitchpost::{
    catalog::{Catalog, connector::Status},
    clock::{Clock as _, SystemClock},
    model::Secret,
    protocol::jwt,
};
use serde_json::{Value, json};
use url::Url;

use super::command_line::Folder;

const README: Doc = Doc(include_str!("../../README.md"));
const CONNECT: Doc = Doc(include_str!("../../docs/connect.md"));
const CONNECTORS: Doc = Doc(include_str!("../../docs/connectors.md"));
const PARAMETERS: Doc = Doc(include_str!("../../docs/connector-parameters.md"));
const TOKENS: Doc = Doc(include_str!("../../docs/tokens.md"));
/// Samples that are the whole test suite or the release build themselves.
const RUN_ELSEWHERE: [&str; 2] = ["cargo run --release\n", "./test\n"];
/// What samples call the server.
const SERVER: &str = "http://localhost:7080";
const SECRET: &str = "acme-secret-0123456789abcdef-0123456789";

/// A page with samples.
struct Doc(&'static str);

impl Doc {
    /// The names of its samples, in order.
    fn ids(&self) -> Vec<&str> {
        self.0.split("<!-- test: ").skip(1).map(|rest| rest.split(" -->").next().unwrap()).collect()
    }

    /// The block behind `<!-- test: id -->`.
    fn sample(&self, id: &str) -> String {
        let (_, rest) = self
            .0
            .split_once(&format!("<!-- test: {id} -->\n```"))
            .unwrap_or_else(|| panic!("no sample {id}"));
        let (block, _) = rest.split_once("\n```").unwrap();
        let (_, code) = block.split_once('\n').unwrap();
        format!("{code}\n")
    }
}

#[test]
fn every_sample_has_a_test() {
    for (doc, known) in [
        (
            README,
            &[
                "config",
                "apply",
                "client",
                "token",
                "token-command",
                "embed",
                "connect",
                "connections",
                "proxy",
                "backend",
                "your-app",
                "self",
                "parameters",
                "token-parameters",
                "connect-parameters",
                "connector ledger.toml",
                "hand-over",
                "connector tickets.toml",
            ][..],
        ),
        // `form-key` and `callback` are run in a browser, by end2end.
        (
            CONNECT,
            &[
                "link",
                "form",
                "form-key",
                "json",
                "json-leaves",
                "events",
                "cancel",
                "callback",
                "reconnect",
                "types",
                "handed",
            ],
        ),
        (
            PARAMETERS,
            // `form-payload` and those of the SDKs are run in a browser, by end2end.
            &[
                "connector warehouse.toml",
                "integration",
                "claims",
                "form",
                "form-payload",
                "sdk-ui",
                "sdk-connect",
                "backend",
                "refused",
                "refusal",
            ],
        ),
        (TOKENS, &["workspace-keys", "munity"]),
        (
            CONNECTORS,
            &[
                "connector tickets.toml",
                "check",
                "config",
                "try",
                "show",
                "doctor",
                "inline",
                "api",
                "schema",
            ],
        ),
    ] {
        let ids = doc.ids();
        let mut others = doc.0.to_owned();
        for id in &ids {
            others = others.replace(&doc.sample(id), "");
        }

        assert_eq!(ids, known);
        for language in ["sh", "js", "toml", "html", "json"] {
            for block in others.split(&format!("```{language}\n")).skip(1) {
                let code = block.split("```").next().unwrap();
                assert!(code.trim().is_empty() || RUN_ELSEWHERE.contains(&code), "not run anywhere: {code}");
            }
        }
    }
}

#[test]
fn a_key_of_the_command_line_signs_munitys_tokens() {
    let config = "[[workspace]]\nkey = \"acme\"\nid = \"11111111-2222-3333-aaaa-eeeeeeeeeeee\"\n";
    let desk = Desk::new("tokens", &[("hitchpost.toml", config.to_owned())]);
    let apply = format!("hitchpost apply hitchpost.toml\n{}", TOKENS.sample("workspace-keys"));
    let listed = desk.run(&apply, &[]);
    let mut claims: Value = serde_json::from_str(&TOKENS.sample("munity")).unwrap();
    claims["exp"] = json!(SystemClock.now().seconds() + 60);
    let private = jsonwebtoken::EncodingKey::from_rsa_pem(desk.folder.read("acme.pem").as_bytes()).unwrap();
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256);
    let token = jsonwebtoken::encode(&header, &claims, &private).unwrap();
    let asked = "serve\nask() { curl --silent -H \"Authorization: Bearer $TOKEN\" \"$@\"; echo; }\n\
                 ask http://localhost:7080/connections\n\
                 ask http://localhost:7080/connect --json '{\"integrationKey\": \"jira\"}'\n";

    let said = desk.run(asked, &[("TOKEN", &token)]);

    assert!(listed.lines().any(|line| line.starts_with("2027  RSA")), "{listed}");
    let answers: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers[0]["items"], json!([]));
    assert_eq!(answers[1]["data"]["reason"], "not_found", "it renews a connection that is not there");
}

#[test]
fn the_readme_counts_the_connectors_that_come_with_it() {
    let catalog = Catalog::builtin().unwrap();
    let count = |status: Status| catalog.iter().filter(|connector| connector.status == status).count();
    let (reviewed, listed) = (count(Status::Reviewed), count(Status::Listed));

    let all = format!("{} connectors come with it, in [connectors/](connectors): ", catalog.len());
    let parts =
        format!("{reviewed} were gone over by hand, {listed} are listed as public catalogs have them");

    assert!(README.0.contains(&format!("{all}{parts}")), "the README should say: {all}{parts}");
    assert!(README.0.contains(&format!("a demo workspace with {} apps", catalog.len())));
}

/// A desk with the files of somebody who follows a page, and a port for their server.
struct Desk {
    folder: Folder,
    base: String,
    port: u16,
}

impl Desk {
    fn new(name: &str, files: &[(&str, String)]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let desk = Self { folder: Folder::new(name), base: format!("http://localhost:{port}"), port };
        for (name, text) in files {
            std::fs::write(desk.folder.0.join(name), text.replace(SERVER, &desk.base)).unwrap();
        }
        desk
    }

    /// Runs samples in a shell that knows `hitchpost`, `serve`, which starts the server in the
    /// background, and `goes`, which says where an answer sends a browser.
    fn run(&self, script: &str, variables: &[(&str, &str)]) -> String {
        let script = format!(
            "set -eu\nhitchpost() {{ '{binary}' \"$@\"; }}\n\
             serve() {{ '{binary}' > out 2> log & server=$!; trap 'kill $server' EXIT\n\
             for _ in $(seq 100); do curl --fail --silent --output /dev/null {base}/healthz && return; sleep 0.05; done\n\
             return 1; }}\n\
             goes() {{ curl --silent --output /dev/null --write-out '%{{redirect_url}}\\n' -c jar -b jar \"$@\"; }}\n\
             {script}",
            binary = env!("CARGO_BIN_EXE_hitchpost"),
            base = self.base,
            script = script.replace(SERVER, &self.base),
        );
        let mut bash = Command::new("bash");
        bash.current_dir(&self.folder.0).arg("-c").arg(&script);
        bash.env("HITCHPOST_LISTEN", format!("127.0.0.1:{}", self.port)).envs(variables.iter().copied());
        let output = bash.output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}\n{}", self.folder.read("log"));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The README's workspace with further integrations.
fn config(more: &[&str]) -> String {
    let mut sections = vec![README.sample("config")];
    sections.extend(more.iter().map(|section| (*section).to_owned()));
    sections.join("\n")
}

fn sandboxed(key: &str) -> String {
    format!("[[workspace.integration]]\nkey = \"{key}\"\nsandbox = true\n")
}

fn of_file(key: &str) -> String {
    format!("{}connector = \"file:{key}.toml\"\n", sandboxed(key))
}

/// The fields of a form as arguments of curl.
fn fields(form: &str, token: &str) -> String {
    let inputs = form.split("<input ").skip(1).map(|input| {
        let value = |name: &str| {
            let (_, rest) = input.split_once(&format!("{name}=")).unwrap();
            let quote = rest.chars().next().unwrap();
            rest[1..].split_once(quote).unwrap().0.to_owned()
        };
        format!(" --data-urlencode '{}={}'", value("name"), value("value").replace("TOKEN", token))
    });
    inputs.collect()
}

/// JSON texts that follow each other.
fn answers(text: &str) -> Vec<Value> {
    serde_json::Deserializer::from_str(text).into_iter().map(|answer| answer.expect(text)).collect()
}

fn query(address: &str) -> BTreeMap<String, String> {
    address.parse::<Url>().expect(address).query_pairs().into_owned().collect()
}

#[test]
fn the_samples_work_one_after_the_other() {
    let config = config(&[&README.sample("client"), &of_file("tickets")]);
    let desk = Desk::new(
        "readme",
        &[
            ("hitchpost.toml", config),
            ("tickets.toml", README.sample("connector tickets.toml")),
            ("token.mjs", README.sample("token")),
            ("embed.html", README.sample("embed")),
        ],
    );
    let script = format!(
        "{apply}\nnode token.mjs > token\n{token} > token-by-command\nserve\n\
         {{ {connect}\n}} > connected\n{{ {connections}\n}} > answers\n\
         curl --fail --silent -H \"Authorization: Bearer $(cat token)\" {SERVER}/connections > by-node\n\
         goes \"$(sed -n 's/.*src=\"\\([^\"]*\\)\".*/\\1/p' embed.html | sed \"s/TOKEN/$(cat token)/\")\" > embedded\n",
        apply = README.sample("apply"),
        token = README.sample("token-command").trim_end(),
        connect = README.sample("connect"),
        connections = README.sample("connections"),
    );

    let applied = desk.run(&script, &[("GITHUB_CLIENT_ID", "id"), ("GITHUB_CLIENT_SECRET", "secret")]);

    let (folder, base) = (&desk.folder, &desk.base);
    for integration in ["acme/hubspot", "acme/github", "acme/tickets"] {
        assert!(applied.contains(&format!("{integration}: callback {base}/oauth/callback/")), "{applied}");
    }
    assert_eq!(folder.read("token-by-command").trim().split('.').count(), 3);
    let connected = answers(&folder.read("connected"));
    assert_eq!(connected[0]["connection"]["integrationKey"], "stripe");
    let onward = connected[1]["redirectUrl"].as_str().unwrap();
    assert!(onward.starts_with(&format!("{base}/connect/continue/")), "{onward}");
    assert!(folder.read("answers").contains("\"key\":\"hubspot\""), "{}", folder.read("answers"));
    let by_node = &answers(&folder.read("by-node"))[0]["items"];
    assert_eq!((by_node[0]["integrationKey"].as_str(), by_node[1].is_null()), (Some("stripe"), true));
    let embedded = folder.read("embedded");
    assert!(embedded.starts_with(&format!("{base}/embed/main?session=")), "{embedded}");
}

/// Acceptance 67, 69 and 75, as the README tells them.
#[test]
fn what_a_backend_does_works_as_the_readme_says() {
    let desk = Desk::new(
        "readme-backend",
        &[("hitchpost.toml", README.sample("config") + &README.sample("your-app"))],
    );
    let script = format!(
        "serve\n{{ {connect}\n}} > connected\n{{ {proxy}\n}} > proxied\n{{ {backend}\n}} > backend\n\
         {{ {own}\n}} > own\n",
        connect = README.sample("connect"),
        proxy = README.sample("proxy"),
        backend = README.sample("backend"),
        own = README.sample("self"),
    );

    desk.run(&script, &[("ACME_SECRET", SECRET)]);

    let read = |name: &str| answers(&desk.folder.read(name));
    assert!(read("proxied")[0].is_object());
    let backend = read("backend");
    assert_eq!(
        (&backend[0]["customerId"], &backend[0]["connected"]),
        (&json!("customer-7"), &json!(true)),
        "{backend:?}"
    );
    assert!(backend[1]["url"].as_str().unwrap().starts_with(&format!("{}/link/", desk.base)), "{backend:?}");
    assert!(backend[2]["secret"].as_str().unwrap().starts_with("whsec_"), "{backend:?}");
    assert_eq!(backend[3]["items"][0]["action"], "webhook.created", "{backend:?}");
    let own = read("own");
    assert_eq!(own[0]["internalId"], "customer-42", "{own:?}");
    assert!(!own[0].to_string().contains("key-of-customer-42"), "{own:?}");
}

/// Acceptance 55, 58 and 59, as the README tells them.
#[test]
fn parameters_of_the_readme_reach_the_address_the_browser_leaves_for() {
    let desk = Desk::new(
        "readme-parameters",
        &[
            ("hitchpost.toml", config(&[&README.sample("parameters")])),
            ("token.mjs", README.sample("token") + &README.sample("token-parameters")),
        ],
    );
    let script = format!(
        "serve\ngoes -H 'Origin: http://localhost:3000' --data-urlencode \"token=$(node token.mjs | tail -n 1)\" \
         -d integrationKey=salesforce {SERVER}/connect\n\
         {{ {connect}\n}} > asked\nticket=\"$(sed 's|.*/||; s|\".*||' asked)\"\n\
         goes -H 'Origin: {SERVER}' -d \"ticket=$ticket\" {SERVER}/_actions/submit_input\n",
        connect = README.sample("connect-parameters"),
    );

    let left = desk.run(&script, &[("ACME_SECRET", SECRET)]);

    let sandbox = format!("{}/sandbox/test.salesforce.com/services/oauth2/authorize?", desk.base);
    let left: Vec<_> = left.lines().collect();
    assert!(left.iter().all(|address| address.starts_with(&sandbox)), "{left:?}");
    assert_eq!(
        left.iter().map(|address| query(address)["scope"].clone()).collect::<Vec<_>>(),
        ["api id refresh_token", "api"]
    );
}

/// From a vendor's page to a connection, step by step.
#[test]
fn a_connector_of_ones_own_is_made_as_its_page_says() {
    let config = CONNECTORS.sample("config") + &CONNECTORS.sample("inline");
    let desk = Desk::new(
        "connectors",
        &[("hitchpost.toml", config), ("tickets.toml", CONNECTORS.sample("connector tickets.toml"))],
    );
    let script = format!(
        "{{ {check}\n}} > checked\n{{ {show}\n}} > shown\n{{ {doctor}\n}} > examined\n{schema}\nserve\n\
         {{ {tried}\n}} > tried\n{{ {api}\n}} > made\n",
        check = CONNECTORS.sample("check"),
        show = CONNECTORS.sample("show"),
        doctor = CONNECTORS.sample("doctor"),
        schema = CONNECTORS.sample("schema"),
        tried = CONNECTORS.sample("try"),
        api = CONNECTORS.sample("api"),
    );

    desk.run(&script, &[("ACME_SECRET", SECRET)]);

    let folder = &desk.folder;
    assert_eq!(folder.read("checked"), "tickets.toml: ok, 2 ways to sign in\n");
    let shown = folder.read("shown");
    assert!(
        shown.contains("client_id = \"${TICKETS_CLIENT_ID}\"") && shown.contains("/oauth/callback/"),
        "{shown}"
    );
    assert!(folder.read("examined").ends_with("0 problems, 1 warning\n"), "{}", folder.read("examined"));
    assert!(serde_json::from_str::<Value>(&folder.read("connector.schema.json")).is_ok());
    let tried = answers(&folder.read("tried"));
    assert_eq!(tried[0]["connection"]["integrationKey"], "tickets", "{tried:?}");
    assert!(tried[1]["user"]["id"].is_string(), "{tried:?}");
    let made = answers(&folder.read("made"));
    assert_eq!((&made[0]["key"], &made[0]["name"]), (&json!("boards"), &json!("Boards")), "{made:?}");
}

/// Acceptance 39: the developer's own page, handed over as the README does it and as the page about
/// connecting does.
#[test]
fn credentials_of_an_own_page_become_a_connection() {
    let last = "console.log(await handOver(process.argv[2], \"customer-42\", { api_key: \"k-123\" }));\n";
    let desk = Desk::new(
        "readme-own-page",
        &[
            ("hitchpost.toml", config(&[&of_file("ledger")])),
            ("ledger.toml", README.sample("connector ledger.toml")),
            ("token.mjs", README.sample("token")),
            ("page.mjs", README.sample("token") + &README.sample("hand-over") + last),
            ("handed.json", CONNECT.sample("handed")),
        ],
    );
    let script = format!(
        "serve\nticket() {{ goes -H 'Origin: http://localhost:3000' -d \"token=$(node token.mjs)\" -d integrationKey=ledger \
         -d redirectUri=https://app.acme.com/done {SERVER}/connect | tee -a pages | sed 's/.*ticket=//'; }}\n\
         goes \"$(node page.mjs \"$(ticket)\" | tail -n 1)\"\n\
         admin=\"$(hitchpost token --workspace acme --customer c --admin)\"\nsecond=\"$(ticket)\"\n\
         hand() {{ curl --silent -H \"Authorization: Bearer $admin\" --json @handed.json {SERVER}/connect/continue/$second; }}\n\
         goes \"$(hand | sed 's/.*:\"\\(http[^\"]*\\)\".*/\\1/')\"\nhand; echo\n\
         curl --silent -H \"Authorization: Bearer $(node token.mjs)\" {SERVER}/connections\n",
    );

    let said = desk.run(&script, &[("ACME_SECRET", SECRET)]);

    let said: Vec<_> = said.lines().collect();
    for page in desk.folder.read("pages").lines() {
        assert!(page.starts_with("https://app.acme.com/connect/ledger?ticket="), "{page}");
    }
    let connection = &answers(said[3])[0]["items"][0];
    let id = connection["id"].as_str().expect("a connection");
    assert_eq!(connection["integrationKey"], "ledger");
    let done = format!("https://app.acme.com/done?connectionId={id}");
    assert_eq!(said[..2], [&done, &done]);
    assert_eq!(answers(said[2])[0]["data"]["reason"], "not_found");
    assert!(!said[3].contains("k-123"), "{said:?}");
}

/// Acceptance 25 to 45, as the page about connecting tells them.
#[test]
fn the_page_about_connecting_is_true() {
    let apps = ["sendgrid", "jira", "paypal", "netsuite", "trello"].map(sandboxed);
    let desk = Desk::new("connecting", &[("hitchpost.toml", config(&apps.each_ref().map(String::as_str)))]);
    let script = format!(
        "serve\n{{ {link}\n}} > link\ngoes \"$(cat link)\"\n\
         goes -H 'Origin: https://app.acme.com' {form} {SERVER}/connect\n\
         {{ {json}\n{leaves}\n{events}\n{cancel}\n}} > answers\n{{ {reconnect}\n}} >> answers\n{{ {types}\n}} > types\n",
        link = CONNECT.sample("link"),
        form = fields(&CONNECT.sample("form"), "'\"$TOKEN\"'"),
        json = CONNECT.sample("json"),
        leaves = CONNECT.sample("json-leaves"),
        events = CONNECT.sample("events"),
        cancel = CONNECT.sample("cancel"),
        reconnect = CONNECT.sample("reconnect"),
        types = CONNECT.sample("types"),
    );

    let said = desk.run(&script, &[("ACME_SECRET", SECRET)]);

    let (confirm, left) = said.trim().split_once('\n').unwrap();
    assert!(confirm.starts_with(&format!("{}/connect/continue/", desk.base)), "{confirm}");
    assert!(left.starts_with(&format!("{}/sandbox/app.hubspot.com/oauth/authorize?", desk.base)), "{left}");
    let said = desk.folder.read("answers").replace("data: ", "");
    let said = answers(&said);
    let id = said[0]["connection"]["id"].as_str().expect("a connection");
    assert!(said[1]["redirectUrl"].as_str().unwrap().contains("/connect/continue/"), "{said:?}");
    assert_eq!(said[2]["connection"]["id"], id);
    assert_eq!(
        (&said[3]["type"], &said[3]["requestId"]),
        (&json!("newConnectionCreated"), &json!("order-7-stripe"))
    );
    assert_eq!(said[4]["connection"]["id"], id);
    let types = answers(&desk.folder.read("types"));
    let option = |answer: &Value| answer["connection"]["authOptionKey"].as_str().map(str::to_owned);
    let connected: Vec<_> = types.iter().filter_map(option).collect();
    assert_eq!(connected, ["api-key", "basic", "client-credentials", "oauth1"], "{types:?}");
    assert!(types[4]["redirectUrl"].is_string(), "{types:?}");
}

/// Acceptance 55, 57, 58 and 62, as the page about connector parameters tells them.
#[test]
fn the_page_about_parameters_is_true() {
    let desk = Desk::new(
        "parameters",
        &[
            ("hitchpost.toml", config(&[&PARAMETERS.sample("integration")])),
            ("warehouse.toml", PARAMETERS.sample("connector warehouse.toml")),
            ("partner.key", "partner-secret".to_owned()),
        ],
    );
    let mut claims: Value = serde_json::from_str(&PARAMETERS.sample("claims")).unwrap();
    claims["exp"] = (SystemClock.now().seconds() + 600).into();
    let token = jwt::sign_hs256(&Secret::new(SECRET.as_bytes().to_vec()), &claims);
    let script = format!(
        "serve\nleave() {{ goes -H 'Origin: https://app.acme.com' \"$@\" {SERVER}/connect; }}\n\
         leave {form}\nleave -d integrationKey=warehouse -d token={token}\n\
         {{ {backend}\n}} > asked\nticket=\"$(sed 's|.*/||; s|\".*||' asked)\"\n\
         goes -H 'Origin: {SERVER}' -d \"ticket=$ticket\" {SERVER}/_actions/submit_input\n\
         {{ {refused}\n}} > refused\n",
        form = fields(&PARAMETERS.sample("form"), token.expose()),
        token = token.expose(),
        backend = PARAMETERS.sample("backend"),
        refused = PARAMETERS.sample("refused"),
    );

    let client = [("WAREHOUSE_CLIENT_ID", "id"), ("WAREHOUSE_CLIENT_SECRET", "secret")];
    let left = desk.run(&script, &[&client[..], &[("ACME_SECRET", SECRET)]].concat());

    let left: Vec<_> = left.lines().collect();
    let scopes: Vec<_> = left.iter().map(|address| query(address)["scope"].clone()).collect();
    assert!(
        left.iter().all(|address| address.starts_with("https://north.login.warehouse.example/authorize?"))
    );
    assert_eq!(scopes, ["stock:read", "stock:read", "stock:read,orders:read"]);
    let expected: Value = serde_json::from_str(&PARAMETERS.sample("refusal")).unwrap();
    assert_eq!(answers(&desk.folder.read("refused")), [expected]);
}
