//! Rule tables as text: the statements of the rule language (04 §6A), without definitions.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

/// The rules of these statements as a controller takes them (04 §6.10).
///
/// # Errors
/// A word is not known.
pub(super) fn rules(text: &str) -> Result<Vec<Value>> {
    let mut rules = Vec::new();
    for statement in text.split(';') {
        let mut words = statement.split_whitespace();
        let Some(action) = words.next() else { continue };
        let action = match action {
            "accept" | "drop" | "break" => json!({ "type": format!("ACTION_{}", action.to_uppercase()) }),
            "tee" | "watch" => {
                let (length, address) = (words.next().context("a length")?, words.next().context("an address")?);
                let length: i64 = length.parse()?;
                json!({ "type": format!("ACTION_{}", action.to_uppercase()), "address": address, "flags": 0, "length": length })
            }
            "redirect" => {
                json!({ "type": "ACTION_REDIRECT", "address": words.next().context("an address")?, "flags": 0 })
            }
            other => bail!("{other} is no action"),
        };
        let (mut not, mut or) = (false, false);
        while let Some(word) = words.next() {
            match word {
                "not" => not = true,
                "or" => or = true,
                "and" => {}
                keyword => {
                    let mut object = matcher(keyword, &mut words).with_context(|| statement.trim().to_owned())?;
                    object["not"] = not.into();
                    object["or"] = or.into();
                    rules.push(object);
                    (not, or) = (false, false);
                }
            }
        }
        rules.push(action);
    }
    Ok(rules)
}

fn matcher<'a>(keyword: &str, words: &mut impl Iterator<Item = &'a str>) -> Result<Value> {
    let mut word = || words.next().with_context(|| format!("{keyword} takes more"));
    Ok(match keyword {
        "ztsrc" => json!({ "type": "MATCH_SOURCE_ZEROTIER_ADDRESS", "zt": word()? }),
        "ztdest" => json!({ "type": "MATCH_DEST_ZEROTIER_ADDRESS", "zt": word()? }),
        "macsrc" => json!({ "type": "MATCH_MAC_SOURCE", "mac": word()? }),
        "macdest" => json!({ "type": "MATCH_MAC_DEST", "mac": word()? }),
        "ethertype" => json!({ "type": "MATCH_ETHERTYPE", "etherType": number(word()?)? }),
        "ipprotocol" => json!({ "type": "MATCH_IP_PROTOCOL", "ipProtocol": number(word()?)? }),
        "ipsrc" | "ipdest" => {
            let (ip, side) = (word()?, if keyword == "ipsrc" { "SOURCE" } else { "DEST" });
            let family = if ip.contains(':') { 6 } else { 4 };
            json!({ "type": format!("MATCH_IPV{family}_{side}"), "ip": ip })
        }
        "icmp" => {
            let (kind, code) = (number(word()?)?, word()?.parse::<i64>()?);
            json!({ "type": "MATCH_ICMP", "icmpType": kind, "icmpCode": u8::try_from(code).ok() })
        }
        "sport" | "dport" | "framesize" => {
            let range = word()?;
            let (start, end) = range.split_once('-').unwrap_or((range, range));
            let name = match keyword {
                "sport" => "IP_SOURCE_PORT",
                "dport" => "IP_DEST_PORT",
                _ => "FRAME_SIZE",
            };
            json!({ "type": format!("MATCH_{name}_RANGE"), "start": number(start)?, "end": number(end)? })
        }
        "iptos" => {
            let (mask, range) = (number(word()?)?, word()?);
            let (start, end) = range.split_once('-').unwrap_or((range, range));
            json!({ "type": "MATCH_IP_TOS", "mask": mask, "start": number(start)?, "end": number(end)? })
        }
        "random" => {
            let part: f64 = word()?.parse()?;
            json!({ "type": "MATCH_RANDOM", "probability": (4_294_967_295.0 * part).floor() as u64 })
        }
        "chr" => json!({ "type": "MATCH_CHARACTERISTICS", "mask": format!("{:016x}", 1_u64 << bit(word()?)?) }),
        "tand" | "tor" | "txor" | "tdiff" | "teq" | "tseq" | "treq" => {
            let name = match keyword {
                "tand" => "TAGS_BITWISE_AND",
                "tor" => "TAGS_BITWISE_OR",
                "txor" => "TAGS_BITWISE_XOR",
                "tdiff" => "TAGS_DIFFERENCE",
                "teq" => "TAGS_EQUAL",
                "tseq" => "TAG_SENDER",
                _ => "TAG_RECEIVER",
            };
            json!({ "type": format!("MATCH_{name}"), "id": number(word()?)?, "value": number(word()?)? })
        }
        other => bail!("{other} is no match"),
    })
}

fn number(word: &str) -> Result<u64> {
    Ok(match word {
        "ipv4" => 0x0800,
        "arp" => 0x0806,
        "wol" => 0x0842,
        "ipv6" => 0x86dd,
        "icmp" => 1,
        "tcp" => 6,
        "udp" => 17,
        "icmp6" => 58,
        word => match word.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16)?,
            None => word.parse().with_context(|| format!("{word} is no number"))?,
        },
    })
}

fn bit(name: &str) -> Result<u32> {
    Ok(match name {
        "inbound" => 63,
        "multicast" => 62,
        "broadcast" => 61,
        "ipauth" => 60,
        "macauth" => 59,
        "tcp_ack" => 4,
        "tcp_rst" => 2,
        "tcp_syn" => 1,
        "tcp_fin" => 0,
        other => bail!("{other} is no characteristic"),
    })
}
