//! The real program at a terminal, and at what is none: files that are full, pipes that nobody reads.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Command, Output, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::Folder;
use super::fake::Fake;

/// All that prints without a node. Words of one line are parted by blanks.
const PRINT: &[&str] = &[
    "--help",
    "-h",
    "--version",
    "help",
    "help network create",
    "networks --help",
    "identity generate",
    "identity generate --json",
    "identity public a.secret",
    "identity validate a.secret",
    "identity sign a.secret letter",
    "planet create --root a.public=192.0.2.1/9993 --yes",
    "planet create --root a.public=192.0.2.1/9993 --yes --json",
    "planet sign planet.json",
    "planet show planet",
    "moon create --root a.public=192.0.2.1/9993 --yes",
    "moon show moon",
    "rules compile lab.rules",
    "completions bash",
    "completions zsh",
    "completions fish",
    "man",
    "man network create",
    "man --dir pages",
    "cli -h",
    "cli -v",
    "one -h",
    "one -v",
    "idtool initmoon",
    "idtool generate",
    "idtool getpublic a.secret",
];

/// A folder with what the commands above work on.
fn furnished() -> Folder {
    let folder = Folder::new();
    folder.ok("zt identity generate a.secret a.public");
    folder.ok("zt planet create --root a.public=192.0.2.1/9993");
    folder.ok("zt moon create --root a.public=192.0.2.1/9993");
    folder.write("letter", "hello");
    folder.write("lab.rules", "accept;\n");
    folder
}

fn zt(folder: &Folder, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zt"));
    command.current_dir(folder.path()).args(line.split(' ').filter(|word| !word.is_empty()));
    command.env_clear().env("ZEROTIER_HOME", folder.path().join("home")).env("TERM", "xterm").stdin(Stdio::null());
    command
}

/// A terminal of so many columns: our end and the program's.
fn terminal(columns: u16) -> (File, OwnedFd) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&ours).expect("granted");
    unlockpt(&ours).expect("unlocked");
    let name = ptsname(&ours, Vec::new()).expect("a name");
    let theirs = rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("its other end");
    tcsetwinsize(&theirs, Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).expect("a size");
    (ours.into(), theirs)
}

/// Runs a command at a terminal and types `keys`: what the terminal shows, and the exit code.
fn at_terminal(mut command: Command, columns: u16, keys: &str) -> (String, Option<i32>) {
    let (mut ours, theirs) = terminal(columns);
    let end = || Stdio::from(theirs.try_clone().expect("one more"));
    let mut child = command.stdin(end()).stdout(end()).stderr(end()).spawn().expect("it starts");
    // The command holds its copies too, and the terminal ends with the last.
    drop((command, theirs));
    ours.write_all(keys.as_bytes()).expect("typed");
    let mut shown = Vec::new();
    // The end of the last program at a terminal reads as an error.
    let mut chunk = [0; 4096];
    while let Ok(n @ 1..) = ours.read(&mut chunk) {
        shown.extend_from_slice(&chunk[..n]);
    }
    let code = child.wait().expect("it ends").code();
    (String::from_utf8_lossy(&shown).replace("\r\n", "\n"), code)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn what_a_full_disk_does_not_take_is_an_error_of_every_command() {
    let folder = furnished();
    for line in PRINT {
        let full = File::options().write(true).open("/dev/full").expect("a full device");
        let Output { status, stderr, .. } = zt(&folder, line).stdout(full).output().expect("it runs");
        let told = text(&stderr);
        assert!(status.code().is_some_and(|code| code != 0), "{line}: {status}");
        assert!(told.contains("cannot write the output: No space left on device"), "{line}: {told}");
        assert_eq!(told.contains("nothing else holds it"), line.starts_with("identity generate"), "{line}: {told}");
    }
    // The files that a command writes, too: a secret that cannot be kept is not told as kept.
    for line in ["identity generate /dev/full", "idtool generate /dev/full"] {
        let done = zt(&folder, line).output().expect("it runs");
        assert_eq!((done.status.code(), text(&done.stdout)), (Some(1), String::new()), "{line}");
        assert!(text(&done.stderr).contains("/dev/full"), "{line}: {}", text(&done.stderr));
    }
    for line in [
        "identity generate none/a",
        "planet create --root a.public=192.0.2.1/9993 --template none/a --yes",
        "man --dir letter",
    ] {
        let done = zt(&folder, line).output().expect("it runs");
        assert_eq!(done.status.code(), Some(1), "{line}");
        assert!(text(&done.stderr).starts_with("zt: cannot "), "{line}: {}", text(&done.stderr));
    }
}

#[test]
fn a_pipe_that_nobody_reads_ends_a_command_quietly_unless_a_secret_is_lost() {
    let folder = furnished();
    for line in PRINT {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let Output { status, stderr, .. } = zt(&folder, line).stdout(writer).output().expect("it runs");
        let lost = line.contains("generate");
        assert_eq!((status.code(), stderr.is_empty()), (Some(i32::from(lost)), !lost), "{line}: {}", text(&stderr));
    }
}

#[test]
fn a_terminal_of_sixty_columns_gets_lines_that_fit() {
    let folder = furnished();
    let lines =
        ["help", "networks --help", "network set --help", "member auth -h", "planet create -h", "planet show planet"];
    for line in lines {
        let (shown, code) = at_terminal(zt(&folder, line), 60, "");
        assert_eq!(code, Some(0), "{line}: {shown}");
        for shown in plain(&shown).lines() {
            // One word may be longer: nobody could put it together again.
            let fits = shown.chars().count() <= 60 || !shown.trim_start().contains("  ");
            assert!(fits, "{line}: {shown:?}");
        }
    }
}

/// A text without the sequences that colour it.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        out += before;
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    out + rest
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let folder = furnished();
    for line in ["help", "networks -h", "planet show planet", "nonsense"] {
        let (shown, _) = at_terminal(zt(&folder, line), 80, "");
        assert!(shown.contains("\x1b["), "{line}: {shown}");
        for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let mut command = zt(&folder, line);
            command.env(name, value);
            let (shown, _) = at_terminal(command, 80, "");
            assert!(!shown.is_empty() && !shown.contains('\x1b'), "{line} with {name}={value}: {shown}");
        }
        let done = zt(&folder, line).output().expect("it runs");
        assert!(!done.stdout.contains(&0x1b) && !done.stderr.contains(&0x1b), "{line}");
    }
}

#[test]
fn what_cannot_be_had_back_is_asked_about_and_without_a_terminal_refused() {
    let folder = furnished();
    let before = folder.read("a.secret");
    let line = "identity generate a.secret";
    for (keys, code) in [("n\n", 1), ("\n", 1), ("\x04", 1), ("y\n", 0)] {
        let (shown, done) = at_terminal(zt(&folder, line), 80, keys);
        assert!(shown.contains("a.secret exists and would be replaced. Go on? [y/N] "), "{keys:?}: {shown}");
        assert_eq!(done, Some(code), "{keys:?}: {shown}");
        assert_eq!(folder.read("a.secret") == before, code == 1, "{keys:?}: {shown}");
    }
    let before = folder.read("a.secret");
    let done = zt(&folder, line).output().expect("it runs");
    assert_eq!((done.status.code(), folder.read("a.secret")), (Some(1), before.clone()));
    assert!(text(&done.stderr).contains("say --yes"), "{}", text(&done.stderr));
    for consent in ["--yes", "--force"] {
        let done = zt(&folder, &format!("{line} {consent}")).output().expect("it runs");
        assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    }
    assert_ne!(folder.read("a.secret"), before);
    // What another command brings back: a question at a terminal, none for scripts.
    let (shown, done) = at_terminal(zt(&folder, "planet remove 8b1a9953c4611296"), 80, "n\n");
    assert!(shown.contains("Go on? [y/N]") && shown.contains("nothing was changed"), "{shown}");
    assert_eq!(done, Some(1));
}

#[test]
fn what_a_node_says_fits_a_narrow_terminal_and_ends_with_its_reader() {
    let node = Fake::start();
    let folder = node.folder();
    folder.ok("zt join 8056c2e21c000001");
    let lines =
        ["status", "networks --routes", "doctor", "planet list", "network list", "member list lab", "info --drops"];
    for line in lines {
        let (shown, _) = at_terminal(zt(&folder, line), 60, "");
        let shown = plain(&shown);
        assert!(!shown.is_empty(), "{line}");
        if line != "networks --routes" {
            let long: Vec<&str> = shown.lines().filter(|line| line.chars().count() > 60).collect();
            // One word may be longer: nobody could put it together again.
            assert!(long.iter().all(|line| line.split_whitespace().count() <= 2), "{line}: {long:#?}");
        }
        for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let mut command = zt(&folder, line);
            command.env(name, value);
            assert!(!at_terminal(command, 60, "").0.contains('\x1b'), "{line} with {name}={value}");
        }
        let full = File::options().write(true).open("/dev/full").expect("a full device");
        let done = zt(&folder, line).stdout(full).output().expect("it runs");
        assert!(
            done.status.code() == Some(1) && text(&done.stderr).contains("No space left"),
            "{line}: {}",
            text(&done.stderr)
        );
    }
    // One that would go on without end.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let done = zt(&folder, "ping fe39e980ae -c 0").stdout(writer).output().expect("it ends");
    assert!(done.status.success() && done.stderr.is_empty(), "{}", text(&done.stderr));
}

/// Runs a script of a shell in a folder, where the shell is installed.
fn in_shell(folder: &Folder, shell: &str, script: &str) -> Option<String> {
    let done = Command::new(shell).args(["-c", script]).current_dir(folder.path()).output().ok()?;
    assert!(done.status.success() && done.stderr.is_empty(), "{shell}: {}", text(&done.stderr));
    Some(text(&done.stdout))
}

#[test]
fn zsh_and_fish_load_their_completions_where_they_are_installed() {
    let folder = Folder::new();
    folder.write("_zt", zt(&folder, "completions zsh").output().expect("it runs").stdout);
    folder.write("zt.fish", zt(&folder, "completions fish").output().expect("it runs").stdout);
    let loaded =
        in_shell(&folder, "zsh", "fpath=($PWD $fpath); autoload -U compinit; compinit -D -u; echo $_comps[zt]");
    assert!(loaded.is_none_or(|loaded| loaded == "_zt\n"));
    let shown = in_shell(&folder, "fish", "source ./zt.fish; complete -C 'zt '");
    let shown =
        shown.map(|shown| shown.lines().filter_map(|line| line.split('\t').next().map(str::to_owned)).collect());
    let all: Vec<String> = commands(&folder, "");
    assert!(shown.is_none_or(|shown: Vec<String>| all.iter().all(|command| shown.contains(command))));
}

#[test]
fn bash_completes_every_command() {
    let folder = Folder::new();
    folder.write("zt.bash", zt(&folder, "completions bash").output().expect("it runs").stdout);
    let complete = |words: &str| {
        let script = format!(
            "source ./zt.bash; COMP_WORDS=(zt {words} ''); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 )); \
             _zt zt '' \"${{COMP_WORDS[COMP_CWORD-1]}}\"; echo \"${{COMPREPLY[@]}}\""
        );
        let done = Command::new("bash").args(["-c", &script]).current_dir(folder.path()).output().expect("bash");
        assert!(done.status.success() && done.stderr.is_empty(), "{words}: {}", text(&done.stderr));
        text(&done.stdout)
    };
    let all = complete("");
    for command in commands(&folder, "") {
        assert!(all.split_whitespace().any(|word| word == command), "{command}: {all}");
    }
    let network = complete("network");
    for command in commands(&folder, "network") {
        assert!(network.split_whitespace().any(|word| word == command), "{command}: {network}");
    }
    assert!(complete("join").contains("--allow-default"));
    assert!(complete("completions").contains("zsh"));
}

/// The commands that a help lists, below a command.
fn commands(folder: &Folder, below: &str) -> Vec<String> {
    let help = text(&zt(folder, &format!("{below} --help")).output().expect("it runs").stdout);
    let list = help.split("Usage:").nth(1).expect("a usage").split("Options:").next().expect("a list");
    let lines = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    lines.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
}

#[test]
fn every_command_has_a_manual_page_that_formatters_take_without_a_warning() {
    let folder = Folder::new();
    let done = zt(&folder, "man --dir pages").output().expect("it runs");
    assert!(done.status.success(), "{}", text(&done.stderr));
    let page = |name: &str| text(&folder.read(&format!("pages/{name}.1")));
    for command in commands(&folder, "").iter().filter(|command| *command != "help") {
        let page = page(&format!("zt-{command}"));
        assert!(page.contains(".SH NAME\n") && page.contains(".SH \"SEE ALSO\"\n"), "{command}: {page}");
    }
    for command in commands(&folder, "network").iter().filter(|command| *command != "help") {
        page(&format!("zt-network-{command}"));
    }
    let join = page("zt-join");
    assert!(join.contains(".SH EXAMPLES\n") && join.contains("\\fBzt join 8056c2e21c000001\\fR"), "{join}");
    assert!(join.contains("Token of the node"), "{join}");
    assert_eq!(text(&zt(&folder, "man join").output().expect("it runs").stdout), join);
    for (tool, flags) in [("groff", &["-man", "-ww", "-z", "-Kutf8"][..]), ("mandoc", &["-Tlint", "-Wwarning"][..])] {
        for page in std::fs::read_dir(folder.path().join("pages")).expect("pages") {
            let page = page.expect("a page").path();
            let Ok(done) = Command::new(tool).args(flags).arg(&page).output() else { break };
            let told = text(&done.stderr) + &text(&done.stdout);
            // A date would change with every build.
            let told: Vec<&str> = told.lines().filter(|line| !line.contains("missing date")).collect();
            assert!(told.is_empty(), "{tool} {}: {told:#?}", page.display());
        }
    }
}
