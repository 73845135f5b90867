//! Files which recorded commands found in their folder, and commands whose output is random.

use std::fs;
use std::path::Path;

use serde_json::Value;
use zt_crypto::SecretIdentity;

use crate::{same, text};

/// Writes the files a case needs.
pub(super) fn write(case: &Value, cwd: &Path, home: &Path) -> Result<(), String> {
    let put = |path: &Path, content: &str| fs::write(path, content).map_err(|e| e.to_string());
    let argv0 = case["argv"][0].as_str().unwrap_or_default();
    let recorded = crate::load("cli.json");
    let cases = &recorded["cases"];
    if argv0 == "zerotier-idtool" || case["argv"][1] == "-i" {
        let public = text(&cases[156], "stdout");
        let secret = text(&cases[142]["files"], "id.secret");
        let signature = text(&cases[159], "stdout");
        let (rest, last) = public.split_at(public.len() - 1);
        let bad = format!("{rest}{}", if last == "0" { "1" } else { "0" });
        let files = [
            ("id.secret", secret.to_owned()),
            ("id.public", public.to_owned()),
            ("nl.public", format!("{public}\n")),
            ("bad.public", bad),
            ("msg", text(&cases[159]["files"], "msg").to_owned()),
            ("empty", String::new()),
            ("garbage", "garbage".to_owned()),
            ("sigfile", signature.to_owned()),
            ("sigfile2", format!("{signature}\n")),
            ("moon.json", text(&cases[181]["files"], "moon.json").to_owned()),
            ("planet.json", text(&cases[182]["files"], "planet.json").to_owned()),
            ("bad3.json", "not json".to_owned()),
        ];
        for (name, content) in files {
            // Commands which write these names start without them.
            if !is_random(case) {
                put(&cwd.join(name), &content)?;
            }
        }
        for (name, key, value) in [("bad.json", "worldType", "sun"), ("bad2.json", "id", "zz")] {
            let mut moon: Value = serde_json::from_str(text(&cases[181]["files"], "moon.json")).unwrap_or_default();
            moon[key] = Value::from(value);
            put(&cwd.join(name), &moon.to_string())?;
        }
        // The identity of the moon's root, of which the template is made.
        let root = serde_json::from_str::<Value>(text(&cases[178], "stdout")).unwrap_or_default();
        put(&home.join("identity.public"), text(&root["roots"][0], "identity"))?;
    }
    for (folder, name, content) in [
        ("h3", "controller.db", ""),
        ("h4", "local.conf", "not json"),
        ("h5", "local.conf", "[]"),
        ("h6", "identity.secret", "garbage"),
    ] {
        fs::create_dir_all(cwd.join(folder)).map_err(|e| e.to_string())?;
        put(&cwd.join(folder).join(name), content)?;
    }
    Ok(())
}

/// The output holds fresh keys.
pub(super) fn is_random(case: &Value) -> bool {
    let argv = &case["argv"];
    argv[0] == "zerotier-idtool"
        && case["exit_code"] == 0
        && (argv[1] == "generate" || (argv[1] == "initmoon" && argv.get(2).is_some()))
}

/// Compares what is not random, and checks that the keys are good ones.
pub(super) fn compare_random(case: &Value, cwd: &Path, code: i32, out: &str, err: &str) -> Result<(), String> {
    same("exit code", &code, &0)?;
    if case["argv"][1] == "initmoon" {
        return same("standard output", &mask(out), &mask(text(case, "stdout")));
    }
    let argv: Vec<&str> = case["argv"].as_array().into_iter().flatten().skip(2).filter_map(Value::as_str).collect();
    let secret = match argv.first() {
        Some(file) => {
            same("standard output", &out, &text(case, "stdout"))?;
            fs::read_to_string(cwd.join(file)).map_err(|e| e.to_string())?
        }
        None => {
            same("length", &out.len(), &text(case, "stdout").len())?;
            out.to_owned()
        }
    };
    let identity = SecretIdentity::from_text(&secret).map_err(|e| format!("{e}: {secret}"))?;
    same("valid", &zt_crypto::validate(identity.identity()), &true)?;
    if let Some(public) = argv.get(1) {
        let public = fs::read_to_string(cwd.join(public)).map_err(|e| e.to_string())?;
        same("public identity", &public, &identity.identity().to_string())?;
    }
    // Tries differ in number and address only.
    let address = identity.identity().address.to_string();
    let mut lines: Vec<&str> = err.lines().collect();
    let recorded: Vec<&str> = text(case, "stderr").lines().collect();
    if let Some(last) = lines.pop() {
        same("last line", &last.to_owned(), &format!("vanity address: found {address} !"))?;
        let tail = |line: &str| line.get(32..).unwrap_or_default().to_owned();
        for line in lines {
            same("line", &tail(line), &tail(recorded[0]))?;
        }
        same("prefix", &address.starts_with(argv.get(2).copied().unwrap_or_default()), &true)?;
    }
    Ok(())
}

/// Replaces long hexadecimal numbers, which are keys.
fn mask(text: &str) -> String {
    let line = |line: &str| match line.split_once("\": \"") {
        Some((name, value)) if value.trim_end_matches(['"', ',']).len() == 128 => format!("{name}: <key>\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}
