//! Runs every recorded output of ZeroTier One against our crates.
//!
//! One module per vector file. A module turns its file into a list of [`Case`]s; the runner executes all of
//! them, prints how many passed per file and fails when one does not, or when the number of cases differs from the
//! number written down here (a case that is not executed counts as failed).

use serde_json::Value;

mod armor;
mod c25519;
pub mod cli;
pub mod controller_http;
mod credentials;
mod dictionary;
mod fragments_reassembly;
mod fragments_splitting;
pub mod http_api;
mod identity;
mod inetaddress;
mod kbkdf;
pub mod local_conf;
mod lz4;
mod mac_address;
mod member;
mod netconf;
mod packets_layout;
mod packets_networks;
mod packets_reaction;
mod pcap;
mod rules;
mod rules_lang;
mod rules_network;
mod service;
mod session;
mod session_bond;
mod session_replay;
mod tcp_relay;
mod world;

/// One recorded case.
pub struct Case {
    /// Name used in a failure message.
    pub name: String,
    /// Executes the case; the text says what differed.
    pub run: Box<dyn Fn() -> Result<(), String>>,
}

impl Case {
    /// Makes a case from a name and a closure.
    pub fn new(name: impl Into<String>, run: impl Fn() -> Result<(), String> + 'static) -> Self {
        Self { name: name.into(), run: Box::new(run) }
    }
}

/// One vector file and how to execute it.
pub struct Suite {
    /// File name inside `tests/vectors/data`.
    pub file: &'static str,
    /// How many cases the file must give.
    pub expected: usize,
    /// Turns the file into cases.
    pub cases: fn(&Value) -> Vec<Case>,
    /// Alters one expected value, for the self-test: at least one case must then fail.
    pub alter: fn(&mut Value),
}

/// Result of one suite.
pub struct Outcome {
    /// Number of cases which passed.
    pub passed: usize,
    /// Number of cases executed.
    pub executed: usize,
    /// One line per failed case.
    pub failures: Vec<String>,
}

/// Reads a vector file.
pub fn load(file: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(file);
    let text = std::fs::read(&path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{} is not JSON: {e}", path.display()))
}

/// Executes all cases of a suite on the given content.
pub fn execute(suite: &Suite, content: &Value) -> Outcome {
    let cases = (suite.cases)(content);
    let executed = cases.len();
    let mut failures = Vec::new();
    for case in cases {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (case.run)()));
        match result {
            Ok(Ok(())) => {}
            Ok(Err(text)) => failures.push(format!("{}: {}: {text}", suite.file, case.name)),
            Err(_) => failures.push(format!("{}: {}: panicked", suite.file, case.name)),
        }
    }
    Outcome { passed: executed - failures.len(), executed, failures }
}

/// Decodes hex text of a vector file.
pub fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "odd number of hex digits");
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("hex digits")).collect()
}

/// Encodes bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The text of a field.
pub fn text<'v>(case: &'v Value, name: &str) -> &'v str {
    case[name].as_str().unwrap_or_else(|| panic!("no text `{name}` in {case}"))
}

/// The bytes of a field in hex, of a known number.
pub fn bytes<const N: usize>(case: &Value, name: &str) -> [u8; N] {
    let bytes = unhex(text(case, name));
    bytes.try_into().unwrap_or_else(|b: Vec<u8>| panic!("`{name}` has {} bytes instead of {N}", b.len()))
}

/// One case per element of the list `name` of a file, named by list, number and description.
pub fn list(
    file: &Value,
    name: &'static str,
    run: impl Fn(&Value) -> Result<(), String> + Clone + 'static,
) -> Vec<Case> {
    let elements = file[name].as_array().unwrap_or_else(|| panic!("no list `{name}`"));
    let named = elements.iter().enumerate().map(|(number, case)| {
        let title = format!("{name}[{number}] {}", case["description"].as_str().unwrap_or_default());
        let (case, run) = (case.clone(), run.clone());
        Case::new(title, move || run(&case))
    });
    named.collect()
}

/// Says how our bytes differ from the recorded ones.
pub fn equal(what: &str, ours: &[u8], recorded: &[u8]) -> Result<(), String> {
    if ours == recorded { Ok(()) } else { Err(format!("{what}: {} instead of {}", hex(ours), hex(recorded))) }
}

/// Says how our value differs from the recorded one.
pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, ours: &T, recorded: &T) -> Result<(), String> {
    if ours == recorded { Ok(()) } else { Err(format!("{what}: {ours:?} instead of {recorded:?}")) }
}

/// All suites; one line per vector file.
pub fn suites() -> Vec<Suite> {
    vec![
        armor::SUITE,
        c25519::SUITE,
        cli::SUITE,
        controller_http::SUITE,
        credentials::SUITE,
        dictionary::SUITE,
        fragments_reassembly::SUITE,
        fragments_splitting::SUITE,
        http_api::SUITE,
        identity::SUITE,
        inetaddress::SUITE,
        kbkdf::SUITE,
        local_conf::SUITE,
        lz4::SUITE,
        mac_address::SUITE,
        netconf::SUITE,
        packets_layout::SUITE,
        packets_networks::SUITE,
        packets_reaction::SUITE,
        rules::SUITE,
        rules_network::SUITE,
        rules_lang::SUITE,
        session::SUITE,
        session_bond::SUITE,
        tcp_relay::SUITE,
        world::SUITE,
    ]
}
