//! The identity of a group of failures.

use serde::{Deserialize, Serialize};

use super::hex::hex_id;

hex_id! {
    /// The identity of a group: 128 bits, written as 32 lower-case hex digits.
    Fingerprint, "fingerprint"
}

/// The three keys of one event. `site` is the group's fingerprint: one site is one unit of repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FingerprintKeys {
    /// Class and failing function (and masked message where no class of the runtime says more).
    pub site: Fingerprint,
    /// The site and up to four callers.
    pub path: Fingerprint,
    /// Every in-app frame.
    pub exact: Fingerprint,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_are_one() {
        let print = Fingerprint::from_bytes([0xab; 16]);
        assert_eq!(print.to_string().parse(), Ok(print));
        for bad in ["", "ab", &"g".repeat(32), &"+".repeat(32), &"a".repeat(33)] {
            let error = bad.parse::<Fingerprint>().unwrap_err();
            assert!(error.to_string().contains("is not a fingerprint"), "{error}");
        }
    }
}
