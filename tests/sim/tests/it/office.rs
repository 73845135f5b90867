//! The controller by types, as a program that embeds it would have it.

#[path = "../../examples/typed_controller.rs"]
#[expect(dead_code, reason = "its main is for people")]
mod typed_controller;

#[test]
fn the_example_of_a_controller_by_types() {
    typed_controller::play(1);
}
