//! The operating system's randomness: the seed of one life of a node.

/// 32 bytes that nobody can guess.
///
/// # Errors
/// When the operating system has no randomness to give; a node must not start without it.
pub fn seed() -> std::io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(std::io::Error::from)?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_seeds_differ() {
        assert_ne!(
            super::seed().expect("randomness"),
            super::seed().expect("randomness")
        );
    }
}
