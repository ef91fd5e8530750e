//! The rules of sharing for dialects whose tokens live otherwise than those of the demo API: renewed with themselves, with a
//! refresh token that stays, or by a login only. And pairs of different identities in one store.

use super::places::Place;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use support::child::reported;
use support::dialects::{CALL, PASSWORD, USER, stat, status, together};
use support::process;
use support::server::{Answer, Arrived, Server};
use tokenmgr::Manager;

/// How a token is renewed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// By a refresh that carries the access token, and no other.
    WithItself,
    /// By a refresh token that no answer but the login's holds.
    WithOneThatStays,
    /// By a login.
    ByLogin,
}

pub const KINDS: [Kind; 3] = [Kind::WithItself, Kind::WithOneThatStays, Kind::ByLogin];

/// An API whose tokens are renewed so, and what it saw.
struct Api {
    kind: Kind,
    server: Server,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    issued: AtomicUsize,
    good: Mutex<Vec<String>>,
    /// How long a token lives.
    lifetime_ms: AtomicUsize,
    /// Whether refreshes are answered 503.
    is_down: AtomicBool,
}

impl State {
    fn issue(&self) -> Value {
        let token = format!("access-{}", self.issued.fetch_add(1, Ordering::SeqCst) + 1);
        self.good.lock().unwrap().push(token.clone());
        json!({"access_token": token, "token_type": "Bearer", "expires_in": self.lifetime_ms.load(Ordering::SeqCst) as f64 / 1000.0, "node": "n7"})
    }

    fn is_good(&self, token: &str) -> bool {
        self.good.lock().unwrap().iter().any(|good| good == token)
    }

    fn answer(&self, kind: Kind, request: &Arrived) -> Answer {
        match request.path() {
            "/renew" if self.is_down.load(Ordering::SeqCst) => Answer::json(503, json!({"error": "later"})),
            "/renew" => {
                assert_eq!(request.header("x-node"), Some("n7"), "what was kept is not there");
                let is_good = match kind {
                    Kind::WithItself => self.is_good(request.bearer()),
                    _ => request.json()["refresh_token"] == "the-one-that-stays",
                };
                if is_good { Answer::json(200, self.issue()) } else { Answer::json(401, json!({"error": "no"})) }
            }
            "/login" | "/token" => {
                let mut pair = self.issue();
                if kind == Kind::WithOneThatStays {
                    pair["refresh_token"] = "the-one-that-stays".into();
                }
                Answer::json(200, pair)
            }
            "/logout" => {
                self.good.lock().unwrap().clear();
                Answer::empty(204)
            }
            _ if self.is_good(request.bearer()) => Answer::json(200, json!({})),
            _ => Answer::json(401, json!({"error": "invalid_token"})),
        }
    }
}

impl Api {
    fn start(kind: Kind, lifetime_ms: usize) -> Api {
        let state = Arc::new(State::default());
        state.lifetime_ms.store(lifetime_ms, Ordering::SeqCst);
        let of_server = Arc::clone(&state);
        Api { kind, server: Server::start(move |request| of_server.answer(kind, request)), state }
    }

    fn auth(&self) -> Value {
        let keep = json!({"node": "/node"});
        let mut auth = json!({
            "login": {"url": "/login", "json": {"u": "{username}", "p": "{password}"}, "keep": keep},
            "refresh": {"url": "/renew", "headers": {"X-Node": "{kept.node}"}},
            "logout": {"url": "/logout", "headers": {"Authorization": "Bearer {access_token}"}},
            "answer": {"access_token": "/access_token", "refresh_token": "/refresh_token", "token_type": "/token_type", "expires_in": "/expires_in"},
        });
        match self.kind {
            Kind::WithItself => auth["refresh"]["headers"]["Authorization"] = "Bearer {access_token}".into(),
            Kind::WithOneThatStays => auth["refresh"]["json"] = json!({"refresh_token": "{refresh_token}"}),
            Kind::ByLogin => return json!({"preset": "oauth2", "token_url": "/token"}),
        }
        auth
    }

    fn manager(&self, place: &impl Place) -> Manager {
        place.make(&self.server.url(), USER, PASSWORD, json!({"auth": self.auth()}))
    }

    fn managers(&self, place: &impl Place, count: usize) -> Vec<Manager> {
        (0..count).map(|_| self.manager(place)).collect()
    }

    fn logins(&self) -> usize {
        self.server.count("POST /login") + self.server.count("POST /token")
    }

    fn renewals(&self) -> usize {
        self.server.count("POST /renew")
    }

    fn kill_access(&self) {
        self.state.good.lock().unwrap().clear();
    }

    #[track_caller]
    fn assert(&self, logins: usize, renewals: usize) {
        let got = (self.logins(), self.renewals());
        assert_eq!(got, (logins, renewals), "{:?}: {:?}", self.kind, self.server.lines());
    }
}

const LONG: usize = 3_600_000;

pub fn t2_many_are_one_login_and_a_401_is_one_renewal(place: &impl Place) {
    for kind in KINDS {
        let api = Api::start(kind, LONG);
        let all = api.managers(place, 8);
        assert_eq!(together(16, |at| status(&all[at % 8])), [200; 16]);
        api.assert(1, 0);
        api.kill_access();
        assert_eq!(together(16, |at| status(&all[at % 8])), [200; 16]);
        // One that was refused cannot renew itself.
        let (logins, renewals) = if kind == Kind::WithOneThatStays { (1, 1) } else { (2, 0) };
        api.assert(logins, renewals);
        assert_eq!(status(&api.manager(place)), 200);
        api.assert(logins, renewals);
    }
}

/// Managers in this process, and real processes beside them where the store is one for processes.
pub fn t2_each_expiry_is_one_renewal_for_managers_and_processes<P: Place + Sync>(place: &P) {
    const LIFE: u64 = 1200;
    let apis = KINDS.map(|kind| Api::start(kind, LIFE as usize));
    together(KINDS.len(), |at| {
        let api = &apis[at];
        let all = api.managers(place, 4);
        assert_eq!(status(&all[0]), 200);
        let options = place.with(json!({"auth": api.auth(), "proxy": "none", "refresh_jitter_seconds": 0}));
        let order = json!({"host": api.server.url(), "username": USER, "password": PASSWORD, "path": CALL,
            "options": options, "steps": ["get", "get"]});
        let is_for_processes = options["store"].is_object();
        let begun = Instant::now();
        let processes: Vec<_> = (0..2).filter(|_| is_for_processes).map(|_| process::begin(&[], &order)).collect();
        while begun.elapsed() < Duration::from_millis(LIFE * 9 / 4) {
            all.iter().for_each(|manager| assert_eq!(status(manager), 200, "{:?}", api.kind));
            thread::sleep(Duration::from_millis(5));
        }
        for child in processes {
            let report = reported(&child.wait_with_output().expect("a child of ours")).expect("a report");
            assert_eq!(report["ends"], json!(["200", "200"]), "{:?}: {report}", api.kind);
        }
        let windows = begun.elapsed().as_millis() as u64 / (LIFE * 3 / 4);
        let renewed = (api.logins() - 1 + api.renewals()) as u64;
        assert!((1..=windows + 1).contains(&renewed), "{:?}: {renewed} in {windows} windows", api.kind);
        assert!(api.kind == Kind::ByLogin || api.logins() == 1, "{:?}: {:?}", api.kind, api.server.lines());
    });
}

/// A refresh whose answer is a 503 may have been one: a refresh token is spent by it, an access token is not.
pub fn t3_what_a_lost_renewal_spends(place: &impl Place) {
    for kind in [Kind::WithItself, Kind::WithOneThatStays] {
        let api = Api::start(kind, LONG);
        let (first, second) = (api.manager(place), api.manager(place));
        assert_eq!((status(&first), status(&second)), (200, 200));
        api.state.is_down.store(true, Ordering::SeqCst);
        let outcome = first.refresh();
        api.state.is_down.store(false, Ordering::SeqCst);
        let sent = api.renewals();
        match kind {
            // A login has followed at once, and the spent token is never sent again.
            Kind::WithOneThatStays => {
                outcome.expect("a login");
                api.assert(2, sent);
                assert_eq!((status(&second), status(&first)), (200, 200));
                api.assert(2, sent);
            }
            _ => {
                outcome.expect("a login: the caller wants another token");
                first.refresh().expect("a renewal");
                api.assert(2, sent + 1);
            }
        }
    }
}

pub fn t2_a_logout_is_everyones_whatever_the_dialect(place: &impl Place) {
    for kind in KINDS {
        let api = Api::start(kind, LONG);
        let (first, second) = (api.manager(place), api.manager(place));
        assert_eq!((status(&first), status(&second)), (200, 200));
        first.logout().expect("a logout");
        // Without an endpoint for it there is nothing to tell the server.
        let told = usize::from(kind != Kind::ByLogin);
        assert_eq!((stat(&first, "logouts") as usize, api.server.count("POST /logout")), (told, told), "{kind:?}");
        assert_eq!(status(&api.manager(place)), 200);
        assert_eq!((status(&second), status(&first)), (200, 200));
        api.assert(2, 0);
    }
}

/// A record of a version that knew neither kept values nor a token's type.
pub fn old_records_are_read(place: &impl Place) {
    let api = Api::start(Kind::ByLogin, LONG);
    assert_eq!(status(&api.manager(place)), 200);
    place.forget(&["kept", "token_type"]);
    assert_eq!(status(&api.manager(place)), 200);
    api.assert(1, 0);
    // What a dialect kept is gone with it: then a login brings it again.
    let api = Api::start(Kind::WithItself, LONG);
    assert_eq!(status(&api.manager(place)), 200);
    place.forget(&["kept", "token_type"]);
    let manager = api.manager(place);
    assert_eq!(status(&manager), 200);
    api.assert(1, 0);
    manager.login().expect("a login");
    manager.refresh().expect("a renewal");
    api.assert(2, 1);
}

/// Tokens that say what they are for, and calls that take no other.
pub fn t2_pairs_of_other_scopes_and_dialects_are_never_taken_for_ones_own(place: &impl Place) {
    let issued = Mutex::new(HashMap::new());
    let server = Server::start(move |request| match request.path() {
        "/token" | "/own" => {
            let fields = ["scope", "audience", "resource", "x"].map(|name| request.field(name)).join("|");
            let mut issued = issued.lock().unwrap();
            let token = format!("access-{}", issued.len());
            issued.insert(token.clone(), format!("{}{fields}", request.path()));
            let kind = if request.path() == "/own" { "MAC" } else { "Bearer" };
            Answer::json(200, json!({"access_token": token, "token_type": kind, "expires_in": 3600, "k": fields}))
        }
        _ => match issued.lock().unwrap().get(request.bearer()).is_some_and(|what| *what == request.query("wants")) {
            true => Answer::json(200, json!({})),
            false => Answer::json(401, json!({"error": "invalid_token"})),
        },
    });
    let oauth = |more: Value| {
        let mut auth = json!({"preset": "oauth2", "token_url": "/token"});
        auth.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        auth
    };
    let own = |field: &str| {
        json!({"login": {"url": "/own", "form": {"scope": field, "p": "{password}"}, "keep": {"k": "/k"}},
            "answer": {"access_token": "/access_token", "token_type": "/token_type"},
            "call": {"headers": {"Authorization": "Bearer {access_token}", "X-Kept": "{kept.k}"}}})
    };
    let all = [
        (oauth(json!({})), "/token|||"),
        (oauth(json!({"scope": "a"})), "/tokena|||"),
        (oauth(json!({"scope": ["a", "b"]})), "/tokena b|||"),
        (oauth(json!({"audience": "a"})), "/token|a||"),
        (oauth(json!({"resource": "a"})), "/token||a|"),
        (oauth(json!({"extra": {"x": "a"}})), "/token|||a"),
        (own("a"), "/owna|||"),
        (own("b"), "/ownb|||"),
    ];
    let manager = |at: usize| place.make(&server.url(), USER, PASSWORD, json!({"auth": all[at].0}));
    let call = |manager: &Manager, at: usize| {
        let options = json!({"query": {"wants": all[at].1}}).to_string();
        manager.request("GET", CALL, Default::default(), Some(&options)).expect("an answer").status
    };
    let first: Vec<Manager> = (0..all.len()).map(manager).collect();
    assert_eq!(together(all.len(), |at| call(&first[at], at)), vec![200; all.len()]);
    let logins = || server.count("POST /token") + server.count("POST /own");
    assert_eq!(logins(), all.len());
    // Each finds its own again, as another process would.
    for at in (0..all.len()).rev() {
        let next = manager(at);
        assert_eq!(
            (call(&next, at), stat(&next, "adoptions"), stat(&next, "recoveries")),
            (200, 1, 0),
            "{}",
            all[at].0
        );
    }
    assert_eq!(logins(), all.len());
    assert_eq!(server.last(&format!("GET {CALL}")).header("x-kept"), None);
}
