"""The same hostile inputs for razorg and for the Rust crates, side by side."""
