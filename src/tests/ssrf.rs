//! Nothing that somebody writes into an address makes the server call what is behind it.
//!
//! Security O3. The judge is a listener on every loopback address: it counts who comes.

use std::{
    io,
    net::{Ipv6Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::future::BoxFuture;
use hitchpost::outbound::Names;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use super::app::TestApp;

/// An app that anybody may host: its address is what the customer types.
const SELF_HOSTED: &str = r#"
name = "Forge"
[api]
base = "https://{{host}}/api"
open_hosts = true
test = { path = "/me" }

[[auth]]
key = "api-key"
type = "api-key"
use = { headers = { Authorization = "Bearer {{api_key}}" } }
field = [
  { name = "host", title = "Address" },
  { name = "api_key", title = "Key", secret = true },
]
"#;

const CONFIG: &str = r#"
[server]
sandbox = true

[[workspace]]
key = "acme"
name = "Acme"
secret = "acme-secret-0123456789abcdef-0123456789"
integration = [{ key = "forge", connector = "file:forge.toml" }, { key = "hubspot", sandbox = true }]
"#;

/// Ways to write an address that is ours, our network's or nobody's. `PORT` is the listener's.
const SPELLINGS: &[&str] = &[
    // Loopback, as numbers.
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7F000001",
    "017700000001",
    "0177.0.0.1",
    "0177.0.0.01",
    "0x7f.0.0.1",
    "0x7f.1",
    "0x7f.0x0.0x0.0x1",
    "127.0.0.0x1",
    "127.000.000.001",
    "0000000177.0.0.1",
    "127.0.0.2",
    "127.127.127.127",
    "127.255.255.254",
    "0",
    "0.0.0.0",
    "0x0",
    "00000000",
    // Loopback, in letters that become digits and dots.
    "①②⑦.⓪.⓪.①",
    "１２７.０.０.１",
    "127。0。0。1",
    "127．0．0．1",
    "127｡0｡0｡1",
    "𝟏𝟐𝟕.𝟎.𝟎.𝟏",
    "𝟙𝟚𝟟.0.0.1",
    "127.0.0.¹",
    "%31%32%37.0.0.1",
    "127%2e0%2e0%2e1",
    "127.0.0.1%20",
    "127.0.0.1%00",
    "127.0.0.1\t",
    // Loopback as IPv6.
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000::1]",
    "[::0001]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:127.1.2.3]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2002:7f00:0001::1]",
    "[2001:0:7f00:1::]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[fec0::1]",
    "[fc00::1]",
    "[fd00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[2001:db8::1]",
    "[100::1]",
    "[5f00::1]",
    // Names that mean this machine or its network.
    "localhost",
    "LOCALHOST",
    "LocalHost",
    "localhost.",
    "ｌｏｃａｌｈｏｓｔ",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "localhost%2e",
    "foo.localhost",
    "a.b.localhost",
    "ip6-localhost",
    "ip6-loopback",
    "localhost.localdomain",
    "localhost6",
    "broadcasthost",
    "router.lan",
    "printer.local",
    "nas.home.arpa",
    "metadata.google.internal",
    "metadata",
    "kubernetes.default.svc",
    "host.docker.internal",
    "instance-data.ec2.internal",
    // Networks of our own, and of nobody.
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "192.168.255.255",
    "167772161",
    "0xa000001",
    "0300.0250.0.1",
    "169.254.169.254",
    "169.254.1.1",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]",
    "100.64.0.1",
    "100.127.255.255",
    "100.100.100.200",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "192.88.99.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "0.1.2.3",
    // Addresses that hide another one.
    "user@127.0.0.1",
    "example.com@127.0.0.1",
    "user:password@localhost",
    "127.0.0.1#example.com",
    "127.0.0.1?example.com",
    "127.0.0.1/example.com",
    "127.0.0.1\\example.com",
    "example.com\\@127.0.0.1",
    "example.com#@127.0.0.1",
    "127.0.0.1:80",
    "//127.0.0.1",
    "///127.0.0.1",
    "http://127.0.0.1",
    "https://127.0.0.1",
    "file:///etc/passwd",
    "gopher://127.0.0.1",
    "example.com 127.0.0.1",
    "example.com\r\nHost: 127.0.0.1",
];

/// Listens on every loopback address and counts who comes.
struct Trap {
    port: u16,
    came: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<()>>,
}

impl Trap {
    async fn new() -> Self {
        let four = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = four.local_addr().unwrap().port();
        let came = Arc::new(AtomicUsize::new(0));
        // Where the machine has no IPv6, nothing can arrive over it either.
        let six = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await.ok();
        let tasks = [Some(four), six].into_iter().flatten().map(|listener| {
            let came = came.clone();
            tokio::spawn(async move {
                while listener.accept().await.is_ok() {
                    came.fetch_add(1, Ordering::SeqCst);
                }
            })
        });
        Self { port, tasks: tasks.collect(), came }
    }

    fn came(&self) -> usize {
        self.came.load(Ordering::SeqCst)
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Security O3.
#[tokio::test]
async fn no_spelling_of_an_inner_address_that_a_customer_types_is_called() {
    let trap = Trap::new().await;
    let app = TestApp::with_files(CONFIG, &[("forge.toml", SELF_HOSTED)]).await;
    let token = app.token("c1");

    for spelling in SPELLINGS {
        for host in [spelling.to_string(), format!("{spelling}:{}", trap.port)] {
            let body = json!({
                "integrationKey": "forge", "noUi": true, "input": { "host": host, "api_key": "canary-of-the-ssrf-test" },
            });
            let answer = app.browser().post_json("/connect", &token, &body).await;
            assert!(answer.status.is_client_error(), "{host}: {} {}", answer.status, answer.body);
        }
    }

    assert!(SPELLINGS.len() >= 100, "{}", SPELLINGS.len());
    assert_eq!(app.connections("c1").await, Vec::<Value>::new());
    assert_eq!(trap.came(), 0);
    // The trap would have caught somebody.
    drop(tokio::net::TcpStream::connect(("127.0.0.1", trap.port)).await.unwrap());
    tokio::task::yield_now().await;
    let caught = async {
        while trap.came() == 0 {
            tokio::task::yield_now().await
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), caught).await.unwrap();
}

/// Security O3.
#[tokio::test]
async fn no_spelling_of_an_inner_address_becomes_a_webhook_that_is_called() {
    let trap = Trap::new().await;
    let app = TestApp::with_files(CONFIG, &[("forge.toml", SELF_HOSTED)]).await;
    let backend =
        app.signed(super::app::SECRET, &json!({ "iss": "acme", "isAdmin": true, "exp": app.now() + 600 }));
    let mut accepted = Vec::new();
    for spelling in SPELLINGS {
        for url in [
            format!("https://{spelling}:{}/hook", trap.port),
            format!("http://{spelling}:{}/hook", trap.port),
        ] {
            let answer = app.browser().post_json("/webhooks", &backend, &json!({ "url": url })).await;
            match answer.status {
                StatusCode::BAD_REQUEST => {}
                StatusCode::CREATED | StatusCode::OK => accepted.push(url),
                status => panic!("{url}: {status} {}", answer.body),
            }
        }
    }

    app.signed_in("c1").await.connect("hubspot", &[]).await.assert_status(StatusCode::SEE_OTHER);

    // A name may be accepted before it is looked up; then each was tried, and none was reached.
    let tried = async {
        loop {
            let listed = app.browser().api(Method::GET, "/deliveries?limit=1000", &backend).await.json();
            let items = listed["items"].as_array().unwrap().clone();
            if items.len() == accepted.len() && items.iter().all(|item| item["attempts"].as_u64() > Some(0)) {
                break items;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let tried = tokio::time::timeout(std::time::Duration::from_secs(30), tried).await.unwrap();
    assert!(tried.iter().all(|item| item["state"] != "delivered"), "{tried:?}");
    assert_eq!(trap.came(), 0, "{accepted:?}");
}

/// Says a list of answers in turn, whatever the name.
struct Scripted {
    answers: Vec<Vec<&'static str>>,
    asked: AtomicUsize,
}

impl Names for Scripted {
    fn look_up(&self, _: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst) % self.answers.len();
        let answer = self.answers[turn].iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0));
        let answer: Vec<_> = answer.collect();
        Box::pin(async move { Ok(answer) })
    }
}

/// Security O3: a name in good standing whose answers lead inside, each time in another way.
#[tokio::test]
async fn a_name_that_leads_inside_is_refused_whatever_else_it_says() {
    let trap = Trap::new().await;
    let answers = vec![
        vec!["127.0.0.1"],
        vec!["1.1.1.1", "127.0.0.1"],
        vec!["127.0.0.1", "1.1.1.1"],
        vec!["::1"],
        vec!["::ffff:127.0.0.1"],
        vec!["64:ff9b::7f00:1"],
        vec!["2002:7f00:1::"],
        vec!["169.254.169.254"],
        vec!["10.0.0.1", "2606:4700::1111"],
        vec!["0.0.0.0"],
    ];
    let names = Arc::new(Scripted { answers, asked: AtomicUsize::new(0) });
    let app = TestApp::with_names(names.clone(), CONFIG, &[("forge.toml", SELF_HOSTED)]).await;
    let token = app.token("c1");

    for _ in 0..names.answers.len() {
        let body = json!({
            "integrationKey": "forge", "noUi": true,
            "input": { "host": format!("forge.example.com:{}", trap.port), "api_key": "canary-of-the-ssrf-test" },
        });
        let answer = app.browser().post_json("/connect", &token, &body).await;
        assert!(answer.status.is_client_error(), "{}: {}", answer.status, answer.body);
        assert_eq!(answer.json()["key"], "provider_unreachable", "{}", answer.body);
    }

    assert_eq!(names.asked.load(Ordering::SeqCst), names.answers.len());
    assert_eq!(trap.came(), 0);
    assert_eq!(app.connections("c1").await, Vec::<Value>::new());
}
