//! One refresh token, several processes: `oidc-provider` counts how often it was spent.
//!
//! It rotates refresh tokens and takes a second use of one for theft, so a single refresh too many ends
//! the grant and shows in its count.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use hitchpost::{
    engine::RefreshError,
    model::{Access, ConnectionId, ConnectionState, Credentials, DisconnectReason, Scope, Surface},
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{
    app::{SECRET, TestApp},
    certified::{ADA, CLIENT_ID, CLIENT_SECRET, people},
    process::Process,
    provider::{Program, Provider, callback_of, connect, free_port},
    wire::{Mode, Wire},
};

/// How far a process may be behind what another one wrote.
const BEHIND: Duration = Duration::from_millis(1100);

/// A server with one connection, whose token calls go over a wire.
struct Stage {
    app: TestApp,
    provider: Provider,
    wire: Wire,
    scope: Scope,
    id: ConnectionId,
    database: sqlx::SqlitePool,
}

impl Stage {
    async fn new() -> Self {
        Self::with("yes").await
    }

    /// `rotates`: whether the provider gives a new refresh token for each that is used.
    async fn with(rotates: &str) -> Self {
        let port = free_port();
        let wire = Wire::to(port).await;
        let base = format!("http://127.0.0.1:{port}");
        let over_wire = format!("token = {{ url = \"http://127.0.0.1:{}/token\" }}", wire.port);
        let direct = format!("token = {{ url = \"{base}/token\" }}");
        let config = format!(
            "[server]\negress_allow = [\"127.0.0.1:{port}\", \"127.0.0.1:{wire}\"]\n\
             [[workspace]]\nkey = \"acme\"\nname = \"Acme\"\nsecret = \"{SECRET}\"\n\
             [[workspace.integration]]\nkey = \"certified\"\nconnector = \"file:certified.toml\"\n\
             client_id = '{CLIENT_ID}'\nclient_secret = '{CLIENT_SECRET}'\n",
            wire = wire.port
        );
        let connector = format!(
            "name = \"App\"\ncategories = [\"other\"]\nstatus = \"listed\"\n[api]\nbase = \"{base}\"\n\
             hosts = [\"127.0.0.1:{port}\", \"127.0.0.1:{wire}\"]\n{people}",
            wire = wire.port,
            people = people(&base, "basic", "").replace(&direct, &over_wire)
        );
        let app = TestApp::with_files(&config, &[("certified.toml", &connector)]).await;
        let clients = json!([{
            "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
            "redirect_uris": [callback_of(&app, "certified").await],
        }]);
        let environment = [("CLIENTS", clients.to_string()), ("ROTATES", rotates.to_owned())];
        let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
        let provider = Provider::start(Program::Node("oidc-provider.mjs"), port, &environment);
        let (scope, id) = connect(&app, &provider, "certified", ADA).await;
        let file = format!("sqlite:{}", app.folder.join("test.db").display());
        let database = sqlx::SqlitePool::connect(&file).await.unwrap();
        Self { app, provider, wire, scope, id, database }
    }

    /// The access token ends, as every process sees it once it looks.
    async fn expire(&self) {
        let ended = sqlx::query("update connection set expires_at = 1").execute(&self.database).await;
        assert_eq!(ended.unwrap().rows_affected(), 1);
        tokio::time::sleep(BEHIND).await;
    }

    async fn fresh(&self) -> Result<Credentials, RefreshError> {
        self.app.engine.fresh(self.scope, self.id).await
    }

    async fn access(&self) -> Access {
        let session = self.app.engine.authenticate(&self.token(), Surface::Page).await.unwrap();
        Access::from(&session)
    }

    async fn state(&self) -> ConnectionState {
        let found = self.app.engine.connection_view(&self.access().await, &self.id.to_string()).await;
        found.unwrap().connection.state
    }

    fn token(&self) -> String {
        self.app.token("c1")
    }

    /// Refreshes that the provider granted, refused, and took for theft.
    async fn counted(&self) -> [u64; 3] {
        self.provider.counted(["refresh", "refused", "reuse"]).await
    }

    /// `process` has sent the refresh token, and hears nothing.
    async fn sent_by(&self, process: &Arc<Process>) -> JoinHandle<Result<Value, reqwest::Error>> {
        let before = self.wire.sent();
        self.wire.set(Mode::Holding);
        let (caller, token, id) = (process.clone(), self.token(), self.id);
        let call = tokio::spawn(async move { caller.tested(&token, id).await });
        self.wire.has_taken(before + 1).await;
        call
    }
}

fn works(said: &Value) {
    assert_eq!(said["ok"], true, "{said}");
}

/// A hundred callers at once, half of them in each process.
async fn hundred_callers(stage: &Stage, process: &Process) {
    let (token, engine) = (stage.token(), &stage.app.engine);
    let here = join_all((0..50).map(|_| engine.check(stage.scope, stage.id)));
    let there = join_all((0..50).map(|_| process.tested(&token, stage.id)));
    let (here, there) = tokio::join!(here, there);
    for answer in here {
        assert_eq!(answer.unwrap().unwrap().id, "ada");
    }
    for answer in there {
        works(&answer.unwrap());
    }
}

/// Security F2: two processes on one database, fifty rounds.
#[tokio::test]
async fn two_processes_with_one_expired_token_cause_one_refresh() {
    let stage = Stage::new().await;
    let process = Process::beside(&stage.app).await;

    for round in 1..=50 {
        stage.expire().await;
        hundred_callers(&stage, &process).await;
        assert_eq!(stage.counted().await, [round, 0, 0], "round {round}");
    }
}

/// Security F2: the same with a provider that takes its time.
#[tokio::test]
async fn a_slow_provider_is_asked_once_too() {
    let stage = Stage::new().await;
    let process = Process::beside(&stage.app).await;

    for (round, millis) in (1..).zip([500, 1000, 2000, 3000, 500]) {
        stage.expire().await;
        stage.wire.set(Mode::Slow(Duration::from_millis(millis)));
        hundred_callers(&stage, &process).await;
        assert_eq!(stage.counted().await, [round, 0, 0], "{millis} ms");
    }
}

/// Security F3: the provider acted, and we never heard. One more try says how it is, and that is all.
#[tokio::test]
async fn a_lost_answer_is_asked_for_once_more_and_then_the_state_is_clear() {
    let stage = Stage::new().await;
    stage.expire().await;
    stage.wire.set(Mode::Losing);

    let lost = stage.fresh().await;
    let at_once = stage.fresh().await;

    assert!(matches!((lost, at_once), (Err(RefreshError::Transient), Err(RefreshError::Transient))));
    assert_eq!(stage.wire.sent(), 2, "the code, and the refresh token once");
    assert_eq!(stage.state().await, ConnectionState::Ready, "nobody knows yet");
    stage.wire.set(Mode::Passing);
    stage.app.clock.advance(Duration::from_secs(30));
    let unknown = DisconnectReason::RefreshOutcomeUnknown;
    for _ in 0..20 {
        assert!(matches!(stage.fresh().await, Err(RefreshError::Disconnected(reason)) if reason == unknown));
        stage.app.engine.refresh_due().await.unwrap();
        stage.app.clock.advance(Duration::from_secs(60));
    }
    assert_eq!(stage.wire.sent(), 3, "and once more");
    assert_eq!(stage.counted().await, [1, 1, 1]);
}

/// Security F3: the same where the provider still takes the old refresh token.
#[tokio::test]
async fn a_lost_answer_does_no_harm_where_the_old_token_is_still_good() {
    let stage = Stage::with("no").await;
    stage.expire().await;
    stage.wire.set(Mode::Losing);
    assert!(matches!(stage.fresh().await, Err(RefreshError::Transient)));

    stage.wire.set(Mode::Passing);
    stage.app.clock.advance(Duration::from_secs(30));
    stage.fresh().await.unwrap();

    assert_eq!(stage.counted().await, [2, 0, 0]);
    assert_eq!(stage.state().await, ConnectionState::Ready);
}

/// Security I7: what one process deletes, another one does not call through a second later.
#[tokio::test]
async fn what_one_process_deletes_opens_nothing_in_another() {
    let stage = Stage::new().await;
    let process = Process::beside(&stage.app).await;
    let token = stage.token();
    works(&process.tested(&token, stage.id).await.unwrap());

    stage.app.engine.archive(&stage.access().await, &stage.id.to_string()).await.unwrap();
    tokio::time::sleep(BEHIND).await;

    assert_eq!(process.tested(&token, stage.id).await.unwrap()["key"], "not_found");
    assert_eq!(stage.wire.sent(), 1, "the code, and nothing else");
}

/// A caller that hangs up does not take the new refresh token with it.
#[tokio::test]
async fn a_caller_that_hangs_up_loses_nothing() {
    let stage = Stage::new().await;
    stage.expire().await;
    stage.wire.set(Mode::Slow(Duration::from_secs(1)));

    tokio::select! {
        _ = stage.fresh() => panic!("the provider takes a second"),
        () = stage.wire.has_taken(2) => {}
    }

    stage.fresh().await.unwrap();
    assert_eq!(stage.counted().await, [1, 0, 0]);
}

/// A process that is told to end while a provider takes its time: what it answers is stored.
#[tokio::test]
async fn a_process_that_ends_stores_what_it_renewed() {
    let stage = Stage::new().await;
    let process = Arc::new(Process::beside(&stage.app).await);
    stage.expire().await;
    stage.wire.set(Mode::Slow(Duration::from_secs(2)));
    let (caller, token, id) = (process.clone(), stage.token(), stage.id);
    let call = tokio::spawn(async move { caller.tested(&token, id).await });
    stage.wire.has_taken(2).await;

    // Nobody waits for the answer any more, so nothing but the renewal keeps the process.
    call.abort();
    let _ = call.await;
    let mut process = Arc::into_inner(process).expect("nobody else calls");
    process.signal("TERM");

    assert_eq!(process.ended().await, Some(0));
    stage.fresh().await.unwrap();
    assert_eq!(stage.counted().await, [1, 0, 0]);
}

/// Security F4, side by side because each waits for a lease to lapse.
#[tokio::test]
async fn others_take_over_from_a_holder_that_was_killed_or_stopped() {
    tokio::join!(killed(), stopped(), killed_twice());
}

async fn killed() {
    let stage = Stage::new().await;
    let mut holder = Arc::new(Process::beside(&stage.app).await);
    stage.expire().await;
    let call = stage.sent_by(&holder).await;

    call.abort();
    let _ = call.await;
    Arc::get_mut(&mut holder).expect("nobody else calls").kill();
    let since = Instant::now();
    stage.wire.set(Mode::Passing);
    stage.fresh().await.unwrap();

    assert!(since.elapsed() <= Duration::from_secs(35), "{:?}", since.elapsed());
    assert_eq!(stage.counted().await, [1, 0, 0]);
}

async fn stopped() {
    let stage = Stage::new().await;
    let holder = Arc::new(Process::beside(&stage.app).await);
    stage.expire().await;
    let call = stage.sent_by(&holder).await;

    holder.signal("STOP");
    let since = Instant::now();
    stage.wire.set(Mode::Passing);
    let renewed = stage.fresh().await.unwrap().access_token.unwrap();
    assert!(since.elapsed() <= Duration::from_secs(35), "{:?}", since.elapsed());
    tokio::time::sleep(Duration::from_secs(60).saturating_sub(since.elapsed())).await;
    holder.signal("CONT");

    // The one that was asleep goes on with what the other stored.
    works(&call.await.unwrap().unwrap());
    tokio::time::sleep(BEHIND).await;
    let kept = stage.fresh().await.unwrap().access_token.unwrap();
    assert_eq!(kept.expose(), renewed.expose(), "and wrote nothing");
    let listed = &stage.app.connections("c1").await[0];
    assert_eq!((&listed["retryAttempts"], &listed["connected"]), (&json!(0), &json!(true)));
    assert_eq!(stage.counted().await, [1, 0, 0]);
}

/// Security I4: never a third time.
async fn killed_twice() {
    let stage = Stage::new().await;
    for _ in 0..2 {
        let mut holder = Arc::new(Process::beside(&stage.app).await);
        stage.expire().await;
        let call = stage.sent_by(&holder).await;
        call.abort();
        let _ = call.await;
        Arc::get_mut(&mut holder).expect("nobody else calls").kill();
    }
    stage.wire.set(Mode::Passing);
    stage.app.clock.advance(Duration::from_secs(31));

    let ended = stage.fresh().await;

    let unknown = DisconnectReason::RefreshOutcomeUnknown;
    assert!(
        matches!(ended, Err(RefreshError::Disconnected(reason)) if reason == unknown),
        "{:?}",
        ended.err()
    );
    assert_eq!(stage.wire.sent(), 3, "the code, and the refresh token twice");
    assert_eq!(stage.counted().await, [0, 0, 0]);
}
