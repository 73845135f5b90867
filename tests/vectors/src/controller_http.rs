//! `controller-http.json`: requests to a running controller and its answers, in order, given to `Controller::api`.
//!
//! Random network IDs are scripted and the clock is set to the times in the answers, so that bodies are compared as
//! text. What the listener does (token, JSONP, the node's own `/network`) is not here: see [`PENDING`].

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value;
use zt_crypto::{Entropy, SecretIdentity};
use zt_netconf::controller::{Controller, ControllerOutput, Request};
use zt_wire::{Mono, NetworkId, Now};

use crate::{Case, Suite, same, text};

/// The suite.
pub const SUITE: Suite = Suite { file: "controller-http.json", expected: 60, cases, alter };

/// Cases that are not executed here, and why.
pub const PENDING: &[(&str, &str)] = &[
    ("no token", "access is decided by the listener of the daemon"),
    ("wrong token", "access is decided by the listener of the daemon"),
    ("jsonp wrapper", "the listener of the daemon wraps answers"),
    ("the controller node itself joins", "/network belongs to http-api.json; the request it causes is made here"),
    ("local view: denied", "/network belongs to http-api.json"),
    ("local view: ok", "/network belongs to http-api.json; the request before it is made here"),
    ("local view after the push", "/network belongs to http-api.json"),
    ("local view right after", "/network belongs to http-api.json"),
    ("local view 66 s later: not found", "/network belongs to http-api.json"),
    ("leave", "/network belongs to http-api.json"),
];

/// A request of the controller's own node, as the recorded one sends it.
const METADATA: &[u8] = b"v=0000000000000007\npv=000000000000000c\nmajv=0000000000000001\nminv=000000000000000e\n\
    revv=0000000000000001\nrevr=0000000000000001";

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
    controller: Controller,
    own: Arc<SecretIdentity>,
    now: Now,
}

impl Desk {
    fn new(file: &Value) -> Self {
        let own = SecretIdentity::from_text(text(&file["controller"], "identitySecret")).expect("a valid identity");
        let own = Arc::new(own);
        let ids = VecDeque::from([0x17_9bab, 0x9c_08c4, 0xf8_1193, 0xc1_2e7a]);
        let mut controller = Controller::new(Arc::clone(&own), Box::new(Script(ids)));
        controller.start();
        let mut desk = Self { controller, own, now: Now { mono: Mono::ZERO, unix_ms: 1_795_495_572_119 } };
        desk.api("POST", "/controller/network/5630e858b77afc6f", b"{}");
        desk
    }

    fn api(&mut self, method: &str, path: &str, body: &[u8]) -> (u16, Option<String>) {
        let outcome = self.controller.api(self.now, method, path, body);
        self.drain();
        (outcome.status, outcome.body)
    }

    fn drain(&mut self) {
        while let Some(output) = self.controller.poll_output(self.now) {
            if let ControllerOutput::Commit { seq, .. } = output {
                self.controller.handle_committed(self.now, seq);
            }
        }
    }

    fn own_request(&mut self, network: NetworkId) {
        let from = *self.own.identity();
        let request = Request { network, from, from_path: None, packet: None, metadata: METADATA };
        self.controller.handle_request(self.now, request).expect("it is served");
        self.drain();
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
    let mut requests = Vec::new();
    for (list, elements) in both {
        for (number, case) in elements.as_array().expect("a list").iter().enumerate() {
            let title = text(case, "description").to_owned();
            let path = text(&case["request"], "path").to_owned();
            if PENDING.iter().any(|(name, _)| *name == title) {
                // The node asked its controller before these were recorded.
                if let Some(id) = path.strip_prefix("/network/") {
                    requests.push(id.parse::<NetworkId>().expect("a network ID"));
                }
                continue;
            }
            let (desk, case, before) = (Rc::clone(&desk), case.clone(), std::mem::take(&mut requests));
            out.push(Case::new(format!("{list}[{number}] {title}"), move || {
                run(&mut desk.borrow_mut(), &case, before.last().copied())
            }));
        }
    }
    out
}

fn run(desk: &mut Desk, case: &Value, asked: Option<NetworkId>) -> Result<(), String> {
    let (request, response) = (&case["request"], &case["response"]);
    let recorded = text(response, "body");
    desk.advance(recorded);
    if let Some(network) = asked {
        desk.own_request(network);
    }
    let path = text(request, "path").split('?').next().unwrap_or_default();
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

fn alter(file: &mut Value) {
    file["cases"][21]["response"]["status"] = 299.into();
}
