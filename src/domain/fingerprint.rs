//! The identity of a group of failures.

use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::hex::hex_id;

/// The name of a service that nobody has named, as OpenTelemetry has it.
pub const UNKNOWN_SERVICE: &str = "unknown_service";

/// Version of how a service enters its groups' fingerprints, and part of every such hash.
const SERVICE_VERSION: &str = "hephaestus service fingerprint v1";

hex_id! {
    /// The identity of a group: 128 bits, written as 32 lower-case hex digits.
    Fingerprint, "fingerprint"
}

/// The three keys of one event. `site` is the group's fingerprint: one site is one unit of repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct FingerprintKeys {
    /// Class and failing function (and masked message where no class of the runtime says more), and the service.
    pub site: Fingerprint,
    /// The failure and up to four callers, whatever the service.
    pub path: Fingerprint,
    /// The failure and every in-app frame, whatever the service.
    pub exact: Fingerprint,
}

impl FingerprintKeys {
    /// The keys of a failure, none of which knows of a service yet, where it is one of the service of this name:
    /// the same failure in two services is two groups. An [unknown](UNKNOWN_SERVICE) service changes nothing.
    #[must_use]
    pub fn of_service(self, service: &str) -> Self {
        static BASE: LazyLock<blake3::Hasher> =
            LazyLock::new(|| blake3::Hasher::new_derive_key(SERVICE_VERSION));
        if service == UNKNOWN_SERVICE {
            return self;
        }
        let mut site = [0; 16];
        // The site is of one length, so the name needs no border.
        BASE.clone().update(self.site.as_bytes()).update(service.as_bytes()).finalize_xof().fill(&mut site);
        Self { site: Fingerprint::from_bytes(site), ..self }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(bytes: [u8; 16]) -> FingerprintKeys {
        let print = Fingerprint::from_bytes(bytes);
        FingerprintKeys { site: print, path: print, exact: print }
    }

    proptest! {
        #[test]
        fn a_group_is_one_of_a_service(
            one: [u8; 16], other: [u8; 16], service in "[a-z_]{0,6}", another in "[a-z_]{0,6}",
        ) {
            let site = |bytes, service: &str| keys(bytes).of_service(service).site;
            let is_same = (one, &service) == (other, &another);
            prop_assert_eq!(site(one, &service) == site(other, &another), is_same);
            prop_assert_ne!(site(one, &service), keys(one).site);
            let FingerprintKeys { path, exact, .. } = keys(one).of_service(&service);
            prop_assert_eq!((path, exact), (keys(one).path, keys(one).exact));
            prop_assert_eq!(keys(one).of_service(UNKNOWN_SERVICE), keys(one));
        }
    }

    #[test]
    fn how_a_service_enters_is_pinned() {
        // Stored groups are known by these values: a change here needs a new version.
        let site = keys([7; 16]).of_service("shop").site;
        insta::assert_snapshot!(site, @"7153c8c34be18389361e133ac1561388");
    }

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
