//! Files as people write them: YAML with positions, and diagnostics that point into it.
