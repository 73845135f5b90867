//! The rules engine, and the language that rules are written in.

use zt_netconf::rules::script::{Options, Script, Source};
use zt_test_sim::scene::{Bytes, Scene};

/// A scene: the engine decides as the reference, and says why.
pub fn rules_eval(data: &[u8]) {
    Scene::draw(&mut Bytes::new(data)).compare();
}

/// A text of the rule language; one of an odd length is read with the mistakes of the reference. What compiles can be said again
/// in words that compile to the same; what does not has errors that can be shown.
pub fn rules_script(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let options = Options { compatible: data.len() % 2 == 1 };
    let source = Source { name: "fuzz", text: &text, color: false };
    let script = match Script::compile(&text, options) {
        Err(errors) => {
            assert!(!errors.render(source).is_empty() && errors.errors() > 0);
            return;
        }
        Ok(script) => script,
    };
    zt_netconf::rules::script::render(&script.warnings, source);
    assert!(script.to_json().is_object());
    let told = script.explain();
    assert!(told.untold.is_empty(), "{:?}", told.untold);
    let again = Script::compile(&told.text, Options::default()).expect("a text of ours");
    let capabilities = |s: &Script| s.capabilities.iter().map(|c| (c.id, c.default, c.base())).collect::<Vec<_>>();
    let tags = |s: &Script| s.tags.iter().map(|tag| (tag.id, tag.default)).collect::<Vec<_>>();
    assert_eq!(again.base(), script.base());
    assert_eq!(capabilities(&again), capabilities(&script));
    assert_eq!(tags(&again), tags(&script));
}
