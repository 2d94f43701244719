//! Where in the log of errors an id was seen, and up to where all ids are known: pure.

use std::ops::Range;

/// The message that brought an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) partition: i32,
    pub(super) offset: u64,
}

/// What is known of an id that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    At(Place),
    /// An earlier version did not say where.
    Somewhere,
}

/// Why a stored place makes no sense here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    Newer(u8),
    Damaged,
}

const VERSION: u8 = 1;

impl Place {
    /// The stored form: the version, the partition, the offset.
    pub(super) fn encode(self) -> [u8; 13] {
        let mut bytes = [VERSION; 13];
        bytes[1..5].copy_from_slice(&self.partition.to_be_bytes());
        bytes[5..].copy_from_slice(&self.offset.to_be_bytes());
        bytes
    }
}

impl Seen {
    /// Reads the stored form.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        match bytes {
            [] => Ok(Self::Somewhere),
            [VERSION, rest @ ..] => {
                let (partition, offset) = rest.split_first_chunk().ok_or(Unreadable::Damaged)?;
                let offset = u64::from_be_bytes(offset.try_into().map_err(|_| Unreadable::Damaged)?);
                Ok(Self::At(Place { partition: i32::from_be_bytes(*partition), offset }))
            }
            [version, ..] => Err(Unreadable::Newer(*version)),
        }
    }

    /// Whether a message at a place brings again what another message has brought.
    pub(super) fn is_elsewhere(self, place: Place) -> bool {
        self != Self::At(place)
    }
}

/// The offsets whose ids are known after further ones have become known. There is one range: where the two do
/// not touch, only the further ones.
pub(super) fn joined(known: Option<Range<u64>>, more: Range<u64>) -> Option<Range<u64>> {
    match known {
        known if more.is_empty() => known,
        Some(known) if known.start <= more.end && more.start <= known.end => {
            Some(known.start.min(more.start)..known.end.max(more.end))
        }
        _ => Some(more),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back_and_others_are_told_apart() {
        let place = Place { partition: 7, offset: u64::MAX - 1 };
        assert_eq!(Seen::decode(&place.encode()), Ok(Seen::At(place)));
        assert!(!Seen::At(place).is_elsewhere(place));
        assert!(Seen::At(place).is_elsewhere(Place { partition: 8, ..place }));
        assert_eq!(Seen::decode(b""), Ok(Seen::Somewhere));
        assert!(Seen::Somewhere.is_elsewhere(place));
        assert_eq!(Seen::decode(&[2, 0]), Err(Unreadable::Newer(2)));
        assert_eq!(Seen::decode(&place.encode()[..12]), Err(Unreadable::Damaged));
    }

    #[test]
    fn what_is_known_is_one_range_that_is_known_throughout() {
        assert_eq!(joined(None, 3..5), Some(3..5));
        assert_eq!(joined(Some(3..5), 5..9), Some(3..9));
        assert_eq!(joined(Some(3..5), 1..3), Some(1..5));
        assert_eq!(joined(Some(3..5), 4..4), Some(3..5));
        assert_eq!(joined(Some(3..5), 6..9), Some(6..9), "5 is not known");
        assert_eq!(joined(None, 4..4), None);
    }
}
