//! `settings.udpOffload`: what UDP sockets and the kernel leave to each other. Ours alone; the original ignores it.

use serde_json::Value;
use zt_node::driver::UdpOffloads;

use super::LocalConf;

impl LocalConf {
    pub(super) fn read_udp_offload(&mut self, value: &Value) {
        match UdpOffloads::LEVELS.into_iter().find(|level| value.as_str() == Some(level.name())) {
            Some(level) => self.settings.udp_offload = level,
            None => self.remark(format!(
                "settings.udpOffload: {value} ignored; write \"all\", \"send\", \"receive\" or \"none\""
            )),
        }
    }
}
