//! `messaging-bridge-operator`: the operator as a process.

fn main() {}
