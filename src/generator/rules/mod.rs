//! Repair rules for Go: each knows one kind of defect, the evidence that shows it, and the edits of the
//! syntax tree that mend it.
//!
//! One file a rule; what they share stands in `generator/repair/`. A rule looks at one `Case`: the
//! fault, its stack as frames of the repository, and the expressions on the failing line that can raise the
//! class. It proposes drafts; all drafts together are ranked by
//! what they do (mend the cause, ask before the failing expression, leave early, hide), by how far from
//! the failing statement they act, and by size. Rules know types as far as syntax tells them and never
//! decide alone: a candidate that does not compile, does not help or breaks a test is rejected later by
//! the ladder of proof. So a rule may propose what is likely, but never what is only harmless.
//!
//! Deliberately absent: hints from names of a particular program, edits of tests, generated or vendored
//! code, and any fix that swallows a panic with `recover`.

mod added_lock;
mod assertion;
mod channel;
mod circle;
mod closed_list;
mod closed_send;
mod closer;
mod divide;
mod explicit_panic;
mod getters;
mod grouping;
mod ignored_error;
mod late_send;
mod layout;
mod length;
mod local_channel;
mod lock;
mod lookup;
mod loop_bound;
mod make_length;
mod missing_field;
mod needless_check;
mod nil_equal;
mod nil_guard;
mod nil_map;
mod not_found;
mod operator;
mod preparation;
mod recursion;
mod reflection;
mod shared_variable;
mod shrinking;
mod sibling_check;
mod slice_bounds;
mod unclosed;
mod uncomparable;
mod undone;
mod unlock;
mod unlocked_twice;
mod wait_group;

#[cfg(test)]
mod tests;

use std::cmp::Reverse;

use crate::domain::{Class, Fault, FileChange, FixCandidate, Provenance};
use crate::generator::repair::case::{Case, Signatures};
use crate::generator::repair::doubt::open_about;
use crate::generator::repair::draft::{Draft, Tier};
use crate::generator::repair::exit::foreign_error;
use crate::generator::repair::told::{caution, spoken_of};
use crate::repository::Repository;

/// How many candidates are proposed at most: each costs a build.
const MAX_CANDIDATES: usize = 12;

/// Declares [`Rule`] with each member's stable name, explanation, and when it declines, so that the page
/// which lists them cannot drift from the code.
macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $module:ident, [$($class:ident),+],
        declines: $declines:literal;)+) => {
        /// A repair rule. Names are stable: they are part of the output contract.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Rule {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// One line that explains the rule.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii()),+ }
            }

            /// When it proposes nothing, in words.
            #[must_use]
            pub const fn declines(self) -> &'static str {
                match self { $(Self::$variant => $declines),+ }
            }

            /// The classes of failure it can mend.
            #[must_use]
            pub const fn classes(self) -> &'static [Class] {
                match self { $(Self::$variant => &[$(Class::$class),+]),+ }
            }

            fn drafts(self, case: &Case<'_>) -> Vec<Draft> {
                match self { $(Self::$variant => $module::drafts(case)),+ }
            }
        }
    };
}

rules! {
    /// Calls first what makes a value, as the type's other methods do.
    CallFirst = "call_first", preparation, [NilDereference, NilMapWrite],
        declines: "what is nil is no field of the receiver, or no other method of the type calls the one that sets it";
    /// Makes a map where its owner is made, or before the first write.
    InitialiseMap = "initialise_map", nil_map, [NilMapWrite],
        declines: "the map's type is not told by the repository, or the map is the result of a call";
    /// Checks an error that was ignored, or checks it before the value is used.
    CheckError = "check_error", ignored_error, [NilDereference, NilMapWrite, IndexOutOfRange, SliceBounds],
        declines: "the error is already asked for before the use, or the call is not on the stack";
    /// Gives a forgotten field its value where the struct is made.
    InitialiseField = "initialise_field", missing_field, [NilDereference],
        declines: "no place of the repository that makes the struct leaves the field out, the package asks for nil in it or speaks of it as optional, or no value is at hand: no unused parameter, no constructor without arguments, no usual default, no usable zero value";
    /// Asks whether a look-up found something before the result is used.
    CheckLookup = "check_lookup", lookup, [NilDereference],
        declines: "the nil value comes neither from a map nor from a function that can return nil";
    /// Says that what is nil equals nil alone.
    CompareNil = "compare_nil", nil_equal, [NilDereference],
        declines: "no function on the stack tells by its name whether two pointers of one type are equal, or neither is what was nil";
    /// Reads the fields of a message by the methods that give zero values where it is nil.
    UseGetters = "use_getters", getters, [NilDereference],
        declines: "a field is written, or called, or the type has no method that reads it";
    /// Asks whether a value is nil before it is used.
    GuardNil = "guard_nil", nil_guard, [NilDereference],
        declines: "the nil value is the result of a call that is not made each time, the response writer, the request or the context";
    /// Corrects the bound of a loop that runs one element too far.
    CorrectLoopBound = "correct_loop_bound", loop_bound, [IndexOutOfRange],
        declines: "the index is not the variable of a loop around it";
    /// Corrects the operator between a question and what depends on its answer.
    CorrectOperator = "correct_operator", operator, [NilDereference, IndexOutOfRange, SliceBounds],
        declines: "the question says that the value is there, or the operator stands in a longer chain";
    /// Groups the alternatives that a guard was meant for.
    GroupCondition = "group_condition", grouping, [NilDereference, IndexOutOfRange, SliceBounds],
        declines: "no `&&` with a guard of the failing value stands before a `||`, or an alternative behind it asks for the value itself";
    /// Counts by the length as it is where a loop shortens the list that it walks over.
    CountByLength = "count_by_length", shrinking, [IndexOutOfRange, SliceBounds],
        declines: "the loop takes nothing out of its list, ends once it did, or changes its index otherwise";
    /// Asks whether a search found its target before the position is used.
    CheckFound = "check_found", not_found, [IndexOutOfRange, SliceBounds],
        declines: "the code asks for a negative position already, or the position comes from no search";
    /// Asks the question that the type's other methods ask before they take a part of a buffer.
    AskAsSiblings = "ask_as_siblings", sibling_check, [IndexOutOfRange, SliceBounds],
        declines: "what is taken is no field of the receiver, the method asks already, no other method of the type begins with such a question, or how many are taken cannot be told";
    /// Asks for the length before an element is used.
    CheckLength = "check_length", length, [IndexOutOfRange],
        declines: "the index is a map's key or calls more than `len` and conversions, or the list is the result of a call that is not made each time (in a loop's head, a branch, behind `&&`)";
    /// Asks for the length before a part is cut out.
    CheckBounds = "check_bounds", slice_bounds, [SliceBounds],
        declines: "a bound, or what is cut, calls something other than `len` or a conversion, or the bounds follow from the length";
    /// Asks whether a divisor is zero.
    GuardDivisor = "guard_divisor", divide, [DivideByZero],
        declines: "the divisor is a constant or a float";
    /// Asks for a value's type before it is taken for granted.
    CheckAssertion = "check_assertion", assertion, [TypeAssertion],
        declines: "the assertion has its `ok` already, or its value is declared in the very statement";
    /// Asks whether a value allows what reflection does with it.
    AskReflection = "ask_reflection", reflection, [ReflectMisuse],
        declines: "the message does not tell the method, or the value that it is called on is the result of a call which does more than look";
    /// Makes a channel that was never made, or closes one only once.
    CloseOnce = "close_once", channel, [CloseOfChannel],
        declines: "it is not the failing function, or the struct that holds the channel, which makes and closes it";
    /// Counts a goroutine before it starts, and its end once.
    BalanceWaitGroup = "balance_wait_group", wait_group, [WaitGroupMisuse],
        declines: "no deferred `Done` stands beside the surplus one, and no `Add(1)` in the goroutine it counts";
    /// Returns an error where the program panics on purpose.
    ReturnError = "return_error", explicit_panic, [ExplicitPanic],
        declines: "the functions on the stack that panic, or call `Must…`, cannot report an error";
    /// Takes out a check that panics though nothing behind it depends on what it asks for.
    DropCheck = "drop_check", needless_check, [ExplicitPanic],
        declines: "the panic does not call itself a bug of the program, the function can report an error, what the condition reads is read behind it too, or it calls something, stands in a loop, or does more than panic";
    /// Asks whether a length is negative before something is made of it.
    CheckMakeLength = "check_make_length", make_length, [MakeLength],
        declines: "the length is too large rather than negative: how large is too large is not for a rule to say";
    /// Takes the lock that guards a map, or removes an unlock too many.
    HoldLock = "hold_lock", lock, [ConcurrentMapAccess, DataRace, MutexMisuse],
        declines: "the struct has no mutex that other methods hold while they use the field, or a method that would take it waits for others";
    /// Gives a struct, or a variable of a package, the lock that its users need.
    AddLock = "add_lock", added_lock, [ConcurrentMapAccess, DataRace],
        declines: "the struct has a lock, values of it are copied, or the field is used outside its methods, in a goroutine of one, or by one that calls another, waits or calls back";
    /// Asks whether the owner of a channel is closed before something is sent on it.
    AskBeforeSend = "ask_before_send", closed_send, [SendOnClosedChannel],
        declines: "the channel is neither a field nor an entry of one, it is not exactly one method of the type that closes it, others than its methods send on it or get it, what is closed stands in a list and who sends holds another lock, or who waits for room under the lock could hold up who receives";
    /// Closes a channel once its senders are done, or closes it no more.
    CloseAfterSenders = "close_after_senders", late_send, [SendOnClosedChannel],
        declines: "the channel is not made by the function that starts the senders and closes it, somebody waits for its end and no WaitGroup counts the senders, how much is sent cannot be told, or others get it who may send";
    /// Gives a lock back on every way out.
    ReleaseLock = "release_lock", unlock, [Deadlock],
        declines: "no function of the package leaves with the lock that is waited for, another function gives back what one takes, the ways out cannot be told apart, or what is returned is read under the lock";
    /// Closes a channel that is received from until it is closed.
    CloseForReceivers = "close_for_receivers", unclosed, [Deadlock],
        declines: "several goroutines send and no WaitGroup counts them, others get the channel who may send on it or close it, or it is closed on every way";
    /// Counts a goroutine's end down however it ends.
    CountDown = "count_down", undone, [Deadlock],
        declines: "every way through the goroutines counts down, others may do so for them, or more follows than a return";
    /// Asks whether a value can be compared before it is.
    AskComparable = "ask_comparable", uncomparable, [Uncomparable],
        declines: "the key, or what is compared, is the result of a call, or its type holds no interface";
    /// Ends a method that calls itself for ever.
    EndRecursion = "end_recursion", recursion, [StackOverflow],
        declines: "the method neither formats or encodes its own receiver, nor does nothing but call itself";
    /// Refuses a link that closes a circle.
    RefuseCircle = "refuse_circle", circle, [StackOverflow],
        declines: "the function that calls itself follows no link, or several, or nobody sets that link between two values that were there before";
    /// Parses a value in the form it has.
    CorrectLayout = "correct_layout", layout, [LoggedError],
        declines: "the message does not show the value and what it was taken for";
}

/// What the rules have for a fault.
#[derive(Debug, Clone, Default)]
pub struct Proposal {
    /// The candidates, best first: what mends the cause comes before what guards the failing statement, small
    /// before large; those that may hide the defect come last and say so.
    pub candidates: Vec<FixCandidate>,
    /// Whether the code makes a check already which would have been proposed: it may have been mended since
    /// the log was written.
    pub asked_already: bool,
}

/// A check that leaves may mask where the comment of its function speaks of the case: another answer than an
/// error may be meant.
fn heed_comment(case: &Case<'_>, rule: Rule, mut draft: Draft) -> Draft {
    let leaves =
        draft.tier == Tier::Check || matches!(rule, Rule::CheckError | Rule::CheckFound | Rule::CloseOnce);
    if leaves
        && !draft.masks
        && let Some(sentence) = spoken_of(case, draft.depth)
    {
        draft.masks = true;
        draft.explanation.push_str(&caution(&sentence));
    }
    draft
}

/// What stays open though the crash is gone, in words that go on after "but".
fn unsettled(
    (rule, tier): (Rule, Tier),
    class: Class,
    changes: &[FileChange],
    repository: &Repository,
) -> Option<String> {
    if rule == Rule::AskReflection && tier == Tier::Check {
        // Whoever reflects means to work on whatever comes.
        let open = "whether such a value is to be refused, or worked on like others, nothing here tells";
        return Some(open.to_owned());
    }
    match rule {
        // Without a stress test under the race detector nothing is proven anyway, and with one it tells.
        Rule::AddLock | Rule::HoldLock if class.is_race() => foreign_error(changes, repository),
        Rule::AskComparable => Some(
            "whether such a value is to be refused, or told apart in another way, nothing here tells"
                .to_owned(),
        ),
        // Who uses what is locked twice in one call shows it by that call.
        Rule::HoldLock if class == Class::MutexMisuse => foreign_error(changes, repository),
        Rule::AskBeforeSend | Rule::CloseAfterSenders | Rule::HoldLock => {
            Some("that nobody waits for ever, no single call can show".to_owned())
        }
        _ => foreign_error(changes, repository),
    }
}

/// Asks every rule that knows the class of a fault, as long as somebody waits for the answer.
#[must_use]
pub fn propose(fault: &Fault, repository: &Repository, is_wanted: &dyn Fn() -> bool) -> Proposal {
    let mut asked_already = false;
    let mut look = |signatures| -> Vec<(Rule, Draft, Option<String>)> {
        let case = Case::new(fault, repository, signatures);
        let rules = Rule::ALL.iter().filter(|rule| rule.classes().contains(&fault.class) && is_wanted());
        let drafts = rules
            .flat_map(|rule| rule.drafts(&case).into_iter().map(|draft| (*rule, draft)))
            .map(|(rule, draft)| (rule, heed_comment(&case, rule, draft)))
            .map(|(rule, draft)| {
                let open = draft.open.clone().or_else(|| open_about(&case, &draft));
                (rule, draft, open)
            })
            .collect();
        asked_already |= case.is_asked_already();
        drafts
    };
    let mut drafts = look(Signatures::Stay);
    if drafts.iter().all(|(_, draft, _)| draft.masks) {
        // Nothing here can report: a function may have to learn to.
        drafts.extend(look(Signatures::MayChange));
    }
    drafts.sort_by_cached_key(|(rule, draft, _)| {
        (draft.masks, draft.tier, draft.depth, *rule, Reverse(draft.edits.joined()), draft.edits.size())
    });
    let mut candidates: Vec<FixCandidate> = Vec::new();
    for (rule, draft, open) in drafts {
        let Some(changes) = draft.edits.finish() else { continue };
        if candidates.iter().any(|known| known.changes == changes) {
            continue;
        }
        let unsettled = open.or_else(|| unsettled((rule, draft.tier), fault.class, &changes, repository));
        candidates.push(FixCandidate {
            provenance: Provenance::Rule { rule: rule.as_str().to_owned() },
            explanation: draft.explanation,
            changes,
            masks: draft.masks,
            unsettled,
        });
        if candidates.len() == MAX_CANDIDATES {
            break;
        }
    }
    Proposal { candidates, asked_already }
}
