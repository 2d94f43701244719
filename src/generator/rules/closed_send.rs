//! A send on a channel that a method of its owner has closed.
//!
//! Evidence: the failing line sends on a field of the receiver, and exactly one method of the type closes that
//! field. Edits, in order:
//! - Where the same method also closes a channel that only says that all is over (`close(s.done)`), and nobody
//!   waits for the end of the closed one: that close goes, and each sender gives up once all is over.
//! - Where it marks the owner as closed under a lock (`s.closed = true`): each sender asks for the mark under the
//!   same lock, and holds it until it has sent.
//! - Where it does not: a mark, and a lock where the closing holds none, are added to the struct.
//!
//! A sender that waits for room while it holds a lock can hold up who closes, and who receives. So that is proposed
//! only where the package itself receives in a loop up to the end of the channel, and what receives takes neither
//! that lock nor calls a sender; where the lock is a new one, no call by itself shows that nothing waits for ever,
//! and the fix is called plausible at most.
//!
//! What is closed and stays in a list of channels is taken out of it.
//!
//! Nothing is proposed where other packages see the channel, where it is sent on or closed from outside the type's
//! methods or others get it who may do so, where a sender that is to take the lock does more behind the send than to
//! return, sends in a loop, or is called with the lock held, or where values of the struct are copied.

use std::sync::Arc;

use tree_sitter::Node;

use super::closed_list::taken_out;
use super::closer::{Closer, Owner, Sender};
use crate::generator::repair::case::Case;
use crate::generator::repair::draft::{Draft, Tier};
use crate::generator::repair::edit::{Edits, indent_of, is_repairable};
use crate::generator::repair::exit::{Exit, Failure};
use crate::generator::repair::methods::{Method, Mutex, is_copied, own_call, struct_of};
use crate::generator::repair::order::{Reads, before_changes, changed_above};
use crate::generator::repair::syntax::{called_name, nodes_of};
use crate::repository::go::{File, later};

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let Some(file) = case.file(0).filter(|file| is_repairable(file)) else { return Vec::new() };
    let sends = case.raisers(0, |_, node| node.kind() == "send_statement");
    sends.into_iter().filter_map(|send| for_send(case, file, send)).take(1).collect()
}

fn for_send(case: &Case<'_>, file: &Arc<File>, send: Node<'_>) -> Option<Draft> {
    let channel = send.child_by_field_name("channel")?;
    if channel.kind() == "identifier" {
        return taken_out(case, file, channel);
    }
    let owner = Owner::of(case, file, channel).filter(|owner| !owner.is_exported())?;
    let closer = owner.closer()?;
    let senders = owner.senders(case)?;
    owner
        .signal(&closer)
        .and_then(|signal| give_up(case, &owner, &closer, &senders, &signal))
        .or_else(|| ask(case, &owner, &closer, &senders))
}

/// How a sender leaves, and whether its caller learns of it. What is dropped where there is no room may be
/// dropped here in the same way.
fn leave(
    case: &Case<'_>,
    edits: &mut Edits,
    owner: &Owner,
    sender: &Sender<'_>,
    at: Node<'_>,
) -> (Exit, bool) {
    let failure = Failure::closed(&owner.name());
    let exit = case.leave(edits, &sender.method.file, at, &failure);
    let reports = exit.reports || exit.lines.last().is_some_and(|last| sender.drops_by(last));
    (exit, reports)
}

/// The channel is closed no more; who sends gives up once all is over.
fn give_up(
    case: &Case<'_>,
    owner: &Owner,
    closer: &Closer<'_>,
    senders: &[Sender<'_>],
    signal: &str,
) -> Option<Draft> {
    if owner.is_waited_for() || closer.statement.kind() != "expression_statement" {
        return None;
    }
    let mut edits = Edits::default();
    edits.remove_line(&closer.method.file, closer.statement)?;
    let mut told = true;
    for sender in senders {
        let file = &sender.method.file;
        let over = format!("<-{}", sender.method.own(signal));
        if sender.chooses(&over) {
            continue;
        }
        let (exit, reports) = leave(case, &mut edits, owner, sender, sender.send);
        told &= reports;
        let mut case_lines = vec![format!("case {over}:")];
        case_lines.extend(exit.lines.iter().map(|line| format!("\t{line}")));
        let mut first = Vec::new();
        if owner.may_have_room() {
            // Of two ways that are open either may be gone.
            first.push("select {".to_owned());
            first.extend(case_lines.iter().cloned());
            first.extend(["default:".to_owned(), "}".to_owned()]);
        }
        match sender.select() {
            Some(select) => {
                edits.insert_before(file, select, &first)?;
                let (indent, end) = (indent_of(file, select)?, select.end_byte() - 1);
                let text: String = case_lines.iter().map(|line| format!("{line}\n{indent}")).collect();
                edits.replace(file, end..end, text);
            }
            None => {
                let mut lines = first;
                lines.extend(["select {".to_owned(), format!("case {}:", file.text_of(sender.send))]);
                lines.extend(case_lines);
                lines.push("}".to_owned());
                edits.replace_statement(file, sender.send, &lines)?;
            }
        }
    }
    let explanation = format!(
        "`{}` closes `{}` while others may still send on it. `{signal}` tells the end already: who sends gives up then, and nobody waits for the channel to be closed.",
        closer.method.function.identifier, owner.field
    );
    Some(Draft::leaving(Tier::Cause, told, 0, explanation, edits))
}

/// What guards the channel.
struct Guard {
    mutex: Mutex,
    /// Whether the lock is new.
    is_new: bool,
    mark: String,
    /// Whether the mark is set where the channel is closed already.
    is_marked: bool,
}

/// Who sends asks under a lock whether the owner is closed.
fn ask(case: &Case<'_>, owner: &Owner, closer: &Closer<'_>, senders: &[Sender<'_>]) -> Option<Draft> {
    let guard = guard(owner, closer, senders)?;
    if guard.is_new && is_copied(case, &owner.declaration) {
        return None;
    }
    let waits = senders.iter().any(|sender| !sender.is_immediate());
    if waits && !owner.drains(if guard.is_new { None } else { Some(&guard.mutex) }, closer, senders) {
        return None;
    }
    let mut edits = Edits::default();
    add_fields(&mut edits, owner, &guard)?;
    mark(&mut edits, closer, &guard)?;
    let (mut told, mut asks, mut changed) = (true, 0, None);
    for sender in senders {
        if asks_already(sender, &guard) {
            continue;
        }
        let (reports, before) = ask_first(case, &mut edits, owner, sender, &guard)?;
        told &= reports;
        changed = changed.or(before);
        asks += 1;
    }
    if asks == 0 {
        case.note_asked_already();
        return None;
    }
    let (mark, mutex) = (&guard.mark, &guard.mutex.name);
    let kept = if guard.is_marked { "marks it with" } else { "marks that now with" };
    let explanation = format!(
        "`{}` closes `{}` and {kept} `{mark}`: who sends asks for it first, and holds `{mutex}` until the value is sent.",
        closer.method.function.identifier, owner.field
    );
    // The tier tells what no single call can show.
    let tier = if guard.is_new && waits { Tier::Check } else { Tier::Cause };
    Some(Draft::leaving(tier, told, 0, explanation, edits).with_work_half_done(changed))
}

/// What guards the channel: what the closing method uses, and what is missing.
fn guard(owner: &Owner, closer: &Closer<'_>, senders: &[Sender<'_>]) -> Option<Guard> {
    let held = owner.mutexes().into_iter().find(|mutex| closer.method.locks(mutex));
    let marked = owner.marks().into_iter().find(|mark| closer.sets(mark));
    // A mark that is set without the lock helps nobody, and a second one beside it nobody understands.
    let is_set_under = |mark: &String| held.as_ref().is_some_and(|mutex| closer.sets_under(mark, mutex));
    if marked.as_ref().is_some_and(|mark| !is_set_under(mark)) {
        return None;
    }
    let waits = senders.iter().any(|sender| !sender.is_immediate());
    let is_new = held.is_none();
    let mutex = match held {
        Some(mutex) => mutex,
        // Several senders may wait at once.
        None => Mutex { name: owner.fresh(&["mu", "sendMu"])?, embedded: false, shared: waits },
    };
    let is_marked = marked.is_some();
    let mark = match marked {
        Some(mark) => mark,
        None => owner.fresh(&["closed", "isClosed"])?,
    };
    if !is_marked && !is_new && !closer.closes_under(&mutex) {
        return None;
    }
    Some(Guard { mutex, is_new, mark, is_marked })
}

fn add_fields(edits: &mut Edits, owner: &Owner, guard: &Guard) -> Option<()> {
    let home = &owner.declaration.file;
    let mut fields: Vec<(&str, String)> = Vec::new();
    if guard.is_new {
        let sync = edits.import(home, "sync");
        let ty = if guard.mutex.shared { "RWMutex" } else { "Mutex" };
        fields.push((&guard.mutex.name, format!("{sync}.{ty}")));
    }
    if !guard.is_marked {
        fields.push((&guard.mark, "bool".to_owned()));
    }
    if fields.is_empty() {
        return Some(());
    }
    if !is_repairable(home) {
        return None;
    }
    let widest = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines: String = fields.iter().map(|(name, ty)| format!("\t{name:widest$} {ty}\n")).collect();
    let close = struct_of(&owner.declaration)?.end_byte() - 1;
    edits.replace(home, close..close, format!("\n{lines}"));
    Some(())
}

/// The closing method marks what it does.
fn mark(edits: &mut Edits, closer: &Closer<'_>, guard: &Guard) -> Option<()> {
    if guard.is_marked {
        return Some(());
    }
    let file = &closer.method.file;
    if !is_repairable(file) || closer.statement.kind() != "expression_statement" {
        return None;
    }
    let lock = guard.mutex.of(&closer.method.receiver);
    let set = format!("{} = true", closer.method.own(&guard.mark));
    if !guard.is_new {
        return edits.insert_before(file, closer.statement, &[set]);
    }
    let lines = |last: &str| vec![format!("{lock}.Lock()"), last.to_owned(), set.clone()];
    if closer.is_alone() {
        return edits.insert_before(file, closer.statement, &lines(&format!("defer {lock}.Unlock()")));
    }
    edits.insert_before(file, closer.statement, &[format!("{lock}.Lock()"), set])?;
    edits.insert_after(file, closer.statement, &[format!("{lock}.Unlock()")])
}

/// Whether a sender asks for the mark before it sends.
fn asks_already(sender: &Sender<'_>, guard: &Guard) -> bool {
    guard.is_marked && sender.asks(&sender.method.own(&guard.mark))
}

/// A sender takes the lock, where it does not hold it, and asks, better still before it changed anything; whether
/// leaving is told, and which change above stays.
fn ask_first<'o>(
    case: &Case<'_>,
    edits: &mut Edits,
    owner: &Owner,
    sender: &Sender<'o>,
    guard: &Guard,
) -> Option<(bool, Option<&'o str>)> {
    let file = &sender.method.file;
    let condition = sender.method.own(&guard.mark);
    let lock = guard.mutex.of(&sender.method.receiver);
    let unit = sender.unit()?;
    let reads = Reads::of([condition.as_str()]);
    if !guard.is_new && sender.holds(&guard.mutex) {
        // The mark stays as it is while the lock is held.
        let taken = sender.taken(&guard.mutex);
        let place = taken.and_then(|taken| later(taken).next()).unwrap_or(unit);
        let (exit, reports) = leave(case, edits, owner, sender, place);
        match taken {
            Some(taken) => edits.insert_after(file, taken, &exit.guarded(&condition))?,
            None => edits.insert_before(file, unit, &exit.guarded(&condition))?,
        }
        return Some((reports, changed_above(file, place)));
    }
    let place = before_changes(file, unit, &reads).unwrap_or(unit);
    let (mut exit, reports) = leave(case, edits, owner, sender, sender.send);
    let told = (reports, changed_above(file, place));
    // In a loop it would be held for as long as that goes on.
    let called = !guard.is_new && owner.is_called_with(case, sender.method, &guard.mutex);
    if sender.method.names(&guard.mutex) || called || sender.is_in_loop() || is_risky(sender, unit) {
        return None;
    }
    let kind = if guard.mutex.shared { "R" } else { "" };
    let (take, give) = (format!("{lock}.{kind}Lock()"), format!("{lock}.{kind}Unlock()"));
    if sender.only_returns_behind(unit) {
        let mut lines = vec![take, format!("defer {give}")];
        lines.extend(exit.guarded(&condition));
        edits.insert_before(file, place, &lines)?;
    } else if unit == sender.send {
        exit.lines.insert(0, give.clone());
        let mut lines = vec![take];
        lines.extend(exit.guarded(&condition));
        edits.insert_before(file, place, &lines)?;
        edits.insert_after(file, unit, &[give])?;
    } else {
        return None;
    }
    Some(told)
}

/// Whether a statement does more than to send which may wait for others, or call back.
fn is_risky(sender: &Sender<'_>, unit: Node<'_>) -> bool {
    let (file, receiver): (&Arc<File>, &Method) = (&sender.method.file, sender.method);
    let waits = nodes_of(unit, |node| match node.kind() {
        "unary_expression" => {
            let told = node.parent().and_then(|parent| parent.parent());
            let in_select =
                [node.parent(), told].into_iter().flatten().any(|at| at.kind() == "communication_case");
            file.text_of(node).starts_with("<-") && !in_select
        }
        "call_expression" => {
            own_call(file, node, &receiver.receiver).is_some() || called_name(file, node) == "Wait"
        }
        _ => false,
    });
    !waits.is_empty()
}
