//! The thread that writes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use rocksdb::WriteBatch;
use tokio::sync::oneshot;

use super::ledger::{Ledger, Trimmed};
use super::{Commit, Inbox, News, Order, Publication, Shared, store};
use crate::bus::Topic;
use crate::storage::{Access, DatabaseError};

/// The most bytes of messages in one batch, if it is more than one message.
const GROUP_BYTES: usize = 1 << 20;
/// How often is looked for what has grown old.
const TRIM_INTERVAL: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Likewise where only space is waited for: groups go on meanwhile, and asking for space costs next to nothing.
const LONGEST_PAUSE_FOR_SPACE: Duration = Duration::from_millis(200);
/// The least time between two lines about writes that fail: on a disk that is all but full they come and go.
const REMINDER_INTERVAL: Duration = Duration::from_secs(300);

/// One batch: the changes to write, and whom to tell afterwards.
struct Plan {
    /// When it was made, in seconds since 1970.
    made: u64,
    before: Arc<Ledger>,
    after: Ledger,
    trimmed: Vec<Trimmed>,
    messages: Vec<(u64, Publication)>,
    commits: Vec<(u64, oneshot::Sender<u64>)>,
}

/// Writes until the bus is closed.
pub(super) fn run(shared: &Shared) {
    let _end = End(shared);
    let mut told = None;
    while let Some((published, orders)) = next_work(shared) {
        let mut plan = plan(shared, published, orders);
        if !carry_out(shared, &mut plan, &mut told) {
            break;
        }
        plan.tell(shared);
    }
}

/// However the writer ends, what is still queued is refused, nothing more is taken, and consumers end.
struct End<'a>(&'a Shared);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.room.close();
        let left = self.0.inbox().refuse();
        drop(left);
        self.0.database.close();
        self.0.news.send_replace(News::Closed);
    }
}

type Work = (Vec<Publication>, VecDeque<Order>);

/// Waits for something to do; none once the bus is closing and nothing can be written any more.
fn next_work(shared: &Shared) -> Option<Work> {
    let ledger = shared.ledger();
    let is_full = shared.bounds.are_full(ledger.bytes());
    note_fullness(shared, is_full, &ledger);
    let idle = |inbox: &mut Inbox| {
        !inbox.closing && inbox.orders.is_empty() && (is_full || inbox.published.is_empty())
    };
    let inbox = shared.inbox();
    let mut inbox = if ledger.will_age() {
        let waited = shared.wake.wait_timeout_while(inbox, TRIM_INTERVAL, idle);
        waited.unwrap_or_else(std::sync::PoisonError::into_inner).0
    } else {
        let waited = shared.wake.wait_while(inbox, idle);
        waited.unwrap_or_else(std::sync::PoisonError::into_inner)
    };
    let orders = std::mem::take(&mut inbox.orders);
    let mut published = Vec::new();
    let mut bytes = 0;
    while let Some(next) = inbox.published.front().filter(|_| !is_full) {
        bytes += next.value.len();
        if !published.is_empty() && bytes > GROUP_BYTES {
            break;
        }
        published.extend(inbox.published.pop_front());
    }
    let is_over = inbox.closing && published.is_empty() && orders.is_empty();
    (!is_over).then_some((published, orders))
}

/// Says once that there is no more room, and once that there is again.
fn note_fullness(shared: &Shared, is_full: bool, ledger: &Ledger) {
    let was_full = shared.is_full.swap(is_full, Ordering::Relaxed);
    match (was_full, is_full, ledger.slowest()) {
        (false, true, Some((topic, group, next))) => tracing::warn!(
            %topic, group, next, bytes = ledger.bytes(),
            "the bus is full of messages that were not consumed yet: publishing waits until this group goes \
             on (bus.retention_bytes)"
        ),
        (true, false, _) => tracing::warn!("the bus has room again"),
        _ => {}
    }
}

fn plan(shared: &Shared, published: Vec<Publication>, orders: VecDeque<Order>) -> Plan {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let before = shared.ledger();
    let mut after = Ledger::clone(&before);
    let (mut messages, mut commits) = (Vec::with_capacity(published.len()), Vec::new());
    let mut append = |after: &mut Ledger, publication: Publication| {
        let bytes = publication.value.len() as u64;
        let offset = after.append(publication.topic, bytes, now, shared.bounds);
        messages.push((offset, publication));
    };
    for order in orders {
        match order {
            Order::Write(publication) => append(&mut after, publication),
            Order::Commit { topic, group, at, done } => {
                commits.push((stand(&mut after, topic, &group, &at), done));
            }
        }
    }
    published.into_iter().for_each(|publication| append(&mut after, publication));
    let trimmed = trim(shared, &mut after, now);
    Plan { made: now, before, after, trimmed, messages, commits }
}

/// Deletes what the bounds do not allow for, and more where the disk is smaller than they are: once it is full,
/// the database cannot even be opened again to delete something.
fn trim(shared: &Shared, ledger: &mut Ledger, now: u64) -> Vec<Trimmed> {
    let mut trimmed = ledger.trim(now, shared.bounds);
    if shared.database.is_short_of_space() {
        trimmed.extend(ledger.relieve());
    }
    trimmed
}

/// Moves a group, and tells where it stands then.
fn stand(ledger: &mut Ledger, topic: Topic, group: &str, at: &Commit) -> u64 {
    let (head, end) = ledger.log(topic).map_or((0, 0), |log| (log.head(), log.end));
    match *at {
        Commit::Below(next) => {
            ledger.commit(topic, group, next);
            next
        }
        Commit::Join(remembered) => {
            let committed = ledger.log(topic).and_then(|log| log.groups.get(group).copied());
            let wanted = remembered.or(committed).unwrap_or(head);
            if remembered.is_some_and(|next| next > end) {
                tracing::warn!(
                    %topic, group, remembered, end,
                    "the consumer remembers more than the bus holds: was the bus removed? It starts with the \
                     oldest message; what was applied before is recognised"
                );
            }
            // What is behind the end was another bus.
            let next = if wanted > end { head } else { wanted.max(head) };
            ledger.commit(topic, group, next);
            next
        }
    }
}

/// Writes a batch, again and again until it succeeds; false where the bus is closed before. `told` is when a
/// failure was last told.
///
/// The disk may be smaller than the bounds. So what groups are done with makes room before the batch is written
/// again. Where that is not enough, it waits until others make some, and groups go on with what there is.
fn carry_out(shared: &Shared, plan: &mut Plan, told: &mut Option<Instant>) -> bool {
    let mut pause = FIRST_PAUSE;
    let mut failures = 0_u64;
    let mut is_told = false;
    while let Err(error) = try_write(shared, plan) {
        failures += 1;
        shared.is_retrying.store(true, Ordering::Relaxed);
        shared.metrics.bus_retried.inc();
        if told.is_none_or(|told| told.elapsed() >= REMINDER_INTERVAL) {
            (*told, is_told) = (Some(Instant::now()), true);
            let reason = error.to_string();
            tracing::error!(
                reason,
                failures,
                "the bus cannot be written; publishing waits, and it is tried again"
            );
        }
        if shared.inbox().closing {
            return false;
        }
        shared.pause(pause);
        let is_broken = shared.database.is_broken();
        pause = (pause * 2).min(if is_broken { LONGEST_PAUSE } else { LONGEST_PAUSE_FOR_SPACE });
        if let Err(error) = make_room(shared, plan) {
            tracing::debug!(reason = %error, "no room can be made in the bus");
        }
    }
    shared.is_retrying.store(false, Ordering::Relaxed);
    if is_told {
        tracing::warn!(failures, "the bus can be written again; nothing was lost");
    }
    true
}

/// Where the disk is full, deletes half of what there is, as far as groups are done with it, and lets them go on.
fn make_room(shared: &Shared, plan: &mut Plan) -> Result<(), DatabaseError> {
    if !shared.database.is_short_of_space() {
        return Ok(());
    }
    // Opening the database again takes space too. So whole files go before, although the books still list what
    // is in them: nobody reads it any more.
    let mut durable = Ledger::clone(&plan.before);
    store::reclaim(&shared.database, &durable.relieve()).ok();
    let mut after = Ledger::clone(&plan.before);
    after.follow(&plan.after);
    for (topic, group, at, done) in shared.inbox().take_commits() {
        plan.commits.push((stand(&mut after, topic, &group, &at), done));
    }
    plan.after.follow(&after);
    let trimmed = after.relieve();
    if trimmed.is_empty() && plan.commits.is_empty() {
        if !shared.database.is_broken() {
            // Perhaps what was deleted before still takes space: giving it back takes some too.
            reclaim(shared, &plan.before.gone());
        }
        return Ok(());
    }
    let before = Arc::clone(&plan.before);
    let mut relief =
        Plan { made: plan.made, before, after, trimmed, messages: Vec::new(), commits: Vec::new() };
    try_write(shared, &relief)?;
    relief.commits = std::mem::take(&mut plan.commits);
    relief.tell(shared);
    plan.rebase(shared);
    Ok(())
}

fn try_write(shared: &Shared, plan: &Plan) -> Result<(), DatabaseError> {
    if shared.database.is_broken() {
        shared.database.reopen()?;
        shared.announce();
    }
    let fill = |access: &Access<'_>, batch: &mut WriteBatch| {
        for (offset, publication) in &plan.messages {
            store::put_message(access, batch, (publication.topic, *offset), &publication.value)?;
        }
        store::put_ledger(access, batch, (&plan.before, &plan.after), &plan.trimmed)
    };
    // Without messages a batch says what groups are done with, or deletes it.
    if plan.messages.is_empty() { shared.database.relieve(fill) } else { shared.database.write(fill) }
}

impl Plan {
    /// Goes out from the ledger as it is by now. No message was added meanwhile, so each keeps its offset.
    fn rebase(&mut self, shared: &Shared) {
        self.before = shared.ledger();
        self.after = Ledger::clone(&self.before);
        for (offset, publication) in &self.messages {
            let bytes = publication.value.len() as u64;
            let again = self.after.append(publication.topic, bytes, self.made, shared.bounds);
            debug_assert_eq!(again, *offset, "a message was added meanwhile");
        }
        self.trimmed = trim(shared, &mut self.after, self.made);
    }

    /// Tells everybody that the batch is durable.
    fn tell(self, shared: &Shared) {
        *shared.ledger.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(self.after);
        shared.metrics.bus_published.with_label_values(&["embedded"]).inc_by(self.messages.len() as u64);
        for (_, publication) in self.messages {
            shared.metrics.bus_delivery_seconds.observe(publication.since.elapsed().as_secs_f64());
            publication.pending.durable();
        }
        shared.gauge();
        for (next, done) in self.commits {
            // A consumer that is gone does not want to know.
            done.send(next).ok();
        }
        shared.announce();
        if !self.trimmed.is_empty() {
            reclaim(shared, &self.trimmed);
        }
    }
}

/// Gives the disk back what was deleted.
fn reclaim(shared: &Shared, trimmed: &[Trimmed]) {
    let mut reclaimed = store::reclaim(&shared.database, trimmed);
    if shared.database.is_short_of_space() {
        reclaimed = reclaimed.and(store::compact(&shared.database, trimmed));
    }
    if let Err(error) = reclaimed {
        // Compaction gives the space back later.
        tracing::debug!(reason = %error, "deleted messages still take space");
    }
}
