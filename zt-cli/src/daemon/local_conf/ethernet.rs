//! `settings.ethernet`: interfaces on which members find each other without IP (docs/ethernet.md). Ours alone; the original
//! ignores it.

use serde_json::Value;

use super::LocalConf;

/// Most interfaces that are used.
const MOST: usize = 16;
/// Longest name of an interface.
const LONGEST: usize = 15;

impl LocalConf {
    pub(super) fn read_ethernet(&mut self, value: &Value) {
        let field = "settings.ethernet";
        let mut names: Vec<String> = Vec::new();
        for name in self.texts(field, value) {
            if !is_name(&name) {
                self.remark(format!(
                    "{field}: \"{name}\" ignored, no interface has such a name; write one such as \"eth1\""
                ));
            } else if names.contains(&name) {
                self.remark(format!("{field}: \"{name}\" stands there twice"));
            } else if names.len() == MOST {
                self.remark(format!("{field}: \"{name}\" ignored, at most {MOST} interfaces are used"));
            } else {
                names.push(name);
            }
        }
        self.settings.ethernet = names;
    }
}

/// What the kernel of Linux lets interfaces be called.
fn is_name(name: &str) -> bool {
    let bad = |c: char| c == '/' || c == ':' || c.is_whitespace();
    (1..=LONGEST).contains(&name.len()) && ![".", ".."].contains(&name) && !name.contains(bad)
}
