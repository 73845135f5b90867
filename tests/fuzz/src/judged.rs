//! The rules engine, and the language that rules are written in.

use zt_netconf::rules::script::{Options, Script, Source};
use zt_test_sim::scene::{Bytes, Scene};

/// A scene: the engine decides as the reference, and says why.
pub fn rules_eval(data: &[u8]) {
    Scene::draw(&mut Bytes::new(data)).compare();
}

/// A text of the rule language. What compiles can be said again in words that compile to the same; what does not has errors
/// that can be shown.
pub fn rules_script(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for compatible in [false, true] {
        let options = Options { compatible };
        let source = Source { name: "fuzz", text: &text, color: false };
        match Script::compile(&text, options) {
            Err(errors) => assert!(!errors.render(source).is_empty() && errors.errors() > 0),
            Ok(script) => {
                zt_netconf::rules::script::render(&script.warnings, source);
                assert!(script.to_json().is_object());
                same_in_other_words(&script);
            }
        }
    }
}

fn same_in_other_words(script: &Script) {
    let told = script.explain();
    assert!(told.untold.is_empty(), "{:?}", told.untold);
    let again = Script::compile(&told.text, Options::default()).expect("a text of ours");
    let capabilities =
        |script: &Script| script.capabilities.iter().map(|c| (c.id, c.default, c.base())).collect::<Vec<_>>();
    let tags = |script: &Script| script.tags.iter().map(|tag| (tag.id, tag.default)).collect::<Vec<_>>();
    assert_eq!(again.base(), script.base());
    assert_eq!(capabilities(&again), capabilities(script));
    assert_eq!(tags(&again), tags(script));
    assert_eq!(again.explain().text, told.text, "said twice, the same");
}
