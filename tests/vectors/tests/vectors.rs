//! Every recorded case passes, and the harness notices a wrong expectation.

#![expect(clippy::print_stdout, reason = "the number of cases passed per file is part of the result")]

use zt_test_vectors::{execute, load, suites};

#[test]
fn every_case_passes() {
    let mut failures = Vec::new();
    for suite in suites() {
        let outcome = execute(&suite, &load(suite.file));
        println!("{:<24} {} of {}", suite.file, outcome.passed, suite.expected);
        if outcome.executed != suite.expected {
            failures.push(format!("{}: {} cases executed, {} expected", suite.file, outcome.executed, suite.expected));
        }
        failures.extend(outcome.failures);
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn an_altered_expectation_fails() {
    for suite in suites() {
        let mut content = load(suite.file);
        (suite.alter)(&mut content);
        let outcome = execute(&suite, &content);
        assert!(!outcome.failures.is_empty(), "{}: the altered case was not noticed", suite.file);
    }
}
