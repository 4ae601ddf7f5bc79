"""razorg against the published Rust crates, and against itself, over one contract: see README.md."""
