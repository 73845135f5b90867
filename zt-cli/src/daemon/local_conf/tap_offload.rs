//! `settings.tapOffload`: what virtual ports and the kernel leave to each other. Ours alone; the original ignores it.

use serde_json::Value;
use zt_tap::Offloads;

use super::LocalConf;

impl LocalConf {
    pub(super) fn read_tap_offload(&mut self, value: &Value) {
        match Offloads::LEVELS.into_iter().find(|level| value.as_str() == Some(level.name())) {
            Some(level) => self.settings.tap_offload = level,
            None => self.remark(format!(
                "settings.tapOffload: {value} ignored; write \"all\", \"tcp\", \"checksums\" or \"none\""
            )),
        }
    }
}
