//! Every code sample of the README is run: a sample that is not run stops being true one day.

use std::{net::TcpListener, process::Command};

use super::command_line::Folder;

const README: &str = include_str!("../../README.md");
/// Samples that are the whole test suite or the release build themselves.
const RUN_ELSEWHERE: [&str; 2] = ["cargo run --release\n", "./test\n"];

/// The block behind `<!-- test: id -->`.
fn sample(id: &str) -> String {
    let (_, rest) =
        README.split_once(&format!("<!-- test: {id} -->\n```")).unwrap_or_else(|| panic!("no sample {id}"));
    let (block, _) = rest.split_once("\n```").unwrap();
    let (_, code) = block.split_once('\n').unwrap();
    format!("{code}\n")
}

#[test]
fn every_sample_has_a_test() {
    let ids: Vec<_> =
        README.split("<!-- test: ").skip(1).map(|rest| rest.split(" -->").next().unwrap()).collect();
    let mut others = README.to_owned();
    for id in &ids {
        others = others.replace(&sample(id), "");
    }

    let known = [
        "config",
        "apply",
        "client",
        "token",
        "token-command",
        "embed",
        "connections",
        "connector tickets.toml",
    ];
    assert_eq!(ids, known);
    for block in others.split("```sh\n").skip(1) {
        let code = block.split("```").next().unwrap();
        assert!(code.trim().is_empty() || RUN_ELSEWHERE.contains(&code), "not run anywhere: {code}");
    }
}

#[test]
fn the_samples_work_one_after_the_other() {
    let folder = Folder::new("readme");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let base = format!("http://localhost:{port}");
    let tickets =
        "[[workspace.integration]]\nkey = \"tickets\"\nconnector = \"file:tickets.toml\"\nsandbox = true\n";
    let config = [sample("config"), sample("client"), tickets.to_owned()].join("\n");
    std::fs::write(folder.0.join("hitchpost.toml"), config).unwrap();
    std::fs::write(folder.0.join("tickets.toml"), sample("connector tickets.toml")).unwrap();
    std::fs::write(folder.0.join("token.mjs"), sample("token")).unwrap();
    let script = format!(
        "set -eu\nhitchpost() {{ '{binary}' \"$@\"; }}\nexport GITHUB_CLIENT_ID=id GITHUB_CLIENT_SECRET=secret\n\
         {apply}\nnode token.mjs > token\n{token} > token-by-command\n\
         '{binary}' > out 2> log &\nserver=$!\ntrap 'kill $server' EXIT\n\
         for _ in $(seq 100); do curl --fail --silent {base}/healthz && break; sleep 0.05; done\n\
         {{ {connections}\n}} > answers\n\
         curl --fail --silent -H \"Authorization: Bearer $(cat token)\" {base}/connections > by-node\n\
         curl --silent --output /dev/null --write-out '%{{redirect_url}}' \
         \"$(sed -n 's/.*src=\"\\([^\"]*\\)\".*/\\1/p' embed.html | sed \"s/TOKEN/$(cat token)/\")\" > embedded\n",
        binary = env!("CARGO_BIN_EXE_hitchpost"),
        apply = sample("apply"),
        token = sample("token-command").trim_end(),
        connections = sample("connections").replace("http://localhost:7080", &base),
    );
    std::fs::write(folder.0.join("embed.html"), sample("embed").replace("http://localhost:7080", &base))
        .unwrap();

    let mut bash = Command::new("bash");
    bash.current_dir(&folder.0).arg("-c").arg(&script).env("HITCHPOST_LISTEN", format!("127.0.0.1:{port}"));
    let output = bash.output().unwrap();

    assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stderr), folder.read("log"));
    let applied = String::from_utf8(output.stdout).unwrap();
    for integration in ["acme/hubspot", "acme/github", "acme/tickets"] {
        assert!(applied.contains(&format!("{integration}: callback {base}/oauth/callback/")), "{applied}");
    }
    assert_eq!(folder.read("token-by-command").trim().split('.').count(), 3);
    assert!(folder.read("answers").contains("\"key\":\"hubspot\""), "{}", folder.read("answers"));
    assert_eq!(folder.read("by-node"), "{\"items\":[]}");
    let embedded = folder.read("embedded");
    assert!(embedded.starts_with(&format!("{base}/embed/main?session=")), "{embedded}");
}
