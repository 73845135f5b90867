//! `settings.tapOffload`: what virtual ports and the kernel leave to each other. Ours alone; the original ignores it.

use serde_json::Value;
use zt_tap::Offloads;

use super::LocalConf;

impl LocalConf {
    pub(super) fn read_tap_offload(&mut self, value: &Value) {
        let level = match value.as_str() {
            Some("none") => Offloads::None,
            Some("checksums") => Offloads::Checksums,
            Some("tcp") => Offloads::Tcp,
            Some("all") => Offloads::All,
            _ => {
                return self.remark(format!(
                    "settings.tapOffload: {value} ignored; write \"all\", \"tcp\", \"checksums\" or \"none\""
                ));
            }
        };
        self.settings.tap_offload = level;
    }
}
