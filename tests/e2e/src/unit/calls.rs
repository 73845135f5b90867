//! System calls, by the filters that systemd makes of the unit's lines.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::io::Errno;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};

use super::Unit;

const GROUPS: &str = include_str!("system_calls.txt");

/// Families of addresses by their numbers.
const FAMILIES: [(&str, u64); 5] =
    [("AF_UNIX", 1), ("AF_INET", 2), ("AF_INET6", 10), ("AF_NETLINK", 16), ("AF_PACKET", 17)];
/// Flags of `clone` and `unshare` that make namespaces.
const NAMESPACES: [u64; 8] =
    [0x80, 0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000];
/// `SCHED_FIFO`, `SCHED_RR` and `SCHED_DEADLINE`.
const REAL_TIME: [u64; 3] = [1, 2, 6];
/// Bits of a mode that lend the owner's or the group's rights.
const LENT: [u64; 2] = [0o4000, 0o2000];
const WRITE: u64 = 2;
const EXECUTE: u64 = 4;

/// Restricts this process for good.
pub(super) fn restrict(unit: &Unit) -> Result<()> {
    ensure!(unit.one("SystemCallErrorNumber")? == "EPERM", "another error than EPERM is not imitated");
    let table = Table::read()?;
    let mut rules = Rules { table: &table, rules: BTreeMap::new() };
    let families: Result<Vec<_>> = unit.words("RestrictAddressFamilies").map(family).collect();
    let others = families?.into_iter().map(|family| condition(0, SeccompCmpOp::Ne, family));
    rules.refuse("socket", others.collect::<Result<_>>()?)?;
    rules.apply(Errno::AFNOSUPPORT)?;

    let mut rules = Rules { table: &table, rules: BTreeMap::new() };
    if unit.says("RestrictNamespaces", "yes")? {
        for flag in NAMESPACES {
            rules.refuse("clone", vec![condition(0, SeccompCmpOp::MaskedEq(flag), flag)?])?;
        }
        rules.refuse("unshare", Vec::new())?;
        rules.refuse("setns", Vec::new())?;
    }
    if unit.says("RestrictRealtime", "yes")? {
        for policy in REAL_TIME {
            rules.refuse("sched_setscheduler", vec![condition(1, SeccompCmpOp::Eq, policy)?])?;
        }
    }
    if unit.says("RestrictSUIDSGID", "yes")? {
        for bit in LENT {
            for (call, at) in [("chmod", 1), ("fchmod", 1), ("fchmodat", 2), ("mkdir", 1), ("mkdirat", 2), ("mknod", 1)]
            {
                rules.refuse(call, vec![condition(at, SeccompCmpOp::MaskedEq(bit), bit)?])?;
            }
        }
    }
    if unit.says("LockPersonality", "yes")? {
        rules.refuse("personality", vec![condition(0, SeccompCmpOp::Ne, 0)?])?;
    }
    if unit.says("MemoryDenyWriteExecute", "yes")? {
        let both = WRITE | EXECUTE;
        rules.refuse("mmap", vec![condition(2, SeccompCmpOp::MaskedEq(both), both)?])?;
        rules.refuse("mprotect", vec![condition(2, SeccompCmpOp::MaskedEq(EXECUTE), EXECUTE)?])?;
    }
    rules.apply(Errno::PERM)?;

    // Its flags lie where no filter looks.
    let mut rules = Rules { table: &table, rules: BTreeMap::new() };
    rules.refuse("clone3", Vec::new())?;
    rules.apply(Errno::NOSYS)?;
    allow(&table.allowed(unit)?)
}

/// Nothing but these calls.
fn allow(calls: &BTreeSet<i64>) -> Result<()> {
    let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
    let refuse = SeccompAction::Errno(Errno::PERM.raw_os_error().unsigned_abs());
    let filter = SeccompFilter::new(rules, refuse, SeccompAction::Allow, arch()?)?;
    Ok(apply_filter(&BpfProgram::try_from(filter)?)?)
}

fn arch() -> Result<TargetArch> {
    TargetArch::try_from(std::env::consts::ARCH).context("a processor without filters")
}

fn family(name: &str) -> Result<u64> {
    let found = FAMILIES.iter().find(|(known, _)| *known == name);
    found.map(|(_, number)| *number).with_context(|| format!("the number of {name}"))
}

fn condition(argument: u8, how: SeccompCmpOp, value: u64) -> Result<SeccompCondition> {
    Ok(SeccompCondition::new(argument, SeccompCmpArgLen::Dword, how, value)?)
}

/// Calls that fail under conditions; several rules of a call are alternatives.
struct Rules<'a> {
    table: &'a Table,
    rules: BTreeMap<i64, Vec<SeccompRule>>,
}

impl Rules<'_> {
    /// A call that this processor does not have needs no rule.
    fn refuse(&mut self, call: &str, conditions: Vec<SeccompCondition>) -> Result<()> {
        let Some(number) = self.table.number(call)? else { return Ok(()) };
        let rules = self.rules.entry(number).or_default();
        if !conditions.is_empty() {
            rules.push(SeccompRule::new(conditions)?);
        }
        Ok(())
    }

    fn apply(self, error: Errno) -> Result<()> {
        let refuse = SeccompAction::Errno(error.raw_os_error().unsigned_abs());
        let filter = SeccompFilter::new(self.rules, SeccompAction::Allow, refuse, arch()?)?;
        Ok(apply_filter(&BpfProgram::try_from(filter)?)?)
    }
}

/// What calls are named and how they are grouped.
struct Table {
    numbers: BTreeMap<&'static str, Option<i64>>,
    groups: BTreeMap<&'static str, Vec<&'static str>>,
}

impl Table {
    fn read() -> Result<Self> {
        let column = match std::env::consts::ARCH {
            "x86_64" => 1,
            "aarch64" => 2,
            other => bail!("no numbers of system calls for {other}"),
        };
        let mut table = Self { numbers: BTreeMap::new(), groups: BTreeMap::new() };
        let mut group = None;
        for line in GROUPS.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&'static str> = line.split_whitespace().collect();
            let name = *fields.first().context("an empty line")?;
            if !line.starts_with(' ') && name.starts_with('@') {
                group = Some(name);
                continue;
            }
            if !name.starts_with('@') {
                table.numbers.insert(name, fields.get(column).and_then(|number| number.parse().ok()));
            }
            if let Some(group) = group {
                table.groups.entry(group).or_default().push(name);
            }
        }
        Ok(table)
    }

    /// `None` is a call that this processor does not have.
    fn number(&self, call: &str) -> Result<Option<i64>> {
        self.numbers.get(call).copied().with_context(|| format!("the number of the system call {call}"))
    }

    fn expand(&self, word: &str, into: &mut BTreeSet<i64>) -> Result<()> {
        if word.starts_with('@') {
            let group = self.groups.get(word).with_context(|| format!("the calls of {word}"))?;
            return group.iter().try_for_each(|one| self.expand(one, into));
        }
        into.extend(self.number(word)?);
        Ok(())
    }

    /// What the lines of the unit come to: the first one allows, those with `~` take away, later ones add.
    fn allowed(&self, unit: &Unit) -> Result<BTreeSet<i64>> {
        // Always there, as systemd has it.
        let mut allowed = BTreeSet::new();
        self.expand("@default", &mut allowed)?;
        for line in unit.all("SystemCallFilter") {
            let (taken, words) = line.strip_prefix('~').map_or((false, line.as_str()), |words| (true, words));
            let mut named = BTreeSet::new();
            words.split_whitespace().try_for_each(|word| self.expand(word, &mut named))?;
            if taken {
                allowed.retain(|call| !named.contains(call));
            } else {
                allowed.extend(named);
            }
        }
        Ok(allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_units_calls_are_those_of_a_service_without_what_it_takes_away() {
        let Ok(table) = Table::read() else { return };
        let allowed = table.allowed(&Unit::shipped()).expect("understood");
        let has = |call: &str| allowed.contains(&table.number(call).expect("known").expect("here"));
        for call in ["openat", "socket", "clone", "execve", "ioctl", "capset", "seccomp", "landlock_restrict_self"] {
            assert!(has(call), "{call}");
        }
        for call in ["mount", "chroot", "fchownat", "setpriority", "ptrace", "bpf", "reboot", "clock_settime", "setuid"]
        {
            assert!(!has(call), "{call}");
        }
    }
}
