//! `rules-lang.json`: the rule compiler (04 §6A).

use serde_json::{Value, json};
use zt_netconf::rules::script::{Options, Script};

use crate::{Case, Suite, list, same, text};

/// This file and how to execute it.
pub(crate) const SUITE: Suite = Suite {
    file: "rules-lang.json",
    expected: 96,
    cases,
    alter: |file| file["cases"][0]["output"]["config"]["rules"][0]["not"] = false.into(),
};

fn cases(file: &Value) -> Vec<Case> {
    list(file, "cases", compile)
}

fn compile(case: &Value) -> Result<(), String> {
    let source = text(case, "source");
    let compiled = Script::compile(source, Options { compatible: true });
    match (compiled, case.get("output")) {
        (Ok(script), Some(output)) => same("output", &script.to_json(), output),
        (Err(error), None) => {
            let (line, column, _) = error.first().triple();
            same("place", &json!({"line": line, "column": column}), &case["error"])
        }
        (Ok(script), None) => Err(format!("compiles to {}", script.to_json())),
        (Err(error), Some(_)) => Err(format!("does not compile: {error}")),
    }
}
