//! What becomes of a group whose attempt was not decided.

use super::*;
use crate::domain::Stamp;

#[test]
fn an_attempt_that_was_not_decided_is_repeated_after_a_while_or_at_other_code() {
    let folder = tempfile::tempdir().unwrap();
    let knowledge = open(folder.path());
    apply(&knowledge, 1, vec![seen(1, 10, 1)]);
    let id = begin(&knowledge, 1);
    let [old, new] = [1, 2].map(|byte| Stamp::from_bytes([byte; 16]));
    let reason = "the package does not build".to_owned();
    let end = AttemptEnd::Undecided { reason: reason.clone(), code: Some(old) };
    knowledge.end_attempt(id, end, at(100)).unwrap();
    drop(knowledge);
    let knowledge = open(folder.path());
    let undecided = || knowledge.view().group(print(1)).unwrap().unwrap().undecided;
    assert_eq!(undecided(), Some(reason.clone()));
    let due = |code, seconds| {
        let rest = Rest { pause: Duration::from_secs(60), code };
        knowledge.next_to_work_on(9, &HashSet::new(), rest, at(seconds))
    };
    for same in [None, Some(old)] {
        assert_eq!(due(same, 101), Due { groups: vec![], next: Some(at(160)) });
        assert_eq!(due(same, 160).groups, [print(1)]);
    }
    assert_eq!(due(Some(new), 101).groups, [print(1)]);
    // An occurrence with a trace is the better example, and changes nothing else.
    apply(&knowledge, 2, vec![seen(1, 30, 1)]);
    assert_eq!(undecided(), Some(reason));
    suggest(&knowledge, 1);
    assert_eq!(undecided(), None, "it was decided");
}
