//! placeholder
#[allow(dead_code)]
mod terminal_guard;

fn main() {}
