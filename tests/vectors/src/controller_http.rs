//! `controller-http.json`: requests to a running controller and its answers, in order. The engine of a node is behind them: what
//! is below `/controller` goes to its controller, what is below `/network` shows and changes its own membership.
//!
//! Random network IDs are scripted and the clock is set to the times in the answers, so that bodies are compared as
//! text. What the listener does (token, JSONP, the objects of `/network`) is asked for over a socket.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value;
use zt_cli::api;
use zt_cli::daemon::http::{Access, Caller, ControllerReply};
use zt_cli::daemon::joined;
use zt_crypto::{Entropy, SecretIdentity, SeededEntropy};
use zt_netconf::Settings;
use zt_node::status::NetworkStatus;
use zt_node::{Engine, EngineConfig, Input, Outbox, Output};
use zt_wire::{Mono, MulticastGroup, NetworkId, Now};

use crate::http_api::ask;
use crate::service::{Service, read};
use crate::{Case, Suite, same, text};

/// When the recording began, Unix milliseconds.
const START: u64 = 1_795_495_572_119;

/// Who asks.
const LOCAL: Caller = Caller::loopback();

/// The suite.
pub const SUITE: Suite = Suite { file: "controller-http.json", expected: 70, cases, alter };

/// Numbers that give the recorded network IDs, then zeros.
struct Script(VecDeque<u64>);

impl Entropy for Script {
    fn fill(&mut self, out: &mut [u8]) {
        out.fill(0);
        if let (Ok(word), Some(number)) = (<&mut [u8; 8]>::try_from(out), self.0.pop_front()) {
            *word = number.to_be_bytes();
        }
    }
}

struct Desk {
    engine: Engine,
    outbox: Outbox,
    now: Now,
    token: String,
}

impl Desk {
    fn new(file: &Value) -> Self {
        let own = SecretIdentity::from_text(text(&file["controller"], "identitySecret")).expect("a valid identity");
        let ids = VecDeque::from([0x17_9bab, 0x9c_08c4, 0xf8_1193, 0xc1_2e7a]);
        let now = Now { mono: Mono::from_millis(START), unix_ms: START as i64 };
        let mut engine = Engine::new(
            now,
            EngineConfig {
                identity: Arc::new(own),
                vl1_entropy: Box::new(SeededEntropy::new(1)),
                vl2_entropy: Box::new(SeededEntropy::new(2)),
                controller_entropy: Some(Box::new(Script(ids))),
                has_peer_cache: false,
                allow_loopback: false,
                ask_paths: false,
                ask_addresses: false,
                hear_messages: false,
            },
        );
        engine.start_controller();
        let mut desk =
            Self { engine, outbox: Outbox::new(), now, token: text(&file["controller"], "authToken").to_owned() };
        desk.api("POST", "/controller/network/5630e858b77afc6f", b"{}");
        desk
    }

    fn api(&mut self, method: &str, path: &str, body: &[u8]) -> (u16, Option<String>) {
        let outcome = self.engine.controller_api(self.now, method, path, body).expect("a controller");
        self.settle();
        (outcome.status, outcome.body)
    }

    /// Everything that is to be done now is done, and kept.
    fn settle(&mut self) {
        loop {
            match self.engine.poll(self.now, &mut self.outbox) {
                Output::Commit { seq, .. } => {
                    self.engine.handle(self.now, Input::Committed(seq), &mut self.outbox);
                }
                Output::Wait(Some(due)) if due <= self.now.mono => {
                    self.engine.handle(self.now, Input::Timeout, &mut self.outbox);
                }
                Output::Wait(_) => return,
                _ => {}
            }
        }
    }

    /// The time goes on, second by second.
    fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now.unix_ms += 1000;
            self.now.mono = Mono::from_millis(self.now.unix_ms as u64);
            self.engine.handle(self.now, Input::Timeout, &mut self.outbox);
            self.settle();
        }
    }

    /// The node's membership as its listener shows it, after a request of the case.
    fn membership(&mut self, case: &Value, network: NetworkId) -> Result<(), String> {
        let (request, response) = (&case["request"], &case["response"]);
        let mut service = Service::default();
        match text(request, "method") {
            "POST" => {
                self.engine.join(self.now, network, None, Settings::default(), &mut self.outbox);
                service.joined = self.shown(network, text(response, "body"))?;
                let settings = Settings { allow_dns: true, ..Settings::default() };
                self.engine.set_network_settings(network, settings);
            }
            "DELETE" => service.left = self.engine.leave(network),
            _ => {
                if text(case, "description").contains("66 s later") {
                    self.wait(66);
                }
                service.networks = self.shown(network, text(response, "body"))?.into_iter().collect();
            }
        }
        self.settle();
        let access = Access { control_token: self.token.clone(), ..Access::default() };
        let ((head, body), _) = ask(service, access, LOCAL, &self.written(request), false)?;
        same("status", &head.contains(" 200 OK"), &true)?;
        same("body", &body.as_str(), &text(response, "body"))
    }

    /// The network as shown. The host puts the recorded groups on the port, which has the recorded name.
    fn shown(&mut self, network: NetworkId, recorded: &str) -> Result<Option<api::Network>, String> {
        let recorded: api::Network = read(&serde_json::from_str(recorded).unwrap_or_default())?;
        let groups: Vec<MulticastGroup> = recorded
            .multicast_subscriptions
            .iter()
            .filter_map(|group| Some(MulticastGroup { mac: group.mac.parse().ok()?, adi: group.adi }))
            .collect();
        self.engine.handle(self.now, Input::Groups(network, &groups), &mut self.outbox);
        let status = self.engine.network(network);
        Ok(status.map(|status| joined::network(&NetworkStatus { device: recorded.port_device_name, ..status })))
    }

    /// The request as sent, with the token where the recorded one had it.
    fn written(&self, request: &Value) -> String {
        let (method, path) = (text(request, "method"), text(request, "path"));
        let token = if request["auth"] == "header" { format!("X-ZT1-Auth: {}\r\n", self.token) } else { String::new() };
        let body = request["body"].as_str().unwrap_or_default();
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        format!("{method} {path} HTTP/1.1\r\n{token}{length}\r\n{body}")
    }

    /// Sets the clock to the newest time in a recorded answer.
    fn advance(&mut self, recorded: &str) {
        for key in ["clock", "creationTime", "lastAuthorizedTime", "lastDeauthorizedTime"] {
            for (at, _) in recorded.match_indices(key) {
                let digits = recorded[at + key.len()..].trim_start_matches(['"', ':', ' ']);
                let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
                self.now.unix_ms = self.now.unix_ms.max(digits[..end].parse().unwrap_or(0));
            }
        }
        self.now.mono = Mono::from_millis(self.now.unix_ms as u64);
    }
}

fn cases(file: &Value) -> Vec<Case> {
    let desk = Rc::new(RefCell::new(Desk::new(file)));
    let both = [("cases", &file["cases"]), ("liveRun", &file["liveRun"]["cases"])];
    let mut out = Vec::new();
    for (list, elements) in both {
        let elements = elements.as_array().expect("a list");
        for (number, case) in elements.iter().enumerate() {
            let title = text(case, "description").to_owned();
            let (desk, case) = (Rc::clone(&desk), case.clone());
            // The first request of a member is told by the record that it made.
            let joins = case["request"]["method"] == "POST" && text(&case["request"], "path").starts_with("/network/");
            let record = elements[number + 1..].iter().map(|later| text(&later["response"], "body"));
            let record = record.filter(|_| joins).find(|body| body.contains("creationTime")).map(str::to_owned);
            out.push(Case::new(format!("{list}[{number}] {title}"), move || {
                let mut desk = desk.borrow_mut();
                desk.advance(record.as_deref().unwrap_or_default());
                run(&mut desk, &case)
            }));
        }
    }
    out
}

fn run(desk: &mut Desk, case: &Value) -> Result<(), String> {
    let (request, response) = (&case["request"], &case["response"]);
    let recorded = text(response, "body");
    desk.advance(recorded);
    let path = text(request, "path").split('?').next().unwrap_or_default();
    if let Some(id) = path.strip_prefix("/network/") {
        return desk.membership(case, id.parse().map_err(|_| "no network ID".to_owned())?);
    }
    if ["no token", "wrong token", "jsonp wrapper"].contains(&text(case, "description")) {
        return listener(desk, case, path);
    }
    let body = request["body"].as_str().unwrap_or_default();
    let (status, ours) = desk.api(text(request, "method"), path, body.as_bytes());
    same("status", &u64::from(status), &response["status"].as_u64().unwrap_or(0))?;
    if let Some(headers) = response["headers"].as_object() {
        same("body with a type", &ours.is_some(), &headers.contains_key("Content-Type"))?;
    }
    let ours = ours.unwrap_or_default();
    if text(case, "description") == "upper-case member id on create" {
        // Ours is lower case there (05 §1.1, free choice).
        return same("body", &ours.to_lowercase(), &recorded.to_lowercase());
    }
    same("body", &ours.as_str(), &recorded)
}

/// What the listener does before and after the controller.
fn listener(desk: &mut Desk, case: &Value, path: &str) -> Result<(), String> {
    let (request, response) = (&case["request"], &case["response"]);
    let (status, body) = desk.api(text(request, "method"), path, b"");
    let service =
        Service { controller: Some(ControllerReply { status, body: body.unwrap_or_default() }), ..Service::default() };
    let access = Access { control_token: desk.token.clone(), jsonp: true, ..Access::default() };
    let mut written = desk.written(request);
    if text(case, "description") == "wrong token" {
        written = written.replacen("\r\n", "\r\nX-ZT1-Auth: wrong\r\n", 1);
    }
    let ((head, body), _) = ask(service, access, LOCAL, &written, false)?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    same("status", &status, &response["status"].to_string())?;
    let wanted = response["headers"].as_object().cloned().unwrap_or_default();
    let wanted: Vec<String> =
        wanted.iter().map(|(name, value)| format!("{name}: {}", value.as_str().unwrap_or_default())).collect();
    same("headers", &lines.collect::<Vec<_>>(), &wanted.iter().map(String::as_str).collect())?;
    same("body", &body.as_str(), &text(response, "body"))
}

fn alter(file: &mut Value) {
    file["cases"][21]["response"]["status"] = 299.into();
}
