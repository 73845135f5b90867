//! What the rules of nftables make of a UDP packet that belongs to no flow yet.

use serde_json::Value;

/// Deepest chain of jumps that is followed.
const DEEPEST: usize = 16;

/// What becomes of the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No rule stands in its way.
    Passes,
    /// A chain drops it.
    Dropped(Chain),
    /// A chain may drop it: that depends on what cannot be known here, such as where it comes from.
    Unsure(Chain),
}

/// Where a chain is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) family: String,
    pub(super) table: String,
    pub(super) name: String,
}

/// What a chain does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Accept,
    Drop,
    /// No rule decided.
    Through,
}

/// The packet: to (`input`) or from (`output`) this host, for a port.
pub(super) fn verdict(ruleset: &Value, hook: &str, port: u16) -> Verdict {
    let items = || ruleset.get("nftables").and_then(Value::as_array).into_iter().flatten();
    let chains = items().filter_map(|item| item.get("chain"));
    let base = chains.filter(|chain| {
        chain.get("hook").and_then(Value::as_str) == Some(hook)
            && chain.get("type").and_then(Value::as_str) == Some("filter")
            && ["inet", "ip"].contains(&word(chain, "family"))
    });
    let mut unsure = None;
    for chain in base {
        let at = Chain {
            family: word(chain, "family").to_owned(),
            table: word(chain, "table").to_owned(),
            name: word(chain, "name").to_owned(),
        };
        let mut walk = Walk { ruleset, port, sure: true };
        let fate = match walk.chain(&at, DEEPEST) {
            Fate::Through if word(chain, "policy") == "drop" => Fate::Drop,
            fate => fate,
        };
        match (fate, walk.sure) {
            (Fate::Drop, true) => return Verdict::Dropped(at),
            (_, false) => unsure = Some(at),
            _ => {}
        }
    }
    unsure.map_or(Verdict::Passes, Verdict::Unsure)
}

fn word<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

struct Walk<'a> {
    ruleset: &'a Value,
    port: u16,
    /// No rule that could decide otherwise was passed over.
    sure: bool,
}

impl Walk<'_> {
    fn chain(&mut self, at: &Chain, depth: usize) -> Fate {
        let items = self.ruleset.get("nftables").and_then(Value::as_array).into_iter().flatten();
        let rules = items.filter_map(|item| item.get("rule")).filter(|rule| {
            word(rule, "family") == at.family && word(rule, "table") == at.table && word(rule, "chain") == at.name
        });
        for rule in rules {
            let expressions = rule.get("expr").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            match self.rule(expressions, at, depth) {
                Some(Fate::Through) | None => {}
                Some(fate) => return fate,
            }
        }
        Fate::Through
    }

    /// What a rule does; `None`: nothing, or `return`, which ends no base chain otherwise than its end.
    fn rule(&mut self, expressions: &[Value], at: &Chain, depth: usize) -> Option<Fate> {
        let mut known = true;
        for expression in expressions {
            if let Some(found) = expression.get("match") {
                match matches(found, self.port) {
                    Some(true) => {}
                    Some(false) => return None,
                    None => known = false,
                }
            } else if ["xt", "vmap"].iter().any(|key| expression.get(key).is_some()) {
                // A match of iptables in a form that is not told, or a verdict out of a map.
                known = false;
            }
            let fate = match expression {
                _ if expression.get("accept").is_some() => Fate::Accept,
                _ if ["drop", "reject"].iter().any(|key| expression.get(key).is_some()) => Fate::Drop,
                _ => match expression.get("jump").or(expression.get("goto")).map(|jump| word(jump, "target")) {
                    Some(target) if depth > 0 => {
                        let before = self.sure;
                        let fate = self.chain(&Chain { name: target.to_owned(), ..at.clone() }, depth - 1);
                        if fate == Fate::Through && !known {
                            self.sure = before;
                        }
                        fate
                    }
                    _ => continue,
                },
            };
            if fate == Fate::Through {
                continue;
            }
            if known {
                return Some(fate);
            }
            self.sure = false;
            return None;
        }
        if !known && expressions.iter().any(|expression| expression.get("vmap").is_some()) {
            self.sure = false;
        }
        None
    }
}

/// Whether a match holds for the packet; `None`: that cannot be known.
fn matches(found: &Value, port: u16) -> Option<bool> {
    let (left, right) = (found.get("left")?, found.get("right")?);
    let holds = if let Some(payload) = left.get("payload") {
        match (word(payload, "protocol"), word(payload, "field")) {
            ("udp" | "th", "dport") => Some(has_port(right, port)),
            ("tcp" | "icmp" | "icmpv6" | "sctp", _) => return Some(false),
            ("ip", "protocol") | ("ip6", "nexthdr") => Some(has_word(right, "udp")),
            _ => None,
        }
    } else if let Some(meta) = left.get("meta") {
        match word(meta, "key") {
            "l4proto" => Some(has_word(right, "udp")),
            // It comes from elsewhere.
            "iifname" | "iif" if has_word(right, "lo") => Some(false),
            "oifname" | "oif" if has_word(right, "lo") => Some(false),
            _ => None,
        }
    } else if left.get("ct").is_some_and(|ct| word(ct, "key") == "state") {
        Some(has_word(right, "new"))
    } else {
        None
    };
    holds.map(|holds| holds != (word(found, "op") == "!="))
}

/// The items of a value: of a set, of a list, or itself.
fn items(value: &Value) -> Vec<&Value> {
    match value.get("set").unwrap_or(value) {
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    }
}

fn has_word(value: &Value, word: &str) -> bool {
    items(value).iter().any(|item| item.as_str() == Some(word))
}

fn has_port(value: &Value, port: u16) -> bool {
    items(value).iter().any(|item| match item.get("range").and_then(Value::as_array).map(Vec::as_slice) {
        Some([first, last]) => {
            let inside = |first: u64, last: u64| (first..=last).contains(&port.into());
            first.as_u64().zip(last.as_u64()).is_some_and(|(first, last)| inside(first, last))
        }
        _ => item.as_u64() == Some(port.into()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn base(policy: &str) -> Value {
        json!({"chain": {"family": "inet", "table": "filter", "name": "input", "type": "filter", "hook": "input",
            "prio": 0, "policy": policy}})
    }

    fn rule(chain: &str, expr: Value) -> Value {
        json!({"rule": {"family": "inet", "table": "filter", "chain": chain, "expr": expr}})
    }

    fn dport(port: Value) -> Value {
        json!({"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": port}})
    }

    fn found(items: Vec<Value>) -> Verdict {
        verdict(&json!({ "nftables": items }), "input", 9993)
    }

    fn input() -> Chain {
        Chain { family: "inet".to_owned(), table: "filter".to_owned(), name: "input".to_owned() }
    }

    #[test]
    fn a_policy_that_drops_is_seen_unless_the_port_is_let_in() {
        let known = json!([{"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}},
            {"accept": null}]);
        assert_eq!(found(vec![base("drop"), rule("input", known.clone())]), Verdict::Dropped(input()));
        assert_eq!(found(vec![base("accept")]), Verdict::Passes);
        for port in [json!(9993), json!({"set": [22, 9993]}), json!({"range": [9000, 10000]})] {
            let open = rule("input", json!([dport(port), {"accept": null}]));
            assert_eq!(found(vec![base("drop"), rule("input", known.clone()), open]), Verdict::Passes);
        }
        let other = rule("input", json!([dport(json!(53)), {"accept": null}]));
        assert_eq!(found(vec![base("drop"), other]), Verdict::Dropped(input()));
    }

    #[test]
    fn a_rule_that_drops_the_port_is_seen_behind_a_jump() {
        let jump = rule("input", json!([{"jump": {"target": "mine"}}]));
        let drop = rule("mine", json!([dport(json!(9993)), {"counter": {"packets": 1, "bytes": 2}}, {"drop": null}]));
        assert_eq!(found(vec![base("accept"), jump, drop]), Verdict::Dropped(input()));
        let tcp =
            json!({"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 9993}});
        assert_eq!(found(vec![base("accept"), rule("input", json!([tcp, {"drop": null}]))]), Verdict::Passes);
    }

    #[test]
    fn what_depends_on_the_sender_is_told_as_unsure() {
        let from = json!({"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}},
            "right": "192.0.2.1"}});
        let some = rule("input", json!([from.clone(), {"accept": null}]));
        assert_eq!(found(vec![base("drop"), some]), Verdict::Unsure(input()));
        let some = rule("input", json!([from, {"drop": null}]));
        assert_eq!(found(vec![base("accept"), some]), Verdict::Unsure(input()));
        let lo = json!({"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "lo"}});
        assert_eq!(found(vec![base("drop"), rule("input", json!([lo, {"accept": null}]))]), Verdict::Dropped(input()));
    }
}
