//! egret
fn main() {}
